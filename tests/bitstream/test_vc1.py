"""Coded pictures of VC-1 streams of the Advanced profile (SMPTE ST 421)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.feeding import check_any_cut, drained, run
from tests.coded_streams import every
from tests.strategies import CUTS
from tests.vc1_clips import clip, picture
from tests.vc1_headers import SEQUENCE_END, START, Format, entry_point, sequence_header
from videohw.bitstream import AccessUnit, Vc1Assembler, open_assembler
from videohw.errors import InvalidBitstream, InvalidInput

FORM = Format(32, 32)
MADE = clip("IPBSbI", FORM)
INTRA, P, B, S, BI = (picture(unit) for unit in MADE.units[:5])
HEADERS = sequence_header(FORM) + entry_point(FORM)
USER_DATA = START + b"\x1dtext"
SLICE = START + b"\x0b\x12\x34"
SECOND_FIELD = START + b"\x0c\x12\x34"


def assemble(*pieces: bytes, **limits: int) -> list[Any]:
    return run(Vc1Assembler(**limits), pieces)


def test_a_unit_is_one_picture_with_the_headers_before_it() -> None:
    parts = [
        HEADERS + INTRA + USER_DATA,
        P + SLICE + SECOND_FIELD,
        B,
        entry_point(FORM) + INTRA + SEQUENCE_END,
        HEADERS + P,
        S,
        BI,
        INTRA,
    ]
    units = assemble(b"".join(parts))
    assert [unit.data for unit in units] == parts
    assert [unit.codec for unit in units] == ["vc1"] * len(parts)
    assert [unit.picture_type for unit in units] == ["I", "P", "B", "I", "P", "P", "B", "I"]
    assert [unit.keyframe for unit in units] == [kind in (0, 3, 7) for kind in range(len(parts))]
    assert [unit.reference for unit in units] == [
        True, True, False, True, True, True, False, True,
    ]  # fmt: skip
    assert [unit.has_parameter_sets for unit in units] == [
        number in (0, 4) for number in range(len(parts))
    ]
    assert [unit.after_end_of_sequence for unit in units] == [
        number in (0, 4) for number in range(len(parts))
    ]
    assert [unit.offset for unit in units] == [
        sum(map(len, parts[:index])) for index in range(len(parts))
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        sequence_header(FORM),
        entry_point(FORM),
        entry_point(FORM) + sequence_header(FORM),
        sequence_header(Format(32, 32, profile=1)) + entry_point(FORM),
        sequence_header(FORM)[:9] + entry_point(FORM),
    ],
    ids=["none", "no entry point", "no sequence", "wrong order", "Main profile", "cut"],
)
def test_without_headers_no_picture_is_a_random_access_point(head: bytes) -> None:
    units = assemble(head + INTRA + P + HEADERS + INTRA)
    assert [unit.keyframe for unit in units] == [False, False, True]
    assert [unit.picture_type for unit in units] == ["", "", "I"]


def test_the_first_field_says_whether_decoding_may_begin() -> None:
    form = Format(32, 32, interlace=True)
    made = clip("IF", form)
    both = [START + b"\x0d" + bytes((0xC0 | kind << 3,)) + b"\x44" * 9 for kind in range(8)]
    units = assemble(b"".join(made.units) + b"".join(both))
    assert [unit.field for unit in units] == ["frame"] * 10
    assert [unit.keyframe for unit in units] == [True] * 4 + [False] * 6
    assert "".join(unit.picture_type for unit in units[2:]) == "IIPPBBBB"


def test_headers_last_beyond_the_end_of_a_stream() -> None:
    assembler = Vc1Assembler()
    assert run(assembler, [HEADERS + INTRA])[0].keyframe
    (unit,) = run(assembler, [INTRA])
    assert (unit.keyframe, unit.after_end_of_sequence) == (True, True)
    assert not assembler.sequence_known
    assembler.reset()
    assert run(assembler, [INTRA])[0].keyframe


def test_headers_alone_are_known() -> None:
    assembler = Vc1Assembler()
    entry = entry_point(FORM)
    pieces = ((sequence_header(FORM), False), (entry[:4], False), (entry[4:], True))
    for data, known in pieces:
        assembler.feed(data)
        assert assembler.sequence_known is known
    assert assembler.finish() == 0
    assert assembler.garbage_bytes == len(HEADERS)


def test_what_precedes_the_first_header_is_garbage() -> None:
    assembler = Vc1Assembler()
    (unit,) = run(assembler, [b"\x99\x98" + SECOND_FIELD + HEADERS + INTRA])
    assert unit.offset == assembler.garbage_bytes == 2 + len(SECOND_FIELD)


def test_end_of_unit_gives_every_picture_at_once() -> None:
    assembler = Vc1Assembler()
    assert assembler.feed(HEADERS, end_of_unit=True) == 0
    assert assembler.feed(INTRA + B, end_of_unit=True) == 2
    assert [unit.data for unit in drained(assembler)] == [HEADERS + INTRA, B]


PARTS = st.lists(
    st.one_of(
        st.sampled_from((HEADERS, entry_point(FORM), INTRA, P, B, S, BI, SEQUENCE_END, USER_DATA)),
        st.sampled_from((SECOND_FIELD, SLICE, b"\0\0", START + b"\x0d", START + b"\x0f\xff")),
        st.binary(max_size=30),
        st.binary(min_size=200, max_size=400),
    ),
    max_size=12,
).map(b"".join)


@given(PARTS, CUTS)
def test_any_cut_gives_the_same_items_within_the_limit(data: bytes, cuts: list[int]) -> None:
    check_any_cut(Vc1Assembler, data, cuts)


def test_a_unit_over_the_limit_is_an_error_in_its_place() -> None:
    parts = [HEADERS + S, S + b"\x22" * 400, S]
    for size in (1, 50, 10_000):
        items = assemble(*every(b"".join(parts), size), max_unit_bytes=300)
        assert [type(item) for item in items] == [AccessUnit, InvalidBitstream, AccessUnit]
        assert items[1].offset == len(parts[0])


def test_the_assembler_by_name() -> None:
    assert isinstance(open_assembler("vc1"), Vc1Assembler)
    with pytest.raises(InvalidInput, match="max_unit_bytes"):
        open_assembler("vc1", max_unit_bytes=0)
