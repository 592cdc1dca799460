"""Conversions by the kernels of kernels/ycbcr.cu: to YCbCr of any form, in any size, at once.

Owns: where the components of a format lie, which filters make those of the target, what a block
makes. Must not know: the driver; memory is addresses.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec, between
from ..color.coefficients import Affine
from ..color.siting import chroma_phase
from ..known_names import CHROMA_METHODS, RESIZE_METHODS
from ..pixel_format import FORMATS, PixelFormat
from .launch import BLOCK, Component, Conversion, Plan
from .settings import Surface, crop_inside, depth_of, one_of, pitches_of, require_form

_G, _B, _R = range(3)
# Components by their place in a pixel of packed RGB; fourth channels are left out.
_PACKED: Final = {
    "rgb24": (_R, _G, _B), "bgr24": (_B, _G, _R), "rgba": (_R, _G, _B), "bgra": (_B, _G, _R),
}  # fmt: skip
YCBCR_SOURCES: Final = tuple(name for name, each in FORMATS.items() if not each.is_float)
YCBCR_TARGETS: Final = tuple(
    name for name in YCBCR_SOURCES if name not in _PACKED and name != "rgb_planar"
)
# What a block may make; its threads make this many samples side by side each.
_TILE_COLUMNS: Final = (128, 64, 32)
_TILE_ROWS: Final = (32, 16, 8, 4)
_MADE: Final = 4
_MOVED: Final = 8
_TABLE_WEIGHTS: Final = 4096
# Enough blocks for a large device; where there are fewer, each makes less.
_BLOCKS: Final = 1000
_LUMA, _CHROMA = 0b001, 0b110  # components, as bits
_Places: TypeAlias = npt.NDArray[np.int64]


def plan_ycbcr_of_any(
    source: Surface,
    target: Surface,
    color: ColorSpec,
    *,
    output_color: ColorSpec | None = None,
    crop: tuple[int, int, int, int] | None = None,
    chroma: str = "bilinear",
    resize: str = "bilinear",
) -> Plan:
    """From pictures in any integer format, or their ``crop``, to YCbCr, gray or planes of G, B, R.

    ``crop``: (left, top, width, height), which may begin anywhere, scaled to the target's size.
    ``color`` and ``output_color`` state matrix and range; without the latter the target has those
    of the source. Methods are those of :func:`videohw.pixels.convert`, whose meaning this is.
    :class:`InvalidInput` names the argument that cannot be; :class:`UnsupportedConfig` is for
    formats without a kernel and for matrices that are not computed.
    """
    require_form("source", source.format, YCBCR_SOURCES, "CUDA")
    require_form("target", target.format, YCBCR_TARGETS, "CUDA")
    one_of("chroma", chroma, CHROMA_METHODS)
    one_of("resize", resize, RESIZE_METHODS)
    made = color if output_color is None else output_color
    settings = Conversion(
        from_pitch=pitches_of("source", source), to_pitch=pitches_of("target", target),
        width=target.width, height=target.height,
        from_width=source.width, from_height=source.height,
        area=resize == "area",
    )  # fmt: skip
    settings.left, settings.top, settings.crop_width, settings.crop_height = crop_inside(
        crop, source
    )
    parts = 1 if len(target.layout.planes) == 1 else 2
    _set_components(settings, source.layout, target.layout)
    _set_places(settings, source, target, color, made, chroma)
    _set_affine(settings, source, target, color, made)
    if parts == 1:
        settings.used[1] = 0
    bits = 8 * source.item_bytes, 8 * target.item_bytes
    if _moves(settings, source.item_bytes):
        _set_plain(settings, source, target)
        columns, rows, kind = BLOCK[0] * _MOVED, BLOCK[1], "move"
    else:
        _set_taps(settings)
        _set_tile(settings, parts)
        columns, rows, kind = settings.tile_columns, settings.tile_rows, "taps"
        if not columns:
            columns, rows, kind = BLOCK[0], BLOCK[1], "sums"
    settings.luma_blocks = ceil(target.height / rows)
    chroma_blocks = ceil(ceil(target.height / settings.to_step[1]) / rows) if parts == 2 else 0
    grid = ceil(target.width / columns), settings.luma_blocks + chroma_blocks
    return Plan(f"ycbcr_{kind}_{bits[0]}_{bits[1]}", grid, settings)


def _set_components(settings: Conversion, source: PixelFormat, target: PixelFormat) -> None:
    for layout, components in (
        (source, settings.from_component), (target, settings.to_component)
    ):  # fmt: skip
        for component, place in _places(layout).items():
            components[component] = place


def _places(layout: PixelFormat) -> dict[int, Component]:
    """Where components lie, counted (Y, Cb, Cr), or (G, B, R) in RGB."""
    item = layout.item_bytes
    if layout.channels_first:
        return {k: Component(plane, 0, item) for plane, k in enumerate((_R, _G, _B))}
    if layout.name in _PACKED:
        stride = layout.planes[0].channels * item
        order = enumerate(_PACKED[layout.name])
        return {k: Component(0, place * item, stride) for place, k in order}
    counted = iter((0, 2, 1) if layout.name == "nv21" else (0, 1, 2))
    return {
        next(counted): Component(index, place * item, plane.channels * item)
        for index, plane in enumerate(layout.planes)
        for place in range(plane.channels)
    }


def _steps(layout: PixelFormat) -> tuple[int, int]:
    """Luma samples for one of chroma, across and down."""
    chroma = layout.planes[-1]
    return 1 << chroma.shift_x, 1 << chroma.shift_y


def _set_places(
    settings: Conversion, source: Surface, target: Surface, color: ColorSpec, made: ColorSpec,
    chroma: str,
) -> None:  # fmt: skip
    old, new = _steps(source.layout), _steps(target.layout)
    settings.from_step[:], settings.to_step[:] = old, new
    phases = chroma_phase(color.siting, old)
    new_phases = chroma_phase(made.siting, new)
    settings.to_place[:] = [int(2 * phase) for phase in new_phases]
    if chroma == "nearest":
        settings.from_place[:] = [-1, -1]
    else:
        settings.from_place[:] = [int(2 * phase) for phase in phases]
    begins = settings.left, settings.top
    sizes = (settings.crop_width, settings.width), (settings.crop_height, settings.height)
    settings.kept[:] = [
        (old[k], phases[k]) == (new[k], new_phases[k])
        and sizes[k][0] == sizes[k][1]
        and begins[k] % old[k] == 0
        for k in range(2)
    ]


def _set_affine(
    settings: Conversion, source: Surface, target: Surface, color: ColorSpec, made: ColorSpec
) -> None:
    """From words of the source to codes of the target, and which components each part takes."""
    gray = len(source.layout.planes) == 1 and not source.layout.rgb
    bits, shift = depth_of(source)
    to_bits, settings.shift = depth_of(target)
    if gray and color.matrix == "identity":
        color = replace(color, matrix="bt709")  # of gray, in which no matrix shows
    affine: Affine = between(color, bits, made, to_bits)
    for k, row in enumerate(affine.matrix):
        offset = affine.offset[k]
        if gray:
            offset += (1 << bits - 1) * (row[1] + row[2])
            row = (row[0], 0.0, 0.0)
        settings.matrix[k][:] = [each * 2.0**-shift for each in row]
        settings.offset[k] = offset + 0.5
        settings.used[k > 0] |= sum(1 << j for j in range(3) if row[j])
    settings.peak = (1 << to_bits) - 1
    settings.sample_bits = (0xFFFF << shift & 0xFFFF) * 0x10001


def _moves(settings: Conversion, item: int) -> bool:
    """Whether every sample is one of the source, of ``item`` bytes, in another word."""
    same = (settings.crop_width, settings.crop_height) == (settings.width, settings.height)
    kept = all(settings.kept) and not settings.used[1] & 1
    luma = settings.used[0] == 1 and settings.from_component[0].stride == item
    return same and luma and (kept or not settings.used[1])


def _set_plain(settings: Conversion, source: Surface, target: Surface) -> None:
    unit = 2.0**-settings.shift  # of a code of the target, in its word
    settings.plain = (
        source.item_bytes == target.item_bytes
        and depth_of(source)[0] <= depth_of(target)[0]
        and all(
            settings.matrix[k][j] == (unit if j == k else 0.0) for k in range(3) for j in range(3)
        )
        and all(offset == 0.5 for offset in settings.offset)
    )


def _set_taps(settings: Conversion) -> None:
    """The most samples along an axis that one sample of each part is made of."""
    extents = settings.from_width, settings.from_height
    for part in range(2):
        kinds = [used for used in (_LUMA, _CHROMA) if settings.used[part] & used]
        for axis in range(2):
            counts = [_most_samples(settings, part, kind, axis) for kind in kinds]
            most = max(counts, default=1)
            # Luma and chroma have tables of one width, which is to be inside of both planes.
            if len(kinds) == 2 and most > ceil(extents[axis] / settings.from_step[axis]):
                most = _TABLE_WEIGHTS
            settings.taps[part][axis] = most


def _most_samples(settings: Conversion, part: int, kind: int, axis: int) -> int:
    """Of the samples of a plane, from the first to the last that count for one of the part.

    Counts in whole numbers, as the kernel does.
    """
    if part and kind == _CHROMA and settings.kept[axis]:
        return 1
    new_step, place = (settings.to_step[axis], settings.to_place[axis]) if part else (1, 0)
    old = (settings.crop_width, settings.crop_height)[axis]
    made = (settings.width, settings.height)[axis]
    at = np.arange(ceil(made / new_step), dtype=np.int64) * new_step
    begin, count = 0, new_step
    if place % 2 == 0:
        begin, count = place // 2 - new_step + 1, 2 * new_step - 1
    first, _ = _luma_of(np.clip(at + begin, 0, made - 1), made, old, bool(settings.area))
    _, last = _luma_of(np.clip(at + begin + count - 1, 0, made - 1), made, old, bool(settings.area))
    step, phase = 1, 0
    if kind == _CHROMA:
        step, phase = settings.from_step[axis], settings.from_place[axis]
    start = (settings.left, settings.top)[axis]
    if phase < 0:
        low, high = (start + first) // step, (start + last) // step
    else:
        low = (2 * (start + first) - phase) // (2 * step)
        high = -((phase - 2 * (start + last)) // (2 * step))
    end = ((settings.from_width, settings.from_height)[axis] - 1) // step
    return int((np.clip(high, 0, end) - np.clip(low, 0, end)).max()) + 1


def _luma_of(at: _Places, made: int, old: int, area: bool) -> tuple[_Places, _Places]:
    """The first and the last of ``old`` samples that those of ``made`` are made of."""
    if area:
        return at * old // made, -(-(at + 1) * old // made) - 1
    place = (2 * at + 1) * old - made  # of the centre, in units of 1 / (2 * made)
    low, high = place // (2 * made), -(-place // (2 * made))
    return np.clip(low, 0, old - 1), np.clip(high, 0, old - 1)


def _set_tile(settings: Conversion, parts: int) -> None:
    """What a block makes: as much as it has room for the weights of, if that makes enough blocks.

    Nothing where none has room.
    """
    widths = settings.width, ceil(settings.width / settings.to_step[0])
    heights = settings.height, ceil(settings.height / settings.to_step[1])
    best = None
    for columns in _TILE_COLUMNS:
        for rows in _TILE_ROWS:
            if rows * columns // _MADE < BLOCK[0] * BLOCK[1] or not _has_room(
                settings, columns, rows, parts
            ):
                continue
            best = columns, rows
            blocks = sum(ceil(widths[k] / columns) * ceil(heights[k] / rows) for k in range(parts))
            if blocks >= _BLOCKS:
                break
        if best is not None:
            break
    settings.tile_columns, settings.tile_rows = best or (0, 0)


def _has_room(settings: Conversion, columns: int, rows: int, parts: int) -> bool:
    for part in range(parts):
        tables = 2 if settings.used[part] & _LUMA and settings.used[part] & _CHROMA else 1
        wide, high = settings.taps[part]
        if tables * (columns * wide + rows * high) > _TABLE_WEIGHTS:
            return False
    return True
