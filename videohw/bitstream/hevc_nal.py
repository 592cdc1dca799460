"""The NAL unit header of H.265 (7.3.1.2), opened for the readers of parameter sets."""

from __future__ import annotations

from ..errors import InvalidBitstream
from .bits import BitReader
from .convert import as_bytes, unescape


def open_nal(nal: bytes, what: str, nal_type: int) -> tuple[BitReader, int]:
    """The payload of ``nal`` as bits, and its nuh_layer_id.

    :class:`InvalidBitstream` when it is not a NAL unit of ``nal_type``.
    """
    nal = as_bytes(nal, "nal")
    if len(nal) < 2:
        raise InvalidBitstream(f"{what}: NAL unit of {len(nal)} bytes has no header")
    found = nal[0] >> 1 & 0x3F
    if found != nal_type:
        raise InvalidBitstream(f"{what}: nal_unit_type is {found}, not {nal_type}")
    return BitReader(unescape(nal)[2:], what), (nal[0] & 1) << 5 | nal[1] >> 3


def nal_header(nal_type: int, layer_id: int = 0) -> bytes:
    """The two header bytes of a NAL unit of temporal sub-layer 0."""
    return bytes((nal_type << 1 | layer_id >> 5, (layer_id & 0x1F) << 3 | 1))
