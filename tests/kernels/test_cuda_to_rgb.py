"""The CUDA kernels from YCbCr to RGB against the float64 reference, on the host and on a device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.kernels.agreement import assert_rgb_agrees, assert_untouched_around
from tests.kernels.cases import TARGETS, Case, plan_of, rgb_values, to_rgb_cases
from tests.kernels.memory import Planes, Runner
from videohw.color import COMPUTED_MATRICES, ColorSpec


def converted(runner: Runner, case: Case) -> list[tuple[Planes, Planes]]:
    """Every picture's (source, target), after the kernel; around them nothing has changed."""
    pictures = case.memory()
    runner.run(plan_of(case), pictures)
    assert_untouched_around(pictures)
    return pictures


@given(case=to_rgb_cases(scaled=False))
def test_the_same_size(runner: Runner, case: Case) -> None:
    assert_rgb_agrees(case, converted(runner, case))


@given(case=to_rgb_cases(scaled=True))
def test_another_size(runner: Runner, case: Case) -> None:
    assert_rgb_agrees(case, converted(runner, case))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", ["nv12", "p010", "yuv444p", "yuv444p16"])
@pytest.mark.parametrize("misplaced", [0, 4, 1])
def test_whole_warps_and_a_rest(runner: Runner, source: str, target: str, misplaced: int) -> None:
    """Aligned as a device has it, then by words, then not at all; more pictures than a launch."""
    case = Case(
        source=(source, None), target=(target, None), size=(777, 9), seed=misplaced,
        color=ColorSpec(matrix="bt709", range="limited"), pictures=33 if misplaced == 0 else 1,
        alignment=(1 if misplaced % 4 else 4,) * 2,
        misplaced=((misplaced // 4 or misplaced,), (misplaced // 4 or misplaced,)),
    )  # fmt: skip
    assert_rgb_agrees(case, converted(runner, case))


@pytest.mark.parametrize("target", ["rgb24", "rgba", "rgb_planar"])
@pytest.mark.parametrize("matrix", [name for name in COMPUTED_MATRICES if name != "identity"])
def test_greys_of_full_range_are_exact(runner: Runner, matrix: str, target: str) -> None:
    case = Case(
        source=("nv12", None), target=(target, None), size=(256, 2),
        color=ColorSpec(matrix=matrix, range="full"),
    )  # fmt: skip
    ((source, output),) = case.memory()
    luma, chroma = source.arrays()
    luma[:] = np.arange(256)
    chroma[:] = 128
    runner.run(plan_of(case), [(source, output)])
    assert (rgb_values(output) == np.arange(256)[None, :, None]).all()


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize(("size", "new_size"), [((2000, 7), (3, 2)), ((3, 300), (2000, 5))])
def test_extreme_scales(
    runner: Runner, size: tuple[int, int], new_size: tuple[int, int], resize: str
) -> None:
    case = Case(
        source=("p010", None), target=("rgb_float32", None), size=size, new_size=new_size,
        resize=resize, color=ColorSpec(matrix="bt2020nc", range="limited"),
    )  # fmt: skip
    assert_rgb_agrees(case, converted(runner, case))


def test_places_far_from_the_origin_are_as_exact(runner: Runner) -> None:
    """Positions are fractions of whole numbers: a float could not tell them apart there."""
    case = Case(
        source=("nv12", None), target=("rgb_float32", None), size=(32768, 1),
        new_size=(32749, 1), color=ColorSpec(matrix="bt709", range="full"),
    )  # fmt: skip
    assert_rgb_agrees(case, converted(runner, case))


@pytest.mark.parametrize("siting", ["left", "center"])
def test_an_odd_crop_whose_luma_happens_to_be_aligned(runner: Runner, siting: str) -> None:
    case = Case(
        source=("nv12", None), target=("rgb24", None), size=(68, 5), crop=(1, 1, 64, 3),
        color=ColorSpec(matrix="bt709", range="limited", siting=siting),
        misplaced=((3, 0), (0,)), alignment=(1, 4),
    )  # fmt: skip
    assert_rgb_agrees(case, converted(runner, case))
