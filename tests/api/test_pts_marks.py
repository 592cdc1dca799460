"""The pts of a call belongs to the first access unit that starts in it (ITU-T H.222.0 2.4.3.7)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.decoding.pts_marks import PtsMarks

# Bodies of units: start codes of both lengths, zeros that begin none, and slices of them.
BODIES = st.lists(
    st.sampled_from([b"\0\0\1\x41", b"\0\0\0\1\x41", b"\0\0\3\0", b"\0\0", b"\0", b"\x55" * 7]),
    max_size=6,
).map(b"".join)
UNITS = st.lists(
    st.tuples(st.sampled_from([b"\0\0\1\x09", b"\0\0\0\1\x09"]), BODIES).map(b"".join),
    min_size=1, max_size=5,
)  # fmt: skip


def by_definition(
    pieces: list[bytes], given_pts: list[int | None], starts: list[int]
) -> tuple[list[int | None], int]:
    """The pts of each unit and the number of pts that none took, computed from all at once."""
    ends = list(itertools.accumulate(len(piece) for piece in pieces))
    found: dict[int, int] = {}
    for begin, end, pts in zip([0, *ends], ends, given_pts, strict=False):
        inside = [start for start in starts if begin <= start < end]
        if pts is not None and inside:
            found[inside[0]] = pts
    unused = sum(pts is not None for pts in given_pts) - len(found)
    return [found.get(start) for start in starts], unused


@given(UNITS, st.data())
def test_any_cut_follows_the_definition(units: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(units)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)), max_size=12)) | {len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts])]
    given_pts = data.draw(
        st.lists(
            st.one_of(st.none(), st.integers(0, 9)), min_size=len(pieces), max_size=len(pieces)
        )
    )
    starts = list(itertools.accumulate((len(unit) for unit in units), initial=0))[:-1]
    marks = PtsMarks("h264")
    fed = 0
    taken: list[int | None] = []
    due = list(starts)
    for piece, pts in zip(pieces, given_pts, strict=True):
        marks.add(piece, pts)
        fed += len(piece)
        # A unit is known when the next one has begun for certain, or at the end.
        while len(due) > 1 and due[1] + 5 <= fed:
            taken.append(marks.take(due.pop(0)))
    taken += [marks.take(start) for start in due]
    marks.pass_by(len(stream))
    assert (taken, marks.unused) == by_definition(pieces, given_pts, starts)
    assert len(marks) == 0


def test_one_byte_a_call_costs_no_memory() -> None:
    marks = PtsMarks("h264")
    unit = b"\0\0\0\1\x65" + b"\x55\0\x80\0\0\3\xff" * 20_000
    for number, byte in enumerate(unit):
        marks.add(bytes((byte,)), number)
        assert len(marks) <= 5
    assert marks.take(0) == 0
    assert marks.unused == len(unit) - 1 - len(marks)


def test_zeros_before_a_start_code_belong_to_no_unit() -> None:
    """trailing_zero_8bits: only the last zero before 00 00 01 is zero_byte."""
    marks = PtsMarks("h264")
    for number, byte in enumerate(b"\0\0\0\0\0\1\x65"):
        marks.add(bytes((byte,)), number)
    assert marks.take(2) == 2


@pytest.mark.parametrize("delimiter", [b"\x12\0", b"\x16\0\0", b"\x10"])
def test_av1_units_begin_with_temporal_delimiters(delimiter: bytes) -> None:
    marks = PtsMarks("av1")
    marks.add(b"\x32\x01\x80\x32", 1)
    marks.add(b"\x01\x80", 2)
    marks.add(delimiter + b"\x32\x01\x80", 3)
    assert marks.take(6) == 3
    assert marks.unused == 2


def test_restart_forgets() -> None:
    marks = PtsMarks("h264", offset=100)
    marks.add(b"\0\0\1\x65", 1)
    marks.restart(7)
    assert (len(marks), marks.unused) == (0, 1)
    marks.add(b"\0\0\1\x65", 2)
    assert marks.take(7) == 2
