"""What PyAV raises becomes an error of videohw, or of the system, and never PyAV's own."""

from __future__ import annotations

import errno
from typing import Any

import av
import pytest

from videohw.errors import BackendError, InvalidBitstream, UnsupportedConfig, VideoHwError
from videohw.files.pyav import av_errors

MINE = InvalidBitstream("mine")


def tag(text: str) -> int:
    return int.from_bytes(text.encode("latin-1"), "little")


@pytest.mark.parametrize(
    ("code", "writing", "expected"),
    [
        (tag("INDA"), False, InvalidBitstream),
        (tag("EOF "), False, InvalidBitstream),
        (errno.ENOENT, False, FileNotFoundError),
        (errno.EACCES, False, PermissionError),
        (errno.ENOSPC, True, OSError),
        (errno.EPIPE, True, BrokenPipeError),
        (errno.EINVAL, True, UnsupportedConfig),
        (errno.EINVAL, False, BackendError),
        (tag("PAWE"), True, UnsupportedConfig),
        (tag("BUG!"), True, BackendError),
        (tag("DEM\xf8"[::-1]), False, BackendError),
    ],
)
def test_errors_of_ffmpeg(code: int, writing: bool, expected: type[Exception]) -> None:
    # The class that PyAV raises for the code.
    kind = av.error.classes.get(code, av.error.UndefinedError)
    with pytest.raises(expected) as caught, av_errors("reading", "film.mp4", writing=writing):
        raise kind(code, "what FFmpeg says", "film.mp4", (16, "mp4", "the last words\n"))
    assert not type(caught.value).__module__.startswith("av.")
    assert isinstance(caught.value.__cause__, av.error.FFmpegError)
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (code, "film.mp4")
    else:
        assert "film.mp4" in str(caught.value)
    if isinstance(caught.value, BackendError):
        assert caught.value.domain == "libavformat"
        assert caught.value.code == -code
        assert "the last words" in str(caught.value)


def test_memory() -> None:
    with pytest.raises(MemoryError), av_errors("reading", "film.mp4"):
        raise av.error.MemoryError(errno.ENOMEM, "no memory")


@pytest.mark.parametrize("error", [MINE, ZeroDivisionError(), OSError(5, "the caller's own")])
def test_what_is_not_pyav_s_passes(error: Any) -> None:
    with pytest.raises(type(error)) as caught, av_errors("reading", "film.mp4"):
        raise error
    assert caught.value is error


def test_pyav_says_value_error_where_a_container_cannot_hold_a_codec() -> None:
    refused = pytest.raises(UnsupportedConfig, match="does not support")
    with refused, av_errors("opening", "film.webm", writing=True):
        raise ValueError("'webm' format does not support 'h264' codec")
    with pytest.raises(ValueError, match="plain") as caught, av_errors("reading", "film.webm"):
        raise ValueError("plain")
    assert not isinstance(caught.value, VideoHwError)
