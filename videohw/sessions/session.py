"""The side of a session that callers see: its limits, its waits, the order of what it hands out.

Owns: waiting, limits, the order of results and errors, ends of stream, closing, forked children.
Must not know: codecs, pixels, files, and who does the work: a thread of Python's
(:mod:`videohw.sessions.worker_session`) or one that never runs Python.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from ..errors import Backpressure, SessionClosed, VideoHwError
from .deadline import deadline_after, remaining
from .engine import Queued
from .open_sessions import open_sessions
from .ready_outputs import ReadyOutputs

if TYPE_CHECKING:
    from ..metrics import Meter

ItemT = TypeVar("ItemT", bound=Queued)
ResultT = TypeVar("ResultT")

_LONGEST_SECONDS = threading.TIMEOUT_MAX
# A worker that does not come back from the codec within this time at close is left behind.
JOIN_TIMEOUT_SECONDS = 10.0


class Drain(NamedTuple):
    """A request to drain, in its place among the items."""

    number: int


class Reset(NamedTuple):
    """A request to reset the codec; all before it was dropped. ``epoch`` is the one it begins."""

    epoch: int


Control: TypeAlias = "Drain | Reset"


class Changed(Protocol):
    """A lock, and waiting under it for a change: what :class:`threading.Condition` does."""

    def __enter__(self) -> object: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> object: ...
    def wait(self, timeout: float | None = None) -> object:
        """Give the lock away until :meth:`notify_all`, or for ``timeout`` seconds."""

    def notify_all(self) -> None:
        """Wake all who wait."""


class _ThisThread(threading.local):
    """What tells threads apart: their numbers are given to later ones again."""

    def __init__(self) -> None:
        self.mark = object()


_this_thread = _ThisThread()


class Session(ABC, Generic[ItemT, ResultT]):
    """Two bounded queues around a worker, which a subclass brings.

    ``max_ready`` limits outputs (results and errors) that are ready and not taken: only errors of
    one moment, of pictures refused behind one that was awaited, may be more. It and
    ``max_queued_bytes`` the input that waits. Both are checked on entry of :meth:`admit`; the
    worker stops feeding the codec while ``max_ready`` outputs wait. Any method may be called
    from any thread. Every wait releases the GIL and ends with :class:`SessionClosed` when
    another thread closes. ``taken`` counts the results handed out. ``meter``, set before the
    first call, measures; None does not. ``abandoned``: the worker did not come back.
    """

    def __init__(self, changed: Changed, *, max_ready: int, max_queued_bytes: int) -> None:
        self._changed = changed
        self._max_ready = max_ready
        self._max_queued_bytes = max_queued_bytes
        self._queued_bytes = 0
        self._ready: ReadyOutputs[ResultT] = ReadyOutputs()
        self._closed_reason: str | None = None
        self._failed = False
        self._epoch = 0  # reset and close start a new one; outputs of an older one are dropped
        self._resets_done = 0
        self._drains_requested = 0
        self._draining = threading.Lock()  # the calls of drain come one after the other
        self._fed_since_drain = False
        self._reaper: object = None  # the mark of the thread that reaped last
        self._reaped_all = False  # a reap found nothing, and nothing was pushed since
        self.taken = 0
        self.abandoned = False
        self.meter: Meter | None = None
        open_sessions.add(self)

    # The worker; all but the join are called with the lock held

    @abstractmethod
    def _send(self, items: Sequence[ItemT] | Sequence[Control]) -> None:
        """Queue for the worker, in order."""

    @abstractmethod
    def _forget_input(self) -> None:
        """Drop what is queued and not begun, and every output under way."""

    @abstractmethod
    def _waiting_items(self) -> int:
        """How many items the worker has not begun; not of a forked child: it may hold a lock."""

    @abstractmethod
    def _join(self, seconds: float) -> None:
        """Wait for the worker to end after a close; called without the lock."""

    def _collect(self) -> None:
        """Append what the worker has ready; called before outputs are looked at."""

    def _released(self, count: int) -> None:
        """So many outputs make room for others."""

    # Input

    def admit(self, timeout: float | None = 0) -> None:
        """Return when a call may be queued, else raise :class:`Backpressure`.

        Waits up to ``timeout`` seconds (None: for ever) for both limits, but not for outputs
        that this very thread would have to reap. Outputs do not count after a reap that found
        none: a loop that reaps all it can before each call is not refused for what became ready
        in between.
        """
        with self._changed:
            deadline = deadline_after(timeout)
            while (full := self._limit_reached()) is not None:
                left = remaining(deadline)
                for_itself = self._ready.count >= self._max_ready
                if left == 0 or (for_itself and self._reaper is _this_thread.mark):
                    raise full
                self._changed.wait(left)

    def push(self, items: Sequence[ItemT]) -> None:
        """Queue ``items``, all of them; the caller has been admitted."""
        with self._changed:
            self._check_usable()
            if self.meter is not None:
                depths = self._ready.count, self._waiting_items(), self._queued_bytes
                self.meter.queued(items, *depths)
            self._send(items)
            for item in items:
                self._queued_bytes += item.queued_bytes
            self._fed_since_drain = self._fed_since_drain or bool(items)
            self._reaped_all = False
            self._changed.notify_all()

    # Output

    def take(self, timeout: float | None = 0) -> ResultT | None:
        """The next result in output order, or None when ``timeout`` seconds pass without one.

        Raises the error that stands next in that order, once.
        """
        deadline = deadline_after(timeout)
        with self._changed:
            self._reaper = _this_thread.mark
            while True:
                self._check_open()
                if (head := self._pop_ready()) is None:
                    self._collect()
                    head = self._pop_ready()
                if head is not None:
                    return self._hand_out(head)
                self._check_usable()
                left = remaining(deadline)
                if left == 0:
                    self._reaped_all = True
                    return None
                self._changed.wait(left)

    def drain(self, timeout: float | None = None) -> list[ResultT]:
        """End of stream: every result still to come, in output order.

        :class:`TimeoutError` when that takes longer than ``timeout`` seconds, or the error that
        stands next: both keep everything, and the next call goes on from there.
        """
        deadline = deadline_after(timeout)
        left = remaining(deadline)
        if not self._draining.acquire(timeout=-1 if left is None else min(left, _LONGEST_SECONDS)):
            raise TimeoutError("another thread is flushing; call again")
        try:
            return self._drain(deadline)
        finally:
            self._draining.release()

    def _drain(self, deadline: float | None) -> list[ResultT]:
        target = self._request_drain()
        collected: list[ResultT] = []
        try:
            while (result := self._next_before(target, deadline)) is not None:
                collected.append(result)
        except BaseException:
            self._put_back(collected)
            raise
        return collected

    def draining(self) -> Iterator[ResultT]:
        """End of stream, one result at a time, without holding them all."""
        target = self._request_drain()
        while (result := self._next_before(target, None)) is not None:
            yield result

    def _request_drain(self) -> int:
        """Put a drain behind what was fed, if anything was; the number of the last drain."""
        with self._changed:
            self._reaper = _this_thread.mark
            self._check_open()
            if self._fed_since_drain:
                self._fed_since_drain = False
                self._drains_requested += 1
                if self.meter is not None:
                    self.meter.stream_ended()
                self._send([Drain(self._drains_requested)])
                self._changed.notify_all()
            return self._drains_requested

    def _put_back(self, results: Sequence[ResultT]) -> None:
        with self._changed:
            if self._closed_reason is None:
                self._ready.put_back(results)
                self.taken -= len(results)
                if self.meter is not None:
                    self.meter.put_back(results)

    def _next_before(self, target: int, deadline: float | None) -> ResultT | None:
        """The next result before the drain numbered ``target``; None when that has passed."""
        with self._changed:
            while True:
                self._check_open()
                self._collect()
                # A session that failed says so, also where nothing was fed.
                passed = self._ready.drains_passed >= target and not self._failed
                head = None if passed else self._pop_ready(stop_at=target)
                if head is not None:
                    return self._hand_out(head)
                if self._ready.drains_passed >= target and not self._failed:
                    return None
                self._check_usable()
                left = remaining(deadline)
                if left == 0:
                    raise TimeoutError(
                        "flush did not finish in time; what it has so far is kept, call again"
                    )
                self._changed.wait(left)

    # Life

    def reset(self, timeout: float | None = None) -> None:
        """Drop all queued input and all results, and return the engine to its first state."""
        deadline = deadline_after(timeout)
        with self._changed:
            self._check_usable()
            self._drop_queues()
            self._ready.drains_passed = self._drains_requested
            self._fed_since_drain = False
            target = self._epoch
            self._send([Reset(target)])
            self._changed.notify_all()
            while True:
                self._collect()
                if self._resets_done >= target:
                    return
                left = remaining(deadline)
                if left == 0:
                    raise TimeoutError("reset did not finish in time; it goes on by itself")
                self._changed.wait(left)
                self._check_open()

    def close(
        self, reason: str = "the session is closed", wait_seconds: float = JOIN_TIMEOUT_SECONDS
    ) -> None:
        """Stop the worker and free the codec; every waiting call ends with SessionClosed.

        Returns when the worker has ended, after ``wait_seconds`` at the latest: a worker that is
        still inside the codec then ends by itself. Closing again does nothing.
        """
        with self._changed:
            if self._closed_reason is None:
                self._closed_reason = reason
                self._drop_queues()
                self._changed.notify_all()
        self._join(wait_seconds)

    @property
    def closed(self) -> bool:
        """True once the session was closed, or in a forked child."""
        return self._closed_reason is not None

    @property
    def waiting(self) -> int:
        """How many items the worker has not begun."""
        return 0 if self.closed else self._waiting_items()

    @property
    def depth(self) -> tuple[int, int, int]:
        """(outputs ready and not taken, items that the worker has not begun, bytes queued)."""
        with self._changed:
            self._collect()
            return self._ready.count, self.waiting, self._queued_bytes

    # Inside; the condition is held by the caller unless said otherwise

    def _check_open(self) -> None:
        if self._closed_reason is not None:
            raise SessionClosed(self._closed_reason, hint="open a new session")

    def _check_usable(self) -> None:
        self._check_open()
        if self._failed:
            raise SessionClosed("the session failed earlier", hint="open a new session")

    def _limit_reached(self) -> Backpressure | None:
        self._collect()
        self._check_usable()
        depth, limit = self._ready.count, self._max_ready
        if depth >= limit and not self._reaped_all:
            return Backpressure(
                f"{depth} outputs are ready and not reaped, the limit is max_in_flight={limit}",
                depth=depth, limit=limit,
                hint="reap, then repeat the call: nothing of it was taken",
            )  # fmt: skip
        depth, limit = self._queued_bytes, self._max_queued_bytes
        if depth >= limit:
            return Backpressure(
                f"{depth} bytes of input are queued, the limit is {limit}",
                depth=depth, limit=limit,
                hint="wait or reap, then repeat the call: nothing of it was taken",
            )  # fmt: skip
        return None

    def _pop_ready(self, stop_at: int | None = None) -> ResultT | VideoHwError | None:
        passed = self._ready.drains_passed
        count = self._ready.count
        head = self._ready.pop(stop_at)
        if isinstance(head, VideoHwError) and head.fatal:
            self._failed = True
        if head is not None or self._ready.drains_passed != passed:
            self._released(count - self._ready.count)
            self._changed.notify_all()
        return head

    def _append(self, output: ResultT | VideoHwError) -> None:
        """Have ``output`` ready, unless the session failed: that is told once, and is the last."""
        if self._failed:
            return
        self._ready.append(output)
        if self.meter is not None:
            self.meter.delivered(output)
        if isinstance(output, VideoHwError) and output.fatal:
            self._failed = True

    def _abandon(self, error: VideoHwError) -> None:
        """Fail for good: the worker does not come back from the engine, and keeps what it has."""
        self.abandoned = True
        self._append(error)

    def _hand_out(self, head: ResultT | VideoHwError) -> ResultT:
        if self.meter is not None:
            self.meter.reaped(head)
        if isinstance(head, VideoHwError):
            raise head
        self.taken += 1
        return head

    def _drop_queues(self) -> None:
        self._epoch += 1
        self._forget_input()
        self._queued_bytes = 0
        self._ready.clear()
        if self.meter is not None:
            self.meter.dropped()

    def after_fork_in_child(self) -> None:
        """Be closed: the worker does not exist here, and a lock may be held for ever."""
        self._changed = threading.Condition()
        self._draining = threading.Lock()
        self.meter = None
        self._closed_reason = "the session belongs to the parent of this forked process"
