"""Every conversion against the exact one in float64: formats, colours, sizes, crops, pitches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pixels.pictures import (
    FLOATS,
    PACKED,
    SOURCES,
    Case,
    allowed_error,
    cases,
    codes_of,
    exact,
    picture,
)
from videohw.color import COMPUTED_MATRICES, SITINGS, ColorSpec
from videohw.errors import UnsupportedConfig
from videohw.pixel_format import FORMATS
from videohw.pixels import convert

YCBCR8 = ("nv12", "nv21", "i420", "yuv422p", "yuv444p", "nv16", "nv24", "yuv440p", "gray")
DEEP = ("p010", "p016", "yuv420p10", "yuv422p10", "yuv444p12", "yuv420p16", "p210")
# What the codes of a result may miss the exact value by, in units of 1 for floats.
FLOAT32_ERROR = 1e-6
# Half a step of float16 below 1, and what float32 had lost before.
FLOAT16_ERROR = 2.0**-12 + FLOAT32_ERROR


def check(case: Case) -> None:
    planes = picture(case.source, case.width, case.height, case.seed, pad=case.seed % 4)
    try:
        expected = exact(case, planes)
    except UnsupportedConfig:
        with pytest.raises(UnsupportedConfig):
            convert(planes, case.source, case.target, **case.options)
        return
    made = convert(planes, case.source, case.target, **case.options)
    layout = FORMATS[case.target]
    got = codes_of(case.target, made)
    size = case.size or (case.crop[2:] if case.crop else (case.width, case.height))
    assert [plane.shape for plane in made] == [
        layout.plane_shape(index, *size) for index in range(len(made))
    ]
    if case.target in FLOATS:
        bound = FLOAT32_ERROR if case.target == "rgb_float32" else FLOAT16_ERROR
        peak = 1.0
    else:
        bound, peak = allowed_error(case), float((1 << layout.bit_depth) - 1)
    for channel, wanted in zip(got, expected, strict=False):
        assert np.abs(channel - np.clip(wanted, 0, peak)).max() <= bound, case
    for plane in made:
        if case.target in PACKED and plane.shape[-1] == 4:
            assert (plane[..., 3] == 255).all()
        if layout.shift:
            assert not (plane & ((1 << layout.shift) - 1)).any()


@given(cases(sources=(*YCBCR8, *DEEP), targets=("rgb24", "bgra", "rgb_planar", *FLOATS)))
def test_ycbcr_to_rgb(case: Case) -> None:
    check(case)


@given(cases(sources=("rgb24", "bgr24", "rgba", "bgra", "rgb_planar", "gbrp"),
             targets=(*YCBCR8, *DEEP)))  # fmt: skip
def test_rgb_to_ycbcr(case: Case) -> None:
    check(case)


@given(cases(sources=(*YCBCR8, *DEEP), targets=(*YCBCR8, *DEEP)))
def test_ycbcr_to_ycbcr(case: Case) -> None:
    check(case)


@given(cases())
def test_any_format_to_any_other(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("target", ["rgb24", "rgb_float32", "nv12", "p010"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source(source: str, target: str) -> None:
    for index, (width, height) in enumerate(((37, 23), (1, 1), (70, 2))):
        check(Case(source, width, height, target, seed=index))


@pytest.mark.parametrize("source", ["nv12", "rgb24", "yuv420p10", "gbrp12"])
@pytest.mark.parametrize("target", FORMATS)
def test_every_target(source: str, target: str) -> None:
    check(Case(source, 35, 18, target, seed=3))
    check(Case(source, 35, 18, target, seed=4, crop=(5, 3, 21, 13), size=(17, 20)))


# Every form that each side was made for, at all the smallest sizes.
MADE_FOR = [
    *itertools.product(
        ("nv12", "nv21", "i420", "yuv444p", "yuv422p", "p010", "p016"),
        ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar", *FLOATS),
    ),
    *itertools.product(
        ("rgb24", "bgra", "rgba", "rgb_planar"), ("nv12", "i420", "p010", "yuv444p")
    ),
]


@pytest.mark.parametrize(("source", "target"), MADE_FOR)
def test_the_smallest_pictures(source: str, target: str) -> None:
    for width, height in (*itertools.product((1, 2, 3), repeat=2), (5, 4)):
        check(Case(source, width, height, target, seed=width))
        crop = (width - 1, height - 1, 1, 1)
        check(Case(source, width, height, target, crop=crop, seed=height))
    check(Case(source, 3, 1, target, size=(1, 3), resize="area"))
    check(Case(source, 1, 1, target, size=(5, 2)))


@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", COMPUTED_MATRICES)
@pytest.mark.parametrize("source", ["nv12", "yuv444p", "p010", "yuv420p16"])
def test_every_matrix_and_range(source: str, matrix: str, range_: str) -> None:
    color = ColorSpec(matrix, range_)
    for target in ("rgb24", "rgb_float16"):
        check(Case(source, 66, 8, target, color))
    check(Case("bgra", 66, 8, source, output_color=color))


@pytest.mark.parametrize("chroma", ["nearest", "bilinear"])
@pytest.mark.parametrize("siting", SITINGS.values())
@pytest.mark.parametrize("source", ["nv12", "i420", "yuv422p", "yuv440p", "yuv410p", "yuv411p"])
def test_every_siting(source: str, siting: str, chroma: str) -> None:
    color = ColorSpec("bt709", "limited", siting=siting)
    for crop in (None, (3, 1, 50, 9), (0, 5, 71, 10)):
        check(Case(source, 71, 15, "rgb24", color, crop=crop, chroma=chroma))
    check(Case("rgb24", 71, 15, source, output_color=color))


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize("size", [(1, 1), (16, 9), (17, 40), (300, 2), (64, 48), (65, 49)])
def test_sizes(size: tuple[int, int], resize: str) -> None:
    """Much smaller, much larger, by whole parts and not."""
    for source, target in (("nv12", "rgb24"), ("rgb24", "i420"), ("p010", "rgb_float32")):
        check(Case(source, 64, 48, target, size=size, resize=resize))
        check(Case(source, 65, 49, target, size=size, resize=resize, crop=(1, 1, 63, 47)))


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", "smpte240m", "fcc"])
@pytest.mark.parametrize("source", ["nv12", "yuv444p", "gray"])
def test_greys_of_full_range_are_exact(source: str, matrix: str) -> None:
    """And come back as they were."""
    planes = list(picture(source, 256, 4, 0))
    planes[0][:] = np.arange(256)
    for plane in planes[1:]:
        plane[:] = 128
    color = ColorSpec(matrix, "full")
    for size in (None, (256, 8)):
        (rgb,) = convert(planes, source, "rgb24", color=color, size=size)
        assert (rgb == np.arange(256)[None, :, None]).all()
        (floats,) = convert(planes, source, "rgb_float32", color=color, size=size)
        assert np.abs(floats - np.arange(256) / 255).max() <= FLOAT32_ERROR
        assert not np.signbit(floats).any()
        back = convert(rgb, "rgb24", source, output_color=color)
        assert (back[0] == np.arange(256)).all()
        assert all((plane == 128).all() for plane in back[1:])


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.05, 4), min_size=3, max_size=3),
    st.sampled_from(("nv12", "yuv420p16", "rgb24")),
)
@example([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "nv12")
def test_mean_and_std(mean: list[float], std: list[float], source: str) -> None:
    planes = picture(source, 21, 13, 5)
    (plain,) = convert(planes, source, "rgb_float32")
    for size in (None, (9, 30)):
        (plain,) = convert(planes, source, "rgb_float32", size=size)
        (moved,) = convert(planes, source, "rgb_float32", size=size, mean=mean, std=std)
        wanted = (plain - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
        assert np.abs((moved - wanted) * np.reshape(std, (3, 1, 1))).max() <= 1e-6


def test_a_crop_is_the_same_part_of_the_whole() -> None:
    for source, target in (("nv12", "rgb24"), ("i420", "rgb_float32"), ("yuv420p10", "bgra")):
        planes = picture(source, 133, 61, 9)
        (whole,) = convert(planes, source, target)
        for left, top, width, height in ((1, 1, 90, 40), (2, 3, 131, 58), (66, 30, 1, 1)):
            (part,) = convert(planes, source, target, crop=(left, top, width, height))
            rows, columns = slice(top, top + height), slice(left, left + width)
            wanted = whole[:, rows, columns] if whole.shape[0] == 3 else whole[rows, columns]
            np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize(
    ("source", "target"),
    [("i420", "nv12"), ("nv12", "i420"), ("nv12", "nv21"), ("yuv420p10", "p010"),
     ("p010", "yuv420p10"), ("yuv422p", "nv16"), ("yuv420p", "p010"), ("gray", "gray10"),
     ("rgb24", "bgra"), ("gbrp", "rgb24"), ("rgb_planar", "bgr24"), ("yuvj420p", "nv12")],
)  # fmt: skip
def test_samples_that_only_move_stay_what_they_are(source: str, target: str) -> None:
    planes = picture(source, 67, 33, 11)
    made = convert(planes, source, target)
    factor = 1 << FORMATS[target].bit_depth - FORMATS[source].bit_depth
    for got, given_ in zip(codes_of(target, made), codes_of(source, planes), strict=True):
        np.testing.assert_array_equal(got, given_ * factor)
