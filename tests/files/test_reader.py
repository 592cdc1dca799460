"""``videohw.open``: every picture of a file, in order, at its own time, from any place on."""

from __future__ import annotations

import io
import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videohw
from tests.files.clips import (
    CLIPS,
    COUNT,
    EVEN,
    HEIGHT,
    VARIABLE,
    WIDTH,
    numbers,
    remux,
    witness,
)  # fmt: skip
from tests.files.reading import read, times
from videohw.errors import (
    InvalidInput,
    UnsupportedConfig,
)

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("name", CLIPS)
def test_every_picture_at_its_own_time(clips: dict[str, Path], name: str) -> None:
    expected = witness(clips[name])
    with videohw.open(clips[name]) as video:
        frames = list(video)
        assert list(video) == []
    assert numbers(frames) == expected.numbers == list(range(len(CLIPS[name].pts)))
    assert times(frames, video.time_base) == expected.times
    assert {(frame.width, frame.height) for frame in frames} == {(WIDTH, HEIGHT)}
    assert {frame.time_base for frame in frames} == {video.time_base}
    assert frames[0].keyframe


@pytest.mark.parametrize("name", CLIPS)
def test_what_a_reader_says_of_the_file(clips: dict[str, Path], name: str) -> None:
    with videohw.open(clips[name]) as video:
        assert video.codec == {"mjpeg": "jpeg"}.get(CLIPS[name].codec, CLIPS[name].codec)
        assert (video.width, video.height) == (WIDTH, HEIGHT)
        if CLIPS[name].pts is not VARIABLE:
            assert video.fps == 25
        if name.endswith((".mp4", ".mov")):
            assert video.frame_count == len(CLIPS[name].pts)
        assert video.duration is None or video.duration > 0
        kinds = [stream.kind for stream in video.streams]
        assert kinds.count("video") == 1
        assert kinds.count("audio") == (CLIPS[name].audio is not None)
        assert str(clips[name]) in repr(video)


def test_a_loop_over_a_file_needs_no_closing(clips: dict[str, Path]) -> None:
    assert numbers([*videohw.open(clips["h264.mp4"])]) == EVEN
    for frame in videohw.open(clips["h264.mp4"]):
        assert numbers([frame]) == [0]
        break


def test_duration_and_start(clips: dict[str, Path]) -> None:
    with videohw.open(clips["late.mp4"]) as video:
        assert video.start_time == 4
    with videohw.open(clips["h264.mp4"]) as video:
        assert video.duration == Fraction(COUNT, 25)
        assert video.start_time == 0


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mkv", "h264.ts", "vp9.webm"])
@pytest.mark.parametrize("how", ["bytes", "memoryview", "file", "pipe", "str"])
def test_sources(clips: dict[str, Path], name: str, how: str) -> None:
    class Pipe:
        """A file object that cannot seek and gives less than it is asked for."""

        def __init__(self, data: bytes) -> None:
            self._file = io.BytesIO(data)

        def read(self, count: int) -> bytes:
            return self._file.read(min(count, 1000))

    data = clips[name].read_bytes()
    source = {
        "bytes": data, "memoryview": memoryview(bytearray(data)), "file": io.BytesIO(data),
        "pipe": Pipe(data), "str": str(clips[name]),
    }[how]  # fmt: skip
    if how == "pipe" and name == "h264.mp4":
        source = Pipe(remux(clips[name], "frag_keyframe+empty_moov"))
    assert numbers(read(source)) == EVEN
    if how == "file":
        assert not source.closed


@pytest.mark.parametrize("name", [name for name in CLIPS if not name.startswith("late")])
@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 15, 23])
def test_seek_is_exact(clips: dict[str, Path], name: str, number: int) -> None:
    expected = witness(clips[name]).times
    if number >= len(expected):
        number = len(expected) - 1
    with videohw.open(clips[name]) as video:
        next(video)
        video.seek(float(expected[number]))
        frames = list(video)
        assert times(frames, video.time_base) == expected[number:]
        assert numbers(frames) == list(range(number, len(expected)))
        # Between two pictures: the later one. Back to the start: all of them.
        video.seek((expected[number - 1] + expected[number]) / 2 if number else -5)
        assert numbers([next(video)]) == [number]
        video.seek(-1)
        assert numbers(list(video)) == list(range(len(expected)))


def test_seek_beyond_the_end_and_back(clips: dict[str, Path]) -> None:
    with videohw.open(clips["h264.mp4"]) as video:
        video.seek(1000)
        assert list(video) == []
        video.seek(Fraction(22, 25))
        assert numbers(list(video)) == [22, 23]


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.ts"])
def test_seek_to_times_that_no_file_has(clips: dict[str, Path], name: str) -> None:
    with videohw.open(clips[name]) as video:
        for seconds in (1e30, 10**18):
            video.seek(seconds)
            assert list(video) == []
        video.seek(-1e30)
        assert numbers([next(video)]) == [0]


def test_seek_in_the_middle_of_reading(clips: dict[str, Path]) -> None:
    with videohw.open(clips["hevc.mkv"]) as video:
        seen = []
        for second in (0.4, 0.1, 0.8, 0.0):
            video.seek(second)
            seen += numbers([next(video), next(video)])
    assert seen == [10, 11, 3, 4, 20, 21, 0, 1]


def test_a_pipe_cannot_seek(clips: dict[str, Path]) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with videohw.open(Pipe(clips["h264.ts"].read_bytes())) as video:
        next(video)
        with pytest.raises(UnsupportedConfig, match="cannot seek"):
            video.seek(0.5)


@pytest.mark.skipif(os.name == "nt", reason="named pipes are of POSIX")
@pytest.mark.parametrize("name", ["h264.ts", "hevc.mkv"])
def test_a_named_pipe_is_opened_once(clips: dict[str, Path], tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[clips[name].read_bytes()])
    writer.start()
    with videohw.open(pipe) as video:
        assert numbers(list(video)) == EVEN
        with pytest.raises(UnsupportedConfig, match="cannot seek"):
            video.seek(0.5)
    writer.join()
    with pytest.raises(OSError, match="No such device"):  # nobody has it open any more
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.parametrize("seconds", [None, "1", float("nan"), float("inf"), True])
def test_seek_to_what_is_no_time(clips: dict[str, Path], seconds: Any) -> None:
    with videohw.open(clips["h264.mp4"]) as video, pytest.raises(InvalidInput, match="seconds"):
        video.seek(seconds)


def test_durations(clips: dict[str, Path]) -> None:
    assert {frame.duration for frame in read(clips["h264.mp4"])} == {512}
    assert {frame.duration for frame in read(clips["h264.mkv"])} == {40}


# Output options reach the decoder


def test_output_options(clips: dict[str, Path]) -> None:
    frame = read(clips["h264.mp4"], output="rgb24", size=(80, 48))[0]
    assert np.asarray(frame).shape == (48, 80, 3)
    frame = read(clips["h264.mp4"], crop=(16, 16, 32, 32))[5]
    assert (frame.width, frame.height) == (32, 32)
    with videohw.open(clips["h264.mp4"], output="metadata") as video:
        frames = list(video)
    assert [frame.pts for frame in frames] == [n * 512 for n in EVEN]
    with pytest.raises(InvalidInput, match="output"):
        videohw.open(clips["h264.mp4"], output="cmyk")
