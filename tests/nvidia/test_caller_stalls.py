"""A call of the driver for a thread of the caller's that does not come back: the caller is told
within the bound, or goes on where there is nobody to tell. When the call does come back, what it
got is given back, and everything works."""

from __future__ import annotations

import errno
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.backends.fault_places import middle
from tests.backends.nvidia import emulated_drivers
from tests.backends.waiting import Call, wait_for
from tests.emulators import build
from tests.emulators.control import Emulator, environment
from tests.layout.sources import ROOT
from tests.nvidia.consumer import Taken
from tests.nvidia.decoding import NATIVE, SMALL, release
from tests.nvidia.encoding import HEIGHT, PLAIN, WIDTH, emulated_encoders
from tests.nvidia.test_faults import calls, scenario
from videohw.decoder import Decoder
from videohw.errors import DeviceLost, VideoHwError
from videohw.machine import backends, capabilities
from videohw.nvidia.capabilities import forget
from videohw.types import Capability

_cuda = pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")

BOUND_SECONDS = 0.2
# For what is not stalled: no clock decides about that.
NO_BOUND_SECONDS = 3600.0
PIXELS = np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8)
# What a caller may take until it is told, on a machine that is busy.
TOLD_SECONDS = 10.0


@contextmanager
def bound(seconds: float) -> Iterator[None]:
    _cuda.wait_at_most(seconds)
    try:
        yield
    finally:
        _cuda.wait_at_most()


def told(emulator: Emulator, call: Callable[[], object]) -> VideoHwError | None:
    """What ``call`` raised, or None, while the call of the plan is stalled; it came back then."""
    with bound(NO_BOUND_SECONDS):
        running = Call(call)
        wait_for(lambda: emulator.stalled() or running.ended)
        assert emulator.stalled(), running.raised
        _cuda.wait_at_most(BOUND_SECONDS)
        wait_for(lambda: _cuda.late() or running.ended)
        _cuda.wait_at_most(NO_BOUND_SECONDS)
        running.wait()
        assert emulator.stalled() == _cuda.late() == 1
        emulator.clear_faults()
        wait_for(lambda: not _cuda.late())
    error, running.raised = running.raised, None
    assert error is None or isinstance(error, VideoHwError), error
    return error.with_traceback(None) if error is not None else None


def check(error: VideoHwError | None, call: str) -> None:
    assert isinstance(error, DeviceLost), (call, error)
    assert (error.call, error.code, error.name) == (call, errno.ETIMEDOUT, "ETIMEDOUT")
    assert f"did not come back from {call} within" in str(error)
    assert error.hint


def test_each_call_for_memory_and_kernels_stalls(emulator: Emulator) -> None:
    scenario()  # what is asked once for the process is not of interest
    made = calls(emulator)
    del made["cuDriverGetVersion"]  # which the emulated driver never stalls
    were_told = set()
    for call, count in made.items():
        for first in middle(count):
            before = emulator.open()
            emulator.fault(call, "stall", 0, first)
            error = told(emulator, scenario)
            if error is not None:  # else it was to give something back
                check(error, call)
                were_told.add(call)
            _cuda.release_devices()
            gc.collect(0)
            report = emulator.report()
            assert (report["misuses"], emulator.open()) == ([], before), (call, first)
            scenario()
    assert {
        "cuDeviceGetCount", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemAlloc_v2",
        "cuMemHostAlloc", "cuMemcpyHtoDAsync_v2", "cuMemcpy2DAsync_v2", "cuStreamCreate",
        "cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel", "cuEventRecord",
    } <= were_told  # fmt: skip
    assert {"cuMemFree_v2", "cuMemFreeHost"} & made.keys() > were_told & {"cuMemFree_v2"}


@pytest.mark.parametrize(
    ("call", "use"),
    [
        ("cuStreamWaitEvent", lambda array: array.__dlpack__(stream=None, max_version=(1, 0))),
        ("cuEventQuery", lambda array: array.__dlpack__(stream=2, max_version=(1, 0))),
        ("cuEventQuery", lambda array: array.__cuda_array_interface__),
        ("cuStreamWaitEvent", lambda array: array.__cuda_array_interface__),
        ("cuEventQuery", lambda array: array.ready),
        ("cuEventSynchronize", lambda array: array.to_host()),
        ("cuMemcpy2DAsync_v2", lambda array: array.copy()),
    ],
)
def test_an_array_that_is_read_while_the_driver_stalls(
    emulator: Emulator, call: str, use: Callable[[object], object]
) -> None:
    values = np.arange(4096, dtype=np.uint8)
    array = _cuda.device().upload(values)
    emulator.fault(call, "stall", 0)
    check(told(emulator, lambda: use(array)), call)
    assert (array.to_host() == values).all()


def test_memory_that_a_stalled_call_reads_stays(emulator: Emulator) -> None:
    """Its last owner lets go of it meanwhile, which no other call is to overtake."""
    device = _cuda.device()
    arrays = [device.upload(np.zeros(4096, np.uint8))]
    emulator.fault("cuMemcpy2DAsync_v2", "stall", 0)
    with bound(NO_BOUND_SECONDS):
        running = Call(lambda: arrays[0].to_host())
        wait_for(emulator.stalled)
        _cuda.wait_at_most(0.0)
        running.wait()
        _cuda.wait_at_most(NO_BOUND_SECONDS)
        assert isinstance(running.raised, DeviceLost)
        running.raised = None
        gc.collect(0)
        used = device.counters()["device"]["used_blocks"]
        assert used == 1
        arrays.clear()
        assert device.counters()["device"]["used_blocks"] == used
        emulator.clear_faults()
        wait_for(lambda: not _cuda.late())
    assert device.counters()["device"]["used_blocks"] == 0
    assert device.counters()["pinned"]["used_blocks"] == 0


def test_a_driver_that_does_not_answer_holds_up_no_owner_twice(emulator: Emulator) -> None:
    """Frames that are let go of while a call is stalled are given back when it comes back."""
    device = _cuda.device()
    taken = [Taken(device.upload(np.zeros(512, np.uint8)).__dlpack__()) for _ in range(50)]
    emulator.fault("cuEventRecord", "stall", 0)
    with bound(NO_BOUND_SECONDS):
        first = Call(taken[0].drop)
        wait_for(emulator.stalled)
        _cuda.wait_at_most(0.0)
        first.join()
        _cuda.wait_at_most(NO_BOUND_SECONDS)
        for each in taken[1:]:
            each.drop()
        assert device.counters()["device"]["used_blocks"] == 50
        emulator.clear_faults()
        wait_for(lambda: not _cuda.late())
    assert device.counters()["device"]["used_blocks"] == 0


def test_threads_are_kept_for_the_next_calls(emulator: Emulator) -> None:
    def count() -> int:
        with open("/proc/self/stat") as about:
            return int(about.read().rpartition(")")[2].split()[17])

    device = _cuda.device()
    array = device.upload(np.zeros(512, np.uint8))
    array.to_host()
    before = count()
    for _ in range(100):
        array.to_host()
    assert count() == before
    threads = [threading.Thread(target=array.to_host) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert count() <= before + 4


@pytest.fixture
def drivers(driver: Emulator) -> Iterator[Emulator]:
    with emulated_drivers():
        driver.streams("late")
        driver.clear_faults()
        release(driver)
        left = frozenset(driver.open())
        driver.forget()
        yield driver
        driver.clear_faults()
        assert release(driver, left) == set()


OPENING = ("cuDeviceGetCount", "cuDevicePrimaryCtxRetain", "cuCtxGetId")


@pytest.mark.parametrize("call", OPENING)
def test_an_opening_that_stalls(drivers: Emulator, call: str) -> None:
    Decoder("h264", backend="nvidia").close()  # the driver has answered
    if call != "cuDevicePrimaryCtxRetain":
        release(drivers)  # of a device that is open these are not asked
    drivers.fault(call, "stall", 0)
    error = told(drivers, lambda: Decoder("h264", backend="nvidia").close())
    assert error is not None
    assert f"did not come back from {call} within" in str(error)
    cause = error if isinstance(error, DeviceLost) else error.__cause__
    if cause is not None:
        assert isinstance(cause, DeviceLost)
        assert cause.call == call
    with NATIVE.decoder() as decoder:
        assert decoder.flush() == []


@pytest.mark.parametrize("call", ["cuDeviceGetName", "cuvidGetDecoderCaps", "cuDeviceGetCount"])
def test_asking_what_there_is_never_raises(drivers: Emulator, call: str) -> None:
    assert backends()[0].available
    forget()
    found: list[object] = []
    drivers.fault(call, "stall", 0)
    if call == "cuvidGetDecoderCaps":
        assert told(drivers, lambda: found.extend(capabilities("h264", "nvidia"))) is None
        (decoding, _) = found
        assert isinstance(decoding, Capability)
        assert decoding.failed
        assert isinstance(decoding.error, DeviceLost)
        reason = decoding.reason
    else:
        assert told(drivers, lambda: found.extend(backends())) is None
        status = found[0]
        assert not status.available  # type: ignore[attr-defined]
        reason = status.reason  # type: ignore[attr-defined]
    assert f"did not come back from {call} within" in (reason or "")
    assert backends()[0].available
    assert capabilities("h264", "nvidia")[0].supported


def test_a_frame_that_is_downloaded_while_the_driver_stalls(drivers: Emulator) -> None:
    stream = (ROOT / "tests" / "data" / SMALL).read_bytes()
    with Decoder("h264", backend="nvidia", memory="device") as decoder:
        frames = list(decoder.decode([stream]))
    pixels = frames[0].to_host().planes[0]
    for call in ("cuMemcpy2DAsync_v2", "cuEventSynchronize"):
        drivers.fault(call, "stall", 0)
        check(told(drivers, frames[0].to_host), call)
    drivers.fault("cuLaunchKernel", "stall", 0)
    check(told(drivers, lambda: frames[0].convert("rgb24")), "cuLaunchKernel")
    assert (frames[0].to_host().planes[0] == pixels).all()
    assert frames[0].convert("rgb24").to_host().planes[0].any()


class OnStream:
    """A picture that another library makes on the default stream."""

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels
        self.__cuda_array_interface__ = {**pixels.__cuda_array_interface__, "stream": 1}


@pytest.mark.parametrize(
    ("call", "by"),
    [
        ("cuStreamWaitEvent", lambda pixels: pixels),
        ("cuEventRecord", OnStream),
        ("cuStreamWaitEvent", OnStream),
    ],
)
def test_a_picture_in_device_memory_while_the_driver_stalls(
    drivers: Emulator, call: str, by: Callable[[object], object]
) -> None:
    """It is not taken, and the session goes on."""
    with emulated_encoders(), PLAIN.encoder() as encoder:
        device = _cuda.device()
        encoder.submit(by(device.upload(PIXELS)))
        picture = by(device.upload(PIXELS))
        drivers.fault(call, "stall", 0)
        check(told(drivers, lambda: encoder.submit(picture)), call)
        encoder.submit(picture)
        assert len(encoder.flush()) == 2


AT_EXIT = """
import sys
from pathlib import Path
import numpy
from tests.emulators.control import Emulator
from videohw import _cuda
import videohw
emulator = Emulator(Path(sys.argv[1]))
videohw.Decoder("h264", backend="nvidia").close()
array = _cuda.device().upload(numpy.zeros(512, "u1"))
if sys.argv[2] == "before":
    emulator.fault("cuMemcpy2DAsync_v2", "stall", 0)
    _cuda.wait_at_most(0.1)
    try:
        array.to_host()
    except videohw.DeviceLost as error:
        print(error.call)
    _cuda.wait_at_most()
else:
    emulator.fault("cuMemFree_v2|cuMemFreeHost|cuCtxGetCurrent", "stall", 0)
    print("none")
"""


@pytest.mark.parametrize(("when", "call"), [("before", "cuMemcpy2DAsync_v2"), ("at", "none")])
def test_the_end_of_a_process_is_not_held_up(when: str, call: str) -> None:
    folder = build.built()
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", AT_EXIT, str(folder), when], cwd=ROOT,
        env=environment(folder), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, [call], "")
    assert time.monotonic() - began < TOLD_SECONDS
