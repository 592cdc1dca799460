"""Frames become PyTorch tensors without a copy, and tensors become frames."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from tests.interop.libraries import library
from tests.interop.pictures import COUNT, HEIGHT, WIDTH, assert_close, coded, decoded, rgb_pictures

torch = library("torch", "PyTorch")

OUTPUTS = {
    "rgb24": ((HEIGHT, WIDTH, 3), torch.uint8),
    "rgba": ((HEIGHT, WIDTH, 4), torch.uint8),
    "rgb_planar": ((3, HEIGHT, WIDTH), torch.uint8),
    "rgb_float16": ((3, HEIGHT, WIDTH), torch.float16),
    "rgb_float32": ((3, HEIGHT, WIDTH), torch.float32),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_dlpack_shows_the_memory_of_the_frame(output: str) -> None:
    shape, dtype = OUTPUTS[output]
    for frame in decoded(output):
        tensor = torch.from_dlpack(frame)
        assert (tuple(tensor.shape), tensor.dtype) == (shape, dtype)
        assert tensor.data_ptr() == np.asarray(frame).ctypes.data
        assert np.array_equal(tensor.numpy(), np.asarray(frame))


def test_planes_are_tensors_without_a_copy() -> None:
    frame = decoded("nv12")[0]
    for plane in frame.planes:
        tensor = torch.from_dlpack(plane)
        assert tensor.data_ptr() == plane.ctypes.data
        assert tuple(tensor.shape) == plane.shape
        assert tensor.stride() == tuple(step // plane.itemsize for step in plane.strides)


def test_planes_of_420_as_one_tensor_are_a_copy() -> None:
    frame = decoded("i420")[0]
    tensor = torch.from_dlpack(frame)
    assert tuple(tensor.shape) == (HEIGHT * 3 // 2, WIDTH)
    assert tensor.data_ptr() != frame.planes[0].ctypes.data
    assert np.array_equal(tensor[:HEIGHT].numpy(), frame.planes[0])


def test_a_tensor_outlives_the_frame_and_the_decoder() -> None:
    frame = decoded("rgb_planar")[0]
    expected = np.array(frame)
    array = weakref.ref(frame.planes[0])
    tensor = torch.from_dlpack(frame)
    del frame
    gc.collect()
    decoded("rgb_planar")  # would take the memory, had it been given back
    assert array() is not None or tensor.data_ptr()
    assert np.array_equal(tensor.numpy(), expected)


def test_a_tensor_from_numpy_is_the_same_memory() -> None:
    array = np.asarray(decoded("rgb24")[0])
    with pytest.warns(UserWarning, match="not writable"):  # PyTorch has no read-only tensors
        tensor = torch.from_numpy(array)
    assert tensor.data_ptr() == array.ctypes.data


def test_a_batch_is_what_was_encoded() -> None:
    batch = torch.stack([torch.from_dlpack(frame) for frame in decoded("rgb24")])
    assert tuple(batch.shape) == (COUNT, HEIGHT, WIDTH, 3)
    assert_close(batch.numpy(), np.stack(rgb_pictures()), most=8, mean=2.0)


def test_tensors_are_encoded() -> None:
    from tests.interop.pictures import encoded

    tensors = [torch.from_numpy(picture.copy()) for picture in rgb_pictures()]
    assert encoded(tensors, "rgb24") == coded()
    strided = [torch.from_numpy(picture.copy()).flip(1).flip(1) for picture in rgb_pictures()]
    assert encoded(strided, "rgb24") == coded()


def test_a_tensor_of_another_type_is_refused_by_name() -> None:
    import videohw

    with videohw.Encoder("h264", WIDTH, HEIGHT, fps=25, input="rgb24") as encoder:
        with pytest.raises(videohw.InvalidInput, match="float32"):
            encoder.submit(torch.zeros((HEIGHT, WIDTH, 3)))
        assert encoder.summary()["submitted"] == 0
