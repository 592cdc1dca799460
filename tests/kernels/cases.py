"""Conversions to try, and what the float64 reference says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.kernels.memory import Array, Planes
from videohw.color import COMPUTED_MATRICES, RANGES, SITINGS, ColorSpec
from videohw.color.reference import rgb_from_ycbcr, ycbcr_from_rgb
from videohw.kernels import Plan, Surface, plan_to_rgb, plan_to_ycbcr
from videohw.known_names import CHROMA_METHODS, RESIZE_METHODS
from videohw.pixel_format import pixel_format

# Format and bit depth of the surface, None for the format's own.
SOURCES = (
    ("nv12", None), ("nv21", None), ("nv16", None), ("p010", None), ("p012", None),
    ("p016", None), ("p016", 10), ("p210", None), ("yuv444p", None), ("yuv444p10", None),
    ("yuv444p16", None), ("yuv444p16", 12),
)  # fmt: skip
TARGETS = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar", "rgb_float16", "rgb_float32")
RGB_SOURCES = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar")
YCBCR_TARGETS = (("nv12", None), ("nv21", None), ("p010", None), ("p016", None), ("p016", 12))
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
# A warp takes 512 pixels of a row at most, a block eight rows.
WIDTHS = st.one_of(st.integers(1, 70), st.integers(1, 70), st.sampled_from((511, 513, 1040)))
HEIGHTS = st.integers(1, 21)


@dataclass(frozen=True)
class Case:
    """One conversion; ``rows`` says how its memory lies: (source, target) of Rows."""

    source: tuple[str, int | None]
    target: tuple[str, int | None]
    color: ColorSpec
    size: tuple[int, int]
    seed: int = 0
    crop: tuple[int, int, int, int] | None = None
    new_size: tuple[int, int] | None = None
    chroma: str = "bilinear"
    resize: str = "bilinear"
    normalised: bool = False
    padding: tuple[int, int] = (0, 0)
    misplaced: tuple[tuple[int, ...], tuple[int, ...]] = ((0,), (0,))
    pictures: int = 1
    # Rows begin at multiples of this many bytes, where the format does not ask for more.
    alignment: tuple[int, int] = (1, 1)
    extreme: bool = False
    output_color: ColorSpec | None = None

    @property
    def numbers(self) -> dict[str, tuple[float, float, float]]:
        return IMAGENET if self.normalised else PLAIN

    @property
    def target_size(self) -> tuple[int, int]:
        return self.new_size or (self.crop[2:] if self.crop else self.size)

    def surfaces(self) -> tuple[Surface, Surface]:
        sides = zip((self.source, self.target), (self.size, self.target_size), strict=True)
        made = []
        for side, ((name, depth), size) in enumerate(sides):
            plain = Surface(name, *size)
            item = np.dtype(plain.layout.dtype).itemsize
            unit = max(item, self.alignment[side])
            pitches = tuple(
                -(-(row + self.padding[side]) // unit) * unit for row in plain.row_bytes()
            )
            made.append(Surface(name, *size, pitches=pitches, bit_depth=depth))
        return made[0], made[1]

    def memory(self) -> list[tuple[Planes, Planes]]:
        """Every picture's (source, target); the sources hold pictures."""
        noise = np.random.default_rng(self.seed)
        found = []
        for _ in range(self.pictures):
            pair = []
            for side, surface in enumerate(self.surfaces()):
                unit = max(np.dtype(surface.layout.dtype).itemsize, self.alignment[side])
                misplaced = [place * unit for place in self.misplaced[side]]
                pair.append(Planes.make(surface, noise, misplaced))
            self.paint(pair[0], noise)
            found.append((pair[0], pair[1]))
        return found

    def paint(self, planes: Planes, noise: np.random.Generator) -> None:
        """Random codes, or only the lowest and the highest."""
        bits, shift = depth_of(planes.surface)
        peak = (1 << bits) - 1
        for array in planes.arrays():
            codes = noise.integers(0, peak, array.shape, np.uint16, endpoint=True)
            if self.extreme:
                codes = np.where(codes > peak // 2, peak, 0)
            array[...] = (codes.astype(np.uint32) << shift).astype(array.dtype)
        for plane in planes.planes:
            plane.before = plane.memory.copy()


def depth_of(surface: Surface) -> tuple[int, int]:
    """(bits of a code, its shift in the word)."""
    layout = surface.layout
    if surface.bit_depth is None or surface.bit_depth == layout.bit_depth:
        return layout.bit_depth, layout.shift
    return surface.bit_depth, 16 - surface.bit_depth


COLORS = st.builds(
    ColorSpec,
    matrix=st.sampled_from(COMPUTED_MATRICES),
    range=st.sampled_from(RANGES),
    siting=st.sampled_from((None, *SITINGS.values())),
)


@st.composite
def places(draw: st.DrawFn) -> dict[str, Any]:
    """How the memory of a source and a target lies: aligned as a device has it, or anyhow."""
    kind = draw(st.sampled_from(("device", "words", "any")))
    alignment = {"device": 64, "words": 4, "any": 1}[kind]
    numbers = st.tuples(*[st.integers(0, 17)] * 3)
    none = st.just((0,))
    return {
        "alignment": (alignment, draw(st.sampled_from((alignment, 1)))),
        "padding": (draw(st.integers(0, 40)), draw(st.integers(0, 40))),
        "misplaced": (
            draw(none if kind == "device" else numbers),
            draw(none if kind == "device" else numbers),
        ),
    }


@st.composite
def to_rgb_cases(
    draw: st.DrawFn, scaled: bool, sources: Sequence[tuple[str, int | None]] = SOURCES
) -> Case:
    """YCbCr to RGB, all of it drawn."""
    width, height = draw(WIDTHS), draw(HEIGHTS)
    crop = None
    if draw(st.booleans()):
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        if draw(st.booleans()):
            left = left // 4 * 4
        crop = (
            left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)),
        )  # fmt: skip
    target = draw(st.sampled_from(TARGETS))
    return Case(
        source=draw(st.sampled_from(sources)), target=(target, None), color=draw(COLORS),
        size=(width, height), seed=draw(st.integers(0, 1 << 32)), crop=crop,
        new_size=(draw(st.integers(1, 90)), draw(st.integers(1, 30))) if scaled else None,
        chroma=draw(st.sampled_from(CHROMA_METHODS)),
        resize=draw(st.sampled_from(RESIZE_METHODS)) if scaled else "bilinear",
        normalised=target.startswith("rgb_float") and draw(st.booleans()),
        pictures=draw(st.sampled_from((1, 1, 2))), extreme=draw(st.booleans()),
        **draw(places()),
    )  # fmt: skip


@st.composite
def to_ycbcr_cases(draw: st.DrawFn) -> Case:
    """RGB to YCbCr, all of it drawn."""
    return Case(
        source=(draw(st.sampled_from(RGB_SOURCES)), None),
        target=draw(st.sampled_from(YCBCR_TARGETS)), color=draw(COLORS),
        size=(draw(WIDTHS), draw(HEIGHTS)), seed=draw(st.integers(0, 1 << 32)),
        pictures=draw(st.sampled_from((1, 1, 2))), extreme=draw(st.booleans()),
        **draw(places()),
    )  # fmt: skip


def plan_of(case: Case) -> Plan:
    source, target = case.surfaces()
    if pixel_format(case.source[0]).rgb:
        return plan_to_ycbcr(source, target, case.color)
    return plan_to_rgb(
        source, target, case.color, crop=case.crop, chroma=case.chroma, resize=case.resize,
        **case.numbers,
    )  # fmt: skip


def ycbcr_codes(planes: Planes) -> tuple[Array, Array, Array]:
    """Y, Cb, Cr as codes in the low bits."""
    _, shift = depth_of(planes.surface)
    arrays = [array >> shift for array in planes.arrays()]
    if len(arrays) == 3:
        return arrays[0], arrays[1], arrays[2]
    cb, cr = arrays[1][..., 0], arrays[1][..., 1]
    return (arrays[0], cr, cb) if planes.surface.format == "nv21" else (arrays[0], cb, cr)


def rgb_values(planes: Planes) -> Array:
    """(rows, columns, 3) of red, green, blue as they are in memory."""
    arrays = planes.arrays()
    if len(arrays) == 3:
        return np.stack(arrays, axis=-1)
    return arrays[0][..., 2::-1] if planes.surface.format.startswith("bgr") else arrays[0][..., :3]


def exact_rgb(case: Case, source: Planes) -> Array:
    """What the reference makes of a picture: 0..1, clamped."""
    chroma = source.surface.layout.planes[1]
    y, cb, cr = ycbcr_codes(source)
    rgb = rgb_from_ycbcr(
        y, cb, cr, case.color, depth_of(source.surface)[0],
        subsampling=(1 << chroma.shift_x, 1 << chroma.shift_y), chroma=case.chroma,
        crop=case.crop, size=case.new_size, resize=case.resize,
    )  # fmt: skip
    return np.clip(rgb, 0, 1)


def exact_ycbcr(case: Case, source: Planes, bits: int) -> tuple[Array, Array, Array]:
    """What the reference makes of a picture: codes of ``bits`` bits, clamped, not rounded."""
    y, cb, cr = ycbcr_from_rgb(rgb_values(source) / 255.0, case.color, bits)
    peak = (1 << bits) - 1
    return np.clip(y, 0, peak), np.clip(cb, 0, peak), np.clip(cr, 0, peak)
