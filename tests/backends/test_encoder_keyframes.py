"""Keyframes of the software encoder: where they are asked, and nowhere else."""

from __future__ import annotations

import pytest

from tests.backends.encoding import (
    CODECS,
    HEIGHT,
    WIDTH,
    codec,
    encode,
    needs_encoder,
    nv12_pictures,
    nv12_planes,
    psnr,
    witness,
)
from videohw.encoder import Encoder
from videohw.software_options import SoftwareEncoderOptions

__all__ = ["codec"]

FAST = {"preset": "fastest", "fps": 30}
WITH_B_FRAMES = [(name, b) for name in CODECS for b in (0, 1, 3) if name != "av1" or b == 0]


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
@pytest.mark.parametrize("gop", [1, 2, 7])
def test_gop_is_the_distance_of_keyframes(name: str, b_frames: int, gop: int) -> None:
    needs_encoder(name)
    # With a preset that looks for scene cuts, unless told not to.
    with Encoder(name, 64, 64, fps=30, preset="fast", gop=gop, b_frames=b_frames) as encoder:
        packets = encode(encoder, scene_cuts(22))
    assert sorted(p.pts for p in packets if p.keyframe) == list(range(0, 22, gop))


def test_gop_zero_has_one_keyframe(codec: str) -> None:
    # Longer than the default periods, 250 pictures of x264 and x265 and about 160 of SVT-AV1.
    # SVT-AV1 4.1 comes to a stop in one of some hundred long runs with threads of its own.
    options = SoftwareEncoderOptions(threads=1) if codec == "av1" else None
    with Encoder(codec, 64, 64, fps=30, preset="fast", gop=0, options=options) as encoder:
        packets = encode(encoder, scene_cuts(180 if codec == "av1" else 270))
    assert [p.pts for p in packets if p.keyframe] == [0]


def scene_cuts(count: int) -> list[object]:
    """Pictures that change altogether every five, which a detector of scene cuts would see."""
    pictures = nv12_pictures(count, 64, 64)
    return [255 - p if index // 5 % 2 else p for index, p in enumerate(pictures)]


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
def test_forced_keyframes_are_where_they_were_asked(name: str, b_frames: int) -> None:
    needs_encoder(name)
    pictures = nv12_pictures(30)
    forced = (5, 6, 17, 29)
    with Encoder(name, WIDTH, HEIGHT, gop=0, b_frames=b_frames, **FAST) as encoder:
        packets = encode(encoder, pictures, forced=forced)
    assert sorted(p.pts for p in packets if p.keyframe) == [0, *forced]
    start = next(index for index, p in enumerate(packets) if p.pts == 17)
    # Decoding starts there with nothing that came before, and misses nothing that follows.
    seen = witness(name, packets[start:])
    assert [picture.pts for picture in seen] == list(range(17, 30))
    assert psnr(nv12_planes(pictures[17]), seen[0].planes) > 28
