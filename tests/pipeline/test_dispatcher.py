"""Results in the order of submission, errors with their job, limits that hold, an end at last."""

from __future__ import annotations

import gc
import multiprocessing
import random
import sys
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.threads import PATIENCE_SECONDS, Call, Gate, all_of
from videohw.errors import Backpressure, InvalidInput, SessionClosed
from videohw.pipeline import KEEP_NATIVE, TransformDispatcher, WorkerPool


class Broken(Exception):
    """What a transform of these tests raises."""


def doubled(value: int) -> int:
    if value % 5 == 4:
        raise Broken(value)
    return 2 * value


@given(
    values=st.lists(st.integers(0, 50), max_size=30),
    workers=st.integers(1, 4),
    limit=st.integers(1, 6),
    kept=st.sets(st.integers(0, 30)),
)
def test_order_and_errors(values: list[int], workers: int, limit: int, kept: set[int]) -> None:
    with TransformDispatcher(doubled, workers=workers, max_in_flight=limit) as dispatcher:
        results = []
        for index, value in enumerate(values):
            transform = KEEP_NATIVE if index in kept else None
            while dispatcher.snapshot().in_flight == limit:
                with pytest.raises(Backpressure) as full:
                    dispatcher.submit(value)
                assert (full.value.depth, full.value.limit) == (limit, limit)
                results.append(dispatcher.reap_timeout(PATIENCE_SECONDS))
            job = dispatcher.submit(value, transform=transform)
            assert (job.id, job.item) == (index, value)
            assert dispatcher.snapshot().in_flight <= limit
        results += dispatcher.drain(PATIENCE_SECONDS)
        stats = dispatcher.snapshot()
    assert [result.job.id for result in results if result] == list(range(len(values)))
    for index, (result, value) in enumerate(zip(results, values, strict=True)):
        assert result is not None
        if index in kept:
            assert result.value is value
        elif value % 5 == 4:
            assert isinstance(result.error, Broken)
            assert result.error.args == (value,)
        else:
            assert (result.value, result.error, result.stale) == (2 * value, None, False)
    assert stats.peak <= stats.limit == limit
    assert stats.submitted == len(values) == stats.transformed + stats.kept + stats.failed


def test_keep_native_is_the_same_object_at_once_on_this_thread_and_makes_no_thread() -> None:
    threads = threading.active_count()
    frame = object()
    with TransformDispatcher[Any, Any](KEEP_NATIVE, max_in_flight=2) as dispatcher:
        references = sys.getrefcount(frame)
        for _ in range(100):
            dispatcher.submit(frame)
            result = dispatcher.try_reap()
            assert result is not None
            assert result.value is frame
        assert threading.active_count() == threads
        stats = dispatcher.snapshot()
        assert (stats.kept, stats.transformed) == (100, 0)
        del result
        assert sys.getrefcount(frame) == references


def test_keep_native_waits_behind_work_that_was_before_it() -> None:
    gate = Gate()
    with TransformDispatcher[Any, Any](gate) as dispatcher:
        dispatcher.submit("first")
        dispatcher.submit("second", transform=KEEP_NATIVE)
        gate.wait_entered()
        assert dispatcher.try_reap() is None
        gate.open()
        assert [r.value for r in dispatcher.drain(PATIENCE_SECONDS)] == ["first", "second"]
        assert gate.threads.isdisjoint({threading.get_ident()})


def test_a_slow_job_holds_back_the_ones_behind_it_and_no_more_are_taken_than_the_limit() -> None:
    gate = Gate()
    with TransformDispatcher[Any, Any](
        lambda value: gate(value) if value == 0 else value, workers=2, max_in_flight=3
    ) as dispatcher:
        for value in range(3):
            dispatcher.submit(value)
        gate.wait_entered()
        assert dispatcher.reap_timeout(0.05) is None
        with pytest.raises(Backpressure):
            dispatcher.submit(3, timeout=0.05)
        waiting = Call(lambda: dispatcher.submit(3, timeout=PATIENCE_SECONDS))
        with pytest.raises(TimeoutError):
            dispatcher.drain(0.05)
        gate.open()
        first = dispatcher.reap_timeout(PATIENCE_SECONDS)
        assert first is not None
        assert waiting.outcome().id == 3
        rest = dispatcher.drain(PATIENCE_SECONDS)
        assert [first.value, *(result.value for result in rest)] == [0, 1, 2, 3]


# Generations


def test_after_advance_older_results_are_stale_and_newer_ones_are_not() -> None:
    gate = Gate()
    ran = []

    def transform(value: str) -> str:
        ran.append(value)
        return str(gate(value))

    with TransformDispatcher(transform, max_in_flight=8) as dispatcher:
        dispatcher.submit("running")
        gate.wait_entered()
        dispatcher.submit("queued")
        dispatcher.submit("kept", transform=KEEP_NATIVE)
        dispatcher.submit("ahead", generation=7)
        assert dispatcher.advance(5) == dispatcher.generation == 5
        dispatcher.submit("current")
        old = [dispatcher.try_reap() for _ in range(3)]  # without waiting for the one that runs
        assert [result and (result.stale, result.value) for result in old] == [(True, None)] * 3
        gate.open()
        new = dispatcher.drain(PATIENCE_SECONDS)
        assert [(r.value, r.stale, r.job.generation) for r in new] == [
            ("ahead", False, 7), ("current", False, 5),
        ]  # fmt: skip
        assert ran == ["running", "ahead", "current"]
        stats = dispatcher.snapshot()
        assert (stats.stale, stats.transformed, stats.in_flight) == (3, 2, 0)
        with pytest.raises(InvalidInput, match="only grow"):
            dispatcher.advance(4)
        assert dispatcher.advance() == 6


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=25))
def test_exactly_the_older_generations_are_stale(steps: list[tuple[int, bool]]) -> None:
    with TransformDispatcher[int, int](KEEP_NATIVE, max_in_flight=100) as dispatcher:
        for generation, advances in steps:
            dispatcher.submit(generation, generation=generation)
            if advances and generation >= dispatcher.generation:
                dispatcher.advance(generation)
        for result in dispatcher.drain(0):
            assert result.stale == (result.job.generation < dispatcher.generation)


def test_drop_oldest_gives_the_place_back_and_makes_no_result() -> None:
    gate = Gate()
    with TransformDispatcher[int, int](gate, max_in_flight=4) as dispatcher:
        for value in range(4):
            dispatcher.submit(value)
        gate.wait_entered()
        dropped = [dispatcher.drop_oldest(lambda job: job.item % 2 == 0) for _ in range(3)]
        assert [job and job.item for job in dropped] == [0, 2, None]
        dispatcher.submit(4)
        gate.open()
        assert [r.value for r in dispatcher.drain(PATIENCE_SECONDS)] == [1, 3, 4]
        assert dispatcher.snapshot().dropped == 2


# The end


@pytest.mark.parametrize("state", ["idle", "working", "full", "done"])
def test_close_ends_every_wait_in_every_state(state: str) -> None:
    gate = Gate()
    dispatcher = TransformDispatcher[int, int](gate, workers=2, max_in_flight=4)
    if state != "idle":
        for value in range(4 if state in ("full", "done") else 1):
            dispatcher.submit(value)
        gate.wait_entered()
    calls = [Call(lambda: dispatcher.drain(None))] if state != "idle" else []
    if state == "done":
        gate.open()
        assert isinstance(calls.pop().outcome(), list)
    else:
        calls.append(Call(lambda: dispatcher.reap_timeout(None)))
    if state == "full":
        calls.append(Call(lambda: dispatcher.submit(9, timeout=None)))
    dispatcher.close(wait_seconds=0)
    gate.open()
    assert {type(call.outcome()) for call in calls} <= {SessionClosed}
    dispatcher.close()
    assert dispatcher.closed
    for again in (lambda: dispatcher.submit(1), dispatcher.try_reap, dispatcher.drain):
        with pytest.raises(SessionClosed):
            again()  # type: ignore[operator]


def test_close_does_not_wait_longer_than_it_is_told_for_a_transform_that_hangs() -> None:
    gate = Gate()
    dispatcher = TransformDispatcher[int, int](gate)
    dispatcher.submit(1)
    gate.wait_entered()
    closing = Call(lambda: dispatcher.close(wait_seconds=0.05))
    assert closing.outcome() is None  # while the transform is still inside
    gate.open()


def test_a_transform_may_close_its_own_dispatcher() -> None:
    dispatcher: TransformDispatcher[int, None] = TransformDispatcher(lambda _: dispatcher.close())
    dispatcher.submit(1)
    with pytest.raises(SessionClosed):
        dispatcher.reap_timeout(PATIENCE_SECONDS)
    dispatcher.close()


@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_forgetting_it_ends_the_threads() -> None:
    before = set(threading.enumerate())
    gate = Gate()
    dispatcher = TransformDispatcher[int, int](gate, workers=3, max_in_flight=8)
    for value in range(8):
        dispatcher.submit(value)
    for _ in range(3):
        gate.wait_entered()
    mine = set(threading.enumerate()) - before
    assert len(mine) == 3
    del dispatcher
    gc.collect()
    gate.open()
    for thread in mine:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_forgetting_it_is_told() -> None:
    dispatcher = TransformDispatcher[int, int](doubled)
    dispatcher.submit(1)
    with pytest.warns(ResourceWarning, match="was not closed"):
        del dispatcher


def test_results_keep_no_frame_alive_once_they_are_taken() -> None:
    class Frame:
        pass

    gone = threading.Event()
    frame = Frame()
    weakref.finalize(frame, gone.set)
    with TransformDispatcher[Any, Any](lambda value: None) as dispatcher:
        dispatcher.submit(frame)
        assert dispatcher.reap_timeout(PATIENCE_SECONDS) is not None
        del frame
        gc.collect()
        assert gone.wait(PATIENCE_SECONDS)


# Many threads, shared pools, forks


def test_eight_threads_lose_nothing() -> None:
    each, got, lock = 200, [], threading.Lock()
    with TransformDispatcher[tuple[int, int], tuple[int, int]](
        lambda item: item, workers=3, max_in_flight=5
    ) as dispatcher:

        def submit(who: int) -> None:
            for number in range(each):
                dispatcher.submit((who, number), timeout=PATIENCE_SECONDS)

        def reap() -> None:
            while True:
                try:
                    result = dispatcher.reap_timeout(PATIENCE_SECONDS)
                except SessionClosed:
                    return
                with lock:
                    got.append(result)
                    if len(got) == 4 * each:
                        done.set()

        done = threading.Event()
        reapers = [Call(reap) for _ in range(4)]
        assert all_of([lambda who=who: submit(who) for who in range(4)]) == [None] * 4  # type: ignore[misc]
        assert done.wait(PATIENCE_SECONDS)
    assert [call.outcome() for call in reapers] == [None] * 4
    assert {r.job.id for r in got if r} == set(range(4 * each))
    assert sorted(r.value for r in got if r) == [(w, n) for w in range(4) for n in range(each)]


def test_streams_that_share_a_pool_take_turns() -> None:
    """A busy stream's queue does not stand before a quiet one's only job."""
    gate, order = Gate(), []

    def transform(value: str) -> None:
        order.append(value)
        gate(value)

    with_pool = WorkerPool(1)
    busy = TransformDispatcher(transform, workers=with_pool, max_in_flight=20)
    quiet = TransformDispatcher(transform, workers=with_pool, max_in_flight=20)
    for number in range(10):
        busy.submit(f"busy {number}")
    gate.wait_entered()
    quiet.submit("quiet 0")
    quiet.submit("quiet 1")
    gate.open()
    assert len(quiet.drain(PATIENCE_SECONDS)) == 2
    assert order.index("quiet 0") <= 2
    assert order.index("quiet 1") <= 4
    quiet.close()
    assert len(busy.drain(PATIENCE_SECONDS)) == 10  # closing one leaves the other's pool alone
    busy.submit("late")
    with_pool.close()
    late = busy.reap_timeout(PATIENCE_SECONDS)
    assert late is not None
    assert late.error is None or isinstance(late.error, SessionClosed)
    with pytest.raises(SessionClosed):
        busy.submit("later")
    busy.close()


def _in_child(dispatcher: TransformDispatcher[int, int], answers: Any) -> None:
    try:
        dispatcher.drain(PATIENCE_SECONDS)
    except SessionClosed as error:
        answers.put(str(error))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork with threads is what is tested
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system has no fork")
def test_a_forked_child_is_told_at_once() -> None:
    context = multiprocessing.get_context("fork")
    gate = Gate()
    with TransformDispatcher[int, int](gate) as dispatcher:
        dispatcher.submit(1)
        gate.wait_entered()
        answers = context.Queue()
        child = context.Process(target=_in_child, args=(dispatcher, answers))
        child.start()
        assert "parent" in answers.get(timeout=PATIENCE_SECONDS)
        child.join(PATIENCE_SECONDS)
        answers.close()
        answers.join_thread()
        gate.open()
        assert [result.value for result in dispatcher.drain(PATIENCE_SECONDS)] == [1]


def test_wrong_arguments_are_named() -> None:
    cases: list[tuple[str, Any]] = [
        ("transform", {"transform": 3}), ("workers", {"workers": 0}),
        ("max_in_flight", {"max_in_flight": 0}),
    ]  # fmt: skip
    for argument, given_ in cases:
        with pytest.raises(InvalidInput) as refused:
            TransformDispatcher(**given_)
        assert refused.value.argument == argument
    with TransformDispatcher[int, int](KEEP_NATIVE) as dispatcher:
        for call in (
            lambda: dispatcher.submit(1, generation=-1),
            lambda: dispatcher.submit(1, timeout=-1),
            lambda: dispatcher.submit(1, transform=5),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidInput):
                call()
        assert dispatcher.snapshot().in_flight == 0


def test_a_stalled_worker_is_no_limit_for_the_others() -> None:
    """With random durations the results are in order all the same."""
    rng = random.Random(3)
    barrier = threading.Barrier(2)

    def transform(value: int) -> int:
        if value in (0, 1):  # these two meet, so that both workers are at work at once
            barrier.wait(PATIENCE_SECONDS)
        return value

    with TransformDispatcher(transform, workers=2, max_in_flight=16) as dispatcher:
        values = [0, 1, *(rng.randrange(2, 100) for _ in range(14))]
        for value in values:
            dispatcher.submit(value)
        assert [result.value for result in dispatcher.drain(PATIENCE_SECONDS)] == values
