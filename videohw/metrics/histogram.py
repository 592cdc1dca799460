"""What histograms say: whole numbers in buckets whose width grows with the value.

A value below 128 has a bucket of its own; above, each octave has 64 of one width, so that the
middle of a bucket is at most 1/128 (0.8 %) of the value away from it. Counts, sums, smallest and
largest values are exact. Must not know: what is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from ..errors import InvalidInput

Unit: TypeAlias = Literal["seconds", "bytes", "items"]
UNITS: Final[tuple[str, ...]] = ("seconds", "bytes", "items")

RELATIVE_ERROR: Final = 1 / 128
# 13 days in nanoseconds, 1 PiB.
LARGEST: Final = (1 << 50) - 1
QUANTILES: Final = (0.5, 0.95, 0.99)

SUBBUCKET_BITS: Final = 6
_EXACT_BITS: Final = SUBBUCKET_BITS + 1
_NS_PER_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a histogram has seen, at one moment.

    Inside are whole numbers: ``raw_sum``, ``raw_min`` and ``raw_max`` are nanoseconds where
    ``unit`` is "seconds", else of the unit itself; ``buckets`` is (number, count) in rising
    order. The properties give ``unit``; they are None when ``count`` is 0. ``count``, ``sum``,
    ``mean``, ``min`` and ``max`` are exact, quantiles within :data:`RELATIVE_ERROR`.
    """

    unit: Unit
    count: int = 0
    raw_sum: int = 0
    raw_min: int = 0
    raw_max: int = 0
    buckets: tuple[tuple[int, int], ...] = ()

    @property
    def sum(self) -> float:
        """The sum of all values; 0 when there is none."""
        return self._scaled(self.raw_sum)

    @property
    def mean(self) -> float | None:
        """The arithmetic mean."""
        return self._scaled(self.raw_sum / self.count) if self.count else None

    @property
    def min(self) -> float | None:
        """The smallest value."""
        return self._scaled(self.raw_min) if self.count else None

    @property
    def max(self) -> float | None:
        """The largest value."""
        return self._scaled(self.raw_max) if self.count else None

    @property
    def p50(self) -> float | None:
        """The median."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float | None:
        """The value that 95 % of all values do not exceed."""
        return self.quantile(0.95)

    @property
    def p99(self) -> float | None:
        """The value that 99 % of all values do not exceed."""
        return self.quantile(0.99)

    def quantile(self, fraction: float) -> float | None:
        """The value of nearest rank: number ceil(fraction * count) in rising order, from 1.

        ``fraction`` from 0 to 1, else :class:`~videohw.errors.InvalidInput`.
        """
        if not 0 <= fraction <= 1:
            raise InvalidInput(f"fraction is {fraction!r}", argument="fraction", hint="0 to 1")
        rank = max(math.ceil(fraction * self.count), 1)
        for number, count in self.buckets:
            rank -= count
            if rank <= 0:
                return self._scaled(min(max(_middle(number), self.raw_min), self.raw_max))
        return None

    def merged(self, other: Distribution) -> Distribution:
        """What one histogram would say that had seen the values of both."""
        if self.unit != other.unit:
            raise InvalidInput(f"{other.unit} do not merge into {self.unit}", argument="other")
        if not self.count or not other.count:
            return self if self.count else other
        counts = dict(self.buckets)
        for number, count in other.buckets:
            counts[number] = counts.get(number, 0) + count
        return Distribution(
            self.unit,
            self.count + other.count,
            self.raw_sum + other.raw_sum,
            min(self.raw_min, other.raw_min),
            max(self.raw_max, other.raw_max),
            tuple(sorted(counts.items())),
        )

    def as_dict(self) -> dict[str, Any]:
        """``unit, count, sum, mean, min, p50, p95, p99, max``, ready for JSON."""
        return {
            "unit": self.unit, "count": self.count, "sum": self.sum, "mean": self.mean,
            "min": self.min, "p50": self.p50, "p95": self.p95, "p99": self.p99, "max": self.max,
        }  # fmt: skip

    def _scaled(self, raw: float) -> float:
        return raw / _NS_PER_SECOND if self.unit == "seconds" else raw


def _middle(number: int) -> float:
    """The value in the middle of a bucket."""
    if number < 1 << _EXACT_BITS:
        return number
    shift = (number >> SUBBUCKET_BITS) - 1
    first = (number - (shift << SUBBUCKET_BITS)) << shift
    return first + ((1 << shift) - 1) / 2
