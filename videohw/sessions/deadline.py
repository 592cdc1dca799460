"""Timeouts in seconds, as points in time that several waits can share."""

from __future__ import annotations

import time


def deadline_after(timeout: float | None) -> float | None:
    """The monotonic time in seconds at which a wait of ``timeout`` seconds ends; None: never.

    0.0, which is long past, of one that does not wait: most calls are of these, and ask no clock.
    """
    return time.monotonic() + max(timeout, 0.0) if timeout else timeout


def remaining(deadline: float | None) -> float | None:
    """Seconds left until ``deadline``, at least 0; None when there is no deadline."""
    return max(deadline - time.monotonic(), 0.0) if deadline else deadline
