"""Rule 5, memory: what a session holds does not grow with the stream, however slow its reader."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, assert_account
from tests.backends.encoding import accepted, nv12_pictures, reaped
from tests.backends.pcm import PcmStream, Vui, gray_units, joined
from videohw.errors import Backpressure

PICTURE = np.full((96, 64), 77, np.uint8)
PLAIN = Vui(num_reorder=0)
MANY = 10_000


def test_memory_is_bounded_by_what_is_in_flight(backend: BackendCase, encoded: str) -> None:
    limit = 3
    with backend.encoder(encoded, 64, 64, max_in_flight=limit) as encoder:
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


def test_decoding_with_a_slow_consumer_stays_flat(backend: BackendCase) -> None:
    """Reaping one frame only when a call is refused: the producer is ahead all the time."""
    limit, pending = 4, 20_000
    run = [joined(gray_units(100, PcmStream(vui=PLAIN), first=first)) for first in (0, 100)]
    piece = 4000
    most_ready = most_queued = shown = 0
    with backend.decoder("h264", max_in_flight=limit, max_pending_bytes=pending) as decoder:
        for turn in range(MANY // 100):
            data = run[turn % 2]
            for at in range(0, len(data), piece):
                while not taken(decoder, data[at : at + piece]):
                    most_ready = max(most_ready, decoder.summary()["ready"])
                    frame = decoder.reap_timeout(PATIENCE_SECONDS)
                    assert frame is not None
                    assert int(frame.planes[0][0, 0]) == 16 + shown % 200
                    shown += 1
                summary = decoder.summary()
                most_queued = max(most_queued, summary["queued_bytes"])
                assert summary["pending_bytes"] <= piece
        shown += sum(1 for _ in decoder)
        assert_account(decoder.summary())
    assert shown == MANY
    assert 0 < most_ready <= limit
    # Below the limit on entry, a call is taken whole; one more picture was held by the parser.
    assert pending / 2 < most_queued < pending + 2 * piece


def taken(decoder: Any, data: bytes) -> bool:
    try:
        decoder.submit(data)
    except Backpressure:
        return False
    return True


def test_encoding_with_a_slow_consumer_stays_flat(backend: BackendCase) -> None:
    limit = 4
    pictures = nv12_pictures(100, 32, 32)
    most_ready = most_queued = delivered = 0
    with backend.encoder("h264", 32, 32, max_in_flight=limit) as encoder:
        encoder.submit(pictures[0])
        held_bytes = encoder.summary()["queued_bytes"] or pictures[0].nbytes
        for index in range(1, MANY):
            while True:
                try:
                    encoder.submit(pictures[index % 100])
                    break
                except Backpressure:
                    most_ready = max(most_ready, encoder.summary()["ready"])
                    packet = encoder.reap_timeout(0.01)  # or room for input is what it needs
                    delivered += packet is not None
            summary = encoder.summary()
            most_queued = max(most_queued, summary["queued_bytes"])
        delivered += sum(1 for _ in encoder)
        summary = encoder.summary()
    assert delivered == summary["delivered"] == summary["submitted"] == MANY
    assert 0 < most_ready <= limit
    # A picture of libavcodec has padding of its own.
    assert most_queued <= (limit + 1) * 4 * held_bytes
