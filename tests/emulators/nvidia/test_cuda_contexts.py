"""Contexts: a stack in each thread, primary ones that are counted, what goes with a context."""

from __future__ import annotations

import ctypes as c

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import (
    CONTEXT_IS_DESTROYED,
    INVALID_CONTEXT,
    INVALID_HANDLE,
    INVALID_VALUE,
    Cuda,
    in_a_thread,
)


def current(cuda: Cuda) -> int:
    return cuda.made("cuCtxGetCurrent")


def test_each_thread_has_a_stack_of_its_own(cuda: Cuda) -> None:
    primary = current(cuda)
    assert primary
    assert in_a_thread(lambda: current(cuda)) == 0
    assert in_a_thread(lambda: cuda.cuCtxSynchronize()) == INVALID_CONTEXT
    other = cuda.made("cuCtxCreate_v2", 0, 0)
    assert current(cuda) == other
    cuda.do("cuCtxPushCurrent_v2", c.c_void_p(primary))
    assert current(cuda) == primary
    assert [cuda.made("cuCtxPopCurrent_v2") for _ in range(2)] == [primary, other]
    assert current(cuda) == primary
    cuda.do("cuCtxDestroy_v2", c.c_void_p(other))


def test_set_current_replaces_the_top(cuda: Cuda) -> None:
    primary = c.c_void_p(current(cuda))
    other = cuda.made("cuCtxCreate_v2", 0, 0)
    cuda.do("cuCtxSetCurrent", primary)
    assert current(cuda) == primary.value
    cuda.do("cuCtxPopCurrent_v2", None)
    assert current(cuda) == primary.value
    cuda.do("cuCtxSetCurrent", None)
    assert current(cuda) == 0
    cuda.do("cuCtxSetCurrent", primary)
    cuda.do("cuCtxDestroy_v2", c.c_void_p(other))


def test_a_handle_that_is_none_is_refused(cuda: Cuda) -> None:
    assert cuda.cuCtxPushCurrent_v2(None) == INVALID_VALUE
    assert cuda.cuCtxPushCurrent_v2(c.c_void_p(4096)) == INVALID_CONTEXT
    assert cuda.cuCtxGetId(c.c_void_p(4096), c.byref(c.c_uint64())) == INVALID_VALUE


def test_a_destroyed_context_answers_so_in_other_threads(cuda: Cuda, emulator: Emulator) -> None:
    context = c.c_void_p(cuda.made("cuCtxCreate_v2", 0, 0))

    def work() -> tuple[int, int]:
        cuda.do("cuCtxPushCurrent_v2", context)
        cuda.do("cuCtxDestroy_v2", context)
        cuda.do("cuCtxSetCurrent", None) if current(cuda) else None
        return cuda.cuCtxPushCurrent_v2(context), cuda.cuCtxDestroy_v2(context)

    assert in_a_thread(work) == (CONTEXT_IS_DESTROYED, INVALID_CONTEXT)
    assert cuda.cuCtxSynchronize() == CONTEXT_IS_DESTROYED  # it is still on this thread's stack
    cuda.do("cuCtxPopCurrent_v2", None)
    assert len(emulator.misuses()) == 2


def test_a_primary_context_lives_as_long_as_it_is_retained(cuda: Cuda) -> None:
    flags, active = c.c_uint(), c.c_int()
    for _ in range(2):
        assert cuda.made("cuDevicePrimaryCtxRetain", 0) == current(cuda)
    for _ in range(2):
        cuda.do("cuDevicePrimaryCtxRelease_v2", 0)
    cuda.do("cuDevicePrimaryCtxGetState", 0, c.byref(flags), c.byref(active))
    assert active.value == 1
    cuda.do("cuDevicePrimaryCtxRelease_v2", 0)
    cuda.do("cuDevicePrimaryCtxGetState", 0, c.byref(flags), c.byref(active))
    assert active.value == 0
    assert cuda.cuCtxSynchronize() == CONTEXT_IS_DESTROYED
    assert cuda.cuDevicePrimaryCtxRelease_v2(0) == INVALID_CONTEXT
    cuda.made("cuDevicePrimaryCtxRetain", 0)


def test_a_reset_keeps_the_address_and_changes_the_id(cuda: Cuda, emulator: Emulator) -> None:
    context, before = current(cuda), context_id(cuda)
    address = cuda.made("cuMemAlloc_v2", c.c_size_t(100), kind=c.c_uint64)
    stream = cuda.made("cuStreamCreate", 1)
    event = cuda.made("cuEventCreate", 2)
    cuda.do("cuDevicePrimaryCtxReset_v2", 0)
    assert current(cuda) == context
    assert cuda.cuCtxSynchronize() == CONTEXT_IS_DESTROYED  # until it is retained again
    assert cuda.made("cuDevicePrimaryCtxRetain", 0) == context
    assert context_id(cuda) != before
    assert cuda.cuMemFree_v2(c.c_uint64(address)) == INVALID_VALUE
    assert cuda.cuStreamSynchronize(c.c_void_p(stream)) == INVALID_HANDLE
    assert cuda.cuEventQuery(c.c_void_p(event)) == CONTEXT_IS_DESTROYED  # the real one crashes
    cuda.do("cuDevicePrimaryCtxRelease_v2", 0)
    assert emulator.report()["lost"] == {"device memory": 1, "stream": 1, "event": 1}
    assert len(emulator.misuses()) == 3
    emulator.forget()


def context_id(cuda: Cuda) -> int:
    value = c.c_uint64()
    cuda.do("cuCtxGetId", None, c.byref(value))
    return value.value


def test_what_is_left_in_a_context_is_lost_and_told(cuda: Cuda, emulator: Emulator) -> None:
    context = cuda.made("cuCtxCreate_v2", 0, 0)
    cuda.made("cuMemAlloc_v2", c.c_size_t(100), kind=c.c_uint64)
    cuda.do("cuCtxDestroy_v2", c.c_void_p(context))
    report = emulator.report()
    assert report["lost"] == {"device memory": 1}
    assert report["device_bytes"] == 0
    emulator.forget()


def test_a_stream_works_whatever_is_current(cuda: Cuda, emulator: Emulator) -> None:
    with cuda.stream() as stream, cuda.event() as event, cuda.memory(16) as address:
        other = cuda.made("cuCtxCreate_v2", 0, 0)
        with cuda.stream() as own:
            assert cuda.cuEventRecord(event, own) == INVALID_HANDLE  # each of its own context
        cuda.do("cuMemsetD8Async", c.c_uint64(address), 1, c.c_size_t(16), stream)
        cuda.do("cuEventRecord", event, stream)
        cuda.do("cuEventSynchronize", event)
        cuda.do("cuCtxDestroy_v2", c.c_void_p(other))
        assert cuda.download(address, 16) == bytes([1] * 16)
    assert len(emulator.misuses()) == 1


def test_a_stream_whose_context_is_gone(cuda: Cuda, emulator: Emulator) -> None:
    other = cuda.made("cuCtxCreate_v2", 0, 0)
    stream = c.c_void_p(cuda.made("cuStreamCreate", 1))
    cuda.do("cuCtxDestroy_v2", c.c_void_p(other))
    assert cuda.cuStreamSynchronize(stream) == INVALID_HANDLE
    assert emulator.misuses() == ["a stream whose context is gone was used"]
    emulator.forget()
