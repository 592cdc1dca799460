"""``VideoWriter``: what it writes, an independent reader finds; what fails leaves nothing."""

from __future__ import annotations

import io
import stat
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.files.clips import HEIGHT, WIDTH, picture, witness
from videohw.color import ColorSpec
from videohw.encoder import Encoder
from videohw.errors import InvalidInput, SessionClosed, UnsupportedCodec, UnsupportedConfig
from videohw.files import mux
from videohw.files.containers import CONTAINERS
from videohw.types import ConstantQuality
from videohw.writer import VideoWriter

COUNT = 24
SIZE: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "fps": 25, "input": "i420"}


def write(target: Any, codec: str = "h264", count: int = COUNT, **options: Any) -> None:
    with VideoWriter(target, codec, **{**SIZE, **options}) as writer:
        for number in range(count):
            writer.write(tuple(picture(number)))


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def box(data: bytes, path: str) -> bytes:
    """The payload of a box of an MP4 file, by the names on the way to it."""
    for name in path.split("/"):
        position = 0
        while True:
            size, kind = struct.unpack_from(">I4s", data, position)
            assert size >= 8, f"no {name}"
            if kind == name.encode():
                data = data[position + 8 : position + size]
                break
            position += size
    return data


@pytest.mark.parametrize(
    ("name", "codec", "tag"),
    [
        ("a.mp4", "h264", "avc1"), ("a.mp4", "hevc", "hvc1"), ("a.mp4", "av1", "av01"),
        ("a.m4v", "h264", "avc1"), ("a.mov", "h264", "avc1"), ("a.mov", "hevc", "hvc1"),
        ("a.mkv", "h264", ""), ("a.mkv", "hevc", ""), ("a.mkv", "av1", ""),
        ("a.webm", "av1", ""), ("a.ts", "h264", ""), ("a.ts", "hevc", "HEVC"),
    ],
)  # fmt: skip
def test_containers_play(tmp_path: Path, name: str, codec: str, tag: str) -> None:
    write(tmp_path / name, codec, b_frames=0 if codec == "av1" else 2, gop=8)
    seen = witness(tmp_path / name)
    assert seen.numbers == list(range(COUNT))
    assert (seen.codec, seen.size) == (codec, (WIDTH, HEIGHT))
    assert seen.tag.strip("\0") == tag or not tag
    start = seen.times[0]
    assert [time - start for time in seen.times] == [Fraction(n, 25) for n in range(COUNT)]
    if not name.endswith(".ts"):  # MPEG-TS states no durations
        assert seen.duration == Fraction(COUNT, 25)
        assert start == 0
    assert left_behind(tmp_path) == [name]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.h264", "h264"), ("a.265", "hevc"), ("a.obu", "av1")]
)
def test_raw_streams(tmp_path: Path, name: str, codec: str) -> None:
    write(tmp_path / name, codec)
    demuxer = {"h264": "h264", "hevc": "hevc", "av1": "obu"}[codec]
    with av.open(str(tmp_path / name), format=demuxer) as container:
        assert sum(1 for _ in container.decode(video=0)) == COUNT


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_variable_timing_is_kept(tmp_path: Path, name: str, b_frames: int) -> None:
    pts = [0, 90, 3000, 3001, 9000, 9003, 45000, 46000, 90001]
    with VideoWriter(
        tmp_path / name, "h264", **{**SIZE, "fps": 10}, b_frames=b_frames,
        time_base=Fraction(1, 9000),
    ) as writer:  # fmt: skip
        for number, stamp in enumerate(pts):
            writer.write(tuple(picture(number)), stamp, duration=4500)
    seen = witness(tmp_path / name)
    assert seen.numbers == list(range(len(pts)))
    unit = Fraction(1, 1000) if name == "a.mkv" else Fraction(1, 9000)
    start = seen.times[0]
    for found, stamp in zip(seen.times, pts, strict=True):
        assert abs(found - start - Fraction(stamp, 9000)) <= unit / 2 * (name == "a.mkv")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_rate_over_1001_is_exact(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, fps=29.97, b_frames=2)
    assert witness(tmp_path / name).times == [Fraction(1001 * n, 30000) for n in range(COUNT)]


@pytest.mark.parametrize("name", ["mp4", "mkv", "ts"])
def test_new_parameter_sets_in_the_middle(tmp_path: Path, name: str) -> None:
    """A file has one header: sets that come later travel with their picture."""
    container = CONTAINERS[name]
    tags = mux.VideoTags("h264", Fraction(1, 25), Fraction(25))
    muxer = mux.open_muxer(tmp_path / f"a.{name}", container, tags)
    for first, preset in ((0, "fastest"), (12, "balanced")):
        with Encoder("h264", layout=container.layout, preset=preset, **SIZE) as encoder:
            for number in range(first, first + 12):
                encoder.submit(tuple(picture(number)), number, timeout=None)
                for packet in iter(encoder.try_reap, None):
                    muxer.write(packet)
            for packet in encoder:
                muxer.write(packet)
    muxer.finish()
    assert witness(tmp_path / f"a.{name}").numbers == list(range(COUNT))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_last_picture_has_its_duration(tmp_path: Path, name: str, b_frames: int) -> None:
    with VideoWriter(
        tmp_path / name, "h264", **SIZE, b_frames=b_frames, time_base=Fraction(1, 1000)
    ) as writer:
        for number, stamp in enumerate((0, 40, 500, 530, 700, 1000)):
            writer.write(tuple(picture(number)), stamp, duration=40 if number < 5 else 777)
    data = (tmp_path / name).read_bytes()
    # mvhd, version 0: timescale and duration 12 and 16 bytes in (ISO/IEC 14496-12, 8.2.2).
    timescale, duration = struct.unpack_from(">II", box(data, "moov/mvhd"), 12)
    assert Fraction(duration, timescale) == Fraction(1777, 1000)


def test_index_is_at_the_front(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
def test_colour_and_pixel_shape(tmp_path: Path, name: str, codec: str) -> None:
    color = ColorSpec(matrix="bt2020nc", range="full", primaries="bt2020", transfer="smpte2084")
    write(tmp_path / name, codec, color=color, sample_aspect_ratio=Fraction(16, 11))
    seen = witness(tmp_path / name)
    assert seen.color == (9, 9, 16, 2)
    assert seen.aspect == Fraction(16, 11)
    if name.endswith((".mp4", ".mov")):
        data = (tmp_path / name).read_bytes()
        # colr, nclx: primaries, transfer, matrix; MP4 has the range in the next byte.
        at = data.index(b"colrncl")
        assert struct.unpack_from(">3H", data, at + 8) == (9, 16, 9)
        at = data.index(b"pasp")
        assert struct.unpack_from(">2I", data, at + 4) == (16, 11)


def test_pixel_shape_of_a_raw_stream_needs_no_table_entry(tmp_path: Path) -> None:
    write(tmp_path / "a.h264", sample_aspect_ratio=Fraction(1001, 997))
    with av.open(str(tmp_path / "a.h264"), format="h264") as container:
        found = container.streams.video[0].sample_aspect_ratio
        assert (found.numerator, found.denominator) == (1001, 997)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize(("clockwise", "found"), [(90, -90), (180, 180), (270, 90), (-90, 90)])
def test_rotation(tmp_path: Path, name: str, clockwise: int, found: int) -> None:
    write(tmp_path / name, rotation=clockwise, count=3)
    assert witness(tmp_path / name).rotation % 360 == found % 360


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_tags(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, metadata={"title": "Ein Titel", "my.key": "kept"}, count=3)
    found = {key.lower(): text for key, text in witness(tmp_path / name).metadata.items()}
    assert found["title"] == "Ein Titel"
    assert found["my.key"] == "kept"


def test_file_object_that_can_seek(tmp_path: Path) -> None:
    target = io.BytesIO()
    write(target, container="mp4")
    assert not target.closed
    target.seek(0)
    assert witness(target).numbers == list(range(COUNT))


@pytest.mark.parametrize(("container", "codec"), [("mp4", "hevc"), ("ts", "h264"), ("mkv", "h264")])
def test_file_object_that_cannot_seek(container: str, codec: str) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.data = bytearray()

        def write(self, data: memoryview) -> int:
            taken = min(len(data), 1000)  # as a pipe may
            self.data += data[:taken]
            return taken

    pipe = Pipe()
    write(pipe, codec, container=container, b_frames=2)
    seen = witness(io.BytesIO(bytes(pipe.data)))
    assert seen.numbers == list(range(COUNT))
    if container == "mp4":
        assert b"moof" in pipe.data


def test_an_open_file_names_its_container(tmp_path: Path) -> None:
    with (tmp_path / "a.mkv").open("wb") as file:
        write(file)
        assert not file.closed
    assert witness(tmp_path / "a.mkv").numbers == list(range(COUNT))


def test_an_exception_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"precious")

    def interrupted() -> None:
        with VideoWriter(target, **SIZE) as writer:
            for number in range(COUNT):
                writer.write(tuple(picture(number)))
            assert len(left_behind(tmp_path)) == 2  # the temporary file stands beside the target
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left_behind(tmp_path) == ["a.mp4"]
    assert target.read_bytes() == b"precious"


def test_a_wrong_frame_loses_nothing(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", **SIZE) as writer:
        for number in range(COUNT):
            with pytest.raises(InvalidInput):
                writer.write(np.zeros((3, 3), np.uint8))
            writer.write(tuple(picture(number)))
    assert witness(tmp_path / "a.mp4").numbers == list(range(COUNT))


def test_the_old_file_is_replaced_at_the_end_with_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"old")
    target.chmod(0o640)
    writer = VideoWriter(target, **SIZE)
    for number in range(COUNT):
        writer.write(tuple(picture(number)))
    assert target.read_bytes() == b"old"
    writer.close()
    writer.close()
    assert witness(target).numbers == list(range(COUNT))
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert left_behind(tmp_path) == ["a.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs a privilege for links")
def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "a.mp4"
    link.symlink_to(tmp_path / "real" / "b.mp4")
    write(link)
    assert link.is_symlink()
    assert left_behind(tmp_path / "real") == ["b.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", count=2)
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.mp4").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("container", ["mp4", "h264"])
def test_a_full_disk_is_an_os_error(container: str) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write("/dev/full", container=container, count=200)
    assert not isinstance(caught.value, ValueError)


def test_an_unclosed_writer_leaves_nothing(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", **SIZE)
    writer.write(tuple(picture(0)))
    del writer
    assert left_behind(tmp_path) == []


def test_no_picture_is_no_file(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", **SIZE)
    with pytest.raises(InvalidInput, match="no picture was written"):
        writer.close()
    assert left_behind(tmp_path) == []


def test_use_after_close(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", **SIZE)
    writer.write(tuple(picture(0)))
    writer.close()
    assert writer.closed
    with pytest.raises(SessionClosed):
        writer.write(tuple(picture(1)))


def test_abort(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", **SIZE)
    writer.write(tuple(picture(0)))
    writer.abort()
    writer.abort()
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("a.xyz", {}, InvalidInput, "name says no container"),
        ("a", {}, InvalidInput, "name says no container"),
        ("a.mp4", {"container": "gif"}, InvalidInput, "container is 'gif'"),
        ("a.webm", {}, UnsupportedConfig, "webm file cannot hold h264"),
        ("a.mov", {"codec": "av1"}, UnsupportedConfig, "mov file cannot hold av1"),
        ("a.h265", {}, UnsupportedConfig, "hevc file cannot hold h264"),
        ("a.mp4", {"codec": "theora"}, UnsupportedCodec, "theora"),
        ("a.mp4", {"rotation": 45}, InvalidInput, "rotation"),
        ("a.mp4", {"sample_aspect_ratio": 0}, InvalidInput, "sample_aspect_ratio"),
        ("a.mp4", {"sample_aspect_ratio": 1.5}, InvalidInput, "sample_aspect_ratio"),
        ("a.mp4", {"metadata": "title"}, InvalidInput, "metadata"),
        ("a.ts", {"rotation": 90}, UnsupportedConfig, "ts has no place for rotation"),
        ("a.ts", {"metadata": {"title": "x"}}, UnsupportedConfig, "no place for tags"),
        ("a.h264", {"rotation": 90}, UnsupportedConfig, "h264 has no place for rotation"),
        ("a.webm", {"codec": "av1", "sample_aspect_ratio": Fraction(4, 3)}, UnsupportedConfig,
         "webm has no place for pixel shape of AV1"),
        ("a.mp4", {"width": 161}, UnsupportedConfig, "width"),
        ("a.mp4", {"fps": 0}, InvalidInput, "fps"),
        ("a.mp4", {"rate_control": ConstantQuality(99)}, InvalidInput, "rate_control"),
    ],
)  # fmt: skip
def test_refusals_come_before_any_file(
    tmp_path: Path, name: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        VideoWriter(tmp_path / name, **{**SIZE, **options})
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("target", [None, 5, b""])
def test_a_target_that_is_none(target: Any) -> None:
    with pytest.raises(InvalidInput, match="target"):
        VideoWriter(target, container="mp4", **SIZE)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        VideoWriter(tmp_path / "none" / "a.mp4", **SIZE)
    assert caught.value.filename == str(tmp_path / "none" / "a.mp4")
    with pytest.raises(IsADirectoryError):
        VideoWriter(tmp_path, container="mp4", **SIZE)


def test_duration_needs_pts(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", **SIZE) as writer:
        with pytest.raises(InvalidInput, match="without pts"):
            writer.write(tuple(picture(0)), duration=1)
        with pytest.raises(InvalidInput, match="duration"):
            writer.write(tuple(picture(0)), 0, duration=0)
        writer.write(tuple(picture(0)), 0, duration=1)


def test_without_pyav_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr("videohw.files.pyav.import_av", missing)
    tags = mux.VideoTags("h264", Fraction(1, 25))
    with pytest.raises(UnsupportedConfig, match=r'pip install "videohw\[av\]"'):
        mux.open_muxer(tmp_path / "a.mp4", CONTAINERS["mp4"], tags)
    assert left_behind(tmp_path) == []
    raw = mux.open_muxer(tmp_path / "a.h264", CONTAINERS["h264"], tags)
    raw.abort()
    assert left_behind(tmp_path) == []


def test_packets_are_written_while_pictures_come(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    best = ConstantQuality(1)
    with VideoWriter(tmp_path / "a.ts", **SIZE, rate_control=best, low_latency=True) as writer:
        for number in range(50):
            writer.write(np.roll(noise, number))
        (part,) = tmp_path.glob(".*.part")
        assert part.stat().st_size > 100_000
