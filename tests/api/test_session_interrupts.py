"""Ctrl-C inside the calls of a worker session: its lock is free afterwards, and it can be closed.

The interpreter raises it as a function of Python's begins and after each call, which a profiler
is told of: each of those places is taken in turn.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.test_session import PATIENCE_SECONDS, Fake, Item, Session, items
from videohw.sessions.worker_session import WorkerSession

CALLS: dict[str, Callable[[Session], object]] = {
    "admit": lambda session: session.admit(0),
    "push": lambda session: session.push(items(1)),
    "take": lambda session: session.take(0),
    "depth": lambda session: session.depth,
    "close": lambda session: session.close(wait_seconds=0),
}


def open_session() -> Session:
    engine: Any = Fake()
    return WorkerSession[Item, object](engine, max_ready=9, max_queued_bytes=99, name="test")


def interrupted(call: Callable[[], object], place: int) -> bool:
    """Whether ``call`` has so many places to be interrupted at; it was, at that one."""
    seen = 0

    def interrupt(_frame: object, event: str, _argument: object) -> None:
        nonlocal seen
        seen += event != "c_call"  # there a signal has to wait until it returns
        if seen == place and event != "c_call":
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize("name", CALLS)
def test_the_lock_is_free(name: str) -> None:
    place = 1
    while True:
        session = open_session()
        found = interrupted(lambda session=session: CALLS[name](session), place)  # type: ignore[misc]
        closer = threading.Thread(target=session.close, args=("over", 5.0), daemon=True)
        closer.start()
        closer.join(PATIENCE_SECONDS / 4)
        assert not closer.is_alive(), f"the lock stays taken after an interrupt at place {place}"
        if not found:
            break
        place += 1
    assert place > 2


def test_a_session_that_nobody_got_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        start(thread)
        begun.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", started)
    with pytest.raises(KeyboardInterrupt):
        open_session()
    monkeypatch.undo()
    begun[0].join(PATIENCE_SECONDS)
    assert not begun[0].is_alive()
