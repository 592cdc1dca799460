"""The shipped images are known and run; others are refused, and so is memory beyond the planes."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import INVALID_HANDLE, INVALID_VALUE, NOT_FOUND, Cuda
from tests.kernels.agreement import assert_rgb_agrees, assert_untouched_around
from tests.kernels.cases import Case, plan_of
from tests.kernels.device import Device, opened
from videohw.color import ColorSpec
from videohw.kernels import Launch, images_for
from videohw.kernels.launch import BLOCK

H100, ILLEGAL_ADDRESS = (9, 0), 700
CASE = Case(
    source=("nv12", None), target=("rgb24", None), size=(70, 21), pictures=2, padding=(5, 3),
    color=ColorSpec(matrix="bt709", range="limited"),
)  # fmt: skip


@pytest.fixture(params=["machine code", "PTX"])
def device(
    request: pytest.FixtureRequest, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Device]:
    """A client of the kernels that knows nothing of the emulator."""
    for name in ("VIDEOHW_LIBCUDA", "VIDEOHW_LIBNVCUVID"):
        monkeypatch.setenv(name, str(emulator.folder / "libcuda.so.1"))
    with opened(0 if request.param == "machine code" else -1) as found:
        yield found


def test_a_kernel_converts_as_the_reference_does(device: Device) -> None:
    pictures = CASE.memory()
    device.run(plan_of(CASE), pictures)
    assert_untouched_around(pictures)
    assert_rgb_agrees(CASE, pictures)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_plane_that_is_one_byte_too_short(device: Device, emulator: Emulator, side: str) -> None:
    places = {"source": [70 * 21, 70 * 11], "target": [70 * 3 * 21]}
    plan = plan_of(Case(CASE.source, CASE.target, CASE.color, (70, 21)))
    places[side][-1] -= 1
    addresses = {name: [device.allocate(size) for size in places[name]] for name in places}
    (launch,) = plan.launches([(addresses["source"], addresses["target"])])
    device.launch(launch)
    assert device.driver.cuCtxSynchronize() == ILLEGAL_ADDRESS
    assert device.driver.cuMemAlloc_v2(c.byref(c.c_uint64()), c.c_size_t(1)) == ILLEGAL_ADDRESS
    assert emulator.misuses() == [f"kernel {launch.kernel} touched memory that it must not"]
    emulator.clear_faults()
    for address in (*addresses["source"], *addresses["target"]):
        device.free(address)


def test_a_launch_waits_for_nobody(device: Device) -> None:
    """The default stream is waited for by the download; another is not."""
    ((source, target),) = Case(CASE.source, CASE.target, CASE.color, CASE.size).memory()
    before = target.planes[0].memory.copy()
    places = [device.allocate(len(plane.memory)) for plane in (*source.planes, *target.planes)]
    for place, plane in zip(places, (*source.planes, *target.planes), strict=True):
        device.upload(place, plane.memory)
    starts = [place + plane.start for place, plane in zip(places, source.planes, strict=False)]
    plan = plan_of(Case(CASE.source, CASE.target, CASE.color, CASE.size))
    (launch,) = plan.launches([(starts, [places[2] + target.planes[0].start])])
    stream = c.c_void_p()
    device.call("cuStreamCreate", c.byref(stream), 1)
    launch_on(device, launch, stream)
    device.download(places[2], target.planes[0].memory)
    assert (target.planes[0].memory == before).all()
    device.call("cuStreamSynchronize", stream)
    device.download(places[2], target.planes[0].memory)
    assert (target.planes[0].memory != before).any()
    device.call("cuStreamDestroy_v2", stream)
    for place in places:
        device.free(place)


def launch_on(device: Device, launch: Launch, stream: c.c_void_p, block: Any = BLOCK) -> None:
    parameters = (c.c_void_p * 1)(c.addressof(launch.arguments))
    device.call(
        "cuLaunchKernel", device.function(launch.kernel), *launch.grid, *block, 0, stream,
        parameters, None,
    )  # fmt: skip
    c.memset(c.addressof(launch.arguments), 255, c.sizeof(launch.arguments))  # it was copied


def test_images_that_are_not_ours(cuda: Cuda, emulator: Emulator) -> None:
    module, (cubin, ptx) = c.c_void_p(), images_for(H100)
    load = cuda.cuModuleLoadData
    assert load(c.byref(module), b"neither the one nor the other") == 200
    assert load(c.byref(module), ptx[:-200] + b"\0") == 218
    changed = bytearray(cubin)
    changed[len(cubin) // 2] ^= 1
    assert load(c.byref(module), bytes(changed)) == 200
    assert load(c.byref(module), next(images_for((8, 0)))) == 209
    assert load(c.byref(module), next(images_for((12, 0)))) == 209
    assert len(emulator.misuses()) == 2


def test_functions_by_name(cuda: Cuda, emulator: Emulator) -> None:
    module, function = c.c_void_p(), c.c_void_p()
    cuda.do("cuModuleLoadData", c.byref(module), next(images_for(H100)))
    find = cuda.cuModuleGetFunction
    for name in (b"nv12_rgb25", b"run_kernel", b"memcpy"):
        assert find(c.byref(function), module, name) == NOT_FOUND
    assert find(c.byref(function), module, b"nv12_rgb8") == 0
    room = c.create_string_buffer(8192)
    arguments = (c.c_void_p * 1)(c.addressof(room))
    launch = cuda.cuLaunchKernel
    assert launch(function, 1, 1, 1, 32, 33, 1, 0, None, arguments, None) == INVALID_VALUE
    assert launch(function, 0, 1, 1, *BLOCK, 0, None, arguments, None) == INVALID_VALUE
    assert launch(function, 1, 65536, 1, *BLOCK, 0, None, arguments, None) == INVALID_VALUE
    assert launch(function, 1, 1, 1, 32, 32, 1, 0, None, arguments, None) == INVALID_VALUE
    assert launch(function, 1, 1, 1, *BLOCK, 0, None, None, None) == INVALID_VALUE
    turned = (BLOCK[1], BLOCK[0], 1)  # right for the driver, and not what the kernels are for
    assert launch(function, 1, 1, 1, *turned, 0, None, arguments, None) == INVALID_VALUE
    cuda.do("cuModuleUnload", module)
    assert launch(function, 1, 1, 1, *BLOCK, 0, None, arguments, None) == INVALID_HANDLE
    assert find(c.byref(function), module, b"nv12_rgb8") == INVALID_HANDLE
    assert cuda.cuModuleUnload(module) == INVALID_HANDLE
    assert len(emulator.misuses()) == 4
