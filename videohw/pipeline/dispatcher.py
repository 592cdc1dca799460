"""Transforms frames on worker threads and gives the results back in the order of submission.

Owns: the order, what became of each job, generations. Must not know: what is transformed.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, final

from ..arguments import integer, seconds
from ..errors import InvalidInput, SessionClosed
from ..sessions.deadline import deadline_after, remaining
from ..sessions.open_sessions import open_sessions
from .credits import InFlightCredits
from .workers import CLOSE_WAIT_SECONDS, FORKED, JobLine, WorkerPool

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")
_CLOSED: Final = "the dispatcher is closed"


@final
class KeepNative:
    """The type of :data:`KEEP_NATIVE`."""

    def __repr__(self) -> str:
        return "KEEP_NATIVE"


# In place of a transform: the item itself is the result. No worker sees it.
KEEP_NATIVE: Final = KeepNative()


@dataclass(frozen=True, slots=True)
class TransformJob(Generic[ItemT]):
    """What was submitted: ``id`` counts from 0 in order, ``generation`` says what it belongs to."""

    id: int
    generation: int
    item: ItemT


@dataclass(frozen=True, slots=True)
class TransformResult(Generic[ItemT, ValueT]):
    """What became of ``job``: a ``value``, or the ``error`` that the transform raised.

    ``stale``: the job's generation was over before the result was taken, and there is neither.
    """

    job: TransformJob[ItemT]
    value: ValueT | None = None
    error: BaseException | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class DispatcherStats:
    """``submitted`` jobs are those ``transformed``, ``kept`` (KEEP_NATIVE), ``failed``, ``stale``
    and ``dropped``, and the ``in_flight`` ones, not taken yet; ``peak``: most of these at once.
    """

    submitted: int
    transformed: int
    kept: int
    failed: int
    stale: int
    dropped: int
    in_flight: int
    peak: int
    limit: int


@dataclass(frozen=True, slots=True)
class _Slot(Generic[ItemT, ValueT]):
    """A job's place in the order; ``future`` is None where the item itself is the result."""

    job: TransformJob[ItemT]
    future: Future[ValueT] | None


class _Order(Generic[ItemT, ValueT]):
    """The slots from submission to reaping; also held by work, so that this keeps no dispatcher."""

    def __init__(self, limit: int, line: JobLine) -> None:
        self.line = line
        self.changed = threading.Condition()
        self.slots: deque[_Slot[ItemT, ValueT]] = deque()
        self.credits = InFlightCredits(limit)
        self.generation = 0
        self.submitted = 0
        self.counts = dict.fromkeys(("transformed", "kept", "failed", "stale", "dropped"), 0)
        self._closed_reason: str | None = None
        open_sessions.add(self)

    @property
    def closed(self) -> bool:
        return self._closed_reason is not None

    def check_open(self) -> None:
        if self._closed_reason is not None:
            raise SessionClosed(self._closed_reason)

    # The lock is held by the caller from here on

    def append(
        self,
        item: ItemT,
        generation: int | None,
        transform: Callable[[ItemT], ValueT] | KeepNative,
    ) -> TransformJob[ItemT]:
        self.check_open()
        job = TransformJob(
            self.submitted, self.generation if generation is None else generation, item
        )
        future = None
        if not isinstance(transform, KeepNative):
            future = self.line.put(transform, item)
        self.slots.append(_Slot(job, future))
        self.submitted += 1
        self.changed.notify_all()
        if future is not None:
            future.add_done_callback(self._work_done)
        return job

    def is_ready(self, slot: _Slot[ItemT, ValueT]) -> bool:
        return self.is_stale(slot) or slot.future is None or slot.future.done()

    def is_stale(self, slot: _Slot[ItemT, ValueT]) -> bool:
        return slot.job.generation < self.generation

    def pop(self) -> TransformResult[ItemT, ValueT] | None:
        """The result of the first slot when it is ready; gives its credit back."""
        if not (self.slots and self.is_ready(self.slots[0])):
            return None
        slot = self.slots.popleft()
        what, result = self._outcome(slot)
        self.counts[what] += 1
        self.credits.release()
        self.changed.notify_all()
        return result

    def _outcome(self, slot: _Slot[ItemT, ValueT]) -> tuple[str, TransformResult[ItemT, ValueT]]:
        job, future = slot.job, slot.future
        if self.is_stale(slot):
            return "stale", TransformResult(job, stale=True)
        if future is None:
            kept: Any = job.item
            return "kept", TransformResult(job, kept)
        if future.cancelled():
            return "failed", TransformResult(job, error=SessionClosed("the pool was closed"))
        error = future.exception()
        if error is not None:
            return "failed", TransformResult(job, error=error)
        return "transformed", TransformResult(job, future.result())

    def take_out(self, slot: _Slot[ItemT, ValueT]) -> None:
        self.slots.remove(slot)
        if slot.future is not None:
            self.line.cancel(slot.future)
        self.counts["dropped"] += 1
        self.credits.release()
        self.changed.notify_all()

    def cancel_stale(self) -> None:
        for slot in self.slots:
            if self.is_stale(slot) and slot.future is not None:
                self.line.cancel(slot.future)

    # The lock is not needed

    def _work_done(self, future: Future[ValueT]) -> None:
        with self.changed:
            self.changed.notify_all()

    def close(self, reason: str = _CLOSED) -> None:
        with self.changed:
            if self._closed_reason is None:
                self._closed_reason = reason
            while self.slots:
                self.slots.popleft()
                self.credits.release()
            self.line.clear()
            self.changed.notify_all()
        self.credits.close()

    def after_fork_in_child(self) -> None:
        self.changed = threading.Condition()
        self.slots.clear()
        self.credits = InFlightCredits(self.credits.limit)
        self._closed_reason = FORKED


class TransformDispatcher(Generic[ItemT, ValueT]):
    """Runs ``transform(item)`` on workers; results come in the order of submission.

    ``transform`` is called on several threads at once when there are several workers. What it
    raises is the ``error`` of its result, and the others go on. :data:`KEEP_NATIVE` in its place
    gives each item back itself, at its place in the order, and no thread is started for it.
    ``workers``: a number of threads, or a :class:`WorkerPool` to share. ``max_in_flight``: items
    submitted whose results were not taken. Every method may be called from any thread.

    Generations: a job belongs to the current one unless told otherwise. After :meth:`advance`,
    results of older ones come as ``stale``, and work on them that has not begun is left out.
    """

    def __init__(
        self,
        transform: Callable[[ItemT], ValueT] | KeepNative = KEEP_NATIVE,
        *,
        workers: int | WorkerPool = 1,
        max_in_flight: int = 8,
    ) -> None:
        self._transform = checked_transform(transform)
        limit = integer("max_in_flight", max_in_flight, 1)
        self._owns_pool = not isinstance(workers, WorkerPool)
        # A shared one is held too: a pool that is forgotten ends its threads.
        self._pool = workers if isinstance(workers, WorkerPool) else WorkerPool(workers)
        self._order: _Order[ItemT, ValueT] = _Order(limit, self._pool.line())

    # In

    def submit(
        self,
        item: ItemT,
        *,
        generation: int | None = None,
        transform: Callable[[ItemT], ValueT] | KeepNative | None = None,
        timeout: float | None = 0,
    ) -> TransformJob[ItemT]:
        """Queue ``item`` and return its job.

        ``transform`` is for this item only. ``timeout``: seconds to wait while ``max_in_flight``
        is reached, None for ever; then :class:`Backpressure`, and nothing was taken.
        """
        chosen = self._transform if transform is None else checked_transform(transform)
        if generation is not None:
            generation = integer("generation", generation, 0)
        order = self._order
        order.check_open()
        order.credits.acquire(timeout)
        try:
            with order.changed:
                return order.append(item, generation, chosen)
        except BaseException:
            order.credits.release()
            raise

    # Out

    def try_reap(self) -> TransformResult[ItemT, ValueT] | None:
        """The next result if it is there, else None; never waits."""
        return self.reap_timeout(0)

    def reap_timeout(self, timeout: float | None = None) -> TransformResult[ItemT, ValueT] | None:
        """The next result, waiting up to ``timeout`` seconds (None: for ever) for it; else None."""
        deadline = deadline_after(seconds("timeout", timeout))
        order = self._order
        with order.changed:
            while True:
                order.check_open()
                if (result := order.pop()) is not None:
                    return result
                left = remaining(deadline)
                if left == 0:
                    return None
                order.changed.wait(left)

    def drain(self, timeout: float | None = None) -> list[TransformResult[ItemT, ValueT]]:
        """Every result of what was submitted so far.

        :class:`TimeoutError` when that takes longer than ``timeout`` seconds: everything is kept.
        """
        deadline = deadline_after(seconds("timeout", timeout))
        order = self._order
        with order.changed:
            order.check_open()
            end = order.submitted
            while any(not order.is_ready(slot) for slot in order.slots if slot.job.id < end):
                left = remaining(deadline)
                if left == 0:
                    raise TimeoutError("not everything is transformed yet; it is kept, call again")
                order.changed.wait(left)
                order.check_open()
            results = []
            while order.slots and order.slots[0].job.id < end:
                result = order.pop()
                assert result is not None
                results.append(result)
            return results

    # Generations and drops

    def advance(self, generation: int | None = None) -> int:
        """Begin ``generation`` (None: the next one) and return it; older results become stale."""
        order = self._order
        with order.changed:
            order.check_open()
            now = order.generation
            wanted = now + 1 if generation is None else integer("generation", generation, 0)
            if wanted < now:
                raise InvalidInput(
                    f"generation is {wanted}, the current one is {now}",
                    argument="generation",
                    hint="generations only grow",
                )
            order.generation = wanted
            order.cancel_stale()
            order.changed.notify_all()
            return wanted

    @property
    def generation(self) -> int:
        """The current generation, from 0."""
        return self._order.generation

    def drop_oldest(
        self, may_drop: Callable[[TransformJob[ItemT]], bool]
    ) -> TransformJob[ItemT] | None:
        """Take out the oldest job that ``may_drop`` and was not taken; no result comes of it.

        ``may_drop`` is asked under the dispatcher's lock: it must not wait.
        """
        order = self._order
        with order.changed:
            order.check_open()
            slot = next((slot for slot in order.slots if may_drop(slot.job)), None)
            if slot is None:
                return None
            order.take_out(slot)
            return slot.job

    # Life

    def close(self, wait_seconds: float | None = CLOSE_WAIT_SECONDS) -> None:
        """Forget what is under way; every waiting call ends with :class:`SessionClosed`.

        Returns when the dispatcher's own threads have ended, after ``wait_seconds`` at the
        latest. Closing again does nothing.
        """
        self._order.close()
        if self._owns_pool:
            self._pool.close(_CLOSED, wait_seconds)

    @property
    def closed(self) -> bool:
        """True once it was closed, and in a forked child."""
        return self._order.closed

    def snapshot(self) -> DispatcherStats:
        """What became of the jobs so far."""
        order = self._order
        with order.changed:
            taken = order.credits.snapshot()
            return DispatcherStats(
                submitted=order.submitted,
                **order.counts,
                in_flight=len(order.slots),
                peak=taken.peak,
                limit=taken.limit,
            )

    def __enter__(self) -> TransformDispatcher[ItemT, ValueT]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Work holds the order, not the dispatcher: nobody can take a result any more.
        order = getattr(self, "_order", None)
        if order is not None and not order.closed:
            if order.submitted:
                warnings.warn(
                    f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self
                )
            self.close(wait_seconds=0)


def checked_transform(transform: Any) -> Any:
    """``transform`` when it is a function or KEEP_NATIVE; else :class:`InvalidInput`."""
    if isinstance(transform, KeepNative) or callable(transform):
        return transform
    raise InvalidInput(
        f"transform is {type(transform).__name__}",
        argument="transform",
        hint="a function of one item, or KEEP_NATIVE",
    )
