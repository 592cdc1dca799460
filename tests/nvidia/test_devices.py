"""Devices by ordinal and UUID, whose contexts they use, and what happens when one is lost."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.nvidia.consumer import Cuda
from videohw.errors import BackendError, DeviceLost, InvalidInput

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

VALUES = np.arange(48, dtype=np.uint8).reshape(6, 8)


def test_what_the_driver_says(emulator: Emulator) -> None:
    (found,) = _cuda.devices()
    assert found.name == "Emulated NVIDIA device"
    assert found.compute_capability == (9, 0)
    assert found.memory_bytes == 80 << 30
    assert found.uuid.startswith("GPU-")
    assert len(found.uuid) == 40
    assert _cuda.device_count() == 1
    assert _cuda.device().information == found


def test_one_by_ordinal_and_by_uuid(emulator: Emulator) -> None:
    uuid = _cuda.devices()[0].uuid
    for name in (0, uuid, uuid.removeprefix("GPU-"), uuid.upper(), "gpu-" + uuid[4:]):
        assert _cuda.resolve(name) == 0
    assert _cuda.device(uuid) is _cuda.device(0)


@pytest.mark.parametrize("name", [1, -1, True, "GPU-0", "", 0.0, None])
def test_one_that_is_not_there(emulator: Emulator, name: Any) -> None:
    with pytest.raises(InvalidInput, match="device is") as caught:
        _cuda.device(name)
    assert caught.value.argument == "device"
    assert caught.value.hint is not None
    assert _cuda.devices()[0].uuid in caught.value.hint


def test_objects_are_made_only_here(emulator: Emulator) -> None:
    for kind in (_cuda.Device, _cuda.DeviceArray, _cuda.HostBuffer, _cuda.Conversion):
        with pytest.raises(TypeError):
            kind()


def test_the_primary_context_is_retained_once(emulator: Emulator) -> None:
    found = {id(_cuda.device(0)) for _ in range(3)}
    assert len(found) == 1
    assert emulator.open()["retained primary context"] == 1
    array = _cuda.device(0).upload(VALUES)
    _cuda.release_devices()
    assert emulator.open()["retained primary context"] == 1  # by the array
    assert (array.to_host() == VALUES).all()
    del array
    assert "retained primary context" not in emulator.open()


def use(device: Any) -> None:
    array = device.upload(VALUES)
    assert (array.to_host() == VALUES).all()
    assert (array.copy().to_host() == VALUES).all()
    assert array.__cuda_array_interface__["shape"] == (6, 8)
    device.trim()


def test_the_callers_context_stays_current(emulator: Emulator) -> None:
    cuda = Cuda(emulator)
    assert cuda.current() is None
    use(_cuda.device(0))
    assert cuda.current() is None
    with cuda.own_context() as context:
        use(_cuda.device(0))
        assert cuda.current() == context
    with cuda.using(_cuda.device(0).context):
        use(_cuda.device(0))
        assert cuda.current() == _cuda.device(0).context


@pytest.mark.parametrize("call", ["cuCtxPopCurrent_v2", "cuCtxGetCurrent", "cuCtxPushCurrent_v2"])
@pytest.mark.parametrize("first", range(1, 12))
def test_the_callers_context_stays_current_when_calls_fail(
    emulator: Emulator, call: str, first: int
) -> None:
    cuda = Cuda(emulator)
    device = _cuda.device(0)
    emulator.fault(call, "fail", 999, first)
    with contextlib.suppress(BackendError):
        use(device)
    emulator.clear_faults()
    assert cuda.current() is None
    use(device)


def test_threads_that_never_used_cuda(emulator: Emulator) -> None:
    device = _cuda.device(0)
    cuda = Cuda(emulator)
    found: list[object] = []

    def work() -> None:
        use(device)
        found.append(cuda.current())

    run_on_threads(work, 4)
    assert found == [None] * 4


def run_on_threads(work: Callable[[], None], count: int) -> None:
    failed: list[BaseException] = []

    def caught() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=caught) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_the_callers_own_context(emulator: Emulator) -> None:
    cuda = Cuda(emulator)
    with cuda.own_context() as context:
        device = _cuda.adopt(context)
        assert device is _cuda.adopt(context)
        assert (device.ordinal, device.context) == (0, context)
        use(device)
        assert "retained primary context" not in emulator.open()
        del device
        gc.collect()
        assert emulator.open() == {"context": 1}


@pytest.mark.parametrize("context", [0, -1, None, "0", True])
def test_what_is_no_context(emulator: Emulator, context: Any) -> None:
    with pytest.raises(InvalidInput, match="context is"):
        _cuda.adopt(context)


def test_a_context_that_was_reset_is_replaced(losing: Emulator) -> None:
    cuda = Cuda(losing)
    old = _cuda.device(0)
    array = old.upload(VALUES)
    assert (array.to_host() == VALUES).all()
    cuda.call("cuDevicePrimaryCtxReset_v2", 0)
    new = _cuda.device(0)
    assert new is not old
    assert not old.alive
    with pytest.raises(DeviceLost):
        array.to_host()
    with pytest.raises(DeviceLost):
        old.upload(VALUES)
    use(new)
    del array  # forgets memory that is the new context's to give
    assert old.counters()["device"]["abandoned"] == 1
    use(new)


def test_a_lost_device_and_a_new_one(losing: Emulator) -> None:
    old = _cuda.device(0)
    array = old.upload(VALUES)
    losing.fault("cuMemcpy2DAsync_v2", "sticky", 700)
    with pytest.raises(DeviceLost) as caught:
        array.to_host()
    assert (caught.value.code, caught.value.call) == (700, "cuMemcpy2DAsync")
    assert caught.value.fatal
    losing.clear_faults()
    assert not old.alive
    new = _cuda.device(0)
    assert new is not old
    use(new)


@pytest.mark.parametrize(
    "code", [1, 2, 4, 46, 201, 214, 220, 400, 600, 700, 702, 709, 710, *range(713, 721), 801, 999]
)
def test_codes_after_which_a_device_is_lost(losing: Emulator, code: int) -> None:
    """By the error and by the device alike."""
    device = _cuda.device(0)
    losing.fault("cuStreamCreate", "fail", code)
    with pytest.raises(BackendError) as caught:
        device.upload(VALUES)
    assert caught.value.code == code
    assert isinstance(caught.value, DeviceLost) is not device.alive
    losing.clear_faults()
    use(_cuda.device(0))


@pytest.mark.parametrize("call", ["cuDevicePrimaryCtxRetain", "cuCtxGetId"])
def test_a_device_that_cannot_be_asked_is_kept(emulator: Emulator, call: str) -> None:
    device = _cuda.device(0)
    array = device.upload(VALUES)
    emulator.fault(call, "fail", 999)
    with pytest.raises(BackendError, match="999"):
        _cuda.device(0)
    assert _cuda.device(0) is device
    assert (array.to_host() == VALUES).all()


def test_errors_name_call_and_code(emulator: Emulator) -> None:
    device = _cuda.device(0)
    emulator.fault("cuEventCreate", "fail", 999)
    with pytest.raises(BackendError) as caught:
        device.upload(VALUES)
    error = caught.value
    assert (error.domain, error.call, error.code) == ("cuda", "cuEventCreate", 999)
    assert error.name == "CUDA_ERROR_UNKNOWN"
    assert error.hint
    use(device)
