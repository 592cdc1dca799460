"""Every call of the driver fails once, at each place where it is made, and for ever: the error is
typed, nothing stays open, and the next use works."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.consumer import Taken
from tests.nvidia.pictures import nv12_of
from videohw.errors import BackendError, VideoHwError

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

VALUES = np.arange(4096, dtype=np.uint8)
FAILS = 999  # CUDA_ERROR_UNKNOWN


def scenario() -> None:
    """Open, upload, convert, share, download, let go of all."""
    device = _cuda.device()
    try:
        array = device.upload(VALUES)
        nv12_of(device, 16, 8)
        Taken(array.__dlpack__(stream=None)).drop()
        assert array.__cuda_array_interface__["version"] == 3
        assert np.array_equal(array.copy().to_host(), VALUES)
        del array
        device.upload(VALUES).to_host()
        device.trim()
    finally:
        del device
        _cuda.release_devices()


def calls(emulator: Emulator) -> Counter[str]:
    emulator.forget()
    scenario()
    return Counter(emulator.log())


def attempt() -> VideoHwError | None:
    try:
        scenario()
    except VideoHwError as error:
        return error.with_traceback(None)
    return None


def check(emulator: Emulator, what: str) -> None:
    emulator.clear_faults()
    gc.collect(0)
    report = emulator.report()
    assert report["misuses"] == [], what
    scenario()


def test_each_call_fails_once(emulator: Emulator) -> None:
    made = calls(emulator)
    assert sum(made.values()) > 100
    raised = 0
    for call, count in made.items():
        for first in range(1, count + 1):
            before = emulator.open()
            emulator.fault(call, "fail", FAILS, first)
            error = attempt()
            check(emulator, f"{call} {first}")
            if error is not None:
                assert isinstance(error, BackendError), (call, first, error)
                assert error.code == FAILS, (call, first, error)
                raised += 1
            assert emulator.open() == before, (call, first)
    assert raised > 50


def test_each_call_fails_for_ever(emulator: Emulator) -> None:
    for call in calls(emulator):
        before = emulator.open()
        emulator.fault(call, "fail", FAILS, 1, count=0)
        error = attempt()
        check(emulator, call)
        assert error is None or isinstance(error, BackendError), (call, error)
        assert emulator.open() == before, call


def test_a_device_is_lost_at_each_call(losing: Emulator) -> None:
    made = calls(losing)
    for call, count in made.items():
        for first in {1, count // 2 + 1, count}:
            losing.fault(call, "sticky", 700, first)
            error: Any = attempt()
            assert error is None or isinstance(error, BackendError), (call, error)
            check(losing, f"{call} {first}")
