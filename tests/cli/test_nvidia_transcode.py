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
from tests.cli.running import H264
from tests.cli.terminals import ROOT
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._nvenc", reason="NVIDIA is of Linux and Windows")

PICTURES = 25


def transcoded(folder: Path, codec: str, *words: str, **settings: object) -> dict[str, Any]:
    """What the drivers say when a process has transcoded and ended."""
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    told = folder / "told.json"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "videohw", "transcode", H264, folder / "out.mp4",
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


def test_what_no_kernel_makes_goes_through_the_host(tmp_path: Path) -> None:
    calls = transcoded(tmp_path, "hevc", "--size", "160x144")["calls"]
    assert calls["cuMemHostAlloc"] > 0
    assert "nvEncMapInputResource" not in calls
