"""From rate control and the structure of the stream to properties of VideoToolbox.

A property is (name behind kVTCompressionPropertyKey_, kind, value, whether it may be left out where
the encoder lacks it). Must not know: sessions, colour, pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from ..types import (
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    EncoderConfig,
    VariableBitrate,
)
from .encoder_capabilities import MAX_B_FRAMES, Answers, refused
from .encoder_options import AppleEncoderOptions

Property: TypeAlias = "tuple[str, str, Any, bool]"

# Properties whose change a running session takes, with no keyframe.
LIVE: Final = frozenset({
    "AverageBitRate", "ConstantBitRate", "DataRateLimits", "ExpectedFrameRate",
})  # fmt: skip
_LONGEST: Final = (1 << 31) - 1  # of a group of pictures: there is no "never"
_WORST: Final = 51  # the scale of ConstantQuality, from 0
_BITS: Final = 8
_FAST_PRESETS: Final = ("fastest", "fast")


def needed(name: str, kind: str, value: Any) -> Property:
    """A property that opening fails without."""
    return name, kind, value, False


def wanted(name: str, kind: str, value: Any) -> Property:
    """A property that is left out where the encoder lacks it."""
    return name, kind, value, True


def rate_properties(
    config: EncoderConfig, options: AppleEncoderOptions, answers: Answers
) -> Iterator[Property]:
    """What ``rate_control`` and the options beside it become; nothing for None."""
    rate, limits = config.rate_control, options.data_rate_limits
    if rate is None:
        return
    what = f"rate_control is {type(rate).__name__}"
    if isinstance(rate, ConstantQp):
        raise refused(
            "rate_control",
            f"{what}: VideoToolbox has no fixed quantisers",
            "ConstantQuality, or a bitrate",
        )
    if isinstance(rate, ConstantQuality):
        if options.low_latency_rate_control:
            raise refused(
                "rate_control",
                f"{what} with options.low_latency_rate_control, which holds a bitrate",
                "VariableBitrate(bps, max_bps) or ConstantBitrate(bps)",
            )
        answers.require("Quality", "rate_control", what, "ConstantBitrate or VariableBitrate")
        quality = 1 - rate.q / _WORST if options.quality is None else options.quality
        yield needed("Quality", "real", float(quality))
    elif isinstance(rate, ConstantBitrate):
        if _has_constant(options, answers):
            yield needed("ConstantBitRate", "integer", rate.bps)
        else:
            yield needed("AverageBitRate", "integer", rate.bps)
            limits = limits or ((max(rate.bps // _BITS, 1), 1.0),)
    else:
        assert isinstance(rate, VariableBitrate)
        yield needed("AverageBitRate", "integer", rate.bps)
        most = rate.max_bps or rate.bps * 3 // 2
        limits = limits or ((max(most // _BITS, 1), 1.0),)
    if limits is not None:
        if isinstance(rate, ConstantQuality) or _is_constant(rate, options, answers):
            raise refused(
                "options.data_rate_limits",
                f"options.data_rate_limits is given, and {what}",
                "VariableBitrate",
            )
        yield needed("DataRateLimits", "numbers", [float(x) for pair in limits for x in pair])
    yield from _quantisers(options, answers)


def _is_constant(rate: object, options: AppleEncoderOptions, answers: Answers) -> bool:
    return isinstance(rate, ConstantBitrate) and _has_constant(options, answers)


def _has_constant(options: AppleEncoderOptions, answers: Answers) -> bool:
    """Whether the encoder's own constant bitrate is to be used."""
    if options.constant_bit_rate:
        answers.require(
            "ConstantBitRate", "options.constant_bit_rate", "options.constant_bit_rate is True",
            "None, for the average with a limit for every second",
        )  # fmt: skip
    asked = options.constant_bit_rate is not False and options.data_rate_limits is None
    return asked and "ConstantBitRate" in answers.properties


def _quantisers(options: AppleEncoderOptions, answers: Answers) -> Iterator[Property]:
    for argument, name in (("min_qp", "MinAllowedFrameQP"), ("max_qp", "MaxAllowedFrameQP")):
        value = getattr(options, argument)
        if value is not None:
            answers.require(name, f"options.{argument}", f"options.{argument} is {value}")
            yield needed(name, "integer", value)


def structure_properties(
    config: EncoderConfig, options: AppleEncoderOptions, answers: Answers
) -> Iterator[Property]:
    """Keyframes, reordering, delay and speed."""
    if options.low_latency_rate_control:
        _check_low_latency(config, options)
    if config.gop is not None:
        gop = config.gop or _LONGEST
        yield _unless_infinite(options, needed("MaxKeyFrameInterval", "integer", gop))
    if options.keyframe_seconds is not None:
        argument = "options.keyframe_seconds"
        what = f"{argument} is {options.keyframe_seconds}"
        answers.require("MaxKeyFrameIntervalDuration", argument, what)
        yield needed("MaxKeyFrameIntervalDuration", "real", float(options.keyframe_seconds))
    if config.b_frames:
        what = f"b_frames is {config.b_frames}"
        if config.b_frames > MAX_B_FRAMES:
            raise refused("b_frames", what, f"{MAX_B_FRAMES} at most")
        answers.require("AllowFrameReordering", "b_frames", what, "b_frames=0")
    # Both are on by default.
    yield wanted("AllowFrameReordering", "boolean", config.b_frames > 0)
    yield wanted("AllowOpenGOP", "boolean", False)
    delay = most_delay(config, options)
    if options.max_frame_delay is not None:
        argument = "options.max_frame_delay"
        answers.require("MaxFrameDelayCount", argument, f"{argument} is {delay}")
    if delay is not None:
        yield wanted("MaxFrameDelayCount", "integer", delay)
    real_time = config.low_latency if options.real_time is None else options.real_time
    yield wanted("RealTime", "boolean", real_time)
    fast = config.preset in _FAST_PRESETS
    speed = fast if options.speed_over_quality is None else options.speed_over_quality
    yield wanted("PrioritizeEncodingSpeedOverQuality", "boolean", speed)
    if options.power_efficient is not None:
        argument = "options.power_efficient"
        answers.require("MaximizePowerEfficiency", argument, f"{argument} is given")
        yield needed("MaximizePowerEfficiency", "boolean", options.power_efficient)
    yield wanted("ExpectedFrameRate", "real", float(config.fps))


def most_delay(config: EncoderConfig, options: AppleEncoderOptions) -> int | None:
    """Most pictures that the encoder may hold; None where nothing is said of it.

    As many as there are B-pictures in a row at most, so that there are no more of them.
    """
    if options.max_frame_delay is not None:
        return options.max_frame_delay
    if config.b_frames:
        return config.b_frames
    return 0 if config.low_latency and not options.low_latency_rate_control else None


def held(config: EncoderConfig, options: AppleEncoderOptions, answers: Answers) -> int:
    """How many pictures the encoder may hold until more of them come.

    Without B-pictures and without a word on it it need not hold any; one that does all the same is
    found out while it runs.
    """
    if "MaxFrameDelayCount" not in answers.properties:
        return 0
    return most_delay(config, options) or 0


def _unless_infinite(options: AppleEncoderOptions, found: Property) -> Property:
    # There the group is infinite by itself, and the property may be missing.
    return (*found[:3], True) if options.low_latency_rate_control else found


def _check_low_latency(config: EncoderConfig, options: AppleEncoderOptions) -> None:
    """Refuse by name what the low-latency encoder does not do."""
    by = "options.low_latency_rate_control"
    if config.gop:
        raise refused(
            "gop",
            f"gop is {config.gop} with {by}, whose groups of pictures have no end",
            "gop=0, and force_keyframe where one is needed",
        )
    if config.b_frames:
        raise refused("b_frames", f"b_frames is {config.b_frames} with {by}", "b_frames=0")
    if options.keyframe_seconds is not None:
        raise refused("options.keyframe_seconds", f"options.keyframe_seconds is given with {by}")
    if config.profile not in (None, "high", "constrained-high") and config.codec == "h264":
        raise refused(
            "profile", f"profile is {config.profile!r} with {by}", "profile='high', or None"
        )
