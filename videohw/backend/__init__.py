"""The contract of a backend: its sessions, what goes into them, and what it says of itself.

What every backend keeps is written once, in ``protocols``; differences between backends are data
(:class:`~videohw.types.Capability`), never missing methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .account import Account
    from .coded_picture import UNKNOWN_PICTURE, CodedPicture, Fields, PictureInfo, SequenceInfo
    from .input_picture import (
        EncoderItem,
        EndOfGeneration,
        InputPicture,
        SessionSwitch,
    )
    from .protocols import Backend, DecoderSession, EncoderSession, PreparedSwitch

__all__ = [
    "UNKNOWN_PICTURE",
    "Account",
    "Backend",
    "CodedPicture",
    "DecoderSession",
    "EncoderItem",
    "EncoderSession",
    "EndOfGeneration",
    "Fields",
    "InputPicture",
    "PictureInfo",
    "PreparedSwitch",
    "SequenceInfo",
    "SessionSwitch",
]

# A decoder needs nothing of an encoder's, and protocols are for type checkers.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "account": ("Account",),
    "coded_picture": ("UNKNOWN_PICTURE", "CodedPicture", "Fields", "PictureInfo", "SequenceInfo"),
    "input_picture": (
        "EncoderItem", "EndOfGeneration", "InputPicture", "SessionSwitch",
    ),
    "protocols": ("Backend", "DecoderSession", "EncoderSession", "PreparedSwitch"),
}  # fmt: skip

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
