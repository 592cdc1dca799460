"""What a caller may ask of a conversion, and the message of each refusal.

Without NumPy, which takes long to import: a driver may start only after these checks. Must not
know: how anything is converted.
"""

from __future__ import annotations

from numbers import Integral
from typing import Final, TypeAlias

from ..errors import InvalidInput
from ..known_names import CHROMA_METHODS, RESIZE_METHODS

Size: TypeAlias = tuple[int, int]
Crop: TypeAlias = tuple[int, int, int, int]
Triple: TypeAlias = tuple[float, float, float]

FLOAT_OUTPUTS: Final = ("rgb_float16", "rgb_float32")
# Past what any codec here can say of itself (AV1, VP9 and JPEG: 65536, 65535), and what fits
# into memory by any chance.
MAX_SIDE: Final = 1 << 16
MAX_PIXELS: Final = 1 << 30
MAX_THREADS: Final = 256
# Of float32, the smallest normal number and the largest.
_LEAST_STD: Final = 2.0**-126
_LARGEST: Final = (2 - 2.0**-23) * 2.0**127


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
    if output not in FLOAT_OUTPUTS:
        raise InvalidInput(
            f"{argument} is given for the output {output}, which is not float",
            argument=argument,
            hint=" or ".join(FLOAT_OUTPUTS),
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


def _integers(value: object, count: int) -> tuple[int, ...] | None:
    if not isinstance(value, (tuple, list)) or len(value) != count:
        return None
    if any(isinstance(item, bool) or not isinstance(item, Integral) for item in value):
        return None
    return tuple(int(item) for item in value)
