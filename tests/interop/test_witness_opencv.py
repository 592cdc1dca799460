"""OpenCV as a witness of pixels: BT.601 limited range both ways, and scaling.

The bounds were measured with OpenCV 5.0; what OpenCV does otherwise is computed here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.interop.libraries import library
from tests.pixels.pictures import picture
from videohw.color import ColorSpec
from videohw.color.reference import quantised, rgb_from_ycbcr, ycbcr_from_rgb
from videohw.pixels import convert

cv2 = library("cv2", "OpenCV")

# What cvtColor means: nothing else can be asked of it.
BT601 = ColorSpec("smpte170m", "limited")
WIDTH, HEIGHT = 320, 192
NOISE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
FORMS = {"RGB": "rgb24", "BGR": "bgr24", "RGBA": "rgba", "BGRA": "bgra"}


def above_black(name: str, seed: int) -> tuple[npt.NDArray[Any], ...]:
    """Random codes, with luma from 16 on: OpenCV takes what is below for 16."""
    luma, *chroma = picture(name, WIDTH, HEIGHT, seed)
    return np.maximum(luma, 16), *chroma


def as_opencv(planes: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[Any]:
    """All planes below each other."""
    return np.concatenate([plane.reshape(-1, WIDTH) for plane in planes])


def differing(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> tuple[int, float]:
    """(the largest difference, which part of the samples differs at all)."""
    difference = np.abs(one.astype(np.int16) - other)
    return int(difference.max()), float((difference > 0).mean())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("source", ["NV12", "I420"])
def test_to_rgb_with_the_nearest_chroma(source: str, form: str) -> None:
    planes = above_black(source.lower(), 2)
    theirs = cv2.cvtColor(as_opencv(planes), getattr(cv2, f"COLOR_YUV2{form}_{source}"))
    (ours,) = convert(planes, source.lower(), FORMS[form], color=BT601, chroma="nearest")
    most, part = differing(ours, theirs)
    assert most <= 1
    assert part <= 0.05


def test_its_factors_have_three_digits() -> None:
    """Which explains the pixels that differ by one: hardly any do from the same sum."""
    y, uv = above_black("nv12", 2)
    theirs = cv2.cvtColor(as_opencv((y, uv)), cv2.COLOR_YUV2RGB_NV12)
    luma = 1.164 * (y.astype(float) - 16)
    u, v = (uv[..., k].repeat(2, 0).repeat(2, 1).astype(float) - 128 for k in (0, 1))
    rounded = np.stack([luma + 1.596 * v, luma - 0.813 * v - 0.391 * u, luma + 2.018 * u], -1)
    most, part = differing(quantised(rounded).astype(np.int16), theirs)
    assert most <= 1
    assert part <= 0.003


def test_below_black_it_holds_luma_at_16() -> None:
    """The standard's sum goes on below black, where chroma may bring it up again: 16 x 1.164."""
    y, uv = picture("nv12", WIDTH, HEIGHT, 3)
    theirs = cv2.cvtColor(as_opencv((y, uv)), cv2.COLOR_YUV2RGB_NV12)
    (ours,) = convert((y, uv), "nv12", "rgb24", color=BT601, chroma="nearest")
    assert differing(ours, theirs)[0] == 19
    (held,) = convert((np.maximum(y, 16), uv), "nv12", "rgb24", color=BT601, chroma="nearest")
    assert differing(held, theirs)[0] <= 1
    exact = 255 * rgb_from_ycbcr(y, uv[..., 0], uv[..., 1], BT601, chroma="nearest")
    assert differing(quantised(exact).astype(np.int16), ours)[0] <= 1


@pytest.mark.parametrize("form", FORMS)
def test_from_rgb(form: str) -> None:
    """Luma as ours; of chroma it takes every other pixel of every other row, and means none."""
    rgb = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, len(form)), np.uint8)
    theirs = cv2.cvtColor(rgb, getattr(cv2, f"COLOR_{form}2YUV_I420"))
    luma, *_ = convert(rgb, FORMS[form], "i420", output_color=BT601)
    most, part = differing(luma, theirs[:HEIGHT])
    assert most <= 1
    assert part <= 0.04
    _, cb, cr = convert(np.ascontiguousarray(rgb[::2, ::2]), FORMS[form], "yuv444p",
                        output_color=BT601)  # fmt: skip
    for ours, chroma in zip((cb, cr), theirs[HEIGHT:].reshape(2, *cb.shape), strict=True):
        most, part = differing(ours, chroma)
        assert most <= 1
        assert part <= 0.05


def test_flat_chroma_from_rgb_is_the_same() -> None:
    """Where the four pixels of a chroma sample are one colour."""
    rgb = NOISE[: HEIGHT // 2, : WIDTH // 2].repeat(2, 0).repeat(2, 1)
    theirs = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)[HEIGHT:].reshape(2, HEIGHT // 2, -1)
    color = ColorSpec("smpte170m", "limited", siting="center")
    _, *chroma = convert(rgb, "rgb24", "i420", output_color=color)
    for ours, plane in zip(chroma, theirs, strict=True):
        assert differing(ours, plane)[0] <= 1
    exact = ycbcr_from_rgb(rgb / 255.0, color)
    for plane, right in zip(theirs, exact[1:], strict=True):
        assert np.abs(plane - right).max() <= 0.6


@pytest.mark.parametrize("size", [(160, 96), (200, 100), (77, 191), (7, 5), (1, 1), (319, 191)])
def test_area(size: tuple[int, int]) -> None:
    """Also where pixels are covered in part, which PyTorch has not."""
    theirs = cv2.resize(NOISE.astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA)
    (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=size, resize="area")
    assert np.abs(ours - theirs.reshape(*size[::-1], 3).transpose(2, 0, 1)).max() <= 2e-6


@pytest.mark.parametrize("size", [(160, 96), (640, 384), (1000, 100), (77, 191), (1, 1)])
def test_bilinear(size: tuple[int, int]) -> None:
    theirs = cv2.resize(NOISE.astype(np.float32) / 255, size, interpolation=cv2.INTER_LINEAR)
    (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=size)
    assert np.abs(ours - theirs.reshape(*size[::-1], 3).transpose(2, 0, 1)).max() <= 2e-6
