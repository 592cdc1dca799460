"""PyAV for containers: its absence and its errors as ours.

Owns: what a user sees when PyAV is missing or libavformat refuses. Must not know: codecs,
sessions, pixels.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Final

from ..errors import InvalidBitstream, InvalidInput, UnsupportedConfig, VideoHwError
from ..pyav import INSTALL_HINT
from ..pyav import load_av as import_av
from ..status import LIBAVFORMAT, backend_error
from .source_file import source_file

# PyAV's first major version that is lenient with tags, and that tells a muxer the frame rate.
_LENIENT_SINCE: Final = 19
_RATES_SINCE: Final = 18
# Refusals of a muxer that are about what it was asked to hold, not about the machine.
_REFUSALS: Final = frozenset({"ArgumentError", "PatchWelcomeError", "NotImplementedError"})
# How often a demuxer may say "again" between two packets. MPEG-TS says so after each 64 KiB
# without a packet, so that this is a hole of 4 GiB.
_MOST_AGAIN: Final = 1 << 16


def load_av(purpose: str) -> Any:
    """The ``av`` package, or :class:`UnsupportedConfig` that says what it was wanted for."""
    try:
        return import_av()
    except ImportError as error:
        raise UnsupportedConfig(
            f"{purpose} needs PyAV, which cannot be imported: {error}", hint=INSTALL_HINT
        ) from error


def lenient_tags(av: Any) -> dict[str, str]:
    """Arguments of ``av.open`` so that tags that are not UTF-8 do not fail it.

    Version 19 is lenient by itself and has no such argument.
    """
    return {} if _major(av) >= _LENIENT_SINCE else {"metadata_errors": "surrogateescape"}


def open_container(av: Any, source: Any, name: str, **options: Any) -> Any:
    """PyAV's container of ``source``, a path or a file object, by ``options`` of ``av.open``.

    Demuxers say EIO of data that ends too soon, as libavformat does of a device that fails. A
    file object's own errors come as they are raised, so what was said of a path is asked again
    through one.
    """
    if options.get("format") is not None:
        _check_format(av, options["format"])
    with av_errors("opening", name):
        try:
            return av.open(source, "r", **options)
        except av.error.OSError as error:
            if error.errno != errno.EIO:
                raise
            if isinstance(source, str):
                _, file = source_file(source)
                try:
                    av.open(file, "r", **options).close()
                except av.error.FFmpegError as said:
                    raise damaged("opening", name) from said
                finally:
                    file.close()
                raise
            raise damaged("opening", name) from error


def _check_format(av: Any, format: str) -> None:
    try:
        av.format.ContainerFormat(format, "r")
    except ValueError as error:
        raise InvalidInput(
            f"format is {format!r}, which FFmpeg does not know",
            argument="format",
            hint="a name such as h264, hevc, mp4, matroska, mpegts, or None to find out",
        ) from error


def packets_of(av: Any, container: Any, *streams: Any) -> Generator[Any, None, None]:
    """Every packet of ``container`` from where it stands, past what its demuxer cannot read.

    ``streams``: whose packets, none is all.
    """
    again = 0
    while True:
        try:
            for packet in container.demux(*streams):
                again = 0
                yield packet
            return
        except av.error.BlockingIOError:  # PyAV's generator is at its end, the file is not
            again += 1
            if again > _MOST_AGAIN:
                raise


def writes_time_codes(av: Any) -> bool:
    """Whether a track of time codes can be made from the tag: that needs the frame rate."""
    return _major(av) >= _RATES_SINCE


def _major(av: Any) -> int:
    return int(av.__version__.partition(".")[0])


def fraction(value: Any) -> Fraction | None:
    """PyAV's rational (Fraction until version 18, AVRational after) as Fraction; 0 is None."""
    if value is None or not value.numerator or not value.denominator:
        return None
    return Fraction(int(value.numerator), int(value.denominator))


@contextmanager
def av_errors(call: str, name: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what PyAV raises inside into the errors of this package.

    ``call`` names the step, ``name`` the file. Errors of the operating system (missing file, no
    permission, full disk) stay the builtin :class:`OSError` that any file function raises.
    Invalid data is :class:`InvalidBitstream`; a refusal while ``writing`` is
    :class:`UnsupportedConfig`; anything else of FFmpeg is :class:`BackendError`.
    """
    try:
        yield
    except VideoHwError:
        raise
    except Exception as error:
        translated = _translate(error, call, name, writing)
        if translated is None:
            raise
        raise translated from error


def _translate(error: Exception, call: str, name: str, writing: bool) -> Exception | None:
    kind = type(error).__name__
    if not type(error).__module__.startswith("av."):
        # PyAV itself says ValueError where a container cannot hold a codec.
        if writing and isinstance(error, ValueError):
            return UnsupportedConfig(f"{name}: {error}")
        return None
    code = getattr(error, "errno", None) or 0
    if isinstance(error, OSError) and code:
        return OSError(code, os.strerror(code), name)
    if isinstance(error, MemoryError):
        return MemoryError(f"{call} of {name}")
    if writing and kind in _REFUSALS:
        return UnsupportedConfig(f"{name}: {detail(error)}", hint="use another container")
    if kind == "InvalidDataError" or isinstance(error, EOFError):
        return damaged(call, name)
    found = backend_error(LIBAVFORMAT, call, -abs(code), f"{name}: {detail(error)}")
    if call == "opening" and code == errno.EINVAL:
        found.hint = "a file of raw frames states no size: videohw encode --size, or VideoWriter"
    return found


def damaged(call: str, name: str) -> InvalidBitstream:
    """The error that says that the bytes of ``name`` are at fault."""
    return InvalidBitstream(
        f"{name}: {call} failed, the data is damaged, cut short or of an unknown format",
        hint="check that it is a whole video file (MP4 in a pipe needs its index in front); "
        "format= names the format of a raw stream",
    )


def detail(error: Exception) -> str:
    """FFmpeg's own words: its last log line where PyAV kept one, else the text of the code."""
    log = getattr(error, "log", None)
    if isinstance(log, tuple) and len(log) == 3 and log[2]:
        return str(log[2]).strip().rstrip(".")
    return str(getattr(error, "strerror", None) or error)
