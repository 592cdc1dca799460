"""The account of a pipeline, its order, its drops and its generations."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.stages import Broken, Shot, Sink, adds_up
from tests.pipeline.threads import PATIENCE_SECONDS, Gate, all_of
from videohw.errors import Backpressure, InvalidInput
from videohw.pipeline import PipelineEvent, PipelineScheduler, WorkerPool


@given(
    count=st.integers(0, 30),
    workers=st.integers(1, 3),
    capacity=st.integers(1, 5),
    bad_transform=st.sets(st.integers(0, 30)),
    bad_sink=st.sets(st.integers(0, 30)),
)
def test_every_frame_is_delivered_in_order_or_told(
    count: int, workers: int, capacity: int, bad_transform: set[int], bad_sink: set[int]
) -> None:
    seen: list[Any] = []

    def transform(number: int) -> int:
        if number in bad_transform:
            raise Broken("transform", number)
        return 10 * number

    def sink(value: int) -> None:
        if value // 10 in bad_sink:
            raise Broken("sink", value // 10)
        seen.append(value // 10)

    def told(event: PipelineEvent) -> None:
        assert isinstance(event.error, Broken)
        assert event.error.args == (event.reason, event.frame)
        seen.append(event.frame)

    with PipelineScheduler(
        sink, transform, workers=workers, capacity=capacity, on_event=told
    ) as pipeline:
        pipeline.pump(range(count))
        pipeline.drain(PATIENCE_SECONDS)
        stats = pipeline.snapshot()
    assert seen == list(range(count))  # deliveries and errors, all in one order
    assert adds_up(stats)
    assert (stats.submitted, stats.in_flight) == (count, 0)
    assert stats.reasons.get("transform", 0) == len(bad_transform & set(range(count)))
    assert stats.peak <= capacity


def test_frames_are_handed_on_as_they_are_without_a_transform() -> None:
    frames, got = [object() for _ in range(5)], []
    threads = threading.active_count()
    with PipelineScheduler(got.append) as pipeline:
        pipeline.pump(frames)
        assert threading.active_count() == threads + 1  # its own, and no worker
    assert all(a is b for a, b in zip(frames, got, strict=True))


def test_transform_and_sink_are_at_work_at_the_same_time() -> None:
    """The sink holds the first frame while the next is transformed, and a third is submitted."""
    sink, transform = Gate(), Gate()
    transform.open()
    with PipelineScheduler(sink, transform, capacity=3) as pipeline:
        pipeline.submit(1)
        sink.wait_entered()
        pipeline.submit(2)
        transform.wait_entered()
        transform.wait_entered()
        pipeline.submit(3)
        assert (pipeline.snapshot().in_flight, pipeline.snapshot().delivered) == (3, 0)
        with pytest.raises(Backpressure) as full:
            pipeline.submit(4)
        assert (full.value.depth, full.value.limit) == (3, 3)
        sink.open()
    assert pipeline.snapshot().delivered == 3


# Drops


def test_never_means_never() -> None:
    sink = Sink(room=2)
    with PipelineScheduler(sink, capacity=4) as pipeline:
        taken = 0
        while True:
            try:
                pipeline.submit(taken, timeout=0 if taken < 4 else PATIENCE_SECONDS / 100)
            except Backpressure:
                break
            taken += 1
            if taken == 2:
                sink.wait_for(2)
        assert taken == 6  # two in the sink, four in flight
        sink.make_room(100)
    assert sink.got == list(range(6))
    assert pipeline.snapshot().reasons == {}


@given(keys=st.lists(st.booleans(), min_size=1, max_size=40), capacity=st.integers(1, 5))
def test_the_policy_drops_the_oldest_that_is_no_keyframe(keys: list[bool], capacity: int) -> None:
    """Against a model: nothing leaves, since the sink holds its first frame all the while."""
    sink, events = Gate(), []
    pipeline = PipelineScheduler(
        sink, capacity=capacity, drop_policy="oldest_non_key", on_event=events.append
    )
    pipeline.submit(Shot(-1, keyframe=True))
    sink.wait_entered()  # it has a place of the capacity, and cannot be dropped any more
    model: list[Shot] = []
    dropped: list[Shot] = []
    for number, key in enumerate(keys):
        shot = Shot(number, key)
        waiting = [old for old in model if not old.keyframe]
        if len(model) < capacity - 1:
            model.append(shot)
        elif waiting:
            model.remove(waiting[0])
            model.append(shot)
            dropped.append(waiting[0])
        elif key:
            with pytest.raises(Backpressure):
                pipeline.submit(shot)
            continue
        else:
            dropped.append(shot)
        pipeline.submit(shot)
    assert [event.frame for event in events] == dropped
    assert {event.reason for event in events} <= {"behind"}
    assert not any(shot.keyframe for shot in dropped)
    assert adds_up(pipeline.snapshot())
    sink.open()
    pipeline.drain(PATIENCE_SECONDS)
    stats = pipeline.snapshot()
    pipeline.abort()
    assert stats.reasons == ({"behind": len(dropped)} if dropped else {})
    assert stats.delivered == 1 + len(model)


# Generations


def test_stale_frames_are_told_in_order_and_newer_ones_are_delivered() -> None:
    sink, events = Sink(room=1), []
    three_told = threading.Event()

    def told(event: PipelineEvent) -> None:
        events.append(event)
        if len(events) == 3:
            three_told.set()

    with PipelineScheduler(sink, capacity=8, on_event=told) as pipeline:
        for number in range(4):
            pipeline.submit(number)
        sink.wait_for(1)
        pipeline.submit("ahead", generation=9)
        assert pipeline.advance(3) == pipeline.generation == 3
        pipeline.submit("late", generation=2)
        pipeline.submit("now")
        assert three_told.wait(PATIENCE_SECONDS)  # without a place in the sink for any
        sink.make_room(100)
        pipeline.drain(PATIENCE_SECONDS)
        stats = pipeline.snapshot()
    assert sink.got == [0, "ahead", "now"]
    assert [(event.reason, event.frame, event.generation) for event in events] == [
        ("stale", 1, 0), ("stale", 2, 0), ("stale", 3, 0), ("stale", "late", 2),
    ]  # fmt: skip
    assert (stats.delivered, stats.reasons, stats.generation) == (3, {"stale": 4}, 3)


def test_a_frame_that_a_full_sink_refuses_becomes_stale_too() -> None:
    sink = Sink(room=0)
    with PipelineScheduler(sink) as pipeline:
        pipeline.submit("old")
        pipeline.advance()
        pipeline.drain(PATIENCE_SECONDS)
        assert pipeline.snapshot().reasons == {"stale": 1}
    assert sink.got == []


# Many threads and streams


def test_eight_threads_lose_nothing() -> None:
    each, got, events = 100, [], []
    with PipelineScheduler(
        got.append, fails_seldom, workers=3, capacity=5, on_event=events.append
    ) as pipeline:

        def submit(who: int) -> None:
            for number in range(each):
                pipeline.submit((who, number), timeout=PATIENCE_SECONDS)

        assert all_of([lambda who=who: submit(who) for who in range(8)]) == [None] * 8  # type: ignore[misc]
        pipeline.drain(PATIENCE_SECONDS)
        stats = pipeline.snapshot()
    assert len(got) + len(events) == 8 * each == stats.submitted
    for who in range(8):  # each thread's frames in its order
        numbers = [number for owner, number in got if owner == who]
        assert numbers == sorted(numbers)
    assert Counter(got) == Counter(set(got))
    assert stats.reasons == {"transform": len(events)}
    assert stats.peak <= 5


def fails_seldom(value: Any) -> Any:
    if value[1] % 10 == 9:
        raise Broken(value)
    return value


def test_streams_that_share_workers_do_not_wait_for_each_others_sinks() -> None:
    pool = WorkerPool(1)
    stuck, free = Sink(room=0), Sink()
    one = PipelineScheduler(stuck, lambda value: value, workers=pool, capacity=8)
    two = PipelineScheduler(free, lambda value: value, workers=pool, capacity=8)
    one.pump(range(8))
    two.pump(range(50))
    two.drain(PATIENCE_SECONDS)
    assert free.got == list(range(50))
    assert stuck.got == []
    for pipeline in (one, two):
        pipeline.abort()
    pool.close()


def test_wrong_arguments_are_named() -> None:
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("sink", (3,), {}), ("transform", (print, 3), {}), ("workers", (print,), {"workers": 0}),
        ("capacity", (print,), {"capacity": 0}), ("on_event", (print,), {"on_event": 3}),
        ("drop_policy", (print,), {"drop_policy": "always"}),
    ]  # fmt: skip
    for argument, positional, named in cases:
        with pytest.raises(InvalidInput) as refused:
            PipelineScheduler(*positional, **named)
        assert refused.value.argument == argument
    with PipelineScheduler(print) as pipeline:
        for wrong in ({"timeout": -1}, {"generation": "x"}, {"keyframe": 3}):
            with pytest.raises(InvalidInput):
                pipeline.submit(1, **wrong)
