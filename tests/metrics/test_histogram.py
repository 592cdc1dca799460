"""Histograms against the exact answers, and what their snapshots promise."""

from __future__ import annotations

import math
import pickle
import threading
from dataclasses import FrozenInstanceError
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.errors import InvalidInput
from videohw.metrics import RELATIVE_ERROR, Distribution, Histogram
from videohw.metrics.histogram import LARGEST

sizes = st.one_of(
    st.integers(0, 300),
    st.integers(0, LARGEST),
    st.integers(0, 50).map(lambda bits: (1 << bits) - 1),
    st.integers(0, 49).map(lambda bits: 1 << bits),
)
values_of_any_size = st.lists(sizes, max_size=200)


def of(values: list[int]) -> Distribution:
    histogram = Histogram("items")
    histogram.extend(values)
    return histogram.snapshot()


def nearest_rank(values: list[int], fraction: float) -> int:
    return sorted(values)[max(math.ceil(fraction * len(values)), 1) - 1]


@given(values_of_any_size.filter(len), st.sampled_from([0, 0.01, 0.5, 0.95, 0.99, 1]))
def test_quantiles_are_within_the_stated_error_of_the_exact_ones(
    values: list[int], fraction: float
) -> None:
    exact = nearest_rank(values, fraction)
    found = of(values).quantile(fraction)
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR
    assert min(values) <= found <= max(values)


@given(values_of_any_size.filter(len))
def test_count_sum_mean_and_extremes_are_exact(values: list[int]) -> None:
    seen = of(values)
    assert (seen.count, seen.sum) == (len(values), sum(values))
    assert (seen.min, seen.max) == (min(values), max(values))
    assert seen.mean == sum(values) / len(values)


@given(st.lists(st.integers(0, 127), min_size=1))
def test_small_values_have_a_bucket_each(values: list[int]) -> None:
    seen = of(values)
    assert dict(seen.buckets) == {value: values.count(value) for value in values}
    assert seen.p50 == nearest_rank(values, 0.5)


def test_every_value_has_one_bucket_and_buckets_are_in_order() -> None:
    """Around every power of two, where a wrong shift would show."""
    values = sorted({(1 << bits) + step for bits in range(50) for step in (-1, 0, 1)})
    numbers = [of([value]).buckets[0][0] for value in values]
    assert numbers == sorted(numbers)
    for value in values:
        assert of([value]).p50 == value  # clamped to the only value seen


@given(st.lists(values_of_any_size, max_size=4))
def test_merging_is_recording_all_in_one(parts: list[list[int]]) -> None:
    merged = Distribution("items")
    for part in parts:
        merged = merged.merged(of(part))
    assert merged == of(list(chain.from_iterable(parts)))


def test_units_do_not_mix() -> None:
    with pytest.raises(InvalidInput, match="seconds do not merge into bytes"):
        Distribution("bytes").merged(Distribution("seconds"))


@given(st.lists(st.integers(1, 10**12), min_size=1))
def test_seconds_are_recorded_in_nanoseconds(values: list[int]) -> None:
    histogram = Histogram("seconds")
    histogram.extend(values)
    seen = histogram.snapshot()
    assert seen.sum == sum(values) / 1e9
    assert seen.max == max(values) / 1e9
    assert seen.p50 == pytest.approx(nearest_rank(values, 0.5) / 1e9, rel=RELATIVE_ERROR)


def test_nothing_recorded_is_none_not_zero() -> None:
    seen = Histogram("seconds").snapshot()
    assert (seen.count, seen.sum) == (0, 0)
    assert {seen.mean, seen.min, seen.p50, seen.p95, seen.p99, seen.max} == {None}


def test_values_out_of_range_count_as_the_nearest() -> None:
    seen = of([-5, LARGEST + 7])
    assert (seen.min, seen.max, seen.count) == (0, LARGEST, 2)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_a_fraction_is_0_to_1(fraction: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        of([1]).quantile(fraction)
    assert caught.value.argument == "fraction"


def test_a_snapshot_does_not_change() -> None:
    histogram = Histogram("items")
    histogram.record(3)
    before = histogram.snapshot()
    histogram.record(4)
    assert (before.count, histogram.snapshot().count) == (1, 2)
    with pytest.raises(FrozenInstanceError):
        before.count = 7  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(before)) == before


def test_threads_lose_no_value() -> None:
    """Recording and reading at once, over many batches."""
    histogram = Histogram("items")
    each, threads = 10_000, 4
    begin = threading.Barrier(threads + 1)

    def record() -> None:
        begin.wait()
        for value in range(each):
            histogram.record(value)

    workers = [threading.Thread(target=record) for _ in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    seen = [histogram.snapshot().count for _ in range(50)]
    for worker in workers:
        worker.join()
    assert seen == sorted(seen)
    final = histogram.snapshot()
    assert (final.count, final.sum) == (threads * each, threads * sum(range(each)))


def test_buckets_do_not_grow_with_the_number_of_values() -> None:
    histogram = Histogram("seconds")
    histogram.extend(range(0, 10_000_000, 500))
    assert len(histogram.snapshot().buckets) <= 128 + 64 * 17


def test_a_sum_beyond_64_bits_is_exact() -> None:
    histogram = Histogram("items")
    histogram.extend([LARGEST] * 20_000)
    assert histogram.snapshot().sum == 20_000 * LARGEST


@pytest.mark.parametrize("wrong", [1 << 63, "1", None])
def test_a_value_is_a_number_of_64_bits(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        Histogram("items").record(wrong)
    assert caught.value.argument == "value"


def test_a_unit_is_one_of_three() -> None:
    with pytest.raises(InvalidInput) as caught:
        Histogram("ms")  # type: ignore[arg-type]
    assert caught.value.argument == "unit"
