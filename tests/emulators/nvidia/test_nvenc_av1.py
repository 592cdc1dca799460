"""The emulated encoder codes AV1, with libaom: one picture in, one temporal unit out."""

from __future__ import annotations

import ctypes as c
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.nvenc_client import (
    CONSTANT_QP,
    FORCE_IDR,
    HIGH_QUALITY,
    IDR,
    INVALID_PARAM,
    LOW_LATENCY,
    P010,
    UNSUPPORTED_PARAM,
    Api,
    P,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import decoded, luma, nv12, plane, worst

SEQUENCE, DELIMITER, METADATA, FRAME = 1, 2, 5, 6


def obus(data: bytes) -> list[int]:
    """Types of the OBUs of a temporal unit, whose sizes are all given."""
    found, at = [], 0
    while at < len(data):
        found.append(data[at] >> 3 & 15)
        size, shift, at = 0, 0, at + 1
        while True:
            size |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 128:
                break
        at += size
    return found


@pytest.mark.parametrize("version", ["13.0", "12.1"])
@pytest.mark.parametrize("streams", ["late", "seed:6"])
def test_what_is_coded_is_what_was_given(
    version: str, streams: str, context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.streams(streams)
    with session(Api(encode_folder, version), context, "AV1") as client:
        client.begin(tuning=HIGH_QUALITY, gopLength=6, codec__idrPeriod=6, codec__repeatSeqHdr=1)
        for number in range(9):
            client.encode(nv12(number), FORCE_IDR if number == 3 else 0)
        taken = client.end()
        sets = client.sets()
    assert [packet.type for packet in taken] == [IDR, P, P, IDR, P, P, P, P, P]
    kinds = [obus(packet.data) for packet in taken]
    assert kinds == [
        [DELIMITER, SEQUENCE, FRAME] if packet.type == IDR else [DELIMITER, FRAME]
        for packet in taken
    ]
    assert obus(sets) == [SEQUENCE]
    assert sets in taken[0].data
    assert worst(decoded("av1", b"".join(packet.data for packet in taken)), range(9)) > 35


def test_ten_bits_and_colour(context: int, encode_folder: Path) -> None:
    def top(row: bytes) -> bytes:
        return b"".join(bytes((0, sample)) for sample in row)

    with session(Api(encode_folder), context, "AV1") as client:
        client.input_format = P010
        client.begin(
            codec__outputBitDepth=10, codec__inputBitDepth=10, codec__colorPrimaries=9,
            codec__transferCharacteristics=16, codec__matrixCoefficients=9, codec__colorRange=1,
        )  # fmt: skip
        client.encode([top(row) for row in nv12(2)])
        (packet,) = client.end()
    (frame,) = decoded("av1", packet.data)
    assert frame.format.name == "yuv420p10le"
    assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (9, 16, 9)
    assert frame.color_range == 2
    assert abs(plane(frame).astype(int) // 4 - luma(2)).mean() < 3


def test_metadata_goes_before_the_frame(context: int, encode_folder: Path) -> None:
    text = b"\xb5\0\x31GA94 captions"
    with session(Api(encode_folder), context, "AV1") as client:
        client.begin()
        room = c.create_string_buffer(text, len(text))
        given = client.api.struct(
            "NV_ENC_SEI_PAYLOAD", payloadSize=len(text), payloadType=4, payload=c.addressof(room)
        )
        part = "codecPicParams__av1PicParams__obuPayloadArray"
        client.encode(nv12(0), **{part + "Cnt": 1, part: given})
        (packet,) = client.end()
    assert obus(packet.data) == [DELIMITER, SEQUENCE, METADATA, FRAME]
    assert text in packet.data
    assert len(decoded("av1", packet.data)) == 1


def test_a_larger_quantiser_is_fewer_bytes(context: int, encode_folder: Path) -> None:
    found = {}
    for qp in (40, 200):
        with session(Api(encode_folder), context, "AV1") as client:
            each = qp.to_bytes(4, "little") * 3
            client.begin(rcParams__rateControlMode=CONSTANT_QP, rcParams__constQP=each)
            for number in range(3):
                client.encode(nv12(number))
            found[qp] = sum(len(packet.data) for packet in client.end())
    assert found[40] > 2 * found[200]


def test_what_it_does_not_code(context: int, encode_folder: Path) -> None:
    refused: list[tuple[dict[str, Any], int]] = [
        ({"frameIntervalP": 2, "gopLength": 30}, INVALID_PARAM),
        ({"codec__chromaFormatIDC": 3}, UNSUPPORTED_PARAM),
        ({"codec__outputAnnexBFormat": 1}, UNSUPPORTED_PARAM),
        ({"encodeWidth": 128}, INVALID_PARAM),
    ]
    with session(Api(encode_folder), context, "AV1") as client:
        for changes, status in refused:
            assert client.initialise(tuning=LOW_LATENCY, **changes) == status, changes
