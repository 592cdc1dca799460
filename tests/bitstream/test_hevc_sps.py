"""HEVC VPS, SPS and PPS: cases, random structures, any bytes, values that are derived."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.bitstream.syntax_strategies import hevc_pps, hevc_sps, hevc_vps
from tests.corpus import DATA
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.convert import escape
from videohw.bitstream.hevc import (
    Pps,
    ProfileTierLevel,
    ShortTermRefPicSet,
    Sps,
    SubLayerOrdering,
    Vps,
    Vui,
    parse_pps,
    parse_sps,
    parse_vps,
    write_sps,
)
from videohw.bitstream.hevc_nal import nal_header
from videohw.bitstream.hevc_pps import walk_pps
from videohw.bitstream.hevc_vps import walk_vps
from videohw.bitstream.syntax import Syntax, SyntaxWriter
from videohw.errors import InvalidBitstream, InvalidInput

VPS, SPS, PPS = 32, 33, 34
PARSERS: dict[int, Callable[[bytes], Vps | Sps | Pps]] = {
    VPS: parse_vps,
    SPS: parse_sps,
    PPS: parse_pps,
}
CASES = [
    case
    for case in json.loads((DATA / "au_cases.json").read_text(encoding="utf-8"))["cases"]
    if case["kind"] == "sps" and case["codec"] == "h265"
]

# From a camera (au_cases "avigilon"): PCM, a reference picture set, a VUI with an HRD.
AVIGILON = bytes.fromhex(
    "420101016000000300800000030000030096a001802006c1fe36bbb5377725d602dc0404041000003e8000042687"
    "21dee510016e200066ff000b71000337f880"
)
SMALL = Sps(
    pic_width_in_luma_samples=352,
    pic_height_in_luma_samples=288,
    sub_layer_ordering=(SubLayerOrdering(4, 2, 0),),
    log2_diff_max_min_luma_coding_block_size=3,
)


def write(value: object, nal_type: int, walk: Callable[[Syntax], None]) -> bytes:
    writer = SyntaxWriter(BitWriter("test"), value)
    walk(writer)
    return nal_header(nal_type) + escape(writer.bits.rbsp_bytes())


# Cases of another project, with its values of the fields.

RENAMED = {
    "VUI": "vui",
    "TemporalIDNestingFlag": "sps_temporal_id_nesting_flag",
    "SubLayerOrderingInfoPresentFlag": "sps_sub_layer_ordering_info_present_flag",
    "TemporalMvpEnabledFlag": "sps_temporal_mvp_enabled_flag",
    "GeneralMax12bitConstraintFlag": "general_max_12bit_constraint_flag",
    "Log2MaxPicOrderCntLsbMinus4": "log2_max_pic_order_cnt_lsb_minus4",
    "Log2MinLumaCodingBlockSizeMinus3": "log2_min_luma_coding_block_size_minus3",
    "Log2MinPcmLumaCodingBlockSizeMinus3": "log2_min_pcm_luma_coding_block_size_minus3",
}
# Bits of general_constraint_flags, from the highest (7.3.3).
CONSTRAINTS = {
    "GeneralProgressiveSourceFlag": 47,
    "GeneralInterlacedSourceFlag": 46,
    "GeneralFrameOnlyConstraintFlag": 44,
    "GeneralMax12bitConstraintFlag": 43,
    "GeneralLowerBitRateConstraintFlag": 35,
}
ORDERING = {
    "MaxDecPicBufferingMinus1": "sps_max_dec_pic_buffering_minus1",
    "MaxNumReorderPics": "sps_max_num_reorder_pics",
    "MaxLatencyIncreasePlus1": "sps_max_latency_increase_plus1",
}


def snake(name: str) -> str:
    if name in RENAMED:
        return RENAMED[name]
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def assert_fields(value: Any, fields: dict[str, Any]) -> None:
    for name, wanted in fields.items():
        if name in CONSTRAINTS:
            assert value.general_constraint_flags >> CONSTRAINTS[name] & 1 == wanted
        elif name in ORDERING:
            assert [getattr(o, ORDERING[name]) for o in value.sub_layer_ordering] == wanted
        elif name == "ConformanceWindow":
            for side, offset in dict(wanted).items():
                assert getattr(value, f"conf_win_{snake(side)}") == offset
        elif name == "ShortTermRefPicSets":
            found = value.short_term_ref_pic_sets
            assert [list(s.delta_poc_s0) for s in found] == [
                s["DeltaPocS0"] if s else [] for s in wanted
            ]
        elif name == "TimingInfo":
            assert_fields(value, wanted)
        elif isinstance(wanted, dict):
            assert_fields(getattr(value, snake(name)), wanted)
        elif wanted != "":  # the cases leave long lists out
            assert getattr(value, snake(name)) == wanted, name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_sps_cases(case: dict[str, Any]) -> None:
    nal = bytes.fromhex(case["nal"])
    sps = parse_sps(nal)
    assert (sps.width, sps.height) == (case["width"], case["height"])
    assert float(sps.fps or 0) == case["fps"]
    assert_fields(sps, case["fields"])
    assert write_sps(sps) == nal


def test_there_are_sps_cases() -> None:
    assert len(CASES) == 6


# Round trips and robustness.


@given(hevc_sps())
def test_a_written_sps_reads_back(sps: Sps) -> None:
    assert parse_sps(write_sps(sps)) == sps


@given(hevc_pps())
def test_a_written_pps_reads_back(pps: Pps) -> None:
    assert parse_pps(write(pps, PPS, walk_pps)) == pps


@given(hevc_vps())
def test_a_written_vps_reads_back(vps: Vps) -> None:
    assert parse_vps(write(vps, VPS, walk_vps)) == vps


@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=150))
def test_any_bytes_raise_only_invalid_bitstream(nal_type: int, payload: bytes) -> None:
    for nal in (nal_header(nal_type) + payload, nal_header(nal_type, 1) + payload, payload):
        outcome(PARSERS[nal_type], nal)


@given(hevc_sps(), st.data())
def test_damaged_sps_raise_only_invalid_bitstream(sps: Sps, data: st.DataObject) -> None:
    nal = bytearray(write_sps(sps))
    for _ in range(data.draw(st.integers(1, 4))):
        nal[data.draw(st.integers(2, len(nal) - 1))] = data.draw(st.integers(0, 255))
    damaged = outcome(parse_sps, bytes(nal))
    if isinstance(damaged, InvalidBitstream):
        return
    assert damaged.width > 0
    assert damaged.height > 0
    assert damaged.pic_size_in_ctbs > 0
    assert damaged.max_num_reorder in range(16)


@pytest.mark.parametrize("size", range(2, len(AVIGILON) - 1))
def test_an_sps_that_is_cut_names_the_field(size: int) -> None:
    with pytest.raises(InvalidBitstream, match=r"^H\.265 SPS: data ended in [a-z][\w ]+$"):
        parse_sps(AVIGILON[:size])


@pytest.mark.parametrize("nal_type", PARSERS)
@pytest.mark.parametrize("fill", [0x00, 0x55, 0x80, 0xAA, 0xFF])
def test_a_megabyte_is_not_read_to_its_end(nal_type: int, fill: int) -> None:
    """Every loop is bounded by the standard's limits, so that a longer NAL unit changes nothing."""
    parse = PARSERS[nal_type]
    short = nal_header(nal_type) + bytes((fill,)) * (1 << 14)
    long = outcome(parse, short + bytes((fill,)) * (1 << 20))
    assert repr(long) == repr(outcome(parse, short))


def test_largest_counts() -> None:
    full = ShortTermRefPicSet(
        num_negative_pics=16,
        delta_poc_s0_minus1=(0,) * 16,
        used_by_curr_pic_s0_flag=(True,) * 16,
        delta_poc_s0=tuple(range(-1, -17, -1)),
        used_s0=(True,) * 16,
    )
    sps = SMALL._replace(
        num_short_term_ref_pic_sets=64,
        short_term_ref_pic_sets=(full,) * 64,
        long_term_ref_pics_present_flag=True,
        num_long_term_ref_pics_sps=32,
        lt_ref_pic_poc_lsb_sps=(15,) * 32,
        used_by_curr_pic_lt_sps_flag=(True,) * 32,
    )
    assert parse_sps(write_sps(sps)) == sps


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sps_seq_parameter_set_id": 16}, "sps_seq_parameter_set_id is 16, not in 0 to 15"),
        ({"pic_width_in_luma_samples": 0}, "pic_width_in_luma_samples is 0, not in 1 to"),
        ({"num_short_term_ref_pic_sets": 65}, "num_short_term_ref_pic_sets is 65"),
        ({"num_short_term_ref_pic_sets": 1}, "short_term_ref_pic_sets has no element 0"),
        ({"sps_max_sub_layers_minus1": 7}, "sps_max_sub_layers_minus1 is 7"),
        ({"conformance_window_flag": True, "conf_win_top_offset": 144}, "conf_win_top_offset"),
        (
            {"sps_extension_present_flag": True, "sps_3d_extension_flag": True},
            "sps_3d_extension_flag is set",
        ),
        ({"nuh_layer_id": 1, "sps_max_sub_layers_minus1": 7}, "picture size is in the VPS"),
    ],
)
def test_writing_refuses(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        write_sps(SMALL._replace(**change))


@pytest.mark.parametrize(
    ("nal", "message"),
    [
        (b"", "0 bytes has no header"),
        (b"\x42", "1 bytes has no header"),
        (b"\x40\x01\x80", "nal_unit_type is 32, not 33"),
        (b"\x42\x01\x0e\x80", "sps_max_sub_layers_minus1 is 7"),
    ],
)
def test_what_is_no_sps(nal: bytes, message: str) -> None:
    with pytest.raises(InvalidBitstream, match=message):
        parse_sps(nal)


def test_an_sps_whose_size_is_in_the_vps_gives_its_ids() -> None:
    # sps_video_parameter_set_id 3, sps_ext_or_max_sub_layers_minus1 7, sps id 4 (00101).
    sps = parse_sps(nal_header(SPS, 1) + bytes((0b0011_111_0, 0b0101_1000)))
    assert (sps.nuh_layer_id, sps.sps_seq_parameter_set_id, sps.width) == (1, 4, 0)
    assert sps.max_num_reorder is None
    assert sps.max_dec_frame_buffering is None


# Reference picture sets.


def rps(*sets: ShortTermRefPicSet) -> tuple[ShortTermRefPicSet, ...]:
    """The sets as they read back after being written."""
    sps = SMALL._replace(num_short_term_ref_pic_sets=len(sets), short_term_ref_pic_sets=sets)
    return parse_sps(write_sps(sps)).short_term_ref_pic_sets


EXPLICIT = ShortTermRefPicSet(
    num_negative_pics=2,
    num_positive_pics=1,
    delta_poc_s0_minus1=(1, 3),
    used_by_curr_pic_s0_flag=(True, False),
    delta_poc_s1_minus1=(2,),
    used_by_curr_pic_s1_flag=(True,),
)


def test_an_explicit_reference_picture_set() -> None:
    (found,) = rps(EXPLICIT)
    assert (found.delta_poc_s0, found.used_s0) == ((-2, -6), (True, False))
    assert (found.delta_poc_s1, found.used_s1) == ((3,), (True,))


def test_a_predicted_reference_picture_set() -> None:
    """7-61, 7-62 by hand: reference -2, -6, +3 and itself (0), each moved by deltaRps = +2.

    -2 falls on the current picture and goes, -6 becomes -4 (kept, not used), 3 becomes 5 and is
    dropped by its flags, the reference itself becomes 2.
    """
    predicted = ShortTermRefPicSet(
        inter_ref_pic_set_prediction_flag=True,
        abs_delta_rps_minus1=1,
        used_by_curr_pic_flag=(True, False, False, True),
        use_delta_flag=(True, False),
    )
    found = rps(EXPLICIT, predicted)[1]
    assert (found.delta_poc_s0, found.used_s0) == ((-4,), (False,))
    assert (found.delta_poc_s1, found.used_s1) == ((2,), (True,))


def test_a_prediction_that_makes_a_set_too_large_is_refused() -> None:
    full = EXPLICIT._replace(
        num_negative_pics=16,
        num_positive_pics=0,
        delta_poc_s0_minus1=(0,) * 16,
        used_by_curr_pic_s0_flag=(True,) * 16,
    )
    predicted = ShortTermRefPicSet(
        inter_ref_pic_set_prediction_flag=True,
        delta_rps_sign=True,
        used_by_curr_pic_flag=(True,) * 17,
    )
    with pytest.raises(InvalidInput, match="reference picture set of 17 pictures"):
        rps(full, predicted)


# Values that are derived.


def test_crop_and_default_display_window() -> None:
    window = Vui(
        default_display_window_flag=True, def_disp_win_left_offset=5, def_disp_win_bottom_offset=6
    )
    sps = SMALL._replace(
        conformance_window_flag=True,
        conf_win_left_offset=1,
        conf_win_right_offset=2,
        conf_win_top_offset=3,
        conf_win_bottom_offset=4,
        vui_parameters_present_flag=True,
        vui=window,
    )
    for chroma, crop, display in (
        (1, (2, 4, 6, 8), (10, 0, 0, 12)),
        (2, (2, 4, 3, 4), (10, 0, 0, 6)),
        (3, (1, 2, 3, 4), (5, 0, 0, 6)),
        (0, (1, 2, 3, 4), (5, 0, 0, 6)),
    ):
        found = parse_sps(write_sps(sps._replace(chroma_format_idc=chroma)))
        assert found.crop == crop
        assert found.default_display_window == display
        # The default display window is advice, and does not change the size.
        assert (found.width, found.height) == (352 - crop[0] - crop[1], 288 - crop[2] - crop[3])
    assert SMALL.default_display_window is None


def test_sub_layers_are_read_and_the_highest_counts() -> None:
    sps = SMALL._replace(
        sps_max_sub_layers_minus1=2,
        profile_tier_level=ProfileTierLevel(
            sub_layer_profile_present_flag=(True, False),
            sub_layer_level_present_flag=(False, True),
            sub_layer_profile=(7,),
            sub_layer_level_idc=(93,),
        ),
        sps_sub_layer_ordering_info_present_flag=True,
        sub_layer_ordering=(
            SubLayerOrdering(1, 0, 0),
            SubLayerOrdering(2, 1, 0),
            SubLayerOrdering(4, 3, 5),
        ),
    )
    found = parse_sps(write_sps(sps))
    assert found == sps
    assert (found.max_num_reorder, found.max_dec_frame_buffering, found.reorders) == (3, 5, True)


def test_names_and_lengths_come_through() -> None:
    sps = parse_sps(AVIGILON)
    assert (sps.profile, sps.tier, sps.level) == ("Main", "Main", "5")
    assert sps.log2_max_pic_order_cnt_lsb == 16
    assert (sps.stated_num_reorder, sps.reorders) == (0, False)
    assert sps.bit_depth_chroma == 8


def test_blocks_of_a_picture_round_up() -> None:
    sps = SMALL._replace(pic_width_in_luma_samples=1928, pic_height_in_luma_samples=1080)
    assert sps.log2_ctb_size == 6
    assert sps.pic_size_in_ctbs == 31 * 17


def test_timing_of_vui_and_vps() -> None:
    assert parse_sps(AVIGILON).fps == 17
    assert SMALL.fps is None
    assert SMALL._replace(vui=Vui(num_units_in_tick=0, time_scale=25)).fps is None
    vps = Vps(0, num_units_in_tick=1001, time_scale=30000)
    assert vps.fps == Fraction(30000, 1001)
    assert Vps(0).fps is None
