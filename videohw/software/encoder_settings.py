"""From the settings of an Encoder to the options of x264, x265 and SVT-AV1.

Owns: every name and number that these libraries take. Must not know: sessions, PyAV objects; it
makes plain text options, so that each rule can be tested by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..color import MATRICES, PRIMARIES, RANGES, SITINGS, TRANSFERS, ColorSpec
from ..errors import InvalidInput, UnsupportedConfig
from ..pixel_format import FORMATS
from ..software_options import SoftwareEncoderOptions
from ..types import ConstantBitrate, ConstantQp, ConstantQuality, EncoderConfig, VariableBitrate

# The library that codes each codec, by its name in libavcodec.
LIBRARIES: Final[Mapping[str, str]] = MappingProxyType(
    {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
)
# Consecutive B-pictures at most: X264_BFRAME_MAX of x264.h, X265_BFRAME_MAX of x265.h. AV1 has
# no B-pictures: what is reordered is packed into temporal units in presentation order.
MAX_B_FRAMES: Final[Mapping[str, int]] = MappingProxyType({"h264": 16, "hevc": 16, "av1": 0})
# Kinds of rate control whose numbers a running encoder takes. libavcodec hands changed options of
# an open context on to x264 alone (libx264.c, reconfig_encoder), and x264 keeps the average of a
# variable bitrate, and constant quantisers (ratecontrol.c, x264_ratecontrol_init_reconfigurable).
LIVE_RATES: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"libx264": (ConstantBitrate, ConstantQuality)}
)

# fastest, fast, balanced, quality, best. SVT-AV1 warns of artefacts above preset 9.
_PRESETS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "fastest": ("ultrafast", "ultrafast", "9"),
        "fast": ("veryfast", "veryfast", "8"),
        "balanced": ("medium", "medium", "7"),
        "quality": ("slow", "slow", "5"),
        "best": ("veryslow", "slower", "3"),
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile means: its name in the library, chroma format, bits (None: the input's)."""

    library_name: str
    chroma: str = "420"
    bit_depth: int | None = 8


PROFILES: Final[Mapping[str, Mapping[str, Profile]]] = MappingProxyType(
    {
        "h264": {
            "baseline": Profile("baseline"),
            "main": Profile("main"),
            "high": Profile("high"),
            "high10": Profile("high10", "420", 10),
            "high422": Profile("high422", "422", None),
            "high444": Profile("high444", "444", None),
        },
        "hevc": {
            "main": Profile("main"),
            "main10": Profile("main10", "420", 10),
            "main12": Profile("main12", "420", 12),
            "main422-10": Profile("main422-10", "422", 10),
            "main444-8": Profile("main444-8", "444", 8),
            "main444-10": Profile("main444-10", "444", 10),
        },
        "av1": {"main": Profile("", "420", None)},
    }
)

# Options that arguments of Encoder own, or without which packets would break its promises, and
# the argument to use.
_OWNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bf": "b_frames", "bframes": "b_frames", "time_base": "time_base", "threads": "threads",
        "flags": "layout", "annexb": "layout", "repeat-headers": "layout", "preset": "preset",
        "profile": "profile",
    }
)  # fmt: skip
_PARAMETER_LISTS: Final = ("x264-params", "x265-params", "svtav1-params")

# Difference of quantisers that a ratio can say: x264 keeps ratios within 0.01 and 10.
_QP_BELOW, _QP_ABOVE = 19, 39
_X265_SHORT_LOOKAHEAD = 5
# x264 and x265 count in kilobits, so that less would be no limit at all.
_MIN_BITRATE_BPS = 1000


@dataclass(frozen=True, slots=True)
class CodecSettings:
    """All that opening the library takes. ``pixel_format`` is libavcodec's name of the coded
    format, ``reorder_delay`` the frames that decoding runs behind presentation at most."""

    library: str
    pixel_format: str
    options: Mapping[str, str]
    thread_count: int
    thread_type: str
    color: ColorSpec
    reorder_delay: int


def options_of(config: EncoderConfig) -> SoftwareEncoderOptions:
    """The backend's own options, or the defaults; :class:`InvalidInput` for another type."""
    options = SoftwareEncoderOptions() if config.options is None else config.options
    if not isinstance(options, SoftwareEncoderOptions):
        raise InvalidInput(
            f"options is {type(options).__name__}, the software backend takes "
            "SoftwareEncoderOptions",
            argument="options",
            hint="videohw.SoftwareEncoderOptions(threads=...), or None",
        )
    return options


def codec_settings(config: EncoderConfig) -> CodecSettings:
    """The settings for ``config``; :class:`UnsupportedConfig` for what the library cannot do."""
    options = options_of(config)
    _check_owned(config, options)
    profile = _profile(config)
    pixel_format = _coded_format(config, profile)
    color = (config.color or ColorSpec()).resolved(config.height)
    known = {
        **_LIBRARY_OPTIONS[config.codec](config, profile, options),
        **_color_options(color),
    }
    return CodecSettings(
        library=LIBRARIES[config.codec],
        pixel_format=pixel_format,
        options=_merged(known, options.codec_options),
        thread_count=options.threads or 0,
        thread_type="SLICE" if config.low_latency else "AUTO",
        color=color,
        # Both libraries use one B-picture as reference at most ("normal" pyramid), so a
        # picture is never decoded more than two before its turn.
        reorder_delay=min(config.b_frames, 2),
    )


def _check_owned(config: EncoderConfig, options: SoftwareEncoderOptions) -> None:
    owned = {**_OWNED, "tune": "low_latency"} if config.low_latency else _OWNED
    for name, value in options.codec_options.items():
        names = [name]
        if name in _PARAMETER_LISTS:
            names = [part.split("=")[0].strip() for part in str(value).split(":")]
        for each in names:
            if each in owned:
                raise InvalidInput(
                    f"options.codec_options[{name!r}] sets {each!r}, which another argument owns",
                    argument="options.codec_options",
                    hint=f"use {owned[each]}",
                )


def _profile(config: EncoderConfig) -> Profile | None:
    if config.profile is None:
        return None
    profiles = PROFILES[config.codec]
    if config.profile not in profiles:
        raise UnsupportedConfig(
            f"profile {config.profile!r} is not known for {config.codec}",
            argument="profile",
            hint=f"one of {', '.join(profiles)}",
        )
    if config.profile == "baseline" and config.b_frames:
        raise UnsupportedConfig(
            f"H.264 baseline has no B-pictures, b_frames is {config.b_frames}",
            argument="b_frames",
            hint="b_frames=0 or profile='main'",
        )
    return profiles[config.profile]


def _coded_format(config: EncoderConfig, profile: Profile | None) -> str:
    input_depth = FORMATS[config.input].bit_depth
    chroma = profile.chroma if profile else "420"
    depth = (profile.bit_depth if profile else None) or input_depth
    if depth < input_depth:
        raise UnsupportedConfig(
            f"profile {config.profile!r} codes {depth} bits, input {config.input} has "
            f"{input_depth}",
            argument="profile",
            hint="give 8-bit input, or a 10-bit profile",
        )
    _check_even(config, chroma)
    if chroma == "420" and config.codec == "h264" and depth == 8 and config.input != "i420":
        return "nv12"  # how x264 holds pictures: saves a pass over them
    return f"yuv{chroma}p" + ("" if depth == 8 else f"{depth}le")


def _check_even(config: EncoderConfig, coded_chroma: str) -> None:
    # An array of 4:2:0 planes has no row or column to spare for an odd size either.
    chroma = coded_chroma if FORMATS[config.input].rgb else "420"
    if chroma != "444" and config.width % 2:
        argument, value = "width", config.width
    elif chroma == "420" and config.height % 2:
        argument, value = "height", config.height
    else:
        return
    raise UnsupportedConfig(
        f"{argument} is {value}: 4:{chroma[1]}:{chroma[2]} pictures need an even {argument}",
        argument=argument,
        hint=f"crop or pad to {value - 1} or {value + 1}; RGB input can be coded as 4:4:4 by a "
        "444 profile",
    )


def _x264(
    config: EncoderConfig, profile: Profile | None, options: SoftwareEncoderOptions
) -> dict[str, str]:
    known = {
        "preset": _PRESETS[config.preset][0],
        "bf": str(config.b_frames),
        "forced-idr": "1",
        **_x26x_rate(config, "x264-params"),
    }
    if config.gop is not None:
        # X264_KEYINT_MAX_INFINITE; without scene cuts, so that the period is what was asked.
        known.update(g=str(config.gop or 1 << 30), sc_threshold="0")
    if config.low_latency:
        known["tune"] = "zerolatency"
    if profile:
        known["profile"] = profile.library_name
        if profile.library_name != "baseline":
            # The fastest preset leaves both out, and the stream would be of a lower profile.
            known["coder"] = "cabac"
            known["8x8dct"] = "0" if profile.library_name == "main" else "1"
        if _lossless(config) and profile.library_name != "high444":
            raise UnsupportedConfig(
                f"quality 0 is lossless, which profile {config.profile!r} cannot hold",
                argument="rate_control",
                hint="a quality of 1 or more, or profile='high444'",
            )
    return known


def _lossless(config: EncoderConfig) -> bool:
    if FORMATS[config.input].bit_depth > 8 or config.profile == "high10":
        return False
    rate = config.rate_control
    if isinstance(rate, ConstantQuality):
        return rate.q == 0
    return isinstance(rate, ConstantQp) and 0 in (rate.i, rate.p, rate.b)


def _x265(
    config: EncoderConfig, profile: Profile | None, options: SoftwareEncoderOptions
) -> dict[str, str]:
    # Closed GOPs, so that a keyframe is an IDR; no 2 kB of settings as SEI on each of them.
    parameters = ["log-level=none", "open-gop=0", "info=0"]
    if config.gop is not None:
        parameters += [f"keyint={config.gop or -1}", "scenecut=0"]
    if config.b_frames >= _X265_SHORT_LOOKAHEAD and config.preset in ("fastest", "fast"):
        # It must look further ahead than B-pictures reach, and these presets look 5 and 15 far.
        parameters.append(f"rc-lookahead={max(15, config.b_frames + 1)}")
    if options.threads:
        parameters.append(f"pools={options.threads}")
    known = {
        "preset": _PRESETS[config.preset][1],
        "bf": str(config.b_frames),
        "forced-idr": "1",
        "x265-params": ":".join(parameters),
    }
    known = _merged(known, _x26x_rate(config, "x265-params"))
    if config.low_latency:
        known["tune"] = "zerolatency"
    if profile:
        known["profile"] = profile.library_name
    return known


def _x26x_rate(config: EncoderConfig, parameters: str) -> dict[str, str]:
    rate = config.rate_control
    if isinstance(rate, ConstantQuality):
        return {"crf": f"{rate.q:g}"}
    if isinstance(rate, ConstantQp):
        p = rate.i if rate.p is None else rate.p
        b = p if rate.b is None else rate.b
        for name, below in (("i", p - rate.i), ("b", b - p)):
            if not -_QP_ABOVE <= below <= _QP_BELOW:
                raise UnsupportedConfig(
                    f"rate_control.{name} is {rate.i if name == 'i' else b} with p {p}",
                    argument=f"rate_control.{name}",
                    hint=f"i from p-{_QP_BELOW} to p+{_QP_ABOVE}, "
                    f"b from p-{_QP_ABOVE} to p+{_QP_BELOW}",
                )
        # Six steps of the quantiser double its step size; the libraries take the ratio of those.
        ratios = f"ipratio={2 ** ((p - rate.i) / 6):.6f}:pbratio={2 ** ((b - p) / 6):.6f}"
        # A B-picture that is a reference would get a quantiser between those of P and B.
        return {"qp": str(p), parameters: f"{ratios}:b-pyramid=0"}
    assert rate is not None, "ProRes alone has none"
    bps, peak = _bitrates(rate)
    return {"b": str(bps), "maxrate": str(peak), "bufsize": str(peak)}


def _bitrates(rate: ConstantBitrate | VariableBitrate) -> tuple[int, int]:
    """(average, peak) in bits per second."""
    peak = rate.bps
    if isinstance(rate, VariableBitrate):
        peak = rate.max_bps or rate.bps * 3 // 2
    if rate.bps < _MIN_BITRATE_BPS:
        raise UnsupportedConfig(
            f"rate_control.bps is {rate.bps}",
            argument="rate_control.bps",
            hint=f"{_MIN_BITRATE_BPS} bits per second or more",
        )
    return rate.bps, peak


def _svtav1(
    config: EncoderConfig, profile: Profile | None, options: SoftwareEncoderOptions
) -> dict[str, str]:
    known = {"preset": _PRESETS[config.preset][2]}
    parameters = []
    rate = config.rate_control
    low_delay = config.low_latency
    if isinstance(rate, ConstantQuality):
        if rate.q != int(rate.q):
            raise UnsupportedConfig(
                f"rate_control.q is {rate.q:g}",
                argument="rate_control.q",
                hint="libsvtav1 takes whole numbers, 0 to 63",
            )
        # libavcodec takes its own option crf=0 as "not given".
        parameters.append(f"crf={int(rate.q)}")
    elif isinstance(rate, ConstantQp):
        if not {rate.p, rate.b} <= {None, rate.i}:
            raise UnsupportedConfig(
                f"rate_control has different quantisers (i={rate.i}, p={rate.p}, b={rate.b})",
                argument="rate_control",
                hint="libsvtav1 takes one base quantiser: ConstantQp(i)",
            )
        parameters += [f"qp={rate.i}", "rc=0", "aq-mode=0"]
    else:
        # SVT-AV1's variable mode keeps no maximum and misses the average by a quarter on short
        # streams, so both are coded in its constant mode, which needs low-delay prediction; a
        # variable rate gets the larger buffer.
        assert rate is not None, "ProRes alone has none"
        bps, peak = _bitrates(rate)
        known.update(b=str(bps), maxrate=str(bps), bufsize=str(peak))
        low_delay = True
    if low_delay:
        parameters.append("pred-struct=1")
    if config.low_latency:
        parameters.append("rtc=1")
    if config.gop is not None:
        known["g"] = str(config.gop or -1)
        parameters.append("scd=0")
        if config.gop == 0:
            parameters.append("keyint=-1")
    if options.threads:
        parameters.append(f"lp={min(options.threads, 6)}")
    return {**known, "svtav1-params": ":".join(parameters)} if parameters else known


def _color_options(color: ColorSpec) -> dict[str, str]:
    """What goes into the VUI or sequence header: code points of H.273, as libavcodec numbers
    them. Ranges and sitings start at 1 there."""
    codes = {
        "colorspace": _code(MATRICES, color.matrix),
        "color_primaries": _code(PRIMARIES, color.primaries),
        "color_trc": _code(TRANSFERS, color.transfer),
        "color_range": RANGES.index(color.range) + 1 if color.range else None,
    }
    if color.siting is not None:
        codes["chroma_sample_location"] = list(SITINGS.values()).index(color.siting) + 1
    return {name: str(code) for name, code in codes.items() if code is not None}


def _code(table: Mapping[int, str], name: str | None) -> int | None:
    return next((code for code, each in table.items() if each == name), None)


def _merged(known: Mapping[str, str], extra: Mapping[str, str | int | float]) -> dict[str, str]:
    """``extra`` over ``known``; lists of parameters are joined, the later entry wins there."""
    merged = dict(known)
    for name, value in extra.items():
        both = name in _PARAMETER_LISTS and name in merged
        merged[name] = f"{merged[name]}:{value}" if both else str(value)
    return merged


_LIBRARY_OPTIONS = {"h264": _x264, "hevc": _x265, "av1": _svtav1}
