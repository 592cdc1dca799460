"""Outputs that another thread still works on: their place, their limits, their errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.api.test_session import PATIENCE_SECONDS, Fake, Open, items, opened, wait_for
from videohw.errors import BackendError, Backpressure, DeviceLost, InvalidBitstream, SessionClosed

__all__ = ["opened"]  # the fixture, by its name

Result = Future[object]


def futures(count: int) -> list[Result]:
    return [Future() for _ in range(count)]


def test_an_output_in_work_holds_back_those_behind_it(opened: Open) -> None:
    session = opened(Fake())
    first, second = futures(2)
    session.push(items(first, second, "last"))
    second.set_result("second")
    wait_for(lambda: session.depth[0] == 3)
    assert session.take(0) is None
    first.set_result("first")
    assert [session.take(0) for _ in range(4)] == ["first", "second", "last", None]
    assert session.taken == 3


def test_a_wait_ends_when_the_output_is_done(opened: Open) -> None:
    session = opened(Fake())
    (slow,) = futures(1)
    session.push(items(slow))
    wait_for(lambda: session.depth[0] == 1)
    timer = threading.Timer(0.05, slow.set_result, ["done"])
    timer.start()
    assert session.take(PATIENCE_SECONDS) == "done"
    timer.join()


def test_drain_waits_for_what_is_in_work_and_keeps_it_when_time_runs_out(opened: Open) -> None:
    session = opened(Fake())
    (slow,) = futures(1)
    session.push(items("ready", slow))
    with pytest.raises(TimeoutError):
        session.drain(0.05)
    slow.set_result("slow")
    assert session.drain(PATIENCE_SECONDS) == ["ready", "slow"]
    assert session.drain(PATIENCE_SECONDS) == []


def test_outputs_in_work_count_against_the_limit(opened: Open) -> None:
    session = opened(Fake(), ready=2)
    working = futures(5)
    session.push(items(*working))
    wait_for(lambda: session.depth[0] == 2)
    with pytest.raises(Backpressure) as caught:
        session.admit(0)
    assert (caught.value.depth, caught.value.limit) == (2, 2)
    for number, each in enumerate(working):
        each.set_result(number)
    assert session.drain(PATIENCE_SECONDS) == list(range(5))


def test_an_error_of_the_work_is_raised_in_its_place(opened: Open) -> None:
    session = opened(Fake())
    bad, strange, good = futures(3)
    session.push(items(bad, strange, good))
    bad.set_exception(InvalidBitstream("bad"))
    strange.set_exception(KeyError("strange"))
    good.set_result("good")
    with pytest.raises(InvalidBitstream, match="bad"):
        session.drain(PATIENCE_SECONDS)
    with pytest.raises(BackendError, match="KeyError"):
        session.drain(PATIENCE_SECONDS)
    assert session.drain(PATIENCE_SECONDS) == ["good"]


def test_a_fatal_error_of_the_work_ends_the_session(opened: Open) -> None:
    session = opened(Fake())
    (lost,) = futures(1)
    session.push(items(lost))
    lost.set_exception(DeviceLost("gone"))
    with pytest.raises(DeviceLost):
        session.take(PATIENCE_SECONDS)
    with pytest.raises(SessionClosed):
        session.push(items("more"))


def test_reset_forgets_what_is_in_work(opened: Open) -> None:
    session = opened(Fake())
    (slow,) = futures(1)
    session.push(items(slow))
    wait_for(lambda: session.depth[0] == 1)
    session.reset(PATIENCE_SECONDS)
    slow.set_result("late")
    session.push(items("new"))
    assert session.drain(PATIENCE_SECONDS) == ["new"]


def test_a_second_drain_waits_for_the_first(opened: Open) -> None:
    session = opened(Fake())
    (slow,) = futures(1)
    session.push(items("one", slow))
    results: list[list[object]] = []
    first = threading.Thread(target=lambda: results.append(session.drain(PATIENCE_SECONDS)))
    first.start()
    wait_for(lambda: session.taken == 1)  # the first one is at work
    with pytest.raises(TimeoutError, match="another thread"):
        session.drain(0.01)
    slow.set_result("two")
    first.join(PATIENCE_SECONDS)
    assert results == [["one", "two"]]
    assert session.drain(PATIENCE_SECONDS) == []


def test_a_take_that_passes_the_end_wakes_the_drain(opened: Open) -> None:
    session = opened(Fake())
    (slow,) = futures(1)
    session.push(items(slow))

    def draining() -> Iterator[object]:
        yield from session.draining()

    results: list[list[object]] = []
    thread = threading.Thread(target=lambda: results.append(list(draining())))
    thread.start()
    taker: list[object] = []
    other = threading.Thread(target=lambda: taker.append(session.take(1.0)))
    other.start()
    slow.set_result("only")
    thread.join(PATIENCE_SECONDS)
    other.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert sorted([*results[0], *[each for each in taker if each]]) == ["only"]  # type: ignore[type-var]
