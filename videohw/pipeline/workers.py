"""Threads that run functions, fair over those who bring them.

Owns: the threads, whose turn it is, their end. Must not know: what is run, what comes of it.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from ..arguments import integer, seconds
from ..errors import SessionClosed
from ..sessions.deadline import deadline_after, remaining
from ..sessions.open_sessions import open_sessions

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")

# How long closing waits for functions that are running; one that hangs is left behind on its
# daemon thread, which ends when it comes back.
CLOSE_WAIT_SECONDS: Final = 10.0
# The longest sleep of an idle thread. A finalizer may close a pool on the very thread that is
# about to wait, which then misses it; nothing else depends on this time.
GLANCE_SECONDS: Final = 1.0
FORKED: Final = "it belongs to the parent of this forked process"


class _Work:
    """A function to call, and the future of what comes of it."""

    __slots__ = ("_argument", "_function", "future")

    def __init__(self, function: Callable[[Any], Any], argument: Any) -> None:
        self._function = function
        self._argument = argument
        self.future: Future[Any] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._function(self._argument)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class _Shared:
    """What the threads hold, so that a pool nobody holds any more can be collected."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.changed = threading.Condition()
        self.turns: deque[JobLine] = deque()  # lines that may have work, the next one first
        self.threads: list[threading.Thread] = []
        self.idle = 0
        self.waiting = 0
        self.closed: str | None = None

    def next_work(self) -> _Work | None:
        """The next work in turn, waiting for some; None once closed."""
        with self.changed:
            while self.closed is None:
                while self.turns:
                    line = self.turns.popleft()
                    if line._waiting:
                        self.waiting -= 1
                        work = line._waiting.popleft()
                        if line._waiting:
                            self.turns.append(line)
                        return work
                self.idle += 1
                self.changed.wait(GLANCE_SECONDS)
                self.idle -= 1
            return None


def _run(shared: _Shared) -> None:
    while (work := shared.next_work()) is not None:
        work.run()
        del work  # or the last one would live as long as this thread waits


class JobLine:
    """What one bringer brings, first come first served; lines take turns at the threads."""

    def __init__(self, shared: _Shared, name: str) -> None:
        self._shared = shared
        self._name = name
        self._waiting: deque[_Work] = deque()

    def put(self, function: Callable[[ArgumentT], ResultT], argument: ArgumentT) -> Future[ResultT]:
        """Have ``function(argument)`` called on a thread of the pool; the future of its result.

        Whatever it raises goes into the future. :class:`SessionClosed` when the pool is closed;
        a future that waits when it is closed is cancelled.
        """
        work = _Work(function, argument)
        shared = self._shared
        with shared.changed:
            if shared.closed is not None:
                raise SessionClosed(shared.closed)
            if shared.waiting >= shared.idle and len(shared.threads) < shared.workers:
                thread = threading.Thread(target=_run, args=(shared,), name=self._name, daemon=True)
                thread.start()
                shared.threads.append(thread)
            if self not in shared.turns:
                shared.turns.append(self)
            self._waiting.append(work)
            shared.waiting += 1
            shared.changed.notify()
        return work.future

    def cancel(self, future: Future[Any]) -> bool:
        """Take back what ``put`` gave ``future`` for; False when a thread has it already."""
        with self._shared.changed:
            for work in self._waiting:
                if work.future is future:
                    self._waiting.remove(work)
                    self._shared.waiting -= 1
                    break
            else:
                return False
        return _cancel(future)

    def clear(self) -> None:
        """Cancel everything that no thread has."""
        with self._shared.changed:
            waiting = list(self._waiting)
            self._shared.waiting -= len(waiting)
            self._waiting.clear()
        for work in waiting:
            _cancel(work.future)


def _cancel(future: Future[Any]) -> bool:
    future.cancel()
    return not future.set_running_or_notify_cancel()  # which tells concurrent.futures.wait


class WorkerPool:
    """Up to ``workers`` threads, started when there is work.

    Several dispatchers and schedulers may share one; they get their turns one job each, so that
    a busy stream does not hold up the others. Closing it, or forgetting it, ends the threads.
    """

    def __init__(self, workers: int = 1, *, name: str = "videohw-transform") -> None:
        self._shared = _Shared(integer("workers", workers, 1, 1024))
        self._name = name
        open_sessions.add(self)

    def line(self) -> JobLine:
        """A new line of work, for one bringer."""
        return JobLine(self._shared, self._name)

    def close(
        self, reason: str = "the pool is closed", wait_seconds: float | None = CLOSE_WAIT_SECONDS
    ) -> None:
        """Take no more work, cancel what waits, and end the threads.

        Returns when they have ended, after ``wait_seconds`` at the latest: a thread that is still
        inside a function then ends by itself. Closing again does nothing more.
        """
        deadline = deadline_after(seconds("wait_seconds", wait_seconds))
        shared = self._shared
        with shared.changed:
            if shared.closed is None:
                shared.closed = reason
            lines = list(shared.turns)
            shared.turns.clear()
            shared.changed.notify_all()
            threads = list(shared.threads)
        for line in lines:
            line.clear()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(remaining(deadline))

    @property
    def closed(self) -> bool:
        """True once it was closed, and in a forked child."""
        return self._shared.closed is not None

    @property
    def workers(self) -> int:
        """Most threads that it runs."""
        return self._shared.workers

    @property
    def threads(self) -> int:
        """Threads started so far."""
        return len(self._shared.threads)

    def __del__(self) -> None:
        shared = getattr(self, "_shared", None)
        if shared is not None and shared.closed is None:
            if shared.threads:
                warnings.warn(
                    "a WorkerPool was not closed", ResourceWarning, stacklevel=2, source=self
                )
            self.close(wait_seconds=0)

    def after_fork_in_child(self) -> None:
        """Be closed: the threads do not exist here, and the lock may be held for ever."""
        self._shared.changed = threading.Condition()
        self._shared.threads.clear()
        self._shared.closed = FORKED
