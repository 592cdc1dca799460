"""VideoToolbox through this library, beside a plain loop of its calls and beside ffmpeg.

The tables are those of ``benchmarks.nvenc`` and ``benchmarks.nvdec``, so that reports lie side by
side. Encoding: NV12 pictures in host memory to H.264 of 4 Mb/s, timed from the first picture to
the last packet, opening not counted, but for ffmpeg, whose whole process is timed. The plain loop
(``videotoolbox_loop.cpp``) makes the calls that a picture needs and nothing else. Decoding: the
stream that the library coded, each session on a thread; "whole" counts from before the first
session opens, for ffmpeg from before its process starts.

Where ffmpeg is there, its pictures of that stream (``-hwaccel videotoolbox``) must be those of the
library, bit by bit, and its own encoder's pictures as near to the source as ours, to 2 dB; else
the exit code is 1. ffmpeg goes on in software, silently, where it has no hardware decoder.

``--emulator``: on the emulated frameworks, whose codecs are libavcodec's: what differs between the
rows is the work around VideoToolbox.

usage: python -m benchmarks.videotoolbox [--emulator] [--size 1280x720] [--frames N]
           [--sessions 1,4] [--rounds N] [--require-ffmpeg]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import nvdec, nvenc

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent / "videohw" / "_native"
FRAMEWORKS = ("CoreFoundation", "CoreMedia", "CoreVideo", "VideoToolbox")
BITS_PER_SECOND = 4_000_000
MOST_DIFFERENCE_DB = 2.0
COMPARED_PICTURES = 30


def load_emulator() -> Path:
    """Have this process take the emulated frameworks; the folder of their library."""
    import videohw
    from tests.emulators import build

    videohw.__path__.append(str(build.built_module()))
    return build.OUT


# Encoding


def plain_loop(folder: str, library: Path | None) -> Path:
    """The loop, built; for the frameworks of the system where ``library`` is None."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise FileNotFoundError("no C++ compiler")
    program = Path(folder) / "loop"
    if library is None:
        linked = [word for each in FRAMEWORKS for word in ("-framework", each)]
    else:
        linked = [f"-L{library}", "-l:libvideohw_apple.so", f"-Wl,-rpath,{library}", "-pthread"]
    source = str(HERE / "videotoolbox_loop.cpp")
    command = [compiler, "-std=c++17", "-O2", f"-I{NATIVE}", source, "-o", str(program), *linked]
    subprocess.run(command, check=True)
    return program


def looped(job: nvenc.Job, program: Path) -> nvenc.Run:
    """The plain loop."""
    words = (job.width, job.height, job.frames, job.sessions, nvenc.DEPTH)
    done = subprocess.run(
        [str(program), *map(str, words)], check=True, capture_output=True, text=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    packet_bytes = sum(int(row[2]) for row in rows)
    return nvenc.Run(
        max(float(row[0]) for row in rows), sum(float(row[3]) for row in rows),
        sum(int(row[1]) for row in rows), packet_bytes, packet_bytes,
    )  # fmt: skip


def encoder(job: nvenc.Job) -> Any:
    """An encoder of this library, with what the plain loop asks for."""
    import videohw

    return videohw.Encoder(
        "h264", job.width, job.height, fps=nvenc.FPS, backend="videotoolbox",
        rate_control=videohw.VariableBitrate(BITS_PER_SECOND), max_in_flight=nvenc.DEPTH,
    )  # fmt: skip


def ours(job: nvenc.Job) -> nvenc.Run:
    """This library: a loop that submits and takes what is ready."""
    given = nvenc.pictures(job)

    def work(session: Any) -> int:
        source = (given[number % nvenc.SOURCES] for number in range(job.frames))
        return sum(len(packet) for packet in session.encode(source))

    return nvenc.on_threads(job, lambda: encoder(job), work)


def ffmpeg(program: str, *words: str) -> bytes:
    """What ffmpeg writes."""
    command = [program, "-nostdin", "-v", "error", *words]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip() or "ffmpeg failed")
    return done.stdout


def coded_by_ffmpeg(program: str, raw: Path, job: nvenc.Job) -> bytes:
    """``raw``, NV12 pictures, through its ``h264_videotoolbox``."""
    return ffmpeg(
        program, "-f", "rawvideo", "-pix_fmt", "nv12", "-s", f"{job.width}x{job.height}",
        "-r", str(nvenc.FPS), "-i", str(raw), "-c:v", "h264_videotoolbox", "-b:v",
        str(BITS_PER_SECOND), "-bf", "0", "-f", "h264", "-",
    )  # fmt: skip


def encoding(
    job: nvenc.Job, rounds: int, library: Path | None, program: str | None
) -> dict[str, list[nvenc.Run]]:
    """The runs of each, taken in turn."""
    found: dict[str, list[nvenc.Run]] = {"C loop, host": [], "videohw, host": []}
    with tempfile.TemporaryDirectory() as folder:
        loop = plain_loop(folder, library)
        raw = Path(folder) / "pictures.nv12"
        if program is not None and job.sessions == 1:
            found["ffmpeg h264_videotoolbox"] = []
            write_pictures(raw, job)
        for _ in range(rounds):
            found["C loop, host"].append(looped(job, loop))
            found["videohw, host"].append(ours(job))
            if program is not None and job.sessions == 1:
                began = time.perf_counter()
                size = len(coded_by_ffmpeg(program, raw, job))
                run = nvenc.Run(time.perf_counter() - began, None, None, None, size)
                found["ffmpeg h264_videotoolbox"].append(run)
    return found


def write_pictures(path: Path, job: nvenc.Job) -> None:
    """The pictures of the job as raw NV12."""
    given = nvenc.pictures(job)
    with path.open("wb") as file:
        for number in range(job.frames):
            file.write(given[number % nvenc.SOURCES].tobytes())


def encode_rows(job: nvenc.Job, found: dict[str, list[nvenc.Run]]) -> Iterator[str]:
    """Rows of ``nvenc.HEADER``."""
    count = job.frames * job.sessions
    base = statistics.median(run.seconds for run in found["C loop, host"])
    for name, runs in found.items():
        seconds = statistics.median(run.seconds for run in runs)
        cpus = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
        cpu = f"{statistics.median(cpus) / count * 1e6:.0f} us" if cpus else ""
        copied = runs[0].bytes_in
        pictures = "" if copied is None else f"{copied / count / job.picture_bytes:.3f}"
        yield (
            f"| {job.sessions} | {name} | {seconds / job.frames * 1e6:.0f} us | "
            f"{seconds / base:.2f} | {cpu} | {pictures} |"
        )


# Decoding


def stream_of(job: nvenc.Job) -> nvdec.Stream:
    """What this library codes of the pictures."""
    given = nvenc.pictures(job)
    with encoder(job) as session:
        source = (given[number % nvenc.SOURCES] for number in range(job.frames))
        units = tuple(bytes(packet.data) for packet in session.encode(source))
    return nvdec.Stream("coded", "h264", units)


def decoded(stream: nvdec.Stream, output: str) -> Iterator[Any]:
    """This library's frames; it gets the stream in pieces of 64 KiB."""
    import videohw

    data, size = stream.data, nvdec.PIECE_BYTES
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    with videohw.Decoder(stream.codec, backend="videotoolbox", output=output) as decoder:
        yield from decoder.decode(pieces)


def decode_rows(stream: nvdec.Stream, sessions: int, program: str | None) -> Iterator[str]:
    """Rows of the table of ``nvdec``."""
    for output in ("metadata", "native", "rgb24"):
        run = nvdec.on_threads(
            f"videohw, {output} host", sessions,
            lambda output=output: decoded(stream, output), len(stream.units),
        )  # fmt: skip
        yield nvdec.table([run]).splitlines()[-1]
    if program is None or sessions != 1:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.h264"
        path.write_bytes(stream.data)
        began = time.perf_counter()
        ffmpeg(program, "-hwaccel", "videotoolbox", "-i", str(path), "-f", "null", "-")
        rate = len(stream.units) / (time.perf_counter() - began)
    yield f"| 1 | ffmpeg -hwaccel videotoolbox | {len(stream.units)} | {rate:.0f} /s | | | |"


def hardware(job: nvenc.Job) -> str:
    """What the sessions say of themselves: a runner may have software only."""
    import videohw

    stream = stream_of(nvenc.Job(job.width, job.height, 1, 1))
    with encoder(job) as session, videohw.Decoder("h264", backend="videotoolbox") as decoder:
        decoder.submit(stream.data)
        decoder.flush()
        said = session.summary()["using_hardware"], decoder.summary()["using_hardware"]
    return f"using hardware: encoder {said[0]}, decoder {said[1]}"


# The comparison with ffmpeg


def planes_of(data: bytes, program: str, folder: str, *accelerated: str) -> bytes:
    """The pictures of an H.264 stream as NV12, by ffmpeg."""
    path = Path(folder) / "compared.h264"
    path.write_bytes(data)
    return ffmpeg(
        program, *accelerated, "-i", str(path), "-fps_mode", "passthrough", "-pix_fmt", "nv12",
        "-f", "rawvideo", "-",
    )  # fmt: skip


def differences(job: nvenc.Job, stream: nvdec.Stream, program: str) -> Iterator[str]:
    """What ffmpeg's pictures say against ours; nothing is right."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "pictures.nv12"
        write_pictures(raw, job)
        source = raw.read_bytes()
        own = hashlib.sha256()
        for frame in decoded(stream, "nv12"):
            for plane in frame.planes:
                own.update(np.ascontiguousarray(plane).tobytes())
        theirs = planes_of(stream.data, program, folder, "-hwaccel", "videotoolbox")
        if own.digest() != hashlib.sha256(theirs).digest():
            yield "the pictures that ffmpeg decodes of our stream are not ours"
        quality = psnr(source, theirs)
        other = coded_by_ffmpeg(program, raw, job)
        reference = psnr(source, planes_of(other, program, folder))
        print(f"PSNR: videohw {quality:.2f} dB, ffmpeg h264_videotoolbox {reference:.2f} dB")
        if quality < reference - MOST_DIFFERENCE_DB:
            yield "ffmpeg's encoder is nearer to the source"


def psnr(one: bytes, other: bytes) -> float:
    """Decibels, over all samples; -inf where the lengths differ."""
    if len(one) != len(other):
        return float("-inf")
    given, seen = (np.frombuffer(each, np.uint8).astype(np.int16) for each in (one, other))
    error = float(np.mean(np.square(given - seen, dtype=np.int32)))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def main() -> int:
    """Measure and print; 1 where ffmpeg has other pictures."""
    parser = argparse.ArgumentParser(description=__doc__, usage=__doc__)
    parser.add_argument("--emulator", action="store_true")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--sessions", default="1,4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--require-ffmpeg", action="store_true")
    given = parser.parse_args()
    library = load_emulator() if given.emulator else None
    program = None if given.emulator else shutil.which("ffmpeg")
    if given.require_ffmpeg and program is None:
        parser.error("there is no ffmpeg")
    width, height = map(int, given.size.split("x"))
    jobs = [
        nvenc.Job(width, height, given.frames // sessions, sessions)
        for sessions in map(int, given.sessions.split(","))
    ]
    print(nvenc.HEADER)
    for job in jobs:
        for row in encode_rows(job, encoding(job, given.rounds, library, program)):
            print(row, flush=True)
    print("\n" + "\n".join(nvdec.table([]).splitlines()))
    for job in jobs:
        for row in decode_rows(stream_of(job), job.sessions, program):
            print(row, flush=True)
    print("\n" + hardware(jobs[0]), flush=True)
    if program is None:
        return 0
    job = nvenc.Job(width, height, min(given.frames, COMPARED_PICTURES), 1)
    found = list(differences(job, stream_of(job), program))
    for difference in found:
        print(difference, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    os.environ.pop("VIDEO_HW_VT_METRICS", None)  # what is measured is not the measuring
    sys.exit(main())
