"""HEVC parameter sets of every stream that is here, against the oracle of the corpus."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bitstream.outcomes import outcome
from tests.bitstream.parameter_set_streams import described, expected, layer_id, nals, ratio
from tests.corpus import Stream, all_streams
from videohw.bitstream.hevc import Pps, Sps, Vps, parse_pps, parse_sps, parse_vps, write_sps
from videohw.errors import InvalidBitstream

VPS, SPS, PPS = 32, 33, 34
PARSERS: dict[int, Callable[[bytes], Vps | Sps | Pps]] = {
    VPS: parse_vps,
    SPS: parse_sps,
    PPS: parse_pps,
}
STREAMS = [each for each in all_streams() if each.codec == "hevc"]
WHOLE = [each for each in STREAMS if not each.damaged]


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_every_set_of_a_stream_is_read(stream: Stream) -> None:
    found = {kind: [parse(nal) for nal in nals(stream, kind)] for kind, parse in PARSERS.items()}
    sps_ids = {sps.sps_seq_parameter_set_id for sps in found[SPS] if isinstance(sps, Sps)}
    assert sps_ids
    for pps in found[PPS]:
        assert isinstance(pps, Pps)
        assert pps.pps_seq_parameter_set_id in sps_ids
    for nal in nals(stream, SPS):
        if layer_id(nal) == 0:
            assert write_sps(parse_sps(nal)) == nal


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_sets_of_damaged_streams_raise_only_invalid_bitstream(stream: Stream) -> None:
    for kind, parse in PARSERS.items():
        for nal in nals(stream, kind):
            found = outcome(parse, nal)
            assert stream.damaged or not isinstance(found, InvalidBitstream)


def first_sps(stream: Stream) -> Sps:
    return parse_sps(next(nal for nal in nals(stream, SPS) if layer_id(nal) == 0))


# Names of libavcodec 59, which knows the families of profiles only.
ORACLE_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Rext", 9: "9", 0: "0"}


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_the_first_sps_agrees_with_the_oracle(stream: Stream) -> None:
    entry = stream.entry
    sps = first_sps(stream)
    assert described(sps, entry) == expected(entry)
    assert ORACLE_PROFILES[sps.profile_tier_level.general_profile_idc] == entry["profile"]
    assert (sps.coded_width, sps.coded_height) == (entry["coded_width"], entry["coded_height"])


# Its SPS says 0, and its pictures are reordered by one: the stream is wrong, and libavcodec
# counts what it sees.
UNDERSTATED = {"OxideAV__oxideav-h265/r429-lf-bgop-qp33.hevc"}


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_timing_and_order_agree_with_the_oracle(stream: Stream) -> None:
    entry = stream.entry
    sps = first_sps(stream)
    vps = parse_vps(next(nals(stream, VPS)))
    fps = sps.fps or vps.fps
    if "r_frame_rate" in entry:
        if fps is not None:
            assert fps == ratio(entry["r_frame_rate"])
        aspect = entry.get("sample_aspect_ratio")
        assert sps.sample_aspect_ratio == (ratio(aspect) if aspect else None)
    if "has_b_frames" in entry:
        assert sps.max_num_reorder == entry["has_b_frames"] - (stream.name in UNDERSTATED)


@pytest.mark.parametrize("stream", WHOLE, ids=lambda stream: stream.name)
def test_fields_agree_with_the_traced_headers(stream: Stream) -> None:
    """``syntax`` in the manifest: values of libavcodec's trace_headers, over all sets."""
    traced = stream.entry.get("syntax", {})
    sets = [parse_sps(nal) for nal in nals(stream, SPS)]
    for name in ("chroma_format_idc", "bit_depth_luma_minus8"):
        if name in traced:
            assert {getattr(sps, name) for sps in sets} == set(traced[name])
    name = "sps_max_dec_pic_buffering_minus1"
    if name in traced:
        stated = {getattr(each, name) for sps in sets for each in sps.sub_layer_ordering}
        assert stated == set(traced[name])
    for name in ("num_tile_columns_minus1", "num_tile_rows_minus1"):
        if name in traced:
            pps = [parse_pps(nal) for nal in nals(stream, PPS)]
            assert {getattr(each, name) for each in pps if each.tiles_enabled_flag} == set(
                traced[name]
            )
