"""The driver's start in a new process: not for nothing, not for ever, from many threads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.emulators import build
from tests.emulators.control import environment
from tests.layout.sources import ROOT

pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")
GENERATED = ROOT / "tests" / "data" / "generated"
# What an exit waits for: the driver's start, idle decoders, the device; 2 seconds each.
EXIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def folder() -> Path:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


def run(program: str, folder: Path, *arguments: object, **settings: object) -> str:
    """What a new process on the emulated driver prints; it must not write to stderr."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(folder), *map(str, arguments)],
        cwd=ROOT, env=environment(folder, **settings), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.strip()


WRONG_ARGUMENTS = """
import sys, videohw
for wrong in (
    {"output": "nothing"}, {"max_in_flight": 0}, {"size": (0, 4)}, {"crop": (0, 0, 0, 0)},
    {"color": 3}, {"chroma": "no"}, {"mean": (0, 0, 0)}, {"memory": "no"}, {"device": -1},
    {"time_base": 0}, {"on_error": "no"}, {"low_latency": 1}, {"metrics": 1}, {"backend": 3},
    {"require_hardware": 1}, {"extradata": 3}, {"output": "metadata", "size": (4, 4)},
    {"options": 3}, {"options": videohw.SoftwareDecoderOptions()},
    {"options": videohw.NvidiaDecoderOptions},
    {"options": 3, "backend": "auto"},  # the last: it asks every backend
):
    assert "numpy" not in sys.modules
    try:
        videohw.Decoder("h264", **{"backend": "nvidia", **wrong})
    except videohw.InvalidInput as error:
        assert error.argument in wrong, error
    else:
        raise AssertionError(wrong)
if len(sys.argv) > 2:
    videohw.Decoder("h264", backend="nvidia").close()
"""


def test_wrong_arguments_start_no_driver(folder: Path, tmp_path: Path) -> None:
    for name, right in (("none.json", ()), ("one.json", (1,))):
        report = tmp_path / name
        run(WRONG_ARGUMENTS, folder, *right, REPORT=report)
        calls = json.loads(report.read_text())["calls"] if report.exists() else {}
        assert calls.get("cuInit", 0) == len(right)


@pytest.mark.parametrize("call", ["cuInit", "cuDevicePrimaryCtxRetain", "cuvidGetDecoderCaps"])
def test_ctrl_c_ends_a_process_whose_driver_does_not_start(folder: Path, call: str) -> None:
    program = f"""
import signal, sys, threading, time
from pathlib import Path
from tests.emulators.control import Emulator
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
emulator = Emulator(Path(sys.argv[1]))
emulator.fault("{call}", "stall", 0)
def tell():
    while not emulator.stalled() or "videohw.nvidia.decoder" not in sys.modules:
        time.sleep(0.001)
    print("stalled", flush=True)
threading.Thread(target=tell, daemon=True).start()
import videohw
videohw.Decoder("h264", backend="nvidia")
"""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, str(folder)], cwd=ROOT,
        env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "stalled\n"
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            _, said = process.communicate(timeout=EXIT_SECONDS)
        finally:
            process.kill()
    assert said.rstrip().endswith("KeyboardInterrupt"), said
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert time.monotonic() - began < EXIT_SECONDS


DOES_NOT_START = """
import sys
from pathlib import Path
from tests.emulators.control import Emulator
import videohw
from videohw import selection
selection.STUCK_SECONDS = 0.5
emulator, call = Emulator(Path(sys.argv[1])), sys.argv[2]
emulator.fault(call, "stall", 0)
opened = {
    "decode": lambda: videohw.Decoder("h264", backend="nvidia"),
    "encode": lambda: videohw.Encoder("h264", 320, 240, fps=30, backend="nvidia"),
}
for direction in sys.argv[3:]:
    try:
        opened[direction]()
    except videohw.UnsupportedConfig as error:
        assert f"did not start within 0.5 seconds: {call} does not come back" in str(error), error
        assert error.hint
    else:
        raise AssertionError(direction)
assert emulator.stalled() == emulator.report()["calls"][call] == 1
emulator.clear_faults()
selection.STUCK_SECONDS = 30.0
opened["decode"]().close()
"""


@pytest.mark.parametrize("call", ["cuInit", "cuDevicePrimaryCtxRetain", "cuvidGetDecoderCaps"])
def test_a_driver_that_does_not_start_is_told(folder: Path, call: str) -> None:
    """To the first that asks and to those after it, which call nothing themselves."""
    if call != "cuvidGetDecoderCaps":  # also an encoder that is the first to ask
        run(DOES_NOT_START, folder, call, "encode", "decode")
    run(DOES_NOT_START, folder, call, "decode", "decode", "encode")


THREADS = """
import pathlib, sys, threading
import videohw
names = zip(("h264", "hevc"), sys.argv[2:4])
streams = {name: pathlib.Path(path).read_bytes() for name, path in names}
gate, counts, errors = threading.Barrier(4), [], []

def first(codec):
    gate.wait()
    try:
        with videohw.Decoder(codec, backend="nvidia", output="rgb24") as decoder:
            counts.append((codec, sum(1 for _ in decoder.decode([streams[codec]]))))
    except BaseException as error:
        errors.append(repr(error))

threads = [threading.Thread(target=first, args=(codec,)) for codec in ("h264", "hevc") * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not errors, errors
print(*(count for _, count in sorted(counts)))
"""


def test_several_threads_open_the_first_decoder(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    streams = [GENERATED / f"small144x144.{ending}" for ending in ("h264", "h265")]
    counts = run(THREADS, folder, *streams, REPORT=report).split()
    assert len(counts) == 4
    assert counts[0] == counts[1] != "0"
    assert counts[2] == counts[3] != "0"
    said = json.loads(report.read_text())
    assert said["calls"]["cuInit"] == 1
    assert (said["misuses"], said["lost"]) == ([], {})


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("cuDeviceGetName", "devices"), ("cuDeviceGetUuid_v2", "devices"),
        ("cuDeviceTotalMem_v2", "devices"), ("cuDeviceGetAttribute", "devices"),
        ("cuDeviceGetCount", "device_count"), ("cuDeviceGet", "devices"),
    ],
)  # fmt: skip
def test_other_threads_run_while_the_driver_is_asked(folder: Path, call: str, asked: str) -> None:
    program = """
import sys, threading, time
from pathlib import Path
from tests.emulators.control import Emulator
from videohw import _cuda
emulator = Emulator(Path(sys.argv[1]))
_cuda.devices()
emulator.fault(sys.argv[2], "stall", 10_000)
thread = threading.Thread(target=getattr(_cuda, sys.argv[3]))
thread.start()
while not emulator.hits()[0]:
    time.sleep(0.001)
print(emulator.stalled())  # with the GIL held it would have ended
emulator.clear_faults()
thread.join()
"""
    assert run(program, folder, call, asked) == "1"
