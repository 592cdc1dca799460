"""Frames in device memory: what a consumer on Metal is given, and for how long."""

from __future__ import annotations

import ctypes as c
import gc
from typing import Any

import numpy as np
import pytest

from tests.apple.test_decoder import PATIENCE_SECONDS, SMALL, idr_units, opened
from tests.apple.test_transform import VARIABLE, assert_close, options
from tests.backends.decoding import decode_bytes, decode_units
from tests.backends.oracle import frames_md5
from tests.corpus import stream
from tests.emulators.control import AppleEmulator
from videohw.encoder import Encoder
from videohw.errors import BackendError, InvalidInput, UnsupportedConfig

METAL = (8, 0)  # kDLMetal of dlpack.h


def frames_of(count: int, **arguments: Any) -> list[Any]:
    got = decode_units(opened(memory="device", **arguments), idr_units(count))
    assert got.errors == []
    return got.frames


def test_frames_of_the_decoder_itself(frameworks: AppleEmulator) -> None:
    """Handles of the image, which is not locked before the host looks at it."""
    each = stream(SMALL)
    got = decode_bytes(opened(each.codec, memory="device"), each.read())
    assert "CVPixelBufferLockBaseAddress" not in frameworks.report()["calls"]
    frame: Any = got.frames[0]
    assert (frame.memory, frame.format, len(frame.planes)) == ("device", "nv12", 2)
    luma, chroma = frame.planes
    assert luma.pixel_buffer == chroma.pixel_buffer != 0
    assert luma.io_surface is not None
    assert (luma.index, chroma.index, luma.metal_buffer) == (0, 1, None)
    with pytest.raises(BufferError, match="texture"):
        luma.__dlpack__(max_version=(1, 0))
    with pytest.raises(InvalidInput, match="to_host"):
        np.asarray(frame)
    with pytest.raises(InvalidInput, match="to_host"):
        frame.convert("rgb24")
    assert not hasattr(luma, "__cuda_array_interface__")
    assert frames_md5([frame.to_host() for frame in got.frames]) == each.yuv_md5


def test_converted_frames_are_buffers_of_metal(frameworks: AppleEmulator) -> None:
    each = stream(SMALL)
    arguments: Any = {"output": "rgb_float16", "size": (99, 201)}
    got = decode_bytes(opened(each.codec, memory="device", **arguments), each.read())
    wanted = decode_bytes(opened(each.codec, options=options(False), **arguments), each.read())
    frame: Any = got.frames[0]
    (plane,) = frame.planes
    assert (plane.shape, plane.typestr, plane.pixel_buffer) == ((3, 201, 99), "<f2", None)
    assert plane.metal_buffer
    assert frame.__dlpack_device__() == METAL
    for one, other in zip(got.frames, wanted.frames, strict=True):
        assert_close(one.to_host(), other)


class Tensor(c.Structure):
    """DLManagedTensorVersioned of DLPack 1.0."""

    _fields_ = (
        ("version", c.c_uint32 * 2), ("context", c.c_void_p), ("deleter", c.c_void_p),
        ("flags", c.c_uint64), ("data", c.c_void_p), ("device", c.c_int32 * 2),
        ("dimensions", c.c_int32), ("code", c.c_uint8), ("bits", c.c_uint8),
        ("lanes", c.c_uint16), ("shape", c.POINTER(c.c_int64)),
        ("strides", c.POINTER(c.c_int64)), ("byte_offset", c.c_uint64),
    )  # fmt: skip


def tensor_of(capsule: object) -> Tensor:
    pointer = c.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = c.c_void_p, [c.py_object, c.c_char_p]
    return Tensor.from_address(pointer(capsule, b"dltensor_versioned"))


def test_dlpack_gives_the_buffer(frameworks: AppleEmulator) -> None:
    (frame,) = frames_of(1, output="rgba")
    height, width = frame.height, frame.width
    capsule = frame.__dlpack__(max_version=(1, 0))
    tensor = tensor_of(capsule)
    assert tensor.data == frame.planes[0].metal_buffer
    assert (list(tensor.device), list(tensor.version), tensor.flags) == ([*METAL], [1, 0], 1)
    assert (tensor.code, tensor.bits, tensor.lanes, tensor.byte_offset) == (1, 8, 1, 0)
    assert tensor.shape[: tensor.dimensions] == [height, width, 4]
    assert tensor.strides[: tensor.dimensions] == [width * 4, 4, 1]
    del frame
    gc.collect()
    assert frameworks.open() == {"MTLBuffer": 1}  # the capsule has it
    del capsule
    assert frameworks.open() == {}


def test_a_capsule_that_was_taken_is_its_consumers(frameworks: AppleEmulator) -> None:
    (frame,) = frames_of(1, output="rgb24")
    capsule = frame.__dlpack__(max_version=(1, 0))
    tensor = tensor_of(capsule)
    rename = c.pythonapi.PyCapsule_SetName
    rename.argtypes = [c.py_object, c.c_char_p]
    rename(capsule, b"used_dltensor_versioned")
    del frame, capsule
    gc.collect()
    assert frameworks.open() == {"MTLBuffer": 1}
    c.CFUNCTYPE(None, c.c_void_p)(tensor.deleter)(c.addressof(tensor))
    assert frameworks.open() == {}


@pytest.mark.parametrize(
    "request_",
    [{}, {"max_version": (0, 8)}, {"copy": True}, {"stream": 5}, {"dl_device": (2, 0)}],
)
def test_what_dlpack_cannot_give(frameworks: AppleEmulator, request_: dict[str, Any]) -> None:
    (frame,) = frames_of(1, output="rgb24")
    with pytest.raises(BufferError):
        frame.__dlpack__(**{"max_version": (1, 0), **request_} if request_ else {})


def test_dlpack_for_the_processor(frameworks: AppleEmulator) -> None:
    (frame,) = frames_of(1, output="rgb24")
    array = np.from_dlpack(frame.to_host())
    assert np.array_equal(array, frame.planes[0].to_host())
    copied = frame.__dlpack__(dl_device=(1, 0))
    assert "dltensor" in repr(copied)


@pytest.mark.parametrize("how", ["kept", "dlpack", "address"])
def test_memory_that_was_handed_out_is_not_written_again(
    frameworks: AppleEmulator, how: str
) -> None:
    """The consumer's device may still read it when Python has dropped it."""
    with opened(output="rgb24", memory="device") as decoder:
        for unit in idr_units(4):
            decoder.submit(unit, layout="access_unit")
            frame: Any = decoder.reap_timeout(PATIENCE_SECONDS)
            if how == "dlpack":
                frame.__dlpack__(max_version=(1, 0))
            elif how == "address":
                assert frame.planes[0].metal_buffer
            del frame
    assert frameworks.report()["ever"]["MTLBuffer"] == (1 if how == "kept" else 4)


def test_what_metal_cannot_make_is_refused(
    frameworks: AppleEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no other way into device memory."""
    for arguments in ({"output": "i420"}, {"crop": (0, 0, 8, 8)}):
        with pytest.raises(UnsupportedConfig, match="no kernel makes"):
            opened(memory="device", **arguments)
    frameworks.fault("MTLCreateSystemDefaultDevice", "fail", 1)
    with pytest.raises(UnsupportedConfig, match="no Metal device"):
        opened(memory="device", output="rgb24")
    frameworks.clear_faults()
    frameworks.fault("convert", "fail", 8)
    got = decode_units(opened(memory="device", output="rgb24"), idr_units(3))
    assert [type(error) for error in got.errors] == [BackendError]
    assert len(got.frames) == 2
    monkeypatch.setenv(VARIABLE, "0")
    with pytest.raises(UnsupportedConfig, match=VARIABLE):
        opened(memory="device", output="rgb24")


def test_an_encoder_takes_them(frameworks: AppleEmulator) -> None:
    frames = frames_of(2)
    width, height = frames[0].width, frames[0].height
    with Encoder("h264", width, height, fps=30, backend="videotoolbox") as encoder:
        for frame in frames:
            encoder.submit(frame)
        assert len(encoder.flush(PATIENCE_SECONDS)) == 2
