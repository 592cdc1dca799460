"""When a session admits a call, and when it refuses: its two limits, and who waits for whom."""

from __future__ import annotations

import threading

import pytest

from tests.api.test_session import PATIENCE_SECONDS, Fake, Item, Open, items, opened, wait_for
from videohw.errors import Backpressure, InvalidBitstream

__all__ = ["opened"]  # the fixture, by its name


def test_the_limit_of_ready_results(opened: Open) -> None:
    session = opened(Fake(), ready=2)
    session.push(items(*range(10)))
    wait_for(lambda: session.depth[0] == 2)
    with pytest.raises(Backpressure, match="max_in_flight=2") as refused:
        session.admit()
    assert (refused.value.depth, refused.value.limit) == (2, 2)
    assert [session.take(PATIENCE_SECONDS) for _ in range(10)] == list(range(10))
    session.admit()


def test_the_limit_of_queued_bytes(opened: Open) -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate), queued_bytes=15)
    session.admit()
    session.push(items(1, 2))
    with pytest.raises(Backpressure, match="20 bytes of input are queued") as refused:
        session.admit()
    assert (refused.value.depth, refused.value.limit) == (20, 15)
    gate.set()
    session.admit(PATIENCE_SECONDS)
    assert session.depth[2] < 15


def test_errors_that_nobody_reaps_are_limited_too(opened: Open) -> None:
    session = opened(Fake(), ready=2)
    session.push([Item([], raises=InvalidBitstream(f"{n}")) for n in range(5)])
    wait_for(lambda: session.depth[0] == 2)
    with pytest.raises(Backpressure):
        session.admit()
    for n in range(5):
        with pytest.raises(InvalidBitstream, match=f"^{n}$"):
            session.take(PATIENCE_SECONDS)


def test_a_thread_does_not_wait_for_what_it_would_reap_itself(opened: Open) -> None:
    session = opened(Fake(), ready=1)
    session.push(items(1, 2, 3))
    assert session.take(PATIENCE_SECONDS) == 1
    wait_for(lambda: session.depth[0] == 1)
    with pytest.raises(Backpressure):
        session.admit(None)  # for ever, if it waited


def test_another_thread_waits_until_somebody_reaps(opened: Open) -> None:
    session = opened(Fake(), ready=1)
    session.push(items(1, 2))
    wait_for(lambda: session.depth[0] == 1)
    admitted = threading.Thread(target=session.admit, args=(PATIENCE_SECONDS,))
    admitted.start()
    assert session.drain(PATIENCE_SECONDS) == [1, 2]
    admitted.join(PATIENCE_SECONDS)
    assert not admitted.is_alive()


def test_who_reaped_all_there_was_is_not_refused_for_what_came_since(opened: Open) -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate), ready=1)
    session.push(items(1, 2))
    assert session.take(0) is None
    gate.set()
    wait_for(lambda: session.depth[0] == 1)
    session.admit(0)
    session.push(items(3))
    with pytest.raises(Backpressure):  # once for each time
        session.admit(0)
    assert session.drain(PATIENCE_SECONDS) == [1, 2, 3]


def test_queued_bytes_are_refused_all_the_same(opened: Open) -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate), queued_bytes=10)
    assert session.take(0) is None
    session.push(items(1, 2))
    with pytest.raises(Backpressure, match="bytes"):
        session.admit(0)
    gate.set()
