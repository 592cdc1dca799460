"""Waiting in tests: for what happens, never for a time that should be long enough."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

# A wait that no test should come near; a test that hangs fails by it.
PATIENCE_SECONDS = 30.0
# How long a thread may take to reach its wait where that cannot be seen from outside. Nothing
# depends on it but how often a test meets the case that it was written for.
_SETTLE_SECONDS = 0.2


def wait_for(condition: Callable[[], object]) -> None:
    """Return as soon as ``condition`` holds; fail after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Call:
    """A call on a thread of its own: ``result`` of it, or what it ``raised``."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.result: Any = None
        self.raised: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it has returned or raised."""
        return not self._thread.is_alive()

    @property
    def thread_id(self) -> int:
        """Of the thread, as ``sys._current_frames`` has it."""
        return self._thread.ident or 0

    def join(self) -> Any:
        """Its result, or its error raised here; fails when it does not end."""
        self.wait()
        if self.raised is not None:
            raise self.raised
        return self.result

    def wait(self) -> None:
        """Return when it has ended; fails when it does not."""
        self._thread.join(PATIENCE_SECONDS)
        assert self.ended, "the call does not come back"

    def until_it_waits(self) -> Call:
        """Return when the thread is inside of a wait, or has ended."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not (self.ended or self._waits()) and time.monotonic() < deadline:
            time.sleep(0.001)
        return self

    def _waits(self) -> bool:
        # Python 3.11 deadlocks when this collects a threading.local: it holds the lock for that.
        gc.disable()
        try:
            frame: FrameType | None = sys._current_frames().get(self._thread.ident or 0)
        finally:
            gc.enable()
        return frame is not None and frame.f_code.co_filename == threading.__file__

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.raised = error


def together(*calls: Callable[[], Any]) -> list[Any]:
    """The results of ``calls``, each run on its own thread."""
    running = [Call(call) for call in calls]
    for call in running:
        call.wait()
    return [call.join() for call in running]
