"""Pixels into the software encoder: every input by its colours, and the colour of the stream."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.encoding import (
    HEIGHT,
    PATIENCE_SECONDS,
    WIDTH,
    Array,
    codec,
    encode,
    nv12_pictures,
    witness,
)
from tests.backends.solids import SOLIDS, solid, to_rgb, ycbcr
from tests.pixels.pictures import picture as picture_of
from videohw.color import MATRICES, PRIMARIES, TRANSFERS, ColorSpec
from videohw.encoder import Encoder
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.frame import Frame
from videohw.pixels import convert
from videohw.software_options import SoftwareEncoderOptions
from videohw.types import ConstantQuality

__all__ = ["codec"]

SIDE = 64
GOOD: dict[str, Any] = {
    "fps": 30,
    "preset": "fastest",
    "gop": 1,
    "rate_control": ConstantQuality(8),
}


@pytest.mark.parametrize("input_format", ["nv12", "p010", "i420", "rgb24", "bgr24", "rgba", "bgra"])
def test_inputs_are_what_their_names_say(codec: str, input_format: str) -> None:
    with Encoder(codec, SIDE, SIDE, input=input_format, **GOOD) as encoder:
        packets = encode(encoder, [solid(rgb, input_format) for rgb in SOLIDS])
    seen = witness(codec, packets)
    assert len(seen) == len(SOLIDS)
    for rgb, shown in zip(SOLIDS, seen, strict=True):
        assert MATRICES[shown.matrix] == "smpte170m"
        assert shown.range == 1
        assert np.abs(to_rgb(shown) - rgb).max() <= 4, (rgb, to_rgb(shown))


@pytest.mark.parametrize("range_name", ["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "smpte240m", "bt2020nc", "fcc"])
def test_rgb_is_coded_in_the_colour_asked(matrix: str, range_name: str) -> None:
    color = ColorSpec(matrix=matrix, range=range_name)
    with Encoder("h264", SIDE, SIDE, input="rgb24", color=color, **GOOD) as encoder:
        packets = encode(encoder, [solid(rgb, "rgb24") for rgb in SOLIDS])
    for rgb, shown in zip(SOLIDS, witness("h264", packets), strict=True):
        assert (MATRICES[shown.matrix], shown.range) == (matrix, 1 + (range_name == "full"))
        wanted = np.clip(ycbcr(rgb, matrix, range_name == "full"), 0, 255)
        got = [float(plane[8, 8]) for plane in shown.planes]
        assert np.abs(wanted - got).max() <= 2, (rgb, wanted, got)


def test_colour_of_the_stream_is_the_one_given(codec: str) -> None:
    color = ColorSpec("bt2020nc", "full", "bt2020", "smpte2084", "topleft")
    with Encoder(codec, SIDE, SIDE, color=color, input="p010", **GOOD) as encoder:
        (shown,) = witness(codec, encode(encoder, [solid((9, 9, 9), "p010")]))
    assert MATRICES[shown.matrix] == "bt2020nc"
    assert shown.range == 2
    assert PRIMARIES[shown.primaries] == "bt2020"
    assert TRANSFERS[shown.transfer] == "smpte2084"


@pytest.mark.parametrize(("height", "matrix"), [(718, "smpte170m"), (720, "bt709")])
def test_colour_not_given_follows_the_lines(codec: str, height: int, matrix: str) -> None:
    with Encoder(codec, SIDE, height, fps=30, preset="fastest") as encoder:
        picture = np.full((height * 3 // 2, SIDE), 90, np.uint8)
        (shown,) = witness(codec, encode(encoder, [picture]))
    assert MATRICES[shown.matrix] == matrix


def test_a_matrix_that_cannot_be_computed_is_refused_for_rgb_only() -> None:
    color = ColorSpec(matrix="ictcp")
    with pytest.raises(UnsupportedConfig, match="ictcp"):
        Encoder("hevc", SIDE, SIDE, fps=30, input="rgb24", color=color)
    with Encoder("hevc", SIDE, SIDE, color=color, input="nv12", **GOOD) as encoder:
        (shown,) = witness("hevc", encode(encoder, [solid((9, 99, 9), "nv12")]))
    assert MATRICES[shown.matrix] == "ictcp"


@pytest.mark.parametrize(("name", "profile"), [("h264", "high444"), ("hevc", "main444-8")])
def test_rgb_is_coded_without_loss(name: str, profile: str) -> None:
    """The matrix identity codes the planes of RGB as they are; it needs 4:4:4."""
    picture = np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8)
    color = ColorSpec("identity", "full")
    lossless = SoftwareEncoderOptions(
        codec_options={"x265-params": "lossless=1"} if name == "hevc" else {}
    )
    with Encoder(
        name, 64, 48, fps=30, input="rgb24", profile=profile, color=color,
        rate_control=ConstantQuality(0), options=lossless,
    ) as encoder:  # fmt: skip
        (shown,) = witness(name, encode(encoder, [picture]))
    assert MATRICES[shown.matrix] == "identity"
    green, blue, red = shown.planes
    np.testing.assert_array_equal(np.dstack([red, green, blue]), picture)
    with pytest.raises(UnsupportedConfig, match="4:4:4") as refused:
        Encoder(name, 64, 48, fps=30, input="rgb24", color=color)
    assert refused.value.argument == "color"


def test_a_frame_of_another_siting_is_moved() -> None:
    """Losslessly coded, so that what comes out is what was converted."""
    planes = picture_of("yuv420p", 64, 48, 7)
    stated = ColorSpec("bt709", "limited", siting="topleft")
    frame = Frame(planes, "yuv420p", 64, 48, color=stated)
    color = ColorSpec("bt709", "limited", siting="center")
    with Encoder("h264", 64, 48, fps=30, color=color, rate_control=ConstantQuality(0)) as encoder:
        (shown,) = witness("h264", encode(encoder, [frame]))
    wanted = convert(planes, "yuv420p", "i420", color=stated, output_color=color)
    for got, plane in zip(shown.planes, wanted, strict=True):
        np.testing.assert_array_equal(got, plane)
    assert not np.array_equal(shown.planes[1], planes[1])


@pytest.mark.parametrize("input_format", ["nv12", "i420", "p010"])
def test_ycbcr_arrives_unchanged(input_format: str) -> None:
    """Lossless coding gives back every sample, so copying and converting the planes is exact."""
    rng = np.random.default_rng(3)
    shape = (48 * 3 // 2, 64)
    if input_format == "p010":
        picture = rng.integers(0, 1024, shape, np.uint16) << 6
        options: dict[str, Any] = {"x265-params": "lossless=1"}
        name = "hevc"
    else:
        picture = rng.integers(0, 256, shape, np.uint8)
        options = {}
        name = "h264"
    with Encoder(
        name, 64, 48, fps=30, input=input_format, rate_control=ConstantQuality(0),
        options=SoftwareEncoderOptions(codec_options=options),
    ) as encoder:  # fmt: skip
        (shown,) = witness(name, encode(encoder, [picture]))
    luma, chroma = picture[:48], picture[48:]
    if input_format == "i420":
        cb, cr = chroma.reshape(2, 24, 32)
    else:
        cb, cr = chroma[:, 0::2], chroma[:, 1::2]
    shift = 6 if input_format == "p010" else 0
    for given, got in zip((luma, cb, cr), shown.planes, strict=True):
        assert np.array_equal(given >> shift, got)


def test_depth_and_chroma_follow_input_and_profile(codec: str) -> None:
    cases = {
        "h264": [("nv12", "high10", "yuv420p10le"), ("rgb24", "high422", "yuv422p"),
                 ("bgra", "high444", "yuv444p"), ("p010", "high444", "yuv444p10le")],
        "hevc": [("nv12", "main10", "yuv420p10le"), ("p010", "main12", "yuv420p12le"),
                 ("rgb24", "main444-8", "yuv444p"), ("p010", "main422-10", "yuv422p10le")],
        "av1": [("p010", "main", "yuv420p10le")],
    }  # fmt: skip
    for input_format, profile, coded in [*cases[codec], ("p010", None, "yuv420p10le")]:
        with Encoder(codec, SIDE, SIDE, input=input_format, profile=profile, **GOOD) as encoder:
            (shown,) = witness(codec, encode(encoder, [solid((200, 90, 30), input_format)]))
        assert shown.format == coded
        if "12" not in coded:
            assert np.abs(to_rgb(shown) - (200, 90, 30)).max() <= 4


@pytest.mark.parametrize(("name", "profile"), [("h264", "high444"), ("hevc", "main444-8")])
def test_odd_sizes_as_444(name: str, profile: str) -> None:
    picture = np.full((33, 65, 3), (30, 200, 90), np.uint8)
    with Encoder(name, 65, 33, input="rgb24", profile=profile, **GOOD) as encoder:
        (shown,) = witness(name, encode(encoder, [picture]))
    assert shown.planes[1].shape == (33, 65)
    assert np.abs(to_rgb(shown) - (30, 200, 90)).max() <= 4


def test_strides_do_not_change_the_stream() -> None:
    pictures = nv12_pictures(4)
    variants: dict[str, list[Any]] = {"plain": pictures}
    pitched = [np.zeros((HEIGHT * 3 // 2, WIDTH + 37), np.uint8) for _ in pictures]
    for wide, picture in zip(pitched, pictures, strict=True):
        wide[:, 5 : 5 + WIDTH] = picture
    variants["pitched"] = [wide[:, 5 : 5 + WIDTH] for wide in pitched]
    variants["backwards"] = [p[::-1, ::-1].copy()[::-1, ::-1] for p in pictures]
    variants["columns first"] = [np.asfortranarray(p) for p in pictures]
    variants["bytes"] = [p.tobytes() for p in pictures]
    variants["planes"] = [
        (p[:HEIGHT], p[HEIGHT:].reshape(HEIGHT // 2, WIDTH // 2, 2)) for p in pictures
    ]
    streams = {}
    for name, given in variants.items():
        with Encoder("h264", WIDTH, HEIGHT, fps=30, preset="fastest") as encoder:
            streams[name] = [packet.data for packet in encode(encoder, given)]
    assert all(stream == streams["plain"] for stream in streams.values())


# Frames with a pixel format and colour of their own


def a_frame(planes: tuple[Array, ...], name: str, **more: Any) -> Frame:
    return Frame(planes=planes, format=name, width=SIDE, height=SIDE, **more)


def flat(value: float, dtype: Any = np.uint8, side: int = SIDE) -> Array:
    return np.full((side, side), round(value), dtype)


def pairs(cb: float, cr: float) -> Array:
    return np.dstack([flat(cb, side=SIDE // 2), flat(cr, side=SIDE // 2)])


def test_frames_are_converted_from_their_own_format_and_colour() -> None:
    rgb = (200, 90, 30)
    y, cb, cr = ycbcr(rgb, "bt709", False)
    full = ycbcr(rgb, "smpte170m", True)
    deep = ycbcr(rgb, "smpte170m", False, 10)
    half = SIDE // 2
    frames = [
        a_frame((solid(rgb, "rgb24"),), "rgb24"),
        a_frame((np.stack([flat(v) for v in rgb]),), "rgb_planar"),
        a_frame((flat(y), flat(cb), flat(cr)), "yuv444p", color=ColorSpec("bt709", "limited")),
        a_frame((flat(full[0]), flat(full[1], side=half), flat(full[2], side=half)), "yuvj420p"),
        # In the coded format already, so that only the colour is to be converted.
        a_frame((flat(y), pairs(cb, cr)), "nv12", color=ColorSpec("bt709", "limited")),
        a_frame((flat(full[0]), pairs(*full[1:])), "nv12", color=ColorSpec(range="full")),
        a_frame(
            (flat(deep[0], np.uint16), flat(deep[1], np.uint16, half),
             flat(deep[2], np.uint16, half)),
            "yuv420p10",
        ),
    ]  # fmt: skip
    with Encoder("h264", SIDE, SIDE, input="nv12", **GOOD) as encoder:
        seen = witness("h264", encode(encoder, frames))
    assert len(seen) == len(frames)
    for shown in seen:
        assert np.abs(to_rgb(shown) - rgb).max() <= 4


@pytest.mark.parametrize(
    "name",
    ["yuv420p", "nv12", "rgb24", "yuv422p10le", "gbrp10le", "yuyv422", "rgb48le", "uyvy422",
     "bgr0", "rgba64le", "yuva420p", "y210le", "ayuv64le", "gbrpf32le"],
)  # fmt: skip
def test_av_frames_are_taken_in_any_format(name: str) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    rgb = (200, 90, 30)
    frame = av.VideoFrame.from_ndarray(solid(rgb, "rgb24"), format="rgb24")
    frame = frame.reformat(format=name, dst_colorspace="smpte170m", dst_color_range=1)
    with Encoder("h264", SIDE, SIDE, input="nv12", **GOOD) as encoder:
        (shown,) = witness("h264", encode(encoder, [frame]))
    assert np.abs(to_rgb(shown) - rgb).max() <= 4


def test_a_frame_brings_its_time_when_none_is_given() -> None:
    picture = solid((9, 9, 9), "rgb24")
    times = [(0, Fraction(1, 50)), (3, Fraction(1, 50)), (400, Fraction(1, 1000))]
    frames: list[Any] = [
        a_frame((picture,), "rgb24", pts=pts, time_base=base) for pts, base in times
    ]
    frames += [a_frame((picture,), "rgb24", pts=5), picture]  # no time base: no time
    with Encoder("h264", SIDE, SIDE, input="rgb24", time_base=(1, 90000), **GOOD) as encoder:
        packets = encode(encoder, frames)
        with pytest.raises(InvalidInput, match="the frame's own"):
            encoder.submit(frames[1])
        encoder.submit(frames[1], 90000)
        packets += encoder.flush(PATIENCE_SECONDS)
    assert [p.pts for p in packets] == [0, 5400, 36000, 39000, 42000, 90000]
