"""The errors that users see for what the driver, or our reading of its caps, refused.

Must not know: sessions.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from .. import _cuda, _nv
from ..backend import CodedPicture
from ..decoding.fault_policy import HINT, described
from ..errors import BackendError, DeviceLost, InvalidBitstream, UnsupportedConfig, VideoHwError

_IN_WORK: Final = 1  # cuvidDecodeStatus_InProgress


def refusal(
    item: CodedPicture, call: str | None, code: int, sequence: dict[str, Any]
) -> VideoHwError:
    """Why a picture was not decoded; ``sequence`` is the last that the device refused."""
    if code == _nv.REFUSED_BY_CAPS:
        return _beyond_caps(sequence, item)
    if code == _nv.NO_PICTURE:
        return InvalidBitstream(
            f"{described(item)} gave nothing to decode", offset=item.offset, hint=HINT
        )
    if code == _nv.NO_MEMORY:
        return no_memory(item, MemoryError(), call)
    error: VideoHwError = _cuda.error(code, call or "a call", "cuvid")
    error.args = (f"{error.args[0]}: {described(item)}",)
    if call == "cuvidDecodePicture" and not error.fatal:
        error.hint = HINT
    return error


def repeated(error: VideoHwError) -> Callable[[], VideoHwError]:
    """``error`` anew for each picture that it stands for."""

    def again() -> VideoHwError:
        copied = type(error)(*error.args)
        copied.__dict__.update(error.__dict__)
        return copied

    return again


def no_tool(tool: str, item: CodedPicture) -> UnsupportedConfig:
    """A coding tool that the driver would not refuse."""
    return UnsupportedConfig(
        f"{described(item)} uses {tool}, which NVDEC does not decode",
        hint='backend="software" decodes some such streams',
    )


def _beyond_caps(sequence: dict[str, Any], item: CodedPicture) -> UnsupportedConfig:
    caps = sequence["caps"]
    width, height = sequence["coded_size"]
    what = (
        f"{width}x{height} pixels of chroma format {sequence['chroma_format']} with "
        f"{sequence['bit_depth']} bits"
    )
    chroma_bits = sequence["chroma_bit_depth"]
    if sequence["chroma_format"] and chroma_bits != sequence["bit_depth"]:
        what += f" for luma and {chroma_bits} for chroma"
        limits = "NVDEC decodes one depth for all planes"
    elif not caps["supported"]:
        limits = "this device does not decode that format"
    else:
        limits = (
            f"this device decodes {caps['min_width']}x{caps['min_height']} to "
            f"{caps['max_width']}x{caps['max_height']} pixels, at most "
            f"{caps['max_macroblocks']} macroblocks"
        )
    return UnsupportedConfig(
        f"{described(item)} has {what}; {limits}", hint='backend="software" has no such limits'
    )


def no_memory(item: CodedPicture, cause: MemoryError, call: str | None = None) -> BackendError:
    """Memory of the host ran out, in a ``call`` or for what is made of a picture."""
    call = call or "malloc"
    error = BackendError(
        f"{call} failed with ENOMEM ({errno.ENOMEM}): memory ran out for {described(item)}",
        domain="videohw",
        call=call,
        code=errno.ENOMEM,
        name="ENOMEM",
        hint="a smaller size, a smaller max_in_flight, or fewer sessions",
    )
    error.__cause__ = cause
    return error


def no_plan(item: CodedPicture) -> Callable[[], VideoHwError]:
    """The error for a picture of a sequence that ended where it began."""

    def error() -> VideoHwError:
        return InvalidBitstream(
            f"{described(item)} is of a sequence that another one follows in one access unit",
            offset=item.offset,
            hint=HINT,
        )

    return error


def lost(call: str | None, code: int) -> DeviceLost:
    """The context, and with it the session, is of no use any more."""
    error = _cuda.error(code, call or "a call", "cuvid")
    if isinstance(error, DeviceLost):
        return error
    return DeviceLost(
        str(error.args[0]),
        domain="cuvid",
        call=call,
        code=code,
        name=error.name,
        hint="open a new session",
    )


def never_decoded(item: CodedPicture) -> BackendError:
    """The decoder took a picture, and says for too long that it is working on it."""
    return BackendError(
        f"{described(item)} is not decoded: cuvidGetDecodeStatus answers for too long that it is "
        f"in work ({_IN_WORK})",
        domain="cuvid",
        call="cuvidGetDecodeStatus",
        code=_IN_WORK,
        name="cuvidDecodeStatus_InProgress",
        hint="see nvidia-smi and the system's log",
    )
