"""What the stream says of its colour and of the shape of its pixels.

Must not know: rates, the structure of the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import gcd
from typing import Final

from ..color import MATRICES, PRIMARIES, SITINGS, TRANSFERS, ColorSpec
from ..types import EncoderConfig
from .encoder_forms import CODEC_CONFIGS
from .encoder_limits import refused
from .encoder_options import NvidiaEncoderOptions

_UNSPECIFIED: Final = 2  # of H.273, for matrix, primaries and transfer alike
_UNSPECIFIED_FORMAT: Final = 5  # NV_ENC_VUI_VIDEO_FORMAT_UNSPECIFIED
_MAX_SIDE: Final = 1 << 20
# AV1 (6.4.2) knows two places of chroma: of the left column midway, and of the corner.
_AV1_SITINGS: Final = {"left": 1, "topleft": 2}


def color_fields(config: EncoderConfig, color: ColorSpec) -> dict[str, int]:
    """VUI, or AV1's colour description, of ``color``, whose matrix and range are resolved."""
    matrix = _code(MATRICES, color.matrix)
    primaries = _code(PRIMARIES, color.primaries)
    transfer = _code(TRANSFERS, color.transfer)
    full = int(color.range == "full")
    root = f"encodeConfig.encodeCodecConfig.{CODEC_CONFIGS[config.codec]}."
    if config.codec == "av1":
        found = {
            "colorPrimaries": primaries, "transferCharacteristics": transfer,
            "matrixCoefficients": matrix, "colorRange": full,
            "chromaSamplePosition": _AV1_SITINGS.get(color.siting or "", 0),
        }  # fmt: skip
        return {root + name: value for name, value in found.items()}
    found = {
        "videoSignalTypePresentFlag": 1, "videoFormat": _UNSPECIFIED_FORMAT,
        "videoFullRangeFlag": full, "colourDescriptionPresentFlag": 1,
        "colourPrimaries": primaries, "transferCharacteristics": transfer, "colourMatrix": matrix,
        # With it the stream says how far it reorders, and decoders need not guess.
        "bitstreamRestrictionFlag": 1,
    }  # fmt: skip
    if color.siting is not None:
        place = list(SITINGS.values()).index(color.siting)
        found.update(
            chromaSampleLocationFlag=1, chromaSampleLocationTop=place, chromaSampleLocationBot=place
        )
    vui = "h264VUIParameters." if config.codec == "h264" else "hevcVUIParameters."
    return {root + vui + name: value for name, value in found.items()}


def aspect_fields(config: EncoderConfig, options: NvidiaEncoderOptions) -> dict[str, int]:
    """The shape of the whole picture when it is shown, from that of its pixels."""
    sample = options.sample_aspect or Fraction(1)
    width = config.width * sample.numerator
    height = config.height * sample.denominator
    common = gcd(width, height)
    width, height = width // common, height // common
    if max(width, height) >= _MAX_SIDE:
        raise refused(
            "options.sample_aspect",
            f"options.sample_aspect is {sample}, a picture of {width}:{height}",
            f"a picture whose sides are below {_MAX_SIDE} in their lowest terms",
        )
    return {"darWidth": width, "darHeight": height}


def _code(table: Mapping[int, str], name: str | None) -> int:
    return next((code for code, each in table.items() if each == name), _UNSPECIFIED)
