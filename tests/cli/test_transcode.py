"""``videohw transcode``: a whole file into another codec, or nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.cli.running import H264, gradients, leftovers
from tests.cli.terminals import ROOT, clean_environment, command, lines_of

av = pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """50 frames of 128x96 at 25 frames per second, with B-frames and stereo sound."""
    path = tmp_path_factory.mktemp("movie") / "in.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=25, options={"bf": "2", "g": "25", "crf": "12"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        sound = file.add_stream("aac", rate=48000)
        for index, picture in enumerate(gradients(50, 128, 96)):
            pixels = np.frombuffer(picture, np.uint8).reshape(144, 128)
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts = index
            file.mux(video.encode(frame))
        for index in range(90):
            silence = np.zeros((1, 2048), np.int16)
            wave = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            wave.sample_rate, wave.pts = 48000, 1024 * index
            file.mux(sound.encode(wave))
        file.mux(video.encode(None))
        file.mux(sound.encode(None))
    return path


def contents(path):
    """(video codec, frames, codecs of the other streams, luma of the first frame)."""
    with av.open(str(path)) as file:
        others = [s.codec_context.name for s in file.streams if s.type != "video"]
        name = file.streams.video[0].codec_context.codec.canonical_name
        frames = [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]
        return name, len(frames), others, frames[0]


def test_the_main_job(run, tmp_path, movie):
    target = tmp_path / "out.mp4"
    ran = run("transcode", movie, target, "--codec", "hevc", "--preset", "fast")
    assert (ran.code, ran.err) == (0, "")
    codec, frames, others, _ = contents(target)
    assert (codec, frames, others) == ("hevc", 50, ["aac"])
    assert ran.out.startswith(f"{target}: 50 frames, 2.00 s, ")
    for text in ("50 in, 50 out", "hevc 128x96", "1 other stream", "decoder", "software (libx265)"):
        assert text in ran.out, text
    assert leftovers(tmp_path) == []


def test_the_default_codec_is_that_of_the_api(run, tmp_path, movie):
    target = tmp_path / "out.mkv"
    assert run("transcode", movie, target, "--preset", "fastest").code == 0
    assert contents(target)[0] == "hevc"


def test_json_tells_all(run, tmp_path, movie):
    target = tmp_path / "out.mp4"
    ran = run("transcode", movie, target, "--codec", "h264", "--bitrate", "300k", "--json")
    report = ran.json()
    assert ran.err == ""
    assert (report["frames_in"], report["frames_out"]) == (50, 50)
    assert report["bytes"] == target.stat().st_size
    assert report["duration"] == pytest.approx(2.0, abs=0.01)
    assert list(report["copied_packets"]) == ["1"]
    assert report["decoder"]["backend"] == report["encoder"]["backend"] == "software"


def test_a_part_in_another_size(run, tmp_path, movie):
    target = tmp_path / "out.mp4"
    options = ("--codec", "h264", "--start", "0:00.4", "--end", "1", "--size", "64x48")
    ran = run("transcode", movie, target, *options)
    assert ran.code == 0, ran.err
    _, frames, _, first = contents(target)
    assert (frames, first.shape) == (15, (48, 64))


@pytest.mark.parametrize(
    "options",
    [("--quality", "30"), ("--qp", "30:32:34", "--b-frames", "2"), ("--bitrate", "200k"),
     ("--gop", "10", "--profile", "main"), ("--crop", "64x48+8+8")],
)  # fmt: skip
def test_encoding_options_are_taken(run, tmp_path, movie, options):
    target = tmp_path / "out.mp4"
    arguments = ("--codec", "h264", "--preset", "fastest", *options)
    ran = run("transcode", movie, target, *arguments)
    assert ran.code == 0, ran.err
    assert contents(target)[1] == 50
    if "--gop" in options:
        report = run("inspect", target, "--json").json()
        assert report["gop_lengths"] == {"min": 10, "mean": 10, "max": 10}
        assert report["profile"] == "Main"


def test_what_the_target_cannot_hold_is_told_or_refused(run, tmp_path, movie):
    target = tmp_path / "out.h264"
    ran = run("transcode", movie, target, "--codec", "h264", "--preset", "fastest")
    assert ran.code == 0
    assert "note: left out audio stream 1" in ran.err
    assert contents(target)[1] == 50
    strict = tmp_path / "strict.h264"
    ran = run("transcode", movie, strict, "--codec", "h264", "--strict")
    assert ran.code == 1
    assert "no --strict" in ran.error()
    assert not strict.exists()
    silent = tmp_path / "silent.mp4"
    ran = run("transcode", movie, silent, "--video-only", "--preset", "fastest")
    assert (ran.code, ran.err) == (0, "")
    assert contents(silent)[2] == []


def test_raw_in_and_encode_of_a_video(run, tmp_path, movie):
    target = tmp_path / "raw.mp4"
    assert run("transcode", H264, target, "--fps", "50", "--preset", "fastest").code == 0
    assert contents(target)[:3] == ("hevc", 25, [])
    with av.open(str(target)) as file:
        assert file.streams.video[0].average_rate == 50
    target = tmp_path / "encoded.mp4"
    ran = run("encode", movie, target, "--preset", "fastest")
    assert ran.code == 0, ran.err
    assert contents(target)[:3] == ("h264", 50, [])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--require-hardware",), 1, "--require-hardware"),
        (("--start", "100"), 2, "--start"),
        (("--size", "33x33", "--codec", "h264"), None, ""),
        (("--stream", "3"), 2, "--stream"),
        (("--profile", "nonsense"), None, "nonsense"),
        (("--container", "webm", "--codec", "h264"), None, "cannot hold h264"),
    ],
)
def test_what_cannot_be_done_leaves_nothing(run, tmp_path, movie, options, code, message):
    ran = run("transcode", movie, tmp_path / "out.mp4", *options)
    assert ran.code in ((code,) if code else (0, 1, 2))
    if ran.code:
        assert message in ran.error()
        assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_does_not_destroy_the_target(run, tmp_path, movie):
    damaged = tmp_path / "in.mp4"
    data = bytearray(movie.read_bytes())
    at = data.index(b"mdat") + 100
    data[at : at + 4000] = b"\xff" * 4000
    damaged.write_bytes(bytes(data))
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    ran = run("transcode", damaged, target, "-y")
    assert ran.code == 1
    assert ran.error()
    assert target.read_bytes() == b"precious"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("same", [True, False])
def test_nothing_is_overwritten_by_mistake(run, tmp_path, movie, same):
    target = movie if same else tmp_path / "out.mp4"
    if not same:
        target.write_bytes(b"precious")
    before = target.read_bytes()
    ran = run("transcode", movie, target, *(["-y"] if same else []))
    assert ran.code == (2 if same else 1)
    assert ran.error()
    assert target.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupt_leaves_no_half_file_and_no_trace(tmp_path, name, code):
    target = tmp_path / "out.mp4"
    with subprocess.Popen(
        [sys.executable, "-m", "videohw", "transcode", "-", str(target), "--preset", "fastest"],
        cwd=ROOT, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(H264.read_bytes() * 4)  # and the pipe stays open: it never ends
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not leftovers(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(getattr(signal, name))
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (code, b"", b"")
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_sees_time_left(tmp_path, movie):
    target = tmp_path / "out.mp4"
    options = ("--codec", "h264", "--size", "480x360", "--preset", "quality")
    with command("transcode", str(movie), str(target), *options) as (process, terminal):
        assert process.wait(timeout=100) == 0
        text = terminal.finish()
    lines = lines_of(text)
    assert any("/50 frames" in line and "fps" in line and "left" in line for line in lines)
    assert all(len(line) <= 80 for line in lines if str(tmp_path) not in line)
    assert any(line.strip().startswith("encoder") for line in lines[-3:])
