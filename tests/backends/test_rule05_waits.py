"""Rule 5, waits: each ends in its time, lets other threads run, and ends when another closes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.backends.conftest import BackendCase
from tests.backends.encoding import accepted, nv12_pictures, reaped
from tests.backends.faults import Faults
from tests.backends.pcm import PcmStream, Vui, gray_units, joined
from tests.backends.waiting import PATIENCE_SECONDS, Call, wait_for
from tests.corpus import stream
from videohw.encoder import Encoder
from videohw.errors import Backpressure, SessionClosed
from videohw.frame import Frame

PICTURE = np.full((96, 64), 77, np.uint8)
PLAIN = Vui(num_reorder=0)
# Each wait below is asked for this long. The bound above it is no measure of speed: on a machine
# as loaded as can be a wait that is honoured ends far below it, and one for ever does not.
SECONDS = 0.15
AT_MOST_SECONDS = 20.0
# What another thread counts to before it ends a wait. It takes milliseconds; a thread that waits
# with the interpreter's lock would keep it from counting at all.
COUNT = 200_000


class Blocked:
    """A session whose next call must wait: nothing to reap, and no room.

    Its codec is stalled, one output is ready in ``full`` ones, and no thread has reaped.
    """

    def __init__(self, session: Any, submit: Callable[..., None]) -> None:
        self.session = session
        self.submit = submit

    def call(self, name: str, seconds: float | None) -> Callable[[], Any]:
        """The call of this name that waits for ``seconds``."""
        return {
            "submit": lambda: self.submit(timeout=seconds),
            "reap_timeout": lambda: self.session.reap_timeout(seconds),
            "flush": lambda: self.session.flush(seconds),
        }[name]


@pytest.fixture(params=["decoder", "encoder"])
def blocked(request: pytest.FixtureRequest, backend: BackendCase, faults: Faults) -> Any:
    """A session with its codec stalled and its input full."""
    faults.arm("stall")
    if request.param == "decoder":
        data = joined(gray_units(8, PcmStream(vui=PLAIN)))
        decoder = backend.decoder("h264", max_pending_bytes=1, max_in_flight=100)
        decoder.submit(data)
        session: Any = decoder
        submit: Callable[..., None] = lambda timeout: decoder.submit(data, timeout=timeout)  # noqa: E731
    else:
        session = encoder = backend.encoder("h264", 64, 64, low_latency=True, max_in_flight=30)
        submit = lambda timeout: encoder.submit(PICTURE, timeout=timeout)  # noqa: E731
        submit(0)
        # Else the codec may take one more picture when the queue was full already.
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        while True:
            try:
                submit(0)
            except Backpressure:
                break
    assert faults.wait_until_stalled(PATIENCE_SECONDS)
    with session:
        yield Blocked(session, submit)
        faults.disarm()


WAITS = ("submit", "reap_timeout", "flush")
ENDS: dict[str, Any] = {"submit": Backpressure, "flush": TimeoutError}


def timed(call: Callable[[], Any]) -> float:
    """Seconds that the call took."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


# Time


@pytest.mark.parametrize("seconds", [0.0, SECONDS, 2 * SECONDS])
@pytest.mark.parametrize("name", WAITS)
def test_a_wait_takes_the_time_that_was_given(blocked: Blocked, name: str, seconds: float) -> None:
    """Not less, by the clock that all of Python's waits go by, and no other length."""

    def call() -> None:
        if name in ENDS:
            with pytest.raises(ENDS[name]):
                blocked.call(name, seconds)()
        else:
            assert blocked.call(name, seconds)() is None

    submitted = blocked.session.summary()["submitted"]
    assert seconds <= timed(call) < AT_MOST_SECONDS
    summary = blocked.session.summary()
    assert (summary["delivered"], summary["ready"]) == (0, 0)
    if name != "flush":  # which ends the picture that the parser holds
        assert summary["submitted"] == submitted


def test_a_try_never_waits(blocked: Blocked) -> None:
    assert timed(lambda: [blocked.session.try_reap() for _ in range(100)]) < AT_MOST_SECONDS
    assert blocked.session.try_reap() is None


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("seconds", [PATIENCE_SECONDS, None])
def test_a_wait_ends_as_soon_as_it_can(
    blocked: Blocked, faults: Faults, name: str, seconds: float | None
) -> None:
    """And lets other threads run: one counts before it makes an end of the wait."""
    call = Call(blocked.call(name, seconds)).until_it_waits()
    counted = 0
    while counted < COUNT:
        counted += 1
    assert not call.ended
    faults.release()
    if name == "submit":  # what was queued has become as many outputs, which are in its way
        wait_for(lambda: call.ended or (blocked.session.try_reap() and False))
    call.join()


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("seconds", [PATIENCE_SECONDS, None])
def test_close_ends_a_wait_at_once(
    blocked: Blocked, faults: Faults, name: str, seconds: float | None
) -> None:
    """Even while the codec does not come back, for which close itself waits."""
    call = Call(blocked.call(name, seconds)).until_it_waits()
    assert not call.ended
    closing = Call(blocked.session.close)
    call.wait()
    assert isinstance(call.raised, SessionClosed)
    assert not closing.ended
    faults.release()
    closing.join()


def test_close_ends_an_iteration(blocked: Blocked, faults: Faults) -> None:
    call = Call(lambda: list(blocked.session)).until_it_waits()
    closing = Call(blocked.session.close)
    call.wait()
    assert isinstance(call.raised, SessionClosed)
    faults.release()
    closing.join()


def test_every_waiter_is_told(blocked: Blocked, faults: Faults) -> None:
    calls = [Call(blocked.call(name, None)).until_it_waits() for name in WAITS for _ in range(2)]
    closing = Call(blocked.session.close)
    for call in calls:
        call.wait()
    assert [type(call.raised) for call in calls] == [SessionClosed] * 6
    faults.release()
    closing.join()


# What becomes of the wait's session


@pytest.mark.parametrize("limit", [1, 8])
def test_flush_that_runs_out_of_time_keeps_everything(backend: BackendCase, limit: int) -> None:
    """Longer and longer tries, until one is long enough: all frames come from that one."""
    each = stream("generated/main_cabac_b2.h264")
    with backend.decoder(each.codec, max_in_flight=limit) as decoder:
        decoder.submit(each.read() * 6)
        tries = 0
        frames: list[Frame] = []
        while not frames:
            tries += 1
            try:
                frames = decoder.flush(0.001 * tries)
            except TimeoutError:
                assert decoder.summary()["delivered"] == 0
        assert tries > 1
        assert len(frames) == 6 * each.frames
        assert decoder.summary()["delivered"] == 6 * each.frames


def test_an_encoders_flush_that_runs_out_of_time_keeps_everything(
    backend: BackendCase, encoded: str, faults: Faults
) -> None:
    with backend.encoder(encoded, 64, 64) as encoder:
        faults.arm("stall", after=2)
        for _ in range(5):
            encoder.submit(PICTURE)
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        for seconds in (0, 0.01):
            with pytest.raises(TimeoutError):
                encoder.flush(seconds)
        assert encoder.summary()["delivered"] == 0
        faults.release()
        assert [p.pts for p in encoder.flush(PATIENCE_SECONDS)] == list(range(5))
        assert encoder.flush(PATIENCE_SECONDS) == []


def test_what_is_submitted_after_a_flush_that_ran_out_is_not_lost(
    blocked: Blocked, faults: Faults
) -> None:
    with pytest.raises(TimeoutError):
        blocked.session.flush(0.01)
    queued = blocked.session.summary()["submitted"]
    faults.release()
    outputs: list[Any] = []
    while not outputs or blocked.session.summary()["submitted"] == queued:
        outputs.append(blocked.session.reap_timeout(PATIENCE_SECONDS))
        with contextlib.suppress(Backpressure):
            blocked.submit(timeout=0)
    outputs += blocked.session.flush(PATIENCE_SECONDS) + blocked.session.flush(PATIENCE_SECONDS)
    summary = blocked.session.summary()
    assert len(outputs) == summary["delivered"] == summary["submitted"] > queued


# A wait for room, and who makes it


def test_full_outputs_are_waited_for(backend: BackendCase) -> None:
    """Outputs at their limit, where only another thread's reaping can help."""
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(gray_units(40)))
        wait_for(lambda: decoder.summary()["ready"] == 1)

        def refused() -> None:
            with pytest.raises(Backpressure, match="max_in_flight=1"):
                decoder.submit(b"\0\0\1\x09\xf0", timeout=SECONDS)

        assert SECONDS <= timed(refused) < AT_MOST_SECONDS
        waiting = Call(lambda: decoder.submit(b"\0\0\1\x09\xf0", timeout=None)).until_it_waits()
        assert not waiting.ended
        frames = decoder.flush(PATIENCE_SECONDS)
        waiting.join()
        assert len(frames + decoder.flush(PATIENCE_SECONDS)) == 40


def test_submit_waits_for_another_thread_that_reaps(backend: BackendCase, encoded: str) -> None:
    packets = []
    all_given = threading.Event()
    with backend.encoder(encoded, 64, 64, max_in_flight=2) as encoder:

        def reap() -> None:
            while not all_given.is_set():
                packet = encoder.reap_timeout(0.02)
                packets.extend([packet] if packet else [])

        reaper = Call(reap)
        for picture in nv12_pictures(100, 64, 64):
            encoder.submit(picture, timeout=None)
        all_given.set()
        reaper.join()
        early = len(packets)
        packets += encoder.flush(PATIENCE_SECONDS)
    assert early > 20
    assert [packet.pts for packet in packets] == list(range(100))


def test_a_thread_that_reaps_does_not_wait_for_itself(backend: BackendCase, encoded: str) -> None:
    """The plain loop of one thread ends, though it says that it would wait for ever."""
    packets = []
    with backend.encoder(encoded, 64, 64, max_in_flight=1, low_latency=True) as encoder:
        count = 0
        for _ in range(40):
            packets += reaped(encoder)
            try:
                encoder.submit(PICTURE, timeout=None)
                count += 1
            except Backpressure:
                continue
        packets += encoder.flush(PATIENCE_SECONDS)
    assert count > 3
    assert [packet.pts for packet in packets] == list(range(count))


def test_the_thread_that_reaped_last_is_refused_at_once(backend: BackendCase) -> None:
    with backend.encoder("h264", 64, 64, max_in_flight=1, low_latency=True) as encoder:
        encoder.submit(PICTURE)
        assert encoder.reap_timeout(PATIENCE_SECONDS) is not None
        fill(encoder)

        def refused() -> None:
            with pytest.raises(Backpressure, match="outputs are ready"):
                encoder.submit(PICTURE, timeout=None)

        assert timed(refused) < AT_MOST_SECONDS


def fill(encoder: Encoder) -> None:
    """Submit until nothing more is taken because nothing is reaped."""
    wait_for(lambda: not accepted(encoder, PICTURE) and encoder.summary()["ready"] == 1)


def test_a_thread_is_not_taken_for_one_that_ended(backend: BackendCase) -> None:
    """A later thread may have the number of the one that reaped last."""
    with backend.encoder("h264", 64, 64, max_in_flight=1, low_latency=True) as encoder:
        encoder.submit(PICTURE)
        numbers: list[int] = []

        def reap() -> None:
            assert encoder.reap_timeout(PATIENCE_SECONDS) is not None
            numbers.append(threading.get_ident())

        def submit() -> bool:
            if threading.get_ident() != numbers[0]:
                return False
            with pytest.raises(Backpressure):
                encoder.submit(PICTURE, timeout=SECONDS)
            return True

        reaper = threading.Thread(target=reap)
        reaper.start()
        reaper.join()
        fill(encoder)
        for _ in range(100):
            began = time.monotonic()
            if Call(submit).join():
                assert time.monotonic() - began >= SECONDS
                return
        pytest.fail("no thread got the number of the one that ended")


class Slow:
    """A picture that another library takes long to give away."""

    def __init__(self) -> None:
        self.asked, self.ready = threading.Event(), threading.Event()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # memory of the host

    def __dlpack__(self, **given: Any) -> Any:
        self.asked.set()
        assert self.ready.wait(PATIENCE_SECONDS)
        return PICTURE.__dlpack__()


def submitted_until_full(encoder: Encoder) -> int:
    for count in range(100):
        try:
            encoder.submit(PICTURE, count, timeout=0)
        except Backpressure:
            return count
    return 100


def test_a_picture_that_is_staged_holds_nobody_up(backend: BackendCase) -> None:
    """It is a copy on the caller's thread: others submit meanwhile, or are told at once that a
    limit is reached, and it takes its place when it is there."""
    slow = Slow()
    with backend.encoder("h264", 64, 64, max_in_flight=4) as encoder:
        staging = Call(lambda: encoder.submit(slow, 100, timeout=PATIENCE_SECONDS))
        assert slow.asked.wait(PATIENCE_SECONDS)
        try:
            count = Call(lambda: submitted_until_full(encoder)).join()
            assert 0 < count < 100
            assert not staging.ended
        finally:
            slow.ready.set()
        packets = [packet.pts for packet in encoder.flush(PATIENCE_SECONDS)]
        staging.join()
        packets += [packet.pts for packet in encoder.flush(PATIENCE_SECONDS)]
    assert packets == [*range(count), 100]
