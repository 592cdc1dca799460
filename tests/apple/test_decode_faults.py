"""Every call of the frameworks that a decoding session makes fails: once at each place, for ever,
and with a session that is lost. Errors are typed and name the call and its code, every picture is
accounted for, no wrong one is delivered as right, nothing stays open, and a new session works."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from tests.backends.decode_runs import Outcome, Scenario, run
from tests.backends.fault_places import places
from tests.emulators.control import AppleEmulator
from videohw.errors import (
    BackendError,
    InvalidBitstream,
    UnsupportedConfig,
    VideoHwError,
)

FAILS = -12904  # kVTAllocationFailedErr, which any call may answer
LOSSES = (-12903, -12911, -12913)
# Whose work it is, or what hands the work over.
WORK = {"decode": "VTDecompressionSessionDecodeFrame", "convert": "commit"}
SMALL = "generated/small144x144.h264"
EIGHT = tuple(range(8))
SCENARIOS = (
    Scenario("native", SMALL, EIGHT, backend="videotoolbox"),
    Scenario("metal", SMALL, EIGHT[:4], "rgb24", backend="videotoolbox"),
    Scenario("device", SMALL, EIGHT[:4], "rgb_planar", "device", backend="videotoolbox"),
    # 320x240, 322x182, 320x240 again.
    Scenario(
        "resized", "generated/res_change_ABA.h265", (0, 1, 2, 25, 26, 40, 41),
        backend="videotoolbox",
    ),
)  # fmt: skip


@pytest.fixture(params=SCENARIOS, ids=str)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


class Sweep:
    """A scenario without a fault, and what is demanded of it with one."""

    def __init__(self, frameworks: AppleEmulator, scenario: Scenario) -> None:
        self.frameworks, self.scenario = frameworks, scenario
        run(scenario)  # what is asked once for the process is not of interest
        frameworks.forget()
        self.good = run(scenario)
        self.calls = Counter(frameworks.log())
        assert not self.good.errors
        self.order = [picture.index for picture in self.good.pictures]
        assert sorted(self.order) == list(range(len(scenario.units())))
        self.right = {picture.index: picture.digest for picture in self.good.pictures}

    def attempt(
        self, call: str, kind: str, code: int, first: int = 1, count: int = 1
    ) -> tuple[Outcome, int]:
        """The scenario with a fault, and how often that came; nothing is left open by it."""
        what = f"{call} {first} {kind} {code}"
        self.frameworks.fault(call, kind, code, first, count)
        outcome = run(self.scenario)
        hits = sum(self.frameworks.hits())
        self.frameworks.clear_faults()
        self.check(outcome, what)
        if self.frameworks.open():
            gc.collect()
        assert self.frameworks.open() == {}, (what, self.frameworks.report()["handles"])
        assert self.frameworks.misuses() == [], what
        return outcome, hits

    def check(self, outcome: Outcome, what: str) -> None:
        """Of every outcome: right pictures in order, or what is wrong with them."""
        shown = [picture.index for picture in outcome.pictures]
        assert shown == [index for index in self.order if index in shown], what
        converted = (outcome.summary or {}).get("converted_on_host")  # one code value beside
        for picture in outcome.pictures:
            right = converted or picture.digest in (None, self.right[picture.index])
            # Those that refer to one that was not decoded say that it is unknown.
            assert right or picture.corrupt is not False, (what, picture)
        assert outcome.errors or shown == self.order, what
        account = outcome.summary
        if account is None or outcome.fatal:
            return
        assert account["submitted"] == len(self.order), what
        reasons = sum(account["reasons"].values())
        assert account["delivered"] == len(shown) == len(self.order) - reasons, (what, account)

    def check_again(self, what: str) -> None:
        again = run(self.scenario)
        assert not again.errors, (what, again.errors)
        assert again.pictures == self.good.pictures, what


def named(call: str, error: VideoHwError, code: int) -> bool:
    """Whether the error tells of the call that failed, and of its code where it has one."""
    call = WORK.get(call, call)
    if isinstance(error, BackendError):
        nothing = error.domain == "videohw" or not error.code  # it answered with no object
        return error.call == call and (nothing or error.code == code) and bool(error.hint)
    if isinstance(error, UnsupportedConfig):  # of opening, where there has to be Metal
        return call in str(error) or "Metal does not convert: " in str(error)
    return isinstance(error, InvalidBitstream) and call in str(error) and str(code) in str(error)


def follows(error: VideoHwError) -> bool:
    """Whether the error is of a picture that refers to the one that was not decoded."""
    return isinstance(error, InvalidBitstream)


def test_each_call_fails_once(frameworks: AppleEmulator, scenario: Scenario) -> None:
    sweep = Sweep(frameworks, scenario)
    assert len(sweep.calls) > 15
    failed = 0
    for call, count in sweep.calls.items():
        for first in places(count):
            what = f"{call} {first} of {count}"
            outcome, hits = sweep.attempt(call, "fail", FAILS, first)
            assert hits == 1, what
            own = [error for error in outcome.errors if named(call, error, FAILS)]
            others = [error for error in outcome.errors if error not in own]
            assert len(own) == (1 if outcome.errors else 0), (what, outcome.errors)
            assert all(follows(error) for error in others), (what, others)
            assert not outcome.fatal, (what, outcome.errors)
            failed += len(own)
    assert failed > 10
    sweep.check_again("at the end")


def test_each_call_fails_for_ever(frameworks: AppleEmulator, scenario: Scenario) -> None:
    sweep = Sweep(frameworks, scenario)
    for call in sweep.calls:
        outcome, _ = sweep.attempt(call, "fail", FAILS, count=0)
        for error in outcome.errors:
            assert named(call, error, FAILS) or follows(error), (call, error)
    sweep.check_again("at the end")


@pytest.mark.parametrize("code", LOSSES)
def test_a_session_is_lost_at_each_call(frameworks: AppleEmulator, code: int) -> None:
    """With what it worked on, and with what refers to that; a new session works."""
    for scenario in SCENARIOS[:2]:
        sweep = Sweep(frameworks, scenario)
        for call in ("decode", "VTDecompressionSessionDecodeFrame"):
            for first in places(sweep.calls[call]):
                what = f"{call} {first} {code}"
                outcome, _ = sweep.attempt(call, "lost", code, first)
                lost = [error for error in outcome.errors if not follows(error)]
                assert lost, what
                for error in lost:  # by the call that lost it, or by one that then waited for it
                    assert isinstance(error, BackendError), (what, error)
                    assert str(error.call).startswith("VTDecompressionSession"), (what, error)
                    assert (error.code, error.fatal) == (code, False), (what, error)
        sweep.check_again("at the end")
