"""Status codes of the libraries below us: number, name, and what to try.

Owns: one table per domain, and the step from a status to the error that a user sees. Must not
know: sessions, pixels. A backend adds its own domain as one more entry of :data:`TABLES`; a code
that no table knows keeps its number.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from .errors import BackendError, DeviceLost, InvalidBitstream, UnsupportedConfig, VideoHwError

Doing: TypeAlias = Literal["open", "decode", "encode"]

LIBAVCODEC: Final = "libavcodec"
LIBAVFORMAT: Final = "libavformat"
CUDA: Final = "cuda"
CUVID: Final = "cuvid"
NVENC: Final = "nvenc"
VIDEOTOOLBOX: Final = "videotoolbox"


class Status(NamedTuple):
    """One status code: the number as the library returns it, its name there, what to try."""

    code: int
    name: str
    hint: str | None = None


def _table(*rows: Status) -> Mapping[int, Status]:
    return MappingProxyType({row.code: row for row in rows})


def _tag(text: str) -> int:
    """The value of FFmpeg's FFERRTAG (libavutil/error.h): four bytes, little endian, negated."""
    return -int.from_bytes(text.encode("latin-1"), "little")


# libavutil/error.h. Codes of the operating system are its errno negated, so their numbers differ
# from one system to the next and are taken from the errno module.
_AVERROR: Final = _table(
    Status(_tag("INDA"), "AVERROR_INVALIDDATA", "the coded data is damaged or of another codec"),
    Status(_tag("EOF "), "AVERROR_EOF", "the codec was drained and takes nothing more"),
    Status(_tag("EXT "), "AVERROR_EXTERNAL", "the codec library refused; try its defaults"),
    Status(_tag("PAWE"), "AVERROR_PATCHWELCOME", "FFmpeg does not implement this feature"),
    Status(_tag("BUG!"), "AVERROR_BUG", "a bug of FFmpeg, please report it there"),
    Status(_tag("UNKN"), "AVERROR_UNKNOWN", None),
    Status(_tag("\xf8DEC"), "AVERROR_DECODER_NOT_FOUND", "this PyAV build lacks the decoder"),
    Status(_tag("\xf8ENC"), "AVERROR_ENCODER_NOT_FOUND", "this PyAV build lacks the encoder"),
    Status(_tag("\xf8OPT"), "AVERROR_OPTION_NOT_FOUND", "the codec has no such option"),
    Status(_tag("\xf8DEM"), "AVERROR_DEMUXER_NOT_FOUND", "FFmpeg does not know this container"),
    Status(_tag("\xf8MUX"), "AVERROR_MUXER_NOT_FOUND", "FFmpeg cannot write this container"),
    Status(_tag("\xf8PRO"), "AVERROR_PROTOCOL_NOT_FOUND", "FFmpeg cannot open such an address"),
    Status(-0x2BB2AFA8, "AVERROR_EXPERIMENTAL", "the codec is experimental; allow it by strict=-2"),
    Status(-errno.EINVAL, "EINVAL", "an option or a size is outside what the codec takes"),
    Status(-errno.ENOMEM, "ENOMEM", "memory ran out; try a smaller picture or fewer sessions"),
    Status(-errno.EAGAIN, "EAGAIN", "outputs must be taken first"),
    Status(-errno.ENOSYS, "ENOSYS", "the codec does not implement this"),
    Status(-errno.EIO, "EIO", "reading or writing failed"),
    Status(-errno.ENOENT, "ENOENT", "there is no such file"),
    Status(-errno.EACCES, "EACCES", "the file may not be opened by this user"),
    Status(-errno.EPERM, "EPERM", "the system refused"),
    Status(-errno.ENOSPC, "ENOSPC", "the disk is full"),
    Status(-errno.ERANGE, "ERANGE", "a value is outside what the codec takes"),
)

_NEW_SESSION: Final = "open a new session"
_NEW_PROCESS: Final = "a kernel or copy broke the context, maybe of another library; start anew"
# CUresult of the CUDA driver API, which cuvid answers with too.
_CUDA_RESULT: Final = _table(
    Status(1, "CUDA_ERROR_INVALID_VALUE", "the driver refused a value"),
    Status(2, "CUDA_ERROR_OUT_OF_MEMORY", "use fewer or smaller sessions, or drop frames sooner"),
    Status(3, "CUDA_ERROR_NOT_INITIALIZED", "start processes by spawn, not by fork"),
    Status(4, "CUDA_ERROR_DEINITIALIZED", "the process is ending"),
    Status(34, "CUDA_ERROR_STUB_LIBRARY", "libcuda is the toolkit's stub; install the driver"),
    Status(46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "another process holds the device for itself"),
    Status(100, "CUDA_ERROR_NO_DEVICE", "see nvidia-smi, and CUDA_VISIBLE_DEVICES"),
    Status(101, "CUDA_ERROR_INVALID_DEVICE", None),
    Status(200, "CUDA_ERROR_INVALID_IMAGE", None),
    Status(201, "CUDA_ERROR_INVALID_CONTEXT", _NEW_SESSION),
    Status(205, "CUDA_ERROR_MAP_FAILED", None),
    Status(208, "CUDA_ERROR_ALREADY_MAPPED", None),
    Status(209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "the kernels have no form for this device"),
    Status(211, "CUDA_ERROR_NOT_MAPPED", None),
    Status(214, "CUDA_ERROR_ECC_UNCORRECTABLE", "the device's memory is damaged; see nvidia-smi"),
    Status(218, "CUDA_ERROR_INVALID_PTX", "the driver is too old for the kernels: 520 or newer"),
    Status(220, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "see nvidia-smi"),
    Status(222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "install driver 520 or newer"),
    Status(400, "CUDA_ERROR_INVALID_HANDLE", None),
    Status(500, "CUDA_ERROR_NOT_FOUND", None),
    Status(600, "CUDA_ERROR_NOT_READY", None),
    Status(700, "CUDA_ERROR_ILLEGAL_ADDRESS", _NEW_PROCESS),
    Status(702, "CUDA_ERROR_LAUNCH_TIMEOUT", _NEW_PROCESS),
    Status(709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", _NEW_SESSION),
    Status(710, "CUDA_ERROR_ASSERT", _NEW_PROCESS),
    Status(714, "CUDA_ERROR_HARDWARE_STACK_ERROR", _NEW_PROCESS),
    Status(715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", _NEW_PROCESS),
    Status(716, "CUDA_ERROR_MISALIGNED_ADDRESS", _NEW_PROCESS),
    Status(717, "CUDA_ERROR_INVALID_ADDRESS_SPACE", _NEW_PROCESS),
    Status(718, "CUDA_ERROR_INVALID_PC", _NEW_PROCESS),
    Status(719, "CUDA_ERROR_LAUNCH_FAILED", _NEW_PROCESS),
    Status(801, "CUDA_ERROR_NOT_SUPPORTED", "this device or driver cannot do it"),
    Status(802, "CUDA_ERROR_SYSTEM_NOT_READY", "the driver's daemons do not run"),
    Status(803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "libcuda and the kernel driver differ"),
    Status(804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "install a driver, not cuda-compat"),
    Status(999, "CUDA_ERROR_UNKNOWN", "see nvidia-smi and the system's log"),
)  # fmt: skip
_FEWER_SESSIONS: Final = (
    "other encoders may hold all sessions of the device: close some, in other processes too"
)
_REPORT: Final = "open a new session; if it comes again, report it with the driver's version"
# NVENCSTATUS.
_NVENC_STATUS: Final = _table(
    Status(1, "NV_ENC_ERR_NO_ENCODE_DEVICE", "no device of this machine encodes"),
    Status(2, "NV_ENC_ERR_UNSUPPORTED_DEVICE", "the device has no encoder: take another one"),
    Status(3, "NV_ENC_ERR_INVALID_ENCODERDEVICE", "take another device"),
    Status(4, "NV_ENC_ERR_INVALID_DEVICE", _NEW_SESSION),
    Status(5, "NV_ENC_ERR_DEVICE_NOT_EXIST", "the device is gone; see nvidia-smi"),
    Status(6, "NV_ENC_ERR_INVALID_PTR", _REPORT),
    Status(7, "NV_ENC_ERR_INVALID_EVENT", _REPORT),
    Status(8, "NV_ENC_ERR_INVALID_PARAM", "a setting is outside what the encoder takes"),
    Status(9, "NV_ENC_ERR_INVALID_CALL", _REPORT),
    Status(10, "NV_ENC_ERR_OUT_OF_MEMORY", "use fewer or smaller sessions"),
    Status(11, "NV_ENC_ERR_ENCODER_NOT_INITIALIZED", _REPORT),
    Status(12, "NV_ENC_ERR_UNSUPPORTED_PARAM", "the device lacks something that was asked for"),
    Status(13, "NV_ENC_ERR_LOCK_BUSY", "the encoder was busy for too long; try again"),
    Status(14, "NV_ENC_ERR_NOT_ENOUGH_BUFFER", "a coded picture did not fit; lower the bitrate"),
    Status(15, "NV_ENC_ERR_INVALID_VERSION", "install driver 530.41.03 or newer"),
    Status(16, "NV_ENC_ERR_MAP_FAILED", "the driver could not map the picture's memory"),
    Status(17, "NV_ENC_ERR_NEED_MORE_INPUT", _REPORT),
    Status(18, "NV_ENC_ERR_ENCODER_BUSY", "the encoder was busy for too long; try again"),
    Status(19, "NV_ENC_ERR_EVENT_NOT_REGISTERD", _REPORT),
    Status(20, "NV_ENC_ERR_GENERIC", "see nvidia-smi and the system's log"),
    Status(21, "NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY", _FEWER_SESSIONS),
    Status(22, "NV_ENC_ERR_UNIMPLEMENTED", "this device or driver cannot do it"),
    Status(23, "NV_ENC_ERR_RESOURCE_REGISTER_FAILED", "the driver did not take the memory"),
    Status(24, "NV_ENC_ERR_RESOURCE_NOT_REGISTERED", _REPORT),
    Status(25, "NV_ENC_ERR_RESOURCE_NOT_MAPPED", _REPORT),
    Status(26, "NV_ENC_ERR_NEED_MORE_OUTPUT", _REPORT),
)  # fmt: skip
# The drivers that brought a version of CUDA, as far as something of ours needs one.
_DRIVERS: Final = {
    11040: "470", 11080: "520", 12000: "525", 12010: "530", 12050: "555", 13000: "580",
}  # fmt: skip
# After these nothing in the context works any more; videohw/_native/cuda_memory.hpp has them too.
_LOST_CUDA: Final = frozenset({4, 46, 201, 214, 220, 700, 702, 709, 710, *range(714, 720)})

# OSStatus of VideoToolbox (VTErrors.h) and CoreMedia.
_OSSTATUS: Final = _table(
    Status(-12900, "kVTPropertyNotSupportedErr", "this encoder or decoder has no such property"),
    Status(-12901, "kVTPropertyReadOnlyErr", None),
    Status(-12902, "kVTParameterErr", None),
    Status(-12903, "kVTInvalidSessionErr", _NEW_SESSION),
    Status(-12904, "kVTAllocationFailedErr", "use fewer or smaller sessions, drop frames sooner"),
    Status(-12905, "kVTPixelTransferNotSupportedErr", None),
    Status(-12906, "kVTCouldNotFindVideoDecoderErr", "this system has no decoder for it"),
    Status(-12907, "kVTCouldNotCreateInstanceErr", None),
    Status(-12908, "kVTCouldNotFindVideoEncoderErr", "this system has no encoder for it"),
    Status(-12909, "kVTVideoDecoderBadDataErr", "the coded data is damaged"),
    Status(-12910, "kVTVideoDecoderUnsupportedDataFormatErr", None),
    Status(-12911, "kVTVideoDecoderMalfunctionErr", _NEW_SESSION),
    Status(-12912, "kVTVideoEncoderMalfunctionErr", _NEW_SESSION),
    Status(-12913, "kVTVideoDecoderNotAvailableNowErr", "other programs use it; try again later"),
    Status(-12915, "kVTVideoEncoderNotAvailableNowErr", "other programs use it; try again later"),
    Status(-12916, "kVTFormatDescriptionChangeNotSupportedErr", None),
    Status(-12710, "kCMFormatDescriptionError_InvalidParameter", "parameter sets are damaged"),
    Status(-12712, "kCMFormatDescriptionBridgeError_InvalidParameter", "see the parameter sets"),
    Status(-17690, "kVTVideoDecoderRemovedErr", _NEW_SESSION),
    Status(-17691, "kVTSessionMalfunctionErr", _NEW_SESSION),
    Status(-17694, "kVTVideoDecoderReferenceMissingErr", None),
)  # fmt: skip

TABLES: Final[Mapping[str, Mapping[int, Status]]] = MappingProxyType(
    {
        LIBAVCODEC: _AVERROR, LIBAVFORMAT: _AVERROR, CUDA: _CUDA_RESULT, CUVID: _CUDA_RESULT,
        NVENC: _NVENC_STATUS,
        VIDEOTOOLBOX: _OSSTATUS,
    }
)  # fmt: skip

# What a codec library answers at opening when it cannot do the settings asked of it; libx265
# says AVERROR_INVALIDDATA.
_REFUSALS: Final = frozenset(
    {
        -errno.EINVAL, -errno.ENOSYS, -errno.ERANGE, _tag("EXT "), _tag("PAWE"), _tag("INDA"),
        _tag("\xf8OPT"),
    }
)  # fmt: skip
_REFUSAL_HINT: Final = "a setting is outside what the codec library takes; try its defaults"


def lookup(domain: str, code: int) -> Status | None:
    """The row of ``code`` in ``domain``, or None for a code that no table knows."""
    return TABLES.get(domain, {}).get(code)


def backend_error(
    domain: str, call: str, code: int, detail: str | None = None, *, name: str | None = None
) -> BackendError:
    """The error for status ``code`` of ``call``: which call, which code, what to try.

    :class:`DeviceLost` for a code after which the device's context is of no use. ``name`` is what
    the library itself calls a code that no table knows.
    """
    row = lookup(domain, code)
    name = row.name if row else name
    text = f"{domain}: {call} failed with {name or 'status'} ({code})"
    lost = domain in (CUDA, CUVID) and code in _LOST_CUDA
    return (DeviceLost if lost else BackendError)(
        f"{text}: {detail}" if detail else text,
        domain=domain,
        call=call,
        code=code,
        name=name,
        hint=row.hint if row else None,
    )


def needs_newer_driver(feature: str, needed: int, version: int) -> UnsupportedConfig:
    """An NVIDIA driver of CUDA ``version`` (12050: 12.5) is too old for ``feature``."""
    wanted, spoken = (f"{each // 1000}.{each % 1000 // 10}" for each in (needed, version))
    return UnsupportedConfig(
        f"{feature} needs an NVIDIA driver of CUDA {wanted}; this one has {spoken}",
        hint=f"install driver {_DRIVERS.get(needed, 'of that version')} or newer",
    )


def did_not_come_back(
    call: str | None, seconds: float, domain: str = "videohw", unnamed: str = "its work"
) -> DeviceLost:
    """A driver is inside one ``call`` for so many seconds, or in something else: None."""
    return DeviceLost(
        f"the driver did not come back from {call or unnamed} within {seconds:g} seconds: "
        f"ETIMEDOUT ({errno.ETIMEDOUT})",
        domain=domain,
        call=call,
        code=errno.ETIMEDOUT,
        name="ETIMEDOUT",
        hint="open a new session; when that fails too, see nvidia-smi and the system's log",
    )


def from_ffmpeg(
    error: Exception,
    call: str,
    *,
    doing: Doing,
    offset: int | None = None,
    about: str | None = None,
) -> VideoHwError:
    """The videohw error for ``error``, an ``av.error.FFmpegError`` that ``call`` raised.

    ``doing`` decides what a code means: AVERROR_INVALIDDATA while decoding is
    :class:`InvalidBitstream` (at stream ``offset`` in bytes, when known), a refusal while opening
    is :class:`UnsupportedConfig`; all else is :class:`BackendError` of the domain "libavcodec".
    ``about`` says what was being coded ("pts 7"). ``error`` becomes the cause of what is
    returned.
    """
    number = getattr(error, "errno", None)
    code = -abs(number) if isinstance(number, int) else _tag("UNKN")
    detail = ", ".join(text for text in (about, _detail(error)) if text)
    failure = backend_error(LIBAVCODEC, call, code, detail or None)
    result: VideoHwError = failure
    if doing == "decode" and code == _tag("INDA"):
        result = InvalidBitstream(failure.args[0], offset=offset, hint=failure.hint)
    elif doing == "open" and code in _REFUSALS:
        result = UnsupportedConfig(failure.args[0], hint=_REFUSAL_HINT)
    result.__cause__ = error
    return result


def _detail(error: Exception) -> str | None:
    """The library's own words: its last log line if PyAV kept one, else the text of the code."""
    log = getattr(error, "log", None)
    if isinstance(log, tuple) and len(log) == 3 and log[2]:
        return f"{log[1]}: {str(log[2]).strip()}"
    text = getattr(error, "strerror", None)
    return str(text) if text else None
