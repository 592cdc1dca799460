"""Decoding times over flushes and switches: increasing, never late, whatever the times are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.encoding.decode_clock import DecodeClock
from videohw.errors import UnsupportedConfig


def reordered(times: list[int], delay: int) -> list[int]:
    """``times`` in an order of decoding that goes ``delay`` pictures ahead: in each group the
    last one, with a delay of 2 the middle one, then the others."""
    ordered = times[:1]
    for start in range(1, len(times), delay + 1):
        group = times[start : start + delay + 1]
        middle = group[len(group) // 2 : -1][: delay - 1] if delay else []
        ordered += [*group[-1:], *middle, *(time for time in group[:-1] if time not in middle)]
    return ordered


STREAMS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(1, 12), min_size=1, max_size=12)),
    min_size=1,
    max_size=5,
)


@given(streams=STREAMS, late=st.booleans())
def test_times_increase_and_are_never_late(
    streams: list[tuple[int, list[int]]], late: bool
) -> None:
    clock = DecodeClock(streams[0][0])
    pts, packets = 0, []
    for delay, steps in streams:
        times = []
        for step in steps:
            pts += step
            times.append(pts)
        try:
            clock.check_room(delay, times[0])
            clock.widen(delay, times[0])
        except UnsupportedConfig:
            delay = 0
        for time in times:
            clock.submitted(time, 1)
        # A library may also lose the last picture of a stream.
        coded = reordered(times[: len(times) - late], min(delay, clock.delay))
        packets += [(time, clock.next_dts()) for time in coded]
        clock.drained()
    assert all(dts <= time for time, dts in packets)
    assert all(a < b for (_, a), (_, b) in pairwise(packets))


@pytest.mark.parametrize(("gap", "room"), [(2, False), (3, True), (4, True)])
def test_two_pictures_of_reordering_need_a_gap_of_three(gap: int, room: bool) -> None:
    clock = DecodeClock(0)
    clock.submitted(10, 1)
    assert clock.next_dts() == 10
    if not room:
        with pytest.raises(UnsupportedConfig, match="no room") as refused:
            clock.check_room(2, 10 + gap)
        assert refused.value.argument == "b_frames"
        return
    clock.check_room(2, 10 + gap)
    clock.widen(2, 10 + gap)
    clock.submitted(10 + gap, 1)
    times = [clock.next_dts() for _ in range(3)]
    assert [10, *times] == sorted({10, *times})
    assert times[-1] == 10 + gap


def test_before_the_first_picture_there_is_all_the_room() -> None:
    clock = DecodeClock(0)
    clock.check_room(2, -5)
    clock.widen(2, -5)
    clock.submitted(-5, 1)
    assert [clock.next_dts() for _ in range(3)] == [-7, -6, -5]


def test_a_picture_without_a_packet_leaves_no_gap_behind() -> None:
    clock = DecodeClock(1)
    for pts in range(6):
        clock.submitted(pts, 1)
    assert [clock.next_dts() for _ in range(3)] == [-1, 0, 1]
    clock.dropped(4)
    # Three packets are owed, of 2, 3 and 5; the next stream is as late as this one.
    assert [clock.next_dts() for _ in range(2)] == [2, 3]
    for pts in (6, 7):
        clock.submitted(pts, 1)
    clock.dropped(1)  # its time was given away: the next one goes in its place
    assert clock.next_dts() == 6


def test_before_any_picture_nothing_is_dropped() -> None:
    clock = DecodeClock(2)
    clock.dropped(0)
    clock.submitted(0, 1)
    assert [clock.next_dts() for _ in range(3)] == [-2, -1, 0]


@pytest.mark.parametrize("delay", [0, 1])
def test_what_parameter_sets_say_comes_with_the_first_packet(delay: int) -> None:
    clock = DecodeClock(delay)
    for pts in (0, 10, 20):
        clock.submitted(pts, 10)
    clock.deepen(2)
    times = [clock.next_dts() for _ in range(3)]
    assert times == sorted(set(times))
    assert times[-1] == 0
    with pytest.raises(AssertionError):
        clock.deepen(3)


def test_a_wider_delay_keeps_what_is_owed() -> None:
    clock = DecodeClock(0)
    for pts in (0, 10, 20):
        clock.submitted(pts, 10)
    assert clock.next_dts() == 0
    clock.widen(2, 50)
    clock.submitted(50, 10)
    assert [clock.next_dts() for _ in range(5)] == [10, 20, 30, 40, 50]
