"""Frames of VP8 (RFC 6386) whose headers say what a test wants, with random pictures behind."""

from __future__ import annotations

import random
from collections.abc import Sequence

Values = Sequence[int | None]

_PROBABILITIES = 1100  # of coefficients and more, each with a flag that is rarely set
_RARELY = 250  # of 256 that a bit is 0
_PICTURE_BITS, _PICTURE_BYTES = 2500, 900
_LOOP_FILTER_LEVEL, _QUANTIZER = 11, 30


class _Bits:
    """The boolean encoder (7.3), with all that was written in one number."""

    def __init__(self) -> None:
        self._low, self._range, self._shifted = 0, 255, 0

    def put(self, value: int, count: int = 1, zero: int = 128) -> None:
        """The bits of ``value``, the highest first; ``zero``: of 256 that each is 0."""
        for place in reversed(range(count)):
            split = 1 + ((self._range - 1) * zero >> 8)
            if value >> place & 1:
                self._low += split
                self._range -= split
            else:
                self._range = split
            while self._range < 128:
                self._range <<= 1
                self._low <<= 1
                self._shifted += 1

    def optional(self, values: Values, count: int) -> None:
        for value in values:
            self.put(value is not None)
            if value is not None:
                self.put(abs(value), count)
                self.put(value < 0)

    def data(self) -> bytes:
        bits = self._shifted + 8
        return (self._low << -bits % 8).to_bytes((bits + 7) // 8, "big")


def frame(
    *,
    quantizer: Values | None = None,
    loop_filter: Values | None = None,
    absolute: bool = False,
    deltas: Values | None = None,
    partitions: int = 1,
) -> bytes:
    """A shown frame that refers to others.

    ``quantizer`` and ``loop_filter`` of the four segments (9.3), ``deltas`` of the loop filter for
    four references and four modes (9.6); None is left out. Behind the first there is one
    partition, whatever ``partitions`` (1, 2, 4, 8) says.
    """
    rng, bits = random.Random(1), _Bits()
    segments = quantizer is not None or loop_filter is not None
    bits.put(segments)
    if segments:
        bits.put(0b11, 2)  # a map, and features
        bits.put(absolute)
        bits.optional(quantizer or (None,) * 4, 7)
        bits.optional(loop_filter or (None,) * 4, 6)
        for _ in range(3):
            bits.put(1)
            bits.put(rng.randrange(256), 8)
    bits.put(0)
    bits.put(_LOOP_FILTER_LEVEL, 6)
    bits.put(0, 3)
    bits.put(1)
    bits.put(deltas is not None)
    if deltas is not None:
        bits.optional(deltas, 6)
    bits.put(partitions.bit_length() - 1, 2)
    bits.put(_QUANTIZER, 7)
    bits.optional((None,) * 5, 4)
    bits.put(0, 2 + 2 + 2)  # golden and altref stay as they are
    bits.put(0, 2)
    bits.put(0b11, 2)  # probabilities hold on, and this is the next one's reference
    bits.put(0, _PROBABILITIES, _RARELY)
    bits.put(rng.getrandbits(_PICTURE_BITS), _PICTURE_BITS)
    first = bits.data()
    tag = 1 | 1 << 4 | len(first) << 5
    return tag.to_bytes(3, "little") + first + b"\xff" + rng.randbytes(_PICTURE_BYTES)
