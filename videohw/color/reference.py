"""The exact conversion of pictures in float64: what every kernel of videohw is compared with.

Slow and plain. Pictures are planes of sample codes (values in the low bits). All positions are
in luma samples, whose centres lie at integers; sizes and crops count luma samples. Woven
interlaced pictures are treated like progressive ones: the fields' own chroma siting is not used.

The order of a conversion: crop, chroma to the places of luma, scale, matrix, clamp, round. The
matrix is linear, so that scaling before it and after it is the same but for the clamping.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInput
from ..known_names import CHROMA_METHODS, RESIZE_METHODS
from .coefficients import between, from_rgb, to_rgb
from .siting import chroma_phase
from .spec import ColorSpec

Array: TypeAlias = npt.NDArray[np.float64]
Samples: TypeAlias = npt.NDArray[np.generic]


def upsampled(
    chroma: Samples,
    size: tuple[int, int],
    subsampling: tuple[int, int],
    siting: str | None = None,
    method: str = "bilinear",
) -> Array:
    """``chroma`` (rows, columns) at the places of a luma plane of ``size`` (width, height).

    "nearest" repeats each sample over the luma samples it belongs to, whatever the siting;
    "bilinear" interpolates between the samples around, and holds the last one at the rim.
    """
    _one_of("method", method, CHROMA_METHODS)
    values = np.asarray(chroma, np.float64)
    phases = chroma_phase(siting, subsampling)
    for axis, (count, step, phase) in enumerate(zip(size, subsampling, phases, strict=True)):
        places = np.arange(count)
        if step == 1:
            continue
        if method == "nearest":
            values = np.take(values, places // step, axis=1 - axis)
        else:
            values = _interpolated(values, (places - phase) / step, axis=1 - axis)
    return values


def subsampled(chroma: Array, subsampling: tuple[int, int], siting: str | None = None) -> Array:
    """A full-size plane of colour differences at the places of its chroma samples.

    In each direction that is halved: the mean of the two luma samples around a chroma sample
    that lies between them, and the weights 1/4, 1/2, 1/4 around one that lies on a luma sample.
    With one for four: the mean of the four, and a tent of seven. Samples beyond the rim are
    those of the rim. Chroma sizes round up.
    """
    values = np.asarray(chroma, np.float64)
    phases = chroma_phase(siting, subsampling)
    for axis, (step, phase) in enumerate(zip(subsampling, phases, strict=True)):
        if step > 1:
            values = _reduced(values, step, phase, axis=1 - axis)
    return values


def _reduced(values: Array, step: int, phase: float, axis: int) -> Array:
    count = values.shape[axis]
    first = step * np.arange(-(-count // step))
    if phase == int(phase):
        away = range(1 - step, step)
        taps = {int(phase) + d: (step - abs(d)) / step**2 for d in away}
    else:
        taps = dict.fromkeys(range(step), 1 / step)
    total: Array = np.zeros_like(np.take(values, first, axis=axis))
    for tap, weight in taps.items():
        total += weight * np.take(values, np.clip(first + tap, 0, count - 1), axis=axis)
    return total


def rgb_from_ycbcr(
    y: Samples,
    cb: Samples,
    cr: Samples,
    color: ColorSpec,
    bit_depth: int = 8,
    *,
    subsampling: tuple[int, int] = (2, 2),
    chroma: str = "bilinear",
    crop: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    resize: str = "bilinear",
) -> Array:
    """(rows, columns, 3) of R, G, B, where 0..1 is black to white; not clamped, not rounded.

    The inverse of the equations of ITU-T H.273 (2021), 8.3, for MatrixCoefficients and range.
    ``y``, ``cb``, ``cr``: planes of codes of ``bit_depth`` bits. ``crop`` (left, top, width,
    height) is cut out of the picture and scaled to ``size`` (width, height) by ``resize``.
    """
    rows, columns = y.shape
    planes = [np.asarray(y, np.float64)]
    for plane in (cb, cr):
        planes.append(upsampled(plane, (columns, rows), subsampling, color.siting, chroma))
    if crop is not None:
        left, top, width, height = crop
        planes = [plane[top : top + height, left : left + width] for plane in planes]
    if size is not None:
        planes = [resized(plane, size, resize) for plane in planes]
    affine = to_rgb(color, bit_depth)
    rgb: Array = np.stack(planes, axis=-1) @ np.array(affine.matrix).T + np.array(affine.offset)
    return rgb


def ycbcr_from_rgb(
    rgb: Array, color: ColorSpec, bit_depth: int = 8, *, subsampling: tuple[int, int] = (2, 2)
) -> tuple[Array, Array, Array]:
    """Planes Y, Cb, Cr in codes of ``bit_depth`` bits, not rounded.

    By the equations of ITU-T H.273 (2021), 8.3, for MatrixCoefficients and range.
    ``rgb``: (rows, columns, 3), where 0..1 is black to white.
    """
    affine = from_rgb(color, bit_depth)
    codes = np.asarray(rgb, np.float64) @ np.array(affine.matrix).T + np.array(affine.offset)
    y, cb, cr = np.moveaxis(codes, -1, 0)
    return (
        y,
        subsampled(cb, subsampling, color.siting),
        subsampled(cr, subsampling, color.siting),
    )


def ycbcr_from_ycbcr(
    planes: Sequence[Samples],
    color: ColorSpec,
    bit_depth: int,
    new_color: ColorSpec,
    new_bit_depth: int,
    *,
    subsampling: tuple[int, int] = (2, 2),
    new_subsampling: tuple[int, int] = (2, 2),
    chroma: str = "bilinear",
    crop: tuple[int, int, int, int] | None = None,
    size: tuple[int, int] | None = None,
    resize: str = "bilinear",
) -> tuple[Array, Array, Array]:
    """Planes Y, Cb, Cr in codes of ``new_bit_depth`` bits, not clamped, not rounded.

    Each component comes to the places of luma, is cropped and scaled, and comes from there to the
    places of the new chroma. Along an axis on which the samples of chroma keep their places, their
    number and the size, they are taken as they are. ``planes``: Y, Cb and Cr; other arguments as
    for :func:`rgb_from_ycbcr`.
    """
    rows, columns = planes[0].shape
    cut = crop or (0, 0, columns, rows)
    shape = size or cut[2:]
    affine = between(color, bit_depth, new_color, new_bit_depth)
    found: list[Array] = []
    for steps in ((1, 1), new_subsampling):
        there = []
        for plane, old in zip(planes, ((1, 1), subsampling, subsampling), strict=True):
            values = np.asarray(plane, np.float64)
            for axis, extent in enumerate((columns, rows)):
                way = _Way(
                    extent, cut[axis], cut[2 + axis], shape[axis], old[axis], steps[axis],
                    chroma_phase(color.siting, old)[axis],
                    chroma_phase(new_color.siting, steps)[axis], chroma, resize,
                )  # fmt: skip
                values = _taken(values, way, 1 - axis)
            there.append(values)
        made = np.stack(there, axis=-1) @ np.array(affine.matrix).T + np.array(affine.offset)
        found.extend(np.moveaxis(made, -1, 0)[1:] if found else [made[..., 0]])
    return found[0], found[1], found[2]


class _Way(NamedTuple):
    """From the samples of a plane, ``step`` luma samples apart and the first at ``phase``, to those
    of another: of ``extent`` luma samples ``length`` from ``begin`` on, scaled to ``made``."""

    extent: int
    begin: int
    length: int
    made: int
    step: int
    new_step: int
    phase: float
    new_phase: float
    chroma: str
    resize: str


def _taken(values: Array, way: _Way, axis: int) -> Array:
    stays = (way.step, way.phase, way.length) == (way.new_step, way.new_phase, way.made)
    if stays and way.begin % way.step == 0:
        places = way.begin // way.step + np.arange(-(-way.length // way.step))
        kept: Array = np.take(values, places, axis=axis)
        return kept
    if way.step > 1:
        places = np.arange(way.extent)
        if way.chroma == "nearest":
            values = np.take(values, places // way.step, axis=axis)
        else:
            values = _interpolated(values, (places - way.phase) / way.step, axis=axis)
    values = np.take(values, way.begin + np.arange(way.length), axis=axis)
    across = axis == 1
    size = (way.made, values.shape[0]) if across else (values.shape[1], way.made)
    values = resized(values, size, way.resize)
    if way.new_step > 1:
        values = _reduced(values, way.new_step, way.new_phase, axis=axis)
    return values


def resized(plane: Array, size: tuple[int, int], method: str = "bilinear") -> Array:
    """A plane (rows, columns) scaled to ``size`` (width, height).

    "bilinear": the sample at the centre of each new one, between its four neighbours, which is
    ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False, antialias=False)``.
    "area": the mean over what each new sample covers, parts of samples by their part; where it
    covers whole samples that is ``interpolate(mode="area")``.
    """
    _one_of("method", method, RESIZE_METHODS)
    values = np.asarray(plane, np.float64)
    for axis, count in enumerate(size):
        old = values.shape[1 - axis]
        if count == old:
            continue
        if method == "bilinear":
            places = (np.arange(count) + 0.5) * (old / count) - 0.5
            values = _interpolated(values, places, axis=1 - axis)
        else:
            values = _averaged(values, count, axis=1 - axis)
    return values


def quantised(values: Array, bit_depth: int = 8) -> npt.NDArray[np.uint16]:
    """The nearest codes of ``bit_depth`` bits, halves up, of values already on their scale."""
    peak = (1 << bit_depth) - 1
    return np.clip(np.floor(values + 0.5), 0, peak).astype(np.uint16)


def _interpolated(values: Array, places: Array, axis: int) -> Array:
    """Between neighbours along ``axis``; places beyond the rim give the rim."""
    last = values.shape[axis] - 1
    places = np.clip(places, 0, last)
    low = np.floor(places).astype(np.intp)
    part = np.expand_dims(places - low, 1 - axis)
    high = np.minimum(low + 1, last)
    below, above = np.take(values, low, axis=axis), np.take(values, high, axis=axis)
    mixed: Array = below * (1 - part) + above * part
    return mixed


def _averaged(values: Array, count: int, axis: int) -> Array:
    old = values.shape[axis]
    edges = np.arange(count + 1) * (old / count)
    # Coverage of every old sample by every new one.
    begin = np.maximum(edges[:-1, None], np.arange(old))
    end = np.minimum(edges[1:, None], np.arange(old) + 1)
    weights = np.clip(end - begin, 0, None) / (old / count)
    return np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)


def _one_of(argument: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInput(
            f"{argument} is {value!r}", argument=argument, hint=f"one of {', '.join(known)}"
        )
