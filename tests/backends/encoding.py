"""What the encoder tests share: moving pictures, a plain loop, libavcodec as the witness.

The witness is PyAV's CodecContext, used directly: no decoder of videohw takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from videohw.encoder import Encoder
from videohw.errors import Backpressure
from videohw.machine import capabilities
from videohw.types import Packet

Array = npt.NDArray[Any]

# Not prores: it has no rates, groups, reordering and parameter sets, which is what most of these
# tests ask for, and one backend alone has it; tests/apple/test_prores.py asks what it must do.
CODECS = ("h264", "hevc", "av1")
WIDTH, HEIGHT = 192, 128
# A wait that no test should come near; a test that hangs fails by it.
PATIENCE_SECONDS = 30.0


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> str:
    """Each codec that an encoder may have; absent ones are skipped by the reason given."""
    name: str = request.param
    needs_encoder(name)
    return name


def needs_encoder(name: str) -> None:
    (answer,) = [c for c in capabilities(name, "software") if c.direction == "encode"]
    if not answer.supported:
        pytest.skip(f"software cannot encode {name}: {answer.reason}")


def nv12_pictures(count: int, width: int = WIDTH, height: int = HEIGHT) -> list[Array]:
    """A moving texture with chroma that differs from place to place, limited range."""
    rng = np.random.default_rng(7)
    shape = (height + 128, width + 256)
    coarse = rng.integers(40, 200, (-(-shape[0] // 8), -(-shape[1] // 8)))
    texture = np.kron(coarse, np.ones((8, 8)))[: shape[0], : shape[1]] + rng.normal(0, 3, shape)
    luma = np.clip(texture, 16, 235).astype(np.uint8)
    rows, columns = np.mgrid[0 : height // 2, 0 : width // 2]
    pictures = []
    for index in range(count):
        y, x = index % 60, 2 * (index % 60)
        picture = np.empty((height * 3 // 2, width), np.uint8)
        picture[:height] = luma[y : y + height, x : x + width]
        chroma = picture[height:].reshape(height // 2, width // 2, 2)
        chroma[..., 0] = 60 + (columns + index) % 100
        chroma[..., 1] = 200 - (rows + index) % 100
        pictures.append(picture)
    return pictures


def encode(
    encoder: Encoder,
    pictures: Iterable[Any],
    times: Iterable[int] | None = None,
    forced: Sequence[int] = (),
    *,
    flush: bool = True,
) -> list[Packet]:
    """All packets of ``pictures``; ``forced`` are indices of pictures to force a keyframe at."""
    pts = iter(times) if times is not None else None
    packets = []
    for index, picture in enumerate(pictures):
        given = next(pts) if pts is not None else None
        while not accepted(encoder, picture, given, force_keyframe=index in forced):
            packets += reaped(encoder)
    return packets + reaped(encoder) + (encoder.flush(PATIENCE_SECONDS) if flush else [])


def accepted(encoder: Encoder, *arguments: Any, **options: Any) -> bool:
    """Whether ``submit`` took the picture. The wait is short, since this thread also reaps."""
    try:
        encoder.submit(*arguments, **options, timeout=0.02)
    except Backpressure:
        return False
    return True


def reaped(encoder: Encoder) -> list[Packet]:
    """The packets that are ready."""
    return list(iter(encoder.try_reap, None))


def check_times(packets: Sequence[Packet], expected_pts: Sequence[int]) -> None:
    """Every pts once, dts increasing and never above pts."""
    dts = [packet.dts for packet in packets]
    assert sorted(packet.pts for packet in packets) == list(expected_pts)
    assert all(a < b for a, b in pairwise(dts)), dts
    assert all(packet.dts <= packet.pts for packet in packets)


@dataclass
class Witnessed:
    """A picture as libavcodec decodes it, planes without padding."""

    pts: int
    format: str
    planes: list[Array]
    keyframe: bool
    matrix: int
    range: int
    primaries: int
    transfer: int


def witness(
    codec: str, packets: Iterable[Packet], extradata: bytes | None = None
) -> list[Witnessed]:
    """What libavcodec makes of ``packets``, in presentation order."""
    context = witness_context(codec, extradata)
    frames = []
    for packet in packets:
        frames += context.decode(av_packet(packet))
    frames += context.decode(None)
    return [_witnessed(frame) for frame in frames]


def witness_context(codec: str, extradata: bytes | None = None) -> Any:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    context = av.CodecContext.create("libdav1d" if codec == "av1" else codec, "r")
    context.thread_count = 1
    if extradata is not None:
        context.extradata = extradata
    return context


def av_packet(packet: Packet) -> Any:
    import av

    made = av.Packet(packet.data)
    made.pts, made.dts = packet.pts, packet.dts
    made.time_base = packet.time_base
    return made


def _witnessed(frame: Any) -> Witnessed:
    deep = frame.format.components[0].bits > 8
    planes = []
    for plane in frame.planes:
        samples = np.frombuffer(plane, dtype="<u2" if deep else np.uint8)
        pitch = plane.line_size // samples.itemsize
        rows = samples[: pitch * plane.height].reshape(plane.height, pitch)
        planes.append(rows[:, : plane.width].copy())
    return Witnessed(
        pts=frame.pts,
        format=frame.format.name,
        planes=planes,
        keyframe=bool(frame.key_frame),
        matrix=int(frame.colorspace),
        range=int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )


def nv12_planes(picture: Array) -> list[Array]:
    """Y, U and V of an NV12 array."""
    height = len(picture) * 2 // 3
    return [picture[:height], picture[height:, 0::2], picture[height:, 1::2]]


def psnr(one: Sequence[Array], other: Sequence[Array], peak: int = 255) -> float:
    """Peak signal to noise ratio in dB over all samples of all planes."""
    error = count = 0.0
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        error += float(((a.astype(np.float64) - b) ** 2).sum())
        count += a.size
    return float(10 * np.log10(peak**2 * count / error)) if error else float("inf")


def unit_types(codec: str, data: bytes, *, length_prefixed: bool = False) -> list[int]:
    """NAL unit types (AV1: OBU types) in the bytes of a packet, in order."""
    if codec == "av1":
        return _obu_types(data)
    nals = []
    if length_prefixed:
        position = 0
        while position < len(data):
            size = int.from_bytes(data[position : position + 4], "big")
            nals.append(data[position + 4 : position + 4 + size])
            position += 4 + size
        assert position == len(data)
    else:
        assert data.startswith((b"\0\0\1", b"\0\0\0\1"))
        nals = [nal for nal in data.split(b"\0\0\1") if nal.strip(b"\0")]
    return [nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63 for nal in nals]


def _obu_types(data: bytes) -> list[int]:
    types, position = [], 0
    while position < len(data):
        header = data[position]
        position += 1 + (header >> 2 & 1)
        size = shift = 0
        while True:
            byte = data[position]
            position += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        types.append(header >> 3 & 15)
        position += size
    assert position == len(data)
    return types


# H.264 table 7-1, H.265 table 7-1, AV1 6.2.2: parameter sets, and pictures to start decoding at.
PARAMETER_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}, "av1": {1}}
IDR = {"h264": {5}, "hevc": {19, 20}}
