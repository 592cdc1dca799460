"""What a caller may ask of a conversion, and the message of each refusal.

Must not know: how anything is converted.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ..color.reference import CHROMA_METHODS, RESIZE_METHODS
from ..errors import InvalidInput
from ..pixel_format import FORMATS, PixelFormat

Size: TypeAlias = tuple[int, int]
Crop: TypeAlias = tuple[int, int, int, int]
Triple: TypeAlias = tuple[float, float, float]
Array: TypeAlias = npt.NDArray[Any]

# Past what any codec here can say of itself (AV1, VP9 and JPEG: 65536, 65535), and what fits
# into memory by any chance.
MAX_SIDE: Final = 1 << 16
MAX_PIXELS: Final = 1 << 30
MAX_THREADS: Final = 256
# How much thought NumPy may give to whether two strided arrays share a byte.
_OVERLAP_WORK: Final[Any] = 1000
_LEAST_STD: Final = float(np.finfo(np.float32).tiny)
_LARGEST: Final = float(np.finfo(np.float32).max)


def checked_size(size: object) -> Size | None:
    """``size`` as two positive integers or None; :class:`InvalidInput` for anything else."""
    if size is None:
        return None
    numbers = _integers(size, 2)
    if numbers is None or min(numbers) < 1:
        raise InvalidInput(
            f"size is {size!r}", argument="size", hint="(width, height) in pixels, both above 0"
        )
    if max(numbers) > MAX_SIDE or numbers[0] * numbers[1] > MAX_PIXELS:
        raise InvalidInput(
            f"size is {size!r}",
            argument="size",
            hint=f"at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all",
        )
    return numbers[0], numbers[1]


def checked_crop(crop: object, within: Size | None = None) -> Crop | None:
    """``crop`` as four integers or None; :class:`InvalidInput` for anything else.

    ``within``: width and height of the picture that it lies in, where they are known.
    """
    if crop is None:
        return None
    numbers = _integers(crop, 4)
    if numbers is None or min(numbers[:2]) < 0 or min(numbers[2:]) < 1:
        raise InvalidInput(
            f"crop is {crop!r}",
            argument="crop",
            hint="(left, top, width, height) in pixels, inside the picture",
        )
    left, top, columns, rows = numbers
    if within is not None and (left + columns > within[0] or top + rows > within[1]):
        raise InvalidInput(
            f"crop {crop!r} is not inside the {within[0]}x{within[1]} picture",
            argument="crop",
            hint="(left, top, width, height) in pixels",
        )
    return left, top, columns, rows


def checked_method(argument: str, value: object) -> str:
    """``value`` when it is a way to make chroma (``chroma``) or to scale (``resize``)."""
    known = {"chroma": CHROMA_METHODS, "resize": RESIZE_METHODS}[argument]
    if not isinstance(value, str) or value not in known:
        raise InvalidInput(
            f"{argument} is {value!r}", argument=argument, hint=f"one of {', '.join(known)}"
        )
    return value


def checked_threads(threads: object) -> int:
    """``threads`` as a count."""
    numbers = _integers((threads,), 1)
    if numbers is None or not 1 <= numbers[0] <= MAX_THREADS:
        raise InvalidInput(
            f"threads is {threads!r}",
            argument="threads",
            hint=f"an integer from 1 to {MAX_THREADS}",
        )
    return numbers[0]


def checked_triple(argument: str, value: object, output: str) -> Triple | None:
    """``mean`` or ``std``, or None: three numbers that float32 holds, for a float output.

    ``std`` is above 0.
    """
    if value is None:
        return None
    layout = FORMATS.get(output)
    if layout is None or np.dtype(layout.dtype).kind != "f":
        raise InvalidInput(
            f"{argument} is given for the output {output}, which is not float",
            argument=argument,
            hint="rgb_float16 or rgb_float32",
        )
    try:
        numbers = [float(item) for item in value]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    least = _LEAST_STD if argument == "std" else -_LARGEST
    if len(numbers) != 3 or not all(least <= number <= _LARGEST for number in numbers):
        raise InvalidInput(
            f"{argument} is {value!r}",
            argument=argument,
            hint="three numbers for R, G and B, where 1 is white"
            + (", all above 0" if argument == "std" else ""),
        )
    return numbers[0], numbers[1], numbers[2]


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
    wanted = np.dtype(layout.dtype)
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


def _integers(value: object, count: int) -> tuple[int, ...] | None:
    if not isinstance(value, (tuple, list)) or len(value) != count:
        return None
    if any(isinstance(item, bool) or not isinstance(item, (int, np.integer)) for item in value):
        return None
    return tuple(int(item) for item in value)
