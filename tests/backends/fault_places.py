"""Which of the calls of a run the fault tests have fail, and a run of which one does not come back.

``VIDEOHW_FAULTS=every`` (``make fault-sweep``), like the deep profile, is each call, one by one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

from tests.backends.waiting import Call, wait_for
from tests.conftest import PROFILE
from tests.emulators.control import Controls

EVERY = PROFILE == "deep" or os.environ.get("VIDEOHW_FAULTS") == "every"
# A caller that is at one place for so long is inside the call itself. Where that is wrong, on a
# machine that is busy, the call is let go before it was told to be stuck.
_STANDS_STILL_SECONDS = 0.2
_WAITS = ("wait", "join", "_wait_for_tstate_lock", "join_unless_stuck")

Result = TypeVar("Result")


def places(count: int, *, neighbours: bool = True) -> list[int]:
    """Numbers of the calls that fail, in turn, of ``count``: the first, one in the middle, the
    last, with ``neighbours`` also those beside them; all of them in a sweep."""
    if EVERY:
        return list(range(1, count + 1))
    chosen = {1, count // 2 + 1, count}
    if neighbours:
        chosen |= {2, count // 2, count - 1}
    return sorted(chosen & set(range(1, count + 1)))


def middle(count: int) -> list[int]:
    """The call in the middle; each of ``count`` in a sweep."""
    return list(range(1, count + 1)) if EVERY else [count // 2 + 1]


class Stalled(Generic[Result]):
    """What came of ``run`` while a call of the driver did not come back.

    ``came``: a call did stall. ``on_caller``: the caller was inside of it, so nothing could be
    told before it came back. ``stuck`` sets the bound for what is stuck: none until a call
    stalls, and 0 then, so that no clock decides.
    """

    def __init__(
        self, controls: Controls, run: Callable[[], Result], stuck: Callable[[float], None]
    ) -> None:
        stuck(3600.0)
        running = Call(run)
        wait_for(lambda: controls.stalled() or running.ended)
        self.came = controls.stalled() > 0
        self.on_caller = False
        try:
            if self.came:
                stuck(0.0)
                self.on_caller = not self._ends(running)
        finally:
            stuck(3600.0)  # before anything goes on: no call takes no time at all
            controls.clear_faults()
        self.result: Result = running.join()

    def _ends(self, running: Call) -> bool:
        place: object = None
        since = time.monotonic()

        def settled() -> bool:
            nonlocal place, since
            now = _place_of(running)
            if now is None or now != place:
                place, since = now, time.monotonic()
            return running.ended or time.monotonic() - since > _STANDS_STILL_SECONDS

        wait_for(settled)
        return running.ended


def _place_of(running: Call) -> object:
    """Where the thread is, None where it waits with a bound or has ended."""
    frame: FrameType | None = sys._current_frames().get(running.thread_id)
    if frame is None or frame.f_code.co_name in _WAITS:
        return None
    return id(frame), frame.f_lasti
