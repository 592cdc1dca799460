"""Metadata of high dynamic range, and captions, as bytes of supplemental enhancement information.

H.264 and HEVC share them, and so do the interfaces of encoders that take them. Must not know: any
encoder.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Final

from ..errors import InvalidInput
from ..types import ContentLight, MasteringDisplay

_CHROMATICITY, _LUMINANCE = 50_000, 10_000  # units of the SEI message: 0.00002 and 0.0001 cd/m2
_MAX_WORD: Final = 0xFFFF
# itu_t_t35_country_code and provider_code of ATSC, its identifier, cc_data (A/53 part 4, 6.2.3).
_ATSC_CAPTIONS: Final = b"\xb5\x00\x31GA94\x03"
_PROCESS_CC_DATA: Final = 0x40
_MOST_CAPTIONS: Final = 31


def mastering_display(display: MasteringDisplay) -> bytes:
    """mastering_display_colour_volume (H.265 D.2.28): primaries in the order G, B, R."""
    points = (display.green, display.blue, display.red, display.white_point)
    words = [units(value, _CHROMATICITY, 16) for point in points for value in point]
    luminances = (
        units(display.max_luminance, _LUMINANCE, 32),
        units(display.min_luminance, _LUMINANCE, 32),
    )
    return struct.pack(">8H2I", *words, *luminances)


def content_light(light: ContentLight) -> bytes:
    """content_light_level_info (H.265 D.2.35), and AV1's metadata_hdr_cll: the same bytes."""
    words = (light.max_content, light.max_frame_average)
    return struct.pack(">2H", *(min(value, _MAX_WORD) for value in words))


def captions(constructs: bytes) -> bytes:
    """cc_data of ``constructs``, three bytes each, as user data registered by ITU-T T.35."""
    count, odd = divmod(len(constructs), 3)
    if odd or count > _MOST_CAPTIONS:
        raise InvalidInput(
            f"captions are {len(constructs)} bytes",
            argument="options.captions",
            hint=f"three bytes for each construct, {_MOST_CAPTIONS} constructs at most",
        )
    head = bytes((_PROCESS_CC_DATA | count, 0xFF))
    return _ATSC_CAPTIONS + head + constructs + b"\xff"


def units(value: Fraction, unit: int, bits: int) -> int:
    """``value`` in parts of ``1 / unit``, within ``bits``."""
    return min(max(round(value * unit), 0), (1 << bits) - 1)
