"""The float64 reference against sums done by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.color import SITINGS, ColorSpec
from videohw.color.reference import (
    quantised,
    resized,
    rgb_from_ycbcr,
    subsampled,
    upsampled,
    ycbcr_from_rgb,
)
from videohw.color.siting import chroma_phase
from videohw.errors import InvalidInput

FULL = ColorSpec(matrix="bt709", range="full")
SUBSAMPLINGS = ((2, 2), (2, 1), (1, 1), (1, 2), (4, 1), (4, 4))


def ramp(columns: int, rows: int) -> np.ndarray:
    """A plane that is linear in both directions, so that interpolation is exact inside."""
    return 3.0 * np.arange(columns)[None, :] + 7.0 * np.arange(rows)[:, None] + 11


@pytest.mark.parametrize("siting", SITINGS.values())
@pytest.mark.parametrize("steps", SUBSAMPLINGS)
def test_a_ramp_sampled_at_its_places_comes_back(steps: tuple[int, int], siting: str) -> None:
    x, y = chroma_phase(siting, steps)
    columns, rows = 16, 12
    at_x = x + steps[0] * np.arange(columns // steps[0])
    at_y = y + steps[1] * np.arange(rows // steps[1])
    chroma = 3.0 * at_x[None, :] + 7.0 * at_y[:, None] + 11
    luma = upsampled(chroma, (columns, rows), steps, siting)
    # The rim lies outside of the chroma samples, where the last one is held.
    inside = slice(4, -4)
    assert np.abs(luma - ramp(columns, rows))[inside, inside].max() < 1e-12
    assert luma[0, 0] == max(chroma[0, 0], luma[0, 0])


@pytest.mark.parametrize(
    ("siting", "phase"),
    [
        ("left", (0, 0.5)), ("center", (0.5, 0.5)), ("topleft", (0, 0)), ("top", (0.5, 0)),
        ("bottomleft", (0, 1)), ("bottom", (0.5, 1)), (None, (0, 0.5)),
    ],
)  # fmt: skip
def test_the_six_sitings(siting: str | None, phase: tuple[float, float]) -> None:
    assert chroma_phase(siting, (2, 2)) == phase
    assert chroma_phase(siting, (2, 1)) == (phase[0], 0)
    assert chroma_phase(siting, (1, 1)) == (0, 0)


def test_upsampling_by_hand() -> None:
    chroma = np.array([[10.0, 20.0, 40.0]])
    left = upsampled(chroma, (6, 1), (2, 1), "left")
    assert left.tolist() == [[10, 15, 20, 30, 40, 40]]
    center = upsampled(chroma, (6, 1), (2, 1), "center")
    assert center.tolist() == [[10, 12.5, 17.5, 25, 35, 40]]
    assert upsampled(chroma, (5, 1), (2, 1), "left", "nearest").tolist() == [[10, 10, 20, 20, 40]]


def test_subsampling_by_hand() -> None:
    row = np.array([[10.0, 20.0, 40.0, 80.0, 100.0]])
    assert subsampled(row, (2, 1), "center").tolist() == [[15, 60, 100]]
    assert subsampled(row, (2, 1), "left").tolist() == [[12.5, 45, 95]]
    column = row.T
    assert subsampled(column, (1, 2), "left").T.tolist() == [[15, 60, 100]]
    assert subsampled(column, (1, 2), "topleft").T.tolist() == [[12.5, 45, 95]]
    assert subsampled(column, (1, 2), "bottomleft").T.tolist() == [[22.5, 75, 100]]
    assert subsampled(row, (4, 1), "center").tolist() == [[37.5, 100]]
    # (1 2 3 4 3 2 1) / 16 around the first and the fifth sample.
    tents = [[(60 + 40 + 60 + 80 + 80) / 16, (20 + 80 + 240 + 1000) / 16]]
    assert subsampled(row, (4, 1), "left").tolist() == tents


@given(
    st.sampled_from(sorted(SITINGS.values())),
    st.sampled_from(SUBSAMPLINGS),
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0, 255),
)
def test_a_flat_plane_stays_flat(
    siting: str, steps: tuple[int, int], columns: int, rows: int, value: float
) -> None:
    down = subsampled(np.full((rows, columns), value), steps, siting)
    assert down.shape == (-(-rows // steps[1]), -(-columns // steps[0]))
    for method in ("nearest", "bilinear"):
        up = upsampled(down, (columns, rows), steps, siting, method)
        assert up.shape == (rows, columns)
        assert np.allclose(up, value, rtol=0, atol=1e-9)


def test_bilinear_scaling_by_hand() -> None:
    row = np.array([[0.0, 10.0, 30.0, 70.0]])
    assert resized(row, (2, 1)).tolist() == [[5, 50]]
    assert resized(row, (8, 1)).tolist() == [[0, 2.5, 7.5, 15, 25, 40, 60, 70]]
    assert resized(row, (4, 3)).tolist() == [row[0].tolist()] * 3


def test_area_scaling_by_hand() -> None:
    row = np.array([[0.0, 10.0, 30.0, 70.0]])
    assert resized(row, (2, 1), "area").tolist() == [[5, 50]]
    thirds = resized(np.array([[3.0, 6.0]]), (3, 1), "area")
    assert np.allclose(thirds, [[3, 4.5, 6]])
    odd = resized(row, (3, 1), "area")
    assert np.allclose(odd, [[2.5, 20, 60]])


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_area_keeps_the_mean(columns: int, rows: int, new_columns: int, new_rows: int) -> None:
    plane = np.random.default_rng(columns * 13 + rows).random((rows, columns))
    scaled = resized(plane, (new_columns, new_rows), "area")
    assert scaled.shape == (new_rows, new_columns)
    assert abs(scaled.mean() - plane.mean()) < 1e-12


@pytest.mark.parametrize("depth", [8, 10, 16])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", "smpte240m"])
def test_greys_of_full_range_are_exact(matrix: str, depth: int) -> None:
    codes = np.arange(0, 1 << depth, 1 if depth < 12 else 97)[None, :]
    middle = np.full_like(codes, 1 << (depth - 1))
    color = ColorSpec(matrix=matrix, range="full")
    rgb = rgb_from_ycbcr(codes, middle, middle, color, depth, subsampling=(1, 1))
    assert np.array_equal(quantised(rgb[..., 1] * ((1 << depth) - 1), depth), codes)


def test_crop_takes_chroma_from_outside_of_it() -> None:
    rng = np.random.default_rng(3)
    y, cb, cr = (rng.integers(0, 256, shape) for shape in ((8, 10), (4, 5), (4, 5)))
    whole = rgb_from_ycbcr(y, cb, cr, FULL)
    part = rgb_from_ycbcr(y, cb, cr, FULL, crop=(3, 1, 4, 5))
    assert np.array_equal(part, whole[1:6, 3:7])


def test_scaling_before_and_after_the_matrix_is_the_same() -> None:
    rng = np.random.default_rng(4)
    y, cb, cr = (rng.integers(0, 256, shape) for shape in ((8, 10), (4, 5), (4, 5)))
    for method, size in itertools.product(("bilinear", "area"), ((5, 4), (7, 13))):
        rgb = rgb_from_ycbcr(y, cb, cr, FULL, size=size, resize=method)
        whole = rgb_from_ycbcr(y, cb, cr, FULL)
        after = [resized(whole[..., k], size, method) for k in range(3)]
        assert np.abs(rgb - np.stack(after, -1)).max() < 1e-12


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(SUBSAMPLINGS))
def test_rgb_there_and_back_of_flat_colours(
    columns: int, rows: int, steps: tuple[int, int]
) -> None:
    rgb = np.empty((rows, columns, 3))
    rgb[:] = np.random.default_rng(columns).random(3)
    planes = ycbcr_from_rgb(rgb, FULL, subsampling=steps)
    assert np.abs(rgb_from_ycbcr(*planes, FULL, subsampling=steps) - rgb).max() < 1e-12


def test_codes_are_the_nearest_and_halves_go_up() -> None:
    assert quantised(np.array([-1, 0.49, 0.5, 254.5, 300])).tolist() == [0, 0, 1, 255, 255]
    assert quantised(np.array([1023.4, 1024.0]), 10).tolist() == [1023, 1023]


def test_unknown_methods_are_named() -> None:
    plane = np.zeros((2, 2))
    with pytest.raises(InvalidInput) as caught:
        resized(plane, (1, 1), "cubic")
    assert caught.value.argument == "method"
    with pytest.raises(InvalidInput):
        upsampled(plane, (4, 4), (2, 2), None, "lanczos")
