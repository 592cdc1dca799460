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
    "apple", "bitstream.av1", "bitstream.av1_sequence", "bitstream.config_record", "bitstream.hevc",
    "bitstream.hevc_sps", "bitstream.mpeg2", "bitstream.obu", "cli", "color.coefficients",
    "color.reference", "color.siting", "decoding.frame_headers", "encoder", "encoding.device_input",
    "encoding.encoder_config", "encoding.encoder_input", "encoding.session_switch", "files",
    "kernels.launch", "kernels.metal", "kernels.products", "kernels.settings", "metrics.exposition",
    "metrics.histogram", "metrics.log_view", "metrics.recording", "metrics.snapshot",
    "nvidia.encoder", "nvidia.encoder_capabilities", "nvidia.encoder_forms",
    "nvidia.encoder_options", "pipeline", "pixels.checks", "pixels.conversion", "pixels.kernels",
    "pixels.layouts", "pixels.plan", "reader", "software", "transcode_file", "writer",
)  # fmt: skip
# Modules of the package that stand before a first picture, each a part of a millisecond and more:
# one more has to be worth that to every process.
MODULES = {"native": 68, "metadata": 68, "rgb_planar": 73}
# Each takes as long to make as a small module to import.
DATA_CLASSES = {"native": 4, "metadata": 4, "rgb_planar": 7}


@pytest.fixture(scope="module")
def folder() -> Path:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


def run(program: str, folder: Path, stream: Path = STREAM, **settings: object) -> str:
    """What a new process on the emulated driver prints; it must not write to stderr."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(stream), str(folder)],
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
    assert not {"av", "concurrent.futures", "logging", "uuid"} & set(after)
    calls = json.loads(report.read_text())["calls"]
    once = ("cuInit", "cuvidCreateVideoParser", "cuvidCreateDecoder")
    assert [calls[name] for name in once] == [1, 1, 1]
    # Whether the device has the codec at all, which is the format of this stream.
    assert calls["cuvidGetDecoderCaps"] == 1
    # A thread that comes back from the driver waits for the GIL, up to 5 ms, while others import.
    assert (calls["cuDeviceGetCount"], calls["cuDeviceGetName"]) == (1, 1)


FIRST_EXPORT = """
import json, pathlib, sys, videohw
data = pathlib.Path(sys.argv[1]).read_bytes()
with videohw.Decoder("h264", backend="nvidia", output=OUTPUT, memory="device") as decoder:
    frame = next(decoder.decode([data]))
    exported = []
    for array in (*frame.planes, frame) if frame.planes else ():
        exported.append(array.__cuda_array_interface__["shape"])
        assert type(array.__dlpack__(max_version=(1, 0))).__name__ == "PyCapsule"
    decoder.summary()
made = {
    value for name in list(sys.modules) if name.startswith("videohw")
    for value in vars(sys.modules[name]).values()
    if isinstance(value, type) and "__dataclass_fields__" in vars(value)
}
print(json.dumps([frame.format, exported, sorted(sys.modules), sorted(map(str, made))]))
"""
EXPORTED = {  # the planes, and all as one array
    "native": ("nv12", [[144, 144], [72, 72, 2], [216, 144]]),
    "metadata": ("nv12", []),
    "rgb_planar": ("rgb_planar", [[3, 144, 144], [3, 144, 144]]),
}


@pytest.mark.parametrize("output", MODULES)
def test_a_picture_in_device_memory_imports_no_numpy(folder: Path, output: str) -> None:
    said = run(FIRST_EXPORT.replace("OUTPUT", repr(output)), folder)
    form, exported, modules, data_classes = json.loads(said)
    assert (form, exported) == EXPORTED[output]
    assert "numpy" not in modules
    ours = [name for name in modules if name.split(".")[0] == "videohw"]
    assert len(ours) <= MODULES[output], ours
    assert len(data_classes) <= DATA_CLASSES[output], data_classes


# Whose import takes longer than the rest: it comes while the driver starts or makes a decoder.
FIRST_ON_HOST = """
import pathlib, sys, videohw
data = pathlib.Path(sys.argv[1]).read_bytes()
assert "numpy" not in sys.modules
with videohw.Decoder("h264", backend="nvidia", output=OUTPUT) as decoder:
    frame = next(decoder.decode([data]))
    print("numpy" in sys.modules, [plane.shape for plane in frame.planes])
if frame.planes:
    import numpy
    array = numpy.asarray(frame, numpy.float32)
    print(array.shape, array.dtype, array.max() > 0, numpy.from_dlpack(frame).dtype)
"""


def test_only_frames_in_host_memory_import_numpy(folder: Path) -> None:
    said = run(FIRST_ON_HOST.replace("OUTPUT", "'native'"), folder).splitlines()
    assert said[0] == "True [(144, 144), (72, 72, 2)]"
    assert said[1] == "(216, 144) float32 True uint8"
    said = run(FIRST_ON_HOST.replace("OUTPUT", "'metadata'"), folder).splitlines()
    assert said == ["False []"]


# Both begin with nothing imported, and the one's modules are imported by the other.
TWO_AT_ONCE = """
import pathlib, sys, threading, videohw
data, found, failed = pathlib.Path(sys.argv[1]).read_bytes(), {}, []
threading.excepthook = lambda told: failed.append(repr(told.exc_value))
start = threading.Barrier(4)


def first(memory, output):
    start.wait()
    with videohw.Decoder("h264", backend="nvidia", memory=memory, output=output) as decoder:
        frame = next(decoder.decode([data])).to_host()
        found[memory, output] = [int(plane.max()) > 0 for plane in frame.planes]


jobs = [(memory, output) for memory in ("device", "host") for output in ("native", "rgb_planar")]
threads = [threading.Thread(target=first, args=job) for job in jobs]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(failed, [found.get(job) for job in jobs])
"""


def test_threads_open_the_first_decoders_at_once(folder: Path) -> None:
    assert run(TWO_AT_ONCE, folder).strip() == f"[] {[[True, True], [True]] * 2}"


# The driver does not start until the modules are imported that it must not keep waiting.
STALLED_START = """
import sys, threading, time
from pathlib import Path
from tests.emulators.control import Emulator

emulator, seen = Emulator(Path(sys.argv[2])), []
emulator.fault("cuInit", "stall", 0)
main = threading.current_thread()


def watch(event, arguments):
    awaited = "videohw.decoding.coded_input", "videohw.nvidia.frames", "numpy"
    if event != "import" or arguments[0] not in awaited:
        return
    end = time.monotonic() + 30
    while not emulator.stalled() and time.monotonic() < end:
        time.sleep(0.001)
    seen.append((arguments[0], emulator.stalled(), threading.current_thread() is main))
    if arguments[0] == "numpy":  # which frames in host memory are made of
        emulator.clear_faults()


sys.addaudithook(watch)
import videohw
videohw.Decoder("h264", backend="nvidia").close()
print(seen, [thread.name for thread in threading.enumerate()])
"""


def test_modules_are_imported_while_the_driver_starts(folder: Path) -> None:
    said = run(STALLED_START, folder)
    names = ("videohw.decoding.coded_input", "videohw.nvidia.frames", "numpy")
    seen = [(name, 1, True) for name in names]
    assert said.strip() == f"{seen} ['MainThread']"


# What is not imported while the driver starts is imported while the first picture waits.
LATE_IMPORTS = """
import pathlib, sys
from tests.emulators.control import Emulator
import videohw
from videohw.selection import EarlyProbe

data, emulator = pathlib.Path(sys.argv[1]).read_bytes(), Emulator(pathlib.Path(sys.argv[2]))
emulator.fault("cuInit", "stall", 0)
wait = EarlyProbe.__exit__
EarlyProbe.__exit__ = lambda *given: emulator.clear_faults() and wait(*given)
with videohw.Decoder(CODEC, backend="nvidia", **SETTINGS) as decoder:
    opened = set(sys.modules)
    next(decoder.decode([data]))
print(*sorted(set(sys.modules) - opened))
"""
SETTINGS: tuple[dict[str, object], ...] = (
    {"memory": "device"}, {"output": "metadata"}, {"output": "native"}, {"output": "nv12"},
    {"output": "i420"}, {"output": "rgb24", "memory": "device"},
    {"output": "rgb_float32", "size": (64, 64), "memory": "device"},
    {"output": "native", "size": (64, 64), "memory": "device"},
)  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: "-".join(map(str, each.values())))
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_first_picture_waits_for_no_import(
    folder: Path, codec: str, settings: dict[str, object]
) -> None:
    stream = STREAM.with_suffix({"h264": ".h264", "hevc": ".h265"}[codec])
    program = LATE_IMPORTS.replace("CODEC", repr(codec)).replace("SETTINGS", repr(settings))
    assert run(program, folder, stream).split() == []


# Where the driver ran before, frames' modules come with the first pictures, beside the decoder.
SUBMIT_IMPORTS = """
import pathlib, sys
import videohw
from videohw.selection import EarlyProbe

data = pathlib.Path(sys.argv[1]).read_bytes()
EarlyProbe.running = False
with videohw.Decoder(CODEC, backend="nvidia", max_in_flight=64, **SETTINGS) as decoder:
    assert "videohw.frame" not in sys.modules
    decoder.submit(data)
    submitted = set(sys.modules)
    assert decoder.reap_timeout(30) is not None
print(*sorted(set(sys.modules) - submitted))
"""


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: "-".join(map(str, each.values())))
def test_a_first_picture_waits_for_no_import_where_the_driver_ran(
    folder: Path, settings: dict[str, object]
) -> None:
    program = SUBMIT_IMPORTS.replace("CODEC", "'h264'").replace("SETTINGS", repr(settings))
    assert run(program, folder).split() == []


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


@pytest.mark.parametrize("more", [[], ["--started"]], ids=["new", "started"])
def test_the_benchmark_of_first_pictures_runs(folder: Path, more: list[str]) -> None:
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are not here")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_frame", str(STREAM), "--times", "1", "--only",
         "videohw native", *more],
        cwd=ROOT, env=environment(folder), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    (row,) = ran.stdout.splitlines()[2:]
    name, runs, *times = row.strip("| ").split(" | ")
    assert (name, runs) == ("videohw native device", "1")
    imported, opened, first, open_and_first, with_import, from_start = (
        int(each.removesuffix(" ms")) for each in times
    )
    assert abs(opened + first - open_and_first) <= 1  # rounded each
    assert abs(imported + open_and_first - with_import) <= 1
    assert with_import <= from_start + 1
