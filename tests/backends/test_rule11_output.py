"""Rule 11: output stands by itself, and says truly what it is; other decoders are the witness."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy as np
import pytest

from tests.backends.conftest import ENCODED, BackendCase, needs_encoder, needs_input
from tests.backends.encoding import (
    HEIGHT,
    IDR,
    PARAMETER_SETS,
    WIDTH,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    unit_types,
    witness,
)
from videohw.bitstream.convert import annexb_to_nals, length_prefixed_to_nals
from videohw.encoding.packet_layout import PacketLayout
from videohw.types import Packet

LAYOUTS = ("annexb", "length_prefixed")


BOXES = {"h264": b"avcC", "hevc": b"hvcC", "av1": b"av1C"}


RAW_FORMATS = {"h264": "h264", "hevc": "hevc", "av1": "obu"}


def boxed_record(name: str, packets: list[Packet]) -> bytes:
    """The configuration record that libavformat makes when it puts these packets into MP4."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    data = b"".join(packet.data for packet in packets)
    if name != "av1":  # it takes the first zero of a long start code for the end of a set
        data = b"".join(b"\0\0\1" + nal for nal in annexb_to_nals(data))
    stream = io.BytesIO(data)
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
def test_extradata_is_the_record_that_libavformat_makes(
    backend: BackendCase, encoded: str, input_format: str
) -> None:
    pictures = nv12_pictures(5)
    if input_format == "p010":
        pictures = [picture.astype(np.uint16) << 8 for picture in pictures]
        needs_input(backend, encoded, input_format)
    with backend.encoder(encoded, WIDTH, HEIGHT, input=input_format) as encoder:
        # Nothing before the first keyframe, or already what it will be.
        early = encoder.extradata, encoder.parameter_sets
        packets = encode(encoder, pictures)
        ours = encoder.extradata
        assert early in ((None, None), (ours, encoder.parameter_sets))
    assert ours is not None
    theirs = boxed_record(encoded, packets)
    if encoded == "hevc":
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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_decodes_with_nothing_but_what_the_layout_promises(
    backend: BackendCase, encoded: str, layout: str
) -> None:
    pictures = nv12_pictures(8)
    with backend.encoder(encoded, WIDTH, HEIGHT, layout=layout, gop=3) as encoder:
        packets = encode(encoder, pictures)
        extradata = encoder.extradata
    assert {packet.layout for packet in packets} == {layout}
    seen = witness(encoded, packets, extradata if layout == "length_prefixed" else None)
    assert [picture.pts for picture in seen] == list(range(8))
    assert psnr(nv12_planes(pictures[7]), seen[7].planes) > 28


@pytest.mark.parametrize("layout", LAYOUTS)
def test_extradata_comes_where_the_sets_are_new(
    backend: BackendCase, encoded: str, layout: str
) -> None:
    with backend.encoder(encoded, 64, 64, layout=layout, gop=2) as encoder:
        packets = encode(encoder, nv12_pictures(6, 64, 64))
        # The same settings again: the new stream has the same sets, which are not told twice.
        packets += encode(encoder, nv12_pictures(3, 64, 64))
        assert [packet.extradata for packet in packets] == [encoder.extradata, *[None] * 8]
        sets = encoder.parameter_sets
    assert sets is not None
    assert set(unit_types(encoded, sets)) == PARAMETER_SETS[encoded]
    if layout == "annexb" or encoded == "av1":
        assert sets.lstrip(b"\0") in packets[0].data


def test_length_prefixed_holds_the_units_of_annexb(backend: BackendCase, encoded: str) -> None:
    coded = {}
    for layout in LAYOUTS:
        with backend.encoder(encoded, 64, 64, layout=layout, gop=2) as encoder:
            coded[layout] = encode(encoder, nv12_pictures(5, 64, 64))
    for plain, prefixed in zip(coded["annexb"], coded["length_prefixed"], strict=True):
        assert (plain.pts, plain.dts, plain.keyframe) == (
            prefixed.pts,
            prefixed.dts,
            prefixed.keyframe,
        )
        if encoded == "av1":
            assert plain.data == prefixed.data
            continue
        kept = [
            nal
            for nal in annexb_to_nals(plain.data)
            if unit_types(encoded, b"\0\0\0\1" + nal)[0] not in PARAMETER_SETS[encoded]
        ]
        assert length_prefixed_to_nals(prefixed.data) == kept


def test_av1_packets_are_temporal_units(backend: BackendCase) -> None:
    needs_encoder(backend, "av1")
    with backend.encoder("av1", 64, 64, gop=4) as encoder:
        packets = encode(encoder, nv12_pictures(12, 64, 64))
    for packet in packets:
        types = unit_types("av1", packet.data)
        # AV1 7.5: a temporal delimiter starts each unit, and there is one.
        assert types[0] == 2
        assert types.count(2) == 1


SETS = {
    "h264": [bytes.fromhex("6742c00bda0f0a6840000003004000000f03c50ba8"), b"\x68\xce\x0f\xc8"],
}


def test_a_keyframe_without_its_sets_gets_them(backend: BackendCase) -> None:
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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_keyframe_flag_is_what_the_picture_is(
    backend: BackendCase, encoded: str, layout: str
) -> None:
    with backend.encoder(encoded, 64, 64, gop=6, layout=layout) as encoder:
        packets = encode(encoder, nv12_pictures(20, 64, 64), forced=(8,))
    prefixed = layout == "length_prefixed" and encoded != "av1"
    for packet in packets:
        types = set(unit_types(encoded, packet.data, length_prefixed=prefixed))
        sets = PARAMETER_SETS[encoded]
        if encoded != "av1":
            assert bool(types & IDR[encoded]) == packet.keyframe
        if prefixed:
            assert not types & sets
        else:
            assert (types >= sets) == packet.keyframe
            assert bool(types & sets) == packet.keyframe


@pytest.mark.parametrize("layout", LAYOUTS)
def test_decoding_may_start_at_every_keyframe(
    backend: BackendCase, encoded: str, layout: str
) -> None:
    """With nothing from before: its packet brings the sets, or the record has them."""
    pictures = nv12_pictures(17)
    with backend.encoder(encoded, WIDTH, HEIGHT, layout=layout, gop=4) as encoder:
        packets = encode(encoder, pictures, forced=(6,))
        record = encoder.extradata if layout == "length_prefixed" else None
    starts = [index for index, packet in enumerate(packets) if packet.keyframe]
    assert len(starts) >= 5
    for start in starts:
        seen = witness(encoded, packets[start:], record)
        assert [picture.pts for picture in seen] == list(range(packets[start].pts, 17))
        assert psnr(nv12_planes(pictures[packets[start].pts]), seen[0].planes) > 28


@pytest.mark.parametrize(("name", "b_frames"), [("h264", 0), ("h264", 2), ("hevc", 2), ("av1", 0)])
def test_the_keyframe_flag_is_what_other_decoders_see(
    backend: BackendCase, name: str, b_frames: int
) -> None:
    needs_encoder(backend, name)
    with backend.encoder(name, 64, 64, gop=5, b_frames=b_frames) as encoder:
        packets = encode(encoder, nv12_pictures(16, 64, 64), forced=(7,))
    flagged = sorted(packet.pts for packet in packets if packet.keyframe)
    assert {0, 7} < set(flagged)
    assert [picture.pts for picture in witness(name, packets) if picture.keyframe] == flagged


@pytest.mark.parametrize("layout", LAYOUTS)
def test_our_own_decoder_agrees(backend: BackendCase, encoded: str, layout: str) -> None:
    """Sets, layout, order and flags make the way back without any other knowledge."""
    pictures = nv12_pictures(9, 160, 144)
    with backend.encoder(encoded, 160, 144, layout=layout, gop=3) as encoder:
        packets = encode(encoder, pictures)
        record = encoder.extradata if layout == "length_prefixed" else None
    given_layout = "annexb" if encoded == "av1" else layout
    with backend.decoder(encoded, max_in_flight=20, extradata=record) as decoder:
        for packet in packets:
            decoder.submit(packet.data, packet.pts, layout=given_layout)
        frames = decoder.flush()
    assert [frame.pts for frame in frames] == list(range(9))
    keys = [frame.pts for frame in frames if frame.keyframe]
    assert keys == sorted(packet.pts for packet in packets if packet.keyframe)


def test_each_codec_that_can_be_encoded_is_checked_here(backend: BackendCase) -> None:
    """The list above is the backend's own; ProRes is checked in tests/apple/test_prores.py."""
    from videohw.machine import capabilities

    answers = capabilities(backend=backend.name)
    found = {a.codec for a in answers if a.direction == "encode" and a.supported}
    assert found - {"prores"} <= set(ENCODED)
