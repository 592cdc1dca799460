"""Every example runs as its first lines say, and says what came out."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

import videohw
from tests.backends.apple import emulated_frameworks
from tests.emulators import build
from tests.emulators.control import environment
from tests.files.clips import Recipe, make, witness

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MAX_LINES = 60
# PyTorch need not be installed to be told what a script wants.
RUN_WITHOUT_TORCH = """
import runpy, sys
from unittest.mock import MagicMock
sys.modules.update(dict.fromkeys(("torch", "torch.utils", "torch.utils.data"), MagicMock()))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(
    name: str,
    *arguments: object,
    cwd: Path,
    data: bytes | None = None,
    variables: dict[str, str] | None = None,
) -> str:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        cwd=cwd, env=variables, input=data, capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode()


def test_read_frames(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mp4", Recipe())
    lines = run("read_frames.py", clip, cwd=tmp_path).splitlines()
    assert "h264 160x96, 25 frames per second" in lines[0]
    assert len(lines) == 2 + 24
    late = run("read_frames.py", clip, "0.4", cwd=tmp_path).splitlines()
    assert len(late) == 2 + 14
    assert "0.400 s" in late[2]


def test_write_video(tmp_path: Path) -> None:
    target = tmp_path / "bar.mp4"
    assert "30 frames of 320x180" in run("write_video.py", target, 30, cwd=tmp_path)
    seen = witness(target)
    assert len(seen.numbers) == 30
    assert seen.metadata["title"] == "A walking bar"


def test_transcode_file(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mp4", Recipe(audio="aac"))
    out = run("transcode_file.py", clip, "out.mkv", "h264", cwd=tmp_path)
    assert "24 frames in, 24 out" in out
    assert "stream 1: 46 packets copied" in out
    assert witness(tmp_path / "out.mkv").numbers == list(range(24))


def test_stream_bytes_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.h264", Recipe(b_frames=2))
    assert run("stream_bytes.py", clip, cwd=tmp_path) == "24 pictures\n"
    assert run("stream_bytes.py", cwd=tmp_path, data=clip.read_bytes()) == "24 pictures\n"


def check_live(lines: list[str], backend: str, joins: list[int]) -> None:
    used, *seconds, keyframes = lines
    assert used == f"on {backend}"
    rates = [int(line.split()[2]) for line in seconds]
    assert len(rates) == 4
    assert 1500 < rates[1] < 2500
    assert 375 < rates[3] < 625
    # Where the numbers of an open encoder cannot be changed, there is one more.
    expected = (joins, sorted([*joins, 60]))
    assert keyframes in [f"keyframes at {each}" for each in expected]


def test_live_encoder(tmp_path: Path) -> None:
    lines = run("live_encoder.py", 4, "software", cwd=tmp_path).splitlines()
    check_live(lines, "software", [0, 10, 40, 70, 100])


@pytest.fixture(scope="module")
def device() -> dict[str, str]:
    """The environment of a process that finds an emulated device."""
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return environment(build.built())


def test_live_encoder_on_a_device(device: dict[str, str], tmp_path: Path) -> None:
    lines = run("live_encoder.py", 4, "nvidia", cwd=tmp_path, variables=device).splitlines()
    check_live(lines, "nvidia", [0, 10, 40, 70, 100])


@pytest.mark.parametrize("backend", ["software", "videotoolbox"])
def test_screen_stream(tmp_path: Path, backend: str) -> None:
    with emulated_frameworks() if backend == "videotoolbox" else nullcontext():
        ran = subprocess.run(
            [sys.executable, str(EXAMPLES / "screen_stream.py"), "2", backend],
            cwd=tmp_path, capture_output=True, timeout=100, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()
    count, late = (int(word) for word in ran.stderr.split() if word.isdigit())
    assert count + late == 60
    target = tmp_path / "screen.h264"
    target.write_bytes(ran.stdout)
    with videohw.open(target, backend="software") as video:
        assert sum(1 for _ in video) == count


@pytest.mark.parametrize("size", [(160, 144), (320, 240)])
@pytest.mark.parametrize("name", ["out.h264", "out.h265"])
def test_gpu_transcode(
    device: dict[str, str], tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    clip = make(tmp_path / "clip.mp4", Recipe(b_frames=2, size=(160, 144)))
    width, height = size
    words = [clip, name] if size == (160, 144) else [clip, name, f"{width}x{height}"]
    lines = run("gpu_transcode.py", *words, cwd=tmp_path, variables=device).splitlines()
    assert lines[0].startswith(f"24 pictures of {width}x{height} as ")
    assert lines[1] == f"{24 * width * height} pixels, of which 0 bytes went through the host"
    with videohw.open(tmp_path / name, backend="software") as video:
        assert [(frame.width, frame.height) for frame in video] == [size] * 24


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_help_and_too_few_words_show_the_usage(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    usage = next(line for line in text.splitlines() if line.startswith("usage: "))
    needed = usage.partition("[")[0].split("example")[1].split()[1:]
    for words in (["--help"], *([[]] if needed else [])):
        ran = subprocess.run(
            [sys.executable, "-c", RUN_WITHOUT_TORCH, str(EXAMPLES / name), *words],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        said = ran.stdout + ran.stderr
        assert "Traceback" not in said
        assert usage.removesuffix("    (files are taken in turn)") in said
        assert (ran.returncode != 0) or words


def test_examples_are_short_and_each_has_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for example in EXAMPLES.glob("*.py"):
        assert len(example.read_text("utf-8").splitlines()) < MAX_LINES, example
        assert example.name in tests, example
