"""The structure of the coded stream: GOP, B-pictures, references, intra refresh, slices, headers.

Must not know: rates, pixels.
"""

from __future__ import annotations

from typing import Final

from ..types import EncoderConfig
from .encoder_forms import CODEC_CONFIGS
from .encoder_limits import API_13_0, Answers, refused
from .encoder_options import B_REFERENCES, ENTROPY, SPLITS, TIERS, NvidiaEncoderOptions

INFINITE: Final = 0xFFFFFFFF  # NVENC_INFINITE_GOPLENGTH
_USUAL_GOP: Final = 250
_NAL_CODECS: Final = ("h264", "hevc")
_SLICES_BY_BYTES, _SLICES_BY_COUNT = 1, 3
_FILTER_LEVEL, _FILTER_B_FRAMES = 4, 4
_EACH_B: Final = 1  # bit of the cap SUPPORT_BFRAME_REF_MODE
_SPLIT_OFF: Final = 15
# NV_ENC_LEVEL: of HEVC 30 times the number, of AV1 counted from 2.0 on.
_LEVELS_H264: Final = (
    "1", "1b", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2", "5",
    "5.1", "5.2", "6", "6.1", "6.2",
)  # fmt: skip
_LEVELS_HEVC: Final = (
    "1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2",
)  # fmt: skip
_LEVELS_AV1: Final = tuple(f"{major}.{minor}" for major in range(2, 8) for minor in range(4))
_AV1_AUTOMATIC: Final = 24


def levels(codec: str) -> dict[str, int]:
    """The levels of ``codec`` by name, with the driver's numbers."""
    if codec == "h264":
        return {name: 9 if name == "1b" else round(10 * float(name)) for name in _LEVELS_H264}
    if codec == "hevc":
        return {name: round(30 * float(name)) for name in _LEVELS_HEVC}
    return {name: number for number, name in enumerate(_LEVELS_AV1)}


def gop_of(config: EncoderConfig, options: NvidiaEncoderOptions) -> int:
    """Pictures from one keyframe to the next, :data:`INFINITE` for only the first."""
    if options.intra_refresh_period is not None:
        return INFINITE
    gop = options.gop_length if config.gop is None else config.gop
    if gop is None:
        return _USUAL_GOP
    return gop or INFINITE


def b_frames_of(config: EncoderConfig, options: NvidiaEncoderOptions) -> int:
    """B-pictures in a row."""
    interval = options.frame_interval_p
    return config.b_frames if interval is None else max(interval - 1, 0)


def reorder_delay(config: EncoderConfig, options: NvidiaEncoderOptions) -> int:
    """How many pictures decoding runs behind presentation at most."""
    b_frames = b_frames_of(config, options)
    if not b_frames:
        return 0
    if options.b_references == "middle":
        return min(b_frames, 2)
    if options.b_references == "off":
        return 1
    # Each B-picture may be a reference, in halves of halves, or the preset decides.
    return b_frames.bit_length()


def structure_fields(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    """The fields of all that this module is for; UnsupportedConfig names what cannot be."""
    _check_gop(config, options, answers)
    interval = options.frame_interval_p
    gop = gop_of(config, options)
    codec = {"idrPeriod": gop, **_headers(options, answers)}
    codec.update(_references(config, options, answers))
    codec.update(_refresh(config, options, answers))
    codec.update(_slices(options, answers))
    codec.update(_level(options, answers))
    root = f"encodeConfig.encodeCodecConfig.{CODEC_CONFIGS[answers.codec]}."
    return {
        "encodeConfig.gopLength": gop,
        "encodeConfig.frameIntervalP": config.b_frames + 1 if interval is None else interval,
        **{root + name: value for name, value in codec.items()},
        **_prediction(config, options, answers),
    }


def _check_gop(config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers) -> None:
    if options.gop_length is not None and config.gop is not None:
        raise refused(
            "options.gop_length",
            f"options.gop_length is {options.gop_length}, gop is {config.gop}",
            "one of them",
        )
    if options.frame_interval_p is not None and config.b_frames:
        raise refused(
            "options.frame_interval_p",
            f"options.frame_interval_p is {options.frame_interval_p}, b_frames is "
            f"{config.b_frames}",
            "one of them",
        )
    name = "b_frames" if options.frame_interval_p is None else "options.frame_interval_p"
    b_frames = b_frames_of(config, options)
    most = answers.cap("NUM_MAX_BFRAMES")
    if b_frames > most:
        raise refused(
            name,
            f"{name} is {getattr(config, name, options.frame_interval_p)}, this device takes up "
            f"to {most} B-pictures for {answers.codec}",
        )
    if b_frames and config.low_latency:
        raise refused(name, f"{name} makes B-pictures with low_latency=True", "frame_interval_p=1")
    if b_frames and config.profile == "baseline":
        raise refused(name, "H.264 baseline has no B-pictures", "b_frames=0 or profile='main'")
    gop = gop_of(config, options)
    if gop < b_frames + 1:
        argument = "gop" if options.gop_length is None else "options.gop_length"
        raise refused(
            argument,
            f"{argument} is {gop}, less than the distance of {b_frames + 1} from one P-picture "
            "to the next",
            "fewer b_frames, or a larger gop",
        )


def _headers(options: NvidiaEncoderOptions, answers: Answers) -> dict[str, int]:
    """Parameter sets, delimiters, messages."""
    for name in ("aud", "buffering_period_sei", "picture_timing_sei", "recovery_point_sei"):
        if getattr(options, name):
            answers.require_codec(_NAL_CODECS, f"options.{name}", f"options.{name} is True")
    if answers.codec == "av1":
        return {
            "repeatSeqHdr": int(options.repeat_headers),
            "enableBitstreamPadding": int(options.filler_data),
        }
    refresh = options.intra_refresh_period is not None
    return {
        "repeatSPSPPS": int(options.repeat_headers),
        "outputAUD": int(options.aud),
        "outputBufferingPeriodSEI": int(options.buffering_period_sei),
        "outputPictureTimingSEI": int(options.picture_timing_sei),
        # Where nothing but a wave of intra blocks brings all of a picture.
        "outputRecoveryPointSEI": int(options.recovery_point_sei or refresh),
        "enableFillerDataInsertion": int(options.filler_data),
    }


def _references(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    found: dict[str, int] = {}
    mode = options.b_references
    if mode is not None:
        argument = "options.b_references"
        modes = answers.cap("SUPPORT_BFRAME_REF_MODE")
        lacks = mode == "each" and not modes & _EACH_B
        if mode != "off" and (not modes or lacks):
            raise refused(
                argument,
                f"{argument} is {mode!r}, which this device does not do for {answers.codec}",
            )
        if mode != "off" and not b_frames_of(config, options):
            raise refused(argument, f"{argument} is {mode!r} without B-pictures", "b_frames=2")
        found["useBFramesAsRef"] = B_REFERENCES.index(mode)
    frames = options.reference_frames
    if frames is not None:
        if frames > 1:
            answers.require(
                "SUPPORT_MULTIPLE_REF_FRAMES",
                "options.reference_frames",
                f"options.reference_frames is {frames}",
            )
        found["maxNumRefFrames" if answers.codec == "h264" else "maxNumRefFramesInDPB"] = frames
    count = options.long_term_references
    if count is not None:
        argument = "options.long_term_references"
        if answers.codec == "av1":
            answers.require_api(API_13_0, argument, f"{argument} is {count}")
        most = answers.cap("NUM_MAX_LTR_FRAMES")
        answers.limit(argument, count, 1 if most else 0, most)
        found.update(enableLTR=1, ltrNumFrames=count)
    return found


def _refresh(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    period, frames = options.intra_refresh_period, options.intra_refresh_frames
    argument = "options.intra_refresh_period"
    single = options.single_slice_intra_refresh
    if period is None or frames is None:
        if single:
            raise refused(
                "options.single_slice_intra_refresh",
                "options.single_slice_intra_refresh is True without intra_refresh_period",
            )
        return {}
    what = f"{argument} is {period}"
    answers.require("SUPPORT_INTRA_REFRESH", argument, what)
    if config.gop or options.gop_length is not None:
        raise refused(argument, f"{what} takes the place of keyframes", "gop=0, or None")
    if b_frames_of(config, options):
        raise refused(argument, f"{what} with B-pictures", "b_frames=0")
    found = {"enableIntraRefresh": 1, "intraRefreshPeriod": period, "intraRefreshCnt": frames}
    if single is not None:
        name = "options.single_slice_intra_refresh"
        answers.require_codec(_NAL_CODECS, name, f"{name} is {single}")
        if single:
            answers.require("SINGLE_SLICE_INTRA_REFRESH", name, f"{name} is True")
        found["singleSliceIntraRefresh"] = int(single)
    return found


def _slices(options: NvidiaEncoderOptions, answers: Answers) -> dict[str, int]:
    for name, mode in (("slices", _SLICES_BY_COUNT), ("slice_bytes", _SLICES_BY_BYTES)):
        value = getattr(options, name)
        if value is not None:
            argument = f"options.{name}"
            answers.require_codec(_NAL_CODECS, argument, f"{argument} is {value}")
            if name == "slice_bytes":
                answers.require("SUPPORT_DYNAMIC_SLICE_MODE", argument, f"{argument} is {value}")
            return {"sliceMode": mode, "sliceModeData": value}
    return {}


def _level(options: NvidiaEncoderOptions, answers: Answers) -> dict[str, int]:
    """Level, tier and entropy coding."""
    codec = answers.codec
    found = {"level": _AV1_AUTOMATIC if codec == "av1" else 0}
    if options.level is not None:
        known = levels(codec)
        number = known.get(options.level, known.get(options.level.removesuffix(".0")))
        if number is None:
            raise refused(
                "options.level",
                f"options.level is {options.level!r}, {codec} has {', '.join(known)}",
            )
        low, high = answers.cap("LEVEL_MIN"), answers.cap("LEVEL_MAX")
        if not low <= number <= high:
            names = [name for name, value in known.items() if low <= value <= high]
            raise refused(
                "options.level",
                f"options.level is {options.level!r}, this device takes "
                f"{' to '.join((names or ['none'])[:: max(len(names) - 1, 1)])} for {codec}",
            )
        found["level"] = number
    if options.tier is not None:
        answers.require_codec(("hevc", "av1"), "options.tier", f"options.tier is {options.tier!r}")
        found["tier"] = TIERS.index(options.tier)
    if options.entropy is not None:
        what = f"options.entropy is {options.entropy!r}"
        answers.require_codec(("h264",), "options.entropy", what)
        if options.entropy == "cabac":
            answers.require("SUPPORT_CABAC", "options.entropy", what)
        found["entropyCodingMode"] = ENTROPY.index(options.entropy) + 1
    return found


def _prediction(
    config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers
) -> dict[str, int]:
    found: dict[str, int] = {}
    b_frames = b_frames_of(config, options)
    if options.weighted_prediction is not None:
        argument = "options.weighted_prediction"
        if options.weighted_prediction:
            answers.require("SUPPORT_WEIGHTED_PREDICTION", argument, f"{argument} is True")
            if b_frames:
                raise refused(argument, f"{argument} is True with B-pictures", "b_frames=0")
        found["enableWeightedPrediction"] = int(options.weighted_prediction)
    if options.split_encode is not None:
        argument = "options.split_encode"
        what = f"{argument} is {options.split_encode!r}"
        answers.require_codec(("hevc", "av1"), argument, what)
        mode = SPLITS.index(options.split_encode)
        if options.split_encode == "four":
            answers.require_api(API_13_0, argument, what)
        engines = answers.cap("NUM_ENCODER_ENGINES")
        if options.split_encode in ("two", "three", "four") and engines < mode:
            raise refused(argument, f"{what}, of which this device has {engines}")
        found["splitEncodeMode"] = _SPLIT_OFF if options.split_encode == "off" else mode
    if options.temporal_filter is not None:
        argument = "options.temporal_filter"
        what = f"{argument} is {options.temporal_filter}"
        answers.require_api(API_13_0, argument, what)
        if options.temporal_filter:
            answers.require("SUPPORT_TEMPORAL_FILTER", argument, what)
            if b_frames < _FILTER_B_FRAMES:
                raise refused(
                    argument, f"{what} with b_frames {b_frames}", f"b_frames={_FILTER_B_FRAMES}"
                )
        root = f"encodeConfig.encodeCodecConfig.{CODEC_CONFIGS[answers.codec]}."
        found[root + "tfLevel"] = _FILTER_LEVEL if options.temporal_filter else 0
    return found
