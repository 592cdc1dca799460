"""Which pts comes back on which picture, and in what order (DESIGN 3, rules 1 and 2)."""

from __future__ import annotations

import itertools

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import assert_account, decode, decode_bytes, decode_units
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.coded_streams import H264_AUD, annexb
from videohw.frame import Frame


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


@pytest.mark.parametrize("vui", [None, Vui(num_reorder=3)])
def test_output_is_in_presentation_order(backend: BackendCase, vui: Vui | None) -> None:
    """Coded 0 4 2 1 3 8 6 5 7: shown 0 1 2 3 ... with the pts that each was given."""
    stream = PcmStream(vui=vui)
    order = [0, 4, 2, 1, 3, 8, 6, 5, 7]
    units = [
        [*(stream.sets if n == 0 else ()), stream.picture(16 + n, idr=n == 0, poc=2 * n)]
        for n in order
    ]
    calls = [
        {"data": unit, "pts": 100 + n, "layout": "access_unit"}
        for unit, n in zip(units, order, strict=True)
    ]
    got = decode(backend.decoder("h264", max_in_flight=2), calls)
    assert lumas(got.frames) == list(range(9))
    assert got.pts == list(range(100, 109))
    assert [frame.decode_index for frame in got.frames] == [order.index(n) for n in range(9)]


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


@pytest.mark.parametrize("seed", range(8))
def test_how_bytes_are_cut_changes_nothing(backend: BackendCase, seed: int) -> None:
    units = gray_units(30)
    got = decode_bytes(backend.decoder("h264"), joined(units), seed=seed)
    assert lumas(got.frames) == list(range(30))
    assert got.errors == []
