"""ProRes: its flavours, and what a coded frame says of itself.

Facts of SMPTE RDD 36 and of the QuickTime file format. Must not know: who codes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ..errors import InvalidBitstream


class Flavour(NamedTuple):
    """``fourcc``: the codec of a QuickTime file. ``form``: what pictures are coded as."""

    fourcc: str
    form: str


# By the names that ``Encoder(profile=)`` has for them.
FLAVOURS: Final[Mapping[str, Flavour]] = MappingProxyType(
    {
        "proxy": Flavour("apco", "p210"),
        "lt": Flavour("apcs", "p210"),
        "422": Flavour("apcn", "p210"),
        "hq": Flavour("apch", "p210"),
        "4444": Flavour("ap4h", "p410"),
    }
)
DEFAULT_FLAVOUR: Final = "422"
# What whoever does not encode it says.
WHO_ENCODES: Final[Mapping[str, str]] = MappingProxyType(
    {"prores": "prores is encoded by the videotoolbox backend alone, on a Mac"}
)
_IDENTIFIER: Final = b"icpf"
_HEADER_BYTES: Final = 28
_444: Final = 3  # chroma_format; 2 is 4:2:2


class FrameHeader(NamedTuple):
    """Width and height in pixels, whether it is 4:4:4, and code points of H.273 (2: unknown)."""

    width: int
    height: int
    is_444: bool
    primaries: int
    transfer: int
    matrix: int


def frame_header(data: bytes) -> FrameHeader:
    """The header of a coded frame (RDD 36, 5.1.1); :class:`InvalidBitstream` where it is none."""
    if len(data) < _HEADER_BYTES or data[4:8] != _IDENTIFIER:
        raise InvalidBitstream("not a frame of ProRes")
    width, height = (int.from_bytes(data[at : at + 2], "big") for at in (16, 18))
    return FrameHeader(width, height, data[20] >> 6 == _444, *data[22:25])
