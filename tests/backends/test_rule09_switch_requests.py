"""Rule 9, session switch: what may be asked, when, and what it says."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.backends.conftest import BackendCase, needs_encoder
from tests.backends.encoding import PATIENCE_SECONDS, accepted, nv12_pictures
from tests.backends.faults import Faults
from tests.backends.switching import SIDE, Run
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import InvalidInput, SessionClosed, UnsupportedConfig
from videohw.types import ConstantBitrate, ConstantQuality

MODES = pytest.mark.parametrize("mode", SwitchMode, ids=lambda mode: mode.value)


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"codec": "hevc"}, "codec"),
        ({"input": "rgb24"}, "input"),
        ({"layout": "annexb"}, "layout"),
        ({"time_base": Fraction(1, 90000)}, "time_base"),
        ({"device": 1}, "device"),
        ({"max_in_flight": 3}, "max_in_flight"),
        ({"options": None}, "options"),
        ({"fps": 25, "bitrate": 1}, "bitrate"),
        ({7: 25}, "changes"),
        ({}, "changes"),
        (None, "changes"),
        ([("fps", 25)], "changes"),
    ],
)
def test_what_cannot_be_switched_is_named(changes: Any, argument: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        SwitchRequest(changes)
    assert refused.value.argument == argument
    assert refused.value.hint


@pytest.mark.parametrize("mode", ["immediate", None, 1])
def test_a_mode_is_a_switch_mode(mode: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        SwitchRequest({"fps": 25}, mode)
    assert refused.value.argument == "mode"


def test_a_request_does_not_change_with_the_callers_mapping() -> None:
    changes = {"fps": 25}
    request = SwitchRequest(changes)
    changes["fps"] = 50
    assert request.changes == {"fps": 25}
    assert request.mode is SwitchMode.IMMEDIATE


@MODES
@pytest.mark.parametrize(
    ("changes", "error", "argument"),
    [
        ({"width": 0}, InvalidInput, "width"),
        ({"height": "tall"}, InvalidInput, "height"),
        ({"fps": -1}, InvalidInput, "fps"),
        ({"fps": 31}, InvalidInput, "fps"),  # a unit of the time base is a frame at 30
        ({"rate_control": 5}, InvalidInput, "rate_control"),
        ({"rate_control": ConstantQuality(64)}, InvalidInput, "rate_control.q"),
        ({"gop": -1}, InvalidInput, "gop"),
        ({"b_frames": -1}, InvalidInput, "b_frames"),
        ({"low_latency": True, "b_frames": 1}, InvalidInput, "b_frames"),
        ({"profile": 3}, InvalidInput, "profile"),
        ({"preset": "slowest"}, InvalidInput, "preset"),
        ({"color": "bt709"}, InvalidInput, "color"),
        ({"profile": "none such"}, UnsupportedConfig, "profile"),
        ({"width": 1 << 20}, UnsupportedConfig, "width"),
        ({"b_frames": 99}, UnsupportedConfig, "b_frames"),
    ],
)
def test_a_refused_request_changes_nothing(
    backend: BackendCase, mode: SwitchMode, changes: Any, error: type[Exception], argument: str
) -> None:
    with backend.encoder("h264", SIDE, SIDE, gop=0) as encoder:
        run = Run(encoder)
        run.submit(2)
        assert run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=25) == 1
        before = encoder.summary()["switch"]
        with pytest.raises(error) as refused:
            run.switch(mode, **changes)
        assert getattr(refused.value, "argument", None) == argument
        assert not getattr(refused.value, "fatal", True)
        assert encoder.summary()["switch"] == before
        run.submit(3)
        run.flush()
        run.check()
        assert {packet.generation for packet in run.packets} == {0}


@pytest.mark.parametrize("request_", [None, {"fps": 25}, SwitchMode.IMMEDIATE])
def test_a_request_is_a_switch_request(backend: BackendCase, request_: Any) -> None:
    with backend.encoder("h264", SIDE, SIDE) as encoder, pytest.raises(InvalidInput) as refused:
        encoder.request_session_switch(request_)
    assert refused.value.argument == "request"


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_no_room_for_decoding_times_is_refused_beforehand(backend: BackendCase, codec: str) -> None:
    needs_encoder(backend, codec)
    with backend.encoder(codec, SIDE, SIDE) as encoder:
        run = Run(encoder)
        # Before the first picture there is nothing that dts would have to follow.
        run.switch(b_frames=2)
        run.submit(4)
        run.switch(b_frames=0)
        run.submit(4)
        # dts stay behind by two pictures, so that B-pictures may come again.
        run.switch(b_frames=2)
        run.submit(4)
        run.flush()
        run.check()
    assert [run.pts_of(generation)[0] for generation in (1, 2, 3)] == [0, 4, 8]
    with backend.encoder(codec, SIDE, SIDE) as encoder:
        run = Run(encoder)
        run.submit(4)
        with pytest.raises(UnsupportedConfig, match="no room") as refused:
            run.switch(b_frames=2)
        assert refused.value.argument == "b_frames"
        assert "time_base" in str(refused.value.hint)


@MODES
def test_a_second_request_replaces_a_pending_one(
    backend: BackendCase, encoded: str, mode: SwitchMode
) -> None:
    with backend.encoder(encoded, SIDE, SIDE, gop=0) as encoder:
        run = Run(encoder)
        run.submit(3)
        assert run.switch(mode, width=128, height=112) == 1
        # In the place of the first, and without its changes.
        assert run.switch(SwitchMode.IMMEDIATE, fps=25) == 1
        assert (encoder.width, encoder.height, encoder.fps) == (SIDE, SIDE, 25)
        assert encoder.summary()["switch"]["changes"] == {"fps": 25}
        goes_on = encoder.summary()["switch"]["reconfigures"]
        changed = [] if goes_on and mode is not SwitchMode.DRAIN_THEN_SWAP else [3]
        run.submit(3)
        assert run.switch(SwitchMode.ON_NEXT_KEYFRAME, fps=20) == 2
        run.submit(2)
        assert run.switch(mode, fps=15) == 2
        run.submit(force=True)
        run.flush()
        run.check()
    assert [each.generation for each in run.submitted] == [0] * 3 + [1] * 5 + [2]
    assert run.keys == [0, *changed, 8]


@MODES
def test_before_the_first_picture_and_after_a_flush(
    backend: BackendCase, encoded: str, mode: SwitchMode
) -> None:
    with backend.encoder(encoded, SIDE, SIDE, gop=0) as encoder:
        run = Run(encoder)
        assert run.switch(mode, width=128, height=112) == 1
        assert encoder.flush() == []
        run.submit(3)
        run.flush()
        assert run.switch(mode, width=SIDE, height=SIDE) == 2
        assert run.switch(mode, width=112, height=SIDE) == 2
        assert encoder.flush() == []
        run.submit(3)
        assert run.switch(mode, fps=25) == 3
        run.flush()
        assert encoder.summary()["switch"]["state"] == "pending"
        run.submit(2)
        run.flush()
        run.check()
    assert [each.generation for each in run.submitted] == [1] * 3 + [2] * 3 + [3] * 2
    assert run.keys == [0, 3, 6]


@MODES
def test_after_close(backend: BackendCase, mode: SwitchMode) -> None:
    encoder = backend.encoder("h264", SIDE, SIDE)
    run = Run(encoder)
    run.submit(2)
    run.switch(mode, fps=25)
    encoder.close()
    with pytest.raises(SessionClosed):
        run.switch(mode, fps=20)
    assert encoder.summary()["switch"]["changes"] == {"fps": 25}


def test_pictures_have_the_size_in_force(backend: BackendCase, encoded: str) -> None:
    (small,), (large,) = nv12_pictures(1, SIDE, SIDE), nv12_pictures(1, 128, 112)
    with backend.encoder(encoded, SIDE, SIDE, gop=4) as encoder:
        encoder.submit(small)
        encoder.request_session_switch(
            SwitchRequest({"width": 128, "height": 112}, SwitchMode.ON_NEXT_KEYFRAME)
        )
        for index in range(1, 4):
            assert (encoder.width, encoder.height) == (SIDE, SIDE)
            with pytest.raises(InvalidInput) as refused:
                encoder.submit(large)
            assert refused.value.argument == "frame"
            # One that is forced is the keyframe that the switch waits for.
            with pytest.raises(InvalidInput):
                encoder.submit(small, force_keyframe=True)
            encoder.submit(small, index, timeout=None)
        assert (encoder.width, encoder.height) == (128, 112)
        with pytest.raises(InvalidInput):
            encoder.submit(small)
        assert encoder.summary()["switch"]["state"] == "pending"
        encoder.submit(large, timeout=None)
        assert encoder.summary()["switch"]["state"] == "active"
        packets = encoder.flush()
        assert [packet.generation for packet in packets] == [0] * 4 + [1]
        assert [packet.pts for packet in packets if packet.keyframe] == [0, 4]
        assert encoder.summary()["submitted"] == 5


def test_the_summary_shows_what_was_asked_and_what_is_in_force(backend: BackendCase) -> None:
    before, after = ConstantBitrate(900_000), ConstantBitrate(300_000)
    with backend.encoder("h264", SIDE, SIDE, rate_control=before) as encoder:
        run = Run(encoder)
        run.submit(3)
        summary = encoder.summary()
        assert (summary["generation"], summary["switch"]) == (0, None)
        run.switch(SwitchMode.ON_NEXT_KEYFRAME, rate_control=after)
        summary = encoder.summary()
        assert summary["generation"] == 0
        assert summary["rate_control"] == before
        assert summary["switch"] == {
            "state": "pending",
            "generation": 1,
            "mode": "on_next_keyframe",
            "changes": {"rate_control": after},
            "reconfigures": "ConstantBitrate" in summary["switch_reconfigures"],
            "error": None,
        }
        run.submit(force=True)
        summary = encoder.summary()
        assert summary["generation"] == 1
        assert summary["rate_control"] == after
        assert summary["switch"]["state"] == "active"


@pytest.mark.parametrize("sides", [(SIDE, 2 * SIDE), (2 * SIDE, SIDE)], ids=["up", "down"])
def test_the_limit_on_queued_pictures_is_that_of_the_new_size(
    backend: BackendCase, faults: Faults, sides: tuple[int, int]
) -> None:
    before, after = (nv12_pictures(1, side, side)[0] for side in sides)
    limit = 8
    with backend.encoder("h264", sides[0], sides[0], max_in_flight=limit) as encoder:
        faults.arm("stall")
        faults.arm("stall", after=1)  # the new encoder too, where it begins by itself
        encoder.submit(before)
        assert faults.wait_until_stalled(PATIENCE_SECONDS)
        encoder.request_session_switch(SwitchRequest({"width": sides[1], "height": sides[1]}))
        count = 1
        while accepted(encoder, after):
            count += 1
        faults.disarm()
        # The first picture is one of the other size, pictures are padded, and two encoders may have
        # one each.
        assert limit // 2 <= count <= limit + 2
        assert len(encoder.flush(PATIENCE_SECONDS)) == count
