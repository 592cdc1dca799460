"""Access units of the corpus as samples for the frameworks, split without videohw."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.corpus import stream

_SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}


@dataclass(frozen=True)
class Coded:
    """Parameter sets and samples with lengths of 4 bytes, in decoding order."""

    codec: str
    sets: tuple[bytes, ...]
    samples: tuple[bytes, ...]


def kind(nal: bytes, codec: str) -> int:
    return nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63


def nal_units(data: bytes) -> list[bytes]:
    return [part.rstrip(b"\0") for part in re.split(b"\0\0\1", data)[1:]]


def with_lengths(nals: list[bytes], length_bytes: int = 4) -> bytes:
    return b"".join(len(nal).to_bytes(length_bytes, "big") + nal for nal in nals)


def _begins_picture(nal: bytes, codec: str) -> bool:
    """Of a slice: it has the first macroblock or is the first segment."""
    return bool(nal[1 if codec == "h264" else 2] & 0x80)


def coded(name: str) -> Coded:
    """A stream with one picture a frame, whose parameter sets never change."""
    each = stream(name)
    sets: list[bytes] = []
    samples: list[list[bytes]] = []
    slices = range(1, 6) if each.codec == "h264" else range(32)
    for nal in nal_units(each.read()):
        number = kind(nal, each.codec)
        if number in _SETS[each.codec]:
            if nal not in sets:
                sets.append(nal)
        elif number in slices:
            if _begins_picture(nal, each.codec):
                samples.append([])
            samples[-1].append(nal)
    return Coded(each.codec, tuple(sets), tuple(map(with_lengths, samples)))
