"""Every call of the frameworks that an encoding session makes fails: once at each place, for ever,
and with a session that is lost. Errors are typed and name the call and its code, every picture is
accounted for, what was coded comes out, nothing stays open, and a new session works."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from tests.backends.encode_runs import PATIENCE_SECONDS, Outcome, run_encoder
from tests.backends.encoding import check_times, nv12_pictures, witness
from tests.backends.fault_places import places
from tests.backends.waiting import Call, wait_for
from tests.emulators.control import AppleEmulator
from videohw.apple.encoder_options import AppleEncoderOptions
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchRequest
from videohw.errors import (
    BackendError,
    DeviceLost,
    SessionClosed,
    UnsupportedCodec,
    UnsupportedConfig,
    VideoHwError,
)
from videohw.types import ContentLight, VariableBitrate

WIDTH, HEIGHT, PICTURES = 96, 64, 8
FAILS = -12904  # kVTAllocationFailedErr, which any call may answer
INVALID_SESSION, MALFUNCTION = -12903, -12912
# Every status that the documents name for encoders, and whether the session is gone with it.
STATUSES = {
    -12900: False, -12901: False, -12902: False, INVALID_SESSION: True, -12904: False,
    -12905: False, -12908: False, MALFUNCTION: True, -12915: False, -12211: False, -12218: False,
    -17690: True, -17691: True, -17693: False,
}  # fmt: skip
# Nothing is said of these: there is nothing to lose, it is done again, or in another way.
MADE_UP_FOR = frozenset(
    {
        "VTCompressionSessionInvalidate", "CVPixelBufferUnlockBaseAddress",
        "VTSessionCopyProperty", "VTCompressionSessionGetPixelBufferPool",
        "VTCompressionSessionCompleteFrames",
    }
)  # fmt: skip
# Every frame of ProRes is a keyframe, whatever is not said of it.
BY_NATURE = {"prores": "CMSampleBufferGetSampleAttachmentsArray"}
# An opening that nothing stalls takes a hundredth of it; what is stalled is waited for so long.
LONG_ENOUGH_SECONDS = 1.0
WORK = {"encode": "VTCompressionSessionEncodeFrame"}  # whose work it is
OPENING = (
    "VTCopySupportedPropertyDictionaryForEncoder", "VTCompressionSessionCreate",
    "VTSessionCopySupportedPropertyDictionary", "VTSessionSetProperty",
    "VTCompressionSessionPrepareToEncodeFrames",
)  # fmt: skip
LOSING = (
    "VTCompressionSessionPrepareToEncodeFrames", "VTCompressionSessionEncodeFrame", "encode",
    "VTCompressionSessionCompleteFrames",
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """What is encoded, and how."""

    name: str
    codec: str = "h264"
    arguments: tuple[tuple[str, Any], ...] = ()
    switches: tuple[tuple[int, dict[str, Any]], ...] = ()  # before a picture, what changes

    def __str__(self) -> str:
        return self.name

    def encoder(self) -> Encoder:
        return Encoder(
            self.codec, WIDTH, HEIGHT, fps=30, backend="videotoolbox", max_in_flight=6,
            **{"rate_control": VariableBitrate(400_000), **dict(self.arguments)},
        )  # fmt: skip


HDR = AppleEncoderOptions(content_light=ContentLight(900, 300), sample_aspect=Fraction(4, 3))
SCENARIOS = (
    Scenario("plain"),
    Scenario("reordered", "hevc", (("b_frames", 2), ("options", HDR))),
    Scenario(
        "switched",
        switches=((2, {"rate_control": VariableBitrate(200_000)}), (6, {"preset": "fastest"})),
    ),
    Scenario("prores", "prores", (("rate_control", None),), ((5, {"profile": "hq"}),)),
)


@pytest.fixture(params=SCENARIOS, ids=str)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


class Sweep:
    """A scenario without a fault, and what is demanded of it with one."""

    pictures = nv12_pictures(PICTURES, WIDTH, HEIGHT)

    def __init__(self, frameworks: AppleEmulator, scenario: Scenario) -> None:
        self.frameworks, self.scenario = frameworks, scenario
        frameworks.forget()
        self.good = self.run()
        self.calls = Counter(frameworks.log())
        assert not self.good.errors
        self.pts = list(range(PICTURES))
        assert sorted(each.pts for each in self.good.packets) == self.pts
        assert len(witness(scenario.codec, self.good.packets)) == PICTURES

    def run(self) -> Outcome:
        picture = self.pictures.__getitem__
        return run_encoder(self.scenario.encoder, picture, PICTURES, self.scenario.switches)

    def attempt(
        self, call: str, kind: str, code: int, first: int = 1, count: int = 1
    ) -> tuple[Outcome, int]:
        """The scenario with a fault, and how often that came; nothing is left open by it."""
        what = f"{call} {first} {kind} {code}"
        self.frameworks.fault(call, kind, code, first, count)
        outcome = self.run()
        hits = sum(self.frameworks.hits())
        self.frameworks.clear_faults()
        self.check(outcome, what)
        if self.frameworks.open():
            gc.collect()
        assert self.frameworks.open() == {}, (what, self.frameworks.report()["handles"])
        assert self.frameworks.misuses() == [], what
        return outcome, hits

    def check_again(self, what: str) -> None:
        again = self.run()
        assert not again.errors, (what, again.errors)
        assert [each.data for each in again.packets] == [each.data for each in self.good.packets]

    def check(self, outcome: Outcome, what: str) -> None:
        """Of every outcome: the packets are of pictures that were submitted, in order; what is
        missing is told and counted."""
        packets = outcome.packets
        given = [each.pts for each in packets]
        assert len(set(given)) == len(given), what
        assert set(given) <= set(self.pts), what
        check_times(packets, sorted(given))
        assert outcome.errors or len(packets) == PICTURES, what
        account = outcome.summary
        if account is None or outcome.fatal:
            return
        assert account["submitted"] == account["delivered"] + sum(account["reasons"].values()), what
        assert account["delivered"] == len(packets), what
        # A picture for which there was no memory was not submitted.
        assert account["submitted"] >= PICTURES - len(outcome.errors), what


def named(call: str, error: VideoHwError, code: int) -> bool:
    """Whether the error tells of the call that failed, and of its code where it has one."""
    call = WORK.get(call, call)
    if isinstance(error, BackendError):
        nothing = error.domain == "videohw"  # it answered with no object
        return error.call == call and (nothing or error.code == code) and bool(error.hint)
    told = str(error)
    known = f"{code})" in told or "memory ran out" in told or "no name for the value" in told
    unsupported = isinstance(error, UnsupportedCodec | UnsupportedConfig)
    return unsupported and call in told and known


def test_each_call_fails_once(frameworks: AppleEmulator, scenario: Scenario) -> None:
    sweep = Sweep(frameworks, scenario)
    assert len(sweep.calls) > 20
    for call, count in sweep.calls.items():
        told = 0
        for first in places(count):
            what = f"{call} {first} of {count}"
            outcome, hits = sweep.attempt(call, "fail", FAILS, first)
            assert hits == 1, what
            for error in outcome.errors:
                assert named(call, error, FAILS), (what, error)
                assert not error.fatal, (what, error)
            assert len(outcome.errors) <= 1, (what, outcome.errors)
            told += len(outcome.errors)
        made_up_for = call in MADE_UP_FOR or call == BY_NATURE.get(scenario.codec)
        assert (told == 0) == made_up_for, call
    sweep.check_again("at the end")


def test_each_call_fails_for_ever(frameworks: AppleEmulator, scenario: Scenario) -> None:
    sweep = Sweep(frameworks, scenario)
    for call in sweep.calls:
        outcome, _ = sweep.attempt(call, "fail", FAILS, count=0)
        for error in outcome.errors:
            assert named(call, error, FAILS), (call, error)
    sweep.check_again("at the end")


def test_each_status_is_told(frameworks: AppleEmulator) -> None:
    """Of opening, and of a picture; with some the session is gone."""
    sweep = Sweep(frameworks, SCENARIOS[0])
    for code, is_loss in STATUSES.items():
        for call in OPENING:
            outcome, _ = sweep.attempt(call, "fail", code, count=0)
            (error,) = outcome.errors
            assert outcome.packets == []
            assert named(call, error, code), (call, error)
        for call in ("VTCompressionSessionEncodeFrame", "encode"):
            outcome, _ = sweep.attempt(call, "fail", code, first=3)
            (error,) = outcome.errors
            assert named(call, error, code), (call, error)
            assert isinstance(error, DeviceLost) == error.fatal == is_loss
            missing = set(sweep.pts) - {each.pts for each in outcome.packets}
            assert is_loss or missing == {2}, (call, error)
            assert not missing & {0, 1}, (call, error)
    sweep.check_again("at the end")


def test_a_session_is_lost_at_each_call(frameworks: AppleEmulator, scenario: Scenario) -> None:
    """What was coded before comes out; a new session works."""
    sweep = Sweep(frameworks, scenario)
    good = {(each.pts, each.generation): each.data for each in sweep.good.packets}
    for call, code in product(LOSING, [code for code, is_loss in STATUSES.items() if is_loss]):
        for first in places(sweep.calls[call]):
            what = f"{call} {first} {code}"
            outcome, _ = sweep.attempt(call, "lost", code, first)
            lost = [error for error in outcome.errors if isinstance(error, DeviceLost)]
            assert len(lost) == (call != "VTCompressionSessionPrepareToEncodeFrames"), what
            for error in outcome.errors:
                assert isinstance(error, BackendError), (what, error)
                assert error.code == code, (what, error)
            for each in outcome.packets:
                assert good.get((each.pts, each.generation), each.data) == each.data, what
            if call == "encode":
                assert len(outcome.packets) == first - 1, what
    sweep.check_again("at the end")


def test_completion_that_fails_for_ever_loses_no_picture_that_comes(
    frameworks: AppleEmulator,
) -> None:
    sweep = Sweep(frameworks, SCENARIOS[0])
    outcome, _ = sweep.attempt("VTCompressionSessionCompleteFrames", "fail", FAILS, count=0)
    assert len(outcome.packets) == PICTURES
    assert outcome.errors == []


def test_a_session_without_a_pool_has_one_of_ours(frameworks: AppleEmulator) -> None:
    sweep = Sweep(frameworks, SCENARIOS[0])
    outcome, hits = sweep.attempt("VTCompressionSessionGetPixelBufferPool", "fail", FAILS)
    assert (len(outcome.packets), hits) == (PICTURES, 1)
    frameworks.fault("VTCompressionSessionGetPixelBufferPool", "fail", FAILS)
    outcome, _ = sweep.attempt("CVPixelBufferPoolCreate", "fail", -6680)
    (error,) = outcome.errors
    assert named("CVPixelBufferPoolCreate", error, -6680)


# Opening


@pytest.mark.parametrize("code", [-12913, -12915])
def test_an_encoder_that_is_busy_is_asked_again(frameworks: AppleEmulator, code: int) -> None:
    for call in ("VTCompressionSessionCreate", "VTCompressionSessionPrepareToEncodeFrames"):
        frameworks.fault(call, "fail", code, count=3)
        with SCENARIOS[0].encoder() as encoder:
            assert encoder.summary()["creations_retried"] == 3
        frameworks.clear_faults()
        frameworks.fault(call, "fail", code, count=0)
        with pytest.raises(BackendError) as refused:
            SCENARIOS[0].encoder()
        frameworks.clear_faults()
        error = refused.value
        assert (error.call, error.code, error.fatal) == (call, code, False)
        assert str(error.name).endswith("NotAvailableNowErr")
        assert frameworks.open() == {}  # also while the error is kept


def test_an_opening_that_does_not_come_back_is_left(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it opens late is given back."""
    for module in ("encoder_cores", "encoder_capabilities"):
        monkeypatch.setattr(f"videohw.apple.{module}.OPENING_SECONDS", LONG_ENOUGH_SECONDS)
    for call in (OPENING[0], "VTCompressionSessionCreate", OPENING[-1]):
        frameworks.fault(call, "stall", 0)
        with pytest.raises(VideoHwError, match="did not come back") as refused:
            SCENARIOS[0].encoder()
        assert call in str(refused.value)
        assert not refused.value.fatal
        assert frameworks.stalled() == 1
        frameworks.clear_faults()
        wait_for(lambda: frameworks.open() == {})
    monkeypatch.undo()
    assert len(Sweep(frameworks, SCENARIOS[0]).good.packets) == PICTURES


def test_a_switch_whose_encoder_does_not_come_back_changes_nothing(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videohw.apple.encoder_cores.OPENING_SECONDS", LONG_ENOUGH_SECONDS)
    with SCENARIOS[0].encoder() as encoder:
        encoder.submit(Sweep.pictures[0])
        frameworks.fault("VTCompressionSessionCreate", "stall", 0)
        with pytest.raises(BackendError, match="VTCompressionSessionCreate"):
            encoder.request_session_switch(SwitchRequest({"preset": "fastest"}))
        frameworks.clear_faults()
        encoder.submit(Sweep.pictures[1])
        packets = encoder.flush(PATIENCE_SECONDS)
    assert [each.generation for each in packets] == [0, 0]
    wait_for(lambda: frameworks.open() == {})


@pytest.mark.parametrize("closes", [False, True], ids=["goes on", "is closed"])
def test_nobody_waits_while_a_switch_opens_its_encoder(
    frameworks: AppleEmulator, closes: bool
) -> None:
    with SCENARIOS[0].encoder() as encoder:
        frameworks.fault("VTCompressionSessionCreate", "stall", 0)
        change = SwitchRequest({"preset": "fastest"})
        switching = Call(lambda: encoder.request_session_switch(change))
        wait_for(frameworks.stalled)
        encoder.submit(Sweep.pictures[0])
        assert len(encoder.flush(PATIENCE_SECONDS)) == 1
        assert encoder.try_reap() is None
        assert encoder.summary()["delivered"] == 1
        assert encoder.metrics() is not None
        if closes:
            encoder.close()
        assert not switching.ended
        frameworks.clear_faults()
        if closes:
            with pytest.raises(SessionClosed):
                switching.join()
        else:
            assert switching.join() == 1
    wait_for(lambda: frameworks.open() == {})


@pytest.mark.parametrize(
    "call", ["VTCompressionSessionEncodeFrame", "VTCompressionSessionCompleteFrames"]
)
def test_a_worker_that_does_not_come_back_is_left(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """It is told once, nobody waits for it, and it gives everything back when it comes back."""
    monkeypatch.setattr("videohw.apple.encoder.STUCK_SECONDS", 0.2)
    before = set(threading.enumerate())
    frameworks.fault(call, "stall", 0)
    with SCENARIOS[0].encoder() as encoder:
        encoder.submit(Sweep.pictures[0])
        with pytest.raises(DeviceLost, match="did not come back") as lost:
            encoder.flush(PATIENCE_SECONDS)
        assert lost.value.fatal
        with pytest.raises(SessionClosed):
            encoder.submit(Sweep.pictures[1])
        assert frameworks.stalled() == 1
        assert encoder.summary()["abandoned"]
    assert frameworks.stalled() == 1
    frameworks.clear_faults()
    wait_for(lambda: set(threading.enumerate()) <= before and frameworks.open() == {})
    assert len(Sweep(frameworks, SCENARIOS[0]).good.packets) == PICTURES
