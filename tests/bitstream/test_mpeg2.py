"""Coded pictures of MPEG-1 and MPEG-2 streams (ISO/IEC 11172-2, 13818-2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.feeding import check_any_cut, drained, run
from tests.coded_streams import Bits, every
from tests.strategies import CUTS
from videohw.bitstream import AccessUnit, Mpeg2Assembler, open_assembler
from videohw.errors import InvalidBitstream, InvalidInput

I_PICTURE, P_PICTURE, B_PICTURE, D_PICTURE = 1, 2, 3, 4
TOP, BOTTOM, FRAME = 1, 2, 3
SEQUENCE = b"\0\0\1\xb3" + bytes((22, 1, 32, 19, 255, 255, 224, 24))
SEQUENCE_EXTENSION = b"\0\0\1\xb5" + bytes((0x14, 0x82, 0, 1, 0, 0))
GROUP = b"\0\0\1\xb8" + bytes((0, 8, 0, 64))
USER_DATA = b"\0\0\1\xb2GA94"
SEQUENCE_END = b"\0\0\1\xb7"


def picture(kind: int, structure: int = FRAME, slices: int = 3) -> bytes:
    """picture_header(), picture_coding_extension() (6.2.3, 6.2.3.1) and slices."""
    header = Bits().u(10, 5).u(3, kind).u(16, 0xFFFF).before(b"")
    extension = Bits().u(4, 8).u(16, 0xFFFF).u(2, 0).u(2, structure).u(10, 0x80).before(b"\x80")
    body = b"".join(b"\0\0\1" + bytes((row + 1,)) + b"\x22\x33\x80" for row in range(slices))
    return b"\0\0\1\0" + header + b"\0\0\1\xb5" + extension + body


def assemble(*pieces: bytes, **limits: int) -> list[Any]:
    return run(Mpeg2Assembler(**limits), pieces)


def data_of(units: list[AccessUnit]) -> list[bytes]:
    return [unit.data for unit in units]


def test_a_unit_is_one_picture_with_the_headers_before_it() -> None:
    parts = [
        SEQUENCE + SEQUENCE_EXTENSION + GROUP + USER_DATA + picture(I_PICTURE),
        picture(P_PICTURE),
        picture(B_PICTURE) + b"\0\0\0\0",
        GROUP + picture(I_PICTURE) + SEQUENCE_END,
        SEQUENCE + picture(I_PICTURE),
    ]
    units = assemble(b"".join(parts))
    assert data_of(units) == parts
    assert [unit.picture_type for unit in units] == ["I", "P", "B", "I", "I"]
    assert [unit.keyframe for unit in units] == [True, False, False, True, True]
    assert [unit.reference for unit in units] == [True, True, False, True, True]
    assert [unit.has_parameter_sets for unit in units] == [True, False, False, False, True]
    assert [unit.after_end_of_sequence for unit in units] == [True, False, False, False, True]
    assert [unit.offset for unit in units] == [
        sum(map(len, parts[:index])) for index in range(len(parts))
    ]


def test_the_fields_of_a_frame_are_two_units() -> None:
    parts = [
        SEQUENCE + picture(I_PICTURE, TOP),
        picture(P_PICTURE, BOTTOM),
        picture(B_PICTURE, BOTTOM),
        picture(B_PICTURE, TOP),
        picture(P_PICTURE),
    ]
    units = assemble(b"".join(parts))
    assert [unit.field for unit in units] == ["top", "bottom", "bottom", "top", "frame"]
    assert [unit.second_field for unit in units] == [False, True, False, True, False]
    assert [unit.keyframe for unit in units] == [True, False, False, False, False]


def test_an_i_picture_without_a_sequence_header_is_no_random_access_point() -> None:
    units = assemble(picture(I_PICTURE) + SEQUENCE + picture(I_PICTURE) + picture(I_PICTURE))
    assert [unit.keyframe for unit in units] == [False, True, True]


def test_a_d_picture_of_mpeg1_is_intra_and_no_reference() -> None:
    (unit,) = run(Mpeg2Assembler("mpeg1"), [SEQUENCE + picture(D_PICTURE)])
    assert (unit.codec, unit.picture_type, unit.keyframe) == ("mpeg1", "I", False)
    assert not unit.reference


def test_what_precedes_the_first_header_is_garbage() -> None:
    assembler = Mpeg2Assembler()
    cut_picture = b"\x99\0\0\1\x05\x22\x80"
    (unit,) = run(assembler, [cut_picture + SEQUENCE + picture(I_PICTURE)])
    assert unit.offset == assembler.garbage_bytes == len(cut_picture)


def test_headers_without_a_picture_are_no_unit() -> None:
    assembler = Mpeg2Assembler()
    assert len(run(assembler, [SEQUENCE + picture(I_PICTURE) + SEQUENCE + GROUP])) == 1
    assert assembler.garbage_bytes == len(SEQUENCE + GROUP)


def test_end_of_unit_gives_the_picture_at_once() -> None:
    assembler = Mpeg2Assembler()
    assert assembler.feed(SEQUENCE, end_of_unit=True) == 0
    assert assembler.feed(picture(I_PICTURE), end_of_unit=True) == 1
    assert data_of(drained(assembler)) == [SEQUENCE + picture(I_PICTURE)]
    assert assembler.pending_bytes == 0


PARTS = st.lists(
    st.one_of(
        st.sampled_from((SEQUENCE, SEQUENCE_EXTENSION, GROUP, USER_DATA, SEQUENCE_END, b"\0\0")),
        st.builds(picture, st.integers(0, 7), st.integers(0, 3), st.integers(0, 40)),
        st.binary(max_size=30),
        st.binary(min_size=200, max_size=400),
    ),
    max_size=12,
).map(b"".join)


@given(PARTS, CUTS)
def test_any_cut_gives_the_same_items_within_the_limit(data: bytes, cuts: list[int]) -> None:
    check_any_cut(Mpeg2Assembler, data, cuts)


def test_a_unit_over_the_limit_is_an_error_in_its_place() -> None:
    parts = [SEQUENCE + picture(I_PICTURE), picture(P_PICTURE, slices=100), picture(P_PICTURE)]
    for size in (1, 50, 10_000):
        items = assemble(*every(b"".join(parts), size), max_unit_bytes=300)
        assert [type(item) for item in items] == [AccessUnit, InvalidBitstream, AccessUnit]
        assert items[1].offset == len(parts[0])


@pytest.mark.parametrize("data", [None, "text", 7, memoryview(b"abcd")[::2]])
def test_what_is_no_bytes_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput):
        Mpeg2Assembler().feed(data)


@pytest.mark.parametrize("limit", [0, True, 2.5, "300", None])
def test_wrong_limits_are_refused(limit: Any) -> None:
    with pytest.raises(InvalidInput, match="max_unit_bytes"):
        Mpeg2Assembler(max_unit_bytes=limit)


def test_open_assembler_knows_both_names_and_no_others() -> None:
    for codec in ("mpeg1", "mpeg2"):
        assembler = open_assembler(codec)
        assert isinstance(assembler, Mpeg2Assembler)
        assert assembler.codec == codec
    with pytest.raises(InvalidInput):
        Mpeg2Assembler("mpeg4")
    for codec in ("vp9", "jpeg", "", None):
        with pytest.raises(InvalidInput, match="byte stream"):
            open_assembler(codec)  # type: ignore[arg-type]


def test_reset_and_finish_begin_a_new_stream() -> None:
    assembler = Mpeg2Assembler()
    assembler.feed(SEQUENCE + picture(I_PICTURE) + picture(P_PICTURE))
    assembler.reset()
    assert (assembler.take(), assembler.offset, assembler.pending_bytes) == (None, 0, 0)
    (unit,) = run(assembler, [picture(I_PICTURE)])
    assert not unit.keyframe
    (unit,) = run(assembler, [SEQUENCE + picture(I_PICTURE)])
    assert unit.keyframe
    assert unit.after_end_of_sequence
    assert unit.offset == len(picture(I_PICTURE))
