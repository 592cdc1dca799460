"""The splitter: NAL units of a byte stream, however it was cut (H.264 and H.265, B.1.1)."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.feeding import drained, facts, run, split
from tests.coded_streams import cut, every
from tests.strategies import CUTS, CodedStream, coded_streams, wild_bytes
from videohw.bitstream import AnnexBSplitter, NalUnit
from videohw.bitstream.splitter import find_zeros_in
from videohw.errors import InvalidBitstream, InvalidInput


def reference_split(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """B.1.1, one byte at a time: ((offset of the start code, NAL unit), ...) and garbage bytes.

    The garbage does not count zeros at its end, which may be part of a start code.
    """
    units, garbage, position = [], 0, 0
    while True:
        start = position
        while position < len(data) and data[position : position + 3] not in (b"\0\0\0", b"\0\0\1"):
            position += 1
        if position >= len(data):
            garbage += len(data[start:].rstrip(b"\0"))
            return units, garbage
        garbage += position - start
        zeros = position
        while position < len(data) and data[position] == 0:
            position += 1
        if position == len(data):
            return units, garbage
        if data[position] != 1:
            continue
        code = max(zeros, position - 3)
        position += 1
        payload = position
        while position < len(data) and data[position : position + 3] not in (b"\0\0\0", b"\0\0\1"):
            position += 1
        nal = data[payload:position]
        if position >= len(data):
            nal = nal.rstrip(b"\0")
        if nal:
            units.append((code, nal))
        if position >= len(data):
            return units, garbage


@given(wild_bytes(), CUTS)
def test_units_and_garbage_are_those_of_the_standard_for_any_bytes_and_any_cut(
    data: bytes, cuts: list[int]
) -> None:
    splitter = AnnexBSplitter()
    found = run(splitter, cut(data, cuts))
    units, garbage = reference_split(data)
    assert [(unit.offset, unit.data) for unit in found] == units
    assert splitter.garbage_bytes == garbage


@given(coded_streams(), CUTS)
def test_joining_the_units_gives_the_stream_again(stream: CodedStream, cuts: list[int]) -> None:
    found = split(*cut(stream.data, cuts))
    assert [unit.data for unit in found] == stream.nals


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 63, 64, 65, 188])
def test_pieces_of_every_small_size_give_the_same_units(size: int) -> None:
    data = b"\0\0\0\1\x67abc\0\0\3\1\0\0\1\x68d\0\0\0\0\0\1" + bytes(range(1, 200)) + b"\0\0\1\x41e"
    assert [facts(u) for u in split(*every(data, size))] == [facts(u) for u in split(data)]
    assert len(split(data)) == 4


@given(
    st.lists(st.sampled_from((0, 0, 0, 1, 2, 3, 255)), max_size=300).map(bytes),
    st.integers(0, 70),
)
def test_vector_search_equals_the_plain_search(data: bytes, start: int) -> None:
    assert find_zeros_in(data, start) == find_zeros_in(data, start, vectors=False)


@pytest.mark.parametrize("lead", range(70))
@pytest.mark.parametrize("pattern", [b"\0\0\0", b"\0\0\1"])
def test_vector_search_finds_a_start_code_at_every_place_of_a_block(
    lead: int, pattern: bytes
) -> None:
    for after in (0, 1, 62, 200):
        data = b"\x80" * lead + pattern + b"\x80" * after
        assert find_zeros_in(data) == lead
        assert find_zeros_in(data, lead) == lead
        assert find_zeros_in(data, lead + 1) == len(data)


def test_emulation_prevention_is_no_start_code() -> None:
    assert find_zeros_in(b"\0\0\3\0\0\2\0\0\3" * 30) == 270


@pytest.mark.parametrize("zeros", [2, 3, 4, 9])
def test_start_codes_of_three_four_and_more_bytes(zeros: int) -> None:
    code = bytes(zeros) + b"\1"
    first, second = split(code + b"\x67a" + code + b"\x68b")
    assert (first.data, second.data) == (b"\x67a", b"\x68b")
    assert first.offset == max(0, zeros - 3)
    assert second.offset == len(code) + 2 + max(0, zeros - 3)


def test_trailing_zero_bytes_are_no_part_of_the_unit() -> None:
    units = split(b"\0\0\1\x67a\0\0\0\0\0\0\1\x68b\0\0\0\0")
    assert [unit.data for unit in units] == [b"\x67a", b"\x68b"]


def test_two_zeros_at_the_end_of_the_stream_are_no_part_of_the_unit() -> None:
    assert [u.data for u in split(b"\0\0\1\x67a\0", b"\0")] == [b"\x67a"]


def test_cabac_zero_words_are_part_of_the_unit() -> None:
    nal = b"\x41\x80" + b"\0\0\3" * 4
    assert [u.data for u in split(b"\0\0\1" + nal + b"\0\0\0\1\x41")] == [nal, b"\x41"]


def test_empty_units_are_left_out() -> None:
    assert [u.data for u in split(b"\0\0\1\0\0\1\0\0\0\1\x41\0\0\1")] == [b"\x41"]


def test_leading_garbage_is_counted_and_zeros_are_not() -> None:
    splitter = AnnexBSplitter()
    splitter.feed(bytes(range(1, 64)) + b"\0\0\0\0\1\x67a")
    assert splitter.garbage_bytes == 63
    splitter = AnnexBSplitter()
    splitter.feed(bytes(50) + b"\1\x67a")
    assert splitter.garbage_bytes == 0


def test_bytes_behind_three_zeros_are_garbage_up_to_the_next_start_code() -> None:
    splitter = AnnexBSplitter()
    units = run(splitter, [b"\0\0\1\x41a\0\0\0bcd\0\0\1\x41e"])
    assert [u.data for u in units] == [b"\x41a", b"\x41e"]
    assert splitter.garbage_bytes == 3


def test_a_unit_is_ready_when_its_end_is_there_and_not_before() -> None:
    splitter = AnnexBSplitter()
    assert splitter.feed(b"\0\0\1\x67a\0\0") == 0
    assert splitter.take() is None
    assert splitter.feed(b"\1") == 1
    assert splitter.take() == NalUnit(b"\x67a", 0)


# Limits


def test_a_unit_over_the_limit_is_refused_in_its_place_and_the_rest_goes_on() -> None:
    long = b"\x41" + b"x" * 400
    data = b"\0\0\1\x67a" + b"\0\0\0\1" + long + b"\0\0\1\x68b"
    for size in (1, 5, 300, len(data)):
        items = run(AnnexBSplitter(max_nal_bytes=400), every(data, size))
        assert [type(item) for item in items] == [NalUnit, InvalidBitstream, NalUnit]
        assert items[1].offset == 5
        assert "max_nal_bytes=400" in str(items[1])
    assert len(split(data, max_nal_bytes=401)) == 3


@given(wild_bytes(), CUTS)
def test_with_a_limit_any_cut_gives_the_same_items_and_the_memory_is_bounded(
    data: bytes, cuts: list[int]
) -> None:
    whole, pieces = AnnexBSplitter(max_nal_bytes=256), AnnexBSplitter(max_nal_bytes=256)
    expected = [facts(item) for item in run(whole, [data])]
    found = []
    for piece in cut(data, cuts):
        pieces.feed(piece)
        assert pieces.pending_bytes <= 256 + len(b"\0\0\0\1") + 2
        found += drained(pieces)
    pieces.finish()
    assert [facts(item) for item in found + drained(pieces)] == expected
    assert pieces.garbage_bytes == whole.garbage_bytes


def test_garbage_and_zeros_without_end_take_no_memory() -> None:
    splitter = AnnexBSplitter()
    for piece in (b"\xff" * 100_000, bytes(100_000)) * 20:
        splitter.feed(piece)
        assert splitter.pending_bytes <= 3
    assert splitter.offset == 4_000_000


@pytest.mark.parametrize("limit", [0, -1, 255, 1 << 41, True, 1.5, None, "many"])
def test_wrong_limits_are_refused_by_name(limit: object) -> None:
    with pytest.raises(InvalidInput, match="max_nal_bytes") as caught:
        AnnexBSplitter(max_nal_bytes=limit)  # type: ignore[arg-type]
    assert caught.value.argument == "max_nal_bytes"


# Arguments and life


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, lambda d: np.frombuffer(d, np.uint8)]
)
def test_every_kind_of_bytes_is_taken(kind: type) -> None:
    assert [u.data for u in split(kind(b"\0\0\1\x67a\0\0\1\x68b"))] == [b"\x67a", b"\x68b"]


@pytest.mark.parametrize(
    "data", [None, "text", 5, [0, 0, 1], np.zeros((4, 4), np.uint8)[:, :2], np.zeros(3)]
)
def test_what_is_no_contiguous_bytes_is_refused_and_nothing_is_taken(data: object) -> None:
    splitter = AnnexBSplitter()
    with pytest.raises(InvalidInput) as caught:
        splitter.feed(data)
    assert caught.value.argument == "data"
    assert splitter.offset == 0
    assert splitter.feed(b"\0\0\1\x67a\0\0\1") == 1


def test_the_callers_buffer_may_change_after_feed() -> None:
    splitter = AnnexBSplitter()
    buffer = bytearray(b"\0\0\1\x67abc")
    splitter.feed(buffer)
    buffer[:] = b"\xff" * len(buffer)
    splitter.finish()
    assert splitter.take() == NalUnit(b"\x67abc", 0)


def test_after_finish_a_new_stream_begins_and_offsets_go_on() -> None:
    splitter = AnnexBSplitter()
    first = run(splitter, [b"\0\0\1\x67a"])
    second = run(splitter, [b"xy\0\0\1\x68b"])
    assert (first[0].offset, second[0].offset) == (0, 7)
    assert splitter.garbage_bytes == 2


def test_reset_forgets_everything() -> None:
    splitter = AnnexBSplitter()
    splitter.feed(b"xx\0\0\1\x67a\0\0\1\x68")
    splitter.reset()
    assert (splitter.offset, splitter.pending_bytes, splitter.garbage_bytes) == (0, 0, 0)
    assert run(splitter, [b"\0\0\1\x41c"]) == [NalUnit(b"\x41c", 0)]


def test_iteration_drains_what_is_ready_and_can_be_repeated() -> None:
    splitter = AnnexBSplitter()
    splitter.feed(b"\0\0\1\x67a\0\0\1\x68b\0\0\1")
    assert [u.data for u in splitter] == [b"\x67a", b"\x68b"]
    assert list(splitter) == []
    splitter.feed(b"\x41c\0\0\1")
    assert [u.data for u in splitter] == [b"\x41c"]


def test_a_call_without_the_gil_lets_other_threads_run_and_keeps_them_out() -> None:
    """Eight MiB take milliseconds without the GIL: a second feeder must be refused, not mixed."""
    splitter = AnnexBSplitter()
    piece = (b"\0\0\1\x41" + b"x" * 2000) * 4000
    refused, fed = [], []

    def feed() -> None:
        for _ in range(10):
            try:
                splitter.feed(piece)
            except InvalidInput as error:
                refused.append(error)
            else:
                fed.append(None)

    threads = [threading.Thread(target=feed) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    splitter.finish()
    assert len(fed) + len(refused) == 30
    assert fed
    assert len(drained(splitter)) == 4000 * len(fed)
    assert all("another thread" in str(error) for error in refused)
