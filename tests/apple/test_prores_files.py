"""ProRes in QuickTime files, and in no others; PyAV reads them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import pytest

from tests.backends.encoding import nv12_pictures
from tests.emulators.control import AppleEmulator
from videohw.cli.errors import UsageError
from videohw.cli.options import raw_container
from videohw.color import ColorSpec
from videohw.encoding.prores import FLAVOURS
from videohw.errors import UnsupportedConfig
from videohw.transcode_file import transcode
from videohw.writer import VideoWriter

WIDTH, HEIGHT, COUNT = 96, 64, 6
PICTURES = nv12_pictures(COUNT, WIDTH, HEIGHT)


@pytest.mark.parametrize("profile", [None, *FLAVOURS])
def test_quicktime_files_say_the_flavour(
    frameworks: AppleEmulator, tmp_path: Path, profile: str | None
) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    times = [0, 3003, 6006, 12012, 15015, 18018]
    with VideoWriter(
        tmp_path / "out.mov", "prores", width=WIDTH, height=HEIGHT, fps=29.97, profile=profile,
        time_base=Fraction(1, 90000), backend="videotoolbox", sample_aspect_ratio=Fraction(4, 3),
        color=ColorSpec(matrix="bt709", primaries="bt709", transfer="bt709"),
        metadata={"title": "a title"},
    ) as writer:  # fmt: skip
        for picture, pts in zip(PICTURES, times, strict=True):
            writer.write(picture, pts)
    with av.open(str(tmp_path / "out.mov")) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        frames = list(file.decode(stream))
        assert (context.name, context.codec_tag) == ("prores", FLAVOURS[profile or "422"].fourcc)
        assert context.pix_fmt == ("yuv444p12le" if profile == "4444" else "yuv422p10le")
        assert (context.width, context.height) == (WIDTH, HEIGHT)
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert stream.average_rate == Fraction(30000, 1001) * Fraction(6, 7)
        assert [round(each.pts * each.time_base * 90000) for each in frames] == times
        assert all(each.key_frame for each in frames)
        assert file.metadata["title"] == "a title"


def test_only_quicktime_files_hold_it(frameworks: AppleEmulator, tmp_path: Path) -> None:
    for name in ("out.mp4", "out.mkv", "out.webm", "out.ts", "out.h264"):
        with pytest.raises(UnsupportedConfig, match="cannot hold prores") as refused:
            VideoWriter(tmp_path / name, "prores", width=WIDTH, height=HEIGHT, fps=30)
        assert refused.value.argument == "codec"
        assert "mov" in (refused.value.hint or "")
    with pytest.raises(UsageError):
        raw_container("prores")
    assert not list(tmp_path.iterdir())


def test_a_transcode_to_it(frameworks: AppleEmulator, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    source = io.BytesIO()
    with VideoWriter(
        source, "h264", width=WIDTH, height=HEIGHT, fps=30, container="mp4", backend="videotoolbox"
    ) as writer:
        for picture in PICTURES:
            writer.write(picture)
    source.seek(0)
    result = transcode(
        source, tmp_path / "out.mov", codec="prores", profile="lt", backend="videotoolbox"
    )
    assert (result.codec, result.container, result.frames_out) == ("prores", "mov", COUNT)
    with av.open(str(tmp_path / "out.mov")) as file:
        assert file.streams.video[0].codec_context.codec_tag == "apcs"
        assert len(list(file.decode(video=0))) == COUNT
