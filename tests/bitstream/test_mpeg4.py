"""Coded pictures of MPEG-4 part 2 streams (ISO/IEC 14496-2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.feeding import check_any_cut, drained, run
from tests.coded_streams import every
from tests.mpeg4_headers import (
    GROUP,
    START,
    USER_DATA,
    VISUAL_OBJECTS,
    VOP,
    layer,
    not_coded,
    picture,
)
from tests.strategies import CUTS
from videohw.bitstream import AccessUnit, Mpeg4Assembler, open_assembler
from videohw.errors import InvalidBitstream, InvalidInput

I_VOP, P_VOP, B_VOP, S_VOP = range(4)
HEADERS = VISUAL_OBJECTS + layer() + USER_DATA + b"encoder"
GROUP_HEADER = GROUP + b"\0\x10\x07"
END = START + b"\xb1"


def assemble(*pieces: bytes, **limits: int) -> list[Any]:
    return run(Mpeg4Assembler(**limits), pieces)


def test_a_unit_is_one_picture_with_the_headers_before_it() -> None:
    parts = [
        HEADERS + GROUP_HEADER + USER_DATA + b"of the group" + picture(I_VOP),
        picture(P_VOP) + b"\0\0",
        picture(B_VOP),
        GROUP_HEADER + picture(I_VOP) + END,
        layer() + picture(S_VOP),
        not_coded(7, seconds=3),
        START + b"\0" + picture(I_VOP),
    ]
    units = assemble(b"".join(parts))
    assert [unit.data for unit in units] == parts
    assert [unit.codec for unit in units] == ["mpeg4"] * len(parts)
    assert [unit.picture_type for unit in units] == ["I", "P", "B", "I", "P", "", "I"]
    assert [unit.keyframe for unit in units] == [True, False, False, True, False, False, True]
    assert [unit.reference for unit in units] == [True, True, False, True, True, False, True]
    assert [unit.has_parameter_sets for unit in units] == [True, *[False] * 3, True, False, False]
    assert [unit.after_end_of_sequence for unit in units] == [
        True, False, False, False, True, False, False,
    ]  # fmt: skip
    assert [unit.offset for unit in units] == [
        sum(map(len, parts[:index])) for index in range(len(parts))
    ]


def test_an_i_picture_without_a_layer_is_no_random_access_point() -> None:
    units = assemble(picture(I_VOP) + START + b"\x20\xff\xff" + picture(I_VOP) + HEADERS
                     + picture(I_VOP) + picture(I_VOP))  # fmt: skip
    assert [unit.keyframe for unit in units] == [False, False, True, True]
    assert [unit.has_parameter_sets for unit in units] == [False, False, True, False]


def test_an_i_picture_that_is_not_coded_is_none_either() -> None:
    (unit,) = assemble(HEADERS + not_coded(kind=I_VOP))
    assert (unit.keyframe, unit.picture_type, unit.has_parameter_sets) == (False, "", True)


@pytest.mark.parametrize("ticks", [1, 2, 3, 24, 1000, 30000, 65535])
@pytest.mark.parametrize("seconds", [0, 1, 400])
def test_where_it_is_said_that_a_picture_is_coded(ticks: int, seconds: int) -> None:
    """Behind the time, whose size the layer says."""
    units = assemble(
        VISUAL_OBJECTS + layer(ticks=ticks) + picture(I_VOP, ticks=ticks)
        + not_coded(ticks - 1, ticks=ticks, seconds=seconds) + picture(P_VOP, ticks=ticks)
    )  # fmt: skip
    assert [unit.picture_type for unit in units] == ["I", "", "P"]


def test_headers_last_beyond_the_end_of_a_stream() -> None:
    assembler = Mpeg4Assembler()
    assert run(assembler, [HEADERS + picture(I_VOP)])[0].keyframe
    (unit,) = run(assembler, [picture(I_VOP)])
    assert (unit.keyframe, unit.after_end_of_sequence) == (True, True)
    assert not assembler.sequence_known
    assembler.reset()
    assert run(assembler, [picture(I_VOP)])[0].keyframe


def test_headers_alone_are_known() -> None:
    assembler = Mpeg4Assembler()
    for data, known in ((VISUAL_OBJECTS, False), (layer()[:8], False), (layer()[8:], True)):
        assembler.feed(data)
        assert assembler.sequence_known is known
    assert assembler.finish() == 0
    assert assembler.garbage_bytes == len(VISUAL_OBJECTS + layer())


def test_what_precedes_the_first_header_is_garbage() -> None:
    assembler = Mpeg4Assembler()
    (unit,) = run(assembler, [b"\x99\x98\0\0\1\xb2text" + HEADERS + picture(I_VOP)])
    assert unit.offset == assembler.garbage_bytes == 10


def test_end_of_unit_gives_every_picture_at_once() -> None:
    assembler = Mpeg4Assembler()
    assert assembler.feed(HEADERS, end_of_unit=True) == 0
    assert assembler.feed(picture(I_VOP) + picture(B_VOP), end_of_unit=True) == 2
    assert [unit.data for unit in drained(assembler)] == [HEADERS + picture(I_VOP), picture(B_VOP)]


def test_short_pictures() -> None:
    """They end before what they are is said, or before it is said that they are coded."""
    found = assemble(HEADERS + VOP + VOP + b"\x40" + VOP + b"\x7f" + b"\xff" * 99)
    assert [unit.picture_type for unit in found] == ["", "P", "P"]


PARTS = st.lists(
    st.one_of(
        st.sampled_from((HEADERS, layer(ticks=600), GROUP_HEADER, USER_DATA, END, b"\0\0")),
        st.builds(picture, st.integers(0, 3), body=st.binary(max_size=40)),
        st.builds(not_coded, st.integers(0, 24), seconds=st.integers(0, 9)),
        st.binary(max_size=30),
        st.binary(min_size=200, max_size=400),
    ),
    max_size=12,
).map(b"".join)


@given(PARTS, CUTS)
def test_any_cut_gives_the_same_items_within_the_limit(data: bytes, cuts: list[int]) -> None:
    check_any_cut(Mpeg4Assembler, data, cuts)


def test_a_unit_over_the_limit_is_an_error_in_its_place() -> None:
    parts = [HEADERS + picture(I_VOP), picture(P_VOP, body=b"\x22" * 400), picture(P_VOP)]
    for size in (1, 50, 10_000):
        items = assemble(*every(b"".join(parts), size), max_unit_bytes=300)
        assert [type(item) for item in items] == [AccessUnit, InvalidBitstream, AccessUnit]
        assert items[1].offset == len(parts[0])


def test_the_assembler_by_name() -> None:
    assert isinstance(open_assembler("mpeg4"), Mpeg4Assembler)
    with pytest.raises(InvalidInput, match="max_unit_bytes"):
        open_assembler("mpeg4", max_unit_bytes=0)
