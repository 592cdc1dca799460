"""H.264 SPS and PPS: cases, random structures, any bytes, values that are derived."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.bitstream.syntax_strategies import h264_pps, h264_sps
from tests.corpus import DATA
from videohw.bitstream import h264
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.convert import escape
from videohw.bitstream.h264 import Hrd, Pps, Sps, Vui, parse_pps, parse_sps, write_sps
from videohw.bitstream.h264_levels import level_name, max_dpb_frames, profile_name
from videohw.bitstream.syntax import SyntaxWriter
from videohw.errors import InvalidBitstream, InvalidInput

SUBSET_SPS = 15
CASES = [
    case
    for case in json.loads((DATA / "au_cases.json").read_text(encoding="utf-8"))["cases"]
    if case["kind"] == "sps" and case["codec"] == "h264"
]

# A VUI with all parts, from a camera (au_cases "hikvision nal hrd + vcl hrd").
HIKVISION = bytes.fromhex(
    "674d00299a6403c0113f2e02dc04040500000303e80000c350e86000bab40002eac4bbcb8d0c00175680005d58977970a0"
)
CIF = Sps(100, 0, 40, pic_width_in_mbs_minus1=21, pic_height_in_map_units_minus1=17)


def write_pps(pps: Pps, sps_by_id: dict[int, Sps]) -> bytes:
    writer = SyntaxWriter(BitWriter("H.264 PPS"), pps)
    h264.walk_pps(writer, sps_by_id)
    return bytes((0x68,)) + escape(writer.bits.rbsp_bytes())


# Cases of another project, with its values of every field.

# Its names that are not the standard's in snake case.
RENAMED = {
    "Log2MaxPicOrderCntLsbMinus4": "log2_max_pic_order_cnt_lsb_minus4",
    "Direct8x8InferenceFlag": "direct_8x8_inference_flag",
    "NalHRD": "nal_hrd",
    "VclHRD": "vcl_hrd",
}


def snake(name: str) -> str:
    if name in RENAMED:
        return RENAMED[name]
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def assert_fields(value: Any, fields: dict[str, Any]) -> None:
    for name, wanted in fields.items():
        if name in ("TimingInfo", "BitstreamRestriction"):
            assert_fields(value, wanted)
        elif name == "FrameCropping":
            for side, offset in wanted.items():
                assert getattr(value, f"frame_crop_{snake(side)}") == offset
        elif name.startswith("ConstraintSet"):
            assert value.constraint_set_flags >> (7 - int(name[13])) & 1 == wanted
        elif name == "VUI":
            assert_fields(value.vui, wanted)
        elif isinstance(wanted, dict):
            assert_fields(getattr(value, snake(name)), wanted)
        else:
            found = getattr(value, snake(name))
            assert (list(found) if isinstance(found, tuple) else found) == wanted, name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_sps_cases(case: dict[str, Any]) -> None:
    nal = bytes.fromhex(case["nal"])
    sps = parse_sps(nal)
    assert (sps.width, sps.height, sps.fps) == (case["width"], case["height"], case["fps"])
    assert_fields(sps, case["fields"])
    assert write_sps(sps)[1:] == nal[1:]


def test_there_are_sps_cases() -> None:
    assert len(CASES) == 7


# Round trips and robustness.


@given(h264_sps())
def test_a_written_sps_reads_back(sps: Sps) -> None:
    nal = write_sps(sps)
    assert parse_sps(nal) == sps
    assert nal[-1] != 0
    assert b"\0\0\1" not in nal


@given(st.data())
def test_a_written_pps_reads_back(data: st.DataObject) -> None:
    sps = CIF._replace(chroma_format_idc=data.draw(st.integers(0, 3)))
    pps = data.draw(h264_pps({0: sps}, seq_parameter_set_id=0))
    assert parse_pps(write_pps(pps, {0: sps}), {0: sps}) == pps


@given(st.binary(max_size=120))
def test_any_bytes_raise_only_invalid_bitstream(payload: bytes) -> None:
    for header, parse in ((b"\x67", parse_sps), (b"\x68", lambda nal: parse_pps(nal, {0: CIF}))):
        for nal in (header + payload, payload):
            outcome(parse, nal)


@given(h264_sps(), st.data())
def test_damaged_sps_raise_only_invalid_bitstream(sps: Sps, data: st.DataObject) -> None:
    nal = bytearray(write_sps(sps))
    for _ in range(data.draw(st.integers(1, 4))):
        nal[data.draw(st.integers(1, len(nal) - 1))] = data.draw(st.integers(0, 255))
    damaged = outcome(parse_sps, bytes(nal))
    if isinstance(damaged, InvalidBitstream):
        return
    assert damaged.width > 0
    assert damaged.height > 0
    assert damaged.max_num_reorder <= 16


@pytest.mark.parametrize("size", range(1, len(HIKVISION) - 1))
def test_an_sps_that_is_cut_names_the_field(size: int) -> None:
    with pytest.raises(InvalidBitstream, match=r"^H\.264 SPS: data ended in [a-z]\w+$"):
        parse_sps(HIKVISION[:size])


@pytest.mark.parametrize("fill", [0x00, 0x55, 0x80, 0xAA, 0xFF])
def test_a_megabyte_is_not_read_to_its_end(fill: int) -> None:
    """Every loop is bounded by the standard's limits, so that a longer NAL unit changes nothing."""
    for head, parse in ((b"\x67\x64\0\x28", parse_sps), (b"\x68", lambda nal: parse_pps(nal, {}))):
        long = outcome(parse, head + bytes((fill,)) * (1 << 20))
        assert repr(long) == repr(outcome(parse, head + bytes((fill,)) * (1 << 14)))


def test_largest_counts() -> None:
    sps = CIF._replace(
        pic_order_cnt_type=1,
        num_ref_frames_in_pic_order_cnt_cycle=255,
        offset_for_ref_frame=tuple(range(-127, 128)),
        vui_parameters_present_flag=True,
        vui=Vui(
            nal_hrd_parameters_present_flag=True,
            nal_hrd=Hrd(31, 0, 0, tuple(range(32)), tuple(range(32)), (True,) * 32),
        ),
    )
    assert parse_sps(write_sps(sps)) == sps
    map_units = 139264  # MaxFS of level 6.2
    pps = Pps(
        255,
        31,
        num_slice_groups_minus1=7,
        slice_group_map_type=6,
        pic_size_in_map_units_minus1=map_units - 1,
        slice_group_id=(5,) * map_units,
    )
    assert parse_pps(write_pps(pps, {}), {}) == pps


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seq_parameter_set_id": 32}, "seq_parameter_set_id is 32, not in 0 to 31"),
        ({"pic_order_cnt_type": 3}, "pic_order_cnt_type is 3, not in 0 to 2"),
        ({"log2_max_frame_num_minus4": 13}, "log2_max_frame_num_minus4 is 13, not in 0 to 12"),
        ({"profile_idc": -1}, "profile_idc is -1"),
        ({"frame_cropping_flag": True, "frame_crop_left_offset": 176}, "frame_crop_left_offset"),
        ({"vui_parameters_present_flag": True}, "vui is None, not a Vui"),
        (
            {"pic_order_cnt_type": 1, "num_ref_frames_in_pic_order_cnt_cycle": 1},
            "offset_for_ref_frame has no element 0",
        ),
    ],
)
def test_writing_refuses_values_out_of_range(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        write_sps(CIF._replace(**change))


@pytest.mark.parametrize(
    ("nal", "message"),
    [
        (b"", "empty"),
        (b"\x68\x80", "nal_unit_type is 8, not 7"),
        (b"\x67\xff\xff\xff\x00\x00\x00\x00\x00\x00", "leading zero bits"),
    ],
)
def test_what_is_no_sps(nal: bytes, message: str) -> None:
    with pytest.raises(InvalidBitstream, match=message):
        parse_sps(nal)


def test_the_base_part_of_a_subset_sps_is_read() -> None:
    nal = write_sps(CIF._replace(profile_idc=118))
    assert parse_sps(bytes((0x60 | SUBSET_SPS,)) + nal[1:]).width == 352


# Values that are derived.


@pytest.mark.parametrize(
    ("chroma", "separate", "frame_mbs_only", "crop", "size"),
    [
        (1, False, True, (2, 4, 6, 8), (346, 274)),
        (1, False, False, (2, 4, 12, 16), (346, 548)),
        (2, False, True, (2, 4, 3, 4), (346, 281)),
        (3, False, True, (1, 2, 3, 4), (349, 281)),
        (3, True, True, (1, 2, 3, 4), (349, 281)),
        (0, False, False, (1, 2, 6, 8), (349, 562)),
    ],
)
def test_crop_is_in_luma_samples(
    chroma: int,
    separate: bool,
    frame_mbs_only: bool,
    crop: tuple[int, ...],
    size: tuple[int, int],
) -> None:
    """Offsets 1, 2, 3, 4 in CropUnitX and CropUnitY of 7-19 to 7-22; fields double the height."""
    sps = CIF._replace(
        chroma_format_idc=chroma,
        separate_colour_plane_flag=separate,
        frame_mbs_only_flag=frame_mbs_only,
        frame_cropping_flag=True,
        frame_crop_left_offset=1,
        frame_crop_right_offset=2,
        frame_crop_top_offset=3,
        frame_crop_bottom_offset=4,
    )
    assert sps.crop == crop
    assert (sps.width, sps.height) == size
    assert parse_sps(write_sps(sps._replace(profile_idc=244))).crop == crop


@pytest.mark.parametrize(
    ("idc", "flags", "name"),
    [
        (66, 0x00, "Baseline"), (66, 0x40, "Constrained Baseline"), (77, 0x40, "Main"),
        (88, 0, "Extended"), (100, 0, "High"), (100, 0x08, "Progressive High"),
        (100, 0x0C, "Constrained High"), (110, 0, "High 10"), (110, 0x10, "High 10 Intra"),
        (122, 0, "High 4:2:2"), (122, 0x10, "High 4:2:2 Intra"),
        (244, 0, "High 4:4:4 Predictive"), (244, 0x10, "High 4:4:4 Intra"),
        (44, 0x10, "CAVLC 4:4:4 Intra"), (118, 0, "Multiview High"), (200, 0, "profile 200"),
    ],
)  # fmt: skip
def test_profile_names(idc: int, flags: int, name: str) -> None:
    assert profile_name(idc, flags) == name


@pytest.mark.parametrize(
    ("profile", "flags", "level", "name"),
    [
        (66, 0x10, 11, "1b"), (100, 0x10, 11, "1.1"), (100, 0, 9, "1b"), (66, 0, 11, "1.1"),
        (100, 0, 10, "1"), (100, 0, 40, "4"), (100, 0, 51, "5.1"), (100, 0, 62, "6.2"),
    ],
)  # fmt: skip
def test_level_names(profile: int, flags: int, level: int, name: str) -> None:
    assert level_name(profile, flags, level) == name


@pytest.mark.parametrize(
    ("level", "width", "height", "frames"),
    [
        # Table A-1 through PicWidthInMbs * FrameHeightInMbs: 1080p has 8160 macroblocks.
        (40, 1920, 1088, 4), (41, 1920, 1088, 4), (51, 1920, 1088, 16), (31, 1280, 720, 5),
        (30, 720, 576, 5), (10, 176, 144, 4), (13, 352, 288, 6), (51, 3840, 2160, 5),
        (52, 3840, 2160, 5), (60, 7680, 4320, 5), (77, 1920, 1088, 16), (10, 1920, 1088, 0),
    ],
)  # fmt: skip
def test_dpb_frames_by_level(level: int, width: int, height: int, frames: int) -> None:
    assert max_dpb_frames(100, 0, level, (width // 16) * (height // 16)) == frames


def with_vui(sps: Sps, **fields: Any) -> Sps:
    return sps._replace(vui_parameters_present_flag=True, vui=Vui(**fields))


RESTRICTED = {"bitstream_restriction_flag": True, "max_num_reorder_frames": 2,
              "max_dec_frame_buffering": 4}  # fmt: skip
BASELINE = CIF._replace(profile_idc=66, level_idc=13)


@pytest.mark.parametrize(
    ("sps", "stated", "reorder", "buffering"),
    [
        (with_vui(CIF, **RESTRICTED), 2, 2, 4),
        (with_vui(CIF), None, 16, 16),
        (BASELINE, None, 6, 6),
        # Output order is decoding order with pic_order_cnt_type 2 (8.2.1.3).
        (BASELINE._replace(pic_order_cnt_type=2), None, 0, 6),
        (with_vui(CIF._replace(pic_order_cnt_type=2), **RESTRICTED), 2, 0, 4),
        # E.2.1: intra profiles with constraint_set3_flag need no buffer.
        (CIF._replace(profile_idc=110, constraint_set_flags=0x10), None, 0, 0),
        (CIF._replace(profile_idc=110), None, 16, 16),
        (CIF._replace(profile_idc=77, constraint_set_flags=0x10), None, 16, 16),
    ],
)
def test_reordering(sps: Sps, stated: int | None, reorder: int, buffering: int) -> None:
    assert sps.stated_num_reorder == stated
    assert sps.max_num_reorder == reorder
    assert sps.reorders is (reorder > 0)
    assert sps.max_dec_frame_buffering == buffering


def test_vui_values() -> None:
    sps = parse_sps(HIKVISION)
    assert (sps.fps, sps.sample_aspect_ratio) == (Fraction(25), Fraction(1))
    assert sps.full_range is True
    assert (sps.colour_primaries, sps.transfer_characteristics, sps.matrix_coefficients) == (1,) * 3
    assert sps.chroma_sample_loc_type is None
    assert (sps.profile, sps.level, sps.chroma_format, sps.bit_depth_luma) == (
        "Main", "4.1", "4:2:0", 8,
    )  # fmt: skip


def test_what_is_not_stated_is_none_or_unspecified() -> None:
    for sps in (CIF, with_vui(CIF)):
        assert sps.fps is None
        assert sps.sample_aspect_ratio is None
        assert sps.full_range is None
        assert sps.chroma_sample_loc_type is None
        assert (sps.colour_primaries, sps.transfer_characteristics, sps.matrix_coefficients) == (
            2, 2, 2,
        )  # fmt: skip
    zero = with_vui(CIF, timing_info_present_flag=True, num_units_in_tick=0, time_scale=50)
    assert zero.fps is None


@pytest.mark.parametrize(
    ("idc", "extended", "aspect"),
    [
        (0, (0, 0), None), (1, (0, 0), Fraction(1)), (2, (0, 0), Fraction(12, 11)),
        (13, (0, 0), Fraction(160, 99)), (14, (0, 0), Fraction(4, 3)),
        (16, (0, 0), Fraction(2)), (17, (0, 0), None), (254, (0, 0), None),
        (255, (5461, 21554), Fraction(5461, 21554)), (255, (0, 1), None), (255, (1, 0), None),
    ],
)  # fmt: skip
def test_sample_aspect_ratios(idc: int, extended: tuple[int, int], aspect: Fraction | None) -> None:
    width, height = extended
    sps = with_vui(
        CIF,
        aspect_ratio_info_present_flag=True,
        aspect_ratio_idc=idc,
        sar_width=width,
        sar_height=height,
    )
    assert sps.sample_aspect_ratio == aspect


def test_lengths_of_slice_header_fields() -> None:
    sps = CIF._replace(log2_max_frame_num_minus4=3, log2_max_pic_order_cnt_lsb_minus4=12)
    assert (sps.log2_max_frame_num, sps.log2_max_pic_order_cnt_lsb) == (7, 16)


def test_a_monochrome_stream_has_one_bit_depth() -> None:
    sps = CIF._replace(chroma_format_idc=0, bit_depth_luma_minus8=2)
    assert (sps.bit_depth_luma, sps.bit_depth_chroma) == (10, 10)
