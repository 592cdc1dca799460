"""The sequence header of MPEG-1 and MPEG-2 video with its extensions (ITU-T H.262 6.2.2).

Pictures are not known here. Field names are those of the standard; the parts of a value that
MPEG-2 spreads over header and extension are put together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import InvalidBitstream
from .bits import BitReader
from .convert import as_bytes

SEQUENCE_HEADER = 0xB3
EXTENSION = 0xB5
USER_DATA = 0xB2

_SEQUENCE_EXTENSION = 1
_SEQUENCE_DISPLAY_EXTENSION = 2

# frame_rate_code (H.262 table 6-4).
_FRAME_RATES = (
    None, Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
    Fraction(50), Fraction(60000, 1001), Fraction(60),
)  # fmt: skip
# aspect_ratio_information of MPEG-2: aspect ratio of the picture (H.262 table 6-3).
_DISPLAY_ASPECTS = {2: Fraction(4, 3), 3: Fraction(16, 9), 4: Fraction(221, 100)}
# pel_aspect_ratio of MPEG-1: height of a sample through its width, in 1/10000
# (ISO/IEC 11172-2, 2.4.3.2).
_PEL_ASPECTS = (
    0, 10000, 6735, 7031, 7615, 8055, 8437, 8935, 9157, 9815, 10255, 10695, 10950, 11575, 12015,
)  # fmt: skip
_CHROMA_FORMATS = {1: "4:2:0", 2: "4:2:2", 3: "4:4:4"}
# Three bits of profile_and_level_indication each (H.262 tables 8-2 and 8-3).
_PROFILES = {1: "High", 2: "Spatially Scalable", 3: "SNR Scalable", 4: "Main", 5: "Simple"}
_LEVELS = {4: "High", 6: "High 1440", 8: "Main", 10: "Low"}
# 4:2:2 profile, which sets the escape bit (8.1).
_ESCAPED = {0x82: ("4:2:2", "High"), 0x85: ("4:2:2", "Main")}


@dataclass(frozen=True, slots=True)
class Sequence:
    """sequence_header(), sequence_extension() and sequence_display_extension().

    Sizes in luma samples, ``bit_rate`` in bits per second (None: variable, MPEG-1 only).
    ``mpeg1``: there is no sequence extension, which makes the stream MPEG-1. Colour values are
    code points of ITU-T H.273; display sizes are 0 without a display extension.
    """

    horizontal_size: int
    vertical_size: int
    aspect_ratio_information: int
    frame_rate_code: int
    bit_rate: int | None
    vbv_buffer_size: int
    mpeg1: bool = True
    profile_and_level_indication: int = 0
    progressive_sequence: bool = True
    chroma_format_code: int = 1
    low_delay: bool = False
    frame_rate_extension_n: int = 0
    frame_rate_extension_d: int = 0
    video_format: int = 5
    colour_description: bool = False
    colour_primaries: int = 2
    transfer_characteristics: int = 2
    matrix_coefficients: int = 2
    display_horizontal_size: int = 0
    display_vertical_size: int = 0

    @property
    def width(self) -> int:
        """Width of the picture."""
        return self.horizontal_size

    @property
    def height(self) -> int:
        """Height of a frame."""
        return self.vertical_size

    @property
    def fps(self) -> Fraction | None:
        """Frames per second; None for a reserved code."""
        if self.frame_rate_code >= len(_FRAME_RATES):
            return None
        rate = _FRAME_RATES[self.frame_rate_code]
        extension = Fraction(self.frame_rate_extension_n + 1, self.frame_rate_extension_d + 1)
        return None if rate is None else rate * extension

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width of a sample through its height; None for a reserved code.

        MPEG-2 states the aspect ratio of the picture, or of the display area when there is a
        display extension (H.262 6.3.3).
        """
        code = self.aspect_ratio_information
        if code == 1:
            return Fraction(1)
        if self.mpeg1:
            pel = _PEL_ASPECTS[code] if code < len(_PEL_ASPECTS) else 0
            return Fraction(10000, pel) if pel else None
        aspect = _DISPLAY_ASPECTS.get(code)
        if aspect is None:
            return None
        width = self.display_horizontal_size or self.horizontal_size
        height = self.display_vertical_size or self.vertical_size
        return aspect * height / width

    @property
    def chroma_format(self) -> str:
        """Name of the sampling: "4:2:0", "4:2:2" or "4:4:4"."""
        return _CHROMA_FORMATS[self.chroma_format_code]

    @property
    def profile(self) -> str | None:
        """Name of the profile; None for MPEG-1."""
        return None if self.mpeg1 else self._profile_and_level()[0]

    @property
    def level(self) -> str | None:
        """Name of the level; None for MPEG-1."""
        return None if self.mpeg1 else self._profile_and_level()[1]

    def _profile_and_level(self) -> tuple[str, str]:
        code = self.profile_and_level_indication
        if code in _ESCAPED:
            return _ESCAPED[code]
        profile = _PROFILES.get(code >> 4, f"profile {code >> 4}")
        return profile, _LEVELS.get(code & 15, f"level {code & 15}")


def parse_sequence(data: bytes) -> Sequence | None:
    """The first sequence of ``data``, a stream with start codes; None when there is none.

    Reads the extensions that follow it, up to the next start code that is no extension.
    :class:`InvalidBitstream`, with the offset of the start code.
    """
    data = as_bytes(data, "data")
    sequence: Sequence | None = None
    start = data.find(b"\0\0\1")
    while 0 <= start < len(data) - 3:
        end = data.find(b"\0\0\1", start + 3)
        code = data[start + 3]
        body = data[start + 4 : end if end >= 0 else len(data)]
        try:
            if sequence is None:
                if code == SEQUENCE_HEADER:
                    sequence = _sequence_header(body)
            elif code == EXTENSION:
                sequence = _extended(sequence, body)
            elif code != USER_DATA:
                break
        except InvalidBitstream as error:
            error.offset = start
            raise
        start = end
    return sequence


def _sequence_header(body: bytes) -> Sequence:
    bits = BitReader(body, "MPEG sequence header")
    width, height = bits.u("horizontal_size_value", 12), bits.u("vertical_size_value", 12)
    if not width or not height:
        raise InvalidBitstream(f"MPEG sequence header: size is {width}x{height}")
    aspect, rate = bits.u("aspect_ratio_information", 4), bits.u("frame_rate_code", 4)
    bit_rate = bits.u("bit_rate_value", 18)
    bits.flag("marker_bit")
    vbv = bits.u("vbv_buffer_size_value", 10)
    # MPEG-1 says "variable" by all ones (ISO/IEC 11172-2, 2.4.3.2).
    stated = None if bit_rate == 0x3FFFF else 400 * bit_rate
    return Sequence(width, height, aspect, rate, stated, vbv)


def _extended(sequence: Sequence, body: bytes) -> Sequence:
    bits = BitReader(body, "MPEG-2 sequence extension")
    kind = bits.u("extension_start_code_identifier", 4)
    if kind == _SEQUENCE_EXTENSION:
        return _sequence_extension(sequence, bits)
    if kind == _SEQUENCE_DISPLAY_EXTENSION:
        return _display_extension(sequence, bits)
    return sequence


def _sequence_extension(sequence: Sequence, bits: BitReader) -> Sequence:
    profile = bits.u("profile_and_level_indication", 8)
    progressive = bits.flag("progressive_sequence")
    chroma = bits.u("chroma_format", 2)
    if chroma not in _CHROMA_FORMATS:
        raise InvalidBitstream("MPEG-2 sequence extension: chroma_format is 0, not in 1 to 3")
    width = bits.u("horizontal_size_extension", 2) << 12 | sequence.horizontal_size & 0xFFF
    height = bits.u("vertical_size_extension", 2) << 12 | sequence.vertical_size & 0xFFF
    bit_rate = 400 * (bits.u("bit_rate_extension", 12) << 18)
    bits.flag("marker_bit")
    vbv = bits.u("vbv_buffer_size_extension", 8) << 10 | sequence.vbv_buffer_size & 0x3FF
    stated = 400 * 0x3FFFF if sequence.bit_rate is None else sequence.bit_rate
    return replace(
        sequence,
        mpeg1=False,
        profile_and_level_indication=profile,
        progressive_sequence=progressive,
        chroma_format_code=chroma,
        horizontal_size=width,
        vertical_size=height,
        bit_rate=bit_rate + stated,
        vbv_buffer_size=vbv,
        low_delay=bits.flag("low_delay"),
        frame_rate_extension_n=bits.u("frame_rate_extension_n", 2),
        frame_rate_extension_d=bits.u("frame_rate_extension_d", 5),
    )


def _display_extension(sequence: Sequence, bits: BitReader) -> Sequence:
    sequence = replace(sequence, video_format=bits.u("video_format", 3))
    if bits.flag("colour_description"):
        sequence = replace(
            sequence,
            colour_description=True,
            colour_primaries=bits.u("colour_primaries", 8),
            transfer_characteristics=bits.u("transfer_characteristics", 8),
            matrix_coefficients=bits.u("matrix_coefficients", 8),
        )
    width = bits.u("display_horizontal_size", 14)
    bits.flag("marker_bit")
    height = bits.u("display_vertical_size", 14)
    return replace(sequence, display_horizontal_size=width, display_vertical_size=height)
