"""What the parser reads beside the pixels: fields, light, captions; frames of VP8 and VP9."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests import mpeg4_headers as mpeg4
from tests import vc1_clips
from tests import vc1_headers as vc1
from tests.backends.pcm import PcmStream, Vui
from tests.coded_streams import Bits, annexb, h264_sei
from videohw.backend import Fields
from videohw.bitstream import AccessUnit, AccessUnitAssembler, Mpeg4Assembler, Vc1Assembler
from videohw.bitstream.av1_sequence import find_sequence_header, write_sequence_header
from videohw.bitstream.mpeg4_layer import with_reordering_stated
from videohw.decoding.frame_headers import Av1Reader, CodedFrame, Mpeg2Reader, coded_frames
from videohw.decoding.mpeg4_headers import Mpeg4Reader
from videohw.decoding.picture_info import UnitReader
from videohw.decoding.vc1_headers import Vc1Reader
from videohw.types import ContentLight, MasteringDisplay, SideData

# A sequence header OBU of SVT-AV1.
AV1_HEADER = bytes.fromhex("0a0b00000003bd7c7895f20080")
CAPTION = b"\xfc\x94\x2c"
# ATSC A/53: country, provider, identifier, type, flags with one construct, em_data, marker.
CAPTIONS_T35 = b"\xb5\0\x31GA94\3\x41\xff" + CAPTION + b"\xff"
LIGHT = (1000).to_bytes(2, "big") + (400).to_bytes(2, "big")
DISPLAY = b"".join(
    value.to_bytes(2, "big") for value in (13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450)
) + b"".join(value.to_bytes(4, "big") for value in (10_000_000, 50))  # fmt: skip
MASTERING = MasteringDisplay(
    red=(Fraction(34000, 50000), Fraction(16000, 50000)),
    green=(Fraction(13250, 50000), Fraction(34500, 50000)),
    blue=(Fraction(7500, 50000), Fraction(3000, 50000)),
    white_point=(Fraction(15635, 50000), Fraction(16450, 50000)),
    max_luminance=Fraction(1000),
    min_luminance=Fraction(50, 10000),
)


def h264_units(*units: list[bytes]) -> list[AccessUnit]:
    assembler = AccessUnitAssembler("h264")
    found = []
    for unit in units:
        assembler.feed(annexb(*unit), end_of_unit=True)
        found += list(assembler)
    return found


def test_light_lasts_to_the_next_sequence_and_captions_for_one_picture() -> None:
    stream = PcmStream()
    sei = h264_sei((137, DISPLAY), (144, LIGHT), (4, CAPTIONS_T35))
    units = h264_units(
        [*stream.sets, sei, stream.picture(20, idr=True)],
        [stream.picture(21, poc=2)],
        [h264_sei((144, b"\0\1\0\2")), stream.picture(22, poc=4)],
        [stream.picture(23, poc=6)],
        [stream.picture(24, idr=True)],
    )
    reader = UnitReader("h264")
    light = ContentLight(1000, 400)
    assert [reader.read(unit).side_data for unit in units] == [
        SideData(MASTERING, light, CAPTION),
        SideData(MASTERING, light),
        SideData(MASTERING, ContentLight(1, 2)),
        SideData(MASTERING, ContentLight(1, 2)),
        SideData(),
    ]


def test_damaged_sei_is_not_stated() -> None:
    stream = PcmStream()
    cut = h264_sei((137, DISPLAY[:5]), (144, LIGHT))
    (unit,) = h264_units([*stream.sets, cut, stream.picture(20, idr=True)])
    assert UnitReader("h264").read(unit).side_data == SideData()


def test_damaged_messages_that_frames_do_not_tell_of_hide_no_others() -> None:
    stream = PcmStream()
    user_data_without_its_uuid = (5, b"x264")
    sei = h264_sei(user_data_without_its_uuid, (144, LIGHT))
    (unit,) = h264_units([*stream.sets, sei, stream.picture(20, idr=True)])
    light = ContentLight(1000, 400)
    assert UnitReader("h264").read(unit).side_data == SideData(content_light=light)


def test_sequences_change_at_keyframes() -> None:
    one = PcmStream(vui=Vui(num_reorder=0, sar=(4, 3), siting=2))
    two = PcmStream(columns=2, vui=Vui(num_reorder=2))
    units = h264_units(
        [*one.sets, one.picture(20, idr=True)],
        [one.picture(21, poc=2)],
        [*two.sets, two.picture(22, idr=True)],
    )
    reader = UnitReader("h264")
    first, again, second = (reader.read(unit).sequence for unit in units)
    assert first is again
    assert (first.sample_aspect_ratio, first.siting) == (Fraction(4, 3), "topleft")
    assert not first.reorders
    assert (second.sample_aspect_ratio, second.siting) == (None, None)
    assert second.reorders


def test_fields_by_parity() -> None:
    stream = PcmStream(rows=2, interlaced=True)
    units = h264_units(
        [*stream.sets, stream.picture(20, idr=True, parity="bottom")],
        [stream.picture(21, poc=1, parity="top", second_field=True)],
        [stream.picture(22, poc=4, parity="top")],
        [stream.picture(22, poc=5, parity="bottom", second_field=True)],
    )
    reader = UnitReader("h264")
    assert [reader.read(unit).fields.top_first for unit in units] == [False, False, True, True]


# MPEG-2


def mpeg2_unit(
    *, progressive_sequence: bool = False, structure: int = 3, top_first: bool = False,
    repeat: bool = False, user_data: bytes = b"",
) -> AccessUnit:  # fmt: skip
    """Headers as in H.262 6.2.2.3, 6.2.3 and 6.2.3.1, and a slice."""
    sequence = Bits().u(4, 1).u(8, 0x48).u(1, progressive_sequence).u(2, 1).u(4, 0).u(12, 0)
    sequence.u(1, 1).u(8, 0).u(1, 0).u(2, 0).u(5, 0)
    coding = Bits().u(4, 8).u(16, 0xFFFF).u(2, 0).u(2, structure).u(1, top_first).u(5, 0)
    coding.u(1, repeat).u(1, 0).u(1, 1).u(1, 0)
    data = b"\0\0\1\xb5" + sequence.trailing() + b"\0\0\1\0\0\x0f\xff\xf8"
    data += b"\0\0\1\xb5" + coding.trailing()
    data += b"\0\0\1\xb2" + user_data if user_data else b""
    data += b"\0\0\1\1\x12\x34\0\0\1\xb5\x8f\xff\xff\xff\xff"  # the last is no header any more
    return AccessUnit("mpeg2", data, 0, keyframe=True)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({}, Fields(False, 0)),
        ({"top_first": True}, Fields(True, 0)),
        ({"top_first": True, "repeat": True}, Fields(True, 1)),
        ({"progressive_sequence": True, "repeat": True}, Fields(None, 2)),
        ({"progressive_sequence": True, "repeat": True, "top_first": True}, Fields(None, 4)),
        ({"structure": 1}, Fields(True, 0)),
        ({"structure": 2}, Fields(False, 0)),
    ],
)
def test_mpeg2_fields(arguments: dict[str, bool], fields: Fields) -> None:
    assert Mpeg2Reader().read(mpeg2_unit(**arguments)).fields == fields  # type: ignore[arg-type]


def test_mpeg2_captions() -> None:
    reader = Mpeg2Reader()
    unit = mpeg2_unit(user_data=b"GA94\3\x41\xff" + CAPTION + b"\xff")
    assert reader.read(unit).side_data == SideData(captions=CAPTION)
    assert reader.read(mpeg2_unit(user_data=b"other")).side_data == SideData()


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"\0\0\1\xb5", b"\0\0\1\xb5\x8f", b"junk" * 9])
def test_short_mpeg2_data_states_nothing(data: bytes) -> None:
    assert Mpeg2Reader().read(AccessUnit("mpeg2", data, 0)).fields == Fields()


# AV1


def obu(kind: int, payload: bytes) -> bytes:
    return bytes((kind << 3 | 2, len(payload))) + payload


def test_av1_metadata() -> None:
    """Metadata OBUs (AV1 5.8): chromaticities of 16 fraction bits, luminances of 8 and 14."""
    chromaticities = b"".join(
        value.to_bytes(2, "big") for value in (1 << 15, 1 << 14, 1, 2, 3, 4, 5, 6)
    )
    display = chromaticities + (1000 << 8).to_bytes(4, "big") + (1 << 13).to_bytes(4, "big")
    unit = AccessUnit(
        "av1",
        obu(2, b"")
        + obu(5, b"\2" + display)
        + obu(5, b"\1" + LIGHT)
        + obu(5, b"\4" + CAPTIONS_T35),
        0,
        keyframe=True,
        has_parameter_sets=True,
    )
    reader = Av1Reader()
    side_data = reader.read(unit).side_data
    assert side_data.content_light == ContentLight(1000, 400)
    assert side_data.captions == CAPTION
    assert side_data.mastering_display is not None
    assert side_data.mastering_display.red == (Fraction(1, 2), Fraction(1, 4))
    assert side_data.mastering_display.max_luminance == 1000
    assert side_data.mastering_display.min_luminance == Fraction(1, 2)
    later = reader.read(AccessUnit("av1", obu(2, b""), 0)).side_data
    assert later == SideData(side_data.mastering_display, side_data.content_light)
    fresh = AccessUnit("av1", obu(2, b""), 0, keyframe=True, has_parameter_sets=True)
    assert reader.read(fresh).side_data == SideData()


def test_siting_of_an_av1_sequence_lasts_to_the_next() -> None:
    reader = Av1Reader()

    def siting(data: bytes, starts: bool) -> str | None:
        unit = AccessUnit("av1", obu(2, b"") + data, 0, keyframe=starts, has_parameter_sets=starts)
        return reader.read(unit).sequence.siting

    header = find_sequence_header(AV1_HEADER)
    assert header is not None
    stated = write_sequence_header(replace(header, chroma_sample_position=2))
    assert siting(obu(1, stated), starts=True) == "topleft"
    assert siting(b"", starts=False) == "topleft"
    assert siting(AV1_HEADER, starts=True) is None
    assert siting(obu(1, stated[:3]), starts=True) is None


@pytest.mark.parametrize("data", [b"\x2a\xff", obu(5, b""), obu(5, b"\1\0"), obu(5, b"\2\0\0")])
def test_damaged_av1_metadata_states_nothing(data: bytes) -> None:
    assert Av1Reader().read(AccessUnit("av1", data, 0)).side_data == SideData()


# VP8 and VP9


def test_vp8_frame_tags() -> None:
    assert coded_frames("vp8", b"\x10\0\0") == [CodedFrame(b"\x10\0\0", True, True)]
    assert coded_frames("vp8", b"\x01") == [CodedFrame(b"\x01", False, False)]


def test_vp9_headers() -> None:
    for byte, keyframe, shown in (
        (0b10000010, True, True), (0b10000000, True, False), (0b10000110, False, True),
        (0b10001000, False, True), (0b10110001, True, True),
    ):  # fmt: skip
        (frame,) = coded_frames("vp9", bytes((byte, 0x80)))
        assert (frame.keyframe, frame.shown) == (keyframe, shown), bin(byte)


def test_vp9_superframes() -> None:
    one, two = b"\x82" + b"a" * 5, b"\x86" + b"b" * 300
    for size_bytes in (2, 3, 4):
        marker = bytes((0b11000000 | (size_bytes - 1) << 3 | 1,))
        sizes = b"".join(len(f).to_bytes(size_bytes, "little") for f in (one, two))
        frames = coded_frames("vp9", one + two + marker + sizes + marker)
        assert [frame.data for frame in frames] == [one, two]


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\xc0",  # the index would be longer than the data
        b"\x82aaaa\xc1\x05\x05",  # no marker in front
        b"\x82\xc1\xff\xff\xc1",  # sizes beyond the data
        b"\x82\xc0\x00\xc0",  # a frame of no bytes
    ],
)
def test_what_only_looks_like_a_superframe_is_one_frame(data: bytes) -> None:
    assert [frame.data for frame in coded_frames("vp9", data)] == [data]


# MPEG-4 part 2


def mpeg4_units(*parts: bytes) -> list[AccessUnit]:
    assembler = Mpeg4Assembler()
    for part in parts:
        assembler.feed(part, end_of_unit=True)
    return list(assembler)


def test_mpeg4_headers_are_kept_for_who_begins_later() -> None:
    headers = mpeg4.VISUAL_OBJECTS + mpeg4.layer()
    first, second, third = mpeg4_units(headers + mpeg4.picture(), mpeg4.picture(1), mpeg4.picture())
    reader = Mpeg4Reader()
    for unit in (first, second, third):
        reader.read(unit)
    assert reader.complete(first, fed=True, begins=True) == (first.data, b"")
    assert reader.complete(second, fed=True, begins=False) == (second.data, b"")
    assert reader.complete(third, fed=True, begins=False) == (third.data, headers)
    assert reader.complete(third, fed=True, begins=True) == (headers + third.data, b"")


def test_mpeg4_headers_of_a_picture_that_no_decoder_is_given() -> None:
    headers = mpeg4.VISUAL_OBJECTS + mpeg4.layer()
    repeated, next_one = mpeg4_units(headers + mpeg4.not_coded(), mpeg4.picture(1))
    reader = Mpeg4Reader()
    assert reader.read(repeated).repeats
    assert not reader.read(next_one).repeats
    reader.complete(repeated, fed=False, begins=False)
    assert reader.complete(next_one, fed=True, begins=False) == (headers + next_one.data, b"")
    assert reader.complete(next_one, fed=True, begins=False) == (next_one.data, b"")


def test_mpeg4_states_that_it_reorders() -> None:
    """Where its headers say nothing of the matter, in the stream and where they are kept."""
    silent = mpeg4.VISUAL_OBJECTS + mpeg4.layer(control=None)
    first, second = mpeg4_units(silent + mpeg4.picture(), mpeg4.picture())
    reader = Mpeg4Reader()
    reader.read(first)
    data, _ = reader.complete(first, fed=True, begins=True)
    assert data == with_reordering_stated(first.data) != first.data
    reader.read(second)
    assert reader.complete(second, fed=True, begins=False)[1] == with_reordering_stated(silent)


def test_mpeg4_tools_fields_and_shape() -> None:
    head = mpeg4.VISUAL_OBJECTS + mpeg4.layer(96, 64, aspect=(2,), interlaced=True)
    odd = mpeg4.layer(partitioned=True)
    units = mpeg4_units(
        head + mpeg4.picture(), mpeg4.picture(3), odd + mpeg4.picture(), mpeg4.picture(3),
        b"\0\0\1\x20" + mpeg4.picture(), mpeg4.layer() + mpeg4.picture(),
    )  # fmt: skip
    reader = Mpeg4Reader()
    infos = [reader.read(unit) for unit in units]
    assert infos[0].sequence.sample_aspect_ratio == Fraction(12, 11)
    assert infos[0].sequence.size == (96, 64)
    assert infos[0].fields.top_first is not None
    assert [info.rare_tool for info in infos] == [
        None, "global motion compensation", *["data partitioning"] * 3, None,
    ]  # fmt: skip
    assert infos[5].fields == Fields()


# VC-1


def vc1_units(*parts: bytes) -> list[AccessUnit]:
    assembler = Vc1Assembler()
    for part in parts:
        assembler.feed(part, end_of_unit=True)
    return list(assembler)


def test_vc1_headers_are_kept_for_who_begins_later() -> None:
    form = vc1.Format(32, 32)
    made = vc1_clips.clip("IPI", form)
    head = vc1.sequence_header(form) + vc1.entry_point(form)
    pictures = [vc1_clips.picture(unit) for unit in made.units]
    entered = vc1.entry_point(form, closed=False) + pictures[2]
    first, second, third, fourth = vc1_units(head + pictures[0], *pictures[1:], entered)
    reader = Vc1Reader()
    for unit in (first, second, third):
        reader.read(unit)
    assert reader.complete(first, fed=True, begins=True) == (first.data, b"")
    assert reader.complete(second, fed=True, begins=False) == (second.data, b"")
    assert reader.complete(third, fed=True, begins=False) == (third.data, head)
    assert reader.complete(third, fed=True, begins=True) == (head + third.data, b"")
    reader.read(fourth)
    sequence = vc1.sequence_header(form)
    assert reader.complete(fourth, fed=True, begins=True) == (sequence + fourth.data, b"")
    assert reader.complete(fourth, fed=False, begins=False) == (fourth.data, sequence)
    data, _ = reader.complete(second, fed=True, begins=False)
    assert data == sequence + vc1.entry_point(form, closed=False) + second.data


def test_vc1_sequences_are_told_apart_by_header_and_size() -> None:
    """Not by other entry points, behind which B pictures may refer to what is before."""
    large = vc1.Format(64, 64, aspect=(2,), largest=(64, 64))
    small = vc1.Format(32, 32, aspect=(2,), largest=(64, 64))
    intra = vc1_clips.picture(vc1_clips.clip("I", large).units[0])
    heads = [
        vc1.sequence_header(large) + vc1.entry_point(large),
        vc1.sequence_header(large) + vc1.entry_point(large, closed=False),
        vc1.sequence_header(small) + vc1.entry_point(small),
        vc1.sequence_header(small) + vc1.entry_point(large),
        b"\0\0\1\x0f\xff" + vc1.entry_point(large),
    ]
    reader = Vc1Reader()
    infos = [reader.read(unit) for unit in vc1_units(*(head + intra for head in heads))]
    assert infos[0].sequence.sample_aspect_ratio == Fraction(12, 11)
    assert [info.sequence.size for info in infos] == [(64, 64)] * 2 + [(32, 32)] + [(64, 64)] * 2
    assert infos[0].sequence == infos[1].sequence
    assert infos[0].sequence.headers == heads[0]
    assert infos[2].sequence.headers == heads[2]


def test_vc1_fields_and_repeats() -> None:
    form = vc1.Format(pulldown=True, repeat_frames=3)
    found = [Vc1Reader().read(unit) for unit in vc1_units(vc1_clips.clip("I", form).units[0])]
    assert found[0].fields == Fields(None, 6)
    assert not found[0].repeats
