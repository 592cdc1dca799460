"""What holds for the assembler on every stream: valid, cut, damaged, or no stream at all."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.bitstream.feeding import assemble, drained, facts, nals_of, run
from tests.coded_streams import H264_AUD, HEVC_AUD, H264Sets, HevcSets, annexb, cut, every
from tests.strategies import CUTS, CodedStream, coded_streams, wild_bytes
from videohw.bitstream import AccessUnit, AccessUnitAssembler
from videohw.errors import InvalidBitstream

CODECS = st.sampled_from(("h264", "hevc"))
AUDS = (H264_AUD, HEVC_AUD)


def all_facts(items: list[Any]) -> list[tuple[Any, ...]]:
    return [facts(item) for item in items]


@given(coded_streams(), CUTS)
def test_a_valid_stream_gives_its_access_units_however_it_is_cut(
    stream: CodedStream, cuts: list[int]
) -> None:
    units = assemble(stream.codec, *cut(stream.data, cuts))
    assert [unit.data for unit in units] == stream.unit_data
    for unit, expected in zip(units, stream.units, strict=True):
        assert nals_of(unit) == list(expected.nals)
        assert unit.keyframe == expected.keyframe
        assert unit.picture_type == expected.picture_type
        assert (unit.field, unit.second_field) == (expected.field, expected.second_field)


@given(CODECS, wild_bytes(), CUTS)
def test_any_bytes_in_any_cut_give_the_same_items(codec: str, data: bytes, cuts: list[int]) -> None:
    whole, pieces = AccessUnitAssembler(codec), AccessUnitAssembler(codec)
    assert all_facts(run(pieces, cut(data, cuts))) == all_facts(run(whole, [data]))
    assert pieces.garbage_bytes == whole.garbage_bytes
    assert pieces.discarded_nals == whole.discarded_nals


def messages_of(unit: AccessUnit) -> list[bytes]:
    """SEI of the base layer before the first slice, by the listing of all NAL units."""
    found = []
    for span, nal in zip(unit.nals, nals_of(unit), strict=True):
        if span.type < 32 if unit.codec == "hevc" else 1 <= span.type <= 5:
            break
        if span.type == (39 if unit.codec == "hevc" else 6) and span.layer_id == 0:
            found.append(nal)
    return found


@given(coded_streams())
def test_messages_are_those_before_the_first_slice(stream: CodedStream) -> None:
    for unit in assemble(stream.codec, stream.data):
        assert unit.messages() == messages_of(unit)


@given(CODECS, wild_bytes())
def test_messages_of_any_bytes(codec: str, data: bytes) -> None:
    for unit in run(AccessUnitAssembler(codec), [data]):
        if isinstance(unit, AccessUnit):
            # A NAL unit of one byte ends the search: no message is so short.
            assert unit.messages() == messages_of(unit) or 1 in {span.size for span in unit.nals}


@given(coded_streams(), st.data())
def test_a_damaged_stream_gives_the_same_items_in_any_cut(
    stream: CodedStream, data: st.DataObject
) -> None:
    damaged = bytearray(stream.data)
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cuts = data.draw(CUTS)
    codec = stream.codec
    whole = assemble(codec, bytes(damaged))
    assert all_facts(assemble(codec, *cut(bytes(damaged), cuts))) == all_facts(whole)
    assert all(isinstance(item, AccessUnit) for item in whole)


@given(CODECS, wild_bytes(), CUTS, st.sampled_from((256, 300, 500)))
def test_with_limits_any_cut_gives_the_same_items_and_the_memory_is_bounded(
    codec: str, data: bytes, cuts: list[int], limit: int
) -> None:
    limits = {"max_nal_bytes": 256, "max_unit_bytes": limit}
    whole, pieces = AccessUnitAssembler(codec, **limits), AccessUnitAssembler(codec, **limits)
    expected = all_facts(run(whole, [data]))
    found = []
    for piece in cut(data, cuts):
        pieces.feed(piece)
        # Beside the open unit: the first bytes of a NAL unit whose unit is not known yet.
        assert pieces.pending_bytes <= limit + 64 + 6
        found += drained(pieces)
    pieces.finish()
    assert all_facts(found + drained(pieces)) == expected
    assert pieces.garbage_bytes == whole.garbage_bytes


@given(coded_streams(), CUTS, st.sampled_from((256, 300, 500)))
def test_with_limits_a_valid_stream_gives_the_same_items_in_any_cut(
    stream: CodedStream, cuts: list[int], limit: int
) -> None:
    limits = {"max_nal_bytes": 256, "max_unit_bytes": limit}
    whole = assemble(stream.codec, stream.data, **limits)
    assert all_facts(assemble(stream.codec, *cut(stream.data, cuts), **limits)) == all_facts(whole)
    assert all(len(item.data) <= limit for item in whole if isinstance(item, AccessUnit))


@given(coded_streams(), CUTS)
def test_the_units_joined_are_the_stream(stream: CodedStream, cuts: list[int]) -> None:
    data = stream.data
    units = assemble(stream.codec, *cut(data, cuts))
    assert b"".join(unit.data for unit in units) == data[units[0].offset :]
    assert not data[: units[0].offset].strip(b"\0")
    for unit in units:
        assert data[unit.offset :].startswith(unit.data)


@given(coded_streams(), st.lists(st.booleans(), min_size=1, max_size=6))
def test_adding_or_removing_delimiters_does_not_change_the_pictures(
    stream: CodedStream, wanted: list[bool]
) -> None:
    aud = H264_AUD if stream.codec == "h264" else HEVC_AUD
    changed = []
    for index, unit in enumerate(stream.units):
        bare = unit.without(*AUDS).nals
        changed.append((aud, *bare) if wanted[index % len(wanted)] else bare)
    data = annexb(*(nal for nals in changed for nal in nals))
    units = assemble(stream.codec, data)
    assert [nals_of(unit) for unit in units] == [list(nals) for nals in changed]
    assert [unit.picture_type for unit in units] == [unit.picture_type for unit in stream.units]
    assert [unit.keyframe for unit in units] == [unit.keyframe for unit in stream.units]


LONGEST_HEADER = 32


@given(coded_streams(), st.floats(0, 1))
def test_truncation_loses_at_most_the_last_unit(stream: CodedStream, part: float) -> None:
    data = stream.data
    end = int(len(data) * part)
    # Of which picture a slice is that ends inside of its header, nobody can say: cut before it.
    start = data.rfind(b"\0\0\1", 0, end) + 3
    if start > 2 and end - start < LONGEST_HEADER:
        end = start
    whole = assemble(stream.codec, data)
    units = assemble(stream.codec, data[:end])
    assert len(units) <= len(whole)
    assert all_facts(units[:-1]) == all_facts(whole[: len(units)][:-1])
    if units:
        # At the end may be the start code, or a part of it, of what was cut off.
        assert whole[len(units) - 1].data.startswith(units[-1].data.rstrip(b"\0\1"))
        following = whole[len(units) :]
        if following:
            assert following[0].offset + len(following[0].data) > end


@given(coded_streams())
def test_closing_each_unit_by_hand_gives_the_same_units_without_delay(stream: CodedStream) -> None:
    assembler = AccessUnitAssembler(stream.codec)
    for expected in stream.units:
        assert assembler.feed(annexb(*expected.nals), end_of_unit=True) == 1
        unit = assembler.take()
        assert unit is not None
        assert nals_of(unit) == list(expected.nals)
        assert unit.picture_type == expected.picture_type
        assert unit.keyframe == expected.keyframe
        assert (unit.field, unit.second_field) == (expected.field, expected.second_field)
        assert assembler.pending_bytes == 0
    assert assembler.finish() == 0


@given(CODECS, st.one_of(wild_bytes(), coded_streams().map(lambda s: s.data)), CUTS)
def test_units_to_come_begin_at_pending_start_or_later(
    codec: str, data: bytes, cuts: list[int]
) -> None:
    """Who maps calls to units by offset may forget everything before ``pending_start``."""
    assembler = AccessUnitAssembler(codec)
    earliest = 0
    for piece in cut(data, cuts):
        assembler.feed(piece)
        for unit in drained(assembler):
            assert unit.offset >= earliest
            assert unit.offset + len(unit.data) <= assembler.pending_start
        assert earliest <= assembler.pending_start <= assembler.offset
        earliest = assembler.pending_start
    assembler.finish()
    assert all(unit.offset >= earliest for unit in drained(assembler))


@given(coded_streams(), coded_streams())
def test_after_finish_another_stream_gives_its_own_units(
    first: CodedStream, second: CodedStream
) -> None:
    assume(first.codec == second.codec)
    assembler = AccessUnitAssembler(first.codec)
    run(assembler, [first.data])
    start = assembler.offset
    units = run(assembler, [second.data])
    assert [unit.data for unit in units] == second.unit_data
    assert units[0].after_end_of_sequence
    assert units[0].offset >= start


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_one_byte_at_a_time_costs_the_same_for_each_byte_of_a_long_unit(codec: str) -> None:
    """The predecessor rescanned what was pending: ten times the bytes took 100 times as long."""
    sets: Any = H264Sets() if codec == "h264" else HevcSets()
    slices = (
        (lambda rest: sets.idr(rest=rest)) if codec == "h264" else
        (lambda rest: sets.slice(nal_type=20, slice_type=2, rest=rest))
    )  # fmt: skip

    def seconds(size: int) -> float:
        stream = annexb(sets.sps, sets.pps, slices(bytes(range(1, 251)) * (size // 250)))
        best = float("inf")
        for _ in range(3):
            assembler = AccessUnitAssembler(codec)
            pieces = every(stream, 1)
            start = time.perf_counter()
            for piece in pieces:
                assembler.feed(piece)
            best = min(best, time.perf_counter() - start)
            assert assembler.finish() == 1
        return best

    assert seconds(400_000) < 16 * 3 * seconds(25_000)


def test_many_small_units_cost_the_same_each() -> None:
    """Ten thousand units ready and not taken are no slower to take than ten."""
    sets = H264Sets(frame_num_bits=16)
    slices = [sets.slice(frame_num=number, poc_lsb=number) for number in range(20_000)]
    stream = annexb(sets.sps, sets.pps, *slices)
    assembler = AccessUnitAssembler("h264")
    start = time.perf_counter()
    assembler.feed(stream)
    assembler.finish()
    assert len(drained(assembler)) == 20_000
    assert time.perf_counter() - start < 2.0


def test_errors_are_only_ever_about_the_bitstream() -> None:
    assembler = AccessUnitAssembler("h264", max_nal_bytes=256)
    assembler.feed(b"\0\0\1\x65" + b"\x88" * 300)
    with pytest.raises(InvalidBitstream) as caught:
        assembler.take()
    assert caught.value.offset == 0
    assert assembler.take() is None
