"""Versions, what the card can do, and how many sessions it has."""

from __future__ import annotations

import ctypes as c
import json
from pathlib import Path

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.nvenc_client import (
    HIGH_QUALITY,
    INFINITE,
    INVALID_DEVICE,
    INVALID_PARAM,
    INVALID_POINTER,
    INVALID_VERSION,
    LOSSLESS,
    LOW_LATENCY,
    SUCCESS,
    UNSUPPORTED_DEVICE,
    UNSUPPORTED_PARAM,
    Api,
    Client,
    Guid,
    facts,
    session,
)
from tests.hardware import nvenc

RECORDED = Path(__file__).parents[1] / "traces" / "h100-580" / "nvenc.json"
LISTS = {"11.1": 0x7102000B, "12.1": 0x7102000C, "12.2": 0x7202000C, "13.0": 0x7002000D}


def fills(folder: Path, word: int) -> int:
    """What creating an instance with this version word is answered."""
    library = c.CDLL(str(folder / "libnvidia-encode.so.1"))
    room = c.create_string_buffer(word.to_bytes(4, "little"), 2552)
    status = int(library.NvEncodeAPICreateInstance(room))
    assert (status == SUCCESS) == any(room[8:2552])
    return status


@pytest.mark.parametrize(
    ("newest", "word", "filled"),
    [
        ("13.0", 13 << 4, ["11.1", "12.1", "12.2", "13.0"]),
        ("12.1", 12 << 4 | 1, ["11.1", "12.1"]),
    ],
)
def test_versions(
    newest: str, word: int, filled: list[str], context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.encoding(NVENC_VERSION=newest)
    library, version = c.CDLL(str(encode_folder / "libnvidia-encode.so.1")), c.c_uint32()
    assert library.NvEncodeAPIGetMaxSupportedVersion(c.byref(version)) == SUCCESS
    assert version.value == word
    assert library.NvEncodeAPIGetMaxSupportedVersion(None) == INVALID_POINTER
    assert library.NvEncodeAPICreateInstance(None) == INVALID_POINTER
    answers = {name: fills(encode_folder, each) for name, each in LISTS.items()}
    assert {name for name, status in answers.items() if status == SUCCESS} == {*filled}
    assert fills(encode_folder, 0) == fills(encode_folder, 0x7001000D) == INVALID_VERSION


def test_a_session_says_its_version(context: int, encode_folder: Path) -> None:
    api = Api(encode_folder, "13.0")
    assert api.open(context, apiVersion=12 | 1 << 24)[0] == INVALID_VERSION
    assert api.open(context, version=0x7101000B)[0] == INVALID_VERSION
    assert api.open(0)[0] == INVALID_DEVICE
    assert api.open(0x1234)[0] == INVALID_DEVICE
    assert api.open(context, deviceType=2)[0] == INVALID_PARAM


def test_a_card_without_an_encoder(
    context: int, emulator: Emulator, encode_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers as the H100 did that was asked."""
    emulator.encoding(NVENC="h100")
    status, handle = Api(encode_folder).open(context)
    assert (status, handle.value) == (UNSUPPORTED_DEVICE, None)
    monkeypatch.setenv("VIDEOHW_LIBNVIDIA_ENCODE", str(encode_folder / "libnvidia-encode.so.1"))
    assert nvenc.answers(context) == json.loads(RECORDED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("code", [10, 21])
def test_a_limit_of_sessions(
    code: int, context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.encoding(NVENC_SESSIONS=2, NVENC_LIMIT_CODE=code)
    api = Api(encode_folder)
    first, second = Client(api, context), Client(api, context)
    assert api.open(context)[0] == code
    first.close()
    Client(api, context).close()
    second.close()


def guids(client: Client, count: str, fill: str, *of: Guid) -> list[bytes]:
    """All that a pair of calls lists."""
    number = c.c_uint32()
    client.do(count, *of, c.byref(number))
    found = (Guid * number.value)()
    client.do(fill, *of, found, number, c.byref(number))
    return [bytes(each) for each in found]


@pytest.mark.parametrize("version", ["13.0", "12.1"])
def test_what_is_listed(version: str, context: int, encode_folder: Path) -> None:
    api = Api(encode_folder, version)
    with session(api, context) as client:
        codecs = guids(client, "nvEncGetEncodeGUIDCount", "nvEncGetEncodeGUIDs")
        assert codecs == [bytes(api.guid(f"CODEC_{name}")) for name in ("H264", "HEVC", "AV1")]
        h264 = api.guid("CODEC_H264")
        profiles = guids(
            client, "nvEncGetEncodeProfileGUIDCount", "nvEncGetEncodeProfileGUIDs", h264
        )
        assert bytes(api.guid("H264_PROFILE_HIGH")) in profiles
        newer = facts()["13.0"]["guids"]["NV_ENC_H264_PROFILE_HIGH_422_GUID"]
        assert (bytes.fromhex(newer) in profiles) == (version == "13.0")
        presets = guids(client, "nvEncGetEncodePresetCount", "nvEncGetEncodePresetGUIDs", h264)
        assert presets == [bytes(api.guid(f"PRESET_P{number}")) for number in range(1, 8)]
        number, formats = c.c_uint32(), (c.c_uint32 * 32)()
        client.do("nvEncGetInputFormatCount", h264, c.byref(number))
        client.do("nvEncGetInputFormats", h264, formats, 32, c.byref(number))
        assert 0x1 in formats[: number.value]
        nothing = client.call("nvEncGetEncodePresetCount", api.guid("PRESET_P1"), c.byref(number))
        assert nothing == UNSUPPORTED_PARAM


def cap(client: Client, codec: str, name: str) -> tuple[int, int]:
    asked, value = client.api.struct("NV_ENC_CAPS_PARAM"), c.c_int(-1)
    asked["capsToQuery"] = client.api.value(f"NV_ENC_CAPS_{name}")
    guid = client.api.guid(f"CODEC_{codec}")
    return client.call("nvEncGetEncodeCaps", guid, asked, c.byref(value)), value.value


@pytest.mark.parametrize("version", ["13.0", "12.1"])
def test_every_cap_has_an_answer(version: str, context: int, encode_folder: Path) -> None:
    names = [
        name.removeprefix("NV_ENC_CAPS_") for name in facts()[version]["values"]
        if name.startswith("NV_ENC_CAPS_") and not name.endswith("EXPOSED_COUNT")
    ]  # fmt: skip
    with session(Api(encode_folder, version), context) as client:
        for codec in ("H264", "HEVC", "AV1"):
            for name in names:
                status, value = cap(client, codec, name)
                assert (status, value >= 0) == (SUCCESS, True), name
        assert cap(client, "H264", "NUM_MAX_BFRAMES") == (SUCCESS, 4)
        assert cap(client, "H264", "SUPPORT_10BIT_ENCODE") == (SUCCESS, int(version == "13.0"))
        client.api.facts["values"]["NV_ENC_CAPS_NONE"] = 999
        assert cap(client, "H264", "NONE")[0] == INVALID_PARAM


@pytest.mark.parametrize(("codec", "first"), [("H264", 3), ("HEVC", 2)])
def test_presets_with_b_pictures(codec: str, first: int, context: int, encode_folder: Path) -> None:
    with session(Api(encode_folder), context, codec) as client:
        for number in range(1, 8):
            for tuning in (HIGH_QUALITY, LOW_LATENCY, LOSSLESS):
                _, config = client.parameters(f"P{number}", tuning)
                has_b = tuning != LOW_LATENCY and number >= first
                assert (config["frameIntervalP"] > 1) == has_b
                assert (config["gopLength"] == INFINITE) == (tuning == LOW_LATENCY)
