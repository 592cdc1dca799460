"""A packet is its bytes, with their times."""

from __future__ import annotations

import io
import sys
from fractions import Fraction

import pytest

from videohw.types import Packet

PACKET = Packet(b"\0\0\1\x65abc", 5, 4, 1, True, "annexb", Fraction(1, 30))


def test_the_bytes_of_a_packet() -> None:
    assert bytes(PACKET) == PACKET.data
    assert len(PACKET) == 7
    assert repr(PACKET) == "<Packet 7 bytes pts=5 dts=4 key>"


def test_a_packet_is_a_read_only_buffer_where_python_knows_them() -> None:
    """PEP 688 came with Python 3.12."""
    file = io.BytesIO()
    if sys.version_info >= (3, 12):
        assert file.write(PACKET) == 7
        assert file.getvalue() == PACKET.data
        assert memoryview(PACKET).readonly
        with pytest.raises(TypeError, match="read-write"):
            io.BytesIO(b"12345678").readinto(PACKET)
    else:
        with pytest.raises(TypeError):
            file.write(PACKET)
