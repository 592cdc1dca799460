"""Rule 9, session switch: from several threads, and in any order of calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.backends.conftest import BackendCase, needs_encoder
from tests.backends.encoding import check_times, nv12_pictures, witness
from tests.backends.switching import SIDE, Run
from tests.backends.waiting import PATIENCE_SECONDS, Call, wait_for
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import InvalidInput, SessionClosed
from videohw.types import ConstantBitrate, ConstantQuality, Packet

CHANGES: list[dict[str, Any]] = [
    {"rate_control": ConstantBitrate(300_000)},
    {"rate_control": ConstantBitrate(600_000)},
    {"rate_control": ConstantQuality(35)},
    {"rate_control": ConstantQuality(25)},
    {"fps": 25},
    {"fps": 20, "preset": "fast"},
]


def test_one_submits_one_reaps_one_switches_one_flushes(backend: BackendCase, encoded: str) -> None:
    packets: list[Packet] = []
    requests, flushes = 12, 4
    pictures = nv12_pictures(30, SIDE, SIDE)
    with backend.encoder(encoded, SIDE, SIDE, gop=0, max_in_flight=4) as encoder:

        def submitted() -> int:
            return int(encoder.summary()["submitted"])

        def wait_for_more(count: int) -> None:
            enough = submitted() + count
            wait_for(lambda: submitted() >= enough)

        def switch() -> None:
            modes = list(SwitchMode)
            for index in range(requests):
                changes = CHANGES[index % len(CHANGES)]
                encoder.request_session_switch(SwitchRequest(changes, modes[index % len(modes)]))
                wait_for_more(3)

        def flush() -> None:
            for _ in range(flushes):
                wait_for_more(7)
                packets.extend(encoder.flush(PATIENCE_SECONDS))

        callers = [Call(switch), Call(flush)]

        def submit() -> None:
            pts = 0
            while not all(caller.ended for caller in callers):
                encoder.submit(pictures[pts % 30], pts, timeout=PATIENCE_SECONDS)
                pts += 1

        submitter = Call(submit)

        def reap() -> None:
            while not submitter.ended:
                packet = encoder.reap_timeout(0.01)
                packets.extend([packet] if packet else [])

        for call in [*callers, submitter, Call(reap)]:
            call.join()
        packets += encoder.flush(PATIENCE_SECONDS)
        summary = encoder.summary()
    check_shared(encoded, packets, summary, requests, flushes)


def check_shared(
    codec: str, packets: list[Packet], summary: dict[str, Any], requests: int, flushes: int
) -> None:
    assert summary["submitted"] == summary["delivered"] == len(packets)
    assert summary["reasons"] == {}
    packets.sort(key=lambda packet: packet.dts)  # two threads took them
    check_times(packets, range(len(packets)))
    assert all(a.generation <= b.generation for a, b in pairwise(packets))
    # Those on the next keyframe may have been replaced, the others not.
    assert requests * 2 // 3 <= packets[-1].generation <= requests
    keys = [packet for packet in packets if packet.keyframe]
    assert len(keys) <= 1 + requests + flushes
    assert len(witness(codec, packets)) == len(packets)


def test_a_flush_that_comes_between_makes_the_keyframe_that_a_switch_waits_for(
    backend: BackendCase,
) -> None:
    """Whichever of the two threads is first: no switch misses a keyframe, and none is added."""
    needs_encoder(backend, "h264")
    packets: list[Packet] = []
    pictures = nv12_pictures(60, SIDE, SIDE)
    with backend.encoder("h264", SIDE, SIDE, gop=0, max_in_flight=99) as encoder:
        stop = threading.Event()

        def flush() -> None:
            while not stop.is_set():
                packets.extend(encoder.flush(PATIENCE_SECONDS))

        flusher = Call(flush)
        for index, picture in enumerate(pictures):
            if index % 10 == 5:
                request = SwitchRequest({"fps": 20 + index % 7}, SwitchMode.ON_NEXT_KEYFRAME)
                encoder.request_session_switch(request)
            encoder.submit(picture, index, timeout=PATIENCE_SECONDS)
        stop.set()
        flusher.join()
        packets += encoder.flush(PATIENCE_SECONDS)
    check_times(packets, range(60))
    starts = [b for a, b in pairwise(packets) if a.generation != b.generation]
    assert all(packet.keyframe for packet in starts)
    # A switch waits for no second keyframe: from its request on, at most one picture comes
    # before a keyframe that is not its own.
    for request in range(5, 60, 10):
        keys = [p.pts for p in packets if p.keyframe and p.pts >= request]
        begun = [p.pts for p in starts if p.pts >= request]
        assert keys[:1] == begun[:1]


@pytest.mark.parametrize("mode", SwitchMode, ids=lambda mode: mode.value)
def test_close_while_a_switch_is_asked_for(backend: BackendCase, mode: SwitchMode) -> None:
    needs_encoder(backend, "h264")
    picture = nv12_pictures(1, SIDE, SIDE)[0]
    encoder = backend.encoder("h264", SIDE, SIDE)
    encoder.submit(picture)
    asked = threading.Event()

    def switch() -> None:
        while True:
            encoder.request_session_switch(SwitchRequest({"fps": 25}, mode))
            asked.set()

    call = Call(switch)
    assert asked.wait(PATIENCE_SECONDS)
    encoder.close()
    with pytest.raises(SessionClosed):
        call.join()


@dataclass
class Model:
    """What the documents say of keyframes and generations, for one thread."""

    settings: dict[str, Any]
    generation: int = 0
    since: int | None = None  # pictures since the last keyframe; None: the next one is one
    pending: tuple[SwitchMode, dict[str, Any]] | None = None
    reconfigures: bool = False

    def ask(self, mode: SwitchMode, settings: dict[str, Any], reconfigures: bool) -> int:
        self.pending, self.reconfigures = (mode, settings), reconfigures
        if mode is SwitchMode.DRAIN_THEN_SWAP:
            self.since = None
        return self.generation + 1

    def picture(self, force: bool) -> bool:
        """Whether the next picture is a keyframe."""
        gop = self.settings["gop"]
        key = force or self.since is None or (gop > 0 and self.since >= gop)
        if self.pending and (key or self.pending[0] is not SwitchMode.ON_NEXT_KEYFRAME):
            key = key or not self.reconfigures or self.resizes()
            self.generation += 1
            self.settings, self.pending = self.pending[1], None
        self.since = 1 if key or self.since is None else self.since + 1
        return key

    def resizes(self) -> bool:
        """Whether the switch to come is to another size, which begins with a keyframe always."""
        old, new = self.settings, self.pending[1] if self.pending else {}
        return any(old.get(side, SIDE) != new.get(side, SIDE) for side in ("width", "height"))


STEPS = st.one_of(
    st.tuples(st.just("submit"), st.integers(1, 6), st.booleans()),
    st.tuples(st.just("switch"), st.sampled_from(SwitchMode), st.sampled_from([
        *CHANGES, {"gop": 3}, {"gop": 0}, {"width": 128, "height": 112}, {"width": SIDE},
        {"low_latency": True}, {"b_frames": 0}, {"b_frames": 2},
    ])),
    st.just(("flush",)),
)  # fmt: skip


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@settings(
    max_examples=settings().max_examples // 2,  # of each codec
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=3, max_size=12))
@example(
    steps=[
        ("switch", SwitchMode.IMMEDIATE, {"low_latency": True}),
        ("submit", 3, False),
        ("switch", SwitchMode.IMMEDIATE, {"b_frames": 2}),
        ("submit", 3, False),
    ]
)
@example(
    steps=[
        ("submit", 3, False),
        ("switch", SwitchMode.DRAIN_THEN_SWAP, {"gop": 3}),
        ("switch", SwitchMode.ON_NEXT_KEYFRAME, {"fps": 25}),
        ("submit", 6, False),
    ]
)
@example(
    steps=[
        ("switch", SwitchMode.IMMEDIATE, {"width": 128, "height": 112}),
        ("submit", 3, False),
        ("switch", SwitchMode.IMMEDIATE, {"width": SIDE}),
        ("submit", 3, False),
        ("switch", SwitchMode.ON_NEXT_KEYFRAME, {"rate_control": ConstantBitrate(600_000)}),
        ("submit", 4, False),
    ]
)
def test_any_order_of_calls(backend: BackendCase, codec: str, steps: list[Any]) -> None:
    needs_encoder(backend, codec)
    model = Model({"gop": 5})
    keys, generations = [], []
    with backend.encoder(
        codec, SIDE, SIDE, gop=5, time_base=(1, 90000), rate_control=ConstantBitrate(900_000)
    ) as encoder:
        run = Run(encoder, 3000)
        for step in steps:
            if step[0] == "flush":
                run.flush()
                model.since = None
            elif step[0] == "submit":
                for _ in range(step[1]):
                    keys.append(model.picture(step[2]))
                    generations.append(model.generation)
                    run.submit(force=step[2])
            elif codec == "av1" and step[2].get("b_frames"):
                continue
            else:
                switch(run, model, *step[1:])
        run.flush()
        run.check(least_psnr=20, reconfigured=True)
    assert [each.generation for each in run.submitted] == generations
    pts = [each.pts for each in run.submitted]
    assert run.keys == [time for time, key in zip(pts, keys, strict=True) if key]


def switch(run: Run, model: Model, mode: SwitchMode, changes: dict[str, Any]) -> None:
    config = {**model.settings, **changes}
    if config.get("low_latency") and config.get("b_frames"):
        with pytest.raises(InvalidInput):
            run.switch(mode, **changes)
        return
    generation = run.switch(mode, **changes)
    reconfigures = run.encoder.summary()["switch"]["reconfigures"]
    assert generation == model.ask(mode, config, reconfigures)
