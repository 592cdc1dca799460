"""No thread of the process becomes a real-time one because a codec library would like it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.encoding import needs_encoder

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import os, sys, threading
import numpy as np
from videohw.machine import capabilities
from videohw.encoder import Encoder

def scheduling():
    found = set()
    for thread in os.listdir("/proc/self/task"):
        try:
            found.add(os.sched_getscheduler(int(thread)))
        except ProcessLookupError:  # it has just ended
            pass
    return found

assert scheduling() == {os.SCHED_OTHER}
capabilities(sys.argv[1], backend="software")
assert scheduling() == {os.SCHED_OTHER}, "after asking"
encoder = Encoder(sys.argv[1], 64, 64, fps=30, preset="fastest", backend="software")
encoder.submit(np.zeros((96, 64), np.uint8))
assert encoder.flush(30)
assert scheduling() == {os.SCHED_OTHER}, "while open"
threads = []
later = threading.Thread(target=lambda: threads.extend(scheduling()))
later.start()
later.join()
encoder.close()
assert scheduling() | set(threads) == {os.SCHED_OTHER}, "after closing"
print("unchanged")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads with a policy each are of Linux")
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_an_encoder_leaves_the_scheduling_of_threads_alone(codec: str) -> None:
    """SVT-AV1 does not, for one that may (root), and starves what runs beside it."""
    needs_encoder(codec)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, codec],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("unchanged\n", "")
