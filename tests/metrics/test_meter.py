"""What a session measures, on a clock that only the test moves: every figure is known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from videohw.backend import CodedPicture, EndOfGeneration, InputPicture
from videohw.errors import Backpressure, InvalidBitstream, VideoHwError
from videohw.metrics import Meter, SessionMetrics
from videohw.sessions.worker_session import WorkerSession

PATIENCE_SECONDS = 20.0
MS = 1_000_000


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds * MS


@dataclass(eq=False)
class Output:
    """As much of a frame as a meter looks at."""

    decode_index: int
    keyframe: bool = False
    planes: tuple[Any, ...] = (np.zeros(100, np.uint8), np.zeros(50, np.uint8))


@dataclass(slots=True)
class Step:
    """What the engine does with one picture: wait for ``go``, take ``cost`` ms, give outputs."""

    cost: int = 0
    outputs: list[Any] | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


class Engine:
    """Follows the steps, by serial; between two outputs of one picture no time is its own."""

    def __init__(self, clock: Clock, steps: list[Step]) -> None:
        self._clock = clock
        self._steps = steps

    def process(self, item: CodedPicture) -> Iterator[Any]:
        step = self._steps[item.serial]
        step.entered.set()
        assert step.go.wait(PATIENCE_SECONDS)
        self._clock.advance(step.cost)
        yield from [Output(item.serial)] if step.outputs is None else step.outputs

    def drain(self) -> Iterator[Any]:
        self._clock.advance(7)
        return iter(())

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


class Workload:
    """A session on a scripted engine, its clock, and what it measured."""

    def __init__(self, steps: list[Step], *, time_base: Fraction | None = None) -> None:
        self.clock = Clock()
        self.meter = Meter("decode", time_base=time_base, clock=self.clock)
        self.session: WorkerSession[CodedPicture, Any] = WorkerSession(
            Engine(self.clock, steps), max_ready=4, max_queued_bytes=1000, name="test"
        )
        self.session.meter = self.meter
        self.steps = steps

    def submit(self, serial: int, *, parse: int = 0, **known: Any) -> None:
        """A call that brings one picture of ten bytes and takes ``parse`` ms to parse."""
        began = self.clock()
        try:
            self.session.admit()
        except Backpressure:
            self.meter.refused()
            raise
        self.parsed(began, parse)
        self.session.push([CodedPicture(serial, bytes(10), known.pop("pts", None), **known)])
        self.meter.taken(began, 10)

    def parsed(self, began: int, milliseconds: int) -> None:
        since = self.clock()
        self.clock.advance(milliseconds)
        self.meter.prepared(began, since)

    def settle(self, serial: int) -> None:
        """Let the picture go, and wait until the worker is at the next one."""
        self.steps[serial].go.set()
        assert self.steps[serial + 1].entered.wait(PATIENCE_SECONDS)

    @property
    def measured(self) -> SessionMetrics:
        return SessionMetrics(
            direction="decode", codec="h264", backend="software", enabled=True,
            **self.meter.measured(0),
        )  # fmt: skip

    def __enter__(self) -> Workload:
        return self

    def __exit__(self, *_: object) -> None:
        for step in self.steps:
            step.go.set()
        self.session.close()


def figures(seen: Any) -> tuple[int, float, float, float]:
    """(count, sum, min, max) in milliseconds."""
    return seen.count, seen.raw_sum / MS, seen.raw_min / MS, seen.raw_max / MS


def run_known_workload(time_base: Fraction | None) -> SessionMetrics:
    """Three pictures, of which the second and third queue behind the first.

    ======  =============================================================
    at ms   what happens
    ======  =============================================================
    0       picture 0 arrives, is parsed until 2 and taken at once
    3       its submit ends; picture 1 arrives, is parsed until 5
    9       picture 2 arrives, is parsed until 11; only now 0 is let go
    16      0 is ready after 5 more; 1 begins
    22      1 is ready; 2 begins
    30      0 and 1 are reaped
    31      2 is ready, and is reaped by a flush, which drains until 38
    ======  =============================================================
    """
    with Workload([Step(5), Step(6), Step(1)], time_base=time_base) as work:
        work.parsed(0, 2)
        work.session.push([CodedPicture(0, bytes(10), 0)])
        assert work.steps[0].entered.wait(PATIENCE_SECONDS)
        work.clock.advance(1)
        work.meter.taken(0, 10)
        work.submit(1, parse=2, pts=1)
        work.clock.advance(4)
        work.submit(2, parse=2, pts=2)
        work.steps[0].go.set()
        work.settle(1)
        work.clock.advance(8)
        assert [work.session.take().decode_index for _ in range(2)] == [0, 1]
        work.steps[2].go.set()
        flushed = work.session.drain(PATIENCE_SECONDS)
        assert [output.decode_index for output in flushed] == [2]
        return work.measured


def test_every_figure_of_a_known_workload() -> None:
    known = run_known_workload(time_base=None)
    stages = {name: figures(seen) for name, seen in known.stages.items()}
    reaped = stages.pop("reap")
    assert stages == {
        "submit": (3, 3 + 2 + 2, 2, 3),
        "parse": (3, 6, 2, 2),
        "queue": (3, 0 + 11 + 11, 0, 11),
        "code": (3, 14 + 6 + 9, 6, 14),
        "drain": (1, 7, 7, 7),
    }
    # The flush takes the last output at once, or when the drain behind it is done.
    assert reaped in [(3, 14 + 8 + waited, waited, 14) for waited in (0, 7)]
    assert figures(known.latency) == (3, 16 + 19 + 22, 16, 22)
    assert figures(known.arrival_jitter) == (1, 6 - 3, 3, 3)
    assert dict(known.depths["ready"].buckets) == {0: 3}
    assert dict(known.depths["queued_items"].buckets) == {0: 2, 1: 1}
    assert dict(known.depths["queued_bytes"].buckets) == {0: 1, 10: 1, 20: 1}
    assert (known.submit_calls, known.backpressure, known.errors) == (3, 0, 0)
    assert (known.bytes_in, known.bytes_out, known.keyframes) == (30, 3 * 150, 0)
    assert known.copied_bytes == {"input": 30, "feed": 30, "convert": 0}


def test_jitter_against_the_spacing_of_pts() -> None:
    known = run_known_workload(time_base=Fraction(5, 1000))
    assert figures(known.arrival_jitter) == (2, abs(3 - 5) + abs(6 - 5), 1, 2)


def test_refused_calls_count_as_backpressure_and_nothing_else() -> None:
    with Workload([Step() for _ in range(2)]) as work:
        work.session._max_queued_bytes = 10
        work.submit(0)
        for _ in range(3):
            with pytest.raises(Backpressure):
                work.submit(1)
        known = work.measured
    assert (known.submit_calls, known.backpressure, known.bytes_in) == (1, 3, 10)
    assert known.stages["submit"].count == 1


def test_errors_count_where_they_are_raised() -> None:
    error = InvalidBitstream("picture 0 is damaged")
    with Workload([Step(outputs=[error, Output(0)]), Step()]) as work:
        work.submit(0)
        work.submit(1)
        work.settle(0)
        assert work.measured.errors == 0
        with pytest.raises(InvalidBitstream):
            work.session.take()
        assert work.session.take().decode_index == 0
        known = work.measured
    assert (known.errors, known.stages["reap"].count, known.latency.count) == (1, 1, 1)


def test_what_a_failed_flush_puts_back_counts_once() -> None:
    error = InvalidBitstream("picture 1 is damaged")
    steps = [Step(outputs=[Output(0, keyframe=True)]), Step(outputs=[error]), Step()]
    with Workload(steps) as work:
        for serial in range(3):
            work.submit(serial)
            work.steps[serial].go.set()
        with pytest.raises(InvalidBitstream):
            work.session.drain(PATIENCE_SECONDS)
        before = work.measured
        assert (before.bytes_out, before.keyframes, before.errors) == (0, 0, 1)
        assert len(work.session.drain(PATIENCE_SECONDS)) == 2
        known = work.measured
    assert (known.bytes_out, known.keyframes, known.errors) == (300, 1, 1)
    assert known.stages["reap"].count == 2


def test_an_output_in_work_is_ready_when_that_is_done() -> None:
    converting: Future[Any] = Future()
    with Workload([Step(cost=2, outputs=[converting]), Step()]) as work:
        work.submit(0)
        work.submit(1)
        work.settle(0)
        work.clock.advance(5)
        assert work.session.take() is None
        assert "convert" not in work.measured.stages
        converting.set_result(Output(0))
        work.clock.advance(1)
        assert work.session.take().decode_index == 0
        known = work.measured
    assert figures(known.stages["convert"]) == (1, 5, 5, 5)
    assert figures(known.latency) == (1, 7, 7, 7)
    assert figures(known.stages["reap"]) == (1, 1, 1, 1)


def test_work_may_end_after_the_drain_behind_it() -> None:
    converting: Future[Any] = Future()
    clock = Clock()
    meter = Meter("decode", time_base=None, clock=clock)
    item = CodedPicture(0, b"", None)
    meter.queued([item], 0, 0, 0)
    meter.started(item)
    meter.delivered(converting)
    assert list(meter.coded("drain", lambda: ())) == []
    clock.advance(4)
    converting.set_result(Output(0))
    meter.finished(converting)
    assert figures(meter.measured(0)["latency"]) == (1, 4, 4, 4)
    assert meter.held == (0, 0, 0, 1)


def test_work_that_fails_gives_no_latency() -> None:
    converting: Future[Any] = Future()
    with Workload([Step(outputs=[converting]), Step()]) as work:
        work.submit(0)
        work.submit(1)
        work.settle(0)
        converting.set_exception(InvalidBitstream("no"))
        with pytest.raises(VideoHwError):
            work.session.take()
        known = work.measured
    assert (known.stages["convert"].count, known.latency.count, known.errors) == (1, 0, 1)


def test_time_between_two_outputs_is_not_the_codecs() -> None:
    """The worker waits there while there is no room for the output."""
    clock = Clock()
    meter = Meter("decode", time_base=None, clock=clock)

    def outputs() -> Iterator[int]:
        for number in range(3):
            clock.advance(2)
            yield number
        clock.advance(1)

    for _ in meter.coded("code", outputs):
        clock.advance(100)
    abandoned = meter.coded("code", outputs)
    next(abandoned)
    clock.advance(100)
    del abandoned  # as when a reset comes in between
    assert figures(meter.measured(0)["stages"]["code"]) == (2, 7 + 2, 2, 7)


def test_a_reset_forgets_what_was_under_way() -> None:
    with Workload([Step(), Step(), Step()]) as work:
        work.submit(0)
        assert work.steps[0].entered.wait(PATIENCE_SECONDS)
        work.submit(1)
        work.steps[0].go.set()
        work.steps[1].go.set()
        work.session.reset(PATIENCE_SECONDS)
        assert work.meter.held == (0, 0, 0, 0)
        work.clock.advance(50)
        work.submit(2)
        assert work.steps[2].entered.wait(PATIENCE_SECONDS)
        known = work.measured
    assert known.stages["reset"].count == 1
    assert known.arrival_jitter.count == 0  # 0 and 1 arrived with nothing between, then anew


def test_pictures_without_a_frame_of_their_own_are_not_waited_for() -> None:
    steps = [Step(outputs=[]), Step(), Step()]
    with Workload(steps) as work:
        work.submit(0, silent="second_field")
        work.submit(1)
        work.submit(2)
        steps[0].go.set()
        work.settle(1)
        assert work.meter.held == (0, 1, 0, 1)  # picture 2 is in the codec, output 1 is ready
        assert work.measured.latency.count == 1


def test_memory_is_bounded_where_pictures_never_come_out() -> None:
    clock = Clock()
    meter = Meter("decode", time_base=None, clock=clock)
    for serial in range(10_000):
        item = CodedPicture(serial, b"", None)
        meter.queued([item], 0, 0, 0)
        meter.started(item)
    assert meter.held == (0, 4096, 0, 0)
    for serial in (0, 9_999):  # long forgotten, and the newest
        meter.delivered(Output(serial))
    assert meter.measured(0)["latency"].count == 1


def test_an_encoder_knows_pictures_by_pts_and_passes_its_own_requests_by() -> None:
    @dataclass
    class Coded:
        pts: int
        data: bytes = b"1234"
        keyframe: bool = True

    clock = Clock()
    meter = Meter("encode", time_base=Fraction(1, 1000), clock=clock)
    meter.ending()
    items = [InputPicture(0, None, 40, 1, False, 600), EndOfGeneration()]
    meter.queued(items, 0, 0, 0)
    clock.advance(3)
    for item in items:
        meter.started(item)
    packet = Coded(40)
    meter.delivered(packet)
    meter.reaped(packet)
    known = meter.measured(converted_bytes=70)
    assert figures(known["latency"]) == (1, 3, 3, 3)
    assert (known["bytes_out"], known["keyframes"]) == (4, 1)
    assert known["copied_bytes"] == {"input": 0, "convert": 70, "output": 4}
    assert known["stages"]["queue"].count == 2
