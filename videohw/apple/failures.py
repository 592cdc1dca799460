"""The errors that users see for what VideoToolbox answered.

Must not know: sessions.
"""

from __future__ import annotations

from typing import Final

from .. import _vt
from ..backend import CodedPicture
from ..decoding.fault_policy import HINT, described
from ..errors import BackendError, DeviceLost, InvalidBitstream, UnsupportedConfig, VideoHwError
from ..status import VIDEOTOOLBOX, backend_error

_BAD_DATA: Final = (-12909, -12712, -12710)
REFERENCE_MISSING: Final = -17694
# No decoder, or not for this form of pictures.
_UNSUPPORTED: Final = (-12906, -12910, -12905, -12907)
_SOFTWARE: Final = 'backend="software" may decode it'


def refusal(item: CodedPicture, call: str | None, code: int) -> VideoHwError:
    """Why a picture was not decoded."""
    about = described(item)
    if code == _vt.NEEDS_ACCESS_POINT:
        return InvalidBitstream(
            f"{about} lacks references: decoding began anew before it, and it is no random "
            "access point",
            offset=item.offset,
            hint=HINT,
        )
    if code == _vt.NO_IMAGE:
        return InvalidBitstream(f"{about} gave no image", offset=item.offset, hint=HINT)
    if code == _vt.NO_SETS:
        return InvalidBitstream(
            f"{about} names parameter sets that are not there", offset=item.offset, hint=HINT
        )
    if code == _vt.NO_MEMORY:
        return no_memory(item, call)
    error = backend_error(VIDEOTOOLBOX, call or "a call", code, about)
    if code in _BAD_DATA:
        return InvalidBitstream(str(error.args[0]), offset=item.offset, hint=HINT)
    if code in _UNSUPPORTED:
        return UnsupportedConfig(str(error.args[0]), hint=_SOFTWARE)
    return error


def dropped(item: CodedPicture) -> InvalidBitstream:
    """VideoToolbox decoded a picture, or did not, and has nothing to show of it."""
    return InvalidBitstream(
        f"{described(item)} was dropped by VideoToolbox (kVTDecodeInfo_FrameDropped)",
        offset=item.offset,
        hint=HINT,
    )


def no_form(item: CodedPicture, what: str) -> UnsupportedConfig:
    """Pictures, or coding tools, that VideoToolbox does not decode."""
    return UnsupportedConfig(
        f"{described(item)} has {what}, which VideoToolbox does not decode", hint=_SOFTWARE
    )


def no_memory(item: CodedPicture, call: str | None = None) -> BackendError:
    """Memory of the host ran out, in ``call`` where that is known."""
    where = f" in {call}" if call else ""
    return BackendError(
        f"memory ran out{where} for {described(item)}",
        domain="videohw",
        call=call,
        hint="a smaller size, a smaller max_in_flight, or fewer sessions",
    )


def lost(call: str | None, code: int) -> DeviceLost:
    """The session was lost, and no other one could take its place."""
    error = backend_error(VIDEOTOOLBOX, call or "a call", code, "the session was lost before")
    return DeviceLost(
        str(error.args[0]),
        domain=VIDEOTOOLBOX,
        call=error.call,
        code=code,
        name=error.name or "OSStatus",
        hint="open a new session",
    )


def stuck(seconds: float) -> DeviceLost:
    """Nothing has come of what VideoToolbox works on for so long."""
    return DeviceLost(
        f"VideoToolbox did not come back within {seconds:.0f} seconds",
        domain=VIDEOTOOLBOX,
        hint="open a new session; when that fails too, see the system's log",
    )
