"""NVENC on a real driver: loading, versions, the list of functions, a device without an encoder.

What only a device with one can show is listed in docs/hardware-status.md.
"""

from __future__ import annotations

import ctypes as c
import os
from typing import Any

import pytest

import videohw
from tests.nvidia.encoder_answers import version
from videohw.errors import BackendError, UnsupportedCodec
from videohw.known_names import ENCODER_CODECS

pytestmark = pytest.mark.hardware
UNSUPPORTED_DEVICE, INVALID_VERSION = 2, 15
VERSIONS = ((12, 1), (13, 0))
LIST_BYTES = 2552
CODECS = ("h264", "hevc", "av1")


@pytest.fixture(scope="module")
def library() -> Any:
    return c.CDLL(os.environ.get("VIDEOHW_LIBNVIDIA_ENCODE", "libnvidia-encode.so.1"))


@pytest.fixture(scope="module")
def most(library: Any) -> tuple[int, int]:
    """The newest version that the driver speaks."""
    word = c.c_uint32()
    assert library.NvEncodeAPIGetMaxSupportedVersion(c.byref(word)) == 0
    return word.value >> 4, word.value & 15


def test_the_driver_is_loaded_and_its_version_is_ours(most: tuple[int, int]) -> None:
    from videohw import _nvenc

    assert _nvenc.problem() is None
    assert _nvenc.max_version() == most
    assert _nvenc.api_version() == max(each for each in VERSIONS if each <= most)


@pytest.mark.parametrize("api", VERSIONS, ids=str)
def test_the_list_of_functions_is_filled(
    library: Any, most: tuple[int, int], api: tuple[int, int]
) -> None:
    facts = version(api)
    calls = (c.c_uint8 * LIST_BYTES)()
    c.c_uint32.from_buffer(calls).value = facts["versions"]["NV_ENCODE_API_FUNCTION_LIST_VER"]
    code = library.NvEncodeAPICreateInstance(c.byref(calls))
    if api > most:
        assert code == INVALID_VERSION
        return
    assert code == 0
    for name, (offset, _) in facts["slots"].items():
        if name.startswith("nvEnc"):
            assert c.c_void_p.from_buffer(calls, offset).value, name


def test_a_word_of_no_version_is_refused(library: Any) -> None:
    calls = (c.c_uint8 * LIST_BYTES)()
    assert library.NvEncodeAPICreateInstance(c.byref(calls)) == INVALID_VERSION


def test_the_device_says_what_it_encodes() -> None:
    """All codecs with their caps, or the refusal of a device without NVENC, and why."""
    from videohw import _cuda, _nvenc

    device = _cuda.device()
    answers = [
        each for each in videohw.capabilities(backend="nvidia") if each.direction == "encode"
    ]
    assert [each.codec for each in answers] == list(ENCODER_CODECS)
    if not any(each.supported for each in answers):
        with pytest.raises(BackendError) as caught:
            _nvenc.encoder_caps(device)
        assert (caught.value.domain, caught.value.code) == ("nvenc", UNSUPPORTED_DEVICE)
        for each in answers:
            assert ("no encoder" if each.codec in CODECS else "NVENC has no") in str(each.reason)
        return
    found = _nvenc.encoder_caps(device)
    assert [each.codec for each in answers if each.supported] == [
        codec for codec in CODECS if codec in found
    ]
    for each in answers:
        if each.supported:
            assert each.max_width is not None
            assert each.max_width >= 1920
            assert each.details["presets"] == tuple(f"p{number}" for number in range(1, 8))


@pytest.mark.parametrize("codec", CODECS)
def test_an_encoder_opens_or_is_refused_by_type(codec: str) -> None:
    (answer,) = (
        each for each in videohw.capabilities(codec, "nvidia") if each.direction == "encode"
    )
    if answer.supported:
        with videohw.Encoder(codec, 640, 360, fps=30, backend="nvidia") as encoder:
            assert encoder.backend == "nvidia"
        return
    with pytest.raises(UnsupportedCodec, match="no encoder"):
        videohw.Encoder(codec, 640, 360, fps=30, backend="nvidia")


def test_asking_leaves_nothing_behind() -> None:
    """Sessions that the driver refused are given back: it has few."""
    from videohw.nvidia.capabilities import forget

    for _ in range(40):
        forget()
        reasons = {
            each.reason
            for each in videohw.capabilities(backend="nvidia")
            if each.direction == "encode" and not each.supported
        }
        assert all("session" not in str(reason) for reason in reasons)
