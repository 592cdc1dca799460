"""Streams run late: what was not waited for has not happened."""

from __future__ import annotations

import ctypes as c
import threading

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import (
    CONTEXT_IS_DESTROYED,
    INVALID_HANDLE,
    NON_BLOCKING,
    NOT_READY,
    POISON,
    Cuda,
    in_a_thread,
)

SIZE = 64
HostFunction = c.CFUNCTYPE(None, c.c_void_p)


def seen(cuda: Cuda, address: int) -> int:
    """The one value that memory has for a copy in the default stream."""
    (value,) = set(cuda.download(address, SIZE))
    return value


def test_work_waits_until_it_is_waited_for(cuda: Cuda) -> None:
    with cuda.stream() as stream, cuda.memory(SIZE) as address:
        cuda.fill(address, 1, SIZE, stream)
        assert seen(cuda, address) == POISON
        cuda.do("cuStreamSynchronize", stream)
        assert seen(cuda, address) == 1


def test_early_streams_run_at_once(cuda: Cuda, emulator: Emulator) -> None:
    emulator.streams("early")
    with cuda.stream() as stream, cuda.memory(SIZE) as address:
        cuda.fill(address, 1, SIZE, stream)
        assert seen(cuda, address) == 1


def test_seeds_give_every_order(cuda: Cuda, emulator: Emulator) -> None:
    found = set()
    for seed in range(20):
        emulator.streams(f"seed:{seed}")
        with cuda.stream() as first, cuda.stream() as second, cuda.memory(SIZE) as address:
            cuda.fill(address, 1, SIZE, first)
            cuda.fill(address, 2, SIZE, second)
            for stream in (first, second):
                cuda.do("cuStreamSynchronize", stream)
            found.add(seen(cuda, address))
    assert found == {1, 2}


def test_the_same_seed_gives_the_same_order(cuda: Cuda, emulator: Emulator) -> None:
    def run() -> list[int]:
        emulator.streams("seed:5")
        values = []
        with cuda.memory(SIZE) as address:
            seen(cuda, address)  # the default stream is there first, in every run
        with cuda.memory(SIZE) as address, cuda.stream() as stream:
            for value in range(20):
                cuda.fill(address, value, SIZE, stream)
                values.append(seen(cuda, address))
        return values

    first = run()
    assert first == run()
    assert len(set(first)) > 2


def test_the_default_stream_waits_for_blocking_streams_only(cuda: Cuda) -> None:
    with (
        cuda.memory(SIZE) as one, cuda.memory(SIZE) as two,
        cuda.stream(0) as blocking, cuda.stream(NON_BLOCKING) as other,
    ):  # fmt: skip
        cuda.fill(one, 1, SIZE, blocking)
        cuda.fill(two, 2, SIZE, other)
        assert (seen(cuda, one), seen(cuda, two)) == (1, POISON)


def test_blocking_streams_wait_for_the_default_stream(cuda: Cuda) -> None:
    with cuda.stream(0) as blocking, cuda.memory(SIZE) as address, cuda.pinned(SIZE) as host:
        cuda.do("cuMemsetD8_v2", c.c_uint64(address), 3, c.c_size_t(SIZE))
        cuda.do("cuMemcpyDtoHAsync_v2", host, c.c_uint64(address), c.c_size_t(SIZE), blocking)
        cuda.do("cuStreamSynchronize", blocking)
        assert set(host) == {3}


def test_each_thread_has_a_default_stream_of_its_own(cuda: Cuda) -> None:
    own = c.c_void_p(2)
    context = c.c_void_p(cuda.made("cuCtxGetCurrent"))
    with cuda.memory(SIZE) as address:
        cuda.fill(address, 1, SIZE, own)

        def elsewhere() -> int:
            cuda.do("cuCtxPushCurrent_v2", context)
            return int(cuda.cuStreamQuery(own))

        assert in_a_thread(elsewhere) == 0
        assert cuda.cuStreamQuery(own) == NOT_READY
        cuda.do("cuStreamSynchronize", own)


def test_an_event_stands_for_what_was_queued_before_it(cuda: Cuda) -> None:
    with cuda.memory(SIZE) as address, cuda.stream() as stream, cuda.event() as event:
        assert cuda.cuEventQuery(event) == 0  # never recorded
        cuda.fill(address, 1, SIZE, stream)
        cuda.do("cuEventRecord", event, stream)
        cuda.fill(address, 2, SIZE, stream)
        assert cuda.cuEventQuery(event) == NOT_READY
        cuda.do("cuEventSynchronize", event)
        assert cuda.cuEventQuery(event) == 0
        assert seen(cuda, address) == 1


def test_polling_comes_to_an_end(cuda: Cuda) -> None:
    with cuda.memory(SIZE) as address, cuda.stream() as stream, cuda.event() as event:
        cuda.fill(address, 1, SIZE, stream)
        cuda.do("cuEventRecord", event, stream)
        assert [cuda.cuEventQuery(event) for _ in range(4)] == [NOT_READY, NOT_READY, 0, 0]
        cuda.fill(address, 2, SIZE, stream)
        assert [cuda.cuStreamQuery(stream) for _ in range(3)] == [NOT_READY, NOT_READY, 0]


@pytest.mark.parametrize("waits", [True, False])
def test_a_stream_that_waits_for_another(cuda: Cuda, waits: bool) -> None:
    with (
        cuda.memory(SIZE) as address, cuda.pinned(SIZE) as host, cuda.event() as event,
        cuda.stream() as writer, cuda.stream() as reader,
    ):  # fmt: skip
        cuda.fill(address, 1, SIZE, writer)
        cuda.do("cuEventRecord", event, writer)
        if waits:
            cuda.do("cuStreamWaitEvent", reader, event, 0)
        cuda.do("cuEventRecord", event, reader)  # what it captures later does not count
        cuda.do("cuMemcpyDtoHAsync_v2", host, c.c_uint64(address), c.c_size_t(SIZE), reader)
        cuda.do("cuStreamSynchronize", reader)
        assert set(host) == {1 if waits else POISON}


def test_pinned_memory_is_read_when_the_copy_runs(cuda: Cuda) -> None:
    with cuda.stream() as stream, cuda.memory(SIZE) as address, cuda.pinned(SIZE) as host:
        c.memset(host, 1, SIZE)
        cuda.do("cuMemcpyHtoDAsync_v2", c.c_uint64(address), host, c.c_size_t(SIZE), stream)
        c.memset(host, 2, SIZE)
        cuda.do("cuStreamSynchronize", stream)
        assert seen(cuda, address) == 2


def test_other_memory_is_read_and_written_before_the_call_returns(cuda: Cuda) -> None:
    buffer = c.create_string_buffer(b"\1" * SIZE, SIZE)
    with cuda.stream() as stream, cuda.memory(SIZE) as address:
        size = c.c_size_t(SIZE)
        cuda.do("cuMemcpyHtoDAsync_v2", c.c_uint64(address), buffer, size, stream)
        c.memset(buffer, 2, SIZE)
        cuda.do("cuMemcpyDtoHAsync_v2", buffer, c.c_uint64(address), size, stream)
        assert set(buffer.raw) == {1}


def test_queued_work_outlives_the_handle_of_its_stream(cuda: Cuda) -> None:
    with cuda.memory(SIZE) as address:
        stream = c.c_void_p(cuda.made("cuStreamCreate", NON_BLOCKING))
        cuda.fill(address, 1, SIZE, stream)
        cuda.do("cuStreamDestroy_v2", stream)
        assert seen(cuda, address) == POISON
        cuda.do("cuCtxSynchronize")
        assert seen(cuda, address) == 1


def test_handles_that_are_not_open(cuda: Cuda, emulator: Emulator) -> None:
    with cuda.stream() as stream, cuda.event() as event:
        gone_stream, gone_event = c.c_void_p(stream.value), c.c_void_p(event.value)
    with cuda.stream() as stream, cuda.event() as event:
        assert cuda.cuStreamSynchronize(gone_stream) == INVALID_HANDLE  # the real one crashes
        assert cuda.cuStreamDestroy_v2(gone_stream) == INVALID_HANDLE  # here too
        assert cuda.cuEventDestroy_v2(gone_event) == CONTEXT_IS_DESTROYED
        assert cuda.cuEventRecord(gone_event, stream) == CONTEXT_IS_DESTROYED
        assert cuda.cuEventRecord(event, gone_stream) == INVALID_HANDLE
        assert cuda.cuStreamWaitEvent(stream, gone_event, 0) == CONTEXT_IS_DESTROYED
        assert cuda.cuEventSynchronize(gone_event) == CONTEXT_IS_DESTROYED
    assert len(emulator.misuses()) == 7


def test_time_between_events(cuda: Cuda) -> None:
    passed = c.c_float()
    with cuda.stream() as stream, cuda.event(0) as first, cuda.event(0) as second:
        cuda.do("cuEventRecord", first, stream)
        assert cuda.cuEventElapsedTime(c.byref(passed), first, second) == INVALID_HANDLE
        cuda.do("cuEventRecord", second, stream)
        assert cuda.cuEventElapsedTime(c.byref(passed), first, second) == NOT_READY
        cuda.do("cuEventSynchronize", second)
        cuda.do("cuEventElapsedTime", c.byref(passed), first, second)
        assert passed.value >= 0


@pytest.mark.parametrize("waits", [True, False])
def test_a_function_of_the_host_comes_in_its_turn(
    cuda: Cuda, emulator: Emulator, waits: bool
) -> None:
    called, codes = threading.Event(), []

    @HostFunction
    def function(_user: object) -> None:
        codes.append(cuda.cuCtxGetCurrent(c.byref(c.c_void_p())))
        called.set()

    with cuda.stream() as stream, cuda.memory(SIZE) as address:
        cuda.fill(address, 1, SIZE, stream)
        cuda.do("cuLaunchHostFunc", stream, function, None)
        if waits:
            cuda.do("cuStreamSynchronize", stream)
        assert called.wait(20)
        cuda.do("cuStreamSynchronize", stream)
        assert seen(cuda, address) == 1
    assert codes == [0]  # it is answered, and must not be made
    assert emulator.misuses() == ["cuCtxGetCurrent within a host function of a stream"]


def test_threads_that_wait_for_one_stream(cuda: Cuda) -> None:
    context = c.c_void_p(cuda.made("cuCtxGetCurrent"))
    with cuda.stream() as stream:
        order: list[int] = []
        kept = [HostFunction(lambda _, number=number: order.append(number)) for number in range(50)]
        for function in kept:
            cuda.do("cuLaunchHostFunc", stream, function, None)

        def wait() -> int:
            cuda.do("cuCtxPushCurrent_v2", context)
            return int(cuda.cuStreamSynchronize(stream))

        threads = [threading.Thread(target=wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cuda.do("cuStreamSynchronize", stream)
        assert order == list(range(50))
