"""What the headers of VC-1 say of a picture, and which of them a decoder still needs.

Must not know: sessions, backends' libraries, pixels.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from ..backend import UNKNOWN_PICTURE, Fields, PictureInfo, SequenceInfo
from ..bitstream import AccessUnit
from ..bitstream.vc1_sequence import (
    ENTRY_POINT,
    FRAME,
    SEQUENCE_HEADER,
    Sequence,
    parse_picture,
    parse_sequence,
    read_entry_point,
    sized,
    units,
)
from ..errors import InvalidBitstream
from .header_reader import HeaderReader

_START_CODE: Final = b"\0\0\1"
_PICTURE: Final = _START_CODE + bytes((FRAME,))
_OTHER_PROFILES: Final = (
    "sequence header and entry point as they stand in a stream of the Advanced profile (WVC1); "
    "Simple and Main profile (WMV3) have no start codes, and are not decoded here"
)


class Vc1Reader(HeaderReader):
    """Follows one stream, unit by unit: size, shape of a pixel, field order, repeats.

    Streams may bring their headers once, in the first unit or beside the stream, so those in
    force are kept for whoever begins to decode later. A skipped picture is a picture: it takes
    its place among the references, as a copy of the one before.
    """

    def __init__(self) -> None:
        self._sequence_header = b""
        self._entry_point = b""
        self._due = False  # they came with a unit that no decoder is given
        self._stated: Sequence | None = None  # by the sequence header alone
        self._sequence: Sequence | None = None  # with the size of the entry point
        self._usual = UNKNOWN_PICTURE  # of a picture with nothing of its own to say

    def read(self, unit: AccessUnit) -> PictureInfo:
        """Of the picture in ``unit``; units come in order."""
        data = unit.data
        position = data.find(_PICTURE)
        if position:
            self._keep(data)
        header = parse_picture(data, position, self._sequence)
        if header is None or (header.top_field_first is None and not header.repeat):
            return self._usual
        return self._usual._replace(fields=Fields(header.top_field_first, header.repeat))

    def complete(self, unit: AccessUnit, *, fed: bool, begins: bool) -> tuple[bytes, bytes]:
        """(what a decoder is given for ``unit``, the headers in force that are not in it).

        ``fed`` False: it is not given this one. ``begins``: it decodes nothing before.
        """
        needs = begins or self._due
        own = unit.data.find(_PICTURE) > 0
        self._due = not fed and (self._due or own)
        if unit.has_parameter_sets:
            return unit.data, b""
        missing = self._sequence_header + (b"" if own else self._entry_point)
        if needs:
            return missing + unit.data, b""
        return unit.data, missing if unit.keyframe else b""

    def framed(self, data: bytes) -> bytes:
        """One coded picture of a container, as it stands in a byte stream.

        AVI and ASF have pictures without the start code that others put before them.
        """
        return data if data.startswith((_START_CODE, b"\0" + _START_CODE)) else _PICTURE + data

    def headers(self, extradata: bytes) -> bytes:
        """What a container keeps of headers, as they stand in a byte stream.

        ASF and AVI have a byte of their own in front. :class:`InvalidBitstream` where there is no
        sequence header with an entry point.
        """
        found = extradata[max(extradata.find(_START_CODE), 0) :]
        try:
            if parse_sequence(found) is None or _START_CODE + bytes((ENTRY_POINT,)) not in found:
                raise InvalidBitstream("no sequence header with an entry point")
        except InvalidBitstream as error:
            error.hint = _OTHER_PROFILES
            raise
        return found

    def _keep(self, data: bytes) -> None:
        for code, start, end in units(data):
            if code == FRAME:
                break
            with suppress(InvalidBitstream):
                if code == SEQUENCE_HEADER:
                    self._begin(data[start:end])
                elif code == ENTRY_POINT and self._stated is not None:
                    self._enter(data[start:end], self._stated)

    def _begin(self, header: bytes) -> None:
        """A sequence; that of the pictures changes with the entry point, which must follow."""
        if header != self._sequence_header:
            self._stated = parse_sequence(header)
            self._sequence_header, self._entry_point = header, b""
            self._sequence = None

    def _enter(self, entry_point: bytes, stated: Sequence) -> None:
        sequence = sized(stated, read_entry_point(entry_point[4:], stated))
        self._entry_point = entry_point
        if sequence == self._sequence:
            return
        self._sequence = sequence
        ratio = sequence.sample_aspect_ratio
        self._usual = PictureInfo(
            SequenceInfo(
                sample_aspect=None if ratio is None else ratio.as_integer_ratio(),
                size=(sequence.width, sequence.height),
                headers=self._sequence_header + entry_point,
            )
        )
