"""Rule 1, by layout: access units, length-prefixed samples and records give what bytes give."""

from __future__ import annotations

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import assert_account, decode, decode_units, outputs
from tests.backends.oracle import frames_md5
from tests.backends.pcm import PcmStream, gray_units, joined
from tests.backends.supported import why_refused
from tests.coded_streams import annexb
from tests.corpus import stream
from videohw.bitstream import AvcConfig, HevcConfig, convert, open_assembler
from videohw.errors import InvalidBitstream, UnsupportedConfig
from videohw.frame import Frame

STREAMS = ("generated/main_cabac_b2.h264", "generated/main_320x240_b4.h265")


def units_of(codec: str, data: bytes) -> list[tuple[bytes, str | None, str | None]]:
    assembler = open_assembler(codec)  # type: ignore[arg-type]
    assembler.feed(data)
    assembler.finish()
    return [(unit.data, unit.random_access, unit.leading) for unit in assembler]


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
    assert got.summary["submitted"] == len(samples)
    if why_refused(backend.name, each) is not None:
        # Lengths of one byte need pictures that are too small for hardware decoders.
        assert {type(error) for error in got.errors} == {UnsupportedConfig}
        assert_account(got.summary)
        return
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
    wrong, right = PcmStream(columns=4), PcmStream(columns=3)
    record = AvcConfig.from_parameter_sets([wrong.sps], [wrong.pps]).write()
    samples = [convert.nals_to_length_prefixed(unit) for unit in gray_units(2, right)]
    decoder = backend.decoder("h264", extradata=record)
    got = decode(decoder, ({"data": s, "layout": "length_prefixed"} for s in samples))
    assert [(frame.width, frame.height) for frame in got.frames] == [(48, 16)] * 2


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
