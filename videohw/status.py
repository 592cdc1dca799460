"""Status codes of the libraries below us: number, name, and what to try.

Owns: one table per domain, and the step from a status to the error that a user sees. Must not
know: sessions, pixels. A backend adds its own domain as one more entry of :data:`TABLES`; a code
that no table knows keeps its number.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from .errors import BackendError, InvalidBitstream, UnsupportedConfig, VideoHwError

Doing: TypeAlias = Literal["open", "decode", "encode"]

LIBAVCODEC: Final = "libavcodec"
LIBAVFORMAT: Final = "libavformat"


@dataclass(frozen=True, slots=True)
class Status:
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

TABLES: Final[Mapping[str, Mapping[int, Status]]] = MappingProxyType(
    {LIBAVCODEC: _AVERROR, LIBAVFORMAT: _AVERROR}
)

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


def backend_error(domain: str, call: str, code: int, detail: str | None = None) -> BackendError:
    """The error for status ``code`` of ``call``: which call, which code, what to try."""
    row = lookup(domain, code)
    name = row.name if row else None
    text = f"{domain}: {call} failed with {name or 'status'} ({code})"
    return BackendError(
        f"{text}: {detail}" if detail else text,
        domain=domain,
        call=call,
        code=code,
        name=name,
        hint=row.hint if row else None,
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
