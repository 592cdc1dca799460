"""Conversions to YCbCr by kernels/ycbcr.cu, and what the float64 reference says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tests.kernels.agreement import assert_untouched_around
from tests.kernels.cases import COLORS, HEIGHTS, WIDTHS, Case, depth_of, places
from tests.kernels.memory import Array, Planes, Runner
from videohw.color import ColorSpec
from videohw.color.reference import (
    CHROMA_METHODS,
    RESIZE_METHODS,
    resized,
    ycbcr_from_rgb,
    ycbcr_from_ycbcr,
)
from videohw.kernels import Plan, plan_ycbcr_of_any
from videohw.kernels.ycbcr import YCBCR_TARGETS
from videohw.pixel_format import FORMATS, PixelFormat

Form = tuple[str, int | None]

# What NVDEC makes, then what is made of it and may be converted on; format and bit depth.
NATIVE: tuple[Form, ...] = (
    ("nv12", None), ("p010", None), ("p012", None), ("p016", None), ("p016", 12), ("nv16", None),
    ("p210", None), ("yuv444p", None), ("yuv444p10msb", None), ("yuv444p12msb", None),
    ("yuv444p16", None), ("gray", None), ("gray10msb", None), ("gray12msb", None), ("gbrp", None),
    ("gbrp10msb", None),
)  # fmt: skip
OTHERS: tuple[Form, ...] = tuple(
    (name, None)
    for name in ("i420", "nv21", "nv24", "yuv420p10", "yuv422p", "yuv410p", "yuv440p", "rgb24",
                 "bgra", "rgb_planar")
)  # fmt: skip
TARGETS: tuple[Form, ...] = tuple((name, None) for name in YCBCR_TARGETS)
# How far a code before rounding may be from the reference, of 0..1 for the whole scale: seen are
# 3e-7, and 8e-7 where thousands of samples are averaged.
CLOSE = 1e-6
_PACKED = {"rgb24": "RGB", "bgr24": "BGR", "rgba": "RGBA", "bgra": "BGRA"}


def plan_of(case: Case) -> Plan:
    source, target = case.surfaces()
    return plan_ycbcr_of_any(
        source, target, case.color, output_color=case.output_color, crop=case.crop,
        chroma=case.chroma, resize=case.resize,
    )  # fmt: skip


def codes_of(planes: Planes) -> list[Array]:
    """Codes of Y, Cb, Cr, of Y alone, or of R, G, B."""
    layout, (_, shift) = planes.surface.layout, depth_of(planes.surface)
    arrays = [array >> shift for array in planes.arrays()]
    if layout.name in _PACKED:
        return [arrays[0][..., _PACKED[layout.name].index(name)] for name in "RGB"]
    if layout.name.startswith("gbrp"):
        return [arrays[2], arrays[0], arrays[1]]
    if len(arrays) == 2:
        pair = [arrays[1][..., 0], arrays[1][..., 1]]
        return [arrays[0], *(pair[::-1] if layout.name == "nv21" else pair)]
    return arrays


def steps(layout: PixelFormat) -> tuple[int, int]:
    return 1 << layout.planes[-1].shift_x, 1 << layout.planes[-1].shift_y


def exact(case: Case, source: Planes, bits: int) -> list[Array]:
    """What the reference makes of a picture: codes of ``bits`` bits, clamped, not rounded."""
    layout, target = source.surface.layout, FORMATS[case.target[0]]
    old_bits = depth_of(source.surface)[0]
    color, made = case.color, case.output_color or case.color
    components = [np.asarray(each, np.float64) for each in codes_of(source)]
    rows, columns = components[0].shape
    crop = case.crop or (0, 0, columns, rows)
    new = steps(target)
    found: Sequence[Array]
    if layout.rgb:
        black, white = 0.0, float((1 << old_bits) - 1)
        if color.range == "limited":
            black, white = 16.0 * 2 ** (old_bits - 8), 235.0 * 2 ** (old_bits - 8)
        part = [
            (each[crop[1] : crop[1] + crop[3], crop[0] : crop[0] + crop[2]] - black)
            / (white - black)
            for each in components
        ]
        rgb = np.stack([resized(each, case.target_size, case.resize) for each in part], -1)
        found = ycbcr_from_rgb(rgb, made, bits, subsampling=new)
        if target.rgb:
            found = [found[2], found[0], found[1]]
    else:
        if len(components) == 1:
            components += [np.full((rows, columns), float(1 << old_bits - 1))] * 2
            if color.matrix == "identity":
                color = ColorSpec("bt709", color.range, siting=color.siting)
        found = ycbcr_from_ycbcr(
            components, color, old_bits, made, bits,
            subsampling=(1, 1) if len(layout.planes) == 1 else steps(layout), new_subsampling=new,
            chroma=case.chroma, crop=crop, size=case.target_size, resize=case.resize,
        )  # fmt: skip
        if target.rgb:
            found = [found[2], found[0], found[1]]
    return [np.clip(each, 0, (1 << bits) - 1) for each in found]


def assert_agrees(runner: Runner, case: Case) -> None:
    """The kernel makes what the reference says, and touches nothing else."""
    pictures = case.memory()
    runner.run(plan_of(case), pictures)
    assert_untouched_around(pictures)
    for source, target in pictures:
        bits, shift = depth_of(target.surface)
        for array in target.arrays():
            assert not (array & ((1 << shift) - 1)).any()
        for found, wanted in zip(codes_of(target), exact(case, source, bits), strict=False):
            assert found.shape == wanted.shape
            difference = np.abs(found.astype(np.float64) - wanted)
            assert (difference <= 0.5 + CLOSE * (1 << bits)).all(), difference.max()


@st.composite
def cases(draw: st.DrawFn, sources: Sequence[Form], targets: Sequence[Form] = TARGETS) -> Case:
    """All of it drawn."""
    width, height = draw(WIDTHS), draw(HEIGHTS)
    crop = None
    if draw(st.booleans()):
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        if draw(st.booleans()):
            left, top = left // 4 * 4, top // 4 * 4
        crop = (
            left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)),
        )  # fmt: skip
    source, target = draw(st.sampled_from(sources)), draw(st.sampled_from(targets))
    color, output_color = draw(COLORS), draw(st.none() | COLORS)
    if FORMATS[source[0]].rgb:
        color = ColorSpec("identity", color.range)
        output_color = output_color or draw(COLORS)
    if FORMATS[target[0]].rgb:
        output_color = ColorSpec("identity", "full")
    scaled = draw(st.booleans())
    return Case(
        source=source, target=target, color=color, output_color=output_color,
        size=(width, height), seed=draw(st.integers(0, 1 << 32)), crop=crop,
        new_size=(draw(st.integers(1, 140)), draw(st.integers(1, 40))) if scaled else None,
        chroma=draw(st.sampled_from(CHROMA_METHODS)), resize=draw(st.sampled_from(RESIZE_METHODS)),
        pictures=draw(st.sampled_from((1, 1, 2))), extreme=draw(st.booleans()),
        **draw(places()),
    )  # fmt: skip
