"""An encoder under any sequence of calls, held against a simple model of what must come out.

The model knows the pictures that were taken, with their pts, generation and whether a keyframe
was forced. Faults of the codec hit some picture; the model holds that each costs one.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.backends.conftest import ENCODED, BackendCase, life_settings, needs_any_encoder
from tests.backends.encoding import witness
from tests.backends.waiting import PATIENCE_SECONDS, Call, together, wait_for
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import (
    BackendError,
    Backpressure,
    DeviceLost,
    InvalidInput,
    SessionClosed,
    VideoHwError,
)
from videohw.machine import capabilities
from videohw.types import ConstantBitrate, ConstantQuality, Packet

_SIDE = 64
_PICTURES = [np.full((_SIDE * 3 // 2, _SIDE), 40 + 30 * n, np.uint8) for n in range(7)]
_CHANGES: list[dict[str, Any]] = [
    {"rate_control": ConstantBitrate(300_000)},
    {"rate_control": ConstantQuality(30)},
    {"gop": 3},
    {"low_latency": True},
]


@dataclass
class Given:
    """A picture that was taken."""

    pts: int
    generations: tuple[int, int]  # the oldest and the newest that it may be of
    keyframe: bool  # it must be one


class EncoderMachine(RuleBasedStateMachine):
    """Calls on one encoder after the other."""

    def __init__(self, backend: BackendCase) -> None:
        super().__init__()
        self.backend = backend
        answers = [c for c in capabilities(backend=backend.name) if c.direction == "encode"]
        self.codecs = [c.codec for c in answers if c.supported and c.codec in ENCODED]
        self.threads_before = threading.active_count()
        self.closed: list[weakref.ref[Encoder]] = []
        self.refusals = 0  # planned so far
        self.plan = backend.faults()
        self.faults = self.plan.__enter__()

    @initialize(data=st.data())
    def open(self, data: Any) -> None:
        # Mostly the one that opens fastest: what is tried here are calls, not codecs.
        self.codec = data.draw(st.sampled_from([self.codecs[0]] * 4 + self.codecs))
        self.limit = data.draw(st.integers(1, 4))
        self.b_frames = data.draw(st.sampled_from([0, 2])) if self.codec != "av1" else 0
        self.encoder = self.backend.encoder(
            self.codec, _SIDE, _SIDE, max_in_flight=self.limit, b_frames=self.b_frames,
            gop=data.draw(st.sampled_from([None, 0, 3])),
        )  # fmt: skip
        self.given: list[Given] = []  # of the stream that is not flushed
        self.packets: list[Packet] = []  # of that stream
        self.all: list[Packet] = []
        self.errors: list[VideoHwError] = []
        self.last_pts: int | None = None
        self.delivered = 0
        self.hits = len(self.faults.hits)

    # The model

    @invariant()
    def the_summary_is_right(self) -> None:
        summary = self.encoder.summary()
        assert summary["delivered"] == self.delivered
        assert summary["delivered"] + sum(summary["reasons"].values()) <= summary["submitted"]
        assert summary["ready"] <= self.limit
        pts = {given.pts: given for given in self.given}
        for packet in self.packets:
            given = pts[packet.pts]
            oldest, newest = given.generations
            assert oldest <= packet.generation <= newest
            assert packet.keyframe or not given.keyframe
            assert packet.dts <= packet.pts
        dts = [packet.dts for packet in (*self.all[-1:], *self.packets)]
        assert all(a < b for a, b in pairwise(dts)), dts
        shown = sorted(self.packets, key=lambda packet: packet.pts)
        assert all(a.pts < b.pts and a.generation <= b.generation for a, b in pairwise(shown))

    def note(self, *outputs: Packet | VideoHwError | None) -> None:
        for output in outputs:
            if isinstance(output, Packet):
                self.packets.append(output)
                self.delivered += 1
            elif output is not None:
                assert isinstance(output, BackendError)
                assert not output.fatal
                self.errors.append(output)

    def settle(self) -> None:
        """All that was taken has come out."""
        self.the_summary_is_right()
        missing = len(self.given) - len(self.packets)
        hits = len(self.faults.hits) - self.hits
        assert missing == len(self.errors) <= hits
        assert missing == hits or self.backend.asks_twice
        summary = self.encoder.summary()
        assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values())
        assert (summary["ready"], summary["queued_bytes"]) == (0, 0)
        if self.packets:
            assert self.packets[0].keyframe
        self.all += self.packets
        self.given, self.packets, self.errors = [], [], []
        self.hits = len(self.faults.hits)

    # Input

    @rule(steps=st.lists(st.integers(1, 5) | st.none(), min_size=1, max_size=8),
          force=st.booleans())  # fmt: skip
    def submit(self, steps: list[int | None], force: bool) -> None:
        for index, step in enumerate(steps):
            last = -1 if self.last_pts is None else self.last_pts
            pts = None if step is None else last + step
            forced = force and index == len(steps) - 1
            self.submit_one(pts, forced)
            now = self.encoder.summary()["generation"]
            self.take_note(last + 1 if pts is None else pts, (now, now), forced)

    def submit_one(self, pts: int | None, force: bool) -> None:
        while True:
            before = self.encoder.summary()["submitted"]
            try:
                self.encoder.submit(_PICTURES[len(self.given) % 7], pts, force_keyframe=force)
                return
            except Backpressure as refused:
                assert refused.depth >= refused.limit  # noqa: PT017
                assert self.encoder.summary()["submitted"] == before
            self.note(self.outcome(0.01))

    def take_note(self, pts: int, generations: tuple[int, int], forced: bool) -> None:
        self.given.append(Given(pts, generations, forced))
        self.last_pts = pts

    @rule(wrong=st.sampled_from(["frame", "pts", "force_keyframe", "timeout"]))
    def wrong_argument(self, wrong: str) -> None:
        before = self.encoder.summary()["submitted"]
        given: dict[str, Any] = {"frame": _PICTURES[0], "timeout": 0}
        given[wrong] = {"frame": b"", "pts": 0.5, "force_keyframe": 1, "timeout": -1}[wrong]
        refused = self.refusal(given.pop("frame"), **given)
        assert refused.argument == wrong
        assert self.encoder.summary()["submitted"] == before

    @rule(back=st.integers(0, 3))
    def time_that_does_not_increase(self, back: int) -> None:
        if self.last_pts is not None:
            refused = self.refusal(_PICTURES[0], self.last_pts - back)
            assert "must increase" in str(refused)

    def refusal(self, *arguments: Any, **named: Any) -> InvalidInput:
        """What a wrong call raises when there is room for it; packets that come are taken."""
        while True:
            try:
                self.encoder.submit(*arguments, **named)
            except Backpressure:
                self.note(self.outcome(0.01))
            except InvalidInput as refused:
                return refused
            else:
                pytest.fail("was taken")

    @rule(changes=st.sampled_from(_CHANGES), mode=st.sampled_from(list(SwitchMode)))
    def switch(self, changes: dict[str, Any], mode: SwitchMode) -> None:
        """Pending until the picture that it begins with; the packets say which that was."""
        if "low_latency" in changes and self.b_frames:
            changes = {**changes, "b_frames": 0}
        generation = self.encoder.request_session_switch(SwitchRequest(changes, mode))
        assert generation > self.encoder.summary()["generation"] - 1

    # Output

    def outcome(self, seconds: float | None) -> Packet | VideoHwError | None:
        try:
            return self.encoder.reap_timeout(seconds)
        except VideoHwError as error:
            return error

    @rule(seconds=st.sampled_from([None, 0, 0.002]))
    def reap(self, seconds: float | None) -> None:
        if seconds is not None:
            self.note(self.outcome(seconds))
            return
        try:
            self.note(self.encoder.try_reap())
        except VideoHwError as error:
            self.note(error)

    @rule(threads=st.sampled_from([1, 1, 2]), iterate=st.booleans())
    def flush(self, threads: int, iterate: bool) -> None:
        def end() -> list[Packet | VideoHwError]:
            got: list[Packet | VideoHwError] = []
            while True:
                try:
                    for packet in self.encoder if iterate else self.encoder.flush():
                        got.append(packet)
                    return got
                except VideoHwError as error:
                    got.append(error)

        self.note(*merged(together(*[end] * threads)))
        self.settle()
        assert self.encoder.flush(0) == []

    @rule(seconds=st.sampled_from([0, 0.001]))
    def flush_that_may_run_out(self, seconds: float) -> None:
        """The stream ends there, whether or not the time is enough."""
        try:
            self.note(*self.encoder.flush(seconds))
        except TimeoutError:
            pass
        except VideoHwError as error:
            self.note(error)
        self.flush(1, False)

    # Threads

    @rule(submitters=st.integers(1, 3), reapers=st.integers(1, 2), count=st.integers(1, 6))
    def submit_and_reap_at_once(self, submitters: int, reapers: int, count: int) -> None:
        done = threading.Event()
        due = 0 if self.last_pts is None else self.last_pts + 1
        before = self.encoder.summary()["generation"]

        def submit() -> None:
            for _ in range(count):
                self.encoder.submit(_PICTURES[3], timeout=PATIENCE_SECONDS)

        def reap() -> list[Packet | VideoHwError]:
            got = []
            while not done.is_set():
                output = self.outcome(0.002)
                got += [] if output is None else [output]
            return got

        reaping = [Call(reap) for _ in range(reapers)]
        try:
            together(*[submit] * submitters)
        finally:
            done.set()
        after = self.encoder.summary()["generation"]  # a switch may have begun at any of them
        for pts in range(due, due + submitters * count):
            self.take_note(pts, (before, after), False)
        self.note(*merged([call.join() for call in reaping]))

    # Faults and life

    @rule(kind=st.sampled_from(["refuse", "bug"]), after=st.integers(0, 5))
    def codec_fails(self, kind: Any, after: int) -> None:
        if kind == "refuse" and self.backend.asks_twice:
            if self.refusals > sum(hit[0] == "refuse" for hit in self.faults.hits):
                return  # two might hit the same end of a stream, which is not asked three times
            self.refusals += 1
        self.faults.arm(kind, after)

    def disarm(self) -> None:
        self.faults.disarm()
        self.refusals = sum(hit[0] == "refuse" for hit in self.faults.hits)

    @rule(data=st.data(), after=st.integers(0, 3))
    def device_is_lost(self, data: Any, after: int) -> None:
        """The loss is told once, and only close is left."""
        self.flush(1, False)
        self.disarm()
        self.faults.arm("lost", after)
        lost: object = None
        while not isinstance(lost, DeviceLost):
            try:
                self.encoder.submit(_PICTURES[0], timeout=0)
            except (Backpressure, SessionClosed):
                lost = self.outcome(0.01)
        for call in (self.encoder.try_reap, self.encoder.flush):
            with pytest.raises(SessionClosed, match="failed"):
                call()
        self.reopen(data, False)

    @rule(data=st.data(), waiting=st.booleans())
    def reopen(self, data: Any, waiting: bool) -> None:
        self.disarm()
        assert_closes(self.encoder, waiting)
        self.closed.append(weakref.ref(self.encoder))
        del self.encoder
        self.open(data)

    def teardown(self) -> None:
        try:
            if hasattr(self, "encoder"):
                try:
                    self.flush(1, True)
                    shown = [picture.pts for picture in witness(self.codec, self.all)]
                    assert shown == sorted(packet.pts for packet in self.all)
                finally:
                    self.encoder.close()
                    self.closed.append(weakref.ref(self.encoder))
                    del self.encoder
            gc.collect()
            assert [ref() for ref in self.closed] == [None] * len(self.closed)
            wait_for(lambda: threading.active_count() == self.threads_before)
        finally:
            self.plan.__exit__(None, None, None)


def assert_closes(encoder: Encoder, waiting: bool) -> None:
    """Close, while another thread waits for packets if asked; then every call says so."""
    waiter = Call(lambda: list(encoder)) if waiting else None
    encoder.close()
    if waiter is not None:
        waiter.wait()
        assert waiter.raised is None or isinstance(waiter.raised, VideoHwError)
    for call in (
        encoder.try_reap,
        encoder.flush,
        lambda: list(encoder),
        lambda: encoder.submit(_PICTURES[0]),
    ):
        with pytest.raises(SessionClosed):
            call()
    encoder.close()


def merged(outputs: list[list[Packet | VideoHwError]]) -> list[Packet | VideoHwError]:
    """What several threads got, each in order, in the order of the stream."""
    for got in outputs:
        dts = [output.dts for output in got if isinstance(output, Packet)]
        assert dts == sorted(dts)
    every = [output for got in outputs for output in got]
    packets = [output for output in every if isinstance(output, Packet)]
    return [
        *(output for output in every if not isinstance(output, Packet)),
        *sorted(packets, key=lambda packet: packet.dts),
    ]


def test_encoder_keeps_to_the_model(backend: BackendCase) -> None:
    needs_any_encoder(backend)
    machine: Callable[[], EncoderMachine] = lambda: EncoderMachine(backend)  # noqa: E731
    run_state_machine_as_test(
        machine,
        settings=settings(life_settings(backend), stateful_step_count=20),
    )
