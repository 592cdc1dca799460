"""The benchmark of VideoToolbox, small, on the emulated frameworks."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from tests.emulators.control import AppleEmulator

ROOT = Path(__file__).parents[2]
SIDE, FRAMES = 64, 6
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)


@pytest.fixture
def benchmark(frameworks: AppleEmulator) -> ModuleType:
    from benchmarks import videotoolbox

    return videotoolbox


def test_every_row_is_measured(backend_loaded: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.videotoolbox", "--emulator", "--size", f"{SIDE}x{SIDE}",
         "--frames", str(FRAMES), "--sessions", "1,2", "--rounds", "1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    by_name = {(row[1], row[0]): row[2:] for row in rows if len(row) > 2}
    for sessions in ("1", "2"):
        assert by_name["C loop, host", sessions][1] == "1.00"
        for name in ("C loop, host", "videohw, host"):
            assert by_name[name, sessions][3] == "1.000"  # each picture is copied once
        for output in ("metadata", "native", "rgb24"):
            assert by_name[f"videohw, {output} host", sessions][0] == str(FRAMES)
    assert "using hardware: encoder True, decoder True" in done.stdout


@pytest.mark.parametrize("what", ["same", "other pictures", "a worse encoder"])
def test_the_comparison_finds_what_differs(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    job = benchmark.nvenc.Job(SIDE, SIDE, FRAMES, 1)
    stream = benchmark.stream_of(job)
    decoded: list[bytes] = []

    def ffmpeg(program: str, *words: str) -> bytes:
        if "h264_videotoolbox" in words:
            raw = Path(words[words.index("-i") + 1]).read_bytes()
            assert len(raw) == FRAMES * job.picture_bytes
            return bytes(stream.data)
        coded = Path(words[words.index("-i") + 1]).read_bytes()
        with av.open(io.BytesIO(coded), format="h264") as container:
            frames = [frame.to_ndarray(format="nv12") for frame in container.decode(video=0)]
        decoded.append(np.stack(frames).tobytes())
        if what == "other pictures" and "-hwaccel" in words:
            return bytes([decoded[-1][0] ^ 1]) + decoded[-1][1:]
        if what == "a worse encoder" and "-hwaccel" not in words:
            return Path(words[words.index("-i") + 1]).with_name("pictures.nv12").read_bytes()
        return decoded[-1]

    monkeypatch.setattr(benchmark, "ffmpeg", ffmpeg)
    found = list(benchmark.differences(job, stream, "ffmpeg"))
    expected = {"same": 0, "other pictures": 1, "a worse encoder": 1}[what]
    assert len(found) == expected, found
    assert len(decoded) == 2
