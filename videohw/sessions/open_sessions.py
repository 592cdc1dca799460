"""The sessions of this process that are not closed, and the threads that wait for a driver, for
what happens to a process as a whole.

Owns: what a forked child and the end of the interpreter do to them. Must not know: what a
session is made of.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final, Protocol


class OpenSession(Protocol):
    """A session with threads of its own."""

    def after_fork_in_child(self) -> None:
        """Be closed in a forked child, where its threads do not exist."""
        ...

    def close(self, reason: str = ...) -> None:
        """End its threads."""
        ...


open_sessions: Final[weakref.WeakSet[OpenSession]] = weakref.WeakSet()
# Threads that wait for a driver and end by themselves, as a rule; the exit waits a little.
awaited_at_exit: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()
_AWAITED_SECONDS: Final = 2.0
# Called at the end of the interpreter, when no session is open any more.
when_all_are_closed: Final[list[Callable[[], None]]] = []


def _after_fork_in_child() -> None:
    for session in list(open_sessions):
        session.after_fork_in_child()


def _close_at_exit() -> None:
    # A daemon thread that is inside a codec when the interpreter goes down can crash it.
    for session in list(open_sessions):
        session.close("the interpreter is exiting")
    end_seconds = time.monotonic() + _AWAITED_SECONDS
    for thread in list(awaited_at_exit):
        thread.join(max(0.0, end_seconds - time.monotonic()))
    for end in when_all_are_closed:
        end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_close_at_exit)
