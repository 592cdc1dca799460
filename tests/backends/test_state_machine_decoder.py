"""A decoder under any sequence of calls, held against a simple model of what must come out.

The model knows the pictures that were coded, the calls that brought their bytes, and nothing of
threads: which picture comes after which, with which pts, what is counted, and that nothing is
lost or comes twice. Faults of the codec hit some picture; the model holds that each costs one.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.backends.conftest import BackendCase, life_settings
from tests.backends.decoder_model import Coder, Expected, Picture, merged
from tests.backends.pcm import Vui
from tests.backends.waiting import PATIENCE_SECONDS, Call, together, wait_for
from videohw.decoder import Decoder
from videohw.errors import (
    BackendError,
    Backpressure,
    DeviceLost,
    InvalidBitstream,
    InvalidInput,
    SessionClosed,
    VideoHwError,
)
from videohw.frame import Frame

_INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
_SIZES = st.one_of(st.integers(1, 6), st.integers(1, 3000))
_OPTIONS = st.fixed_dictionaries(
    {
        "max_in_flight": st.integers(1, 5),
        "max_pending_bytes": st.sampled_from([1, 1000, 1 << 20]),
        "on_error": st.sampled_from(["raise", "raise", "skip", "conceal", "resync"]),
        "low_latency": st.booleans(),
    }
)


class DecoderMachine(RuleBasedStateMachine):
    """Calls on one decoder after the other."""

    def __init__(self, backend: BackendCase) -> None:
        super().__init__()
        self.backend = backend
        self.threads_before = threading.active_count()
        self.closed: list[weakref.ref[Decoder]] = []
        self.plan = backend.faults()
        self.faults = self.plan.__enter__()

    @initialize(options=_OPTIONS, reorders=st.booleans())
    def open(self, options: dict[str, Any], reorders: bool) -> None:
        self.options = options
        self.decoder = self.backend.decoder("h264", **options)
        self.coder = Coder(None if reorders else Vui(num_reorder=4))
        self.ahead: list[Picture] = []  # coded and not submitted, or not to their end
        self.begun = 0  # bytes of the first of them that were submitted
        self.expected = Expected()
        self.delivered = self.unused = 0
        self.seen = Counter(kind for kind, _ in self.faults.hits)
        self.was_reset = False

    # The model

    @invariant()
    def the_summary_is_right(self) -> None:
        summary = self.decoder.summary()
        settled = summary["delivered"] + sum(summary["reasons"].values())
        assert summary["delivered"] == self.delivered
        assert settled <= summary["submitted"]
        errors = 0 if self.backend.is_oracle else self.met().total() + self.expected.refused
        assert summary["ready"] <= self.options["max_in_flight"] + errors  # due at once

    def note(self, *outputs: Frame | VideoHwError | None) -> None:
        for output in outputs:
            if isinstance(output, Frame):
                self.expected.frames.append(output)
                self.delivered += 1
            elif output is not None:
                assert isinstance(output, (InvalidBitstream, BackendError))
                assert not output.fatal
                self.expected.errors.append(output)
        self.expected.missing()

    def met(self) -> Counter[str]:
        """Faults that were met since the last time that all was settled, by their kind."""
        return Counter(kind for kind, _ in self.faults.hits) - self.seen

    def settle(self) -> None:
        """All that was submitted has come out."""
        expected, on_error = self.expected, self.options["on_error"]
        self.seen += (met := self.met())
        missing = expected.missing()
        # Without its keyframe a picture has no references: these are lost with it.
        keyframes = {p.order[0] for p in missing if p.keyframe}
        lost_with = sum(p.order[0] in keyframes and not p.keyframe for p in missing)
        if on_error == "resync":
            assert bool(missing) <= bool(met.total() + expected.refused)
        else:
            # A fault may hit a picture that gives no frame anyhow.
            unexplained = met.total() - (len(missing) - lost_with)
            assert 0 <= unexplained <= expected.refused + lost_with, (met, missing)
        told = len(missing) + expected.refused if on_error == "raise" else 0
        late = self.backend.makes_frames_late and on_error != "raise"
        assert len(expected.errors) == (met["bug"] if late else told)  # a bug is no damage then
        summary = self.decoder.summary()
        assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values())
        assert (summary["ready"], summary["queued_bytes"], summary["pending_bytes"]) == (0, 0, 0)
        if not self.was_reset:
            assert summary["pts_unused"] == self.unused
        self.expected = Expected()

    # Input

    @rule(orders=st.integers(1, 5).flatmap(lambda n: st.permutations(range(n))),
          idr=st.booleans(), refused=st.integers(0, 12))  # fmt: skip
    def code(self, orders: list[int], idr: bool, refused: int) -> None:
        self.ahead += self.coder.pictures(list(orders), idr, refused)

    @precondition(lambda self: self.ahead)
    @rule(size=_SIZES, pts=st.none() | _INT64, times=st.integers(1, 4))
    def submit_bytes(self, size: int, pts: int | None, times: int) -> None:
        for turn in range(times):
            data = self.next_bytes(size, None if pts is None else max(pts - turn, -(1 << 63)))
            if data:
                self.submit(*data)

    @precondition(lambda self: self.ahead and not self.begun)
    @rule(pts=st.none() | _INT64)
    def submit_unit(self, pts: int | None) -> None:
        picture = self.ahead[0]
        _, taken = self.next_bytes(len(picture.data), pts) or (b"", pts)
        self.submit(picture.nals, taken, "access_unit")

    def next_bytes(self, size: int, pts: int | None) -> tuple[bytes, int | None] | None:
        """The next bytes of the stream for one call; notes whose pts it brings."""
        taken, left, used = b"", size, False
        while left and self.ahead:
            picture = self.ahead[0]
            if not self.begun:
                self.expected.pictures.append(picture)
                picture.pts = None if used else pts
                used = True
            piece = picture.data[self.begun : self.begun + left]
            taken, left = taken + piece, left - len(piece)
            self.begun += len(piece)
            if self.begun == len(picture.data):
                self.ahead.pop(0)
                self.begun = 0
        self.unused += bool(taken) and not used and pts is not None
        return (taken, pts) if taken else None

    def submit(self, data: Any, pts: int | None, layout: str = "annexb") -> None:
        """Submit, reaping as long as that is refused; a refused call leaves no trace."""
        while True:
            before = self.decoder.summary()
            try:
                self.decoder.submit(data, pts, layout=layout)
                return
            except Backpressure as refused:
                assert refused.depth >= refused.limit  # noqa: PT017
                after = self.decoder.summary()
                for name in ("submitted", "pts_unused", "pending_bytes", "delivered"):
                    assert after[name] == before[name]
            self.note(self.outcome(0.01))

    @rule(wrong=st.sampled_from(["data", "pts", "layout", "timeout"]))
    def wrong_argument(self, wrong: str) -> None:
        before = self.decoder.summary()["submitted"]
        given: dict[str, Any] = {"data": b"\0\0\1\x65", "pts": 5, "layout": "annexb", "timeout": 0}
        given[wrong] = {"data": b"", "pts": 0.5, "layout": "frame", "timeout": -1}[wrong]
        with pytest.raises(InvalidInput) as refused:
            self.decoder.submit(given.pop("data"), **given)
        assert refused.value.argument == wrong
        assert self.decoder.summary()["submitted"] == before

    # Output

    def outcome(self, seconds: float | None) -> Frame | VideoHwError | None:
        try:
            return self.decoder.reap_timeout(seconds)
        except VideoHwError as error:
            return error

    @rule()
    def try_reap(self) -> None:
        try:
            self.note(self.decoder.try_reap())
        except VideoHwError as error:
            self.note(error)

    @rule(seconds=st.sampled_from([0, 0.002]))
    def reap_timeout(self, seconds: float) -> None:
        self.note(self.outcome(seconds))

    def end_of_picture(self) -> None:
        """Submit what is left of a picture that was begun."""
        while self.begun:
            data = self.next_bytes(len(self.ahead[0].data) - self.begun, None)
            assert data is not None
            self.submit(*data)

    @rule(threads=st.sampled_from([1, 1, 2]), how=st.sampled_from(["flush", "iterate"]))
    def flush(self, threads: int, how: str) -> None:
        self.end_of_picture()
        ends = [self.flushed if how == "flush" else self.iterated] * threads
        outputs = [
            list(outputs) for outputs in together(*[lambda end=end: list(end()) for end in ends])
        ]
        self.note(*merged(self.expected, outputs))
        self.settle()
        assert self.decoder.flush(0) == []

    def flushed(self) -> Iterator[Frame | VideoHwError]:
        """Frames come only when all errors are told."""
        while True:
            try:
                yield from self.decoder.flush(PATIENCE_SECONDS)
                return
            except VideoHwError as error:
                yield error
                if error.fatal:
                    return

    def iterated(self) -> Iterator[Frame | VideoHwError]:
        while True:
            try:
                yield from self.decoder
                return
            except VideoHwError as error:
                yield error
                if error.fatal:
                    return

    @rule(seconds=st.sampled_from([0, 0.001]))
    def flush_that_may_run_out(self, seconds: float) -> None:
        """The stream ends there, whether or not the time is enough."""
        self.end_of_picture()
        try:
            self.note(*self.decoder.flush(seconds))
        except TimeoutError:
            pass
        except VideoHwError as error:
            self.note(error)
        self.flush(1, "flush")

    # Threads

    @precondition(lambda self: self.ahead)
    @rule(size=st.integers(50, 2000), reapers=st.integers(1, 3))
    def submit_and_reap_at_once(self, size: int, reapers: int) -> None:
        calls = []
        while (data := self.next_bytes(size, None)) is not None:
            calls.append(data)
        done = threading.Event()

        def submit() -> None:
            try:
                for data, pts in calls:
                    self.decoder.submit(data, pts, timeout=PATIENCE_SECONDS)
            finally:
                done.set()

        def reap() -> list[Frame | VideoHwError]:
            got = []
            while not done.is_set():
                output = self.outcome(0.002)
                got += [] if output is None else [output]
            return got

        _, *outputs = together(submit, *[reap] * reapers)
        self.note(*merged(self.expected, outputs))

    # Faults

    @rule(kind=st.sampled_from(["refuse", "bug"]), after=st.integers(0, 5))
    def codec_fails(self, kind: Any, after: int) -> None:
        self.faults.arm(kind, after)

    @rule(pictures=st.integers(1, 6), after=st.integers(0, 5))
    def device_is_lost(self, pictures: int, after: int) -> None:
        """What came before is delivered, the loss is told once, and only close is left."""
        self.flush(1, "flush")
        self.faults.disarm()
        self.ahead = []
        self.faults.arm("lost", min(after, pictures))
        self.ahead += self.coder.pictures(list(range(pictures)), True, -1)
        lost: Frame | VideoHwError | None = None
        for picture in self.ahead:
            self.expected.pictures.append(picture)
            while lost is None and not self.taken(picture):
                lost = self.until_lost()
        self.ahead = []
        patience = time.monotonic() + PATIENCE_SECONDS
        while lost is None:
            assert time.monotonic() < patience
            lost = self.until_lost()
        for call in (self.decoder.try_reap, self.decoder.flush, self.decoder.reset):
            with pytest.raises(SessionClosed, match="failed"):
                call()
        self.seen += self.met()
        self.reopen(self.options, False)

    def taken(self, picture: Picture) -> bool:
        try:
            self.decoder.submit(picture.nals, layout="access_unit")
        except (Backpressure, SessionClosed):
            return False
        return True

    def until_lost(self) -> DeviceLost | None:
        """Reap once; the loss when it is reached."""
        output = self.outcome(0.01)
        if isinstance(output, DeviceLost):
            return output
        self.note(output)
        return None

    # Life

    @rule(reaping=st.booleans())
    def reset(self, reaping: bool) -> None:
        """Whatever is under way is gone, also what another thread waits for."""
        beside = Call(lambda: self.outcome(0.005)) if reaping else None
        self.decoder.reset()
        self.faults.disarm()
        if beside is not None:
            output = beside.join()
            self.delivered += isinstance(output, Frame)
        assert self.decoder.try_reap() is None
        self.seen += self.met()
        self.was_reset = True
        if self.begun and not self.ahead[0].keyframe:
            self.ahead.pop(0)  # the rest of a picture whose start is gone belongs to none
        self.begun = 0  # without the sets of a keyframe nothing that follows can be decoded
        self.expected = Expected()
        self.settle()

    @rule(options=_OPTIONS, waiting=st.booleans())
    def reopen(self, options: dict[str, Any], waiting: bool) -> None:
        assert_closes(self.decoder, waiting)
        self.closed.append(weakref.ref(self.decoder))
        self.faults.disarm()
        del self.decoder
        self.open(options, True)
        self.seen += self.met()

    def teardown(self) -> None:
        try:
            if hasattr(self, "decoder"):
                try:
                    self.flush(1, "iterate")
                finally:
                    self.decoder.close()
                    self.closed.append(weakref.ref(self.decoder))
                    del self.decoder, self.expected
            gc.collect()
            assert [ref() for ref in self.closed] == [None] * len(self.closed)
            wait_for(lambda: threading.active_count() == self.threads_before)
        finally:
            self.plan.__exit__(None, None, None)


def assert_closes(decoder: Decoder, waiting: bool) -> None:
    """Close, while another thread waits for frames if asked; then every call says so."""
    waiter = Call(lambda: list(decoder)) if waiting else None
    decoder.close()
    if waiter is not None:
        waiter.wait()
        assert waiter.raised is None or isinstance(waiter.raised, VideoHwError)
    for call in (decoder.try_reap, decoder.flush, decoder.reset, lambda: list(decoder)):
        with pytest.raises(SessionClosed):
            call()
    decoder.close()


def test_decoder_keeps_to_the_model(backend: BackendCase) -> None:
    machine: Callable[[], DecoderMachine] = lambda: DecoderMachine(backend)  # noqa: E731
    run_state_machine_as_test(
        machine,
        settings=settings(life_settings(backend), stateful_step_count=30),
    )
