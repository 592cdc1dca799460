"""Framings of NAL units, one into the other: Annex-B, length-prefixed, a list; and escaping.

Whole buffers in, whole buffers out (streams that arrive in pieces go through the splitter).
A NAL unit is bytes with its header, still escaped, without start code or length. Annex-B is
H.264 / H.265 Annex B; length-prefixed is a sample of ISO/IEC 14496-15; emulation prevention is
7.4.1 of both standards. Arguments may be any contiguous bytes-like object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..errors import InvalidBitstream, InvalidInput

LENGTH_SIZES = (1, 2, 4)
START_CODE = b"\0\0\0\1"

_PREFIX = b"\0\0\1"
_ZEROS = b"\0\0\0"
# Two zeros that need a 03 behind them: before a byte of 0 to 3, or at the end, where a NAL unit
# must not have them (cabac_zero_words). Zeros after an inserted 03 count anew.
_TO_ESCAPE = re.compile(rb"\0\0(?=[\0-\3]|\Z)")


def as_bytes(data: Any, argument: str) -> bytes:
    """``data`` as bytes; :class:`InvalidInput` when it has no buffer (text, None, a number)."""
    if isinstance(data, bytes):
        return data
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise InvalidInput(
            f"{argument} is {type(data).__name__}, not bytes-like", argument=argument
        ) from None


def escape(rbsp: bytes) -> bytes:
    """``rbsp`` with emulation prevention bytes inserted, also behind two zeros at its end."""
    rbsp = as_bytes(rbsp, "rbsp")
    return _TO_ESCAPE.sub(b"\0\0\3", rbsp) if b"\0\0" in rbsp else rbsp


def unescape(nal: bytes) -> bytes:
    """``nal`` without emulation prevention bytes; the inverse of :func:`escape`."""
    return as_bytes(nal, "nal").replace(b"\0\0\3", b"\0\0")


def annexb_to_nals(data: bytes) -> list[bytes]:
    """The NAL units of an Annex-B byte stream, in order.

    Start codes of 3, 4 and more bytes. A NAL unit ends before the first three zeros (B.1.1), so
    damage that follows them is dropped up to the next start code; empty NAL units are left out.
    :class:`InvalidBitstream` when anything but zeros comes before the first start code.
    """
    head, *units = as_bytes(data, "data").split(_PREFIX)
    if head.strip(b"\0"):
        raise InvalidBitstream(
            f"data begin with {len(head)} bytes before the first start code"
            if units
            else "data hold no start code",
            offset=0,
            hint="give Annex-B bytes; length_prefixed_to_nals reads MP4 samples",
        )
    return [nal for unit in units if (nal := unit.partition(_ZEROS)[0].rstrip(b"\0"))]


def nals_to_annexb(nals: Iterable[bytes]) -> bytes:
    """The NAL units behind 4-byte start codes.

    :class:`InvalidBitstream` for a NAL unit that holds a start code or three zeros, where it
    would be cut when read back; zeros at its end stay, as the trailing_zero_8bits of Annex B.
    """
    parts: list[bytes] = []
    for index, nal in enumerate(_checked(nals)):
        for pattern in (_PREFIX, _ZEROS):
            at = nal.find(pattern)
            if at >= 0 and nal[at:].strip(b"\0"):
                raise InvalidBitstream(
                    f"NAL unit {index} holds {pattern.hex(' ')} at byte {at}",
                    hint="a start code inside a NAL unit: its payload is not escaped",
                )
        parts += (START_CODE, nal)
    return b"".join(parts)


def length_prefixed_to_nals(data: bytes, length_size: int = 4) -> list[bytes]:
    """The NAL units of a sample whose lengths take ``length_size`` (1, 2, 4) bytes, big endian.

    Empty NAL units are left out. :class:`InvalidBitstream`, with the offset of the length, when
    a length goes past the end.
    """
    _check_length_size(length_size)
    data = as_bytes(data, "data")
    nals: list[bytes] = []
    position, end = 0, len(data)
    while position < end:
        start = position + length_size
        size = int.from_bytes(data[position:start], "big")
        if start > end or size > end - start:
            raise InvalidBitstream(
                f"NAL unit {len(nals)} goes past the end of the sample: "
                f"{end - position} bytes left, length of {length_size} bytes says {size}",
                offset=position,
                hint="the length size is in the avcC or hvcC record (length_size)",
            )
        if size:
            nals.append(data[start : start + size])
        position = start + size
    return nals


def nals_to_length_prefixed(nals: Iterable[bytes], length_size: int = 4) -> bytes:
    """The NAL units, each behind its length in ``length_size`` (1, 2, 4) bytes, big endian.

    :class:`InvalidBitstream` for a NAL unit whose length does not fit.
    """
    _check_length_size(length_size)
    limit = 1 << 8 * length_size
    parts: list[bytes] = []
    for index, nal in enumerate(_checked(nals)):
        if len(nal) >= limit:
            raise InvalidBitstream(
                f"NAL unit {index} of {len(nal)} bytes does not fit a length of "
                f"{length_size} bytes",
                hint="length_size=4",
            )
        parts += (len(nal).to_bytes(length_size, "big"), nal)
    return b"".join(parts)


def annexb_to_length_prefixed(data: bytes, length_size: int = 4) -> bytes:
    """An Annex-B stream as one length-prefixed sample; errors of the two steps."""
    return nals_to_length_prefixed(annexb_to_nals(data), length_size)


def length_prefixed_to_annexb(data: bytes, length_size: int = 4) -> bytes:
    """A length-prefixed sample as Annex-B; errors of the two steps."""
    return nals_to_annexb(length_prefixed_to_nals(data, length_size))


def _check_length_size(length_size: int) -> None:
    if length_size not in LENGTH_SIZES:
        raise InvalidInput(
            f"length_size is {length_size!r}", argument="length_size", hint="1, 2 or 4 bytes"
        )


def _checked(nals: Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(nals, (bytes, bytearray, memoryview, str)):
        raise InvalidInput(
            f"nals is {type(nals).__name__}, not a list of NAL units", argument="nals"
        )
    try:
        items = iter(nals)
    except TypeError:
        raise InvalidInput(
            f"nals is {type(nals).__name__}, not a list of NAL units", argument="nals"
        ) from None
    return (as_bytes(nal, f"nals[{index}]") for index, nal in enumerate(items))
