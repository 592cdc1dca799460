"""NV12 to RGB beside OpenCV, swscale and NumPy: one picture in host memory, one thread and two.

Every side writes into memory that was used before, where its interface lets it. What each does:

- OpenCV, ``cvtColor``: BT.601 limited range, the nearest chroma sample, fixed point. For float32
  planes ``multiply`` of its transposed result, and ``dnn.blobFromImage``, its own function for
  this.
- swscale, through PyAV's ``reformat``: with its default flags (chroma repeated, tables), and with
  those for full chroma interpolation and accurate rounding, which is bilinear like ours.
- NumPy: the nearest chroma sample, float32 arithmetic.
- videohw: "nearest" does OpenCV's work, "bilinear" swscale's, with the siting of the stream.

Each round runs all sides in an order by chance, since memory that the one before used is still in
the caches. A figure is the median of the rounds: with one thread in processor time of that
thread, so that what else runs on the machine counts little, with two in wall time, for which
the machine must be idle. GB/s count each byte of the picture that is read or written once; the
copy is ``numpy.copyto`` of as many bytes, from and to memory that was used before.

usage: python -m benchmarks.pixels [ROUNDS]
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from videohw.color import ColorSpec
from videohw.pixels import convert

Array = npt.NDArray[Any]
SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
ROUNDS = 25
# SWS_BILINEAR | SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND of swscale.h
ACCURATE = 0x2 | 0x2000 | 0x40000
COLOR = ColorSpec("smpte170m", "limited")
# 255 times the rows of the inverse matrix of BT.601, by Y - 16, Cb - 128, Cr - 128.
BT601 = ((1.16438, 0.0, 1.59603), (1.16438, -0.39176, -0.81297), (1.16438, 2.01723, 0.0))


@dataclass(frozen=True)
class Side:
    """One way to make the picture, on as many threads as it is told."""

    name: str
    call: Callable[[], object]
    prepare: Callable[[int], None] = lambda threads: None
    most_threads: int = 2


class Work:
    """The memory of one size, and the sides that work in it."""

    def __init__(self, width: int, height: int) -> None:
        rng = np.random.default_rng(1)
        self.whole = rng.integers(16, 236, (height * 3 // 2, width), np.uint8)
        self.luma = self.whole[:height]
        self.chroma = self.whole[height:].reshape(height // 2, width // 2, 2)
        self.frame = av.VideoFrame.from_ndarray(self.whole, format="nv12")
        self.rgb = np.zeros((height, width, 3), np.uint8)
        self.floats = np.zeros((3, height, width), np.float32)
        self.threads = 1
        self.reformatter = av.video.reformatter.VideoReformatter()

    def use(self, threads: int) -> None:
        self.threads = threads
        cv2.setNumThreads(threads)

    def ours(self, output: str, chroma: str) -> Callable[[], object]:
        out = self.rgb if output == "rgb24" else self.floats
        return lambda: convert(
            (self.luma, self.chroma), "nv12", output, color=COLOR, chroma=chroma, out=out,
            threads=self.threads,
        )  # fmt: skip

    def swscale(self, av_format: str, flags: int | None) -> Callable[[], object]:
        return lambda: self.reformatter.reformat(
            self.frame, format=av_format, interpolation=flags, threads=self.threads
        )

    def opencv(self) -> None:
        cv2.cvtColor(self.whole, cv2.COLOR_YUV2RGB_NV12, self.rgb)

    def opencv_floats(self) -> None:
        self.opencv()
        np.multiply(self.rgb.transpose(2, 0, 1), np.float32(1 / 255), out=self.floats)

    def opencv_blob(self) -> object:
        self.opencv()
        return cv2.dnn.blobFromImage(self.rgb, 1 / 255)

    def numpy_planes(self) -> list[Array]:
        y = self.luma.astype(np.float32) - 16
        cb, cr = (
            (self.chroma[..., k].astype(np.float32) - 128).repeat(2, 0).repeat(2, 1)
            for k in range(2)
        )
        return [a * y + b * cb + c * cr for a, b, c in BT601]

    def numpy_rgb(self) -> None:
        for k, plane in enumerate(self.numpy_planes()):
            self.rgb[..., k] = np.clip(plane + 0.5, 0, 255)

    def numpy_floats(self) -> None:
        for k, plane in enumerate(self.numpy_planes()):
            np.clip(plane / 255, 0, 1, out=self.floats[k])

    def sides(self, output: str) -> list[Side]:
        """All that make ``output`` of the same picture, and the copy of as many bytes."""
        made = self.rgb if output == "rgb24" else self.floats
        half = (self.whole.nbytes + made.nbytes) // 2
        source, target = np.ones(half, np.uint8), np.ones(half, np.uint8)
        both = [
            Side("videohw, nearest", self.ours(output, "nearest")),
            Side("videohw, bilinear", self.ours(output, "bilinear")),
        ]
        copy = Side("copy of as many bytes", lambda: np.copyto(target, source), most_threads=1)
        if output == "rgb24":
            return [
                *both,
                Side("OpenCV cvtColor", self.opencv),
                Side("swscale", self.swscale("rgb24", None)),
                Side("swscale, accurate", self.swscale("rgb24", ACCURATE)),
                Side("NumPy", self.numpy_rgb, most_threads=1),
                copy,
            ]
        return [
            *both,
            Side("OpenCV cvtColor, NumPy multiply", self.opencv_floats),
            Side("OpenCV cvtColor, blobFromImage", self.opencv_blob),
            Side("swscale, accurate", self.swscale("gbrpf32le", ACCURATE)),
            Side("NumPy", self.numpy_floats, most_threads=1),
            copy,
        ]


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """One row for each output, size and side; times in seconds of a picture.

    Keys: ``output``, ``size``, ``side``, ``bytes`` (read and written), ``one`` and ``two``
    (threads; None where a side has no use for two).
    """
    measured = []
    for output in ("rgb24", "rgb_float32"):
        for name, size in SIZES.items():
            work = Work(*size)
            made = work.rgb if output == "rgb24" else work.floats
            sides = work.sides(output)
            one, two = measure(work, sides, rounds)
            measured += [
                {
                    "output": output, "size": name, "side": side.name,
                    "bytes": work.whole.nbytes + made.nbytes,
                    "one": one[side.name], "two": two.get(side.name),
                }
                for side in sides
            ]  # fmt: skip
    return measured


def measure(
    work: Work, sides: list[Side], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds by side, on one thread and on two."""
    alone: dict[str, list[float]] = {side.name: [] for side in sides}
    together: dict[str, list[float]] = {s.name: [] for s in sides if s.most_threads > 1}
    for threads, times, clock in (
        (1, alone, time.thread_time), (2, together, time.perf_counter),
    ):  # fmt: skip
        work.use(threads)
        taking_part = [side for side in sides if side.name in times]
        chance = random.Random(threads)
        for number in range(rounds + 1):
            for side in chance.sample(taking_part, len(taking_part)):
                start = clock()
                side.call()
                if number:  # the first is to warm up
                    times[side.name].append(clock() - start)
    work.use(1)
    one, two = (
        {name: statistics.median(times) for name, times in measured.items()}
        for measured in (alone, together)
    )
    return one, two


def table(measured: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| NV12 to | | one thread | | two threads | |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in measured:
        cells = [f"{row['output']}, {row['size']}", row["side"]]
        for seconds in (row["one"], row["two"]):
            if seconds is None:
                cells += ["", ""]
            else:
                cells += [f"{seconds * 1e3:.2f} ms", f"{row['bytes'] / seconds / 1e9:.1f} GB/s"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    print(table(rows(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)))


if __name__ == "__main__":
    main()
