"""What goes into the stream beside the pictures: SEI messages, and metadata OBUs of AV1.

Payloads are as the driver takes them: without their type and size, and without emulation
prevention, which it adds. Must not know: sessions, the driver.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

from ..encoding.hdr_payloads import captions, content_light, mastering_display, units
from ..errors import InvalidInput
from ..types import MasteringDisplay, SideData
from .encoder_options import NvidiaEncoderOptions, NvidiaPictureOptions

# (payload type, bytes): of H.264 and H.265 annex D; AV1's metadata_type (5.8.1, 6.7.1).
Payload: TypeAlias = tuple[int, bytes]

_ITU_T_T35, _UNREGISTERED, _MASTERING, _LIGHT = 4, 5, 137, 144
_AV1_LIGHT, _AV1_MASTERING, _AV1_T35 = 1, 2, 4
# AV1 (6.7.4) has binary fractions: 0.16, 24.8 and 18.14 bits.
_AV1_CHROMATICITY, _AV1_MAX_LUMINANCE, _AV1_MIN_LUMINANCE = 1 << 16, 1 << 8, 1 << 14


def av1_mastering_display(display: MasteringDisplay) -> bytes:
    """metadata_hdr_mdcv (AV1 5.8.4): primaries in the order R, G, B."""
    points = (display.red, display.green, display.blue, display.white_point)
    words = [units(value, _AV1_CHROMATICITY, 16) for point in points for value in point]
    luminances = (
        units(display.max_luminance, _AV1_MAX_LUMINANCE, 32),
        units(display.min_luminance, _AV1_MIN_LUMINANCE, 32),
    )
    return struct.pack(">8H2I", *words, *luminances)


def payloads(
    codec: str, options: NvidiaEncoderOptions, picture: NvidiaPictureOptions, brought: SideData
) -> tuple[Payload, ...]:
    """All payloads of one picture; ``brought`` is what the caller's frame has of its own.

    What the options of the picture say goes before those of the session, these before the
    frame's. :class:`InvalidInput` for what the codec has no place for.
    """
    own = brought if options.side_data else SideData()
    found: list[Payload] = []
    av1 = codec == "av1"
    constructs = own.captions if picture.captions is None else picture.captions
    if constructs:
        found.append((_AV1_T35 if av1 else _ITU_T_T35, captions(constructs)))
    display = options.mastering_display or own.mastering_display
    if display is not None:
        made = av1_mastering_display(display) if av1 else mastering_display(display)
        found.append((_AV1_MASTERING if av1 else _MASTERING, made))
    light = options.content_light or own.content_light
    if light is not None:
        found.append((_AV1_LIGHT if av1 else _LIGHT, content_light(light)))
    if picture.user_data and av1:
        raise InvalidInput(
            "options.user_data is given, and AV1 has no such messages",
            argument="options.user_data",
            hint="options.sei with metadata type 4 (ITU-T T.35) or one above 5",
        )
    found += [(_UNREGISTERED, each) for each in picture.user_data]
    found += picture.sei
    return tuple(found)
