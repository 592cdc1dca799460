"""A program that nobody here wrote encodes on the emulated driver: FFmpeg, as PyAV's wheel has it.

It finds libcuda and libnvidia-encode by their names, in a process of its own, and speaks API 13.0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulators import build
from tests.emulators.control import environment
from tests.emulators.nvidia.nvenc_pictures import chroma, decoded, luma, worst

av = pytest.importorskip("av")
PICTURES = 14
# Options of FFmpeg, and the frames that are key frames.
CASES: dict[str, tuple[str, dict[str, str], list[int]]] = {
    "hevc": ("hevc_nvenc", {}, [0]),
    "h264 with B": ("h264_nvenc", {"bf": "2", "g": "10"}, [0, 10]),
    "hevc low latency": ("hevc_nvenc", {"preset": "p1", "tune": "ll", "rc": "cbr"}, [0]),
    "h264 lookahead": ("h264_nvenc", {"rc-lookahead": "8", "spatial-aq": "1"}, [0]),
    "h264 constant": ("h264_nvenc", {"rc": "constqp", "qp": "20", "aud": "1"}, [0]),
    "av1": ("av1_nvenc", {}, [0]),
    "hevc of 10 bits": ("hevc_nvenc", {"profile": "main10", "highbitdepth": "1"}, [0]),
}


def encode(encoder: str, options: dict[str, str], target: Path) -> dict[str, Any]:
    from fractions import Fraction

    import numpy as np

    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 320, 240, "nv12"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30, 1)
    context.bit_rate = 800000
    context.options = options
    packets = []
    for number in range(PICTURES):
        frame = av.VideoFrame(320, 240, "nv12")
        pairs = np.stack(chroma(number), axis=-1).reshape(120, 320)
        for plane, rows in zip(frame.planes, (luma(number), pairs), strict=True):
            target_rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            target_rows[:, :320] = rows
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    target.write_bytes(b"".join(bytes(packet) for packet in packets))
    return {
        "pts": [packet.pts for packet in packets], "dts": [packet.dts for packet in packets],
        "keys": [packet.pts for packet in packets if packet.is_keyframe],
    }  # fmt: skip


def test_ffmpeg_encodes_on_the_emulated_driver(tmp_path: Path) -> None:
    reason = build.missing(build.ENCODE)
    if reason:
        pytest.skip(reason)
    report = tmp_path / "report.json"
    settings = environment(build.built(build.ENCODE), REPORT=report, STREAMS="seed:5")
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(tmp_path)],
        env=settings, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, found in json.loads(done.stdout).items():
        encoder, _, keys = CASES[name]
        assert sorted(found["pts"]) == [*range(PICTURES)], name
        assert found["dts"] == sorted(found["dts"]), name
        assert found["keys"] == keys, name
        frames = decoded(encoder.split("_")[0], (tmp_path / name).read_bytes())
        assert worst(frames, range(PICTURES)) > 37, name
    ledger = json.loads(report.read_text())
    assert (ledger["open"], ledger["misuses"], ledger["lost"]) == ({}, [], {})
    assert ledger["calls"]["nvEncLockBitstream"] == PICTURES * len(CASES)
    assert ledger["ever"]["encode session"] == len(CASES)


if __name__ == "__main__":
    made = {
        name: encode(encoder, options, Path(sys.argv[1]) / name)
        for name, (encoder, options, _) in CASES.items()
    }
    print(json.dumps(made))
