"""Rule 7: damage in the bytes, as it happens to streams, by ``on_error``."""

from __future__ import annotations

import functools
import random
import time

import pytest

from tests.backends.conftest import OPTIONS, BackendCase
from tests.backends.damaged import CODECS, ON_ERROR, assert_whole, clip, exact, intact
from tests.backends.decoding import (
    PATIENCE_SECONDS,
    Decoded,
    assert_account,
    decode,
    decode_units,
    outputs,
)
from tests.backends.oracle import frame_md5
from tests.backends.pcm import PcmStream, Vui, gray_units, number_of
from tests.corpus import Stream, stream
from videohw.bitstream import open_assembler
from videohw.errors import InvalidBitstream
from videohw.frame import Frame

DAMAGED = 5  # the picture that the tests spoil
MOST_REORDERED = 2  # by the streams of the tests
NAMES = ("generated/main_cabac_b2.h264", "generated/main_320x240_b4.h265")


def units_of(each: Stream) -> list[list[bytes]]:
    assembler = open_assembler(each.codec)  # type: ignore[arg-type]
    assembler.feed(each.read())
    assembler.finish()
    return [[bytes(nal) for nal in unit.nal_units()] for unit in assembler]


def spoiled(units: list[list[bytes]], number: int) -> list[list[bytes]]:
    """The units with every slice of one cut to a third: the rest of its picture is missing."""
    copy = [list(unit) for unit in units]
    copy[number] = [nal[: len(nal) // 3] if len(nal) > 100 else nal for nal in copy[number]]
    return copy


def refused(units: list[list[bytes]], number: int) -> list[list[bytes]]:
    """The units with one that names a PPS that does not exist: the codec cannot even begin it."""
    copy = [list(unit) for unit in units]
    # first_mb 0, slice_type 7 (I), pic_parameter_set_id 3: 1 0001000 00100...
    copy[number] = [bytes((nal[0], 0b10001000, 0b00100000)) + nal[3:] for nal in copy[number]]
    return copy


def gray(count: int) -> list[list[bytes]]:
    return gray_units(count, PcmStream(vui=Vui(num_reorder=0)))


def lumas(got: Decoded) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in got.frames]


# A picture that the codec refuses


@pytest.mark.parametrize("options", OPTIONS)
def test_an_error_is_raised_once_in_its_place_and_the_session_goes_on(
    backend: BackendCase, options: str
) -> None:
    """Also where the answer comes pictures later."""
    units = refused(gray(12), DAMAGED)
    calls = (
        {"data": unit, "pts": number, "layout": "access_unit"} for number, unit in enumerate(units)
    )
    with backend.decoder("h264", options=backend.options(options)) as decoder:
        order = [
            item.pts if isinstance(item, Frame) else type(item) for item in outputs(decoder, calls)
        ]
        assert order == [0, 1, 2, 3, 4, InvalidBitstream, 6, 7, 8, 9, 10, 11]
        assert decoder.summary()["reasons"] == {"undecodable": 1}
        assert_account(decoder.summary())
        assert not decoder.closed


@pytest.mark.parametrize("count", [6, 7, 9])
@pytest.mark.parametrize("options", OPTIONS)
def test_damage_near_the_end_costs_no_other_picture(
    backend: BackendCase, count: int, options: str
) -> None:
    """What is still inside of threads or held for reordering comes out past the error."""
    stream_of = PcmStream()  # states no reordering depth, so that all is held until the end
    units = refused(gray_units(count, stream_of), DAMAGED)
    got = decode_units(backend.decoder("h264", options=backend.options(options)), units)
    assert lumas(got) == [n for n in range(count) if n != DAMAGED]
    assert [type(error) for error in got.errors] == [InvalidBitstream]


def test_the_error_says_where(backend: BackendCase) -> None:
    units = refused(gray(7), DAMAGED)
    (error,) = decode_units(backend.decoder("h264"), units).errors
    assert isinstance(error, InvalidBitstream)
    # Each NAL unit went in behind a start code of four bytes.
    assert error.offset == sum(4 + len(nal) for unit in units[:DAMAGED] for nal in unit)
    assert not error.fatal


def test_flush_raises_the_error_and_keeps_the_frames(backend: BackendCase) -> None:
    units = refused(gray(10), DAMAGED)
    with backend.decoder("h264", max_in_flight=20) as decoder:
        for unit in units:
            decoder.submit(unit, layout="access_unit")
        with pytest.raises(InvalidBitstream):
            decoder.flush(PATIENCE_SECONDS)
        frames = decoder.flush(PATIENCE_SECONDS)
        assert len(frames) == 9
        assert decoder.flush(PATIENCE_SECONDS) == []
        assert_account(decoder.summary())


def test_resync_goes_on_at_a_recovery_point_when_it_is_reached(backend: BackendCase) -> None:
    """recovery_frame_cnt 2: pictures are right from the second one after it (D.2.8)."""
    stream_of = PcmStream(vui=Vui(num_reorder=0))
    units = gray_units(7, stream_of)
    units.append(stream_of.recovery_point(100, poc=14, count=2))
    units += [[stream_of.picture(101 + n, poc=16 + 2 * n)] for n in range(4)]
    got = decode_units(backend.decoder("h264", on_error="resync"), refused(units, DAMAGED))
    assert [int(frame.planes[0][0, 0]) for frame in got.frames][5:] == [102, 103, 104]
    assert got.summary["reasons"] == {"resynced": 4}
    assert_account(got.summary)


def test_resync_waits_for_a_recovery_that_began_behind_the_damage(backend: BackendCase) -> None:
    """The recovery under way may have been hit: only the next one, or an IDR, is sure."""
    stream_of = PcmStream(vui=Vui(num_reorder=0))
    units = gray_units(4, stream_of)
    units.append(stream_of.recovery_point(100, poc=8, count=3))
    units += [[stream_of.picture(101 + n, poc=10 + 2 * n)] for n in range(5)]
    units.append(stream_of.recovery_point(110, poc=20, count=1))
    units += [[stream_of.picture(111 + n, poc=22 + 2 * n)] for n in range(3)]
    got = decode_units(backend.decoder("h264", on_error="resync"), refused(units, DAMAGED))
    assert [int(frame.planes[0][0, 0]) for frame in got.frames][4:] == [100, 111, 112, 113]
    assert got.summary["reasons"] == {"resynced": 6}
    assert_account(got.summary)


# A picture that is decoded in part


@pytest.mark.parametrize("name", NAMES[:1])
def test_a_picture_in_part_by_mode(backend: BackendCase, name: str) -> None:
    """H.264, where libavcodec notices that a slice is cut; only reference pictures spread it."""
    each = stream(name)
    units = units_of(each)
    intact = decode_units(backend.decoder(each.codec), units)
    good = {frame.decode_index: frame_md5(frame) for frame in intact.frames}
    damaged = spoiled(units, DAMAGED)
    seen: dict[str, Decoded] = {
        mode: decode_units(backend.decoder(each.codec, on_error=mode), damaged)
        for mode in ("raise", "skip", "resync", "conceal")
    }
    for got in seen.values():
        assert_account(got.summary)
    concealed = seen["conceal"]
    corrupt = {frame.decode_index for frame in concealed.frames if frame.corrupt}
    if not backend.shows_damaged:
        assert corrupt == set()
        corrupt = set(good) - {frame.decode_index for frame in concealed.frames}
    else:
        assert len(concealed.frames) == each.frames
    assert DAMAGED in corrupt
    assert all(
        frame_md5(frame) == good[frame.decode_index]
        for frame in concealed.frames
        if frame.decode_index < DAMAGED
    )
    # The same pictures are bad in each mode, and what stands in their place differs.
    assert seen["skip"].summary["reasons"] == {"skipped": len(corrupt)}
    assert {frame.decode_index for frame in seen["skip"].frames} == set(good) - corrupt
    assert len(seen["raise"].errors) == len(corrupt)
    assert {frame.decode_index for frame in seen["raise"].frames} == set(good) - corrupt
    assert all(type(error) is InvalidBitstream for error in seen["raise"].errors)
    # After the next random access point every picture is exactly right again.
    resync = seen["resync"]
    assert resync.errors == []
    assert resync.summary["reasons"]["resynced"] >= len(corrupt)
    assert all(frame_md5(frame) == good[frame.decode_index] for frame in resync.frames)
    assert max(frame.decode_index for frame in resync.frames) == len(units) - 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [0, DAMAGED, 24])
@pytest.mark.parametrize("on_error", ["raise", "skip", "resync", "conceal"])
def test_the_account_holds_wherever_the_damage_is(
    backend: BackendCase, name: str, number: int, on_error: str
) -> None:
    each = stream(name)
    got = decode_units(
        backend.decoder(each.codec, on_error=on_error), spoiled(units_of(each), number)
    )
    assert_account(got.summary)
    assert got.summary["submitted"] == each.frames
    assert (not got.errors) or on_error == "raise"


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_limits_of_the_parser_are_errors_in_their_place(
    backend: BackendCase, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    """A NAL unit that is too long is dropped, told once, and the stream goes on."""
    small = functools.partial(open_assembler, max_nal_bytes=3000)
    monkeypatch.setattr("videohw.decoding.coded_input.open_assembler", small)
    units = gray(4)
    units[2].append(units[2][-1][:1] + b"\x88" * 5000)
    calls = (
        {"data": unit, "pts": number, "layout": "access_unit"} for number, unit in enumerate(units)
    )
    with backend.decoder("h264", on_error=on_error) as decoder:
        order = [
            item.pts if isinstance(item, Frame) else type(item) for item in outputs(decoder, calls)
        ]
        assert order == [0, 1, 2, *([InvalidBitstream] if on_error == "raise" else []), 3]
        assert decoder.summary()["bitstream_errors"] == 1
        assert_account(decoder.summary())


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("on_error", ON_ERROR)
def test_cut_spliced_and_flipped(backend: BackendCase, codec: str, on_error: str) -> None:
    """What precedes the damage is exact under every policy, and no picture comes twice.

    The few pictures that the codec holds for reordering may be lost with what follows them, since
    their places in the order are taken; they are counted.
    """
    each = clip(codec)
    intact(backend, codec)
    first = each.starts[1] + 1 if codec != "jpeg" else 3
    rng = random.Random(f"{codec} {on_error}")
    for damage in (cut_short, spliced, flipped):
        units = damage(rng, list(each.units), first)
        got = decode(backend.decoder(codec, on_error=on_error), each.calls(units))
        assert_whole(got)
        assert got.errors == [] or on_error == "raise"
        before = [frame for frame in got.frames if frame.decode_index < first]
        assert len(before) >= first - MOST_REORDERED
        assert exact(backend, codec, before)
        assert all(frame.corrupt is not True for frame in got.frames) or on_error == "conceal"


def cut_short(rng: random.Random, units: list[bytes], first: int) -> list[bytes]:
    """Pictures that end in the middle, and then the stream does."""
    cut = [
        unit[: rng.randrange(len(unit) // 3, len(unit)) + 1] for unit in units[first : first + 3]
    ]
    return [*units[:first], *cut, *units[first + 3 : first + 5]]


def spliced(rng: random.Random, units: list[bytes], first: int) -> list[bytes]:
    """The stream goes on elsewhere, and a picture comes twice."""
    at = rng.randrange(len(units))
    return [*units[:first], *units[at:], *units[first : first + 2] * 2]


def flipped(rng: random.Random, units: list[bytes], first: int) -> list[bytes]:
    """Bits flipped behind the headers of every picture from the first on."""
    return [*units[:first], *(bit_flipped(rng, unit) for unit in units[first:])]


def bit_flipped(rng: random.Random, unit: bytes) -> bytes:
    """``unit`` with three bits flipped in its second half."""
    data = bytearray(unit)
    for _ in range(3):
        data[rng.randrange(len(data) // 2, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def test_damage_costs_no_more_time_than_its_length(backend: BackendCase) -> None:
    """Twice the damage takes about twice the time: nothing is searched again and again."""
    seconds = []
    for count in (400, 1600):
        units = gray(count)
        damaged = [unit if n % 2 == 0 else refused([unit], 0)[0] for n, unit in enumerate(units)]
        began = time.process_time()
        got = decode_units(backend.decoder("h264", on_error="skip"), damaged)
        seconds.append(time.process_time() - began)
        assert got.summary["reasons"] == {"skipped": count // 2}
    assert seconds[1] < 4 * 3 * max(seconds[0], 0.01)
