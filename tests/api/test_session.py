"""The worker session on an engine made of plain Python: limits, order, errors, closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from videohw.errors import (
    BackendError,
    Backpressure,
    DeviceLost,
    InvalidBitstream,
    SessionClosed,
    VideoHwError,
)
from videohw.sessions.worker_session import WorkerSession

PATIENCE_SECONDS = 20.0


@dataclass
class Item:
    """What the engine does with it: results to yield, or an exception to raise or yield."""

    outputs: list[object]
    queued_bytes: int = 10
    raises: BaseException | None = None


@dataclass
class Fake:
    """Gives each item's outputs; holds back ``held`` results until it is drained."""

    held: int = 0
    gate: threading.Event | None = None
    calls: list[str] = field(default_factory=list)
    kept: list[object] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def process(self, item: Item) -> Iterator[object]:
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_SECONDS)
        self.kept += item.outputs
        while len(self.kept) > self.held:
            yield self.kept.pop(0)
        if item.raises is not None:
            raise item.raises

    def drain(self) -> Iterator[object]:
        self.calls.append("drain")
        while self.kept:
            yield self.kept.pop(0)

    def reset(self) -> None:
        self.calls.append("reset")
        self.kept.clear()

    def close(self) -> None:
        self.calls.append("close")


Session = WorkerSession[Item, object]


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    """Opens sessions that the test need not close."""
    sessions: list[Session] = []

    def open_session(engine: Fake, *, ready: int = 100, queued_bytes: int = 1000) -> Session:
        session: Session = WorkerSession(
            engine,  # type: ignore[arg-type]
            max_ready=ready,
            max_queued_bytes=queued_bytes,
            name="test",
        )
        sessions.append(session)
        return session

    yield open_session
    for session in sessions:
        session.close()


Open = Callable[..., Session]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def items(*values: object) -> list[Item]:
    return [Item([value]) for value in values]


def test_results_come_in_order_on_one_thread(opened: Open) -> None:
    engine = Fake()
    session = opened(engine, ready=3)
    session.push(items(*range(50)))
    assert session.drain(PATIENCE_SECONDS) == list(range(50))
    assert session.taken == 50
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads


def test_drain_takes_what_the_engine_holds_and_is_empty_after(opened: Open) -> None:
    engine = Fake(held=5)
    session = opened(engine)
    session.push(items(*range(8)))
    assert session.drain(PATIENCE_SECONDS) == list(range(8))
    assert session.drain(PATIENCE_SECONDS) == []
    assert engine.calls == ["drain"]
    session.push(items(8))
    assert list(session.draining()) == [8]
    assert engine.calls == ["drain", "drain"]


def test_drain_of_a_fresh_session_asks_the_engine_nothing(opened: Open) -> None:
    engine = Fake()
    session = opened(engine)
    assert session.drain(PATIENCE_SECONDS) == []
    assert engine.calls == []


def test_an_error_stands_in_its_place_once(opened: Open) -> None:
    session = opened(Fake())
    yielded = InvalidBitstream("yielded")
    session.push([Item([0, yielded, 1]), Item([2], raises=InvalidBitstream("raised")), Item([3])])
    assert session.take(PATIENCE_SECONDS) == 0
    with pytest.raises(InvalidBitstream, match="yielded"):
        session.take(PATIENCE_SECONDS)
    assert session.take(PATIENCE_SECONDS) == 1
    assert session.take(PATIENCE_SECONDS) == 2
    with pytest.raises(InvalidBitstream, match="raised"):
        session.take(PATIENCE_SECONDS)
    assert session.drain(PATIENCE_SECONDS) == [3]


def test_drain_raises_and_keeps_what_it_had(opened: Open) -> None:
    session = opened(Fake(), ready=1)
    session.push([*items(0, 1), Item([2], raises=InvalidBitstream("here")), *items(3)])
    with pytest.raises(InvalidBitstream, match="here"):
        session.drain(PATIENCE_SECONDS)
    assert session.taken == 0
    assert session.drain(PATIENCE_SECONDS) == [0, 1, 2, 3]
    assert session.taken == 4
    assert session.drain(PATIENCE_SECONDS) == []


def test_drain_that_runs_out_of_time_goes_on(opened: Open) -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate, held=1))
    session.push(items(0, 1, 2))
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="call again"):
        session.drain(0.1)
    assert 0.05 < time.monotonic() - began < PATIENCE_SECONDS
    gate.set()
    assert session.drain(PATIENCE_SECONDS) == [0, 1, 2]


def test_what_is_pushed_after_a_drain_that_failed_belongs_to_the_next(opened: Open) -> None:
    session = opened(Fake(held=1))
    session.push([Item([0]), Item([], raises=InvalidBitstream("x"))])
    with pytest.raises(InvalidBitstream):
        session.drain(PATIENCE_SECONDS)
    session.push(items(1))
    assert session.drain(PATIENCE_SECONDS) == [0, 1]


def test_an_unexpected_exception_becomes_a_typed_error(opened: Open) -> None:
    session = opened(Fake())
    cause = ZeroDivisionError("oops")
    session.push([Item([1], raises=cause), Item([2])])
    assert session.take(PATIENCE_SECONDS) == 1
    with pytest.raises(BackendError, match="ZeroDivisionError: oops") as raised:
        session.take(PATIENCE_SECONDS)
    assert raised.value.__cause__ is cause
    assert session.take(PATIENCE_SECONDS) == 2


def test_after_a_fatal_error_only_close_is_left(opened: Open) -> None:
    engine = Fake()
    session = opened(engine)
    session.push([Item([1], raises=DeviceLost("gone")), *items(2)])
    assert session.take(PATIENCE_SECONDS) == 1
    with pytest.raises(DeviceLost):
        session.take(PATIENCE_SECONDS)
    for call in (
        lambda: session.take(PATIENCE_SECONDS),
        lambda: session.drain(PATIENCE_SECONDS),
        lambda: session.admit(PATIENCE_SECONDS),
        lambda: session.push(items(3)),
        lambda: session.reset(PATIENCE_SECONDS),
    ):
        with pytest.raises(SessionClosed, match="failed earlier"):
            call()
    session.close()
    assert engine.calls == ["close"]


def test_take_waits_and_gives_up(opened: Open) -> None:
    session = opened(Fake())
    assert session.take(0) is None
    began = time.monotonic()
    assert session.take(0.1) is None
    assert time.monotonic() - began >= 0.09
    threading.Timer(0.05, lambda: session.push(items("late"))).start()
    assert session.take(PATIENCE_SECONDS) == "late"


def test_reset_drops_everything(opened: Open) -> None:
    gate = threading.Event()
    engine = Fake(gate=gate, held=2)
    session = opened(engine, ready=1)
    session.push(items(*range(20)))
    threading.Timer(0.05, gate.set).start()
    session.reset(PATIENCE_SECONDS)
    assert engine.calls == ["reset"]
    assert engine.kept == []
    assert session.depth == (0, 0, 0)
    assert session.take(0) is None
    session.push(items("new"))
    assert session.drain(PATIENCE_SECONDS) == ["new"]


def test_reset_ends_a_worker_that_waits_for_room(opened: Open) -> None:
    session = opened(Fake(), ready=1)
    session.push([Item(list(range(1000)))])
    wait_for(lambda: session.depth[0] == 1)
    session.reset(PATIENCE_SECONDS)
    session.push(items("new"))
    assert session.drain(PATIENCE_SECONDS) == ["new"]


def test_reset_while_another_thread_drains(opened: Open) -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate))
    session.push(items(1))
    drained: list[object] = []
    thread = threading.Thread(target=lambda: drained.append(session.drain(PATIENCE_SECONDS)))
    thread.start()
    time.sleep(0.05)
    threading.Timer(0.05, gate.set).start()
    session.reset(PATIENCE_SECONDS)
    thread.join(PATIENCE_SECONDS)
    assert drained == [[]]


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.take(PATIENCE_SECONDS),
        lambda session: session.drain(PATIENCE_SECONDS),
        lambda session: session.admit(PATIENCE_SECONDS),
        lambda session: session.reset(PATIENCE_SECONDS),
        lambda session: list(session.draining()),
    ],
    ids=["take", "drain", "admit", "reset", "draining"],
)
def test_close_ends_every_wait(opened: Open, call: Callable[[Session], object]) -> None:
    gate = threading.Event()
    engine = Fake(gate=gate)
    session = opened(engine, ready=1, queued_bytes=1)
    session.push(items(*range(9)))
    wait_for(lambda: bool(engine.threads))
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            call(session)
        except VideoHwError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    threading.Timer(0.05, gate.set).start()
    session.close()
    thread.join(PATIENCE_SECONDS)
    assert [type(error) for error in raised] == [SessionClosed]


def test_a_closed_session_is_not_asked_what_waits(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a forked child, where sessions are closed, the worker may hold its lock for ever."""
    session = opened(Fake(gate=threading.Event()))
    session.push(items(1, 2, 3))
    assert session.depth[1] >= 2
    session.close(wait_seconds=0)
    monkeypatch.setattr(session, "_waiting_items", lambda: pytest.fail("asked"))
    assert session.depth == (0, 0, 0)


def test_close_is_final_and_may_be_repeated(opened: Open) -> None:
    engine = Fake()
    session = opened(engine)
    session.push(items(1))
    session.close("over")
    session.close("again")
    assert session.closed
    assert session.depth == (0, 0, 0)
    assert engine.calls == ["close"]
    with pytest.raises(SessionClosed, match="over"):
        session.take(0)
    with pytest.raises(SessionClosed):
        session.push(items(1))


def test_close_does_not_wait_for_ever_for_a_stuck_codec(opened: Open) -> None:
    gate = threading.Event()
    engine = Fake(gate=gate)
    session = opened(engine)
    session.push(items(1))
    wait_for(lambda: bool(engine.threads))
    began = time.monotonic()
    session.close(wait_seconds=0.1)
    assert time.monotonic() - began < 5
    assert engine.calls == []
    gate.set()
    wait_for(lambda: engine.calls == ["close"])


def test_many_threads_lose_and_double_nothing(opened: Open) -> None:
    session = opened(Fake(), ready=4, queued_bytes=50)
    taken: list[object] = []
    submitted = threading.Event()

    def submit(first: int) -> None:
        for value in range(first, first + 200):
            while True:
                try:
                    session.admit(PATIENCE_SECONDS)
                except Backpressure:
                    continue
                break
            session.push(items(value))

    def reap() -> None:
        while not (submitted.is_set() and session.depth == (0, 0, 0)):
            value = session.take(0.01)
            if value is not None:
                taken.append(value)

    feeders = [threading.Thread(target=submit, args=(1000 * n,)) for n in range(3)]
    reapers = [threading.Thread(target=reap) for _ in range(2)]
    for thread in feeders + reapers:
        thread.start()
    for thread in feeders:
        thread.join()
    submitted.set()
    for thread in reapers:
        thread.join()
    taken += session.drain(PATIENCE_SECONDS)
    assert sorted(taken) == sorted(  # type: ignore[type-var]
        value for n in range(3) for value in range(1000 * n, 1000 * n + 200)
    )
