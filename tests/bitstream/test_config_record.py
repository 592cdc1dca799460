"""avcC and hvcC: against those of libavformat's MP4 muxer, round trips, any bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.bitstream.parameter_set_streams import nals
from tests.bitstream.syntax_strategies import avc_configs, h264_sps, hevc_configs, hevc_sps
from tests.corpus import stream
from videohw.bitstream import h264, hevc
from videohw.bitstream.config_record import AvcConfig, HevcConfig, NalArray
from videohw.errors import InvalidBitstream, InvalidInput

# What FFmpeg 8.1 writes into an MP4 file for the streams of tests/data.
FFMPEG_AVCC = {
    "generated/main_cabac_b2.h264":
        "014d400dffe10018674d400de880a0fd80880000030008000003019078a1489001000568ebe3cb20",
    "chromeos__cros-codecs/64x64-I-P-B-P.h264":
        "0142c015ffe1001a6742c015d90426c05a8303035280000003008000001e478b172401000468cb8cb2",
    "chromeos__cros-codecs/64x64-I-P-B-P-high.h264":
        "01640014ffe1001c67640014ace4109b016a0c0c0d4a000003000200000300791e28522401000568ebecb22c"
        "fdf8f800",
    "generated/gray400.h264":
        "0164000bffe100196764000bf3650b13b016c80000030008000003019078a14cb001000668ebe3cb22c0"
        "fcf8f800",
    "generated/high444_odd.h264":
        "01f4000bffe1001e67f4000b919b28589f55ff984c9844880000030008000003019078a14cb001000668ebe3"
        "c44844fff8f800",
}  # fmt: skip
# It says that samples may hold parameter sets too (array_completeness 0).
FFMPEG_HVCC = {
    "generated/main_320x240_b4.h265":
        "0101600000009000000000003cf000fcfdf8f800000f03200001001840010c01ffff01600000030090000003"
        "000003003c959809210001002a42010101600000030090000003000003003ca00a080f165959a4932bc05a02"
        "000003000200000300321022000100074401c172b46240",
    "generated/temporal_layers.h265":
        "0101600000009000000000003cf000fcfdf8f800001303200001001c40010c02ffff01600000030090000003"
        "000003003c00009598acc048210001002e42010201600000030090000003000003003c0000a00a080f165959"
        "8acd24995e02d010000003001000000301908022000100074401c172b46240",
    "generated/main12_420.h265":
        "0104080000009988000000003cf000fcfdfcfc00000f03200001001740010c01ffff04080000030099880000"
        "0300003c959809210001002a420101040800000300998800000300003ca016202445296566924caf01680800"
        "0003000800000300c84022000100074401c172b46240",
    "generated/main444_8_odd.h265":
        "0104080000009e08000000003cf000fcfff8f800000f03200001001740010c01ffff0408000003009e080000"
        "0300003c959809210001002e4201010408000003009e0800000300003c9002c4048eab2cacd24995ffe61326"
        "112d01000003000100000300190822000100084401c172860c4624",
}  # fmt: skip

AVC = AvcConfig.parse(bytes.fromhex(FFMPEG_AVCC["generated/high444_odd.h264"]))
HEVC = HevcConfig.parse(bytes.fromhex(FFMPEG_HVCC["generated/main_320x240_b4.h265"]))


@pytest.mark.parametrize("name", FFMPEG_AVCC)
def test_avcc_is_that_of_ffmpeg(name: str) -> None:
    source, record = stream(name), bytes.fromhex(FFMPEG_AVCC[name])
    config = AvcConfig.from_parameter_sets(list(nals(source, 7)), list(nals(source, 8)))
    assert config.write() == record
    assert AvcConfig.parse(record) == config


@pytest.mark.parametrize("name", FFMPEG_HVCC)
def test_hvcc_is_that_of_ffmpeg(name: str) -> None:
    source, record = stream(name), bytes.fromhex(FFMPEG_HVCC[name])
    vps, sps, pps = (list(nals(source, kind)) for kind in (32, 33, 34))
    config = HevcConfig.from_parameter_sets(vps, sps, pps, complete=False)
    assert config.write() == record
    assert HevcConfig.parse(record) == config
    assert config.length_size == 4
    complete = HevcConfig.from_parameter_sets(vps, sps, pps)
    assert [array.array_completeness for array in complete.arrays] == [True] * 3
    assert complete.nals() == config.nals() == [*vps, *sps, *pps]


@given(avc_configs())
def test_avcc_reads_back(config: AvcConfig) -> None:
    assert AvcConfig.parse(config.write()) == config


@given(hevc_configs())
def test_hvcc_reads_back(config: HevcConfig) -> None:
    assert HevcConfig.parse(config.write()) == config


@given(h264_sps(), st.sampled_from((1, 2, 4)))
def test_avcc_repeats_the_sps(sps: h264.Sps, length_size: int) -> None:
    nal = h264.write_sps(sps)
    config = AvcConfig.parse(
        AvcConfig.from_parameter_sets([nal], [b"\x68\x80"], length_size=length_size).write()
    )
    assert config.nals() == [nal, b"\x68\x80"]
    assert config.length_size == length_size
    assert (config.avc_profile_indication, config.avc_level_indication) == (nal[1], nal[3])
    assert config.profile_compatibility == nal[2]
    assert config.chroma_info_present is (sps.profile_idc not in (66, 77, 88))
    if config.chroma_info_present:
        assert config.chroma_format == sps.chroma_format_idc
        assert config.bit_depth_luma_minus8 == sps.bit_depth_luma_minus8
        assert config.bit_depth_chroma_minus8 == sps.bit_depth_chroma_minus8


@given(hevc_sps())
def test_hvcc_repeats_the_sps(sps: hevc.Sps) -> None:
    sps = sps._replace(
        bit_depth_luma_minus8=sps.bit_depth_luma_minus8 % 8,
        bit_depth_chroma_minus8=sps.bit_depth_chroma_minus8 % 8,
        sps_extension_present_flag=False,
    )
    config = HevcConfig.from_parameter_sets([], [hevc.write_sps(sps)], [])
    ptl = sps.profile_tier_level
    assert config.general_level_idc == ptl.general_level_idc
    assert config.general_tier_flag == ptl.general_tier_flag
    assert config.general_constraint_indicator_flags == ptl.general_constraint_flags
    assert config.chroma_format_idc == sps.chroma_format_idc
    assert config.num_temporal_layers == sps.sps_max_sub_layers_minus1 + 1
    vui = sps.vui
    assert config.min_spatial_segmentation_idc == (vui.min_spatial_segmentation_idc if vui else 0)


def test_several_sets() -> None:
    small = h264.Sps(66, 0xC0, 30)
    other = h264.Sps(66, 0x40, 21, seq_parameter_set_id=1)
    config = AvcConfig.from_parameter_sets([h264.write_sps(small), h264.write_sps(other)], [])
    assert (config.profile_compatibility, config.avc_level_indication) == (0x40, 30)
    main, high = (
        hevc.Sps(
            sps_seq_parameter_set_id=i,
            pic_width_in_luma_samples=64,
            pic_height_in_luma_samples=64,
            sub_layer_ordering=(hevc.SubLayerOrdering(),),
            profile_tier_level=hevc.ProfileTierLevel(
                general_tier_flag=bool(i),
                general_level_idc=level,
                general_profile_compatibility_flags=flags,
            ),
        )
        for i, (level, flags) in enumerate(((120, 0b110), (93, 0b011)))
    )
    record = HevcConfig.from_parameter_sets([], [hevc.write_sps(main), hevc.write_sps(high)], [])
    assert (record.general_tier_flag, record.general_level_idc) == (True, 93)
    assert record.general_profile_compatibility_flags == 0b010


@pytest.mark.parametrize(
    ("name", "kind"),
    # Fields that libavformat does not write for these; 0 is also "unknown" for the first two.
    [("gen2brain__h265/dep_slices.h265", 0), ("gen2brain__h265/tiles.h265", 0)],
)
def test_parallelism_is_unknown_without_segmentation(name: str, kind: int) -> None:
    source = stream(name)
    sets = [list(nals(source, each)) for each in (32, 33, 34)]
    assert HevcConfig.from_parameter_sets(*sets).parallelism_type == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("gen2brain__h265/tiles.h265", 2), ("generated/main_320x240_b4.h265", 3),
     ("chromeos__cros-codecs/64x64-I-P-B-P.h265", 1)],
)  # fmt: skip
def test_parallelism_by_the_pps(name: str, kind: int) -> None:
    source = stream(name)
    vps, (sps, *_), pps = (list(nals(source, each)) for each in (32, 33, 34))
    parsed = hevc.parse_sps(sps)
    vui = parsed.vui or hevc.Vui()
    segmented = parsed._replace(
        vui_parameters_present_flag=True,
        vui=vui._replace(bitstream_restriction_flag=True, min_spatial_segmentation_idc=7),
    )
    config = HevcConfig.from_parameter_sets(vps, [hevc.write_sps(segmented)], pps)
    assert (config.min_spatial_segmentation_idc, config.parallelism_type) == (7, kind)


def test_a_missing_tail_is_no_error() -> None:
    record = AVC.write()
    assert record[-4:] == bytes.fromhex("fff8f800")
    found = AvcConfig.parse(record[:-4])
    assert found == replace(AVC, chroma_info_present=False, chroma_format=1)
    assert AvcConfig.parse(record + b"more") == AVC


def test_sps_extensions_are_kept() -> None:
    config = replace(AVC, sps_ext=(b"\x6d\x80",))
    assert AvcConfig.parse(config.write()) == config
    assert config.nals() == [*AVC.sps, b"\x6d\x80", *AVC.pps]


@given(st.binary(max_size=80))
def test_any_bytes_raise_only_invalid_bitstream(data: bytes) -> None:
    for record in (data, b"\x01" + data):
        for parse in (AvcConfig.parse, HevcConfig.parse):
            outcome(parse, record)


@pytest.mark.parametrize("config", [AVC, HEVC], ids=["avcC", "hvcC"])
def test_a_record_that_is_cut(config: AvcConfig | HevcConfig) -> None:
    record = config.write()
    end = len(record) - (4 if isinstance(config, AvcConfig) else 0)
    for size in range(end):
        with pytest.raises(InvalidBitstream, match="C: data ended in"):
            type(config).parse(record[:size])


@pytest.mark.parametrize("parse", [AvcConfig.parse, HevcConfig.parse])
@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ("000000016742", "begin with a start code", "annexb_to_nals"),
        ("0000016742", "begin with a start code", "annexb_to_nals"),
        ("02", "configurationVersion is 2, not 1", None),
        ("", "data ended in configurationVersion", None),
    ],
)
def test_what_is_no_record(parse: Any, data: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidBitstream, match=message) as caught:
        parse(bytes.fromhex(data))
    assert (hint or "") in (caught.value.hint or "")


def test_lengths_of_three_bytes_do_not_exist() -> None:
    record = bytearray(AVC.write())
    record[4] = 0xFC | 2
    with pytest.raises(InvalidBitstream, match="avcC: lengths of 3 bytes do not exist"):
        AvcConfig.parse(bytes(record))
    with pytest.raises(InvalidInput, match="lengths of 3 bytes do not exist"):
        replace(AVC, length_size_minus_one=2).write()


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (AVC, {"sps": (b"",) * 32}, "number of sps is 32, not in 0 to 31"),
        (AVC, {"pps": (b"",) * 256}, "number of pps is 256"),
        (AVC, {"sps": (bytes(65536),)}, "length of sps is 65536"),
        (AVC, {"bit_depth_luma_minus8": 8}, "bit_depth_luma_minus8 is 8"),
        (HEVC, {"chroma_format_idc": 4}, "chroma_format_idc is 4"),
        (HEVC, {"num_of_arrays": 4}, "arrays has no element 3"),
        (HEVC, {"arrays": (NalArray(True, 64, ()),), "num_of_arrays": 1}, "nal_unit_type is 64"),
    ],
)
def test_what_does_not_fit_is_refused(config: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        replace(config, **change).write()
