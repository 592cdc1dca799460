"""The log view of a session's metrics: one line at each flush, and one when it is closed.

Must not know: sessions.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Final, Literal

from .snapshot import SessionMetrics

LOGGER: Final = logging.getLogger("videohw.metrics")


def log(
    event: Literal["flush", "close"],
    metrics: Callable[[], SessionMetrics],
    *,
    to_stderr: bool,
) -> None:
    """Write what ``metrics`` gives at INFO to the logger ``videohw.metrics``.

    With ``to_stderr`` the line appears there when logging would not show it, which is so in a
    program that never configured logging. ``metrics`` is called only for a line that is shown.
    """
    shown = LOGGER.isEnabledFor(logging.INFO) and LOGGER.hasHandlers()
    if shown:
        LOGGER.info("event=%s %s", event, metrics().log_line())
    elif to_stderr and sys.stderr is not None:
        # A program without a terminal, or whose reader is gone, must not fail for its metrics.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"videohw.metrics event={event} {metrics().log_line()}\n")
