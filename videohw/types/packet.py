"""What an encoder gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded picture from an encoder, in decode order.

    ``data``: Annex-B bytes with the parameter sets on keyframes, or 4-byte length-prefixed NAL
    units, as ``layout`` says (AV1: a temporal unit of OBUs in both; ProRes: "frame"). ``pts``,
    ``dts`` and ``duration`` are in ``time_base``; ``dts <= pts``. ``keyframe`` comes from the
    picture. ``extradata`` is set (avcC, hvcC or av1C) where the parameter sets differ from the
    last given. ``generation`` counts session switches. ``bytes(packet)`` is ``data``, and from
    Python 3.12 on a packet is a read-only buffer itself, as in ``file.write(packet)`` (PEP 688).
    """

    data: bytes
    pts: int
    dts: int
    duration: int | None
    keyframe: bool
    layout: str
    time_base: Fraction
    generation: int = 0
    extradata: bytes | None = None

    def __bytes__(self) -> bytes:
        return self.data

    def __buffer__(self, flags: int, /) -> memoryview:
        return memoryview(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        key = " key" if self.keyframe else ""
        return f"<Packet {len(self.data)} bytes pts={self.pts} dts={self.dts}{key}>"
