"""From the settings of an ``Encoder`` to everything that an NVENC session is opened with.

Owns: what of the whole fits the device, and which changes a running session takes. Must not know:
the driver's calls, pictures. Fields are named as in the vendor's structs, with dots, from
NV_ENC_INITIALIZE_PARAMS on; what is not named stays as the driver's preset has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..color import ColorSpec
from ..types import EncoderConfig
from .encoder_forms import BUFFER_FORMATS, Form, form_fields, form_of
from .encoder_limits import API_13_0, Answers, refused
from .encoder_options import TUNINGS, NvidiaEncoderOptions, options_of
from .encoder_rates import CONSTANT_QP, ROOT, lookahead_of, quality_fields, rate_fields
from .encoder_structure import b_frames_of, reorder_delay, structure_fields
from .encoder_vui import aspect_fields, color_fields

CODEC_GUIDS: Final = {
    "h264": "NV_ENC_CODEC_H264_GUID", "hevc": "NV_ENC_CODEC_HEVC_GUID",
    "av1": "NV_ENC_CODEC_AV1_GUID",
}  # fmt: skip
_PRESETS: Final = {"fastest": "p1", "fast": "p3", "balanced": "p4", "quality": "p6", "best": "p7"}
# Twice as many pictures in buffers of the driver's, made when a session is opened, are 6 GB in HD.
_MOST_IN_FLIGHT: Final = 1024
_BUFFERS_BEYOND: Final = 4  # more than pictures that the encoder holds back, at least
_MACROBLOCK: Final = 16

_SIZE: Final = ("encodeWidth", "encodeHeight", "darWidth", "darHeight")
_LARGEST: Final = ("maxEncodeWidth", "maxEncodeHeight")
_FRAME_RATE: Final = ("frameRateNum", "frameRateDen")
_MODE: Final = ROOT + "rateControlMode"
_NUMBERS: Final = tuple(
    ROOT + name
    for name in (
        "averageBitRate", "maxBitRate", "vbvBufferSize", "vbvInitialDelay", "targetQuality",
        "targetQualityLSB", "constQP.qpIntra", "constQP.qpInterP", "constQP.qpInterB",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """All that opening an NVENC session takes.

    ``guids``: names for "codec", "preset" and "profile". ``fields``: values by dotted name.
    ``form``: how pictures go in. ``color`` has matrix and range. ``buffers``: of input and of
    output alike. ``held``: pictures that the encoder may keep until more come.
    ``reorder_delay``: pictures that decoding runs behind presentation at most.
    """

    config: EncoderConfig
    options: NvidiaEncoderOptions
    answers: Answers
    guids: Mapping[str, str]
    fields: Mapping[str, int]
    form: Form
    color: ColorSpec
    buffers: int
    held: int
    reorder_delay: int

    @property
    def picture_format(self) -> str:
        """Our name of the format of the input buffers."""
        return self.form.picture_format

    @property
    def input_format(self) -> str:
        """The vendor's name of it."""
        return f"NV_ENC_BUFFER_FORMAT_{BUFFER_FORMATS[self.form.picture_format]}"


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """A change that a running session takes: all ``fields``, and whether the encoder starts anew
    (``reset``) with a keyframe (``force_idr``)."""

    fields: Mapping[str, int]
    reset: bool
    force_idr: bool


def settings_of(config: EncoderConfig, answers: Answers) -> EncoderSettings:
    """The settings for ``config`` on a device that gave ``answers``.

    :class:`InvalidInput` for options of another type, :class:`UnsupportedConfig` for what the
    device or its driver lacks, with the argument and the limit.
    """
    options = options_of(config.options)
    _check_size(config, options, answers)
    if config.max_in_flight > _MOST_IN_FLIGHT:
        raise refused(
            "max_in_flight",
            f"max_in_flight is {config.max_in_flight}, and each has buffers of the driver's",
            hint=f"{_MOST_IN_FLIGHT} at most on nvidia",
        )
    color = (config.color or ColorSpec()).resolved(config.height)
    form = form_of(config, color, options, answers)
    preset = options.preset or _PRESETS[config.preset]
    guid = f"NV_ENC_PRESET_{preset.upper()}_GUID"
    if guid not in answers.presets:
        name = "preset" if options.preset is None else "options.preset"
        raise refused(name, f"{name} is {guid}, which the driver does not list")
    fields = {
        **_picture_fields(config, options),
        "tuningInfo": _tuning(config, options, answers),
        **aspect_fields(config, options),
        **structure_fields(config, options, answers),
        **rate_fields(config, options, answers),
        **quality_fields(config, options, answers),
        **form_fields(form, answers),
        **color_fields(config, color),
    }
    if options.tuning == "lossless" and config.codec == "h264":
        root = "encodeConfig.encodeCodecConfig.h264Config."
        fields[root + "qpPrimeYZeroTransformBypassFlag"] = 1
    held = b_frames_of(config, options) + lookahead_of(config, options)
    return EncoderSettings(
        config, options, answers,
        guids={"codec": CODEC_GUIDS[config.codec], "preset": guid, "profile": form.profile},
        fields=fields, form=form, color=color,
        buffers=max(
            config.max_in_flight, options.max_in_flight_outputs or 1, held + _BUFFERS_BEYOND
        ),
        held=held, reorder_delay=reorder_delay(config, options),
    )  # fmt: skip


def change(old: EncoderSettings, new: EncoderSettings) -> Reconfigure | None:
    """What makes a session of ``old`` one of ``new``; None where that takes a new session.

    ``old`` is what the session was created with, or last reconfigured to.
    """
    alike = (old.guids, old.form, old.color, old.config.layout, old.options) == (
        new.guids, new.form, new.color, new.config.layout, new.options,
    )  # fmt: skip
    if not alike or old.buffers < new.buffers:
        return None
    largest = {name: old.fields[name] for name in _LARGEST}
    fields = {**new.fields, **largest}
    changed = {
        name
        for name in fields.keys() | old.fields.keys()
        if fields.get(name) != old.fields.get(name)
    }
    if changed - {*_SIZE, *_FRAME_RATE, _MODE, *_NUMBERS}:
        return None
    if not _takes_rates(old, new, changed):
        return None
    resized = not changed.isdisjoint(_SIZE)
    fits = (
        fields["encodeWidth"] <= largest["maxEncodeWidth"]
        and fields["encodeHeight"] <= largest["maxEncodeHeight"]
    )
    if resized and not (fits and old.answers.cap("SUPPORT_DYN_RES_CHANGE")):
        return None
    return Reconfigure(fields, reset=resized, force_idr=resized)


def _takes_rates(old: EncoderSettings, new: EncoderSettings, changed: set[str]) -> bool:
    """Whether the device changes rates, or their mode, of a running session."""
    answers = old.answers
    if _MODE in changed:
        to_constant = CONSTANT_QP in (old.fields[_MODE], new.fields[_MODE])
        cap = "SUPPORT_DYN_FORCE_CONSTQP" if to_constant else "SUPPORT_DYN_RCMODE_CHANGE"
        return bool(answers.cap(cap))
    if type(old.config.rate_control) is not type(new.config.rate_control):
        return bool(answers.cap("SUPPORT_DYN_RCMODE_CHANGE"))
    return changed.isdisjoint(_NUMBERS) or bool(answers.cap("SUPPORT_DYN_BITRATE_CHANGE"))


def _picture_fields(config: EncoderConfig, options: NvidiaEncoderOptions) -> dict[str, int]:
    return {
        "encodeWidth": config.width, "encodeHeight": config.height,
        "maxEncodeWidth": max(config.width, options.max_width or 0),
        "maxEncodeHeight": max(config.height, options.max_height or 0),
        "frameRateNum": config.fps.numerator, "frameRateDen": config.fps.denominator,
        "enableEncodeAsync": 0, "enablePTD": 1,
        "encodeConfig.monoChromeEncoding": 0,
        "encodeConfig.frameFieldMode": 1,
    }  # fmt: skip


def _tuning(config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers) -> int:
    name = options.tuning or ("ultra_low_latency" if config.low_latency else "high_quality")
    if name == "ultra_high_quality":
        argument = "options.tuning"
        what = f"{argument} is {name!r}"
        answers.require_api(API_13_0, argument, what)
        answers.require_codec(("hevc", "av1"), argument, what)
        answers.require("SUPPORT_LOOKAHEAD", argument, what)
        if config.low_latency:
            raise refused(argument, f"{what} with low_latency=True", "another tuning")
    return TUNINGS.index(name) + 1


def _check_size(config: EncoderConfig, options: NvidiaEncoderOptions, answers: Answers) -> None:
    for side in ("width", "height"):
        low = max(answers.cap(f"{side.upper()}_MIN"), 1)
        high = answers.cap(f"{side.upper()}_MAX")
        answers.limit(side, getattr(config, side), low, high, "scale or pad the pictures")
        most = getattr(options, f"max_{side}")
        if most is not None:
            answers.limit(f"options.max_{side}", most, getattr(config, side), high)
    blocks = -(-config.width // _MACROBLOCK) * -(-config.height // _MACROBLOCK)
    most = answers.cap("MB_NUM_MAX")
    if most and blocks > most:
        raise refused(
            "width",
            f"{config.width}x{config.height} pixels are {blocks} macroblocks, this device takes "
            f"up to {most} for {config.codec}",
            "scale the pictures",
        )
