"""Coefficients against values that the standards print, and against each other."""

from __future__ import annotations

import numpy as np
import pytest

from videohw.color import COMPUTED_MATRICES, Affine, ColorSpec, between, from_rgb, to_rgb
from videohw.errors import InvalidInput, UnsupportedConfig

YCBCR = [name for name in COMPUTED_MATRICES if name != "identity"]


def applied(affine: Affine, values: object) -> np.ndarray:
    return np.asarray(values, float) @ np.array(affine.matrix).T + np.array(affine.offset)


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", COMPUTED_MATRICES)
def test_there_and_back(matrix: str, range_: str, depth: int) -> None:
    color = ColorSpec(matrix=matrix, range=range_)
    rgb = np.random.default_rng(1).random((100, 3))
    codes = applied(from_rgb(color, depth), rgb)
    assert np.abs(applied(to_rgb(color, depth), codes) - rgb).max() < 1e-12


@pytest.mark.parametrize("matrix", YCBCR)
def test_black_white_and_grey_have_the_codes_of_the_standards(matrix: str) -> None:
    greys = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]
    limited = applied(from_rgb(ColorSpec(matrix=matrix, range="limited")), greys)
    expected = [[16, 128, 128], [235, 128, 128], [125.5, 128, 128]]
    assert np.allclose(limited, expected, atol=1e-12)
    full = applied(from_rgb(ColorSpec(matrix=matrix, range="full")), greys)
    assert np.allclose(full, [[0, 128, 128], [255, 128, 128], [127.5, 128, 128]], atol=1e-12)
    deep = applied(from_rgb(ColorSpec(matrix=matrix, range="limited"), 10), greys)
    assert np.allclose(deep, [[64, 512, 512], [940, 512, 512], [502, 512, 512]], atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "rgb", "codes"),
    [
        # BT.601 and BT.709 colour bars of full amplitude, rounded: SMPTE RP 219, EG 1.
        ("smpte170m", (1, 0, 0), (81, 90, 240)),
        ("smpte170m", (0, 1, 0), (145, 54, 34)),
        ("smpte170m", (0, 0, 1), (41, 240, 110)),
        ("bt709", (1, 0, 0), (63, 102, 240)),
        ("bt709", (0, 1, 0), (173, 42, 26)),
        ("bt709", (0, 0, 1), (32, 240, 118)),
        ("bt709", (1, 1, 0), (219, 16, 138)),
    ],
)
def test_the_primaries_have_the_codes_of_colour_bars(
    matrix: str, rgb: tuple[int, int, int], codes: tuple[int, int, int]
) -> None:
    exact = applied(from_rgb(ColorSpec(matrix=matrix, range="limited")), rgb)
    assert tuple(np.floor(exact + 0.5).astype(int)) == codes


def test_the_known_factors_of_bt601() -> None:
    """1.164, 1.596, 0.813, 0.391, 2.018: what textbooks round them to."""
    matrix = np.array(to_rgb(ColorSpec(matrix="bt470bg", range="limited")).matrix) * 255
    expected = [[1.164, 0, 1.596], [1.164, -0.392, -0.813], [1.164, 2.017, 0]]
    assert np.allclose(matrix, expected, atol=1e-3)


def test_identity_has_the_planes_green_blue_red() -> None:
    codes = applied(from_rgb(ColorSpec(matrix="identity", range="full")), [0.2, 0.4, 0.6])
    assert np.allclose(codes, [0.4 * 255, 0.6 * 255, 0.2 * 255])
    limited = applied(from_rgb(ColorSpec(matrix="identity", range="limited")), [0, 1, 0])
    assert limited.tolist() == [235, 16, 16]


@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", COMPUTED_MATRICES)
def test_between_two_colours_is_by_way_of_rgb(matrix: str, range_: str) -> None:
    source, target = ColorSpec("bt709", "limited"), ColorSpec(matrix, range_)
    codes = np.random.default_rng(2).integers(0, 256, (50, 3))
    expected = applied(from_rgb(target, 10), applied(to_rgb(source, 8), codes))
    assert np.abs(applied(between(source, 8, target, 10), codes) - expected).max() < 1e-9


def test_between_depths_and_ranges_of_one_matrix() -> None:
    """Exact, for any matrix, and for the two names of BT.601."""
    for matrix, twin in (("ictcp", "ictcp"), ("smpte170m", "bt470bg"), ("identity", "identity")):
        limited, same = ColorSpec(matrix, "limited"), ColorSpec(twin, "limited")
        assert between(limited, 8, same, 10) == Affine(((4, 0, 0), (0, 4, 0), (0, 0, 4)), (0, 0, 0))
    full = between(ColorSpec("ictcp", "full"), 8, ColorSpec("ictcp", "full"), 10)
    assert np.allclose(applied(full, [255, 128, 0]), [1023, 512, 512 - 128 * 1023 / 255])
    wider = between(ColorSpec("ycgco", "limited"), 8, ColorSpec("ycgco", "full"), 8)
    ends = applied(wider, [[16, 128, 128], [235, 240, 16]])
    assert np.allclose(ends, [[0, 128, 128], [255, 255.5, 0.5]])
    with pytest.raises(UnsupportedConfig, match="ictcp"):
        between(ColorSpec("ictcp", "full"), 8, ColorSpec("bt709", "full"), 8)


@pytest.mark.parametrize("matrix", ["bt2020c", "ictcp", "ycgco", "smpte2085"])
def test_what_is_not_computed_is_refused_by_name(matrix: str) -> None:
    with pytest.raises(UnsupportedConfig, match=matrix):
        to_rgb(ColorSpec(matrix=matrix, range="full"))


@pytest.mark.parametrize("field", ["matrix", "range"])
def test_what_is_not_stated_is_refused_by_name(field: str) -> None:
    stated = {"matrix": "bt709", "range": "full", field: None}
    with pytest.raises(InvalidInput, match=field) as caught:
        from_rgb(ColorSpec(**stated))  # type: ignore[arg-type]
    assert caught.value.argument == f"color.{field}"


@pytest.mark.parametrize("depth", [7, 17, 8.0, None])
def test_depths_that_do_not_exist(depth: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_rgb(ColorSpec(matrix="bt709", range="full"), depth)  # type: ignore[arg-type]
    assert caught.value.argument == "bit_depth"
