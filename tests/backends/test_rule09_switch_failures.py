"""Rule 9, session switch: one that fails leaves the encoder as it was, and says so in its place.

What really fails when its turn comes, with every codec that has B-pictures: a switch to more
B-pictures whose first pts leaves no room for decoding times, though the time base would.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends.conftest import BackendCase, needs_encoder
from tests.backends.encoding import PATIENCE_SECONDS, nv12_pictures, witness
from tests.backends.faults import Faults
from tests.backends.switching import SIDE, Run
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import InvalidInput, UnsupportedConfig, VideoHwError
from videohw.types import ConstantBitrate, Packet

STEP = 3000
SMALL, LARGE = nv12_pictures(1, SIDE, SIDE)[0], nv12_pictures(1, 128, 112)[0]
REORDERED = pytest.mark.parametrize("codec", ["h264", "hevc"])
MODES = pytest.mark.parametrize("mode", SwitchMode, ids=lambda mode: mode.value)


def opened(backend: BackendCase, codec: str, **arguments: Any) -> Encoder:
    needs_encoder(backend, codec)
    arguments = {"time_base": (1, 90000), "gop": 0, "max_in_flight": 30, **arguments}
    return backend.encoder(codec, SIDE, SIDE, **arguments)


def everything(encoder: Encoder) -> list[Packet | VideoHwError]:
    """What a flush gives, errors in their place."""
    outputs: list[Packet | VideoHwError] = []
    while True:
        try:
            for packet in encoder:
                outputs.append(packet)
            return outputs
        except VideoHwError as error:
            outputs.append(error)


@REORDERED
@MODES
def test_a_switch_that_fails_is_rolled_back(
    backend: BackendCase, codec: str, mode: SwitchMode
) -> None:
    # The balanced preset looks ahead, so that packets are owed when the switch is reached.
    with opened(backend, codec, preset="balanced") as encoder:
        run = Run(encoder, STEP)
        run.submit(6)
        assert run.switch(mode, b_frames=2) == 1
        close = run.submitted[-1].pts + 1
        run.submit(pts=close, force=mode is SwitchMode.ON_NEXT_KEYFRAME)
        run.submit(5)
        outputs = everything(encoder)
        (error,) = [each for each in outputs if isinstance(each, VideoHwError)]
        assert isinstance(error, UnsupportedConfig)
        assert (error.argument, error.fatal) == ("b_frames", False)
        assert f"pts {close}" in str(error)
        # In its place: behind every picture before, before every one after.
        place = outputs.index(error)
        run.packets += [each for each in outputs if isinstance(each, Packet)]
        assert [p.pts for p in run.packets[:place]] == [each.pts for each in run.submitted[:6]]
        for each in run.submitted:
            each.generation = 0
        run.check()
        switch = encoder.summary()["switch"]
        assert (switch["state"], switch["error"]) == ("failed", error)
        assert encoder.summary()["generation"] == 0
        # The number is not used again, and the encoder can still be switched.
        assert run.switch(b_frames=2) == 2
        run.submit(5)
        run.flush()
        run.check()
    assert {packet.generation for packet in run.packets} == {0, 2}


@REORDERED
def test_pictures_of_a_size_that_failed_are_reported_one_by_one(
    backend: BackendCase, codec: str, faults: Faults
) -> None:
    with opened(backend, codec) as encoder:
        encoder.submit(SMALL, 0)
        encoder.submit(SMALL, STEP)
        faults.arm("stall")  # the worker at the first picture, which thus learns of all too late
        encoder.request_session_switch(SwitchRequest({"b_frames": 2, "width": 128, "height": 112}))
        encoder.submit(LARGE, STEP + 1)
        times = [STEP + 1]
        if encoder.summary()["switch"]["state"] == "failed":  # it is known before a worker comes
            with pytest.raises(InvalidInput):
                encoder.submit(LARGE, STEP + 2)
        else:
            encoder.submit(LARGE, STEP + 2)
            times.append(STEP + 2)
        faults.disarm()
        outputs = everything(encoder)
        assert [p.pts for p in outputs if isinstance(p, Packet)] == [0, STEP]
        failed, *lost = [each for each in outputs if isinstance(each, VideoHwError)]
        assert isinstance(failed, UnsupportedConfig)
        for pts, error in zip(times, lost, strict=True):
            assert isinstance(error, InvalidInput)
            assert f"pts {pts} " in str(error)
        summary = encoder.summary()
        assert summary["reasons"] == {"error": len(times)}
        assert summary["submitted"] == summary["delivered"] + len(times) == 2 + len(times)
        # The encoder says the size that it has, and goes on.
        assert (encoder.width, encoder.height) == (SIDE, SIDE)
        with pytest.raises(InvalidInput):
            encoder.submit(LARGE)
        encoder.submit(SMALL)
        (packet,) = encoder.flush(PATIENCE_SECONDS)
        assert (packet.generation, packet.keyframe) == (0, True)


@REORDERED
@pytest.mark.parametrize(
    "change", [{"fps": 25}, {"rate_control": ConstantBitrate(300_000)}], ids=["rebuild", "rate"]
)
def test_a_switch_behind_one_that_fails_is_carried_out(
    backend: BackendCase, codec: str, faults: Faults, change: dict[str, Any]
) -> None:
    """It was asked for on top of the one that failed, whose changes it brings."""
    with opened(backend, codec, rate_control=ConstantBitrate(900_000)) as encoder:
        faults.arm("stall")
        encoder.submit(SMALL, 0)
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        large = {"b_frames": 2, "width": 128, "height": 112}
        assert encoder.request_session_switch(SwitchRequest(large)) == 1
        encoder.submit(LARGE, 1)
        if encoder.summary()["switch"]["state"] == "failed":
            faults.disarm()
            pytest.skip(f"{backend.name} knows before the next request that a switch failed")
        assert encoder.request_session_switch(SwitchRequest(change)) == 2
        for index in range(1, 6):
            encoder.submit(LARGE, index * STEP)
        faults.disarm()
        outputs = everything(encoder)
        packets = [each for each in outputs if isinstance(each, Packet)]
        assert [type(each) for each in outputs[:3]] == [Packet, UnsupportedConfig, InvalidInput]
        assert len(outputs) == len(packets) + 2 == 8
        assert [packet.generation for packet in packets] == [0] + [2] * 5
        assert [packet.pts for packet in packets if packet.keyframe] == [0, STEP]
        dts = [packet.dts for packet in packets]
        assert dts == sorted(set(dts))
        assert [each.planes[0].shape for each in witness(codec, packets)] == [
            (SIDE, SIDE), *[(112, 128)] * 5
        ]  # fmt: skip
        summary = encoder.summary()
        assert summary["switch"]["state"] == "active"
        assert (summary["generation"], summary["reasons"]) == (2, {"error": 1})


def test_an_error_of_a_picture_does_not_stop_a_switch(
    backend: BackendCase, encoded: str, faults: Faults
) -> None:
    with opened(backend, encoded) as encoder:
        faults.arm("refuse", after=3)
        for index in range(6):
            if index == 3:
                encoder.request_session_switch(SwitchRequest({"fps": 25}))
                rebuilds = not encoder.summary()["switch"]["reconfigures"]
            encoder.submit(SMALL, index * STEP)
        outputs = everything(encoder)
        packets = [each for each in outputs if isinstance(each, Packet)]
        (error,) = [each for each in outputs if isinstance(each, VideoHwError)]
        assert f"pts {3 * STEP}" in str(error)
        assert [p.generation for p in packets] == [0] * 3 + [1] * 2
        assert [p.pts for p in packets if p.keyframe] == [0, 4 * STEP] if rebuilds else [0]
        assert encoder.summary()["reasons"] == {"error": 1}
