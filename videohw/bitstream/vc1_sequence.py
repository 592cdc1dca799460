"""Headers of VC-1 video, Advanced profile (SMPTE ST 421, 6.1, 6.2, 7.1).

Field names are those of the standard, where an entry point is what other standards call a
random access point. Simple and Main profile have no start codes and no headers in the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import InvalidBitstream
from .bits import BitReader
from .convert import as_bytes, unescape

# Start code suffixes (annex E.5).
END_OF_SEQUENCE = 0x0A
FIELD = 0x0C
FRAME = 0x0D
ENTRY_POINT = 0x0E
SEQUENCE_HEADER = 0x0F

_PREFIX = b"\0\0\1"
_ADVANCED = 3
_PROFILES = ("Simple", "Main", "reserved", "Advanced")
_CHROMA_420 = 1
_EXTENDED_ASPECT = 15
_SHAPES = {
    code: Fraction(width, height)
    for code, (width, height) in enumerate(
        ((1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33),
         (18, 11), (15, 11), (64, 33), (160, 99)), 1
    )
}  # fmt: skip
_RATES = {1: 24, 2: 25, 3: 30, 4: 50, 5: 60, 6: 48, 7: 72}
_RATE_DIVISORS = {1: 1000, 2: 1001}
_EXPLICIT_RATE_UNIT = 32
_PICTURE_HEAD_BYTES = 16
# FPTYPE: the types of the two fields.
_FIELD_TYPES = ("I", "I", "P", "P", "B", "B", "BI", "BI")


@dataclass(frozen=True, slots=True)
class Sequence:
    """SEQUENCE_LAYER(), and the coded size of the entry point behind it where one is there.

    Sizes in luma samples. ``display_size`` is what the size of the picture on a display is to
    be, None without display extension. ``color``: color_prim, transfer_char and matrix_coef
    with the codes of H.264, None where they are not stated. ``buckets``: those of the
    hypothetical reference decoder.
    """

    width: int
    height: int
    level: int
    pulldown: bool = False
    interlace: bool = False
    frame_counter: bool = False
    segmented: bool = False
    display_size: tuple[int, int] | None = None
    sample_aspect_ratio: Fraction | None = None
    fps: Fraction | None = None
    color: tuple[int, int, int] | None = None
    buckets: int = 0

    @property
    def profile(self) -> str:
        """Name of the profile; others are not read."""
        return _PROFILES[_ADVANCED]

    @property
    def chroma_format(self) -> str:
        """Name of the sampling; there is only one."""
        return "4:2:0"


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """ENTRYPOINT_LAYER(). ``size`` is CODED_WIDTH and _HEIGHT in luma samples, None without.

    ``closed``: no B picture behind it refers to what is before it; ``broken``: those that do
    cannot be decoded, since something was cut out.
    """

    closed: bool
    broken: bool
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """The beginning of a picture (7.1.1).

    ``coding_type``: I, P, B, BI or "skipped", of two fields that of the first. ``fields``: it
    is coded as two. ``top_field_first`` is None where fields mean nothing. ``repeat``: field
    durations that it is shown beyond its own two.
    """

    coding_type: str
    fields: bool = False
    top_field_first: bool | None = None
    repeat: int = 0


def units(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(start code suffix, position of the start code, end) of each unit in ``data``."""
    position = data.find(_PREFIX)
    while 0 <= position < len(data) - len(_PREFIX):
        after = data.find(_PREFIX, position + 4)
        yield data[position + 3], position, len(data) if after < 0 else after
        position = after


def parse_sequence(data: object) -> Sequence | None:
    """The sequence header in ``data``, and the size of the entry point behind it.

    None when there is no sequence header; :class:`InvalidBitstream` where it cannot be read.
    ``data`` are whole headers with their start codes; what follows the first picture is not read.
    """
    octets = as_bytes(data, "data")
    found: Sequence | None = None
    for code, position, end in units(octets):
        if code == SEQUENCE_HEADER:
            found = read_sequence(octets[position + 4 : end])
        elif code == ENTRY_POINT and found is not None:
            return sized(found, read_entry_point(octets[position + 4 : end], found))
        elif code == FRAME:
            break
    return found


def read_sequence(body: bytes) -> Sequence:
    """A sequence header, by the bytes behind its start code."""
    bits = BitReader(unescape(body), "VC-1 sequence header")
    profile = bits.u("PROFILE", 2)
    if profile != _ADVANCED:
        raise InvalidBitstream(f"VC-1 sequence header: it is of profile {_PROFILES[profile]}")
    level = bits.u("LEVEL", 3)
    if bits.u("COLORDIFF_FORMAT", 2) != _CHROMA_420:
        raise InvalidBitstream("VC-1 sequence header: COLORDIFF_FORMAT is reserved")
    bits.u("FRMRTQ_POSTPROC, BITRTQ_POSTPROC, POSTPROCFLAG", 9)
    width, height = _size(bits)
    pulldown, interlace, counter = (bits.flag(each) for each in ("PULLDOWN", "INTERLACE", "TFCNTR"))
    bits.u("FINTERPFLAG, RESERVED", 2)
    segmented = bits.flag("PSF")
    display, shape, fps, color = None, None, None, None
    if bits.flag("DISPLAY_EXT"):
        display = (bits.u("DISP_HORIZ_SIZE", 14) + 1, bits.u("DISP_VERT_SIZE", 14) + 1)
        shape = _shape(bits, display, (width, height))
        fps = _rate(bits)
        if bits.flag("COLOR_FORMAT_FLAG"):
            color = (
                bits.u("COLOR_PRIM", 8), bits.u("TRANSFER_CHAR", 8), bits.u("MATRIX_COEF", 8),
            )  # fmt: skip
    buckets = 0
    if bits.flag("HRD_PARAM_FLAG"):
        buckets = bits.u("HRD_NUM_LEAKY_BUCKETS", 5)
        bits.u("BIT_RATE_EXPONENT, BUFFER_SIZE_EXPONENT", 8)
        bits.u("HRD_RATE, HRD_BUFFER", 32 * buckets)
    return Sequence(
        width, height, level, pulldown, interlace, counter, segmented, display, shape, fps, color,
        buckets,
    )  # fmt: skip


def read_entry_point(body: bytes, sequence: Sequence) -> EntryPoint:
    """An entry point of ``sequence``, by the bytes behind its start code."""
    bits = BitReader(unescape(body), "VC-1 entry point")
    broken, closed = bits.flag("BROKEN_LINK"), bits.flag("CLOSED_ENTRY")
    bits.u("PANSCAN_FLAG to QUANTIZER", 11)
    bits.u("HRD_FULL", 8 * sequence.buckets)
    size = _size(bits) if bits.flag("CODED_SIZE_FLAG") else None
    return EntryPoint(closed, broken, size)


def sized(sequence: Sequence, entry: EntryPoint) -> Sequence:
    """``sequence`` with the size of the pictures behind ``entry``."""
    if entry.size is None or entry.size == (sequence.width, sequence.height):
        return sequence
    return replace(sequence, width=entry.size[0], height=entry.size[1])


def parse_picture(data: bytes, position: int, sequence: Sequence | None) -> PictureHeader | None:
    """The header of the picture whose start code is at ``position`` of ``data``.

    None where it cannot be read, as without ``sequence``, which says how.
    """
    if sequence is None:
        return None
    head = data[position + 4 : position + 4 + _PICTURE_HEAD_BYTES]
    bits = BitReader(unescape(head), "VC-1 picture")
    try:
        return _read_picture(bits, sequence)
    except InvalidBitstream:
        return None


def _read_picture(bits: BitReader, sequence: Sequence) -> PictureHeader:
    interlaced = sequence.interlace and bits.flag("FCM")
    fields = interlaced and bits.flag("FCM")
    kind = _FIELD_TYPES[bits.u("FPTYPE", 3)] if fields else _frame_type(bits)
    top_first = True if interlaced else None
    repeat = 0
    if sequence.frame_counter:
        bits.u("TFCNTR", 8)
    if sequence.pulldown:
        if sequence.interlace and not sequence.segmented:
            top_first = bits.flag("TFF")
            repeat = int(bits.flag("RFF"))
        else:
            repeat = 2 * bits.u("RPTFRM", 2)
    return PictureHeader(kind, fields, top_first, repeat)


def _frame_type(bits: BitReader) -> str:
    for kind in ("P", "B", "I", "BI"):
        if not bits.flag("PTYPE"):
            return kind
    return "skipped"


def _size(bits: BitReader) -> tuple[int, int]:
    width, height = bits.u("CODED_WIDTH", 12), bits.u("CODED_HEIGHT", 12)
    return 2 * width + 2, 2 * height + 2


def _shape(bits: BitReader, display: tuple[int, int], coded: tuple[int, int]) -> Fraction | None:
    """The shape of a pixel; without ASPECT_RATIO_FLAG as the size of the display has it."""
    if not bits.flag("ASPECT_RATIO_FLAG"):
        return Fraction(display[0] * coded[1], display[1] * coded[0])
    code = bits.u("ASPECT_RATIO", 4)
    if code != _EXTENDED_ASPECT:
        return _SHAPES.get(code)
    return Fraction(bits.u("ASPECT_HORIZ_SIZE", 8) + 1, bits.u("ASPECT_VERT_SIZE", 8) + 1)


def _rate(bits: BitReader) -> Fraction | None:
    if not bits.flag("FRAMERATE_FLAG"):
        return None
    if bits.flag("FRAMERATEIND"):
        return Fraction(bits.u("FRAMERATEEXP", 16) + 1, _EXPLICIT_RATE_UNIT)
    number, divisor = bits.u("FRAMERATENR", 8), bits.u("FRAMERATEDR", 4)
    if number not in _RATES or divisor not in _RATE_DIVISORS:
        return None
    return Fraction(1000 * _RATES[number], _RATE_DIVISORS[divisor])
