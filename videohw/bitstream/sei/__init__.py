"""SEI messages: framing (H.264 7.3.2.3, H.265 7.3.5) and the payloads that have a use here.

Payloads are H.264 Annex D and H.265 Annex D, whose numbers and syntax agree for most types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_names import lazy_names

if TYPE_CHECKING:
    from .messages import (
        ALTERNATIVE_TRANSFER,
        CONTENT_LIGHT,
        MASTERING_DISPLAY,
        PIC_TIMING,
        RECOVERY_POINT,
        USER_DATA_T35,
        USER_DATA_UNREGISTERED,
        SeiMessage,
        parse,
    )
    from .values import (
        AlternativeTransfer,
        ClockTimestamp,
        ContentLight,
        MasteringDisplay,
        PicTiming,
        RecoveryPoint,
        SeiValue,
        UserDataT35,
        UserDataUnregistered,
        decode,
    )

__all__ = [
    "ALTERNATIVE_TRANSFER",
    "CONTENT_LIGHT",
    "MASTERING_DISPLAY",
    "PIC_TIMING",
    "RECOVERY_POINT",
    "USER_DATA_T35",
    "USER_DATA_UNREGISTERED",
    "AlternativeTransfer",
    "ClockTimestamp",
    "ContentLight",
    "MasteringDisplay",
    "PicTiming",
    "RecoveryPoint",
    "SeiMessage",
    "SeiValue",
    "UserDataT35",
    "UserDataUnregistered",
    "decode",
    "parse",
]

# Most streams have messages, and few have one that is decoded.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "messages": (
        "ALTERNATIVE_TRANSFER", "CONTENT_LIGHT", "MASTERING_DISPLAY", "PIC_TIMING",
        "RECOVERY_POINT", "USER_DATA_T35", "USER_DATA_UNREGISTERED", "SeiMessage", "parse",
    ),
    "values": (
        "AlternativeTransfer", "ClockTimestamp", "ContentLight", "MasteringDisplay", "PicTiming",
        "RecoveryPoint", "SeiValue", "UserDataT35", "UserDataUnregistered", "decode",
    ),
}  # fmt: skip

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
