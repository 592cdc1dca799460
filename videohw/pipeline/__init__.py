"""Building blocks to keep decoding, transforming and encoding busy at the same time.

Names only. Waiting: :class:`BoundedQueue`, :class:`InFlightCredits`. Work on frames in order:
:class:`TransformDispatcher` on a :class:`WorkerPool`. All of it between a decoder and an encoder:
:class:`PipelineScheduler`. Nothing here knows codecs or pixels, and every limit holds.
"""

from .bounded_queue import BoundedQueue, QueueStats
from .credits import CreditStats, InFlightCredits
from .dispatcher import (
    KEEP_NATIVE,
    DispatcherStats,
    TransformDispatcher,
    TransformJob,
    TransformResult,
)
from .flow import PipelineEvent, PipelineStats
from .scheduler import DROP_POLICIES, PipelineScheduler
from .workers import WorkerPool

__all__ = [
    "DROP_POLICIES",
    "KEEP_NATIVE",
    "BoundedQueue",
    "CreditStats",
    "DispatcherStats",
    "InFlightCredits",
    "PipelineEvent",
    "PipelineScheduler",
    "PipelineStats",
    "QueueStats",
    "TransformDispatcher",
    "TransformJob",
    "TransformResult",
    "WorkerPool",
]
