"""Pictures in decoding order, results in any, output in the order of presentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.apple.presentation import OutputOrder


def taken(order: OutputOrder[str]) -> list[int]:
    found = []
    while order.is_ready:
        serial, result = order.pop()
        assert result == f"result {serial}"
        found.append(serial)
    return found


def test_a_picture_waits_for_as_many_as_may_come_before_it() -> None:
    order: OutputOrder[str] = OutputOrder()
    shown = []
    for serial, count in enumerate([0, 4, 2, 8, 6]):
        order.add(serial, 0, count, 1)
        order.put(serial, f"result {serial}")
        shown.append(taken(order))
    assert shown == [[], [0], [2], [1], [4]]
    order.end()
    assert taken(order) == [3]


def test_a_new_sequence_ends_the_one_before() -> None:
    order: OutputOrder[str] = OutputOrder()
    for serial, (sequence, count) in enumerate([(0, 8), (0, 4), (1, 0), (1, -2)]):
        order.add(serial, sequence, count, 16)
        order.put(serial, f"result {serial}")
    assert taken(order) == [1, 0]
    order.end()
    assert taken(order) == [3, 2]


def test_nothing_overtakes_a_picture_without_a_result() -> None:
    order: OutputOrder[str] = OutputOrder()
    for serial in range(3):
        order.add(serial, 0, serial, 0)
    for serial in (2, 1):
        order.put(serial, f"result {serial}")
        assert taken(order) == []
    order.put(0, "result 0")
    assert taken(order) == [0, 1, 2]
    order.add(3, 0, 3, 0)
    order.clear()
    order.put(3, "result 3")
    assert taken(order) == []


@given(
    counts=st.permutations(range(8)), results=st.permutations(range(8)), reorder=st.integers(7, 9)
)
def test_any_order_of_results(counts: list[int], results: list[int], reorder: int) -> None:
    order: OutputOrder[str] = OutputOrder()
    for serial, count in enumerate(counts):
        order.add(serial, 0, count, reorder)
    order.end()
    shown = []
    for serial in results:
        order.put(serial, f"result {serial}")
        shown += taken(order)
    assert [counts[serial] for serial in shown] == list(range(8))


def test_a_result_that_is_taken_too_early_is_an_error() -> None:
    with pytest.raises(IndexError):
        OutputOrder[str]().pop()
