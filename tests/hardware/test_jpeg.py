"""JPEG on a device: whether each of many pictures is its own, as it was not on an H100.

Its decoder works on when the picture is given to it, and mapping does not wait. The session asks
for the status before it maps. This is the run that has to pass on a device, several times, before
``"jpeg"`` is taken out of ``videohw/nvidia/capabilities.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

import videohw
from tests.backends.coded_clips import decoded_by_libavcodec, packets
from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.nvidia import jpeg_offered
from tests.backends.oracle import canonical_bytes

pytestmark = pytest.mark.hardware
ROUNDS = 100  # of 24 pictures: before, one in several hundred was that of seven before


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    with jpeg_offered():
        yield


def alike(one: bytes, other: bytes) -> bool:
    """As close as another inverse transform comes; the pictures of the clip differ by far more."""
    difference = np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)
    return bool(np.mean(difference**2) < 1)


@pytest.mark.parametrize("memory", ["host", "device"])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_every_picture_is_its_own(memory: str, at_once: bool) -> None:
    exact = [picture for _, picture in decoded_by_libavcodec("jpeg")]
    assert not any(alike(one, other) for one, other in pairwise(exact))
    wrong = []
    for number in range(ROUNDS):
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
    assert wrong == []
