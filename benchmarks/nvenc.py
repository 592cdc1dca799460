"""What an encoder session costs beside the calls of NVENC themselves, and beside PyAV.

The plain loop (``nvenc_loop.cpp``) makes the calls that a picture needs and nothing else, on one
thread for each session; this library and PyAV's ``h264_nvenc`` code the same pictures, one session
on a thread each, and drop each packet. PyAV copies arrays into frames of its own first; "of frames"
leaves that out. On an encoder that costs next to nothing (``--emulator``:
the emulated driver in its raw mode, which neither compresses nor reads more of a picture than a
few bytes) what is left is the work around it; with ``--picture-us`` its one engine takes that long
for a picture, as a chip's would, and what is left is what does not overlap with that. Timed from
the first picture to the last packet; opening is not counted. Copied, by this process: bytes of
pictures into NVENC's buffers and of packets out of them, in pictures and packets.

With a device, without ``--emulator``: how fast it codes.

usage: python -m benchmarks.nvenc [--emulator [--picture-us N]] [--size 1920x1080] [--frames N]
           [--sessions 1,4,8] [--rounds N] [--only NAME,...]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SOURCES = 8  # different pictures, over and over
DEPTH = 6  # pictures under way: max_in_flight's default
FPS = 30


@dataclass(frozen=True)
class Job:
    """What is coded: pictures of a size, by so many sessions at once."""

    width: int
    height: int
    frames: int
    sessions: int

    @property
    def picture_bytes(self) -> int:
        return self.width * self.height * 3 // 2


@dataclass(frozen=True)
class Run:
    """Seconds of the slowest session, processor seconds, bytes copied in and out, and those of
    the packets."""

    seconds: float
    cpu_seconds: float | None
    bytes_in: int | None
    bytes_out: int | None
    packet_bytes: int


def pictures(job: Job) -> list[Any]:
    """NV12, each another."""
    count = job.picture_bytes
    base = (np.arange(count, dtype=np.uint32) * 7).astype(np.uint8)
    shape = (job.height * 3 // 2, job.width)
    return [(base + np.uint8(31 * n & 255)).reshape(shape) for n in range(SOURCES)]


# Who is measured


def plain_loop(job: Job, program: Path, mode: str) -> Run:
    """The loop in C."""
    words = (job.width, job.height, job.frames, job.sessions, mode, DEPTH)
    done = subprocess.run(
        [str(program), *map(str, words)], check=True, capture_output=True, text=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    packet_bytes = sum(int(row[2]) for row in rows)
    return Run(
        max(float(row[0]) for row in rows), sum(float(row[3]) for row in rows),
        sum(int(row[1]) for row in rows), packet_bytes, packet_bytes,
    )  # fmt: skip


def on_threads(job: Job, open_session: Callable[[], Any], work: Callable[[Any], int]) -> Run:
    """Run ``work`` on that many sessions at once, each on a thread; packets are counted there."""
    cpu_at_start: list[float] = []
    ready = threading.Barrier(job.sessions, lambda: cpu_at_start.append(time.process_time()))
    took: list[float] = []
    sizes: list[int] = []
    sessions: list[Any] = []
    failures: list[BaseException] = []

    def one() -> None:
        try:
            session = open_session()
            sessions.append(session)
            ready.wait()
            began = time.perf_counter()
            sizes.append(work(session))
            took.append(time.perf_counter() - began)
        except BaseException as error:
            failures.append(error)
            ready.abort()

    threads = [threading.Thread(target=one) for _ in range(job.sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    cpu = time.process_time() - cpu_at_start[0]
    copied: list[int | None] = [None, None]
    if hasattr(sessions[0], "summary"):
        done = [session.summary() for session in sessions]
        # What VideoToolbox copies beyond that is not told.
        copied[0] = sum(each["host_bytes"] + each.get("copied_in", 0) for each in done)
        if "copied_out" in done[0]:
            copied[1] = sum(each["copied_out"] for each in done)
    for session in sessions:
        if hasattr(session, "close"):
            session.close()
    return Run(max(took), cpu, copied[0], copied[1], sum(sizes))


def ours(job: Job, mode: str) -> Run:
    """This library: a loop that submits and takes what is ready."""
    import videohw

    given: list[Any] = pictures(job)
    if mode == "device":
        from videohw import _cuda

        given = [_cuda.device().upload(picture) for picture in given]

    def open_session() -> videohw.Encoder:
        return videohw.Encoder(
            "h264", job.width, job.height, fps=FPS, backend="nvidia", preset="fastest",
            max_in_flight=DEPTH,
        )  # fmt: skip

    def work(encoder: videohw.Encoder) -> int:
        source = (given[number % SOURCES] for number in range(job.frames))
        return sum(len(packet) for packet in encoder.encode(source))

    return on_threads(job, open_session, work)


def pyav(job: Job, mode: str) -> Run:
    """FFmpeg's use of NVENC, through PyAV, with pictures in host memory: "arrays" of NumPy as
    this library gets them, or "frames" that were made of them beforehand."""
    import av

    planes = pictures(job)
    frames = [av.VideoFrame.from_ndarray(picture, format="nv12") for picture in planes]
    as_they_are = mode == "frames"

    def open_session() -> Any:
        context = av.CodecContext.create("h264_nvenc", "w")
        context.width, context.height, context.pix_fmt = job.width, job.height, "nv12"
        context.framerate, context.time_base = Fraction(FPS), Fraction(1, FPS)
        context.options = {"preset": "p1", "bf": "0", "delay": str(DEPTH - 1)}
        context.open()
        return context

    def work(context: Any) -> int:
        size = 0
        for number in range(job.frames):
            if as_they_are:
                frame = frames[number % SOURCES]
            else:
                frame = av.VideoFrame.from_ndarray(planes[number % SOURCES], format="nv12")
            frame.pts = number
            size += sum(packet.size for packet in context.encode(frame))
        return size + sum(packet.size for packet in context.encode(None))

    return on_threads(job, open_session, work)


MEASURED: dict[str, tuple[Callable[[Job, str], Run] | None, str]] = {
    "C loop, host": (None, "host"),
    "videohw, host": (ours, "host"),
    "PyAV h264_nvenc, host, of arrays": (pyav, "arrays"),
    "PyAV h264_nvenc, host, of frames": (pyav, "frames"),
    "C loop, device": (None, "device"),
    "videohw, device": (ours, "device"),
}


# Each run is a process of its own


def child(name: str, job: Job) -> Run:
    """One run here, in this process."""
    measure, mode = MEASURED[name]
    assert measure is not None
    return measure(job, mode)


def in_process(name: str, job: Job, program: Path, environment: dict[str, str]) -> Run:
    """One run in a process with that environment."""
    words = json.dumps([name, job.width, job.height, job.frames, job.sessions, str(program)])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.nvenc", "--child", words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return Run(**json.loads(done.stdout))


def compiled(folder: str) -> Path:
    """The plain loop, built."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise FileNotFoundError("no C++ compiler")
    program = Path(folder) / "loop"
    subprocess.run(
        [compiler, "-std=c++17", "-O2", "-pthread", str(HERE / "nvenc_loop.cpp"), "-o",
         str(program), "-ldl"],
        check=True,
    )  # fmt: skip
    return program


def environment_of(emulator: bool, picture_us: int) -> dict[str, str]:
    """Of the runs: with the emulated driver in raw mode, or as it is."""
    if not emulator:
        return dict(os.environ)
    from tests.emulators import build
    from tests.emulators.control import environment

    return environment(build.built(), NVENC_RAW="1", NVENC_PICTURE_US=picture_us, STREAMS="early")


def measured(
    job: Job, rounds: int, only: set[str], environment: dict[str, str]
) -> Iterator[tuple[str, list[Run]]]:
    """The runs of each, taken in turn; what is missing here is named on stderr."""
    names = [name for name in MEASURED if not only or any(map(name.startswith, only))]
    found: dict[str, list[Run]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(folder)
        for _ in range(rounds):
            for name in names:
                try:
                    found[name].append(in_process(name, job, program, environment))
                except RuntimeError as error:
                    print(f"{name}: {error}", file=sys.stderr)
    yield from found.items()


def table(job: Job, found: dict[str, list[Run]]) -> str:
    """Markdown; each row beside the plain loop with pictures in the same memory."""
    lines = []
    medians = {
        name: statistics.median(run.seconds for run in runs) for name, runs in found.items() if runs
    }
    count = job.frames * job.sessions
    for name, seconds in medians.items():
        run = found[name][0]
        base = medians.get("C loop, device" if "device" in name else "C loop, host")
        ratio = "" if base is None else f"{seconds / base:.2f}"
        cpus = [each.cpu_seconds for each in found[name] if each.cpu_seconds is not None]
        cpu = f"{statistics.median(cpus) / count * 1e6:.0f} us" if cpus else ""
        copied = "" if run.bytes_in is None else f"{run.bytes_in / count / job.picture_bytes:.3f}"
        packets = "" if run.bytes_out is None else f"{run.bytes_out / run.packet_bytes:.3f}"
        lines.append(
            f"| {job.sessions} | {name} | {seconds / job.frames * 1e6:.0f} us | {ratio} | {cpu} | "
            f"{copied} | {packets} |"
        )
    return "\n".join(lines)


HEADER = """\
| sessions | what | a picture of each | to loop | CPU of one | pictures copied | packets copied |
| ---: | --- | ---: | ---: | ---: | ---: | ---: |"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, usage=__doc__)
    parser.add_argument("--emulator", action="store_true")
    parser.add_argument("--picture-us", type=int, default=0)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--sessions", default="1,4,8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--child")
    given = parser.parse_args()
    if given.child:
        name, width, height, frames, sessions, program = json.loads(given.child)
        job = Job(width, height, frames, sessions)
        if MEASURED[name][0] is None:
            run = plain_loop(job, Path(program), MEASURED[name][1])
        else:
            run = child(name, job)
        print(json.dumps(vars(run)))
        return
    width, height = map(int, given.size.split("x"))
    environment = environment_of(given.emulator, given.picture_us)
    only = {each for each in given.only.split(",") if each}
    print(HEADER)
    for sessions in map(int, given.sessions.split(",")):
        job = Job(width, height, given.frames // sessions, sessions)
        print(table(job, dict(measured(job, given.rounds, only, environment))), flush=True)


if __name__ == "__main__":
    main()
