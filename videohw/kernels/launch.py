"""Grids of the CUDA kernels, for conversions that are stated in the API's terms.

Owns: the layout of the struct that every kernel takes (kernels/nv12_rgb.cu), which kernel is
taken, and what a thread and a block of it make; those of kernels/ycbcr.cu are in ``ycbcr``. Must
not know: the driver; memory is addresses.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ..color import ColorSpec
from .settings import (
    FIELDS,
    RGB_SOURCES,
    TARGET_FORMS,
    YCBCR_TARGETS,
    Surface,
    Triple,
    fields_to_rgb,
    fields_to_ycbcr,
    require_form,
)

Addresses: TypeAlias = Sequence[int]

MAX_PICTURES: Final = 32  # of one launch
BLOCK: Final = (32, 4, 1)
# Kernels by their part of the name, and the pixels that a thread takes of each of two rows.
_SOURCES: Final = {
    "nv12": "nv12", "nv21": "nv12", "nv16": "nv12",
    "p010": "p016", "p012": "p016", "p016": "p016", "p210": "p016",
    "yuv444p": "yuv444", "yuvj444p": "yuv444",
    **{f"yuv444p{bits}": "yuv444p16" for bits in (9, 10, 12, 14, 16)},
}  # fmt: skip
_PIXELS: Final = {"rgb24": 8, "rgba": 4, "rgb_planar": 8, "rgb_float16": 8, "rgb_float32": 4}
_PIXELS_TO_YCBCR: Final = 8
_ROWS: Final = 2
# The kernels' numbers for targets of YCbCr; those of RGB come before.
_NV12, _P016 = 5, 6
# What a block of a scaling kernel may make, the best first, and its room for the source of that.
_TILES: Final = tuple((columns, rows) for columns in (64, 32) for rows in (32, 16, 8, 4))
_TILE_BYTES: Final = 20 << 10


class Picture(c.Structure):
    """The addresses of one picture: up to three planes of the source and of the target."""

    _fields_ = (("source", c.c_uint64 * 3), ("target", c.c_uint64 * 3))


class Component(c.Structure):
    """Samples of a component: their plane, bytes to the first one and from one to the next."""

    _fields_ = (("plane", c.c_int32), ("offset", c.c_int32), ("stride", c.c_int32))


class Conversion(c.Structure):
    """The one argument of every kernel, by value; the fields are explained in kernels/*.cu."""

    _fields_ = (
        *FIELDS,
        ("back", c.c_float), ("ahead", c.c_float), ("parts", c.c_int32 * 2), ("lead", c.c_int32),
        ("chroma_top", c.c_int32), ("chroma_pace", c.c_int32), ("tile_columns", c.c_int32),
        ("tile_rows", c.c_int32), ("staged", c.c_int32), ("brief", c.c_int32),
        ("from_component", Component * 3), ("to_component", Component * 3),
        ("from_step", c.c_int32 * 2), ("from_place", c.c_int32 * 2), ("to_step", c.c_int32 * 2),
        ("to_place", c.c_int32 * 2), ("kept", c.c_int32 * 2), ("used", c.c_int32 * 2),
        ("taps", c.c_int32 * 2 * 2), ("luma_blocks", c.c_int32), ("plain", c.c_int32),
        ("pictures", Picture * MAX_PICTURES),
    )  # fmt: skip


class Launch(NamedTuple):
    """One call of ``cuLaunchKernel``."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arguments: Conversion


@dataclass(frozen=True)
class Plan:
    """A conversion of pictures of one size and layout, whatever their addresses.

    ``grid`` is that of one picture: columns and rows of blocks. Its third side is the number of
    pictures, whose addresses are all that ``settings`` lack.
    """

    kernel: str
    grid: tuple[int, int]
    settings: Conversion
    block: tuple[int, int, int] = BLOCK

    def launches(self, pictures: Sequence[tuple[Addresses, Addresses]]) -> Iterator[Launch]:
        """One launch for each :data:`MAX_PICTURES` pictures: (source planes, target planes)."""
        for start in range(0, len(pictures), MAX_PICTURES):
            some = pictures[start : start + MAX_PICTURES]
            arguments = Conversion.from_buffer_copy(self.settings)
            for picture, (source, target) in zip(arguments.pictures, some, strict=False):
                picture.source[: len(source)] = source
                picture.target[: len(target)] = target
            yield Launch(self.kernel, (*self.grid, len(some)), self.block, arguments)


def plan_to_rgb(
    source: Surface,
    target: Surface,
    color: ColorSpec,
    *,
    crop: tuple[int, int, int, int] | None = None,
    chroma: str = "bilinear",
    resize: str = "bilinear",
    mean: Triple = (0.0, 0.0, 0.0),
    std: Triple = (1.0, 1.0, 1.0),
) -> Plan:
    """From pictures of YCbCr, or their ``crop`` (left, top, width, height), to RGB of another size.

    Methods are those of :func:`videohw.color.reference.rgb_from_ycbcr`. ``mean`` and ``std`` are
    for red, green, blue where 1 is white, and of float targets only. :class:`InvalidInput` names
    the argument that cannot be; :class:`UnsupportedConfig` is for formats without a kernel.
    """
    require_form("source", source.format, tuple(_SOURCES), "CUDA")
    require_form("target", target.format, tuple(TARGET_FORMS), "CUDA")
    settings = Conversion(
        **fields_to_rgb(
            source, target, color, crop=crop, chroma=chroma, resize=resize, mean=mean, std=std
        )
    )
    kernel = _SOURCES[source.format]
    same_size = (settings.crop_width, settings.crop_height) == (target.width, target.height)
    # A crop that begins between two samples of chroma is converted as a scaled one.
    if not same_size or settings.left % source.subsampling[0]:
        _set_tile(settings, source)
        grid = _grid(settings, settings.tile_columns, settings.tile_rows)
        return Plan(f"{kernel}_any", grid, settings)
    if source.subsampling[0] == 2:
        _set_places(settings)
    pixels = _PIXELS[TARGET_FORMS[target.format]]
    return Plan(
        f"{kernel}_rgb{pixels}", _grid(settings, BLOCK[0] * pixels, BLOCK[1] * _ROWS), settings
    )


def plan_to_ycbcr(source: Surface, target: Surface, color: ColorSpec) -> Plan:
    """From pictures of 8-bit RGB to YCbCr of the same size, with 4:2:0 pairs of Cb and Cr.

    A crop of the source is another address and size of it. Errors are those of
    :func:`plan_to_rgb`.
    """
    require_form("source", source.format, RGB_SOURCES, "CUDA")
    require_form("target", target.format, YCBCR_TARGETS, "CUDA")
    settings = Conversion(**fields_to_ycbcr(source, target, color))
    settings.target = _NV12 if target.item_bytes == 1 else _P016
    grid = _grid(settings, BLOCK[0] * _PIXELS_TO_YCBCR, BLOCK[1] * _ROWS)
    return Plan(f"{TARGET_FORMS[source.format]}_ycbcr", grid, settings)


def _grid(settings: Conversion, columns: int, rows: int) -> tuple[int, int]:
    """Blocks that take so many pixels each."""
    return -(-settings.width // columns), -(-(settings.height + settings.lead) // rows)


def _set_places(settings: Conversion) -> None:
    """Where luma lies among chroma that is halved across, as the unscaled kernels want it."""
    # They have codes of chroma in quarters.
    for row in settings.matrix:
        row[1:] = [row[1] / 4, row[2] / 4]
    nearest = bool(settings.nearest)
    settings.back = 0.0 if nearest else settings.phase_x / 4
    settings.ahead = 0.0 if nearest else (2 - settings.phase_x) / 4
    if settings.chroma_rows == 1:
        settings.chroma_top, settings.chroma_pace, settings.parts[1] = settings.top, 2, 4
        return
    # Two rows between the same two of chroma begin with an odd one, but where chroma lies beside
    # the even ones.
    phase = 0 if nearest else settings.phase_y
    settings.lead = (settings.top + (phase > 0)) & 1
    place = 2 * (settings.top - settings.lead) - phase
    settings.chroma_top, settings.chroma_pace = place // 4, 1
    settings.parts[:] = [0, 0] if nearest else [place % 4, place % 4 + 2]


def _set_tile(settings: Conversion, source: Surface) -> None:
    """What a block of a scaling kernel makes: as much as it has room for the source of."""
    sides = ((settings.crop_width, settings.width), (settings.crop_height, settings.height))
    short = all(not settings.area or old <= new or old == 2 * new for old, new in sides)
    # Where most samples count for nothing it is better to fetch those that do.
    thin = not settings.area and any(old > 4 * new for old, new in sides)
    for settings.tile_columns, settings.tile_rows in _TILES:
        settings.staged = not thin and _tile_bytes(settings, source) <= _TILE_BYTES
        if settings.staged:
            break
    settings.brief = settings.staged and short and settings.tile_columns == _TILES[0][0]


def _tile_bytes(settings: Conversion, source: Surface) -> int:
    """The most that the source of a block takes in shared memory."""
    item, across = source.item_bytes, source.subsampling[0]
    columns = -(-settings.tile_columns * settings.crop_width // settings.width) + 4
    rows = -(-settings.tile_rows * settings.crop_height // settings.height) + 4
    total: int = (columns * item + 30) * rows
    for plane in source.layout.planes[1:]:
        samples = columns // across + 4
        total += (samples * item * plane.channels + 30) * (rows // settings.chroma_rows + 4)
    return total
