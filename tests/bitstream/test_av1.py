"""Temporal units of AV1 low-overhead streams (AV1 specification, 5.2, 5.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.feeding import drained, facts, run
from tests.coded_streams import cut, every
from tests.strategies import CUTS
from videohw.bitstream import AccessUnit, Av1Assembler, open_assembler
from videohw.errors import InvalidBitstream

KEY, INTER, INTRA_ONLY, SWITCH = range(4)
SEQUENCE_HEADER, FRAME_HEADER, TILE_GROUP, METADATA, FRAME, PADDING = 1, 3, 4, 5, 6, 15


def leb128(value: int, size: int = 0) -> bytes:
    """leb128() (4.10.5), padded to at least ``size`` bytes."""
    out = bytearray()
    while value > 0x7F or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def obu(
    kind: int, payload: bytes = b"", *, sized: bool = True, temporal_id: int | None = None,
    size_bytes: int = 0,
) -> bytes:  # fmt: skip
    """open_bitstream_unit() (5.3)."""
    extension = b"" if temporal_id is None else bytes((temporal_id << 5,))
    header = kind << 3 | (4 if extension else 0) | (2 if sized else 0)
    size = leb128(len(payload), size_bytes) if sized else b""
    return bytes((header,)) + extension + size + payload


DELIMITER = obu(2)
SEQUENCE = obu(SEQUENCE_HEADER, b"\0\0\0\x42\xa7\xbf")
STILL_SEQUENCE = obu(SEQUENCE_HEADER, b"\x18\x15\x7f")
SHOW_EXISTING = obu(FRAME_HEADER, b"\x90")


def frame(kind: int, *, shown: bool = True, kind_of_obu: int = FRAME, **header: Any) -> bytes:
    """A frame whose header says its type, then filling."""
    return obu(kind_of_obu, bytes((kind << 5 | shown << 4,)) + b"\x55" * 40, **header)


def assemble(*pieces: bytes, **limits: int) -> list[Any]:
    return run(Av1Assembler(**limits), pieces)


def data_of(units: list[AccessUnit]) -> list[bytes]:
    return [unit.data for unit in units]


def test_units_begin_at_temporal_delimiters() -> None:
    parts = [
        DELIMITER + SEQUENCE + frame(KEY),
        DELIMITER + frame(INTER, shown=False) + frame(INTER),
        DELIMITER + SHOW_EXISTING,
        DELIMITER + obu(METADATA, b"\1\2") + frame(INTRA_ONLY, kind_of_obu=FRAME_HEADER),
        DELIMITER + SEQUENCE + frame(KEY) + obu(PADDING, bytes(9)),
    ]
    units = assemble(b"".join(parts))
    assert data_of(units) == parts
    assert [unit.picture_type for unit in units] == ["I", "P", "", "I", "I"]
    assert [unit.keyframe for unit in units] == [True, False, False, False, True]
    assert [unit.has_parameter_sets for unit in units] == [True, False, False, False, True]
    assert [unit.after_end_of_sequence for unit in units] == [True] + [False] * 4
    assert [unit.offset for unit in units] == [
        sum(map(len, parts[:index])) for index in range(len(parts))
    ]
    assert all(unit.codec == "av1" and unit.nals == () for unit in units)


def test_a_key_frame_counts_when_it_is_shown_and_a_sequence_header_is_known() -> None:
    parts = [
        DELIMITER + frame(KEY),
        DELIMITER + SEQUENCE + frame(KEY, shown=False) + frame(INTER),
        DELIMITER + frame(KEY),
        DELIMITER + frame(SWITCH),
    ]
    units = assemble(b"".join(parts))
    assert [unit.keyframe for unit in units] == [False, False, True, False]


def test_a_reduced_still_picture_header_means_a_key_frame() -> None:
    (unit,) = assemble(DELIMITER + STILL_SEQUENCE + obu(FRAME, b"\xff\xff\xff"))
    assert unit.keyframe
    assert unit.picture_type == "I"


def test_temporal_id_comes_from_the_extension() -> None:
    units = assemble(
        DELIMITER + SEQUENCE + frame(KEY, temporal_id=0) + DELIMITER + frame(INTER, temporal_id=2)
    )
    assert [unit.temporal_id for unit in units] == [0, 2]


def test_lone_delimiters_and_headers_go_to_the_next_unit() -> None:
    data = DELIMITER + DELIMITER + SEQUENCE + DELIMITER + frame(KEY)
    assert data_of(assemble(data)) == [data]


def test_headers_without_a_frame_are_no_unit() -> None:
    assembler = Av1Assembler()
    assert run(assembler, [DELIMITER + SEQUENCE]) == []
    assert assembler.garbage_bytes == len(DELIMITER + SEQUENCE)


def test_samples_without_delimiters_are_closed_by_their_caller() -> None:
    assembler = Av1Assembler()
    first = SEQUENCE + frame(KEY)
    for sample in (first, frame(INTER), frame(INTER, sized=False)):
        assert assembler.feed(sample, end_of_unit=True) == 1
        assert data_of(drained(assembler)) == [sample]
    assert assembler.pending_bytes == 0


def test_sizes_of_several_bytes_are_read() -> None:
    part = DELIMITER + SEQUENCE + obu(FRAME, b"\x10" + b"\x55" * 300, size_bytes=5)
    assert data_of(assemble(part * 3)) == [part] * 3


BROKEN = {
    "forbidden": b"\xb2" + bytes(30),
    "reserved_type_without_size": bytes((9 << 3,)) + b"\x55" * 9,
    "delimiter_with_payload": b"\x12\x05hello",
    "size_of_nine_bytes": b"\x32" + b"\xff" * 9,
    "size_over_32_bits": b"\x32" + b"\xff" * 6 + b"\x7f",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_an_obu_is_an_error_and_the_stream_goes_on(name: str) -> None:
    good = DELIMITER + SEQUENCE + frame(KEY)
    data = good + DELIMITER + frame(INTER) + BROKEN[name] + good + good
    for size in (1, 7, len(data)):
        items = assemble(*every(data, size))
        assert [type(item) for item in items] == [
            AccessUnit, InvalidBitstream, AccessUnit, AccessUnit,
        ]  # fmt: skip
        assert items[1].offset == len(good + DELIMITER + frame(INTER))
        assert items[2].data == items[3].data == good


def test_a_stream_that_ends_inside_of_an_obu_keeps_what_is_whole() -> None:
    data = DELIMITER + SEQUENCE + frame(KEY) + frame(INTER)[:-5]
    for size in (1, 9, len(data)):
        unit, error = assemble(*every(data, size))
        assert unit.data == DELIMITER + SEQUENCE + frame(KEY)
        assert isinstance(error, InvalidBitstream)
        assert error.offset == len(unit.data)


def test_a_unit_over_the_limit_is_an_error_in_its_place() -> None:
    good = DELIMITER + SEQUENCE + frame(KEY)
    for long in (obu(FRAME, b"\x30" * 400), obu(METADATA, bytes(400)) + frame(INTER)):
        data = good + DELIMITER + long + good
        for size in (1, 100, len(data)):
            items = assemble(*every(data, size), max_unit_bytes=300)
            assert [type(item) for item in items] == [AccessUnit, InvalidBitstream, AccessUnit]
            assert items[1].offset == len(good)


PARTS = st.lists(
    st.one_of(
        st.sampled_from((DELIMITER, SEQUENCE, STILL_SEQUENCE, SHOW_EXISTING, *BROKEN.values())),
        st.builds(frame, st.integers(0, 3), shown=st.booleans(), sized=st.booleans()),
        st.binary(max_size=20),
        st.binary(max_size=400).map(lambda payload: obu(METADATA, payload)),
    ),
    max_size=14,
).map(b"".join)


@given(PARTS, CUTS)
def test_any_cut_gives_the_same_items_within_the_limit(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Av1Assembler(max_unit_bytes=300), Av1Assembler(max_unit_bytes=300)
    expected = [facts(item) for item in run(whole, [data])]
    found = []
    for piece in cut(data, cuts):
        pieces.feed(piece)
        assert pieces.pending_bytes <= 300 + 10
        found += drained(pieces)
    pieces.finish()
    assert [facts(item) for item in found + drained(pieces)] == expected
    units = sum(len(item[2]) for item in expected if item[0] != "error")
    assert units + pieces.garbage_bytes == units + whole.garbage_bytes == len(data)


def test_open_assembler_and_reset() -> None:
    assembler = open_assembler("av1", max_unit_bytes=1000)
    assert isinstance(assembler, Av1Assembler)
    assembler.feed(DELIMITER + SEQUENCE + frame(KEY) + DELIMITER + b"\x32")
    assembler.reset()
    assert (assembler.take(), assembler.offset, assembler.pending_start) == (None, 0, 0)
    (unit,) = run(assembler, [DELIMITER + frame(KEY)])
    assert not unit.keyframe
