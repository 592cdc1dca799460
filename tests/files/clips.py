"""Video files made for the tests with PyAV alone, and read back with PyAV alone.

Every picture carries its number as black and white blocks that survive lossy coding, so that a
test can say which picture came out, not only how many.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

os.environ.setdefault("SVT_LOG", "0")

WIDTH, HEIGHT = 160, 96
BLOCK = 16
BITS = 8
Array = npt.NDArray[np.uint8]

ENCODERS = {
    "h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9",
    "vp8": "libvpx", "mpeg4": "mpeg4", "mpeg2": "mpeg2video", "mjpeg": "mjpeg",
}  # fmt: skip
QUIET = {"libx265": {"x265-params": "log-level=none"}}


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> list[Array]:
    """Y, U and V of picture ``number``: a moving gradient with the number in the first rows."""
    across = np.arange(width, dtype=np.int64)[None, :]
    down = np.arange(height, dtype=np.int64)[:, None]
    luma = (60 + (across + 2 * down + 5 * number) % 128).astype(np.uint8)
    block = BLOCK * width // WIDTH
    for bit in range(BITS):
        level = 235 if number >> bit & 1 else 16
        luma[:block, bit * block : (bit + 1) * block] = level
    half = (height // 2, width // 2)
    return [luma, np.full(half, 100, np.uint8), np.full(half, 160, np.uint8)]


def number_of(luma: npt.NDArray[Any]) -> int:
    """The number in a picture of :func:`picture`, of any size and depth."""
    scale = luma.shape[1] / WIDTH
    block = BLOCK * scale
    middle = int(block // 2)
    line = [int(luma[middle, int(bit * block + block // 2)]) for bit in range(BITS)]
    threshold = 125 * (1 if max(line) < 256 else 1 << (max(line).bit_length() - 8))
    return sum(1 << bit for bit, level in enumerate(line) if level > threshold)


def numbers(frames: Sequence[Any]) -> list[int]:
    """The numbers of decoded ``videohw`` frames."""
    return [number_of(np.asarray(frame.planes[0])) for frame in frames]


def av_picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """:func:`picture` as an ``av.VideoFrame``."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, values in zip(frame.planes, picture(number, width, height), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[: values.shape[0], : values.shape[1]] = values
    return frame


@dataclass
class Recipe:
    """What :func:`make` writes. ``pts`` in units of ``time_base``."""

    codec: str = "h264"
    pts: Sequence[int] = tuple(range(24))
    time_base: Fraction = Fraction(1, 25)
    rate: Fraction = Fraction(25)
    b_frames: int = 0
    gop: int = 8
    size: tuple[int, int] = (WIDTH, HEIGHT)
    audio: str | None = None
    subtitles: str | None = None
    data: bool = False
    chapters: Sequence[tuple[int, int, str]] = ()  # milliseconds and title
    rotation: int | None = None  # degrees counter-clockwise, as PyAV has it
    flip: bool = False
    aspect: Fraction | None = None
    color: tuple[int, int, int, int] | None = None  # matrix, primaries, transfer, range (1, 2)
    metadata: dict[str, str] = field(default_factory=dict)
    stream_metadata: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    format: str | None = None


def make(path: Path | str, recipe: Recipe) -> Path:
    """Write the file; audio is a tone as long as the video, subtitles one line a second."""
    with av.open(str(path), "w", format=recipe.format,
                 container_options=recipe.container_options) as container:  # fmt: skip
        container.metadata.update(recipe.metadata)
        video = _video_stream(container, recipe)
        audio = _audio_stream(container, recipe.audio) if recipe.audio else None
        text = container.add_mux_stream(recipe.subtitles) if recipe.subtitles else None
        data = container.add_data_stream("klv") if recipe.data else None
        if text is not None:
            text.time_base = Fraction(1, 1000)
            text.metadata["language"] = "fra"
        if recipe.chapters:
            container.set_chapters(
                [
                    {"id": i, "start": start, "end": end, "time_base": Fraction(1, 1000),
                     "metadata": {"title": title}}
                    for i, (start, end, title) in enumerate(recipe.chapters)
                ]
            )  # fmt: skip
        packets = [*_encode_video(video, recipe)]
        seconds = float((recipe.pts[-1] + 1) * recipe.time_base)
        if audio is not None:
            packets += _encode_tone(audio, seconds)
        for stream, payload in ((text, b"line %d"), (data, b"\x06\x0e\x2b\x34 %d")):
            if stream is not None:
                packets += [_packet(stream, payload % n, n * 1000) for n in range(int(seconds))]
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            container.mux(packet)
    return Path(path)


def _video_stream(container: Any, recipe: Recipe) -> Any:
    encoder = ENCODERS[recipe.codec]
    stream = container.add_stream(encoder, rate=recipe.rate)
    stream.width, stream.height = recipe.size
    stream.pix_fmt = "yuvj420p" if recipe.codec == "mjpeg" else "yuv420p"
    context = stream.codec_context
    context.time_base = recipe.time_base
    context.gop_size = recipe.gop
    context.options = {**QUIET.get(encoder, {}), **recipe.options}
    if recipe.b_frames:
        context.max_b_frames = recipe.b_frames
    elif encoder == "libx265":
        context.options = {"x265-params": f"log-level=none:bframes=0:keyint={recipe.gop}"}
    elif encoder == "libx264":
        context.options = {**context.options, "bf": "0"}
    if recipe.aspect is not None:
        context.sample_aspect_ratio = recipe.aspect
    if recipe.color is not None:
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            recipe.color
        )
    if recipe.rotation is not None:
        stream.set_display_rotation(recipe.rotation, hflip=recipe.flip)
    stream.metadata.update(recipe.stream_metadata)
    return stream


def _audio_stream(container: Any, codec: str) -> Any:
    stream = container.add_stream(codec, rate=48000)
    stream.layout = "mono"
    stream.metadata["language"] = "eng"
    return stream


def _encode_video(stream: Any, recipe: Recipe) -> list[Any]:
    packets = []
    for number, pts in enumerate(recipe.pts):
        frame = av_picture(number, *recipe.size)
        if recipe.codec == "mjpeg":
            frame = frame.reformat(format="yuvj420p")
        frame.pts, frame.time_base = pts, recipe.time_base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _encode_tone(stream: Any, seconds: float) -> list[Any]:
    packets: list[Any] = []
    count = int(seconds * 48000)
    wave = (8000 * np.sin(np.arange(count) * 0.05)).astype(np.int16)[None, :]
    for start in range(0, count, 960):
        frame = av.AudioFrame.from_ndarray(wave[:, start : start + 960], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _packet(stream: Any, payload: bytes, milliseconds: int) -> Any:
    packet = av.Packet(payload)
    packet.stream = stream
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = milliseconds
    packet.duration = 500
    packet.is_keyframe = True
    return packet


COUNT = 24
EVEN = list(range(COUNT))
VARIABLE = (0, 512, 1024, 1700, 2048, 5000, 5001, 6000, 9000)
# Name -> how it is made. Each has two B-pictures in a row where its codec has them.
CLIPS = {
    "h264.mp4": Recipe(b_frames=2, audio="aac"),
    "hevc.mp4": Recipe("hevc", b_frames=2),
    "av1.mp4": Recipe("av1"),
    "mpeg2.mp4": Recipe("mpeg2", b_frames=2),
    "mpeg4.mp4": Recipe("mpeg4", b_frames=2),
    "mpeg4.mkv": Recipe("mpeg4", b_frames=2),
    "mpeg4.avi": Recipe("mpeg4"),
    "h264.mov": Recipe(b_frames=2),
    "mjpeg.mov": Recipe("mjpeg"),
    "h264.mkv": Recipe(b_frames=2, audio="libopus"),
    "hevc.mkv": Recipe("hevc", b_frames=2),
    "av1.mkv": Recipe("av1"),
    "vp9.webm": Recipe("vp9", audio="libopus"),
    "vp8.webm": Recipe("vp8"),
    "h264.ts": Recipe(b_frames=2, audio="aac"),
    "hevc.ts": Recipe("hevc", b_frames=2),
    "mpeg2.ts": Recipe("mpeg2", b_frames=2),
    "h264.flv": Recipe(b_frames=2),
    "variable.mp4": Recipe(pts=VARIABLE, time_base=Fraction(1, 12800), b_frames=2),
    "late.mp4": Recipe(pts=range(100, 100 + COUNT), b_frames=2),
}


def remux(source: Any, flags: str, *, format: str = "mp4") -> bytes:
    """The video of a file, copied into an MP4 file with these ``movflags``."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "remuxed.mp4"
        with av.open(source if hasattr(source, "read") else str(source)) as old, av.open(
            str(target), "w", format=format, container_options={"movflags": flags}
        ) as new:  # fmt: skip
            stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
        return target.read_bytes()


@dataclass
class Witness:
    """What PyAV alone says of a file: pictures by number and time in seconds, and the rest."""

    numbers: list[int]
    times: list[Fraction]
    duration: Fraction
    codec: str
    tag: str
    size: tuple[int, int]
    aspect: Fraction | None
    rotation: int  # counter-clockwise
    color: tuple[int, int, int, int]
    metadata: dict[str, str]
    stream_metadata: dict[str, str]
    chapters: list[tuple[Fraction, Fraction, str]]
    others: list[tuple[str, str, str | None]]  # kind, codec, language
    packets: dict[int, list[tuple[Fraction, bytes]]]  # of the other streams


def witness(source: Any) -> Witness:
    """Read a whole file with PyAV."""
    with av.open(source if hasattr(source, "read") else str(source)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        frames: list[Any] = []
        others: dict[int, list[tuple[Fraction, bytes]]] = {}
        for packet in container.demux():
            if packet.stream is stream:
                frames += packet.decode()
            elif packet.size:
                base = ratio(packet.time_base) or Fraction(1)
                stamp = packet.pts * base
                others.setdefault(packet.stream_index, []).append((stamp, bytes(packet)))
        return Witness(
            numbers=[number_of(_luma(frame)) for frame in frames],
            times=[frame.pts * (ratio(frame.time_base) or Fraction(1)) for frame in frames],
            duration=Fraction(container.duration or 0, 1_000_000),
            codec=context.codec.canonical_name,
            tag=context.codec_tag,
            size=(context.width, context.height),
            aspect=ratio(stream.sample_aspect_ratio),
            rotation=frames[0].rotation,
            color=(context.colorspace, context.color_primaries, context.color_trc,
                   context.color_range),
            metadata=dict(container.metadata),
            stream_metadata=dict(stream.metadata),
            chapters=[
                (
                    c["start"] * (ratio(c["time_base"]) or Fraction(1)),
                    c["end"] * (ratio(c["time_base"]) or Fraction(1)),
                    c["metadata"].get("title", ""),
                )
                for c in container.chapters()
            ],
            others=[
                (s.type, getattr(s, "name", None) or "", s.metadata.get("language"))
                for s in container.streams
                if s is not stream
            ],
            packets=others,
        )  # fmt: skip


def ratio(value: Any) -> Fraction | None:
    """PyAV's rational of any version as a Fraction, 0 as None."""
    if value is None or not value.numerator:
        return None
    return Fraction(value.numerator, value.denominator)


def _luma(frame: Any) -> npt.NDArray[Any]:
    plane = frame.planes[0]
    dtype = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
    return rows[: frame.height, : frame.width]
