"""NVIDIA's own client, PyNvVideoCodec, decodes on the emulated driver, into host memory as NV12.

It asks libnvidia-encode for its version before anything else: a library that says only that stands
in for it. What it does with colours wants undocumented tables of libcuda and is not asked for.
"""

from __future__ import annotations

import ctypes as c
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import corpus
from tests.emulators import build
from tests.emulators.control import environment

ENCODER = """
extern "C" int NvEncodeAPIGetMaxSupportedVersion(unsigned *out) { *out = 13 << 4; return 0; }
extern "C" int NvEncodeAPICreateInstance(void *) { return 8; }
"""
STREAMS = (
    "generated/main_cabac_b2.h264", "generated/crop_130x98.h264",
    "generated/main_320x240_b4.h265", "generated/temporal_layers.h265",
)  # fmt: skip


def decode(path: Path) -> dict[str, Any]:
    import numpy as np
    import PyNvVideoCodec

    demuxer = PyNvVideoCodec.CreateDemuxer(str(path))
    decoder = PyNvVideoCodec.CreateDecoder(
        gpuid=0, codec=demuxer.GetNvCodecId(), cudacontext=0, cudastream=0, usedevicememory=False
    )
    summed, frames = hashlib.md5(), 0
    for packet in demuxer:
        for frame in decoder.Decode(packet):
            width, height = decoder.GetWidth(), decoder.GetHeight()
            raw = c.string_at(frame.GetPtrToPlane(0), decoder.GetFrameSize())
            rows = np.frombuffer(raw, np.uint8).reshape(-1, width)
            pairs = rows[height:]
            for plane in (rows[:height], pairs[:, 0::2], pairs[:, 1::2]):
                summed.update(plane.tobytes())
            frames += 1
    return {"md5": summed.hexdigest(), "frames": frames}


@pytest.mark.parametrize("name", STREAMS)
def test_pynvvideocodec_decodes_on_the_emulated_driver(name: str, tmp_path: Path) -> None:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    if importlib.util.find_spec("PyNvVideoCodec") is None:
        pytest.skip("PyNvVideoCodec is not installed")
    source = tmp_path / "encoder.cpp"
    source.write_text(ENCODER)
    library = tmp_path / "libnvidia-encode.so.1"
    compiler = build.compiler()
    assert compiler is not None
    subprocess.run([compiler, "-shared", "-fPIC", source, "-o", library], check=True)
    stream, report = corpus.stream(name), tmp_path / "report.json"
    settings = environment(build.built(), REPORT=report)
    settings["LD_LIBRARY_PATH"] += f":{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(stream.path)],
        env=settings, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"md5": stream.yuv_md5, "frames": stream.frames}
    ledger = json.loads(report.read_text())
    assert (ledger["open"], ledger["misuses"], ledger["lost"]) == ({}, [], {})


if __name__ == "__main__":
    print(json.dumps(decode(Path(sys.argv[1]))))
