"""Rule 3: what becomes of every picture that a decoder is given; flush and reset."""

from __future__ import annotations

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import (
    PATIENCE_SECONDS,
    assert_account,
    decode_bytes,
    decode_units,
)
from tests.backends.faults import Faults
from tests.backends.oracle import frame_md5, frames_md5
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.coded_streams import annexb
from tests.corpus import stream
from videohw.bitstream import open_assembler
from videohw.bitstream.convert import annexb_to_nals
from videohw.decoder import Decoder
from videohw.frame import Frame


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


def test_an_unpaired_field_does_not_upset_the_account(backend: BackendCase) -> None:
    stream_of = PcmStream(rows=2, interlaced=True)
    units = [
        [*stream_of.sets, stream_of.picture(20, idr=True, poc=0, parity="top")],
        [stream_of.picture(60, poc=4, parity="top")],
        [stream_of.picture(70, poc=5, parity="bottom", second_field=True)],
        [stream_of.picture(90, poc=8)],
    ]
    got = decode_units(backend.decoder("h264", on_error="skip"), units)
    rows = [frame.planes[0][:2, 0].tolist() for frame in got.frames]
    assert rows[-1] == [90, 90]
    assert not backend.is_oracle or rows[-2] == [60, 70]
    assert_account(got.summary)


def test_the_account_closes_at_every_flush(backend: BackendCase) -> None:
    """With pictures of every fate in it: shown, second field, no reference, reset, refused."""
    fields = PcmStream(rows=2, interlaced=True, vui=Vui(num_reorder=0))
    lost = [[fields.picture(200, poc=2 * n)] for n in range(2)]
    shown = [[*fields.sets, fields.picture(60, idr=True)]]
    pair = [
        [fields.picture(70, poc=4, parity="top")],
        [fields.picture(80, poc=5, parity="bottom", second_field=True)],
    ]
    refused = [[b"\x21\x88\x20" + bytes(40)]]  # its slice names a PPS that does not exist
    submitted = 0
    with backend.decoder("h264", max_in_flight=50, on_error="skip") as decoder:
        for units in (lost, shown, pair, shown + refused + pair, pair, shown + pair):
            fed(decoder, units)
            submitted += len(units)
            assert_account(decoder.summary())
            assert decoder.summary()["submitted"] == submitted
        decoder.submit(shown[0], layout="access_unit")
        decoder.reset()
        assert_account(decoder.summary())
        reasons = decoder.summary()["reasons"]
    assert reasons == {"no_reference": 6, "second_field": 2, "skipped": 1, "reset": 1}


def test_an_error_loses_nothing_that_was_produced(backend: BackendCase, faults: Faults) -> None:
    """Frames that are ready when a flush raises come with the next call, in order, all of them."""
    units = gray_units(12, PcmStream(vui=Vui(num_reorder=0)))
    faults.arm("refuse", after=4)
    faults.arm("refuse", after=9)
    with backend.decoder("h264", max_in_flight=3) as decoder:
        decoder.submit(joined(units))
        for _ in range(2):
            with pytest.raises(backend.refusal):
                decoder.flush(PATIENCE_SECONDS)
            assert decoder.summary()["delivered"] == 0
        frames = decoder.flush(PATIENCE_SECONDS)
        lumas = [number_of(int(frame.planes[0][0, 0])) for frame in frames]
        assert lumas == [n for n in range(12) if n not in (4, 9)]
        assert decoder.summary()["reasons"] == {"undecodable": 2}
        assert_account(decoder.summary())


def test_parameter_sets_of_before_a_flush_reach_the_codec_again(backend: BackendCase) -> None:
    """Not only kept by the parser: a second stream without any, on every codec session."""
    each = stream("generated/small144x144.h265")
    units = units_of(each.codec, each.read())
    with backend.decoder(each.codec, max_in_flight=100) as decoder:
        decoder.submit(each.read())
        first = decoder.flush(PATIENCE_SECONDS)
        bare = b"".join(without_sets(unit[0]) for unit in units)
        decoder.submit(bare)
        second = decoder.flush(PATIENCE_SECONDS)
        decoder.reset()
        decoder.submit(bare)
        third = decoder.flush(PATIENCE_SECONDS)
    assert frames_md5(first) == frames_md5(second) == frames_md5(third) == each.yuv_md5


def without_sets(unit: bytes) -> bytes:
    kept = [nal for nal in annexb_to_nals(unit) if nal[0] >> 1 & 63 not in (32, 33, 34)]
    return annexb(*kept)
