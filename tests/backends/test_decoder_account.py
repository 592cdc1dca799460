"""What becomes of every picture: flush, reset, missing references, layouts (DESIGN 3, rule 3)."""

from __future__ import annotations

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import (
    PATIENCE_SECONDS,
    assert_account,
    decode,
    decode_bytes,
    decode_units,
    outputs,
)
from tests.backends.oracle import frame_md5, frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units, joined
from tests.coded_streams import annexb
from tests.corpus import stream
from videohw.bitstream import AvcConfig, HevcConfig, convert, open_assembler
from videohw.decoder import Decoder
from videohw.errors import InvalidBitstream
from videohw.frame import Frame

STREAMS = ("generated/main_cabac_b2.h264", "generated/main_320x240_b4.h265")


def fed(decoder: Decoder, units: list[list[bytes]]) -> list[Frame]:
    """Submit the units and flush, with room for all."""
    for unit in units:
        decoder.submit(unit, layout="access_unit", timeout=PATIENCE_SECONDS)
    return decoder.flush(PATIENCE_SECONDS)


def test_flush_of_a_fresh_and_of_a_flushed_session_is_empty(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=100) as decoder:
        assert decoder.flush(PATIENCE_SECONDS) == []
        assert len(fed(decoder, gray_units(3))) == 3
        assert decoder.flush(PATIENCE_SECONDS) == []
        assert list(decoder) == []
        assert_account(decoder.summary())


def test_parameter_sets_are_kept_over_a_flush(backend: BackendCase) -> None:
    stream_of = PcmStream()
    with backend.decoder("h264", max_in_flight=100) as decoder:
        first = fed(decoder, gray_units(3, stream_of))
        idr = [stream_of.picture(200, idr=True)]
        second = fed(decoder, [idr, [stream_of.picture(201, poc=2)]])
        assert [len(first), len(second)] == [3, 2]
        assert [frame.decode_index for frame in second] == [3, 4]
        assert [int(frame.planes[0][0, 0]) for frame in second] == [200, 201]


def test_references_are_gone_after_a_flush(backend: BackendCase) -> None:
    """Pictures before the next random access point give no frame, though they could be shown."""
    stream_of = PcmStream()
    with backend.decoder("h264", max_in_flight=100) as decoder:
        fed(decoder, gray_units(3, stream_of))
        lost = [[stream_of.picture(100 + n, poc=2 * n)] for n in range(3)]
        found = [[stream_of.picture(150, idr=True)]]
        frames = fed(decoder, lost + found)
        assert [int(frame.planes[0][0, 0]) for frame in frames] == [150]
        assert decoder.summary()["reasons"] == {"no_reference": 3}
        assert_account(decoder.summary())


def test_a_stream_begins_at_its_first_random_access_point(backend: BackendCase) -> None:
    """H.264: an IDR picture or a recovery point; an I picture alone says nothing (D.2.8)."""
    stream_of = PcmStream(vui=Vui(num_reorder=0))
    units = [
        [*stream_of.sets, stream_of.picture(20, poc=0)],
        [stream_of.picture(21, poc=2)],
        stream_of.recovery_point(22, poc=4),
        [stream_of.picture(23, poc=6)],
    ]
    got = decode_units(backend.decoder("h264"), units)
    assert got.errors == []
    assert [int(frame.planes[0][0, 0]) for frame in got.frames] == [22, 23]
    assert [frame.keyframe for frame in got.frames] == [True, False]
    assert got.summary["reasons"] == {"no_reference": 2}
    assert_account(got.summary)


def test_pictures_shown_before_the_recovery_point_lack_references(backend: BackendCase) -> None:
    """Three B-pictures follow the first recovery point in the stream and precede it in time."""
    each = stream("generated/opengop_cut_at_recovery_point.h264")
    got = decode_bytes(backend.decoder(each.codec), each.read())
    assert got.errors == []
    assert frames_md5(got.frames) == each.yuv_md5
    assert got.summary["reasons"] == {"no_reference": 3}
    assert_account(got.summary)


def test_a_gradual_refresh_begins_where_it_is_complete(backend: BackendCase) -> None:
    """recovery_frame_cnt 18: the first right picture is the eighteenth after the message."""
    each = stream("generated/intra_refresh_no_idr.h264")
    units = units_of("h264", each.read())
    whole = decode_bytes(backend.decoder("h264"), each.read())
    exact = {frame.decode_index: frame_md5(frame) for frame in whole.frames}
    assert [n for n, unit in enumerate(units) if unit[1] == "recovery_point"] == [25, 50]
    got = decode_bytes(backend.decoder("h264"), b"".join(unit[0] for unit in units[1:]))
    assert got.errors == []
    assert [1 + frame.decode_index for frame in got.frames] == list(range(25 + 18, 75))
    assert all(frame_md5(frame) == exact[1 + frame.decode_index] for frame in got.frames)
    assert got.summary["reasons"] == {"no_reference": 24 + 18}
    assert_account(got.summary)


@pytest.mark.parametrize(
    ("name", "submitted", "rasl"),
    [
        ("generated/starts_with_cra_rasl_skipped.h265", 63, 3),
        ("generated/eos_before_cra.h265", 75, 3),
    ],
)
def test_rasl_pictures_of_a_cra_that_begins_are_left_out(
    backend: BackendCase, name: str, submitted: int, rasl: int
) -> None:
    """NoRaslOutputFlag: the CRA is first, or follows an end of sequence (H.265 8.1.3)."""
    each = stream(name)
    got = decode_bytes(backend.decoder(each.codec), each.read())
    assert got.errors == []
    assert frames_md5(got.frames) == each.yuv_md5
    assert (got.summary["submitted"], got.summary["reasons"]) == (submitted, {"rasl": rasl})


def test_a_cra_after_a_flush_begins_anew(backend: BackendCase) -> None:
    """Cut before the second CRA: its RASL pictures, decodable in one run, refer to the past."""
    each = stream("generated/main_320x240_b4.h265")
    units = units_of("hevc", each.read())
    second = next(n for n, unit in enumerate(units) if unit[1] == "cra")
    rasl = 0
    for unit in units[second + 1 :]:
        if unit[2] != "rasl":
            break
        rasl += 1
    assert rasl
    with backend.decoder("hevc", max_in_flight=100) as decoder:
        decoder.submit(b"".join(unit[0] for unit in units[:second]))
        before = decoder.flush(PATIENCE_SECONDS)
        decoder.submit(b"".join(unit[0] for unit in units[second:]))
        after = decoder.flush(PATIENCE_SECONDS)
        assert decoder.summary()["reasons"] == {"rasl": rasl}
        assert len(before) + len(after) == each.frames - rasl
        assert_account(decoder.summary())


def units_of(codec: str, data: bytes) -> list[tuple[bytes, str | None, str | None]]:
    assembler = open_assembler(codec)  # type: ignore[arg-type]
    assembler.feed(data)
    assembler.finish()
    return [(unit.data, unit.random_access, unit.leading) for unit in assembler]


def test_reset_drops_what_is_under_way_and_counts_it(backend: BackendCase) -> None:
    stream_of = PcmStream()
    with backend.decoder("h264", max_in_flight=3) as decoder:
        decoder.submit(joined(gray_units(20, stream_of)))
        assert decoder.reap_timeout(PATIENCE_SECONDS) is not None
        decoder.reset()
        assert decoder.try_reap() is None
        summary = decoder.summary()
        assert (summary["delivered"], summary["reasons"]) == (1, {"reset": 18})
        decoder.submit([stream_of.picture(99, idr=True)], layout="access_unit")
        frames = decoder.flush(PATIENCE_SECONDS)
        assert [int(frame.planes[0][0, 0]) for frame in frames] == [99]
        assert_account(decoder.summary())


def test_reset_forgets_pending_bytes(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=100) as decoder:
        decoder.submit(joined(gray_units(2))[:-5], pts=1)
        decoder.submit(b"\0\0\1\x65", pts=2)
        decoder.reset()
        assert decoder.summary()["pending_bytes"] == 0
        assert [frame.pts for frame in fed(decoder, gray_units(3))] == [None] * 3
        assert_account(decoder.summary())


@pytest.mark.parametrize(
    ("name", "length_bytes"),
    [
        ("generated/main_cabac_b2.h264", 2),
        ("generated/main_cabac_b2.h264", 4),
        ("generated/main_320x240_b4.h265", 2),
        ("generated/main_320x240_b4.h265", 4),
        ("generated/tiny16x16.h264", 1),
        ("generated/tiny16x16.h265", 1),
    ],
)
def test_length_prefixed_samples(backend: BackendCase, name: str, length_bytes: int) -> None:
    """Parameter sets only in avcC or hvcC; lengths of every size that the records allow."""
    each = stream(name)
    config, samples = as_samples(each.codec, each.read(), length_bytes)
    decoder = backend.decoder(each.codec, extradata=config)
    calls = (
        {"data": sample, "layout": "length_prefixed", "pts": n} for n, sample in enumerate(samples)
    )
    got = decode(decoder, calls)
    assert got.errors == []
    assert frames_md5(got.frames) == each.yuv_md5
    assert [frame.pts for frame in got.frames] == [frame.decode_index for frame in got.frames]
    assert_account(got.summary)


def as_samples(codec: str, data: bytes, length_bytes: int) -> tuple[bytes, list[bytes]]:
    """(configuration record, samples without parameter sets and SEI) of an Annex-B stream."""
    sets: dict[int, list[bytes]] = {}
    samples = []
    wanted, sei = ((7, 8), (6,)) if codec == "h264" else ((32, 33, 34), (39, 40))
    for unit, _, _ in units_of(codec, data):
        kept = []
        for nal in convert.annexb_to_nals(unit):
            nal_type = nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63
            if nal_type in wanted:
                sets.setdefault(nal_type, []).append(nal)
            elif nal_type not in sei:
                kept.append(nal)
        samples.append(convert.nals_to_length_prefixed(kept, length_bytes))
    arrays = [list(dict.fromkeys(sets[kind])) for kind in wanted]
    if codec == "h264":
        record = AvcConfig.from_parameter_sets(*arrays, length_size=length_bytes).write()
    else:
        record = HevcConfig.from_parameter_sets(*arrays, length_size=length_bytes).write()
    return record, samples


@pytest.mark.parametrize("name", STREAMS)
def test_access_units_as_lists_of_nal_units(backend: BackendCase, name: str) -> None:
    each = stream(name)
    units = [convert.annexb_to_nals(unit) for unit, _, _ in units_of(each.codec, each.read())]
    got = decode_units(backend.decoder(each.codec), units)
    assert frames_md5(got.frames) == each.yuv_md5


def test_parameter_sets_in_the_stream_win(backend: BackendCase) -> None:
    """The record names another size; the samples bring their own sets."""
    wrong, right = PcmStream(columns=3), PcmStream(columns=1)
    record = AvcConfig.from_parameter_sets([wrong.sps], [wrong.pps]).write()
    samples = [convert.nals_to_length_prefixed(unit) for unit in gray_units(2, right)]
    decoder = backend.decoder("h264", extradata=record)
    got = decode(decoder, ({"data": s, "layout": "length_prefixed"} for s in samples))
    assert [(frame.width, frame.height) for frame in got.frames] == [(16, 16)] * 2


def test_extradata_as_annexb_parameter_sets(backend: BackendCase) -> None:
    stream_of = PcmStream()
    units = gray_units(2, stream_of)
    units[0] = units[0][2:]
    decoder = backend.decoder("h264", extradata=annexb(*stream_of.sets))
    got = decode(decoder, [{"data": joined(units), "pts": 4}])
    assert got.pts == [4, None]


def test_a_sample_that_is_cut_short_is_refused_in_its_place(backend: BackendCase) -> None:
    stream_of = PcmStream()
    units = gray_units(4, stream_of)
    samples = [convert.nals_to_length_prefixed(unit) for unit in units]
    samples[2] = samples[2][:-1]
    calls = ({"data": sample, "layout": "length_prefixed"} for sample in samples)
    with backend.decoder("h264", max_in_flight=1) as decoder:
        order = [
            item.decode_index if isinstance(item, Frame) else type(item)
            for item in outputs(decoder, calls)
        ]
        assert order == [0, 1, InvalidBitstream, 3]
        assert decoder.summary()["reasons"] == {"undecodable": 1}
        assert_account(decoder.summary())


@pytest.mark.parametrize("layers", ["stereo_spatial.mp4.h265"])
def test_enhancement_layers_are_left_out_and_counted(backend: BackendCase, layers: str) -> None:
    each = stream(f"Eyevinn__mp4ff/{layers}")
    got = decode_bytes(backend.decoder(each.codec), each.read())
    assert got.errors == []
    assert len(got.frames) == each.frames
    assert got.summary["layer_nals"] > 0
    assert_account(got.summary)


def test_garbage_is_counted(backend: BackendCase) -> None:
    garbage = b"this is no start code"
    got = decode_bytes(backend.decoder("h264"), garbage + joined(gray_units(2)))
    assert len(got.frames) == 2
    assert got.summary["garbage_bytes"] == len(garbage)


@pytest.mark.parametrize("name", ["generated/res_change_ABA.h265", "generated/res_change_ABA.h264"])
def test_a_change_of_size_is_followed(backend: BackendCase, name: str) -> None:
    each = stream(name)
    got = decode_bytes(backend.decoder(each.codec), each.read())
    sizes = [f"{frame.width}x{frame.height} {frame.format}" for frame in got.frames]
    assert list(dict.fromkeys(sizes)) == list(dict.fromkeys(each.entry["format_sequence"]))
    assert len(set(sizes)) > 1
    assert frames_md5(got.frames) == each.yuv_md5


def test_a_sequence_that_reorders_after_one_that_does_not(backend: BackendCase) -> None:
    """The first gives each picture at once; the second states no depth and holds pictures."""
    plain, deep = PcmStream(poc_type=2), PcmStream()
    units = gray_units(4, plain)
    for number, shown in enumerate((0, 3, 1, 2, 4)):
        picture = deep.picture(100 + shown, idr=number == 0, poc=2 * shown)
        units.append([*(deep.sets if number == 0 else ()), picture])
    units += gray_units(3, plain, first=150)
    got = decode_units(backend.decoder("h264", low_latency=True), units)
    assert got.errors == []
    expected = [16, 17, 18, 19, 100, 101, 102, 103, 104, 166, 167, 168]
    assert [int(frame.planes[0][0, 0]) for frame in got.frames] == expected
    assert_account(got.summary)


def test_an_unpaired_field_does_not_upset_the_account(backend: BackendCase) -> None:
    stream_of = PcmStream(rows=2, interlaced=True)
    units = [
        [*stream_of.sets, stream_of.picture(20, idr=True, poc=0, parity="top")],
        [stream_of.picture(60, poc=4, parity="top")],
        [stream_of.picture(70, poc=5, parity="bottom", second_field=True)],
        [stream_of.picture(90, poc=8)],
    ]
    got = decode_units(backend.decoder("h264", on_error="skip"), units)
    assert [frame.planes[0][:2, 0].tolist() for frame in got.frames][-2:] == [[60, 70], [90, 90]]
    assert_account(got.summary)
