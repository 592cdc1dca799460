"""PyAV for containers: its absence and its errors as ours.

Owns: what a user sees when PyAV is missing or libavformat refuses. Must not know: codecs,
sessions, pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Final

from ..errors import InvalidBitstream, UnsupportedConfig, VideoHwError
from ..pyav import INSTALL_HINT
from ..pyav import load_av as import_av
from ..status import LIBAVFORMAT, backend_error

# PyAV's first major version that is lenient with tags, and that tells a muxer the frame rate.
_LENIENT_SINCE: Final = 19
_RATES_SINCE: Final = 18
# Refusals of a muxer that are about what it was asked to hold, not about the machine.
_REFUSALS: Final = frozenset({"ArgumentError", "PatchWelcomeError", "NotImplementedError"})


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
        return InvalidBitstream(
            f"{name}: {call} failed, the data is damaged, cut short or of an unknown format",
            hint="check that it is a whole video file; format= names the format of a raw stream",
        )
    return backend_error(LIBAVFORMAT, call, -abs(code), f"{name}: {detail(error)}")


def detail(error: Exception) -> str:
    """FFmpeg's own words: its last log line where PyAV kept one, else the text of the code."""
    log = getattr(error, "log", None)
    if isinstance(log, tuple) and len(log) == 3 and log[2]:
        return str(log[2]).strip().rstrip(".")
    return str(getattr(error, "strerror", None) or error)
