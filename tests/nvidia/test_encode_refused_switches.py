"""Session switches on NVENC that are refused: what was stays, each is told, nobody waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.waiting import Call, wait_for
from tests.emulators.control import Emulator
from tests.nvidia.encoding import (
    HEIGHT,
    PATIENCE_SECONDS,
    WIDTH,
    check_pictures,
    decoded,
    emulated_encoders,
    nothing_left,
    picture,
)
from tests.nvidia.switching import (
    check,
    encoded,
    encoded_from,
    opened,
    switched_at_the_next_keyframe,
    taken,
)
from videohw import Encoder, NvidiaEncoderOptions, SwitchRequest
from videohw.errors import BackendError, InvalidInput, UnsupportedConfig, VideoHwError
from videohw.types import ConstantBitrate, ConstantQp, Packet

REFUSES = 8  # NV_ENC_ERR_INVALID_PARAM
NOT_SUPPORTED = 12  # NV_ENC_ERR_UNSUPPORTED_PARAM


@pytest.fixture
def encoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers; a test leaves no handle and no misuse behind."""
    with emulated_encoders() as emulator:
        emulator.streams("late")
        with nothing_left(emulator):
            yield emulator


def test_a_refused_change_keeps_what_was(encoding: Emulator) -> None:
    encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 1)
    with opened() as encoder:
        request = SwitchRequest({"rate_control": ConstantBitrate(200_000)})
        packets, errors = encoded(encoder, 12, {5: request})
        assert encoder.summary()["switch"]["state"] == "failed"
        (error,) = errors
        assert isinstance(error, BackendError)
        assert (error.call, error.code, error.fatal) == ("nvEncReconfigureEncoder", REFUSES, False)
        check(packets, 12)
        assert {each.generation for each in packets} == {0}
        # The next one is made.
        more, errors = encoded_after(encoder, 12, 6, request)
        assert errors == []
        assert {each.generation for each in more} == {2}


def test_two_refused_changes_keep_what_was(encoding: Emulator) -> None:
    """The second was asked for before anybody knew that the first fails."""
    with opened(max_in_flight=20) as encoder:
        encoding.fault("nvEncEncodePicture", "stall", 400)
        encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 2)
        requests = {
            number: SwitchRequest({"rate_control": ConstantBitrate(100_000 * number)})
            for number in (2, 3)
        }
        packets, errors = encoded(encoder, 8, requests)
        assert [type(each) for each in errors] == [BackendError] * 2
        check(packets, 8)
        assert [each.generation for each in packets] == [0] * 8
        assert encoder.summary()["generation"] == 0


def encoded_after(
    encoder: Encoder, first: int, count: int, request: SwitchRequest
) -> tuple[list[Packet], list[VideoHwError]]:
    encoder.request_session_switch(request)
    numbers = range(first, first + count)
    return list(encoder.encode((picture(number), number) for number in numbers)), []


def test_pictures_of_a_size_that_was_refused_end_in_errors(encoding: Emulator) -> None:
    encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 1)
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
        for number in range(3):
            encoder.submit(picture(number, 160, 96), number)
        encoder.request_session_switch(SwitchRequest({"width": WIDTH, "height": HEIGHT}))
        encoder.submit(picture(3), 3)
        errors: list[VideoHwError] = []
        packets: list[Packet] = []
        while len(packets) < 3 or len(errors) < 2:
            try:
                packet = encoder.reap_timeout(PATIENCE_SECONDS)
            except VideoHwError as error:
                errors.append(error)
            else:
                assert packet is not None
                packets.append(packet)
        encoder.submit(picture(4, 160, 96), 4)
        packets += encoder.flush(PATIENCE_SECONDS)
        assert encoder.summary()["reasons"] == {"error": 1}
    assert [each.pts for each in packets] == [0, 1, 2, 4]
    assert isinstance(errors[0], BackendError)
    assert isinstance(errors[1], InvalidInput)
    assert "failed" in str(errors[1])


def test_a_rate_behind_a_size_that_was_refused_brings_the_size(encoding: Emulator) -> None:
    """Nobody knew of the refusal when the second was asked for, of the size that was to come."""
    encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 1)
    options = NvidiaEncoderOptions(max_width=WIDTH, max_height=HEIGHT)
    rate = ConstantBitrate(400_000)
    with Encoder(
        "h264", 160, 96, fps=30, backend="nvidia", options=options, rate_control=rate
    ) as encoder:
        for number in range(3):
            encoder.submit(picture(number, 160, 96), number)
        encoder.request_session_switch(SwitchRequest({"width": WIDTH, "height": HEIGHT}))
        encoder.submit(picture(3), 3)
        request = SwitchRequest({"rate_control": ConstantBitrate(200_000)})
        packets, errors = encoded_from(encoder, 4, 4, request)
        assert encoder.summary()["switch"]["state"] == "active"
    assert [type(each) for each in errors] == [BackendError, InvalidInput]
    assert "pts 3" in str(errors[1])
    assert [each.pts for each in packets] == [0, 1, 2, 4, 5, 6, 7]
    assert [each.generation for each in packets] == [0] * 3 + [2] * 4
    assert [each.pts for each in packets if each.keyframe] == [0, 4]
    check_pictures(packets, "h264", {each.pts: each.pts for each in packets})
    shapes = [luma.shape for _, luma in decoded(packets, "h264")]
    assert shapes == [(96, 160)] * 3 + [(HEIGHT, WIDTH)] * 4


def test_each_refusal_says_what_was_refused(encoding: Emulator) -> None:
    """Two sizes, one behind the other, and both are refused: whose words, which switch, and what
    size the encoder still has."""
    encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 1)
    encoding.fault("nvEncReconfigureEncoder", "fail", NOT_SUPPORTED, 2, 1)
    options = NvidiaEncoderOptions(max_width=WIDTH, max_height=HEIGHT)
    with Encoder("h264", 160, 96, fps=30, backend="nvidia", options=options) as encoder:
        for number in range(3):
            encoder.submit(picture(number, 160, 96), number)
        encoder.request_session_switch(SwitchRequest({"width": WIDTH, "height": HEIGHT}))
        encoder.submit(picture(3), 3)
        request = SwitchRequest({"height": 112})
        packets, errors = encoded_from(encoder, 4, 1, request)
        assert (encoder.width, encoder.height) == (160, 96)
    assert [each.pts for each in packets] == [0, 1, 2]
    words = [str(each) for each in errors]
    assert len(words) == 4
    for index, pts, number, size, code in (
        (0, 3, 1, f"{WIDTH}x{HEIGHT}", REFUSES),
        (2, 4, 2, f"{WIDTH}x112", NOT_SUPPORTED),
    ):
        assert f"planned to answer {code}" in words[index]
        assert f"the picture at pts {pts} is {size}" in words[index + 1]
        assert f"session switch {number}, which failed" in words[index + 1]
        assert "goes on with 160x96" in words[index + 1]


def test_a_new_encoder_that_fails_counts_for_no_keyframe(encoding: Emulator) -> None:
    """The GOP of the encoder that goes on is counted as though it had not been asked for."""
    with opened(gop=10, time_base=Fraction(1, 300)) as encoder:
        packets = []
        for number in range(4):
            encoder.submit(picture(number), 10 * number)
        encoder.request_session_switch(SwitchRequest({"b_frames": 2}))
        encoder.submit(picture(4), 31)  # too close to the one before for pictures to be reordered
        while len(packets) < 5:
            with suppress(UnsupportedConfig):
                packet = encoder.reap_timeout(PATIENCE_SECONDS)
                packets += [] if packet is None else [packet]
        assert encoder.summary()["switch"]["state"] == "failed"
        packets += switched_at_the_next_keyframe(encoder, range(5, 22))
    assert [each.pts for each in packets if each.keyframe] == [0, 100, 200]
    assert {each.pts for each in packets if each.generation} == set(range(100, 220, 10))


def test_a_refused_size_makes_the_next_picture_a_keyframe(encoding: Emulator) -> None:
    """The encoder ended its stream for it, so a switch that waits for a keyframe acts there."""
    encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 1)
    options = NvidiaEncoderOptions(max_width=WIDTH, max_height=HEIGHT)
    settings = {"gop": 10, "options": options, "time_base": Fraction(1, 300)}
    rate = ConstantBitrate(400_000)
    with Encoder(
        "h264", 160, 96, fps=30, backend="nvidia", rate_control=rate, **settings
    ) as encoder:
        for number in range(3):
            encoder.submit(picture(number, 160, 96), 10 * number)
        encoder.request_session_switch(SwitchRequest({"width": WIDTH, "height": HEIGHT}))
        encoder.submit(picture(3), 30)
        packets: list[Packet] = []
        errors: list[VideoHwError] = []
        while len(packets) < 3 or len(errors) < 2:
            packet = taken(encoder, errors)
            packets += [] if packet is None else [packet]
        packets += switched_at_the_next_keyframe(encoder, range(5, 18))
    assert [each.pts for each in packets if each.keyframe] == [0, 50, 150]
    assert {each.pts for each in packets if each.generation} == set(range(50, 180, 10))


@pytest.mark.parametrize("forced", [{3}, {4}, {3, 5}, {5}])
def test_a_keyframe_forced_at_a_size_that_is_refused_is_none(
    encoding: Emulator, forced: set[int]
) -> None:
    """Its picture has the size that did not come, and ends in an error: the next one that is coded
    is the keyframe, from where the GOP is counted."""
    encoding.fault("nvEncEncodePicture", "stall", 400)  # so that nobody knows of the refusal
    encoding.fault("nvEncReconfigureEncoder", "fail", REFUSES, 1, 1)
    options = NvidiaEncoderOptions(max_width=WIDTH, max_height=HEIGHT)
    settings = {"gop": 10, "options": options, "time_base": Fraction(1, 300)}
    rate = ConstantBitrate(400_000)
    with Encoder(
        "h264", 160, 96, fps=30, backend="nvidia", rate_control=rate, max_in_flight=20, **settings
    ) as encoder:
        for number in range(3):
            encoder.submit(picture(number, 160, 96), 10 * number)
        encoder.request_session_switch(SwitchRequest({"width": WIDTH, "height": HEIGHT}))
        for number in range(3, 6):
            encoder.submit(picture(number), 10 * number, force_keyframe=number in forced)
        packets: list[Packet] = []
        errors: list[VideoHwError] = []
        while len(packets) < 3 or len(errors) < 4:
            packet = taken(encoder, errors)
            packets += [] if packet is None else [packet]
        assert [type(each) for each in errors] == [BackendError] + [InvalidInput] * 3
        packets += switched_at_the_next_keyframe(encoder, range(6, 19))
    assert [each.pts for each in packets if each.keyframe] == [0, 60, 160]
    assert {each.pts for each in packets if each.generation} == set(range(60, 190, 10))


def test_a_picture_staged_in_vain_holds_nobody_up(
    encoding: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in a buffer of the encoder that does not come, and is copied anew: meanwhile others
    reap and submit, and it is staged once as far as anybody counts."""
    copies, goes_on = threading.Event(), threading.Event()
    planes: list[object] = []
    slow_ones: set[int] = set()
    copied = np.copyto

    def copy(*arguments: Any) -> None:
        if threading.get_ident() in slow_ones:
            planes.append(arguments[1])
            if len(planes) == 3:  # luma, for the second time
                copies.set()
                assert goes_on.wait(PATIENCE_SECONDS)
        copied(*arguments)

    def submit_one() -> None:
        slow_ones.add(threading.get_ident())
        encoder.submit(picture(2), 12)

    with opened(time_base=Fraction(1, 300), metrics=True) as encoder:
        for number in range(2):
            encoder.submit(picture(number), number * 10)
        encoder.request_session_switch(SwitchRequest({"b_frames": 2}))
        monkeypatch.setattr(np, "copyto", copy)
        slow = Call(submit_one)
        try:
            wait_for(copies.is_set)
            assert encoder.summary()["switch"]["state"] == "failed"
            packets: list[Packet] = []
            errors: list[VideoHwError] = []
            while len(packets) < 2 or not errors:
                packet = Call(lambda: taken(encoder, errors)).join()
                packets += [] if packet is None else [packet]
            assert [type(each) for each in errors] == [UnsupportedConfig]
            Call(lambda: encoder.submit(picture(3), 11, timeout=0)).join()
            assert not slow.ended
        finally:
            goes_on.set()
            slow.wait()
        assert slow.raised is None
        packets += encoder.flush(PATIENCE_SECONDS)
        stages = {name: seen.count for name, seen in encoder.metrics().stages.items()}
    assert [each.pts for each in packets] == [0, 10, 11, 12]
    assert [each.generation for each in packets] == [0] * 4
    check_pictures(packets, "h264", {0: 0, 10: 1, 11: 3, 12: 2})
    assert (stages["submit"], stages["stage"]) == (4, 4)


def test_what_cannot_be_opened_changes_nothing(encoding: Emulator) -> None:
    with opened() as encoder:
        encoding.encoding(NVENC_SESSIONS=1)
        with pytest.raises(BackendError, match="no encoder session left") as refused:
            encoder.request_session_switch(SwitchRequest({"preset": "fastest"}))
        assert refused.value.code == 10
        packets, errors = encoded(encoder, 4, {})
    assert errors == []
    check(packets, 4)
