"""Which profile codes the pictures, in which chroma format and depth, and how they go in.

Owns: names of profiles and buffer formats. Must not know: rates, the structure of the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..color import ColorSpec
from ..pixel_format import FORMATS
from ..types import EncoderConfig
from .encoder_limits import API_12_1, API_13_0, Answers, refused
from .encoder_options import NvidiaEncoderOptions

CODEC_CONFIGS: Final = {"h264": "h264Config", "hevc": "hevcConfig", "av1": "av1Config"}
AUTOMATIC_PROFILE: Final = "NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID"
_CHROMA_FORMAT_IDC: Final = {"420": 1, "422": 2, "444": 3}
# Our name of a format, how the caps call it: chroma and depth of the buffer by themselves.
BUFFER_FORMATS: Final = {
    "nv12": "NV12", "i420": "IYUV", "p010": "YUV420_10BIT", "nv16": "NV16", "p210": "P210",
    "yuv444p": "YUV444", "yuv444p10msb": "YUV444_10BIT", "bgra": "ARGB", "rgba": "ABGR",
}  # fmt: skip
_BUFFERS: Final = {
    ("420", 8): "nv12", ("420", 10): "p010", ("422", 8): "nv16", ("422", 10): "p210",
    ("444", 8): "yuv444p", ("444", 10): "yuv444p10msb",
}  # fmt: skip
_BT601: Final = ("smpte170m", "bt470bg")


@dataclass(frozen=True, slots=True)
class Profile:
    """The GUID's name, the chroma format, bits (None: those of the input), the API it needs."""

    guid: str
    chroma: str = "420"
    bit_depth: int | None = 8
    api: tuple[int, int] = API_12_1


PROFILES: Final[Mapping[str, Mapping[str, Profile]]] = {
    "h264": {
        "baseline": Profile("NV_ENC_H264_PROFILE_BASELINE_GUID"),
        "main": Profile("NV_ENC_H264_PROFILE_MAIN_GUID"),
        "high": Profile("NV_ENC_H264_PROFILE_HIGH_GUID"),
        "progressive-high": Profile("NV_ENC_H264_PROFILE_PROGRESSIVE_HIGH_GUID"),
        "constrained-high": Profile("NV_ENC_H264_PROFILE_CONSTRAINED_HIGH_GUID"),
        "high10": Profile("NV_ENC_H264_PROFILE_HIGH_10_GUID", "420", 10, API_13_0),
        "high422": Profile("NV_ENC_H264_PROFILE_HIGH_422_GUID", "422", None, API_13_0),
        "high444": Profile("NV_ENC_H264_PROFILE_HIGH_444_GUID", "444"),
    },
    "hevc": {
        "main": Profile("NV_ENC_HEVC_PROFILE_MAIN_GUID"),
        "main10": Profile("NV_ENC_HEVC_PROFILE_MAIN10_GUID", "420", 10),
        "main422-10": Profile("NV_ENC_HEVC_PROFILE_FREXT_GUID", "422", 10, API_13_0),
        "main444-8": Profile("NV_ENC_HEVC_PROFILE_FREXT_GUID", "444"),
        "main444-10": Profile("NV_ENC_HEVC_PROFILE_FREXT_GUID", "444", 10),
    },
    "av1": {"main": Profile("NV_ENC_AV1_PROFILE_MAIN_GUID", "420", None)},
}
# What is taken when none is asked, by bits.
_DEFAULT_PROFILES: Final = {
    "h264": {8: "high", 10: "high10"}, "hevc": {8: "main", 10: "main10"},
    "av1": {8: "main", 10: "main"},
}  # fmt: skip
# Codecs of which the driver itself codes 8-bit buffers in 10 bits.
_DRIVER_DEEPENS: Final = ("hevc", "av1")


@dataclass(frozen=True, slots=True)
class Form:
    """How pictures go in, ``picture_format`` (a name of ours) of ``input_depth`` bits, and how
    they are coded: ``profile`` (a GUID's name), ``chroma`` ("420") and ``depth`` bits."""

    picture_format: str
    profile: str
    chroma: str
    input_depth: int
    depth: int


def form_of(
    config: EncoderConfig, color: ColorSpec, options: NvidiaEncoderOptions, answers: Answers
) -> Form:
    """The form for ``config`` in ``color``; UnsupportedConfig for what the device lacks."""
    taken = FORMATS[config.input]
    lossless = options.tuning == "lossless" and config.codec == "h264"
    name = config.profile or _DEFAULT_PROFILES[config.codec][taken.bit_depth]
    profile = _profile(config.codec, name)
    if lossless and config.profile not in (None, "high444"):
        raise refused(
            "profile",
            f"profile {config.profile!r} cannot hold lossless pictures",
            "profile='high444', or None",
        )
    depth = profile.bit_depth or taken.bit_depth
    what = f"input {config.input}" if config.profile is None else f"profile {name!r}"
    argument = "input" if config.profile is None else "profile"
    if depth < taken.bit_depth:
        raise refused(
            "profile",
            f"profile {name!r} codes {depth} bits, input {config.input} has {taken.bit_depth}",
            "give 8-bit input, or a 10-bit profile",
        )
    answers.require_api(profile.api, argument, f"{what} is coded by the profile {name}")
    if depth > 8:
        answers.require("SUPPORT_10BIT_ENCODE", argument, f"{what} has 10 bits")
    if profile.chroma != "420":
        spelt = f"{what} has 4:{profile.chroma[1]}:{profile.chroma[2]}"
        answers.require(f"SUPPORT_YUV{profile.chroma}_ENCODE", argument, spelt)
    guid = AUTOMATIC_PROFILE if lossless and config.profile is None else profile.guid
    if guid != AUTOMATIC_PROFILE and guid not in answers.profiles:
        raise refused(argument, f"{what} is of {guid}, which the driver does not list")
    _check_even(config, profile.chroma)
    picture_format = _buffer(config, color, profile.chroma, depth, answers)
    return Form(
        picture_format, guid, profile.chroma, min(FORMATS[picture_format].bit_depth, depth), depth
    )


def form_fields(form: Form, answers: Answers) -> dict[str, int]:
    """The fields of chroma format and depth."""
    root = f"encodeConfig.encodeCodecConfig.{CODEC_CONFIGS[answers.codec]}."
    found = {root + "chromaFormatIDC": _CHROMA_FORMAT_IDC[form.chroma]}
    if answers.api >= API_13_0:
        found[root + "inputBitDepth"] = form.input_depth
        found[root + "outputBitDepth"] = form.depth
    elif answers.codec != "h264":
        found[root + "pixelBitDepthMinus8"] = form.depth - 8
        if answers.codec == "av1":
            found[root + "inputPixelBitDepthMinus8"] = form.input_depth - 8
    return found


def _profile(codec: str, name: str) -> Profile:
    profiles = PROFILES[codec]
    if name not in profiles:
        raise refused(
            "profile",
            f"profile {name!r} is not known for {codec}",
            f"one of {', '.join(profiles)}",
        )
    return profiles[name]


def _buffer(
    config: EncoderConfig, color: ColorSpec, chroma: str, depth: int, answers: Answers
) -> str:
    """The format of the buffers: one that needs no conversion where the driver takes it."""
    taken = FORMATS[config.input]
    if (chroma, depth) == ("420", 8):
        direct = config.input == "i420" or (
            # The driver converts these by itself, in one way only.
            config.input in ("bgra", "rgba")
            and color.matrix in _BT601
            and color.range == "limited"
            and color.siting is None
        )
        if direct and BUFFER_FORMATS[config.input] in answers.formats:
            return config.input
    buffer_depth = depth
    if chroma == "420" and not taken.rgb and config.codec in _DRIVER_DEEPENS:
        buffer_depth = taken.bit_depth
    name = _BUFFERS[chroma, buffer_depth]
    if BUFFER_FORMATS[name] not in answers.formats:
        raise refused(
            "profile" if config.profile else "input",
            f"pictures go in as {name}, which the driver does not take for {config.codec}",
        )
    return name


def _check_even(config: EncoderConfig, coded_chroma: str) -> None:
    # An array of 4:2:0 planes has no row or column to spare for an odd size either.
    chroma = coded_chroma if FORMATS[config.input].rgb else "420"
    sides = {"420": ("width", "height"), "422": ("width",), "444": ()}[chroma]
    for side in sides:
        value = getattr(config, side)
        if value % 2:
            raise refused(
                side,
                f"{side} is {value}: 4:{chroma[1]}:{chroma[2]} pictures need an even {side}",
                f"crop or pad to {value - 1} or {value + 1}; RGB input can be coded as 4:4:4 by a "
                "444 profile",
            )
