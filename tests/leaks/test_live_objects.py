"""Opening and closing leaves no object, thread or file behind. (``make leaks`` watches the RSS.)"""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from pathlib import Path

import pytest

import videohw
from tests.leaks import cycles
from videohw.sessions.open_sessions import open_sessions

WARM_CYCLES = 3
CYCLES = 10


def live() -> Counter[str]:
    """How many objects of videohw and PyAV there are by class, and threads, sessions and files."""
    gc.collect()
    count = Counter(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in map(type, gc.get_objects())
        # Some classes of compiled modules have something else there.
        if str(kind.__module__).partition(".")[0] in ("videohw", "av")
    )
    count["threads"] = threading.active_count()
    count["sessions"] = sum(not session.closed for session in open_sessions)  # type: ignore[attr-defined]
    descriptors = Path("/proc/self/fd")
    count["files"] = len(os.listdir(descriptors)) if descriptors.is_dir() else 0
    return count


@pytest.mark.parametrize("kind", cycles.KINDS)
def test_nothing_is_left_of_what_was_closed(kind: str) -> None:
    run = cycles.KINDS[kind]
    for _ in range(WARM_CYCLES):
        run()
    before = live()
    for _ in range(CYCLES):
        run()
    assert live() - before == Counter()


def test_the_count_sees_what_is_kept() -> None:
    cycles.coded()
    before = live()
    with videohw.Decoder("h264", backend="software") as decoder:
        decoder.submit(cycles.coded())
        frames = decoder.flush(cycles.PATIENCE_SECONDS)
        more = live() - before
        assert more["videohw.decoder.Decoder"] == more["sessions"] == 1
        assert more["threads"] >= 1
        assert more["videohw.frame.Frame"] == len(frames) == cycles.PICTURES
