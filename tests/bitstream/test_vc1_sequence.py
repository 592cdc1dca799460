"""Headers of VC-1 sequences, entry points and pictures: by fields, by libavcodec, any bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.vc1_clips import clip, decoded, picture
from tests.vc1_headers import START, Format, entry_point, sequence_header
from tests.vc1_writer import Vc1Writer
from videohw.bitstream.vc1_sequence import (
    EntryPoint,
    PictureHeader,
    parse_picture,
    parse_sequence,
    read_entry_point,
    read_sequence,
)
from videohw.errors import InvalidBitstream

EVEN = st.integers(1, 4096).map(lambda half: 2 * half)
SIZES = st.tuples(EVEN, EVEN)


@given(
    SIZES, st.none() | SIZES, st.integers(0, 4), st.booleans(), st.booleans(), st.booleans(),
    st.none() | st.tuples(st.integers(1, 16384), st.integers(1, 16384)),
    st.sampled_from([(), (1,), (3,), (13,), (15, 256, 1), (15, 4, 3)]),
    st.sampled_from([(), (1, 1), (7, 2), (65535,)]),
    st.none() | st.tuples(st.just(1), st.integers(0, 255), st.just(6)), st.integers(0, 31),
)  # fmt: skip
def test_every_field_is_where_the_standard_has_it(
    size: tuple[int, int], largest: tuple[int, int] | None, level: int, interlace: bool,
    pulldown: bool, counter: bool, display: tuple[int, int] | None, aspect: tuple[int, ...],
    rate: tuple[int, ...], color: tuple[int, int, int] | None, buckets: int,
) -> None:  # fmt: skip
    form = Format(
        *size, level=level, largest=largest, interlace=interlace, pulldown=pulldown,
        frame_counter=counter, display=display, aspect=aspect, rate=rate, color=color,
        buckets=buckets,
    )  # fmt: skip
    found = parse_sequence(b"\0" + sequence_header(form) + entry_point(form))
    assert found is not None
    assert (found.width, found.height, found.level) == (*size, level)
    assert (found.interlace, found.pulldown, found.frame_counter) == (interlace, pulldown, counter)
    assert (found.color, found.buckets) == (color, buckets)
    assert (found.profile, found.chroma_format) == ("Advanced", "4:2:0")
    assert (found.display_size is not None) == form.extended
    rates = {(): None, (1, 1): 24, (7, 2): Fraction(72000, 1001), (65535,): 2048}
    assert found.fps == rates[rate]
    shapes = {
        (1,): Fraction(1), (3,): Fraction(10, 11), (13,): Fraction(160, 99),
        (15, 256, 1): Fraction(256), (15, 4, 3): Fraction(4, 3),
    }  # fmt: skip
    if aspect:
        assert found.sample_aspect_ratio == shapes[aspect]
    elif form.extended and largest is None:
        wide, high = display or size
        assert found.sample_aspect_ratio == Fraction(wide * size[1], high * size[0])


@pytest.mark.parametrize(
    "form",
    [
        Format(64, 48, display=(64, 48), aspect=(2,), rate=(2, 2), color=(1, 1, 1)),
        Format(64, 48, display=(128, 48), rate=(799,), color=(6, 6, 6)),
        Format(64, 48, display=(64, 48), aspect=(15, 4, 3), rate=(5, 1)),
        Format(64, 48, display=(60, 40), rate=(7, 2), color=(6, 1, 6), buckets=3),
    ],
)
def test_libavcodec_reads_the_same(form: Format) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    made = clip("II", form)
    ours = parse_sequence(made.headers)
    assert ours is not None
    context = av.CodecContext.create("vc1", "r")
    context.extradata = made.headers
    context.open()
    assert (context.width, context.height) == (ours.width, ours.height)
    assert context.framerate == ours.fps
    (_, _, frame), _ = decoded(made.units, made.headers)
    if ours.color is not None:
        assert (frame.color_primaries, frame.colorspace) == ours.color[::2]


def test_entry_points() -> None:
    form = Format(32, 16, buckets=3)
    sequence = read_sequence(sequence_header(form)[4:])
    for closed in (True, False):
        for broken in (True, False):
            data = entry_point(form, closed=closed, broken=broken, mapped=(3, 5))
            assert read_entry_point(data[4:], sequence) == EntryPoint(closed, broken)
    smaller = Format(32, 16, largest=(64, 64))
    sequence = read_sequence(sequence_header(smaller)[4:])
    assert (sequence.width, sequence.height) == (64, 64)
    assert read_entry_point(entry_point(smaller)[4:], sequence).size == (32, 16)


@pytest.mark.parametrize(
    ("form", "kind", "expected"),
    [
        (Format(), "I", PictureHeader("I")),
        (Format(interlace=True), "P", PictureHeader("P")),
        (Format(frame_counter=True, pulldown=True, repeat_frames=2), "skipped",
         PictureHeader("skipped", repeat=4)),
        (Format(interlace=True, pulldown=True, top_first=False, repeat_first_field=True), "B",
         PictureHeader("B", top_field_first=False, repeat=1)),
        (Format(interlace=True, segmented=True, pulldown=True, repeat_frames=1), "BI",
         PictureHeader("BI", repeat=2)),
        (Format(interlace=True), "fields", PictureHeader("I", True, True)),
    ],
)  # fmt: skip
def test_pictures(form: Format, kind: str, expected: PictureHeader) -> None:
    writer = Vc1Writer(form)
    data = writer.intra(lambda *place: [0])
    data += writer.intra(lambda *place: [1])
    found = {
        "I": lambda: writer.intra(lambda *place: [0]),
        "BI": lambda: writer.intra(lambda *place: [0], "BI"),
        "P": lambda: clip("IP", form).units[1],
        "B": lambda: writer.bidirectional(lambda *place: "both"),
        "skipped": writer.skipped,
        "fields": lambda: writer.intra_fields(lambda *place: [0]),
    }[kind]()
    sequence = parse_sequence(writer.headers())
    assert parse_picture(picture(found), 0, sequence) == expected
    assert parse_picture(picture(found), 0, None) is None
    assert parse_picture(START + b"\x0d", 0, sequence) is None


@pytest.mark.parametrize("profile", [0, 1, 2])
def test_other_profiles_are_not_read(profile: int) -> None:
    with pytest.raises(InvalidBitstream, match="profile"):
        parse_sequence(sequence_header(Format(profile=profile)))


def test_a_reserved_chroma_format_is_not_read() -> None:
    with pytest.raises(InvalidBitstream, match="COLORDIFF_FORMAT"):
        parse_sequence(sequence_header(Format(chroma=2)))


@pytest.mark.parametrize("keep", [5, 8, 10])
def test_headers_that_end_early(keep: int) -> None:
    with pytest.raises(InvalidBitstream, match="data ended in"):
        parse_sequence(sequence_header(Format(display=(2, 2)))[:keep])
    assert parse_sequence(START + b"\x0e\xff") is None
    assert parse_sequence(clip("IP").units[1] + sequence_header(Format())) is None


@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 255))
def test_any_bytes_are_read_or_refused(data: bytes, at: int, value: int) -> None:
    whole = bytearray(sequence_header(Format(display=(2, 2), buckets=2)) + entry_point(Format()))
    whole[at % len(whole)] = value
    for octets in (START + b"\x0f" + data, bytes(whole), bytes(whole) + data):
        found: Any = outcome(lambda octets=octets: parse_sequence(octets))
        assert found is not None or b"\0\0\1\x0f" not in octets
        parse_picture(octets, 0, parse_sequence(sequence_header(Format())))
