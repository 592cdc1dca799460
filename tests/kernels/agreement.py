"""How far a kernel may be from the float64 reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.kernels.cases import Case, depth_of, exact_rgb, exact_ycbcr, rgb_values, ycbcr_codes
from tests.kernels.memory import Array, Planes

# How far a component before rounding may be from the reference, of 0..1: seen are 2.2e-7 at the
# same size, 4.4e-7 with bilinear scaling, 8.5e-7 where thousands of samples are averaged.
TO_RGB = 1.5e-6
# How far a code before rounding may be from the reference, of 0..1 for the whole scale.
TO_YCBCR = 1e-6


def allowed(case: Case, exact: Array) -> Array | float:
    """How far a result may be from ``exact``, on the scale of the target."""
    dtype = np.dtype(np.uint8)
    if case.target[0] == "rgb_float16":
        dtype = np.dtype(np.float16)
    elif case.target[0] == "rgb_float32":
        dtype = np.dtype(np.float32)
    if dtype == np.uint8:
        return 0.5 + 255 * TO_RGB
    arithmetic = TO_RGB / min(case.numbers["std"])
    if dtype == np.float16:
        with np.errstate(over="ignore"):
            half_ulp = np.spacing(np.abs(exact).astype(np.float16)).astype(np.float64) / 2
        return arithmetic + half_ulp
    return arithmetic


def assert_untouched_around(pictures: Sequence[tuple[Planes, Planes]]) -> None:
    """Sources are as they were, and of the targets all but the pixels."""
    for source, target in pictures:
        assert all(plane.is_untouched() for plane in source.planes)
        assert all(plane.is_untouched_around() for plane in target.planes)


def assert_rgb_agrees(case: Case, pictures: Sequence[tuple[Planes, Planes]]) -> None:
    """Every picture's (source, target) after a kernel from YCbCr."""
    for source, target in pictures:
        exact = exact_rgb(case, source)
        if case.target[0].startswith("rgb_float"):
            exact = (exact - case.numbers["mean"]) / np.array(case.numbers["std"])
        else:
            exact = exact * 255
        found = rgb_values(target).astype(np.float64)
        assert (np.abs(found - exact) <= allowed(case, exact)).all()
        if case.target[0] in ("rgba", "bgra"):
            assert (target.arrays()[0][..., 3] == 255).all()


def assert_ycbcr_agrees(case: Case, pictures: Sequence[tuple[Planes, Planes]]) -> None:
    """Every picture's (source, target) after a kernel from RGB."""
    for source, target in pictures:
        bits, shift = depth_of(target.surface)
        for array in target.arrays():
            assert not (array & ((1 << shift) - 1)).any()
        exact = exact_ycbcr(case, source, bits)
        for found, wanted in zip(ycbcr_codes(target), exact, strict=True):
            difference = np.abs(found.astype(np.float64) - wanted)
            assert (difference <= 0.5 + TO_YCBCR * (1 << bits)).all()
