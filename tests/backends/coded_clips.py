"""Short streams of codecs that the corpus lacks, made by libavcodec's encoders; VC-1 by ours."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from tests import vc1_clips
from tests.vc1_headers import Format
from videohw.backend_table import load
from videohw.software.thread_scheduling import unchanged_scheduling

WIDTH, HEIGHT = 160, 128
# Codec: (encoder, pixel format, B-frames, options)
ENCODERS: Mapping[str, tuple[str, str, int, Mapping[str, str]]] = MappingProxyType(
    {
        "mpeg1": ("mpeg1video", "yuv420p", 2, {}),
        "mpeg2": ("mpeg2video", "yuv420p", 2, {}),
        "mpeg4": ("mpeg4", "yuv420p", 2, {}),
        "jpeg": ("mjpeg", "yuvj420p", 0, {}),
        "vp8": ("libvpx", "yuv420p", 0, {"deadline": "realtime", "cpu-used": "8"}),
        "vp9": ("libvpx-vp9", "yuv420p", 0, {"deadline": "realtime", "cpu-used": "8"}),
        "av1": ("libsvtav1", "yuv420p", 0, {"preset": "12", "svtav1-params": "lookahead=0"}),
    }
)  # fmt: skip


def needs_av() -> Any:
    """PyAV; without it the test is skipped with the reason that the backend gives."""
    status = load("software").probe()
    if not status.available:
        pytest.skip(f"software: {status.reason}")
    import av

    return av


@functools.cache
def packets(
    codec: str,
    frames: int = 24,
    gop: int = 8,
    options: tuple[tuple[str, str], ...] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> tuple[bytes, ...]:
    """The coded pictures of a moving pattern, in decoding order; ``options`` for the encoder."""
    width, height = size
    if codec == "vc1":  # no encoder
        form = Format(width, height, aspect=(1,))
        return vc1_clips.clip(vc1_clips.types_of(frames, gop), form).units
    av = needs_av()
    encoder, pixel_format, b_frames, defaults = ENCODERS[codec]
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.gop_size, context.max_b_frames, context.bit_rate = gop, b_frames, 300_000
    context.thread_count = 1
    context.options = {**defaults, **dict(options)}
    with unchanged_scheduling():
        context.open()
    coded = []
    for number in range(frames):
        picture = av.VideoFrame(width, height, pixel_format)
        for index, plane in enumerate(picture.planes):
            view = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            rows, columns = np.mgrid[0 : view.shape[0], 0 : view.shape[1]]
            view[...] = 20 + (3 * columns + 2 * rows + 5 * number * (index + 1)) % 200
        picture.pts = number
        coded += [bytes(packet) for packet in context.encode(picture)]
    return tuple(coded + [bytes(packet) for packet in context.encode(None)])


@functools.cache
def decoded_by_libavcodec(codec: str) -> tuple[tuple[int, bytes], ...]:
    """(index of its packet, samples) of each picture, by PyAV's CodecContext alone."""
    return decoded_packets(codec, packets(codec))


def decoded_packets(
    codec: str, coded: tuple[bytes, ...], **options: str
) -> tuple[tuple[int, bytes], ...]:
    """The same of other packets, with ``options`` for libavcodec's decoder."""
    av = needs_av()
    name = {"av1": "libdav1d", "jpeg": "mjpeg", "mpeg1": "mpeg1video", "mpeg2": "mpeg2video"}
    context = av.CodecContext.create(name.get(codec, codec), "r")
    context.thread_count = 1
    context.options = options
    if codec == "vc1":
        context.extradata = vc1_clips.headers(coded[0])
    found = []
    for index, data in enumerate((*coded, None)):
        packet = None
        if data is not None:
            packet = av.Packet(len(data))  # zeros follow, which a decoder may read
            packet.update(data)
            packet.pts = index
        for frame in context.decode(packet):
            planes = [
                np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
                for plane in frame.planes
            ]
            found.append((frame.pts, b"".join(plane.tobytes() for plane in planes)))
    return tuple(found)
