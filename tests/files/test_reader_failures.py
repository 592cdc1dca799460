"""What is no video, what is damaged, what is wrongly asked."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import videohw
from tests.files.clips import (
    COUNT,
    EVEN,
    Recipe,
    make,
    numbers,
    remux,
)  # fmt: skip
from tests.files.reading import read
from videohw.errors import (
    InvalidBitstream,
    InvalidInput,
    SessionClosed,
    UnsupportedCodec,
    UnsupportedConfig,
)
from videohw.frame import Frame

DATA = Path(__file__).parents[1] / "data"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        videohw.open("/no/such/file.mp4")
    assert not isinstance(caught.value, videohw.VideoHwError)
    assert caught.value.filename == "/no/such/file.mp4"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows says permission denied")
def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        videohw.open(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello world\n" * 1000, bytes(10_000), np.random.default_rng(0).bytes(50_000),
     b"\0\0\1", b"\0\0\0\1\x67"],
    ids=["empty", "text", "zeros", "noise", "start code", "cut set"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.mp4", "a.h264", "a.bin"])
def test_what_is_no_video(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    if name == "a.h264" and b"\0\0\1" in data:
        # The name and a start code say that this is a stream, though nothing in it is a picture.
        with suppress(InvalidBitstream):
            assert read(tmp_path / name) == []
        return
    with pytest.raises((InvalidBitstream, InvalidInput)):
        read(tmp_path / name)


@pytest.mark.parametrize("by", ["path", "bytes"])
def test_a_header_that_is_cut_is_damage_and_no_failing_disk(tmp_path: Path, by: str) -> None:
    # libavformat's demuxer of Matroska says EIO, as it does where the system cannot read.
    path = make(tmp_path / "a.mkv", Recipe())
    data = path.read_bytes()[:400]
    path.write_bytes(data)
    with pytest.raises(InvalidBitstream, match="cut short"):
        videohw.open(path if by == "path" else data)


def test_pictures_behind_a_hole_in_a_transport_stream(tmp_path: Path) -> None:
    # Its demuxer says EAGAIN after each 64 KiB in which it finds no packet.
    whole = make(tmp_path / "a.ts", Recipe()).read_bytes()
    frames = read(whole + bytes(200_000) + whole)
    assert numbers(frames) == [*EVEN, *EVEN]


def test_a_file_without_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
        frame.sample_rate = 48000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(InvalidInput, match="holds no video"):
        videohw.open(tmp_path / "a.wav")


def test_a_codec_that_nobody_decodes(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(UnsupportedCodec, match="ffv1"):
        videohw.open(tmp_path / "a.avi")


@pytest.mark.parametrize("source", [None, 5, "", io.StringIO("text")])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        videohw.open(source)
    assert caught.value.argument == "source"


def test_a_file_object_that_lies() -> None:
    class TooMuch:
        def read(self, count: int) -> bytes:
            return bytes(count + 1)

    with pytest.raises(InvalidInput, match="returned"):
        videohw.open(TooMuch())


def test_an_error_of_the_file_object_is_the_caller_s(clips: dict[str, Path]) -> None:
    data = clips["h264.ts"].read_bytes()

    class Breaks:
        def __init__(self) -> None:
            self.given = 0

        def read(self, count: int) -> bytes:
            if self.given >= len(data) // 2:
                raise ConnectionResetError(104, "reset by peer")
            part = data[self.given : self.given + min(count, 1880)]
            self.given += len(part)
            return part

    with pytest.raises(ConnectionResetError):
        read(Breaks())


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_file_that_is_cut_short(clips: dict[str, Path], keep: float) -> None:
    data = remux(clips["h264.mp4"], "faststart")
    cut = data[: int(len(data) * keep)]
    seen: list[Frame] = []
    with videohw.open(cut) as video, pytest.raises(InvalidBitstream) as caught:
        seen.extend(video)
    assert caught.value.args[0]
    for policy in ("skip", "resync", "conceal"):
        with videohw.open(cut, on_error=policy) as video:
            frames = list(video)
        assert 0 < len(frames) < COUNT
        assert numbers(frames)[:4] == EVEN[:4]


def test_the_end_of_a_cut_file_is_told_once_and_last(clips: dict[str, Path]) -> None:
    """Cut between two samples, nothing is damaged; only the index knows that there was more."""
    data = remux(clips["h264.mp4"], "faststart")
    with av.open(io.BytesIO(data)) as container:
        ends = sorted(p.pos + p.size for p in container.demux(video=0) if p.size)
    cut = data[: ends[15]]
    with videohw.open(cut) as video:
        frames = []
        with pytest.raises(InvalidBitstream, match=r"ends after 16 of the 24 pictures"):
            frames.extend(video)
        assert list(video) == []
    with videohw.open(cut) as video:
        reader = iter(video)
        assert numbers([next(reader) for _ in range(16)])[:14] == EVEN[:14]


def test_a_file_without_a_picture_is_an_error(clips: dict[str, Path]) -> None:
    """Only the first keyframe is in the file, and that is damaged beyond use."""
    data = bytearray(remux(clips["vp9.webm"], "faststart"))
    with av.open(io.BytesIO(bytes(data))) as container:
        for packet in container.demux(video=0):
            data[packet.pos or 0 : (packet.pos or 0) + packet.size] = bytes(packet.size)
    seen = 0
    with videohw.open(bytes(data)) as video:
        while True:
            try:
                next(video)
            except InvalidBitstream:
                seen += 1
            except StopIteration:
                break
    assert seen
    assert read(bytes(data), on_error="skip") == []


def test_damaged_parameter_sets_in_the_container(clips: dict[str, Path]) -> None:
    data = bytearray(clips["h264.mp4"].read_bytes())
    at = data.index(b"avcC") + 4
    data[at + 6 : at + 8] = b"\xff\xff"  # the length of the first parameter set
    with pytest.raises(InvalidBitstream):
        read(bytes(data))


def test_damage_in_the_middle(clips: dict[str, Path]) -> None:
    with av.open(str(clips["h264.mp4"])) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        spot = packets[9].pos
    data = bytearray(clips["h264.mp4"].read_bytes())
    data[spot : spot + 400] = b"\xff" * 400
    with videohw.open(bytes(data)) as video:
        seen: list[int] = []
        errors = 0
        while True:
            try:
                seen += numbers([next(video)])
            except StopIteration:
                break
            except InvalidBitstream:
                errors += 1
        assert errors
    assert seen[:8] == EVEN[:8]
    assert seen[-8:] == EVEN[-8:]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stream": 1}, "no video stream 1"), ({"stream": -1}, "stream"),
        ({"stream": "0"}, "stream"), ({"fps": 25}, "fps"), ({"fps": 0}, "fps"),
        ({"format": 5}, "format"), ({"format": ""}, "format"), ({"on_error": "ignore"}, "on_error"),
        ({"max_in_flight": 0}, "max_in_flight"),
    ],
)  # fmt: skip
def test_wrong_arguments(clips: dict[str, Path], options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        videohw.open(clips["h264.mp4"], **options)


def test_an_unknown_format(clips: dict[str, Path]) -> None:
    with pytest.raises((InvalidInput, UnsupportedConfig, InvalidBitstream), match="nonsense"):
        videohw.open(clips["h264.mp4"], format="nonsense")


def test_use_after_close(clips: dict[str, Path]) -> None:
    video = videohw.open(clips["h264.mp4"])
    frame = next(video)
    video.close()
    video.close()
    assert video.closed
    assert video.codec == "h264"
    assert numbers([frame]) == [0]
    for use in (lambda: next(video), lambda: video.seek(0), video.summary):
        with pytest.raises(SessionClosed):
            use()


def test_closing_early_is_quick_and_leaves_no_thread(clips: dict[str, Path]) -> None:
    for _ in range(20):
        with videohw.open(clips["h264.mp4"]) as video:
            next(video)


def test_require_hardware_is_refused_by_name(clips: dict[str, Path]) -> None:
    with pytest.raises((UnsupportedCodec, UnsupportedConfig), match="hardware"):
        videohw.open(clips["h264.mp4"], backend="software", require_hardware=True)


def test_without_pyav_the_message_says_what_to_install(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr("videohw.files.pyav.import_av", missing)
    with pytest.raises(UnsupportedConfig, match=r'pip install "videohw\[av\]"'):
        videohw.open(clips["h264.mp4"])
