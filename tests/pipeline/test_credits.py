"""Credits really limit: whatever the threads do, never more are taken than there are."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.threads import PATIENCE_SECONDS, Call, all_of
from videohw.errors import Backpressure, InvalidInput, SessionClosed
from videohw.pipeline import CreditStats, InFlightCredits


@given(st.integers(1, 4), st.lists(st.booleans(), max_size=40))
def test_counts_agree_with_a_model(limit: int, takes: list[bool]) -> None:
    credits, taken, peak = InFlightCredits(limit), 0, 0
    for take in takes:
        if take and taken < limit:
            credits.acquire(0)
            taken += 1
        elif take:
            assert not credits.try_acquire()
            with pytest.raises(Backpressure) as refused:
                credits.acquire(0)
            assert (refused.value.depth, refused.value.limit) == (limit, limit)
        elif taken:
            credits.release()
            taken -= 1
        else:
            with pytest.raises(InvalidInput, match="nobody took"):
                credits.release()
        peak = max(peak, taken)
        assert credits.snapshot() == CreditStats(taken, peak, limit)


def test_eight_threads_never_hold_more_than_the_limit() -> None:
    credits, lock = InFlightCredits(3), threading.Lock()
    inside = most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(300):
            with credits:
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    assert all_of([work] * 8) == [None] * 8
    assert most <= 3
    assert credits.snapshot() == CreditStats(0, credits.snapshot().peak, 3)
    assert credits.snapshot().peak <= 3


def test_a_credit_given_back_goes_to_who_waits() -> None:
    credits = InFlightCredits(1)
    credits.acquire()
    waiting = [Call(lambda: credits.acquire(PATIENCE_SECONDS)) for _ in range(3)]
    for _ in waiting:
        credits.release()  # by another thread than took it
        while credits.snapshot().in_flight == 0:
            pass
    assert [call.outcome() for call in waiting] == [None] * 3
    credits.release()


def test_close_wakes_everybody_and_credits_may_still_be_given_back() -> None:
    credits = InFlightCredits(1)
    credits.acquire()
    waiting = [Call(credits.acquire) for _ in range(3)]
    credits.close()
    assert {type(call.outcome()) for call in waiting} == {SessionClosed}
    credits.release()
    for call in (credits.try_acquire, credits.acquire):
        with pytest.raises(SessionClosed):
            call()


def test_a_wrong_limit_is_named() -> None:
    for limit in (0, True, 1.0, "2"):
        with pytest.raises(InvalidInput) as refused:
            InFlightCredits(limit)  # type: ignore[arg-type]
        assert refused.value.argument == "limit"
