"""A session's worker thread and its bounded queues, for engines that code one picture a call.

Owns: waiting, limits, the order of results and errors, closing, forked children. Must not know:
codecs, pixels, files. The engine runs on the worker thread only, so it needs no lock.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from .errors import BackendError, Backpressure, SessionClosed, VideoHwError

ItemContra = TypeVar("ItemContra", contravariant=True)
ResultCo = TypeVar("ResultCo", covariant=True)
ItemT = TypeVar("ItemT", bound="Queued")
ResultT = TypeVar("ResultT")

# A worker that does not come back from the codec within this time at close is left behind (it is
# a daemon thread); no call of a software codec takes this long on one picture.
JOIN_TIMEOUT_SECONDS = 10.0


class Queued(Protocol):
    """What can be queued: it says how many bytes it holds until it is processed."""

    @property
    def queued_bytes(self) -> int: ...


class Engine(Protocol[ItemContra, ResultCo]):
    """What a worker drives. Errors that a call raises are delivered in the place they occur."""

    def process(self, item: ItemContra) -> Iterable[ResultCo]:
        """Code one item; yield what became ready, in output order, before raising any error."""
        ...

    def drain(self) -> Iterable[ResultCo]:
        """End of stream: yield everything still held, and be ready for a new stream."""
        ...

    def reset(self) -> None:
        """Forget everything held, without output."""
        ...

    def close(self) -> None:
        """Free what the engine owns; called once, on the worker, last."""
        ...


class _Drain:
    """A request to drain, in its place among the items; afterwards among the results."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class _Reset:
    """A request to reset the engine."""

    __slots__ = ()


class _Failure:
    """An error in its place among the items or the results."""

    __slots__ = ("error",)

    def __init__(self, error: VideoHwError) -> None:
        self.error = error


def deadline_after(timeout: float | None) -> float | None:
    """The monotonic time in seconds at which a wait of ``timeout`` seconds ends; None: never."""
    return None if timeout is None else time.monotonic() + max(timeout, 0.0)


def remaining(deadline: float | None) -> float | None:
    """Seconds left until ``deadline``, at least 0; None when there is no deadline."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


_open_sessions: weakref.WeakSet[WorkerSession[Queued, object]] = weakref.WeakSet()


def _mark_forked() -> None:
    for session in list(_open_sessions):
        session._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)


class WorkerSession(Generic[ItemT, ResultT]):
    """Runs an :class:`Engine` on one thread, between two bounded queues.

    ``max_ready`` limits results that are ready and not taken, ``max_queued_bytes`` the input
    that waits. Both are checked on entry of :meth:`admit`; the worker stops feeding the engine
    while ``max_ready`` results wait. Any method may be called from any thread. Every wait
    releases the GIL and ends with :class:`SessionClosed` when another thread closes.
    """

    def __init__(
        self,
        engine: Engine[ItemT, ResultT],
        *,
        max_ready: int,
        max_queued_bytes: int,
        name: str,
    ) -> None:
        self._engine = engine
        self._max_ready = max_ready
        self._max_queued_bytes = max_queued_bytes
        self._changed = threading.Condition()
        self._input: deque[ItemT | _Drain | _Reset | _Failure] = deque()
        self._queued_bytes = 0
        self._ready: deque[ResultT | _Failure | _Drain] = deque()
        self._ready_count = 0
        self._closed_reason: str | None = None
        self._failed = False
        self._epoch = 0  # a reset starts a new one; results of an older one are dropped
        self._resets_done = 0
        self._drains_requested = 0
        self._drains_passed = 0
        self._fed_since_drain = False
        self.taken = 0
        self._worker = threading.Thread(target=self._run, name=name, daemon=True)
        _open_sessions.add(self)  # type: ignore[arg-type]
        self._worker.start()

    # Input

    def admit(self, timeout: float | None = 0) -> None:
        """Return when a call may be queued, else raise :class:`Backpressure`.

        Waits up to ``timeout`` seconds (None: for ever) for both limits.
        """
        deadline = deadline_after(timeout)
        with self._changed:
            while True:
                self._check_open()
                self._check_working()
                full = self._limit_reached()
                if full is None:
                    return
                left = remaining(deadline)
                if left == 0:
                    raise full
                self._changed.wait(left)

    def push(self, items: Sequence[ItemT]) -> None:
        """Queue ``items``, all of them; the caller has been admitted."""
        with self._changed:
            self._check_open()
            self._input.extend(items)
            self._queued_bytes += sum(item.queued_bytes for item in items)
            self._fed_since_drain = self._fed_since_drain or bool(items)
            self._changed.notify_all()

    def fail(self, error: VideoHwError) -> None:
        """Queue ``error`` so that it is raised after the results of all input before it."""
        with self._changed:
            self._check_open()
            self._input.append(_Failure(error))
            self._fed_since_drain = True
            self._changed.notify_all()

    # Output

    def take(self, timeout: float | None = 0) -> ResultT | None:
        """The next result in output order, or None when ``timeout`` seconds pass without one.

        Raises the error that stands next in that order, once.
        """
        deadline = deadline_after(timeout)
        with self._changed:
            while True:
                self._check_open()
                head = self._pop_ready()
                if isinstance(head, _Failure):
                    raise head.error
                if head is not None:
                    self.taken += 1
                    return head
                self._check_working()
                left = remaining(deadline)
                if left == 0:
                    return None
                self._changed.wait(left)

    def drain(self, timeout: float | None = None) -> list[ResultT]:
        """End of stream: every result still to come, in output order.

        :class:`TimeoutError` when that takes longer than ``timeout`` seconds, or the error that
        stands next: both keep everything, and the next call goes on from there.
        """
        deadline = deadline_after(timeout)
        collected: list[ResultT] = []
        try:
            for result in self._drained(deadline):
                collected.append(result)
        except BaseException:
            with self._changed:
                self._ready.extendleft(reversed(collected))
                self._ready_count += len(collected)
                self.taken -= len(collected)
            raise
        return collected

    def draining(self) -> Iterator[ResultT]:
        """End of stream, one result at a time, without holding them all."""
        return self._drained(None)

    def _drained(self, deadline: float | None) -> Iterator[ResultT]:
        with self._changed:
            self._check_open()
            if self._fed_since_drain:
                self._fed_since_drain = False
                self._drains_requested += 1
                self._input.append(_Drain(self._drains_requested))
                self._changed.notify_all()
            target = self._drains_requested
        while True:
            with self._changed:
                self._check_open()
                passed_before = self._drains_passed >= target
                head = self._pop_ready(stop_at=target)
                if isinstance(head, _Failure):
                    raise head.error
                if head is None:
                    if passed_before or self._drains_passed >= target:
                        return
                    self._check_working()
                    left = remaining(deadline)
                    if left == 0:
                        raise TimeoutError(
                            "flush did not finish in time; what it has so far is kept, call again"
                        )
                    self._changed.wait(left)
                    continue
                self.taken += 1
            yield head

    # Life

    def reset(self, timeout: float | None = None) -> None:
        """Drop all queued input and all results, and return the engine to its first state."""
        deadline = deadline_after(timeout)
        with self._changed:
            self._check_open()
            self._epoch += 1
            self._input.clear()
            self._queued_bytes = 0
            self._ready.clear()
            self._ready_count = 0
            self._drains_passed = self._drains_requested
            self._fed_since_drain = False
            self._input.append(_Reset())
            self._changed.notify_all()
            target = self._epoch
            while self._resets_done < target:
                left = remaining(deadline)
                if left == 0:
                    raise TimeoutError("reset did not finish in time; it goes on by itself")
                self._changed.wait(left)
                self._check_open()

    def close(self, reason: str = "the session is closed") -> None:
        """Stop the worker and free the engine; every waiting call ends with SessionClosed."""
        with self._changed:
            if self._closed_reason is None:
                self._closed_reason = reason
                self._input.clear()
                self._ready.clear()
                self._ready_count = 0
                self._changed.notify_all()
        if self._worker is not threading.current_thread() and self._worker.is_alive():
            self._worker.join(JOIN_TIMEOUT_SECONDS)

    @property
    def closed(self) -> bool:
        """True once the session was closed, or in a forked child."""
        return self._closed_reason is not None

    @property
    def depth(self) -> tuple[int, int]:
        """(results ready and not taken, bytes of input queued)."""
        with self._changed:
            return self._ready_count, self._queued_bytes

    # Inside; the condition is held by the caller unless said otherwise

    def _check_open(self) -> None:
        if self._closed_reason is not None:
            raise SessionClosed(self._closed_reason, hint="open a new session")

    def _check_working(self) -> None:
        if self._failed:
            raise SessionClosed("the session failed earlier", hint="open a new session")

    def _limit_reached(self) -> Backpressure | None:
        if self._ready_count >= self._max_ready:
            return Backpressure(
                f"{self._ready_count} outputs are ready and not reaped, the limit is "
                f"max_in_flight={self._max_ready}",
                depth=self._ready_count,
                limit=self._max_ready,
                hint="reap, then repeat the call: nothing of it was taken",
            )
        if self._queued_bytes >= self._max_queued_bytes:
            return Backpressure(
                f"{self._queued_bytes} bytes of input are queued, the limit is "
                f"{self._max_queued_bytes}",
                depth=self._queued_bytes,
                limit=self._max_queued_bytes,
                hint="wait or reap, then repeat the call: nothing of it was taken",
            )
        return None

    def _pop_ready(self, stop_at: int | None = None) -> ResultT | _Failure | None:
        """The next result or error; passes drain markers, the one numbered ``stop_at`` as None."""
        while self._ready:
            head = self._ready.popleft()
            if isinstance(head, _Drain):
                self._drains_passed = max(self._drains_passed, head.number)
                self._changed.notify_all()
                if stop_at is not None and head.number >= stop_at:
                    return None
                continue
            if not isinstance(head, _Failure):
                self._ready_count -= 1
            self._changed.notify_all()
            return head
        return None

    def _after_fork_in_child(self) -> None:
        # The worker does not exist here and the lock may have been held at the fork.
        self._changed = threading.Condition()
        self._closed_reason = "the session belongs to the parent of this forked process"

    # The worker

    def _run(self) -> None:
        try:
            while (work := self._next_input()) is not None:
                item, epoch = work
                self._work(item, epoch)
        finally:
            self._engine.close()

    def _next_input(self) -> tuple[ItemT | _Drain | _Reset | _Failure, int] | None:
        with self._changed:
            while self._closed_reason is None:
                if self._input and not self._failed and self._ready_count < self._max_ready:
                    return self._input.popleft(), self._epoch
                self._changed.wait()
            return None

    def _work(self, item: ItemT | _Drain | _Reset | _Failure, epoch: int) -> None:
        try:
            if isinstance(item, _Failure):
                self._deliver(item, epoch)
            elif isinstance(item, _Drain):
                self._deliver_all(self._engine.drain(), epoch)
            elif isinstance(item, _Reset):
                self._engine.reset()
            else:
                self._deliver_all(self._engine.process(item), epoch)
        except VideoHwError as error:
            self._deliver(_Failure(error), epoch)
        except Exception as error:
            self._deliver(_Failure(_unexpected(error)), epoch)
        if isinstance(item, _Drain):
            self._deliver(item, epoch)
        elif isinstance(item, _Reset):
            with self._changed:
                self._resets_done = max(self._resets_done, epoch)
                self._changed.notify_all()
        elif not isinstance(item, _Failure):
            with self._changed:
                if epoch == self._epoch:
                    self._queued_bytes -= item.queued_bytes
                    self._changed.notify_all()

    def _deliver_all(self, results: Iterable[ResultT], epoch: int) -> None:
        for result in results:
            if not self._deliver(result, epoch):
                return

    def _deliver(self, result: ResultT | _Failure | _Drain, epoch: int) -> bool:
        """Append to the ready results, waiting for room; False when nobody wants it any more."""
        with self._changed:
            counted = not isinstance(result, (_Failure, _Drain))
            while (
                counted
                and self._ready_count >= self._max_ready
                and self._closed_reason is None
                and epoch == self._epoch
            ):
                self._changed.wait()
            if self._closed_reason is not None or epoch != self._epoch:
                return False
            self._ready.append(result)
            self._ready_count += counted
            if isinstance(result, _Failure) and result.error.fatal:
                self._failed = True
            self._changed.notify_all()
            return True


def _unexpected(error: Exception) -> BackendError:
    wrapped = BackendError(
        f"the codec worker met an unexpected {type(error).__name__}: {error}",
        domain="videohw",
        hint="this is a bug of videohw, please report it; the session goes on",
    )
    wrapped.__cause__ = error
    return wrapped
