"""``videohw decode``: the right pixels, in every form, and one line when something is wrong."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from tests.cli.running import H264, HEVC, leftovers, run_without
from tests.cli.terminals import ROOT, clean_environment, command, lines_of
from tests.corpus import DATA, data_streams, stream

av = pytest.importorskip("av", reason="PyAV is not installed")

# Newer libavcodec conceals the cut picture of this one differently from the oracle.
INEXACT = {"generated/truncated_mid_slice.h265"}
EXACT = [
    s for s in data_streams()
    if s.yuv_md5 and not s.damaged and s.name not in INEXACT and s.path.stat().st_size < 100_000
]  # fmt: skip
MD5_OF_320 = 320 * 240 * 3 // 2


def known(path):
    return stream(path.relative_to(DATA).as_posix())


@pytest.mark.parametrize("one", EXACT, ids=lambda s: s.name)
def test_md5_is_that_of_the_oracle(run, one):
    ran = run("decode", one.path, "--md5", "--input-format", one.codec)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{one.yuv_md5}\n"


def test_frames_md5_is_one_line_a_frame(run, tmp_path):
    target = tmp_path / "out.yuv"
    assert run("decode", H264, "-o", target).code == 0
    data = target.read_bytes()
    assert hashlib.md5(data).hexdigest() == known(H264).yuv_md5
    frames = [data[at : at + MD5_OF_320] for at in range(0, len(data), MD5_OF_320)]
    sums = [hashlib.md5(frame).hexdigest() for frame in frames]
    ran = run("decode", H264, "--frames-md5")
    assert ran.out.split() == sums
    report = run("decode", H264, "--frames-md5", "--json").json()
    assert report["frames_md5"] == sums
    assert report["md5"] == known(H264).yuv_md5


def test_without_an_output_it_counts(run):
    ran = run("decode", H264)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{H264}: 25 frames\n")
    assert "software" in ran.out
    report = run("decode", H264, "--json").json()
    assert (report["frames"], report["keyframes"], report["corrupt"]) == (25, 3, 0)
    assert report["decoder"]["backend"] == "software"
    assert report["md5"] is None


def test_y4m_is_what_others_read(run, tmp_path):
    target = tmp_path / "out.y4m"
    assert run("decode", H264, "-o", target).code == 0
    with av.open(str(target)) as file:
        frames = [frame.to_ndarray() for frame in file.decode(video=0)]
        assert file.streams.video[0].average_rate == 25
    digest = hashlib.md5(b"".join(frame.tobytes() for frame in frames)).hexdigest()
    assert digest == known(H264).yuv_md5


@pytest.mark.parametrize(
    ("output_format", "layout"),
    [("planar", b"C420p10"), ("native", b"C420p10"), ("p010", b"C420p10"), ("i420", b"C420mpeg2"),
     ("nv12", b"C420mpeg2")],
)  # fmt: skip
def test_y4m_is_in_the_format_that_was_asked_for(run, tmp_path, output_format, layout):
    target = tmp_path / "out.y4m"
    assert run("decode", HEVC, "-o", target, "--output-format", output_format).code == 0
    assert layout in target.read_bytes()[:80].split()
    with av.open(str(target)) as file:
        assert len(list(file.decode(video=0))) == 25


@pytest.mark.parametrize("command", ["decode", "inspect"])
def test_raw_frames_are_for_encode(run, tmp_path, command):
    path = tmp_path / "in.yuv"
    path.write_bytes(bytes(64 * 48 * 3 // 2))
    ran = run(command, path)
    assert ran.code == 1
    assert "raw frames states no size: videohw encode --size" in ran.error()


@pytest.mark.parametrize("output_format", ["rgb24", "bgra", "rgb_float16"])
def test_y4m_cannot_hold_rgb(run, tmp_path, output_format):
    ran = run("decode", HEVC, "-o", tmp_path / "out.y4m", "--output-format", output_format)
    assert (ran.code, list(tmp_path.iterdir())) == (2, [])
    assert f"--output-format {output_format} does not fit YUV4MPEG2" in ran.error()


def test_ten_bits_stay_ten_bits(run, tmp_path):
    target = tmp_path / "out.y4m"
    assert run("decode", HEVC, "-o", target).code == 0
    assert b" C420p10" in target.read_bytes()[:80]
    assert run("decode", HEVC, "--md5").out.strip() == known(HEVC).yuv_md5


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("out.nv12", (), 320 * 240 * 3 // 2),
        ("out.rgb", (), 320 * 240 * 3),
        ("out.yuv", ("--output-format", "bgra"), 320 * 240 * 4),
        ("out.bin", ("--as", "raw", "--size", "64x48"), 64 * 48 * 3 // 2),
        ("out.yuv", ("--crop", "64x32+16+8"), 64 * 32 * 3 // 2),
        ("out.p010", (), 320 * 240 * 3),
    ],
)
def test_raw_frames(run, tmp_path, name, options, size):
    target = tmp_path / name
    ran = run("decode", H264, "-o", target, "--frames", 3, *options)
    assert ran.code == 0, ran.err
    assert target.stat().st_size == 3 * size


def test_npy_is_an_array_of_rgb(run, tmp_path):
    target = tmp_path / "out.npy"
    assert run("decode", H264, "-o", target).code == 0
    array = np.load(target)
    assert (array.shape, array.dtype) == ((25, 240, 320, 3), np.uint8)
    planar = tmp_path / "planar.npy"
    options = ("--output-format", "rgb_float32", "--frames", 2)
    assert run("decode", H264, "-o", planar, *options).code == 0
    planes = np.load(planar)
    assert (planes.shape, planes.dtype) == ((2, 3, 240, 320), np.float32)
    assert np.abs(planes[0].transpose(1, 2, 0) * 255 - array[0]).max() <= 1.0


def test_png_pictures(run, tmp_path):
    pattern = tmp_path / "frame-%03d.png"
    ran = run("decode", H264, "-o", pattern, "--frames", 3, "--size", "64x48")
    assert ran.code == 0, ran.err
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["frame-000.png", "frame-001.png", "frame-002.png"]
    with av.open(str(tmp_path / names[1])) as file:
        assert next(file.decode(video=0)).to_ndarray(format="rgb24").shape == (48, 64, 3)
    again = run("decode", H264, "-o", pattern, "--frames", 3)
    assert again.code == 1
    assert "frame-000.png exists (-y replaces it)" in again.error()


def test_a_change_of_size_is_followed_or_refused(run, tmp_path):
    path = DATA / "generated" / "res_change_ABA.h265"
    report = run("decode", path, "--json").json()
    assert len(report["pictures"]) == 2
    ran = run("decode", path, "-o", tmp_path / "out.y4m")
    assert ran.code == 1
    assert "--size" in ran.error()
    assert list(tmp_path.iterdir()) == []
    assert run("decode", path, "-o", tmp_path / "out.y4m", "--size", "64x48").code == 0


def test_existing_files_are_kept(run, tmp_path):
    target = tmp_path / "out.yuv"
    target.write_bytes(b"precious")
    ran = run("decode", H264, "-o", target)
    assert ran.code == 1
    assert target.read_bytes() == b"precious"
    assert run("decode", H264, "-o", target, "-y", "--frames", 1).code == 0
    assert target.stat().st_size == MD5_OF_320
    assert leftovers(tmp_path) == []


def test_a_stream_cannot_be_decoded_over_itself(run, tmp_path):
    path = tmp_path / "in.yuv"
    path.write_bytes(H264.read_bytes())
    ran = run("decode", path, "-o", path, "-y")
    assert ran.code == 2
    assert path.read_bytes() == H264.read_bytes()


@pytest.mark.parametrize("on_error", ["skip", "resync", "conceal"])
def test_damage_is_left_out_or_shown(run, on_error):
    path = DATA / "generated" / "bitflips20.h265"
    ran = run("decode", path, "--on-error", on_error, "--json")
    assert ran.code == 0, ran.err
    report = ran.json()
    assert 0 < report["frames"] <= known(path).frames + 1


@pytest.mark.parametrize("data", [b"", b"no video at all", b"\0\0\0\1\x67"])
def test_what_is_no_video_is_one_line(run, tmp_path, data):
    path = tmp_path / "in.h264"
    path.write_bytes(data)
    ran = run("decode", path)
    assert ran.code == 1
    assert str(path) in ran.error()


def test_require_hardware_is_refused_with_the_reason(run):
    ran = run("decode", H264, "--require-hardware")
    assert ran.code == 1
    assert "no hardware backend can decode h264" in ran.error()


def test_without_pyav_the_line_says_what_to_install():
    ran = run_without(["av"], "decode", H264)
    assert ran.code == 1
    assert "pip install" in ran.error()


def test_without_rich_it_works():
    ran = run_without(["rich"], "decode", H264, "--md5")
    assert (ran.code, ran.out.strip(), ran.err) == (0, known(H264).yuv_md5, "")


def test_standard_input_and_output():
    with H264.open("rb") as source:
        ran = subprocess.run(
            [sys.executable, "-m", "videohw", "decode", "-", "-o", "-"],
            cwd=ROOT, env=clean_environment(), stdin=source, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 0
    assert ran.stdout.startswith(b"YUV4MPEG2 W320 H240 F25:1 ")
    assert ran.stdout.count(b"FRAME\n") == 25
    assert b"standard output: 25 frames" in ran.stderr


def test_a_reader_that_goes_away_ends_it_quietly():
    with subprocess.Popen(
        [sys.executable, "-m", "videohw", "decode", str(H264), "-o", "-"],
        cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, errors) == (141, b"")


def test_a_terminal_shows_the_frames_of_a_raw_stream(tmp_path):
    long = tmp_path / "long.h264"
    long.write_bytes(H264.read_bytes() * 40)
    with command("decode", str(long), "-o", str(tmp_path / "o.yuv")) as (process, terminal):
        assert process.wait(timeout=100) == 0
        text = terminal.finish()
    lines = lines_of(text)
    assert any(" frames  " in line and " fps" in line and " left" not in line for line in lines)
    assert any("1000 frames" in line for line in lines)
