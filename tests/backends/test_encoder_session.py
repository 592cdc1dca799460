"""The software encoder as a session: limits, waits, threads, errors, its end."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from tests.backends.encoding import (
    HEIGHT,
    PATIENCE_SECONDS,
    WIDTH,
    accepted,
    codec,
    encode,
    nv12_pictures,
    reaped,
    witness,
)
from videohw.encoder import Encoder
from videohw.errors import Backpressure, SessionClosed
from videohw.types import ConstantQuality, SoftwareEncoderOptions

__all__ = ["codec"]

FAST: dict[str, Any] = {"preset": "fastest", "fps": 30}
PICTURE = np.full((96, 64), 77, np.uint8)


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
def test_backpressure_says_depth_and_limit_and_takes_nothing(codec: str, limit: int) -> None:
    with Encoder(codec, 64, 64, low_latency=True, max_in_flight=limit, **FAST) as encoder:
        count = fill(encoder)
        # That many packets are ready, and at most as many pictures wait behind them.
        assert limit <= count <= 2 * limit + 1
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


def test_a_refused_submit_may_be_repeated(codec: str) -> None:
    pictures = nv12_pictures(30, 64, 64)
    with Encoder(codec, 64, 64, max_in_flight=1, low_latency=True, **FAST) as encoder:
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
    assert len(witness(codec, packets)) == 30


def test_submit_waits_for_another_thread_that_reaps(codec: str) -> None:
    packets = []
    all_given = threading.Event()
    with Encoder(codec, 64, 64, max_in_flight=2, **FAST) as encoder:

        def reap() -> None:
            while not all_given.is_set():
                packet = encoder.reap_timeout(0.02)
                packets.extend([packet] if packet else [])

        reaper = threading.Thread(target=reap)
        reaper.start()
        for picture in nv12_pictures(100, 64, 64):
            encoder.submit(picture, timeout=None)
        all_given.set()
        reaper.join()
        early = len(packets)
        packets += encoder.flush(PATIENCE_SECONDS)
    assert early > 20
    assert [packet.pts for packet in packets] == list(range(100))


def test_a_thread_that_reaps_does_not_wait_for_itself(codec: str) -> None:
    """The plain loop of one thread ends, though it says that it would wait for ever."""
    packets = []
    with Encoder(codec, 64, 64, max_in_flight=1, low_latency=True, **FAST) as encoder:
        encoder.try_reap()
        fill(encoder)
        started = time.monotonic()
        with pytest.raises(Backpressure, match="outputs are ready"):
            encoder.submit(PICTURE, timeout=None)
        assert time.monotonic() - started < 5
        count = encoder.summary()["submitted"]
        for _ in range(40):
            packets += reaped(encoder)
            try:
                encoder.submit(PICTURE, timeout=None)
                count += 1
            except Backpressure:
                continue
        packets += encoder.flush(PATIENCE_SECONDS)
    assert count > 3
    assert [packet.pts for packet in packets] == list(range(count))


def test_memory_is_bounded_by_what_is_in_flight(codec: str) -> None:
    limit = 3
    with Encoder(codec, 64, 64, max_in_flight=limit, **FAST) as encoder:
        most_ready = most_queued = 0
        for picture in nv12_pictures(80, 64, 64):
            while not accepted(encoder, picture):
                reaped(encoder)
            summary = encoder.summary()
            most_ready = max(most_ready, summary["ready"])
            most_queued = max(most_queued, summary["queued_bytes"])
    assert most_ready <= limit
    # One more than the limit, since a call below it is taken whole; a frame of libavcodec has
    # padding of its own.
    assert most_queued <= (limit + 1) * 3 * PICTURE.nbytes


def test_several_threads_may_submit(codec: str) -> None:
    threads, each = 4, 12
    with Encoder(codec, 64, 64, **FAST) as encoder:

        def submit() -> None:
            for _ in range(each):
                encoder.submit(PICTURE, timeout=PATIENCE_SECONDS)

        workers = [threading.Thread(target=submit) for _ in range(threads)]
        for worker in workers:
            worker.start()
        packets = []
        while any(worker.is_alive() for worker in workers):
            packets += reaped(encoder)
            time.sleep(0.001)
        packets += encoder.flush(PATIENCE_SECONDS)
        for worker in workers:
            worker.join()
    assert [p.pts for p in packets] == list(range(threads * each))


def test_iteration_drains_one_packet_at_a_time(codec: str) -> None:
    with Encoder(codec, 64, 64, max_in_flight=20, **FAST) as encoder:
        for _ in range(10):
            encoder.submit(PICTURE)
        assert [packet.pts for packet in encoder] == list(range(10))
        assert list(encoder) == []
        encoder.submit(PICTURE)
        (packet,) = encoder
        assert (packet.pts, packet.keyframe) == (10, True)


def test_flush_that_runs_out_of_time_keeps_everything(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Encoder(codec, 64, 64, **FAST) as encoder:
        slow_down(encoder, monkeypatch, 0.05)
        for _ in range(5):
            encoder.submit(PICTURE)
        with pytest.raises(TimeoutError):
            encoder.flush(0)
        with pytest.raises(TimeoutError):
            encoder.flush(0.01)
        assert [p.pts for p in encoder.flush(PATIENCE_SECONDS)] == list(range(5))


def slow_down(encoder: Encoder, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    stage = encoder._session._stage  # type: ignore[attr-defined]
    convert = stage.convert

    def slow(staged: Any) -> Any:
        time.sleep(seconds)
        return convert(staged)

    monkeypatch.setattr(stage, "convert", slow)


def test_reap_timeout_waits_as_long_as_it_says(codec: str) -> None:
    with Encoder(codec, 64, 64, **FAST) as encoder:
        started = time.monotonic()
        assert encoder.try_reap() is None
        assert encoder.reap_timeout(0.1) is None
        assert 0.1 <= time.monotonic() - started < 5


def test_after_close_every_call_says_so(codec: str) -> None:
    encoder = Encoder(codec, 64, 64, **FAST)
    encoder.submit(PICTURE)
    encoder.close()
    encoder.close()
    assert encoder.closed
    calls = [
        lambda: encoder.submit(PICTURE),
        lambda: encoder.submit(None),
        encoder.try_reap,
        lambda: encoder.reap_timeout(1),
        encoder.flush,
        lambda: list(encoder),
    ]
    for call in calls:
        with pytest.raises(SessionClosed) as closed:
            call()
        assert closed.value.fatal
    assert encoder.summary()["submitted"] == 1
    assert encoder.codec == codec


@pytest.mark.parametrize("waiting", ["reap", "flush", "submit"])
def test_close_ends_a_wait_in_another_thread(waiting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Encoder("h264", 64, 64, low_latency=True, max_in_flight=1, **FAST) as encoder:
        if waiting == "reap":
            call: Any = lambda: encoder.reap_timeout(PATIENCE_SECONDS)  # noqa: E731
        elif waiting == "flush":
            slow_down(encoder, monkeypatch, 0.5)
            encoder.submit(PICTURE)
            call = encoder.flush
        else:
            fill(encoder)
            call = lambda: encoder.submit(PICTURE, timeout=None)  # noqa: E731
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                call()
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        encoder.close()
        thread.join(5)
        assert not thread.is_alive()
    assert [type(error) for error in raised] == [SessionClosed]


def test_summary_says_which_backend_and_what_it_was_told(codec: str) -> None:
    with Encoder(codec, WIDTH, HEIGHT, rate_control=ConstantQuality(30), **FAST) as encoder:
        summary = encoder.summary()
    assert summary["backend"] == encoder.backend == "software"
    assert summary["requested_backend"] == "auto"
    assert summary["hardware"] is False
    assert summary["library"] == {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}[codec]
    assert summary["codec"] == codec
    assert (summary["width"], summary["height"]) == (WIDTH, HEIGHT)
    assert summary["color"].matrix == "smpte170m"
    assert "30" in str(summary["options"])


def test_threads_are_the_ones_asked(codec: str) -> None:
    options = SoftwareEncoderOptions(threads=1)
    with Encoder(codec, WIDTH, HEIGHT, options=options, **FAST) as encoder:
        packets = encode(encoder, nv12_pictures(8))
    assert len(witness(codec, packets)) == 8
