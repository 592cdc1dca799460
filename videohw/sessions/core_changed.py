"""The lock of a session whose worker runs no Python, and waiting under it.

Must not know: what changes, whose worker it is.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

# How often who waits looks at what changes nothing: a worker that is stuck in the driver.
_LOOK_SECONDS: Final = 0.25


def join_unless_stuck(
    thread: threading.Thread, seconds: float, is_stuck: Callable[[], bool]
) -> None:
    """Wait up to ``seconds`` for a worker to end, but not for one that is stuck in the driver."""
    deadline = time.monotonic() + seconds
    while thread.is_alive() and not is_stuck():
        left = deadline - time.monotonic()
        if left <= 0:
            return
        thread.join(min(left, _LOOK_SECONDS))


class Changes(Protocol):
    """What a native session tells of itself, such as ``videohw._nv.Core``."""

    def version(self) -> int:
        """A number that changes with everything that happens."""

    def wait(self, seen: int, timeout: float | None) -> None:
        """Return when the version is not ``seen`` any more, or after ``timeout`` seconds."""

    def notify(self) -> None:
        """Change the version."""


class CoreChanged(_thread.RLock):  # type: ignore[misc]  # final to checkers alone
    """The lock of a session, and waiting for what the native worker or another thread changes.

    It is the lock itself, since entering one through Python takes longer than what is done there;
    one that may be taken again, since a push may be within another.

    The worker has no lock of Python's: a wait ends when the version of the core is not the one
    seen before the outputs were last looked at.
    """

    def __init__(self, core: Changes) -> None:
        super().__init__()
        self._core = core
        self._seen = 0
        # Wake all who wait.
        self.notify_all = core.notify

    def look(self) -> None:
        """What happens from now on ends the next wait."""
        self._seen = self._core.version()

    def saw(self, version: int) -> None:
        """The same, where ``version`` is that of what was looked at."""
        self._seen = version

    def wait(self, timeout: float | None = None) -> None:
        """Give the lock away until something changes, or for ``timeout`` seconds, or a while."""
        seen = self._seen
        timeout = _LOOK_SECONDS if timeout is None else min(timeout, _LOOK_SECONDS)
        self.release()
        try:
            self._core.wait(seen, timeout)
        finally:
            self.acquire()
