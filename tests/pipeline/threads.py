"""What the pipeline tests share: calls on other threads, with their outcome, and no sleeping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

# A wait that no test should come near; a test that hangs fails by it.
PATIENCE_SECONDS = 30.0


class Call:
    """``function()`` on a thread of its own; :meth:`outcome` is what it returned or raised."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._outcome: Any = None
        self.began = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(function,))
        self._thread.start()
        assert self.began.wait(PATIENCE_SECONDS)

    def _run(self, function: Callable[[], Any]) -> None:
        self.began.set()
        try:
            self._outcome = function()
        except BaseException as error:
            self._outcome = error

    def outcome(self) -> Any:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the call does not end"
        return self._outcome


class Gate:
    """A function of one value that stops inside until it is opened; the value is its result."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._entered = threading.Semaphore(0)
        self.threads: set[int] = set()

    def __call__(self, value: Any) -> Any:
        self.threads.add(threading.get_ident())
        self._entered.release()
        assert self._open.wait(PATIENCE_SECONDS)
        return value

    def wait_entered(self) -> None:
        """Until one more call is inside."""
        assert self._entered.acquire(timeout=PATIENCE_SECONDS)

    def open(self) -> None:
        self._open.set()


def all_of(functions: list[Callable[[], Any]]) -> list[Any]:
    """The outcomes of all functions, each called on its own thread at the same time."""
    return [call.outcome() for call in [Call(function) for function in functions]]
