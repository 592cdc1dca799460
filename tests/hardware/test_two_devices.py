"""Several devices in one machine: each session, and each frame, is on the one that was named."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import videohw
from tests.corpus import stream
from videohw.errors import InvalidInput

pytestmark = pytest.mark.hardware
STREAM = "generated/main_cabac_b2.h264"
PICTURES = 25
OTHER = 1


@pytest.fixture(scope="module")
def uuids() -> list[str]:
    from videohw import _cuda

    found = [device.uuid for device in _cuda.devices()]
    if len(found) < 2:
        pytest.skip("there is one device")
    return found


def frames(device: int | str, output: str = "rgb_planar", memory: str = "device") -> list[Any]:
    each = stream(STREAM)
    with videohw.Decoder(
        each.codec, backend="nvidia", device=device, output=output, memory=memory, max_in_flight=32
    ) as decoder:
        found = list(decoder.decode([each.read()]))
        assert decoder.summary()["device"] == (device if isinstance(device, int) else OTHER)
    return found


def test_frames_are_on_their_device(uuids: list[str]) -> None:
    hosts = [np.asarray(frame) for frame in frames(0, memory="host")]
    assert len(hosts) == PICTURES
    for device in (0, OTHER, uuids[OTHER], uuids[OTHER].removeprefix("GPU-")):
        ordinal = device if isinstance(device, int) else OTHER
        for frame, host in zip(frames(device), hosts, strict=True):
            assert frame.planes[0].__dlpack_device__()[1] == ordinal
            np.testing.assert_array_equal(np.asarray(frame.to_host()), host)


def test_tensors_are_on_their_device(uuids: list[str]) -> None:
    torch = sys.modules.get("torch") or pytest.importorskip(
        "torch", reason="PyTorch is not installed"
    )
    hosts = [np.asarray(frame) for frame in frames(0, memory="host")]
    current = torch.cuda.current_device()
    for ordinal in range(len(uuids)):
        for frame, host in zip(frames(ordinal), hosts, strict=True):
            tensor = torch.from_dlpack(frame)
            assert tensor.device.index == ordinal
            np.testing.assert_array_equal(tensor.cpu().numpy(), host)
    assert torch.cuda.current_device() == current


def test_sessions_of_all_devices_at_once(uuids: list[str]) -> None:
    hosts = [np.asarray(frame) for frame in frames(0, memory="host")]

    def decode(number: int) -> list[Any]:
        ordinal = number % len(uuids)
        found = frames(ordinal)
        assert {frame.planes[0].__dlpack_device__()[1] for frame in found} == {ordinal}
        return [np.asarray(frame.to_host()) for frame in found]

    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(decode, range(24)):
            np.testing.assert_array_equal(np.stack(found), np.stack(hosts))


def test_decoders_are_kept_for_their_own_device(uuids: list[str]) -> None:
    """The pool hands a decoder over on the device that it was made on, and on no other."""
    each = stream(STREAM)

    def adopted(device: int) -> int:
        with videohw.Decoder(
            each.codec, backend="nvidia", device=device, output="native", memory="device",
            max_in_flight=32,
        ) as decoder:  # fmt: skip
            assert len(list(decoder.decode([each.read()]))) == PICTURES
            return int(decoder.summary()["decoders_adopted"])

    for device in range(len(uuids)):
        adopted(device)
        assert adopted(device) == 1


def test_an_absent_device_is_named_with_those_present(uuids: list[str]) -> None:
    with pytest.raises(videohw.UnsupportedConfig, match=uuids[0]):
        videohw.Decoder("h264", backend="nvidia", device=len(uuids))


def test_a_device_is_not_a_negative_number() -> None:
    with pytest.raises(InvalidInput):
        videohw.Decoder("h264", backend="nvidia", device=-1)
