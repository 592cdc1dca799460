"""Parameter sets by id; NAL unit type names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.bitstream.parameter_set_streams import nals
from tests.bitstream.syntax_strategies import hevc_sps
from tests.corpus import Stream, all_streams
from videohw.bitstream import h264, hevc
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.config_record import AvcConfig, HevcConfig
from videohw.bitstream.convert import annexb_to_nals, escape
from videohw.bitstream.hevc_nal import nal_header
from videohw.bitstream.hevc_pps import walk_pps as walk_hevc_pps
from videohw.bitstream.nal_types import nal_type_name
from videohw.bitstream.parameter_sets import ParameterSets
from videohw.bitstream.syntax import SyntaxWriter
from videohw.errors import InvalidBitstream, InvalidInput

QCIF = h264.Sps(66, 0, 30, pic_width_in_mbs_minus1=10, pic_height_in_map_units_minus1=8)
CIF = QCIF._replace(pic_width_in_mbs_minus1=21, pic_height_in_map_units_minus1=17)
HEVC = hevc.Sps(
    pic_width_in_luma_samples=352,
    pic_height_in_luma_samples=288,
    sub_layer_ordering=(hevc.SubLayerOrdering(),),
)
SET_TYPES = {"h264": (7, 8, 13), "hevc": (32, 33, 34)}


def h264_pps(pps: h264.Pps, sps: h264.Sps = QCIF) -> bytes:
    writer = SyntaxWriter(BitWriter("PPS"), pps)
    h264.walk_pps(writer, {pps.seq_parameter_set_id: sps})
    return b"\x68" + escape(writer.bits.rbsp_bytes())


def hevc_pps(pps_id: int, sps_id: int) -> bytes:
    writer = SyntaxWriter(BitWriter("PPS"), hevc.Pps(0, pps_id, sps_id))
    walk_hevc_pps(writer)
    return nal_header(34) + escape(writer.bits.rbsp_bytes())


def test_the_newest_of_each_id_is_kept() -> None:
    sets = ParameterSets("h264")
    assert sets.active_sps is None
    first, second = h264.write_sps(QCIF), h264.write_sps(CIF)
    assert sets.add(first) is True
    assert sets.add(first) is False
    assert sets.add(first + b"\0\0") is False
    assert sets.add(second) is True
    assert sets.sps(0) == CIF
    assert sets.raw() == [second]
    assert sets.add(first) is True
    assert sets.sps(0) == QCIF
    assert sets.add(h264.write_sps(CIF._replace(seq_parameter_set_id=31))) is True
    assert sets.sps_ids == (0, 31)
    assert sets.sps(31) == CIF._replace(seq_parameter_set_id=31)
    assert sets.sps(1) is None
    assert sets.pps(0) is None
    assert sets.vps(0) is None


def test_a_pps_is_read_again_when_its_sps_has_changed() -> None:
    """transform_8x8_mode_flag brings two lists more, or six more in a 4:4:4 stream (7.3.2.2)."""
    planar = QCIF._replace(profile_idc=244, chroma_format_idc=3)
    pps = h264.Pps(
        0,
        0,
        transform_8x8_present=True,
        transform_8x8_mode_flag=True,
        pic_scaling_matrix_present_flag=True,
        pic_scaling_list_present_flag=(*(False,) * 8, True, *(False,) * 3),
        scaling_lists=(h264.ScalingList((-8,)),),
        second_chroma_qp_index_offset=-3,
    )
    sets = ParameterSets("h264")
    sets.add(h264_pps(pps, planar))
    without_sps = sets.pps(0)
    assert isinstance(without_sps, h264.Pps)
    assert len(without_sps.pic_scaling_list_present_flag) == 8  # 4:2:0 until the SPS comes
    sets.add(h264.write_sps(planar))
    assert sets.pps(0) == pps
    sets.add(h264.write_sps(QCIF))
    assert sets.pps(0) == without_sps


def test_the_active_sps_is_what_a_slice_referred_to_or_the_newest() -> None:
    sets = ParameterSets("h264")
    small, large = QCIF, CIF._replace(seq_parameter_set_id=1)
    sets.add(h264.write_sps(small))
    sets.add(h264.write_sps(large))
    sets.add(h264_pps(h264.Pps(7, 0)))
    assert sets.active_sps == large
    sets.activate(7)
    assert sets.active_sps == small
    sets.activate(99)  # a slice of a PPS that never came
    assert sets.active_sps == large
    sets.add(h264_pps(h264.Pps(99, 5)))  # whose SPS never came
    assert sets.active_sps == large
    sets.clear()
    assert sets.active_sps is None
    assert sets.raw() == []


def test_the_same_for_hevc() -> None:
    sets = ParameterSets("hevc")
    other = HEVC._replace(sps_seq_parameter_set_id=3, pic_width_in_luma_samples=640)
    for nal in (hevc_pps(5, 3), hevc.write_sps(HEVC), hevc.write_sps(other), hevc_pps(0, 0)):
        assert sets.add(nal)
    assert (sets.sps_ids, sets.pps_ids, sets.vps_ids) == ((0, 3), (0, 5), ())
    assert sets.active_sps == other
    sets.activate(0)
    assert sets.active_sps == HEVC
    sets.activate(5)
    assert sets.active_sps == other


@given(hevc_sps(), st.integers(0, 15))
def test_an_id_is_found_behind_any_profile_tier_level(sps: hevc.Sps, sps_id: int) -> None:
    sets = ParameterSets("hevc")
    sps = sps._replace(sps_seq_parameter_set_id=sps_id)
    assert sets.add(hevc.write_sps(sps))
    assert sets.sps_ids == (sps_id,)
    assert sets.sps(sps_id) == sps


def test_order_and_completeness() -> None:
    sets = ParameterSets("h264")
    sps, pps = h264.write_sps(QCIF), [h264_pps(h264.Pps(i, 0)) for i in (0, 1, 255)]
    extension = b"\x6d\xff"  # SPS extension of SPS 0
    for nal in (pps[2], pps[0], extension, pps[1]):
        assert sets.add(nal)
    assert not sets.complete
    sets.add(sps)
    assert sets.complete
    assert sets.raw() == [sps, extension, *pps]
    assert annexb_to_nals(sets.annexb()) == sets.raw()
    assert AvcConfig.parse(sets.extradata(length_size=2)).length_size == 2


def test_other_nal_units_are_left_alone() -> None:
    subset_sps = b"\x6f" + h264.write_sps(QCIF)[1:]
    sets = ParameterSets("h264")
    for nal in (b"\x65\x88", b"\x06\x05", b"\x09\xf0", subset_sps, b"", b"\0\0"):
        assert sets.add(nal) is False
    layers = ParameterSets("hevc")
    enhancement = nal_header(33, 1) + hevc.write_sps(HEVC)[2:]
    for nal in (nal_header(19) + b"\x80", enhancement, b"\x42", b""):
        assert layers.add(nal) is False
    assert sets.raw() == layers.raw() == []
    with pytest.raises(InvalidBitstream, match="no SPS"):
        sets.extradata()
    with pytest.raises(InvalidBitstream, match="no SPS"):
        layers.extradata()


def test_a_broken_set_fails_when_asked_for_and_hurts_no_other() -> None:
    sets = ParameterSets("h264")
    sets.add(h264.write_sps(QCIF))
    broken = h264.write_sps(CIF._replace(seq_parameter_set_id=1))[:6]
    assert sets.add(broken) is True
    with pytest.raises(InvalidBitstream, match="data ended in"):
        sets.sps(1)
    sets.add(h264_pps(h264.Pps(0, 0)))
    assert isinstance(sets.pps(0), h264.Pps)
    assert sets.sps(0) == QCIF


@pytest.mark.parametrize(
    ("codec", "nal", "message"),
    [
        ("h264", b"\x67\x42", "H.264 SPS: data ended in profile_idc"),
        ("h264", b"\x67\x42\0\x1e\x04\x20", "H.264 SPS: id is 32, not in 0 to 31"),
        ("h264", b"\x68", "H.264 PPS: data ended in id"),
        ("hevc", b"\x42\x01", "H.265 SPS: data ended in"),
        ("hevc", b"\x42\x01\x0e" + bytes(range(1, 30)), "sps_max_sub_layers_minus1 is 7"),
        ("hevc", b"\x44\x01", "H.265 PPS: data ended in"),
        ("hevc", b"\x40\x01", "H.265 VPS: data ended in"),
    ],
)
def test_a_set_without_a_readable_id_is_refused(codec: str, nal: bytes, message: str) -> None:
    sets = ParameterSets(codec)
    with pytest.raises(InvalidBitstream, match=message):
        sets.add(nal)
    assert sets.raw() == []


@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from(("h264", "hevc")))
def test_any_bytes_raise_only_invalid_bitstream(units: list[bytes], codec: str) -> None:
    sets = ParameterSets(codec)
    heads = (b"\x67", b"\x68") if codec == "h264" else (b"\x40\1", b"\x42\1", b"\x44\1")
    for head in heads:
        for unit in units:
            outcome(sets.add, head + unit)
    for lookup, ids in ((sets.sps, sets.sps_ids), (sets.pps, sets.pps_ids)):
        for set_id in ids:
            assert outcome(lookup, set_id) is not None


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidInput, match="codec is 'av1'"):
        ParameterSets("av1")
    with pytest.raises(InvalidInput, match="nal is str"):
        ParameterSets("h264").add("text")  # type: ignore[arg-type]
    assert ParameterSets("h264").add(memoryview(h264.write_sps(QCIF))) is True  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "stream", [s for s in all_streams() if not s.damaged], ids=lambda stream: stream.name
)
def test_the_sets_of_a_stream(stream: Stream) -> None:
    sets = ParameterSets(stream.codec)
    for nal in nals(stream, *SET_TYPES[stream.codec]):
        sets.add(nal)
    assert sets.complete
    sps = sets.active_sps
    assert sps is not None
    assert sps.width > 0
    assert all(sets.pps(i) is not None for i in sets.pps_ids)
    assert all(sets.vps(i) is not None for i in sets.vps_ids)
    record = AvcConfig if stream.codec == "h264" else HevcConfig
    assert record.parse(sets.extradata()).nals() == sets.raw()


@pytest.mark.parametrize(
    ("codec", "nal_type", "name"),
    [
        ("h264", 5, "IDR slice"), ("h264", 15, "subset SPS"), ("h264", 17, "reserved 17"),
        ("h264", 24, "unspecified 24"), ("h264", 0, "unspecified 0"), ("hevc", 21, "CRA"),
        ("hevc", 0, "TRAIL_N"), ("hevc", 10, "reserved 10"), ("hevc", 41, "reserved 41"),
        ("hevc", 62, "unspecified 62"), ("hevc", 39, "prefix SEI"),
    ],
)  # fmt: skip
def test_names_of_nal_unit_types(codec: str, nal_type: int, name: str) -> None:
    assert nal_type_name(codec, nal_type) == name


def test_names_need_a_codec_with_nal_units() -> None:
    with pytest.raises(InvalidInput, match="codec is 'av1'"):
        nal_type_name("av1", 1)
