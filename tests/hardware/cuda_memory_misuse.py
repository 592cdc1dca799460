"""Groups of :mod:`tests.hardware.cuda_misuse` about memory and copies, and what waits."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from typing import Any

from tests.hardware.cuda_asker import Asker, Place, Pointer, Size, group
from tests.hardware.cuda_kernel_misuse import function_of


@group
def device_memory(cuda: Asker) -> None:
    place, pitch = Place(), Size()
    first = cuda.memory()
    cuda.say("no bytes", cuda.cuMemAlloc_v2(c.byref(place), Size(0)))
    cuda.say("no result", cuda.cuMemAlloc_v2(None, Size(16)))
    cuda.say("too much", cuda.cuMemAlloc_v2(c.byref(place), Size(1 << 42)))
    cuda.say("free within", cuda.cuMemFree_v2(Place(first.value + 16)))
    call = cuda.cuMemAllocPitch_v2
    cuda.say("elements of 3", call(c.byref(place), c.byref(pitch), Size(100), Size(2), 3))
    cuda.say("pitch", [call(c.byref(place), c.byref(pitch), Size(513), Size(2), 4), pitch.value])
    cuda.say("alignment", first.value % 512)
    pooled = cuda.made("cuMemAllocAsync", Size(64), None, kind=Place)
    cuda.say("free of pooled", cuda.cuMemFree_v2(pooled))
    cuda.say("pooled free of plain", cuda.cuMemFreeAsync(first, None))
    cuda.say("free after that", cuda.cuMemFree_v2(first))
    pooled = cuda.made("cuMemAllocAsync", Size(64), None, kind=Place)
    cuda.say("pooled free", cuda.cuMemFreeAsync(pooled, None))
    cuda.say("pooled free again", cuda.cuMemFreeAsync(pooled, None))
    start, size = Place(), Size()
    reach = cuda.cuMemGetAddressRange_v2(c.byref(start), c.byref(size), Place(4096))
    cuda.say("range of no memory", reach)


@group
def pinned_memory(cuda: Asker) -> None:
    buffer, size = c.create_string_buffer(1 << 16), Size(1 << 14)
    host, place = cuda.made("cuMemHostAlloc", Size(100), 0), Place()
    cuda.say("unknown flags", cuda.cuMemHostAlloc(c.byref(Pointer()), Size(16), 0x100))
    cuda.say("no bytes", cuda.cuMemHostAlloc(c.byref(Pointer()), Size(0), 0))
    code = cuda.cuMemHostGetDevicePointer_v2(c.byref(place), host, 0)
    cuda.say("device pointer", [code, place.value == host.value])
    cuda.say("device pointer of plain", cuda.cuMemHostGetDevicePointer_v2(
        c.byref(place), buffer, 0))  # fmt: skip
    cuda.say("free", cuda.cuMemFreeHost(host))
    cuda.say("free again", cuda.cuMemFreeHost(host))
    cuda.say("free of plain", cuda.cuMemFreeHost(buffer))
    cuda.say("free of none", cuda.cuMemFreeHost(None))
    cuda.say("register", cuda.cuMemHostRegister_v2(buffer, size, 0))
    cuda.say("register again", cuda.cuMemHostRegister_v2(buffer, size, 0))
    cuda.say("free of registered", cuda.cuMemFreeHost(buffer))
    cuda.say("unregister", cuda.cuMemHostUnregister(buffer))
    cuda.say("unregister again", cuda.cuMemHostUnregister(buffer))


@group
def attributes_of_pointers(cuda: Asker) -> None:
    buffer, place = c.create_string_buffer(16), cuda.memory()
    freed, host = cuda.memory(), cuda.made("cuMemHostAlloc", Size(16), 0)
    cuda.cuMemFree_v2(freed)
    where = {
        "device": place.value, "pinned": host.value, "plain": c.addressof(buffer),
        "freed": freed.value,
    }  # fmt: skip
    asked = {"memory type": 2, "host pointer": 4, "managed": 8, "ordinal": 9, "mapped": 13}
    for name, address in where.items():
        for what, number in asked.items():
            value = c.c_int64(0)
            code = cuda.cuPointerGetAttribute(c.byref(value), number, Place(address))
            found = None if number == 4 else value.value & 0xFFFFFFFF
            cuda.say(f"{name}: {what}", [code, found if code == 0 else None])
        kind, ordinal = c.c_uint(9), c.c_int(9)
        numbers, values = (
            (c.c_int * 2)(2, 9),
            (Pointer * 2)(c.addressof(kind), c.addressof(ordinal)),
        )
        code = cuda.cuPointerGetAttributes(2, numbers, values, Place(address))
        cuda.say(f"{name}: at once", [code, kind.value, ordinal.value])
    cuda.say("unknown attribute", cuda.cuPointerGetAttribute(c.byref(c.c_int64()), 99, place))


def copy_of_rows(**changes: int) -> Any:
    from tests.emulators.nvidia.client import DEVICE, Copy2D

    facts = {
        "source_type": DEVICE, "target_type": DEVICE, "source_pitch": 64, "target_pitch": 64,
        "width": 32, "rows": 4, **changes,
    }  # fmt: skip
    return Copy2D(**facts)


@group
def copies(cuda: Asker) -> None:
    one, two = cuda.memory(), cuda.memory()
    places = {"source_device": one.value, "target_device": two.value}
    call = cuda.cuMemcpy2D_v2
    cuda.say("right", call(c.byref(copy_of_rows(**places))))
    cuda.say("width beyond the pitch", call(c.byref(copy_of_rows(**places, width=65))))
    cuda.say("x and width beyond", call(c.byref(copy_of_rows(**places, source_x=33))))
    cuda.say("no rows", call(c.byref(copy_of_rows(**places, rows=0))))
    cuda.say("no pitch", call(c.byref(copy_of_rows(**places, source_pitch=0))))
    cuda.upload(one, bytes(range(256)) * 4)
    call(c.byref(copy_of_rows(**places, source_pitch=0)))
    cuda.say("the second row without a pitch", cuda.download(two, 65)[64])
    cuda.say("no pitch, one row", call(c.byref(copy_of_rows(**places, source_pitch=0, rows=1))))
    cuda.say("unknown memory", call(c.byref(copy_of_rows(**places, source_type=9))))
    cuda.say("unified", call(c.byref(copy_of_rows(**places, source_type=4))))
    cuda.say("rows beyond by far", call(c.byref(copy_of_rows(**places, rows=1 << 20))))
    cuda.say("no bytes", cuda.cuMemcpyDtoD_v2(one, two, Size(0)))
    cuda.say("one byte beyond", cuda.cuMemcpyDtoH_v2(bytes(1025), one, Size(1025)))
    cuda.say("set misplaced 16", cuda.cuMemsetD16_v2(Place(one.value + 1), 0, Size(1)))
    cuda.say("set misplaced 32", cuda.cuMemsetD32_v2(Place(one.value + 2), 0, Size(1)))
    cuda.say("set beyond by far", cuda.cuMemsetD8_v2(one, 0, Size(1 << 30)))


@group
def what_waits(cuda: Asker) -> None:
    """For work in a stream that does not block."""
    stream, other, event = cuda.stream(), cuda.stream(), cuda.event()
    pinned = cuda.made("cuMemHostAlloc", Size(1024), 0)
    plain = c.create_string_buffer(1024)
    place, size = cuda.memory(), Size(1024)
    calls: dict[str, Callable[[], int]] = {
        "allocate": lambda: cuda.cuMemAlloc_v2(c.byref(Place()), Size(64 << 20)),
        "free": lambda: cuda.cuMemFree_v2(cuda.memory()),
        "pooled free": lambda: cuda.cuMemFreeAsync(
            cuda.made("cuMemAllocAsync", Size(64), other, kind=Place), other),
        "pinned allocate": lambda: cuda.cuMemHostAlloc(c.byref(Pointer()), Size(1 << 20), 0),
        "destroy the stream of an event": lambda: cuda.cuStreamDestroy_v2(cuda.stream()),
        "destroy an event": lambda: cuda.cuEventDestroy_v2(cuda.event()),
        "download to plain": lambda: cuda.cuMemcpyDtoHAsync_v2(plain, place, size, stream),
        "download to pinned": lambda: cuda.cuMemcpyDtoHAsync_v2(pinned, place, size, stream),
        "upload of plain": lambda: cuda.cuMemcpyHtoDAsync_v2(place, plain, size, stream),
        "upload of pinned": lambda: cuda.cuMemcpyHtoDAsync_v2(place, pinned, size, stream),
        "download in the default stream": lambda: cuda.cuMemcpyDtoH_v2(plain, place, size),
        "within the device, default stream": lambda: cuda.cuMemcpyDtoD_v2(place, place, size),
        "memset in the default stream": lambda: cuda.cuMemsetD8_v2(place, 0, size),
        "record": lambda: cuda.cuEventRecord(event, stream),
        "synchronize the context": lambda: cuda.cuCtxSynchronize(),
        "synchronize the default stream": lambda: cuda.cuStreamSynchronize(None),
    }  # fmt: skip
    for what, call in calls.items():
        call()
        cuda.cuCtxSynchronize()
        with cuda.work_in(stream):
            cuda.timed(what, call)
    pinned_again = cuda.made("cuMemHostAlloc", Size(1024), 0)
    with cuda.work_in(stream):
        cuda.timed("pinned free", lambda: cuda.cuMemFreeHost(pinned_again))
    cuda.made("cuMemAlloc_v2", Size(16), kind=Place)
    busy = cuda.stream()
    with cuda.work_in(stream):
        cuda.cuStreamWaitEvent(busy, event, 0)
        cuda.timed("destroy a busy stream", lambda: cuda.cuStreamDestroy_v2(busy))


@group
def what_waits_beside(cuda: Asker) -> None:
    """As above, of what gives something back, and with work in a stream that blocks."""
    stream, blocking = cuda.stream(), cuda.made("cuStreamCreate", 0)
    plain, size = c.create_string_buffer(32 << 20), Size(32 << 20)
    place, small = cuda.memory(32 << 20), cuda.memory(16)
    cuda.cuMemHostRegister_v2(plain, Size(1 << 20), 0)
    with cuda.work_in(stream):
        cuda.timed("unregister", lambda: cuda.cuMemHostUnregister(plain))
    module, _ = function_of(cuda)
    with cuda.work_in(stream):
        cuda.timed("unload a module", lambda: cuda.cuModuleUnload(module))
    with cuda.work_in(stream):
        cuda.timed("load a module", lambda: function_of(cuda) and 0)
    upload = cuda.cuMemcpyHtoDAsync_v2
    with cuda.work_in(stream):
        cuda.timed("upload of much plain", lambda: upload(place, plain, size, stream))
    other = cuda.made("cuCtxCreate_v2", 0, 0)
    with cuda.work_in(stream):
        cuda.timed("free, another context is busy", lambda: cuda.cuMemFree_v2(cuda.memory()))
    own = cuda.stream()
    with cuda.work_in(own):
        cuda.timed("destroy the context", lambda: cuda.cuCtxDestroy_v2(other))
        cuda.cuStreamSynchronize(stream)
    buffer, few = c.create_string_buffer(16), Size(16)
    for what, call in {
        "default stream, upload": lambda: cuda.cuMemcpyHtoD_v2(small, buffer, few),
        "default stream, download": lambda: cuda.cuMemcpyDtoH_v2(buffer, small, few),
        "default stream, memset": lambda: cuda.cuMemsetD8_v2(small, 0, few),
        "default stream, synchronize": lambda: cuda.cuStreamSynchronize(None),
        "default stream, query": lambda: cuda.cuStreamQuery(None),
    }.items():
        with cuda.work_in(blocking):
            cuda.timed(what, call)
