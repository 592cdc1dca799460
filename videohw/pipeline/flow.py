"""What a scheduler's thread does: results of the transform into the sink, and the account of it.

Owns: delivery, events, stopping. Must not know: the drop policy, limits of time. It is apart from
the scheduler so that its thread does not keep alive a scheduler that nobody holds any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import Backpressure, SessionClosed, VideoHwError
from ..sessions.deadline import deadline_after, remaining
from ..sessions.open_sessions import open_sessions
from .credits import InFlightCredits
from .dispatcher import KEEP_NATIVE, TransformDispatcher, TransformJob, TransformResult
from .workers import CLOSE_WAIT_SECONDS, FORKED, GLANCE_SECONDS

# The longest wait inside one call of the sink; nothing ends because of it.
_OFFER_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class PipelineEvent:
    """A frame that did not reach the sink, or an error of the source.

    ``reason``: "stale" (its generation was over), "behind" (dropped by the policy), or the stage
    that failed with ``error``: "source" (``frame`` is None), "transform" or "sink".
    """

    reason: Literal["stale", "behind", "source", "transform", "sink"]
    frame: Any
    generation: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class PipelineStats:
    """``submitted == delivered + in_flight + sum(reasons.values())`` at every moment.

    ``delivered``: frames that the sink took. ``reasons``: why others were not delivered: "stale",
    "behind", "transform" and "sink" as in :class:`PipelineEvent`, and "aborted".
    ``source_errors`` are no frames. ``peak``: most in flight at once, of ``capacity``.
    """

    submitted: int
    delivered: int
    reasons: dict[str, int]
    source_errors: int
    in_flight: int
    peak: int
    capacity: int
    generation: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What travels through the dispatcher: a frame, or an error of the source in its place."""

    frame: Any
    keyframe: bool = False
    error: VideoHwError | None = None


class Flow:
    """The state of a pipeline, and its thread's loop."""

    def __init__(
        self,
        sink: Any,
        dispatcher: TransformDispatcher[Entry, Any],
        on_event: Callable[[PipelineEvent], object] | None,
        capacity: int,
    ) -> None:
        self.dispatcher = dispatcher
        self.credits = InFlightCredits(capacity)
        self._sink = sink
        self._submit = getattr(sink, "submit", None)
        self._on_event = on_event
        self._changed = threading.Condition()
        self._submitted = self._delivered = self._source_errors = 0
        self._entries = 0  # in flight: frames, and errors of the source
        self._reasons: dict[str, int] = {}
        self._failure: BaseException | None = None
        self._closed_reason: str | None = None
        self._thread = threading.Thread(target=self._run, name="videohw-pipeline", daemon=True)
        open_sessions.add(self)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """True once it was stopped."""
        return self._closed_reason is not None

    def check_open(self) -> None:
        """Raise the error that stopped the pipeline, or SessionClosed."""
        if self._failure is not None:
            raise self._failure
        if self._closed_reason is not None:
            raise SessionClosed(self._closed_reason)

    # In

    def enter(self, entry: Entry, generation: int | None) -> None:
        """Put ``entry`` behind those that are in flight; the caller holds a credit for it."""
        with self._changed:
            self.check_open()
            keep = KEEP_NATIVE if entry.error is not None else None
            self.dispatcher.submit(entry, generation=generation, transform=keep)
            self._entries += 1
            self._submitted += entry.error is None

    def refuse(self, entry: Entry, generation: int | None) -> None:
        """Drop a frame instead of putting it behind the others."""
        with self._changed:
            self.check_open()
            self._submitted += 1
            self._count("behind")
        now = self.dispatcher.generation if generation is None else generation
        self._tell(PipelineEvent("behind", entry.frame, now))

    def drop(self, may_drop: Callable[[TransformJob[Entry]], bool]) -> bool:
        """Drop the oldest frame that ``may_drop`` and the sink has not; False: there is none."""
        with self._changed:
            self.check_open()
            job = self.dispatcher.drop_oldest(may_drop)
            if job is None:
                return False
            self._leave("behind")
        self._tell(PipelineEvent("behind", job.item.frame, job.generation))
        return True

    def wait_empty(self, deadline: float | None) -> bool:
        """Wait until nothing is in flight; False when that takes longer."""
        with self._changed:
            self.check_open()
            while self._entries:
                left = remaining(deadline)
                if left == 0:
                    return False
                self._changed.wait(left)
                self.check_open()
            return True

    # The thread

    def _run(self) -> None:
        while self._closed_reason is None:
            try:
                result = self.dispatcher.reap_timeout(GLANCE_SECONDS)
            except SessionClosed:
                return
            if result is not None:
                self._settle(result)
                del result  # or the last frame would live as long as this thread waits

    def _settle(self, result: TransformResult[Entry, Any]) -> None:
        """Deliver a result, or say why not."""
        entry = result.job.item
        reason: Any = None
        error: BaseException | None = None
        if entry.error is not None:
            reason, error = "source", entry.error
        elif result.stale:
            reason = "stale"
        elif result.error is not None:
            reason, error = "transform", result.error
        else:
            value = entry.frame if result.value is entry else result.value
            reason, error = self._deliver(value, result.job.generation)
        if reason not in (None, "aborted"):
            self._tell(PipelineEvent(reason, entry.frame, result.job.generation, error))
        with self._changed:
            self._leave(reason)

    def _deliver(self, value: Any, generation: int) -> tuple[str | None, BaseException | None]:
        """Offer ``value`` until the sink takes it or nobody wants it; (why not, error)."""
        try:
            if self._submit is None:
                self._sink(value)
                return None, None
            while self._closed_reason is None:
                if generation < self.dispatcher.generation:
                    return "stale", None
                try:
                    self._submit(value, timeout=_OFFER_SECONDS)
                except Backpressure:
                    continue
                return None, None
        except BaseException as error:
            return "sink", error
        return "aborted", None

    def _tell(self, event: PipelineEvent) -> None:
        """Report, and stop where an error is final or has nobody to hear it."""
        final = event.error
        if self._on_event is not None:
            final = final if getattr(final, "fatal", False) else None
            try:
                self._on_event(event)
            except BaseException as raised:
                final = final or raised
        if final is not None:
            self._stop("the pipeline stopped at an error", final)

    # The account; the lock is held by the caller

    def _leave(self, reason: str | None) -> None:
        """An entry is out; ``reason`` says why it was not delivered."""
        if reason is None:
            self._delivered += 1
        elif reason == "source":
            self._source_errors += 1
        else:
            self._count(reason)
        self._entries -= 1
        self.credits.release()
        self._changed.notify_all()

    def _count(self, reason: str) -> None:
        self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def _frames_in_flight(self) -> int:
        return self._submitted - self._delivered - sum(self._reasons.values())

    # The end

    def close(
        self,
        reason: str = "the pipeline is closed",
        wait_seconds: float | None = CLOSE_WAIT_SECONDS,
    ) -> None:
        """Count what waits as aborted, let every wait end, and join the threads."""
        deadline = deadline_after(wait_seconds)
        self._stop(reason, None)
        self.dispatcher.close(remaining(deadline))
        if self._thread is not threading.current_thread():
            self._thread.join(remaining(deadline))

    def _stop(self, reason: str, failure: BaseException | None) -> None:
        with self._changed:
            if self._closed_reason is None:
                self._closed_reason, self._failure = reason, failure
            self.credits.close()
            while (job := self._drop_any()) is not None:
                self._leave("aborted" if job.item.error is None else "source")
            self._changed.notify_all()

    def _drop_any(self) -> TransformJob[Entry] | None:
        try:
            return self.dispatcher.drop_oldest(lambda job: True)
        except SessionClosed:
            return None

    def stats(self) -> PipelineStats:
        """The account so far."""
        with self._changed:
            credits = self.credits.snapshot()
            return PipelineStats(
                submitted=self._submitted,
                delivered=self._delivered,
                reasons=dict(self._reasons),
                source_errors=self._source_errors,
                in_flight=self._frames_in_flight(),
                peak=credits.peak,
                capacity=credits.limit,
                generation=self.dispatcher.generation,
            )

    def after_fork_in_child(self) -> None:
        """Be closed: the thread does not exist here, and the lock may be held for ever."""
        self._changed = threading.Condition()
        self.credits = InFlightCredits(self.credits.limit)
        self._failure, self._closed_reason = None, FORKED
