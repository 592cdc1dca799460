"""What metrics cost: the same decode and encode with metrics off and on, in turns.

A pair is one run off and one on, right after another and in changing order; the figure is the
median of on/off over all pairs, of the CPU seconds of the process (all threads), which other work
on the machine disturbs less than the clock on the wall. "off / off" is the same without any
difference: what it is away from 0 cannot be told from noise. Below, the calls of the meter alone
as one picture makes them, without a codec.

With "instructions", the instructions of one decode off and on are counted by valgrind instead,
from which other work on the machine takes nothing away.

usage: python benchmarks/metrics.py [FRAMES [PAIRS]] | instructions [FRAMES]
"""

from __future__ import annotations

import gc
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import videohw
from videohw.backend import CodedPicture
from videohw.metrics import Histogram, Meter

WIDTH, HEIGHT, RATE = 640, 360, 30
GOAL_PERCENT = 1.0

Run = Callable[[bool], float]


@dataclass(frozen=True)
class Row:
    """One case: CPU microseconds for each picture, and the percentages of each pair."""

    name: str
    off_us: float
    percents: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.percents)

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the median, by its order statistics."""
        ordered = sorted(self.percents)
        reach = min(round(0.98 * len(ordered) ** 0.5), (len(ordered) - 1) // 2)
        middle = len(ordered) // 2
        return (ordered[middle + reach] - ordered[middle - reach]) / 2


def rows(frames: int = 300, pairs: int = 15) -> list[Row]:
    """Measure every case."""
    pictures = moving_pictures(frames)
    coded = [packet.data for packet in encode(pictures, False)]
    cases: list[tuple[str, Run]] = [
        ("decode", lambda metrics: timed(lambda: decode(coded, metrics))),
        ("encode", lambda metrics: timed(lambda: encode(pictures, metrics))),
    ]
    found = []
    for name, run in cases:
        found.append(measure(f"{name}, off / off", run, frames, pairs, on=False))
        found.append(measure(f"{name}, off / on", run, frames, pairs, on=True))
    return found


def measure(name: str, run: Run, frames: int, pairs: int, *, on: bool) -> Row:
    run(False)
    run(on)
    off, percents = [], []
    for number in range(pairs):
        first, second = run(on if number % 2 else False), run(False if number % 2 else on)
        base, other = (second, first) if number % 2 else (first, second)
        off.append(base)
        percents.append(100 * (other / base - 1))
    return Row(name, statistics.median(off) / frames * 1e6, tuple(percents))


def timed(work: Callable[[], list[Any]]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def decode(coded: list[bytes], metrics: bool) -> list[Any]:
    options = videohw.SoftwareDecoderOptions(threads=1)
    with videohw.Decoder("h264", backend="software", metrics=metrics, options=options) as decoder:
        return [frame.pts for frame in decoder.decode(coded, layout="annexb")]


def encode(pictures: list[np.ndarray[Any, Any]], metrics: bool) -> list[videohw.Packet]:
    options = videohw.SoftwareEncoderOptions(threads=1)
    with videohw.Encoder(
        "h264", WIDTH, HEIGHT, fps=RATE, backend="software", preset="fastest", input="nv12",
        metrics=metrics, options=options,
    ) as encoder:  # fmt: skip
        return list(encoder.encode(pictures))


def moving_pictures(count: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(1)
    texture = np.kron(rng.integers(40, 200, (60, 100)), np.ones((8, 8))).astype(np.uint8)
    pictures = []
    for number in range(count):
        y, x = number % 100, (2 * number) % 150
        picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        # So much that the stream has about 1 Mb/s, as streams of this size have.
        noise = rng.normal(0, 3, (HEIGHT, WIDTH))
        picture[:HEIGHT] = texture[y : y + HEIGHT, x : x + WIDTH] + noise
        pictures.append(picture)
    return pictures


def meter_ns(pictures: int = 20_000) -> float:
    """Nanoseconds that the meter takes for one picture from submit to reap."""

    @dataclass
    class Output:
        decode_index: int
        planes: tuple[np.ndarray[Any, Any], ...]
        keyframe: bool = False

    meter = Meter("decode", time_base=None)
    planes = (np.zeros(9, np.uint8),) * 3
    work = [(CodedPicture(serial, b"", None), Output(serial, planes)) for serial in range(100)]
    began = time.process_time_ns()
    for _ in range(pictures // len(work)):
        for item, output in work:
            start = meter.now()
            meter.prepared(start, meter.now())
            meter.queued((item,), 0, 1, 1000)
            meter.taken(start, 1000)
            meter.started(item)
            for made in meter.coded("code", (output,).__iter__):
                meter.delivered(made)
            meter.reaped(output)
    return (time.process_time_ns() - began) / pictures


def record_ns(values: int = 200_000) -> float:
    """Nanoseconds of one value in a histogram, folding included."""
    histogram = Histogram("seconds")
    began = time.process_time_ns()
    for value in range(1_000_000, 1_000_000 + values):
        histogram.record(value)
    return (time.process_time_ns() - began) / values


def instructions(frames: int) -> None:
    """Print what valgrind counts for each picture, opening and start-up taken off."""
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "stream"
        stream.write_bytes(pickle.dumps([p.data for p in encode(moving_pictures(60), False)]))
        few, many = 1, max(frames // 60, 2)
        pictures = 60 * (many - few)
        found = {
            on: (counted(stream, on, many) - counted(stream, on, few)) / pictures
            for on in (False, True)
        }
    extra = found[True] - found[False]
    print(f"{WIDTH}x{HEIGHT} H.264, software, decode of {60 * many} pictures")
    print(f"off {found[False]:,.0f} instructions a picture, on {extra:+,.0f}: "
          f"{100 * extra / found[False]:+.2f} % (goal: below {GOAL_PERCENT:g} %)")  # fmt: skip


def counted(stream: Path, on: bool, times: int) -> int:
    command = [
        "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
        sys.executable, __file__, "decode", str(stream), str(int(on)), str(times),
    ]  # fmt: skip
    # What varies from run to run by itself: the order of hashes, threads that spin.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"I\s+refs:\s+([\d,]+)", said.stderr)
    if found is None:
        raise RuntimeError(said.stderr)
    return int(found[1].replace(",", ""))


def main() -> None:
    if sys.argv[1:2] == ["decode"]:
        gc.disable()
        coded = pickle.loads(Path(sys.argv[2]).read_bytes())
        decode(coded * int(sys.argv[4]), sys.argv[3] == "1")
        return
    if sys.argv[1:2] == ["instructions"]:
        instructions(int(sys.argv[2]) if len(sys.argv) > 2 else 600)
        return
    given = [int(text) for text in sys.argv[1:3]]
    frames, pairs = (given + [300, 15][len(given) :])[:2]
    print(f"{WIDTH}x{HEIGHT} H.264, software, {frames} pictures, {pairs} interleaved pairs")
    print(f"{'case':<20}{'CPU us/picture':>16}{'median':>10}{'95 %':>11}")
    for row in rows(frames, pairs):
        print(f"{row.name:<20}{row.off_us:>16.1f}{row.median:>+9.2f}%  +-{row.half_width:>6.2f}%")
    print(
        f"one value in a histogram {record_ns():.0f} ns; "
        f"the meter alone {meter_ns() / 1000:.2f} us a picture"
    )
    print(f"goal: below {GOAL_PERCENT:g} %")


if __name__ == "__main__":
    main()
