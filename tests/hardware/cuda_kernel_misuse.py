"""Groups of :mod:`tests.hardware.cuda_misuse` about modules and kernels, and errors of these."""

from __future__ import annotations

import ctypes as c

from tests.hardware.cuda_asker import Asker, Place, Pointer, Size, group
from videohw.color import ColorSpec
from videohw.kernels import Conversion, Surface, images_for, plan_to_rgb
from videohw.kernels.launch import BLOCK

H100 = (9, 0)
NOWHERE = 4096  # an address of no memory


def argument() -> Conversion:
    """Of a conversion that reads and writes nowhere."""
    color = ColorSpec(matrix="bt709", range="limited")
    plan = plan_to_rgb(Surface("nv12", 64, 16), Surface("rgb24", 64, 16), color)
    (launch,) = plan.launches([((NOWHERE, NOWHERE), (NOWHERE,))])
    return launch.arguments


def function_of(cuda: Asker) -> tuple[c.c_void_p, c.c_void_p]:
    """(module, function)."""
    module = cuda.made("cuModuleLoadData", next(images_for(H100)))
    return module, cuda.made("cuModuleGetFunction", module, b"nv12_rgb8")


@group
def images(cuda: Asker) -> None:
    cubin, ptx = images_for(H100)
    load = cuda.cuModuleLoadData
    for what, image in {
        "no image": b"neither the one nor the other" + bytes(256),
        "empty PTX": b".version 7.8\n.target sm_50\n.address_size 64\n\0",
        "cut PTX": ptx[: len(ptx) // 2] + b"\0",
        "PTX too new": ptx.replace(b".version 7.8", b".version 9.9"),
        "PTX of a later chip": ptx.replace(b".target sm_50", b".target sm_120"),
        "an older generation": next(images_for((8, 0))),
        "a later generation": next(images_for((12, 0))),
        "another ELF": cubin[:18] + b"\x3e\0" + cubin[20:],
    }.items():
        cuda.say(what, load(c.byref(Pointer()), image))
    cuda.say("NULL", load(c.byref(Pointer()), None))


@group
def functions(cuda: Asker) -> None:
    module, function = function_of(cuda)
    cuda.say("unknown name", cuda.cuModuleGetFunction(c.byref(Pointer()), module, b"nothing"))
    value = c.c_int()
    code = cuda.cuFuncGetAttribute(c.byref(value), 0, function)
    cuda.say("all threads of a block", [code, value.value == BLOCK[0] * BLOCK[1] * BLOCK[2]])
    kept = argument()
    kept.width = 0  # nothing to do
    arguments = (Pointer * 1)(c.addressof(kept))
    launch = cuda.cuLaunchKernel
    for what, (grid, block) in {
        "right": ((1, 1, 1), BLOCK),
        "no blocks": ((0, 1, 1), BLOCK),
        "no threads": ((1, 1, 1), (32, 0, 1)),
        "too many rows of blocks": ((1, 65536, 1), BLOCK),
        "more threads than there are": ((1, 1, 1), (32, 33, 1)),
        "more threads than the kernel allows": ((1, 1, 1), (32, 32, 1)),
    }.items():
        cuda.say(what, launch(function, *grid, *block, 0, None, arguments, None))
    cuda.say("no arguments", launch(function, 1, 1, 1, *BLOCK, 0, None, None, None))
    stream = cuda.stream()
    cuda.made("cuCtxCreate_v2", 0, 0)
    own = cuda.stream()
    cuda.say("in another context", launch(
        function, 1, 1, 1, *BLOCK, 0, own, arguments, None))  # fmt: skip
    cuda.say("from another context", launch(
        function, 1, 1, 1, *BLOCK, 0, stream, arguments, None))  # fmt: skip


@group
def a_module_unloaded_twice(cuda: Asker) -> None:
    module, _ = function_of(cuda)
    cuda.say("unload", cuda.cuModuleUnload(module))
    cuda.say("unload again", cuda.cuModuleUnload(module))


@group
def a_function_of_an_unloaded_module(cuda: Asker) -> None:
    module, function = function_of(cuda)
    cuda.cuModuleUnload(module)
    kept = argument()
    arguments = (Pointer * 1)(c.addressof(kept))
    cuda.say("find", cuda.cuModuleGetFunction(c.byref(Pointer()), module, b"nv12_rgb8"))
    cuda.say("launch", cuda.cuLaunchKernel(
        function, 1, 1, 1, *BLOCK, 0, None, arguments, None))  # fmt: skip


@group
def a_kernel_that_reads_nowhere(cuda: Asker) -> None:
    """What every kind of call answers after the error, and what brings the device back."""
    module, function = function_of(cuda)
    stream, event, place = cuda.stream(), cuda.event(), cuda.memory()
    host, context = cuda.made("cuMemHostAlloc", Size(64), 0), cuda.made("cuCtxGetCurrent")
    buffer, value = c.create_string_buffer(64), c.c_int()
    kept = argument()
    arguments = (Pointer * 1)(c.addressof(kept))
    launched = cuda.cuLaunchKernel(function, 1, 1, 1, *BLOCK, 0, stream, arguments, None)
    cuda.say("launch", launched)
    for what, call in {
        "synchronize the stream": lambda: cuda.cuStreamSynchronize(stream),
        "synchronize the context": cuda.cuCtxSynchronize,
        "query": lambda: cuda.cuStreamQuery(stream),
        "allocate": lambda: cuda.cuMemAlloc_v2(c.byref(Place()), Size(16)),
        "download": lambda: cuda.cuMemcpyDtoH_v2(buffer, place, Size(16)),
        "record": lambda: cuda.cuEventRecord(event, stream),
        "event query": lambda: cuda.cuEventQuery(event),
        "create a stream": lambda: cuda.cuStreamCreate(c.byref(Pointer()), 1),
        "free": lambda: cuda.cuMemFree_v2(place),
        "pinned free": lambda: cuda.cuMemFreeHost(host),
        "destroy the event": lambda: cuda.cuEventDestroy_v2(event),
        "destroy the stream": lambda: cuda.cuStreamDestroy_v2(stream),
        "unload": lambda: cuda.cuModuleUnload(module),
        "version": lambda: cuda.cuDriverGetVersion(c.byref(value)),
        "count": lambda: cuda.cuDeviceGetCount(c.byref(value)),
        "attribute": lambda: cuda.cuDeviceGetAttribute(c.byref(value), 75, 0),
        "get current": lambda: cuda.cuCtxGetCurrent(c.byref(Pointer())),
        "get id": lambda: cuda.cuCtxGetId(None, c.byref(Place())),
        "get device": lambda: cuda.cuCtxGetDevice(c.byref(value)),
        "memory info": lambda: cuda.cuMemGetInfo_v2(c.byref(Size()), c.byref(Size())),
        "pop": lambda: cuda.cuCtxPopCurrent_v2(c.byref(Pointer())),
        "push": lambda: cuda.cuCtxPushCurrent_v2(context),
        "retain": lambda: cuda.cuDevicePrimaryCtxRetain(c.byref(Pointer()), 0),
        "another context": lambda: cuda.cuCtxCreate_v2(c.byref(Pointer()), 0, 0),
        "release": lambda: cuda.cuDevicePrimaryCtxRelease_v2(0),
        "state": lambda: cuda.cuDevicePrimaryCtxGetState(0, c.byref(c.c_uint()), c.byref(value)),
        "reset": lambda: cuda.cuDevicePrimaryCtxReset_v2(0),
        "allocate after the reset": lambda: cuda.cuMemAlloc_v2(c.byref(Place()), Size(16)),
        "retain after the reset": lambda: cuda.cuDevicePrimaryCtxRetain(c.byref(Pointer()), 0),
        "allocate at last": lambda: cuda.cuMemAlloc_v2(c.byref(Place()), Size(16)),
        "cuInit": lambda: cuda.cuInit(0),
    }.items():
        cuda.say(what, call())
