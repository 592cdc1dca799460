"""Values that cross the public API: packets, rate control, capabilities, session settings.

Plain data, immutable, no behaviour beyond checking itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .capability import BackendStatus, Capability
    from .encoder_config import EncoderConfig
    from .hdr import ContentLight, MasteringDisplay
    from .packet import Packet
    from .rate_control import (
        ConstantBitrate,
        ConstantQp,
        ConstantQuality,
        RateControl,
        VariableBitrate,
    )
    from .side_data import SideData

__all__ = [
    "BackendStatus",
    "Capability",
    "ConstantBitrate",
    "ConstantQp",
    "ConstantQuality",
    "ContentLight",
    "EncoderConfig",
    "MasteringDisplay",
    "Packet",
    "RateControl",
    "SideData",
    "VariableBitrate",
]

# A decoder needs nothing of an encoder's.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "capability": ("BackendStatus", "Capability"),
    "encoder_config": ("EncoderConfig",),
    "hdr": ("ContentLight", "MasteringDisplay"),
    "packet": ("Packet",),
    "rate_control": (
        "ConstantBitrate", "ConstantQp", "ConstantQuality", "RateControl", "VariableBitrate",
    ),
    "side_data": ("SideData",),
}  # fmt: skip

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
