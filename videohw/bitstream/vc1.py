"""Coded pictures of VC-1 video streams, Advanced profile (SMPTE ST 421 annex G), any pieces.

Owns where a picture with its headers begins and ends. The two fields of a picture are one unit.
"""

from __future__ import annotations

from contextlib import suppress

from ..errors import InvalidBitstream
from .access_unit import AccessUnit
from .assembler import DEFAULT_MAX_UNIT_BYTES
from .start_code_units import StartCodeUnits
from .vc1_sequence import (
    END_OF_SEQUENCE,
    ENTRY_POINT,
    FRAME,
    SEQUENCE_HEADER,
    Sequence,
    parse_picture,
    parse_sequence,
)

_UNIT_STARTERS = (SEQUENCE_HEADER, ENTRY_POINT, FRAME)
# BI is coded by itself like I, and takes the place of a B picture: nothing refers to it.
_TYPES = {"I": "I", "P": "P", "B": "B", "BI": "B", "skipped": "P"}


class Vc1Assembler(StartCodeUnits):
    """Cuts a VC-1 video stream of the Advanced profile into pictures with the headers before them.

    A unit begins with a sequence header, an entry point or a picture, once the open one has a
    picture; everything else stays in it: the second field, slices, user data, the end of the
    sequence. ``picture_type`` is "" where no sequence header says how to read it. A key picture
    is an I picture, or one whose first field is, for which sequence header and entry point were
    seen, at any time: they last beyond the end of a stream, to the next. Further arguments as
    :class:`~videohw.bitstream.unit_queue.UnitQueue`.
    """

    _unit_starters = _UNIT_STARTERS
    _picture_code = FRAME
    _sequence: Sequence | None = None
    _has_sequence: bool  # the open unit has headers of its own
    _has_entry: bool

    def __init__(self, *, max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES) -> None:
        super().__init__("vc1", max_unit_bytes=max_unit_bytes)

    @property
    def sequence_known(self) -> bool:
        """Whether a sequence header with an entry point was seen since the stream began."""
        if self._sequence_known:
            return True
        return self._has_entry and _sequence_in(bytes(self._pending)) is not None

    def _note(self, position: int, code: int) -> None:
        if self._picture_at >= 0:
            self._ended = self._ended or code == END_OF_SEQUENCE
        elif code == SEQUENCE_HEADER:
            self._has_sequence, self._has_entry = True, False
        elif code == ENTRY_POINT:
            self._has_entry = True

    def _unit(self, data: bytes) -> AccessUnit:
        found = None
        if self._has_sequence and self._has_entry:
            found = _sequence_in(data)
            if found is not None:
                self._sequence, self._sequence_known = found, True
        header = parse_picture(data, self._picture_at, self._sequence)
        kind = "" if header is None else _TYPES[header.coding_type]
        return AccessUnit(
            self.codec,
            data,
            self._pending_offset,
            keyframe=kind == "I",
            picture_type=kind,
            reference=kind in ("I", "P"),
            after_end_of_sequence=self._after_end,
            has_parameter_sets=found is not None,
        )

    def _open_unit(self) -> None:
        super()._open_unit()
        self._has_sequence = self._has_entry = False


def _sequence_in(data: bytes) -> Sequence | None:
    with suppress(InvalidBitstream):
        return parse_sequence(data)
    return None
