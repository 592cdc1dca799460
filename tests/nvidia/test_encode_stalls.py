"""A call of the driver that does not come back while encoding: who waits is told within the bound,
``close`` returns, and when the call does come back, all is given back and a new session works."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.backends.waiting import Call, wait_for
from tests.emulators import build
from tests.emulators.control import Emulator, environment
from tests.layout.sources import ROOT
from tests.nvidia.encoding import (
    ENCODE,
    PLAIN,
    SCENARIOS,
    Scenario,
    emulated_encoders,
    forget_answers,
    picture,
    release,
    run,
)
from videohw import Encoder
from videohw.errors import DeviceLost, SessionClosed, UnsupportedConfig
from videohw.nvidia import encoder_capabilities, encoder_cores
from videohw.types import Packet

STUCK_SECONDS = 0.1
STALL_MILLISECONDS = 60_000
# close() gives threads that are not stuck 10 seconds; those that are, none.
BOUND_SECONDS = 9.0
CALLS = (
    "nvEncOpenEncodeSessionEx 1", "nvEncInitializeEncoder 1", "nvEncCreateInputBuffer 2",
    "nvEncLockInputBuffer 15", "nvEncUnlockInputBuffer 2", "nvEncEncodePicture 1",
    "nvEncEncodePicture 4", "nvEncLockBitstream 1", "nvEncLockBitstream 3",
    "nvEncUnlockBitstream 2",
)  # fmt: skip

OPENING = ("nvEncOpenEncodeSessionEx", "nvEncInitializeEncoder", "nvEncCreateInputBuffer")


@pytest.fixture
def encoding(driver: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The emulated drivers, with a short bound for what is stuck."""
    monkeypatch.setattr(encoder_cores, "STUCK_SECONDS", STUCK_SECONDS)
    with emulated_encoders(NVENC_SESSIONS=10_000) as emulator:
        emulator.streams("late")
        emulator.clear_faults()
        release(emulator, frozenset(emulator.open()))
        emulator.forget()
        yield emulator
        emulator.clear_faults()


def told(encoder: Encoder) -> list[Packet | DeviceLost]:
    """What a flush without an end gives, or the error that ends the session."""
    try:
        return list(encoder.flush())
    except DeviceLost as error:
        return [error.with_traceback(None)]


def encode_with_a_stall(emulator: Emulator, scenario: Scenario, place: str) -> None:
    """What waits ends, and the session closes, while the call is stalled."""
    call, first = place.split()
    emulator.fault(call, "stall", STALL_MILLISECONDS, int(first))
    began = time.monotonic()
    if call in OPENING:
        with pytest.raises(DeviceLost, match=f"did not come back from {call} within") as lost:
            scenario.encoder()
        assert lost.value.call == call
        assert time.monotonic() - began < BOUND_SECONDS
        return
    encoder = scenario.encoder()
    with suppress(SessionClosed):
        for number in range(5):
            encoder.submit(picture(number), number)
    outputs = Call(lambda: told(encoder)).join()
    assert time.monotonic() - began < BOUND_SECONDS
    # A buffer that is not locked again is missed by the next picture only.
    if len(outputs) < 5 or call != "nvEncLockInputBuffer":
        (error,) = outputs
        assert isinstance(error, DeviceLost)
        assert f"did not come back from {call} within" in str(error)
        assert error.call == call
        assert error.hint is not None
        assert "open a new session" in error.hint
        assert encoder.summary()["abandoned"]
    wait_for(lambda: bool(emulator.stalled()))
    began = time.monotonic()
    encoder.close()
    assert time.monotonic() - began < BOUND_SECONDS


def check_asking(emulator: Emulator, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks is told, by an error that the next one does not see."""
    emulator.fault(call, "stall", STALL_MILLISECONDS)
    began = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(encoder_capabilities, "ASKING_SECONDS", STUCK_SECONDS)
        with pytest.raises(
            UnsupportedConfig, match=f"did not come back from {call} within"
        ) as refused:
            PLAIN.encoder()
    assert time.monotonic() - began < BOUND_SECONDS
    assert isinstance(refused.value.__cause__, DeviceLost)
    assert refused.value.__cause__.call == call
    assert emulator.stalled() == 1
    emulator.clear_faults()


@pytest.mark.parametrize(
    "call",
    ["NvEncodeAPIGetMaxSupportedVersion", "nvEncOpenEncodeSessionEx", "nvEncGetEncodeCaps"],
)
def test_a_stalled_question(encoding: Emulator, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = frozenset(encoding.open())
    forget_answers()
    check_asking(encoding, call, monkeypatch)
    assert release(encoding, before) == set()
    assert encoding.misuses() == []
    again = run(PLAIN)
    assert (len(again.packets), again.errors) == (PLAIN.pictures, [])
    assert release(encoding, before) == set()


FIRST_CALL = """
import videohw
from videohw.nvidia import encoder_capabilities

encoder_capabilities.ASKING_SECONDS = 0.1
try:
    videohw.Encoder("h264", 192, 128, fps=30, backend="nvidia")
except videohw.UnsupportedConfig as error:
    print(error, type(error.__cause__).__name__)
"""


def test_a_process_whose_first_call_stalls(driver: Emulator) -> None:
    """That which gives the others, once for a process."""
    reason = build.missing(ENCODE)
    if reason:
        pytest.skip(reason)
    folder = build.built(ENCODE)
    faults = f"NvEncodeAPICreateInstance@1x1=stall:{STALL_MILLISECONDS}"
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_CALL], env=environment(folder, FAULTS=faults),
        capture_output=True, text=True, timeout=STALL_MILLISECONDS / 1000, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "did not come back from NvEncodeAPICreateInstance within" in ran.stdout
    assert "DeviceLost" in ran.stdout


LEFT_TO_ITSELF = """
import pathlib, sys, time, videohw
from videohw.nvidia import encoder_cores
look = encoder_cores._Endings._wait
encoder_cores._Endings._wait = lambda self: (time.sleep(0.6), look(self))
frames = videohw.Decoder("h264", backend="nvidia", memory="device")
frame = next(frames.decode([pathlib.Path(sys.argv[1]).read_bytes()]))
encoder = videohw.Encoder("h264", frame.width, frame.height, fps=30, backend="nvidia")
encoder.submit(frame)
frames.close()
encoder._session.close(wait_seconds=0)
"""


def test_a_process_waits_at_its_end_for_an_encoder_that_still_has_pictures(
    encoding: Emulator, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    faults = "nvEncDestroyEncoder@1x1=stall:300"
    slow = environment(build.built(ENCODE), REPORT=report, FAULTS=faults)
    stream = ROOT / "tests" / "data" / "generated" / "main_cabac_b2.h264"
    ran = subprocess.run(
        [sys.executable, "-c", LEFT_TO_ITSELF, stream], cwd=ROOT, env=slow,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["misuses"], told["lost"], told["open"]) == ([], {}, {})


@pytest.mark.parametrize("place", CALLS)
@pytest.mark.parametrize("scenario", SCENARIOS[:2], ids=str)
def test_a_stalled_call_ends_every_wait(encoding: Emulator, scenario: Scenario, place: str) -> None:
    before = frozenset(encoding.open())
    run(scenario)  # what is asked once for the process
    release(encoding, before)
    encoding.forget()
    encode_with_a_stall(encoding, scenario, place)
    encoding.clear_faults()
    assert release(encoding, before) == set()
    assert encoding.misuses() == []
    again = run(PLAIN)
    assert len(again.packets) == PLAIN.pictures
    assert again.errors == []
    assert release(encoding, before) == set()


def encode_without_a_reaper(emulator: Emulator) -> None:
    """Who waits is told, and nothing of NVENC's is named."""
    with PLAIN.encoder() as encoder:
        with suppress(SessionClosed):
            for number in range(5):
                encoder.submit(picture(number), number)
        (error,) = Call(lambda: told(encoder)).join()
        assert isinstance(error, DeviceLost)
        assert "did not come back from a call of CUDA within" in str(error)
        assert emulator.stalled() == 1


def test_a_reaper_that_does_not_come_to_its_context_is_told(encoding: Emulator) -> None:
    call, counts = "cuCtxPushCurrent_v2", []
    before = frozenset(encoding.open())
    for _ in range(2):  # the device is open before the second
        encoding.forget()
        assert not run(PLAIN).errors
        counts.append(encoding.log().count(call))
    encoding.forget()
    encoding.fault(call, "stall", STALL_MILLISECONDS, counts[-1])  # the last to begin
    encode_without_a_reaper(encoding)
    encoding.clear_faults()
    assert release(encoding, before) == set()
