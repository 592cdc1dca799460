"""The Metal kernels from RGB to YCbCr, on the host: against the float64 reference and .cu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from tests.kernels.agreement import assert_ycbcr_agrees
from tests.kernels.cases import RGB_SOURCES, YCBCR_TARGETS, Case, to_ycbcr_cases
from tests.kernels.cases import plan_of as cuda_plan_of
from tests.kernels.host import HostRunner
from tests.kernels.metal_cases import FORMS, IMAGES, Form, converted, plan_of
from tests.kernels.metal_host import MetalRunner
from videohw.color import COMPUTED_MATRICES, RANGES, SITINGS, ColorSpec


@given(case=to_ycbcr_cases(), form=FORMS)
def test_any_form(metal: MetalRunner, case: Case, form: Form) -> None:
    assert_ycbcr_agrees(case, converted(metal, case, form))


@given(case=to_ycbcr_cases(), form=FORMS)
def test_any_form_is_that_of_cuda_to_the_bit(
    metal: MetalRunner, host: HostRunner, case: Case, form: Form
) -> None:
    wanted = case.memory()
    if form.from_textures and case.source[0] == "bgra":
        # A texture gives red first, and sums differ in their last bits with their order.
        case_of_cuda = replace(case, source=("rgba", None))
        for (source, _), (other, _) in zip(wanted, case.memory(), strict=True):
            source.arrays()[0][..., :3] = other.arrays()[0][..., 2::-1]
        host.run(cuda_plan_of(case_of_cuda), wanted)
    else:
        host.run(cuda_plan_of(case), wanted)
    for (_, one), (_, two) in zip(wanted, converted(metal, case, form), strict=True):
        # Of the same seed, the bytes around are the same noise.
        for plane, other in zip(one.planes, two.planes, strict=True):
            assert plane.memory.tobytes() == other.memory.tobytes()


@pytest.mark.parametrize("siting", SITINGS.values())
@pytest.mark.parametrize("source", RGB_SOURCES)
@pytest.mark.parametrize("target", YCBCR_TARGETS)
def test_every_format_and_siting(
    metal: MetalRunner, source: str, target: tuple[str, int | None], siting: str
) -> None:
    case = Case(
        source=(source, None), target=target, size=(139, 9), padding=(5, 5),
        color=ColorSpec(matrix="bt709", range="limited", siting=siting), alignment=(4, 4),
    )  # fmt: skip
    for form in (Form(), Form(source in IMAGES, True)):
        assert_ycbcr_agrees(case, converted(metal, case, form))


@pytest.mark.parametrize("range_", RANGES)
@pytest.mark.parametrize("matrix", COMPUTED_MATRICES)
def test_every_matrix_range_and_depth(metal: MetalRunner, matrix: str, range_: str) -> None:
    color = ColorSpec(matrix=matrix, range=range_)
    for target in YCBCR_TARGETS:
        case = Case(source=("bgra", None), target=target, size=(65, 5), color=color, extreme=True)
        for form in (Form(), Form(True, True)):
            assert_ycbcr_agrees(case, converted(metal, case, form))


@pytest.mark.parametrize("form", [Form(), Form(True, True)])
def test_greys_of_full_range_are_exact(metal: MetalRunner, form: Form) -> None:
    case = Case(
        source=("bgra", None), target=("nv12", None), size=(256, 2),
        color=ColorSpec(matrix="smpte170m", range="full"),
    )  # fmt: skip
    ((source, target),) = case.memory()
    source.arrays()[0][:] = np.arange(256)[None, :, None]
    metal.convert(plan_of(case, form), source, target)
    luma, chroma = target.arrays()
    assert (luma == np.arange(256)).all()
    assert (chroma == 128).all()
