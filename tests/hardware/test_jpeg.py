"""JPEG on a device: whether each of many pictures is its own.

Its decoder works on when the picture is given to it, and mapping does not wait: without a look at
the status first, one picture in several hundred was the one seven before on an H100.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

import videohw
from tests.backends.coded_clips import decoded_by_libavcodec, packets
from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.oracle import canonical_bytes

pytestmark = pytest.mark.hardware
ROUNDS = 100  # of 24 pictures
SESSIONS = 8  # at once, on threads


def alike(one: bytes, other: bytes) -> bool:
    """As close as another inverse transform comes; the pictures of the clip differ by far more."""
    difference = np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)
    return bool(np.mean(difference**2) < 1)


def wrong_pictures(memory: str, at_once: bool, rounds: int) -> list[tuple[int, int]]:
    """(round, picture) of each that is not the one that was coded."""
    exact = [picture for _, picture in decoded_by_libavcodec("jpeg")]
    assert not any(alike(one, other) for one, other in pairwise(exact))
    wrong = []
    for number in range(rounds):
        with videohw.Decoder("jpeg", backend="nvidia", memory=memory, max_in_flight=64) as decoder:
            frames = []
            for picture in packets("jpeg"):
                decoder.submit(picture, layout="frame")
                if not at_once:
                    frames.append(decoder.reap_timeout(PATIENCE_SECONDS))
            frames += decoder.flush(PATIENCE_SECONDS)
        assert len(frames) == len(exact)
        wrong += [
            (number, place)
            for place, (frame, picture) in enumerate(zip(frames, exact, strict=True))
            if frame is None or not alike(canonical_bytes(frame.to_host()), picture)
        ]
    return wrong


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_every_picture_is_its_own(memory: str, at_once: bool) -> None:
    assert wrong_pictures(memory, at_once, ROUNDS) == []


@pytest.mark.parametrize("memory", ["host", "device"])
def test_every_picture_of_many_sessions_is_its_own(memory: str) -> None:
    rounds = ROUNDS // SESSIONS
    with ThreadPoolExecutor(SESSIONS) as threads:
        found = threads.map(lambda _: wrong_pictures(memory, True, rounds), range(SESSIONS))
    assert [each for each in found if each] == []
