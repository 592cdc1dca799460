"""Frames from a source through a transform into a sink, each stage at work on another frame.

Owns: the arguments, the drop policy, the life of the thread. Must not know: codecs, pixels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final

from ..arguments import boolean, integer, one_of, seconds
from ..errors import InvalidInput, SessionClosed, VideoHwError
from ..sessions.deadline import deadline_after, remaining
from .dispatcher import KEEP_NATIVE, KeepNative, TransformDispatcher, checked_transform
from .flow import Entry, Flow, PipelineEvent, PipelineStats
from .workers import CLOSE_WAIT_SECONDS, WorkerPool

DROP_POLICIES: Final = ("never", "oldest_non_key")


class PipelineScheduler:
    """Keeps a source, a transform and a sink busy at once, and frames in their order.

    - ``sink``: an :class:`~videohw.Encoder`, or anything with ``submit(value, timeout=)`` that
      raises :class:`~videohw.Backpressure` while it is full; what comes out of it is the
      caller's to reap. Or a function of one value, such as ``VideoWriter.write``. It is called
      in order, on the one thread of the scheduler.
    - ``transform``: a function of one frame that makes what the sink takes, called on
      ``workers``: a number of threads, or a :class:`WorkerPool` that several schedulers share
      and get fair turns of. :data:`KEEP_NATIVE` hands the frames on as they are.
    - ``capacity``: frames submitted that the sink has not taken.
    - ``drop_policy``, where ``capacity`` is reached because the sink is behind: "never" makes
      :meth:`submit` wait or raise. "oldest_non_key" drops the oldest waiting frame that is no
      keyframe, which may be the one submitted; keyframes are never dropped.
    - ``on_event``: called with a :class:`PipelineEvent` for each frame that the sink does not get
      and each error: "behind" on the thread that submits, all others in order on the thread of
      the scheduler. An error whose ``fatal`` is set stops the pipeline, and so does what
      ``on_event`` raises; all other errors do not. Without ``on_event`` drops are only counted,
      and the first error stops the pipeline. What stopped it is raised by :meth:`submit` and
      :meth:`drain` from then on.

    Generations: a frame belongs to the current one unless told otherwise. After :meth:`advance`,
    frames of older ones are stale, but for one that the sink is just taking; newer ones are not.
    Any method may be called from any thread. At the end of a ``with`` block it is drained, or
    aborted when the block raises.
    """

    def __init__(
        self,
        sink: Any,
        transform: Callable[[Any], Any] | KeepNative = KEEP_NATIVE,
        *,
        workers: int | WorkerPool = 1,
        capacity: int = 8,
        drop_policy: str = "never",
        on_event: Callable[[PipelineEvent], object] | None = None,
    ) -> None:
        if not (callable(sink) or callable(getattr(sink, "submit", None))):
            raise InvalidInput(
                f"sink is {type(sink).__name__}",
                argument="sink",
                hint="an Encoder, or a function of one value",
            )
        if not (on_event is None or callable(on_event)):
            raise InvalidInput(
                f"on_event is {type(on_event).__name__}",
                argument="on_event",
                hint="a function of one PipelineEvent, or None",
            )
        self._drop_policy = one_of("drop_policy", drop_policy, DROP_POLICIES)
        capacity = integer("capacity", capacity, 1)
        dispatcher = TransformDispatcher[Entry, Any](
            _of_entry(checked_transform(transform)), workers=workers, max_in_flight=capacity
        )
        self._flow = Flow(sink, dispatcher, on_event, capacity)

    # In

    def submit(
        self,
        frame: Any,
        *,
        generation: int | None = None,
        keyframe: bool | None = None,
        timeout: float | None = 0,
    ) -> None:
        """Queue ``frame``, or drop it by the policy.

        ``keyframe``: whether the policy must keep it; None asks ``frame.keyframe``. ``timeout``:
        seconds to wait while ``capacity`` is reached, None for ever; then
        :class:`~videohw.Backpressure`, and the frame was not taken.
        """
        key = getattr(frame, "keyframe", False) if keyframe is None else keyframe
        entry = Entry(frame, boolean("keyframe", key))
        if generation is not None:
            generation = integer("generation", generation, 0)
        self._enter(entry, generation, seconds("timeout", timeout))

    def pump(self, source: Iterable[Any]) -> None:
        """Submit every frame that ``source`` gives, waiting for room.

        ``source``: a :class:`~videohw.VideoReader`, a :class:`~videohw.Decoder` (whose stream
        this ends), or any iterable. An error that it raises takes its place among the frames.
        After one that is not fatal a session goes on; any other iterable is at its end.
        """
        frames = iter(source)
        while True:
            try:
                frame = next(frames)
            except StopIteration:
                return
            except VideoHwError as error:
                self._enter(Entry(None, keyframe=True, error=error), None, None)
                if hasattr(source, "try_reap"):  # a session, whose iterators end at an error
                    frames = iter(source)
                continue
            self.submit(frame, timeout=None)

    def _enter(self, entry: Entry, generation: int | None, timeout: float | None) -> None:
        flow, deadline = self._flow, deadline_after(timeout)
        flow.check_open()
        try:
            while not flow.credits.try_acquire():
                if self._drop_policy != "never" and entry.error is None:
                    if flow.drop(lambda job: not job.item.keyframe):
                        continue
                    if not entry.keyframe:
                        flow.refuse(entry, generation)
                        return
                flow.credits.acquire(remaining(deadline))
                break
        except SessionClosed:
            flow.check_open()  # which knows why
            raise
        try:
            flow.enter(entry, generation)
        except BaseException:
            flow.credits.release()
            raise

    # Generations

    def advance(self, generation: int | None = None) -> int:
        """Begin ``generation`` (None: the next one) and return it; older frames become stale."""
        return self._flow.dispatcher.advance(generation)

    @property
    def generation(self) -> int:
        """The current generation, from 0."""
        return self._flow.dispatcher.generation

    # Life

    def drain(self, timeout: float | None = None) -> None:
        """Return when the sink has every frame, or it is told why not.

        :class:`TimeoutError` when that takes longer than ``timeout`` seconds: nothing is lost,
        the next call goes on. More may be submitted afterwards. What an :class:`~videohw.Encoder`
        still holds comes with its own ``flush``; while nobody reaps it, it takes no frames.
        """
        if not self._flow.wait_empty(deadline_after(seconds("timeout", timeout))):
            raise TimeoutError("the pipeline did not drain in time; call again")

    def abort(self, wait_seconds: float | None = CLOSE_WAIT_SECONDS) -> None:
        """Stop at once; frames under way are counted as "aborted", and every wait ends.

        Returns when the threads have ended, after ``wait_seconds`` at the latest: one that is
        still inside the transform or the sink then ends by itself. Again does nothing.
        """
        self._flow.close(wait_seconds=seconds("wait_seconds", wait_seconds))

    @property
    def closed(self) -> bool:
        """True once it was aborted or stopped at an error, and in a forked child."""
        return self._flow.closed

    def snapshot(self) -> PipelineStats:
        """What became of the frames so far."""
        return self._flow.stats()

    def __enter__(self) -> PipelineScheduler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.drain()
        finally:
            self.abort()

    def __del__(self) -> None:
        flow = getattr(self, "_flow", None)
        if flow is not None and not flow.dispatcher.closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, stacklevel=2, source=self)
            self.abort(wait_seconds=0)


def _of_entry(transform: Callable[[Any], Any] | KeepNative) -> Any:
    if isinstance(transform, KeepNative):
        return transform
    return lambda entry: transform(entry.frame)
