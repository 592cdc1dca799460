"""Rule 5, limits: what may wait is bounded, a call is taken whole or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode
from tests.backends.encoding import accepted, encode, nv12_pictures, reaped, witness
from tests.backends.faults import Faults
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.backends.waiting import wait_for
from videohw.encoder import Encoder
from videohw.environment import PREFIXES
from videohw.errors import BackendError, Backpressure, VideoHwError
from videohw.frame import Frame

PICTURE = np.full((96, 64), 77, np.uint8)
PLAIN = Vui(num_reorder=0)
HELD = 24  # pictures, by a lookahead that every encoder has beside its B-pictures


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


def test_submit_takes_the_whole_call_or_nothing(backend: BackendCase) -> None:
    units = gray_units(30, PcmStream(vui=Vui(num_reorder=0)))
    frames = []
    with backend.decoder("h264", max_in_flight=2) as decoder:
        for number, unit in enumerate(units):
            if number >= 2:
                wait_for(lambda: decoder.summary()["ready"] == 2)
                with pytest.raises(Backpressure) as refused:
                    decoder.submit(unit, number, layout="access_unit")
                assert (refused.value.depth, refused.value.limit) == (2, 2)
                assert decoder.summary()["submitted"] == number
                frame = decoder.reap_timeout(PATIENCE_SECONDS)
                assert frame is not None
                frames.append(frame)
            decoder.submit(unit, number, layout="access_unit")
        frames += decoder.flush(PATIENCE_SECONDS)
    assert numbers(frames) == [frame.pts for frame in frames] == list(range(30))


def test_a_hundred_units_in_one_call_at_one_in_flight(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(gray_units(100)))
        frames = decoder.flush(PATIENCE_SECONDS)
        assert numbers(frames) == list(range(100))
        assert_account(decoder.summary())


def test_a_source_is_not_read_far_ahead_of_what_is_decoded(backend: BackendCase) -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for unit in gray_units(400, PcmStream(vui=PLAIN)):
            taken += 1
            yield joined([unit])

    held = []
    with backend.decoder("h264", max_in_flight=8) as decoder:
        for number, _ in enumerate(decoder.decode(pieces())):
            held.append(taken - number)
        assert_account(decoder.summary())
    assert len(held) == 400
    # 32 that wait, 8 that are ready, and what the decoders hold themselves, at most.
    assert 8 < max(held) <= 32 + 8 + 24


def test_queued_bytes_are_limited(backend: BackendCase) -> None:
    units = gray_units(60)
    with backend.decoder("h264", max_in_flight=1, max_pending_bytes=1) as decoder:
        decoder.submit(joined(units[:40]))
        with pytest.raises(Backpressure):
            decoder.submit(joined(units[40:]))
        wait_for(lambda: decoder.try_reap() is None and not decoder.summary()["queued_bytes"])
        while decoder.try_reap() is not None:  # what is ready by now
            pass
        decoder.submit(joined(units[40:]), timeout=PATIENCE_SECONDS)
        decoder.flush(PATIENCE_SECONDS)
        assert decoder.summary()["delivered"] == 60


def fill(encoder: Encoder) -> int:
    """Submit until nothing more is taken because nothing is reaped; how many were."""
    count = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if accepted(encoder, PICTURE):
            count += 1
        elif encoder.summary()["ready"] == encoder.summary()["max_in_flight"]:
            return count
    raise AssertionError("the encoder does not fill up")


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_backpressure_says_depth_and_limit_and_takes_nothing(
    backend: BackendCase, encoded: str, limit: int
) -> None:
    with backend.encoder(encoded, 64, 64, low_latency=True, max_in_flight=limit) as encoder:
        count = fill(encoder)
        # That many packets are ready, and at most as many pictures wait behind them. A chip has
        # some more in its buffers.
        assert limit <= count <= 2 * limit + 1 + encoder.summary().get("buffers", 0)
        with pytest.raises(Backpressure) as full:
            encoder.submit(PICTURE)
        assert (full.value.depth, full.value.limit) == (limit, limit)
        assert not full.value.fatal
        assert encoder.summary()["submitted"] == count
        packets = reaped(encoder)
        while not accepted(encoder, PICTURE):
            packets += reaped(encoder)
        # Flush works with full queues, and gives what is left of all that was taken.
        packets += encoder.flush(PATIENCE_SECONDS)
    assert [packet.pts for packet in packets] == list(range(count + 1))
    assert encoder.summary()["delivered"] == count + 1


def test_a_refused_submit_may_be_repeated(backend: BackendCase, encoded: str) -> None:
    pictures = nv12_pictures(30, 64, 64)
    with backend.encoder(encoded, 64, 64, max_in_flight=1, low_latency=True) as encoder:
        packets, refused = [], 0
        for picture in pictures:
            while True:
                try:
                    encoder.submit(picture)
                    break
                except Backpressure:
                    refused += 1
                    packets += reaped(encoder)
                    time.sleep(0.0005)
        packets += encoder.flush(PATIENCE_SECONDS)
    assert refused
    assert [packet.pts for packet in packets] == list(range(30))
    assert len(witness(encoded, packets)) == 30


# What a call of submit does


def test_each_session_has_at_most_one_thread_of_python(
    backend: BackendCase, encoded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prefix in PREFIXES.values():  # unless it is asked for more
        monkeypatch.delenv(f"{prefix}PIPELINE", raising=False)
    before = threading.active_count()
    with backend.decoder("h264") as decoder, backend.encoder(encoded, 64, 64) as encoder:
        decoder.submit(joined(gray_units(3)))
        encoder.submit(PICTURE)
        count = threading.active_count()
        assert count <= before + 2
        decoder.flush(PATIENCE_SECONDS)
        encoder.flush(PATIENCE_SECONDS)
        assert threading.active_count() == count
    assert threading.active_count() == before


def test_submit_only_queues(backend: BackendCase, encoded: str, faults: Faults) -> None:
    """The codec does not come back at all, and submit returns."""
    faults.arm("stall")
    with (
        backend.decoder("h264") as decoder,
        backend.encoder(encoded, 64, 64, max_in_flight=6) as encoder,
    ):
        for unit in gray_units(30):
            decoder.submit(unit, layout="access_unit")
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        assert decoder.try_reap() is None
        assert decoder.summary()["submitted"] == 30
        faults.release()
        assert len(decoder.flush(PATIENCE_SECONDS)) == 30
        encoder.submit(PICTURE)
        assert len(encoder.flush(PATIENCE_SECONDS)) == 1


@settings(max_examples=40)
@given(data=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=10))
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mpeg4", "vc1", "mpeg2"])
def test_submit_raises_nothing_about_what_the_bytes_say(
    backend: BackendCase, codec: str, data: list[bytes]
) -> None:
    with backend.decoder(codec, max_in_flight=1000) as decoder:
        for piece in data:
            decoder.submit(piece)
            decoder.submit(b"\0\0\1" + piece)
        while True:
            try:
                decoder.flush(PATIENCE_SECONDS)
                break
            except VideoHwError as error:
                assert not error.fatal  # noqa: PT017
        assert_account(decoder.summary())


@pytest.mark.parametrize("kind", ["refuse", "bug"])
def test_errors_of_coding_come_out_in_their_place_and_once(
    backend: BackendCase, encoded: str, faults: Faults, kind: Any
) -> None:
    with (
        backend.decoder("h264", max_in_flight=20) as decoder,
        backend.encoder(encoded, 64, 64, low_latency=True, max_in_flight=20) as encoder,
    ):
        faults.arm(kind, after=3)
        for unit in gray_units(6, PcmStream(vui=PLAIN)):
            decoder.submit(unit, layout="access_unit")
        expected = backend.refusal if kind == "refuse" else BackendError
        order = [outcome(decoder) for _ in range(6)]
        assert [getattr(each, "decode_index", type(each)) for each in order] == [
            0, 1, 2, expected, 4, 5,
        ]  # fmt: skip
        faults.arm(kind, after=3)
        for _ in range(6):
            encoder.submit(PICTURE)
        order = [outcome(encoder) for _ in range(6)]
        assert [getattr(each, "pts", type(each)) for each in order] == [
            0, 1, 2, BackendError, 4, 5,
        ]  # fmt: skip
        assert decoder.flush(PATIENCE_SECONDS) == encoder.flush(PATIENCE_SECONDS) == []


def outcome(session: Any) -> object:
    """The next output, or the error that is raised in its place."""
    try:
        return session.reap_timeout(PATIENCE_SECONDS)
    except VideoHwError as error:
        return error


def test_a_refused_call_leaves_no_trace(backend: BackendCase) -> None:
    """Bytes, pts and counts are as if it had not been made."""
    units = gray_units(12, PcmStream(vui=PLAIN))
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(units[:6]), 1)
        wait_for(lambda: decoder.summary()["ready"] == 1)
        before = decoder.summary()
        calls: list[tuple[Any, int, str]] = [
            (joined(units[6:]), 2, "annexb"),
            (units[6], 3, "access_unit"),
            (b"\0\0\1", 4, "annexb"),
        ]
        for data, pts, layout in calls:
            with pytest.raises(Backpressure):
                decoder.submit(data, pts, layout=layout)
        assert decoder.summary() == before
        frames = decoder.flush(PATIENCE_SECONDS)
        assert [frame.pts for frame in frames] == [1, None, None, None, None, None]
        assert decoder.summary()["pts_unused"] == 0


def test_one_call_may_be_larger_than_the_limit(backend: BackendCase) -> None:
    data = joined(gray_units(40))
    with backend.decoder("h264", max_in_flight=100, max_pending_bytes=len(data) // 10) as decoder:
        decoder.submit(data)
        assert len(decoder.flush(PATIENCE_SECONDS)) == 40


def test_the_limit_of_queued_input_is_told_in_bytes(
    backend: BackendCase, encoded: str, faults: Faults
) -> None:
    faults.arm("stall")
    units = gray_units(20)
    limit = len(joined(units[:3]))
    with backend.decoder("h264", max_pending_bytes=limit) as decoder:
        decoder.submit(joined(units[:10]))
        with pytest.raises(Backpressure, match="bytes") as refused:
            decoder.submit(joined(units[10:]))
        assert refused.value.limit == limit
        assert limit <= refused.value.depth == decoder.summary()["queued_bytes"]
        assert not refused.value.fatal
        faults.release()
        decoder.submit(joined(units[10:]), timeout=PATIENCE_SECONDS)
        assert len(decoder.flush(PATIENCE_SECONDS)) == 20


# What the limits do not count


def reversed_runs(runs: int, depth: int) -> list[list[bytes]]:
    """Runs of depth + 1 pictures, as many as are held at once, coded last to first."""
    stream = PcmStream(vui=Vui(num_reorder=depth))
    units = []
    for first in range(0, runs * (depth + 1), depth + 1):
        for place in range(first + depth, first - 1, -1):
            idr = not units
            # The IDR picture has order count 0; the others of its run come before it.
            picture = stream.picture(16 + place, idr=idr, poc=2 * (place - depth))
            units.append([*(stream.sets if idr else ()), picture])
    return units


@pytest.mark.parametrize("depth", [3, 15])
@pytest.mark.parametrize("how", ["one call", "units"])
def test_deep_reordering_at_one_in_flight(backend: BackendCase, depth: int, how: str) -> None:
    """Pictures that the codec must hold before the first comes out fill no limit."""
    units = reversed_runs(6, depth)
    taken = 0
    with backend.decoder("h264", max_in_flight=1) as decoder:
        if how == "one call":
            decoder.submit(joined(units))
        else:
            for unit in units[: depth + 1]:
                decoder.submit(unit, layout="access_unit")
                taken += 1
            assert decoder.summary()["delivered"] == 0
        calls = ({"data": unit, "layout": "access_unit"} for unit in units[taken:])
        if how == "one call":
            frames = decoder.flush(PATIENCE_SECONDS)
        else:
            frames = decode(decoder, calls).frames
    lumas = [number_of(int(frame.planes[0][0, 0])) for frame in frames]
    assert lumas == list(range(6 * (depth + 1)))


def test_what_the_codec_held_waits_for_room_at_the_end(backend: BackendCase) -> None:
    """Draining makes many outputs of one step; no more are ready than may be."""
    with backend.decoder("h264", max_in_flight=2) as decoder:
        for unit in reversed_runs(1, 15):
            decoder.submit(unit, layout="access_unit")
        frames = []
        for frame in decoder:
            frames.append(frame)
            wait_for(lambda: decoder.summary()["ready"] >= min(2, 16 - len(frames)))
            assert decoder.summary()["ready"] <= 2
    assert len(frames) == 16


@pytest.mark.parametrize("limit", [1, 6])
def test_lookahead_does_not_fill_the_limit(backend: BackendCase, limit: int) -> None:
    """The codec holds so many pictures before the first packet; submitting alone gets that far."""
    if backend.lookahead is None:
        pytest.skip(f"nothing makes {backend.name} hold so many pictures")
    with backend.encoder(
        "h264", 64, 64, max_in_flight=limit, b_frames=3, **backend.lookahead(HELD + 2)
    ) as encoder:
        pictures = nv12_pictures(80, 64, 64)
        for picture in pictures[:HELD]:
            encoder.submit(picture, timeout=PATIENCE_SECONDS)
        wait_for(lambda: encoder.summary()["queued_bytes"] == 0)
        assert encoder.try_reap() is None
        packets = encode(encoder, pictures[HELD:])
        summary = encoder.summary()
    assert sorted(packet.pts for packet in packets) == list(range(80))
    assert len(witness("h264", packets)) == 80
    assert summary["submitted"] == summary["delivered"] == 80


def test_frames_handed_out_do_not_count(backend: BackendCase) -> None:
    kept: list[Frame] = []
    with backend.decoder("h264", max_in_flight=1, low_latency=True) as decoder:
        for unit in gray_units(60, PcmStream(vui=PLAIN)):
            decoder.submit(unit, layout="access_unit")
            frame = decoder.reap_timeout(PATIENCE_SECONDS)
            assert frame is not None
            kept.append(frame)
    assert [number_of(int(frame.planes[0][0, 0])) for frame in kept] == list(range(60))


def test_flush_works_with_full_queues(backend: BackendCase, encoded: str) -> None:
    """Outputs at their limit and input at its own, in both directions."""
    with (
        backend.decoder("h264", max_in_flight=1, max_pending_bytes=1) as decoder,
        backend.encoder(encoded, 64, 64, max_in_flight=1, low_latency=True) as encoder,
    ):
        decoder.submit(joined(gray_units(50)))
        wait_for(lambda: decoder.summary()["ready"] == 1)
        with pytest.raises(Backpressure):
            decoder.submit(b"\0\0\1")
        assert len(decoder.flush(PATIENCE_SECONDS)) == 50
        count = fill(encoder)
        assert len(encoder.flush(PATIENCE_SECONDS)) == count
