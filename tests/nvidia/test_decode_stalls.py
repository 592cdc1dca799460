"""A call of the driver that does not come back: who waits is told within the bound, ``close``
returns, and when the call does come back, all is given back and a new session works."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.backends.decode_runs import Scenario, run
from tests.backends.nvidia import emulated_drivers
from tests.backends.waiting import Call, wait_for
from tests.emulators.control import Emulator
from tests.nvidia.decoding import SCENARIOS, release
from videohw.decoder import Decoder
from videohw.errors import DeviceLost, SessionClosed
from videohw.frame import Frame
from videohw.nvidia import decoder as of_nvidia

STUCK_SECONDS = 0.1
# A call that stalls on the thread of the test must not stall for ever.
STALL_MILLISECONDS = 60_000
# close() gives a worker that is not stuck 10 seconds; one that is, none.
BOUND_SECONDS = 9.0
CALLS = {
    "native": (
        "cuStreamCreate 1", "cuvidCreateVideoParser 1",
        "cuvidParseVideoData 1", "cuvidParseVideoData 9", "cuvidGetDecoderCaps 1",
        "cuvidCreateDecoder 1", "cuvidDecodePicture 3", "cuvidMapVideoFrame64 2",
        "cuvidGetDecodeStatus 2", "cuMemHostAlloc 3", "cuMemcpy2DAsync_v2 4", "cuEventCreate 2",
        "cuEventRecord 5", "cuEventSynchronize 2", "cuEventQuery 2", "cuvidUnmapVideoFrame64 2",
        "cuvidDestroyVideoParser 1",
    ),
    "downloaded": ("cuModuleLoadData 1", "cuMemAlloc_v2 1", "cuLaunchKernel 1"),
    "resized": ("cuvidReconfigureDecoder 1", "cuvidCreateDecoder 2", "cuMemHostAlloc 4"),
}  # fmt: skip
PLACES = [
    pytest.param(scenario, call, id=f"{scenario}-{call.replace(' ', '-')}")
    for scenario in SCENARIOS
    for call in CALLS.get(scenario.name, ())
]


@pytest.fixture
def decoding(driver: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The emulated drivers, with no device of ours open and a short bound for what is stuck."""
    monkeypatch.setattr(of_nvidia, "STUCK_SECONDS", STUCK_SECONDS)
    with emulated_drivers():
        driver.streams("late")
        driver.clear_faults()
        release(driver, frozenset({"decoder", "pinned memory"}))
        driver.forget()
        yield driver
        driver.clear_faults()


def told(decoder: Decoder) -> list[Frame | DeviceLost]:
    """What a flush without an end gives, up to the error that ends the session."""
    try:
        return list(decoder.flush())
    except DeviceLost as error:
        return [error.with_traceback(None)]


def decode_with_a_stall(emulator: Emulator, scenario: Scenario, place: str) -> None:
    """What waits ends, and the session closes, while the call is stalled."""
    call, first = place.split()
    emulator.fault(call, "stall", STALL_MILLISECONDS, int(first))
    began = time.monotonic()
    decoder = scenario.decoder()
    with suppress(SessionClosed):
        for unit in scenario.units():
            decoder.submit(unit)
    waiting = Call(lambda: told(decoder))
    wait_for(lambda: emulator.stalled() or waiting.ended)
    outputs = waiting.join()
    assert time.monotonic() - began < BOUND_SECONDS
    if emulator.stalled():
        (error,) = outputs
        assert isinstance(error, DeviceLost)
        assert f"did not come back from {call} within" in str(error)
        assert (error.call, error.code, error.name) == (call, errno.ETIMEDOUT, "ETIMEDOUT")
        assert error.hint
    began = time.monotonic()
    decoder.close()
    assert time.monotonic() - began < BOUND_SECONDS
    assert sum(emulator.hits()) == 1


@pytest.mark.parametrize(("scenario", "place"), PLACES)
def test_a_stalled_call_ends_every_wait(decoding: Emulator, scenario: Scenario, place: str) -> None:
    before = frozenset(decoding.open())
    with suppress(DeviceLost):
        run(scenario)  # what is asked once for the process
    release(decoding, before)
    decoding.forget()
    decode_with_a_stall(decoding, scenario, place)
    decoding.clear_faults()
    assert release(decoding, before) == set()
    assert decoding.report()["misuses"] == []
    again = run(scenario)
    assert len(again.pictures) == len(scenario.units())
    assert again.errors == []
    assert release(decoding, before) == set()
