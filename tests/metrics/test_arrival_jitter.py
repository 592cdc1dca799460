"""Arrival jitter: each definition of it on arrivals whose answer is known."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videohw.metrics.recording import ArrivalJitter

MS = 1_000_000


def jitter(arrivals: list[tuple[int, int | None]], time_base: Fraction | None) -> list[float]:
    """In ms, in rising order, of pictures as (arrival in ms, pts)."""
    measured = ArrivalJitter(time_base)
    for now, pts in arrivals:
        measured.arrived(now * MS, pts)
    seen = measured.histogram.snapshot()
    assert seen.count <= 128
    return sorted(round(seen.quantile((rank + 1) / seen.count) or 0, 3) * 1000
                  for rank in range(seen.count))  # fmt: skip


MILLISECONDS = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("arrivals", "time_base", "expected"),
    [
        pytest.param([(0, 0), (40, 40), (80, 80)], MILLISECONDS, [0, 0], id="steady"),
        pytest.param([(0, 0), (50, 40), (80, 80)], MILLISECONDS, [10, 10], id="one late"),
        pytest.param([(0, 0), (40, 40), (120, 120)], MILLISECONDS, [0, 0], id="uneven source"),
        pytest.param([(0, None), (40, None), (80, None)], None, [0], id="steady, no times"),
        pytest.param([(0, None), (40, None), (90, None)], None, [10], id="late, no times"),
        pytest.param([(0, 0), (40, 9), (80, 18)], None, [0], id="no time base"),
        pytest.param(
            [(0, 0), (40, 120), (80, 40), (120, 80), (160, 240), (200, 160)],
            MILLISECONDS, [0, 0, 0, 0, 80], id="B-pictures: the first step misleads, no other",
        ),
        pytest.param([(0, 0)], MILLISECONDS, [], id="one alone"),
    ],
)  # fmt: skip
def test_arrival_jitter(
    arrivals: list[tuple[int, int | None]], time_base: Fraction | None, expected: list[int]
) -> None:
    assert jitter(arrivals, time_base) == expected
