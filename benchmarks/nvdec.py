"""Pictures a second of NVDEC through this library, beside the plain loop in C and other libraries.

Whole runs count from before the first session opens to the end of the last; steady state counts
from when every session has given 30 pictures to when the first one is at its end. The processor
time is that of the whole process, for a picture, over the whole run. Every run decodes the same
coded pictures, one stream a session, each session on a thread of its own; every library gets the
same work: "native" is NV12 in device memory of its own, "rgb" planar RGB there, "host" NV12 or
RGB in host memory. A picture that is missing at the end is an error. Of the ffmpeg program only
the whole run is known, with the start of its processes.

Needs an NVIDIA device; ``--compiler g++`` for the plain loop. What is not installed is left out.

With ``--latency`` it measures instead, on one session with ``low_latency``, the time from when an
access unit is submitted to when its picture is there, one after the other; the stream must not
reorder.

usage: python -m benchmarks.nvdec STREAM.h264|STREAM.h265 [--times N] [--sessions 1,2,4,7,14]
           [--only NAME,...] [--container STREAM.mp4] [--latency]
"""

from __future__ import annotations

import argparse
import io
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from videohw.bitstream import open_assembler
from videohw.bitstream.convert import annexb_to_nals

WARM_PICTURES = 30
LAG = 4
PIECE_BYTES = 1 << 16
CUVID_CODECS = {"h264": 4, "hevc": 8}
HERE = Path(__file__).resolve().parent
SYMBOLS = {".h264": "h264", ".264": "h264", ".h265": "hevc", ".265": "hevc", ".hevc": "hevc"}


@dataclass(frozen=True)
class Stream:
    """Coded pictures, each with all it needs, over and over."""

    name: str
    codec: str
    units: tuple[bytes, ...]

    @property
    def data(self) -> bytes:
        return b"".join(self.units)


@dataclass(frozen=True)
class Run:
    """What one run measured: when each picture of each session was there, and processor time."""

    label: str
    sessions: int
    times: tuple[tuple[float, ...], ...]
    cpu_seconds: float | None
    first_seconds: float

    @property
    def pictures(self) -> int:
        return sum(map(len, self.times))

    @property
    def whole(self) -> float:
        """Pictures a second over everything."""
        return self.pictures / max(times[-1] for times in self.times)

    @property
    def steady(self) -> float:
        """Pictures a second while all sessions are at work."""
        begin = max(times[min(WARM_PICTURES, len(times) - 1)] for times in self.times)
        end = min(times[-1] for times in self.times)
        done = sum(sum(begin < when <= end for when in times) for times in self.times)
        return done / (end - begin) if end > begin else float("nan")


def read(path: Path, times: int) -> Stream:
    """The pictures of an Annex-B file whose first one is a keyframe, ``times`` over."""
    codec = SYMBOLS[path.suffix]
    assembler = open_assembler(codec)
    assembler.feed(path.read_bytes())
    assembler.finish()
    units = []
    while (unit := assembler.take()) is not None:
        units.append(bytes(unit.data))
    return Stream(path.stem, codec, tuple(units) * times)


def on_threads(
    label: str, sessions: int, work: Callable[[], Iterator[object]], expected: int
) -> Run:
    """Run ``work``, which yields pictures, on as many threads; drops each picture at once."""
    times: list[list[float]] = [[] for _ in range(sessions)]
    failures: list[BaseException] = []

    def one(mine: list[float]) -> None:
        try:
            for _ in work():
                mine.append(time.perf_counter() - began)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(mine,)) for mine in times]
    cpu = time.process_time()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - cpu
    if failures:
        raise failures[0]
    if any(len(mine) != expected for mine in times):
        raise AssertionError(f"{label}: {[len(mine) for mine in times]} of {expected} pictures")
    first = min(mine[0] for mine in times)
    return Run(label, sessions, tuple(map(tuple, times)), cpu, first)


# Who is measured


def ours(stream: Stream, output: str, memory: str) -> Iterator[object]:
    """This library, which gets the stream in pieces of 64 KiB."""
    import videohw

    data = stream.data
    pieces = (data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES))
    with videohw.Decoder(stream.codec, backend="nvidia", output=output, memory=memory) as decoder:
        yield from decoder.decode(pieces)


def ceiling(stream: Stream, sessions: int, mode: str) -> Run:
    """The plain loop in C."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise FileNotFoundError("no C++ compiler")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ceiling"
        subprocess.run(
            [compiler, "-std=c++17", "-O2", "-pthread", str(HERE / "nvdec_ceiling.cpp"), "-o",
             str(program), "-ldl"],
            check=True,
        )  # fmt: skip
        data, sizes = Path(folder) / "stream", Path(folder) / "sizes"
        data.write_bytes(stream.data)
        sizes.write_text("\n".join(str(len(unit)) for unit in stream.units))
        before = os.times()
        done = subprocess.run(
            [program, str(CUVID_CODECS[stream.codec]), str(data), str(sizes), str(sessions), mode,
             str(LAG)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        after = os.times()
    times = tuple(tuple(map(float, line.split())) for line in done.stdout.splitlines())
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Run(f"C, {mode}", sessions, times, cpu, min(each[0] for each in times))


def pynvvideocodec(stream: Stream, output: str) -> Iterator[object]:
    """NVIDIA's own package: its demuxer and decoder, one packet at a time."""
    import PyNvVideoCodec as Nv

    path = Path(tempfile.gettempdir()) / f"{stream.name}.{stream.codec}"
    if not path.is_file() or path.stat().st_size != len(stream.data):
        path.write_bytes(stream.data)
    demuxer = Nv.CreateDemuxer(filename=str(path))
    kind = Nv.OutputColorType.RGBP if output == "rgb_planar" else Nv.OutputColorType.NATIVE
    decoder = Nv.CreateDecoder(
        gpuid=0, codec=demuxer.GetNvCodecId(), usedevicememory=1, outputColorType=kind
    )
    for packet in demuxer:
        yield from decoder.Decode(packet)


def pynvvideocodec_threaded(container: Path, output: str) -> Iterator[object]:
    """The same with its threaded decoder, which reads only files that can be searched."""
    import PyNvVideoCodec as Nv

    kind = Nv.OutputColorType.RGBP if output == "rgb_planar" else Nv.OutputColorType.NATIVE
    decoder = Nv.ThreadedDecoder(
        str(container), buffer_size=12, use_device_memory=True, output_color_type=kind
    )
    while frames := decoder.get_batch_frames(4):
        yield from frames
    decoder.end()


def torchcodec(container: Path) -> Iterator[object]:
    """PyTorch's package: planar RGB in device memory."""
    from torchcodec.decoders import VideoDecoder

    yield from VideoDecoder(str(container), device="cuda", seek_mode="approximate")


def pyav(stream: Stream, memory: str) -> Iterator[object]:
    """FFmpeg's own use of NVDEC, through PyAV, which copies pictures to the host or not."""
    import av
    from av.codec.hwaccel import HWAccel

    accelerator = HWAccel("cuda", allow_software_fallback=False, is_hw_owned=memory == "device")
    with av.open(io.BytesIO(stream.data), format=stream.codec, hwaccel=accelerator) as container:
        yield from container.decode(video=0)


def ffmpeg(stream: Stream, sessions: int) -> Run:
    """The ffmpeg program, a process for each session; only the end of each is seen."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise FileNotFoundError("no ffmpeg")
    expected = len(stream.units)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream"
        path.write_bytes(stream.data)
        before, began = os.times(), time.perf_counter()
        running = [
            subprocess.Popen(
                [program, "-nostdin", "-loglevel", "error", "-progress", "-", "-hwaccel", "cuda",
                 "-hwaccel_output_format", "cuda", "-f", stream.codec, "-i", str(path),
                 "-map", "0:v", "-fps_mode", "passthrough", "-f", "null", "-"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(sessions)
        ]  # fmt: skip
        done = [each.communicate() for each in running]
        took, after = time.perf_counter() - began, os.times()
    for told, complaints in done:
        counts = re.findall(r"^frame=\s*(\d+)$", told, re.MULTILINE)
        if not counts or int(counts[-1]) != expected:
            raise AssertionError(f"{counts[-1:]} of {expected} pictures: {complaints.strip()}")
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Run("ffmpeg", sessions, ((took,) * expected,) * sessions, cpu, float("nan"))


def libraries(
    stream: Stream, sessions: int, container: Path | None
) -> Iterator[tuple[str, Callable[[], Run]]]:
    """Who is measured, by name, and how."""
    expected = len(stream.units)
    for mode in ("metadata", "device", "host"):
        yield f"C, {mode}", partial(ceiling, stream, sessions, mode)
    for label, output, memory in (
        ("metadata", "metadata", "host"), ("native device", "native", "device"),
        ("rgb device", "rgb_planar", "device"), ("native host", "native", "host"),
        ("rgb host", "rgb24", "host"),
    ):  # fmt: skip
        name = f"videohw, {label}"
        work = partial(ours, stream, output, memory)
        yield name, partial(on_threads, name, sessions, work, expected)
    for label, output in (("native", "native"), ("rgb", "rgb_planar")):
        name = f"PyNvVideoCodec, {label} device"
        work = partial(pynvvideocodec, stream, output)
        yield name, partial(on_threads, name, sessions, work, expected)
        if container is not None:
            name = f"PyNvVideoCodec, threaded, {label} device"
            work = partial(pynvvideocodec_threaded, container, output)
            yield name, partial(on_threads, name, sessions, work, expected)
    if container is not None:
        work = partial(torchcodec, container)
        yield (
            "torchcodec, rgb device",
            partial(on_threads, "torchcodec, rgb device", sessions, work, expected),
        )
    for memory in ("device", "host"):
        name = f"PyAV, hwaccel, native {memory}"
        work = partial(pyav, stream, memory)
        yield name, partial(on_threads, name, sessions, work, expected)
    yield "ffmpeg", partial(ffmpeg, stream, sessions)


def runs(stream: Stream, sessions: int, only: set[str], container: Path | None) -> Iterator[Run]:
    """Each library at its work; what is missing here is named on stderr."""
    for label, run in libraries(stream, sessions, container):
        if only and not any(label.startswith(each) for each in only):
            continue
        try:
            yield run()
        except Exception as error:
            print(f"{label}: {type(error).__name__}: {error}", file=sys.stderr)


def latencies(stream: Stream) -> list[float]:
    """Seconds from each submit to the picture of that access unit."""
    import videohw

    found = []
    with videohw.Decoder(
        stream.codec, backend="nvidia", output="rgb_planar", memory="device", low_latency=True
    ) as decoder:
        for number, unit in enumerate(stream.units):
            began = time.perf_counter()
            decoder.submit(list(annexb_to_nals(unit)), number, layout="access_unit")
            frame = decoder.reap_timeout(5.0)
            if frame is None or frame.pts != number:
                raise AssertionError(f"picture {number} came late: {frame}")
            while not frame.planes[0].ready:
                pass
            found.append(time.perf_counter() - began)
    return found


def table(found: list[Run]) -> str:
    """Markdown."""
    lines = [
        "| sessions | what | pictures | whole run | steady | first picture | CPU a picture |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in found:
        cpu = "" if run.cpu_seconds is None else f"{run.cpu_seconds / run.pictures * 1e6:.0f} us"
        lines.append(
            f"| {run.sessions} | {run.label} | {run.pictures} | {run.whole:.0f} /s | "
            f"{_known(run.steady, '/s')} | {_known(run.first_seconds * 1e3, 'ms')} | {cpu} |"
        )
    return "\n".join(lines)


def _known(value: float, unit: str) -> str:
    return "" if math.isnan(value) else f"{value:.0f} {unit}"


def main() -> None:
    """Measure and print, as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, usage=__doc__)
    parser.add_argument("stream", type=Path)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--sessions", default="1,7")
    parser.add_argument("--only", default="")
    parser.add_argument("--container", type=Path)
    parser.add_argument("--latency", action="store_true")
    given = parser.parse_args()
    stream = read(given.stream, given.times)
    start_cuda()
    if given.latency:
        found = sorted(latencies(stream)[WARM_PICTURES:])
        p99 = found[int(len(found) * 0.99)]
        print(
            f"latency of {len(found)} pictures: median {statistics.median(found) * 1e3:.2f} ms, "
            f"p99 {p99 * 1e3:.2f} ms"
        )
        return
    only = {each for each in given.only.split(",") if each}
    measured = []
    for sessions in map(int, given.sessions.split(",")):
        for run in runs(stream, sessions, only, given.container):
            measured.append(run)
            print(table([run]).splitlines()[-1], flush=True)
    print(table(measured))


def start_cuda() -> None:
    """What a process pays once stays out of the figures: the driver and its context."""
    import videohw

    videohw.capabilities("h264", "nvidia")


if __name__ == "__main__":
    main()
