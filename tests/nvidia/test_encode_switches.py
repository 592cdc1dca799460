"""Session switches on NVENC: reconfigured where the driver takes it, else a new encoder that was
opened before; no packet is lost, pts stay, dts increase, generations tell who coded what."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.control import Emulator
from tests.nvidia.encoding import (
    HEIGHT,
    WIDTH,
    emulated_encoders,
    nothing_left,
)
from tests.nvidia.switching import check, encoded, opened
from videohw import Encoder, NvidiaEncoderOptions, SwitchMode, SwitchRequest
from videohw.types import ConstantBitrate, ConstantQp


@pytest.fixture
def encoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers; a test leaves no handle and no misuse behind."""
    with emulated_encoders() as emulator:
        emulator.streams("late")
        with nothing_left(emulator):
            yield emulator


def test_a_bitrate_changes_without_a_keyframe(encoding: Emulator) -> None:
    with opened() as encoder:
        request = SwitchRequest({"rate_control": ConstantBitrate(200_000)})
        packets, errors = encoded(encoder, 12, {5: request})
        summary = encoder.summary()
    assert errors == []
    check(packets, 12)
    assert [each.keyframe for each in packets] == [True] + [False] * 11
    assert [each.generation for each in packets] == [0] * 5 + [1] * 7
    assert summary["reconfigured"] == 1
    assert summary["switch"]["state"] == "active"
    assert encoding.report()["calls"].get("nvEncReconfigureEncoder") == 1


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_another_preset_takes_another_encoder(encoding: Emulator, codec: str) -> None:
    with opened(codec=codec, b_frames=2) as encoder:
        packets, errors = encoded(encoder, 14, {6: SwitchRequest({"preset": "fastest"})})
        assert encoder.summary()["preset"] == "NV_ENC_PRESET_P1_GUID"
    assert errors == []
    check(packets, 14, codec)
    by_pts = sorted(packets, key=lambda each: each.pts)
    assert [each.keyframe for each in by_pts] == [pts in (0, 6) for pts in range(14)]
    assert [each.generation for each in by_pts] == [0] * 6 + [1] * 8
    assert encoding.report()["calls"]["nvEncOpenEncodeSessionEx"] >= 2


def test_a_size_within_the_largest_is_reconfigured(encoding: Emulator) -> None:
    options = NvidiaEncoderOptions(max_width=WIDTH, max_height=HEIGHT)
    with Encoder(
        "h264",
        160,
        96,
        fps=30,
        backend="nvidia",
        options=options,
        rate_control=ConstantQp(20, 20, 20),
    ) as encoder:
        request = SwitchRequest({"width": WIDTH, "height": HEIGHT})
        packets, errors = encoded(encoder, 10, {4: request})
        assert encoder.summary()["reconfigured"] == 1
    assert errors == []
    assert [each.keyframe for each in packets] == [number in (0, 4) for number in range(10)]
    assert [each.extradata is not None for each in packets] == [n in (0, 4) for n in range(10)]
    check(packets, 10)


def test_a_keyframe_of_another_size_counts_for_the_next_switch(encoding: Emulator) -> None:
    """The encoder counts its GOP from there, so that is where the next keyframe is."""
    rate = SwitchRequest({"rate_control": ConstantBitrate(200_000)}, SwitchMode.ON_NEXT_KEYFRAME)
    options = NvidiaEncoderOptions(max_width=WIDTH, max_height=HEIGHT)
    settings = {"gop": 10, "rate_control": ConstantBitrate(400_000), "options": options}
    with Encoder("h264", 160, 96, fps=30, backend="nvidia", **settings) as encoder:
        size = SwitchRequest({"width": WIDTH, "height": HEIGHT})
        packets, errors = encoded(encoder, 18, {4: size, 6: rate})
        assert encoder.summary()["reconfigured"] == 2
    assert errors == []
    assert [each.pts for each in packets if each.keyframe] == [0, 4, 14]
    assert [each.generation for each in packets] == [0] * 4 + [1] * 10 + [2] * 4


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_storm_of_switches_and_keyframes(encoding: Emulator, codec: str) -> None:
    chance = random.Random(7)
    count = 40
    requests = {}
    for number in range(1, count):
        changes: dict[str, Any] = {
            "rate_control": ConstantBitrate(chance.randrange(2, 9) * 100_000)
        }
        if chance.random() < 0.2:
            changes["preset"] = chance.choice(["fastest", "fast", "balanced"])
        mode = SwitchMode.DRAIN_THEN_SWAP if chance.random() < 0.1 else SwitchMode.IMMEDIATE
        requests[number] = SwitchRequest(changes, mode)
    forced = {number for number in range(count) if chance.random() < 0.2}
    with opened(codec=codec, b_frames=1) as encoder:
        packets, errors = encoded(encoder, count, requests, forced)
    assert errors == []
    check(packets, count, codec)
    by_pts = sorted(packets, key=lambda each: each.pts)
    assert [each.generation for each in by_pts] == list(range(count))
    assert all(each.keyframe for each in by_pts if each.pts in forced)
