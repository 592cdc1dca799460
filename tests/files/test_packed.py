"""B pictures packed behind others, as DivX wrote them to AVI."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import videohw
from tests.backends.coded_clips import decoded_packets, packets
from tests.backends.oracle import canonical_bytes
from tests.mpeg4_headers import USER_DATA, VISUAL_OBJECTS, coded_part, headers, layer, packed
from videohw.bitstream import open_assembler

av = pytest.importorskip("av", reason="PyAV is not installed")

RATE = 25
COUNT = 24
DIVX = VISUAL_OBJECTS + layer(control=None) + USER_DATA + b"DivX503b1393p"
SINGLE = VISUAL_OBJECTS + layer() + USER_DATA + b"DivX503b1393"


def units(head: bytes) -> list[bytes]:
    return [head + coded_part(unit) if headers(unit) else unit for unit in packets("mpeg4", COUNT)]


def types(pictures: list[bytes]) -> str:
    assembler = open_assembler("mpeg4")
    assembler.feed(b"".join(pictures))
    assembler.finish()
    return "".join(unit.picture_type for unit in assembler)


def written(path: Path, bundles: list[bytes]) -> Path:
    """An AVI file with these packets, one after the other."""
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        container.start_encoding()
        for number, data in enumerate(bundles):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, RATE)
            packet.pts = packet.dts = number
            packet.is_keyframe = bool(headers(data))
            container.mux(packet)
    return path


@pytest.mark.parametrize("is_packed", [False, True])
def test_each_picture_comes_at_its_own_time(tmp_path: Path, is_packed: bool) -> None:
    single = units(DIVX if is_packed else SINGLE)
    bundles = packed(single, types(single)) if is_packed else single
    path = written(tmp_path / "in.avi", bundles)
    with videohw.open(path) as video:
        frames = list(video)
        assert video.codec == "mpeg4"
    expected = [data for _, data in decoded_packets("mpeg4", tuple(units(SINGLE)))]
    assert [canonical_bytes(frame) for frame in frames] == expected
    first = frames[0].pts
    assert first is not None
    assert [frame.pts for frame in frames] == list(range(first, first + COUNT))


def test_seeking_in_packed_pictures(tmp_path: Path) -> None:
    single = units(DIVX)
    path = written(tmp_path / "in.avi", packed(single, types(single)))
    with videohw.open(path) as video:
        whole = list(video)
        for number in (0, 3, 9, 17, 23, 5):
            target = whole[number]
            assert target.pts is not None
            video.seek(target.pts * video.time_base)
            found = next(video)
            assert found.pts == target.pts
            assert canonical_bytes(found) == canonical_bytes(target)
