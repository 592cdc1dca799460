"""VC-1 in containers: with start codes and without, with headers in the stream or beside it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import videohw
from tests.backends.oracle import canonical_bytes
from tests.files.vc1_avi import avi
from tests.vc1_clips import bare, clip, picture
from videohw.errors import UnsupportedCodec

av = pytest.importorskip("av", reason="PyAV is not installed")

TYPES = "IPBPBPSPIPBPbPBPIPSP"
MADE = clip(TYPES)
SHOWN = {number: place for place, number in enumerate(MADE.order)}
KEYFRAMES = [number for number, kind in enumerate(TYPES) if kind == "I"]
HOW = {"whole": bytes, "without headers": picture, "without start codes": bare}


def written(path: Path, container: str, how: str = "whole") -> Path:
    """A file of the clip, times counted in pictures where the container has some."""
    units = [HOW[how](unit) for unit in MADE.units]
    if container == "avi":
        data = avi(units, [kind == "I" for kind in TYPES], b"\x25" + MADE.headers)
        path.write_bytes(data)
        return path
    if container == "vc1":
        path.write_bytes(b"".join(units))
        return path
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_mux_stream("vc1", rate=25, width=64, height=48)
        for number, data in enumerate(units):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.dts, packet.pts = number, SHOWN[number] + 1
            packet.is_keyframe = TYPES[number] == "I"
            file.mux(packet)
    return path


FILES = [
    ("avi", "whole"), ("avi", "without headers"), ("avi", "without start codes"),
    ("asf", "whole"), ("mpegts", "whole"), ("vc1", "whole"),
]  # fmt: skip


@pytest.mark.parametrize(("container", "how"), FILES)
def test_each_picture_comes_at_its_own_time(tmp_path: Path, container: str, how: str) -> None:
    path = written(tmp_path / f"in.{container}", container, how)
    with videohw.open(path) as video:
        assert (video.codec, video.width, video.height) == ("vc1", 64, 48)
        frames = list(video)
    assert [canonical_bytes(frame) for frame in frames] == MADE.frames()
    if container != "vc1":  # which has no times at all
        times = [frame.pts * frame.time_base for frame in frames]
        assert [round((time - times[0]) * 25) for time in times] == list(range(len(frames)))
    assert [n for n, frame in enumerate(frames) if frame.keyframe] == [SHOWN[n] for n in KEYFRAMES]


@pytest.mark.parametrize(
    ("container", "how"), [each for each in FILES if each[0] in ("avi", "asf")]
)
def test_seek_goes_to_the_keyframe(tmp_path: Path, container: str, how: str) -> None:
    path = written(tmp_path / f"in.{container}", container, how)
    with videohw.open(path) as video:
        frames = list(video)
        for number in (0, 5, SHOWN[8], SHOWN[8] + 2, len(frames) - 1):
            video.seek(frames[number].pts * video.time_base)
            assert canonical_bytes(next(iter(video))) == MADE.frames()[number]


def test_a_file_is_transcoded(tmp_path: Path) -> None:
    source = written(tmp_path / "in.avi", "avi", "without start codes")
    target = tmp_path / "out.mkv"
    videohw.transcode(source, target, codec="h264")
    with videohw.open(target) as video:
        assert len(list(video)) == len(TYPES)


def test_the_other_profiles_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "in.avi"
    path.write_bytes(avi([b"\x44" * 90] * 4, [True] * 4, b"\x4e\x11\x0a\x01", code=b"WMV3"))
    with pytest.raises(UnsupportedCodec, match="wmv3") as refused:
        videohw.open(path)
    assert "Advanced" in str(refused.value.hint)
