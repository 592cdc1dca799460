"""Temporal units of AV1 low-overhead OBU streams (AV1 specification, section 5.2), any pieces.

Owns where a temporal unit begins and ends, and what the first bits of its frame headers say. There
are no start codes: after damage the stream goes on at the next temporal delimiter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .access_unit import AccessUnit
from .assembler import DEFAULT_MAX_UNIT_BYTES
from .unit_queue import UnitQueue

# obu_type (AV1 6.2.2)
_SEQUENCE_HEADER = 1
_TEMPORAL_DELIMITER = 2
_FRAME_HEADER = 3
_FRAME = 6
_DEFINED_TYPES = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 15))
_FRAMES = (_FRAME_HEADER, _FRAME)
# A temporal delimiter as every encoder writes it: no extension, obu_has_size_field, size 0.
_DELIMITER_BYTES = b"\x12\x00"
_MAX_LEB128_BYTES = 8
_MAX_HEADER_BYTES = 2 + _MAX_LEB128_BYTES
# frame_type (AV1 6.8.2)
_KEY_FRAME = 0
_INTRA_ONLY_FRAME = 2


class _Obu(NamedTuple):
    """Where an OBU lies; ``end`` is None when it has no size and goes on to the unit's end."""

    type: int
    temporal_id: int
    payload: int
    end: int | None


class _Broken(Exception):
    """The bytes cannot be an OBU."""


class Av1Assembler(UnitQueue):
    """Cuts an AV1 low-overhead byte stream into temporal units.

    A temporal unit begins with its temporal delimiter; with ``end_of_unit`` (samples of MP4 or
    Matroska) the delimiters may be missing, and the last OBU may have no size. A key unit has a
    key frame that is shown, for which a sequence header was seen. What cannot be an OBU makes
    :class:`InvalidBitstream`, and the rest of that unit is dropped. Arguments as
    :class:`UnitQueue`.
    """

    codec = "av1"

    _next: int  # where the next OBU of the open unit begins
    _has_frame: bool
    _open_ended: bool  # the last OBU has no size
    _lost: bool  # after damage, before a temporal delimiter
    _first: bool
    _reduced: bool  # reduced_still_picture_header: frame headers begin otherwise

    def __init__(self, *, max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES) -> None:
        super().__init__(max_unit_bytes=max_unit_bytes)
        self._end_stream()

    def _search(self) -> None:
        while not self._open_ended:
            if self._lost and not self._find_delimiter():
                return
            try:
                obu = _read_obu(self._pending, self._next)
            except _Broken as broken:
                self._lose(str(broken), self._next + 1)
                continue
            if obu is None:
                break
            if obu.type == _TEMPORAL_DELIMITER and self._has_frame:
                self._close(self._next)
                continue
            if obu.end is None:
                self._open_ended = True
            elif obu.end > self._max_unit_bytes:
                self._fail_too_long()
                self._resync(self._next + 1)
                continue
            elif obu.end > len(self._pending):
                break
            else:
                self._next = obu.end
            self._has_frame = self._has_frame or obu.type in _FRAMES
        if self._open_ended and len(self._pending) > self._max_unit_bytes:
            self._fail_too_long()
            self._resync(self._max_unit_bytes + 1)
            self._search()

    def _lose(self, message: str, size: int) -> None:
        """Report damage at the OBU being read; drop the unit and at least ``size`` bytes."""
        self._fail(message, self._next, "the stream goes on at the next temporal delimiter")
        self._resync(size)

    def _resync(self, size: int) -> None:
        self._drop(size, garbage=True)
        self._open_unit()
        self._lost = True

    def _find_delimiter(self) -> bool:
        found = self._pending.find(_DELIMITER_BYTES)
        self._lost = found < 0
        if self._lost:
            found = len(self._pending) - self._pending.endswith(_DELIMITER_BYTES[:1])
        self._drop(found, garbage=True)
        return not self._lost

    def _close(self, size: int) -> None:
        """The first ``size`` pending bytes are a unit."""
        data = bytes(self._pending[:size])
        picture = self._read_pictures(data)
        self._ready.append(
            AccessUnit(
                self.codec,
                data,
                self._pending_offset,
                keyframe=picture.key and self._sequence_known,
                picture_type=picture.type,
                temporal_id=picture.temporal_id,
                after_end_of_sequence=self._first,
                has_parameter_sets=picture.has_sequence_header,
            )
        )
        self._first = False
        self._drop(size, garbage=False)
        self._open_unit()

    def _read_pictures(self, data: bytes) -> _Pictures:
        """What the first bits of the headers in a unit say (AV1 5.5.1, 5.9.2)."""
        kinds = set()
        key = has_sequence_header = False
        temporal_id = -1
        for obu in _obus(data):
            first = data[obu.payload] if obu.payload < len(data) else 0
            if obu.type == _SEQUENCE_HEADER:
                has_sequence_header = self._sequence_known = True
                self._reduced = bool(first & 0x08)  # reduced_still_picture_header
            elif obu.type in _FRAMES:
                temporal_id = obu.temporal_id if temporal_id < 0 else temporal_id
                frame_type, shown = (first >> 5 & 3, bool(first & 0x10))
                if self._reduced:
                    frame_type, shown = _KEY_FRAME, True
                elif first & 0x80:  # show_existing_frame: nothing is coded
                    continue
                kinds.add("I" if frame_type in (_KEY_FRAME, _INTRA_ONLY_FRAME) else "P")
                key = key or (frame_type == _KEY_FRAME and shown)
        kind = "P" if "P" in kinds else "I" if kinds else ""
        return _Pictures(key, kind, max(temporal_id, 0), has_sequence_header)

    def _open_unit(self) -> None:
        self._next = 0
        self._has_frame = False
        self._open_ended = False
        self._lost = False

    def _end_unit(self) -> None:
        size = len(self._pending)
        if self._lost:
            self._drop(size, garbage=True)
            self._open_unit()
            return
        complete = size if self._open_ended else self._next
        if self._has_frame:
            self._close(complete)
        if complete < size:
            cut_at = len(self._pending) - (size - complete)
            self._fail("the unit ends inside of the OBU", cut_at)
            self._drop(len(self._pending), garbage=True)
            self._open_unit()

    def _end_stream(self) -> None:
        self._drop(len(self._pending), garbage=True)
        self._open_unit()
        self._first = True
        self._sequence_known = self._reduced = False


class _Pictures(NamedTuple):
    key: bool
    type: str
    temporal_id: int
    has_sequence_header: bool


def _read_obu(data: bytes | bytearray, position: int) -> _Obu | None:
    """The OBU whose header begins at ``position`` (AV1 5.3); None when more bytes are needed."""
    header = data[position : position + _MAX_HEADER_BYTES]
    if not header:
        return None
    obu_type, has_extension, has_size = header[0] >> 3 & 15, header[0] & 4, header[0] & 2
    if header[0] & 0x80:
        raise _Broken("obu_forbidden_bit is set")
    if not has_size and obu_type not in _DEFINED_TYPES:
        raise _Broken(f"OBU of reserved type {obu_type} without a size")
    length = 2 if has_extension else 1
    if len(header) < length:
        return None
    temporal_id = header[1] >> 5 if has_extension else 0
    if not has_size:
        return _Obu(obu_type, temporal_id, position + length, None)
    size = _read_leb128(header[length:])
    if size is None:
        return None
    value, size_bytes = size
    if obu_type == _TEMPORAL_DELIMITER and value:
        raise _Broken("temporal delimiter with a payload")
    payload = position + length + size_bytes
    return _Obu(obu_type, temporal_id, payload, payload + value)


def _read_leb128(data: bytes | bytearray) -> tuple[int, int] | None:
    """(value, bytes) of leb128() (AV1 4.10.5); None when it goes on behind ``data``."""
    value = 0
    for index, byte in enumerate(data[:_MAX_LEB128_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            if value >> 32:
                raise _Broken("OBU size of more than 32 bits")
            return value, index + 1
    if len(data) >= _MAX_LEB128_BYTES:
        raise _Broken("OBU size of more than 8 bytes")
    return None


def _obus(data: bytes) -> Iterator[_Obu]:
    position = 0
    while position < len(data) and (obu := _read_obu(data, position)) is not None:
        yield obu
        if obu.end is None:
            return
        position = obu.end
