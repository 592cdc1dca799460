"""What files say beside their pictures, and raw streams, which say nothing."""

from __future__ import annotations

import hashlib
import io
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import videohw
from tests.backends.coded_clips import packets
from tests.files.clips import (
    EVEN,
    HEIGHT,
    WIDTH,
    Recipe,
    make,
    numbers,
    witness,
)  # fmt: skip
from tests.files.reading import read
from videohw.errors import (
    InvalidInput,
)

DATA = Path(__file__).parents[1] / "data"


# Raw streams


@pytest.mark.parametrize(("suffix", "codec"), [("h264", "h264"), ("hevc", "hevc")])
def test_raw_streams_are_found_by_content(tmp_path: Path, suffix: str, codec: str) -> None:
    made = make(tmp_path / f"clip.{suffix}", Recipe(codec, b_frames=2, rate=Fraction(30)))
    plain = made.rename(tmp_path / "clip.bin")
    for source in (plain, plain.read_bytes(), io.BytesIO(plain.read_bytes())):
        with videohw.open(source) as video:
            assert (video.codec, video.width, video.height) == (codec, WIDTH, HEIGHT)
            assert video.frame_count is None
            assert video.duration is None
            frames = list(video)
        assert numbers(frames) == EVEN
        assert [frame.pts for frame in frames] == EVEN
        assert {frame.duration for frame in frames} == {1}


def test_the_rate_of_a_raw_stream(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    stated = make(tmp_path / "a.h264", Recipe(rate=rate, time_base=1 / rate))
    with videohw.open(stated) as video:
        assert video.fps == rate
        assert video.time_base == 1 / rate
    with videohw.open(stated, fps=50) as video:
        assert video.time_base == Fraction(1, 50)
    silent = next((DATA / "cisco__openh264").glob("*.26[45]"), None) or next(
        (DATA / "cisco__openh264").glob("*")
    )
    with videohw.open(silent, format="h264") as video:
        assert video.fps == 25


def test_seek_in_a_raw_stream(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.h264", Recipe(b_frames=2))
    with videohw.open(clip) as video:
        for number in (20, 3, 0):
            video.seek(Fraction(number, 25))
            frame = next(video)
            assert (numbers([frame]), frame.pts) == ([number], number)


def test_a_raw_stream_by_its_name_alone(tmp_path: Path) -> None:
    """Garbage in front hides the parameter set, so content does not tell."""
    clip = make(tmp_path / "a.h264", Recipe())
    clip.write_bytes(b"garbage" + clip.read_bytes())
    assert numbers(read(clip)) == EVEN
    hidden = clip.rename(tmp_path / "a.bin")
    assert numbers(read(hidden, format="h264")) == EVEN


def test_frames_are_the_oracle_s(tmp_path: Path) -> None:
    entries = json.loads((DATA / "manifest.json").read_text("utf-8"))
    entry = next(e for e in entries["files"] if e["file"].endswith("crop_130x98.h264"))
    digest = hashlib.md5(usedforsecurity=False)
    for frame in read(DATA / entry["file"]):
        for plane in frame.planes:
            digest.update(np.ascontiguousarray(plane).tobytes())
    assert digest.hexdigest() == entry["oracle"]["yuv_md5"]


# What the container says beside


def test_rotation_is_told_and_not_applied(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "h264"), ("a.mov", "hevc"), ("a.mkv", "h264"), ("b.mkv", "vp9")):
        clip = make(tmp_path / name, Recipe(codec, rotation=90))
        with videohw.open(clip) as video:
            assert video.rotation == 270  # PyAV counts the other way round
            assert video.display_matrix is not None
            frame = next(video)
            assert (frame.width, frame.height) == (WIDTH, HEIGHT)
    with videohw.open(make(tmp_path / "c.mp4", Recipe())) as video:
        assert video.rotation == 0
        assert video.display_matrix is None


def test_a_mirror_is_in_the_matrix(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", Recipe(rotation=0, flip=True))
    with videohw.open(clip) as video:
        assert video.display_matrix is not None
        assert video.display_matrix[:5] == (-65536, 0, 0, 0, 65536)


def test_tags_language_and_disposition(tmp_path: Path) -> None:
    recipe = Recipe(audio="aac", metadata={"title": "Ein Titel"}, aspect=Fraction(4, 3))
    with videohw.open(make(tmp_path / "a.mp4", recipe)) as video:
        assert video.metadata["title"] == "Ein Titel"
        assert video.sample_aspect_ratio == Fraction(4, 3)
        sound = video.streams[1]
        assert (sound.kind, sound.codec, sound.language) == ("audio", "aac", "eng")
        assert "default" in sound.disposition


def test_colour_that_only_the_container_states(tmp_path: Path) -> None:
    """The stream's VUI is silent; the colr box says BT.2020 and PQ."""
    made = make(tmp_path / "a.mp4", Recipe(color=(9, 9, 16, 1)))
    frame = read(made)[0]
    assert (frame.color.matrix, frame.color.transfer) == ("bt2020nc", "smpte2084")
    silent = tmp_path / "b.mp4"
    with av.open(str(made)) as old, av.open(str(silent), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        plain = av.BitStreamFilterContext(
            "h264_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2",
            in_stream=old.streams.video[0], out_stream=stream,
        )  # fmt: skip
        stream.codec_context.colorspace = 9
        stream.codec_context.color_primaries = 9
        stream.codec_context.color_trc = 16
        for packet in old.demux(video=0):
            for out in plain.filter(packet if packet.size else None):
                out.stream = stream
                new.mux(out)
    with videohw.open(silent) as video:
        frame = next(video)
        assert video.color.transfer == frame.color.transfer == "smpte2084"
        assert frame.color.matrix == "bt2020nc"
    with videohw.open(silent, color=videohw.ColorSpec(matrix="bt709")) as video:
        assert next(video).color.matrix == "bt709"


def test_colour_that_only_the_container_of_av1_states(tmp_path: Path) -> None:
    """The sequence header says nothing of the matrix, and always something of the range."""
    path = tmp_path / "a.mp4"
    with (
        av.open(io.BytesIO(b"".join(packets("av1"))), format="obu") as bare,
        av.open(str(path), "w") as file,
    ):
        track = file.add_stream_from_template(bare.streams.video[0], opaque=True)
        track.codec_context.colorspace = track.codec_context.color_primaries = 9
        track.codec_context.color_trc, track.codec_context.color_range = 16, 2
        for number, packet in enumerate(each for each in bare.demux() if each.size):
            packet.pts = packet.dts = number
            packet.time_base, packet.duration, packet.stream = Fraction(1, 25), 1, track
            file.mux(packet)
    color = read(path)[0].color
    assert (color.matrix, color.primaries, color.transfer) == ("bt2020nc", "bt2020", "smpte2084")
    assert color.range == "limited"


def test_pictures_outside_the_edit_list_are_left_out(tmp_path: Path) -> None:
    """A file cut at a picture that is no keyframe: what decoding needs before it is not shown."""
    made = make(tmp_path / "a.mp4", Recipe())
    cut = tmp_path / "b.mp4"
    with av.open(str(made)) as old, av.open(str(cut), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for packet in old.demux(video=0):
            if packet.size:
                packet.pts -= 3 * 512
                packet.dts -= 3 * 512
                packet.stream = stream
                new.mux(packet)
    expected = witness(cut)
    assert expected.numbers == EVEN[3:]
    frames = read(cut)
    assert numbers(frames) == EVEN[3:]
    assert frames[0].pts == 0


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    cover = make(tmp_path / "cover.mov", Recipe("mjpeg", pts=[0]))
    clip = tmp_path / "a.mp4"
    made = make(tmp_path / "b.mp4", Recipe())
    with av.open(str(made)) as old, av.open(str(cover)) as picture, av.open(str(clip), "w") as new:
        attached = new.add_stream_from_template(picture.streams.video[0], opaque=True)
        attached.disposition = av.stream.Disposition.attached_pic
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for container, target in ((picture, attached), (old, stream)):
            for packet in container.demux(video=0):
                if packet.size:
                    packet.stream = target
                    new.mux(packet)
    with videohw.open(clip) as video:
        assert video.codec == "h264"
        assert numbers(list(video)) == EVEN
    with pytest.raises(InvalidInput, match="no video stream 1"):
        videohw.open(clip, stream=1)


def test_new_parameter_sets_in_the_container(tmp_path: Path) -> None:
    """FLV says a change of parameter sets beside the samples, which do not hold them."""
    first = make(tmp_path / "a.flv", Recipe(pts=range(8)))
    second = make(tmp_path / "b.flv", Recipe(pts=range(8), size=(320, 192)))
    joined = tmp_path / "c.flv"
    with av.open(str(first)) as one, av.open(str(second)) as two, av.open(str(joined), "w") as new:
        stream = new.add_stream_from_template(one.streams.video[0], opaque=True)
        for number, container in enumerate((one, two)):
            extradata = bytes(container.streams.video[0].codec_context.extradata)
            begins = True
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                if number and begins:
                    side = av.packet.PacketSideData(1, len(extradata))
                    side.update(extradata)
                    packet.set_sidedata(side)
                begins = False
                packet.pts += number * 320
                packet.dts += number * 320
                packet.stream = stream
                new.mux(packet)
    frames = read(joined)
    assert [frame.width for frame in frames] == [WIDTH] * 8 + [320] * 8
    assert numbers(frames) == [*range(8), *range(8)]
