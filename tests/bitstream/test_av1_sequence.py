"""AV1 sequence headers and av1C: streams of SVT-AV1, random headers, any bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.bitstream.syntax_strategies import av1_headers
from videohw.bitstream.av1_sequence import (
    OperatingPoint,
    SequenceHeader,
    find_sequence_header,
    parse_sequence_header,
    write_sequence_header,
)
from videohw.bitstream.config_record import Av1Config
from videohw.bitstream.obu import OBU_SEQUENCE_HEADER, obus
from videohw.errors import InvalidBitstream, InvalidInput

# First bytes of temporal units of SVT-AV1 (176x144, 8 bit; the same in 10 bit with PQ), and the
# first four bytes of the av1C that libavformat writes for them.
TEMPORAL_DELIMITER = bytes.fromhex("1200")
EIGHT_BIT = bytes.fromhex("0a0b00000003bd7c7895f20080")
TEN_BIT = bytes.fromhex("0a0e00000003bd7c7895f2a122012080")
AV1C_8, AV1C_10 = bytes.fromhex("81000c00"), bytes.fromhex("81004c00")


def test_a_stream_of_eight_bits() -> None:
    header = find_sequence_header(TEMPORAL_DELIMITER + EIGHT_BIT)
    assert header is not None
    assert (header.width, header.height, header.bit_depth) == (176, 144, 8)
    assert (header.profile, header.level, header.tier) == ("Main", "2.0", "Main")
    assert (header.chroma_format, header.full_range, header.fps) == ("4:2:0", False, None)
    assert (header.color_primaries, header.transfer_characteristics) == (2, 2)
    assert write_sequence_header(header) == EIGHT_BIT[2:]
    assert Av1Config.from_obus(TEMPORAL_DELIMITER + EIGHT_BIT).write() == AV1C_8 + EIGHT_BIT


def test_a_stream_of_ten_bits() -> None:
    header = find_sequence_header(TEN_BIT)
    assert header is not None
    assert (header.bit_depth, header.full_range) == (10, False)
    assert (
        header.color_primaries, header.transfer_characteristics, header.matrix_coefficients,
    ) == (9, 16, 9)  # fmt: skip
    assert write_sequence_header(header) == TEN_BIT[2:]
    config = Av1Config.from_obus(TEN_BIT)
    assert config.write() == AV1C_10 + TEN_BIT
    assert Av1Config.parse(config.write()) == config


@given(av1_headers())
def test_a_written_header_reads_back(header: SequenceHeader) -> None:
    payload = write_sequence_header(header)
    assert parse_sequence_header(payload) == header
    assert header.bit_depth in (8, 10, 12)
    obu = bytes((OBU_SEQUENCE_HEADER << 3 | 2, *leb128(len(payload)))) + payload
    config = Av1Config.from_obus(obu)
    assert Av1Config.parse(config.write()) == config
    assert config.seq_level_idx_0 == header.operating_points[0].seq_level_idx


def leb128(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


OBUS = st.lists(st.tuples(st.integers(0, 15), st.binary(max_size=200), st.booleans()), max_size=5)


@given(OBUS)
def test_obus_are_found_again(units: list[tuple[int, bytes, bool]]) -> None:
    parts = [
        bytes((kind << 3 | extended << 2 | 2,)) + b"\x08" * extended + leb128(len(body)) + body
        for kind, body, extended in units
    ]
    found = list(obus(b"".join(parts)))
    assert [(each.type, each.payload) for each in found] == [u[:2] for u in units]
    assert [each.data for each in found] == parts


@given(st.binary(max_size=60))
def test_any_bytes_raise_only_invalid_bitstream(data: bytes) -> None:
    for read in (
        parse_sequence_header,
        find_sequence_header,
        Av1Config.parse,
        Av1Config.from_obus,
        lambda d: find_sequence_header(b"\x0a" + leb128(len(d)) + d),
        lambda d: list(obus(d)),
    ):
        outcome(read, data)


@pytest.mark.parametrize(
    ("data", "message", "offset"),
    [
        ("120008", "no size field", 2),
        ("12000a", "cut or too long", 2),
        ("12000aff", "cut or too long", 2),
        ("0a" + "ff" * 9, "cut or too long", 0),
        ("0a05aabb", "OBU of 5 bytes goes past the end", 0),
    ],
)
def test_broken_obus_say_where(data: str, message: str, offset: int) -> None:
    with pytest.raises(InvalidBitstream, match=message) as caught:
        list(obus(bytes.fromhex(data)))
    assert caught.value.offset == offset


def test_a_header_that_is_cut_names_the_field() -> None:
    for size in range(len(EIGHT_BIT) - 3):
        with pytest.raises(InvalidBitstream, match="AV1 sequence header: data ended in"):
            parse_sequence_header(EIGHT_BIT[2 : 2 + size])
    with pytest.raises(InvalidBitstream, match="seq_profile is 5"):
        parse_sequence_header(b"\xa0" + bytes(20))


def test_what_is_no_av1c() -> None:
    with pytest.raises(InvalidBitstream, match="marker and version is 1, not 129"):
        Av1Config.parse(b"\x01\0\0\0")
    with pytest.raises(InvalidBitstream, match="no sequence header"):
        Av1Config.from_obus(TEMPORAL_DELIMITER)
    assert find_sequence_header(TEMPORAL_DELIMITER) is None
    with pytest.raises(InvalidInput, match="seq_profile is 8"):
        Av1Config(seq_profile=8).write()


def test_presentation_delay_is_kept() -> None:
    config = Av1Config(
        initial_presentation_delay_present=True, initial_presentation_delay_minus_one=3
    )
    assert config.write() == bytes.fromhex("81000013")
    assert Av1Config.parse(config.write()) == config


@pytest.mark.parametrize(
    ("level", "tier", "names"),
    [(0, 0, ("2.0", "Main")), (9, 1, ("4.1", "High")), (13, 0, ("5.1", "Main")),
     (31, 0, ("maximum", "Main"))],
)  # fmt: skip
def test_level_names(level: int, tier: int, names: tuple[str, str]) -> None:
    header = SequenceHeader(operating_points=(OperatingPoint(seq_level_idx=level, seq_tier=tier),))
    assert (header.level, header.tier) == names


def test_timing_and_formats() -> None:
    header = SequenceHeader(
        equal_picture_interval=True, num_units_in_display_tick=1001, time_scale=60000,
        num_ticks_per_picture_minus_1=1,
    )  # fmt: skip
    assert header.fps == Fraction(30000, 1001)
    assert replace(header, equal_picture_interval=False).fps is None
    assert replace(header, num_units_in_display_tick=0).fps is None
    formats = {(0, 0): "4:4:4", (1, 0): "4:2:2", (1, 1): "4:2:0"}
    for (x, y), name in formats.items():
        assert replace(header, subsampling_x=x, subsampling_y=y).chroma_format == name
    assert replace(header, mono_chrome=True).chroma_format == "4:0:0"


def test_a_reduced_still_picture_header() -> None:
    header = SequenceHeader(
        still_picture=True,
        reduced_still_picture_header=True,
        operating_points=(OperatingPoint(seq_level_idx=5),),
        frame_width_bits_minus_1=7,
        frame_height_bits_minus_1=7,
        max_frame_width_minus_1=99,
        max_frame_height_minus_1=49,
        subsampling_x=1,
        subsampling_y=1,
    )
    found = parse_sequence_header(write_sequence_header(header))
    assert found == header
    assert (found.width, found.height, found.level) == (100, 50, "3.1")


def test_srgb_has_neither_range_nor_subsampling() -> None:
    header = replace(
        SequenceHeader(seq_profile=1, operating_points=(OperatingPoint(),)),
        seq_choose_screen_content_tools=True,
        seq_choose_integer_mv=True,
        color_description_present_flag=True,
        color_primaries=1,
        transfer_characteristics=13,
        matrix_coefficients=0,
    )
    found = parse_sequence_header(write_sequence_header(header))
    assert (found.full_range, found.chroma_format) == (True, "4:4:4")
