"""What an encoder's arguments become: fields, GUIDs and buffers of NVENC, to the number.

Field names, their widths, enumerations and GUIDs are held against facts of the vendor's headers.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.nvidia.encoder_answers import (
    APIS,
    ROOTS,
    answers,
    config,
    largest,
    made,
    opts,
    value,
    version,
)
from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.nvidia.encoder_limits import API_12_1, API_13_0
from videohw.nvidia.encoder_options import NvidiaEncoderOptions
from videohw.nvidia.encoder_settings import EncoderSettings, settings_of
from videohw.nvidia.encoder_structure import levels
from videohw.software_options import SoftwareEncoderOptions
from videohw.types import ConstantBitrate, ConstantQp, ConstantQuality, VariableBitrate

INFINITE = 0xFFFFFFFF
RC = "encodeConfig.rcParams."
CODECS = tuple(ROOTS)


# Every option at once, as far as they go together.
EVERYTHING = {
    "h264": opts(
        preset="p7", tuning="high_quality", multipass="full", spatial_aq=True, temporal_aq=True,
        aq_strength=9, lookahead=20, vbv_bits=1 << 21, vbv_initial_bits=1 << 20, min_qp=5,
        max_qp=(40, 42, 45), initial_qp=30, keyframe_scale=2, filler_data=True, strict_gop=True,
        b_references="middle", non_reference_p=True, reference_frames=4, long_term_references=2,
        qp_map="delta", level="5.1", entropy="cabac", slices=4, aud=True,
        buffering_period_sei=True, picture_timing_sei=True, recovery_point_sei=True,
        weighted_prediction=False, max_width=1920, max_height=1088,
    ),
    "hevc": opts(
        preset="p1", multipass="quarter", spatial_aq=False, temporal_aq=False, lookahead=8,
        lookahead_level=2, temporal_filter=True, tier="high", level="6.2", slice_bytes=1400,
        aud=True, split_encode="two", b_references="each", qp_map="absolute", filler_data=True,
    ),
    "av1": opts(
        preset="p4", tuning="ultra_high_quality", tier="main", level="7.3", split_encode="off",
        long_term_references=1, max_qp=255, filler_data=True,
    ),
}  # fmt: skip


def older(codec: str, options: NvidiaEncoderOptions) -> NvidiaEncoderOptions:
    """The options, without what API 12.1 does not have."""
    less = replace(options, lookahead_level=None, temporal_filter=None)
    return less if codec != "av1" else replace(less, tuning=None, long_term_references=None)


@pytest.mark.parametrize("api", APIS, ids=str)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("everything", [False, True])
def test_fields_are_the_vendors_and_hold_their_values(
    codec: str, api: tuple[int, int], everything: bool
) -> None:
    given: dict[str, Any] = {}
    if everything:
        options = EVERYTHING[codec]["options"]
        if api == API_12_1:
            options = older(codec, options)
        given = {
            "options": options, "b_frames": 4, "rate_control": ConstantBitrate(4_000_000),
            "color": ColorSpec(matrix="bt2020nc", siting="topleft"),
        }  # fmt: skip
    caps = {"LEVEL_MAX": 255}
    settings = settings_of(config(codec, **given), answers(codec, api, **caps))
    for name, number in settings.fields.items():
        assert 0 <= number <= largest(name, api), name
    assert set(settings.guids) == {"codec", "preset", "profile"}
    assert set(settings.guids.values()) <= set(version(api)["guids"])
    assert settings.input_format in version(api)["values"]


# Pictures, time and shape


def test_size_time_and_shape_are_those_of_the_pictures() -> None:
    fields = made(width=1440, height=1080, fps=(30000, 1001)).fields
    assert {name: fields[name] for name in list(fields)[:9]} == {
        "encodeWidth": 1440, "encodeHeight": 1080, "maxEncodeWidth": 1440,
        "maxEncodeHeight": 1080, "frameRateNum": 30000, "frameRateDen": 1001,
        "enableEncodeAsync": 0, "enablePTD": 1, "encodeConfig.monoChromeEncoding": 0,
    }  # fmt: skip
    assert (fields["darWidth"], fields["darHeight"]) == (4, 3)
    wide = made(width=1440, height=1080, **opts(sample_aspect=Fraction(4, 3))).fields
    assert (wide["darWidth"], wide["darHeight"]) == (16, 9)


def test_room_for_larger_pictures() -> None:
    fields = made(**opts(max_width=1920, max_height=1088)).fields
    assert (fields["maxEncodeWidth"], fields["maxEncodeHeight"]) == (1920, 1088)


@pytest.mark.parametrize(
    ("preset", "number"),
    [("fastest", 1), ("fast", 3), ("balanced", 4), ("quality", 6), ("best", 7)],
)
def test_presets(preset: str, number: int) -> None:
    assert made(preset=preset).guids["preset"] == f"NV_ENC_PRESET_P{number}_GUID"
    own = made(preset=preset, **opts(preset="p2"))
    assert own.guids["preset"] == "NV_ENC_PRESET_P2_GUID"


@pytest.mark.parametrize(
    "name", ["high_quality", "low_latency", "ultra_low_latency", "lossless", "ultra_high_quality"]
)
def test_tunings(name: str) -> None:
    settings = made("hevc", **opts(tuning=name))
    assert settings.fields["tuningInfo"] == value(f"NV_ENC_TUNING_INFO_{name.upper()}")


def test_low_latency_neither_reorders_nor_looks_ahead() -> None:
    settings = made(low_latency=True)
    assert settings.fields["tuningInfo"] == value("NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY")
    assert settings.fields[RC + "zeroReorderDelay"] == 1
    assert settings.fields[RC + "enableLookahead"] == 0
    assert settings.fields["encodeConfig.frameIntervalP"] == 1
    assert settings.reorder_delay == 0
    assert made().fields["tuningInfo"] == value("NV_ENC_TUNING_INFO_HIGH_QUALITY")


# Rates


def rates(settings: EncoderSettings) -> dict[str, int]:
    names = (
        "rateControlMode", "averageBitRate", "maxBitRate", "vbvBufferSize", "targetQuality",
        "targetQualityLSB",
    )  # fmt: skip
    return {name: settings.fields[RC + name] for name in names if RC + name in settings.fields}


def test_constant_bitrate() -> None:
    assert rates(made(rate_control=ConstantBitrate(3_000_000))) == {
        "rateControlMode": value("NV_ENC_PARAMS_RC_CBR"), "averageBitRate": 3_000_000,
        "maxBitRate": 3_000_000, "vbvBufferSize": 3_000_000, "targetQuality": 0,
        "targetQualityLSB": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("highest", "expected"), [(None, 4_500_000), (9_000_000, 9_000_000)])
def test_variable_bitrate(highest: int | None, expected: int) -> None:
    assert rates(made(rate_control=VariableBitrate(3_000_000, highest))) == {
        "rateControlMode": value("NV_ENC_PARAMS_RC_VBR"), "averageBitRate": 3_000_000,
        "maxBitRate": expected, "vbvBufferSize": expected, "targetQuality": 0,
        "targetQualityLSB": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("q", "whole", "part"), [(23, 23, 0), (23.5, 23, 128), (0, 0, 1), (51, 51, 0)]
)
def test_constant_quality(q: float, whole: int, part: int) -> None:
    assert rates(made(rate_control=ConstantQuality(q))) == {
        "rateControlMode": value("NV_ENC_PARAMS_RC_VBR"), "averageBitRate": 0, "maxBitRate": 0,
        "targetQuality": whole, "targetQualityLSB": part,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "rate", "expected"),
    [
        ("h264", ConstantQp(20), (20, 20, 20)),
        ("hevc", ConstantQp(20, 22), (20, 22, 22)),
        ("h264", ConstantQp(20, 22, 25), (20, 22, 25)),
        ("av1", ConstantQp(0, 61, 63), (0, 244, 255)),
        ("av1", ConstantQp(62), (249, 249, 249)),
    ],
)
def test_constant_quantisers(codec: str, rate: ConstantQp, expected: tuple[int, ...]) -> None:
    fields = made(codec, rate_control=rate).fields
    assert fields[RC + "rateControlMode"] == value("NV_ENC_PARAMS_RC_CONSTQP")
    found = tuple(fields[RC + f"constQP.{name}"] for name in ("qpIntra", "qpInterP", "qpInterB"))
    assert found == expected


def test_the_rate_buffer() -> None:
    rate = ConstantBitrate(1_000_000)
    fields = made(rate_control=rate, **opts(vbv_bits=300_000, vbv_initial_bits=200_000)).fields
    assert fields[RC + "vbvBufferSize"] == 300_000
    assert fields[RC + "vbvInitialDelay"] == 200_000
    without = answers(SUPPORT_CUSTOM_VBV_BUF_SIZE=0)
    assert RC + "vbvBufferSize" not in settings_of(config(rate_control=rate), without).fields


def test_lossless() -> None:
    settings = made(**opts(tuning="lossless"))
    assert settings.guids["profile"] == "NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID"
    assert settings.fields[ROOTS["h264"] + "qpPrimeYZeroTransformBypassFlag"] == 1
    assert settings.fields[RC + "rateControlMode"] == value("NV_ENC_PARAMS_RC_CONSTQP")
    assert settings.fields[RC + "constQP.qpIntra"] == 0
    planar = made(profile="high444", **opts(tuning="lossless"))
    assert planar.guids["profile"] == "NV_ENC_H264_PROFILE_HIGH_444_GUID"


def test_quality_options() -> None:
    fields = made(rate_control=ConstantBitrate(1_000_000), b_frames=4, **EVERYTHING["h264"]).fields
    expected = {
        "multiPass": value("NV_ENC_TWO_PASS_FULL_RESOLUTION"), "enableAQ": 1, "aqStrength": 9,
        "enableTemporalAQ": 1, "enableLookahead": 1, "lookaheadDepth": 20, "enableMinQP": 1,
        "minQP.qpIntra": 5, "minQP.qpInterP": 5, "minQP.qpInterB": 5, "enableMaxQP": 1,
        "maxQP.qpIntra": 40, "maxQP.qpInterP": 42, "maxQP.qpInterB": 45, "enableInitialRCQP": 1,
        "initialRCQP.qpIntra": 30, "initialRCQP.qpInterP": 30, "initialRCQP.qpInterB": 30,
        "lowDelayKeyFrameScale": 2, "enableNonRefP": 1, "strictGOPTarget": 1,
        "qpMapMode": value("NV_ENC_QP_MAP_DELTA"),
    }  # fmt: skip
    assert {name: fields[RC + name] for name in expected} == expected


@pytest.mark.parametrize("name", ["delta", "emphasis", "absolute"])
def test_qp_maps(name: str) -> None:
    expected = "NV_ENC_QP_MAP" if name == "absolute" else f"NV_ENC_QP_MAP_{name.upper()}"
    assert made(**opts(qp_map=name)).fields[RC + "qpMapMode"] == value(expected)


# Structure


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("gop", "expected"), [(None, 250), (0, INFINITE), (1, 1), (30, 30)])
def test_gop(codec: str, gop: int | None, expected: int) -> None:
    fields = made(codec, gop=gop).fields
    assert fields["encodeConfig.gopLength"] == expected
    assert fields[ROOTS[codec] + "idrPeriod"] == expected
    assert fields["encodeConfig.frameIntervalP"] == 1


def test_the_vendors_words_for_gop() -> None:
    settings = made(**opts(gop_length=60, frame_interval_p=3))
    assert settings.fields["encodeConfig.gopLength"] == 60
    assert settings.fields["encodeConfig.frameIntervalP"] == 3
    assert settings.buffers == 6
    assert settings.reorder_delay == 2
    intra = made(**opts(frame_interval_p=0))
    assert intra.fields["encodeConfig.frameIntervalP"] == 0
    assert intra.reorder_delay == 0


@pytest.mark.parametrize(
    ("b_frames", "references", "delay"),
    [(0, None, 0), (1, None, 1), (3, "off", 1), (3, "middle", 2), (1, "middle", 1), (4, "each", 3)],
)
def test_b_pictures(b_frames: int, references: str | None, delay: int) -> None:
    settings = made(b_frames=b_frames, **opts(b_references=references))
    assert settings.fields["encodeConfig.frameIntervalP"] == b_frames + 1
    assert settings.reorder_delay == delay
    if references is not None:
        name = "DISABLED" if references == "off" else references.upper()
        expected = value(f"NV_ENC_BFRAME_REF_MODE_{name}")
        assert settings.fields[ROOTS["h264"] + "useBFramesAsRef"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 6),
        ({"max_in_flight": 9}, 9),
        ({"max_in_flight": 1}, 4),
        ({"b_frames": 4}, 8),
        ({"b_frames": 2, **opts(lookahead=20)}, 26),
        (opts(max_in_flight_outputs=40), 40),
    ],
)
def test_buffers(given: dict[str, Any], expected: int) -> None:
    assert made(**given).buffers == expected


@pytest.mark.parametrize("codec", CODECS)
def test_intra_refresh_takes_the_place_of_keyframes(codec: str) -> None:
    fields = made(codec, **opts(intra_refresh_period=60, intra_refresh_frames=12)).fields
    root = ROOTS[codec]
    assert fields["encodeConfig.gopLength"] == fields[root + "idrPeriod"] == INFINITE
    assert fields[root + "enableIntraRefresh"] == 1
    assert (fields[root + "intraRefreshPeriod"], fields[root + "intraRefreshCnt"]) == (60, 12)
    if codec != "av1":
        assert fields[root + "outputRecoveryPointSEI"] == 1


def test_a_wave_of_one_slice() -> None:
    waves = {"intra_refresh_period": 60, "intra_refresh_frames": 12}
    field = ROOTS["h264"] + "singleSliceIntraRefresh"
    found = [
        made("h264", **opts(**waves, single_slice_intra_refresh=asked)).fields.get(field)
        for asked in (None, False, True)
    ]
    assert found == [None, 0, 1]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_headers_and_slices(codec: str) -> None:
    root = ROOTS[codec]
    plain = made(codec).fields
    assert (plain[root + "repeatSPSPPS"], plain[root + "outputAUD"]) == (1, 0)
    assert root + "sliceMode" not in plain
    options = opts(
        repeat_headers=False, aud=True, buffering_period_sei=True, picture_timing_sei=True,
        slices=3,
    )  # fmt: skip
    fields = made(codec, **options).fields
    expected = {
        "repeatSPSPPS": 0, "outputAUD": 1, "outputBufferingPeriodSEI": 1,
        "outputPictureTimingSEI": 1, "sliceMode": 3, "sliceModeData": 3,
    }  # fmt: skip
    assert {name: fields[root + name] for name in expected} == expected
    by_bytes = made(codec, **opts(slice_bytes=1400)).fields
    assert (by_bytes[root + "sliceMode"], by_bytes[root + "sliceModeData"]) == (1, 1400)


def test_av1_headers() -> None:
    assert made("av1").fields[ROOTS["av1"] + "repeatSeqHdr"] == 1


@pytest.mark.parametrize(
    ("codec", "prefix"), [("h264", "H264"), ("hevc", "HEVC"), ("av1", "AV1")], ids=str
)
def test_levels_have_the_vendors_numbers(codec: str, prefix: str) -> None:
    # Theirs are spelt without the dot, and without a zero behind it but for 6 of H.264.
    values = version(API_13_0)["values"]
    theirs = {
        name.removeprefix(f"NV_ENC_LEVEL_{prefix}_"): number
        for name, number in values.items()
        if name.startswith(f"NV_ENC_LEVEL_{prefix}_") and "AUTOSELECT" not in name
    }
    ours = {}
    for name, number in levels(codec).items():
        spelt = name.replace(".", "").removesuffix("0" if codec == "av1" else "")
        ours[f"{name}0" if codec == "h264" and name == "6" else spelt] = number
    assert ours == theirs


def test_level_tier_and_entropy() -> None:
    fields = made("hevc", **opts(level="5.0", tier="high")).fields
    assert fields[ROOTS["hevc"] + "level"] == value("NV_ENC_LEVEL_HEVC_5")
    assert fields[ROOTS["hevc"] + "tier"] == value("NV_ENC_TIER_HEVC_HIGH")
    assert made("av1").fields[ROOTS["av1"] + "level"] == value("NV_ENC_LEVEL_AV1_AUTOSELECT")
    assert made().fields[ROOTS["h264"] + "level"] == value("NV_ENC_LEVEL_AUTOSELECT")
    mode = made(**opts(entropy="cavlc")).fields[ROOTS["h264"] + "entropyCodingMode"]
    assert mode == value("NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC")


def test_references() -> None:
    fields = made("hevc", **opts(reference_frames=3, long_term_references=2)).fields
    root = ROOTS["hevc"]
    names = ("maxNumRefFramesInDPB", "enableLTR", "ltrNumFrames")
    assert [fields[root + name] for name in names] == [3, 1, 2]


def test_prediction() -> None:
    fields = made("hevc", b_frames=4, **opts(temporal_filter=True, split_encode="two")).fields
    assert fields[ROOTS["hevc"] + "tfLevel"] == value("NV_ENC_TEMPORAL_FILTER_LEVEL_4")
    assert fields["splitEncodeMode"] == value("NV_ENC_SPLIT_TWO_FORCED_MODE")
    off = made("hevc", **opts(split_encode="off")).fields
    assert off["splitEncodeMode"] == value("NV_ENC_SPLIT_DISABLE_MODE")
    assert made(**opts(weighted_prediction=True)).fields["enableWeightedPrediction"] == 1


def test_options_of_another_backend_are_refused() -> None:
    with pytest.raises(InvalidInput, match="SoftwareEncoderOptions"):
        made(options=SoftwareEncoderOptions())


def test_more_buffers_than_a_driver_makes_are_refused_at_once() -> None:
    assert made(max_in_flight=1024).buffers == 1024
    with pytest.raises(UnsupportedConfig, match="1024 at most") as caught:
        made(max_in_flight=1025)
    assert caught.value.argument == "max_in_flight"
