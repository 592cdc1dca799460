"""Streams made by libavcodec's encoders: the units are the packets that the encoder gave."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.bitstream.feeding import facts, run
from tests.coded_streams import every
from videohw.bitstream import open_assembler

av = pytest.importorskip("av", reason="PyAV is not installed")

WIDTH, HEIGHT, PICTURES = 64, 48, 20
ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast", "x264-params": "repeat-headers=1:keyint=8"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=error:keyint=8"}),
    "mpeg1": ("mpeg1video", {}),
    "mpeg2": ("mpeg2video", {}),
    "mpeg4": ("mpeg4", {}),
    "av1": ("libsvtav1", {"preset": "10", "svtav1-params": "keyint=8"}),
}


def encoded(codec: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The packets of an encoder, with B-pictures where it makes them."""
    monkeypatch.setenv("SVT_LOG", "1")  # it prints otherwise
    name, options = ENCODERS[codec]
    if name not in av.codecs_available:
        pytest.skip(f"PyAV has no encoder {name}")
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.gop_size = 8
    if codec != "av1":
        context.max_b_frames = 2
    context.options = options
    packets = []
    for number in range(PICTURES):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for index, plane in enumerate(frame.planes):
            value = (number * 9 + 50 * index) % 250
            plane.update(bytes((value + row) % 256 for row in range(plane.height)
                               for _ in range(plane.line_size)))  # fmt: skip
        frame.pts = number
        packets += context.encode(frame)
    return packets + context.encode(None)


@pytest.mark.parametrize("codec", ENCODERS)
def test_units_are_the_packets_of_the_encoder(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packets = encoded(codec, monkeypatch)
    data = b"".join(bytes(packet) for packet in packets)
    whole = run(open_assembler(codec), [data])
    assert [unit.data for unit in whole] == [bytes(packet) for packet in packets]
    assert [unit.keyframe for unit in whole] == [packet.is_keyframe for packet in packets]
    assert any(unit.keyframe for unit in whole[1:])
    for size in (1, 188):
        pieces = run(open_assembler(codec), every(data, size))
        assert [facts(unit) for unit in pieces] == [facts(unit) for unit in whole]
