"""Pixels converted beside a codec's own worker: ``VIDEO_HW_SW_PIPELINE`` and its options.

Owns: whether a session does so, and how much of it is under way. Must not know: which conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

from .. import environment
from ..errors import SessionClosed
from ..pipeline import InFlightCredits, WorkerPool
from ..software_options import SoftwareDecoderOptions, SoftwareEncoderOptions
from .capabilities import NAME

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")

# Each converts one picture, and seldom are two not as fast as the codec.
_WORKERS: Final = 2
_LONGEST_QUEUE: Final = 1024


class PixelWorkers:
    """At most ``queue`` conversions that wait or run; what has no room is the caller's to do."""

    def __init__(self, queue: int) -> None:
        self._pool = WorkerPool(_WORKERS, name="videohw-pixels")
        self._line = self._pool.line()
        self._credits = InFlightCredits(queue)
        self._under_way: set[Future[Any]] = set()

    def begin(
        self, convert: Callable[[ArgumentT], ResultT], argument: ArgumentT
    ) -> Future[ResultT] | None:
        """Have ``convert(argument)`` called on a worker; None when there is no room for it."""
        if not self._credits.try_acquire():
            return None
        try:
            future = self._line.put(convert, argument)
        except SessionClosed:  # at the end of the interpreter the pool may go before the session
            self._credits.release()
            return None
        self._under_way.add(future)
        future.add_done_callback(self._done)
        return future

    def result(
        self,
        future: Future[ResultT],
        convert: Callable[[ArgumentT], ResultT],
        argument: ArgumentT,
    ) -> ResultT:
        """What ``begin`` gave ``future`` for; converted here and now if no worker has begun."""
        if self._line.cancel(future) or future.cancelled():
            return convert(argument)
        return future.result()

    def settle(self) -> None:
        """Cancel what has not begun, and wait for the rest."""
        self._line.clear()
        wait(list(self._under_way))

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    def describe(self) -> dict[str, Any]:
        """What ``summary()`` says: the most conversions under way, and how many there were."""
        stats = self._credits.snapshot()
        return {"pipeline": True, "pipeline_queue": stats.limit, "pipeline_peak": stats.peak}

    def _done(self, future: Future[Any]) -> None:
        self._under_way.discard(future)
        self._credits.release()


def pixel_workers(
    options: SoftwareDecoderOptions | SoftwareEncoderOptions | None, max_in_flight: int
) -> PixelWorkers | None:
    """The workers of a session, or None when neither its options nor the environment ask."""
    asked = None if options is None else options.pipeline
    if not (environment.switch(NAME, "PIPELINE") if asked is None else asked):
        return None
    queue = None if options is None else options.pipeline_queue
    if queue is None:
        queue = environment.number(NAME, "PIPELINE_QUEUE", 1, _LONGEST_QUEUE)
    return PixelWorkers(queue or min(max(2 * max_in_flight, 4), 128))


def describe(workers: PixelWorkers | None) -> dict[str, Any]:
    """What ``summary()`` says of ``workers``."""
    off = {"pipeline": False, "pipeline_queue": None, "pipeline_peak": None}
    return off if workers is None else workers.describe()
