"""The fuzz target finds what is planted: a target that finds nothing proves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import videohw.bitstream.sei
from fuzz import parser, target
from fuzz.case import FRAME_CODECS, LAYOUTS, OUTPUTS, Case, pack_frames, unpack_frames
from fuzz.finding import Violation, signature
from fuzz.minimise import shortest
from fuzz.mutate import MUTATIONS, fresh_case
from fuzz.seeds import clips, join, load, split
from tests.backends.pcm import PcmStream, Vui, gray_units, joined
from tests.backends.waiting import wait_for
from videohw.backend import Account
from videohw.decoder import Decoder
from videohw.decoding.fault_policy import PictureLedger, Verdict
from videohw.frame import Frame
from videohw.known_names import DECODER_CODECS, ON_ERROR

STREAM = joined(gray_units(8, PcmStream(vui=Vui(num_reorder=0))))
# Begins with pictures that lack what they refer to.
LATE = joined(gray_units(4)[1:]) + STREAM
CLEAN = Case(payload=STREAM, clean_after=True)


def shows(case: Case, what: str) -> None:
    """Some run of the case, with other cuts and another end, must find ``what``."""
    for seed in range(30):
        try:
            target.run(replace(case, seed=seed).to_bytes())
        except Violation as found:
            assert what in str(found)  # noqa: PT017 - runs that find nothing are no failure
            return
    pytest.fail(f"not found: {what}")


def test_a_clean_case_shows_nothing() -> None:
    for seed in range(20):
        target.run(replace(CLEAN, seed=seed, max_in_flight=1 + seed % 4).to_bytes())


def test_an_open_account_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Account.add

    def add(account: Account, reason: str, count: int = 1) -> None:
        if reason != "no_reference":
            real(account, reason, count)

    monkeypatch.setattr(Account, "add", add)
    shows(Case(payload=LATE), "the account is open")


def test_a_picture_that_comes_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    twice(monkeypatch, lambda frames: frames + frames[-1:])
    shows(CLEAN, "a picture came twice")


def test_pictures_out_of_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    twice(monkeypatch, lambda frames: frames[::-1])
    (seed,) = (seed for seed in clips() if seed.codec == "vp8")
    case = Case(codec="vp8", payload=pack_frames(seed.units), max_in_flight=16)
    shows(case, "pictures out of order")


def twice(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Frame]], list[Frame]]) -> None:
    real = Decoder.flush
    monkeypatch.setattr(Decoder, "flush", lambda decoder, timeout: change(real(decoder, timeout)))


def test_a_corrupt_frame_under_the_wrong_policy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = PictureLedger.shown

    def shown(ledger: PictureLedger, serial: int, *, corrupt: bool) -> Any:
        verdict = real(ledger, serial, corrupt=corrupt)
        return verdict._replace(corrupt=True) if isinstance(verdict, Verdict) else verdict

    monkeypatch.setattr(PictureLedger, "shown", shown)
    shows(replace(CLEAN, on_error="skip"), "a corrupt frame")


def test_a_session_that_is_of_no_use_afterwards_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    target.clean("h264", "software")
    real = Decoder.submit

    def submit(decoder: Decoder, data: Any, pts: int | None = None, **rest: Any) -> None:
        if decoder.summary()["submitted"] < 8:
            real(decoder, data, pts, **rest)

    monkeypatch.setattr(Decoder, "submit", submit)
    shows(CLEAN, "a clean stream gives 0 frames")


def test_a_wait_without_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Decoder.submit

    def submit(decoder: Decoder, *arguments: Any, **named: Any) -> None:
        real(decoder, *arguments, **named)
        wait_for(lambda: decoder.summary()["ready"] or not decoder.summary()["queued_bytes"])

    # All of a stream may be queued before the worker has its first turn.
    monkeypatch.setattr(Decoder, "submit", submit)
    monkeypatch.setattr(Decoder, "reap_timeout", lambda *_: None)
    monkeypatch.setattr(Decoder, "try_reap", lambda *_: None)
    shows(replace(CLEAN, max_in_flight=1, payload=STREAM * 30), "no output in")


def test_a_foreign_exception_of_the_worker_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(ledger: PictureLedger, serial: int, *, corrupt: bool) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(PictureLedger, "shown", shown)
    shows(CLEAN, "unexpected in the worker")


def test_a_foreign_exception_of_the_parser_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(nal: bytes, codec: str) -> Any:
        raise IndexError("planted")

    monkeypatch.setattr(videohw.bitstream.sei, "parse", parse)
    case = Case(payload=b"\0\0\1\x06\x05\x01\x00\x80" + STREAM, parser_only=True)
    with pytest.raises(IndexError) as found:
        target.run(case.to_bytes())
    assert signature(found.value) == "IndexError in test_target.py:parse"


def test_a_parser_that_heeds_the_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = parser.open_assembler

    def careless(codec: str, **limits: int) -> Any:
        assembler = real(codec, **limits)

        class Careless:
            def __getattr__(self, name: str) -> Any:
                return getattr(assembler, name)

            def feed(self, data: bytes) -> None:
                # A unit ends wherever a call does.
                assembler.feed(data, end_of_unit=True)

        return Careless()

    monkeypatch.setattr(parser, "open_assembler", careless)
    shows(replace(CLEAN, parser_only=True), "the cut changes the units")


# Cases and mutation


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_case(data: bytes) -> None:
    case = Case.from_bytes(data)
    again = Case.from_bytes(case.to_bytes())
    # Two of the four layouts are the same.
    assert again == case


@given(
    case=st.builds(
        Case,
        codec=st.sampled_from(DECODER_CODECS),
        parser_only=st.booleans(),
        on_error=st.sampled_from(ON_ERROR),
        output=st.sampled_from(OUTPUTS),
        threads=st.sampled_from((1, None)),
        low_latency=st.booleans(),
        layout=st.sampled_from(LAYOUTS),
        max_in_flight=st.integers(1, 16),
        with_extradata=st.booleans(),
        clean_after=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
        payload=st.binary(max_size=50),
    )
)
def test_a_case_is_its_bytes(case: Case) -> None:
    assert Case.from_bytes(case.to_bytes()) == case


@given(frames=st.lists(st.binary(min_size=1, max_size=20)))
def test_frames_in_a_payload(frames: list[bytes]) -> None:
    assert unpack_frames(pack_frames(frames)) == frames


def test_seeds_are_cut_and_joined_again() -> None:
    seeds = load(whole_corpus=False)
    assert {seed.codec for seed in seeds} == set(DECODER_CODECS)
    for seed in seeds:
        if seed.codec not in FRAME_CODECS:
            data = join(seed.codec, seed.units)
            units = split(seed.codec, data)
            assert b"".join(units) == data
            assert len(units) == len(seed.units)


def test_the_same_seed_makes_the_same_cases() -> None:
    seeds = load(whole_corpus=False)
    cases = [fresh_case(Random(number), seeds) for number in range(50)]
    assert cases == [fresh_case(Random(number), seeds) for number in range(50)]
    assert len({json.dumps(case.payload.hex()) for case in cases}) > 40


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_changes_something_and_not_the_seed(mutation: Any) -> None:
    units = [bytes(range(40, 60)), b"\0\0\1\x65abcdef", b"\0\0\1\x41ghijkl"]
    before = list(units)
    results = [mutation(Random(seed), list(units), tuple(units)) for seed in range(40)]
    assert units == before
    assert any(result != before for result in results)


def test_an_input_is_cut_down_to_what_shows_it() -> None:
    found = shortest(bytes(range(256)) * 4, lambda data: b"\x10" in data and b"\x80" in data)
    assert sorted(found) == [0x10, 0x80]
