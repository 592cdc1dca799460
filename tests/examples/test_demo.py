"""The demo, run as the README tells a user to run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIN_PSNR_DB = 30.0  # below this, anyone sees that the pictures are not the source's


def test_demo_loses_no_frame_and_keeps_the_picture(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    source = ROOT / "tests" / "data" / "pytorch__torchcodec" / "nasa_13013.mp4.h264"
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py"), str(source), str(target)],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    counts = re.search(r"^frames +(\d+) in, (\d+) out$", ran.stdout, re.MULTILINE)
    assert counts is not None
    assert counts[1] == counts[2] != "0"
    psnr = re.search(r"^PSNR +([\d.]+) dB", ran.stdout, re.MULTILINE)
    assert psnr is not None
    assert float(psnr[1]) >= MIN_PSNR_DB
    assert target.stat().st_size > 0
    assert ran.stderr == ""
