"""The arguments of ``Encoder`` checked, one by one, into an ``EncoderConfig``.

Every wrong one is :class:`InvalidInput` with its name; what a backend cannot do is the backend's
to say. Must not know: any backend.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from .. import arguments as check
from ..color import ColorSpec
from ..errors import InvalidInput
from ..known_names import ENCODER_INPUTS, PRESETS
from ..types import (
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    EncoderConfig,
    RateControl,
    VariableBitrate,
)

FrameRate: TypeAlias = int | float | Fraction | tuple[int, int]

# pts and what is added to it must stay an int64; this leaves room for any time base.
MAX_PTS: Final = 1 << 62
_LAYOUTS: Final = ("annexb", "length_prefixed")
# Codecs whose packets are frames of their own form, whatever the layout.
_FRAMES: Final = ("prores",)
# Largest value of each codec's quality scale, and what is used when nothing is asked: the
# defaults of x264, x265 and SVT-AV1, which look alike.
_MAX_QUALITY: Final = MappingProxyType({"h264": 51, "hevc": 51, "av1": 63})
_DEFAULT_QUALITY: Final = MappingProxyType({"h264": 23, "hevc": 28, "av1": 35})
# Rates of 1000/1001 of these are written with two or three decimals: 23.976, 29.97, 59.94.
_NTSC_RATES: Final = (15, 24, 30, 48, 60, 72, 90, 96, 120, 144, 240)
_NTSC_TOLERANCE: Final = 0.005
_ROUNDING: Final = 1e-12  # of a float, relative
_MAX_DENOMINATOR: Final = 1001


def encoder_config(codec: str, width: object, height: object, **given: Any) -> EncoderConfig:
    """The settings for ``codec``, a canonical name; ``given``: all others of ``Encoder``."""
    rate = frame_rate(given["fps"])
    config = EncoderConfig(
        codec=codec,
        width=check.integer("width", width, 1),
        height=check.integer("height", height, 1),
        fps=rate,
        time_base=_time_base(given["time_base"], rate),
        input=check.one_of("input", given["input"], ENCODER_INPUTS),
        device=check.device(given["device"]),
        rate_control=_rate_control(given["rate_control"], codec),
        gop=None if given["gop"] is None else check.integer("gop", given["gop"], 0),
        b_frames=check.integer("b_frames", given["b_frames"], 0),
        profile=_profile(given["profile"]),
        preset=check.one_of("preset", given["preset"], PRESETS),
        low_latency=check.boolean("low_latency", given["low_latency"]),
        color=_color(given["color"]),
        layout=_layout(given["layout"], codec),
        max_in_flight=check.integer("max_in_flight", given["max_in_flight"], 1),
        options=given["options"],
        rate_asked=given["rate_control"] is not None and given.get("rate_asked", True),
    )
    if config.low_latency and config.b_frames:
        raise InvalidInput(
            f"b_frames is {config.b_frames} with low_latency=True",
            argument="b_frames",
            hint="a B-picture waits for a later one: use b_frames=0",
        )
    return config


def switched_config(config: EncoderConfig, changes: Mapping[str, Any]) -> EncoderConfig:
    """``config`` with ``changes``, checked like the arguments of ``Encoder``."""
    given = {field.name: getattr(config, field.name) for field in fields(config)}
    given["rate_asked"] = config.rate_asked or "rate_control" in changes
    try:
        return encoder_config(**{**given, **changes})
    except InvalidInput as error:
        if error.argument != "time_base":
            raise
        raise InvalidInput(
            f"fps is {changes['fps']}, but a unit of the encoder's time_base {config.time_base} "
            "is longer than such a frame",
            argument="fps",
            hint="open the encoder with a finer time_base, such as Fraction(1, 90000)",
        ) from None


def frame_rate(fps: object) -> Fraction:
    """``fps`` as a fraction: an int, a Fraction, (numerator, denominator), or a float.

    A float within 0.005 of a rate of the form n * 1000 / 1001 is that rate (29.97 is
    30000/1001, 23.976 and 23.98 are 24000/1001); another must be a fraction with a denominator
    of 1001 at most (12.5, 14.985).
    """
    value: Fraction | None = None
    if isinstance(fps, float):
        value = _float_rate(fps)
    elif isinstance(fps, tuple) and len(fps) == 2:
        numerator, denominator = (check.as_integer(each) for each in fps)
        if numerator is not None and denominator:
            value = Fraction(numerator, denominator)
    elif isinstance(fps, Fraction):
        value = fps
    elif (whole := check.as_integer(fps)) is not None:
        value = Fraction(whole)
    if value is None or value <= 0 or max(value.numerator, value.denominator) > check.INT32_MAX:
        raise InvalidInput(
            f"fps is {fps!r}",
            argument="fps",
            hint="frames per second above 0: 30, 29.97, Fraction(30000, 1001) or (30000, 1001)",
        )
    return value


def _float_rate(fps: float) -> Fraction | None:
    if not math.isfinite(fps) or fps <= 0:
        return None
    if fps == int(fps):
        return Fraction(int(fps))
    for rate in _NTSC_RATES:
        if abs(rate * 1000 / 1001 - fps) < _NTSC_TOLERANCE:
            return Fraction(rate * 1000, 1001)
    simple = Fraction(fps).limit_denominator(_MAX_DENOMINATOR)
    return simple if abs(simple - Fraction(fps)) <= _ROUNDING * fps else None


def _time_base(time_base: object, fps: Fraction) -> Fraction:
    value = check.time_base(time_base)
    if value is None:
        return 1 / fps
    if value * fps > 1:
        raise InvalidInput(
            f"time_base {value} is longer than a frame at {fps} fps",
            argument="time_base",
            hint="a finer one, such as Fraction(1, 90000)",
        )
    return value


def _layout(layout: object, codec: str) -> str:
    framed = codec in _FRAMES
    given = check.one_of("layout", layout, (*_LAYOUTS, "frame") if framed else _LAYOUTS)
    return "frame" if framed else given


def _rate_control(rate: object, codec: str) -> RateControl | None:
    if rate is None:
        return ConstantQuality(_DEFAULT_QUALITY[codec]) if codec in _DEFAULT_QUALITY else None
    values: dict[str, float | None]
    if isinstance(rate, ConstantQuality):
        values = {"q": rate.q}
    elif isinstance(rate, ConstantQp):
        values = {"i": rate.i, "p": rate.p, "b": rate.b}
    elif isinstance(rate, (ConstantBitrate, VariableBitrate)):
        return rate
    else:
        raise InvalidInput(
            f"rate_control is {type(rate).__name__}",
            argument="rate_control",
            hint="ConstantBitrate, VariableBitrate, ConstantQuality or ConstantQp",
        )
    largest = _MAX_QUALITY.get(codec, math.inf)
    for name, value in values.items():
        if value is not None and value > largest:
            raise InvalidInput(
                f"rate_control.{name} is {value}, {codec} goes from 0 (best) to {largest}",
                argument=f"rate_control.{name}",
            )
    return rate


def _profile(profile: object) -> str | None:
    if profile is None or isinstance(profile, str):
        return profile
    raise InvalidInput(
        f"profile is {type(profile).__name__}", argument="profile", hint='a name such as "high"'
    )


def _color(color: object) -> ColorSpec | None:
    if color is None or isinstance(color, ColorSpec):
        return color
    raise InvalidInput(
        f"color is {type(color).__name__}", argument="color", hint='ColorSpec(matrix="bt709")'
    )
