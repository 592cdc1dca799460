"""How long a new process takes to its first picture, with this library and with others on NVDEC.

Every run is a process of its own that imports the library, opens a decoder for the stream and takes
one picture; the libraries take turns, in an order drawn anew for each round. The first table
has medians: the import, the opening, from the opened decoder to the picture, these two together,
all three, and all from the start of the process. Of this library a picture counts when its pixels
are written. What a first run brings into the system's caches (the driver's libraries, compiled
Python) is left out: one round before is not counted.

One process differs from the next by more than the libraries do. So the second table compares this
library with each other one round by round: the median of the differences, within which 95 of 100
medians of as many rounds drawn from these lie, and in how many rounds this library came first.

With ``--started`` the driver runs, has a context, and NumPy is imported before all that; with
``--started torch`` PyTorch did it, and its import belongs to the time from the start alone.

Needs an NVIDIA device. What is not installed is left out and named on stderr.

usage: python -m benchmarks.first_frame STREAM.h264|STREAM.h265 [--times N] [--only NAME,...]
                                        [--started [driver|torch]]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

CODECS = {".h264": "h264", ".264": "h264", ".h265": "hevc", ".265": "hevc", ".hevc": "hevc"}
RUN_SECONDS = 120
OURS_NAME = "videohw"
DRAWN = 2000  # medians, of which the interval is told
# Each says when (time.monotonic) it began, had imported, had opened and had a picture. Its
# arguments: the stream, its codec.
STARTED = {
    "": "",
    "driver": """
import ctypes, numpy, os
driver = ctypes.CDLL(os.environ.get("VIDEOHW_LIBCUDA", "libcuda.so.1"))
if driver.cuInit(0) or driver.cuDevicePrimaryCtxRetain(ctypes.byref(ctypes.c_void_p()), 0):
    raise SystemExit("the driver does not start")
""",
    "torch": """
import torch
torch.ones(8, device="cuda").sum().item()
""",
}
BEGIN = """
import json, os, sys, time
marks = [time.monotonic()]
mark = lambda: marks.append(time.monotonic())
path, codec = sys.argv[1:]
"""
END = """
mark()
print(json.dumps(marks), flush=True)
os._exit(0)
"""
OURS = """
from videohw import Decoder
mark()
decoder = Decoder(codec, backend="nvidia", output={output!r}, memory="device")
mark()
with open(path, "rb") as file:
    frame = next(decoder.decode(iter(lambda: file.read(1 << 16), b"")))
while not frame.planes[0].ready:
    pass
"""
PYNVVIDEOCODEC = """
import PyNvVideoCodec as Nv
mark()
demuxer = Nv.CreateDemuxer(filename=path)
decoder = Nv.CreateDecoder(
    gpuid=0, codec=demuxer.GetNvCodecId(), usedevicememory=1,
    outputColorType=Nv.OutputColorType.{output},
)
mark()
next(frame for packet in demuxer for frame in decoder.Decode(packet))
"""
PYAV = """
import av
from av.codec.hwaccel import HWAccel
mark()
container = av.open(
    path, format=codec, hwaccel=HWAccel("cuda", allow_software_fallback=False)
)
mark()
next(container.decode(video=0))
"""
LIBRARIES = {
    "videohw native device": OURS.format(output="native"),
    "PyNvVideoCodec native device": PYNVVIDEOCODEC.format(output="NATIVE"),
    "videohw rgb device": OURS.format(output="rgb_planar"),
    "PyNvVideoCodec rgb device": PYNVVIDEOCODEC.format(output="RGBP"),
    "PyAV hwaccel": PYAV,
}


class Run(NamedTuple):
    """Seconds of one process."""

    imported: float
    opened: float
    first: float
    from_start: float

    @property
    def open_and_first(self) -> float:
        """What a caller waits for who has imported the library."""
        return self.opened + self.first

    @property
    def with_import(self) -> float:
        """All that the library takes."""
        return self.imported + self.opened + self.first


def measured(program: str, stream: Path) -> Run:
    """One process; ``RuntimeError`` with its last line when it does not come to a picture."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, str(stream), CODECS[stream.suffix]],
        capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    begin, imported, opened, first = json.loads(done.stdout.splitlines()[-1])
    return Run(imported - begin, opened - imported, first - opened, first - began)


def rounds(stream: Path, times: int, only: set[str], started: str) -> dict[str, list[Run]]:
    """The runs of each library, which take turns; the first round is not among them."""
    begin = STARTED[started] + BEGIN
    found: dict[str, list[Run]] = {
        name: [] for name in LIBRARIES if not only or any(name.startswith(each) for each in only)
    }
    for number in range(times + 1):
        for name in random.sample(list(found), len(found)):
            try:
                run = measured(begin + LIBRARIES[name] + END, stream)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"{name}: {error}", file=sys.stderr)
                del found[name]
                continue
            if number:
                found[name].append(run)
    return found


def table(found: dict[str, list[Run]]) -> str:
    """Markdown, medians in milliseconds."""
    lines = [
        "| what | runs | import | open | first picture | both | with import | from start |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, runs in found.items():
        columns = (
            *zip(*(run[:3] for run in runs), strict=True),
            [run.open_and_first for run in runs],
            [run.with_import for run in runs],
            [run.from_start for run in runs],
        )
        cells = " | ".join(f"{statistics.median(column) * 1e3:.0f} ms" for column in columns)
        lines.append(f"| {name} | {len(runs)} | {cells} |")
    return "\n".join(lines)


def differences(found: dict[str, list[Run]]) -> str:
    """Markdown: this library less each other one with the same output, in milliseconds."""
    lines = [
        "| less | time | rounds | median | 95 of 100 medians | rounds below 0 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, other in itertools.permutations(found, 2):
        if not name.startswith(OURS_NAME) or name.split()[1:] != other.split()[1:]:
            continue
        both = list(zip(found[name], found[other], strict=True))
        for time_of, values in (
            ("open and first", [a.open_and_first - b.open_and_first for a, b in both]),
            ("with import", [a.with_import - b.with_import for a, b in both]),
            ("from process start", [a.from_start - b.from_start for a, b in both]),
        ):
            drawn = sorted(
                statistics.median(random.choices(values, k=len(values))) for _ in range(DRAWN)
            )
            low, high = (drawn[round(part * (DRAWN - 1))] * 1e3 for part in (0.025, 0.975))
            lines.append(
                f"| {name}, {other.split()[0]} | {time_of} | {len(values)} "
                f"| {statistics.median(values) * 1e3:+.1f} ms | {low:+.1f} to {high:+.1f} ms "
                f"| {sum(value < 0 for value in values)} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, usage=__doc__)
    parser.add_argument("stream", type=Path)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--started", nargs="?", choices=list(STARTED), const="driver", default="")
    given = parser.parse_args()
    if given.stream.suffix not in CODECS or given.times < 1:
        parser.error(f"a stream that ends with one of {', '.join(CODECS)}, at least once")
    only = set(filter(None, given.only.split(",")))
    found = rounds(given.stream, given.times, only, given.started)
    print(table(found))
    if len(found) > 1:
        print("\n" + differences(found))


if __name__ == "__main__":
    main()
