"""Pinned memory of pictures while sessions come and go: as much is kept as was lately in use at
once, beyond what is kept anyway, for as long as decoders are."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import pytest

from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.nvidia import emulated_drivers
from tests.backends.waiting import wait_for
from tests.corpus import stream
from tests.emulators.control import Emulator
from tests.nvidia.decoding import NATIVE, SMALL, release
from videohw.decoder import Decoder
from videohw.frame import Frame

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")
_nv = pytest.importorskip("videohw._nv", reason="NVIDIA is of Linux and Windows")

PICTURE_BYTES = 144 * 144 * 3 // 2
RECENT_SECONDS = 1  # as Pool::recent_time
HELD, IN_FLIGHT = 6, 8


@pytest.fixture(autouse=True)
def decoding(driver: Emulator) -> Iterator[None]:
    """On a device that keeps no idle memory but for sessions."""
    with emulated_drivers():
        driver.streams("early")
        driver.clear_faults()
        release(driver)
        driver.forget()
        before = driver.open()
        _cuda.device().keep_at_most(0, 0)
        yield
        release(driver, frozenset(before))
        report = driver.report()
        assert (report["misuses"], report["open"], report["lost"]) == ([], before, {})


def pool() -> dict[str, int]:
    """The counters of the pool that frames lie in."""
    found: dict[str, int] = _cuda.device().counters()["pinned"]
    return found


def opened(max_in_flight: int = IN_FLIGHT) -> Decoder:
    return Decoder("h264", backend="nvidia", memory="host", max_in_flight=max_in_flight)


def frames(decoder: Decoder, times: int) -> Iterator[Frame]:
    """Of a short stream, over and over."""
    data = stream(SMALL).read()
    yield from decoder.decode(data for _ in range(times))


def test_pictures_of_a_session_use_the_same_memory() -> None:
    with opened() as decoder:
        held: deque[Frame] = deque(maxlen=HELD)
        for count, frame in enumerate(frames(decoder, 5)):
            held.append(frame)
            if count % 20 == 19:
                held.clear()  # all at once
        assert count >= 100
        del frame
        held.clear()
        used = pool()
        assert used["hits"] + used["misses"] == count + 1
        assert used["misses"] <= HELD + IN_FLIGHT + 4
        assert used["idle_bytes"] <= (used["misses"] + 1) * 1.125 * PICTURE_BYTES
    # The decoder is still kept, and with it the memory, for the next session.
    assert pool()["idle_blocks"] > 0
    with opened() as decoder:
        assert sum(1 for _ in frames(decoder, 1)) >= 20
        assert pool()["misses"] == used["misses"]
    decoders = _nv.decoders_of(_cuda.device())
    decoders.set_limits(0, 0)
    try:
        wait_for(lambda: pool()["idle_blocks"] == 0)
    finally:
        decoders.set_limits(1 << 30, 30)


def test_what_was_in_use_long_ago_does_not_count() -> None:
    with opened(64) as decoder:
        taken = list(frames(decoder, 2))
        many = len(taken)
        taken.clear()
        assert pool()["idle_blocks"] >= many
        for _ in range(2):
            time.sleep(RECENT_SECONDS * 1.1)
            decoder.submit(NATIVE.units()[0])
            assert len(decoder.flush(PATIENCE_SECONDS)) == 1
        assert pool()["idle_blocks"] == 1
