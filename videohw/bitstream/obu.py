"""The open bitstream units of AV1 in the low-overhead format (AV1 specification 5.2 and 5.3).

Whole buffers only: what arrives in pieces goes through the assembler.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import InvalidBitstream
from .convert import as_bytes

OBU_SEQUENCE_HEADER = 1

# leb128() takes at most 8 bytes (4.10.5).
_LEB128_BYTES = 8


class Obu(NamedTuple):
    """One OBU: its obu_type, all its bytes, and its payload."""

    type: int
    data: bytes
    payload: bytes


def obus(data: bytes) -> Iterator[Obu]:
    """The OBUs of ``data`` in the low-overhead format (5.2), in order.

    :class:`InvalidBitstream`, with the offset of the OBU, when a size is missing or too large.
    """
    data = as_bytes(data, "data")
    position = 0
    while position < len(data):
        header = data[position]
        if not header & 2:
            raise InvalidBitstream("an OBU has no size field", offset=position)
        at = position + 1 + (header >> 2 & 1)
        size = 0
        for i, byte in enumerate(data[at : at + _LEB128_BYTES]):
            size |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                at += i + 1
                break
        else:
            raise InvalidBitstream("the size of an OBU is cut or too long", offset=position)
        if size > len(data) - at:
            raise InvalidBitstream(
                f"an OBU of {size} bytes goes past the end of the data", offset=position
            )
        yield Obu(header >> 3 & 15, data[position : at + size], data[at : at + size])
        position = at + size
