"""The queue holds what it was given in order, and its depth and peak are exact."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.pipeline.threads import PATIENCE_SECONDS, Call, all_of
from videohw.errors import Backpressure, InvalidInput, SessionClosed
from videohw.pipeline import BoundedQueue, QueueStats


class AgainstModel(RuleBasedStateMachine):
    """Any calls on one thread do what they do to a deque with a limit."""

    @initialize(capacity=st.integers(1, 5))
    def open(self, capacity: int) -> None:
        self.queue: BoundedQueue[int] = BoundedQueue(capacity)
        self.model: deque[int] = deque()
        self.capacity, self.peak, self.closed = capacity, 0, False

    @rule(item=st.integers(), waits=st.booleans())
    def put(self, item: int, waits: bool) -> None:
        full = len(self.model) == self.capacity
        if self.closed:
            with pytest.raises(SessionClosed):
                self.queue.put(item, 0) if waits else self.queue.try_put(item)
        elif full and waits:
            with pytest.raises(Backpressure) as refused:
                self.queue.put(item, 0)
            assert (refused.value.depth, refused.value.limit) == (self.capacity, self.capacity)
        else:
            assert (self.queue.put(item, 0) is None) if waits else self.queue.try_put(item) != full
            if not full:
                self.model.append(item)
                self.peak = max(self.peak, len(self.model))

    @rule(waits=st.booleans())
    def get(self, waits: bool) -> None:
        if self.closed and not self.model:
            with pytest.raises(SessionClosed):
                self.queue.get(0) if waits else self.queue.try_get()
            return
        item = self.queue.get(0) if waits else self.queue.try_get()
        assert item == (self.model.popleft() if self.model else None)

    @rule()
    def reset_peak(self) -> None:
        assert self.queue.reset_peak() == self.peak
        self.peak = len(self.model)

    @rule()
    def close(self) -> None:
        self.queue.close()
        self.closed = True

    @invariant()
    def counts_are_exact(self) -> None:
        if hasattr(self, "queue"):
            assert self.queue.snapshot() == QueueStats(len(self.model), self.peak, self.capacity)
            assert (self.queue.depth, self.queue.peak) == (len(self.model), self.peak)
            assert (self.queue.capacity, self.queue.closed) == (self.capacity, self.closed)


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(stateful_step_count=20)


def test_eight_threads_lose_nothing_and_the_depth_does_not_drift() -> None:
    queue: BoundedQueue[tuple[int, int]] = BoundedQueue(3)
    each, seen, lock = 500, [], threading.Lock()

    def produce(who: int) -> None:
        for number in range(each):
            queue.put((who, number), PATIENCE_SECONDS)

    def consume() -> None:
        while True:
            try:
                item = queue.get(PATIENCE_SECONDS)
            except SessionClosed:
                return
            with lock:
                seen.append(item)

    consumers = [Call(consume) for _ in range(4)]
    assert all_of([lambda who=who: produce(who) for who in range(4)]) == [None] * 4  # type: ignore[misc]
    queue.close()
    assert [call.outcome() for call in consumers] == [None] * 4
    assert sorted(seen) == [(who, number) for who in range(4) for number in range(each)]
    assert queue.depth == 0
    assert 1 <= queue.peak <= 3


def test_one_producer_and_one_consumer_keep_the_order() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2)
    got = Call(lambda: [queue.get(PATIENCE_SECONDS) for _ in range(1000)])
    for number in range(1000):
        queue.put(number, PATIENCE_SECONDS)
    assert got.outcome() == list(range(1000))


@pytest.mark.parametrize("waits", [None, PATIENCE_SECONDS])
def test_close_wakes_everybody(waits: float | None) -> None:
    empty: BoundedQueue[int] = BoundedQueue(1)
    full: BoundedQueue[int] = BoundedQueue(1)
    full.put(1)
    calls: list[Any] = [Call(lambda: empty.get(waits)) for _ in range(3)]
    calls += [Call(lambda: full.put(2, waits)) for _ in range(3)]
    empty.close()
    full.close()
    assert {type(call.outcome()) for call in calls} == {SessionClosed}
    assert full.get() == 1  # what was inside may still be taken
    with pytest.raises(SessionClosed):
        full.get()


def test_wrong_arguments_are_named() -> None:
    for capacity in (0, -1, 1.5, True):
        with pytest.raises(InvalidInput) as refused:
            BoundedQueue(capacity)  # type: ignore[arg-type]
        assert refused.value.argument == "capacity"
    queue: BoundedQueue[Any] = BoundedQueue(1)
    for call in (lambda: queue.put(None), lambda: queue.try_put(None), lambda: queue.put(1, -1)):
        with pytest.raises(InvalidInput):
            call()
    assert queue.depth == 0
