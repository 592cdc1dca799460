"""Quality and rate of the emulated encoder, slices, intra refresh, and packets of raw mode."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.nvenc_client import (
    CONSTANT,
    CONSTANT_QP,
    INVALID_PARAM,
    LOSSLESS,
    SUCCESS,
    ULTRA_LOW_LATENCY,
    VARIABLE,
    Api,
    Client,
    P,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import (
    decoded,
    luma,
    nv12,
    plane,
    psnr,
    rows,
    units,
    worst,
)

WIDTH, HEIGHT = 320, 240
Rows = Sequence[bytes]


def noise(number: int) -> list[bytes]:
    """Pictures that cost bits."""
    made = np.random.default_rng(number).integers(0, 255, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    made[:HEIGHT] = (made[:HEIGHT] // 4 + luma(number) * 0.7).astype(np.uint8)
    return rows(made)


def sizes(client: Client, count: int, make: Callable[[int], Rows] = noise) -> list[int]:
    for number in range(count):
        client.encode(make(number))
    return [len(packet.data) for packet in client.end()]


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_a_rate_is_kept_and_changed_without_a_key_frame(
    codec: str, context: int, encode_folder: Path
) -> None:
    rate = {"rcParams__rateControlMode": CONSTANT, "rcParams__vbvBufferSize": 100000}
    with session(Api(encode_folder), context, codec) as client:
        client.begin(**rate, rcParams__averageBitRate=1200000)
        for number in range(30):
            client.encode(noise(number))
        given, _ = client.parameters(**rate, rcParams__averageBitRate=300000)
        asked = client.api.struct("NV_ENC_RECONFIGURE_PARAMS")
        at = asked.place("reInitEncodeParams")[1][0]
        asked.buffer[at : at + len(given.buffer)] = given.buffer.raw
        assert client.call("nvEncReconfigureEncoder", asked) == SUCCESS
        for number in range(30, 60):
            client.encode(noise(number))
        taken = client.end()
    assert [packet.type for packet in taken[1:]] == [P] * 59
    first = sum(len(packet.data) for packet in taken[10:30])
    last = sum(len(packet.data) for packet in taken[40:])
    assert 0.15 < last / first < 0.5


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_a_quantiser_is_that_of_its_kind(codec: str, context: int, encode_folder: Path) -> None:
    qp = b"".join(value.to_bytes(4, "little") for value in (30, 34, 26))
    with session(Api(encode_folder), context, codec) as client:
        client.begin(
            tuning=1, rcParams__rateControlMode=CONSTANT_QP, rcParams__constQP=qp, gopLength=9,
            codec__idrPeriod=9,
        )  # fmt: skip
        sizes(client, 7, nv12)
    found = [(packet.type, packet.facts["frameAvgQP"]) for packet in client.taken]
    assert found == [(3, 26), (0, 30), (1, 34), (1, 34), (0, 30), (1, 34), (1, 34)]


def test_a_quality_aimed_at(context: int, encode_folder: Path) -> None:
    found = {}
    for quality in (20, 40):
        with session(Api(encode_folder), context) as client:
            client.begin(rcParams__rateControlMode=VARIABLE, rcParams__targetQuality=quality)
            found[quality] = sum(sizes(client, 3))
    assert found[20] > 3 * found[40]


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_lossless(codec: str, context: int, encode_folder: Path) -> None:
    with session(Api(encode_folder), context, codec) as client:
        client.begin(preset="P1", tuning=LOSSLESS, codec__chromaFormatIDC=1)
        client.encode(nv12(3))
        (packet,) = client.end()
    (frame,) = decoded(codec, packet.data)
    assert np.array_equal(plane(frame), luma(3))


def test_a_map_of_quantisers(context: int, emulator: Emulator, encode_folder: Path) -> None:
    """The left half is coded worse where the map says so."""
    across, down = (WIDTH + 15) // 16, (HEIGHT + 15) // 16
    map_of = (c.c_int8 * (across * down))()
    for index in range(across * down):
        map_of[index] = 20 if index % across < across // 2 else 0
    with session(Api(encode_folder), context) as client:
        client.begin(rcParams__qpMapMode=2, rcParams__averageBitRate=4000000)
        given = {"qpDeltaMap": c.addressof(map_of), "qpDeltaMapSize": across * down}
        client.encode(nv12(0), **given)
        (packet,) = client.end()
        assert client.encode(nv12(0), **{**given, "qpDeltaMapSize": 7}) == INVALID_PARAM
        assert "7 bytes" in emulator.misuses()[0]
    (frame,) = decoded("h264", packet.data)
    left, right = plane(frame)[:, : WIDTH // 2], plane(frame)[:, WIDTH // 2 :]
    wanted = luma(0)
    assert psnr(left, wanted[:, : WIDTH // 2]) + 3 < psnr(right, wanted[:, WIDTH // 2 :])


def test_slices(context: int, encode_folder: Path) -> None:
    with session(Api(encode_folder), context) as client:
        client.begin(tuning=1, codec__sliceMode=3, codec__sliceModeData=4)
        for number in range(4):
            client.encode(nv12(number))
        taken = client.end()
    assert [units(packet.data)[-4:] for packet in taken] == [[5] * 4, [1] * 4, [1] * 4, [1] * 4]
    assert {packet.facts["numSlices"] for packet in taken} == {4}
    assert worst(decoded("h264", b"".join(packet.data for packet in taken)), range(4)) > 40


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_intra_refresh_heals_a_stream(codec: str, context: int, encode_folder: Path) -> None:
    """Without its first pictures the stream is whole again when the refresh has gone across."""
    with session(Api(encode_folder), context, codec) as client:
        client.begin(
            tuning=ULTRA_LOW_LATENCY, codec__enableIntraRefresh=1, codec__intraRefreshPeriod=30,
            codec__intraRefreshCnt=25, codec__outputRecoveryPointSEI=1,
        )  # fmt: skip
        for number in range(60):
            client.encode(noise(0) if number < 5 else nv12(7))
        taken = client.end()
    assert [packet.type for packet in taken[1:]] == [P] * 59
    key = taken[0].data
    frames = decoded(codec, key + b"".join(packet.data for packet in taken[8:]))
    assert psnr(plane(frames[-1]), luma(7)) > 35
    kind = 6 if codec == "H264" else 39
    points = [packet for packet in taken if kind in units(packet.data, codec)]
    assert [packet.timestamp - 1000 for packet in points] == [29, 59]
    # 25 pictures: 00001 1010 as H.264 has it, and twice less one as HEVC has it.
    wanted = b"\x06\x06\x02\x0d\x00\x80" if codec == "H264" else b"\x01\x06\x02\x06\x40\x80"
    assert all(wanted in packet.data for packet in points)


def test_raw_packets_tell_pictures_apart(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.encoding(NVENC_RAW=1)
    with session(Api(encode_folder), context) as client:
        client.begin(tuning=1, gopLength=4, codec__idrPeriod=4)
        for number in (0, 1, 1, 2, 3):
            client.encode(nv12(number))
        taken = client.end()
        assert client.sets() in taken[0].data
    assert [units(packet.data)[-1] for packet in taken] == [5, 1, 1, 1, 5]
    by_time = sorted(taken, key=lambda packet: packet.timestamp)
    sums = [packet.data[-9:] for packet in by_time]
    assert sums[1] == sums[2]
    assert len({*sums}) == 4
    assert max(len(packet.data) for packet in taken[1:]) < 60
