"""Pictures on their way into NVENC: host memory copied once, device memory not at all where it
lies as the driver wants it; registered once, mapped for each picture, behind its producer."""

from __future__ import annotations

from collections.abc import Iterator
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
    check_times,
    decoded,
    emulated_encoders,
    nothing_left,
    picture,
)
from videohw import Decoder, Encoder, SwitchRequest, _cuda
from videohw.color import ColorSpec
from videohw.errors import UnsupportedConfig
from videohw.types import ConstantQp, Packet

COUNT = 12
QP = ConstantQp(20, 20, 20)


@pytest.fixture(params=["early", "late", "seed:3"])
def encoding(driver: Emulator, request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulated drivers, with work of streams done at any time that the documents allow."""
    with emulated_encoders() as emulator:
        emulator.streams(request.param)
        with nothing_left(emulator):
            yield emulator
        emulator.streams("late")


def opened(codec: str = "h264", **given: object) -> Encoder:
    return Encoder(
        codec, WIDTH, HEIGHT, fps=30, backend="nvidia", rate_control=QP, max_in_flight=COUNT,
        **given,  # type: ignore[arg-type]
    )  # fmt: skip


def check(packets: list[Packet], codec: str = "h264", count: int = COUNT) -> None:
    assert sorted(each.pts for each in packets) == list(range(count))
    check_times(packets)
    check_pictures(packets, codec, {pts: pts for pts in range(count)})


def test_host_pictures_are_copied_once(encoding: Emulator) -> None:
    with opened(b_frames=2) as encoder:
        packets = list(encoder.encode(picture(number) for number in range(COUNT)))
        summary = encoder.summary()
    check(packets)
    assert summary["host_bytes"] == COUNT * WIDTH * HEIGHT * 3 // 2
    # Bytes copied again: of pictures that found no buffer, of packets that found no object.
    assert (summary["copied_in"], summary["plain_inputs"], summary["plain_packets"]) == (0, 0, 0)
    assert summary["copied_out"] == sum(len(each.data) for each in packets)


def test_device_arrays_are_used_where_they_lie(encoding: Emulator) -> None:
    from videohw import _cuda

    device = _cuda.device(0)
    arrays = [device.upload(picture(number)) for number in range(4)]
    with opened() as encoder:
        packets = []
        for number in range(COUNT):
            # The same memory again and again: it must be read before it is written.
            encoder.submit(arrays[number % 4], number, timeout=PATIENCE_SECONDS)
            while (packet := encoder.try_reap()) is not None:
                packets.append(packet)
        packets += encoder.flush(PATIENCE_SECONDS)
        summary = encoder.summary()
    assert sorted(each.pts for each in packets) == list(range(COUNT))
    check_pictures(packets, "h264", {pts: pts % 4 for pts in range(COUNT)})
    assert summary["registered"] == 4
    assert 4 <= summary["mapped"] <= COUNT  # once for several pictures of the same memory
    assert (summary["converted"], summary["host_bytes"]) == (0, 0)
    del arrays, device


def test_a_transcode_does_not_touch_the_host(encoding: Emulator) -> None:
    with opened() as first:
        coded = list(first.encode(picture(number) for number in range(COUNT)))
    encoding.forget()
    with Decoder("h264", backend="nvidia", memory="device") as decoder, opened("hevc") as encoder:
        packets: list[Packet] = []
        for each in coded:
            decoder.submit(each.data, each.pts)
            while (frame := decoder.try_reap()) is not None:
                encoder.submit(frame, timeout=PATIENCE_SECONDS)
                packets += taken(encoder)
        for frame in decoder.flush(PATIENCE_SECONDS):
            encoder.submit(frame, timeout=PATIENCE_SECONDS)
            packets += taken(encoder)
        packets += encoder.flush(PATIENCE_SECONDS)
        summary = encoder.summary()
    check(packets, "hevc")
    assert summary["host_bytes"] == 0
    calls = encoding.report()["calls"]
    for call in ("cuMemcpyDtoHAsync_v2", "cuMemcpyHtoDAsync_v2", "nvEncLockInputBuffer"):
        assert call not in calls or call == "nvEncLockInputBuffer"
    assert "cuMemHostAlloc" not in calls


def taken(encoder: Encoder) -> list[Packet]:
    found = []
    while (packet := encoder.try_reap()) is not None:
        found.append(packet)
    return found


def test_memory_that_was_freed_and_came_again_is_registered_anew(encoding: Emulator) -> None:
    from videohw import _cuda

    device = _cuda.device(0)
    with opened() as encoder:
        for number in range(6):
            array = device.upload(picture(number))
            encoder.submit(array, number, timeout=PATIENCE_SECONDS)
            packet = encoder.reap_timeout(PATIENCE_SECONDS)
            assert packet is not None
            assert packet.pts == number
            del array
            encoder.try_reap()
            device.trim()
        assert encoder.flush() == []
        summary = encoder.summary()
    assert summary["registered"] >= 1
    assert summary["mapped"] == 6


class OfAnotherLibrary:
    """Device memory that is known by the CUDA array interface only."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        described: dict[str, Any] = self._array.__cuda_array_interface__
        return described


def test_the_encoder_waits_for_the_producer_of_its_input(encoding: Emulator) -> None:
    from videohw import _cuda

    device = _cuda.device(0)
    with opened() as encoder:
        for number in range(COUNT):
            encoder.submit(OfAnotherLibrary(device.upload(picture(number))), number)
        packets = encoder.flush(PATIENCE_SECONDS)
        assert encoder.summary()["converted"] == 0
    check(packets)


@pytest.mark.parametrize("name", ["bgra", "rgba"])
def test_rgb_in_the_drivers_own_colour_is_used_where_it_lies(encoding: Emulator, name: str) -> None:
    """BT.601 in limited range: the one conversion that NVENC has."""
    device = _cuda.device(0)
    red = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    red[..., 0 if name == "rgba" else 2] = 200
    array = device.upload(red)
    with opened(input=name, color=ColorSpec(matrix="smpte170m", range="limited")) as encoder:
        encoder.submit(array, 0)
        packets = encoder.flush(PATIENCE_SECONDS)
        summary = encoder.summary()
    assert (summary["converted"], summary["host_bytes"], summary["registered"]) == (0, 0, 1)
    assert "cuLaunchKernel" not in encoding.report()["calls"]
    ((_, luma),) = decoded(packets, "h264")
    assert abs(float(luma.mean()) - (16 + 219 * 0.299 * 200 / 255)) < 2
    del array, device


def test_rgb_is_converted_by_one_kernel(encoding: Emulator) -> None:
    from videohw import _cuda

    device = _cuda.device(0)
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[..., 0] = 200
    with opened(input="rgb24") as encoder:
        encoder.submit(device.upload(red), 0)
        packets = encoder.flush(PATIENCE_SECONDS)
        summary = encoder.summary()
    assert len(packets) == 1
    assert (summary["converted"], summary["host_bytes"]) == (1, 0)
    assert encoding.report()["calls"]["cuLaunchKernel"] == 1


def test_a_picture_behind_an_encoder_that_failed_holds_nobody_up(encoding: Emulator) -> None:
    """Its memory is ready for the stream of that encoder; to have the other one wait for that is a
    call of the driver, which may take long, and which the session's own thread makes."""
    arrays = [_cuda.device(0).upload(picture(number)) for number in range(3)]
    call = "cuStreamWaitEvent"

    def calls() -> int:
        return int(encoding.report()["calls"].get(call, 0))

    with opened(time_base=Fraction(1, 300)) as encoder:
        for number in range(2):
            before = calls()
            encoder.submit(arrays[number], 10 * number)
            packets = [encoder.reap_timeout(PATIENCE_SECONDS)]
        encoder.request_session_switch(SwitchRequest({"b_frames": 2}))
        encoding.fault(call, "stall", 0, calls() - before + 1)
        try:
            # Too close to the one before for pictures to be reordered.
            Call(lambda: encoder.submit(arrays[2], 11, timeout=0)).join()
            wait_for(lambda: encoding.stalled())
            with pytest.raises(UnsupportedConfig):
                Call(encoder.try_reap).join()
        finally:
            encoding.clear_faults()
        packets.append(encoder.reap_timeout(PATIENCE_SECONDS))
        assert [each and each.pts for each in packets] == [10, 11]
