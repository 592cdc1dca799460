"""The software encoder in its process: quiet, ended when forgotten, refused in a forked child."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.backends.encoding import PATIENCE_SECONDS, codec, needs_encoder
from videohw.encoder import Encoder

__all__ = ["codec"]


@pytest.mark.parametrize("name", ["h264", "hevc", "av1"])
def test_nothing_is_printed(name: str) -> None:
    needs_encoder(name)
    program = f"""
import numpy as np
from videohw.capabilities import capabilities
from videohw.encoder import Encoder
from videohw.errors import VideoHwError
capabilities()
for more in ({{}}, {{"low_latency": True}}, {{"preset": "best"}}):
    with Encoder({name!r}, 64, 64, fps=30, **more) as encoder:
        for _ in range(3):
            encoder.submit(np.zeros((96, 64), np.uint8))
        encoder.flush()
        encoder.submit(np.zeros((96, 64), np.uint8))
try:
    Encoder({name!r}, 1 << 20, 64, fps=30)
except VideoHwError as error:
    print(type(error).__name__)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "UnsupportedConfig\n", "")


def test_an_encoder_that_is_forgotten_ends_and_says_so(codec: str) -> None:
    encoder = Encoder(codec, 64, 64, fps=30, preset="fastest")
    encoder.submit(np.zeros((96, 64), np.uint8))
    assert repr(encoder) == f"<Encoder {codec} 64x64 on software>"
    worker = encoder._session._worker  # type: ignore[attr-defined]
    held = [encoder]
    del encoder
    with pytest.warns(ResourceWarning, match="was not closed"):
        held.clear()
    worker.join(PATIENCE_SECONDS)
    assert not worker.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_told_and_the_parent_goes_on() -> None:
    program = """
import os, warnings
import numpy as np
from videohw.encoder import Encoder
from videohw.errors import SessionClosed
warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads, which is the point
picture = np.zeros((96, 64), np.uint8)
encoder = Encoder("h264", 64, 64, fps=30)
encoder.submit(picture)
child = os.fork()
if child == 0:
    for call in (lambda: encoder.submit(picture), encoder.try_reap, encoder.flush):
        try:
            call()
            os._exit(1)
        except SessionClosed as error:
            assert "parent of this forked process" in str(error)
    encoder.close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
encoder.submit(picture)
print(len(encoder.flush(30)))
encoder.close()
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "2\n", "")
