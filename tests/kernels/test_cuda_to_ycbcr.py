"""The CUDA kernels from RGB to YCbCr against the float64 reference, on the host and on a device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.kernels.agreement import assert_untouched_around, assert_ycbcr_agrees
from tests.kernels.cases import Case, plan_of, to_ycbcr_cases
from tests.kernels.memory import Runner
from videohw.color import SITINGS, ColorSpec


def assert_agrees(runner: Runner, case: Case) -> None:
    pictures = case.memory()
    runner.run(plan_of(case), pictures)
    assert_untouched_around(pictures)
    assert_ycbcr_agrees(case, pictures)


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
