"""Frames made by hand: as arrays, through DLPack, and what conversions refuse."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.backends.colors import SAMPLES, rgb_of
from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.frame import Conversion, Frame, checked_crop, checked_size
from videohw.pixel_format import FORMATS

Array = npt.NDArray[Any]


def picture(name: str, width: int, height: int, *values: int) -> Frame:
    """A frame with a constant in each plane, or counting samples where none is given."""
    layout = FORMATS[name]
    planes = []
    for index in range(len(layout.planes)):
        shape = layout.plane_shape(index, width, height)
        if values:
            plane = np.full(shape, values[min(index, len(values) - 1)], layout.dtype)
        else:
            plane = (np.arange(np.prod(shape)) + index).reshape(shape).astype(layout.dtype)
        plane.setflags(write=False)
        planes.append(plane)
    return Frame(tuple(planes), name, width, height)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_says_of_its_samples_is_what_numpy_says(name: str) -> None:
    layout = FORMATS[name]
    dtype = np.empty(0, layout.dtype).dtype
    assert (dtype.str, dtype.itemsize) == (layout.typestr, layout.item_bytes)
    assert dtype.kind == ("f" if layout.is_float else "u")
    assert 8 * dtype.itemsize >= layout.bit_depth + layout.shift
    planes = picture(name, 7, 5).planes
    assert layout.frame_bytes(7, 5) == sum(plane.nbytes for plane in planes)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("rgb24", (6, 8, 3)), ("bgra", (6, 8, 4)), ("gray", (6, 8)), ("gray10", (6, 8)),
        ("yuv420p", (9, 8)), ("i420", (9, 8)), ("nv12", (9, 8)), ("p010", (9, 8)),
        ("yuv420p10", (9, 8)), ("yuv444p", (3, 6, 8)), ("yuv444p12", (3, 6, 8)),
        ("gbrp", (3, 6, 8)), ("rgb_planar", (3, 6, 8)), ("rgb_float32", (3, 6, 8)),
    ],
)  # fmt: skip
def test_shape_and_order_of_the_array(name: str, shape: tuple[int, ...]) -> None:
    frame = picture(name, 8, 6)
    array = np.asarray(frame)
    assert array.shape == shape
    assert array.dtype == FORMATS[name].dtype
    planes = frame.planes
    if name == "gbrp":  # memory order is G, B, R
        planes = (planes[2], planes[0], planes[1])
    np.testing.assert_array_equal(
        array.reshape(-1), np.concatenate([p.reshape(-1) for p in planes])
    )


@pytest.mark.parametrize(
    ("name", "size"),
    [("yuv422p", (8, 6)), ("nv16", (8, 6)), ("nv24", (8, 6)), ("yuv420p", (7, 6)),
     ("nv12", (8, 5)), ("yuv411p", (8, 6))],
)  # fmt: skip
def test_pictures_that_are_not_one_array_say_so(name: str, size: tuple[int, int]) -> None:
    frame = picture(name, *size)
    with pytest.raises(InvalidInput, match="not one array"):
        np.asarray(frame)
    with pytest.raises(InvalidInput, match="not one array"):
        frame.__dlpack__()


def test_metadata_is_no_array() -> None:
    with pytest.raises(InvalidInput, match="0 planes"):
        np.asarray(Frame((), "yuv420p", 8, 6))


def test_packed_pictures_are_not_copied() -> None:
    frame = picture("rgb24", 8, 6)
    array = np.asarray(frame)
    assert np.shares_memory(array, frame.planes[0])
    assert not array.flags.writeable
    assert not np.shares_memory(np.array(frame), frame.planes[0])
    assert np.array(frame).flags.writeable
    assert np.asarray(frame, np.float32).dtype == np.float32


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 has no copy=")
def test_copy_false_is_kept() -> None:
    assert np.asarray(picture("rgb24", 8, 6), copy=False).shape == (6, 8, 3)
    for wrong in (
        lambda: np.asarray(picture("yuv420p", 8, 6), copy=False),
        lambda: np.asarray(picture("rgb24", 8, 6), np.float32, copy=False),
    ):
        with pytest.raises(ValueError, match="without a copy"):
            wrong()


def test_dlpack() -> None:
    frame = picture("rgb24", 8, 6)
    assert frame.__dlpack_device__() == (1, 0)
    np.testing.assert_array_equal(np.from_dlpack(frame), np.asarray(frame))  # type: ignore[arg-type]
    planar = np.from_dlpack(picture("nv12", 8, 6))  # type: ignore[arg-type]
    np.testing.assert_array_equal(planar, np.asarray(picture("nv12", 8, 6)))
    # A reader of old capsules cannot be told that memory is read-only: it gets a copy.
    assert "dltensor" in repr(frame.__dlpack__())
    with pytest.raises(BufferError, match="read-only"):
        frame.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="device"):
        frame.__dlpack__(dl_device=(2, 0))
    with pytest.raises(InvalidInput, match="stream"):
        frame.__dlpack__(stream=1)


def test_it_says_what_it_is() -> None:
    frame = dataclasses.replace(
        picture("nv12", 8, 6), pts=7, keyframe=True, corrupt=True, field_order="tff"
    )
    assert repr(frame) == "<Frame 8x6 nv12 pts=7 key corrupt tff>"
    assert frame.to_host() is frame


def test_a_frame_cannot_be_changed() -> None:
    frame = picture("nv12", 8, 6)
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.pts = 1  # type: ignore[misc]


def test_conversions_reach_the_converter_checked() -> None:
    asked: list[Conversion] = []

    def converter(frame: Frame, request: Conversion) -> Frame:
        asked.append(request)
        return frame

    frame = dataclasses.replace(picture("nv12", 8, 6), converter=converter)
    color = ColorSpec(matrix="bt709")
    frame.convert("rgb24", size=[4, 2], crop=(0, 0, 2, 2), color=color)  # type: ignore[arg-type]
    assert asked == [Conversion("rgb24", (4, 2), (0, 0, 2, 2), color)]
    frame.convert("rgb_float16", mean=np.zeros(3), std=[1, 2, 3], resize="area", chroma="nearest")
    zeros, std = (0.0, 0.0, 0.0), (1.0, 2.0, 3.0)
    assert asked[1:] == [
        Conversion("rgb_float16", chroma="nearest", resize="area", mean=zeros, std=std)
    ]
    for argument, value in (
        ("output", "metadata"), ("output", None), ("output", "yuv444p"), ("size", (0, 1)),
        ("size", (1 << 20, 1 << 20)), ("crop", (0, 0, 1)), ("color", "bt709"),
        ("chroma", "left"), ("resize", "cubic"), ("mean", (0, 0, 0)), ("std", (1, 1, 1)),
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            frame.convert(**{"output": "rgb24", argument: value})  # type: ignore[arg-type]
        assert refused.value.argument == argument
    assert len(asked) == 2
    with pytest.raises(InvalidInput, match="no pixels"):
        dataclasses.replace(frame, planes=()).convert("rgb24")


def test_sizes_and_crops() -> None:
    assert checked_size(None) is None
    assert checked_size([np.int32(3), 4]) == (3, 4)
    assert checked_crop((0, 0, 1, 1)) == (0, 0, 1, 1)
    for wrong in ((1,), (0, 3), (-1, 3), "ab", 3, (1.0, 2), (True, 2)):
        with pytest.raises(InvalidInput):
            checked_size(wrong)


# Conversions of frames that lie in host memory, whoever made them


YUV = sorted(
    name
    for name, layout in FORMATS.items()
    if not layout.rgb and not name.startswith(("gray", "yuvj", "i420")) and name != "nv21"
)


@pytest.mark.parametrize("name", YUV)
@pytest.mark.parametrize("range_", ["limited", "full"])
def test_every_layout_becomes_the_right_rgb(name: str, range_: str) -> None:
    layout = FORMATS[name]
    up = 1 << (layout.bit_depth - 8)
    for sample in SAMPLES:
        y, cb, cr = (value * up << layout.shift for value in sample)
        if len(layout.planes) == 3:
            frame = picture(name, 8, 6, y, cb, cr)
        else:
            frame = picture(name, 8, 6, y)
            chroma = np.empty(layout.plane_shape(1, 8, 6), layout.dtype)
            chroma[..., 0], chroma[..., 1] = cb, cr
            frame = dataclasses.replace(frame, planes=(frame.planes[0], chroma))
        frame = dataclasses.replace(frame, color=ColorSpec(matrix="bt709", range=range_))
        expected = rgb_of(tuple(v * up for v in sample), "bt709", range_, layout.bit_depth)  # type: ignore[arg-type]
        got = np.asarray(frame.convert("rgb24"))[2, 3].astype(float)
        assert np.abs(got - 255 * expected).max() <= 0.7, (sample, got)
        exact = np.asarray(frame.convert("rgb_float32"))[:, 2, 3]
        assert np.abs(exact - expected).max() <= 1e-6


@pytest.mark.parametrize("name", ["gbrp", "gbrp10", "gbrp16", "rgb24", "bgra"])
def test_rgb_stays_rgb(name: str) -> None:
    layout = FORMATS[name]
    peak = (1 << layout.bit_depth) - 1
    codes = [round(value / 255 * peak) for value in (10, 20, 200)]
    frame = picture(name, 8, 6, *codes)
    expected = (200, 10, 20) if len(layout.planes) == 3 else (10, 10, 10)  # G, B, R in memory
    assert np.asarray(frame.convert("rgb24"))[3, 3].tolist() == list(expected)


def test_colour_and_shape_of_what_is_converted() -> None:
    color = ColorSpec("bt709", "full", "bt709", "bt709", "topleft", 8)
    frame = dataclasses.replace(
        picture("nv12", 8, 6), color=color, sample_aspect_ratio=Fraction(4, 3), pts=5
    )
    rgb = frame.convert("rgb24", size=(4, 6))
    assert (rgb.width, rgb.height, rgb.pts) == (4, 6, 5)
    assert rgb.color == ColorSpec("identity", "full", "bt709", "bt709", None, 8)
    assert rgb.sample_aspect_ratio == Fraction(8, 3)
    assert rgb.convert("rgb_float32").color.bit_depth is None
    deep = frame.convert("p010")
    assert deep.color == dataclasses.replace(color, bit_depth=10)
    # YCbCr of RGB: what is not stated, for its height.
    back = rgb.convert("nv12")
    assert (back.color.matrix, back.color.range) == ("smpte170m", "limited")
    assert (back.color.primaries, back.color.transfer) == ("bt709", "bt709")


def test_pixels_that_need_no_arithmetic_are_not_copied() -> None:
    frame = picture("yuv420p", 8, 6)
    for other in (
        frame.convert("native"),
        frame.convert("i420"),
        frame.convert("native", crop=(2, 2, 5, 3)),
    ):
        assert all(
            np.shares_memory(new, old) for new, old in zip(other.planes, frame.planes, strict=True)
        )
    assert [plane.shape for plane in other.planes] == [(3, 5), (2, 3), (2, 3)]
    planar = picture("rgb_planar", 8, 6).convert("native", crop=(1, 1, 3, 2))
    assert planar.planes[0].shape == (3, 2, 3)


def test_converted_pixels_cannot_be_changed() -> None:
    plane = picture("nv12", 8, 6).convert("rgb24").planes[0]
    with pytest.raises(ValueError, match="WRITEABLE"):
        plane.setflags(write=True)


LUMA, CHROMA = picture("nv12", 8, 6).planes


@pytest.mark.parametrize(
    "planes",
    [
        (LUMA, CHROMA[:2]), (LUMA,), (LUMA, CHROMA, CHROMA), (LUMA[:, :6], CHROMA[:, :3]),
        (LUMA.astype(np.uint16), CHROMA), (LUMA[::-1], CHROMA), (LUMA.T.copy().T, CHROMA),
        ([1], [2]),
    ],
)  # fmt: skip
def test_frames_whose_planes_are_wrong(planes: Any) -> None:
    """Also where nothing but views would be made of them."""
    frame = dataclasses.replace(picture("nv12", 8, 6), planes=planes)
    requests: tuple[dict[str, Any], ...] = (
        {"output": "rgb24"}, {"output": "native", "crop": (0, 0, 4, 4)},
        {"output": "nv12"}, {"output": "native", "size": (4, 4)},
    )  # fmt: skip
    for request in requests:
        with pytest.raises(InvalidInput) as refused:
            frame.convert(**request)
        assert refused.value.argument == "planes"


def test_frames_of_a_format_that_is_unknown() -> None:
    frame = dataclasses.replace(picture("nv12", 8, 6), format="nv99")
    with pytest.raises(UnsupportedConfig, match="nv99"):
        frame.convert("rgb24")
