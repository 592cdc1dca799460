"""Layouts and parameter sets of the software encoder: output that stands by itself."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.encoding import (
    HEIGHT,
    PARAMETER_SETS,
    WIDTH,
    codec,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    unit_types,
    witness,
)
from videohw.bitstream.convert import annexb_to_nals, length_prefixed_to_nals
from videohw.encoder import Encoder
from videohw.packet_layout import PacketLayout
from videohw.types import Packet

__all__ = ["codec"]

FAST: dict[str, Any] = {"preset": "fastest", "fps": 30}
BOXES = {"h264": b"avcC", "hevc": b"hvcC", "av1": b"av1C"}
RAW_FORMATS = {"h264": "h264", "hevc": "hevc", "av1": "obu"}


def boxed_record(name: str, packets: list[Packet]) -> bytes:
    """The configuration record that libavformat makes when it puts these packets into MP4."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    stream = io.BytesIO(b"".join(packet.data for packet in packets))
    file = io.BytesIO()
    with (
        av.open(stream, format=RAW_FORMATS[name]) as source,
        av.open(file, "w", format="mp4") as target,
    ):
        track = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for index, packet in enumerate(p for p in source.demux() if p.size):
            packet.pts = packet.dts = index
            packet.time_base = Fraction(1, 30)
            packet.stream = track
            target.mux(packet)
    data = file.getvalue()
    start = data.index(BOXES[name]) + 4
    (size,) = struct.unpack(">I", data[start - 8 : start - 4])
    return data[start : start + size - 8]


@pytest.mark.parametrize("input_format", ["nv12", "p010"])
def test_extradata_is_the_record_that_libavformat_makes(codec: str, input_format: str) -> None:
    pictures = nv12_pictures(5)
    if input_format == "p010":
        pictures = [picture.astype(np.uint16) << 8 for picture in pictures]
    with Encoder(codec, WIDTH, HEIGHT, input=input_format, **FAST) as encoder:
        assert encoder.extradata is None
        assert encoder.parameter_sets is None
        packets = encode(encoder, pictures)
        ours = encoder.extradata
    assert ours is not None
    theirs = boxed_record(codec, packets)
    if codec == "hevc":
        # array_completeness (ISO/IEC 14496-15, 8.3.2.1): libavformat writes 0, for hev1, where
        # samples may carry sets too. Ours carry none, which is hvc1 and 1.
        ours = without_array_completeness(ours)
    assert ours == theirs


def without_array_completeness(hvcc: bytes) -> bytes:
    record = bytearray(hvcc)
    position = 23
    for _ in range(record[22]):
        record[position] &= 0x7F
        (count,) = struct.unpack_from(">H", record, position + 1)
        position += 3
        for _ in range(count):
            position += 2 + struct.unpack_from(">H", record, position)[0]
    return bytes(record)


@pytest.mark.parametrize("layout", ["annexb", "length_prefixed"])
def test_decodes_with_nothing_but_what_the_layout_promises(codec: str, layout: str) -> None:
    pictures = nv12_pictures(8)
    with Encoder(codec, WIDTH, HEIGHT, layout=layout, gop=3, **FAST) as encoder:
        packets = encode(encoder, pictures)
        extradata = encoder.extradata
    assert {packet.layout for packet in packets} == {layout}
    seen = witness(codec, packets, extradata if layout == "length_prefixed" else None)
    assert [picture.pts for picture in seen] == list(range(8))
    assert psnr(nv12_planes(pictures[7]), seen[7].planes) > 28


@pytest.mark.parametrize("layout", ["annexb", "length_prefixed"])
def test_extradata_comes_where_the_sets_are_new(codec: str, layout: str) -> None:
    with Encoder(codec, 64, 64, layout=layout, gop=2, **FAST) as encoder:
        packets = encode(encoder, nv12_pictures(6, 64, 64))
        # The same settings again: the new stream has the same sets, which are not told twice.
        packets += encode(encoder, nv12_pictures(3, 64, 64))
        assert [packet.extradata for packet in packets] == [encoder.extradata, *[None] * 8]
        sets = encoder.parameter_sets
    assert sets is not None
    assert set(unit_types(codec, sets)) == PARAMETER_SETS[codec]
    if layout == "annexb" or codec == "av1":
        assert sets.lstrip(b"\0") in packets[0].data


def test_length_prefixed_holds_the_units_of_annexb(codec: str) -> None:
    coded = {}
    for layout in ("annexb", "length_prefixed"):
        with Encoder(codec, 64, 64, layout=layout, gop=2, **FAST) as encoder:
            coded[layout] = encode(encoder, nv12_pictures(5, 64, 64))
    for plain, prefixed in zip(coded["annexb"], coded["length_prefixed"], strict=True):
        assert (plain.pts, plain.dts, plain.keyframe) == (
            prefixed.pts,
            prefixed.dts,
            prefixed.keyframe,
        )
        if codec == "av1":
            assert plain.data == prefixed.data
            continue
        kept = [
            nal
            for nal in annexb_to_nals(plain.data)
            if unit_types(codec, b"\0\0\0\1" + nal)[0] not in PARAMETER_SETS[codec]
        ]
        assert length_prefixed_to_nals(prefixed.data) == kept


def test_av1_packets_are_temporal_units() -> None:
    with Encoder("av1", 64, 64, gop=4, **FAST) as encoder:
        packets = encode(encoder, nv12_pictures(12, 64, 64))
    for packet in packets:
        types = unit_types("av1", packet.data)
        # AV1 7.5: a temporal delimiter starts each unit, and there is one.
        assert types[0] == 2
        assert types.count(2) == 1


SETS = {
    "h264": [bytes.fromhex("6742c00bda0f0a6840000003004000000f03c50ba8"), b"\x68\xce\x0f\xc8"],
}


def test_a_keyframe_without_its_sets_gets_them() -> None:
    layout = PacketLayout("h264", "annexb")
    sets = b"".join(b"\0\0\0\1" + nal for nal in SETS["h264"])
    first, changed = layout.lay_out(sets + b"\0\0\0\1\x65\x88\x84", True)
    assert first == sets + b"\0\0\0\1\x65\x88\x84"
    assert changed == layout.extradata is not None
    second, changed = layout.lay_out(b"\0\0\0\1\x65\x88\x85", True)
    assert second == sets + b"\0\0\0\1\x65\x88\x85"
    assert changed is None
    between, changed = layout.lay_out(b"\0\0\1\x41\x9a", False)
    assert (between, changed) == (b"\0\0\1\x41\x9a", None)
