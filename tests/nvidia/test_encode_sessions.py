"""Sessions on NVENC as a whole: their number, a device that is lost, drivers that lack something,
ten thousand pictures, times by lookahead, closing with work under way."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.backends.decoding import PATIENCE_SECONDS
from tests.emulators.control import Emulator
from tests.nvidia.encoding import (
    HEIGHT,
    WIDTH,
    check_pictures,
    check_times,
    emulated_encoders,
    forget_answers,
    nothing_left,
    picture,
)
from videohw import Encoder, NvidiaEncoderOptions, capabilities
from videohw.errors import BackendError, DeviceLost, UnsupportedCodec, UnsupportedConfig
from videohw.nvidia import encoder_cores
from videohw.types import ConstantQp

QP = ConstantQp(20, 20, 20)
PICTURES = 10_000
# What the process may grow by over the second half of them.
FLAT_BYTES = 4 << 20


@pytest.fixture
def encoding(driver: Emulator) -> Iterator[Emulator]:
    """The emulated drivers; a test leaves no handle and no misuse behind."""
    with emulated_encoders() as emulator:
        emulator.streams("late")
        with nothing_left(emulator):
            yield emulator


def opened(codec: str = "h264", **given: object) -> Encoder:
    return Encoder(
        codec, WIDTH, HEIGHT, fps=30, backend="nvidia", rate_control=QP,
        **given,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("code", [10, 21])
def test_no_session_left_is_said_so(encoding: Emulator, code: int) -> None:
    assert capabilities("h264", "nvidia")  # asked before, with a session
    with opened(), opened():
        encoding.encoding(NVENC_SESSIONS=2, NVENC_LIMIT_CODE=code)
        with pytest.raises(BackendError, match="no encoder session left") as refused:
            opened()
    assert refused.value.code == code
    assert refused.value.hint is not None
    assert "close some encoders" in refused.value.hint
    with opened() as encoder:
        assert len(list(encoder.encode([picture(0)]))) == 1


@pytest.mark.parametrize("code", [10, 21])
def test_no_session_left_to_ask_by_is_said_so(
    encoding: Emulator, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others hold all sessions, and this process has not asked yet."""
    monkeypatch.setenv("VIDEO_HW_BACKENDS", "nvidia,software")
    with opened(), opened():
        encoding.encoding(NVENC_SESSIONS=2, NVENC_LIMIT_CODE=code)
        forget_answers()
        error = refused_by("nvEncOpenEncodeSessionEx", code)
        assert "no encoder session left" in str(error)
        assert "close some encoders" in str(error.hint)
        with Encoder("h264", WIDTH, HEIGHT, fps=30) as encoder:
            assert encoder.backend == "software"
            assert "no encoder session left" in encoder.summary()["refused"]["nvidia"]
    with opened() as encoder:
        assert len(list(encoder.encode([picture(0)]))) == 1


def refused_by(call: str, code: int | None) -> UnsupportedConfig:
    """What an encoder that is refused raises, by a call of the driver that is its cause."""
    with pytest.raises(UnsupportedConfig) as refused:
        opened()
    error, cause = refused.value, refused.value.__cause__
    assert isinstance(cause, BackendError)
    assert (cause.call, cause.code, cause.hint) == (call, code, error.hint)
    assert cause.args[0] in error.args[0]
    answer = next(each for each in capabilities("h264", "nvidia") if each.direction == "encode")
    assert (answer.failed, answer.reason, answer.hint) == (True, cause.args[0], cause.hint)
    return error


@pytest.mark.parametrize(
    ("call", "code", "hint"),
    [
        ("nvEncOpenEncodeSessionEx", 15, "driver 530"),
        ("nvEncOpenEncodeSessionEx", 20, "nvidia-smi"),
        ("nvEncGetEncodeCaps", 20, "nvidia-smi"),
        ("NvEncodeAPIGetMaxSupportedVersion", 20, "driver 530"),
    ],
)
def test_a_question_that_fails(encoding: Emulator, call: str, code: int, hint: str) -> None:
    """The encoder that was to be opened is refused with what failed, and the next one opens."""
    encoding.fault(call, "fail", code, count=0)
    forget_answers()
    assert hint in str(refused_by(call, code).hint)
    encoding.clear_faults()
    opened().close()


def test_a_device_without_an_encoder(encoding: Emulator) -> None:
    encoding.encoding(NVENC="h100")
    forget_answers()
    with pytest.raises(UnsupportedCodec, match="no encoder"):
        opened()


@pytest.mark.parametrize("version", ["12.1", "13.0"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_both_versions_of_the_api(encoding: Emulator, version: str, codec: str) -> None:
    encoding.encoding(NVENC_VERSION=version)
    forget_answers()
    with opened(codec, b_frames=2) as encoder:
        packets = list(encoder.encode(picture(number) for number in range(12)))
        assert encoder.summary()["nvenc"] == version
    check_pictures(packets, codec, {pts: pts for pts in range(12)})
    check_times(packets)


def test_an_older_driver_is_refused_with_the_one_needed(encoding: Emulator) -> None:
    from videohw import _nvenc

    encoding.encoding(NVENC_VERSION="11.1")
    forget_answers()
    assert _nvenc.max_version() == (11, 1)
    reason, hint = _nvenc.problem() or ("", "")
    assert "11.1" in reason
    assert "530" in hint
    error = refused_by("NvEncodeAPIGetMaxSupportedVersion", None)
    assert "12.1 is the oldest" in str(error)
    assert "530" in str(error.hint)


@pytest.mark.parametrize("ahead", ["burst", "lag", "seed"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_what_the_encoder_holds_back_comes(encoding: Emulator, codec: str, ahead: str) -> None:
    encoding.encoding(NVENC_LOOKAHEAD=ahead, NVENC_DEFERS=1)
    options = NvidiaEncoderOptions(lookahead=8)
    with opened(codec, b_frames=2, options=options) as encoder:
        for first in (0, 20):
            numbers = range(first, first + 20)
            packets = list(encoder.encode((picture(number), number) for number in numbers))
            assert sorted(each.pts for each in packets) == list(range(first, first + 20))
            check_pictures(packets, codec, {pts: pts for pts in range(first, first + 20)})
    # Closed with pictures inside.
    with opened(codec, b_frames=2, options=options) as encoder:
        for number in range(5):
            encoder.submit(picture(number), number)


def test_a_source_that_pauses_is_waited_for(
    encoding: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver may let a lock wait for pictures that lookahead wants: that is not its end."""
    encoding.encoding(NVENC_LOOKAHEAD="lag")
    with opened(b_frames=2, options=NvidiaEncoderOptions(lookahead=8)) as encoder:
        packets = []
        for first in (0, 12):
            for number in range(first, first + 12):
                encoder.submit(picture(number), number, timeout=PATIENCE_SECONDS)
                packets += iter(encoder.try_reap, None)
            if first:
                break
            while (packet := encoder.reap_timeout(1.0)) is not None:
                packets.append(packet)
            with monkeypatch.context() as patched:
                patched.setattr("videohw.nvidia.encoder_cores.STUCK_SECONDS", 0.5)
                assert encoder.reap_timeout(0.3) is None  # the second before counts as well
        packets += encoder.flush(PATIENCE_SECONDS)
    assert sorted(each.pts for each in packets) == list(range(24))


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_stream_after_a_flush_begins_with_a_keyframe(encoding: Emulator, b_frames: int) -> None:
    encoding.encoding(NVENC_END_IS_IDR=0)  # where the driver does not see to that
    with opened(b_frames=b_frames) as encoder:
        for numbers in (range(4), range(4, 8), range(8, 9)):
            packets = list(encoder.encode((picture(number), number) for number in numbers))
            keys = [each.pts for each in packets if each.keyframe]
            assert keys == [numbers[0]]
            check_pictures(packets, "h264", {pts: pts for pts in numbers})


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_pictures_in_flat_memory(encoding: Emulator) -> None:
    encoding.encoding(NVENC_RAW=1)
    given = np.full((HEIGHT * 3 // 2, WIDTH), 90, np.uint8)
    seen, halfway = 0, 0
    with opened(b_frames=1) as encoder:
        for _ in encoder.encode(given for _ in range(PICTURES)):
            seen += 1
            if seen == PICTURES // 2:
                gc.collect()
                halfway = resident_bytes()
        grown = resident_bytes() - halfway
        summary = encoder.summary()
    assert seen == PICTURES
    assert grown < FLAT_BYTES
    assert summary["copied_in"] == 0
    assert summary["plain_packets"] <= 1


def test_close_does_not_wait_for_what_is_queued(encoding: Emulator) -> None:
    encoder = opened()
    for number in range(6):
        encoder.submit(picture(number), number)
    began = time.monotonic()
    encoder.close()
    encoder.close()
    assert time.monotonic() - began < 10


def test_an_invalid_version_names_the_driver_that_is_needed(encoding: Emulator) -> None:
    from videohw import _nvenc

    assert capabilities("h264", "nvidia")  # asked before, with a session
    encoding.fault("nvEncOpenEncodeSessionEx", "fail", 15)
    with pytest.raises(BackendError, match="NV_ENC_ERR_INVALID_VERSION") as refused:
        opened()
    assert (refused.value.code, refused.value.call) == (15, "nvEncOpenEncodeSessionEx")
    assert refused.value.hint == _nvenc.DRIVER_HINT
    assert "530" in _nvenc.DRIVER_HINT
    with opened() as encoder:
        assert len(list(encoder.encode([picture(0)]))) == 1


def test_a_picture_that_cannot_be_mapped_is_lost_alone(encoding: Emulator) -> None:
    from videohw import _cuda

    arrays = [_cuda.device(0).upload(picture(number)) for number in range(4)]
    encoding.fault("nvEncMapInputResource", "fail", 16, 2)
    packets, errors = [], []
    with opened() as encoder:
        for number, array in enumerate(arrays):
            encoder.submit(array, number)
        while len(packets) + len(errors) < len(arrays):
            try:
                packets += encoder.flush(60)
            except BackendError as error:
                errors.append(error)
        (error,) = errors
        assert not isinstance(error, DeviceLost)
        assert (error.code, error.name) == (16, "NV_ENC_ERR_MAP_FAILED")
        assert error.call == "nvEncMapInputResource"
        assert error.hint is not None
        assert "map" in error.hint
        encoder.submit(arrays[1], 4)
        packets += encoder.flush(60)
    check_pictures(packets, "h264", {0: 0, 2: 2, 3: 3, 4: 1})


@pytest.mark.parametrize("call", ["nvEncEncodePicture", "nvEncLockBitstream"])
def test_a_busy_driver_is_asked_again(encoding: Emulator, call: str) -> None:
    busy = 18 if call == "nvEncEncodePicture" else 13  # NV_ENC_ERR_ENCODER_BUSY, _LOCK_BUSY
    encoding.fault(call, "fail", busy, 2, 3)
    with opened() as encoder:
        packets = list(encoder.encode(picture(number) for number in range(6)))
        assert encoder.summary()["busy"] == 3
    check_pictures(packets, "h264", {pts: pts for pts in range(6)})


@pytest.mark.parametrize(
    ("call", "first", "code"),
    [("nvEncEncodePicture", 3, 18), ("nvEncEncodePicture", 5, 18), ("nvEncLockBitstream", 2, 13)],
    ids=["picture", "end of stream", "packet"],
)
def test_a_driver_that_is_busy_for_ever_is_told_within_a_bound(
    encoding: Emulator, monkeypatch: pytest.MonkeyPatch, call: str, first: int, code: int
) -> None:
    """A picture that it does not take is lost alone; without a packet, or the end of a stream,
    there is no way to the next."""
    monkeypatch.setattr(encoder_cores, "BUSY_SECONDS", 0.05)
    began = time.monotonic()
    packets, errors = [], []
    with opened() as encoder:
        encoding.fault(call, "fail", code, first, 0)
        for number in range(4):
            encoder.submit(picture(number), number)
        while not (errors and errors[-1].fatal):
            try:
                packets += encoder.flush(PATIENCE_SECONDS)
            except BackendError as error:
                errors.append(error)
        assert encoder.summary()["busy"] > 1
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    kinds = [BackendError, BackendError, DeviceLost] if first == 3 else [DeviceLost]
    assert [type(each) for each in errors] == kinds
    assert all((each.call, each.code) == (call, code) for each in errors)
    assert all("busy for too long" in str(each.hint) for each in errors[:-1])
    encoding.clear_faults()
    with opened() as encoder:
        assert len(list(encoder.encode(picture(number) for number in range(3)))) == 3
