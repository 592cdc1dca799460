"""Frames in device memory, in the hands of PyTorch and CuPy on a real device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import videohw
from tests.backends.oracle import frame_md5
from tests.corpus import stream
from videohw.nvidia.options import NvidiaDecoderOptions

pytestmark = pytest.mark.hardware
STREAM = "generated/main_cabac_b2.h264"


@pytest.fixture
def torch() -> Any:
    module = pytest.importorskip("torch", reason="PyTorch is not installed")
    assert module.cuda.is_available()
    return module


def frames(output: str, memory: str = "device", **arguments: Any) -> Iterator[videohw.Frame]:
    each = stream(STREAM)
    with videohw.Decoder(
        each.codec, backend="nvidia", output=output, memory=memory, **arguments
    ) as decoder:
        yield from decoder.decode([each.read()])


@pytest.mark.parametrize("output", ["rgb24", "rgb_planar", "rgb_float16", "rgb_float32"])
def test_tensors_are_the_frames(torch: Any, output: str) -> None:
    hosts = [np.asarray(frame) for frame in frames(output, "host")]
    tensors = [torch.from_dlpack(frame) for frame in frames(output)]
    assert len(tensors) == len(hosts) == 25
    for tensor, host in zip(tensors, hosts, strict=True):
        assert tensor.is_cuda
        np.testing.assert_array_equal(tensor.cpu().numpy(), host)


def test_native_frames_are_those_of_host_memory() -> None:
    on_host = [frame_md5(frame) for frame in frames("native", "host")]
    assert [frame_md5(frame.to_host()) for frame in frames("native")] == on_host


def test_memory_is_not_reused_under_a_tensor(torch: Any) -> None:
    """Tensors of every frame are held while many more are decoded, then read."""
    kept = [torch.from_dlpack(frame) for frame in frames("rgb_planar")]
    before = [tensor.clone() for tensor in kept]
    for _ in range(3):
        for frame in frames("rgb_planar"):
            del frame
    torch.cuda.synchronize()
    assert all(torch.equal(now, then) for now, then in zip(kept, before, strict=True))


def test_work_queued_before_the_drop_is_waited_for(torch: Any) -> None:
    """A side stream is kept busy, then reads frames that are dropped at once."""
    expected = [torch.from_dlpack(frame).float().mean().item() for frame in frames("rgb_planar")]
    side = torch.cuda.Stream()
    busy = torch.zeros(8192, 8192, device="cuda")
    found = []
    with torch.cuda.stream(side):
        for frame in frames("rgb_planar"):
            for _ in range(4):
                busy = busy @ busy
            tensor = torch.from_dlpack(frame)
            del frame
            found.append(tensor.float().mean())
            del tensor
    side.synchronize()
    assert [value.item() for value in found] == expected


def test_the_array_interface(torch: Any) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    hosts = [np.asarray(frame) for frame in frames("rgb24", "host")]
    for frame, host in zip(frames("rgb24"), hosts, strict=True):
        np.testing.assert_array_equal(cupy.asnumpy(cupy.asarray(frame)), host)


def test_the_context_is_pytorchs_own(torch: Any) -> None:
    torch.zeros(1, device="cuda")
    device = torch.cuda.current_device()
    with torch.cuda.stream(torch.cuda.Stream()):
        assert sum(1 for _ in frames("rgb24")) == 25
    assert torch.cuda.current_device() == device
    assert torch.ones(4, device="cuda").sum().item() == 4


def test_a_stream_of_the_callers(torch: Any) -> None:
    own = torch.cuda.Stream()
    options = NvidiaDecoderOptions(stream=own.cuda_stream)
    hosts = [np.asarray(frame) for frame in frames("rgb_planar", "host")]
    with torch.cuda.stream(own):
        for frame, host in zip(frames("rgb_planar", options=options), hosts, strict=True):
            np.testing.assert_array_equal(torch.from_dlpack(frame).cpu().numpy(), host)
