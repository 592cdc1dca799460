"""Rate control: from bits per second, quality or quantisers to NV_ENC_RC_PARAMS.

Must not know: pictures, the structure of the stream.
"""

from __future__ import annotations

from typing import Final

from ..types import ConstantBitrate, ConstantQp, EncoderConfig, RateControl, VariableBitrate
from .encoder_limits import API_13_0, Answers, refused
from .encoder_options import MULTIPASS, NvidiaEncoderOptions, Quantisers

ROOT: Final = "encodeConfig.rcParams."
# NV_ENC_PARAMS_RC_MODE; of those that are not constant quantisers the caps have a bit each.
CONSTANT_QP, VARIABLE, CONSTANT = 0, 1, 2
_MODE_NAMES: Final = {
    CONSTANT_QP: "constant quantiser", VARIABLE: "variable bitrate", CONSTANT: "constant bitrate",
}  # fmt: skip
_MAX_BPS: Final = (1 << 32) - 1
_QUALITY_STEPS: Final = 256  # of targetQualityLSB
_MAX_QP: Final = {"h264": 51, "hevc": 51, "av1": 255}
_QP_FIELDS: Final = ("qpIntra", "qpInterP", "qpInterB")
# Options of how quantisers are chosen, and the value that asks for nothing.
_DECIDES_QUANTISERS: Final = {
    "multipass": "off", "min_qp": None, "max_qp": None, "initial_qp": None, "strict_gop": False,
}  # fmt: skip
# NV_ENC_QP_MAP_MODE.
_QP_MAP_MODES: Final = {"emphasis": 1, "delta": 2, "absolute": 3}


def av1_index(quantiser: int) -> int:
    """The quantiser index (0 to 255) of AV1 for one on its libraries' scale of 0 to 63."""
    return {62: 249, 63: 255}.get(quantiser, 4 * quantiser)


def rate_fields(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    """The fields of the mode, its numbers and the rate buffer."""
    rate = config.rate_control
    assert rate is not None, "ProRes alone has none"
    if options.tuning == "lossless":
        return _lossless(config, options, answers)
    mode = mode_of(rate)
    if mode and not answers.cap("SUPPORTED_RATECONTROL_MODES") & mode:
        raise refused(
            "rate_control",
            f"{type(rate).__name__} is the {_MODE_NAMES[mode]} mode, which this device does not "
            f"have for {answers.codec}",
        )
    found = {"rateControlMode": mode, **_numbers(rate, answers.codec)}
    _check_buffer(rate, options, answers)
    if isinstance(rate, (ConstantBitrate, VariableBitrate)):
        if answers.cap("SUPPORT_CUSTOM_VBV_BUF_SIZE"):
            found["vbvBufferSize"] = options.vbv_bits or found["maxBitRate"]
        if options.vbv_initial_bits is not None:
            found["vbvInitialDelay"] = options.vbv_initial_bits
    return {ROOT + name: value for name, value in found.items()}


def mode_of(rate: RateControl) -> int:
    """The mode (NV_ENC_PARAMS_RC_MODE) that codes ``rate``."""
    if isinstance(rate, ConstantQp):
        return CONSTANT_QP
    return CONSTANT if isinstance(rate, ConstantBitrate) else VARIABLE


def mode_name(rate: RateControl) -> str:
    """The mode in words, for ``summary()``."""
    plain = isinstance(rate, (ConstantBitrate, VariableBitrate, ConstantQp))
    return _MODE_NAMES[mode_of(rate)] if plain else "constant quality"


def quality_fields(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    """The fields of adaptive quantisation, lookahead, limits of quantisers and QP maps."""
    found: dict[str, int] = {}
    assert config.rate_control is not None, "ProRes alone has none"
    _check_rate_options(config.rate_control, options)
    if options.multipass is not None:
        found["multiPass"] = MULTIPASS.index(options.multipass)
    found.update(_adaptive(options, answers))
    found.update(_lookahead(config, options, answers))
    for name in ("min_qp", "max_qp", "initial_qp"):
        found.update(_limits(name, getattr(options, name), answers.codec))
    _check_order(options)
    if options.qp_map is not None:
        found["qpMapMode"] = _qp_map_mode(options, answers)
    for option, field in (("non_reference_p", "enableNonRefP"), ("strict_gop", "strictGOPTarget")):
        value = getattr(options, option)
        if value is not None:
            found[field] = int(value)
    if options.keyframe_scale is not None:
        found["lowDelayKeyFrameScale"] = options.keyframe_scale
    if config.low_latency:
        found["zeroReorderDelay"] = 1
    return {ROOT + name: value for name, value in found.items()}


def lookahead_of(config: EncoderConfig, options: NvidiaEncoderOptions) -> int:
    """How many pictures the encoder looks ahead."""
    if options.lookahead is not None:
        return options.lookahead
    # That tuning is made of lookahead; its buffers must be known.
    return 16 if options.tuning == "ultra_high_quality" else 0


def _lossless(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    answers.require("SUPPORT_LOSSLESS_ENCODE", "options.tuning", "options.tuning is 'lossless'")
    rate = config.rate_control
    assert rate is not None, "ProRes alone has none"
    if config.rate_asked and (not isinstance(rate, ConstantQp) or any((rate.i, rate.p, rate.b))):
        raise refused(
            "rate_control",
            f"options.tuning is 'lossless', which is quantiser 0, rate_control is {rate}",
            "ConstantQp(0), or None",
        )
    _check_buffer(rate, options, answers)
    quantisers = {f"{ROOT}constQP.{name}": 0 for name in _QP_FIELDS}
    return {ROOT + "rateControlMode": CONSTANT_QP, **quantisers}


def _numbers(rate: RateControl, codec: str) -> dict[str, int]:
    if isinstance(rate, ConstantBitrate):
        return _bits(rate.bps, rate.bps)
    if isinstance(rate, VariableBitrate):
        return _bits(rate.bps, rate.max_bps or rate.bps * 3 // 2)
    if isinstance(rate, ConstantQp):
        p = rate.i if rate.p is None else rate.p
        b = p if rate.b is None else rate.b
        scale = av1_index if codec == "av1" else int
        values = zip(_QP_FIELDS, (rate.i, p, b), strict=True)
        return {f"constQP.{name}": scale(value) for name, value in values}
    # 0 is "no target" there, so the best is the smallest number above it.
    steps = max(1, round(rate.q * _QUALITY_STEPS))
    return {
        "averageBitRate": 0,
        "maxBitRate": 0,
        "targetQuality": steps // _QUALITY_STEPS,
        "targetQualityLSB": steps % _QUALITY_STEPS,
    }


def _bits(average: int, highest: int) -> dict[str, int]:
    for name, value in (("bps", average), ("max_bps", highest)):
        if value > _MAX_BPS:
            raise refused(
                f"rate_control.{name}",
                f"rate_control.{name} is {value}",
                f"{_MAX_BPS} bits per second at most",
            )
    return {
        "averageBitRate": average,
        "maxBitRate": highest,
        # A preset's own target would turn it into constant quality with a limit.
        "targetQuality": 0,
        "targetQualityLSB": 0,
    }


def _check_buffer(rate: RateControl, options: NvidiaEncoderOptions, answers: Answers) -> None:
    for name in ("vbv_bits", "vbv_initial_bits"):
        value = getattr(options, name)
        if value is None:
            continue
        argument = f"options.{name}"
        if not isinstance(rate, (ConstantBitrate, VariableBitrate)):
            raise refused(
                argument,
                f"{argument} is {value}, and {type(rate).__name__} has no rate buffer",
                "ConstantBitrate or VariableBitrate",
            )
        answers.require("SUPPORT_CUSTOM_VBV_BUF_SIZE", argument, f"{argument} is {value}")
    size, initial = options.vbv_bits, options.vbv_initial_bits
    if size is not None and initial is not None and initial > size:
        raise refused(
            "options.vbv_initial_bits",
            f"options.vbv_initial_bits is {initial}, the buffer has {size}",
        )
    if options.filler_data and not isinstance(rate, ConstantBitrate):
        raise refused(
            "options.filler_data",
            f"options.filler_data pads a constant bitrate, rate_control is {type(rate).__name__}",
            "ConstantBitrate",
        )


def _check_rate_options(rate: RateControl, options: NvidiaEncoderOptions) -> None:
    """:class:`UnsupportedConfig` for options of a rate control that is not this one."""
    constant_qp = isinstance(rate, ConstantQp)
    if constant_qp or options.tuning == "lossless":
        why = "ConstantQp leaves nothing to decide" if constant_qp else "tuning='lossless' does not"
        for name, idle in _DECIDES_QUANTISERS.items():
            value = getattr(options, name)
            if value is not None and value != idle:
                raise refused(
                    f"options.{name}",
                    f"options.{name} is {value!r}, for a rate control that chooses quantisers: "
                    f"{why}",
                    "ConstantQuality, VariableBitrate or ConstantBitrate",
                )
    scale = options.keyframe_scale
    if scale is not None and not isinstance(rate, ConstantBitrate):
        raise refused(
            "options.keyframe_scale",
            f"options.keyframe_scale is {scale}, which is of a constant bitrate; rate_control is "
            f"{type(rate).__name__}",
            "ConstantBitrate",
        )


def _adaptive(options: NvidiaEncoderOptions, answers: Answers) -> dict[str, int]:
    found: dict[str, int] = {}
    if options.spatial_aq is not None:
        found["enableAQ"] = int(options.spatial_aq)
    if options.temporal_aq is not None:
        if options.temporal_aq:
            answers.require(
                "SUPPORT_TEMPORAL_AQ", "options.temporal_aq", "options.temporal_aq is True"
            )
        found["enableTemporalAQ"] = int(options.temporal_aq)
    if options.aq_strength is not None:
        if not options.spatial_aq:
            raise refused(
                "options.aq_strength",
                f"options.aq_strength is {options.aq_strength} without spatial_aq",
                "spatial_aq=True",
            )
        found["aqStrength"] = options.aq_strength
    return found


def _lookahead(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    depth, argument = lookahead_of(config, options), "options.lookahead"
    level = options.lookahead_level
    if level is not None:
        name = "options.lookahead_level"
        answers.require_api(API_13_0, name, f"{name} is {level}")
        answers.require("SUPPORT_LOOKAHEAD_LEVEL", name, f"{name} is {level}")
        if not depth:
            raise refused(name, f"{name} is {level} without lookahead", "lookahead=16")
    # Always written, so that the buffers are enough whatever the preset says.
    found = {"enableLookahead": int(depth > 0), "lookaheadDepth": depth}
    if not depth:
        return found
    what = f"{argument} is {depth}"
    if config.low_latency:
        raise refused(argument, f"{what} with low_latency=True", "lookahead=0, or None")
    answers.require("SUPPORT_LOOKAHEAD", argument, what)
    answers.limit(argument, depth, 1, 31 - config.b_frames, "with b_frames no more than 31")
    if config.gop is not None or options.gop_length is not None:
        found["disableIadapt"] = 1  # keyframes are where they were asked
    if level is not None:
        found["lookaheadLevel"] = level
    return found


def _limits(name: str, value: Quantisers | None, codec: str) -> dict[str, int]:
    if value is None:
        return {}
    each = value if isinstance(value, tuple) else (value,) * 3
    if max(each) > _MAX_QP[codec]:
        raise refused(
            f"options.{name}",
            f"options.{name} is {value}, {codec} goes to {_MAX_QP[codec]}",
        )
    switch, field = {
        "min_qp": ("enableMinQP", "minQP"),
        "max_qp": ("enableMaxQP", "maxQP"),
        "initial_qp": ("enableInitialRCQP", "initialRCQP"),
    }[name]
    values = zip(_QP_FIELDS, each, strict=True)
    return {switch: 1, **{f"{field}.{part}": qp for part, qp in values}}


def _check_order(options: NvidiaEncoderOptions) -> None:
    low, high = options.min_qp, options.max_qp
    if low is None or high is None:
        return
    lows = low if isinstance(low, tuple) else (low,) * 3
    highs = high if isinstance(high, tuple) else (high,) * 3
    if any(a > b for a, b in zip(lows, highs, strict=True)):
        raise refused("options.min_qp", f"options.min_qp is {low}, max_qp is {high}")


def _qp_map_mode(options: NvidiaEncoderOptions, answers: Answers) -> int:
    assert options.qp_map is not None
    argument = "options.qp_map"
    if options.qp_map == "emphasis":
        answers.require_codec(("h264",), argument, "options.qp_map is 'emphasis'")
        answers.require("SUPPORT_EMPHASIS_LEVEL_MAP", argument, "options.qp_map is 'emphasis'")
        if options.spatial_aq:
            raise refused(argument, "options.qp_map is 'emphasis' with spatial_aq", "one of them")
    return _QP_MAP_MODES[options.qp_map]
