"""Every call of the drivers that an encoding session makes fails: once at each place, for ever,
with an error that sticks. Errors are typed and in their place, every picture is accounted for, each
packet is of its picture, nothing stays open, and a new session works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.backends.encode_runs import Outcome
from tests.backends.fault_places import EVERY, Stalled, middle, places
from tests.emulators.control import Emulator
from tests.nvidia.encoding import (
    LEFT_BY_LOSSES,
    PLAIN,
    SCENARIOS,
    Scenario,
    check_pictures,
    check_times,
    emulated_encoders,
    release,
    run,
)
from videohw.errors import (
    BackendError,
    DeviceLost,
    InvalidInput,
    SessionClosed,
    UnsupportedCodec,
    UnsupportedConfig,
    VideoHwError,
)
from videohw.nvidia import encoder_cores
from videohw.sessions import core_changed

FAILS_CUDA, FAILS_NVENC = 999, 8  # CUDA_ERROR_UNKNOWN, NV_ENC_ERR_INVALID_PARAM
STICKS = 700  # CUDA_ERROR_ILLEGAL_ADDRESS
GONE = 709  # CUDA_ERROR_CONTEXT_IS_DESTROYED
# A context that is lost takes these with it: nobody can give them back.
LOST = frozenset(
    {
        "encode session", "encoder input buffer", "bitstream buffer", "locked input buffer",
        "locked bitstream", "mapped resource", "registered resource", "pinned memory",
    }
)  # fmt: skip
# While these fail for ever nobody can give back what they are for.
GIVING_BACK = (
    "nvEncUnlockInputBuffer", "nvEncLockBitstream", "nvEncUnlockBitstream", "nvEncDestroyEncoder",
    "nvEncDestroyInputBuffer", "nvEncDestroyBitstreamBuffer",
)  # fmt: skip


@pytest.fixture
def encoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers, with nothing of ours open; what stays open fails the test."""
    with emulated_encoders(NVENC_SESSIONS=10_000) as emulator:
        emulator.streams("late")
        emulator.clear_faults()
        release(emulator, LEFT_BY_LOSSES | LOST)
        left = frozenset(emulator.open())
        emulator.forget()
        yield emulator
        emulator.clear_faults()
        assert release(emulator, left | LOST) == set()


@pytest.fixture(params=SCENARIOS, ids=str)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


def code_of(call: str) -> int:
    return FAILS_NVENC if call.lower().startswith("nvenc") else FAILS_CUDA


class Sweep:
    """A scenario without a fault, and what is demanded of it with one."""

    def __init__(self, emulator: Emulator, scenario: Scenario) -> None:
        self.emulator, self.scenario = emulator, scenario
        self.left = frozenset(emulator.open())
        run(scenario)  # what is asked once for the process is not of interest
        assert release(emulator, self.left) == set()
        emulator.forget()
        self.good = run(scenario)
        assert release(emulator, self.left) == set()
        self.calls = Counter(emulator.log())
        assert not self.good.errors
        self.pts = list(range(scenario.pictures))
        assert sorted(each.pts for each in self.good.packets) == self.pts
        check_pictures(self.good.packets, scenario.codec, {pts: pts for pts in self.pts})

    def attempt(
        self, call: str, kind: str, code: int, first: int, count: int
    ) -> tuple[Outcome, int]:
        """The scenario with a fault, and how often that came; all that is open is let go of."""
        self.emulator.forget()
        self.emulator.fault(call, kind, code, first, count)
        outcome = run(self.scenario)
        hits = sum(self.emulator.hits())
        if hits and count:
            # The same device and memory serve the next session.
            self.emulator.clear_faults()
            if kind == "fail" and self.looks_again(call, first):
                self.check_again(f"{call} {first}, the same device")
        release(self.emulator, self.left | (LOST if kind == "sticky" else frozenset()))
        hits = hits or sum(self.emulator.hits())
        self.emulator.clear_faults()
        return outcome, hits

    def looks_again(self, call: str, first: int) -> bool:
        """Whether another session is tried after this failure: once for each call, in its middle,
        where most is under way."""
        return EVERY or first == self.calls[call] // 2 + 1

    def check_again(self, what: str) -> None:
        again = run(self.scenario)
        assert not again.errors, (what, again.errors)
        assert [each.data for each in again.packets] == [each.data for each in self.good.packets]

    def check(self, outcome: Outcome, what: str) -> None:
        """Of every outcome: the packets are of pictures that were submitted, in order; what is
        missing is told and counted."""
        assert what in GIVING_BACK or self.emulator.misuses() == [], what
        packets = outcome.packets
        assert len({each.pts for each in packets}) == len(packets), what
        assert {each.pts for each in packets} <= set(self.pts), what
        check_times(packets)
        if outcome.summary is not None and not outcome.fatal:
            account = outcome.summary
            reasons = sum(account["reasons"].values())
            # A picture that could not be brought to the device was not submitted.
            assert account["submitted"] in range(len(self.pts) - len(outcome.errors), 9 + 1), what
            assert account["delivered"] == len(packets), what
            assert account["submitted"] == len(packets) + reasons, (what, account)
            if len(packets) == len(self.pts):
                check_pictures(packets, self.scenario.codec, {pts: pts for pts in self.pts})
        assert outcome.errors or len(packets) == len(self.pts), what

    def check_closed(self, what: str) -> None:
        assert release(self.emulator, self.left) == set(), (what, self.emulator.report()["handles"])
        report = self.emulator.report()
        assert (report["misuses"], report["lost"]) == ([], {}), what


def named(call: str, error: VideoHwError, code: int) -> bool:
    """Whether the error tells of the call that failed, by its name without its version."""
    if isinstance(error, BackendError):
        # cuMemAlloc_v2 is cuMemAlloc to those who call it.
        return call.lower().startswith(str(error.call).lower()[:12]) and error.code == code
    return isinstance(
        error, UnsupportedCodec | UnsupportedConfig | InvalidInput
    ) and f"({code})" in str(error)


def test_each_call_fails_once(encoding: Emulator, scenario: Scenario) -> None:
    sweep = Sweep(encoding, scenario)
    assert sum(sweep.calls.values()) > 60
    failed = 0
    for call, count in sweep.calls.items():
        code = code_of(call)
        for first in places(count, neighbours=False):
            what = f"{call} {first} of {count}"
            outcome, hits = sweep.attempt(call, "fail", code, first, 1)
            sweep.check(outcome, what)
            for error in outcome.errors:
                assert named(call, error, code), (what, error)
            if not outcome.fatal and outcome.packets:
                assert len(outcome.errors) <= 1, (what, outcome.errors)
            sweep.check_closed(what)
            failed += bool(hits and outcome.errors)
    assert failed > 12
    sweep.check_again("at the end")


def test_each_call_fails_for_ever(encoding: Emulator, scenario: Scenario) -> None:
    sweep = Sweep(encoding, scenario)
    for call in sweep.calls:
        outcome, _ = sweep.attempt(call, "fail", code_of(call), 1, 0)
        sweep.check(outcome, call)
        for error in outcome.errors:
            assert named(call, error, code_of(call)), (call, error)
        sweep.left |= frozenset(encoding.open()) if call in GIVING_BACK else frozenset()
        assert release(encoding, sweep.left) == set(), call
        sweep.check_again(call)
        release(encoding, sweep.left)


def test_a_device_is_lost_at_each_call(encoding: Emulator, scenario: Scenario) -> None:
    sweep = Sweep(encoding, scenario)
    for call, count in sweep.calls.items():
        for first in {1, count // 2 + 1, count}:
            what = f"{call} {first} of {count}"
            outcome, _ = sweep.attempt(call, "sticky", STICKS, first, 1)
            sweep.check(outcome, what)
            lost = [error for error in outcome.errors if isinstance(error, DeviceLost)]
            # Whoever brings pictures to the device, or asks for another encoder, is told too.
            others = len(scenario.switches) + scenario.on_device * scenario.pictures
            assert len(lost) <= 1 + others, what
            sweep.left |= frozenset(encoding.open()) & LOST
            if sweep.looks_again(call, first):
                sweep.check_again(what)
            assert release(encoding, sweep.left) == set(), what


@pytest.mark.parametrize("scenario", SCENARIOS if EVERY else [PLAIN], ids=str)
def test_each_call_stalls(
    encoding: Emulator, monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    """Who waits is told, and the session closes, while it is stalled; what the driver still had
    is given back when the call returns."""
    monkeypatch.setattr(core_changed, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(encoder_cores, "STUCK_SECONDS", encoder_cores.STUCK_SECONDS)  # set back
    sweep = Sweep(encoding, scenario)
    told = 0
    for call, count in sweep.calls.items():
        for first in middle(count):
            what = f"{call} {first} of {count} stalls"
            told += stall(sweep, call, first, what)
            assert release(encoding, sweep.left) == set(), what
            sweep.check_again(what)
            assert release(encoding, sweep.left) == set(), what
    assert told > (20 if EVERY else 0)


def stall(sweep: Sweep, call: str, first: int, what: str) -> bool:
    """Whether the session told of a call that did not come back."""

    def bound(seconds: float) -> None:
        encoder_cores.STUCK_SECONDS = seconds

    sweep.emulator.forget()
    sweep.emulator.fault(call, "stall", 0, first)
    outcome = Stalled(sweep.emulator, lambda: run(sweep.scenario), bound).result
    sweep.check(outcome, what)
    lost = [error for error in outcome.errors if isinstance(error, DeviceLost)]
    for error in lost:
        # With a bound of 0 seconds the other thread's call may be the one that is named.
        assert "did not come back from" in str(error), (what, error)
    others = [error for error in outcome.errors if error not in lost]
    assert all(isinstance(error, SessionClosed) for error in others), (what, others)
    return bool(lost)


def test_a_loss_is_told_once_and_the_session_closes(encoding: Emulator) -> None:
    run(PLAIN)
    encoding.fault("nvEncEncodePicture", "sticky", STICKS, 3)
    outcome = run(PLAIN)
    (error,) = [each for each in outcome.errors if isinstance(each, DeviceLost)]
    assert error.code == STICKS
    assert outcome.errors[-1] is error
