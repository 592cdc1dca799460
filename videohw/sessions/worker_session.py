"""A session whose worker is a thread of Python's, for engines that code one picture a call.

Owns: that thread and its input queue. Must not know: codecs, pixels, files. The engine runs on
the worker thread only, so it needs no lock.
"""

from __future__ import annotations

import ctypes
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from operator import attrgetter
from typing import Final

from ..errors import DeviceLost, VideoHwError
from .engine import Engine, Outputs
from .outputs_in_work import OutputsInWork
from .ready_outputs import unexpected
from .session import Control, Drain, ItemT, Reset, ResultT, Session

# How often who waits looks whether the worker comes back from the engine.
_LOOK_SECONDS: Final = 0.25


class _Looking(threading.Condition):
    """Its waits end after a while, so that whoever waits looks at what changes nothing.

    ``with`` calls the lock's own methods: in those of a Condition, which are Python's, Ctrl-C may
    be raised after the lock was taken or before it is given back, and it stays taken for ever.
    """

    __enter__ = property(attrgetter("_lock.__enter__"))
    __exit__ = property(attrgetter("_lock.__exit__"))

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(_LOOK_SECONDS if timeout is None else min(timeout, _LOOK_SECONDS))


class WorkerSession(Session[ItemT, ResultT]):
    """Runs an :class:`Engine` on one thread, between the two bounded queues of a session.

    ``stuck_seconds``: no engine works so long without an output; the session is given up then,
    and says so. None: it may take any time.
    """

    def __init__(
        self, engine: Engine[ItemT, ResultT], *, max_ready: int, max_queued_bytes: int, name: str,
        stuck_seconds: float | None = None,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._input: deque[ItemT | Control] = deque()
        self._stuck_seconds = stuck_seconds
        self._busy_since: float | None = None  # the worker is in the engine from then on
        super().__init__(_Looking(), max_ready=max_ready, max_queued_bytes=max_queued_bytes)
        self._ready: OutputsInWork[ResultT] = OutputsInWork()
        self._worker = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._worker.start()
        except BaseException:  # Ctrl-C while it starts: nobody gets the session to close it
            self._closed_reason = "it was not opened"
            raise

    def after_fork_in_child(self) -> None:
        """Be closed, and keep the engine.

        Freeing it would wait for threads of the codec library that are not here: one reference
        that nobody gives back keeps it for the life of the child.
        """
        super().after_fork_in_child()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._engine))

    def _send(self, items: Sequence[ItemT] | Sequence[Control]) -> None:
        self._input.extend(items)

    def _forget_input(self) -> None:
        self._input.clear()

    def _waiting_items(self) -> int:
        return len(self._input)

    def _join(self, seconds: float) -> None:
        if self._worker is not threading.current_thread() and self._worker.is_alive():
            self._worker.join(0 if self.abandoned else seconds)

    def _collect(self) -> None:
        since, bound = self._busy_since, self._stuck_seconds
        if since is None or bound is None or self.abandoned or self._closed_reason is not None:
            return
        if time.monotonic() - since > bound:
            self._worker.name += " (abandoned)"
            self._abandon(
                DeviceLost(
                    f"the codec library did not come back within {bound:g} seconds: "
                    f"ETIMEDOUT ({errno.ETIMEDOUT})",
                    domain="videohw", code=errno.ETIMEDOUT, name="ETIMEDOUT",
                    hint="open a new session, with threads=1 in its options for damaged streams",
                )
            )  # fmt: skip
            self._changed.notify_all()

    # The worker

    def _run(self) -> None:
        try:
            while (work := self._next_input()) is not None:
                self._work(*work)
        finally:
            self._engine.close()

    def _next_input(self) -> tuple[ItemT | Control, int] | None:
        with self._changed:
            while self._closed_reason is None:
                if self._input and not self._failed and self._ready.count < self._max_ready:
                    item = self._input.popleft()
                    if self.meter is not None:
                        self.meter.started(item)
                    return item, self._epoch
                self._changed.wait()
            return None

    def _work(self, item: ItemT | Control, epoch: int) -> None:
        self._busy_since = time.monotonic()
        try:
            self._work_on(item, epoch)
        finally:
            self._busy_since = None

    def _work_on(self, item: ItemT | Control, epoch: int) -> None:
        if isinstance(item, Drain):
            self._deliver_all("drain", self._engine.drain, epoch)
            self._drained(item.number, epoch)
        elif isinstance(item, Reset):
            self._deliver_all("reset", self._reset_engine, epoch)
            with self._changed:
                self._resets_done = max(self._resets_done, item.epoch)
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
            self._busy_since = None
            while self._ready.count >= self._max_ready and epoch == self._epoch:
                self._changed.wait()
            self._busy_since = time.monotonic()
            if epoch != self._epoch or self.abandoned:
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
