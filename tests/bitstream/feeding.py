"""Streams put through splitters and assemblers, in pieces, with errors in their place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
