"""Transcoding on an NVIDIA device: pictures stay in its memory, as the drivers' ledger says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import videohw
from tests.backends.encoding import psnr
from tests.cli.running import H264, HEVC
from tests.cli.terminals import ROOT
from tests.corpus import DATA
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._nvenc", reason="NVIDIA is of Linux and Windows")

PICTURES = 25
WHOLE_CHROMA = DATA / "generated" / "main444_8_odd.h265"


def transcoded(
    folder: Path, codec: str, *words: str, source: Path = H264, **settings: object
) -> dict[str, Any]:
    """What the drivers say when a process has transcoded and ended."""
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    told = folder / "told.json"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "videohw", "transcode", source, folder / "out.mp4",
         "--codec", codec, "--backend", "nvidia", "--quality", "20", *words],
        cwd=ROOT, env=environment(build.built(), REPORT=told, **settings), capture_output=True,
        text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    report: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    assert (report["misuses"], report["lost"], report["open"]) == ([], {}, {})
    return report


def check_pictures(path: Path, least_db: float) -> None:
    """They are those of the source, by libavcodec."""
    with (
        videohw.open(H264, backend="software", output="i420") as source,
        videohw.open(path, backend="software", output="i420") as target,
    ):
        pairs = list(zip(source, target, strict=True))
    assert len(pairs) == PICTURES
    assert min(psnr(a.planes, b.planes) for a, b in pairs) > least_db


@pytest.mark.parametrize("streams", ["late", "early", "seed:5"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_pictures_do_not_touch_the_host(tmp_path: Path, codec: str, streams: str) -> None:
    calls = transcoded(tmp_path, codec, STREAMS=streams)["calls"]
    # No memory of the host that a picture could be downloaded to, none that one is uploaded from.
    assert "cuMemHostAlloc" not in calls
    assert calls["nvEncLockInputBuffer"] == calls["nvEncCreateInputBuffer"]  # at opening, each once
    assert calls["nvEncMapInputResource"] == calls["nvEncUnmapInputResource"] == PICTURES
    assert calls["nvEncRegisterResource"] == calls["nvEncUnregisterResource"] <= PICTURES
    check_pictures(tmp_path / "out.mp4", 34)


@pytest.mark.parametrize(
    ("source", "size", "crop"),
    [
        (H264, (192, 150), None), (HEVC, (256, 192), None), (H264, (192, 150), (6, 4, 202, 100)),
        (WHOLE_CHROMA, (192, 160), None),
    ],
)  # fmt: skip
def test_scaled_pictures_do_not_touch_the_host(
    tmp_path: Path, source: Path, size: tuple[int, int], crop: tuple[int, int, int, int] | None
) -> None:
    """Nor are they copied: a kernel scales each into memory that the encoder reads."""
    words = ["--size", "{}x{}".format(*size)]
    if crop is not None:
        words += ["--crop", "{2}x{3}+{0}+{1}".format(*crop)]
    calls = transcoded(tmp_path, "hevc", *words, source=source)["calls"]
    assert "cuMemHostAlloc" not in calls
    assert [name for name in calls if name.startswith("cuMemcpy")] == []
    assert calls["nvEncLockInputBuffer"] == calls["nvEncCreateInputBuffer"]
    assert calls["cuLaunchKernel"] >= calls["nvEncMapInputResource"] > 0
    with (
        videohw.open(source, backend="software", output="i420", size=size, crop=crop) as wanted,
        videohw.open(tmp_path / "out.mp4", backend="software", output="i420") as target,
    ):
        pairs = list(zip(wanted, target, strict=True))
    assert len(pairs) == calls["nvEncMapInputResource"]
    assert min(psnr(a.planes, b.planes) for a, b in pairs) > 34
