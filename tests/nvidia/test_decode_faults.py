"""Every call of the driver that a decoding session makes fails: once at each place, for ever, with
an error that sticks. Errors are typed and in their place, every picture is accounted for, no wrong
one is delivered as right, nothing stays open, and a new session works."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.backends.decode_runs import Outcome, Scenario, run
from tests.backends.fault_places import EVERY, Stalled, middle, places
from tests.backends.nvidia import emulated_drivers
from tests.backends.oracle import frames_md5
from tests.emulators.control import Emulator
from tests.nvidia.decoding import NATIVE, SCENARIOS, release
from videohw.backend import CodedPicture
from videohw.decoder import Decoder
from videohw.errors import (
    BackendError,
    DeviceLost,
    InvalidBitstream,
    UnsupportedCodec,
    UnsupportedConfig,
    VideoHwError,
)
from videohw.nvidia import decoder as of_nvidia
from videohw.nvidia.frames import FrameMaker
from videohw.nvidia.sequences import PictureForm
from videohw.sessions import core_changed
from videohw.software_options import SoftwareDecoderOptions

FAILS, STICKS = 999, 700  # CUDA_ERROR_UNKNOWN, CUDA_ERROR_ILLEGAL_ADDRESS
GONE = 709  # CUDA_ERROR_CONTEXT_IS_DESTROYED
# Where a picture was not decoded, those that refer to it may be wrong, and say that it is unknown.
SPOILING = ("cuvidDecodePicture", "cuvidParseVideoData")
# A context that is lost takes these with it: nobody can give them back.
LOST = frozenset({"decoder", "pinned memory"})


@pytest.fixture
def decoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers, with nothing of ours open; what stays open fails the test."""
    with emulated_drivers():
        driver.streams("late")
        driver.clear_faults()
        left = frozenset(release_all(driver))
        assert left <= LOST
        driver.forget()
        yield driver
        driver.clear_faults()
        assert release(driver, left | LOST) == set()


def release_all(emulator: Emulator) -> set[str]:
    return release(emulator, LOST) | (set(emulator.open()) & LOST)


@pytest.fixture(params=SCENARIOS, ids=str)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


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
        self.order = [picture.index for picture in self.good.pictures]
        assert sorted(self.order) == list(range(len(scenario.units())))
        self.right = {picture.index: picture for picture in self.good.pictures}

    def attempt(
        self, call: str, kind: str, code: int, first: int, count: int
    ) -> tuple[Outcome, int]:
        """The scenario with a fault, and how often that came; all that is open is let go of."""
        self.emulator.forget()
        self.emulator.fault(call, kind, code, first, count)
        outcome = run(self.scenario)
        hits = sum(self.emulator.hits())
        if hits and count:
            # The same device, its streams, decoders and memory serve the next session.
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
        assert again.pictures == self.good.pictures, what

    def check(self, outcome: Outcome, call: str, what: str) -> None:
        """Of every outcome: right pictures in order, or what is wrong with them."""
        report = self.emulator.report()
        assert report["misuses"] == [], what
        shown = [picture.index for picture in outcome.pictures]
        assert shown == [index for index in self.order if index in shown], what
        for picture in outcome.pictures:
            unsure = picture.corrupt is not False and call in SPOILING
            right = picture.digest in (None, self.right[picture.index].digest)
            assert right or unsure, (what, picture)
        if outcome.summary is not None and not outcome.fatal:
            account = outcome.summary
            assert account["submitted"] == len(self.order), what
            reasons = sum(account["reasons"].values())
            assert account["delivered"] == len(shown) == len(self.order) - reasons, (what, account)
        assert outcome.errors or shown == self.order, what

    def check_closed(self, what: str) -> None:
        assert release(self.emulator, self.left) == set(), (what, self.emulator.report()["handles"])
        report = self.emulator.report()
        assert (report["misuses"], report["lost"]) == ([], {}), what


def named(call: str, error: VideoHwError, code: int) -> bool:
    """Whether the error tells of the call that failed, by its name without its version."""
    if isinstance(error, BackendError):
        # cuMemAlloc_v2 is cuMemAlloc to those who call it.
        return call.startswith(str(error.call)) and error.code == code and bool(error.name)
    cause = error.__cause__
    if isinstance(error, InvalidBitstream):  # a picture that the call was to show, or one of those
        # that refer to it
        told = not isinstance(cause, VideoHwError) or named(call, cause, code)
        return call in SPOILING and told
    return isinstance(error, UnsupportedCodec | UnsupportedConfig) and f"({code})" in str(error)


def test_the_scenarios_decode_to_the_right_pictures(decoding: Emulator, scenario: Scenario) -> None:
    software = Decoder(
        scenario.codec, backend="software", options=SoftwareDecoderOptions(threads=1)
    )
    with scenario.decoder() as decoder:
        for unit in scenario.units():
            decoder.submit(unit)
        frames = [frame.to_host() for frame in decoder.flush()]
    with software:
        for unit in scenario.units():
            software.submit(unit)
        wanted = software.flush()
    assert len(frames) == len(wanted)
    if scenario.output == "native":
        assert frames_md5(frames) == frames_md5(wanted)
    del frames


def test_each_call_fails_once(decoding: Emulator, scenario: Scenario) -> None:
    sweep = Sweep(decoding, scenario)
    assert sum(sweep.calls.values()) > 100
    failed = 0
    for call, count in sweep.calls.items():
        for first in places(count):
            what = f"{call} {first} of {count}"
            outcome, hits = sweep.attempt(call, "fail", FAILS, first, 1)
            sweep.check(outcome, call, what)
            for error in outcome.errors:
                assert named(call, error, FAILS), (what, error)
            if call not in SPOILING and not outcome.fatal and outcome.pictures:
                assert len(outcome.errors) <= 1, (what, outcome.errors)
            sweep.check_closed(what)
            failed += bool(hits and outcome.errors)
    assert failed > 30
    sweep.check_again("at the end")


def test_each_call_fails_for_ever(decoding: Emulator, scenario: Scenario) -> None:
    sweep = Sweep(decoding, scenario)
    for call in sweep.calls:
        outcome, _ = sweep.attempt(call, "fail", FAILS, 1, 0)
        sweep.check(outcome, call, call)
        for error in outcome.errors:
            assert named(call, error, FAILS), (call, error)
        assert release(decoding, sweep.left) == set(), call
        sweep.check_again(call)
        release(decoding, sweep.left)


@pytest.mark.parametrize("scenario", SCENARIOS if EVERY else SCENARIOS[:1], ids=str)
def test_each_call_stalls(
    decoding: Emulator, monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    """Who waits is told which one it is, and the session closes, while it is stalled."""
    monkeypatch.setattr(core_changed, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(of_nvidia, "STUCK_SECONDS", of_nvidia.STUCK_SECONDS)  # set back by this
    sweep = Sweep(decoding, scenario)
    told = 0
    for call, count in sweep.calls.items():
        for first in middle(count):
            what = f"{call} {first} of {count} stalls"
            told += stall(sweep, call, first, what)
            sweep.check_again(what)
            assert release(decoding, sweep.left) == set(), what
    assert told > (60 if EVERY else 10)


def stall(sweep: Sweep, call: str, first: int, what: str) -> bool:
    """Whether the session told of the call that did not come back."""

    def bound(seconds: float) -> None:
        of_nvidia.STUCK_SECONDS = seconds

    sweep.emulator.forget()
    sweep.emulator.fault(call, "stall", 0, first)
    ran = Stalled(sweep.emulator, lambda: run(sweep.scenario), bound)
    if not ran.came:  # what is given back at the end, or on a thread of its own
        sweep.emulator.fault(call, "stall", 0, 1)
        Stalled(sweep.emulator, lambda: release(sweep.emulator, sweep.left), bound)
    outcome = ran.result
    sweep.check(outcome, call, what)
    for error in outcome.errors:
        assert isinstance(error, DeviceLost), (what, error)
        # With a bound of 0 seconds the worker may be between two calls.
        assert error.call in (call, None), (what, error)
        assert error.code == errno.ETIMEDOUT, (what, error)
        assert f"did not come back from {error.call or 'its work'} within" in str(error), what
    assert len(outcome.errors) <= 1, (what, outcome.errors)
    assert not (ran.on_caller and outcome.errors), what
    assert release(sweep.emulator, sweep.left) == set(), what
    return bool(outcome.errors)


def test_a_loss_that_costs_no_picture_is_told(decoding: Emulator) -> None:
    run(NATIVE)
    decoding.fault("cuvidUnmapVideoFrame64", "sticky", STICKS, len(NATIVE.units()))
    outcome = run(NATIVE)
    assert len(outcome.pictures) == len(NATIVE.units())
    (error,) = outcome.errors
    assert isinstance(error, DeviceLost)
    assert (error.call, error.code) == ("cuvidUnmapVideoFrame64", STICKS)


def test_a_device_is_lost_at_each_call(decoding: Emulator, scenario: Scenario) -> None:
    sweep = Sweep(decoding, scenario)
    for call, count in sweep.calls.items():
        for first in {1, count // 2 + 1, count}:
            what = f"{call} {first} of {count}"
            outcome, _ = sweep.attempt(call, "sticky", STICKS, first, 1)
            sweep.check(outcome, "cuvidDecodePicture", what)
            lost = [error for error in outcome.errors if isinstance(error, DeviceLost)]
            assert len(lost) <= 1 + (scenario.memory == "device") * len(sweep.order), what
            for error in lost:
                # A frame that is read after that finds its context gone.
                assert error.code == STICKS or (error.domain, error.code) == ("cuda", GONE), what
            sweep.left |= LOST
            if sweep.looks_again(call, first):
                sweep.check_again(what)
            assert release(decoding, sweep.left) == set(), what


def test_memory_that_runs_out_is_told_with_its_code(
    decoding: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the host, for one frame: the others come."""
    made = FrameMaker.make

    def make(
        self: FrameMaker, form: PictureForm, item: CodedPicture, *rest: Any, **more: Any
    ) -> Any:
        if item.serial == 3:
            raise MemoryError
        return made(self, form, item, *rest, **more)

    monkeypatch.setattr(FrameMaker, "make", make)
    outcome = run(NATIVE)
    (error,) = outcome.errors
    assert isinstance(error, BackendError)
    assert (error.call, error.code, error.name) == ("malloc", errno.ENOMEM, "ENOMEM")
    assert "malloc failed with ENOMEM" in str(error)
    assert error.hint
    assert len(outcome.pictures) == len(NATIVE.units()) - 1
