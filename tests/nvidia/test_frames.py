"""Frames in device memory: one array for other libraries, and the way to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.consumer import READ_ONLY, Taken
from tests.nvidia.pictures import COLOR, nv12_of, planar_of
from videohw.errors import InvalidInput
from videohw.frame import Frame

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")


def frame(planes: Any, name: str, width: int, height: int, **fields: Any) -> Frame:
    return Frame(
        planes=tuple(planes), format=name, width=width, height=height, color=COLOR,
        memory="device", **fields,
    )  # fmt: skip


def test_one_array_for_other_libraries(emulator: Emulator) -> None:
    planes, wanted = nv12_of(_cuda.device(), 16, 8)
    whole = frame(planes, "nv12", 16, 8)
    assert whole.__dlpack_device__() == (2, 0)
    taken = Taken(whole.__dlpack__(stream=None, max_version=(1, 0)))
    assert (taken.shape, taken.strides, taken.flags) == ((12, 16), (64, 1), READ_ONLY)
    assert taken.pointer == planes[0].pointer
    taken.drop()
    interface = whole.__cuda_array_interface__
    assert interface["data"] == (planes[0].pointer, True)
    assert interface["shape"] == (12, 16)
    flat = np.concatenate([wanted[0], wanted[1].reshape(4, 16)])
    assert np.array_equal(np.from_dlpack(whole, device="cpu"), flat)


def test_planar_rgb_is_one_array(emulator: Emulator) -> None:
    planes, wanted = planar_of(_cuda.device(), 16, 8)
    planar = frame(planes, "rgb_planar", 16, 8)
    assert planar.__cuda_array_interface__["shape"] == (3, 8, 16)
    assert np.array_equal(planar.to_host().planes[0], wanted[0])


def test_to_host(emulator: Emulator) -> None:
    planes, wanted = nv12_of(_cuda.device(), 17, 9)
    on_device = frame(planes, "nv12", 17, 9, pts=7, keyframe=True)
    on_host = on_device.to_host()
    assert on_host.memory == "host"
    assert on_host.to_host() is on_host
    assert (on_host.pts, on_host.keyframe, on_host.format) == (7, True, "nv12")
    assert on_host.converter is None
    for plane, values in zip(on_host.planes, wanted, strict=True):
        assert np.array_equal(plane, values)
        assert not plane.flags.writeable
    assert on_host.convert("rgb24").planes[0].shape == (9, 17, 3)


def test_what_is_not_one_array(emulator: Emulator) -> None:
    planes, _ = nv12_of(_cuda.device(), 17, 9)
    odd = frame(planes, "nv12", 17, 9)
    empty = frame((), "nv12", 16, 8)
    for each in (odd, empty):
        with pytest.raises(InvalidInput, match="is not one array"):
            each.__dlpack__()
        with pytest.raises(InvalidInput, match="is not one array"):
            _ = each.__cuda_array_interface__


def test_numpy_is_told_to_download(emulator: Emulator) -> None:
    planes, _ = nv12_of(_cuda.device(), 16, 8)
    with pytest.raises(InvalidInput, match="device memory") as caught:
        np.asarray(frame(planes, "nv12", 16, 8))
    assert caught.value.hint == "frame.to_host()"
    with pytest.raises(InvalidInput, match="nothing converts"):
        frame(planes, "nv12", 16, 8).convert("rgb24")


def test_a_frame_on_the_host_has_no_cuda_array_interface() -> None:
    plane = np.zeros((8, 16, 3), np.uint8)
    on_host = Frame(planes=(plane,), format="rgb24", width=16, height=8)
    assert not hasattr(on_host, "__cuda_array_interface__")
    assert on_host.__dlpack_device__() == (1, 0)
