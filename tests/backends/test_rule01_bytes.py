"""Rule 1: how the input was cut never changes what comes out, and access units are the standards'.

The parser alone is held to the clauses in ``tests/bitstream``; here its units reach the codec.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.conftest import BackendCase
from tests.backends.decoding import (
    assert_account,
    decode,
    decode_bytes,
    decode_units,
    pieces,
)
from tests.backends.oracle import frame_md5, frames_md5
from tests.backends.pcm import PcmStream, gray_units, joined, number_of
from tests.backends.supported import why_refused
from tests.coded_streams import H264_AUD, annexb, cut
from tests.corpus import stream
from videohw.bitstream import convert, open_assembler
from videohw.frame import Frame

# Small streams with much in them: reordering, multi-slice, suffix SEI, EOS and EOB, fields.
CUT = (
    "generated/small144x144.h264",
    "generated/small144x144.h265",
    "generated/slices4_aud_hrd.h265",
    "generated/decoded_pic_hash_md5_eob_eos.h265",
    "generated/mbaff_tff.h264",
    "jcodec__jcodec/seq_flat_10slices/test.264",
)
HEVC_AUD = b"\x46\x01\x50"
HEVC_SUFFIX_SEI = b"\x50\x01\x05\x10" + bytes(16) + b"\x80"  # user data, unregistered
ENDS = {"h264": (b"\x0a", b"\x0b"), "hevc": (b"\x48\x01", b"\x4a\x01")}  # EOS; EOB


def lumas(frames: Iterable[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


def seen(frames: Iterable[Frame]) -> list[tuple[object, ...]]:
    """All of each frame that bytes decide."""
    return [
        (frame_md5(frame), frame.decode_index, frame.keyframe, frame.width, frame.field_order)
        for frame in frames
    ]


@functools.cache
def whole(backend: BackendCase, name: str) -> tuple[list[tuple[object, ...]], dict[str, int]]:
    """What comes of the stream in one call."""
    each = stream(name)
    got = decode(backend.decoder(each.codec), [{"data": each.read()}])
    assert got.errors == []
    return seen(got.frames), got.summary["reasons"]


# Cuts


@pytest.mark.parametrize("name", CUT)
def test_cut_anywhere(backend: BackendCase, name: str) -> None:
    each = stream(name)
    for seed in range(3):
        got = decode_bytes(backend.decoder(each.codec), each.read(), seed=seed)
        assert got.errors == []
        assert (seen(got.frames), got.summary["reasons"]) == whole(backend, name)
        assert_account(got.summary)


@pytest.mark.parametrize("name", CUT[:2])
def test_one_byte_a_call(backend: BackendCase, name: str) -> None:
    each = stream(name)
    data = each.read()
    calls = ({"data": data[at : at + 1]} for at in range(len(data)))
    got = decode(backend.decoder(each.codec), calls)
    assert (seen(got.frames), got.summary["reasons"]) == whole(backend, name)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 7000), max_size=12))
def test_chosen_cuts(backend: BackendCase, cuts: list[int]) -> None:
    """Pictures of 395 bytes: small numbers hit start codes, headers and the ends of slices."""
    calls = [{"data": piece} for piece in cut(joined(gray_units(16)), cuts) if piece]
    got = decode(backend.decoder("h264"), calls)
    assert got.errors == []
    assert lumas(got.frames) == list(range(16))


@pytest.mark.parametrize("name", CUT)
def test_units_and_bytes_are_the_same_stream(backend: BackendCase, name: str) -> None:
    """One access unit a call, each ended by the call, gives what the byte stream gives."""
    each = stream(name)
    got = decode_units(backend.decoder(each.codec), units_of(name))
    assert (seen(got.frames), got.summary["reasons"]) == whole(backend, name)


def units_of(name: str) -> list[list[bytes]]:
    each = stream(name)
    assembler = open_assembler(each.codec)  # type: ignore[arg-type]
    assembler.feed(each.read())
    assembler.finish()
    return [convert.annexb_to_nals(unit.data) for unit in assembler]


# What belongs to a picture


def decoded(backend: BackendCase, codec: str, units: Iterable[list[bytes]]) -> list[Frame]:
    """The frames of the units as a byte stream without any help about where they end."""
    data = b"".join(annexb(*unit) for unit in units)
    got = decode(backend.decoder(codec), ({"data": piece} for piece in pieces(data, 1)))
    assert got.errors == []
    assert_account(got.summary)
    assert not any(frame.corrupt for frame in got.frames)
    return got.frames


@pytest.mark.parametrize("name", CUT[2:6:3])
def test_the_slices_of_a_picture_are_one(backend: BackendCase, name: str) -> None:
    each = stream(name)
    assert min(sum(is_slice(each.codec, nal) for nal in unit) for unit in units_of(name)) >= 4
    assert frames_md5(decoded(backend, each.codec, units_of(name))) == each.yuv_md5


def is_slice(codec: str, nal: bytes) -> bool:
    return nal[0] & 31 in (1, 5) if codec == "h264" else (nal[0] >> 1 & 63) < 32


def is_delimiter(codec: str, nal: bytes) -> bool:
    return nal[0] & 31 == 9 if codec == "h264" else nal[0] >> 1 & 63 == 35


@pytest.mark.parametrize("which", ["none", "first", "keyframes", "odd", "all"])
@pytest.mark.parametrize("name", ["generated/slices4_aud_hrd.h265", "generated/small144x144.h264"])
def test_access_unit_delimiters_may_be_missing(backend: BackendCase, name: str, which: str) -> None:
    """One at the start only does not make the rest one unit, and none loses nothing."""
    each = stream(name)
    delimiter = H264_AUD if each.codec == "h264" else HEVC_AUD
    wanted = {
        "none": lambda n: False,
        "first": lambda n: n == 0,
        "keyframes": lambda n: n % 8 == 0,
        "odd": lambda n: n % 2 == 1,
        "all": lambda n: True,
    }[which]
    units = []
    for number, unit in enumerate(units_of(name)):
        bare = [nal for nal in unit if not is_delimiter(each.codec, nal)]
        units.append([delimiter, *bare] if wanted(number) else bare)
    frames = decoded(backend, each.codec, units)
    assert len(frames) == each.frames
    assert frames_md5(frames) == each.yuv_md5


def test_parameter_sets_before_a_picture_belong_to_it(backend: BackendCase) -> None:
    """A new size takes effect with the picture behind its sets, without a delimiter."""
    small, wide = PcmStream(columns=3), PcmStream(columns=4)
    units = [*gray_units(3, small), *gray_units(3, wide), *gray_units(3, small)]
    frames = decoded(backend, "h264", units)
    assert [frame.width for frame in frames] == [48] * 3 + [64] * 3 + [48] * 3
    assert lumas(frames) == [0, 1, 2] * 3


def test_parameter_sets_before_every_picture(backend: BackendCase) -> None:
    stream_of = PcmStream()
    units = [[*stream_of.sets, stream_of.picture(16 + n, idr=n == 0, poc=2 * n)] for n in range(12)]
    assert lumas(decoded(backend, "h264", units)) == list(range(12))


def test_a_suffix_sei_belongs_to_the_picture_before(backend: BackendCase) -> None:
    """It starts no unit: the pts given with it belongs to none (H.265 7.4.2.4.4)."""
    name = "generated/small144x144.h265"
    units = units_of(name)
    calls = []
    for number, unit in enumerate(units):
        calls.append({"data": annexb(*unit), "pts": number})
        calls.append({"data": annexb(HEVC_SUFFIX_SEI), "pts": 1000 + number})
    got = decode(backend.decoder("hevc"), calls)
    assert frames_md5(got.frames) == stream(name).yuv_md5
    assert got.pts == [frame.decode_index for frame in got.frames]
    assert got.summary["pts_unused"] == len(units)


@pytest.mark.parametrize("name", ["generated/small144x144.h264", "generated/small144x144.h265"])
@pytest.mark.parametrize("both", [False, True])
def test_ends_of_sequence_and_of_stream(backend: BackendCase, name: str, both: bool) -> None:
    """They belong to the picture before them, and a stream may follow."""
    each = stream(name)
    end = ENDS[each.codec] if both else ENDS[each.codec][:1]
    units = units_of(name)
    units[-1] = [*units[-1], *end]
    frames = decoded(backend, each.codec, units * 3)
    assert len(frames) == 3 * each.frames
    digests = [frame_md5(frame) for frame in frames]
    assert digests == digests[: each.frames] * 3
    assert frames_md5(frames[: each.frames]) == each.yuv_md5


@pytest.mark.parametrize("seed", range(4))
def test_fields_are_paired_wherever_the_bytes_are_cut(backend: BackendCase, seed: int) -> None:
    stream_of = PcmStream(rows=2, interlaced=True)
    units = []
    for n in range(6):
        top = stream_of.picture(50 + n, idr=n == 0, poc=4 * n, parity="top")
        bottom = stream_of.picture(80 + n, poc=4 * n + 1, parity="bottom", second_field=True)
        units += [[*(stream_of.sets if n == 0 else ()), top], [bottom]]
    data = joined(units)
    got = decode_bytes(backend.decoder("h264"), data, seed=seed)
    assert [frame.planes[0][:2, 0].tolist() for frame in got.frames] == [
        [50 + n, 80 + n] for n in range(6)
    ]
    assert got.summary["reasons"] == {"second_field": 6}
    assert_account(got.summary)


@pytest.mark.parametrize("layers", ["stereo_spatial.mp4.h265"])
def test_enhancement_layers_are_left_out_and_counted(backend: BackendCase, layers: str) -> None:
    each = stream(f"Eyevinn__mp4ff/{layers}")
    got = decode_bytes(backend.decoder(each.codec), each.read())
    if why_refused(backend.name, each) is None:
        assert got.errors == []
        assert len(got.frames) == each.frames
    assert got.summary["layer_nals"] > 0
    assert_account(got.summary)


@pytest.mark.parametrize("zeros", [2, 3, 8])
def test_zeros_between_units_change_nothing(backend: BackendCase, zeros: int) -> None:
    """Start codes of three bytes, of four, and trailing_zero_8bits before them (annex B)."""
    data = b"".join(annexb(*unit, zeros=zeros) for unit in gray_units(8))
    got = decode_bytes(backend.decoder("h264"), data + bytes(5))
    assert lumas(got.frames) == list(range(8))
    assert got.summary["garbage_bytes"] == 0


def test_garbage_is_counted(backend: BackendCase) -> None:
    garbage = b"this is no start code"
    got = decode_bytes(backend.decoder("h264"), garbage + joined(gray_units(2)))
    assert len(got.frames) == 2
    assert got.summary["garbage_bytes"] == len(garbage)
