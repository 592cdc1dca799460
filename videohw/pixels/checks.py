"""The arrays that a conversion takes and fills, and the message of each refusal.

Must not know: how anything is converted.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInput
from ..pixel_format import PixelFormat
from .requests import MAX_SIDE, Size

Array: TypeAlias = npt.NDArray[Any]

# How much thought NumPy may give to whether two strided arrays share a byte.
_OVERLAP_WORK: Final[Any] = 1000


def picture_size(planes: tuple[Array, ...], layout: PixelFormat) -> Size:
    """(width, height) of the picture in ``planes``, which fit ``layout`` as the kernels need it.

    :class:`InvalidInput` with ``argument`` "planes" for a wrong count, dtype, shape or pitch.
    """
    _check_count("planes", planes, layout)
    shape = planes[0].shape
    rows_columns = shape[1:] if layout.channels_first else shape[:2]
    if len(rows_columns) != 2 or min(shape) < 1 or max(rows_columns) > MAX_SIDE:
        raise InvalidInput(
            f"planes[0] has shape {shape}, which is no {layout.name} picture",
            argument="planes",
            hint=f"rows and columns from 1 to {MAX_SIDE}",
        )
    height, width = rows_columns
    _check_planes("planes", planes, layout, width, height)
    return width, height


def check_out(
    out: tuple[Array, ...], layout: PixelFormat, size: Size, planes: tuple[Array, ...]
) -> None:
    """See that ``out`` can take a picture of ``size``; InvalidInput with ``argument`` "out"."""
    _check_count("out", out, layout)
    _check_planes("out", out, layout, *size)
    for index, array in enumerate(out):
        if not array.flags.writeable:
            raise InvalidInput(f"out[{index}] is read-only", argument="out")
        for name, other in (
            *((f"planes[{k}]", plane) for k, plane in enumerate(planes)),
            *((f"out[{k}]", plane) for k, plane in enumerate(out[:index])),
        ):
            if _overlap(array, other):
                raise InvalidInput(f"out[{index}] overlaps {name} in memory", argument="out")


def arrays(argument: str, value: object) -> tuple[Array, ...]:
    """The planes of a picture as a tuple of arrays; one array counts as one plane."""
    each = value if isinstance(value, (tuple, list)) else (value,)
    for index, array in enumerate(each):
        if not isinstance(array, np.ndarray):
            raise InvalidInput(
                f"{argument}[{index}] is {type(array).__name__}",
                argument=argument,
                hint="a NumPy array for each plane",
            )
    return tuple(each)


def _check_count(argument: str, planes: tuple[Array, ...], layout: PixelFormat) -> None:
    if len(planes) != len(layout.planes):
        raise InvalidInput(
            f"{argument} are {len(planes)}, {layout.name} has {len(layout.planes)}",
            argument=argument,
        )


def _check_planes(
    argument: str, planes: tuple[Array, ...], layout: PixelFormat, width: int, height: int
) -> None:
    wanted = layout.dtype
    for index, plane in enumerate(planes):
        expected = layout.plane_shape(index, width, height)
        if plane.dtype != wanted:
            raise InvalidInput(
                f"{argument}[{index}] has dtype {plane.dtype}, {layout.name} needs {wanted}",
                argument=argument,
            )
        if plane.shape != expected:
            raise InvalidInput(
                f"{argument}[{index}] has shape {plane.shape}, a {layout.name} picture of "
                f"{width}x{height} has {expected}",
                argument=argument,
                hint="rows first; chroma sizes round up",
            )
        if not _is_pitched(plane, layout.channels_first):
            raise InvalidInput(
                f"{argument}[{index}] has the strides {plane.strides} bytes for shape "
                f"{plane.shape}: samples of a row must lie one after the other, and the pitch of "
                "rows be at least their bytes",
                argument=argument,
                hint="numpy.ascontiguousarray",
            )


def _is_pitched(plane: Array, channels_first: bool) -> bool:
    """Whether rows are whole and come one after the other, all with the same space between."""
    item = plane.itemsize
    shape, strides = plane.shape, plane.strides
    if not plane.flags.aligned:
        return False
    if channels_first:
        rows_bytes = (shape[1] - 1) * strides[1] + shape[2] * item if shape[1] > 1 else 0
        inner = max(rows_bytes, shape[2] * item)
        if strides[0] < inner or strides[0] % item:
            return False
        shape, strides = shape[1:], strides[1:]
    row_bytes = math.prod(shape[1:]) * item
    tight = item
    for count, stride in zip(reversed(shape[1:]), reversed(strides[1:]), strict=True):
        if count > 1 and stride != tight:
            return False
        tight *= count
    return shape[0] == 1 or (strides[0] >= row_bytes and strides[0] % item == 0)


def _overlap(one: Array, other: Array) -> bool:
    try:
        return bool(np.shares_memory(one, other, max_work=_OVERLAP_WORK))
    except np.exceptions.TooHardError:
        return True
