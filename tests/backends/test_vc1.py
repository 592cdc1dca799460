"""What VC-1 has and the other codecs have not, by the rules that hold for all.

The pictures are those that the writer of the tests meant, to the bit; libavcodec agrees
(tests/bitstream/test_vc1_writer.py).
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.backends.coded_clips import packets
from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, Decoded, assert_account, decode, pieces
from tests.backends.oracle import canonical_bytes
from tests.vc1_clips import FORMATS, PLAIN, TOOLS, USUAL, Clip, bare, clip, headers, picture
from tests.vc1_clips import decoded as by_libavcodec
from tests.vc1_headers import SEQUENCE_END, Format, entry_point, sequence_header
from videohw.errors import InvalidBitstream, InvalidInput, VideoHwError

INTERLACED = Format(64, 64, interlace=True, top_first=False)


def decoded(
    backend: BackendCase, units: tuple[bytes, ...] | list[bytes], *, layout: str = "frame"
) -> Decoded:
    calls = ({"data": data, "pts": n, "layout": layout} for n, data in enumerate(units))
    got = decode(backend.decoder("vc1"), calls)
    assert_account(got.summary)
    return got


def assert_same(got: Decoded, made: Clip) -> None:
    """All of its pictures, in order, to the bit."""
    assert got.errors == []
    assert got.summary["reasons"] == {}
    assert [frame.decode_index for frame in got.frames] == list(made.order)
    assert [canonical_bytes(frame) for frame in got.frames] == made.frames()


@pytest.mark.parametrize("name", FORMATS)
def test_streams_in_any_pieces(backend: BackendCase, name: str) -> None:
    made = clip(USUAL, FORMATS[name])
    data = b"".join(made.units)
    for seed in range(2):
        got = decode(backend.decoder("vc1"), ({"data": piece} for piece in pieces(data, seed)))
        assert_account(got.summary)
        assert_same(got, made)


@pytest.mark.parametrize("name", TOOLS)
def test_tools_whose_pictures_libavcodec_knows(backend: BackendCase, name: str) -> None:
    form, fine = TOOLS[name]
    made = clip("IPPBPBIPBP", form, fine=fine)
    got = decoded(backend, made.units)
    assert got.errors == []
    assert {frame.corrupt for frame in got.frames} <= {False, None}
    expected = [data for _, data, _ in by_libavcodec(made.units, made.headers)]
    assert [canonical_bytes(frame) for frame in got.frames] == expected
    assert expected != made.frames()


@pytest.mark.parametrize("types", ["IFPF", "FIBFP"])
def test_two_fields_are_one_picture(backend: BackendCase, types: str) -> None:
    made = clip(types, INTERLACED)
    got = decoded(backend, made.units)
    assert_same(got, made)
    fields = {frame.decode_index for frame in got.frames if frame.field_order != "progressive"}
    assert fields == {number for number, kind in enumerate(types) if kind == "F"}


def test_pictures_without_start_codes(backend: BackendCase) -> None:
    """As AVI and ASF have them, with the headers beside the stream and a byte before those."""
    made = clip()
    extradata = b"\x25" + made.headers
    calls = ({"data": bare(unit), "pts": n, "layout": "frame"} for n, unit in enumerate(made.units))
    got = decode(backend.decoder("vc1", extradata=extradata), calls)
    assert_same(got, made)
    assert sorted(got.pts) == list(range(len(made.units)))


def test_headers_beside_the_stream(backend: BackendCase) -> None:
    """Also where the first pictures cannot be decoded, and after a flush."""
    units = [picture(unit) for unit in packets("vc1")]
    decoder = backend.decoder("vc1", extradata=headers(packets("vc1")[0]), max_in_flight=50)
    with decoder:
        for start in (0, 1):
            for number, unit in enumerate(units[start:]):
                decoder.submit(unit, start + number, layout="frame")
            frames = decoder.flush(PATIENCE_SECONDS)
            assert frames[0].keyframe
        assert decoder.summary()["reasons"]["no_reference"] >= 6
        assert_account(decoder.summary())


def test_headers_that_come_once_are_kept(backend: BackendCase) -> None:
    """Of a stream that is flushed, and begins again with a keyframe without any."""
    made = clip("IPBPBIBPB")
    units = [made.units[0], *map(picture, made.units[1:])]
    with backend.decoder("vc1", max_in_flight=50) as decoder:
        for turn in (units, list(map(picture, units))):
            for number, unit in enumerate(turn):
                decoder.submit(unit, number, layout="frame")
            frames = decoder.flush(PATIENCE_SECONDS)
            assert [canonical_bytes(frame) for frame in frames] == made.frames()
        assert decoder.summary()["reasons"] == {}


@pytest.mark.parametrize(
    "head",
    [b"", sequence_header(PLAIN), sequence_header(Format(profile=1)) + entry_point(PLAIN)],
    ids=["none", "no entry point", "Main profile"],
)
def test_pictures_without_headers_say_so(backend: BackendCase, head: bytes) -> None:
    units = [head + picture(clip().units[0]), *clip().units[1:3]]
    got = decoded(backend, units)
    assert got.frames == []
    assert [type(error) for error in got.errors] == [InvalidBitstream]
    assert "sequence header with an entry point of vc1" in str(got.errors[0])


def test_extradata_of_the_other_profiles_are_refused(backend: BackendCase) -> None:
    """STRUCT_C of Simple and Main profile (annex J)."""
    with pytest.raises(InvalidInput, match="entry point") as refused:
        backend.decoder("vc1", extradata=bytes.fromhex("4e110a01"))
    assert refused.value.argument == "extradata"
    assert "Main profile" in str(refused.value.hint)


def test_the_shape_of_a_pixel_and_the_colour(backend: BackendCase) -> None:
    got = decoded(backend, clip("IP", FORMATS["described"]).units)
    assert {frame.sample_aspect_ratio for frame in got.frames} == {Fraction(4, 3)}
    assert {(frame.color.primaries, frame.color.matrix) for frame in got.frames} == {
        ("bt709", "bt709")
    }


@pytest.mark.parametrize(
    ("form", "order", "repeat"),
    [
        (Format(pulldown=True, repeat_frames=2), "progressive", 4),
        (Format(64, 64, interlace=True, pulldown=True, repeat_first_field=True), None, 1),
        (PLAIN, "progressive", 0),
    ],
)
def test_how_long_pictures_are_shown(
    backend: BackendCase, form: Format, order: str | None, repeat: int
) -> None:
    got = decoded(backend, clip("IPS", form).units)
    assert {frame.repeat for frame in got.frames} == {repeat}
    if order is not None:
        assert {frame.field_order for frame in got.frames} == {order}


def test_a_skipped_picture_is_one(backend: BackendCase) -> None:
    """It takes a place among the references, so that B pictures behind it are right."""
    made = clip("IPSBPBSSB")
    assert_same(decoded(backend, made.units), made)


@pytest.mark.parametrize("sizes", [((160, 128), (96, 80)), ((96, 80), (160, 128))])
@pytest.mark.parametrize("where", ["sequence", "entry point"])
def test_pictures_of_another_size(
    backend: BackendCase, sizes: tuple[tuple[int, int], ...], where: str
) -> None:
    """By a new sequence header, or by an entry point that says which part of it is coded."""
    largest = (160, 128) if where == "entry point" else None
    clips = [clip("IPBPB", Format(*size, largest=largest)) for size in (*sizes, sizes[0])]
    data = b"".join(unit for each in clips for unit in each.units)
    got = decode(backend.decoder("vc1"), ({"data": piece} for piece in pieces(data, 1)))
    assert got.errors == []
    assert got.summary["reasons"] == {}
    assert [canonical_bytes(frame) for frame in got.frames] == [
        frame for each in clips for frame in each.frames()
    ]


def test_the_end_of_a_sequence(backend: BackendCase) -> None:
    made = clip("IPBP")
    units = [*made.units[:-1], made.units[-1] + SEQUENCE_END, *made.units]
    got = decoded(backend, units)
    assert got.errors == []
    assert [canonical_bytes(frame) for frame in got.frames] == 2 * made.frames()


def test_decoding_begins_at_an_open_entry_point(backend: BackendCase) -> None:
    """The B pictures behind its I picture refer to one that is missing."""
    made = clip("IPBIBPB")
    got = decoded(backend, made.units[3:])
    assert got.errors == []
    assert [frame.decode_index for frame in got.frames] == [0, 3, 2]
    assert sum(got.summary["reasons"].values()) == 1
    assert [canonical_bytes(frame) for frame in got.frames] == made.frames()[-3:]


@pytest.mark.parametrize("on_error", ["raise", "skip", "resync", "conceal"])
@pytest.mark.parametrize("keep", [4, 5, 6, 9, 40, 200])
def test_a_picture_that_ends_early(backend: BackendCase, on_error: str, keep: int) -> None:
    """The next keyframe and what follows it are right again."""
    made = clip("IPBPBPBIBPBPB")
    units = list(made.units)
    units[3] = units[3][:keep]
    with backend.decoder("vc1", on_error=on_error) as decoder:
        calls = ({"data": data, "pts": n, "layout": "frame"} for n, data in enumerate(units))
        got = decode(decoder, calls)
    assert all(isinstance(error, VideoHwError) and not error.fatal for error in got.errors)
    assert_account(got.summary)
    right = dict(zip(made.order, made.frames(), strict=True))
    shown = {frame.pts: canonical_bytes(frame) for frame in got.frames}
    assert {7, 9, 10, 11, 12} <= set(shown)
    assert all(shown[number] == right[number] for number in (7, 9, 10, 11, 12))
