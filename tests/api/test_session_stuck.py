"""An engine that does not come back: who waits is told within the bound, and the session closes."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from tests.api.test_session import PATIENCE_SECONDS, Fake, Session, items
from videohw.errors import DeviceLost, SessionClosed
from videohw.sessions.worker_session import WorkerSession


def opened(engine: Fake, stuck_seconds: float | None, ready: int = 100) -> Session:
    return WorkerSession(
        engine,  # type: ignore[arg-type]
        max_ready=ready, max_queued_bytes=1000, name="test", stuck_seconds=stuck_seconds,
    )  # fmt: skip


@pytest.mark.parametrize("wait", ["take", "drain"])
def test_who_waits_is_told_and_closing_does_not_wait(wait: str) -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate), 0.3)
    worker = session._worker
    session.push(items(1, 2))
    with pytest.raises(DeviceLost, match=r"did not come back within 0\.3 seconds") as lost:
        session.take(PATIENCE_SECONDS) if wait == "take" else session.drain(PATIENCE_SECONDS)
    assert (lost.value.code, lost.value.fatal) == (errno.ETIMEDOUT, True)
    assert session.abandoned
    assert worker.name == "test (abandoned)"
    with pytest.raises(SessionClosed, match="failed earlier"):
        session.take(0)
    began = time.monotonic()
    session.close()
    assert time.monotonic() - began < 5
    gate.set()  # what comes late goes nowhere
    worker.join(PATIENCE_SECONDS)
    assert not worker.is_alive()


def test_a_worker_that_waits_for_its_reader_is_not_stuck() -> None:
    session = opened(Fake(), 0.2, ready=1)
    session.push(items(*range(4)))
    time.sleep(0.6)
    assert [session.take(PATIENCE_SECONDS) for _ in range(4)] == [0, 1, 2, 3]
    assert not session.abandoned
    session.close()


def test_without_a_bound_it_may_take_any_time() -> None:
    gate = threading.Event()
    session = opened(Fake(gate=gate), None)
    session.push(items(1))
    assert session.take(0.5) is None
    gate.set()
    assert session.take(PATIENCE_SECONDS) == 1
    session.close()
