"""Arrays in device memory: what consumers are told of them, and how they come to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.consumer import COPIED, READ_ONLY, Taken
from tests.nvidia.pictures import nv12_of, planar_of
from videohw.errors import InvalidInput

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

CUDA = 2  # kDLCUDA
UNSIGNED, FLOAT = 1, 2
KINDS = {"u1": (UNSIGNED, 8), "<u2": (UNSIGNED, 16), "<f2": (FLOAT, 16), "<f4": (FLOAT, 32)}


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [(24,), (4, 6), (3, 4, 6), (2, 3, 4, 1)])
def test_what_a_consumer_is_told(emulator: Emulator, dtype: str, shape: tuple[int, ...]) -> None:
    data = numbers(shape, dtype)
    array = _cuda.device().upload(data)
    assert (array.shape, array.strides, array.dtype) == (data.shape, data.strides, data.dtype)
    assert array.nbytes == data.nbytes
    assert np.array_equal(array.to_host(), data)
    assert np.array_equal(array.copy().to_host(), data)
    assert np.array_equal(np.from_dlpack(array, device="cpu"), data)
    for version in (None, (1, 0), (1, 3)):
        taken = Taken(array.__dlpack__(max_version=version))
        assert taken.name == (b"dltensor_versioned" if version else b"dltensor")
        assert taken.version == ((1, 0) if version else None)
        assert taken.pointer == array.pointer
        assert taken.device == array.__dlpack_device__() == (CUDA, 0)
        assert taken.dtype == (*KINDS[dtype], 1)
        assert taken.shape == shape
        assert taken.strides == tuple(step // data.itemsize for step in data.strides)
        assert taken.flags in (None, 0)
        taken.drop()
    assert array.__cuda_array_interface__ == {
        "version": 3, "shape": shape, "strides": data.strides, "typestr": data.dtype.str,
        "data": (array.pointer, False), "stream": None,
    }  # fmt: skip


def test_read_only_memory(emulator: Emulator) -> None:
    array = nv12_of(_cuda.device(), 16, 8)[0][0]
    assert array.read_only
    assert array.__cuda_array_interface__["data"] == (array.pointer, True)
    taken = Taken(array.__dlpack__(max_version=(1, 0)))
    assert taken.flags == READ_ONLY
    taken.drop()
    for version in (None, (0, 8)):
        with pytest.raises(BufferError, match="read-only"):
            array.__dlpack__(max_version=version)
    copy = Taken(array.__dlpack__(copy=True))
    assert copy.flags is None
    assert copy.pointer != array.pointer
    copy.drop()
    copy = Taken(array.__dlpack__(copy=True, max_version=(1, 0)))
    assert copy.flags == COPIED
    assert copy.strides == (16, 1)
    copy.drop()


@pytest.mark.parametrize("stream", [0, -2, True, "1", 1.0])
def test_streams_that_are_none(emulator: Emulator, stream: Any) -> None:
    array = _cuda.device().upload(numbers((4,), "u1"))
    with pytest.raises(InvalidInput, match="stream is") as caught:
        array.__dlpack__(stream=stream)
    assert caught.value.argument == "stream"


def test_other_devices(emulator: Emulator) -> None:
    array = _cuda.device().upload(numbers((4,), "u1"))
    Taken(array.__dlpack__(dl_device=(CUDA, 0))).drop()
    for elsewhere in ((CUDA, 1), (3, 0)):
        with pytest.raises(BufferError, match="on device"):
            array.__dlpack__(dl_device=elsewhere)
    with pytest.raises(BufferError, match="without a copy"):
        array.__dlpack__(dl_device=(1, 0), copy=False)


def test_numpy_is_told_to_download(emulator: Emulator) -> None:
    array = _cuda.device().upload(numbers((4,), "u1"))
    with pytest.raises(InvalidInput, match="device memory"):
        np.asarray(array)


@pytest.mark.parametrize("dtype", ["i1", "<f8", ">u2", "?"])
def test_dtypes_that_no_picture_has(emulator: Emulator, dtype: str) -> None:
    with pytest.raises(InvalidInput, match="array is") as caught:
        _cuda.device().upload(np.zeros(4, dtype))
    assert caught.value.argument == "array"


def test_nothing_cannot_be_uploaded(emulator: Emulator) -> None:
    with pytest.raises(InvalidInput, match="array is"):
        _cuda.device().upload(np.zeros((0, 4), np.uint8))


@pytest.mark.parametrize(("width", "height"), [(16, 8), (30, 10), (17, 9)])
def test_rows_with_padding_come_packed(emulator: Emulator, width: int, height: int) -> None:
    planes, wanted = nv12_of(_cuda.device(), width, height)
    for plane, values in zip(planes, wanted, strict=True):
        assert plane.strides[0] == 64
        host = plane.to_host()
        assert host.flags.c_contiguous
        assert np.array_equal(host, values)
        assert np.array_equal(plane.copy().to_host(), values)
    planes, wanted = planar_of(_cuda.device(), width, height)
    assert np.array_equal(planes[0].to_host(), wanted[0])


def test_planes_that_are_one_array(emulator: Emulator) -> None:
    device = _cuda.device()
    planes, wanted = nv12_of(device, 16, 8)
    joined = planes[0].joined(planes[1:])
    assert joined.shape == (12, 16)
    assert joined.strides == (64, 1)
    assert joined.pointer == planes[0].pointer
    assert joined.read_only
    flat = np.concatenate([wanted[0], wanted[1].reshape(4, 16)])
    assert np.array_equal(joined.to_host(), flat)
    lone = planes[0].joined(())
    assert np.array_equal(lone.to_host(), wanted[0])
    assert planes[0].joined([planes[0]]) is None
    assert planes[0].joined([device.upload(wanted[1])]) is None
    assert planes[1].joined([planes[0]]) is None
    odd, _ = nv12_of(device, 17, 9)
    assert odd[0].joined(odd[1:]) is None


def test_planes_of_one_shape_are_stacked(emulator: Emulator) -> None:
    device = _cuda.device()
    (planar,), (wanted,) = planar_of(device, 16, 8)
    assert planar.shape == (3, 8, 16)
    assert np.array_equal(planar.joined(()).to_host(), wanted)
