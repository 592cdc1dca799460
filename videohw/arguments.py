"""Checks of arguments that several public classes take; each error names its argument.

Must not know: what the arguments are for.
"""

from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any

from .errors import InvalidInput

if TYPE_CHECKING:
    from fractions import Fraction

# Numbers that libraries and drivers hold in 32-bit signed integers.
INT32_MAX = (1 << 31) - 1


def boolean(name: str, value: object) -> bool:
    """``value`` when it is True or False."""
    if isinstance(value, bool):
        return value
    raise InvalidInput(f"{name} is {value!r}", argument=name, hint="True or False")


def as_integer(value: Any) -> int | None:
    """Any integer type (NumPy's too) as an int; None for all else, bool and float included."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def integer(name: str, value: object, smallest: int, largest: int = INT32_MAX) -> int:
    """``value`` as an int from ``smallest`` to ``largest``."""
    number = as_integer(value)
    if number is None or not smallest <= number <= largest:
        raise InvalidInput(
            f"{name} is {value!r}", argument=name, hint=f"an integer, {smallest} to {largest}"
        )
    return number


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """``value`` when it is one of the names ``allowed``."""
    if isinstance(value, str) and value in allowed:
        return value
    raise InvalidInput(f"{name} is {value!r}", argument=name, hint=f"one of {', '.join(allowed)}")


def device(value: object) -> int | str:
    """A device by its number, from 0 and also as text, or by its name."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else value
    return integer("device", value, 0)


def seconds(name: str, value: Any) -> float | None:
    """A time to wait in seconds, 0 or more; None waits for ever."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise InvalidInput(
            f"{name} is {value!r}", argument=name, hint="seconds, 0 or more, or None to wait"
        )
    return min(float(value), threading.TIMEOUT_MAX)


def time_base(value: object) -> Fraction | None:
    """Seconds per unit of pts as a Fraction, from one or from (numerator, denominator), or None."""
    if value is None:
        return None
    from fractions import Fraction  # a driver starts after this check

    found: Fraction | None = None
    if isinstance(value, Fraction):
        found = value
    elif isinstance(value, tuple) and len(value) == 2:
        numerator, denominator = (as_integer(each) for each in value)
        found = Fraction(numerator, denominator) if numerator and denominator else None
    if found is None or found <= 0 or max(found.numerator, found.denominator) > INT32_MAX:
        raise InvalidInput(
            f"time_base is {value!r}",
            argument="time_base",
            hint="seconds per unit of pts: Fraction(1, 90000), (1, 90000), or None",
        )
    return found
