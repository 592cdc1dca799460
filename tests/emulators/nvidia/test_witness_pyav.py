"""A program that nobody here wrote decodes on the emulated driver: FFmpeg, as PyAV's wheel has it.

It finds libcuda and libnvcuvid by their names, in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import corpus
from tests.emulators import build
from tests.emulators.control import environment

av = pytest.importorskip("av")
DECODERS = {"h264": "h264_cuvid", "hevc": "hevc_cuvid"}
STREAMS = (
    "generated/main_cabac_b2.h264", "generated/mbaff_tff.h264", "generated/crop_130x98.h264",
    "generated/main_320x240_b4.h265", "generated/main10_320x240.h265",
    "generated/crop_322x182.h265", "generated/temporal_layers.h265",
    "pytorch__torchcodec/nasa_13013.mp4.h264", "intel__libvpl/cars_320x240.h265",
)  # fmt: skip


def decode(decoder: str, path: Path) -> dict[str, Any]:
    """What FFmpeg gives, with no sorting by time of our own."""
    import numpy as np

    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, av.VideoCodecContext)
    summed, times = hashlib.md5(), []

    def take(frame: Any) -> None:
        wide = frame.format.name == "p010le"
        assert wide or frame.format.name == "nv12"
        dtype, width, height = "<u2" if wide else "u1", frame.width, frame.height
        rows = [
            np.frombuffer(plane, dtype).reshape(-1, plane.line_size // (1 + wide)) >> 6 * wide
            for plane in frame.planes
        ]
        pairs = rows[1][: (height + 1) // 2, : (width + 1) // 2 * 2]
        for plane in (rows[0][:height, :width], pairs[:, 0::2], pairs[:, 1::2]):
            summed.update(plane.tobytes())
        times.append(frame.pts)

    packets = [*context.parse(path.read_bytes()), *context.parse(b"")]
    for number, packet in enumerate(packets):
        packet.pts = number
        for frame in context.decode(packet):
            take(frame)
    for frame in context.decode(None):
        take(frame)
    return {"md5": summed.hexdigest(), "pts": times}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("streams", ["late", "seed:3"])
def test_ffmpeg_decodes_on_the_emulated_driver(name: str, streams: str, tmp_path: Path) -> None:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    stream = corpus.stream(name)
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", __name__, DECODERS[stream.codec], str(stream.path)]
    settings = environment(build.built(), REPORT=report, STREAMS=streams)
    done = subprocess.run(
        command, env=settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (len(found["pts"]), found["md5"]) == (stream.frames, stream.yuv_md5)
    assert found["pts"] == sorted(found["pts"])
    ledger = json.loads(report.read_text())
    assert (ledger["open"], ledger["misuses"], ledger["lost"]) == ({}, [], {})
    assert ledger["calls"]["cuvidDecodePicture"] == stream.frames


if __name__ == "__main__":
    print(json.dumps(decode(sys.argv[1], Path(sys.argv[2]))))
