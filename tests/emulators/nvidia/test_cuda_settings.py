"""What the environment makes of the emulated device, each in a process of its own."""

from __future__ import annotations

import ctypes as c
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.control import environment
from tests.emulators.nvidia.client import NOT_SUPPORTED, OUT_OF_MEMORY, Cuda
from videohw.kernels import images_for

NO_DEVICE, UNSUPPORTED_PTX_VERSION, NO_BINARY = 100, 222, 209
RUN = """
import json, sys
from pathlib import Path
from tests.emulators.nvidia import test_cuda_settings as here
from tests.emulators.nvidia.client import Cuda
print(json.dumps(getattr(here, sys.argv[1])(Cuda(Path(sys.argv[2])))))
"""


def asked(work: Callable[[Cuda], Any], folder: Path, **settings: object) -> Any:
    """What ``work`` returns in a process with these settings."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, work.__name__, str(folder)], capture_output=True, text=True,
        env=environment(folder, **settings), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def start(cuda: Cuda) -> list[int]:
    count = c.c_int(-1)
    return [cuda.cuInit(0), cuda.cuDeviceGetCount(c.byref(count)), count.value]


def devices(cuda: Cuda) -> list[Any]:
    cuda.do("cuInit", 0)
    found: list[Any] = []
    for ordinal in range(3):
        device, uuid, name = c.c_int(-1), c.create_string_buffer(16), c.create_string_buffer(99)
        code = cuda.cuDeviceGet(c.byref(device), ordinal)
        cuda.cuDeviceGetUuid_v2(uuid, device)
        cuda.cuDeviceGetName(name, 99, device)
        context = cuda.made("cuDevicePrimaryCtxRetain", ordinal) if code == 0 else 0
        found.append([code, uuid.raw.hex(), name.value.decode(), context])
    return found


def loads(cuda: Cuda) -> list[int]:
    version = cuda.made("cuDriverGetVersion", kind=c.c_int)
    with cuda.primary_context():
        cubin, ptx = images_for((9, 0))
        module = c.c_void_p()
        return [version, *(cuda.cuModuleLoadData(c.byref(module), each) for each in (cubin, ptx))]


def memory(cuda: Cuda) -> list[int]:
    with cuda.primary_context(), cuda.memory(1 << 20):
        free, total, address = c.c_size_t(), c.c_size_t(), c.c_uint64()
        cuda.do("cuMemGetInfo_v2", c.byref(free), c.byref(total))
        code = cuda.cuMemAlloc_v2(c.byref(address), c.c_size_t(1 << 20))
        pooled = cuda.cuMemAllocAsync(c.byref(address), c.c_size_t(16), None)
        return [free.value, total.value, code, pooled]


def leaves_things_open(cuda: Cuda) -> None:
    cuda.do("cuInit", 0)
    context = cuda.made("cuDevicePrimaryCtxRetain", 0)
    cuda.do("cuCtxPushCurrent_v2", c.c_void_p(context))
    cuda.made("cuStreamCreate", 1)
    cuda.cuMemFree_v2(c.c_uint64(4096))


@pytest.fixture(scope="module")
def folder(cuda_folder: Path) -> Path:
    return cuda_folder


def test_no_device(folder: Path) -> None:
    assert asked(start, folder, DEVICES=0) == [NO_DEVICE, 3, -1]


def test_a_driver_that_does_not_start(folder: Path) -> None:
    assert asked(start, folder, FAULTS="cuInit@1x0=fail:803") == [803, 3, -1]


def test_two_devices(folder: Path) -> None:
    found = asked(devices, folder, DEVICES=2, DEVICE_NAME="Some name")
    assert [each[0] for each in found] == [0, 0, 101]
    assert found[0][1] != found[1][1]
    assert found[0][3] != found[1][3]
    assert found[0][2] == "Some name"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [13000, 0, 0]),
        ({"DRIVER_VERSION": 11040}, [11040, 0, UNSUPPORTED_PTX_VERSION]),
        ({"COMPUTE_CAPABILITY": "6.1"}, [13000, NO_BINARY, 0]),
        ({"COMPUTE_CAPABILITY": "3.7"}, [13000, NO_BINARY, 218]),
    ],
)
def test_drivers_and_chips(folder: Path, settings: dict[str, object], wanted: list[int]) -> None:
    assert asked(loads, folder, **settings) == wanted


def test_little_memory(folder: Path) -> None:
    found = asked(memory, folder, MEMORY_BYTES=(1 << 20) + 8192, MEMORY_POOLS=0)
    assert found == [8192, (1 << 20) + 8192, OUT_OF_MEMORY, NOT_SUPPORTED]


def test_the_report_of_a_process(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    asked(leaves_things_open, folder, REPORT=path)
    report = json.loads(path.read_text())
    assert report["open"] == {"retained primary context": 1, "stream": 1}
    assert report["misuses"] == ["cuMemFree of an address that is no allocation"]
    assert report["calls"]["cuStreamCreate"] == 1
