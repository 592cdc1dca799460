"""NVENC: pixels in, of every format and memory, against what libavcodec decodes of the packets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.backends.conftest import BackendCase, needs_encoder, on_nvidia
from tests.backends.encoding import (
    HEIGHT,
    WIDTH,
    Array,
    Witnessed,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    witness,
)
from tests.backends.solids import SOLIDS, solid, to_rgb, ycbcr
from videohw.color import MATRICES, PRIMARIES, TRANSFERS, ColorSpec
from videohw.encoder import Encoder
from videohw.frame import Frame
from videohw.pixels import convert
from videohw.types import ConstantQuality

pytestmark = on_nvidia
SIDE = 160
CODECS = ("h264", "hevc")
ALL_CODECS = (*CODECS, "av1")
GOOD: dict[str, Any] = {"gop": 1, "rate_control": ConstantQuality(4)}


def bars(backend: BackendCase, codec: str, input_format: str, **arguments: Any) -> list[Witnessed]:
    """Every colour as a picture of its own."""
    with backend.encoder(codec, SIDE, SIDE, input=input_format, **{**GOOD, **arguments}) as encoder:
        packets = encode(encoder, [solid(rgb, input_format, SIDE) for rgb in SOLIDS])
    seen = witness(codec, packets)
    assert len(seen) == len(SOLIDS)
    return seen


@pytest.mark.parametrize("codec", ALL_CODECS)
@pytest.mark.parametrize("input_format", ["nv12", "p010", "i420", "rgb24", "bgr24", "rgba", "bgra"])
def test_inputs_are_what_their_names_say(
    backend: BackendCase, codec: str, input_format: str
) -> None:
    needs_encoder(backend, codec)
    for rgb, shown in zip(SOLIDS, bars(backend, codec, input_format), strict=True):
        assert (MATRICES[shown.matrix], shown.range) == ("smpte170m", 1)
        assert ("10" in shown.format) == (input_format == "p010")
        assert np.abs(to_rgb(shown) - rgb).max() <= 4, (rgb, to_rgb(shown))


@pytest.mark.parametrize("range_name", ["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
def test_rgb_is_coded_in_the_colour_asked(
    backend: BackendCase, matrix: str, range_name: str
) -> None:
    color = ColorSpec(matrix=matrix, range=range_name)
    for rgb, shown in zip(SOLIDS, bars(backend, "h264", "bgra", color=color), strict=True):
        assert (MATRICES[shown.matrix], shown.range) == (matrix, 1 + (range_name == "full"))
        wanted = np.clip(ycbcr(rgb, matrix, range_name == "full"), 0, 255)
        got = [float(plane[8, 8]) for plane in shown.planes]
        assert np.abs(wanted - got).max() <= 2, (rgb, wanted, got)


@pytest.mark.parametrize("codec", ALL_CODECS)
def test_colour_of_the_stream_is_the_one_given(backend: BackendCase, codec: str) -> None:
    needs_encoder(backend, codec)
    color = ColorSpec("bt2020nc", "full", "bt2020", "smpte2084", "topleft")
    shown = bars(backend, codec, "p010", color=color)[0]
    assert (MATRICES[shown.matrix], shown.range) == ("bt2020nc", 2)
    assert PRIMARIES[shown.primaries] == "bt2020"
    assert TRANSFERS[shown.transfer] == "smpte2084"


FORMS = [
    ("h264", "high10", "nv12", "yuv420p10le"), ("h264", "high422", "rgb24", "yuv422p"),
    ("h264", "high444", "rgb24", "yuv444p"), ("h264", "main", "i420", "yuv420p"),
    ("hevc", "main10", "nv12", "yuv420p10le"), ("hevc", "main10", "bgra", "yuv420p10le"),
    ("hevc", "main422-10", "rgb24", "yuv422p10le"), ("hevc", "main444-8", "bgr24", "yuv444p"),
    ("hevc", "main444-10", "rgb24", "yuv444p10le"),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "profile", "input_format", "coded"), FORMS)
def test_depth_and_chroma_follow_the_profile(
    backend: BackendCase, codec: str, profile: str, input_format: str, coded: str
) -> None:
    needs_encoder(backend, codec)
    seen = bars(backend, codec, input_format, profile=profile)
    for rgb, shown in zip(SOLIDS, seen, strict=True):
        assert shown.format == coded
        assert np.abs(to_rgb(shown) - rgb).max() <= 4, (rgb, to_rgb(shown))


@pytest.mark.parametrize("width", [WIDTH, WIDTH + 2, WIDTH + 14])
def test_pictures_come_back(backend: BackendCase, width: int) -> None:
    """Texture, so that a pitch or a plane in the wrong place shows."""
    pictures = nv12_pictures(3, width)
    with backend.encoder("h264", width, HEIGHT, **GOOD) as encoder:
        seen = witness("h264", encode(encoder, pictures))
    for given, shown in zip(pictures, seen, strict=True):
        assert psnr(nv12_planes(given), shown.planes) > 40


# Device memory


def device_of(encoder: Encoder) -> Any:
    from videohw import _cuda

    return _cuda.device(encoder.summary()["device"])


class Interface:
    """Device memory that is told of by the CUDA array interface alone."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        told: dict[str, Any] = self._array.__cuda_array_interface__
        return told


@pytest.mark.parametrize(
    ("codec", "width"),
    [("h264", WIDTH), ("h264", WIDTH + 2), ("av1", WIDTH)],  # 2 more is no pitch for NVENC
)
@pytest.mark.parametrize("how", ["dlpack", "interface", "planes", "frame"])
def test_device_pictures_come_back(backend: BackendCase, how: str, codec: str, width: int) -> None:
    needs_encoder(backend, codec)
    pictures = nv12_pictures(6, width)
    with backend.encoder(codec, width, HEIGHT, **GOOD) as encoder:
        device = device_of(encoder)
        given: list[Any] = [device.upload(picture) for picture in pictures]
        if how == "interface":
            given = [Interface(each) for each in given]
        elif how != "dlpack":
            given = [tuple(map(device.upload, in_planes(each))) for each in pictures]
        if how == "frame":
            given = [Frame(each, "nv12", width, HEIGHT, memory="device") for each in given]
        packets = encode(encoder, given)
        assert encoder.summary()["host_bytes"] == 0
    for picture, shown in zip(pictures, witness(codec, packets), strict=True):
        assert psnr(nv12_planes(picture), shown.planes) > 40


def in_planes(picture: Array) -> tuple[Array, Array]:
    luma, chroma = picture[:HEIGHT], picture[HEIGHT:]
    return luma.copy(), chroma.reshape(HEIGHT // 2, -1, 2).copy()


@pytest.mark.parametrize("codec", ALL_CODECS)
@pytest.mark.parametrize("name", ["rgb24", "bgra", "rgb_planar"])
def test_rgb_on_the_device_is_that_of_the_host(backend: BackendCase, codec: str, name: str) -> None:
    needs_encoder(backend, codec)
    color = ColorSpec(matrix="bt2020nc", siting="left")
    rgb = convert(in_planes(nv12_pictures(1)[0]), "nv12", name, color=color)[0]
    given: Any = rgb
    if name == "rgb_planar":
        given = Frame((rgb,), name, WIDTH, HEIGHT)
    input_format = "rgb24" if name == "rgb_planar" else name
    seen = []
    for on_device in (False, True):
        with backend.encoder(
            codec, WIDTH, HEIGHT, input=input_format, color=color, **GOOD
        ) as encoder:
            if on_device:
                array = device_of(encoder).upload(rgb)
                given = array
                if name == "rgb_planar":
                    given = Frame((array,), name, WIDTH, HEIGHT, memory="device")
            seen += witness(codec, encode(encoder, [given]))
    assert psnr(seen[0].planes, seen[1].planes) > 50


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("name", "given_color"),
    [
        ("i420", None), ("p010", None), ("yuv444p", None), ("nv16", None), ("gray", None),
        ("nv12", ColorSpec("bt709", "full")), ("yuv444p10msb", ColorSpec("bt2020nc", "limited")),
        ("gbrp", ColorSpec("identity", "full")),
    ],
)  # fmt: skip
def test_frames_in_any_form_on_the_device_are_those_of_the_host(
    backend: BackendCase, codec: str, name: str, given_color: ColorSpec | None
) -> None:
    """Another format, depth or colour than the stream's: one kernel makes it there."""
    needs_encoder(backend, codec)
    color = ColorSpec(matrix="smpte170m", range="limited", siting="left")
    rgb = given_color is not None and given_color.matrix == "identity"
    planes = convert(
        in_planes(nv12_pictures(1)[0]), "nv12", name, color=color,
        output_color=None if rgb else given_color,
    )  # fmt: skip
    seen = []
    for on_device in (False, True):
        with backend.encoder(codec, WIDTH, HEIGHT, input="nv12", color=color, **GOOD) as encoder:
            made, memory = planes, "host"
            if on_device:
                made, memory = tuple(map(device_of(encoder).upload, planes)), "device"
            given = Frame(
                made, name, WIDTH, HEIGHT, color=given_color or ColorSpec(), memory=memory
            )
            seen += witness(codec, encode(encoder, [given]))
            if on_device:
                assert encoder.summary()["host_bytes"] == 0
    assert psnr(seen[0].planes, seen[1].planes) > 50


def test_one_array_may_be_given_again_and_again(backend: BackendCase) -> None:
    """It is registered with the driver once."""
    from tests.backends.nvidia import calls_of

    with backend.encoder("h264", WIDTH, HEIGHT, max_in_flight=20, **GOOD) as encoder:
        array = device_of(encoder).upload(nv12_pictures(1)[0])
        before = calls_of("nvEncRegisterResource")
        packets = encode(encoder, [array] * 12)
        registered = calls_of("nvEncRegisterResource") - before
    assert len(packets) == 12
    assert registered <= 1


def test_host_and_device_pictures_take_turns(backend: BackendCase) -> None:
    pictures = nv12_pictures(8)
    with backend.encoder("hevc", WIDTH, HEIGHT, b_frames=2, rate_control=ConstantQuality(4)) as e:
        device = device_of(e)
        given = [device.upload(p) if index % 2 else p for index, p in enumerate(pictures)]
        seen = witness("hevc", encode(e, given))
    for picture, shown in zip(pictures, seen, strict=True):
        assert psnr(nv12_planes(picture), shown.planes) > 36
