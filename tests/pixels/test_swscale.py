"""swscale as a witness from outside: where it agrees with us, and why where it does not.

All bounds were measured with libswscale 9.5 and hold with 10.1: both sides are within 1 code value
of the exact result, and seldom on different ones. What differs by more is not tolerated but
computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.pixels.pictures import codes_of, picture, steps
from videohw.color import SITINGS, ColorSpec, to_rgb
from videohw.color.reference import (
    quantised,
    resized,
    rgb_from_ycbcr,
    upsampled,
    ycbcr_from_rgb,
)
from videohw.pixel_format import FORMATS
from videohw.pixels import convert

pytest.importorskip("av", reason="PyAV is not installed")

from tests.pixels import swscale
from tests.pixels.swscale import ACCURATE, BILINEAR, MATRICES, POINT

WIDTH, HEIGHT = 192, 128
# 255 times a value from which on swscale, which has 32 bits for it, makes black of white.
WRAPS = 511.0
AREA = swscale.AREA | ACCURATE
NOISE = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def exact_rgb(name: str, planes: Any, color: ColorSpec) -> npt.NDArray[np.float64]:
    """R, G, B by the reference, 255 for white, neither rounded nor clamped."""
    layout = FORMATS[name]
    return 255 * rgb_from_ycbcr(
        *codes_of(name, planes), color, layout.bit_depth, subsampling=steps(layout)
    )


def exact_ycbcr(name: str, color: ColorSpec, subsampling: tuple[int, int]) -> Any:
    depth = FORMATS[name].bit_depth
    return ycbcr_from_rgb(NOISE / 255.0, color, depth, subsampling=subsampling)


def assert_same(one: Any, other: Any, differing: float, most: int = 1) -> None:
    """Nowhere are more than ``most`` codes between the two, and few are not the same."""
    difference = np.abs(np.asarray(one).astype(np.int64) - np.asarray(other).astype(np.int64))
    assert difference.max() <= most
    assert (difference > 0).mean() <= differing


@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("source", ["nv12", "nv21", "yuv420p", "yuv422p", "yuv444p"])
def test_to_rgb(source: str, matrix: str, range_: str) -> None:
    color = ColorSpec(matrix, range_, siting="center")
    planes = picture(source, WIDTH, HEIGHT, 3)
    (ours,) = convert(planes, source, "rgb24", color=color)
    (theirs,) = swscale.converted(planes, source, "rgb24", color)
    shown = exact_rgb(source, planes, color) < WRAPS
    assert_same(ours[shown], theirs[shown], differing=0.02)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("source", ["p010", "yuv420p10", "yuv422p10", "yuv444p12"])
def test_more_bits_to_rgb(source: str, matrix: str) -> None:
    color = ColorSpec(matrix, "limited", siting="left")
    planes = picture(source, WIDTH, HEIGHT, 4)
    (ours,) = convert(planes, source, "bgra", color=color)
    (theirs,) = swscale.converted(planes, source, "bgra", color)
    shown = exact_rgb(source, planes, color) < WRAPS
    assert_same(ours[..., 2::-1][shown], theirs[..., 2::-1][shown], differing=0.02)


@pytest.mark.parametrize("siting", SITINGS.values())
@pytest.mark.parametrize("source", ["nv12", "yuv420p", "yuv422p", "p010"])
def test_chroma_of_every_siting_to_rgb(source: str, siting: str) -> None:
    """The last with limited range, at whose other one swscale errs: see below."""
    color = ColorSpec("bt709", "limited" if source == "p010" else "full", siting=siting)
    planes = picture(source, WIDTH, HEIGHT, 6)
    (ours,) = convert(planes, source, "rgb24", color=color)
    (theirs,) = swscale.converted(planes, source, "rgb24", color)
    shown = exact_rgb(source, planes, color) < WRAPS
    assert_same(ours[shown], theirs[shown], differing=0.02)


def test_the_nearest_chroma_to_rgb() -> None:
    color = ColorSpec("smpte170m", "full", siting="center")
    planes = picture("nv12", WIDTH, HEIGHT, 7)
    (ours,) = convert(planes, "nv12", "rgb24", color=color, chroma="nearest")
    (theirs,) = swscale.converted(planes, "nv12", "rgb24", color, POINT | ACCURATE)
    assert_same(ours, theirs, differing=0.02)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(
    ("target", "differing"),
    [("nv12", 0.05), ("yuv420p", 0.05), ("yuv422p", 0.05), ("yuv444p", 0.05),
     ("p010", 0.15), ("yuv444p10", 0.15)],
)  # fmt: skip
def test_from_rgb(target: str, differing: float, matrix: str) -> None:
    color = ColorSpec(matrix, "limited", siting="center")
    ours = convert(NOISE, "rgb24", target, output_color=color)
    theirs = swscale.converted((NOISE,), "rgb24", target, color, AREA)
    for one, other in zip(codes_of(target, ours), codes_of(target, theirs), strict=True):
        assert_same(one, other, differing)


@pytest.mark.parametrize("siting", SITINGS.values())
@pytest.mark.parametrize("target", ["nv12", "yuv420p", "yuv422p"])
def test_chroma_of_every_siting_from_rgb(target: str, siting: str) -> None:
    """But for the first row and column, where swscale does not hold the rim."""
    color = ColorSpec("bt709", "limited", siting=siting)
    ours = codes_of(target, convert(NOISE, "rgb24", target, output_color=color))
    theirs = codes_of(target, swscale.converted((NOISE,), "rgb24", target, color, AREA))
    for one, other in zip(ours, theirs, strict=True):
        assert_same(one[1:-1, 1:-1], other[1:-1, 1:-1], differing=0.05)


@pytest.mark.parametrize("siting", ["topleft", "bottomleft"])
def test_chroma_on_luma_from_rgb(siting: str) -> None:
    """Where a tent is ours too, up to the rim."""
    color = ColorSpec("bt709", "limited", siting=siting)
    ours = convert(NOISE, "rgb24", "nv12", output_color=color)
    theirs = swscale.converted((NOISE,), "rgb24", "nv12", color, BILINEAR | ACCURATE)
    for one, other in zip(ours, theirs, strict=True):
        assert_same(one, other, differing=0.05)


# Where swscale differs, and what it does instead


@pytest.mark.parametrize("matrix", MATRICES)
def test_it_makes_black_of_more_than_twice_white(matrix: str) -> None:
    color = ColorSpec(matrix, "limited")
    planes = picture("yuv444p", WIDTH, HEIGHT, 3)
    exact = exact_rgb("yuv444p", planes, color)
    (theirs,) = swscale.converted(planes, "yuv444p", "rgb24", color)
    beyond = exact > WRAPS + 1
    assert beyond.any()
    assert (theirs[beyond] == 0).all()
    (ours,) = convert(planes, "yuv444p", "rgb24", color=color)
    assert (ours[beyond] == 255).all()


@pytest.mark.parametrize("source", ["p010", "yuv444p10", "yuv444p16"])
def test_it_takes_full_range_of_more_bits_for_shifted_8_bits(source: str) -> None:
    """1023 as 1020 + 3 of 1020: everything is up to 0.75 codes too bright."""
    color = ColorSpec("bt709", "full", siting="center")
    planes = picture(source, WIDTH, HEIGHT, 8)
    (theirs,) = swscale.converted(planes, source, "rgb24", color)
    layout = FORMATS[source]
    codes = [plane / (1 << layout.bit_depth - 8) for plane in codes_of(source, planes)]
    shifted = rgb_from_ycbcr(*codes, color, 8, subsampling=steps(layout))
    assert_same(quantised(255 * shifted), theirs, differing=0.02)
    right = quantised(exact_rgb(source, planes, color))
    assert (theirs > right).mean() > 0.15
    assert (theirs.astype(int) - right).max() == 1


@pytest.mark.parametrize("target", ["yuv444p", "yuv444p10"])
def test_it_rounds_chroma_of_full_range_down(target: str) -> None:
    color = ColorSpec("bt709", "full")
    theirs = codes_of(target, swscale.converted((NOISE,), "rgb24", target, color, AREA))
    for got, exact in zip(theirs[1:], exact_ycbcr(target, color, (1, 1))[1:], strict=True):
        assert_same(np.floor(exact + 1e-9), got, differing=0.05)
        assert abs((got - exact).mean() + 0.5) < 0.05


@pytest.mark.parametrize(("source", "down"), [("yuv420p", "nearest"), ("nv12", "bilinear")])
def test_by_default_it_repeats_chroma_and_rounds_down(source: str, down: str) -> None:
    """Of planar 4:2:0 both ways, of NV12 along the rows; no pixel is clamped here."""
    color = ColorSpec("smpte170m", "limited", siting="center")
    y, cb, cr = picture("yuv420p", WIDTH, HEIGHT, 9)
    y, cb, cr = 90 + y // 4, 112 + cb // 8, 112 + cr // 8
    planes = (y, cb, cr) if source == "yuv420p" else (y, np.stack([cb, cr], -1))
    (theirs,) = swscale.converted(planes, source, "rgb24", color, flags=None)
    repeated = [
        upsampled(
            upsampled(plane, (WIDTH // 2, HEIGHT), (1, 2), "center", down),
            (WIDTH, HEIGHT), (2, 1), "center", "nearest",
        )
        for plane in (cb, cr)
    ]  # fmt: skip
    difference = theirs - 255 * rgb_from_ycbcr(y, *repeated, color, subsampling=(1, 1))
    assert difference.min() > -3.5
    assert difference.max() < 1
    assert -1.6 < difference.mean() < -0.9


def test_its_floats_are_codes_of_16_bits_without_the_last_part() -> None:
    """White is 255 x 256 of 65535."""
    color = ColorSpec("bt709", "limited", siting="center")
    planes = picture("nv12", WIDTH, HEIGHT, 10)
    green, blue, red = swscale.converted(planes, "nv12", "gbrpf32", color)
    (ours,) = convert(planes, "nv12", "rgb_float32", color=color)
    shown = np.moveaxis(exact_rgb("nv12", planes, color), -1, 0) < 255  # it clamps later
    difference = np.stack([red, green, blue]) - ours * (255 * 256 / 65535)
    assert np.abs(difference[shown]).max() < 1e-4


@pytest.mark.parametrize(("width", "height"), [(95, 64), (96, 63), (33, 17)])
def test_it_stretches_chroma_of_odd_pictures(width: int, height: int) -> None:
    """48 samples over 95 pixels, where 95 pixels have 47.5 samples."""
    color = ColorSpec("bt709", "full", siting="center")
    planes = picture("nv12", width, height, 11)
    (theirs,) = swscale.converted(planes, "nv12", "rgb24", color)
    y, cb, cr = codes_of("nv12", planes)
    stretched = np.stack([y, *(resized(plane, (width, height)) for plane in (cb, cr))], -1)
    affine = to_rgb(color)
    rgb = stretched @ np.array(affine.matrix).T + np.array(affine.offset)
    assert_same(quantised(255 * rgb), theirs, differing=0.02)


def test_bilinear_halves_by_a_tent_of_four() -> None:
    """(1 3 3 1) / 8 each way, where a chroma sample between two luma samples is their mean."""
    color = ColorSpec("smpte170m", "limited", siting="center")
    theirs = codes_of("nv12", swscale.converted((NOISE,), "rgb24", "nv12", color))
    weights = ((-1, 1 / 8), (0, 3 / 8), (1, 3 / 8), (2, 1 / 8))
    for got, exact in zip(theirs[1:], exact_ycbcr("nv12", color, (1, 1))[1:], strict=True):
        for axis in (0, 1):
            places = 2 * np.arange(exact.shape[axis] // 2)
            exact = sum(
                weight * np.take(exact, np.clip(places + tap, 0, exact.shape[axis] - 1), axis)
                for tap, weight in weights
            )
        assert_same(quantised(exact), got, differing=0.05)
