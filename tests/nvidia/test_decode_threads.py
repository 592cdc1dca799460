"""What decoding leaves to other threads of Python: who waits for pictures is woken for several of
them at once while there is more to do, and frames go without giving the GIL away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from operator import methodcaller

import pytest

from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.nvidia import emulated_drivers
from tests.backends.waiting import Call, wait_for
from tests.corpus import stream
from tests.emulators.control import Emulator
from tests.nvidia.decoding import SMALL, release
from videohw.decoder import Decoder

pytest.importorskip("videohw._nv", reason="NVIDIA is of Linux and Windows")
resource = pytest.importorskip("resource", reason="only Linux counts the waits of a thread")

WOKEN_EVERY_SECONDS = 0.002  # as NvdecSession::woken_every
LOOK_SECONDS = 0.25  # as videohw.sessions.core_changed has it
STALL_MILLISECONDS = 60_000
IN_FLIGHT = 8
# For locks, and at the begin and the end.
OTHER_SLEEPS = 40


@pytest.fixture(autouse=True)
def decoding(driver: Emulator) -> Iterator[None]:
    with emulated_drivers():
        driver.streams("early")
        driver.clear_faults()
        release(driver)
        driver.forget()
        yield
        release(driver)
        assert driver.report()["misuses"] == []


def opened(memory: str = "device") -> Decoder:
    return Decoder("h264", backend="nvidia", memory=memory, max_in_flight=IN_FLIGHT)


def sleeps() -> int:
    """How often this thread had to wait so far."""
    count: int = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    return count


def test_pictures_that_come_fast_wake_once_for_several() -> None:
    data = stream(SMALL).read()
    with opened() as decoder:
        began, slept = time.monotonic(), sleeps()
        count = sum(1 for _ in decoder.decode(data for _ in range(20)))
        spent, slept = time.monotonic() - began, sleeps() - slept
        assert count >= 400
        # At the latest when half of the room is used, or after so long.
        assert slept <= count / (IN_FLIGHT / 2) + spent / WOKEN_EVERY_SECONDS + OTHER_SLEEPS


def test_the_last_pictures_of_what_was_submitted_do_not_wait_for_more() -> None:
    data = stream(SMALL).read()
    with opened() as decoder:
        for _ in range(20):
            decoder.submit(data, timeout=PATIENCE_SECONDS)
            got = 0
            # Without a wait: what is there is there when the worker has nothing left to do.
            while (frame := decoder.reap_timeout(0.05)) is not None:
                got += 1
                del frame
        # Of the last round all but what waits for the end of its access unit or of its reordering.
        assert got >= 20


def test_the_first_picture_does_not_wait_for_the_second(driver: Emulator) -> None:
    data = stream(SMALL).read()
    late = []
    for _ in range(3):  # a busy machine takes its time too
        driver.fault("cuvidMapVideoFrame64", "stall", STALL_MILLISECONDS, 2)
        with opened() as decoder:
            reaping = Call(lambda: (decoder.reap_timeout(PATIENCE_SECONDS), time.monotonic()))
            time.sleep(0.05)
            decoder.submit(data)
            wait_for(driver.stalled)
            stalled = time.monotonic()
            frame, reaped = reaping.join()
            assert frame is not None
            late.append(reaped - stalled)
            driver.clear_faults()
            del frame
    # Who waits looks by itself after a while.
    assert min(late) < LOOK_SECONDS / 2


@pytest.mark.parametrize("memory", ["device", "host"])
def test_frames_go_without_giving_the_gil_away(memory: str) -> None:
    data = stream(SMALL).read()
    turns: list[None] = []
    ended = False

    def take_turns() -> None:
        while not ended:
            turns.append(None)

    other = threading.Thread(target=take_turns)
    given_away = []
    with opened(memory) as decoder:
        other.start()
        try:
            for _ in range(3):
                frames = list(decoder.decode(data for _ in range(20)))
                assert len(frames) >= 400
                time.sleep(0.01)
                # In C, so that nothing else gives it away.
                calls = (turns.__len__, frames.clear, turns.__len__)
                before, _, after = tuple(map(methodcaller("__call__"), calls))
                given_away.append(after - before)
        finally:
            ended = True
            other.join(PATIENCE_SECONDS)
    assert given_away == [0] * 3
