"""The driver is loaded when it is first needed, and what is missing of it is said in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulators import build
from tests.emulators.control import Emulator, environment
from tests.layout.sources import ROOT

pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the emulated drivers are of Linux"
)


def run(program: str, **variables: str) -> str:
    """What a new process prints; it must not write to stderr."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.strip()


PROBLEM = "from videohw import _cuda; print(*_cuda.problem() or ('none',), sep='; ')"


@pytest.fixture
def folder(driver: Emulator) -> Path:
    return driver.folder


def test_no_driver() -> None:
    absent = {"VIDEOHW_LIBCUDA": "/nowhere/libcuda.so.1"}
    said = run(PROBLEM, **absent)
    assert "/nowhere/libcuda.so.1" in said
    assert "install the NVIDIA driver" in said
    program = """
from videohw import _cuda
from videohw.errors import BackendError
assert _cuda.driver_version() is None
for ask in (_cuda.devices, _cuda.device, _cuda.device_count, lambda: _cuda.adopt(4096)):
    try:
        ask()
    except BackendError as error:
        assert error.domain == "cuda" and "no NVIDIA driver" in error.args[0] and error.hint
    else:
        raise AssertionError(ask)
"""
    run(program, **absent)


@linux
def test_nothing_is_called_before_it_is_needed(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    program = """
import pathlib, videohw, videohw.backend, videohw._cuda
maps = pathlib.Path("/proc/self/maps")
assert "libcuda" not in maps.read_text(), "loaded by the import"
videohw.backends(probe=False)
assert "libcuda" not in maps.read_text(), "loaded by backends()"
print(videohw._cuda.driver_version())
"""
    said = run(program, **environment(folder, REPORT=report))
    assert said == "(13, 0)"
    assert json.loads(report.read_text())["calls"] == {"cuDriverGetVersion": 1}


@linux
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"DRIVER_VERSION": 11030}, ["CUDA 11.4", "this one has 11.3", "driver 470"]),
        ({"DEVICES": 0}, ["CUDA_ERROR_NO_DEVICE", "nvidia-smi"]),
        ({"FAULTS": "cuInit@1x0=fail:803"}, ["CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "(803)"]),
        ({"FAULTS": "cuInit@1x0=fail:4321"}, ["cuInit failed", "(4321)"]),
    ],
)
def test_a_driver_that_cannot_be_used(
    folder: Path, tmp_path: Path, settings: dict[str, object], said: list[str]
) -> None:
    found = run(PROBLEM, **with_stub(folder, tmp_path, **settings))
    assert all(text in found for text in said), found


@linux
def test_a_device_comes_back(folder: Path, tmp_path: Path) -> None:
    program = """
from videohw import _cuda
assert "CUDA_ERROR_NO_DEVICE" in _cuda.problem()[0]
assert _cuda.problem() is None
print(len(_cuda.devices()))
"""
    variables = with_stub(folder, tmp_path, FAULTS="cuInit@1x1=fail:100")
    assert run(program, **variables) == "1"


def with_stub(folder: Path, tmp_path: Path, **settings: object) -> dict[str, str]:
    """The emulated libcuda and a libnvcuvid that has the names and nothing behind them."""
    names = [line.split('"')[1] for line in calls("cuvid")]
    variables = environment(folder, **settings)
    variables["VIDEOHW_LIBNVCUVID"] = str(library(tmp_path / "libnvcuvid.so", names))
    return variables


def calls(kind: str) -> list[str]:
    import videohw

    header = Path(videohw.__file__).parent / "_native" / "nvidia.h"
    text = header.read_text(encoding="utf-8").replace("\\\n", "")
    start = f"NVIDIA_{kind.upper()}_CALLS"
    (found,) = [macro for macro in text.split("#define ") if macro.startswith(start)]
    return found.split("CALL(")[1:]


def library(target: Path, names: list[str]) -> Path:
    """A shared library that exports ``names``."""
    compiler = build.compiler()
    assert compiler is not None
    source = target.with_suffix(".cpp")
    source.write_text("".join(f'extern "C" int {name}() {{ return 999; }}\n' for name in names))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", target, source], check=True)
    return target


@linux
@pytest.mark.parametrize("missing", ["cuInit", "cuLaunchKernel", "cuMemAlloc_v2"])
def test_a_driver_that_lacks_a_call(folder: Path, tmp_path: Path, missing: str) -> None:
    names = [line.split('"')[1] for line in calls("cuda")]
    assert missing in names
    names.remove(missing)
    found = run(PROBLEM, VIDEOHW_LIBCUDA=str(library(tmp_path / "libcuda.so", names)))
    assert f"libcuda.so has no {missing}" in found


@linux
def test_a_driver_without_the_newer_calls(folder: Path, tmp_path: Path) -> None:
    names = [line.split('"')[1] for line in calls("cuda") if line.startswith("0,")]
    assert "cuCtxRecordEvent" not in names
    found = run(PROBLEM, VIDEOHW_LIBCUDA=str(library(tmp_path / "libcuda.so", names)))
    assert "this one has 0.0" in found


@linux
def test_libnvcuvid_is_missing(folder: Path) -> None:
    variables = environment(folder)
    variables["VIDEOHW_LIBNVCUVID"] = "/nowhere/libnvcuvid.so.1"
    found = run(PROBLEM, **variables)
    assert "/nowhere/libnvcuvid.so.1" in found
    assert "NVIDIA_DRIVER_CAPABILITIES=video" in found


@linux
def test_libnvidia_encode_is_missing(folder: Path) -> None:
    program = """
import videohw
try:
    videohw.Encoder("h264", 192, 128, fps=30, backend="nvidia")
except videohw.UnsupportedConfig as error:
    print(error.hint, error.__cause__.call, error)
"""
    variables = environment(folder)
    variables["VIDEOHW_LIBNVIDIA_ENCODE"] = "/nowhere/libnvidia-encode.so.1"
    found = run(program, **variables)
    assert found.startswith("encoding needs the NVIDIA driver 530.41.03 or newer")
    assert " dlopen no backend can encode h264: nvidia: /nowhere/libnvidia-encode.so.1" in found


@linux
def test_the_kernels_need_a_newer_driver(folder: Path) -> None:
    program = """
from videohw import _cuda, UnsupportedConfig
from videohw.color import ColorSpec
from videohw.kernels import Surface, plan_to_rgb
plan = plan_to_rgb(Surface("nv12", 16, 8), Surface("rgb24", 16, 8), ColorSpec().resolved(8))
try:
    _cuda.device().plan(plan)
except UnsupportedConfig as error:
    print(error)
"""
    found = run(program, **environment(folder, DRIVER_VERSION=11040))
    assert "needs an NVIDIA driver of CUDA 11.8" in found
    assert "520 or newer" in found
    assert run(program, **environment(folder, DRIVER_VERSION=11080)) == ""


@linux
def test_the_second_device(folder: Path) -> None:
    program = """
from videohw import _cuda
import numpy as np
first, second = _cuda.devices()
assert first.uuid != second.uuid
device = _cuda.device(second.uuid)
assert device.ordinal == 1 and device is _cuda.device(1) is not _cuda.device(0)
array = device.upload(np.arange(8, dtype=np.uint8))
assert array.__dlpack_device__() == (2, 1)
assert array.to_host().tolist() == list(range(8))
print(device.information == second)
"""
    assert run(program, **environment(folder, DEVICES=2)) == "True"


OWN_CONTEXTS = """
import ctypes, os, pathlib, sys
import videohw
from videohw.nvidia.options import NvidiaDecoderOptions

cuda = ctypes.CDLL(os.environ["VIDEOHW_LIBCUDA"])
assert cuda.cuInit(0) == 0
contexts = []
for ordinal in range(2):
    made = ctypes.c_void_p()
    assert cuda.cuCtxCreate_v2(ctypes.byref(made), 0, ordinal) == 0
    contexts.append(made.value)
data = pathlib.Path("tests/data/generated/small144x144.h264").read_bytes()


def decoded(device, context):
    options = NvidiaDecoderOptions(context=context)
    with videohw.Decoder(
        "h264", backend="nvidia", memory="device", device=device, options=options
    ) as decoder:
        frame = next(decoder.decode([data]))
        return frame.planes[0].__dlpack_device__(), decoder.summary()["device"]


print([decoded(ordinal, contexts[ordinal]) for ordinal in range(2)])
try:
    decoded(0, contexts[1])
except videohw.InvalidInput as error:
    print(error.argument, error.hint)
"""


@linux
def test_a_context_of_the_callers_is_of_the_device_that_is_named(folder: Path) -> None:
    told = run(OWN_CONTEXTS, **environment(folder, DEVICES=2)).splitlines()
    assert told == ["[((2, 0), 0), ((2, 1), 1)]", "options.context device=1"]


FORK = """
import os
import sys
import numpy as np
from videohw import _cuda, DeviceLost

array = {before}
child = os.fork()
if child == 0:
    code = 1
    try:
        asked = [_cuda.devices, _cuda.device, lambda: _cuda.adopt(4096)]
        if array is not None:
            asked += [array.to_host, array.copy, array.__dlpack__, array.device.trim,
                      array.device.counters, lambda: array.device.keep_at_most(0, 0),
                      lambda: array.ready,
                      lambda: array.__cuda_array_interface__,
                      lambda: array.device.upload(np.zeros(4, np.uint8))]
        for ask in asked:
            try:
                ask()
            except DeviceLost as error:
                assert "spawn" in error.hint, error
            else:
                assert array is None, ask
        del array, asked, ask
        _cuda.release_devices()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
if array is not None:
    assert array.to_host().tolist() == [1, 2]
print("done")
"""


@linux
@pytest.mark.parametrize("used", [True, False])
def test_a_forked_child(folder: Path, used: bool) -> None:
    """It is told so where its parent used CUDA; else it may start CUDA for itself."""
    before = "_cuda.device().upload(np.array([1, 2], np.uint8))" if used else "None"
    program = FORK.format(before=before)
    if not used:
        program = program.replace("lambda: _cuda.adopt(4096)", "_cuda.device_count")
    assert run(program, **environment(folder)) == "done"


@linux
def test_frames_that_outlive_the_interpreter(folder: Path, tmp_path: Path) -> None:
    program = """
import atexit, sys
import numpy as np
from videohw import _cuda
array = _cuda.device().upload(np.zeros(4096, np.uint8))
capsule = array.__dlpack__()
host = array.to_host()
sys.kept = (array, host, capsule)
atexit.register(_cuda.release_devices)
"""
    report = tmp_path / "report.json"
    run(program, **environment(folder, REPORT=report))
    assert json.loads(report.read_text())["misuses"] == []


@linux
def test_a_fork_while_the_driver_is_loaded(tmp_path: Path) -> None:
    """The child has no thread that would finish it, and loads the driver itself."""
    compiler = build.compiler()
    assert compiler is not None
    source, begun, go_on = (tmp_path / name for name in ("slow.cpp", "begun", "go_on"))
    source.write_text(f"""
#include <fcntl.h>
#include <unistd.h>
struct Slow {{
    Slow() {{
        close(open("{begun}", O_CREAT | O_WRONLY, 0600));
        while (access("{go_on}", F_OK)) usleep(1000);
    }}
}} slow;
""")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "slow.so", source], check=True)
    program = f"""
import os, signal, sys, threading, time
from videohw import _cuda
thread = threading.Thread(target=_cuda.problem, daemon=True)
thread.start()
while not os.path.exists({str(begun)!r}):
    time.sleep(0.001)
child = os.fork()
if child == 0:
    signal.alarm(20)
    found = _cuda.problem()
    os._exit(0 if "has no cuInit" in found[0] else 1)
open({str(go_on)!r}, "w").close()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    # The lock is held, and Python says since 3.12 that such a child may hang.
    program = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)" + program
    assert run(program, VIDEOHW_LIBCUDA=str(tmp_path / "slow.so")) == "0"
