"""Memory that is used again: only behind what its readers queued, bounded, and freed when it is
needed elsewhere. Streams are late here: what nobody waits for has not run."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.consumer import Cuda, Taken
from videohw.errors import BackendError

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

SIZE = 4096
OLD, NEW = (np.full(SIZE, value, np.uint8) for value in (1, 2))


def counters(device: Any, pool: str = "device") -> dict[str, int]:
    found: dict[str, int] = device.counters()[pool]
    return found


def values(device: Any, array: npt.NDArray[np.uint8]) -> Any:
    """An array whose filling is over."""
    made = device.upload(array)
    assert (made.to_host() == array).all()
    assert made.ready
    return made


def test_blocks_are_used_again(emulator: Emulator) -> None:
    device = _cuda.device()
    for _ in range(5):
        values(device, OLD)
    assert counters(device) == {
        "hits": 4, "misses": 1, "abandoned": 0, "used_blocks": 0, "used_bytes": 0,
        "idle_blocks": 1, "idle_bytes": SIZE,
    }  # fmt: skip
    assert counters(device, "pinned")["misses"] == 1
    assert counters(device, "pinned")["idle_blocks"] == 1


@pytest.mark.parametrize("stream", ["own", None, 1, 2, -1, "array interface", "unversioned"])
def test_a_block_is_written_again_behind_its_readers(
    emulator: Emulator, stream: str | int | None
) -> None:
    """What a consumer has queued when it drops the array reads what was there."""
    device = _cuda.device()
    cuda = Cuda(emulator)
    array = values(device, OLD)
    pointer = array.pointer
    with cuda.using(device.context), cuda.stream() as own, cuda.pinned(SIZE) as seen:
        queue = own
        if stream == "array interface":
            assert array.__cuda_array_interface__["data"] == (pointer, False)
            cuda.read_later(seen, pointer, queue)
        else:
            queue = own if stream in ("own", -1, "unversioned") else stream or 1
            version = None if stream == "unversioned" else (1, 0)
            asked = queue if isinstance(stream, str) else stream
            taken = Taken(array.__dlpack__(stream=asked, max_version=version))
            cuda.read_later(seen, taken.pointer, queue)
            taken.drop()
        del array
        again = device.upload(NEW)
        assert again.pointer == pointer
        assert counters(device)["misses"] == 1
        assert (again.to_host() == NEW).all()
        cuda.finish(queue)
        assert bytes(seen) == bytes(OLD)


@pytest.mark.parametrize("stream", ["own", None, 2])
def test_a_consumers_stream_waits_for_the_array(
    emulator: Emulator, stream: str | int | None
) -> None:
    device = _cuda.device()
    cuda = Cuda(emulator)
    with cuda.using(device.context), cuda.stream() as own, cuda.pinned(SIZE) as seen:
        queue = own if stream == "own" else stream or 1
        array = device.upload(OLD)
        assert not array.ready
        emulator.forget()
        taken = Taken(array.__dlpack__(stream=own if stream == "own" else stream))
        assert "cuEventSynchronize" not in emulator.log()  # not the host
        cuda.read_later(seen, taken.pointer, queue)
        cuda.finish(queue)
        assert bytes(seen) == bytes(OLD)
        taken.drop()


def test_the_default_stream_waits_for_the_array_interface(emulator: Emulator) -> None:
    device = _cuda.device()
    cuda = Cuda(emulator)
    with cuda.using(device.context), cuda.pinned(SIZE) as seen:
        array = device.upload(OLD)
        assert array.__cuda_array_interface__["stream"] == 1
        cuda.read_later(seen, array.pointer, 1)
        cuda.finish(1)
        assert bytes(seen) == bytes(OLD)
        assert array.ready
        assert array.__cuda_array_interface__["stream"] is None


def test_a_consumer_may_end_its_stream_first(emulator: Emulator) -> None:
    """Recording an event on a stream that is gone crashes the real driver."""
    device = _cuda.device()
    cuda = Cuda(emulator)
    array = values(device, OLD)
    with cuda.using(device.context), cuda.pinned(SIZE) as seen:
        with cuda.stream() as own:
            taken = Taken(array.__dlpack__(stream=own))
            cuda.read_later(seen, taken.pointer, own)
        taken.drop()
        del array
        assert (values(device, NEW).to_host() == NEW).all()
        assert bytes(seen) == bytes(OLD)


@pytest.mark.parametrize("stream", [1, -1])
def test_a_driver_without_events_of_a_context(emulator: Emulator, stream: int) -> None:
    device = _cuda.device()
    cuda = Cuda(emulator)
    array = values(device, OLD)
    emulator.fault("cuCtxRecordEvent", "fail", 801, count=0)
    emulator.forget()
    with cuda.using(device.context), cuda.stream() as own, cuda.pinned(SIZE) as seen:
        taken = Taken(array.__dlpack__(stream=stream))
        queue = own if stream == -1 else stream
        cuda.read_later(seen, taken.pointer, queue)
        taken.drop()
        del array
        # The default stream has an event of its own; for streams unknown all work is waited for.
        assert ("cuCtxSynchronize" in emulator.log()) is (stream == -1)
        assert counters(device)["idle_blocks"] == 1
        again = values(device, NEW)
        cuda.finish(queue)
        assert bytes(seen) == bytes(OLD)
        del again


def test_many_readings_leave_few_events(emulator: Emulator) -> None:
    device = _cuda.device()
    cuda = Cuda(emulator)
    array = values(device, OLD)
    with cuda.using(device.context), cuda.stream() as own:
        for _ in range(100):
            Taken(array.__dlpack__(stream=own)).drop()
            cuda.finish(own)
        assert emulator.open()["event"] < 20


def test_a_capsule_that_nobody_takes(emulator: Emulator) -> None:
    device = _cuda.device()
    array = values(device, OLD)
    for version in (None, (1, 0)):
        capsule = array.__dlpack__(max_version=version)
        del capsule
    del array
    assert counters(device)["used_blocks"] == 0


def test_what_was_uploaded_may_change_at_once(emulator: Emulator) -> None:
    """The pinned memory in between is written again only when the device has read it."""
    device = _cuda.device()
    data = OLD.copy()
    first = device.upload(data)
    data[:] = NEW
    second = device.upload(data)
    assert (first.to_host() == OLD).all()
    assert (second.to_host() == NEW).all()


def test_an_array_dropped_before_it_is_filled(emulator: Emulator) -> None:
    device = _cuda.device()
    first = device.upload(OLD)
    pointer = first.pointer
    del first
    second = device.upload(NEW)
    assert second.pointer == pointer
    assert (second.to_host() == NEW).all()


def test_sizes_that_differ_little_share_blocks(emulator: Emulator) -> None:
    device = _cuda.device()
    for size in (100_000, 100_001, 99_000):
        values(device, np.ones(size, np.uint8))
    assert counters(device)["misses"] == 1
    values(device, np.ones(50_000, np.uint8))
    assert counters(device)["misses"] == 2
    assert counters(device)["idle_bytes"] < 1.125 * 150_001


def test_idle_memory_is_bounded(emulator: Emulator) -> None:
    device = _cuda.device()
    device.keep_at_most(3 * SIZE, SIZE)
    arrays = [device.upload(OLD) for _ in range(8)]
    assert counters(device)["used_bytes"] == 8 * SIZE
    pointers = [array.pointer for array in arrays]
    while arrays:
        del arrays[0]
    assert (counters(device)["idle_blocks"], counters(device)["idle_bytes"]) == (3, 3 * SIZE)
    assert counters(device, "pinned")["idle_bytes"] <= SIZE
    kept = [device.upload(OLD) for _ in range(3)]
    assert [array.pointer for array in kept] == pointers[5:]  # the newest stayed
    device.keep_at_most(0, 0)
    kept.clear()
    assert emulator.report()["device_bytes"] == 0
    device.keep_at_most(1 << 20, 1 << 20)


def test_memory_that_ran_out_is_found_among_the_idle(emulator: Emulator) -> None:
    device = _cuda.device()
    values(device, OLD)
    assert counters(device)["idle_blocks"] == 1
    emulator.fault("cuMemAlloc_v2", "fail", 2)
    values(device, np.ones(2 * SIZE, np.uint8))
    assert counters(device)["idle_blocks"] == 1  # the one that was needed


@pytest.mark.parametrize("call", ["cuMemAlloc_v2", "cuMemHostAlloc"])
def test_memory_that_ran_out_for_good(emulator: Emulator, call: str) -> None:
    device = _cuda.device()
    emulator.fault(call, "fail", 2, count=2)
    with pytest.raises(BackendError, match="CUDA_ERROR_OUT_OF_MEMORY") as caught:
        device.upload(OLD)
    assert caught.value.call == call.removesuffix("_v2")
    assert caught.value.hint
    assert counters(device)["used_blocks"] == counters(device, "pinned")["used_blocks"] == 0
    values(device, OLD)


def test_host_arrays_go_back_with_their_last_view(emulator: Emulator) -> None:
    device = _cuda.device()
    array = values(device, OLD)
    host = array.to_host()
    assert counters(device, "pinned")["used_blocks"] == 1
    view = host.reshape(2, -1)[1, ::2]
    del host
    assert counters(device, "pinned")["used_blocks"] == 1
    assert (view == 1).all()
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        view.base.setflags(write=True)
    del view
    gc.collect()
    assert counters(device, "pinned")["used_blocks"] == 0


def test_many_threads(emulator: Emulator) -> None:
    device = _cuda.device()
    emulator.streams("seed:5")
    failed: list[object] = []

    def work(seed: int) -> None:
        for step in range(30):
            wanted = np.full(SIZE, (seed * 31 + step) % 251, np.uint8)
            array = device.upload(wanted)
            if step % 3 == 0:
                array = array.copy()
            if not (array.to_host() == wanted).all():
                failed.append((seed, step))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert counters(device)["misses"] <= 12
    assert counters(device)["used_blocks"] == 0
