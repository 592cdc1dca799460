"""PyTorch as a witness of pixels: ``interpolate`` for scaling, and for chroma between pixels.

It calculates in float64, so that what is left of a difference is ours: float32, within 1e-6. Its
own float32 is off by more, since it counts the places of pixels in float32 too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.interop.libraries import library
from tests.pixels.pictures import codes_of, picture
from videohw.color import ColorSpec, to_rgb
from videohw.color.reference import resized
from videohw.pixels import convert

torch = library("torch", "PyTorch")
functional = library("torch.nn.functional", "PyTorch")

Array = npt.NDArray[Any]
WIDTH, HEIGHT = 96, 60
NOISE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
SIZES = ((192, 120), (48, 30), (32, 20), (95, 61), (224, 224), (17, 100), (300, 7), (1, 1))
WHOLE = ((48, 30), (32, 20), (8, 60), (96, 1), (1, 1), (96, 60))
OURS = 1e-6


def interpolated(values: Array, size: tuple[int, int], mode: str, **options: Any) -> Array:
    """(channels, rows, columns) scaled to ``size`` (width, height) in float64."""
    tensor = torch.from_numpy(np.array(values, np.float64))[None]
    made: Array = functional.interpolate(tensor, size=size[::-1], mode=mode, **options)[0].numpy()
    return made


def channels_first(picture_: Array) -> Array:
    return picture_.transpose(2, 0, 1) / 255.0


@pytest.mark.parametrize("size", SIZES)
def test_bilinear(size: tuple[int, int]) -> None:
    theirs = interpolated(channels_first(NOISE), size, "bilinear", align_corners=False)
    (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=size)
    assert np.abs(ours - theirs).max() <= OURS
    (codes,) = convert(NOISE, "rgb24", "rgb_planar", size=size)
    assert np.abs(codes - 255 * theirs).max() <= 0.501


def test_bilinear_of_a_large_picture() -> None:
    """Theirs in float32 misses its own float64 by more than we do, here by 1e-4."""
    rng = np.random.default_rng(2)
    large = rng.integers(0, 256, (1080, 1920, 3), np.uint8)
    size = (1283, 721)
    theirs = interpolated(channels_first(large), size, "bilinear", align_corners=False)
    (ours,) = convert(large, "rgb24", "rgb_float32", size=size)
    assert np.abs(ours - theirs).max() <= OURS
    narrow = torch.from_numpy(channels_first(large).astype(np.float32))[None]
    theirs32 = functional.interpolate(narrow, size=size[::-1], mode="bilinear")[0].numpy()
    assert 1e-5 < np.abs(theirs32 - theirs).max() < 1e-3


@pytest.mark.parametrize("size", WHOLE)
def test_area_of_whole_pixels(size: tuple[int, int]) -> None:
    theirs = interpolated(channels_first(NOISE), size, "area")
    (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=size, resize="area")
    assert np.abs(ours - theirs).max() <= OURS


def test_area_of_parts_of_pixels_is_another_mean() -> None:
    """Theirs counts every pixel that is touched in full (adaptive_avg_pool2d), ours its part."""
    size = (64, 48)
    theirs = interpolated(channels_first(NOISE), size, "area")
    (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=size, resize="area")
    assert np.abs(ours - theirs).max() > 0.1
    whole = NOISE.repeat(2, 1).repeat(4, 0)  # 192 x 240: whole multiples of 64 x 48
    (again,) = convert(whole, "rgb24", "rgb_float32", size=size, resize="area")
    assert np.abs(ours - again).max() <= OURS
    assert np.abs(again - interpolated(channels_first(whole), size, "area")).max() <= OURS


def test_antialias_is_neither() -> None:
    """A tent as wide as two new pixels: the same as bilinear upwards, far from both downwards."""
    planes = channels_first(NOISE)
    larger, smaller = (250, 130), (32, 20)
    options = {"align_corners": False, "antialias": True}
    (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=larger)
    assert np.abs(ours - interpolated(planes, larger, "bilinear", **options)).max() <= OURS
    tent = interpolated(planes, smaller, "bilinear", **options)
    for method in ("bilinear", "area"):
        (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=smaller, resize=method)
        assert np.abs(ours - tent).max() > 0.1


@pytest.mark.parametrize(
    ("size", "method"),
    [*((size, "bilinear") for size in SIZES), *((size, "area") for size in WHOLE)],
)
def test_the_reference_itself(size: tuple[int, int], method: str) -> None:
    options = {"align_corners": False} if method == "bilinear" else {}
    theirs = interpolated(channels_first(NOISE), size, method, **options)
    for plane, channel in zip(channels_first(NOISE), theirs, strict=True):
        assert np.abs(resized(plane, size, method) - channel).max() < 1e-12


# Chroma between pixels, by interpolate alone


def upsampled(chroma: Array, siting: str) -> Array:
    """(2, rows, columns) of chroma at every pixel, for pictures with even sides."""
    rows, columns = 2 * chroma.shape[1], 2 * chroma.shape[2]
    tall = interpolated(chroma, (chroma.shape[2], rows), "bilinear", align_corners=False)
    if siting == "center":
        return interpolated(tall, (columns, rows), "bilinear", align_corners=False)
    # On every other pixel: the corners are aligned but for the last column, which is held.
    wide = interpolated(tall, (columns - 1, rows), "bilinear", align_corners=True)
    return np.concatenate([wide, wide[..., -1:]], axis=-1)


@pytest.mark.parametrize("siting", ["center", "left"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
@pytest.mark.parametrize("source", ["nv12", "p010", "yuv420p12"])
def test_to_rgb(source: str, matrix: str, siting: str) -> None:
    color = ColorSpec(matrix, "limited", siting=siting)
    depth = {"nv12": 8, "p010": 10, "yuv420p12": 12}[source]
    planes = picture(source, WIDTH, HEIGHT, 5)
    y, *chroma = codes_of(source, planes)
    codes = np.stack([y, *upsampled(np.stack(chroma), siting)])
    affine = to_rgb(color, depth)
    rgb = torch.einsum("ij,jhw->ihw", torch.tensor(affine.matrix).double(),
                       torch.from_numpy(codes)).numpy()  # fmt: skip
    exact = np.clip(rgb + np.reshape(affine.offset, (3, 1, 1)), 0, 1)
    (floats,) = convert(planes, source, "rgb_float32", color=color)
    assert np.abs(floats - exact).max() <= OURS
    (ours,) = convert(planes, source, "rgb_planar", color=color)
    assert np.abs(ours - 255 * exact).max() <= 0.56
    size = (61, 77)
    (scaled,) = convert(planes, source, "rgb_float32", color=color, size=size)
    inside = interpolated(codes, size, "bilinear", align_corners=False)
    there = np.einsum("ij,jhw->ihw", np.array(affine.matrix), inside)
    there = np.clip(there + np.reshape(affine.offset, (3, 1, 1)), 0, 1)
    assert np.abs(scaled - there).max() <= OURS
