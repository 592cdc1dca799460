"""The CUDA kernels to YCbCr in any size against the float64 reference, on the host and a device."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.cases import Case
from tests.kernels.memory import Runner
from tests.kernels.ycbcr_cases import (
    NATIVE,
    OTHERS,
    TARGETS,
    Form,
    assert_agrees,
    cases,
    codes_of,
    plan_of,
)
from videohw.color import COMPUTED_MATRICES, RANGES, SITINGS, ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.kernels import Surface, plan_ycbcr_of_any
from videohw.kernels.ycbcr import _has_room

BT709 = ColorSpec(matrix="bt709", range="limited")


def color_of(source: str) -> tuple[ColorSpec, ColorSpec | None]:
    """The colours of a source and of what is made of it."""
    if source.startswith(("gbrp", "rgb", "bgr")):
        return ColorSpec("identity", "full"), BT709
    return BT709, None


@given(case=cases(NATIVE))
def test_any_form_of_what_is_decoded(runner: Runner, case: Case) -> None:
    assert_agrees(runner, case)


@given(case=cases(OTHERS))
def test_any_form_of_any_other(runner: Runner, case: Case) -> None:
    assert_agrees(runner, case)


@pytest.mark.parametrize("source", NATIVE)
def test_every_target(runner: Runner, source: Form) -> None:
    """Smaller, larger, and the same, whose crop begins between samples of chroma, or on one."""
    color, made = color_of(source[0])
    for index, target in enumerate(TARGETS):
        size = (None, (61, 45), None, (120, 11))[index % 4]
        rgb = target[0].startswith("gbrp")
        assert_agrees(runner, Case(
            source=source, target=target, color=color, seed=index, size=(75, 23), new_size=size,
            output_color=ColorSpec("identity", "full") if rgb else made,
            crop=((7, 3, 59, 19), (8, 2, 60, 20), None)[index % 3], alignment=(4, 4),
        ))  # fmt: skip


@pytest.mark.parametrize(
    ("source", "target"),
    [("nv12", "nv12"), ("nv12", "i420"), ("p010", "p010"), ("p010", "nv12"), ("nv16", "nv12")],
)
@pytest.mark.parametrize(
    ("new_size", "resize"), [((667, 5), "bilinear"), ((1400, 6), "bilinear"), ((333, 5), "area")]
)
def test_whole_blocks_and_a_rest(
    runner: Runner, source: str, target: str, new_size: tuple[int, int], resize: str
) -> None:
    assert_agrees(runner, Case(
        source=(source, None), target=(target, None), size=(1000, 8), color=BT709,
        new_size=new_size, resize=resize, alignment=(256, 256), pictures=2,
    ))  # fmt: skip


@pytest.mark.parametrize("siting", [None, *SITINGS.values()])
@pytest.mark.parametrize("chroma", ["bilinear", "nearest"])
@pytest.mark.parametrize("target", ["nv12", "yuv444p", "nv16", "yuv411p", "yuv410p", "yuv440p"])
def test_every_siting_at_any_crop(
    runner: Runner, target: str, chroma: str, siting: str | None
) -> None:
    color = ColorSpec(matrix="bt709", range="limited", siting=siting)
    for crop in (None, (3, 1, 60, 5), (6, 2, 29, 7), (67, 8, 1, 1)):
        for size in (None, (33, 17)):
            assert_agrees(runner, Case(
                source=("nv12", None), target=(target, None), size=(68, 9), chroma=chroma,
                color=color, crop=crop, new_size=size,
            ))  # fmt: skip


@pytest.mark.parametrize("wished", SITINGS.values())
@pytest.mark.parametrize("given_", SITINGS.values())
def test_one_siting_to_another(runner: Runner, given_: str, wished: str) -> None:
    assert_agrees(runner, Case(
        source=("nv12", None), target=("nv12", None), size=(41, 15),
        color=ColorSpec("bt709", "limited", siting=given_),
        output_color=ColorSpec("bt709", "limited", siting=wished),
    ))  # fmt: skip


@pytest.mark.parametrize("range_", RANGES)
@pytest.mark.parametrize("matrix", COMPUTED_MATRICES)
def test_every_matrix_and_range(runner: Runner, matrix: str, range_: str) -> None:
    for source, target in (("nv12", "p010"), ("p010", "nv12"), ("yuv444p", "i420")):
        for made in (BT709, ColorSpec(matrix, range_), ColorSpec("bt709", range_)):
            assert_agrees(runner, Case(
                source=(source, None), target=(target, None), size=(66, 8), extreme=True,
                color=ColorSpec(matrix, range_), output_color=made,
            ))  # fmt: skip


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize(
    ("size", "new_size"),
    [((2000, 7), (3, 2)), ((3, 300), (2000, 5)), ((1, 1), (5, 3)), ((3000, 40), (1, 1))],
)
@pytest.mark.parametrize("target", ["nv12", "yuv444p16"])
def test_extreme_scales(
    runner: Runner, target: str, size: tuple[int, int], new_size: tuple[int, int], resize: str
) -> None:
    assert_agrees(runner, Case(
        source=("p010", None), target=(target, None), size=size, new_size=new_size, resize=resize,
        color=ColorSpec(matrix="bt2020nc", range="limited"),
    ))  # fmt: skip


@pytest.mark.parametrize("code", [1, 40001, 65535])
def test_an_even_picture_stays_even_however_small_it_gets(runner: Runner, code: int) -> None:
    """Two million samples of 16 bits are summed: their roundings are not."""
    case = Case(
        source=("gray16", None), target=("gray16", None), size=(3001, 701), new_size=(1, 1),
        resize="area", color=ColorSpec(matrix="bt709", range="full"),
    )  # fmt: skip
    plan = plan_of(case)
    assert plan.kernel.startswith("ycbcr_sums_")
    ((one, two),) = case.memory()
    one.arrays()[0][:] = code
    runner.run(plan, [(one, two)])
    assert two.arrays()[0].tolist() == [[code]]


def test_places_far_from_the_origin_are_as_exact(runner: Runner) -> None:
    assert_agrees(runner, Case(
        source=("p016", None), target=("p016", None), size=(32768, 1), new_size=(32749, 1),
        color=ColorSpec(matrix="bt709", range="full"),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [("nv12", "i420", 1), ("nv12", "nv21", 1), ("i420", "nv12", 1), ("p010", "yuv420p10", 1),
     ("nv12", "p010", 4), ("yuv444p", "nv24", 1), ("gray", "gray10", 4),
     ("yuv444p10msb", "p410", 1)],
)  # fmt: skip
def test_samples_that_only_move_stay_what_they_are(
    runner: Runner, source: str, target: str, factor: int
) -> None:
    case = Case(source=(source, None), target=(target, None), size=(331, 9), color=BT709)
    plan = plan_of(case)
    assert plan.kernel.startswith("ycbcr_move_")
    ((one, two),) = case.memory()
    runner.run(plan, [(one, two)])
    for had, made in zip(codes_of(one), codes_of(two), strict=True):
        np.testing.assert_array_equal(had.astype(int) * factor, made)


def test_a_tie_goes_up(runner: Runner) -> None:
    """As everywhere here: ten bits between two codes of eight."""
    case = Case(source=("p010", None), target=("nv12", None), size=(1020, 2), color=BT709)
    ((one, two),) = case.memory()
    luma, chroma = one.arrays()
    luma[:] = np.arange(1020) << 6
    chroma[:] = (np.arange(510)[:, None] * 2) << 6
    runner.run(plan_of(case), [(one, two)])
    made = two.arrays()
    np.testing.assert_array_equal(made[0], np.tile((np.arange(1020) + 2) // 4, (2, 1)))
    np.testing.assert_array_equal(made[1][0, :, 0], (np.arange(510) * 2 + 2) // 4)


# Plans


@given(
    old=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    new=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    resize=st.sampled_from(("bilinear", "area")),
    target=st.sampled_from(("nv12", "yuv444p", "yuv410p", "gray")),
)
def test_blocks_cover_both_parts(
    old: tuple[int, int], new: tuple[int, int], resize: str, target: str
) -> None:
    made = Surface(target, *new)
    plan = plan_ycbcr_of_any(Surface("nv12", *old), made, BT709, resize=resize)
    by = plan.settings
    columns, rows = by.tile_columns, by.tile_rows
    if not plan.kernel.startswith("ycbcr_taps"):
        columns, rows = 256 if "move" in plan.kernel else 32, 4
    assert plan.grid[0] == ceil(new[0] / columns)
    assert by.luma_blocks == ceil(new[1] / rows)
    chroma = ceil(ceil(new[1] / by.to_step[1]) / rows) if target != "gray" else 0
    assert plan.grid[1] == by.luma_blocks + chroma
    if by.tile_columns:
        parts = 1 if target == "gray" else 2
        assert _has_room(by, by.tile_columns, by.tile_rows, parts)
        assert by.tile_columns * by.tile_rows % 512 == 0


def test_samples_are_made_of_as_many_as_is_counted_on() -> None:
    """Filters as the processor has them, which multiplies them out."""
    from videohw.pixels.axes import chroma_at_luma, chroma_of_luma, scaled, taps_of

    for old, new in ((63, 41), (41, 63), (64, 7), (200, 13), (33, 32), (5, 2), (2, 5)):
        for siting in SITINGS.values():
            for resize in ("bilinear", "area"):
                color = ColorSpec("bt709", "limited", siting=siting)
                plan = plan_ycbcr_of_any(
                    Surface("nv12", old, old), Surface("nv12", new, new), color, resize=resize
                )
                by = plan.settings
                for axis in range(2):
                    count = by.taps[0][axis]
                    assert taps_of(scaled(old, new, resize))[2].weights.shape[0] == count
                    step = chroma_of_luma(new, step=2, phase=by.to_place[axis] / 2).after(
                        scaled(old, new, resize).after(
                            chroma_at_luma(
                                0, old, samples=-(-old // 2), step=2,
                                phase=by.from_place[axis] / 2, method="bilinear",
                            )
                        )
                    )  # fmt: skip
                    assert taps_of(step)[2].weights.shape[0] == by.taps[1][axis]


@pytest.mark.parametrize(
    ("argument", "source", "target", "options"),
    [
        ("source", Surface("rgb_float16", 8, 8), Surface("nv12", 8, 8), {}),
        ("target", Surface("nv12", 8, 8), Surface("rgb24", 8, 8), {}),
        ("target", Surface("nv12", 8, 8), Surface("rgb_planar", 8, 8), {}),
    ],
)
def test_formats_without_a_kernel(
    argument: str, source: Surface, target: Surface, options: dict[str, str]
) -> None:
    with pytest.raises(UnsupportedConfig, match="no CUDA kernel") as refused:
        plan_ycbcr_of_any(source, target, BT709, **options)  # type: ignore[arg-type]
    assert refused.value.argument == argument


@pytest.mark.parametrize(
    ("argument", "options"),
    [("crop", {"crop": (0, 0, 9, 8)}), ("chroma", {"chroma": "cubic"}),
     ("resize", {"resize": "lanczos"})],
)  # fmt: skip
def test_a_wrong_argument_is_named(argument: str, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_ycbcr_of_any(Surface("nv12", 8, 8), Surface("i420", 8, 8), BT709, **options)  # type: ignore[arg-type]
    assert refused.value.argument == argument
