"""Answers of made-up devices, and the vendor's names and limits of fields, for settings tests."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from videohw.encoding.encoder_config import encoder_config
from videohw.nvidia.encoder_forms import BUFFER_FORMATS, CODEC_CONFIGS, PROFILES
from videohw.nvidia.encoder_limits import API_12_1, API_13_0, Answers
from videohw.nvidia.encoder_options import NvidiaEncoderOptions
from videohw.nvidia.encoder_settings import EncoderSettings, settings_of
from videohw.types import EncoderConfig

APIS = (API_12_1, API_13_0)
ROOTS = {codec: f"encodeConfig.encodeCodecConfig.{name}." for codec, name in CODEC_CONFIGS.items()}
_FACTS = Path(__file__).with_name("nvenc_facts.json")
# A device that does everything, with limits that a test can reach.
CAPS = {
    "NUM_MAX_BFRAMES": 4, "SUPPORTED_RATECONTROL_MODES": 3, "LEVEL_MAX": 62, "LEVEL_MIN": 10,
    "WIDTH_MAX": 4096, "HEIGHT_MAX": 4096, "WIDTH_MIN": 146, "HEIGHT_MIN": 50,
    "MB_NUM_MAX": 65536, "SUPPORT_DYN_RES_CHANGE": 1, "SUPPORT_DYN_BITRATE_CHANGE": 1,
    "SUPPORT_DYN_FORCE_CONSTQP": 1, "SUPPORT_DYN_RCMODE_CHANGE": 1, "SUPPORT_INTRA_REFRESH": 1,
    "SUPPORT_CUSTOM_VBV_BUF_SIZE": 1, "SUPPORT_DYNAMIC_SLICE_MODE": 1, "SUPPORT_CABAC": 1,
    "SUPPORT_YUV444_ENCODE": 1, "SUPPORT_LOSSLESS_ENCODE": 1, "SUPPORT_LOOKAHEAD": 1,
    "SUPPORT_TEMPORAL_AQ": 1, "SUPPORT_10BIT_ENCODE": 1, "NUM_MAX_LTR_FRAMES": 8,
    "SUPPORT_WEIGHTED_PREDICTION": 1, "SUPPORT_BFRAME_REF_MODE": 3,
    "SUPPORT_EMPHASIS_LEVEL_MAP": 1, "SUPPORT_MULTIPLE_REF_FRAMES": 1, "NUM_ENCODER_ENGINES": 2,
    "SINGLE_SLICE_INTRA_REFRESH": 1,
}  # fmt: skip
CAPS_13_0 = {"SUPPORT_TEMPORAL_FILTER": 1, "SUPPORT_LOOKAHEAD_LEVEL": 1, "SUPPORT_YUV422_ENCODE": 1}
_LEVELS = {
    "h264": {}, "hevc": {"LEVEL_MIN": 30, "LEVEL_MAX": 186},
    "av1": {"LEVEL_MIN": 0, "LEVEL_MAX": 19},
}  # fmt: skip
STRUCTS = {
    "encodeConfig": "NV_ENC_CONFIG", "rcParams": "NV_ENC_RC_PARAMS",
    "encodeCodecConfig": "NV_ENC_CODEC_CONFIG", "h264Config": "NV_ENC_CONFIG_H264",
    "hevcConfig": "NV_ENC_CONFIG_HEVC", "av1Config": "NV_ENC_CONFIG_AV1", "constQP": "NV_ENC_QP",
    "minQP": "NV_ENC_QP", "maxQP": "NV_ENC_QP", "initialRCQP": "NV_ENC_QP",
    "h264VUIParameters": "NV_ENC_CONFIG_H264_VUI_PARAMETERS",
    "hevcVUIParameters": "NV_ENC_CONFIG_HEVC_VUI_PARAMETERS",
}  # fmt: skip


def answers(codec: str = "h264", api: tuple[int, int] = API_13_0, **caps: int) -> Answers:
    """Those of the device that does everything, but for ``caps``."""
    newer = CAPS_13_0 if api == API_13_0 else {}
    older_formats = {name for name in BUFFER_FORMATS.values() if name not in ("NV16", "P210")}
    profiles = {each.guid for each in PROFILES[codec].values() if each.api <= api}
    return Answers(
        codec,
        api,
        profiles=frozenset(profiles),
        presets=frozenset(f"NV_ENC_PRESET_P{number}_GUID" for number in range(1, 8)),
        formats=frozenset(BUFFER_FORMATS.values() if api == API_13_0 else older_formats),
        caps={**CAPS, **_LEVELS[codec], **newer, **caps},
    )


def config(
    codec: str = "h264", width: int = 1280, height: int = 720, **given: Any
) -> EncoderConfig:
    """The settings that ``Encoder`` makes of these arguments and its defaults."""
    defaults = {
        "fps": 30, "input": "nv12", "device": 0, "rate_control": None, "gop": None, "b_frames": 0,
        "profile": None, "preset": "balanced", "low_latency": False, "color": None,
        "layout": "annexb", "time_base": Fraction(1, 90000), "max_in_flight": 6, "options": None,
    }  # fmt: skip
    return encoder_config(codec, width, height, **{**defaults, **given})


@cache
def facts() -> dict[str, Any]:
    """Layouts, values and GUIDs of the vendor's headers."""
    found: dict[str, Any] = json.loads(_FACTS.read_text(encoding="utf-8"))
    return found


def version(api: tuple[int, int]) -> dict[str, Any]:
    """The facts of one API version."""
    found: dict[str, Any] = facts()[f"{api[0]}.{api[1]}"]
    return found


def largest(name: str, api: tuple[int, int]) -> int:
    """The most that the vendor's field of that dotted name holds; KeyError where it has none."""
    structs = version(api)["structs"]
    parts = name.split(".")
    owner = "NV_ENC_INITIALIZE_PARAMS"
    for part in parts[:-1]:
        assert part in structs[owner]["fields"] or owner == "NV_ENC_CODEC_CONFIG", name
        owner = STRUCTS[part]
    place = structs[owner]["fields"][parts[-1]]
    bits = place[1] if len(place) == 3 else 8 * place[1]
    return (1 << bits) - 1


def value(name: str, api: tuple[int, int] = API_13_0) -> int:
    """The vendor's value of that name."""
    found: int = version(api)["values"][name]
    return found


def opts(**named: Any) -> dict[str, Any]:
    """Arguments of an encoder: these options."""
    return {"options": NvidiaEncoderOptions(**named)}


def made(codec: str = "h264", api: tuple[int, int] = API_13_0, **given: Any) -> EncoderSettings:
    """The settings of those arguments on the device that does everything."""
    return settings_of(config(codec, **given), answers(codec, api))
