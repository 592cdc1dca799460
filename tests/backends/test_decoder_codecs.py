"""AV1, VP9, VP8, MPEG-4, MPEG-2, MPEG-1 and JPEG: the same rules as for H.264 and HEVC."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.backends.coded_clips import (
    HEIGHT,
    WIDTH,
    decoded_by_libavcodec,
    decoded_packets,
    packets,
)
from tests.backends.conftest import OPTIONS, BackendCase, assert_pictures
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode, pieces
from tests.backends.faults import Faults
from tests.backends.oracle import canonical_bytes
from videohw.bitstream.av1_sequence import parse_sequence_header, write_sequence_header
from videohw.bitstream.obu import OBU_SEQUENCE_HEADER, obus
from videohw.errors import InvalidInput, VideoHwError
from videohw.software_options import SoftwareDecoderOptions

BYTE_STREAMS = ("mpeg1", "mpeg2", "mpeg4", "vc1", "av1")
FRAMED = ("jpeg", "vp8", "vp9", "av1", "mpeg4", "vc1", "mpeg2", "mpeg1")


@pytest.mark.parametrize("codec", BYTE_STREAMS)
@pytest.mark.parametrize("seed", range(3))
def test_any_cut_of_a_byte_stream(backend: BackendCase, codec: str, seed: int) -> None:
    data = b"".join(packets(codec))
    got = decode(backend.decoder(codec), ({"data": piece} for piece in pieces(data, seed)))
    assert got.errors == []
    expected = decoded_by_libavcodec(codec)
    shown = [canonical_bytes(frame) for frame in got.frames]
    assert_pictures(backend, codec, shown, [data for _, data in expected])
    assert [frame.decode_index for frame in got.frames] == [index for index, _ in expected]
    assert_account(got.summary)


@pytest.mark.parametrize("codec", BYTE_STREAMS)
def test_pts_of_units_in_a_byte_stream(backend: BackendCase, codec: str) -> None:
    calls = [{"data": data, "pts": 100 + n} for n, data in enumerate(packets(codec))]
    got = decode(backend.decoder(codec), calls)
    assert [frame.pts for frame in got.frames] == [100 + f.decode_index for f in got.frames]
    assert got.summary["pts_unused"] == 0


@pytest.mark.parametrize("codec", FRAMED)
@pytest.mark.parametrize("threads", [1, 4])
def test_one_picture_a_call(backend: BackendCase, codec: str, threads: int) -> None:
    options = SoftwareDecoderOptions(threads=threads) if backend.name == "software" else None
    decoder = backend.decoder(codec, options=options)
    layout = "annexb" if codec in ("jpeg", "vp8", "vp9") else "frame"
    calls = ({"data": d, "pts": n, "layout": layout} for n, d in enumerate(packets(codec)))
    got = decode(decoder, calls)
    expected = decoded_by_libavcodec(codec)
    assert got.errors == []
    assert got.pts == [index for index, _ in expected]
    shown = [canonical_bytes(frame) for frame in got.frames]
    assert_pictures(backend, codec, shown, [data for _, data in expected])
    assert {(frame.width, frame.height) for frame in got.frames} == {(WIDTH, HEIGHT)}
    assert got.frames[0].keyframe
    assert_account(got.summary)


@pytest.mark.parametrize("codec", ["jpeg", "vp8", "vp9", "av1"])
def test_low_latency_gives_each_picture_at_once(backend: BackendCase, codec: str) -> None:
    with backend.decoder(codec, low_latency=True, options=None) as decoder:
        for number, data in enumerate(packets(codec)):
            decoder.submit(data, number, layout="frame")
            frame = decoder.reap_timeout(PATIENCE_SECONDS)
            assert frame is not None
            assert frame.pts == number


@pytest.mark.parametrize("layout", ["annexb", "frame"])
def test_film_grain_of_av1_is_not_put_in(backend: BackendCase, layout: str) -> None:
    options = (("svtav1-params", "lookahead=0:film-grain=50:film-grain-denoise=0"),)
    clip = packets("av1", options=options)
    calls = ({"data": data, "pts": n, "layout": layout} for n, data in enumerate(clip))
    got = decode(backend.decoder("av1"), calls)
    assert got.errors == []
    shown = [canonical_bytes(frame) for frame in got.frames]
    assert shown == [data for _, data in decoded_packets("av1", clip, filmgrain="0")]
    with_grain = decoded_packets("av1", clip, filmgrain="1")
    assert not any(data in shown for _, data in with_grain)


def test_jpeg_is_full_range_bt601(backend: BackendCase) -> None:
    got = decode(backend.decoder("jpeg"), [{"data": packets("jpeg")[0]}])
    (frame,) = got.frames
    assert frame.format == ("yuv420p" if backend.is_oracle else "nv12")
    assert (frame.color.range, frame.color.matrix) == ("full", "bt470bg")
    assert frame.keyframe


@pytest.mark.parametrize(
    ("codec", "siting"),
    [
        ("jpeg", "center"),
        ("mpeg1", "center"),
        ("mpeg2", None),
        ("mpeg4", None),
        ("vc1", None),
        ("vp8", None),
        ("vp9", None),
    ],
)
def test_where_chroma_lies_by_the_codec(
    backend: BackendCase, codec: str, siting: str | None
) -> None:
    """In JPEG (ITU-T T.871) and MPEG-1 between the luma samples both ways."""
    got = decode(backend.decoder(codec), [{"data": packets(codec)[0]}])
    assert [frame.color.siting for frame in got.frames] == [siting]


@pytest.mark.parametrize(("position", "siting"), [(0, None), (1, "left"), (2, "topleft")])
def test_where_chroma_lies_by_the_headers_of_av1(
    backend: BackendCase, position: int, siting: str | None
) -> None:
    """chroma_sample_position, AV1 6.4.2; it is kept for the pictures after the keyframe."""
    first, *rest = packets("av1")
    header = next(obu for obu in obus(first) if obu.type == OBU_SEQUENCE_HEADER)
    stated = replace(parse_sequence_header(header.payload), chroma_sample_position=position)
    first = first.replace(header.payload, write_sequence_header(stated))
    calls = [{"data": data, "layout": "frame"} for data in (first, *rest[:2])]
    got = decode(backend.decoder("av1"), calls)
    assert [frame.color.siting for frame in got.frames] == [siting] * 3


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1", "mpeg4", "vc1", "mpeg2"])
def test_pictures_before_a_keyframe_lack_references(backend: BackendCase, codec: str) -> None:
    data = packets(codec)
    with backend.decoder(codec, max_in_flight=50) as decoder:
        for each in data[:4]:
            decoder.submit(each, layout="frame")
        decoder.flush(PATIENCE_SECONDS)
        delivered = decoder.summary()["delivered"]
        for each in data[3:]:
            decoder.submit(each, layout="frame")
        frames = decoder.flush(PATIENCE_SECONDS)
        assert frames[0].keyframe
        assert decoder.summary()["reasons"]["no_reference"] >= 2
        assert decoder.summary()["delivered"] == delivered + len(frames)
        assert_account(decoder.summary())


# Pictures that are decoded and not shown


def hidden_vp9_key(data: bytes) -> bytes:
    """A VP9 key frame of profile 0 with show_frame cleared (6.2: the seventh bit)."""
    assert data[0] & 0b11111100 == 0b10000000
    return bytes((data[0] & ~0b10,)) + data[1:]


def superframe(*frames: bytes) -> bytes:
    """VP9 annex B: the frames, then the index with sizes of two bytes."""
    marker = bytes((0b11000000 | 1 << 3 | len(frames) - 1,))
    sizes = b"".join(len(frame).to_bytes(2, "little") for frame in frames)
    return b"".join(frames) + marker + sizes + marker


@pytest.mark.parametrize("together", [True, False])
def test_hidden_vp9_frames(backend: BackendCase, together: bool) -> None:
    """An alternate reference inside of a superframe, or alone: decoded, counted, not shown."""
    first, second, third, *_ = packets("vp9")
    hidden = hidden_vp9_key(first)
    calls = [superframe(hidden, second), third] if together else [hidden, second, third]
    got = decode(
        backend.decoder("vp9"), ({"data": data, "pts": 10 * n} for n, data in enumerate(calls))
    )
    expected = decoded_by_libavcodec("vp9")
    assert [canonical_bytes(frame) for frame in got.frames] == [data for _, data in expected[1:3]]
    assert got.pts == ([0, 10] if together else [10, 20])
    assert got.summary["submitted"] == 3
    assert got.summary["reasons"] == {"not_shown": 1}
    assert got.summary["pts_unused"] == (0 if together else 1)
    assert_account(got.summary)


def test_a_hidden_vp9_frame_is_shown_later(backend: BackendCase) -> None:
    """show_existing_frame (6.2) is a picture of its own: one byte that names the buffer."""
    first = packets("vp9")[0]
    calls = [hidden_vp9_key(first), b"\x88"]
    got = decode(backend.decoder("vp9"), ({"data": data, "pts": n} for n, data in enumerate(calls)))
    assert [canonical_bytes(frame) for frame in got.frames] == [decoded_by_libavcodec("vp9")[0][1]]
    assert got.pts == [1]
    assert got.summary["reasons"] == {"not_shown": 1}


def test_vp9_frames_are_shown_again(backend: BackendCase) -> None:
    """From any slot, at once, later and over again; each time it is a picture of its own."""
    coded = packets("vp9")
    calls = list(coded[:2])
    for number in range(2, 10):
        calls += [
            bytes((0x88 | number % 8,)),
            coded[number],
            *(2 * [b"\x88"] if number % 3 else []),
        ]
    got = decode(backend.decoder("vp9"), ({"data": data, "pts": n} for n, data in enumerate(calls)))
    assert got.errors == []
    assert_account(got.summary)
    expected = decoded_packets("vp9", tuple(calls))
    assert [canonical_bytes(frame) for frame in got.frames] == [data for _, data in expected]
    assert got.pts == list(range(len(calls)))


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_vp9_slot_that_holds_nothing_is_not_shown(backend: BackendCase, on_error: str) -> None:
    """Behind a reset references are gone, so that a picture of a slot lacks them."""
    first, second, *_ = packets("vp9")
    with backend.decoder("vp9", on_error=on_error) as decoder:
        decoder.submit(first)
        assert len(decoder.flush(PATIENCE_SECONDS)) == 1
        decoder.submit(b"\x88")
        decoder.submit(first)
        decoder.submit(second)
        assert len(decoder.flush(PATIENCE_SECONDS)) == 2
        assert decoder.summary()["reasons"] == {"no_reference": 1}
        assert_account(decoder.summary())


def test_hidden_vp8_frames(backend: BackendCase) -> None:
    """show_frame is bit 4 of the frame tag (RFC 6386, 9.1)."""
    first, second, *_ = packets("vp8")
    hidden = bytes((first[0] & ~0b10000,)) + first[1:]
    got = decode(backend.decoder("vp8"), ({"data": data} for data in (hidden, second)))
    assert [canonical_bytes(frame) for frame in got.frames] == [decoded_by_libavcodec("vp8")[1][1]]
    assert got.summary["reasons"] == {"not_shown": 1}
    assert_account(got.summary)


# Headers


def test_mpeg2_headers_kept_apart(backend: BackendCase) -> None:
    """A sequence header only in extradata, as some containers have it."""
    first, *rest = packets("mpeg2")
    group = first.index(b"\0\0\1\xb8")
    calls = [{"data": data, "layout": "frame"} for data in (first[group:], *rest)]
    got = decode(backend.decoder("mpeg2", extradata=first[:group]), calls)
    shown = [canonical_bytes(frame) for frame in got.frames]
    assert_pictures(backend, "mpeg2", shown, [data for _, data in decoded_by_libavcodec("mpeg2")])


@pytest.mark.parametrize("layout", ["annexb", "frame"])
def test_av1_headers_kept_apart(backend: BackendCase, layout: str) -> None:
    """A sequence header only in av1C (AV1 in ISO BMFF, 2.3.3), as in some MP4 files."""
    first, *rest = packets("av1")
    header = next(obu for obu in obus(first) if obu.type == 1)
    stripped = first.replace(header.data, b"")
    calls = [{"data": data, "pts": n, "layout": layout} for n, data in enumerate((stripped, *rest))]
    got = decode(backend.decoder("av1", extradata=b"\x81\0\0\0" + header.data), calls)
    expected = decoded_by_libavcodec("av1")
    assert [canonical_bytes(frame) for frame in got.frames] == [data for _, data in expected]
    assert got.pts == [index for index, _ in expected]


@pytest.mark.parametrize("codec", ["mpeg1", "mpeg2", "mpeg4", "vc1"])
def test_mpeg_states_its_shape(backend: BackendCase, codec: str) -> None:
    got = decode(backend.decoder(codec), [{"data": packets(codec)[0]}])
    (frame,) = got.frames
    # The encoder codes square pixels; MPEG-2 says so by the shape of the picture.
    assert frame.sample_aspect_ratio == Fraction(1)
    assert frame.field_order == "progressive"


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("codec", ["jpeg", "vp8", "vp9"])
def test_damage_is_typed_and_costs_nothing_else(
    backend: BackendCase, codec: str, options: str
) -> None:
    data = packets(codec)
    key = 8  # the next keyframe
    spoiled = [*data[:key], data[key - 1][:1] + b"\xff" * 20, *data[key : key + 3]]
    got = decode(
        backend.decoder(codec, options=backend.options(options)),
        ({"data": each, "pts": n} for n, each in enumerate(spoiled)),
    )
    assert all(isinstance(error, VideoHwError) for error in got.errors)
    assert [pts for pts in got.pts if pts != key] == [n for n in range(key + 4) if n != key]
    assert_account(got.summary)


@pytest.mark.parametrize("codec", ["vp8", "av1"])
def test_a_keyframe_is_decoded_whatever_was_refused_before(
    backend: BackendCase, codec: str, faults: Faults
) -> None:
    """dav1d, left to itself, refuses all that follows some pictures that it did not get."""
    data = packets(codec)
    calls = [{"data": each, "layout": "frame", "pts": n} for n, each in enumerate(data)]
    clean = decode(backend.decoder(codec), calls)
    keyframes = [frame.pts for frame in clean.frames if frame.keyframe]
    for number in range(keyframes[-1]):
        start = next(pts for pts in keyframes if pts > number)
        faults.arm("refuse", after=number)
        got = decode(backend.decoder(codec), calls)
        shown = [(frame.pts, canonical_bytes(frame)) for frame in got.frames]
        expected = [each for each in decoded_by_libavcodec(codec) if each[0] >= start]
        assert [each for each in shown if each[0] >= start] == expected, number
        assert_account(got.summary)


@pytest.mark.parametrize(
    ("codec", "layout"),
    [("vp9", "access_unit"), ("jpeg", "length_prefixed"), ("av1", "access_unit"),
     ("mpeg2", "length_prefixed"), ("h264", "frame"), ("hevc", "frame"), ("h264", "nal")],
)  # fmt: skip
def test_a_layout_that_the_codec_does_not_have(
    backend: BackendCase, codec: str, layout: str
) -> None:
    with (
        backend.decoder(codec) as decoder,
        pytest.raises(InvalidInput, match=f"layout is '{layout}'") as refused,
    ):
        decoder.submit(b"\0\0\1", layout=layout)
    assert refused.value.argument == "layout"
