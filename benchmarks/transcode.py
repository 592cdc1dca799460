"""File to file: ``videohw.transcode`` beside the plain loop of PyAV with the same settings.

Both sides demux, decode, encode and mux the same H.264 file on the same cores, opening and
closing included; the encoder's options are read from our result and given to PyAV, so that both
do the same work. The time is that of the fastest of ``rounds`` runs, taken in turns.

usage: python benchmarks/transcode.py [FRAMES [ROUNDS]]
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

import videohw

WIDTH, HEIGHT, RATE = 1280, 720, 30
CASES = (
    ("h264", "fastest"),
    ("h264", "balanced"),
    ("hevc", "fastest"),
    ("hevc", "balanced"),
    ("av1", "fastest"),
)


@dataclass(frozen=True)
class Row:
    """One case: seconds of both sides for ``frames`` pictures."""

    codec: str
    preset: str
    frames: int
    videohw_seconds: float
    pyav_seconds: float

    @property
    def ratio(self) -> float:
        """PyAV's time through ours: above 1 we are faster."""
        return self.pyav_seconds / self.videohw_seconds


def rows(frames: int = 300, rounds: int = 3) -> list[Row]:
    """Measure every case on a made 720p file of ``frames`` pictures."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_source(source, frames)
        return [measure(source, codec, preset, rounds) for codec, preset in CASES]


def measure(source: Path, codec: str, preset: str, rounds: int) -> Row:
    target = source.with_name(f"out-{codec}.mp4")
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        result = videohw.transcode(source, target, codec=codec, preset=preset, backend="software")
        ours.append(result.seconds)
        began = time.monotonic()
        count = bare_pyav(source, target, result.encoder)
        theirs.append(time.monotonic() - began)
        if not result.frames_in == result.frames_out == count:
            raise RuntimeError(f"{result.frames_in} in, {result.frames_out} out, PyAV {count}")
    return Row(codec, preset, count, min(ours), min(theirs))


def bare_pyav(source: Path, target: Path, settings: dict[str, Any]) -> int:
    """The loop of PyAV's documentation; ``settings`` is the summary of our encoder."""
    count = 0
    with av.open(str(source)) as old, av.open(
        str(target), "w", container_options={"movflags": "faststart"}
    ) as new:  # fmt: skip
        video = old.streams.video[0]
        video.thread_type = "AUTO"
        stream = new.add_stream(settings["library"], rate=settings["fps"])
        context = stream.codec_context
        context.width, context.height = settings["width"], settings["height"]
        context.pix_fmt = settings["coded_format"]
        context.time_base = settings["time_base"]
        context.thread_type = "AUTO"
        context.options = dict(settings["options"])
        for frame in old.decode(video):
            frame.pict_type = av.video.frame.PictureType.NONE
            count += 1
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))
    return count


def make_source(path: Path, frames: int) -> None:
    """A moving texture with some noise, H.264 at about 5 Mb/s."""
    texture = np.random.default_rng(5).integers(40, 200, (HEIGHT // 8 + 64, WIDTH // 8 + 64))
    texture = np.kron(texture, np.ones((8, 8))).astype(np.uint8)
    noise = np.random.default_rng(6).integers(0, 12, (HEIGHT, WIDTH), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", "b": "5M", "bf": "2", "g": "60"}
        for number in range(frames):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            left, top = number * 3 % 500, number % 200
            luma = texture[top : top + HEIGHT, left : left + WIDTH] + np.roll(noise, number * 77)
            for plane, values in zip(frame.planes, (luma, None, None), strict=True):
                view = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                view[:, : plane.width] = 128 if values is None else values
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def table(found: list[Row]) -> str:
    """Markdown."""
    lines = ["| to | preset | videohw | PyAV | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    lines += [
        f"| {row.codec} | {row.preset} | {row.frames / row.videohw_seconds:.0f} fps "
        f"| {row.frames / row.pyav_seconds:.0f} fps | {row.ratio:.2f} |"
        for row in found
    ]
    return "\n".join(lines)


def main(frames: int = 300, rounds: int = 3) -> None:
    print(f"{'to':<6}{'preset':<10}{'frames':>7}{'videohw':>10}{'PyAV':>10}{'ratio':>7}")
    for row in rows(frames, rounds):
        print(
            f"{row.codec:<6}{row.preset:<10}{row.frames:>7}"
            f"{row.frames / row.videohw_seconds:>6.0f} fps{row.frames / row.pyav_seconds:>6.0f} fps"
            f"{row.ratio:>7.2f}"
        )


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:3]))
