"""SEI messages as they stand in their NAL units (H.264 7.3.2.3, H.265 7.3.5)."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import InvalidBitstream
from ..convert import as_bytes, unescape
from ..nal_types import check_codec

PIC_TIMING = 1
USER_DATA_T35 = 4
USER_DATA_UNREGISTERED = 5
RECOVERY_POINT = 6
MASTERING_DISPLAY = 137
CONTENT_LIGHT = 144
ALTERNATIVE_TRANSFER = 147

_SEI_TYPES = {"h264": (6,), "hevc": (39, 40)}


class SeiMessage(NamedTuple):
    """One sei_message(): its type (Annex D) and its payload without emulation prevention."""

    payload_type: int
    payload: bytes


def parse(nal: bytes, codec: str) -> list[SeiMessage]:
    """The messages of an SEI NAL unit: with header, escaped, no start code.

    :class:`InvalidBitstream` for another NAL unit and for a message that goes past its end.
    """
    check_codec(codec)
    data = as_bytes(nal, "nal")
    header = 1 if codec == "h264" else 2
    if len(data) < header:
        raise InvalidBitstream(f"SEI: NAL unit of {len(data)} bytes has no header")
    nal_type = data[0] & 0x1F if codec == "h264" else data[0] >> 1 & 0x3F
    if nal_type not in _SEI_TYPES[codec]:
        raise InvalidBitstream(f"SEI: nal_unit_type is {nal_type}, not {_SEI_TYPES[codec][0]}")
    payload = unescape(data)
    # rbsp_trailing_bits are one byte, since messages are whole bytes.
    end = len(payload.rstrip(b"\0"))
    messages = []
    position = header
    while position < end - 1:
        payload_type, position = _coded_number(payload, position, "payload_type")
        size, position = _coded_number(payload, position, "payload_size")
        if size > len(payload) - position:
            raise InvalidBitstream(
                f"SEI: message of type {payload_type} has {size} bytes, "
                f"{len(payload) - position} are left"
            )
        messages.append(SeiMessage(payload_type, payload[position : position + size]))
        position += size
    return messages


def _coded_number(data: bytes, position: int, name: str) -> tuple[int, int]:
    """A type or size: bytes of 255 and one that is less, summed; and the position behind."""
    value = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value += byte
        if byte != 0xFF:
            return value, position
    raise InvalidBitstream(f"SEI: data ended in {name}")
