"""From what is asked of a conversion to a plan that the compiled kernels run.

Owns: which of the three ways is taken, the affine map of the components, the filters of each plane.
Must not know: arrays. A plan is immutable and serves every picture of its sizes and formats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from ..color import ColorSpec, between
from ..color.siting import chroma_phase
from ..pixel_format import PixelFormat
from .axes import Step, Taps, chroma_at_luma, chroma_of_luma, same, scaled, taps_of
from .kernels import Plan, from_rgb_plan, general_plan, to_rgb_plan
from .layouts import PlaneRoles, roles

Rows: TypeAlias = list[list[float]]
Triple: TypeAlias = tuple[float, float, float]

RGB: Final = ColorSpec(matrix="identity", range="full")
_CODES, _FLOATS, _HALVES = range(3)
_SAME, _REPEATED, _COSITED, _MIDWAY = range(4)
_PLANAR, _PACKED3, _PACKED4 = range(3)
_FORMS: Final = {"rgb24": _PACKED3, "bgr24": _PACKED3, "rgba": _PACKED4, "bgra": _PACKED4}
# Chroma is weighed exactly up to this depth on the way to RGB; codes of more bits lose what does
# not show in 8 bits, but would in a float. On the way back, YCbCr has 15 bits before it is rounded.
_EXACT_BITS: Final = 12
_PLANS_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Request:
    """All that a plan depends on, checked.

    ``color`` and ``output_color`` have matrix and range stated, and ``siting`` where they know
    it. ``crop`` (left, top, width, height) and ``size`` (width, height) in pixels; ``mean`` and
    ``std`` are in the order R, G, B.
    """

    source: PixelFormat
    width: int
    height: int
    target: PixelFormat
    color: ColorSpec
    output_color: ColorSpec
    crop: tuple[int, int, int, int]
    size: tuple[int, int]
    chroma: str = "bilinear"
    resize: str = "bilinear"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    @property
    def kind(self) -> int:
        """Codes, floats or halves."""
        if self.target.is_float:
            return _FLOATS if self.target.item_bytes == 4 else _HALVES
        return _CODES


class Affine(NamedTuple):
    """How one component of the target is made of those of the source."""

    factors: Triple
    offset: float
    low: float
    high: float


@lru_cache(maxsize=_PLANS_KEPT)
def plan_of(request: Request) -> Plan:
    """The plan of ``request``; UnsupportedConfig when its matrix is not computed."""
    maps = _maps(request)
    for is_for, made in ((_is_to_rgb, _to_rgb), (_is_from_rgb, _from_rgb)):
        if request.size == request.crop[2:] and is_for(request, maps):
            return made(request, maps)
    return _general(request, maps)


# The affine map


def _maps(request: Request) -> list[Affine]:
    """One for each component of the target, in codes or in floats, with its limits."""
    depth = 8 if request.kind else request.target.bit_depth
    color = request.color
    gray = len(request.source.planes) == 1 and not request.source.rgb
    if gray and color.matrix == "identity":
        color = replace(color, matrix="bt709")  # of gray, in which no matrix shows
    affine = between(color, request.source.bit_depth, request.output_color, depth)
    matrix, offset = [list(row) for row in affine.matrix], list(affine.offset)
    if gray:
        middle = 1 << (request.source.bit_depth - 1)
        for k, row in enumerate(matrix):
            offset[k] += middle * (row[1] + row[2])
            row[1] = row[2] = 0.0
    peak = float((1 << depth) - 1)
    made = []
    for k in range(3):
        if request.kind == _CODES:
            made.append(Affine(_triple(matrix[k]), offset[k], 0.0, peak))
            continue
        channel = (1, 2, 0)[k]  # components are G, B, R and the caller's numbers R, G, B
        mean, std = request.mean[channel], request.std[channel]
        scale = 1 / (peak * std)
        low, high = (0 - mean) / std, (1 - mean) / std
        factors = _triple([factor * scale for factor in matrix[k]])
        made.append(Affine(factors, offset[k] * scale + low, low, high))
    return made


def _triple(values: list[float]) -> Triple:
    return values[0], values[1], values[2]


# YCbCr to RGB at its own size


def _is_to_rgb(request: Request, maps: list[Affine]) -> bool:
    """YCbCr to 8-bit or float RGB, with chroma of half the samples or all, each way."""
    source, target = request.source, request.target
    if source.rgb or not (target.channels_first or target.name in _FORMS):
        return False
    if request.kind and source.bit_depth > _EXACT_BITS:
        return False
    if any(step > 2 for plane in roles(source) for step in plane.steps):
        return False
    _, blue, red = maps
    return red.factors[1] == 0 and blue.factors[2] == 0 and red.factors[0] != 0


def _to_rgb(request: Request, maps: list[Affine]) -> Plan:
    source, target = request.source, request.target
    bits = source.bit_depth
    planes = roles(source)
    steps = planes[-1].steps
    phases = chroma_phase(request.color.siting, steps)
    nearest = request.chroma == "nearest"
    spread = _SAME
    if steps[0] == 2:
        spread = _REPEATED if nearest else _MIDWAY if phases[0] else _COSITED
    left, top, columns, rows = request.crop
    green, blue, red = maps
    settings = {
        "left": left, "top": top, "columns": columns, "rows": rows,
        "bytes": planes[0].bytes, "luma_right": source.shift, "luma_left": 16 - bits,
        "chroma_planes": len(planes) - 1,
        "chroma_columns": -(-request.width // steps[0]),
        "chroma_rows": -(-request.height // steps[1]),
        "step_x": steps[0], "step_y": steps[1], "spread": spread,
        "phase_y": -1 if nearest else int(2 * phases[1]),
        "chroma_right": source.shift + max(0, bits - _EXACT_BITS),
        "chroma_unit": 1 << max(0, _EXACT_BITS - bits),
        "target": request.kind, "form": _FORMS.get(target.name, _PLANAR),
        "swapped": int(target.name.startswith("bgr")),
        "cr_first": int(planes[-1].components[0] == 2),
    }  # fmt: skip
    return to_rgb_plan(
        settings=settings,
        fixed=_fixed(red, green, blue, bits) if request.kind == _CODES else (0,) * 8,
        floating=_floating((red, green, blue), bits),
    )


def _at_middle(affine: Affine, bits: int) -> float:
    """What is made of codes that all are the middle one."""
    return affine.offset + (1 << (bits - 1)) * sum(affine.factors)


def _fixed(red: Affine, green: Affine, blue: Affine, bits: int) -> tuple[int, ...]:
    """The numbers of videohw_fixed (rows.h)."""
    unit = 1 << (bits + 5)
    factors = (
        green.factors[0], red.factors[2], green.factors[1], green.factors[2], blue.factors[1],
    )  # fmt: skip
    offsets = [round(64 * _at_middle(affine, bits)) + 32 for affine in (red, green, blue)]
    return (*(round(factor * unit) for factor in factors), *offsets)


def _floating(maps: tuple[Affine, ...], bits: int) -> tuple[tuple[float, ...], ...]:
    """The numbers of videohw_floating (rows.h), each for red, green and blue."""
    unit = 2.0 ** (bits - 16)
    luma, cb, cr = (tuple(affine.factors[k] * unit for affine in maps) for k in range(3))
    return (
        luma, cb, cr,
        tuple(_at_middle(affine, bits) for affine in maps),
        tuple(affine.low for affine in maps),
        tuple(affine.high for affine in maps),
    )  # fmt: skip


# RGB to YCbCr at its own size


def _is_from_rgb(request: Request, maps: list[Affine]) -> bool:
    """8-bit RGB to YCbCr of up to 12 bits, with no chroma row in the place of a luma row."""
    source, target = request.source, request.target
    if not source.rgb or source.bit_depth > 8 or request.color.range != "full":
        return False
    if target.rgb or target.bit_depth > _EXACT_BITS:
        return False
    steps = roles(target)[-1].steps
    if max(steps) > 2:
        return False
    if steps[1] == 2 and chroma_phase(request.output_color.siting, steps)[1] != 0.5:
        return False
    # The planes of the matrix "identity" are RGB itself, of which a factor would be 1.
    return all(abs(factor) * _unit(target) < 1 << 15 for each in maps for factor in each.factors)


def _unit(target: PixelFormat) -> int:
    """Factors of videohw_weights (rows.h) for one of codes of 8 bits to codes of ``target``."""
    return 1 << (23 - target.bit_depth)


def _from_rgb(request: Request, maps: list[Affine]) -> Plan:
    source, target = roles(request.source), roles(request.target)
    steps = target[-1].steps
    phase = chroma_phase(request.output_color.siting, steps)[0]
    left, top, columns, rows = request.crop
    channels = len(source[0].components)
    order = [component for plane in source for component in plane.components]
    settings = {
        "left": left, "top": top, "columns": columns, "rows": rows, "channels": channels,
        "place": [order.index(component) for component in (2, 0, 1)],
        "chroma_planes": len(target) - 1, "cr_first": int(target[-1].components[0] == 2),
        "step_x": steps[0], "step_y": steps[1],
        "narrow": _SAME if steps[0] == 1 else _MIDWAY if phase else _COSITED,
    }  # fmt: skip
    bits = request.target.bit_depth
    right = 15 - bits
    weights = tuple(
        (
            tuple(round(each.factors[k] * _unit(request.target)) for k in (2, 0, 1)),
            round(each.offset * (1 << right)) + (1 << right >> 1),
            right,
            request.target.shift,
            target[0].bytes,
        )
        for each in maps
    )
    return from_rgb_plan(settings=settings, weights=weights)


# The general way


class Filters(NamedTuple):
    """How one plane of the source comes to a grid of the target."""

    across: Taps
    down: Taps
    first_column: int
    columns_read: int


class Copied(NamedTuple):
    """Every component of a grid is one of the source, its codes shifted left."""

    source: tuple[int, ...]
    left: int


class Grid(NamedTuple):
    """The places of some planes of the target. ``filters``: by plane of the source, or None."""

    rows: int
    columns: int
    filters: tuple[Filters | None, ...]
    copied: Copied | None


def _general(request: Request, maps: list[Affine]) -> Plan:
    source, target = roles(request.source), roles(request.target)
    if request.source.rgb:
        source = tuple(replace(plane, steps=(1, 1)) for plane in source)
    all_steps = sorted({plane.steps for plane in target})
    return general_plan(
        source=source,
        target=target,
        grid_of=tuple(all_steps.index(plane.steps) for plane in target),
        kind=request.kind,
        affine=tuple(maps),
        grids=tuple(_grid(request, maps, source, target, steps) for steps in all_steps),
    )


def _grid(
    request: Request,
    maps: list[Affine],
    source: tuple[PlaneRoles, ...],
    target: tuple[PlaneRoles, ...],
    steps: tuple[int, int],
) -> Grid:
    made = [
        component
        for plane in target
        if plane.steps == steps
        for component in plane.components
        if component >= 0
    ]
    used = {k for component in made for k in range(3) if maps[component].factors[k]}
    filters = tuple(
        _filters(request, plane, steps) if used & set(plane.components) else None
        for plane in source
    )
    columns, rows = (-(-size // step) for size, step in zip(request.size, steps, strict=True))
    copied = _copied(maps, made) if _may_copy(request, filters) else None
    return Grid(rows, columns, filters, copied)


def _filters(request: Request, plane: PlaneRoles, steps: tuple[int, int]) -> Filters:
    first_column, columns_read, across = taps_of(_axis(request, plane, steps, 0))
    first_row, _, down = taps_of(_axis(request, plane, steps, 1))
    down = replace(down, begin=down.begin + np.int32(first_row))
    return Filters(across, down, first_column, columns_read)


def _axis(request: Request, plane: PlaneRoles, steps: tuple[int, int], axis: int) -> Step:
    """From the samples of a plane of the source to the places of a grid, along x (0) or y (1)."""
    extent = (request.width, request.height)[axis]
    begin, count, made = request.crop[axis], request.crop[2 + axis], request.size[axis]
    old, new = plane.steps[axis], steps[axis]
    phase = chroma_phase(request.color.siting, plane.steps)[axis]
    new_phase = chroma_phase(request.output_color.siting, steps)[axis]
    if (old, phase) == (new, new_phase) and made == count and begin % old == 0:
        return same(begin // old, -(-count // old))
    if old == 1:
        step = same(begin, count)
    else:
        step = chroma_at_luma(
            begin, count, samples=-(-extent // old), step=old, phase=phase, method=request.chroma
        )
    if made != count:
        step = scaled(count, made, request.resize).after(step)
    if new != 1:
        step = chroma_of_luma(made, step=new, phase=new_phase).after(step)
    return step


def _may_copy(request: Request, filters: tuple[Filters | None, ...]) -> bool:
    """Whether every sample of the grid is one of the source, in words that are as wide."""
    plain = all(each.across.plain and each.down.plain for each in filters if each is not None)
    narrower = request.target.item_bytes < request.source.item_bytes
    return plain and request.kind == _CODES and not narrower


def _copied(maps: list[Affine], made: list[int]) -> Copied | None:
    """For each component that is one of the source x a power of two, with nothing added."""
    sources = [0, 0, 0]
    shifts = set()
    for component in made:
        factors, offset = maps[component].factors, maps[component].offset
        used = [k for k in range(3) if factors[k]]
        if len(used) != 1 or offset:
            return None
        sources[component] = used[0]
        shifts.add(factors[used[0]])
    factor = shifts.pop()
    if shifts or factor < 1 or factor != 2 ** round(np.log2(factor)):
        return None
    return Copied(tuple(sources), round(np.log2(factor)))
