"""H.264 SPS and PPS of every stream that is here, against the oracle of the corpus."""

from __future__ import annotations

import pytest

from tests.bitstream.outcomes import outcome
from tests.bitstream.parameter_set_streams import described, expected, nals, ratio
from tests.corpus import Stream, all_streams
from videohw.bitstream.h264 import parse_pps, parse_sps, write_sps
from videohw.errors import InvalidBitstream

SPS, PPS, SUBSET_SPS = 7, 8, 15
STREAMS = [stream for stream in all_streams() if stream.codec == "h264"]
WHOLE = [stream for stream in STREAMS if not stream.damaged]


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_every_set_of_a_stream_is_read(stream: Stream) -> None:
    found = [parse_sps(nal) for nal in nals(stream, SPS, SUBSET_SPS)]
    sets = {sps.seq_parameter_set_id: sps for sps in found}
    assert sets
    assert all(parse_pps(nal, sets).seq_parameter_set_id in sets for nal in nals(stream, PPS))
    for nal in nals(stream, SPS):
        assert write_sps(parse_sps(nal))[1:] == nal[1:]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_sets_of_damaged_streams_raise_only_invalid_bitstream(stream: Stream) -> None:
    for nal in nals(stream, SPS, PPS, SUBSET_SPS):
        is_pps = nal[0] & 0x1F == PPS
        found = outcome(parse_pps, nal, {}) if is_pps else outcome(parse_sps, nal)
        assert stream.damaged or not isinstance(found, InvalidBitstream)


# libavcodec 59 decodes 4:0:0 in 8 bits as 4:2:0 with grey chroma planes.
AS_420 = {"generated/gray400.h264"}


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_the_first_sps_agrees_with_the_oracle(stream: Stream) -> None:
    entry = stream.entry
    sps = parse_sps(next(nals(stream, SPS)))
    found = described(sps, entry)
    if stream.name in AS_420:
        assert found["pix_fmt"] == "gray"
        found["pix_fmt"] = entry["pix_fmt"]
    assert found == expected(entry)
    # The oracle tells no other kinds of the High profile apart.
    assert sps.profile.replace("Progressive ", "") == entry["profile"]
    # It gives the coded size of H.264 after cropping, or before it: libavcodec's own habit.
    assert entry["coded_width"] in (sps.width, sps.coded_width)
    assert entry["coded_height"] in (sps.height, sps.coded_height)
    assert sps.coded_width % 16 == sps.coded_height % 16 == 0


# libavformat does not believe rates above this one.
MAX_RATE = 1200000


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_timing_and_order_agree_with_the_oracle(stream: Stream) -> None:
    entry = stream.entry
    sps = parse_sps(next(nals(stream, SPS)))
    if sps.fps is not None and "r_frame_rate" in entry:
        assert min(sps.fps, MAX_RATE) == ratio(entry["r_frame_rate"])
    aspect = entry.get("sample_aspect_ratio")
    if "r_frame_rate" in entry:  # the entries in full
        assert sps.sample_aspect_ratio == (ratio(aspect) if aspect else None)
    if "has_b_frames" in entry:
        # What is not stated libavcodec guesses from the pictures: never more than we allow.
        if sps.stated_num_reorder is None:
            assert entry["has_b_frames"] <= sps.max_num_reorder
        else:
            assert entry["has_b_frames"] == sps.stated_num_reorder


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_fields_agree_with_the_traced_headers(stream: Stream) -> None:
    """``syntax`` in the manifest: values of libavcodec's trace_headers, over all sets."""
    traced = stream.entry.get("syntax", {})
    sets = [parse_sps(nal) for nal in nals(stream, SPS)]
    for name in (
        "profile_idc", "level_idc", "chroma_format_idc", "bit_depth_luma_minus8",
        "log2_max_frame_num_minus4", "pic_order_cnt_type", "max_num_ref_frames",
    ):  # fmt: skip
        # Profiles without the field infer it: chroma 4:2:0, 8 bits.
        coded = [s for s in sets if s.profile_idc >= 100 or not name.startswith(("chroma", "bit"))]
        if name in traced:
            assert {getattr(s, name) for s in coded} == set(traced[name])
    for name in ("max_num_reorder_frames", "max_dec_frame_buffering"):
        if name in traced:
            stated = [s.vui for s in sets if s.vui and s.vui.bitstream_restriction_flag]
            assert {getattr(vui, name) for vui in stated} == set(traced[name])
