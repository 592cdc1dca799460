"""The software encoder prints nothing, whatever its libraries have to say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.backends.encoding import codec, needs_encoder

__all__ = ["codec"]


@pytest.mark.parametrize("name", ["h264", "hevc", "av1"])
def test_nothing_is_printed(name: str) -> None:
    needs_encoder(name)
    program = f"""
import numpy as np
from videohw.machine import capabilities
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
