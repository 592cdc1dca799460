"""Measurements of sessions as data: what ``Decoder.metrics()`` and ``Encoder.metrics()`` give.

:class:`SessionMetrics` is the typed snapshot, :func:`merge` adds those of several sessions,
:func:`prometheus` writes them for a scrape. :class:`Histogram` and :class:`Distribution` are the
building blocks under it. ``docs/metrics.md`` defines every field and names the switches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .histogram import RELATIVE_ERROR, Distribution, Unit
    from .log_view import log
    from .recording import Histogram, Meter
    from .snapshot import STAGES, Direction, SessionMetrics, merge, prometheus

__all__ = [
    "RELATIVE_ERROR",
    "STAGES",
    "Direction",
    "Distribution",
    "Histogram",
    "Meter",
    "SessionMetrics",
    "Unit",
    "log",
    "merge",
    "prometheus",
]

# A session that is not measured needs none of them.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "histogram": ("RELATIVE_ERROR", "Distribution", "Unit"),
    "log_view": ("log",),
    "recording": ("Histogram", "Meter"),
    "snapshot": ("STAGES", "Direction", "SessionMetrics", "merge", "prometheus"),
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
