"""NVIDIA's own client, PyNvVideoCodec, encodes on the emulated driver at 13.0 and at 12.1.

It takes the module that the driver's newest version allows, copies pictures into device memory
that it registered, and sets its stream: the one check of the structures of 12.1 from outside.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulators import build
from tests.emulators.control import environment
from tests.emulators.nvidia.nvenc_pictures import decoded, nv12, worst

PICTURES = 16
CASES: dict[str, dict[str, str]] = {
    "h264": {},
    "hevc": {},
    "h264 with B": {"bf": "2", "gop": "10"},
    "hevc low latency": {
        "preset": "P2", "tuning_info": "low_latency", "rc": "cbr", "bitrate": "800000",
    },
}  # fmt: skip


def encode(name: str, target: Path) -> dict[str, Any]:
    """Half of the pictures at half the rate, which is asked for on the way."""
    import numpy as np
    import PyNvVideoCodec

    made = PyNvVideoCodec.CreateEncoder(
        320, 240, "NV12", True, codec=name.split()[0], gpu_id=0, **CASES[name]
    )
    sets, packets = made.GetSequenceParams(), []
    for number in range(PICTURES):
        if number == PICTURES // 2:
            change = made.GetEncodeReconfigureParams()
            change.averageBitrate //= 2
            made.Reconfigure(change)
        picture = np.frombuffer(b"".join(nv12(number)), np.uint8).reshape(360, 320)
        packets += made.Encode(picture)
    packets += made.EndEncode()
    target.write_bytes(b"".join(bytes(packet["data"]) for packet in packets))
    return {"packets": len(packets), "sets": bytes(sets).hex()}


@pytest.mark.parametrize("version", ["13.0", "12.1"])
def test_pynvvideocodec_encodes_on_the_emulated_driver(version: str, tmp_path: Path) -> None:
    reason = build.missing(build.ENCODE)
    if reason:
        pytest.skip(reason)
    if importlib.util.find_spec("PyNvVideoCodec") is None:
        pytest.skip("PyNvVideoCodec is not installed")
    report = tmp_path / "report.json"
    folder = build.built(build.ENCODE)
    settings = environment(folder, REPORT=report, NVENC_VERSION=version, STREAMS="seed:9")
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(tmp_path)],
        env=settings, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, found in json.loads(done.stdout.splitlines()[-1]).items():
        data = (tmp_path / name).read_bytes()
        assert found["packets"] == PICTURES, name
        assert data.startswith(bytes.fromhex(found["sets"])), name
        assert worst(decoded(name.split()[0], data), range(PICTURES)) > 40, name
    ledger = json.loads(report.read_text())
    assert (ledger["open"], ledger["misuses"]) == ({}, [])
    assert ledger["lost"] == {"stream": len(CASES)}  # it leaves its stream to its context
    assert ledger["calls"]["nvEncReconfigureEncoder"] == len(CASES)
    assert ledger["calls"]["nvEncMapInputResource"] == PICTURES * len(CASES)


if __name__ == "__main__":
    print(json.dumps({name: encode(name, Path(sys.argv[1]) / name) for name in CASES}))
