"""What the emulated encoder's streams say and hold: formats of pixels, headers, messages."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.emulators.nvidia.nvenc_client import (
    ABGR,
    ARGB,
    AYUV,
    FORCE_IDR,
    FORCE_INTRA,
    IDR,
    INTRA,
    INVALID_PARAM,
    IYUV,
    NV12,
    OUTPUT_SETS,
    P010,
    YUV444,
    YUV444_10,
    YV12,
    Api,
    P,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import (
    chroma,
    decoded,
    luma,
    nv12,
    plane,
    psnr,
    rows,
    units,
    worst,
)

NV16, P210 = 0x40000001, 0x40000002
WIDTH, HEIGHT = 320, 240
Rows = Sequence[bytes]


def top_bits(samples: NDArray[Any]) -> NDArray[Any]:
    """Eight bits as ten at the top of sixteen."""
    return samples.astype("<u2") << 8


def packed(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Two planes as pairs."""
    return np.stack([first, second], axis=-1).reshape(first.shape[0], -1)


def halves(plane_of_chroma: NDArray[Any], height: int) -> NDArray[Any]:
    """Rows of half the pitch lie two to a row of the buffer."""
    return np.resize(plane_of_chroma, (height, plane_of_chroma.shape[1]))


SMALL, TALL, FULL = chroma(0), chroma(0, 160, 240), chroma(0, 320, 240)
FORMATS: dict[str, tuple[str, int, dict[str, Any], Rows, Sequence[NDArray[Any]]]] = {
    "nv12": ("H264", NV12, {}, nv12(0), SMALL),
    "p010": (
        "HEVC", P010, {"codec__outputBitDepth": 10, "codec__inputBitDepth": 10},
        rows(top_bits(luma(0)), top_bits(packed(*SMALL))), SMALL,
    ),
    "nv12 in 10 bits": ("HEVC", NV12, {"codec__outputBitDepth": 10}, nv12(0), SMALL),
    "10 bits of H.264": (
        "H264", P010, {"codec__outputBitDepth": 10, "codec__inputBitDepth": 10},
        rows(top_bits(luma(0)), top_bits(packed(*SMALL))), SMALL,
    ),
    "yuv444": ("H264", YUV444, {"codec__chromaFormatIDC": 3}, rows(luma(0), *FULL), FULL),
    "yuv444 of 10 bits": (
        "HEVC", YUV444_10,
        {"codec__chromaFormatIDC": 3, "codec__outputBitDepth": 10, "codec__inputBitDepth": 10},
        rows(*(top_bits(each) for each in (luma(0), *FULL))), FULL,
    ),
    "nv16": ("HEVC", NV16, {"codec__chromaFormatIDC": 2}, rows(luma(0), packed(*TALL)), TALL),
    "p210": (
        "H264", P210,
        {"codec__chromaFormatIDC": 2, "codec__outputBitDepth": 10, "codec__inputBitDepth": 10},
        rows(top_bits(luma(0)), top_bits(packed(*TALL))), TALL,
    ),
    "ayuv": (
        "H264", AYUV, {"codec__chromaFormatIDC": 3},
        rows(np.stack([FULL[1], FULL[0], luma(0), luma(0)], axis=-1)), FULL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_pixels(name: str, context: int, encode_folder: Path) -> None:
    codec, pixels, changes, given, expected = FORMATS[name]
    with session(Api(encode_folder), context, codec) as client:
        client.input_format = pixels
        client.begin(**changes)
        client.encode(given)
        (packet,) = client.end()
    (frame,) = decoded(codec, packet.data)
    scale = 4 if "10" in frame.format.name else 1
    for index, samples in enumerate((luma(0), *expected)):
        assert psnr(plane(frame, index) / scale, samples) > 40, index


@pytest.mark.parametrize(("pixels", "swapped"), [(IYUV, False), (YV12, True)])
def test_planes_of_half_the_pitch(
    pixels: int, swapped: bool, context: int, encode_folder: Path
) -> None:
    with session(Api(encode_folder), context) as client:
        client.input_format = pixels
        client.begin()
        lock = client.api.struct("NV_ENC_LOCK_INPUT_BUFFER", inputBuffer=client.inputs[0])
        client.do("nvEncLockInputBuffer", lock)
        place, pitch = lock["bufferDataPtr"], lock["pitch"]
        planes = [SMALL[1], SMALL[0]] if swapped else SMALL
        for number, row in enumerate(luma(0)):
            c.memmove(place + number * pitch, row.tobytes(), WIDTH)
        for number, row in enumerate(np.vstack(planes)):
            at = place + HEIGHT * pitch + number * (pitch // 2)
            c.memmove(at, row.tobytes(), WIDTH // 2)
        client.do("nvEncUnlockInputBuffer", c.c_void_p(client.inputs[0]))
        client.submit(client.inputs[0])
        (packet,) = client.end()
    (frame,) = decoded("h264", packet.data)
    for index, samples in enumerate((luma(0), *SMALL)):
        assert psnr(plane(frame, index), samples) > 40, index


# Red, green and blue in BT.601 of limited range.
BARS = {"red": (81, 90, 240), "green": (145, 54, 34), "blue": (41, 240, 110)}


@pytest.mark.parametrize(("pixels", "order"), [(ARGB, (2, 1, 0)), (ABGR, (0, 1, 2))])
@pytest.mark.parametrize("sampled", [1, 3])
def test_bytes_of_colours(
    pixels: int, order: tuple[int, ...], sampled: int, context: int, encode_folder: Path
) -> None:
    picture = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    for bar in range(3):
        colours = [255 if each == bar else 0 for each in range(3)]
        part = picture[:, bar * 96 : bar * 96 + 96]
        part[..., :3] = [colours[index] for index in order]
    with session(Api(encode_folder), context) as client:
        client.input_format = pixels
        client.begin(codec__chromaFormatIDC=sampled)
        client.encode(rows(picture))
        (packet,) = client.end()
    (frame,) = decoded("h264", packet.data)
    for bar, wanted in enumerate(BARS.values()):
        for index, value in enumerate(wanted):
            scale = 2 if index and sampled == 1 else 1
            found = plane(frame, index)[60 // scale, (bar * 96 + 48) // scale]
            assert abs(int(found) - value) <= 3, (bar, index)


# Headers -----------------------------------------------------------------------------------------


def test_sets_come_first_and_when_they_are_asked_for(context: int, encode_folder: Path) -> None:
    def coded(**changes: Any) -> list[list[int]]:
        with session(Api(encode_folder), context) as client:
            client.begin(**changes)
            for flags in (0, 0, FORCE_IDR, OUTPUT_SETS, FORCE_INTRA):
                client.encode(nv12(0), flags)
            taken = client.end()
            assert [packet.type for packet in taken] == [IDR, P, IDR, P, INTRA]
            assert client.sets()
        return [units(packet.data) for packet in taken]

    assert coded() == [[7, 8, 5], [1], [5], [7, 8, 1], [1]]
    assert coded(codec__repeatSPSPPS=1) == [[7, 8, 5], [1], [7, 8, 5], [7, 8, 1], [1]]
    assert coded(codec__disableSPSPPS=1) == [[5], [1], [5], [1], [1]]
    assert coded(codec__outputAUD=1)[:2] == [[9, 7, 8, 5], [9, 1]]


def test_units_of_hevc(context: int, encode_folder: Path) -> None:
    with session(Api(encode_folder), context, "HEVC") as client:
        client.begin(codec__outputAUD=1, codec__repeatSPSPPS=1)
        client.encode(nv12(0))
        client.encode(nv12(1))
        taken = client.end()
    assert [units(packet.data, "HEVC") for packet in taken] == [[35, 32, 33, 34, 20], [35, 1]]


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_messages_go_with_their_picture(codec: str, context: int, encode_folder: Path) -> None:
    payload = bytes(range(16)) + b"\0\0\0\1 closed captions, say" + bytes(300)
    with session(Api(encode_folder), context, codec) as client:
        client.begin(tuning=1)
        room = c.create_string_buffer(payload, len(payload))
        message = client.api.struct(
            "NV_ENC_SEI_PAYLOAD", payloadSize=len(payload), payloadType=5,
            payload=c.addressof(room),
        )  # fmt: skip
        part = f"codecPicParams__{codec.lower()}PicParams__"
        for number in range(4):
            changes: dict[str, Any] = {}
            if number == 1:
                changes = {part + "seiPayloadArrayCnt": 1, part + "seiPayloadArray": message}
            client.encode(nv12(number), **changes)
        taken = client.end()
    kind = 6 if codec == "H264" else 39
    with_message = [packet for packet in taken if kind in units(packet.data, codec)]
    assert [packet.timestamp for packet in with_message] == [1001]
    assert payload[16:] in with_message[0].data.replace(b"\0\0\3", b"\0\0")
    assert worst(decoded(codec, b"".join(packet.data for packet in taken)), range(4)) > 40


def test_mastering_display_and_light_level(context: int, encode_folder: Path) -> None:
    """Structures of API 13.0."""
    with session(Api(encode_folder), context, "HEVC") as client:
        client.begin(codec__outputMasteringDisplay=1, codec__outputMaxCll=1)
        points = (8500, 39850, 6550, 2300, 35400, 14600, 15635, 16450)
        display = client.api.struct(
            "MASTERING_DISPLAY_INFO", g=words(*points[:2]), b=words(*points[2:4]),
            r=words(*points[4:6]), whitePoint=words(*points[6:]), maxLuma=10000000, minLuma=1,
        )  # fmt: skip
        light = client.api.struct(
            "CONTENT_LIGHT_LEVEL", maxContentLightLevel=1000, maxPicAverageLightLevel=400
        )
        part = "codecPicParams__hevcPicParams__"
        client.encode(nv12(0), **{part + "pMasteringDisplay": display, part + "pMaxCll": light})
        (packet,) = client.end()
    (frame,) = decoded("hevc", packet.data)
    found = {str(each.type).split(".")[-1]: bytes(each) for each in frame.side_data}
    assert int.from_bytes(found["CONTENT_LIGHT_LEVEL"][:4], "little") == 1000
    assert "MASTERING_DISPLAY_METADATA" in found


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "little") for value in values)


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
@pytest.mark.parametrize("full", [0, 1])
def test_colour_and_aspect_ratio(codec: str, full: int, context: int, encode_folder: Path) -> None:
    vui = f"codec__{codec.lower()}VUIParameters__"
    with session(Api(encode_folder), context, codec) as client:
        client.begin(**{
            "darWidth": 16, "darHeight": 9, vui + "videoSignalTypePresentFlag": 1,
            vui + "videoFullRangeFlag": full, vui + "colourDescriptionPresentFlag": 1,
            vui + "colourPrimaries": 9, vui + "transferCharacteristics": 16,
            vui + "colourMatrix": 9,
        })  # fmt: skip
        client.encode(nv12(0))
        (packet,) = client.end()
    (frame,) = decoded(codec, packet.data)
    assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (9, 16, 9)
    assert frame.color_range == 1 + full
    import av

    assert isinstance(frame, av.VideoFrame)
    parsed = av.CodecContext.create(codec.lower(), "r")
    assert isinstance(parsed, av.VideoCodecContext)
    for one in (*parsed.parse(packet.data), *parsed.parse(b""), None):
        parsed.decode(one)
    assert parsed.sample_aspect_ratio == 4 / 3 or str(parsed.sample_aspect_ratio) == "4/3"


PROFILES = {
    ("H264", "H264_PROFILE_BASELINE"): 66, ("H264", "H264_PROFILE_MAIN"): 77,
    ("H264", "H264_PROFILE_HIGH"): 100, ("HEVC", "HEVC_PROFILE_MAIN"): 1,
}  # fmt: skip


@pytest.mark.parametrize(("codec", "profile"), PROFILES)
def test_profiles_and_levels(codec: str, profile: str, context: int, encode_folder: Path) -> None:
    api = Api(encode_folder)
    level = 41 if codec == "H264" else 123
    with session(api, context, codec) as client:
        client.begin(profileGUID=bytes(api.guid(profile)), codec__level=level)
        sets = client.sets()
        client.encode(nv12(0))
        (packet,) = client.end()
    assert len(decoded(codec, packet.data)) == 1
    if codec == "H264":
        at = sets.index(b"\0\0\1\x67") + 4
        assert (sets[at], sets[at + 2]) == (PROFILES[codec, profile], level)
    else:
        at = sets.index(b"\0\0\1\x42\x01") + 6
        assert sets[at] & 31 == PROFILES[codec, profile]


def test_what_a_profile_has_not(context: int, encode_folder: Path) -> None:
    api = Api(encode_folder)
    wrong: list[tuple[str, str, dict[str, Any]]] = [
        ("H264", "H264_PROFILE_BASELINE", {"frameIntervalP": 3, "gopLength": 30}),
        ("H264", "H264_PROFILE_HIGH", {"codec__chromaFormatIDC": 3}),
        ("HEVC", "HEVC_PROFILE_MAIN", {"codec__outputBitDepth": 10}),
    ]
    for codec, profile, changes in wrong:
        with session(api, context, codec) as client:
            changes = {"profileGUID": bytes(api.guid(profile)), **changes}
            assert client.initialise(**changes) == INVALID_PARAM
