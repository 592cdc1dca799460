"""Where the planes of our pictures lie in a block of memory, and pictures as the kernels see them.

Must not know: sessions, the driver.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from .. import kernels
from ..color import ColorSpec
from ..frame import Conversion, Crop, Size
from ..pixel_format import FORMATS, PixelFormat

# (offset in bytes, shape, strides in bytes, typestr) of a plane.
Layout: TypeAlias = "tuple[tuple[int, tuple[int, ...], tuple[int, ...], str], ...]"

# Rows of our blocks begin at multiples of this, where they do not fill a multiple of 4 bytes.
_ROW_ALIGNMENT: Final = 64
_WORD: Final = 4
_PLANE_ALIGNMENT: Final = 256
# RGB at its own size to 4:2:0 has a kernel of its own, which reads each pixel once for all.
_RGB: Final = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar")
_HALVED: Final = ("nv12", "nv21", "p010", "p012", "p016")
# What the kernels call a surface, and its depth: gray ones have neutral chroma, too.
_KERNEL_SOURCES: Final = {
    "gray": ("nv12", None), "gray10msb": ("p010", None), "gray12msb": ("p012", None),
    "yuv444p10msb": ("yuv444p16", 10), "yuv444p12msb": ("yuv444p16", 12),
    "gbrp": ("yuv444p", None), "gbrp10msb": ("yuv444p16", 10), "gbrp12msb": ("yuv444p16", 12),
}  # fmt: skip


class BlockPlan(NamedTuple):
    """A kernel's conversion into a block: its ``plan``, the ``bytes`` of the block, ``offsets`` of
    the planes that the kernel writes, and the ``layout`` of those that are given out."""

    plan: kernels.Plan
    layout: Layout
    bytes: int
    offsets: tuple[int, ...]


def kernel_source(name: str) -> tuple[str, int | None]:
    """What the kernels call pictures in the format ``name``, and the depth that they are to be
    told, None where the name says it. Those of gray have a plane of neutral chroma besides."""
    return _KERNEL_SOURCES.get(name, (name, None))


def block_layout(layout: PixelFormat, width: int, height: int) -> tuple[Layout, int]:
    """Where the planes of a picture lie in a block of ours, and the bytes of the block."""
    item = layout.item_bytes
    count = len(layout.planes)
    places: list[tuple[int, tuple[int, ...], tuple[int, ...], str]] = []
    offset = 0
    for index in range(count):
        shape = layout.plane_shape(index, width, height)
        inner = item * (shape[2] if len(shape) == 3 and not layout.channels_first else 1)
        columns, rows = (shape[2], shape[1]) if layout.channels_first else (shape[1], shape[0])
        pitch = columns * inner
        if pitch % _WORD:
            pitch += -pitch % _ROW_ALIGNMENT
        strides: tuple[int, ...] = (pitch, inner)
        if layout.channels_first:
            strides = (pitch * rows, pitch, inner)
        elif len(shape) == 3:
            strides = (pitch, inner, item)
        places.append((offset, shape, strides, layout.typestr))
        offset += pitch * rows * (shape[0] if layout.channels_first else 1)
        if index + 1 < count and pitch % _ROW_ALIGNMENT:
            offset += -offset % _PLANE_ALIGNMENT
    if layout.rgb and count == 3:  # in memory red comes first, as in the one array of the three
        places = [(places[(i + 1) % 3][0], *places[i][1:]) for i in range(3)]
    return tuple(places), offset


def plan_rgb(
    source: kernels.Surface, request: Conversion, color: ColorSpec, crop: Crop, size: Size
) -> BlockPlan:
    """A kernel that makes the RGB output of ``request`` from ``crop`` of ``source``, in ``size``.

    :class:`UnsupportedConfig` for what no kernel makes.
    """
    output = FORMATS[request.output]
    layout, total = block_layout(output, *size)
    offset, _, strides, _ = layout[0]
    pitch = strides[1] if output.channels_first else strides[0]
    plan = kernels.plan_to_rgb(
        source, kernels.Surface(request.output, *size, (pitch,)), color, chroma=request.chroma,
        resize=request.resize, crop=crop, mean=request.mean or (0.0, 0.0, 0.0),
        std=request.std or (1.0, 1.0, 1.0),
    )  # fmt: skip
    planes = 3 if output.channels_first else 1
    offsets = tuple(offset + index * strides[0] for index in range(planes))
    return BlockPlan(plan, layout, total, offsets)


def plan_ycbcr(
    source: kernels.Surface, request: Conversion, color: ColorSpec, made: ColorSpec, crop: Crop,
    size: Size,
) -> BlockPlan:  # fmt: skip
    """A kernel that makes the output of ``request``, YCbCr or planes of green, blue and red, from
    ``crop`` of ``source`` in ``color``, in ``size`` and the colour ``made``.

    :class:`UnsupportedConfig` for what no kernel makes.
    """
    output = request.output
    layout, total = block_layout(FORMATS[output], *size)
    pitches = tuple(strides[0] for _, _, strides, _ in layout[:2])
    target = kernels.Surface(output, *size, pitches)
    offsets = tuple(offset for offset, *_ in layout)
    whole = crop == (0, 0, source.width, source.height) and size == crop[2:]
    if whole and output in _HALVED and source.format in _RGB and color.range == "full":
        return BlockPlan(kernels.plan_to_ycbcr(source, target, made), layout, total, offsets)
    plan = kernels.plan_ycbcr_of_any(
        source, target, color, output_color=made, crop=crop, chroma=request.chroma,
        resize=request.resize,
    )  # fmt: skip
    return BlockPlan(plan, layout, total, offsets)
