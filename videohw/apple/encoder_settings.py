"""From the settings of an ``Encoder`` to everything that a VideoToolbox session is opened with.

Owns: what of the whole fits the system, and which changes a running session takes. Must not know:
the frameworks' calls, pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..color import MATRICES, PRIMARIES, TRANSFERS, ColorSpec
from ..encoding.hdr_payloads import content_light, mastering_display
from ..encoding.prores import DEFAULT_FLAVOUR, FLAVOURS
from ..pixel_format import FORMATS
from ..types import EncoderConfig
from .capabilities import four_characters
from .encoder_capabilities import PROFILES, Answers, answers, code_of, profile_symbol, refused
from .encoder_options import AppleEncoderOptions, options_of
from .encoder_prores import check_prores
from .encoder_rates import (
    LIVE,
    Property,
    held,
    needed,
    rate_properties,
    structure_properties,
    wanted,
)

_DEEP: Final = 10
_PIXEL_FORMATS: Final = {
    ("nv12", "limited"): "420v", ("nv12", "full"): "420f",
    ("p010", "limited"): "x420", ("p010", "full"): "xf20",
    ("p210", "limited"): "x422", ("p210", "full"): "xf22",
    ("p410", "limited"): "x444",
}  # fmt: skip
# What pictures are coded as, of profiles that are not of 8 bits and 4:2:0.
_FORM_OF: Final = {
    "main10": "p010", "main422-10": "p210",
    **{name: flavour.form for name, flavour in FLAVOURS.items()},
}  # fmt: skip
_WITH_LEVELS: Final = ("baseline", "main", "high")
# Pictures that decoding runs behind presentation, where the stream does not say it; B-pictures of
# HEVC refer to each other.
_REORDER_DELAY: Final = {"h264": 1, "hevc": 2}


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """All that opening a session takes.

    ``pixel_format``: CoreVideo's code of the pictures that it is given, ``picture_format`` our
    name of it. ``color`` has matrix and range. ``held``: pictures that it may hold until more of
    them come. ``reorder_delay``: pictures that decoding is expected to run behind presentation.
    """

    config: EncoderConfig
    options: AppleEncoderOptions
    pixel_format: int
    picture_format: str
    color: ColorSpec
    properties: tuple[Property, ...]
    held: int
    reorder_delay: int

    @property
    def codec(self) -> int:
        """CoreMedia's code."""
        return code_of(self.config.codec, self.config.profile)

    @property
    def fourcc(self) -> str:
        """The four characters of that code."""
        return self.codec.to_bytes(4, "big").decode("ascii")

    @property
    def rate_mode(self) -> str | None:
        """The kind of rate control; None where the profile decides the rate."""
        rate = self.config.rate_control
        return None if rate is None else type(rate).__name__

    @property
    def values(self) -> Mapping[str, Property]:
        """The properties by name."""
        return MappingProxyType({each[0]: each for each in self.properties})

    @property
    def live(self) -> tuple[Property, ...]:
        """The properties that may change while it encodes."""
        return tuple(each for each in self.properties if each[0] in LIVE)


def settings_of(config: EncoderConfig) -> EncoderSettings:
    """The settings for ``config`` on this system.

    :class:`InvalidInput` for options of another type, :class:`UnsupportedConfig` for what the
    system lacks, with the argument.
    """
    options = options_of(config.options)
    if config.codec == "prores":
        check_prores(config, options)
    coded, profile = _profile(config, options)
    _check_size(config, coded)
    told = answers(
        config.codec, config.width, config.height, requires_hardware=options.require_hardware,
        low_latency=options.low_latency_rate_control, profile=config.profile,
    )  # fmt: skip
    color = (config.color or ColorSpec()).resolved(config.height)
    properties = (
        *profile,
        *structure_properties(config, options, told),
        *rate_properties(config, options, told),
        *_stream_properties(config, options, color, told),
    )
    code = _PIXEL_FORMATS[coded, color.range or "limited"]
    return EncoderSettings(
        config, options, four_characters(code), coded, color, properties,
        held(config, options, told),
        _REORDER_DELAY[config.codec] if config.b_frames else 0,
    )  # fmt: skip


def is_live(old: EncoderSettings, new: EncoderSettings) -> bool:
    """Whether a running session of ``old`` becomes one of ``new`` by setting ``new.live``."""
    before, after = old.values, new.values
    same_pictures = (
        (old.codec, old.config.width, old.config.height, old.pixel_format, old.color, old.options)
        == (
            new.codec, new.config.width, new.config.height, new.pixel_format, new.color,
            new.options,
        )
    )  # fmt: skip
    if not same_pictures or before.keys() != after.keys():
        return False
    return LIVE.issuperset(name for name in after if after[name] != before[name])


def _check_size(config: EncoderConfig, coded: str) -> None:
    chroma = FORMATS[coded].planes[1]
    for argument, shift in (("width", chroma.shift_x), ("height", chroma.shift_y)):
        value = getattr(config, argument)
        if shift and value % 2:
            raise refused(
                argument,
                f"{argument} is {value}, and {'4:2:0' if chroma.shift_y else '4:2:2'} pictures "
                f"have even {argument}s here",
                f"{argument}={value + 1}, with the last column or row repeated",
            )


def _profile(
    config: EncoderConfig, options: AppleEncoderOptions
) -> tuple[str, tuple[Property, ...]]:
    """The format that pictures are coded as, and the profile with its level."""
    given, bits = config.profile, FORMATS[config.input].bit_depth
    if given is not None and given not in PROFILES[config.codec]:
        raise refused(
            "profile",
            f"profile is {given!r}, which VideoToolbox has not of {config.codec}",
            f"one of {', '.join(PROFILES[config.codec])}",
        )
    by_depth = {
        "h264": "high", "hevc": "main10" if bits >= _DEEP else "main", "prores": DEFAULT_FLAVOUR,
    }  # fmt: skip
    name = given or by_depth[config.codec]
    coded = _FORM_OF.get(name, "nv12")
    if bits > FORMATS[coded].bit_depth:
        argument = "input" if given is None else "profile"
        raise refused(
            argument,
            f"input {config.input} has {bits} bits, and VideoToolbox codes {config.codec} "
            f"{'' if given is None else f'of profile {given!r} '}in 8",
            'codec "hevc" with profile "main10", or 8-bit input',
        )
    if config.codec == "prores":
        return coded, ()
    level = "AutoLevel"
    if options.level is not None:
        if config.codec != "h264" or name not in _WITH_LEVELS:
            raise refused(
                "options.level",
                f"options.level is {options.level} with {config.codec} of profile {name!r}, whose "
                "level VideoToolbox chooses",
                "H.264 of profile baseline, main or high",
            )
        level = options.level.replace(".", "_")
    return coded, (needed("ProfileLevel", "name", profile_symbol(config.codec, name, level)),)


def _stream_properties(
    config: EncoderConfig, options: AppleEncoderOptions, color: ColorSpec, told: Answers
) -> Iterator[Property]:
    for name, kind, table, value in (
        ("YCbCrMatrix", "matrix", MATRICES, color.matrix),
        ("ColorPrimaries", "primaries", PRIMARIES, color.primaries),
        ("TransferFunction", "transfer", TRANSFERS, color.transfer),
    ):
        if value is not None:
            code = next(code for code, each in table.items() if each == value)
            yield needed(name, kind, code)
    if options.entropy is not None:
        told.require("H264EntropyMode", "options.entropy", "options.entropy is given")
        yield needed("H264EntropyMode", "name", f"kVTH264EntropyMode_{options.entropy.upper()}")
    if options.slice_bytes is not None:
        told.require("MaxH264SliceBytes", "options.slice_bytes", "options.slice_bytes is given")
        yield needed("MaxH264SliceBytes", "integer", options.slice_bytes)
    if options.sample_aspect is not None:
        aspect = options.sample_aspect
        ratio = [float(aspect.numerator), float(aspect.denominator)]
        told.require("PixelAspectRatio", "options.sample_aspect", "options.sample_aspect is given")
        yield wanted("PixelAspectRatio", "ratio", ratio)
    for argument, name, made in (
        ("mastering_display", "MasteringDisplayColorVolume",
         options.mastering_display and mastering_display(options.mastering_display)),
        ("content_light", "ContentLightLevelInfo",
         options.content_light and content_light(options.content_light)),
    ):  # fmt: skip
        if made is not None:
            told.require(name, f"options.{argument}", f"options.{argument} is given", "HEVC")
            yield needed(name, "data", made)
