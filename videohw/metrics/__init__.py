"""Measurements of sessions as data: what ``Decoder.metrics()`` and ``Encoder.metrics()`` give.

:class:`SessionMetrics` is the typed snapshot, :func:`merge` adds those of several sessions,
:func:`prometheus` writes them for a scrape. :class:`Histogram` and :class:`Distribution` are the
building blocks under it. ``docs/metrics.md`` defines every field and names the switches.
"""

from .histogram import RELATIVE_ERROR, Distribution, Unit
from .log import log
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
