"""Groups of :mod:`tests.hardware.cuda_misuse` about contexts, streams, events and names."""

from __future__ import annotations

import ctypes as c
import os

from tests.hardware.cuda_asker import Asker, HostFunction, Place, Pointer, Size, group


@group
def a_destroyed_event(cuda: Asker) -> None:
    event, stream = cuda.event(), cuda.stream()
    cuda.cuEventDestroy_v2(event)
    cuda.say("query", cuda.cuEventQuery(event))
    cuda.say("synchronize", cuda.cuEventSynchronize(event))
    cuda.say("record", cuda.cuEventRecord(event, stream))
    cuda.say("wait", cuda.cuStreamWaitEvent(stream, event, 0))


def destroyed_stream(cuda: Asker) -> c.c_void_p:
    stream = cuda.stream()
    cuda.cuStreamDestroy_v2(stream)
    return stream


@group
def a_destroyed_stream_synchronized(cuda: Asker) -> None:
    cuda.say("synchronize", cuda.cuStreamSynchronize(destroyed_stream(cuda)))


@group
def a_destroyed_stream_queried(cuda: Asker) -> None:
    cuda.say("query", cuda.cuStreamQuery(destroyed_stream(cuda)))


@group
def a_destroyed_stream_given_work(cuda: Asker) -> None:
    place = cuda.memory()
    cuda.say("memset", cuda.cuMemsetD8Async(place, 0, Size(4), destroyed_stream(cuda)))


@group
def a_default_stream_destroyed(cuda: Asker) -> None:
    for handle in (0, 1, 2):
        cuda.say(str(handle), cuda.cuStreamDestroy_v2(Pointer(handle)))


@group
def handles_of_another_context(cuda: Asker) -> None:
    place, stream, event = cuda.memory(), cuda.stream(), cuda.event()
    cuda.made("cuCtxCreate_v2", 0, 0)
    own = cuda.stream()
    cuda.say("stream: memset", cuda.cuMemsetD8Async(place, 0, Size(4), stream))
    cuda.say("stream: synchronize", cuda.cuStreamSynchronize(stream))
    cuda.say("stream: query", cuda.cuStreamQuery(stream))
    cuda.say("event: record here", cuda.cuEventRecord(event, own))
    cuda.say("event: record there", cuda.cuEventRecord(event, stream))
    cuda.say("event: wait", cuda.cuStreamWaitEvent(own, event, 0))
    cuda.say("event: synchronize", cuda.cuEventSynchronize(event))
    cuda.say("memory: memset", cuda.cuMemsetD8Async(place, 0, Size(4), own))
    cuda.say("memory: free", cuda.cuMemFree_v2(place))
    cuda.say("stream: destroy", cuda.cuStreamDestroy_v2(stream))
    cuda.say("event: destroy", cuda.cuEventDestroy_v2(event))


@group
def a_context_destroyed(cuda: Asker) -> None:
    current, popped = Pointer(), Pointer()
    context = cuda.made("cuCtxCreate_v2", 0, 0)
    cuda.say("push", cuda.cuCtxPushCurrent_v2(context))
    cuda.say("destroy", cuda.cuCtxDestroy_v2(context))
    cuda.say("get current", [cuda.cuCtxGetCurrent(c.byref(current)), current == context])
    cuda.say("synchronize", cuda.cuCtxSynchronize())
    cuda.say("get id", cuda.cuCtxGetId(None, c.byref(Place())))
    cuda.say("pop", cuda.cuCtxPopCurrent_v2(c.byref(popped)))
    cuda.say("push again", cuda.cuCtxPushCurrent_v2(context))


@group
def a_context_destroyed_twice(cuda: Asker) -> None:
    context = cuda.made("cuCtxCreate_v2", 0, 0)
    cuda.cuCtxDestroy_v2(context)
    cuda.say("destroy again", cuda.cuCtxDestroy_v2(context))


@group
def a_primary_context_destroyed(cuda: Asker) -> None:
    context = cuda.made("cuCtxGetCurrent")
    cuda.say("destroy", cuda.cuCtxDestroy_v2(context))


@group
def a_primary_context_reset(cuda: Asker) -> None:
    before, after, context = Place(), Place(), cuda.made("cuCtxGetCurrent")
    place, stream, event = cuda.memory(), cuda.stream(), cuda.event()
    cuda.cuCtxGetId(None, c.byref(before))
    cuda.say("reset", cuda.cuDevicePrimaryCtxReset_v2(0))
    cuda.say("synchronize", cuda.cuCtxSynchronize())
    cuda.say("get id", [cuda.cuCtxGetId(None, c.byref(after)), after.value != before.value])
    cuda.say("allocate", cuda.cuMemAlloc_v2(c.byref(Place()), Size(16)))
    again = Pointer()
    cuda.say("retain", cuda.cuDevicePrimaryCtxRetain(c.byref(again), 0))
    cuda.say("same address", again.value == context.value)
    cuda.say("get id after", [cuda.cuCtxGetId(None, c.byref(after)), after.value != before.value])
    cuda.say("allocate after", cuda.cuMemAlloc_v2(c.byref(Place()), Size(16)))
    cuda.say("free of before", cuda.cuMemFree_v2(place))
    cuda.say("event of before", cuda.cuEventQuery(event))
    cuda.say("stream of before", cuda.cuStreamQuery(stream))


@group
def a_primary_context_released(cuda: Asker) -> None:
    flags, active, place = c.c_uint(), c.c_int(), cuda.memory()
    cuda.say("release", cuda.cuDevicePrimaryCtxRelease_v2(0))
    cuda.cuDevicePrimaryCtxGetState(0, c.byref(flags), c.byref(active))
    cuda.say("active", active.value)
    cuda.say("synchronize", cuda.cuCtxSynchronize())
    cuda.say("free", cuda.cuMemFree_v2(place))
    cuda.say("get id", cuda.cuCtxGetId(None, c.byref(Place())))
    cuda.say("release again", cuda.cuDevicePrimaryCtxRelease_v2(0))


@group
def flags_of_a_primary_context(cuda: Asker) -> None:
    cuda.say("the same", cuda.cuDevicePrimaryCtxSetFlags_v2(0, 0))
    cuda.say("others, while active", cuda.cuDevicePrimaryCtxSetFlags_v2(0, 4))
    cuda.say("others, old call", cuda.cuDevicePrimaryCtxSetFlags(0, 2))
    cuda.say("none that there is", cuda.cuDevicePrimaryCtxSetFlags_v2(0, 0x4000))
    version = c.c_uint()
    code = cuda.cuCtxGetApiVersion(None, c.byref(version))
    cuda.say("version of the context", [code, version.value])


@group
def the_current_context_set(cuda: Asker) -> None:
    primary = cuda.made("cuCtxGetCurrent")
    other = cuda.made("cuCtxCreate_v2", 0, 0)
    cuda.say("set", cuda.cuCtxSetCurrent(primary))
    cuda.cuCtxPopCurrent_v2(c.byref(Pointer()))
    cuda.say("the other is gone", cuda.made("cuCtxGetCurrent").value == primary.value)
    cuda.say("set none", cuda.cuCtxSetCurrent(None))
    cuda.say("none is left", cuda.made("cuCtxGetCurrent").value is None)
    cuda.say("push none", cuda.cuCtxPushCurrent_v2(None))
    cuda.say("destroy from outside", cuda.cuCtxDestroy_v2(other))


@group
def a_reset_of_a_context_that_is_retained(cuda: Asker) -> None:
    flags, active = c.c_uint(), c.c_int()

    def is_active() -> int:
        cuda.cuDevicePrimaryCtxGetState(0, c.byref(flags), c.byref(active))
        return active.value

    event, module = cuda.event(), cuda.made("cuCtxGetCurrent")
    cuda.say("retain", cuda.cuDevicePrimaryCtxRetain(c.byref(Pointer()), 0))
    cuda.say("reset", cuda.cuDevicePrimaryCtxReset_v2(0))
    cuda.say("active", is_active())
    cuda.say("release", cuda.cuDevicePrimaryCtxRelease_v2(0))
    cuda.say("retain again", cuda.cuDevicePrimaryCtxRetain(c.byref(Pointer()), 0))
    cuda.say("active again", is_active())
    cuda.say("synchronize", cuda.cuCtxSynchronize())
    cuda.say("push", cuda.cuCtxPushCurrent_v2(module))
    cuda.say("release 1", [cuda.cuDevicePrimaryCtxRelease_v2(0), is_active()])
    cuda.say("release 2", [cuda.cuDevicePrimaryCtxRelease_v2(0), is_active()])
    cuda.say("event", cuda.cuEventQuery(event))


@group
def an_event_of_a_destroyed_stream(cuda: Asker) -> None:
    stream, other, event = cuda.stream(), cuda.stream(), cuda.event()
    with cuda.work_in(stream):
        cuda.cuEventRecord(event, stream)
        cuda.say("destroy", cuda.cuStreamDestroy_v2(stream))
        cuda.say("query", cuda.cuEventQuery(event))
        cuda.say("wait", cuda.cuStreamWaitEvent(other, event, 0))
        cuda.say("synchronize", cuda.cuEventSynchronize(event))
        cuda.say("query again", cuda.cuEventQuery(event))
        stream.value = 0


@group
def streams_and_events(cuda: Asker) -> None:
    stream, passed = cuda.stream(), c.c_float()
    cuda.say("stream flags", cuda.cuStreamCreate(c.byref(Pointer()), 7))
    cuda.say("event flags", cuda.cuEventCreate(c.byref(Pointer()), 64))
    plain, timed, other = cuda.event(), cuda.event(0), cuda.event(0)
    cuda.say("query, never recorded", cuda.cuEventQuery(plain))
    cuda.say("synchronize, never recorded", cuda.cuEventSynchronize(plain))
    cuda.say("wait, never recorded", cuda.cuStreamWaitEvent(stream, plain, 0))
    elapsed = cuda.cuEventElapsedTime
    cuda.say("time, never recorded", elapsed(c.byref(passed), timed, other))
    for event in (plain, timed):
        cuda.cuEventRecord(event, stream)
    cuda.cuStreamSynchronize(stream)
    cuda.say("time without timing", elapsed(c.byref(passed), plain, timed))
    with cuda.work_in(stream):
        cuda.cuEventRecord(other, stream)
        cuda.say("time, not yet reached", elapsed(c.byref(passed), timed, other))
        cuda.say("query, not yet reached", cuda.cuEventQuery(other))
        cuda.say("stream, not yet empty", cuda.cuStreamQuery(stream))
    codes = []
    function = HostFunction(lambda _: codes.append(cuda.cuStreamQuery(stream)))
    cuda.cuLaunchHostFunc(stream, function, None)
    cuda.cuStreamSynchronize(stream)
    cuda.say("call within a host function", codes)


@group
def names_and_numbers(cuda: Asker) -> None:
    value, pointer, status = c.c_int(), Pointer(), c.c_int(-1)
    for number in (0, 9999):
        cuda.say(f"attribute {number}", cuda.cuDeviceGetAttribute(c.byref(value), number, 0))
    cuda.say("device 99", cuda.cuDeviceGetAttribute(c.byref(value), 75, 99))
    cuda.say("get device 99", cuda.cuDeviceGet(c.byref(value), 99))
    cuda.say("name of no code", cuda.cuGetErrorName(12345, c.byref(c.c_char_p())))
    cuda.say("cuInit with flags", cuda.cuInit(1))
    ask = cuda.cuGetProcAddress_v2
    for name, version in ((b"cuNothing", 12000), (b"cuMemAlloc", 99000), (b"cuMemAlloc", 12000)):
        code = ask(name, c.byref(pointer), version, Place(0), c.byref(status))
        cuda.say(f"{name.decode()} {version}", [code, status.value, bool(pointer.value)])


@group
def a_forked_child(cuda: Asker) -> None:
    child = os.fork()
    if child == 0:
        cuda.say("synchronize", cuda.cuCtxSynchronize())
        cuda.say("cuInit", cuda.cuInit(0))
        cuda.say("count", cuda.cuDeviceGetCount(c.byref(c.c_int())))
        os._exit(0)
    os.waitpid(child, 0)
