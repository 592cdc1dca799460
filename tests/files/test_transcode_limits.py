"""Parts of files, times that are missing, failures and bounds of ``transcode``."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

import videohw
from tests.files.clips import (
    COUNT,
    EVEN,
    HEIGHT,
    WIDTH,
    Recipe,
    make,
    remux,
    witness,
)  # fmt: skip
from videohw.errors import InvalidBitstream, InvalidInput, UnsupportedCodec, UnsupportedConfig
from videohw.transcode_file import TranscodeProgress, TranscodeResult

FAST: dict[str, Any] = {"preset": "fastest"}


def run(source: Any, target: Any, **options: Any) -> TranscodeResult:
    return videohw.transcode(source, target, **{**FAST, **options})


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# A part of a file


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
def test_a_part_of_a_file(tmp_path: Path, name: str) -> None:
    recipe = Recipe(
        b_frames=2, pts=range(75), audio="aac", chapters=[(0, 1500, "A"), (1500, 3000, "B")]
    )
    before = witness(make(tmp_path / name, recipe))
    result = run(tmp_path / name, tmp_path / "out.mp4", start=0.4, end=2)
    seen = witness(tmp_path / "out.mp4")
    assert seen.numbers == list(range(10, 50))
    assert seen.times[0] <= Fraction(1, 1000)
    assert result.duration == Fraction(40, 25)
    origin = before.times[0] + Fraction(2, 5)
    (sound,) = (stamps for index, stamps in before.packets.items() if len(stamps) > 5)
    wanted = [data for stamp, data in sound if 0 <= stamp - origin < Fraction(8, 5)]
    header = 7 if name == "in.ts" else 0  # ADTS, which MP4 has in its own header
    (copied,) = (stamps for stamps in seen.packets.values() if len(stamps) > 5)
    assert [data for _, data in copied] == [data[header:] for data in wanted]
    if name != "in.ts":
        assert [(float(a), float(b), t) for a, b, t in seen.chapters] == [
            (0.0, 1.1, "A"), (1.1, 1.6, "B"),
        ]  # fmt: skip


def test_a_part_of_a_raw_stream(tmp_path: Path) -> None:
    source = make(tmp_path / "in.h264", Recipe(b_frames=2))
    run(source, tmp_path / "out.mp4", start=0.2, end=0.4)
    assert witness(tmp_path / "out.mp4").numbers == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": -1}, "start"), ({"start": 2, "end": 1}, "end"), ({"end": 0}, "end"),
        ({"start": "1"}, "start"), ({"start": 100}, "no picture between"),
        ({"streams": "audio"}, "streams"), ({"container": "gif"}, "container"),
        ({"rotation": 10}, "rotation"), ({"metadata": 5}, "metadata"), ({"stream": 3}, "stream"),
        ({"size": (0, 10)}, "size"), ({"crop": (0, 0, 999, 999)}, "crop"),
    ],
)  # fmt: skip
def test_wrong_arguments_leave_nothing(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    source = make(tmp_path / "in.mp4", Recipe())
    with pytest.raises((InvalidInput, UnsupportedConfig), match=words):
        run(source, tmp_path / "out.mp4", **options)
    assert left_behind(tmp_path) == {"in.mp4"}


@pytest.mark.parametrize("codec", ["theora", None, 5])
def test_unknown_codecs(tmp_path: Path, codec: Any) -> None:
    source = make(tmp_path / "in.mp4", Recipe())
    with pytest.raises((UnsupportedCodec, InvalidInput), match="codec"):
        run(source, tmp_path / "out.mp4", codec=codec)


# Times that a file does not have


def test_pictures_without_time_get_one(tmp_path: Path) -> None:
    """A stream whose packets lost their times in the middle."""
    made = make(tmp_path / "in.mkv", Recipe())
    broken = tmp_path / "broken.mkv"
    with av.open(str(made)) as old, av.open(str(broken), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for number, packet in enumerate(p for p in old.demux(video=0) if p.size):
            packet.pts = packet.dts = min(packet.pts, 400) if number < 12 else packet.pts
            packet.stream = stream
            new.mux(packet)
    result = run(broken, tmp_path / "out.mp4")
    seen = witness(tmp_path / "out.mp4")
    assert seen.numbers == EVEN
    assert result.retimed == 1
    assert seen.times == sorted(set(seen.times))


# Failures


def test_the_old_target_survives_a_failure(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe())
    whole = remux(source, "faststart")
    source.write_bytes(whole[: len(whole) * 2 // 3])
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    before = left_behind(tmp_path)
    with pytest.raises(InvalidBitstream):
        run(source, target)
    assert target.read_bytes() == b"precious"
    assert left_behind(tmp_path) == before
    result = run(source, target, on_error="skip")
    assert 0 < result.frames_out < COUNT


def test_an_error_in_the_callback_leaves_nothing(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(pts=range(400), gop=50))

    def stop(progress: TranscodeProgress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(source, tmp_path / "out.mp4", progress=stop, preset="best")
    assert left_behind(tmp_path) == {"in.mp4"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(pts=range(2000), gop=100))
    program = (
        "import sys, videohw\n"
        "print('ready', flush=True)\n"
        "videohw.transcode(sys.argv[1], sys.argv[2], preset='best', codec='hevc')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(source), str(tmp_path / "out.mp4")],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert child.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert left_behind(tmp_path) == {"in.mp4"}


def test_a_file_over_itself(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(audio="aac"))
    run(source, source, codec="hevc")
    seen = witness(source)
    assert (seen.codec, seen.numbers) == ("hevc", EVEN)
    assert left_behind(tmp_path) == {"in.mp4"}


def test_bytes_in_and_a_file_object_out(tmp_path: Path) -> None:
    data = make(tmp_path / "in.mp4", Recipe(audio="aac")).read_bytes()
    target = io.BytesIO()
    result = run(data, target, container="mkv")
    assert result.bytes == len(target.getvalue())
    target.seek(0)
    seen = witness(target)
    assert (seen.codec, seen.numbers) == ("hevc", EVEN)


# Progress and bounds


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(pts=range(200), gop=50))
    told: list[TranscodeProgress] = []
    run(source, tmp_path / "out.mp4", progress=told.append)
    assert told[-1].frames == told[-1].total == 200
    assert all(each.total == 200 for each in told)
    frames = [each.frames for each in told]
    assert frames == sorted(frames)
    part: list[TranscodeProgress] = []
    run(source, tmp_path / "out.mp4", progress=part.append, start=1, end=3)
    assert part[-1].frames == part[-1].total == 50


def test_pictures_in_flight_are_bounded(tmp_path: Path) -> None:
    """However slow the encoder, decoded pictures do not pile up."""
    import gc

    source = make(tmp_path / "in.mp4", Recipe(pts=range(200), gop=50))
    most = 0
    # What other tests left is not looked through again at each step, which takes seconds.
    gc.collect()
    gc.freeze()

    def count(progress: TranscodeProgress) -> None:
        nonlocal most
        frames = sum(type(each) is videohw.Frame for each in gc.get_objects())
        most = max(most, frames)

    try:
        run(source, tmp_path / "out.mp4", progress=count, preset="best")
    finally:
        gc.unfreeze()
    assert 0 < most < 60


def test_sound_lies_beside_its_pictures(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", Recipe(pts=range(300), gop=50, audio="aac"))
    run(source, tmp_path / "out.mkv", codec="h264")
    at = {"video": Fraction(0), "audio": Fraction(0)}
    furthest = Fraction(0)
    with av.open(str(tmp_path / "out.mkv")) as container:
        for packet in container.demux():
            if packet.size:
                at[packet.stream.type] = packet.pts * Fraction(1, 1000)
                furthest = max(furthest, abs(at["video"] - at["audio"]))
    assert furthest < 1


def test_sizes_of_the_result_are_those_of_the_pictures(tmp_path: Path) -> None:
    result = run(make(tmp_path / "in.mp4", Recipe()), tmp_path / "out.mp4")
    assert (result.width, result.height) == (WIDTH, HEIGHT)
    assert result.container == "mp4"
    assert result.target == str(tmp_path / "out.mp4")


def test_who_encodes_is_chosen_apart(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(pts=range(10), gop=5))
    target = tmp_path / "out.mp4"
    done = run(source, target, backend="software", encoder_backend="auto", codec="h264")
    assert done.decoder["requested_backend"] == "software"
    assert done.encoder["requested_backend"] == "auto"
    target.unlink()
    with pytest.raises(InvalidInput, match="backend 'nobody' is not known"):
        run(source, target, encoder_backend="nobody")
    # Of two sides the one that cannot is named before a picture is decoded, with the way out.
    with pytest.raises(ValueError, match="no backend can encode") as caught:
        run(source, target, backend="nvidia")
    assert caught.value.hint  # type: ignore[attr-defined]
    assert left_behind(tmp_path) == {"in.mp4"}
