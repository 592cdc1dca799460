"""Turn a real H.264 file into HEVC and say how well it went. This is ``make demo``.

usage: python examples/demo.py [SOURCE [TARGET]]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

import videohw

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "data" / "pytorch__torchcodec" / "nasa_13013.mp4.h264"
TARGET = ROOT / "output" / "demo.mp4"


def psnr(source: Path, target: Path) -> float:
    """Decibels by which the 8-bit luma of ``target`` differs from that of ``source``.

    ValueError when one has more frames than the other.
    """
    squared_error = samples = 0
    with (
        videohw.open(source, output="i420") as first,
        videohw.open(target, output="i420") as second,
    ):
        for before, after in zip(first, second, strict=True):
            difference = np.subtract(before.planes[0], after.planes[0], dtype=np.int16)
            squared_error += int(np.square(difference, dtype=np.int64).sum())
            samples += difference.size
    return 10 * math.log10(255**2 * samples / squared_error) if squared_error else math.inf


def main(source: Path = SOURCE, target: Path = TARGET) -> None:
    """Transcode, compare, print."""
    target.parent.mkdir(parents=True, exist_ok=True)
    result = videohw.transcode(source, target, codec="hevc")
    print(f"source      {source} (H.264, {source.stat().st_size:,} bytes)")
    print(f"target      {target} (HEVC, {result.bytes:,} bytes)")
    print(f"frames      {result.frames_in} in, {result.frames_out} out")
    print(f"PSNR        {psnr(source, target):.1f} dB of luma against the source")
    print(f"speed       {result.fps:.0f} frames per second, decoded and encoded")


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.exit(__doc__)
    main(*(Path(argument) for argument in sys.argv[1:3]))
