"""Threads keep their place among those of the machine, whatever a codec library would like.

Must not know: which library. SVT-AV1 is the one: where the system lets it (as root, in most
containers), opening an encoder gives the calling thread and all threads of the encoder real-time
scheduling at the highest priority. It stays when the encoder is closed, every thread and process
begun from there inherits it, and nothing else gets a core while they have work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

if sys.platform == "linux":

    @contextmanager
    def unchanged_scheduling() -> Iterator[None]:
        """Undo what the block does to the scheduling of the calling thread and of new threads."""
        policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        threads_before = set(os.listdir("/proc/self/task"))
        try:
            yield
        finally:
            changed = os.sched_getscheduler(0)
            if changed != policy:
                os.sched_setscheduler(0, policy, parameters)
                for thread in set(os.listdir("/proc/self/task")) - threads_before:
                    # It may have ended meanwhile.
                    with suppress(OSError):
                        if os.sched_getscheduler(int(thread)) == changed:
                            os.sched_setscheduler(int(thread), policy, parameters)

else:

    @contextmanager
    def unchanged_scheduling() -> Iterator[None]:
        """Nothing is known to change there."""
        yield
