"""Calls that make no sense: each does something defined, which the documentation says.

Closing twice, use after closing, reaping from two threads, flushing again, beside another flush
or beside a reset, submitting to a stream that has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, assert_account
from tests.backends.faults import Faults
from tests.backends.pcm import PcmStream, Vui, gray_units, joined, number_of
from tests.backends.waiting import Call, together, wait_for
from videohw.errors import BackendError, InvalidBitstream, InvalidInput, SessionClosed
from videohw.frame import Frame

PICTURE = np.full((96, 64), 77, np.uint8)
PLAIN = Vui(num_reorder=0)


def lumas(frames: list[Frame]) -> list[int]:
    return [number_of(int(frame.planes[0][0, 0])) for frame in frames]


def calls_of(session: Any) -> dict[str, Callable[[], Any]]:
    """Every call that needs an open session."""
    data: Any = PICTURE if hasattr(session, "width") else b"\0\0\1\x09\xf0"
    calls = {
        "submit": lambda: session.submit(data),
        "submit, waiting": lambda: session.submit(data, timeout=None),
        "try_reap": session.try_reap,
        "reap_timeout": lambda: session.reap_timeout(None),
        "flush": session.flush,
        "iteration": lambda: list(session),
    }
    if hasattr(session, "reset"):
        calls["reset"] = session.reset
    return calls


# Closing


def test_closing_twice_does_nothing(backend: BackendCase, encoded: str) -> None:
    for session in (backend.decoder("h264"), backend.encoder(encoded, 64, 64)):
        session.close()
        session.close()
        with session:
            pass
        assert session.closed
        assert "closed" in repr(session)


def test_closing_from_many_threads_at_once(backend: BackendCase) -> None:
    decoder = backend.decoder("h264", max_in_flight=1)
    decoder.submit(joined(gray_units(20)))
    together(*[decoder.close] * 8)
    assert decoder.closed


def test_every_call_on_a_closed_session_says_so(backend: BackendCase, encoded: str) -> None:
    """After the ``with`` block as after close; whatever was queued or ready."""
    with backend.decoder("h264") as decoder, backend.encoder(encoded, 64, 64) as encoder:
        decoder.submit(joined(gray_units(3)))
        encoder.submit(PICTURE)
    for session in (decoder, encoder):
        for name, call in calls_of(session).items():
            with pytest.raises(SessionClosed, match="closed") as closed:
                call()
            assert closed.value.fatal, name
            assert closed.value.hint, name


def test_wrong_arguments_are_told_before_that(backend: BackendCase, encoded: str) -> None:
    """Of a decoder; an encoder looks at a picture only when it may take it."""
    decoder, encoder = backend.decoder("h264"), backend.encoder(encoded, 64, 64)
    decoder.close()
    encoder.close()
    with pytest.raises(InvalidInput):
        decoder.submit(b"")
    with pytest.raises(InvalidInput):
        decoder.reap_timeout(-1)
    with pytest.raises(SessionClosed):
        encoder.submit(None)
    with pytest.raises(InvalidInput):
        encoder.submit(PICTURE, timeout=-1)


def test_a_closed_session_still_says_what_it_did(backend: BackendCase, encoded: str) -> None:
    with backend.decoder("h264", max_in_flight=10) as decoder:
        decoder.submit(joined(gray_units(3)))
        decoder.flush(PATIENCE_SECONDS)
    with backend.encoder(encoded, 64, 64) as encoder:
        encoder.submit(PICTURE)
        encoder.flush(PATIENCE_SECONDS)
    assert (decoder.summary()["delivered"], encoder.summary()["delivered"]) == (3, 1)
    assert (decoder.codec, encoder.codec) == ("h264", encoded)
    assert decoder.backend == encoder.backend == backend.name
    assert encoder.extradata
    assert (decoder.summary()["ready"], encoder.summary()["ready"]) == (0, 0)


def test_closing_while_another_thread_iterates(backend: BackendCase) -> None:
    decoder = backend.decoder("h264", max_in_flight=2)
    decoder.submit(joined(gray_units(100)))
    seen: list[int] = []

    def iterate() -> None:
        for frame in decoder:
            seen.append(number_of(int(frame.planes[0][0, 0])))
            if len(seen) == 5:
                decoder.close()

    iterating = Call(iterate)
    iterating.wait()
    assert isinstance(iterating.raised, SessionClosed)
    assert seen == list(range(5))


def test_leaving_the_block_by_an_error_closes_and_raises_it(backend: BackendCase) -> None:
    def work() -> None:
        with decoder:
            decoder.submit(joined(gray_units(3)))
            raise ZeroDivisionError

    decoder = backend.decoder("h264")
    with pytest.raises(ZeroDivisionError):
        work()
    assert decoder.closed


# Reaping and flushing


def test_two_threads_that_reap_share_the_outputs(backend: BackendCase) -> None:
    def reap() -> list[int]:
        got = []
        while (frame := decoder.reap_timeout(0.2)) is not None:
            got.append(frame.decode_index)
        return got

    with backend.decoder("h264", max_in_flight=100) as decoder:
        decoder.submit(joined(gray_units(81, PcmStream(vui=PLAIN))))
        wait_for(lambda: decoder.summary()["ready"] == 80)
        first, second = together(reap, reap)
    assert sorted(first + second) == list(range(80))
    assert first == sorted(first)
    assert second == sorted(second)


def test_flushing_again_gives_nothing(backend: BackendCase, encoded: str) -> None:
    with (
        backend.decoder("h264", max_in_flight=10) as decoder,
        backend.encoder(encoded, 64, 64) as encoder,
    ):
        decoder.submit(joined(gray_units(3)))
        encoder.submit(PICTURE)
        for session, count in ((decoder, 3), (encoder, 1)):
            assert len(session.flush(PATIENCE_SECONDS)) == count
            assert session.flush(PATIENCE_SECONDS) == []
            assert session.flush(0) == []
            assert list(session) == []
            assert session.try_reap() is None


def test_two_threads_that_flush_share_no_output(backend: BackendCase) -> None:
    """One gets the stream, in one piece, and the other what came after it, here nothing."""
    with backend.decoder("h264", max_in_flight=2) as decoder:
        decoder.submit(joined(gray_units(60)))
        flushed = together(*[lambda: lumas(decoder.flush(PATIENCE_SECONDS))] * 4)
        assert sorted(flushed, key=len) == [[], [], [], list(range(60))]
        assert_account(decoder.summary())


def test_a_flush_beside_a_flush_keeps_its_time(backend: BackendCase, faults: Faults) -> None:
    faults.arm("stall")
    with backend.decoder("h264", max_in_flight=10) as decoder:
        decoder.submit(joined(gray_units(5)))
        first = Call(lambda: decoder.flush(PATIENCE_SECONDS)).until_it_waits()
        with pytest.raises(TimeoutError):
            decoder.flush(0.05)
        faults.release()
        assert lumas(first.join()) == list(range(5))


def test_reset_ends_a_flush_with_what_was_before(backend: BackendCase, faults: Faults) -> None:
    """The flush has nothing more to wait for; the pictures are counted as reset."""
    faults.arm("stall")
    with backend.decoder("h264", max_in_flight=10) as decoder:
        decoder.submit(joined(gray_units(5)))
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        flushing = Call(lambda: decoder.flush(PATIENCE_SECONDS)).until_it_waits()
        resetting = Call(decoder.reset).until_it_waits()
        faults.release()
        resetting.join()
        assert flushing.join() == []
        assert decoder.summary()["reasons"] == {"reset": 5}
        assert_account(decoder.summary())
        decoder.submit(joined(gray_units(4)))
        assert lumas(decoder.flush(PATIENCE_SECONDS)) == list(range(4))


def test_an_iterator_that_is_left_keeps_the_rest(backend: BackendCase, encoded: str) -> None:
    with (
        backend.decoder("h264", max_in_flight=3) as decoder,
        backend.encoder(encoded, 64, 64, max_in_flight=20) as encoder,
    ):
        decoder.submit(joined(gray_units(9)))
        for frame in decoder:
            if frame.decode_index == 2:
                break
        assert lumas(decoder.flush(PATIENCE_SECONDS)) == list(range(3, 9))
        for _ in range(9):
            encoder.submit(PICTURE)
        assert [packet.pts for packet, _ in zip(encoder, range(4), strict=False)] == list(range(4))
        # zip took one more from the iterator than it gave.
        assert [packet.pts for packet in encoder] == list(range(5, 9))
        assert encoder.summary()["delivered"] == 9


def test_submitting_after_a_flush_begins_a_stream(backend: BackendCase, encoded: str) -> None:
    with (
        backend.decoder("h264", max_in_flight=10) as decoder,
        backend.encoder(encoded, 64, 64, gop=0) as encoder,
    ):
        for turn in range(3):
            decoder.submit(joined(gray_units(4)))
            assert lumas(decoder.flush(PATIENCE_SECONDS)) == list(range(4))
            encoder.submit(PICTURE)
            (packet,) = encoder.flush(PATIENCE_SECONDS)
            assert (packet.pts, packet.keyframe) == (turn, True)


def test_submitting_beside_an_iteration_is_of_the_next_stream(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=1) as decoder:
        decoder.submit(joined(gray_units(6)))
        iterator = iter(decoder)
        first = [next(iterator)]
        late = Call(lambda: decoder.submit(joined(gray_units(5, first=100)), timeout=None))
        first += iterator
        late.join()
        assert lumas(first) == list(range(6))
        assert lumas(decoder.flush(PATIENCE_SECONDS)) == list(range(100, 105))


def test_reset_of_a_session_that_did_nothing(backend: BackendCase) -> None:
    with backend.decoder("h264", max_in_flight=10) as decoder:
        decoder.reset()
        decoder.reset()
        assert decoder.flush(PATIENCE_SECONDS) == []
        decoder.submit(joined(gray_units(3)))
        assert lumas(decoder.flush(PATIENCE_SECONDS)) == [0, 1, 2]
        decoder.reset()
        assert decoder.summary()["reasons"] == {}


@pytest.mark.parametrize("kind", ["refuse", "bug"])
def test_reaping_past_an_error_goes_on(backend: BackendCase, faults: Faults, kind: Any) -> None:
    """An error is raised to one caller, once; who comes next gets what is behind it."""
    faults.arm(kind, after=1)
    with backend.decoder("h264", max_in_flight=10) as decoder:
        decoder.submit(joined(gray_units(3, PcmStream(vui=PLAIN))))
        with pytest.raises((InvalidBitstream, BackendError)):
            decoder.flush(PATIENCE_SECONDS)
        assert lumas(decoder.flush(PATIENCE_SECONDS)) == [0, 2]
        assert decoder.flush(PATIENCE_SECONDS) == []
