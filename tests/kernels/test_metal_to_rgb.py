"""The Metal kernels from YCbCr to RGB, on the host: against the float64 reference and .cu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.agreement import assert_rgb_agrees
from tests.kernels.cases import SOURCES as CUDA_SOURCES
from tests.kernels.cases import TARGETS, Case, rgb_values, to_rgb_cases
from tests.kernels.cases import plan_of as cuda_plan_of
from tests.kernels.host import HostRunner
from tests.kernels.memory import Array
from tests.kernels.metal_cases import FORMS, IMAGES, SOURCES, Form, converted, plan_of
from tests.kernels.metal_host import MetalRunner, float_bits
from videohw.color import COMPUTED_MATRICES, RANGES, SITINGS, ColorSpec
from videohw.kernels import plan_to_rgb

# Formats that both have.
COMMON = tuple(source for source in SOURCES if source in CUDA_SOURCES)
BT709 = ColorSpec(matrix="bt709", range="limited")


def same_bits(one: list[Array], other: list[Array]) -> bool:
    return all(
        np.array_equal(float_bits(a), float_bits(b)) for a, b in zip(one, other, strict=True)
    )


@given(case=to_rgb_cases(scaled=False, sources=SOURCES), form=FORMS)
def test_the_same_size(metal: MetalRunner, case: Case, form: Form) -> None:
    assert_rgb_agrees(case, converted(metal, case, form))


@given(case=to_rgb_cases(scaled=True, sources=SOURCES), form=FORMS)
def test_another_size(metal: MetalRunner, case: Case, form: Form) -> None:
    assert_rgb_agrees(case, converted(metal, case, form))


@pytest.mark.parametrize("target", [*TARGETS, "rgba texture", "bgra texture"])
@pytest.mark.parametrize("source", SOURCES)
def test_whole_threads_and_a_rest(
    metal: MetalRunner, source: tuple[str, int | None], target: str
) -> None:
    """In words, in single samples, and from textures."""
    name, _, texture = target.partition(" ")
    for alignment, from_textures in (4, False), (1, False), (1, True):
        case = Case(
            source=source, target=(name, None), size=(139, 9), color=BT709, padding=(3, 3),
            alignment=(alignment, alignment), misplaced=((1,), (1,)),
        )  # fmt: skip
        form = Form(from_textures, bool(texture))
        assert_rgb_agrees(case, converted(metal, case, form))


@pytest.mark.parametrize("range_", RANGES)
@pytest.mark.parametrize("matrix", COMPUTED_MATRICES)
@pytest.mark.parametrize("source", [("nv12", None), ("p010", None), ("p016", 12), ("p410", None)])
def test_every_matrix_range_and_depth(
    metal: MetalRunner, source: tuple[str, int | None], matrix: str, range_: str
) -> None:
    color = ColorSpec(matrix=matrix, range=range_)
    case = Case(source=source, target=("rgba", None), size=(66, 8), color=color, extreme=True)
    for form in (Form(), Form(True, True)):
        for each in (case, replace(case, extreme=False)):
            assert_rgb_agrees(each, converted(metal, each, form))


@pytest.mark.parametrize("siting", [None, *SITINGS.values()])
@pytest.mark.parametrize("chroma", ["bilinear", "nearest"])
@pytest.mark.parametrize("source", ["nv12", "nv16", "p010", "nv24"])
def test_every_siting_at_any_crop(
    metal: MetalRunner, source: str, chroma: str, siting: str | None
) -> None:
    """A part of a picture is that part of the whole, to the bit."""
    whole = Case(
        source=(source, None), target=("rgb_float32", None), size=(68, 9), chroma=chroma,
        color=ColorSpec(matrix="bt709", range="limited", siting=siting),
    )  # fmt: skip
    ((picture, all_of_it),) = converted(metal, whole)
    assert_rgb_agrees(whole, [(picture, all_of_it)])
    for crop in (0, 0, 64, 9), (3, 1, 60, 5), (6, 2, 29, 7), (67, 8, 1, 1):
        left, top, width, height = crop
        case = replace(whole, crop=crop)
        ((_, found),) = case.memory()
        metal.convert(plan_of(case, Form()), picture, found)
        parts = [
            array[top : top + height, left : left + width] for array in all_of_it.arrays()
        ]  # fmt: skip
        assert same_bits(found.arrays(), parts)


@pytest.mark.parametrize("target", ["rgb24", "rgba", "rgba texture", "rgb_planar"])
@pytest.mark.parametrize("matrix", [name for name in COMPUTED_MATRICES if name != "identity"])
@pytest.mark.parametrize("from_textures", [False, True])
def test_greys_of_full_range_are_exact(
    metal: MetalRunner, matrix: str, target: str, from_textures: bool
) -> None:
    name, _, texture = target.partition(" ")
    case = Case(
        source=("nv12", None), target=(name, None), size=(256, 2),
        color=ColorSpec(matrix=matrix, range="full"),
    )  # fmt: skip
    ((source, output),) = case.memory()
    luma, chroma = source.arrays()
    luma[:] = np.arange(256)
    chroma[:] = 128
    metal.convert(plan_of(case, Form(from_textures, bool(texture))), source, output)
    assert (rgb_values(output) == np.arange(256)[None, :, None]).all()


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize(("size", "new_size"), [((2000, 7), (3, 2)), ((3, 300), (2000, 5))])
@pytest.mark.parametrize("form", [Form(), Form(from_textures=True, max_threads=32)])
def test_extreme_scales(
    metal: MetalRunner, size: tuple[int, int], new_size: tuple[int, int], resize: str, form: Form
) -> None:
    case = Case(
        source=("p010", None), target=("rgb_float32", None), size=size, new_size=new_size,
        resize=resize, color=ColorSpec(matrix="bt2020nc", range="limited"),
    )  # fmt: skip
    assert_rgb_agrees(case, converted(metal, case, form))


def test_places_far_from_the_origin_are_as_exact(metal: MetalRunner) -> None:
    """Positions are fractions of whole numbers: a float could not tell them apart there."""
    case = Case(
        source=("nv12", None), target=("rgb_float32", None), size=(32768, 1),
        new_size=(32749, 1), color=ColorSpec(matrix="bt709", range="full"),
    )  # fmt: skip
    assert_rgb_agrees(case, converted(metal, case))


# Buffers, textures and CUDA give the same numbers.


@given(case=to_rgb_cases(scaled=False, sources=SOURCES), scaled=st.booleans(), form=FORMS)
def test_textures_hold_what_buffers_hold(
    metal: MetalRunner, case: Case, scaled: bool, form: Form
) -> None:
    if scaled:
        case = replace(case, new_size=(41, 23), resize="area" if case.extreme else "bilinear")
    buffers, other = converted(metal, case), converted(metal, case, form)
    for (_, one), (_, two) in zip(buffers, other, strict=True):
        assert same_bits(one.arrays(), two.arrays())


@given(case=to_rgb_cases(scaled=True, sources=COMMON), form=FORMS)
def test_another_size_is_that_of_cuda_to_the_bit(
    metal: MetalRunner, host: HostRunner, case: Case, form: Form
) -> None:
    wanted = case.memory()
    source, target = case.surfaces()
    plan = plan_to_rgb(
        source, target, case.color, crop=case.crop, chroma=case.chroma, resize=case.resize,
        **case.numbers,
    )  # fmt: skip
    if not plan.kernel.endswith("_any"):
        return
    host.run(plan, wanted)
    for (_, one), (_, two) in zip(wanted, converted(metal, case, form), strict=True):
        assert same_bits(one.arrays(), two.arrays())


@given(case=to_rgb_cases(scaled=False, sources=COMMON), form=FORMS)
def test_the_same_size_is_that_of_cuda_to_the_bit(
    metal: MetalRunner, host: HostRunner, case: Case, form: Form
) -> None:
    case = replace(
        case, alignment=(64, 64), misplaced=((0,), (0,)),
        crop=case.crop and (case.crop[0] // 4 * 4, *case.crop[1:]),
    )  # fmt: skip
    wanted = case.memory()
    host.run(cuda_plan_of(case), wanted)
    for (_, one), (_, two) in zip(wanted, converted(metal, case, form), strict=True):
        assert same_bits(one.arrays(), two.arrays())


@pytest.mark.parametrize("source", COMMON)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("siting", ["left", "center", "bottom"])
def test_many_whole_threads_are_those_of_cuda_to_the_bit(
    metal: MetalRunner, host: HostRunner, source: tuple[str, int | None], target: str, siting: str
) -> None:
    case = Case(
        source=source, target=(target, None), size=(160, 12), alignment=(64, 64),
        color=ColorSpec(matrix="bt709", range="limited", siting=siting),
    )  # fmt: skip
    wanted = case.memory()
    host.run(cuda_plan_of(case), wanted)
    for form in (Form(), Form(True, target in IMAGES)):
        ((_, found),) = converted(metal, case, form)
        assert same_bits(wanted[0][1].arrays(), found.arrays())


def test_float16_over_all_results(metal: MetalRunner) -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    every = np.sort(every[np.isfinite(every)].astype(np.float32))
    middle = (every[:-1] + every[1:]) / 2
    large = np.array([65504, 65519.996, 65520, 65536, 1e30, np.inf], np.float32)
    for floats in (
        every, middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf), large, -large
    ):  # fmt: skip
        floats = floats.astype(np.float32)
        with np.errstate(over="ignore"):
            assert same_bits([metal.halves(floats)], [floats.astype(np.float16)])
