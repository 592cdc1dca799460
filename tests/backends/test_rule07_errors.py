"""Rule 7: what becomes of pictures that the codec refuses, by ``on_error``, for every codec.

The codec is told to refuse one picture, so that which one is bad is known exactly.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.damaged import (
    CODECS,
    ON_ERROR,
    Clip,
    assert_whole,
    clip,
    everything,
    exact,
    intact,
)
from tests.backends.decoding import PATIENCE_SECONDS, Decoded, decode, outputs
from tests.backends.faults import Faults
from tests.backends.oracle import frame_md5
from videohw.errors import BackendError
from videohw.frame import Frame

IN_ORDER = ("av1", "vp9", "vp8", "jpeg")


@pytest.fixture(params=CODECS)
def each(request: pytest.FixtureRequest) -> Clip:
    return clip(request.param)


def refused(
    backend: BackendCase, faults: Faults, each: Clip, number: int, **arguments: Any
) -> Decoded:
    """What comes out when the codec refuses picture ``number``."""
    intact(backend, each.codec)  # before the fault is armed
    faults.arm("refuse", after=number)
    got = decode(backend.decoder(each.codec, **arguments), each.calls())
    assert faults.hits[-1][0] == "refuse"
    assert_whole(got)
    return got


def bad_picture(each: Clip) -> int:
    """A picture behind the first random access point, which others of it refer to."""
    return each.starts[1] + (0 if each.codec == "jpeg" else 1)


@pytest.mark.parametrize("on_error", ON_ERROR)
def test_what_precedes_the_damage_and_what_follows_the_next_start_is_exact(
    backend: BackendCase, faults: Faults, each: Clip, on_error: str
) -> None:
    bad = bad_picture(each)
    got = refused(backend, faults, each, bad, on_error=on_error)
    order = [index for index, _ in intact(backend, each.codec)]
    start = each.next_start(bad)
    safe = set(order[order.index(start) :] if start in order else ())
    before = [frame for frame in got.frames if frame.decode_index < bad]
    after = [frame for frame in got.frames if frame.decode_index in safe]
    assert {frame.decode_index for frame in before} == set(range(bad))
    assert {frame.decode_index for frame in after} == safe
    assert safe or each.next_start(bad) == len(each.units)
    assert exact(backend, each.codec, [*before, *after])
    assert not any(frame.corrupt for frame in [*before, *after])


@pytest.mark.parametrize("on_error", ON_ERROR)
def test_the_order_is_kept(backend: BackendCase, faults: Faults, each: Clip, on_error: str) -> None:
    got = refused(backend, faults, each, bad_picture(each), on_error=on_error)
    place = {index: at for at, (index, _) in enumerate(intact(backend, each.codec))}
    places = [place[frame.decode_index] for frame in got.frames]
    assert places == sorted(places)
    assert got.pts == [100 * frame.decode_index for frame in got.frames]


def test_raise_raises_each_dropped_picture_once_in_its_place(
    backend: BackendCase, faults: Faults, each: Clip
) -> None:
    intact(backend, each.codec)
    bad = bad_picture(each)
    faults.arm("refuse", after=bad)
    seen: list[Any] = []
    with backend.decoder(each.codec) as decoder:
        for item in outputs(decoder, each.calls()):
            seen.append(item.decode_index if isinstance(item, Frame) else item)
        summary = decoder.summary()
        assert not decoder.closed
    errors = [item for item in seen if not isinstance(item, int)]
    assert len(errors) == sum(summary["reasons"].values()) == summary["reasons"]["undecodable"]
    (error,) = (each_error for each_error in errors if f"picture {bad} " in str(each_error))
    before = seen[: seen.index(error)]
    assert {index for index in before if isinstance(index, int)} >= set(range(bad))
    if each.codec in IN_ORDER:
        assert len(before) == bad
    assert isinstance(error, backend.refusal)
    assert f"pts {100 * bad}" in str(error)
    assert "on_error" in str(error.hint)
    assert not error.fatal


def test_skip_leaves_the_picture_out_and_counts_it(
    backend: BackendCase, faults: Faults, each: Clip
) -> None:
    bad = bad_picture(each)
    got = refused(backend, faults, each, bad, on_error="skip")
    assert got.errors == []
    assert bad not in {frame.decode_index for frame in got.frames}
    assert set(got.summary["reasons"]) == {"skipped"}
    assert len(got.frames) + got.summary["reasons"]["skipped"] == len(each.units)


def test_resync_leaves_out_everything_to_the_next_random_access_point(
    backend: BackendCase, faults: Faults, each: Clip
) -> None:
    bad = bad_picture(each)
    got = refused(backend, faults, each, bad, on_error="resync")
    order = [index for index, _ in intact(backend, each.codec)]
    start = each.next_start(bad)
    left_out = [
        index
        for index in order
        if index >= bad and (start not in order or order.index(index) < order.index(start))
    ]
    assert got.errors == []
    assert [frame.decode_index for frame in got.frames] == [i for i in order if i not in left_out]
    assert got.summary["reasons"] == {"resynced": len(left_out)}
    assert exact(backend, each.codec, got.frames)
    assert not any(frame.corrupt for frame in got.frames)


def test_conceal_marks_what_is_damaged_and_what_may_be(
    backend: BackendCase, faults: Faults, each: Clip
) -> None:
    """A picture that the codec refuses altogether cannot be shown; what refers to it can."""
    bad = bad_picture(each)
    got = refused(backend, faults, each, bad, on_error="conceal")
    assert got.errors == []
    lost = set(range(len(each.units))) - {frame.decode_index for frame in got.frames}
    assert bad in lost
    assert got.summary["reasons"] == {"undecodable": len(lost)}
    start = each.next_start(bad)
    wrong = [frame for frame in got.frames if not exact(backend, each.codec, [frame])]
    assert all(frame.corrupt is not False for frame in wrong)
    assert all(bad < frame.decode_index for frame in wrong)
    assert (each.codec == "jpeg") or any(
        frame.corrupt is None for frame in got.frames if bad < frame.decode_index < start
    )


@pytest.mark.parametrize("on_error", ON_ERROR)
@pytest.mark.parametrize("end", ["flush", "reset"])
def test_a_clean_stream_decodes_exactly_in_the_same_session_afterwards(
    backend: BackendCase, faults: Faults, each: Clip, on_error: str, end: str
) -> None:
    right = [digest for _, digest in intact(backend, each.codec)]
    with backend.decoder(each.codec, on_error=on_error, max_in_flight=200) as decoder:
        faults.arm("refuse", after=bad_picture(each))
        for call in each.calls():
            decoder.submit(**call, timeout=PATIENCE_SECONDS)
        if end == "flush":
            everything(decoder)
        else:
            decoder.reset()
        faults.disarm()
        for call in each.calls():
            decoder.submit(**call, timeout=PATIENCE_SECONDS)
        again = everything(decoder)
        summary = decoder.summary()
    assert [frame_md5(frame) for frame in again if isinstance(frame, Frame)] == right
    assert len(again) == len(right)
    assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values())


@pytest.mark.parametrize("on_error", ON_ERROR)
def test_every_picture_refused(
    backend: BackendCase, faults: Faults, each: Clip, on_error: str
) -> None:
    for number in range(len(each.units)):
        faults.arm("refuse", after=number)
    got = decode(backend.decoder(each.codec, on_error=on_error), each.calls())
    assert_whole(got)
    assert got.frames == []
    assert len(got.errors) == (len(each.units) if on_error == "raise" else 0)
    assert sum(got.summary["reasons"].values()) == len(each.units)


@pytest.mark.parametrize("codec", ["h264", "vp9"])
@pytest.mark.parametrize("number", [0, 4, 23])
def test_a_bug_below_costs_one_picture_and_one_error(
    backend: BackendCase, faults: Faults, codec: str, number: int
) -> None:
    """An exception that is none of ours stands for the picture it was met at."""
    each = clip(codec)
    faults.arm("bug", after=number)
    got = decode(backend.decoder(codec), each.calls())
    assert_whole(got)
    assert type(got.errors[0]) is BackendError
    assert "PlantedBug" in str(got.errors[0])
    assert "report" in str(got.errors[0].hint)
    assert len(got.errors) == sum(got.summary["reasons"].values())


@pytest.mark.parametrize(("codec", "shown_bit"), [("vp9", 0x02), ("vp8", 0x10)])
def test_a_hidden_picture_that_is_refused_is_no_secret(
    backend: BackendCase, faults: Faults, codec: str, shown_bit: int
) -> None:
    """It gives no frame itself, and others refer to it: told once, and resync leaves them out."""
    each = clip(codec)
    units = list(each.units)
    units[3] = bytes((units[3][0] & ~shown_bit,)) + units[3][1:]
    seen = {}
    for on_error in ON_ERROR:
        faults.arm("refuse", after=3)
        got = decode(backend.decoder(codec, on_error=on_error), each.calls(units))
        assert_whole(got)
        assert got.summary["reasons"]["not_shown"] == 1
        assert len(got.errors) == (1 if on_error == "raise" else 0)
        seen[on_error] = got
    resumed = [frame.decode_index for frame in seen["resync"].frames]
    assert resumed == [0, 1, 2, *range(8, 24)]
    assert seen["resync"].summary["reasons"]["resynced"] == 4
    first = 4 if backend.feeds_hidden_apart else 5
    for on_error in ("raise", "skip", "conceal"):
        told = {frame.decode_index: frame.corrupt for frame in seen[on_error].frames}
        assert (4 in told) == backend.feeds_hidden_apart
        assert [told[n] for n in (first, 7)] == [None, None]
        assert not told[2]
        assert not told[8]
