"""What a reader of the headers of one codec without parameter sets does.

Must not know: any codec.
"""

from __future__ import annotations

from typing import Final, Protocol

from ..backend import PictureInfo
from ..bitstream import AccessUnit
from ..errors import InvalidBitstream

_START_CODE: Final = b"\0\0\1"


class HeaderReader(Protocol):
    """Reads headers of one stream, unit by unit, in order."""

    def read(self, unit: AccessUnit) -> PictureInfo:
        """What they say of the picture in ``unit``."""

    def complete(self, unit: AccessUnit, *, fed: bool, begins: bool) -> tuple[bytes, bytes]:
        """(what a decoder is given for ``unit``, the headers in force that are not in it).

        ``fed`` False: it is not given this one. ``begins``: it decodes nothing before. Most
        streams repeat their headers where decoding may begin.
        """
        return unit.data, b""

    def framed(self, data: bytes) -> bytes:
        """One coded picture of a container, as it stands in a byte stream."""
        return data

    def headers(self, extradata: bytes) -> bytes:
        """What a container keeps of headers, as they stand in a byte stream.

        :class:`InvalidBitstream` where it holds something else.
        """
        if extradata[: extradata.find(_START_CODE)].strip(b"\0"):
            raise InvalidBitstream("no start code")
        return extradata
