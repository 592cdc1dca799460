"""A session's worker thread and its bounded queues, for engines that code one picture a call.

Owns: waiting, limits, the order of results and errors, closing, forked children. Must not know:
codecs, pixels, files. The engine runs on the worker thread only, so it needs no lock.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from .deadline import deadline_after, remaining
from .engine import Engine, Outputs, Queued
from .errors import Backpressure, SessionClosed, VideoHwError
from .metrics import Meter
from .open_sessions import open_sessions
from .ready_outputs import ReadyOutputs, unexpected

ItemT = TypeVar("ItemT", bound=Queued)
ResultT = TypeVar("ResultT")

_LONGEST_SECONDS = threading.TIMEOUT_MAX
# A worker that does not come back from the codec within this time at close is left behind (it is
# a daemon thread); no call of a software codec takes this long on one picture.
JOIN_TIMEOUT_SECONDS = 10.0


@dataclass(slots=True)
class _Drain:
    """A request to drain, in its place among the items."""

    number: int


@dataclass(slots=True)
class _Reset:
    """A request to reset the engine."""


class WorkerSession(Generic[ItemT, ResultT]):
    """Runs an :class:`Engine` on one thread, between two bounded queues.

    ``max_ready`` limits outputs (results and errors) that are ready and not taken,
    ``max_queued_bytes`` the input that waits. Both are checked on entry of :meth:`admit`; the
    worker stops feeding the engine while ``max_ready`` outputs wait. Any method may be called
    from any thread. Every wait releases the GIL and ends with :class:`SessionClosed` when
    another thread closes. ``taken`` counts the results handed out. ``meter``, set before the
    first call, measures; None does not.
    """

    def __init__(
        self, engine: Engine[ItemT, ResultT], *, max_ready: int, max_queued_bytes: int, name: str
    ) -> None:
        self._engine = engine
        self._max_ready = max_ready
        self._max_queued_bytes = max_queued_bytes
        self._changed = threading.Condition()
        self._input: deque[ItemT | _Drain | _Reset] = deque()
        self._queued_bytes = 0
        self._ready: ReadyOutputs[ResultT] = ReadyOutputs()
        self._closed_reason: str | None = None
        self._failed = False
        self._epoch = 0  # reset and close start a new one; outputs of an older one are dropped
        self._resets_done = 0
        self._drains_requested = 0
        self._draining = threading.Lock()  # the calls of drain come one after the other
        self._fed_since_drain = False
        self._reaper: int | None = None  # the thread that reaped last
        self._reaped_all = False  # a reap found nothing, and nothing was pushed since
        self.taken = 0
        self.meter: Meter | None = None
        self._worker = threading.Thread(target=self._run, name=name, daemon=True)
        open_sessions.add(self)
        self._worker.start()

    # Input

    def admit(self, timeout: float | None = 0) -> None:
        """Return when a call may be queued, else raise :class:`Backpressure`.

        Waits up to ``timeout`` seconds (None: for ever) for both limits, but not for outputs
        that this very thread would have to reap. Outputs do not count after a reap that found
        none: a loop that reaps all it can before each call is not refused for what became ready
        in between.
        """
        deadline = deadline_after(timeout)
        with self._changed:
            while (full := self._limit_reached()) is not None:
                left = remaining(deadline)
                if left == 0 or self._waits_for_itself():
                    raise full
                self._changed.wait(left)

    def push(self, items: Sequence[ItemT]) -> None:
        """Queue ``items``, all of them; the caller has been admitted."""
        with self._changed:
            self._check_usable()
            if self.meter is not None:
                depths = self._ready.count, len(self._input), self._queued_bytes
                self.meter.queued(items, *depths)
            self._input.extend(items)
            self._queued_bytes += sum(item.queued_bytes for item in items)
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
            self._reaper = threading.get_ident()
            while True:
                self._check_open()
                if (head := self._pop_ready()) is not None:
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
            self._reaper = threading.get_ident()
            self._check_open()
            if self._fed_since_drain:
                self._fed_since_drain = False
                self._drains_requested += 1
                if self.meter is not None:
                    self.meter.stream_ended()
                self._input.append(_Drain(self._drains_requested))
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
                passed = self._ready.drains_passed >= target
                head = None if passed else self._pop_ready(stop_at=target)
                if head is not None:
                    return self._hand_out(head)
                if self._ready.drains_passed >= target:
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
            self._input.append(_Reset())
            self._changed.notify_all()
            target = self._epoch
            while self._resets_done < target:
                left = remaining(deadline)
                if left == 0:
                    raise TimeoutError("reset did not finish in time; it goes on by itself")
                self._changed.wait(left)
                self._check_open()

    def close(
        self, reason: str = "the session is closed", wait_seconds: float = JOIN_TIMEOUT_SECONDS
    ) -> None:
        """Stop the worker and free the engine; every waiting call ends with SessionClosed.

        Returns when the worker has ended, after ``wait_seconds`` at the latest: a worker that is
        still inside the codec then ends by itself. Closing again does nothing.
        """
        with self._changed:
            if self._closed_reason is None:
                self._closed_reason = reason
                self._drop_queues()
                self._changed.notify_all()
        if self._worker is not threading.current_thread() and self._worker.is_alive():
            self._worker.join(wait_seconds)

    @property
    def closed(self) -> bool:
        """True once the session was closed, or in a forked child."""
        return self._closed_reason is not None

    @property
    def depth(self) -> tuple[int, int]:
        """(outputs ready and not taken, bytes of input queued)."""
        with self._changed:
            return self._ready.count, self._queued_bytes

    # Inside; the condition is held by the caller unless said otherwise

    def _check_open(self) -> None:
        if self._closed_reason is not None:
            raise SessionClosed(self._closed_reason, hint="open a new session")

    def _check_usable(self) -> None:
        self._check_open()
        if self._failed:
            raise SessionClosed("the session failed earlier", hint="open a new session")

    def _limit_reached(self) -> Backpressure | None:
        self._check_usable()
        depth, limit = self._ready.count, self._max_ready
        if depth >= limit and not self._reaped_all:
            return Backpressure(
                f"{depth} outputs are ready and not reaped, the limit is max_in_flight={limit}",
                depth=depth,
                limit=limit,
                hint="reap, then repeat the call: nothing of it was taken",
            )
        depth, limit = self._queued_bytes, self._max_queued_bytes
        if depth >= limit:
            return Backpressure(
                f"{depth} bytes of input are queued, the limit is {limit}",
                depth=depth,
                limit=limit,
                hint="wait or reap, then repeat the call: nothing of it was taken",
            )
        return None

    def _waits_for_itself(self) -> bool:
        return self._ready.count >= self._max_ready and self._reaper == threading.get_ident()

    def _pop_ready(self, stop_at: int | None = None) -> ResultT | VideoHwError | None:
        passed = self._ready.drains_passed
        head = self._ready.pop(stop_at)
        if isinstance(head, VideoHwError) and head.fatal:
            self._failed = True
        if head is not None or self._ready.drains_passed != passed:
            self._changed.notify_all()
        return head

    def _hand_out(self, head: ResultT | VideoHwError) -> ResultT:
        if self.meter is not None:
            self.meter.reaped(head)
        if isinstance(head, VideoHwError):
            raise head
        self.taken += 1
        return head

    def _drop_queues(self) -> None:
        self._epoch += 1
        self._input.clear()
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
        # Freeing the engine would wait for threads of the codec library that are not here: one
        # reference that nobody gives back keeps it for the life of the child.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._engine))

    # The worker

    def _run(self) -> None:
        try:
            while (work := self._next_input()) is not None:
                self._work(*work)
        finally:
            self._engine.close()

    def _next_input(self) -> tuple[ItemT | _Drain | _Reset, int] | None:
        with self._changed:
            while self._closed_reason is None:
                if self._input and not self._failed and self._ready.count < self._max_ready:
                    item = self._input.popleft()
                    if self.meter is not None:
                        self.meter.started(item)
                    return item, self._epoch
                self._changed.wait()
            return None

    def _work(self, item: ItemT | _Drain | _Reset, epoch: int) -> None:
        if isinstance(item, _Drain):
            self._deliver_all("drain", self._engine.drain, epoch)
            self._drained(item.number, epoch)
        elif isinstance(item, _Reset):
            self._deliver_all("reset", self._reset_engine, epoch)
            with self._changed:
                self._resets_done = max(self._resets_done, epoch)
                self._changed.notify_all()
        else:
            self._deliver_all("code", lambda: self._engine.process(item), epoch)
            with self._changed:
                if epoch == self._epoch:
                    self._queued_bytes -= item.queued_bytes
                    self._changed.notify_all()

    def _reset_engine(self) -> tuple[ResultT, ...]:
        self._engine.reset()
        return ()

    def _deliver_all(self, stage: str, run: Callable[[], Outputs[ResultT]], epoch: int) -> None:
        """Deliver what ``run`` yields, and what it raises, until nobody wants it any more."""
        try:
            for result in run() if self.meter is None else self.meter.coded(stage, run):
                if not self._deliver(result, epoch):
                    return
        except VideoHwError as error:
            self._deliver(error, epoch)
        except Exception as error:
            self._deliver(unexpected(error), epoch)

    def _deliver(self, output: ResultT | VideoHwError | Future[ResultT], epoch: int) -> bool:
        """Append to the ready outputs, waiting for room; False when nobody wants it any more."""
        with self._changed:
            while self._ready.count >= self._max_ready and epoch == self._epoch:
                self._changed.wait()
            if epoch != self._epoch:
                return False
            self._ready.append(output)
            if self.meter is not None:
                self.meter.delivered(output)
            if isinstance(output, VideoHwError) and output.fatal:
                self._failed = True
            self._changed.notify_all()
        if isinstance(output, Future):
            output.add_done_callback(self._output_done)
        return True

    def _output_done(self, output: Future[ResultT]) -> None:
        with self._changed:
            if self.meter is not None:
                self.meter.finished(output)
            self._changed.notify_all()

    def _drained(self, number: int, epoch: int) -> None:
        with self._changed:
            if epoch == self._epoch:
                self._ready.append_drained(number)
                self._changed.notify_all()
