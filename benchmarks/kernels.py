"""Bytes per second of the CUDA kernels on the first device, beside those of its copies.

What is counted: every byte of the source's rows and of the target's rows once (of a scaled
picture too, though its rows are read more than once); of a copy, bytes read and bytes written. A
batch is as many pictures, each in memory of its own, so that together they are many times the
device's cache; one launch is up to thirty-two of them. Times are of the device's events, the median
of the rounds, over random pictures. Needs a device and NumPy, nothing else.

usage: python -m benchmarks.kernels [ROUNDS] [PART OF A CONVERSION'S NAME]
"""

from __future__ import annotations

import ctypes as c
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.kernels.device import L2_BYTES, Device, capability, opened
from videohw.color import ColorSpec
from videohw.kernels import Launch, Plan, Surface, plan_to_rgb, plan_to_ycbcr, plan_ycbcr_of_any
from videohw.kernels.settings import TARGET_FORMS

COLOR = ColorSpec(matrix="bt709", range="limited")
RGB = ColorSpec(matrix="identity", range="full")
FULL_HD, FOUR_K = (1920, 1080), (3840, 2160)
GOAL_PERCENT = 80
PITCH_ALIGNMENT = 256
COPY_BYTES = 1 << 29


@dataclass(frozen=True)
class Work:
    """One conversion of a batch; ``size`` is the source's, ``new_size`` the target's."""

    source: str
    target: str
    size: tuple[int, int]
    count: int
    new_size: tuple[int, int] | None = None
    resize: str = "bilinear"

    @property
    def label(self) -> str:
        scaled = f" to {self.new_size[0]}x{self.new_size[1]} {self.resize}" if self.new_size else ""
        return f"{self.source} to {self.target}, {self.size[0]}x{self.size[1]}{scaled}"


@dataclass(frozen=True)
class Row:
    """What was measured of a work."""

    label: str
    count: int
    microseconds: float  # of one picture
    copy_microseconds: float  # of a copy that reads and writes as many bytes together
    gigabytes_per_second: float
    percent: float


WORKS = (
    *(Work("nv12", target, FULL_HD, 32)
      for target in ("rgb24", "rgba", "rgb_planar", "rgb_float16", "rgb_float32")),
    *(Work("nv12", target, FOUR_K, 8)
      for target in ("rgb24", "rgba", "rgb_planar", "rgb_float16", "rgb_float32")),
    Work("nv12", "rgb24", FOUR_K, 1), Work("nv12", "rgb_planar", FOUR_K, 1),
    Work("p010", "rgb24", FOUR_K, 8), Work("p010", "rgb_float16", FOUR_K, 8),
    Work("yuv444p", "rgb_planar", FULL_HD, 32),
    Work("nv12", "rgb24", FULL_HD, 32, (960, 540)),
    Work("nv12", "rgb_planar", FOUR_K, 8, FULL_HD),
    Work("nv12", "rgb_float32", FULL_HD, 32, (640, 360)),
    Work("nv12", "rgb_planar", FOUR_K, 8, FULL_HD, "area"),
    Work("nv12", "rgb_float32", FULL_HD, 32, (224, 224), "area"),
    Work("rgb24", "nv12", FULL_HD, 32), Work("rgba", "nv12", FULL_HD, 32),
    Work("rgb_planar", "nv12", FULL_HD, 32), Work("rgba", "p010", FOUR_K, 8),
    Work("nv12", "i420", FULL_HD, 32), Work("i420", "nv12", FULL_HD, 32),
    Work("nv12", "i420", FOUR_K, 8), Work("nv12", "i420", FOUR_K, 1),
    Work("nv12", "p010", FOUR_K, 8), Work("p010", "nv12", FOUR_K, 8),
    Work("yuv444p", "nv12", FULL_HD, 32), Work("nv12", "yuv444p", FULL_HD, 32),
    *(Work("nv12", "nv12", FULL_HD, 32, size) for size in ((1280, 720), (960, 540), (640, 360))),
    Work("nv12", "nv12", FOUR_K, 8, FULL_HD), Work("nv12", "nv12", FOUR_K, 1, FULL_HD),
    Work("nv12", "nv12", (1280, 720), 32, FULL_HD),
    Work("p010", "p010", FOUR_K, 8, FULL_HD), Work("p010", "nv12", FOUR_K, 8, FULL_HD),
    Work("nv12", "nv12", FOUR_K, 8, FULL_HD, "area"),
    Work("nv12", "nv12", FULL_HD, 32, (224, 224), "area"),
    Work("rgb24", "nv12", FULL_HD, 32, (1280, 720)),
)  # fmt: skip


class Bench:
    """Memory and events on one device."""

    def __init__(self, device: Device, rounds: int) -> None:
        self.device, self.rounds = device, rounds
        self.noise = np.random.default_rng(0)
        self.events = (c.c_void_p(), c.c_void_p())
        for event in self.events:
            device.call("cuEventCreate", c.byref(event), 0)

    def seconds(self, work: Callable[[], None]) -> float:
        """Of the device for ``work``, which queues it; the median of the rounds."""
        found = []
        milliseconds = c.c_float()
        for _ in range(self.rounds + 2):
            self.device.call("cuEventRecord", self.events[0], None)
            work()
            self.device.call("cuEventRecord", self.events[1], None)
            self.device.call("cuEventSynchronize", self.events[1])
            self.device.call("cuEventElapsedTime", c.byref(milliseconds), *self.events)
            found.append(milliseconds.value / 1000)
        return statistics.median(found[2:])

    def copied_per_second(self) -> float:
        """Bytes read and written by copies inside of the device."""
        places = [self.device.allocate(COPY_BYTES) for _ in range(2)]
        data = self.noise.integers(0, 256, COPY_BYTES, np.uint8)
        for place in places:
            self.device.upload(place, data)
        seconds = self.seconds(
            lambda: self.device.call(
                "cuMemcpyDtoDAsync_v2", c.c_uint64(places[1]), c.c_uint64(places[0]),
                c.c_size_t(COPY_BYTES), None,
            )
        )  # fmt: skip
        for place in places:
            self.device.free(place)
        return 2 * COPY_BYTES / seconds

    def measured(self, work: Work, copied_per_second: float) -> Row:
        """One row of the table."""
        surfaces = (
            surface(work.source, work.size),
            surface(work.target, work.new_size or work.size),
        )
        plan = plan_of(work, *surfaces)
        memory: list[int] = []
        # A batch of one picture is measured over several, each launched by itself.
        pictures = [
            (self.allocated(surfaces[0], memory, True), self.allocated(surfaces[1], memory, False))
            for _ in range(max(work.count, 8))
        ]
        step = work.count if work.count > 1 else 1
        launches = [
            launch
            for start in range(0, len(pictures), step)
            for launch in plan.launches(pictures[start : start + step])
        ]
        seconds = self.seconds(lambda: self.launch(launches)) / len(pictures)
        for place in memory:
            self.device.free(place)
        moved = sum(map(picture_bytes, surfaces))
        rate = moved / seconds
        return Row(
            work.label, work.count, seconds * 1e6, moved / copied_per_second * 1e6, rate / 1e9,
            100 * rate / copied_per_second,
        )  # fmt: skip

    def launch(self, launches: list[Launch]) -> None:
        for launch in launches:
            self.device.launch(launch)

    def allocated(self, side: Surface, memory: list[int], painted: bool) -> list[int]:
        """The planes of a picture, of noise where it is ``painted``."""
        places = []
        for rows, pitch in plane_sizes(side):
            place = self.device.allocate(rows * pitch)
            if painted:
                self.device.upload(place, self.noise.integers(0, 256, rows * pitch, np.uint8))
            memory.append(place)
            places.append(place)
        return places


def plan_of(work: Work, source: Surface, target: Surface) -> Plan:
    """The plan that a session makes."""
    if work.target in TARGET_FORMS:
        return plan_to_rgb(source, target, COLOR, resize=work.resize)
    if not work.source.startswith("rgb"):
        return plan_ycbcr_of_any(source, target, COLOR, resize=work.resize)
    if work.new_size is None:
        return plan_to_ycbcr(source, target, COLOR)
    return plan_ycbcr_of_any(source, target, RGB, output_color=COLOR, resize=work.resize)


def surface(name: str, size: tuple[int, int]) -> Surface:
    """Pitches as a driver chooses them."""
    plain = Surface(name, *size)
    return Surface(
        name, *size,
        pitches=tuple(-(-row // PITCH_ALIGNMENT) * PITCH_ALIGNMENT for row in plain.row_bytes()),
    )  # fmt: skip


def plane_sizes(side: Surface) -> list[tuple[int, int]]:
    """(rows, pitch) of every plane."""
    layout = side.layout
    assert side.pitches is not None
    if layout.channels_first:
        return [(side.height, side.pitches[0])] * 3
    return [
        (-(-side.height >> plane.shift_y), side.pitches[min(i, 1)])
        for i, plane in enumerate(layout.planes)
    ]


def picture_bytes(side: Surface) -> int:
    """Of the pixels, without padding."""
    return side.layout.frame_bytes(side.width, side.height)


def main(arguments: list[str]) -> int:
    """Print the table."""
    rounds = int(arguments[0]) if arguments else 30
    wanted = " ".join(arguments[1:])
    with opened() as device:
        bench = Bench(device, rounds)
        name = device.driver.text("cuDeviceGetName", 0)
        cache = device.driver.number("cuDeviceGetAttribute", L2_BYTES, 0)
        copied = bench.copied_per_second()
        print(
            f"{name}, compute capability {'.'.join(map(str, capability(device.driver)))}, "
            f"L2 {cache >> 20} MiB; copies {copied / 1e9:.0f} GB/s (read and written); "
            f"goal {GOAL_PERCENT} %"
        )
        print(
            f"{'conversion':58} {'batch':>5} {'us/picture':>10} {'us as copy':>10} {'GB/s':>6} "
            f"{'of copy':>8}"
        )
        for work in (each for each in WORKS if wanted in each.label):
            row = bench.measured(work, copied)
            print(
                f"{row.label:58} {row.count:5} {row.microseconds:10.2f} "
                f"{row.copy_microseconds:10.2f} "
                f"{row.gigabytes_per_second:6.0f} {row.percent:6.1f} %",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
