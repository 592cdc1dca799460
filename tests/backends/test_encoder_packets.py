"""Packets of the software encoder: how many, when, in which order, which are keyframes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from tests.backends.encoding import (
    CODECS,
    HEIGHT,
    IDR,
    PARAMETER_SETS,
    PATIENCE_SECONDS,
    WIDTH,
    codec,
    encode,
    needs_encoder,
    nv12_pictures,
    nv12_planes,
    psnr,
    unit_types,
    witness,
)
from videohw.encoder import Encoder
from videohw.errors import InvalidInput
from videohw.types import ConstantQuality, Packet

__all__ = ["codec"]

FAST = {"preset": "fastest", "fps": 30}
WITH_B_FRAMES = [(name, b) for name in CODECS for b in (0, 1, 3) if name != "av1" or b == 0]


def check_times(packets: list[Packet], expected_pts: list[int]) -> None:
    dts = [packet.dts for packet in packets]
    assert sorted(packet.pts for packet in packets) == expected_pts
    assert all(a < b for a, b in pairwise(dts)), dts
    assert all(packet.dts <= packet.pts for packet in packets)


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
def test_every_picture_becomes_one_packet_that_shows_it(name: str, b_frames: int) -> None:
    needs_encoder(name)
    pictures = nv12_pictures(24)
    options = {"preset": "balanced", "fps": 30, "b_frames": b_frames}
    with Encoder(name, WIDTH, HEIGHT, rate_control=ConstantQuality(20), **options) as encoder:
        packets = encode(encoder, pictures)
        summary = encoder.summary()
    check_times(packets, list(range(24)))
    reordered = [p.pts for p in packets] != sorted(p.pts for p in packets)
    assert reordered == (b_frames > 0)
    assert {(p.duration, p.time_base, p.layout) for p in packets} == {
        (1, Fraction(1, 30), "annexb")
    }
    assert summary["submitted"] == summary["delivered"] == 24
    seen = witness(name, packets)
    assert [picture.pts for picture in seen] == list(range(24))
    worst = min(
        psnr(nv12_planes(given), shown.planes) for given, shown in zip(pictures, seen, strict=True)
    )
    assert worst > 33


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
def test_variable_timing_keeps_its_times_across_flushes(name: str, b_frames: int) -> None:
    needs_encoder(name)
    times = [-7000]
    for index in range(39):
        times.append(times[-1] + (1, 3003, 90000, 40, 1500)[index * 7 % 5])
    cuts = [0, 1, 3, 4, 9, 20, 40]  # streams shorter than the reordering, and longer ones
    packets: list[Packet] = []
    pictures = nv12_pictures(40)
    with Encoder(name, WIDTH, HEIGHT, time_base=(1, 90000), b_frames=b_frames, **FAST) as encoder:
        for start, end in pairwise(cuts):
            packets += encode(encoder, pictures[start:end], times[start:end])
    check_times(packets, times)
    assert {p.time_base for p in packets} == {Fraction(1, 90000)}
    assert {p.duration for p in packets} == {3000}
    keys = sorted(p.pts for p in packets if p.keyframe)
    assert set(keys) >= {times[cut] for cut in cuts[:-1]}
    assert [picture.pts for picture in witness(name, packets)] == times


@pytest.mark.parametrize(
    "time_base", [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 10**9), (2, 61)]
)
def test_any_time_base(codec: str, time_base: Fraction | tuple[int, int]) -> None:
    base = time_base if isinstance(time_base, Fraction) else Fraction(*time_base)
    with Encoder(codec, 64, 64, fps=25, preset="fastest", time_base=time_base) as encoder:
        packets = encode(encoder, nv12_pictures(6, 64, 64))
    step = 1 / (25 * base)
    check_times(packets, [round(n * step) for n in range(6)])
    assert packets[0].duration == round(step)
    assert packets[0].time_base == base


def test_pts_that_is_not_given_follows_the_last_one(codec: str) -> None:
    with Encoder(codec, 64, 64, fps=24, preset="fastest", time_base=(1, 1000)) as encoder:
        packets = encode(
            encoder, nv12_pictures(7, 64, 64), [None, None, None, None, 1000, None, None]
        )
    # Exact steps of 1000 / 24, rounded each on its own, so that errors do not add up.
    assert sorted(p.pts for p in packets) == [0, 42, 83, 125, 1000, 1042, 1083]


@pytest.mark.parametrize("again", [5, 4, -1])
def test_pts_that_does_not_increase_is_refused_and_nothing_is_lost(codec: str, again: int) -> None:
    pictures = nv12_pictures(4, 64, 64)
    with Encoder(codec, 64, 64, **FAST) as encoder:
        encoder.submit(pictures[0], 3)
        encoder.submit(pictures[1], 5)
        with pytest.raises(InvalidInput, match=f"pts is {again}, the last one was 5") as refused:
            encoder.submit(pictures[2], again)
        assert refused.value.argument == "pts"
        encoder.submit(pictures[2], 6)
        encoder.submit(pictures[3])
        packets = encoder.flush(PATIENCE_SECONDS)
    assert sorted(p.pts for p in packets) == [3, 5, 6, 7]
    assert [picture.pts for picture in witness(codec, packets)] == [3, 5, 6, 7]


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
@pytest.mark.parametrize("gop", [1, 2, 7])
def test_gop_is_the_distance_of_keyframes(name: str, b_frames: int, gop: int) -> None:
    needs_encoder(name)
    # With a preset that looks for scene cuts, unless told not to.
    with Encoder(name, 64, 64, fps=30, preset="fast", gop=gop, b_frames=b_frames) as encoder:
        packets = encode(encoder, scene_cuts(22))
    assert sorted(p.pts for p in packets if p.keyframe) == list(range(0, 22, gop))


def test_gop_zero_has_one_keyframe(codec: str) -> None:
    # Longer than the longest default period, x264's 250 pictures.
    with Encoder(codec, 64, 64, fps=30, preset="fast", gop=0) as encoder:
        packets = encode(encoder, scene_cuts(270))
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


@pytest.mark.parametrize("layout", ["annexb", "length_prefixed"])
def test_keyframe_flag_is_what_the_picture_is(codec: str, layout: str) -> None:
    with Encoder(codec, 64, 64, gop=6, layout=layout, **FAST) as encoder:
        packets = encode(encoder, nv12_pictures(20, 64, 64), forced=(8,))
    prefixed = layout == "length_prefixed" and codec != "av1"
    for packet in packets:
        types = set(unit_types(codec, packet.data, length_prefixed=prefixed))
        sets = PARAMETER_SETS[codec]
        if codec != "av1":
            assert bool(types & IDR[codec]) == packet.keyframe
        if prefixed:
            assert not types & sets
        else:
            assert (types >= sets) == packet.keyframe
            assert bool(types & sets) == packet.keyframe


def test_encoder_goes_on_after_flush(codec: str) -> None:
    pictures = nv12_pictures(12, 64, 64)
    with Encoder(codec, 64, 64, gop=0, **FAST) as encoder:
        assert encoder.flush(PATIENCE_SECONDS) == []
        first = encode(encoder, pictures[:5])
        assert encoder.flush(PATIENCE_SECONDS) == []
        second = encode(encoder, pictures[5:])
        summary = encoder.summary()
    assert (len(first), len(second)) == (5, 7)
    check_times(first + second, list(range(12)))
    assert [p.pts for p in first + second if p.keyframe] == [0, 5]
    assert set(unit_types(codec, second[0].data)) >= PARAMETER_SETS[codec]
    assert [picture.pts for picture in witness(codec, second)] == list(range(5, 12))
    assert summary["submitted"] == summary["delivered"] == 12
    assert summary["reasons"] == {}


def test_packets_come_out_while_pictures_go_in(codec: str) -> None:
    with Encoder(codec, 64, 64, max_in_flight=4, **FAST) as encoder:
        early = encode(encoder, nv12_pictures(150, 64, 64), flush=False)
        late = encoder.flush(PATIENCE_SECONDS)
    assert len(early) + len(late) == 150
    assert len(early) > 60


def test_low_latency_gives_each_packet_before_the_next_picture(codec: str) -> None:
    with Encoder(codec, WIDTH, HEIGHT, low_latency=True, **FAST) as encoder:
        for index, picture in enumerate(nv12_pictures(20)):
            encoder.submit(picture, force_keyframe=index == 9)
            packet = encoder.reap_timeout(PATIENCE_SECONDS)
            assert packet is not None
            assert (packet.pts, packet.dts) == (index, index)
            assert packet.keyframe == (index in (0, 9))
        assert encoder.flush(PATIENCE_SECONDS) == []


@pytest.mark.parametrize("preset", ["fastest", "fast", "balanced", "quality", "best"])
def test_low_latency_with_every_preset(codec: str, preset: str) -> None:
    with Encoder(codec, 64, 64, fps=30, low_latency=True, preset=preset) as encoder:
        for picture in nv12_pictures(4, 64, 64):
            encoder.submit(picture)
            assert encoder.reap_timeout(PATIENCE_SECONDS) is not None
