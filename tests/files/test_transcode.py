"""``transcode``: the pictures, their times and what stands beside them arrive."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import videohw
from tests.files.clips import (
    COUNT,
    EVEN,
    VARIABLE,
    Recipe,
    make,
    picture,
    witness,
)  # fmt: skip
from videohw.errors import UnsupportedConfig
from videohw.transcode_file import TranscodeResult
from videohw.types import ConstantQuality

FAST: dict[str, Any] = {"preset": "fastest"}


def run(source: Any, target: Any, **options: Any) -> TranscodeResult:
    return videohw.transcode(source, target, **{**FAST, **options})


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(
    ("source", "recipe"),
    [
        ("in.mp4", Recipe(b_frames=2)), ("in.mkv", Recipe("hevc", b_frames=2)),
        ("in.webm", Recipe("vp9")), ("in.ts", Recipe("mpeg2", b_frames=2)),
        ("in.mov", Recipe("mjpeg")), ("in.h264", Recipe(b_frames=2)), ("av1.mp4", Recipe("av1")),
    ],
)  # fmt: skip
def test_every_picture_arrives(tmp_path: Path, codec: str, source: str, recipe: Recipe) -> None:
    result = run(make(tmp_path / source, recipe), tmp_path / "out.mp4", codec=codec)
    seen = witness(tmp_path / "out.mp4")
    assert seen.numbers == EVEN
    assert seen.codec == codec
    start = seen.times[0]
    assert [stamp - start for stamp in seen.times] == [Fraction(n, 25) for n in EVEN]
    assert (result.frames_in, result.frames_out) == (COUNT, COUNT)
    assert result.duration == Fraction(COUNT, 25)
    assert result.bytes == (tmp_path / "out.mp4").stat().st_size
    assert result.codec == codec
    assert result.retimed == 0
    assert result.fps > 0
    assert left_behind(tmp_path) == {source, "out.mp4"}


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.ts", "out.hevc"])
def test_containers(tmp_path: Path, name: str) -> None:
    result = run(make(tmp_path / "in.mp4", Recipe(b_frames=2)), tmp_path / name, b_frames=2)
    assert result.frames_out == COUNT
    if not name.endswith(".hevc"):
        assert witness(tmp_path / name).numbers == EVEN
    with videohw.open(tmp_path / name) as video:
        assert len(list(video)) == COUNT


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_variable_timing_is_kept_exactly(tmp_path: Path, codec: str, b_frames: int) -> None:
    recipe = Recipe(pts=VARIABLE, time_base=Fraction(1, 12800), b_frames=2)
    source = make(tmp_path / "in.mp4", recipe)
    run(source, tmp_path / "out.mp4", codec=codec, b_frames=0 if codec == "av1" else b_frames)
    seen = witness(tmp_path / "out.mp4")
    assert seen.numbers == list(range(len(VARIABLE)))
    assert seen.times == [Fraction(stamp, 12800) for stamp in VARIABLE]


def test_rounding_does_not_add_up(tmp_path: Path) -> None:
    """30000/1001 frames a second into milliseconds: each time is off by half of one at most."""
    rate = Fraction(30000, 1001)
    pts = tuple(range(240))
    source = make(tmp_path / "in.mp4", Recipe(pts=pts, rate=rate, time_base=1 / rate, gop=60))
    run(source, tmp_path / "out.mkv", codec="h264")
    for number, stamp in zip(pts, witness(tmp_path / "out.mkv").times, strict=True):
        assert abs(stamp - number / rate) <= Fraction(1, 2000)


def test_there_and_back_keeps_every_time(tmp_path: Path) -> None:
    recipe = Recipe(pts=VARIABLE, time_base=Fraction(1, 12800), b_frames=2, audio="aac")
    expected = witness(make(tmp_path / "0.mp4", recipe)).times
    for number, name in enumerate(("1.mov", "2.ts", "3.mp4")):
        source = sorted(tmp_path.glob(f"{number}.*"))[0]
        run(source, tmp_path / name, codec="h264")
    seen = witness(tmp_path / "3.mp4").times
    for before, after in zip(expected, seen, strict=True):
        assert abs(after - seen[0] - before) <= Fraction(1, 90000)


def test_quality_is_that_of_the_encoder(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(options={"crf": "5"}))
    run(source, tmp_path / "out.mp4", rate_control=ConstantQuality(10), preset="balanced")
    with videohw.open(tmp_path / "out.mp4") as video:
        for number, frame in enumerate(video):
            error = np.subtract(frame.planes[0], picture(number)[0], dtype=np.int16)
            psnr = 10 * np.log10(255**2 / np.mean(np.square(error, dtype=np.int64)))
            assert psnr > 38


# What goes along


def test_audio_subtitles_chapters_and_tags_go_along(tmp_path: Path) -> None:
    recipe = Recipe(
        "hevc", b_frames=2, pts=range(60), audio="libopus", subtitles="subrip",
        chapters=[(0, 1000, "Eins"), (1000, 2400, "Zwei")], rotation=90, flip=True,
        metadata={"title": "Ein Titel", "my_key": "mine"}, aspect=Fraction(4, 3),
        stream_metadata={"language": "deu", "title": "Bild"},
    )  # fmt: skip
    before = witness(make(tmp_path / "in.mkv", recipe))
    result = run(tmp_path / "in.mkv", tmp_path / "out.mkv", codec="h264")
    after = witness(tmp_path / "out.mkv")
    assert after.numbers == list(range(60))
    assert after.others == before.others == [("audio", "opus", "eng"), ("subtitle", "srt", "fra")]
    assert after.packets == before.packets
    assert after.chapters == before.chapters
    assert after.rotation == before.rotation != 0
    assert after.aspect == Fraction(4, 3)
    assert after.metadata["title"] == "Ein Titel"
    assert after.metadata["MY_KEY"] == "mine"
    assert after.stream_metadata["language"] == "deu"
    assert after.stream_metadata["title"] == "Bild"
    assert dict(result.copied) == {1: len(before.packets[1]), 2: 2}
    assert result.dropped_streams == ()


@pytest.mark.parametrize("name", ["out.mov", "out.mkv", "out.ts", "out.mp4"])
def test_audio_and_video_stay_together(tmp_path: Path, name: str) -> None:
    recipe = Recipe(b_frames=2, audio="aac", chapters=[(0, 400, "Eins")])
    before = witness(make(tmp_path / "in.mp4", recipe))
    run(tmp_path / "in.mp4", tmp_path / name, codec="hevc", b_frames=2)
    after = witness(tmp_path / name)
    assert [len(p) for p in after.packets.values()] == [len(p) for p in before.packets.values()]
    offset = after.times[0] - before.times[0]
    (sound_before,), (sound_after,) = before.packets.values(), after.packets.values()
    tick = Fraction(1, 1000) if name == "out.mkv" else Fraction(1, 48000)
    for (old, _), (new, _) in zip(sound_before, sound_after, strict=True):
        assert abs(new - old - offset) <= tick
    if name != "out.ts":
        assert [title for _, _, title in after.chapters] == ["Eins"]
    kinds = [kind for kind, _, _ in after.others]
    assert kinds.count("data") == (name in ("out.mp4", "out.mov"))  # the track of the chapters


def test_a_mirrored_picture_stays_mirrored(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(rotation=90, flip=True))
    run(source, tmp_path / "out.mov")
    with videohw.open(source) as old, videohw.open(tmp_path / "out.mov") as new:
        assert new.display_matrix == old.display_matrix is not None
    run(source, tmp_path / "turned.mp4", rotation=180)
    with videohw.open(tmp_path / "turned.mp4") as new:
        assert new.rotation == 180
    run(source, tmp_path / "plain.mp4", rotation=0)
    with videohw.open(tmp_path / "plain.mp4") as new:
        assert new.display_matrix is None


def test_what_the_target_cannot_hold_is_told(tmp_path: Path) -> None:
    recipe = Recipe(pts=range(60), audio="libopus", subtitles="subrip")
    source = make(tmp_path / "in.mkv", recipe)
    result = run(source, tmp_path / "out.mp4")
    (dropped,) = result.dropped_streams
    assert (dropped.stream.index, dropped.stream.kind) == (2, "subtitle")
    assert "mp4 cannot hold subtitle" in dropped.reason
    assert set(result.copied) == {1}
    with pytest.raises(UnsupportedConfig, match="mp4 cannot hold subtitle"):
        run(source, tmp_path / "strict.mp4", strict=True)
    assert left_behind(tmp_path) == {"in.mkv", "out.mp4"}
    raw = run(source, tmp_path / "out.hevc")
    assert [dropped.stream.index for dropped in raw.dropped_streams] == [1, 2]


def test_tags_that_the_target_cannot_hold_are_told(tmp_path: Path) -> None:
    recipe = Recipe(
        rotation=90, metadata={"title": "T"}, chapters=[(0, 400, "A")], aspect=Fraction(4, 3)
    )
    source = make(tmp_path / "in.mp4", recipe)
    lost = [f"ts has no place for {what}" for what in ("rotation", "chapters", "tags")]
    assert list(run(source, tmp_path / "out.ts").dropped_tags) == lost
    with pytest.raises(UnsupportedConfig, match="; ".join(lost)):
        run(source, tmp_path / "strict.ts", strict=True)
    av1 = run(source, tmp_path / "out.mkv", codec="av1")
    assert list(av1.dropped_tags) == ["mkv has no place for pixel shape of AV1"]
    assert run(source, tmp_path / "out.mp4", codec="av1", strict=True).dropped_tags == ()
    assert left_behind(tmp_path) == {"in.mp4", "out.ts", "out.mkv", "out.mp4"}


def test_attachments_covers_and_second_videos_go_along(tmp_path: Path) -> None:
    cover = make(tmp_path / "cover.mov", Recipe("mjpeg", pts=[0]))
    main = make(tmp_path / "main.mkv", Recipe("hevc", audio="aac"))
    source = tmp_path / "in.mkv"
    with (
        av.open(str(main)) as first,
        av.open(str(main)) as again,
        av.open(str(cover)) as picture,
        av.open(str(source), "w") as new,
    ):
        inputs = [first, again, picture]
        copies = {
            (number, stream.index): new.add_stream_from_template(stream, opaque=True)
            for number, old in enumerate(inputs)
            for stream in old.streams
        }
        new.add_attachment("font.ttf", "font/ttf", b"0123456789")
        for number, old in enumerate(inputs):
            for packet in old.demux():
                if packet.size:
                    packet.stream = copies[number, packet.stream_index]
                    new.mux(packet)
    result = run(source, tmp_path / "out.mkv", codec="h264")
    assert dict(result.copied) == {1: 46, 2: COUNT, 3: 46, 4: 1, 5: 0}
    with av.open(str(tmp_path / "out.mkv")) as container:
        kinds = [stream.type for stream in container.streams]
        assert kinds == ["video", "audio", "video", "audio", "video", "attachment"]
        assert container.streams[5].data == b"0123456789"
    with videohw.open(tmp_path / "out.mkv", stream=1) as video:
        assert video.codec == "hevc"
        assert len(list(video)) == COUNT
    to_ts = run(source, tmp_path / "out.ts", codec="h264")
    assert [dropped.stream.index for dropped in to_ts.dropped_streams] == [4, 5]


def test_a_time_code_goes_along(tmp_path: Path) -> None:
    code = "01:00:00:00"
    source = make(tmp_path / "in.mov", Recipe(stream_metadata={"timecode": code}))
    assert [kind for kind, _, _ in witness(source).others] == ["data"]
    possible = int(av.__version__.split(".")[0]) >= 18  # before, a muxer is told no frame rate
    for name in ("out.mov", "out.mp4"):
        result = run(source, tmp_path / name)
        assert [dropped.stream.index for dropped in result.dropped_streams] == [1] * (not possible)
        seen = witness(tmp_path / name)
        assert [kind for kind, _, _ in seen.others] == ["data"] * possible
        assert seen.stream_metadata.get("timecode") == (code if possible else None)


def test_only_the_video(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(audio="aac"))
    result = run(source, tmp_path / "out.mp4", streams="video")
    assert witness(tmp_path / "out.mp4").others == []
    assert result.dropped_streams == ()
    assert dict(result.copied) == {}


def test_tags_are_added_and_removed(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe(metadata={"title": "old", "artist": "me"}))
    run(source, tmp_path / "out.mp4", metadata={"title": "", "comment": "new"})
    found = witness(tmp_path / "out.mp4").metadata
    assert "title" not in found
    assert (found["artist"], found["comment"]) == ("me", "new")


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.ts"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_colour_and_depth_are_kept(tmp_path: Path, name: str, codec: str) -> None:
    source = make(tmp_path / "in.mp4", Recipe(color=(9, 9, 16, 1)))
    run(source, tmp_path / name, codec=codec)
    assert witness(tmp_path / name).color == (9, 9, 16, 1)


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data" / "generated" / "hdr10.h265"
    result = run(data, tmp_path / "out.mp4", codec="hevc")
    with videohw.open(tmp_path / "out.mp4") as video:
        frames = list(video)
    assert len(frames) == result.frames_in == 15
    assert {frame.color.bit_depth for frame in frames} == {10}
    assert frames[0].color.transfer == "smpte2084"


def test_size_and_crop(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mp4", Recipe())
    result = run(source, tmp_path / "small.mp4", size=(80, 48))
    seen = witness(tmp_path / "small.mp4")
    assert (result.width, result.height) == seen.size == (80, 48)
    assert seen.numbers == EVEN
    assert seen.aspect in (None, 1)
    run(source, tmp_path / "flat.mp4", size=(160, 48))
    assert witness(tmp_path / "flat.mp4").aspect == Fraction(1, 2)  # the picture keeps its shape
    cut = run(source, tmp_path / "cut.mp4", crop=(0, 0, 160, 48))
    assert (cut.width, cut.height) == (160, 48)


def test_a_change_of_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data" / "generated" / "res_change_ABA.h265"
    result = run(data, tmp_path / "out.mp4", codec="h264")
    assert (result.width, result.height, result.frames_out) == (320, 240, 65)


def test_odd_sizes_are_refused_by_name(tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data" / "generated"
    source = next(data.glob("*175x143*"), None)
    if source is None:
        source = tmp_path / "in.mp4"
        make(source, Recipe(size=(160, 96)))
        with pytest.raises(UnsupportedConfig, match="width"):
            run(source, tmp_path / "out.mp4", size=(161, 97))
    else:
        with pytest.raises(UnsupportedConfig, match="width"):
            run(source, tmp_path / "out.mp4")
    assert "out.mp4" not in left_behind(tmp_path)
