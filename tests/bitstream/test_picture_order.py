"""Picture order count: the order in which libavcodec shows the pictures of every intact stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest

from tests.backends.pcm import PcmStream
from tests.corpus import Stream, all_streams
from videohw.bitstream import AccessUnit, ParameterSets, open_assembler
from videohw.bitstream.picture_order import PictureOrder, PicturePlace
from videohw.errors import InvalidBitstream

LARGEST_BYTES = 100_000
# libavcodec takes a CRA picture behind an end of sequence as one of the sequence before.
DISPUTED = "generated/eos_before_cra.h265"
STREAMS = {
    each.name: each
    for each in all_streams()
    if each.codec in ("h264", "hevc") and not each.damaged and each.name != DISPUTED
    and each.entry["bytes"] <= LARGEST_BYTES
}  # fmt: skip


def units_of(each: Stream) -> list[AccessUnit]:
    assembler = open_assembler(each.codec)
    assembler.feed(each.read())
    assembler.finish()
    return list(assembler)


def places(codec: str, units: list[AccessUnit]) -> Iterator[tuple[int, PicturePlace]]:
    """(number, place) of every frame, or first field of one."""
    sets = ParameterSets(codec)
    order = PictureOrder(codec, sets)
    for number, unit in enumerate(units):
        for span in unit.nals:
            if span.layer_id == 0:
                with suppress(InvalidBitstream):
                    sets.add(unit.data[span.start : span.start + span.size])
        place = order.read(unit)
        if not unit.second_field:
            yield number, place


def shown(codec: str, units: list[AccessUnit]) -> list[int]:
    """Numbers of the units in the order in which libavcodec shows them."""
    av: Any = pytest.importorskip("av")
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    context.options = {"strict": "1"}
    found: list[int] = []
    for number, unit in enumerate(units):
        packet = av.Packet(unit.data)
        packet.pts, packet.time_base = number, Fraction(1, 30)
        found += [frame.pts for frame in context.decode(packet)]
    return found + [frame.pts for frame in context.decode(None)]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_order_of_presentation(name: str) -> None:
    each = STREAMS[name]
    units = units_of(each)
    found = list(places(each.codec, units))
    expected = shown(each.codec, units)
    place_of = dict(found)
    mine = sorted(place_of, key=lambda number: (*place_of[number][:2], number))
    assert [number for number in mine if number in expected] == expected
    # No picture is preceded by more than `reorder` that it precedes: so a bound of that many
    # pictures that wait is enough.
    for at, (number, place) in enumerate(found):
        earlier = [other for _, other in found[:at] if other[:2] > place[:2] and number in expected]
        assert len(earlier) <= place.reorder


@pytest.mark.parametrize("poc_type", [0, 2])
def test_every_idr_begins_a_sequence(poc_type: int) -> None:
    stream_of = PcmStream(poc_type=poc_type)
    data = b"".join(
        b"\0\0\0\1" + nal
        for number in range(6)
        for nal in [*stream_of.sets, stream_of.picture(20 + number, idr=True)]
    )
    assembler = open_assembler("h264")
    assembler.feed(data)
    assembler.finish()
    found = [place for _, place in places("h264", list(assembler))]
    assert [place.sequence for place in found] == list(range(6))
    assert {place.order for place in found} == {0}


def test_a_slice_without_its_sets_is_refused() -> None:
    stream_of = PcmStream()
    assembler = open_assembler("h264")
    assembler.feed(b"\0\0\0\1" + stream_of.picture(20, idr=True))
    assembler.finish()
    (unit,) = assembler
    with pytest.raises(InvalidBitstream, match="not there"):
        PictureOrder("h264", ParameterSets("h264")).read(unit)


def h264_places(nals: list[bytes]) -> list[PicturePlace]:
    assembler = open_assembler("h264")
    assembler.feed(b"".join(b"\0\0\0\1" + nal for nal in nals))
    assembler.finish()
    return [place for _, place in places("h264", list(assembler))]


def test_the_count_goes_on_where_its_bits_end() -> None:
    """Eight bits are coded; the count passes them, and a B picture may lie before where it does."""
    stream_of = PcmStream(rows=1, columns=1)
    counts = [0, 100, 200, 300, 254, 350, 320, 440]
    nals = [*stream_of.sets]
    nals += [stream_of.picture(20, idr=not count, poc=count) for count in counts]
    found = h264_places(nals)
    assert [place.order for place in found] == counts
    assert {place.sequence for place in found} == {0}


def test_a_long_stream_without_reordering() -> None:
    """frame_num has eight bits too, from which pic_order_cnt_type 2 counts."""
    for poc_type in (0, 2):
        stream_of = PcmStream(rows=1, columns=1, poc_type=poc_type)
        nals = [*stream_of.sets]
        nals += [stream_of.picture(20, idr=not n, poc=2 * n) for n in range(300)]
        assert [place.order for place in h264_places(nals)] == [2 * n for n in range(300)]
