"""Rule 9, session switch: every mode with every kind of change acts at an exact picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from tests.backends.conftest import BackendCase
from tests.backends.encoding import (
    PARAMETER_SETS,
    PATIENCE_SECONDS,
    check_times,
    encode,
    nv12_pictures,
    unit_types,
)
from tests.backends.switching import SIDE, Run, due
from videohw.color import ColorSpec
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import UnsupportedConfig
from videohw.machine import capabilities
from videohw.types import (
    Capability,
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    VariableBitrate,
)

# Pictures before the request, until the next keyframe is due, and in all.
GOP, ASKED, DUE, ALL = 7, 5, 7, 17
FINE: dict[str, Any] = {"time_base": (1, 90000)}


@dataclass(frozen=True)
class Kind:
    """A change: what the encoder is opened with, and the new values."""

    changes: dict[str, Any]
    opened: dict[str, Any] = field(default_factory=dict)
    reordered: int = 0  # B-pictures that it needs at most
    step: int = 1


KINDS = {
    "bitrate": Kind(
        {"rate_control": ConstantBitrate(300_000)}, {"rate_control": ConstantBitrate(900_000)}
    ),
    "variable bitrate": Kind(
        {"rate_control": VariableBitrate(300_000)}, {"rate_control": VariableBitrate(900_000)}
    ),
    "quality": Kind(
        {"rate_control": ConstantQuality(32)}, {"rate_control": ConstantQuality(20)}
    ),
    "quantiser": Kind({"rate_control": ConstantQp(30)}, {"rate_control": ConstantQp(20)}),
    "rate control": Kind(
        {"rate_control": ConstantQuality(25)}, {"rate_control": ConstantBitrate(900_000)}
    ),
    "frame rate": Kind({"fps": 15}),
    "faster": Kind({"fps": (60000, 1001)}, FINE, step=1500),
    "gop": Kind({"gop": 4}),
    "b_frames more": Kind({"b_frames": 2}, FINE, 2, step=3000),
    "b_frames fewer": Kind({"b_frames": 0}, {"b_frames": 2}, 2),
    "b_frames one more": Kind({"b_frames": 3}, {"b_frames": 1, **FINE}, 3, step=3000),
    "size": Kind({"width": SIDE + 32, "height": SIDE + 16}),
    "preset": Kind({"preset": "fast"}),
    "low latency": Kind({"low_latency": True}),
    "color": Kind({"color": ColorSpec(matrix="bt2020nc", range="full")}),
    "many": Kind(
        {"width": SIDE * 2, "fps": 25, "gop": 6, "rate_control": ConstantQuality(24)},
        {"rate_control": ConstantBitrate(900_000)},
    ),
}  # fmt: skip
PROFILES = {"h264": ("main", "high444"), "hevc": ("main", "main10"), "av1": (None, "main")}
PLAIN = {"h264": ("main", "high")}  # where the first are not there


def kind_for(name: str, codec: str, answer: Capability) -> Kind:
    if name != "profile":
        return KINDS[name]
    before, after = PROFILES[codec]
    if after not in answer.details.get("profiles", (after,)):
        before, after = PLAIN[codec]
    return Kind({"profile": after}, {"profile": before})


def encoding(backend: BackendCase, codec: str) -> Capability:
    (answer,) = [c for c in capabilities(codec, backend.name) if c.direction == "encode"]
    return answer


def opened(backend: BackendCase, codec: str, kind: Kind) -> Encoder:
    arguments = {"gop": GOP, "rate_control": ConstantQuality(24), **kind.opened}
    return backend.encoder(codec, SIDE, SIDE, **arguments)


@pytest.mark.parametrize("mode", SwitchMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", [*KINDS, "profile"])
def test_every_change_acts_at_its_picture_and_loses_nothing(
    backend: BackendCase, encoded: str, name: str, mode: SwitchMode
) -> None:
    answer = encoding(backend, encoded)
    kind = kind_for(name, encoded, answer)
    if name == "quantiser" and not backend.fixes_quantisers:
        with pytest.raises(UnsupportedConfig) as refused:
            opened(backend, encoded, kind)
        assert refused.value.argument == "rate_control"
        return
    if kind.reordered > (answer.max_b_frames or 0):
        with pytest.raises(UnsupportedConfig) as refused, opened(backend, encoded, kind) as encoder:
            Run(encoder).switch(mode, **kind.changes)
        assert refused.value.argument == "b_frames"
        return
    first = DUE if mode is SwitchMode.ON_NEXT_KEYFRAME else ASKED
    with opened(backend, encoded, kind) as encoder:
        run = Run(encoder, kind.step)
        run.submit(ASKED)
        assert run.switch(mode, **kind.changes) == 1
        switch = encoder.summary()["switch"]
        assert (switch["state"], switch["generation"]) == ("pending", 1)
        assert (switch["mode"], switch["changes"]) == (mode.value, kind.changes)
        run.submit(ALL - ASKED)
        assert encoder.summary()["switch"]["state"] == "active"
        reconfigures = switch["reconfigures"]
        run.flush()
        assert [each.generation for each in run.submitted] == [0] * first + [1] * (ALL - first)
        run.check(reconfigured=reconfigures)
    if reconfigures:
        expected = due(0, ALL, GOP)
    else:
        # One keyframe by the switch, and from there on by the gop then in force.
        gop = kind.changes.get("gop", GOP)
        expected = due(0, first, GOP) + due(first, ALL - first, gop)
    assert run.keys == [run.submitted[index].pts for index in expected]
    assert mode is not SwitchMode.DRAIN_THEN_SWAP or not reconfigures


@pytest.mark.parametrize("layout", ["annexb", "length_prefixed"])
def test_the_first_packet_of_another_size_brings_its_parameter_sets(
    backend: BackendCase, encoded: str, layout: str
) -> None:
    with backend.encoder(encoded, SIDE, SIDE, gop=0, layout=layout) as encoder:
        run = Run(encoder)
        run.submit(6)
        run.switch(width=128, height=112)
        assert (encoder.width, encoder.height) == (128, 112)
        run.submit(6)
        run.flush()
        records = {packet.pts: packet.extradata for packet in run.packets if packet.extradata}
        assert list(records) == [0, 6]
        assert records[0] != records[6] == encoder.extradata
        summary = encoder.summary()
        assert (summary["width"], summary["height"]) == (128, 112)
        if layout == "annexb":
            run.check()
            packet = next(packet for packet in run.packets if packet.pts == 6)
            assert set(unit_types(encoded, packet.data)) >= PARAMETER_SETS[encoded]


def test_drain_then_swap_gives_every_packet_without_another_picture(
    backend: BackendCase, encoded: str
) -> None:
    with backend.encoder(encoded, SIDE, SIDE, preset="balanced", max_in_flight=20) as encoder:
        run = Run(encoder)
        run.submit(10)
        run.switch(SwitchMode.DRAIN_THEN_SWAP, fps=25)
        while len(run.packets) < 10:
            packet = encoder.reap_timeout(30)
            assert packet is not None
            assert packet.generation == 0
            run.packets.append(packet)
        assert encoder.summary()["switch"]["state"] == "pending"
        run.submit(5)
        run.flush()
        run.check()
    assert run.pts_of(1) == list(range(10, 15))


@pytest.mark.parametrize("mode", SwitchMode, ids=lambda mode: mode.value)
def test_a_keyframe_forced_at_the_switch_is_the_only_one(
    backend: BackendCase, encoded: str, mode: SwitchMode
) -> None:
    with backend.encoder(encoded, SIDE, SIDE, gop=0) as encoder:
        run = Run(encoder)
        run.submit(5)
        run.switch(mode, fps=25)
        run.submit(force=True)
        run.submit(6)
        run.flush()
        run.check()
    assert run.keys == [0, 5]
    assert run.pts_of(1) == list(range(5, 12))


def test_on_next_keyframe_waits_for_one_that_is_known_beforehand(
    backend: BackendCase, encoded: str
) -> None:
    """Where the library places keyframes at its own will, it takes one forced, or a flush."""
    with backend.encoder(encoded, SIDE, SIDE, gop=None) as encoder:
        run = Run(encoder)
        run.submit(12)
        run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=25)
        run.submit(12)
        assert encoder.summary()["switch"]["state"] == "pending"
        run.flush()
        run.submit(3)
        assert encoder.summary()["switch"]["state"] == "active"
        run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=20)
        run.submit(2)
        run.submit(force=True)
        run.submit(2)
        run.flush()
        run.check()
    assert run.pts_of(1) == list(range(24, 29))
    assert run.pts_of(2) == list(range(29, 32))
    assert run.keys == [0, 24, 29]


def test_on_next_keyframe_counts_from_forced_keyframes_and_switches(
    backend: BackendCase, encoded: str
) -> None:
    with backend.encoder(encoded, SIDE, SIDE, gop=8) as encoder:
        run = Run(encoder)
        run.submit(3)
        run.submit(force=True)  # at 3, so that the next ones are due at 11 and 19
        run.submit(2)
        run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=25)
        run.submit(8)
        run.switch(gop=5)  # at 14, so that the next ones are due at 19 and 24
        run.submit(6)
        run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=20)
        run.submit(8)
        run.flush()
        run.check()
    assert [run.pts_of(generation)[0] for generation in range(4)] == [0, 11, 14, 24]
    assert run.keys == [0, 3, 11, 14, 19, 24]


def test_times_and_durations_follow_the_frame_rate(backend: BackendCase, encoded: str) -> None:
    with backend.encoder(encoded, SIDE, SIDE, time_base=(1, 600)) as encoder:
        packets = []
        for fps in (30, 25, Fraction(600, 7)):
            if fps != 30:
                encoder.request_session_switch(SwitchRequest({"fps": fps}))
            assert encoder.fps == fps
            packets += encode(encoder, nv12_pictures(3, SIDE, SIDE), flush=False)
        packets += encoder.flush(PATIENCE_SECONDS)
    check_times(packets, [0, 20, 40, 60, 84, 108, 132, 139, 146])
    assert [packet.duration for packet in packets] == [20] * 3 + [24] * 3 + [7] * 3
