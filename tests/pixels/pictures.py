"""Pictures of every pixel format for the tests of conversions, and what is exact of them.

Knows the formats by their names, independent of how the package describes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from videohw.color import COMPUTED_MATRICES, SITINGS, ColorSpec
from videohw.color.reference import resized, rgb_from_ycbcr, ycbcr_from_rgb, ycbcr_from_ycbcr
from videohw.pixel_format import FORMATS, PixelFormat

Array = npt.NDArray[Any]
Codes = tuple[npt.NDArray[np.float64], ...]

SOURCES = tuple(name for name, f in FORMATS.items() if np.dtype(f.dtype).kind != "f")
RGB8 = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar")
FLOATS = ("rgb_float16", "rgb_float32")
PACKED = {"rgb24": "RGB", "bgr24": "BGR", "rgba": "RGBA", "bgra": "BGRA"}


@dataclass(frozen=True)
class Case:
    """One conversion: the arguments of convert(), but for the planes."""

    source: str
    width: int
    height: int
    target: str
    color: ColorSpec | None = None
    output_color: ColorSpec | None = None
    crop: tuple[int, int, int, int] | None = None
    size: tuple[int, int] | None = None
    chroma: str = "bilinear"
    resize: str = "bilinear"
    seed: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of convert()."""
        return {
            "color": self.color, "output_color": self.output_color, "crop": self.crop,
            "size": self.size, "chroma": self.chroma, "resize": self.resize,
        }  # fmt: skip


def steps(layout: PixelFormat) -> tuple[int, int]:
    """Luma samples for one of chroma, across and down."""
    return 1 << layout.planes[-1].shift_x, 1 << layout.planes[-1].shift_y


def padded(shape: tuple[int, ...], dtype: Any, pad: int, fill: int = 0) -> tuple[Array, Array]:
    """(an array with ``pad`` samples behind each row, the memory around it)."""
    around = np.zeros((*shape[:-1], shape[-1] + pad), dtype)
    if len(shape) == 3 and shape[-1] <= 4:  # rows of pixels
        around = np.zeros((shape[0], shape[1] + pad, shape[2]), dtype)
    around.reshape(-1).view(np.uint8)[:] = fill
    return around[tuple(slice(0, count) for count in shape)], around


def picture(name: str, width: int, height: int, seed: int, pad: int = 0) -> tuple[Array, ...]:
    """Planes of random codes, many of them at the ends of the scale."""
    layout = FORMATS[name]
    rng = np.random.default_rng(seed)
    peak = (1 << layout.bit_depth) - 1
    planes = []
    for index in range(len(layout.planes)):
        shape = layout.plane_shape(index, width, height)
        codes = rng.integers(0, peak + 1, shape)
        ends = rng.choice([0, peak, peak // 2 + 1], shape)
        plane, _ = padded(shape, layout.dtype, pad, 0xA5)
        plane[...] = np.where(rng.random(shape) < 0.3, ends, codes) << layout.shift
        planes.append(plane)
    return tuple(planes)


def codes_of(name: str, planes: tuple[Array, ...]) -> Codes:
    """(R, G, B) or (Y, Cb, Cr) or (Y,) in codes."""
    layout = FORMATS[name]
    values = [np.asarray(plane, np.float64) for plane in planes]
    if layout.shift:
        values = [np.floor(value / (1 << layout.shift)) for value in values]
    if layout.channels_first:
        return tuple(values[0])
    if name in PACKED:
        return tuple(values[0][..., PACKED[name].index(channel)] for channel in "RGB")
    if name.startswith("gbrp"):
        green, blue, red = values
        return red, green, blue
    if len(values) == 2:
        pair = values[1][..., 0], values[1][..., 1]
        return (values[0], *(pair[::-1] if name == "nv21" else pair))
    return tuple(values)


def resolved(case: Case) -> tuple[ColorSpec, ColorSpec]:
    """What the codes of source and target mean, with all that is unstated filled in."""
    source, target = FORMATS[case.source], FORMATS[case.target]
    given = case.color or ColorSpec()
    if source.rgb:
        color = ColorSpec(matrix="identity", range=given.range or "full")
    else:
        if case.source.startswith("yuvj") and given.range is None:
            given = given.overridden_by(ColorSpec(range="full"))
        color = given.resolved(case.height)
    if target.rgb:
        return color, ColorSpec(matrix="identity", range="full")
    wished = case.output_color or ColorSpec()
    if source.rgb:
        return color, wished.resolved(case.height)
    return color, color.overridden_by(wished)


def exact(case: Case, planes: tuple[Array, ...]) -> Codes:
    """What the reference makes of it: components in codes of the target, R, G, B in order.

    Floats run from 0 to 1. Neither clamped nor rounded.
    """
    source, target = FORMATS[case.source], FORMATS[case.target]
    color, made = resolved(case)
    left, top, width, height = case.crop or (0, 0, case.width, case.height)
    size = case.size or (width, height)
    depth = target.bit_depth
    codes = codes_of(case.source, planes)
    peak = 1 if case.target in FLOATS else (1 << depth) - 1
    if source.rgb:
        black, white = (0, (1 << source.bit_depth) - 1)
        if color.range == "limited":
            black, white = 16 << source.bit_depth - 8, 235 << source.bit_depth - 8
        channels = [(c[top : top + height, left : left + width] - black) / (white - black)
                    for c in codes]  # fmt: skip
        rgb = np.stack([resized(c, size, case.resize) for c in channels], -1)
        if target.rgb:
            return tuple(np.moveaxis(rgb * peak, -1, 0))
        return ycbcr_from_rgb(rgb, made, depth, subsampling=steps(target))
    y, cb, cr = codes if len(codes) == 3 else with_gray_chroma(codes[0], source)
    if len(codes) == 1 and color.matrix == "identity":
        color = ColorSpec(matrix="bt709", range=color.range)
    if target.rgb:
        rgb = rgb_from_ycbcr(
            y, cb, cr, color, source.bit_depth, subsampling=steps(source), chroma=case.chroma,
            crop=(left, top, width, height), size=size, resize=case.resize,
        )  # fmt: skip
        return tuple(np.moveaxis(rgb * peak, -1, 0))
    return ycbcr_from_ycbcr(
        (y, cb, cr), color, source.bit_depth, made, depth, subsampling=steps(source),
        new_subsampling=steps(target), chroma=case.chroma, crop=(left, top, width, height),
        size=size, resize=case.resize,
    )  # fmt: skip


def with_gray_chroma(y: npt.NDArray[np.float64], source: PixelFormat) -> Codes:
    return y, *(np.full(y.shape, float(1 << source.bit_depth - 1)),) * 2


def allowed_error(case: Case) -> float:
    """By how many codes a result may differ from the exact value: a half is the rounding."""
    source, target = FORMATS[case.source], FORMATS[case.target]
    if target.bit_depth == 8 and source.bit_depth <= 12:
        return 0.5 + 0.06
    if target.bit_depth == 8:
        return 0.5 + 0.2
    return {9: 0.6, 10: 0.7, 12: 1.0, 14: 0.6, 16: 0.6}[target.bit_depth]


# Strategies

sides = st.integers(1, 40)
colors = st.builds(
    ColorSpec,
    matrix=st.sampled_from((None, *COMPUTED_MATRICES)),
    range=st.sampled_from((None, "limited", "full")),
    siting=st.sampled_from((None, *SITINGS.values())),
)


@st.composite
def cases(draw: Any, sources: Any = SOURCES, targets: Any = tuple(FORMATS)) -> Case:
    """Any conversion between the given formats."""
    source = draw(st.sampled_from(sources))
    target = draw(st.sampled_from(targets))
    width, height = draw(sides), draw(sides)
    crop = size = None
    if draw(st.booleans()):
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        crop = (
            left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)),
        )  # fmt: skip
    if draw(st.booleans()):
        size = (draw(sides), draw(sides))
    color = draw(st.none() | colors)
    if color is not None and FORMATS[source].rgb:
        color = ColorSpec(range=color.range)
    output_color = None
    if not FORMATS[target].rgb:
        output_color = draw(st.none() | colors)
    return Case(
        source, width, height, target, color, output_color, crop, size,
        draw(st.sampled_from(("bilinear", "nearest"))), draw(st.sampled_from(("bilinear", "area"))),
        draw(st.integers(0, 1 << 20)),
    )  # fmt: skip
