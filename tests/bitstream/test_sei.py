"""SEI: framing, the payloads that are decoded, and those of every stream."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.bitstream.parameter_set_streams import nals
from tests.corpus import Stream, all_streams, stream
from videohw.bitstream import h264, hevc, sei
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.convert import escape
from videohw.bitstream.parameter_sets import ParameterSets
from videohw.bitstream.sei import (
    AlternativeTransfer,
    ClockTimestamp,
    ContentLight,
    PicTiming,
    RecoveryPoint,
    SeiMessage,
    UserDataT35,
    UserDataUnregistered,
    decode,
    parse,
)
from videohw.errors import InvalidBitstream, InvalidInput

HEADERS = {"h264": b"\x06", "hevc": b"\x4e\x01"}
SEI_TYPES = {"h264": (6,), "hevc": (39, 40)}
SET_TYPES = {"h264": (7, 8, 13), "hevc": (32, 33, 34)}

MESSAGES = st.lists(
    st.builds(SeiMessage, st.integers(0, 1000), st.binary(max_size=300)), min_size=1, max_size=4
)


def number(value: int) -> bytes:
    return b"\xff" * (value // 255) + bytes((value % 255,))


def write(messages: list[SeiMessage], codec: str) -> bytes:
    body = b"".join(number(m.payload_type) + number(len(m.payload)) + m.payload for m in messages)
    return HEADERS[codec] + escape(body + b"\x80")


def bits(*fields: tuple[int, int]) -> bytes:
    writer = BitWriter("test")
    for value, width in fields:
        writer.u("field", value, width)
    return writer.rbsp_bytes()


# Framing.


@given(MESSAGES, st.sampled_from(("h264", "hevc")))
def test_messages_are_found_again(messages: list[SeiMessage], codec: str) -> None:
    assert parse(write(messages, codec), codec) == messages


@given(st.binary(max_size=80), st.sampled_from(("h264", "hevc")))
def test_any_bytes_raise_only_invalid_bitstream(data: bytes, codec: str) -> None:
    for nal in (data, HEADERS[codec] + data):
        outcome(parse, nal, codec)


FULL_H264 = h264.Sps(
    66,
    0,
    30,
    vui=h264.Vui(
        nal_hrd_parameters_present_flag=True, nal_hrd=h264.Hrd(), pic_struct_present_flag=True
    ),
)
FULL_HEVC = hevc.Sps(
    vui=hevc.Vui(
        frame_field_info_present_flag=True, hrd=hevc.Hrd(nal_hrd_parameters_present_flag=True)
    )
)
SPS: dict[str, h264.Sps | hevc.Sps] = {"h264": FULL_H264, "hevc": FULL_HEVC}


@given(
    st.sampled_from((0, 1, 4, 5, 6, 137, 144, 147)),
    st.binary(max_size=60),
    st.sampled_from(("h264", "hevc")),
)
def test_any_payload_raises_only_invalid_bitstream(kind: int, payload: bytes, codec: str) -> None:
    found = outcome(decode, SeiMessage(kind, payload), codec, SPS[codec])
    if isinstance(found, InvalidBitstream):
        assert str(found).startswith(f"SEI type {kind}: ")


@pytest.mark.parametrize(
    ("nal", "message"),
    [
        ("", "0 bytes has no header"),
        ("0780", "nal_unit_type is 7, not 6"),
        ("060510aabb80", "type 5 has 16 bytes, 3 are left"),
        ("06ffffff", "data ended in payload_type"),
        ("0605ff", "data ended in payload_size"),
    ],
)
def test_what_is_no_sei(nal: str, message: str) -> None:
    with pytest.raises(InvalidBitstream, match=message):
        parse(bytes.fromhex(nal), "h264")


def test_zeros_behind_and_a_missing_stop_bit_are_no_message() -> None:
    whole = write([SeiMessage(6, b"\xc0")], "h264")
    assert parse(whole + bytes(3), "h264") == parse(whole[:-1], "h264") == parse(whole, "h264")
    assert parse(b"\x06\x80", "h264") == []


def test_codecs_without_sei_are_refused() -> None:
    with pytest.raises(InvalidInput, match="codec is 'av1'"):
        parse(b"\x06\x80", "av1")
    with pytest.raises(InvalidInput, match="codec is 'vp9'"):
        decode(SeiMessage(6, b"\x80"), "vp9")


# Payloads.


def test_recovery_points() -> None:
    # ue 4 = 00101, exact 0, broken 1, changing_slice_group_idc 00.
    assert decode(SeiMessage(6, bits((0b00101, 5), (1, 2), (0, 2))), "h264") == RecoveryPoint(
        4, exact_match=False, broken_link=True
    )
    # se -2 = 00101, exact 1, broken 0.
    assert decode(SeiMessage(6, bits((0b00101, 5), (2, 2))), "hevc") == RecoveryPoint(
        -2, exact_match=True, broken_link=False
    )
    # Seven zeros, 1 and seven bits are ue 127, which leaves one bit.
    with pytest.raises(InvalidBitstream, match="SEI type 6: data ended in broken_link_flag"):
        decode(SeiMessage(6, bytes((0b00000001, 0b00000000))), "h264")


def test_mastering_display_and_light_level() -> None:
    # Green, blue, red, white point in units of 0.00002, luminances of 0.0001 cd/m2: BT.2020.
    payload = bits(
        (8500, 16), (39850, 16), (6550, 16), (2300, 16), (35400, 16), (14600, 16), (15635, 16),
        (16450, 16), (10000000, 32), (50, 32),
    )  # fmt: skip
    found = decode(SeiMessage(137, payload), "hevc")
    assert isinstance(found, sei.MasteringDisplay)
    assert found.red == (Fraction("0.708"), Fraction("0.292"))
    assert found.green == (Fraction("0.17"), Fraction("0.797"))
    assert found.blue == (Fraction("0.131"), Fraction("0.046"))
    assert found.white_point == (Fraction("0.3127"), Fraction("0.329"))
    assert (found.max_luminance, found.min_luminance) == (Fraction(1000), Fraction("0.005"))
    light = decode(SeiMessage(144, bits((1000, 16), (400, 16))), "h264")
    assert light == ContentLight(max_content=1000, max_frame_average=400)


def test_alternative_transfer() -> None:
    assert decode(SeiMessage(147, b"\x12"), "hevc") == AlternativeTransfer(18)


def test_user_data() -> None:
    uuid = UUID("dc45e9bd-e6d9-48b7-962c-d820d923eeef")
    found = decode(SeiMessage(5, uuid.bytes + b"x264 - core 142"), "h264")
    assert found == UserDataUnregistered(uuid, b"x264 - core 142")
    assert decode(SeiMessage(4, b"\xb5\0\x3c\0\1\4"), "hevc") == UserDataT35(0xB5, b"\0\x3c\0\1\4")
    assert decode(SeiMessage(4, b"\xff\x26data"), "hevc") == UserDataT35(0xFF26, b"data")


@pytest.mark.parametrize(
    ("data", "captions"),
    [
        ("00314741393403 c2ff fc9420 fd8080 ff", "fc9420fd8080"),
        ("00314741393403 42ff fc9420 fd80", "fc9420"),  # cut in the second construct
        ("00314741393403 82ff fc9420 fd8080 ff", None),  # process_cc_data_flag is 0
        ("00314741393406 c2ff fc9420", None),  # bar data
        ("00314741393403", None),
        ("002f03c2ff", None),
    ],
)
def test_captions(data: str, captions: str | None) -> None:
    found = UserDataT35(0xB5, bytes.fromhex(data)).captions
    assert found == (None if captions is None else bytes.fromhex(captions))
    assert UserDataT35(0x26, bytes.fromhex(data)).captions is None


def test_types_that_are_not_known_have_no_value() -> None:
    assert decode(SeiMessage(200, b"abc"), "h264") is None
    assert decode(SeiMessage(1, b"abc"), "h264") is None
    assert decode(SeiMessage(1, b"abc"), "h264", FULL_HEVC) is None
    assert decode(SeiMessage(1, b"abc"), "hevc", FULL_H264) is None


def vui(**fields: Any) -> h264.Sps:
    return h264.Sps(66, 0, 30, vui=h264.Vui(**fields))


HRD = h264.Hrd(
    cpb_removal_delay_length_minus1=15, dpb_output_delay_length_minus1=5, time_offset_length=5
)


def test_h264_picture_timing() -> None:
    delays = vui(vcl_hrd_parameters_present_flag=True, vcl_hrd=HRD)
    assert decode(SeiMessage(1, bits((300, 16), (2, 6))), "h264", delays) == PicTiming(
        cpb_removal_delay=300, dpb_output_delay=2
    )
    # pic_struct 5: top, bottom, top again; three clock_timestamp_flags.
    structure = vui(pic_struct_present_flag=True)
    found = decode(SeiMessage(1, bits((5, 4), (0, 3))), "h264", structure)
    assert found == PicTiming(5, clock_timestamps=(None, None, None))
    assert isinstance(found, PicTiming)
    assert (found.display_fields, found.top_field_first) == (3, True)
    assert decode(SeiMessage(1, b""), "h264", vui()) == PicTiming()


def test_h264_clock_timestamps() -> None:
    sps = vui(nal_hrd_parameters_present_flag=True, nal_hrd=HRD, pic_struct_present_flag=True)
    head = ((1, 16), (0, 6), (3, 4))
    # ct_type and nuit 3 bits, counting_type 4, full 1, discontinuity 0, dropped 0, n_frames 29,
    # 40 s, 39 min, 20 h, time_offset -1; then a partial one with seconds only.
    full = ((1, 1), (0, 3), (4, 5), (1, 1), (0, 1), (0, 1), (29, 8), (40, 6), (39, 6), (20, 5),
            (31, 5))  # fmt: skip
    partial = ((1, 1), (0, 3), (1, 5), (0, 1), (1, 1), (0, 1), (3, 8), (1, 1), (7, 6), (0, 1),
               (2, 5))  # fmt: skip
    found = decode(SeiMessage(1, bits(*head, *full, *partial)), "h264", sps)
    assert isinstance(found, PicTiming)
    first, second = found.clock_timestamps
    assert first == ClockTimestamp(20, 39, 40, 29, 4, discontinuity=False, time_offset=-1)
    assert second == ClockTimestamp(None, None, 7, 3, 1, discontinuity=True, time_offset=2)
    assert first is not None
    assert first.drop_frame
    with pytest.raises(InvalidBitstream, match="SEI type 1: data ended in n_frames"):
        decode(SeiMessage(1, bits(*head, *full)[:5]), "h264", sps)


def test_hevc_picture_timing() -> None:
    fields = hevc.Sps(vui=hevc.Vui(frame_field_info_present_flag=True))
    assert decode(SeiMessage(1, bits((9, 4), (1, 2), (1, 1))), "hevc", fields) == PicTiming(
        pic_struct=9, source_scan_type=1, duplicate=True
    )
    hrd = hevc.Hrd(
        vcl_hrd_parameters_present_flag=True,
        au_cpb_removal_delay_length_minus1=9,
        dpb_output_delay_length_minus1=4,
    )
    delays = bits((5, 10), (3, 5))
    expected = PicTiming(cpb_removal_delay=6, dpb_output_delay=3)
    in_sps = hevc.Sps(vui=hevc.Vui(hrd=hrd))
    assert decode(SeiMessage(1, delays), "hevc", in_sps) == expected
    # The HRD may be in the VPS instead.
    assert decode(SeiMessage(1, delays), "hevc", hevc.Sps(), hevc.Vps(0, hrd=(hrd,))) == expected
    without = hrd._replace(vcl_hrd_parameters_present_flag=False)
    assert decode(SeiMessage(1, b""), "hevc", hevc.Sps(vui=hevc.Vui(hrd=without))) == PicTiming()


@pytest.mark.parametrize(
    ("pic_struct", "fields", "top_first"),
    [(0, 2, None), (1, 1, True), (2, 1, False), (3, 2, True), (4, 2, False), (5, 3, True),
     (6, 3, False), (7, 4, None), (8, 6, None), (12, 1, None), (13, None, None),
     (None, None, None)],
)  # fmt: skip
def test_display_by_pic_struct(
    pic_struct: int | None, fields: int | None, top_first: bool | None
) -> None:
    timing = PicTiming(pic_struct)
    assert (timing.display_fields, timing.top_field_first) == (fields, top_first)


# Streams.


def decoded(stream: Stream) -> list[sei.SeiValue]:
    """Every value of a stream's SEI messages, with the parameter sets of its start."""
    sets = ParameterSets(stream.codec)
    for nal in nals(stream, *SET_TYPES[stream.codec]):
        sets.add(nal)
    vps = sets.vps(sets.vps_ids[0]) if sets.vps_ids else None
    values = (
        decode(message, stream.codec, sets.active_sps, vps)
        for nal in nals(stream, *SEI_TYPES[stream.codec])
        for message in parse(nal, stream.codec)
    )
    return [value for value in values if value is not None]


WITH_SEI = [
    each
    for each in all_streams()
    if each.features & {"sei", "sei_prefix", "sei_suffix"} and not each.damaged
]


@pytest.mark.parametrize("stream", WITH_SEI, ids=lambda stream: stream.name)
def test_every_message_of_a_stream_is_read(stream: Stream) -> None:
    for value in decoded(stream):
        if isinstance(value, PicTiming):
            assert value.pic_struct is None or value.pic_struct <= 12


def values_of(name: str, kind: type[Any]) -> list[Any]:
    return [value for value in decoded(stream(name)) if isinstance(value, kind)]


def test_a_time_code_of_a_camera() -> None:
    (first, *_) = values_of("Eyevinn__mp4ff/4pics.264", PicTiming)
    assert first.clock_timestamps == (
        ClockTimestamp(20, 39, 40, 5, 1, discontinuity=False, time_offset=0),
    )


def test_hdr10_metadata_of_x265() -> None:
    name = "generated/hdr10.h265"
    (mastering, *_) = values_of(name, sei.MasteringDisplay)
    assert mastering.red == (Fraction("0.68"), Fraction("0.32"))
    assert mastering.max_luminance == 1000
    (light, *_) = values_of(name, ContentLight)
    assert (light.max_content, light.max_frame_average) == (1000, 400)


def test_field_sequences_alternate() -> None:
    structs = [v.pic_struct for v in values_of("generated/field_seq.h265", PicTiming)]
    assert Counter(structs).keys() <= {1, 2, 9, 10, 11, 12}
    assert structs


def test_encoders_name_themselves() -> None:
    (info, *_) = values_of("generated/main_cabac_b2.h264", UserDataUnregistered)
    assert info.uuid == UUID("dc45e9bd-e6d9-48b7-962c-d820d923eeef")
    assert info.data.startswith(b"x264 - core")
