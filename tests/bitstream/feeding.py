"""Streams put through splitters and assemblers, in pieces, with errors in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.coded_streams import cut
from videohw.bitstream import AccessUnit, AccessUnitAssembler, AnnexBSplitter, NalUnit
from videohw.errors import InvalidBitstream


def drained(source: Any) -> list[Any]:
    """All that ``source`` has ready; an error counts as an item and must not come twice."""
    items: list[Any] = []
    while True:
        try:
            item = source.take()
        except InvalidBitstream as error:
            items.append(error)
            continue
        if item is None:
            return items
        items.append(item)


def run(source: Any, pieces: Iterable[Any]) -> list[Any]:
    """Everything that comes out of ``source`` for the stream made of ``pieces``."""
    items: list[Any] = []
    for piece in pieces:
        count = source.feed(piece)
        ready = drained(source)
        assert count == len(ready)
        items += ready
    count = source.finish()
    ready = drained(source)
    assert count == len(ready)
    return items + ready


def split(*pieces: bytes, **limits: int) -> list[NalUnit]:
    """The NAL units of a stream."""
    return run(AnnexBSplitter(**limits), pieces)


def assemble(codec: str, *pieces: bytes, **limits: int) -> list[AccessUnit]:
    """The access units of a stream."""
    return run(AccessUnitAssembler(codec, **limits), pieces)


def nals_of(unit: AccessUnit) -> list[bytes]:
    """The NAL units of an access unit as bytes."""
    return [bytes(nal) for nal in unit.nal_units()]


def facts(item: Any) -> tuple[Any, ...]:
    """All that an item says, for comparison."""
    if isinstance(item, InvalidBitstream):
        return ("error", item.offset, str(item))
    if isinstance(item, NalUnit):
        return (item.offset, item.data)
    return (
        item.codec, item.offset, item.data, item.keyframe, item.random_access,
        item.recovery_frame_count, item.leading, item.picture_type, item.reference, item.field,
        item.second_field, item.temporal_id, item.after_end_of_sequence, item.has_parameter_sets,
        item.layer_nals, item.nals,
    )  # fmt: skip


def check_any_cut(assembler: Callable[..., Any], data: bytes, cuts: list[int]) -> None:
    """Pieces of ``data`` come to the items that it comes to as a whole, in bounded memory, and
    each byte of it is in one of them or counted as garbage."""
    limit = 500
    whole, pieces = assembler(max_unit_bytes=limit), assembler(max_unit_bytes=limit)
    expected = [facts(item) for item in run(whole, [data])]
    found = []
    for piece in cut(data, cuts):
        pieces.feed(piece)
        assert pieces.pending_bytes <= limit + 3  # of a start code that may have begun
        assert pieces.pending_start <= pieces.offset
        found += drained(pieces)
    pieces.finish()
    assert [facts(item) for item in found + drained(pieces)] == expected
    assert pieces.garbage_bytes == whole.garbage_bytes
    units = sum(len(item[2]) for item in expected if item[0] != "error")
    assert units + whole.garbage_bytes == len(data)
