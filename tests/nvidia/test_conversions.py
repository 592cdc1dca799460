"""Conversions of frames in device memory: what they wait for, what waits for them, odd formats.

Work in streams runs as late as it may, so that a wait that is lacking gives wrong pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.backends.waiting import Call, wait_for
from tests.emulators.control import Emulator
from tests.nvidia.consumer import Cuda, Taken
from tests.nvidia.pictures import COLOR, PITCH, nv12_of
from videohw.color import ColorSpec
from videohw.errors import BackendError, InvalidInput, UnsupportedConfig
from videohw.frame import Frame
from videohw.nvidia.conversions import DeviceConverter
from videohw.nvidia.layouts import block_layout
from videohw.pixel_format import FORMATS
from videohw.pixels import convert

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

WIDTH, HEIGHT = 34, 18
BLOCK = PITCH * (HEIGHT + HEIGHT // 2)  # bytes that nv12_of takes
GBR = ColorSpec(matrix="identity", range="full")


def frame(device: Any, planes: Sequence[Any], name: str, color: ColorSpec = COLOR) -> Frame:
    return Frame(
        planes=tuple(planes), format=name, width=WIDTH, height=HEIGHT, color=color,
        memory="device", converter=DeviceConverter(device),
    )  # fmt: skip


def nv12(device: Any) -> tuple[Frame, list[Any]]:
    planes, wanted = nv12_of(device, WIDTH, HEIGHT)
    return frame(device, planes, "nv12"), wanted


def uploaded(name: str, seed: int, color: ColorSpec) -> tuple[Frame, tuple[npt.NDArray[Any], ...]]:
    """A frame of noise in the format, each plane in a block of its own, and its planes."""
    layout, noise = FORMATS[name], np.random.default_rng(seed)
    planes = tuple(
        (noise.integers(0, 1 << layout.bit_depth, layout.plane_shape(i, WIDTH, HEIGHT))
         << layout.shift).astype(layout.dtype)
        for i in range(len(layout.planes))
    )  # fmt: skip
    device = _cuda.device()
    return frame(device, [device.upload(plane) for plane in planes], name, color), planes


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("gray", COLOR), ("gray10msb", COLOR), ("gray12msb", COLOR), ("gbrp", GBR),
        ("gbrp10msb", GBR), ("gbrp12msb", GBR), ("nv16", COLOR), ("p210", COLOR),
        ("yuv444p12msb", COLOR),
    ],
)  # fmt: skip
def test_formats_that_few_streams_have(emulator: Emulator, name: str, color: ColorSpec) -> None:
    for seed in range(2):
        whole, planes = uploaded(name, seed, color)
        for size in (None, (20, 30)):
            made = whole.convert("rgb24", size=size).to_host().planes[0]
            (exact,) = convert(planes, name, "rgb24", color=color, size=size)
            assert np.abs(made.astype(int) - exact).max() <= 1


@pytest.mark.parametrize("name", ["gbrp", "gbrp10msb"])
def test_planes_of_rgb_lie_in_the_order_of_their_one_array(name: str) -> None:
    """As in host memory: red, green, blue, while the planes are green, blue, red."""
    layout, total = block_layout(FORMATS[name], WIDTH, HEIGHT)
    green, blue, red = (offset for offset, *_ in layout)
    assert 0 == red < green < blue < total
    assert blue - green == green - red


@contextmanager
def another_stream(emulator: Emulator, whole: Frame) -> Iterator[None]:
    """What is queued from here on is not on the stream of the conversion before: a thread has it
    in a call that does not come back."""
    emulator.fault("cuMemAlloc_v2", "stall", 0)
    holder = Call(lambda: whole.convert("rgb_float32"))
    wait_for(lambda: emulator.stalled() == 1)
    yield
    emulator.clear_faults()
    holder.join()


def test_the_kernel_waits_for_what_it_reads(emulator: Emulator) -> None:
    whole, _ = nv12(_cuda.device())
    exact = whole.convert("rgb24").to_host().convert("nv12")
    # What is allocated later would wait for all work; another picture is left in the blocks.
    whole.convert("rgb24", crop=(0, 0, 4, 4), size=(WIDTH, HEIGHT)).convert("nv12").to_host()
    queued = whole.convert("rgb24")
    with another_stream(emulator, whole):
        made = queued.convert("nv12").to_host()
    for plane, wanted in zip(made.planes, exact.planes, strict=True):
        assert np.abs(plane.astype(int) - wanted).max() <= 1


def test_memory_that_is_read_is_not_written_again(emulator: Emulator) -> None:
    """The frame is dropped while its conversion is queued, and its block is taken by another."""
    device = _cuda.device()
    picture, other = nv12(device)[0], nv12(device)[0]
    exact = picture.convert("rgb24").to_host()
    pointer = picture.planes[0].pointer
    made = picture.convert("rgb24")
    del picture
    with another_stream(emulator, other):
        taken = overwritten(device)
    assert pointer in [each.pointer for each in taken]
    np.testing.assert_array_equal(made.to_host().planes[0], exact.planes[0])


def overwritten(device: Any) -> list[Any]:
    """New arrays in every block of that size that is free, which are written when this returns."""
    taken = [device.upload(np.zeros(BLOCK, np.uint8)) for _ in range(4)]
    for each in taken:
        each.to_host()
    return taken


def test_a_consumer_of_the_result(emulator: Emulator) -> None:
    """Its stream waits for the kernel, and the result stays until that stream has passed."""
    device = _cuda.device()
    cuda = Cuda(emulator)
    whole, _ = nv12(device)
    small = {"size": (32, 16)}  # rows without padding
    exact = whole.convert("rgb_planar", **small).to_host().planes[0]
    with cuda.using(device.context), cuda.stream() as own, cuda.pinned(exact.nbytes) as seen:
        made = whole.convert("rgb_planar", **small)
        taken = Taken(made.__dlpack__(stream=own, max_version=(1, 0)))
        cuda.read_later(seen, taken.pointer, own)
        taken.drop()
        del made
        again = [whole.convert("rgb_planar", crop=(0, 0, 8, 8), **small) for _ in range(3)]
        cuda.finish(own)
        np.testing.assert_array_equal(np.frombuffer(seen, np.uint8), exact.reshape(-1))
        del again


def test_parts_of_an_array(emulator: Emulator) -> None:
    data = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7)
    array = _cuda.device().upload(data)
    for part in (
        slice(1, None), slice(0, 2), (slice(None), slice(1, 3)), (slice(0, 99),),
        (slice(2, 3), slice(4), slice(2, 7)), (slice(-1, None), slice(None), slice(-3, -1)),
    ):  # fmt: skip
        cut = array[part]
        assert (cut.shape, cut.strides) == (data[part].shape, data[part].strides)
        np.testing.assert_array_equal(cut.to_host(), data[part])
    for wrong in (0, slice(0, 4, 2), (slice(None),) * 4, slice(3, 3), (slice(2, 1),), None):
        with pytest.raises(InvalidInput, match="part") as caught:
            array[wrong]
        assert caught.value.argument == "part"


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("nv12", COLOR), ("gray", COLOR), ("gray10msb", COLOR), ("gbrp", GBR), ("gbrp12msb", GBR),
        ("nv16", COLOR), ("p210", COLOR), ("yuv444p12msb", COLOR), ("i420", COLOR),
        ("rgb24", GBR), ("bgra", GBR), ("rgb_planar", GBR),
        ("rgb24", ColorSpec(matrix="identity", range="limited")),
    ],
)  # fmt: skip
def test_ycbcr_of_every_format(emulator: Emulator, name: str, color: ColorSpec) -> None:
    """In its own size, cut, and in another; beside what the processor makes of it."""
    whole, _ = uploaded(name, 1, color)
    host = whole.to_host()
    for output in ("nv12", "i420", "p010", "native"):
        request: dict[str, Any]
        for request in (
            {}, {"crop": (4, 6, 20, 11)}, {"size": (20, 30)},
            {"crop": (1, 2, 31, 9), "size": (17, 5), "resize": "area"},
        ):  # fmt: skip
            packed = output == "native" and name in ("rgb24", "bgra", "rgb_planar")
            # A crop of the same format is a part of it, which may not begin anywhere.
            part = output in ("native", name) and "size" not in request
            if packed or part:
                continue
            wanted = host.convert(output, **request)
            made = whole.convert(output, **request)
            assert (made.memory, made.format, made.color) == ("device", wanted.format, wanted.color)
            shift = FORMATS[made.format].shift
            for plane, exact in zip(made.to_host().planes, wanted.planes, strict=True):
                codes = [np.asarray(each >> shift, int) for each in (plane, exact)]
                assert np.abs(codes[0] - codes[1]).max() <= 1


def test_rgb_of_planes(emulator: Emulator) -> None:
    """Through pairs, which are the same samples."""
    whole, _ = nv12(_cuda.device())
    request: dict[str, Any]
    for request in ({}, {"size": (20, 30)}, {"crop": (3, 5, 20, 11)}):
        wanted = whole.convert("rgb24", **request).to_host().planes[0]
        made = whole.convert("i420").convert("rgb24", **request).to_host().planes[0]
        np.testing.assert_array_equal(made, wanted)


def test_one_launch_makes_all_planes(emulator: Emulator) -> None:
    whole, _ = nv12(_cuda.device())
    for output, size in (("i420", None), ("nv12", (16, 8)), ("p010", None)):
        before = emulator.report()["calls"].get("cuLaunchKernel", 0)
        whole.convert(output, size=size)
        assert emulator.report()["calls"]["cuLaunchKernel"] == before + 1


def test_what_no_kernel_makes(emulator: Emulator) -> None:
    """RGB of RGB, and anything of floats."""
    whole, _ = nv12(_cuda.device())
    for source, output in (("rgb24", "bgr24"), ("rgb_float16", "nv12"), ("rgb_float16", "rgb24")):
        frame_ = whole.convert(source)
        with pytest.raises(UnsupportedConfig, match=f"no kernel makes {output} of {source}"):
            frame_.convert(output)


@pytest.mark.parametrize("call", ["cuLaunchKernel", "cuMemAlloc", "cuStreamWaitEvent"])
def test_a_call_that_fails(emulator: Emulator, call: str) -> None:
    """Nothing is left behind, and the frame converts when the driver does again."""
    whole, _ = nv12(_cuda.device())
    exact = whole.convert("rgb24").to_host()
    emulator.fault(call + "_v2" * (call == "cuMemAlloc"), "fail", 1)
    with pytest.raises(BackendError) as caught:
        whole.convert("rgb_float32")
    assert caught.value.call == call
    emulator.clear_faults()
    np.testing.assert_array_equal(whole.convert("rgb24").to_host().planes[0], exact.planes[0])


def test_an_event_that_fails_behind_the_kernel(emulator: Emulator) -> None:
    """The block that was read is then fenced by all of the context's work."""
    device = _cuda.device()
    whole, wanted = nv12(device)
    (exact,) = convert(wanted, "nv12", "rgb24", color=COLOR)
    emulator.fault("cuEventRecord", "fail", 1)
    made = whole.convert("rgb24")
    assert emulator.hits() == [1]
    del whole
    taken = overwritten(device)
    assert np.abs(made.to_host().planes[0].astype(int) - exact).max() <= 1
    del taken
