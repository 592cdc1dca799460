"""The CUDA kernels from RGB to YCbCr against the float64 reference, on the host and on a device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.kernels.cases import (
    Case,
    depth_of,
    exact_ycbcr,
    plan_of,
    to_ycbcr_cases,
    ycbcr_codes,
)
from tests.kernels.memory import Runner
from videohw.color import SITINGS, ColorSpec

# How far a code before rounding may be from the reference, of 0..1 for the whole scale.
ARITHMETIC = 1e-6


def assert_agrees(runner: Runner, case: Case) -> None:
    pictures = case.memory()
    runner.run(plan_of(case), pictures)
    for source, target in pictures:
        assert all(plane.is_untouched() for plane in source.planes)
        assert all(plane.is_untouched_around() for plane in target.planes)
        bits, shift = depth_of(target.surface)
        for array in target.arrays():
            assert not (array & ((1 << shift) - 1)).any()
        exact = exact_ycbcr(case, source, bits)
        for found, wanted in zip(ycbcr_codes(target), exact, strict=True):
            difference = np.abs(found.astype(np.float64) - wanted)
            assert (difference <= 0.5 + ARITHMETIC * (1 << bits)).all()


@given(case=to_ycbcr_cases())
def test_any_form(runner: Runner, case: Case) -> None:
    assert_agrees(runner, case)


@pytest.mark.parametrize("siting", SITINGS.values())
@pytest.mark.parametrize("source", ["rgb24", "rgba", "rgb_planar"])
@pytest.mark.parametrize("target", ["nv12", "p010"])
def test_whole_warps_and_a_rest(runner: Runner, source: str, target: str, siting: str) -> None:
    case = Case(
        source=(source, None), target=(target, None), size=(779, 17), pictures=2,
        color=ColorSpec(matrix="bt709", range="limited", siting=siting), alignment=(64, 64),
    )  # fmt: skip
    assert_agrees(runner, case)


def test_greys_of_full_range_are_exact(runner: Runner) -> None:
    case = Case(
        source=("rgb24", None), target=("nv12", None), size=(256, 2),
        color=ColorSpec(matrix="smpte170m", range="full"),
    )  # fmt: skip
    ((source, target),) = case.memory()
    source.arrays()[0][:] = np.arange(256)[None, :, None]
    runner.run(plan_of(case), [(source, target)])
    luma, chroma = target.arrays()
    assert (luma == np.arange(256)).all()
    assert (chroma == 128).all()
