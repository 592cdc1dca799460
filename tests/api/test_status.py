"""Status codes: the table against PyAV's own, and the error that each becomes."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from videohw.errors import BackendError, InvalidBitstream, UnsupportedConfig
from videohw.status import (
    _REFUSAL_HINT,
    LIBAVCODEC,
    TABLES,
    backend_error,
    from_ffmpeg,
    lookup,
)

av = pytest.importorskip("av", reason="PyAV is not installed")


def test_every_code_is_one_that_ffmpeg_has() -> None:
    for code, row in TABLES[LIBAVCODEC].items():
        assert code == row.code < 0
        if row.name.startswith("AVERROR_"):
            # PyAV makes one class per code, named as the macro in another spelling.
            plain = row.name.removeprefix("AVERROR_").replace("_", "").lower()
            known = av.error.classes[-code].__name__.lower().removesuffix("error")
            assert plain == known, row
        else:
            assert errno.errorcode[-code] in (row.name, "EWOULDBLOCK")


def ffmpeg_error(code: int) -> Any:
    return av.error.classes.get(-code, av.error.UndefinedError)(-code, "text of the code", "call()")


@pytest.mark.parametrize(
    ("name", "doing", "kind"),
    [
        ("AVERROR_INVALIDDATA", "decode", InvalidBitstream),
        ("AVERROR_INVALIDDATA", "encode", BackendError),
        ("AVERROR_INVALIDDATA", "open", UnsupportedConfig),
        ("AVERROR_EXTERNAL", "open", UnsupportedConfig),
        ("AVERROR_EXTERNAL", "encode", BackendError),
        ("EINVAL", "open", UnsupportedConfig),
        ("EINVAL", "decode", BackendError),
        ("ERANGE", "open", UnsupportedConfig),
        ("ENOMEM", "open", BackendError),
        ("ENOMEM", "encode", BackendError),
    ],
)
def test_a_code_means_what_was_being_done(name: str, doing: Any, kind: type[Exception]) -> None:
    (code,) = [code for code, row in TABLES[LIBAVCODEC].items() if row.name == name]
    cause = ffmpeg_error(code)
    error = from_ffmpeg(cause, "avcodec_send_packet", doing=doing, offset=77, about="pts 5")
    assert type(error) is kind
    text = str(error)
    for part in ("libavcodec", "avcodec_send_packet", name, str(code), "pts 5"):
        assert part in text
    assert error.__cause__ is cause
    row = lookup(LIBAVCODEC, code)
    assert row is not None
    assert error.hint == (row.hint if kind is not UnsupportedConfig else _REFUSAL_HINT)
    if isinstance(error, InvalidBitstream):
        assert error.offset == 77
    if isinstance(error, BackendError):
        assert (error.domain, error.call) == (LIBAVCODEC, "avcodec_send_packet")
        assert (error.code, error.name) == (code, name)


def test_the_librarys_own_words_are_kept() -> None:
    log = (16, "libx264", "bad width\n")
    cause = av.error.ExternalError(542398533, "Generic error", "f()", log)
    assert "libx264: bad width" in str(from_ffmpeg(cause, "avcodec_open2", doing="open"))


def test_an_unknown_code_keeps_its_number() -> None:
    error = backend_error("cuda", "cuInit", 4242)
    assert (error.code, error.name, error.hint) == (4242, None, None)
    assert "cuInit failed with status (4242)" in str(error)
    assert backend_error("cuda", "cuInit", 4242, name="CUDA_ERROR_NEW").name == "CUDA_ERROR_NEW"
    assert lookup(LIBAVCODEC, 12345) is None
    strange = from_ffmpeg(ffmpeg_error(-4242), "f", doing="decode")
    assert isinstance(strange, BackendError)
    assert (strange.code, strange.name) == (-4242, None)
    without_a_code = from_ffmpeg(RuntimeError("?"), "f", doing="encode")
    assert isinstance(without_a_code, BackendError)
    assert without_a_code.name == "AVERROR_UNKNOWN"
