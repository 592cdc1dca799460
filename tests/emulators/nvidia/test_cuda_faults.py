"""The plan of faults, the log and the ledger, which other tests rely on."""

from __future__ import annotations

import ctypes as c
import os
import threading
import time

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import NOT_INITIALIZED, OUT_OF_MEMORY, Cuda

UNKNOWN, ILLEGAL_ADDRESS = 999, 700


def allocations(cuda: Cuda, count: int) -> list[int]:
    """Result codes of that many; what was allocated is freed."""
    codes = []
    for _ in range(count):
        address = c.c_uint64()
        codes.append(cuda.cuMemAlloc_v2(c.byref(address), c.c_size_t(16)))
        if not codes[-1]:
            cuda.do("cuMemFree_v2", address)
    return codes


def test_the_nth_call_fails_once(cuda: Cuda, emulator: Emulator) -> None:
    emulator.fault("cuMemAlloc_v2", "fail", OUT_OF_MEMORY, first=3)
    assert allocations(cuda, 5) == [0, 0, 2, 0, 0]
    assert emulator.clear_faults() == 1


def test_some_calls_fail_or_all_from_one_on(cuda: Cuda, emulator: Emulator) -> None:
    emulator.fault("cuMemAlloc_v2", "fail", 2, first=2, count=2)
    assert allocations(cuda, 5) == [0, 2, 2, 0, 0]
    emulator.clear_faults()
    emulator.fault("cuMemAlloc_v2", "fail", 2, first=2, count=0)
    assert allocations(cuda, 5) == [0, 2, 2, 2, 2]
    emulator.clear_faults()
    assert allocations(cuda, 1) == [0]


def test_any_call_by_its_number(cuda: Cuda, emulator: Emulator) -> None:
    """Each position of a scenario is hit, whatever is called there."""
    emulator.forget()
    allocations(cuda, 2)
    names = emulator.log()
    assert names == ["cuMemAlloc_v2", "cuMemFree_v2"] * 2
    for number in range(1, len(names) + 1):
        emulator.fault("*", "fail", UNKNOWN, first=number)
        codes = []
        for _ in range(2):
            address = c.c_uint64()
            codes.append(cuda.cuMemAlloc_v2(c.byref(address), c.c_size_t(16)))
            codes.append(cuda.cuMemFree_v2(address))
        assert codes.index(UNKNOWN) == number - 1
        assert emulator.clear_faults() == 1


def test_a_sticky_error_is_that_of_every_later_call(cuda: Cuda, emulator: Emulator) -> None:
    emulator.fault("cuMemAlloc_v2", "sticky", ILLEGAL_ADDRESS)
    assert allocations(cuda, 2) == [ILLEGAL_ADDRESS] * 2
    assert cuda.cuCtxSynchronize() == ILLEGAL_ADDRESS
    assert cuda.cuGetErrorName(0, c.byref(c.c_char_p())) == 0
    emulator.clear_faults()
    assert cuda.cuCtxSynchronize() == 0


def test_what_fails_to_be_given_back_is_given_back(cuda: Cuda, emulator: Emulator) -> None:
    address = cuda.made("cuMemAlloc_v2", c.c_size_t(16), kind=c.c_uint64)
    emulator.fault("cuMemFree_v2", "fail", UNKNOWN)
    assert cuda.cuMemFree_v2(c.c_uint64(address)) == UNKNOWN
    assert "device memory" not in emulator.open()


def test_a_stalled_call_holds_no_other_up(cuda: Cuda, emulator: Emulator) -> None:
    emulator.fault("cuMemGetInfo_v2", "stall", 0)
    context, codes = cuda.made("cuCtxGetCurrent"), []

    def ask() -> None:
        cuda.do("cuCtxPushCurrent_v2", c.c_void_p(context))
        sizes = [c.c_size_t(), c.c_size_t()]
        codes.append(cuda.cuMemGetInfo_v2(*map(c.byref, sizes)))

    thread = threading.Thread(target=ask)
    thread.start()
    while not emulator.stalled():
        time.sleep(0.001)
    assert allocations(cuda, 2) == [0, 0]
    assert codes == []
    emulator.clear_faults()
    thread.join()
    assert codes == [0]


def test_a_late_call_does_its_work(cuda: Cuda, emulator: Emulator) -> None:
    emulator.fault("cuMemAlloc_v2", "stall", 50)
    start = time.monotonic()
    assert allocations(cuda, 1) == [0]
    assert time.monotonic() - start >= 0.05


@pytest.mark.parametrize("text", ["", "cuInit", "cuInit@0=fail:1", "cuInit@1=explode:1"])
def test_a_plan_that_is_none(emulator: Emulator, text: str) -> None:
    assert not emulator._library.videohw_emulator_fault(text.encode())


def test_the_ledger_names_what_is_open(cuda: Cuda, emulator: Emulator) -> None:
    with cuda.memory(1000) as address, cuda.stream():
        report = emulator.report()
        assert report["open"]["device memory"] == report["open"]["stream"] == 1
        (entry,) = [each for each in report["handles"] if each["kind"] == "device memory"]
        assert int(entry["handle"], 16) == address
        assert (entry["bytes"], entry["call"]) == (1000, "cuMemAlloc_v2")
    assert emulator.report()["peak"]["device memory"] == 1


def test_a_leak_a_loss_and_a_misuse_fail_a_test(cuda: Cuda, emulator: Emulator) -> None:
    with pytest.raises(AssertionError, match="device memory"), emulator.clean():
        address = cuda.made("cuMemAlloc_v2", c.c_size_t(16), kind=c.c_uint64)
    cuda.do("cuMemFree_v2", c.c_uint64(address))
    with pytest.raises(AssertionError, match="no allocation"), emulator.clean():
        cuda.cuMemFree_v2(c.c_uint64(address))
    context = cuda.made("cuCtxCreate_v2", 0, 0)
    cuda.made("cuMemAlloc_v2", c.c_size_t(16), kind=c.c_uint64)
    with pytest.raises(AssertionError, match=r"lost.*device memory"), emulator.clean():
        cuda.do("cuCtxDestroy_v2", c.c_void_p(context))
    emulator.forget()


def test_a_forked_child_cannot_use_it(cuda: Cuda) -> None:
    child = os.fork()
    if child == 0:
        codes = [cuda.cuCtxSynchronize(), cuda.cuInit(0)]
        os._exit(0 if codes == [NOT_INITIALIZED] * 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
