"""Coded pictures of MPEG-1 and MPEG-2 video streams (ISO/IEC 11172-2, ISO/IEC 13818-2), any pieces.

Owns where a picture with its headers begins and ends, and what its header says. A picture is a
frame or a field: the two fields of a frame are two units.
"""

from __future__ import annotations

from ..errors import InvalidInput
from .access_unit import AccessUnit
from .assembler import DEFAULT_MAX_UNIT_BYTES
from .start_code_units import PREFIX, StartCodeUnits

CODECS = ("mpeg1", "mpeg2")

# Start code values (13818-2 table 6-1).
_PICTURE = 0x00
_SEQUENCE_HEADER = 0xB3
_EXTENSION = 0xB5
_SEQUENCE_END = 0xB7
_GROUP = 0xB8
_UNIT_STARTERS = (_PICTURE, _SEQUENCE_HEADER, _GROUP)
# picture_coding_type (table 6-12); 4 is the D picture of MPEG-1, intra without detail.
_PICTURE_TYPES = {1: "I", 2: "P", 3: "B", 4: "I"}
_D_PICTURE = 4
_PICTURE_CODING_EXTENSION = 8
_FIELDS = {1: "top", 2: "bottom", 3: "frame"}


class Mpeg2Assembler(StartCodeUnits):
    """Cuts an MPEG-1 or MPEG-2 video stream into coded pictures with the headers before them.

    ``codec`` is "mpeg1" or "mpeg2" and names the units; the streams are cut alike. A unit begins
    with a sequence, group or picture header, once the open one has a picture; everything else
    stays in it, sequence_end_code included. A key picture is an I picture, of a field pair the
    first, for which a sequence header was seen. Further arguments as
    :class:`~videohw.bitstream.unit_queue.UnitQueue`.
    """

    _unit_starters = _UNIT_STARTERS
    _picture_code = _PICTURE
    _has_sequence_header: bool
    _first_field: str | None  # a field that waits for the other one of its frame

    def __init__(
        self, codec: str = "mpeg2", *, max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES
    ) -> None:
        if codec not in CODECS:
            raise InvalidInput(
                f"codec is {codec!r}", argument="codec", hint=" or ".join(map(repr, CODECS))
            )
        super().__init__(codec, max_unit_bytes=max_unit_bytes)

    def _note(self, position: int, code: int) -> None:
        if code == _SEQUENCE_HEADER:
            self._has_sequence_header = self._sequence_known = True
        elif code == _SEQUENCE_END:
            self._ended = True

    def _unit(self, data: bytes) -> AccessUnit:
        picture_type, field = _read_picture(data, self._picture_at)
        second = field != "frame" and self._first_field not in (None, field)
        self._first_field = None if second or field == "frame" else field
        coding_type = _coding_type(data, self._picture_at)
        return AccessUnit(
            self.codec,
            data,
            self._pending_offset,
            keyframe=picture_type == "I"
            and coding_type != _D_PICTURE
            and not second
            and self._sequence_known,
            picture_type=picture_type,
            reference=picture_type in ("I", "P") and coding_type != _D_PICTURE,
            field=field,
            second_field=second,
            after_end_of_sequence=self._after_end,
            has_parameter_sets=self._has_sequence_header,
        )

    def _open_unit(self) -> None:
        super()._open_unit()
        self._has_sequence_header = False

    def _end_stream(self) -> None:
        super()._end_stream()
        self._first_field = None


def _coding_type(data: bytes, picture_at: int) -> int:
    header = picture_at + len(PREFIX) + 1
    return data[header + 1] >> 3 & 7 if header + 1 < len(data) else 0


def _read_picture(data: bytes, picture_at: int) -> tuple[str, str]:
    """(picture_type, field) of the picture header at ``picture_at`` and its coding extension."""
    picture_type = _PICTURE_TYPES.get(_coding_type(data, picture_at), "")
    extension = data.find(PREFIX + bytes((_EXTENSION,)), picture_at)
    body = extension + len(PREFIX) + 1
    if extension < 0 or body + 2 >= len(data) or data[body] >> 4 != _PICTURE_CODING_EXTENSION:
        return picture_type, "frame"
    return picture_type, _FIELDS.get(data[body + 2] & 3, "frame")
