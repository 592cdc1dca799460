"""What stands between a new process and its first picture: imports, the driver, its calls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulators import build
from tests.emulators.control import environment
from tests.layout.sources import ROOT

pytest.importorskip("videohw._cuda", reason="NVIDIA is of Linux and Windows")
STREAM = ROOT / "tests" / "data" / "generated" / "small144x144.h264"
# Of the package, what the first picture of H.264 in its own format does not need.
UNNEEDED = (
    "apple", "bitstream.av1", "bitstream.av1_sequence", "bitstream.config_record",
    "bitstream.hevc", "bitstream.hevc_sps", "bitstream.mpeg2", "bitstream.obu", "cli",
    "decoding.frame_headers", "encoder", "encoding.device_input", "encoding.encoder_config",
    "encoding.encoder_input", "encoding.session_switch", "files", "kernels.launch",
    "kernels.metal", "kernels.products", "kernels.settings", "metrics.exposition",
    "metrics.histogram", "metrics.log_view", "metrics.recording", "metrics.snapshot",
    "nvidia.encoder", "nvidia.encoder_capabilities", "nvidia.encoder_forms",
    "nvidia.encoder_options", "pipeline", "pixels.conversion", "pixels.kernels", "pixels.plan",
    "reader", "software", "transcode_file", "writer",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Path:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


def run(program: str, folder: Path, **settings: object) -> str:
    """What a new process on the emulated driver prints; it must not write to stderr."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(STREAM), str(folder)],
        cwd=ROOT, env=environment(folder, **settings), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


FIRST_FRAME = """
import json, pathlib, sys, threading, videohw
data = pathlib.Path(sys.argv[1]).read_bytes()
imported = [set(sys.modules)]
with videohw.Decoder("h264", backend="nvidia", memory="device") as decoder:
    threads = [thread.name for thread in threading.enumerate()]
    next(decoder.decode([data]))
    imported.append(set(sys.modules))
print(json.dumps([threads, *map(sorted, imported)]))
"""


def test_a_first_picture_needs_little(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    threads, before, after = json.loads(run(FIRST_FRAME, folder, REPORT=report))
    assert threads == ["MainThread", "videohw-nvdec-h264"]
    ours = {name for name in before if name.startswith("videohw")}
    assert ours == {"videohw", "videohw.lazy_names"}
    assert "numpy" not in before
    assert not {f"videohw.{name}" for name in UNNEEDED} & set(after)
    assert "av" not in after
    calls = json.loads(report.read_text())["calls"]
    once = ("cuInit", "cuvidCreateVideoParser", "cuvidCreateDecoder")
    assert [calls[name] for name in once] == [1, 1, 1]
    # Whether the device has the codec at all, which is the format of this stream.
    assert calls["cuvidGetDecoderCaps"] == 1


# The driver does not start until the modules are imported that it must not keep waiting.
STALLED_START = """
import sys, threading, time
from pathlib import Path
from tests.emulators.control import Emulator

emulator, seen = Emulator(Path(sys.argv[2])), []
emulator.fault("cuInit", "stall", 0)
main = threading.current_thread()


def watch(event, arguments):
    awaited = "videohw.decoding.coded_input", "videohw.nvidia.frames"
    if event != "import" or arguments[0] not in awaited:
        return
    end = time.monotonic() + 30
    while not emulator.stalled() and time.monotonic() < end:
        time.sleep(0.001)
    seen.append((arguments[0], emulator.stalled(), threading.current_thread() is main))
    if arguments[0] == "videohw.nvidia.frames":
        emulator.clear_faults()


sys.addaudithook(watch)
import videohw
videohw.Decoder("h264", backend="nvidia").close()
print(seen, [thread.name for thread in threading.enumerate()])
"""


def test_modules_are_imported_while_the_driver_starts(folder: Path) -> None:
    said = run(STALLED_START, folder)
    seen = [("videohw.decoding.coded_input", 1, True), ("videohw.nvidia.frames", 1, True)]
    assert said.strip() == f"{seen} ['MainThread']"


START_THAT_FAILS = """
import videohw
try:
    videohw.Decoder("h264", backend="nvidia")
except videohw.UnsupportedConfig as error:
    print(error)
for wrong in ({"output": "nothing"}, {"backend": "nothing"}, {"backend": 3}):
    try:
        videohw.Decoder("h264", **{"backend": "nvidia", **wrong})
    except videohw.InvalidInput as error:
        print(error.argument)
videohw.Decoder("h264", backend="nvidia").close()
"""


def test_a_start_that_fails_is_told_and_asked_for_again(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    said = run(START_THAT_FAILS, folder, FAULTS="cuInit@1x1=fail:100", REPORT=report).splitlines()
    assert "cuInit failed with CUDA_ERROR_NO_DEVICE" in said[0]
    assert said[1:] == ["output", "backend", "backend"]
    assert json.loads(report.read_text())["calls"]["cuInit"] == 2


def test_the_benchmark_of_first_pictures_runs(folder: Path) -> None:
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are not here")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_frame", str(STREAM), "--times", "1", "--only",
         "videohw native"],
        cwd=ROOT, env=environment(folder), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    (row,) = ran.stdout.splitlines()[2:]
    name, runs, *times = row.strip("| ").split(" | ")
    assert (name, runs) == ("videohw native device", "1")
    imported, opened, first, open_and_first, from_start = (
        int(each.removesuffix(" ms")) for each in times
    )
    assert abs(opened + first - open_and_first) <= 1  # rounded each
    assert imported + open_and_first <= from_start + 2
