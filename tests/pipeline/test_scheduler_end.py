"""Errors in their place, which of them stop a pipeline, and its end in every state."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from tests.pipeline.stages import Broken, Sink, adds_up
from tests.pipeline.threads import PATIENCE_SECONDS, Call, Gate
from videohw.errors import DeviceLost, InvalidBitstream, SessionClosed
from videohw.pipeline import KEEP_NATIVE, PipelineScheduler

# Errors


class Session:
    """Frames and errors, as a decoder's iteration gives them: an error ends one iterator."""

    def __init__(self, outputs: list[Any]) -> None:
        self._outputs = iter(outputs)

    def try_reap(self) -> None: ...

    def __iter__(self) -> Any:
        for output in self._outputs:
            if isinstance(output, Exception):
                raise output
            yield output


def test_errors_of_the_source_take_their_place_and_the_session_goes_on() -> None:
    seen: list[Any] = []
    error = InvalidBitstream("bad picture")
    with PipelineScheduler(
        seen.append, lambda value: value, on_event=lambda event: seen.append(event.error)
    ) as pipeline:
        pipeline.pump(Session([0, 1, error, 2]))
        pipeline.drain(PATIENCE_SECONDS)
        stats = pipeline.snapshot()
    assert seen == [0, 1, error, 2]
    assert (stats.submitted, stats.delivered, stats.source_errors) == (3, 3, 1)


def test_an_iterator_that_raised_is_at_its_end() -> None:
    def frames() -> Any:
        yield 1
        raise InvalidBitstream("bad")

    seen: list[Any] = []
    with PipelineScheduler(seen.append, on_event=lambda event: seen.append("error")) as pipeline:
        pipeline.pump(frames())
    assert seen == [1, "error"]


def fails(value: Any) -> Any:
    if value == 2:
        raise Broken(value)
    return value


@pytest.mark.parametrize("stage", ["transform", "sink", "source", "on_event"])
def test_an_error_that_is_final_stops_the_pipeline_and_is_raised(stage: str) -> None:
    """A fatal one; or one that nobody hears; or the listener's own."""
    got: list[Any] = []
    arguments: dict[str, Any] = {}
    sink: Any = got.append
    if stage == "transform":
        arguments = {"transform": fails}
    elif stage == "sink":
        sink = lambda value: got.append(fails(value))  # noqa: E731
    elif stage == "source":
        arguments = {"on_event": lambda event: None}
    else:
        arguments = {"transform": fails, "on_event": lambda event: fails(2)}
    pipeline = PipelineScheduler(sink, capacity=10, **arguments)
    expected = DeviceLost if stage == "source" else Broken
    source = Session([0, 1, DeviceLost("gone"), 3]) if stage == "source" else range(6)

    def run() -> None:
        pipeline.pump(source)
        pipeline.drain(PATIENCE_SECONDS)

    with pytest.raises(expected):
        run()
    for call in (lambda: pipeline.submit(9), lambda: pipeline.drain(0)):
        with pytest.raises(expected):
            call()
    pipeline.abort()
    stats = pipeline.snapshot()
    assert got == [0, 1]
    assert adds_up(stats)
    assert (stats.delivered, stats.in_flight) == (2, 0)


def test_only_errors_that_say_so_are_fatal() -> None:
    got, events = [], []
    with PipelineScheduler(got.append, fails, on_event=events.append) as pipeline:
        pipeline.pump(range(5))
    assert got == [0, 1, 3, 4]
    assert [(event.frame, event.reason) for event in events] == [(2, "transform")]


# The end


@pytest.mark.parametrize("held", ["sink", "transform", "full sink", "nothing"])
def test_abort_ends_every_wait_and_counts_what_was_under_way(held: str) -> None:
    gate = Gate()
    sink: Any = {"sink": gate, "full sink": Sink(room=0)}.get(held, Sink())
    pipeline = PipelineScheduler(
        sink, gate if held == "transform" else KEEP_NATIVE, workers=2, capacity=4
    )
    calls = []
    if held != "nothing":
        for number in range(4):
            pipeline.submit(number)
        if held != "full sink":
            gate.wait_entered()
        calls = [
            Call(lambda: pipeline.submit(9, timeout=None)),
            Call(lambda: pipeline.pump(range(3))),
            Call(lambda: pipeline.drain(None)),
        ]
    pipeline.abort(wait_seconds=0)
    assert {type(call.outcome()) for call in calls} <= {SessionClosed}
    assert all(call.outcome() is not None for call in calls)
    gate.open()
    pipeline.abort()
    stats = pipeline.snapshot()
    assert pipeline.closed
    assert adds_up(stats)
    assert stats.in_flight == 0
    delivered = 1 if held == "sink" else 0  # the call that was under way came back
    assert (stats.delivered, stats.submitted) == (delivered, 0 if held == "nothing" else 4)
    with pytest.raises(SessionClosed):
        pipeline.submit(1)


def test_drain_that_runs_out_loses_nothing() -> None:
    sink = Sink(room=0)
    with PipelineScheduler(sink) as pipeline:
        pipeline.pump(range(3))
        with pytest.raises(TimeoutError):
            pipeline.drain(0.02)
        sink.make_room(9)
        pipeline.drain(PATIENCE_SECONDS)
        pipeline.submit(3)  # and it goes on
    assert sink.got == [0, 1, 2, 3]


def test_a_block_that_raises_aborts() -> None:
    sink = Sink(room=0)
    pipeline = PipelineScheduler(sink)

    def run() -> None:
        with pipeline:
            pipeline.pump(range(3))
            raise Broken

    with pytest.raises(Broken):
        run()
    assert pipeline.snapshot().reasons == {"aborted": 3}


@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_forgetting_it_ends_the_threads() -> None:
    before = set(threading.enumerate())
    gate = Gate()
    pipeline = PipelineScheduler(Sink(room=0), gate, workers=2, capacity=6)
    pipeline.pump(range(6))
    gate.wait_entered()
    gate.wait_entered()
    mine = set(threading.enumerate()) - before
    assert len(mine) == 3
    del pipeline
    gc.collect()
    gate.open()
    for thread in mine:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
