"""What convert() refuses, and that each refusal names its argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from tests.pixels.pictures import picture
from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig, VideoHwError
from videohw.pixels import convert

NV12 = picture("nv12", 16, 8, 0)
Y, UV = NV12
RGB = picture("rgb24", 16, 8, 0)[0]


def refused(argument: str, *args: Any, **options: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        convert(*args, **options)
    assert caught.value.argument == argument
    assert isinstance(caught.value, VideoHwError)
    return str(caught.value)


@pytest.mark.parametrize(
    "planes",
    [
        (), (Y,), Y, (Y, UV, UV), ("a", "b"), (Y.tobytes(), UV.tobytes()), None,
        (Y, UV[:3]), (Y, UV[:, :7]), (Y, UV.reshape(4, 16)), (Y.reshape(8, 16, 1), UV),
        (Y.astype(np.int8), UV), (Y, UV.astype(np.uint16)), (Y[:0], UV[:0]),
        (Y.T.copy().T, UV), (Y[::-1], UV), (Y[:, ::-1], UV), (Y, UV[..., ::-1]),
        (as_strided(Y, (8, 16), (15, 1)), UV), (np.broadcast_to(Y[:1], (8, 16)), UV),
        (np.zeros((8, 32), np.uint8)[:, ::2], UV), (np.zeros((1, 70000), np.uint8), UV),
    ],
)  # fmt: skip
def test_planes(planes: Any) -> None:
    assert "planes" in refused("planes", planes, "nv12", "rgb24")


def test_planes_of_words() -> None:
    deep = picture("p010", 16, 8, 0)
    swapped = tuple(plane.astype(">u2") for plane in deep)
    refused("planes", swapped, "p010", "rgb24")
    raw = np.zeros(8 * 16 * 2 + 1, np.uint8)
    crooked = raw[1:].view(np.uint16).reshape(8, 16)
    refused("planes", (crooked, deep[1]), "p010", "rgb24")
    wide = as_strided(np.zeros(400, np.uint16), (8, 16), (33, 2))
    refused("planes", (wide, deep[1]), "p010", "rgb24")


@pytest.mark.parametrize(
    "crop",
    [(-1, 0, 4, 4), (0, 0, 0, 4), (0, 0, 17, 8), (9, 0, 8, 8), (0, 1, 16, 8), (1, 2, 3), 5,
     (0, 0, 4.0, 4), (0, 0, True, 4), (1 << 40, 0, 1, 1), "0011"],
)  # fmt: skip
def test_crop(crop: Any) -> None:
    assert "crop" in refused("crop", NV12, "nv12", "rgb24", crop=crop)


@pytest.mark.parametrize(
    "size",
    [(0, 1), (-4, 4), (4,), 4, (4.5, 4), (True, 4), (1 << 20, 1 << 20), (65537, 1),
     (65536, 65536), (1 << 70, 1)],
)  # fmt: skip
def test_size(size: Any) -> None:
    assert "size" in refused("size", NV12, "nv12", "rgb24", size=size)


def test_sizes_at_the_limit_are_made() -> None:
    (wide,) = convert(NV12, "nv12", "gray", size=(65536, 1))
    (high,) = convert(NV12, "nv12", "rgb24", size=(1, 65536), resize="area")
    assert (wide.shape, high.shape) == ((1, 65536), (65536, 1, 3))
    one = convert((np.zeros((1, 65536), np.uint8),), "gray", "gray", size=(1, 1), resize="area")
    assert one[0].shape == (1, 1)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((8, 16), np.uint8), np.empty((8, 15, 3), np.uint8), np.empty((8, 16, 4), np.uint8),
        np.empty((8, 16, 3), np.int8), np.empty((8, 16, 3), np.float32), bytearray(384),
        (np.empty((8, 16, 3), np.uint8),) * 2, (),
        np.empty((8, 16, 6), np.uint8)[..., ::2], np.empty((8, 16, 3), np.uint8)[::-1],
        as_strided(np.empty(384, np.uint8), (8, 16, 3), (47, 3, 1)),
    ],
)  # fmt: skip
def test_out_of_another_shape_or_kind(out: Any) -> None:
    assert "out" in refused("out", NV12, "nv12", "rgb24", out=out)


def test_out_that_cannot_be_written() -> None:
    out = np.empty((8, 16, 3), np.uint8)
    out.setflags(write=False)
    assert "read-only" in refused("out", NV12, "nv12", "rgb24", out=out)
    refused("out", NV12, "nv12", "rgb_planar", out=np.broadcast_to(Y, (3, 8, 16)))


def test_out_that_overlaps() -> None:
    memory = np.zeros(2000, np.uint8)
    planes = memory[:128].reshape(8, 16), memory[128:192].reshape(4, 8, 2)
    over = memory[190 : 190 + 384].reshape(8, 16, 3)
    assert "overlaps planes[1]" in refused("out", planes, "nv12", "rgb24", out=over)
    behind = memory[192 : 192 + 384].reshape(8, 16, 3)
    assert convert(planes, "nv12", "rgb24", out=behind)[0] is behind
    assert "overlaps planes[0]" in refused("out", (Y,), "gray", "gray", out=Y)
    twice = Y.copy(), np.zeros((4, 8, 2), np.uint8)
    bent = twice[0].reshape(-1)[64:].reshape(4, 8, 2)
    assert "overlaps out[0]" in refused("out", RGB, "rgb24", "nv12", out=(twice[0], bent))
    channels = as_strided(np.empty(400, np.uint8), (3, 8, 16), (64, 16, 1))
    refused("out", NV12, "nv12", "rgb_planar", out=channels)


def test_side_by_side_in_one_canvas_is_no_overlap() -> None:
    canvas = np.zeros((8, 32, 3), np.uint8)
    canvas[:, :16] = RGB
    convert(canvas[:, :16], "rgb24", "bgr24", out=canvas[:, 16:])
    np.testing.assert_array_equal(canvas[:, 16:], RGB[..., ::-1])
    np.testing.assert_array_equal(canvas[:, :16], RGB)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, None, 257, "2"])
def test_threads(threads: Any) -> None:
    refused("threads", NV12, "nv12", "rgb24", threads=threads)


@pytest.mark.parametrize("argument", ["mean", "std"])
@pytest.mark.parametrize(
    "value",
    [(1, 2), 1, "abc", (1, 2, np.nan), (1, 2, np.inf), (1, 2, 3, 4), (1, None, 2), (1, 2, 1e39),
     (1, 2, 10**400)],
)  # fmt: skip
def test_mean_and_std(argument: str, value: Any) -> None:
    refused(argument, NV12, "nv12", "rgb_float32", **{argument: value})


def test_mean_and_std_of_what_is_not_float() -> None:
    refused("mean", NV12, "nv12", "rgb24", mean=(0, 0, 0))
    refused("std", NV12, "nv12", "rgb_planar", std=(1, 1, 1))
    refused("std", NV12, "nv12", "rgb_float16", std=(1, 0, 1))
    refused("std", NV12, "nv12", "rgb_float16", std=(1, -1, 1))
    refused("std", NV12, "nv12", "rgb_float32", std=(1, 1e-39, 1))


def test_methods_and_colours() -> None:
    refused("chroma", NV12, "nv12", "rgb24", chroma="linear")
    refused("resize", NV12, "nv12", "rgb24", resize=None)
    refused("color", NV12, "nv12", "rgb24", color="bt709")
    refused("output_color", RGB, "rgb24", "nv12", output_color=709)
    hint = refused("color", RGB, "rgb24", "nv12", color=ColorSpec(matrix="bt709"))
    assert "output_color" in hint
    refused("output_color", NV12, "nv12", "rgb24", output_color=ColorSpec(range="limited"))
    refused("output_color", NV12, "nv12", "rgb24", output_color=ColorSpec(matrix="bt709"))


@pytest.mark.parametrize("matrix", ["ictcp", "ycgco", "bt2020c", "smpte2085"])
def test_matrices_that_are_not_computed(matrix: str) -> None:
    color = ColorSpec(matrix)
    with pytest.raises(UnsupportedConfig, match=matrix):
        convert(NV12, "nv12", "rgb24", color=color)
    with pytest.raises(UnsupportedConfig, match=matrix):
        convert(RGB, "rgb24", "nv12", output_color=color)
    with pytest.raises(UnsupportedConfig, match=matrix):
        convert(NV12, "nv12", "i420", color=color, output_color=ColorSpec("bt709"))
    # What needs no matrix goes.
    assert len(convert(NV12, "nv12", "p010", color=color, size=(5, 5))) == 2


def test_formats() -> None:
    for source, target in (("nv13", "rgb24"), ("nv12", "rgb"), (None, "rgb24"), ("nv12", [])):
        with pytest.raises(UnsupportedConfig):
            convert(NV12, source, target)  # type: ignore[arg-type]
    floats = convert(NV12, "nv12", "rgb_float32")
    with pytest.raises(UnsupportedConfig, match="rgb_float32") as caught:
        convert(floats, "rgb_float32", "rgb24")
    assert caught.value.argument == "format"


def test_no_memory_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(VideoHwError, match="no memory"):
        convert(NV12, "nv12", "rgb24")
