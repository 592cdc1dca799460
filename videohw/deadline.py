"""Timeouts in seconds, as points in time that several waits can share."""

from __future__ import annotations

import time


def deadline_after(timeout: float | None) -> float | None:
    """The monotonic time in seconds at which a wait of ``timeout`` seconds ends; None: never."""
    return None if timeout is None else time.monotonic() + max(timeout, 0.0)


def remaining(deadline: float | None) -> float | None:
    """Seconds left until ``deadline``, at least 0; None when there is no deadline."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
