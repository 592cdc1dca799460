"""What a device lacks is refused by the name of the option, with the limit, before anything opens.

And what a running session takes of new settings, and what not.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.nvidia.encoder_answers import answers, config, opts
from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.nvidia.encoder_limits import API_12_1, API_13_0, Answers
from videohw.nvidia.encoder_options import NvidiaEncoderOptions, NvidiaPictureOptions, named
from videohw.nvidia.encoder_settings import EncoderSettings, Reconfigure, change, settings_of
from videohw.types import (
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    ContentLight,
    RateControl,
    VariableBitrate,
)

RC = "encodeConfig.rcParams."
CBR = ConstantBitrate(1_000_000)


# (codec, cap that is missing or its value, arguments, who is named, what the message has)
BY_CAPS: list[tuple[str, dict[str, int], dict[str, Any], str, str]] = [
    ("h264", {"WIDTH_MAX": 1024}, {}, "width", "146 to 1024"),
    ("h264", {"HEIGHT_MAX": 512}, {}, "height", "50 to 512"),
    ("h264", {}, {"width": 64, "height": 64}, "width", "146 to 4096"),
    ("h264", {"MB_NUM_MAX": 3599}, {}, "width", "3600 macroblocks"),
    ("h264", {}, opts(max_width=8192), "options.max_width", "1280 to 4096"),
    ("h264", {}, opts(max_height=100), "options.max_height", "720 to 4096"),
    ("h264", {"NUM_MAX_BFRAMES": 2}, {"b_frames": 3}, "b_frames", "up to 2"),
    ("h264", {}, opts(frame_interval_p=6), "options.frame_interval_p", "up to 4"),
    ("h264", {"SUPPORTED_RATECONTROL_MODES": 1}, {"rate_control": CBR}, "rate_control",
     "constant bitrate"),
    ("h264", {"SUPPORTED_RATECONTROL_MODES": 2}, {}, "rate_control", "variable bitrate"),
    ("h264", {"SUPPORT_10BIT_ENCODE": 0}, {"input": "p010"}, "input", "10 bits"),
    ("hevc", {"SUPPORT_10BIT_ENCODE": 0}, {"profile": "main10"}, "profile", "10 bits"),
    ("h264", {"SUPPORT_YUV444_ENCODE": 0}, {"profile": "high444"}, "profile", "4:4:4"),
    ("hevc", {"SUPPORT_YUV422_ENCODE": 0}, {"profile": "main422-10"}, "profile", "4:2:2"),
    ("h264", {"SUPPORT_LOSSLESS_ENCODE": 0}, opts(tuning="lossless"), "options.tuning",
     "lossless"),
    ("hevc", {"SUPPORT_LOOKAHEAD": 0}, opts(tuning="ultra_high_quality"), "options.tuning",
     "ultra_high_quality"),
    ("h264", {"SUPPORT_TEMPORAL_AQ": 0}, opts(temporal_aq=True), "options.temporal_aq", "True"),
    ("h264", {"SUPPORT_LOOKAHEAD": 0}, opts(lookahead=8), "options.lookahead", "is 8"),
    ("h264", {}, {"b_frames": 4, **opts(lookahead=28)}, "options.lookahead", "1 to 27"),
    ("hevc", {"SUPPORT_LOOKAHEAD_LEVEL": 0}, opts(lookahead=8, lookahead_level=1),
     "options.lookahead_level", "is 1"),
    ("hevc", {"SUPPORT_TEMPORAL_FILTER": 0}, {"b_frames": 4, **opts(temporal_filter=True)},
     "options.temporal_filter", "True"),
    ("h264", {"SUPPORT_WEIGHTED_PREDICTION": 0}, opts(weighted_prediction=True),
     "options.weighted_prediction", "True"),
    ("h264", {"SUPPORT_CUSTOM_VBV_BUF_SIZE": 0}, {"rate_control": CBR, **opts(vbv_bits=9000)},
     "options.vbv_bits", "9000"),
    ("h264", {"SUPPORT_BFRAME_REF_MODE": 0}, {"b_frames": 2, **opts(b_references="middle")},
     "options.b_references", "middle"),
    ("h264", {"SUPPORT_BFRAME_REF_MODE": 2}, {"b_frames": 2, **opts(b_references="each")},
     "options.b_references", "each"),
    ("h264", {"SUPPORT_MULTIPLE_REF_FRAMES": 0}, opts(reference_frames=2),
     "options.reference_frames", "is 2"),
    ("h264", {"NUM_MAX_LTR_FRAMES": 0}, opts(long_term_references=1),
     "options.long_term_references", "0 to 0"),
    ("h264", {"NUM_MAX_LTR_FRAMES": 2}, opts(long_term_references=3),
     "options.long_term_references", "1 to 2"),
    ("h264", {"SUPPORT_INTRA_REFRESH": 0},
     opts(intra_refresh_period=30, intra_refresh_frames=5), "options.intra_refresh_period", "30"),
    ("h264", {"SINGLE_SLICE_INTRA_REFRESH": 0},
     opts(intra_refresh_period=30, intra_refresh_frames=5, single_slice_intra_refresh=True),
     "options.single_slice_intra_refresh", "True"),
    ("h264", {"SUPPORT_DYNAMIC_SLICE_MODE": 0}, opts(slice_bytes=1400), "options.slice_bytes",
     "1400"),
    ("h264", {"SUPPORT_CABAC": 0}, opts(entropy="cabac"), "options.entropy", "cabac"),
    ("h264", {"LEVEL_MAX": 51}, opts(level="5.2"), "options.level", "1 to 5.1"),
    ("hevc", {"LEVEL_MAX": 153}, opts(level="6"), "options.level", "1 to 5.1"),
    ("hevc", {"NUM_ENCODER_ENGINES": 1}, opts(split_encode="two"), "options.split_encode",
     "of which this device has 1"),
    ("h264", {"SUPPORT_EMPHASIS_LEVEL_MAP": 0}, opts(qp_map="emphasis"), "options.qp_map",
     "emphasis"),
]  # fmt: skip

# The same, of what goes together on no device: (codec, api, arguments, name, message)
BY_KIND: list[tuple[str, tuple[int, int], dict[str, Any], str, str]] = [
    ("h264", API_12_1, {"input": "p010"}, "input", "API 13.0"),
    ("h264", API_12_1, {"profile": "high422"}, "profile", "API 13.0"),
    ("hevc", API_12_1, opts(tuning="ultra_high_quality"), "options.tuning", "API 13.0"),
    ("hevc", API_12_1, {"b_frames": 4, **opts(temporal_filter=True)}, "options.temporal_filter",
     "12.1"),
    ("hevc", API_12_1, opts(lookahead=8, lookahead_level=2), "options.lookahead_level", "13.0"),
    ("hevc", API_12_1, opts(split_encode="four"), "options.split_encode", "13.0"),
    ("av1", API_12_1, opts(long_term_references=1), "options.long_term_references", "13.0"),
    ("h264", API_13_0, opts(tuning="ultra_high_quality"), "options.tuning", "h264"),
    ("h264", API_13_0, {"profile": "main10"}, "profile", "baseline, main, high"),
    ("hevc", API_13_0, {"profile": "main", "input": "p010"}, "profile", "codes 8 bits"),
    ("h264", API_13_0, {"profile": "main", **opts(tuning="lossless")}, "profile", "lossless"),
    ("h264", API_13_0, {"rate_control": CBR, **opts(tuning="lossless")}, "rate_control",
     "lossless"),
    ("h264", API_13_0, {"rate_control": ConstantQp(30), **opts(tuning="lossless")},
     "rate_control", "ConstantQp(0)"),
    *(
        (codec, API_13_0, {"rate_control": ConstantQuality(quality), **opts(tuning="lossless")},
         "rate_control", "ConstantQp(0)")
        for codec, quality in (("h264", 23), ("h264", 0), ("hevc", 28))
    ),
    ("h264", API_13_0, {"rate_control": ConstantQp(0, 1), **opts(tuning="lossless")},
     "rate_control", "ConstantQp(0)"),
    ("h264", API_13_0, opts(tuning="lossless", max_qp=9), "options.max_qp", "lossless"),
    *(
        (codec, API_12_1, {"rate_control": ConstantQp(20), **opts(**{name: given})},
         f"options.{name}", "ConstantQp")
        for codec, name, given in (
            ("h264", "min_qp", 5), ("hevc", "max_qp", 40), ("av1", "initial_qp", (1, 2, 3)),
            ("h264", "multipass", "full"), ("hevc", "strict_gop", True),
        )
    ),
    *(
        ("h264", API_13_0, {"rate_control": rate, **opts(keyframe_scale=2)},
         "options.keyframe_scale", type(rate).__name__)
        for rate in (VariableBitrate(1_000_000), ConstantQuality(20), ConstantQp(20))
    ),
    ("h264", API_13_0, {"width": 1281}, "width", "even width"),
    ("h264", API_13_0, {"height": 721, "input": "rgb24"}, "height", "even height"),
    ("h264", API_13_0, {"low_latency": True, **opts(lookahead=4)}, "options.lookahead",
     "low_latency"),
    ("hevc", API_13_0, {"low_latency": True, **opts(tuning="ultra_high_quality")},
     "options.tuning", "low_latency"),
    ("h264", API_13_0, {"low_latency": True, **opts(frame_interval_p=2)},
     "options.frame_interval_p", "low_latency"),
    ("h264", API_13_0, {"gop": 30, **opts(gop_length=60)}, "options.gop_length", "gop is 30"),
    ("h264", API_13_0, {"b_frames": 1, **opts(frame_interval_p=2)}, "options.frame_interval_p",
     "b_frames is 1"),
    ("h264", API_13_0, {"gop": 2, "b_frames": 2}, "gop", "less than"),
    ("h264", API_13_0, {"profile": "baseline", "b_frames": 1}, "b_frames", "baseline"),
    ("h264", API_13_0, opts(b_references="middle"), "options.b_references", "without B-pictures"),
    ("h264", API_13_0, {"b_frames": 1, **opts(weighted_prediction=True)},
     "options.weighted_prediction", "B-pictures"),
    ("hevc", API_13_0, {"b_frames": 3, **opts(temporal_filter=True)}, "options.temporal_filter",
     "b_frames 3"),
    ("h264", API_13_0, opts(aq_strength=4), "options.aq_strength", "spatial_aq"),
    ("h264", API_13_0, opts(lookahead_level=1), "options.lookahead_level", "without lookahead"),
    ("h264", API_13_0, opts(vbv_bits=1), "options.vbv_bits", "ConstantQuality"),
    ("h264", API_13_0, {"rate_control": CBR, **opts(vbv_bits=5, vbv_initial_bits=6)},
     "options.vbv_initial_bits", "has 5"),
    ("h264", API_13_0, opts(filler_data=True), "options.filler_data", "constant bitrate"),
    ("h264", API_13_0, opts(min_qp=52), "options.min_qp", "51"),
    ("h264", API_13_0, opts(min_qp=30, max_qp=(40, 29, 40)), "options.min_qp", "max_qp"),
    ("hevc", API_13_0, opts(qp_map="emphasis"), "options.qp_map", "hevc"),
    ("h264", API_13_0, opts(qp_map="emphasis", spatial_aq=True), "options.qp_map", "spatial_aq"),
    ("h264", API_13_0, {"gop": 30, **opts(intra_refresh_period=30, intra_refresh_frames=5)},
     "options.intra_refresh_period", "keyframes"),
    ("h264", API_13_0, {"b_frames": 1, **opts(intra_refresh_period=30, intra_refresh_frames=5)},
     "options.intra_refresh_period", "B-pictures"),
    ("h264", API_13_0, opts(single_slice_intra_refresh=True),
     "options.single_slice_intra_refresh", "without"),
    ("av1", API_13_0, opts(slices=4), "options.slices", "av1"),
    ("av1", API_13_0, opts(aud=True), "options.aud", "av1"),
    ("av1", API_13_0, opts(picture_timing_sei=True), "options.picture_timing_sei", "av1"),
    ("hevc", API_13_0, opts(entropy="cavlc"), "options.entropy", "hevc"),
    ("h264", API_13_0, opts(tier="high"), "options.tier", "h264"),
    ("h264", API_13_0, opts(split_encode="two"), "options.split_encode", "h264"),
    ("h264", API_13_0, opts(level="4.4"), "options.level", "1, 1b, 1.1"),
    ("h264", API_13_0, {"rate_control": VariableBitrate(1 << 31, 1 << 32)},
     "rate_control.max_bps", "4294967296"),
    ("h264", API_13_0, opts(sample_aspect=Fraction(1_000_003, 1_000_033)),
     "options.sample_aspect", "1000003"),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "caps", "given", "name", "text"), BY_CAPS)
def test_what_the_device_lacks_is_refused_by_name(
    codec: str, caps: dict[str, int], given: dict[str, Any], name: str, text: str
) -> None:
    if caps:  # with all that the device can have it is taken
        settings_of(config(codec, **given), answers(codec))
    with pytest.raises(UnsupportedConfig) as caught:
        settings_of(config(codec, **given), answers(codec, **caps))
    assert caught.value.argument == name
    assert text in str(caught.value)


@pytest.mark.parametrize(("codec", "api", "given", "name", "text"), BY_KIND)
def test_what_does_not_go_together_is_refused_by_name(
    codec: str, api: tuple[int, int], given: dict[str, Any], name: str, text: str
) -> None:
    with pytest.raises(UnsupportedConfig) as caught:
        settings_of(config(codec, **given), answers(codec, api))
    assert caught.value.argument == name
    assert text in f"{caught.value} {caught.value.hint}"


def test_options_that_ask_for_nothing_go_with_constant_quantisers() -> None:
    for rate, tuning in ((ConstantQp(20), None), (ConstantQp(0), "lossless"), (None, "lossless")):
        options = opts(multipass="off", strict_gop=False, tuning=tuning)
        fields = settings_of(config(rate_control=rate, **options), answers()).fields
        assert fields[RC + "multiPass"] == fields[RC + "strictGOPTarget"] == 0


def test_what_the_driver_does_not_list_is_refused() -> None:
    told = answers()
    for field, name in (("presets", "preset"), ("profiles", "input"), ("formats", "input")):
        lacking = replace(told, **{field: frozenset()})
        with pytest.raises(UnsupportedConfig) as caught:
            settings_of(config(), lacking)
        assert caught.value.argument == name


def test_another_format_goes_in_where_the_driver_takes_no_planar() -> None:
    told = answers()
    planar = config(input="i420")
    without = replace(told, formats=told.formats - {"IYUV"})
    assert settings_of(planar, told).picture_format == "i420"
    assert settings_of(planar, without).picture_format == "nv12"


def test_answers_come_from_what_the_native_module_found() -> None:
    found = {
        "profiles": ("NV_ENC_H264_PROFILE_MAIN_GUID",), "presets": ("NV_ENC_PRESET_P1_GUID",),
        "formats": ("NV_ENC_BUFFER_FORMAT_NV12", "NV_ENC_BUFFER_FORMAT_ARGB"),
        "caps": {"WIDTH_MAX": 64},
    }  # fmt: skip
    told = Answers.of("h264", API_12_1, found)
    assert told.formats == {"NV12", "ARGB"}
    assert (told.cap("WIDTH_MAX"), told.cap("SUPPORT_YUV422_ENCODE")) == (64, 0)


# Options by themselves


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("preset", "p8"), ("tuning", "fast"), ("multipass", "half"), ("spatial_aq", 1),
        ("temporal_filter", "yes"), ("aq_strength", 16), ("aq_strength", True),
        ("lookahead", 32), ("lookahead", -1), ("lookahead_level", 4), ("vbv_bits", 0),
        ("min_qp", -1), ("max_qp", (1, 2)), ("initial_qp", (1, 2, 256)), ("filler_data", None),
        ("b_references", "all"), ("qp_map", True), ("level", 4.1), ("tier", "low"),
        ("entropy", "huffman"), ("slices", 0), ("slice_bytes", 1.5), ("aud", 1),
        ("sample_aspect", 1.0), ("mastering_display", ContentLight(1, 1)), ("content_light", 100),
        ("split_encode", "five"), ("context", 0), ("stream", -1), ("max_width", 0),
        ("max_in_flight_outputs", 65), ("gop_length", 0), ("frame_interval_p", 33),
        ("safe_lifetime_mode", 0), ("enable_pipeline_scheduler", "on"),
        ("pipeline_queue_capacity", 0), ("report_metrics", 1), ("intra_refresh_period", 30),
        ("intra_refresh_frames", 3), ("keyframe_scale", 256), ("reference_frames", 17),
        ("long_term_references", 0), ("side_data", None),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        NvidiaEncoderOptions(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value.argument).startswith("options.")
    if not name.startswith("intra_refresh"):
        assert caught.value.argument == f"options.{name}"


def test_options_that_exclude_each_other() -> None:
    with pytest.raises(InvalidInput, match="slice_bytes"):
        NvidiaEncoderOptions(slices=2, slice_bytes=1400)
    with pytest.raises(InvalidInput, match="intra_refresh_frames"):
        NvidiaEncoderOptions(intra_refresh_period=5, intra_refresh_frames=5)


def test_only_what_was_asked_is_named() -> None:
    assert named(NvidiaEncoderOptions()) == {}
    assert named(NvidiaEncoderOptions(preset="p2", aud=True)) == {"preset": "p2", "aud": True}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("captions", b"1234"), ("captions", "abc"), ("user_data", [b"short"]),
        ("sei", [(4,)]), ("sei", [(-1, b"")]), ("sei", [(4, "text")]), ("mark_reference", -1),
        ("use_references", [32]), ("use_references", [True]), ("intra_refresh", 0),
    ],
)  # fmt: skip
def test_a_wrong_option_of_a_picture_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        NvidiaPictureOptions(**{name: value})  # type: ignore[arg-type]
    assert caught.value.argument == f"options.{name}"


# Changes


def settings(caps: dict[str, int] | None = None, **given: Any) -> EncoderSettings:
    return settings_of(config(**given), answers(**(caps or {})))


def changed(before: dict[str, Any], after: dict[str, Any], **caps: int) -> Reconfigure | None:
    return change(settings(caps, **before), settings(caps, **after))


RATES: list[tuple[RateControl, RateControl]] = [
    (CBR, ConstantBitrate(2_000_000)),
    (VariableBitrate(1_000_000), VariableBitrate(1_000_000, 8_000_000)),
    (ConstantQuality(20), ConstantQuality(30.5)),
    (ConstantQp(20), ConstantQp(20, 30)),
]


@pytest.mark.parametrize(("before", "after"), RATES)
def test_numbers_of_a_rate_change_without_a_keyframe(
    before: RateControl, after: RateControl
) -> None:
    made = changed({"rate_control": before}, {"rate_control": after})
    assert made is not None
    assert (made.reset, made.force_idr) == (False, False)
    assert made.fields == settings(rate_control=after).fields
    none = changed({"rate_control": before}, {"rate_control": after}, SUPPORT_DYN_BITRATE_CHANGE=0)
    assert none is None


@pytest.mark.parametrize(
    ("before", "after", "cap"),
    [
        (CBR, VariableBitrate(1_000_000), "SUPPORT_DYN_RCMODE_CHANGE"),
        (VariableBitrate(1_000_000), ConstantQuality(30), "SUPPORT_DYN_RCMODE_CHANGE"),
        (CBR, ConstantQp(30), "SUPPORT_DYN_FORCE_CONSTQP"),
    ],
)
def test_the_mode_changes_where_the_device_says_so(
    before: RateControl, after: RateControl, cap: str
) -> None:
    made = changed({"rate_control": before}, {"rate_control": after})
    assert made is not None
    assert not made.force_idr
    assert changed({"rate_control": before}, {"rate_control": after}, **{cap: 0}) is None


def test_the_frame_rate_changes_without_a_keyframe() -> None:
    made = changed({}, {"fps": (24000, 1001)})
    assert made is not None
    assert (made.reset, made.force_idr) == (False, False)
    assert made.fields["frameRateNum"] == 24000


def test_a_smaller_size_begins_with_a_keyframe() -> None:
    color = ColorSpec(matrix="bt709")
    large, small = {"color": color}, {"color": color, "width": 640, "height": 480}
    made = changed(large, small)
    assert made is not None
    assert (made.reset, made.force_idr) == (True, True)
    assert (made.fields["encodeWidth"], made.fields["maxEncodeWidth"]) == (640, 1280)
    assert (made.fields["darWidth"], made.fields["darHeight"]) == (4, 3)
    assert changed(small, large) is None
    assert changed(large, small, SUPPORT_DYN_RES_CHANGE=0) is None


def test_a_larger_size_needs_room_from_the_beginning() -> None:
    room = opts(max_width=1920, max_height=1080)
    assert changed(room, {**room, "width": 1920, "height": 1080}) is not None
    assert changed(room, {**room, "width": 1920, "height": 1082 - 2}) is not None
    assert changed({}, {"width": 1920, "height": 1080}) is None


@pytest.mark.parametrize(
    "after",
    [
        {"gop": 30}, {"b_frames": 2}, {"preset": "best"}, {"profile": "main"},
        {"low_latency": True}, {"color": ColorSpec(matrix="bt2020nc")},
        {"width": 640, "height": 480},  # its matrix is another
    ],
)  # fmt: skip
def test_everything_else_takes_a_new_encoder(after: dict[str, Any]) -> None:
    assert changed({}, after) is None


def test_nothing_changed_is_a_reconfiguration_too() -> None:
    made = changed({}, {})
    assert made is not None
    assert not made.reset
