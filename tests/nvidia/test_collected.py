"""Sessions that only the garbage collector finds: what is in a cycle is given back in any order."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.corpus import DATA
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._nv", reason="NVIDIA is of Linux and Windows")

PROGRAM = """
import gc
import pathlib
import sys

import videohw

gc.disable()
for _ in range(3):
    try:
        with videohw.Decoder("h264", backend="nvidia", memory="device", output="i420") as decoder:
            list(decoder.decode([pathlib.Path(sys.argv[1]).read_bytes()]))
    except videohw.UnsupportedConfig as error:
        error.itself = error  # with its traceback, whose frames hold the session
    else:
        raise AssertionError
    del decoder
    gc.collect()
print("collected")
"""


def test_a_session_in_a_cycle() -> None:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    stream = DATA / "generated" / "main_cabac_b2.h264"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(stream)],
        # Of CUDA 11.4, which takes no kernels: what they would make is refused in device memory.
        env=environment(build.built(), DRIVER_VERSION=11040),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "collected\n", "")
