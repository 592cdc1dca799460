"""``videohw encode``: uncompressed pictures in, a coded file out, and what happens on the way."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest

from tests.cli.running import H264, gradients, leftovers, write_y4m
from tests.cli.terminals import ROOT, clean_environment, command, lines_of, without_escapes

av = pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture
def y4m(tmp_path):
    return write_y4m(tmp_path / "in.y4m", 12)


def decoded(path):
    """(codec, pictures as I420 arrays) of a file, by an independent decoder."""
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="yuv420p") for frame in file.decode(video=0)]
        return file.streams.video[0].codec_context.codec.canonical_name, frames


def psnr(frames, width=64, height=48):
    """PSNR of the luma of ``frames`` against the gradients that were encoded."""
    errors = []
    for frame, source in zip(frames, gradients(len(frames), width, height), strict=True):
        luma = np.frombuffer(source, np.uint8, width * height).reshape(height, width)
        errors.append(np.mean((frame[:height].astype(float) - luma) ** 2))
    return 10 * np.log10(255**2 / max(np.mean(errors), 1e-6))


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("out.mp4", (), "h264"),
        ("out.mkv", ("--codec", "H.265"), "hevc"),
        ("out.h264", ("--preset", "fastest"), "h264"),
        ("out.h265", (), "hevc"),
        ("out.webm", ("--preset", "fastest"), "av1"),
        ("out.mov", ("--bitrate", "300k", "--max-bitrate", "300k"), "h264"),
        ("out.ts", ("--qp", "20:22:24", "--b-frames", "2"), "h264"),
        ("out.bin", ("--container", "mp4", "--quality", "18", "--gop", "4"), "h264"),
    ],
)
def test_y4m_becomes_a_file_that_others_decode(run, tmp_path, y4m, name, options, codec):
    target = tmp_path / name
    ran = run("encode", y4m, target, *options)
    assert (ran.code, ran.err) == (0, "")
    found, frames = decoded(target)
    assert (found, len(frames)) == (codec, 12)
    assert psnr(frames) > 28
    assert ran.out.startswith(f"{target}: 12 frames, 0.48 s, ")
    assert "software (lib" in ran.out
    assert leftovers(tmp_path) == []


def test_json_tells_all(run, tmp_path, y4m):
    target = tmp_path / "out.mp4"
    report = run("encode", y4m, target, "--json").json()
    assert report["output"] == str(target)
    assert report["frames"] == 12
    assert report["bytes"] == target.stat().st_size
    assert report["fps"] > 0
    assert report["encoder"]["backend"] == "software"
    assert report["encoder"]["requested_backend"] == "auto"


@pytest.mark.parametrize(
    ("ending", "format_option", "shape"),
    [(".yuv", None, "i420"), (".nv12", None, "nv12"), (".rgb", None, "rgb24"),
     (".dat", "bgra", "bgra"), (".p010", None, "p010")],
)  # fmt: skip
def test_raw_frames_by_ending_or_option(run, tmp_path, ending, format_option, shape):
    colour = av.VideoFrame.from_ndarray(
        np.full((48, 64, 3), (200, 40, 90), np.uint8), format="rgb24"
    )
    name = {"i420": "yuv420p", "p010": "p010le"}.get(shape, shape)
    picture = colour.reformat(format=name)
    data = b"".join(
        np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width * size].tobytes()
        for plane, size in zip(
            picture.planes, {"nv12": (1, 2), "p010": (2, 4), "rgb24": (3,), "bgra": (4,)}.get(
                shape, (1, 1, 1)
            ), strict=True,
        )
    )  # fmt: skip
    source = tmp_path / f"in{ending}"
    source.write_bytes(data * 5)
    target = tmp_path / "out.mp4"  # whose times are exact
    options = ["--format", format_option] if format_option else []
    ran = run("encode", source, target, "--size", "64x48", "--fps", "30000/1001", *options)
    assert (ran.code, ran.err) == (0, "")
    with av.open(str(target)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        rate = file.streams.video[0].average_rate
        assert (rate.numerator, rate.denominator) == (30000, 1001)
    assert len(frames) == 5
    assert np.abs(frames[0][24, 32].astype(int) - (200, 40, 90)).max() < 12


@pytest.mark.parametrize(
    ("layout", "size", "coded"),
    [("422", 2, "yuv420p"), ("444", 3, "yuv420p"), ("mono", 1, "yuv420p"),
     ("420p10", 3, "yuv420p10le")],
)  # fmt: skip
def test_other_layouts_of_y4m_are_converted(run, tmp_path, layout, size, coded):
    source = tmp_path / "in.y4m"
    value = b"\x00\x02" if layout == "420p10" else b"\x80"
    picture = value * (64 * 48 * size // len(value))
    header = f"YUV4MPEG2 W64 H48 F25:1 Ip A4:3 C{layout}\n".encode()
    source.write_bytes(header + (b"FRAME\n" + picture) * 3)
    target = tmp_path / "out.mkv"
    ran = run("encode", source, target, "--codec", "hevc")
    assert (ran.code, ran.err) == (0, "")
    with av.open(str(target)) as file:
        frames = list(file.decode(video=0))
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert [frame.format.name for frame in frames] == [coded] * 3
    deep = layout == "420p10"
    luma = np.frombuffer(frames[0].planes[0], "<u2" if deep else "u1") >> (2 if deep else 0)
    rows = luma.reshape(48, -1)[:, :64]
    assert np.abs(rows.astype(int) - 128).max() <= 2


def test_frames_limits_what_is_coded(run, tmp_path, y4m):
    target = tmp_path / "out.mp4"
    assert run("encode", y4m, target, "--frames", 5).code == 0
    assert len(decoded(target)[1]) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", "64x48"), "--size is for raw frames"),
        (("--fps", "25"), "--fps is for raw frames"),
        (("--gop", "99999999999"), "--gop"),
        (("--codec", "hevc", "--profile", "nonsense"), "nonsense"),
        (("--codec", "hevc", "--container", "webm"), "cannot hold hevc"),
        (("--require-hardware",), "--require-hardware"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(run, tmp_path, y4m, options, message):
    ran = run("encode", y4m, tmp_path / "out.mp4", *options)
    assert ran.code in (1, 2)
    assert message in ran.error()
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]


def test_raw_frames_need_a_size(run, tmp_path):
    source = tmp_path / "in.yuv"
    source.write_bytes(b"\0" * 100)
    ran = run("encode", source, tmp_path / "out.mp4")
    assert ran.code == 2
    assert "give --size WxH" in ran.error()


def test_an_existing_file_is_kept_unless_asked(run, tmp_path, y4m):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    ran = run("encode", y4m, target)
    assert ran.code == 1
    assert "exists (-y replaces it)" in ran.error()
    assert target.read_bytes() == b"precious"
    assert run("encode", y4m, target, "-y").code == 0
    assert len(decoded(target)[1]) == 12


def test_a_failure_keeps_the_file_that_was_to_be_replaced(run, tmp_path, y4m):
    y4m.write_bytes(y4m.read_bytes()[:-100])
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    ran = run("encode", y4m, target, "-y")
    assert ran.code == 1
    assert "frame 11 has 4508 of 4608 bytes" in ran.error()
    assert target.read_bytes() == b"precious"
    assert leftovers(tmp_path) == []


def test_input_and_output_must_differ(run, y4m):
    before = y4m.read_bytes()
    ran = run("encode", y4m, y4m, "-y")
    assert ran.code == 2
    assert "is the input too" in ran.error()
    assert y4m.read_bytes() == before


def test_quiet_says_nothing(run, tmp_path, y4m):
    assert run("encode", y4m, tmp_path / "out.mp4", "--quiet") == (0, "", "")


def process(*arguments, **streams):
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "videohw", *map(str, arguments)],
        cwd=ROOT, env=clean_environment(), **{**given, **streams},
    )  # fmt: skip


def test_pipes_in_and_out(y4m):
    with y4m.open("rb") as source, process("encode", "-", "-", stdin=source) as coder:
        out, errors = coder.communicate(timeout=60)
    assert coder.returncode == 0
    assert b"standard output: 12 frames" in errors
    with av.open(io.BytesIO(out), format="h264") as file:
        assert sum(1 for _ in file.decode(video=0)) == 12


def endless_encode(target, **streams):
    """An encode that never ends by itself: its input is a pipe that stays open."""
    coder = process("encode", "-", target, "--preset", "fastest", stdin=subprocess.PIPE, **streams)
    assert coder.stdin is not None
    coder.stdin.write(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420mpeg2\n")
    for picture in gradients(30, 64, 48):
        coder.stdin.write(b"FRAME\n" + picture)
    coder.stdin.flush()
    return coder


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("existing", [True, False])
def test_an_interrupt_leaves_no_half_file_and_no_trace(tmp_path, number, code, existing):
    target = tmp_path / "out.mp4"
    if existing:
        target.write_bytes(b"precious")
    with endless_encode(target if not existing else f"{target}.mkv") as coder:
        wait_for(lambda: leftovers(tmp_path))
        time.sleep(0.1)
        coder.send_signal(number)
        for _ in range(5):  # an impatient user
            time.sleep(0.02)
            coder.send_signal(number)
        out, errors = coder.communicate(timeout=60)
    assert (coder.returncode, out, errors) == (code, b"", b"")
    assert [path.name for path in tmp_path.iterdir()] == (["out.mp4"] if existing else [])


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_a_bar_and_then_the_summary(tmp_path, rich, columns):
    source = write_y4m(tmp_path / "in.y4m", 300, 320, 240)
    target = tmp_path / "out.mp4"
    environment = {} if rich else {"PYTHONPATH": str(without_rich(tmp_path))}
    arguments = ("encode", str(source), str(target), "--preset", "quality")
    with command(*arguments, columns=columns, **environment) as (coder, terminal):
        assert coder.wait(timeout=100) == 0
        text = terminal.finish()
    lines = lines_of(text)
    bars = [line for line in lines if "/300 frames" in line]
    assert bars
    assert any(" fps" in line and " left" in line and "%" in line for line in bars)
    assert all(len(line) <= columns for line in lines if str(tmp_path) not in line)
    summary = [line for line in lines if line.startswith(f"{target}: 300 frames")]
    assert len(summary) == 1
    assert "/300 frames" not in without_escapes(text).split(f"{target}: 300")[-1]


def without_rich(folder):
    """A folder that, first on the path, makes `import rich` fail."""
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / "rich.py").write_text("raise ImportError('rich is not installed')\n")
    return hidden


def test_a_terminal_that_is_interrupted_gets_its_cursor_back(tmp_path):
    source = write_y4m(tmp_path / "in.y4m", 400, 640, 480)
    target = tmp_path / "out.mp4"
    with command("encode", str(source), str(target), "--preset", "best") as (coder, terminal):
        wait_for(lambda: "frames" in terminal.text())
        coder.send_signal(signal.SIGINT)
        assert coder.wait(timeout=60) == 130
        text = terminal.finish()
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")
    assert "Traceback" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]


@pytest.mark.parametrize("arguments", [(), ("--quiet",), ("--json",)])
def test_a_pipe_gets_no_progress(tmp_path, y4m, arguments):
    with process("encode", y4m, tmp_path / "out.mp4", *arguments) as coder:
        out, errors = coder.communicate(timeout=60)
    assert (coder.returncode, errors) == (0, b"")
    assert b"\r" not in out
    assert b"\x1b" not in out
    assert (out == b"") is (arguments == ("--quiet",))


@pytest.mark.parametrize(
    "options", [("--fps", "30"), ("--size", "16x16"), ("--format", "nv12")], ids=lambda v: v[0]
)
@pytest.mark.parametrize("name", ["in.h264", "in.MP4"])
def test_a_video_file_must_not_be_given_raw_options(run, tmp_path, name, options):
    """Its bytes would be taken for pixels."""
    path = tmp_path / name
    path.write_bytes(H264.read_bytes())
    ran = run("encode", path, tmp_path / "out.mp4", *options)
    assert ran.code == 2
    assert f"{options[0]} is for raw frames" in ran.error()
    assert not (tmp_path / "out.mp4").exists()


def test_hints_name_no_option_that_encode_lacks(run, tmp_path, monkeypatch):
    # Also where emulated frameworks were loaded into this process before.
    monkeypatch.setattr("videohw.apple.missing", lambda device=None: ("it is of macOS", None))
    path = tmp_path / "in.bin"
    path.write_bytes(b"no video" * 99)
    said = [run("encode", path, tmp_path / "out.mp4").error()]
    said.append(run("encode", H264, tmp_path / "out.mp4", "--backend", "videotoolbox").error())
    assert "raw frames need --size" in said[0]
    assert not re.search(r"--input-format|encoder.backend", " ".join(said))
