"""Bits of an RBSP: read and written as u(n), ue(v) and se(v) (H.264 7.2 and 9.1, H.265 9.2).

Knows nothing of any syntax structure and nothing of emulation prevention: what goes in and out
is the raw byte sequence payload. Every value has a name, so that an error can say what it was.
"""

from __future__ import annotations

from ..errors import InvalidBitstream, InvalidInput

# Largest value of ue(v) with the 32 leading zero bits that the standards allow (9.1, 9.2).
UE_MAX = (1 << 32) - 2


def se_of_code_number(code: int) -> int:
    """Signed value of an Exp-Golomb code number: 0, 1, -1, 2, -2, ... (H.264 table 9-3)."""
    return (code + 1) >> 1 if code & 1 else -(code >> 1)


def code_number_of_se(value: int) -> int:
    """Exp-Golomb code number of a signed value; the inverse of :func:`se_of_code_number`."""
    return 2 * value - 1 if value > 0 else -2 * value


class BitReader:
    """Reads values from ``data``, most significant bit first, each call O(bits read).

    ``what`` names the structure in errors ("H.264 SPS"). Every reading method raises
    :class:`InvalidBitstream`, naming the field, where the data end or a value is out of range.
    """

    __slots__ = ("_data", "_end", "_position", "_stop", "what")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._position = 0
        self._end = 8 * len(data)
        self._stop: int | None = None
        self.what = what

    @property
    def position(self) -> int:
        """Bits read so far."""
        return self._position

    @property
    def bits_left(self) -> int:
        """Bits from the position to the end of the data, stop bit and padding included."""
        return self._end - self._position

    def u(self, name: str, bits: int) -> int:
        """The next ``bits`` bits as an unsigned integer; u(0) is 0."""
        position = self._position
        end = position + bits
        if end > self._end:
            raise InvalidBitstream(f"{self.what}: data ended in {name}")
        self._position = end
        window = int.from_bytes(self._data[position >> 3 : (end + 7) >> 3], "big")
        return window >> (-end & 7) & ((1 << bits) - 1)

    def flag(self, name: str) -> bool:
        """The next bit."""
        position = self._position
        if position >= self._end:
            raise InvalidBitstream(f"{self.what}: data ended in {name}")
        self._position = position + 1
        return bool(self._data[position >> 3] >> (~position & 7) & 1)

    def ue(self, name: str, maximum: int = UE_MAX, minimum: int = 0) -> int:
        """The next ue(v), refused when it is not in ``minimum`` to ``maximum``."""
        position = self._position
        first = position >> 3
        # 9 bytes hold the longest code, 32 zeros + 33 bits, from any bit of the first byte.
        chunk = self._data[first : first + 9]
        bits = 8 * len(chunk) - (position & 7)
        window = int.from_bytes(chunk, "big") & ((1 << bits) - 1)
        zeros = bits - window.bit_length()
        length = 2 * zeros + 1
        if length > bits:
            if zeros > 32:
                raise InvalidBitstream(f"{self.what}: {name} has more than 32 leading zero bits")
            raise InvalidBitstream(f"{self.what}: data ended in {name}")
        value = (window >> (bits - length)) - 1
        self._position = position + length
        if not minimum <= value <= maximum:
            raise self._out_of_range(name, value, minimum, maximum)
        return value

    def se(self, name: str, minimum: int, maximum: int) -> int:
        """The next se(v), refused when it is not in ``minimum`` to ``maximum``."""
        value = se_of_code_number(self.ue(name))
        if not minimum <= value <= maximum:
            raise self._out_of_range(name, value, minimum, maximum)
        return value

    def data(self, name: str, size: int) -> bytes:
        """The next ``size`` bytes, from the start of a byte."""
        first = self._position >> 3
        if 8 * size > self._end - self._position:
            raise InvalidBitstream(f"{self.what}: data ended in {name}")
        self._position += 8 * size
        return self._data[first : first + size]

    def more_rbsp_data(self) -> bool:
        """True when syntax is left before the rbsp_stop_one_bit (H.264 and H.265 7.2)."""
        if self._stop is None:
            kept = self._data.rstrip(b"\0")
            self._stop = 8 * len(kept) - (kept[-1] & -kept[-1]).bit_length() if kept else 0
        return self._position < self._stop

    def _out_of_range(self, name: str, value: int, low: int, high: int) -> InvalidBitstream:
        return InvalidBitstream(f"{self.what}: {name} is {value}, not in {low} to {high}")


class BitWriter:
    """Collects values into bytes; the mirror of :class:`BitReader`.

    Every writing method raises :class:`InvalidInput`, naming the field, for a value that does
    not fit. Meant for structures of some hundred bytes: the cost of a call grows with the size.
    """

    __slots__ = ("_length", "_value", "what")

    def __init__(self, what: str) -> None:
        self._value = 0
        self._length = 0
        self.what = what

    @property
    def position(self) -> int:
        """Bits written so far."""
        return self._length

    def u(self, name: str, value: int, bits: int) -> None:
        """Append ``value`` as ``bits`` bits."""
        self._check(name, value, 0, (1 << bits) - 1)
        self._append(value, bits)

    def flag(self, name: str, value: bool) -> None:
        """Append one bit."""
        self._check(name, value, 0, 1)
        self._append(int(value), 1)

    def ue(self, name: str, value: int, maximum: int = UE_MAX, minimum: int = 0) -> None:
        """Append ``value`` as ue(v)."""
        self._check(name, value, minimum, maximum)
        self._append(value + 1, 2 * (value + 1).bit_length() - 1)

    def se(self, name: str, value: int, minimum: int, maximum: int) -> None:
        """Append ``value`` as se(v)."""
        self._check(name, value, minimum, maximum)
        self.ue(name, code_number_of_se(value))

    def data(self, data: bytes) -> None:
        """Append bytes."""
        self._append(int.from_bytes(data, "big"), 8 * len(data))

    def rbsp_bytes(self) -> bytes:
        """What was written, closed by rbsp_trailing_bits (H.264 7.3.2.11, H.265 7.3.2.11)."""
        value = (self._value << 1) | 1
        padding = -(self._length + 1) & 7
        return (value << padding).to_bytes((self._length + 8) >> 3, "big")

    def aligned_bytes(self) -> bytes:
        """What was written, padded with zero bits to a whole byte."""
        padding = -self._length & 7
        return (self._value << padding).to_bytes((self._length + 7) >> 3, "big")

    def _append(self, value: int, bits: int) -> None:
        self._value = self._value << bits | value
        self._length += bits

    def _check(self, name: str, value: object, minimum: int, maximum: int) -> None:
        if not isinstance(value, int) or not minimum <= value <= maximum:
            raise InvalidInput(
                f"{self.what}: {name} is {value!r}, not in {minimum} to {maximum}", argument=name
            )
