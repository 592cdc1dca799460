"""Rule 3: what becomes of every picture that an encoder is given, and its flush."""

from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from tests.backends.conftest import ENCODED, BackendCase, needs_encoder
from tests.backends.encoding import (
    HEIGHT,
    IDR,
    PARAMETER_SETS,
    PATIENCE_SECONDS,
    WIDTH,
    check_times,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    unit_types,
    witness,
)
from tests.backends.faults import Faults, PlantedBug
from videohw.encoding.packet_layout import PacketLayout
from videohw.errors import BackendError, InvalidInput
from videohw.types import ConstantQuality, Packet

WITH_B_FRAMES = [(name, b) for name in ENCODED for b in (0, 1, 3) if name != "av1" or b == 0]
PICTURE = np.full((96, 64), 77, np.uint8)


@pytest.mark.parametrize(("name", "b_frames"), WITH_B_FRAMES)
def test_every_picture_becomes_one_packet_that_shows_it(
    backend: BackendCase, name: str, b_frames: int
) -> None:
    needs_encoder(backend, name)
    pictures = nv12_pictures(24)
    options: dict[str, Any] = {"preset": "balanced", "b_frames": b_frames}
    with backend.encoder(
        name, WIDTH, HEIGHT, rate_control=ConstantQuality(20), **options
    ) as encoder:
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


def test_encoder_goes_on_after_flush(backend: BackendCase, encoded: str) -> None:
    pictures = nv12_pictures(12, 64, 64)
    with backend.encoder(encoded, 64, 64, gop=0) as encoder:
        assert encoder.flush(PATIENCE_SECONDS) == []
        first = encode(encoder, pictures[:5])
        assert encoder.flush(PATIENCE_SECONDS) == []
        second = encode(encoder, pictures[5:])
        summary = encoder.summary()
    assert (len(first), len(second)) == (5, 7)
    check_times(first + second, list(range(12)))
    assert [p.pts for p in first + second if p.keyframe] == [0, 5]
    types = set(unit_types(encoded, second[0].data))
    assert types >= PARAMETER_SETS[encoded]
    assert encoded not in IDR or types & IDR[encoded]
    assert [picture.pts for picture in witness(encoded, second)] == list(range(5, 12))
    assert summary["submitted"] == summary["delivered"] == 12
    assert summary["reasons"] == {}


def test_a_picture_that_fails_is_told_counted_and_costs_no_other(
    backend: BackendCase, encoded: str, faults: Faults
) -> None:
    faults.arm("refuse", after=2)
    faults.arm("refuse", after=5)
    with backend.encoder(encoded, 64, 64, max_in_flight=20) as encoder:
        for _ in range(8):
            encoder.submit(PICTURE)
        told: list[BackendError] = []
        packets = None
        while packets is None:
            try:
                packets = encoder.flush(PATIENCE_SECONDS)
            except BackendError as error:
                told.append(error)
        summary = encoder.summary()
    assert [error.fatal for error in told] == [False, False]
    check_times(packets, [0, 1, 3, 4, 6, 7])
    assert [picture.pts for picture in witness(encoded, packets)] == [0, 1, 3, 4, 6, 7]
    assert summary["reasons"] == {"error": 2}
    assert summary["submitted"] == summary["delivered"] + 2 == 8


def test_invalid_input_while_others_are_queued_loses_nothing(
    backend: BackendCase, encoded: str
) -> None:
    with backend.encoder(encoded, 64, 64) as encoder:
        for index in range(5):
            encoder.submit(PICTURE)
            for wrong in (None, "text", PICTURE[:-1], PICTURE.astype(float), b"short"):
                with pytest.raises(InvalidInput) as refused:
                    encoder.submit(wrong)
                assert refused.value.argument == "frame"
            assert encoder.summary()["submitted"] == index + 1
        packets = encoder.flush(PATIENCE_SECONDS)
    assert [packet.pts for packet in packets] == list(range(5))
    assert len(witness(encoded, packets)) == 5


def test_time_goes_on_over_a_flush(backend: BackendCase, encoded: str) -> None:
    """The next picture is later than all before it: told by its pts, or made so."""
    with backend.encoder(encoded, 64, 64) as encoder:
        encoder.submit(PICTURE, 10)
        encoder.flush(PATIENCE_SECONDS)
        for early in (10, 3):
            with pytest.raises(InvalidInput, match="it must increase"):
                encoder.submit(PICTURE, early)
        encoder.submit(PICTURE)
        (packet,) = encoder.flush(PATIENCE_SECONDS)
        assert (packet.pts, packet.keyframe) == (11, True)
        assert encoder.summary()["submitted"] == encoder.summary()["delivered"] == 2


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_after_a_packet_that_could_not_be_made_the_next_picture_is_a_keyframe(
    backend: BackendCase, codec: str
) -> None:
    """Whatever followed would refer to what nobody got."""
    needs_encoder(backend, codec)
    got: list[Packet | BackendError] = []
    with backend.encoder(codec, 64, 64, gop=0, low_latency=True, b_frames=0) as encoder:
        for number in range(6):
            bug = patch.object(PacketLayout, "lay_out", side_effect=PlantedBug("planted"))
            with bug if number == 2 else nullcontext():
                encoder.submit(nv12_pictures(1, 64, 64)[0], number)
                try:
                    packet = encoder.reap_timeout(PATIENCE_SECONDS)
                    assert packet is not None
                    got.append(packet)
                except BackendError as error:
                    got.append(error)
        summary = encoder.summary()
    keys = [output.keyframe if isinstance(output, Packet) else None for output in got]
    assert keys == [True, False, None, True, False, False]
    assert summary["reasons"] == {"error": 1}
    assert summary["submitted"] == summary["delivered"] + 1 == 6
    rest = [output for output in got[3:] if isinstance(output, Packet)]
    assert [picture.pts for picture in witness(codec, rest)] == [3, 4, 5]
