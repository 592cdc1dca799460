"""Rule 2: which pts comes back on which picture, in what order, and the times of packets."""

from __future__ import annotations

import itertools
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from tests.backends.conftest import ENCODED, BackendCase, needs_encoder
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode, decode_units
from tests.backends.encoding import (
    HEIGHT,
    WIDTH,
    check_times,
    encode,
    nv12_pictures,
    witness,
)
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.backends.waiting import wait_for
from tests.coded_streams import H264_AUD, annexb
from videohw.errors import InvalidInput
from videohw.frame import Frame
from videohw.types import Packet

WITH_B_FRAMES = [(name, b) for name in ENCODED for b in (0, 1, 3) if name != "av1" or b == 0]


def lumas(frames: list[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


def test_each_call_with_one_access_unit_gets_its_pts_back(backend: BackendCase) -> None:
    got = decode_units(backend.decoder("h264"), gray_units(20))
    assert got.errors == []
    assert got.pts == [10 * n for n in range(20)]
    assert lumas(got.frames) == list(range(20))
    assert [frame.decode_index for frame in got.frames] == list(range(20))
    assert got.summary["pts_unused"] == 0
    assert_account(got.summary)


def test_further_units_of_a_call_have_no_pts(backend: BackendCase) -> None:
    units = gray_units(7)
    calls = [
        {"data": joined(units[:3]), "pts": 1},
        {"data": joined(units[3:5]), "pts": 2},
        {"data": joined(units[5:]), "pts": None},
    ]
    got = decode(backend.decoder("h264"), calls)
    assert got.pts == [1, None, None, 2, None, None, None]


@pytest.mark.parametrize("zeros", [2, 3])
def test_a_unit_starts_where_its_start_code_does(backend: BackendCase, zeros: int) -> None:
    """Cut at every place around a start code; zero_byte belongs to the unit behind it."""
    units = gray_units(2)
    first = annexb(*units[0])
    second = annexb(units[1][0], zeros=zeros)
    for cut in range(-2, len(second[: zeros + 3])):
        data = first + second
        at = len(first) + cut
        calls = [{"data": data[:at], "pts": 1}, {"data": data[at:], "pts": 2}]
        got = decode(backend.decoder("h264"), calls)
        # The second unit starts in the second call only if all of its start code does.
        assert got.pts == ([1, 2] if cut <= 0 else [1, None]), cut
        assert got.summary["pts_unused"] == (0 if cut <= 0 else 1)


def test_one_byte_a_call_gives_each_unit_the_call_of_its_first_byte(backend: BackendCase) -> None:
    units = gray_units(4)
    data = joined(units)
    starts = list(itertools.accumulate((len(joined([unit])) for unit in units), initial=0))[:-1]
    calls = ({"data": data[n : n + 1], "pts": n} for n in range(len(data)))
    got = decode(backend.decoder("h264", max_in_flight=4), calls)
    assert got.pts == starts
    assert got.summary["pts_unused"] == len(data) - len(units)


def test_an_access_unit_delimiter_begins_the_unit(backend: BackendCase) -> None:
    units = [[H264_AUD, *unit] for unit in gray_units(3)]
    data = joined(units)
    at = len(joined(units[:1])) + len(annexb(H264_AUD)) - 1
    got = decode(
        backend.decoder("h264"), [{"data": data[:at], "pts": 5}, {"data": data[at:], "pts": 6}]
    )
    assert got.pts == [5, None, 6]


@pytest.mark.parametrize(
    "pts",
    [
        [0, 1, 2],
        [-(1 << 63), 0, (1 << 63) - 1],
        [5, 5, 5],
        [3, 2, 1],
        [None, 7, None],
        [-1, -2, 90000 * 86400],
    ],
)
def test_any_int64_comes_back_untouched(backend: BackendCase, pts: list[int | None]) -> None:
    units = gray_units(3)
    calls = [
        {"data": unit, "pts": each, "layout": "access_unit"}
        for unit, each in zip(units, pts, strict=True)
    ]
    assert decode(backend.decoder("h264"), calls).pts == pts


@pytest.mark.parametrize("pts", [1 << 63, -(1 << 63) - 1])
def test_what_is_no_int64_is_refused_and_nothing_is_taken(backend: BackendCase, pts: int) -> None:
    (unit,) = gray_units(1)
    with backend.decoder("h264") as decoder:
        with pytest.raises(InvalidInput, match="pts") as refused:
            decoder.submit(unit, pts, layout="access_unit")
        assert refused.value.argument == "pts"
        decoder.submit(unit, 5, layout="access_unit")
        assert [frame.pts for frame in decoder.flush(PATIENCE_SECONDS)] == [5]
        assert decoder.summary()["pts_unused"] == 0


@pytest.mark.parametrize("vui", [None, Vui(num_reorder=3)])
def test_output_is_in_presentation_order(backend: BackendCase, vui: Vui | None) -> None:
    """Coded 0 4 2 1 3 8 6 5 7: shown 0 1 2 3 ... with the pts that each was given."""
    order = [0, 4, 2, 1, 3, 8, 6, 5, 7]
    units = reordered(order, vui)
    calls = [
        {"data": unit, "pts": 100 + n, "layout": "access_unit"}
        for unit, n in zip(units, order, strict=True)
    ]
    got = decode(backend.decoder("h264", max_in_flight=2), calls)
    assert lumas(got.frames) == list(range(9))
    assert got.pts == list(range(100, 109))
    assert [frame.decode_index for frame in got.frames] == [order.index(n) for n in range(9)]


def reordered(order: list[int], vui: Vui | None) -> list[list[bytes]]:
    """The units of pictures in decoding order, named by their place in presentation order."""
    stream = PcmStream(vui=vui)
    return [
        [*(stream.sets if n == 0 else ()), stream.picture(16 + n, idr=n == 0, poc=2 * n)]
        for n in order
    ]


def test_every_way_to_reap_gives_presentation_order(backend: BackendCase) -> None:
    """Coded 0 3 2 1 6 5 4 ...: one frame each by try_reap, reap_timeout and iteration."""
    order = [0] + [n + d for n in range(0, 30, 3) for d in (3, 2, 1)]
    units = reordered(order, Vui(num_reorder=2))
    with backend.decoder("h264", max_in_flight=40) as decoder:
        for unit, n in zip(units, order, strict=True):
            decoder.submit(unit, n, layout="access_unit")
        wait_for(lambda: decoder.summary()["ready"] >= 20)
        frames = []
        for _ in range(10):
            frames += [decoder.try_reap(), decoder.reap_timeout(PATIENCE_SECONDS)]
        frames += list(itertools.islice(decoder, 5))
        frames += decoder.flush(PATIENCE_SECONDS)
    assert [frame.pts for frame in frames if frame is not None] == list(range(31))


def test_the_two_fields_of_a_frame_are_one_picture_with_the_first_pts(
    backend: BackendCase,
) -> None:
    stream = PcmStream(rows=2, interlaced=True)
    units = []
    for n in range(3):
        top = stream.picture(50 + n, idr=n == 0, poc=4 * n, parity="top")
        bottom = stream.picture(80 + n, poc=4 * n + 1, parity="bottom", second_field=True)
        units += [[*(stream.sets if n == 0 else ()), top], [bottom]]
    got = decode_units(backend.decoder("h264"), units)
    assert got.errors == []
    assert got.pts == [0, 20, 40]
    assert [frame.planes[0][:4, 0].tolist() for frame in got.frames] == [
        [50 + n, 80 + n] * 2 for n in range(3)
    ]
    assert {frame.field_order for frame in got.frames} == {"tff"}
    assert got.summary["submitted"] == 6
    assert got.summary["reasons"] == {"second_field": 3}
    assert_account(got.summary)


def test_bottom_field_first(backend: BackendCase) -> None:
    stream = PcmStream(rows=2, interlaced=True)
    first = stream.picture(50, idr=True, poc=1, parity="bottom")
    second = stream.picture(80, poc=2, parity="top", second_field=True)
    got = decode_units(backend.decoder("h264"), [[*stream.sets, first], [second]])
    assert [frame.field_order for frame in got.frames] == ["bff"]
    assert got.frames[0].planes[0][:2, 0].tolist() == [80, 50]


def test_time_base_is_handed_on(backend: BackendCase) -> None:
    got = decode_units(backend.decoder("h264", time_base=(1, 90000)), gray_units(1))
    (frame,) = got.frames
    assert frame.time_base is not None
    assert (frame.time_base.numerator, frame.time_base.denominator) == (1, 90000)
    assert frame.duration is None


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
def test_variable_timing_keeps_its_times_across_flushes(
    backend: BackendCase, name: str, b_frames: int
) -> None:
    needs_encoder(backend, name)
    times = [-7000]
    for index in range(39):
        times.append(times[-1] + (1, 3003, 90000, 40, 1500)[index * 7 % 5])
    cuts = [0, 1, 3, 4, 9, 20, 40]  # streams shorter than the reordering, and longer ones
    packets: list[Packet] = []
    pictures = nv12_pictures(40)
    with backend.encoder(name, WIDTH, HEIGHT, time_base=(1, 90000), b_frames=b_frames) as encoder:
        for start, end in pairwise(cuts):
            packets += encode(encoder, pictures[start:end], times[start:end])
    check_times(packets, times)
    assert {p.time_base for p in packets} == {Fraction(1, 90000)}
    assert {p.duration for p in packets} == {3000}
    keys = sorted(p.pts for p in packets if p.keyframe)
    assert set(keys) >= {times[cut] for cut in cuts[:-1]}
    assert [picture.pts for picture in witness(name, packets)] == times


@pytest.mark.parametrize(
    "time_base", [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 10**9), (2, 61)]
)
def test_any_time_base(
    backend: BackendCase, encoded: str, time_base: Fraction | tuple[int, int]
) -> None:
    base = time_base if isinstance(time_base, Fraction) else Fraction(*time_base)
    with backend.encoder(encoded, 64, 64, fps=25, time_base=time_base) as encoder:
        packets = encode(encoder, nv12_pictures(6, 64, 64))
    step = 1 / (25 * base)
    check_times(packets, [round(n * step) for n in range(6)])
    assert packets[0].duration == round(step)
    assert packets[0].time_base == base


def test_pts_that_is_not_given_follows_the_last_one(backend: BackendCase, encoded: str) -> None:
    with backend.encoder(encoded, 64, 64, fps=24, time_base=(1, 1000)) as encoder:
        packets = encode(
            encoder, nv12_pictures(7, 64, 64), [None, None, None, None, 1000, None, None]
        )
    # Exact steps of 1000 / 24, rounded each on its own, so that errors do not add up.
    assert sorted(p.pts for p in packets) == [0, 42, 83, 125, 1000, 1042, 1083]


@pytest.mark.parametrize("again", [5, 4, -1])
def test_pts_that_does_not_increase_is_refused_and_nothing_is_lost(
    backend: BackendCase, encoded: str, again: int
) -> None:
    pictures = nv12_pictures(4, 64, 64)
    with backend.encoder(encoded, 64, 64) as encoder:
        encoder.submit(pictures[0], 3)
        encoder.submit(pictures[1], 5)
        with pytest.raises(InvalidInput, match=f"pts is {again}, the last one was 5") as refused:
            encoder.submit(pictures[2], again)
        assert refused.value.argument == "pts"
        encoder.submit(pictures[2], 6)
        encoder.submit(pictures[3])
        packets = encoder.flush(PATIENCE_SECONDS)
    assert sorted(p.pts for p in packets) == [3, 5, 6, 7]
    assert [picture.pts for picture in witness(encoded, packets)] == [3, 5, 6, 7]


def test_the_time_base_is_one_frame_unless_it_is_given(backend: BackendCase, encoded: str) -> None:
    with backend.encoder(encoded, 64, 64, fps=(30000, 1001)) as encoder:
        assert encoder.time_base == Fraction(1001, 30000)
        packets = encode(encoder, nv12_pictures(3, 64, 64))
    assert [(p.pts, p.duration, p.time_base) for p in packets] == [
        (n, 1, Fraction(1001, 30000)) for n in range(3)
    ]


@pytest.mark.parametrize("pts", [1.0, "1", 1 << 63, True])
def test_a_pts_that_is_no_time_is_refused(backend: BackendCase, encoded: str, pts: Any) -> None:
    (picture,) = nv12_pictures(1, 64, 64)
    with backend.encoder(encoded, 64, 64) as encoder:
        with pytest.raises(InvalidInput) as refused:
            encoder.submit(picture, pts)
        assert refused.value.argument == "pts"
        assert encoder.summary()["submitted"] == 0
        encoder.submit(picture)
        (packet,) = encoder.flush(PATIENCE_SECONDS)
        assert packet.pts == 0


@pytest.mark.parametrize(("name", "b_frames"), [each for each in WITH_B_FRAMES if each[1]])
def test_packets_come_in_decode_order(backend: BackendCase, name: str, b_frames: int) -> None:
    """Each prefix of them decodes: no picture refers to one whose packet comes later."""
    needs_encoder(backend, name)
    with backend.encoder(name, 64, 64, b_frames=b_frames, preset="balanced") as encoder:
        packets = encode(encoder, nv12_pictures(12, 64, 64))
    assert [p.pts for p in packets] != sorted(p.pts for p in packets)
    for count in range(1, 13):
        shown = [picture.pts for picture in witness(name, packets[:count])]
        assert shown == sorted(p.pts for p in packets[:count])
