"""The parser beside FFmpeg's: access units with key flags out of a byte stream, on one core.

Both sides get the same chunks of one 1080p stream of about 5 Mb/s and give, for each access unit,
its size and whether it is a key picture: ``AccessUnitAssembler`` and, through PyAV,
``CodecContext.parse``. Each round runs one side and then the other, which first alternates; a
figure is the median of the rounds, in processor time of the one thread, so that what else runs
on the machine counts little. What both give is compared before anything is measured. ``memchr``
over as many bytes is the limit of any search that looks at every byte.

usage: python -m benchmarks.parser [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from videohw.bitstream import AccessUnitAssembler

WIDTH, HEIGHT, RATE, FRAMES = 1920, 1080, 30, 300
BITS_PER_SECOND = 5_000_000
CHUNKS = (188, 4096, 65536)
ENCODERS = {
    "h264": ("libx264", {"preset": "veryfast", "maxrate": "5M", "bufsize": "5M"}),
    "hevc": (
        "libx265",
        {
            "preset": "ultrafast",
            "x265-params": "log-level=error:vbv-maxrate=5000:vbv-bufsize=5000",
        },
    ),
}
ROUNDS = 11
PASSES = 8

Unit = tuple[int, bool]


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """One row for each codec and chunk size, and one for memchr; speeds in GB/s (1e9 bytes).

    Keys: ``codec``, ``chunk_bytes``, ``units``, ``stream_bytes``, ``videohw_gb_s``, ``pyav_gb_s``,
    ``ratio``. The last row has the codec "memchr" and its speed as ``videohw_gb_s``, None
    elsewhere.
    """
    measured = []
    for codec in ENCODERS:
        data = make_stream(codec)
        for size in CHUNKS:
            measured.append(measure(codec, data, size, rounds))
    data = bytes(len(data))
    speed = len(data) / statistics.median(timed(data.find, 1) for _ in range(rounds))
    measured.append(
        {
            "codec": "memchr", "chunk_bytes": None, "units": None, "stream_bytes": len(data),
            "videohw_gb_s": speed / 1e9, "pyav_gb_s": None, "ratio": None,
        }
    )  # fmt: skip
    return measured


def table(measured: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| stream, chunks | videohw | PyAV `parse` | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in measured:
        if row["ratio"] is None:
            lines.append(f"| `memchr`, the limit | {row['videohw_gb_s']:.1f} GB/s | | |")
            continue
        lines.append(
            f"| {row['codec']}, {row['chunk_bytes']} bytes | {row['videohw_gb_s']:.2f} GB/s "
            f"| {row['pyav_gb_s']:.2f} GB/s | {row['ratio']:.1f} |"
        )
    return "\n".join(lines)


def measure(codec: str, data: bytes, size: int, rounds: int) -> dict[str, Any]:
    """Both sides on one stream in chunks of ``size`` bytes."""
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    units = ours(codec, chunks)
    if units != normalised(codec, data, theirs(codec, chunks)):
        raise RuntimeError(f"{codec} in chunks of {size}: the two sides give different units")
    seconds: dict[Callable[[str, list[bytes]], list[Unit]], list[float]] = {ours: [], theirs: []}
    for number in range(rounds):
        for side in (ours, theirs) if number % 2 else (theirs, ours):
            seconds[side].append(timed(side, codec, chunks))
    mine, other = (statistics.median(seconds[side]) for side in (ours, theirs))
    return {
        "codec": codec, "chunk_bytes": size, "units": len(units), "stream_bytes": len(data),
        "videohw_gb_s": len(data) / mine / 1e9, "pyav_gb_s": len(data) / other / 1e9,
        "ratio": other / mine,
    }  # fmt: skip


def timed(call: Callable[..., Any], *args: Any) -> float:
    """Seconds of one ``call(*args)``, by the mean of several."""
    start = time.thread_time()
    for _ in range(PASSES):
        call(*args)
    return (time.thread_time() - start) / PASSES


def ours(codec: str, chunks: list[bytes]) -> list[Unit]:
    """Size and key flag of each unit, by videohw."""
    assembler = AccessUnitAssembler(codec)
    units: list[Unit] = []
    for chunk in chunks:
        if assembler.feed(chunk):
            units += [(len(unit.data), unit.keyframe) for unit in assembler]
    assembler.finish()
    return units + [(len(unit.data), unit.keyframe) for unit in assembler]


def theirs(codec: str, chunks: list[bytes]) -> list[Unit]:
    """Size and key flag of each packet, by FFmpeg's parser through PyAV."""
    context = av.CodecContext.create(codec, "r")
    units: list[Unit] = []
    for chunk in chunks:
        units += [(packet.size, packet.is_keyframe) for packet in context.parse(chunk)]
    return units + [(packet.size, packet.is_keyframe) for packet in context.parse(b"")]


def normalised(codec: str, data: bytes, units: list[Unit]) -> list[Unit]:
    """FFmpeg's HEVC parser leaves a unit's zero_byte in the one before: here it is put back."""
    if codec != "hevc":
        return units
    sizes = [size for size, _ in units]
    position = 0
    for index in range(1, len(sizes)):
        position += sizes[index - 1]
        if data[position - 1 : position + 3] == b"\0\0\0\1":
            sizes[index - 1] -= 1
            sizes[index] += 1
            position -= 1
    return [(size, key) for size, (_, key) in zip(sizes, units, strict=True)]


def make_stream(codec: str) -> bytes:
    """Ten seconds of video, encoded once and then kept in the directory for temporary files."""
    path = Path(tempfile.gettempdir()) / f"videohw-bench-{codec}-{WIDTH}x{HEIGHT}x{FRAMES}"
    if path.is_file():
        return path.read_bytes()
    name, options = ENCODERS[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.bit_rate, context.gop_size, context.max_b_frames = BITS_PER_SECOND, RATE, 2
    context.options = options
    encoded = []
    for frame in pictures():
        encoded += [bytes(packet) for packet in context.encode(frame)]
    encoded += [bytes(packet) for packet in context.encode(None)]
    data = b"".join(encoded)
    path.write_bytes(data)
    return data


def pictures() -> Any:
    """The pictures of the stream, YUV 4:2:0: a texture that sways like grass in the wind.

    No translation of blocks predicts that motion well, so that all pictures have bits, as in
    filmed video, and not only the key pictures.
    """
    texture = np.random.default_rng(5).integers(16, 236, (HEIGHT // 4, WIDTH // 4), np.uint8)
    texture = np.kron(texture, np.ones((4, 4), np.uint8))
    rows_, columns = np.arange(HEIGHT), np.arange(WIDTH)
    for number in range(FRAMES):
        sway = (30 * np.sin(rows_ / 23 + number / 4) + number * 3).astype(np.intp)
        luma = texture[rows_[:, None], (columns + sway[:, None]) % WIDTH]
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, values in zip(frame.planes, (luma, None, None), strict=True):
            view = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            view[:, : plane.width] = 128 if values is None else values
        frame.pts = number
        yield frame


def main(rounds: int = ROUNDS) -> None:
    measured = rows(rounds)
    print(table(measured))


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:2]))
