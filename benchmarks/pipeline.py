"""What overlapping buys: the same work with the pipeline and without, in turns, on these cores.

A pair is one run without and one with, in an order that changes from pair to pair; the ratio of a
pair is the time without through the time with, so above 1 the pipeline is faster. Shown are the
medians over the pairs, of wall time and of processor time of the whole process.

On a machine that others use too, wall time says little. So each kind of work also runs once with
the processor time of every Python thread taken. No run can take less than that of its busiest
thread, nor less than all processor time shared out over the cores: the "floor" is the greater of
both, in milliseconds a picture. Where the floors are equal there is nothing to gain.

usage: python -m benchmarks.pipeline [FRAMES [PAIRS]]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

import videohw
from benchmarks.transcode import make_source
from videohw import SoftwareDecoderOptions, SoftwareEncoderOptions
from videohw.errors import Backpressure
from videohw.pipeline import PipelineScheduler

SMALL = (640, 360)


@dataclass(frozen=True)
class Load:
    """Milliseconds of processor time a picture: of all threads, and of the busiest Python one."""

    total: float
    busiest: float
    name: str

    def floor(self, cores: int) -> float:
        """The least wall time on so many cores."""
        return max(self.total / cores, self.busiest)


@dataclass(frozen=True)
class Row:
    """One kind of work: medians over the pairs, and the loads without and with."""

    name: str
    wall_ratio: float
    cpu_ratio: float
    without: Load
    with_: Load


def rows(frames: int = 40, pairs: int = 15) -> list[Row]:
    """Measure every kind of work on a made 720p H.264 file of ``frames`` pictures."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_source(source, frames)
        return [measure(name, source, work, frames, pairs) for name, work in CASES.items()]


def measure(
    name: str, source: Path, work: Callable[[Path, bool], int], frames: int, pairs: int
) -> Row:
    work(source, True)  # loads libraries and the file
    ratios = []
    for number in range(pairs):
        taken = {}
        for on in (False, True) if number % 2 else (True, False):
            wall, cpu = time.perf_counter(), time.process_time()
            if work(source, on) != frames:
                raise RuntimeError(f"{name} did not do all of its work")
            taken[on] = time.perf_counter() - wall, time.process_time() - cpu
        ratios.append((taken[False][0] / taken[True][0], taken[False][1] / taken[True][1]))
    return Row(
        name=name,
        wall_ratio=statistics.median(wall for wall, _ in ratios),
        cpu_ratio=statistics.median(cpu for _, cpu in ratios),
        without=load(source, work, False, frames),
        with_=load(source, work, True, frames),
    )


def load(source: Path, work: Callable[[Path, bool], int], on: bool, frames: int) -> Load:
    """The median of five runs, by the total."""
    return sorted((one_load(source, work, on, frames) for _ in range(5)), key=attrgetter("total"))[
        2
    ]


def one_load(source: Path, work: Callable[[Path, bool], int], on: bool, frames: int) -> Load:
    used: Counter[str] = Counter()
    plain_run = threading.Thread.run

    def timed_run(self: threading.Thread) -> None:
        try:
            plain_run(self)
        finally:
            used[self.name] = max(used[self.name], time.thread_time())

    threading.Thread.run = timed_run  # type: ignore[method-assign]
    try:
        total, main_thread = time.process_time(), time.thread_time()
        work(source, on)
        total, main_thread = time.process_time() - total, time.thread_time() - main_thread
    finally:
        threading.Thread.run = plain_run  # type: ignore[method-assign]
    used["main"] = main_thread
    name, busiest = used.most_common(1)[0]
    return Load(1000 * total / frames, 1000 * busiest / frames, name.removeprefix("videohw-"))


# The kinds of work; each returns the pictures that came out


def decode_rgb(source: Path, on: bool, threads: int | None = None) -> int:
    options = SoftwareDecoderOptions(pipeline=on, threads=threads)
    with videohw.open(source, output="rgb24", backend="software", options=options) as reader:
        return sum(1 for _ in reader)


def decode_rgb_one_thread(source: Path, on: bool) -> int:
    return decode_rgb(source, on, threads=1)


def encode_rgb(source: Path, on: bool, threads: int | None = None) -> int:
    options = SoftwareEncoderOptions(pipeline=on, threads=threads)
    pictures = rgb_pictures()
    frames, packets = frame_count(source), 0
    with videohw.Encoder(
        "h264", 1280, 720, fps=30, input="rgb24", preset="fastest", backend="software",
        options=options,
    ) as encoder:  # fmt: skip
        for number in range(frames):
            while True:
                try:
                    encoder.submit(pictures[number % len(pictures)])
                    break
                except Backpressure:
                    packets += encoder.reap_timeout(1) is not None
        return packets + len(encoder.flush())


def encode_rgb_one_thread(source: Path, on: bool) -> int:
    return encode_rgb(source, on, threads=1)


def transcode(source: Path, on: bool) -> int:
    """File to file; with the scheduler, reading and writing are on two threads."""
    return through_scheduler(source, on, None, 1280, 720)


def transcode_and_shrink(source: Path, on: bool) -> int:
    """The same with a transform on the way: half the size, by swscale."""
    return through_scheduler(
        source, on, lambda frame: frame.convert("native", size=SMALL), *SMALL, input="i420"
    )


def transcode_and_compute(source: Path, on: bool) -> int:
    """The same with a transform in NumPy: RGB, brighter."""
    return through_scheduler(source, on, brighter, *SMALL, input="rgb24")


def shrink_by_argument(source: Path, on: bool) -> int:
    """``transcode(size=)``, where the decoder scales: with its pipeline, on workers."""
    result = videohw.transcode(
        source, source.with_name("out.mp4"), codec="h264", preset="fastest", size=SMALL,
        backend="software", decoder_options=SoftwareDecoderOptions(pipeline=on),
    )  # fmt: skip
    return result.frames_out


def through_scheduler(
    source: Path,
    on: bool,
    transform: Callable[[Any], Any] | None,
    width: int,
    height: int,
    **arguments: Any,
) -> int:
    target = source.with_name("out.mp4")
    with videohw.open(source, backend="software") as reader, videohw.VideoWriter(
        target, codec="h264", width=width, height=height, fps=30, preset="fastest",
        backend="software", **arguments,
    ) as writer:  # fmt: skip
        if not on:
            for frame in reader:
                writer.write(frame if transform is None else transform(frame))
            return writer.frames_written
        stages = {} if transform is None else {"transform": transform}
        with PipelineScheduler(writer.write, **stages) as pipeline:
            pipeline.pump(reader)
        return writer.frames_written


def brighter(frame: Any) -> Any:
    pixels = np.asarray(frame.convert("rgb24", size=SMALL)).astype(np.uint16)
    return np.minimum(pixels + pixels // 4, 255).astype(np.uint8)


CASES: dict[str, Callable[[Path, bool], int]] = {
    "decode to rgb24, libavcodec's own threads": decode_rgb,
    "decode to rgb24, one codec thread": decode_rgb_one_thread,
    "encode from rgb24, x264's own threads": encode_rgb,
    "encode from rgb24, one codec thread": encode_rgb_one_thread,
    "read and write": transcode,
    "read, halve, write": transcode_and_shrink,
    "read, NumPy on RGB, write": transcode_and_compute,
    "transcode(size=)": shrink_by_argument,
}
_kept: dict[Any, Any] = {}


def frame_count(source: Path) -> int:
    if source not in _kept:
        with videohw.open(source, output="metadata", backend="software") as reader:
            _kept[source] = sum(1 for _ in reader)
    return int(_kept[source])


def rgb_pictures() -> list[Any]:
    if "rgb" not in _kept:
        rng = np.random.default_rng(8)
        coarse = rng.integers(0, 256, (4, 90, 160, 3), np.uint8)
        _kept["rgb"] = [np.kron(each, np.ones((8, 8, 1), np.uint8)) for each in coarse]
    return list(_kept["rgb"])


def table(measured: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| 720p pictures | busiest thread | with | CPU time | with | 2 cores | 8 | wall | CPU |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in measured:
        off, on = row.without, row.with_
        lines.append(
            f"| {row.name} | {off.name} {off.busiest:.1f} ms | {on.name} {on.busiest:.1f} ms "
            f"| {off.total:.1f} ms | {on.total:.1f} ms "
            f"| {off.floor(2) / on.floor(2):.2f} | {off.floor(8) / on.floor(8):.2f} "
            f"| {row.wall_ratio:.2f} | {row.cpu_ratio:.2f} |"
        )
    return "\n".join(lines)


def main(frames: int = 40, pairs: int = 15) -> None:
    print(table(rows(frames, pairs)))


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:3]))
