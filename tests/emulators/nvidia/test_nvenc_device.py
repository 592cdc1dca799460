"""Versions, what the card can do, how many sessions it has, and calls that fail by plan."""

from __future__ import annotations

import ctypes as c
import json
import threading
import time
from pathlib import Path

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import Cuda
from tests.emulators.nvidia.nvenc_client import (
    BUSY,
    DEVICE_GONE,
    HIGH_QUALITY,
    INFINITE,
    INVALID_DEVICE,
    INVALID_PARAM,
    INVALID_POINTER,
    INVALID_VERSION,
    LOCK_BUSY,
    LOSSLESS,
    LOW_LATENCY,
    NEED_MORE_INPUT,
    OUT_OF_MEMORY,
    SUCCESS,
    UNSUPPORTED_DEVICE,
    UNSUPPORTED_PARAM,
    Api,
    Client,
    Guid,
    facts,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import decoded, nv12, worst
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


# Calls that fail ---------------------------------------------------------------------------------


def scenario(client: Client) -> list[int]:
    """Statuses of the calls that code three pictures from host memory."""
    return [client.encode(nv12(number)) for number in range(3)]


def test_calls_are_counted_by_the_names_of_the_list(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.forget()
    with session(Api(encode_folder), context) as client:
        scenario(client.begin())
    calls = [name for name in emulator.log() if name.startswith(("nvEnc", "NvEnc"))]
    assert calls[:3] == [
        "NvEncodeAPICreateInstance", "nvEncOpenEncodeSessionEx", "nvEncGetEncodePresetConfigEx",
    ]  # fmt: skip
    assert calls.count("nvEncEncodePicture") == 4
    assert calls.count("nvEncLockBitstream") == calls.count("nvEncUnlockBitstream") == 3
    assert calls[-1] == "nvEncDestroyEncoder"


def test_a_busy_encoder_has_taken_nothing(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.fault("nvEncEncodePicture", "fail", BUSY, first=2)
    with session(Api(encode_folder), context) as client:
        client.begin()
        assert scenario(client) == [SUCCESS, BUSY, SUCCESS]
        assert [packet.timestamp for packet in client.taken] == [1000, 1001]
        assert emulator.hits() == [1]


def test_what_fails_to_be_given_back_is_given_back(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    with session(Api(encode_folder), context) as client:
        scenario(client.begin())
        client.end()
        emulator.fault("nvEncDestroyBitstreamBuffer", "fail", OUT_OF_MEMORY, count=0)
        for output in client.outputs:
            status = client.call("nvEncDestroyBitstreamBuffer", c.c_void_p(output))
            assert status == OUT_OF_MEMORY
        assert "bitstream buffer" not in emulator.open()
        client.outputs = []
    assert "encode session" not in emulator.open()


def test_a_lock_that_stalls_holds_no_other_call_up(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    with session(Api(encode_folder), context) as client:
        client.begin()
        emulator.fault("nvEncLockBitstream", "stall", 0)
        client.write(client.inputs[0], nv12(0))
        client.do("nvEncEncodePicture", client.picture(client.inputs[0], client.outputs[0]))
        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(client.lock(client.outputs[0])[0]))
        thread.start()
        while not emulator.stalled():
            time.sleep(0.001)
        client.write(client.inputs[1], nv12(1))
        client.do("nvEncEncodePicture", client.picture(client.inputs[1], client.outputs[1]))
        assert statuses == []
        emulator.clear_faults()
        thread.join()
        assert statuses == [SUCCESS]
        client.do("nvEncUnlockBitstream", c.c_void_p(client.outputs[0]))


def test_a_lock_that_does_not_wait_is_busy_first(
    context: int, encode_folder: Path, emulator: Emulator
) -> None:
    emulator.streams("late")
    with session(Api(encode_folder), context) as client:
        client.begin()
        client.write(client.inputs[0], nv12(0))
        client.do("nvEncEncodePicture", client.picture(client.inputs[0], client.outputs[0]))
        statuses = [client.lock(client.outputs[0], doNotWait=1)[0] for _ in range(3)]
        assert statuses == [LOCK_BUSY, LOCK_BUSY, SUCCESS]
        client.do("nvEncUnlockBitstream", c.c_void_p(client.outputs[0]))


def test_a_device_that_is_lost_leaves_a_session_to_close(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    with session(Api(encode_folder), context) as client:
        client.begin()
        client.encode(nv12(0))
        emulator.fault("nvEncEncodePicture", "sticky", 700)
        client.write(client.inputs[1], nv12(1))
        assert client.submit(client.inputs[1]) == DEVICE_GONE
        assert client.lock(client.outputs[1])[0] == DEVICE_GONE
        assert client.call("nvEncDestroyInputBuffer", c.c_void_p(client.inputs.pop(0))) == (
            DEVICE_GONE
        )
        emulator.clear_faults()


def test_a_context_that_ends_takes_its_sessions(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    cuda, api = Cuda(encode_folder), Api(encode_folder)
    own = cuda.made("cuCtxCreate_v2", 0, 0)
    client = Client(api, own).begin()
    client.encode(nv12(0))
    cuda.do("cuCtxDestroy_v2", c.c_void_p(own))
    status = client.call("nvEncEncodePicture", client.picture(client.inputs[1], client.outputs[1]))
    assert status == DEVICE_GONE
    client.close()


def test_one_thread_at_a_time_but_for_bitstreams(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.encoding(NVENC_PICTURE_US=100000, NVENC_RAW=1)
    with session(Api(encode_folder), context) as client:
        client.begin()
        for number in range(2):
            given = client.picture(client.inputs[number], client.outputs[number])
            client.do("nvEncEncodePicture", given)
            client.pending.append(client.outputs[number])
        reaper = threading.Thread(target=client.drain)
        reaper.start()
        client.do("nvEncGetEncodeGUIDCount", c.byref(c.c_uint32()))
        reaper.join()
        assert emulator.misuses() == []
        given = client.picture(client.inputs[2], client.outputs[2])
        client.do("nvEncEncodePicture", given)
        client.pending.append(client.outputs[2])
        lock = client.api.struct("NV_ENC_LOCK_INPUT_BUFFER", inputBuffer=client.inputs[2])
        submitter = threading.Thread(target=lambda: client.do("nvEncLockInputBuffer", lock))
        submitter.start()
        while "nvEncLockInputBuffer" not in emulator.log():
            time.sleep(0.001)
        client.do("nvEncGetEncodeGUIDCount", c.byref(c.c_uint32()))
        submitter.join()
        assert "another thread is inside" in emulator.misuses()[0]
        client.do("nvEncUnlockInputBuffer", c.c_void_p(client.inputs[2]))


def test_the_engine_takes_its_time(context: int, emulator: Emulator, encode_folder: Path) -> None:
    """Pictures of all sessions come one after the other, and submitting them takes no time."""
    emulator.encoding(NVENC_PICTURE_US=20000, NVENC_RAW=1)
    api = Api(encode_folder)
    with session(api, context) as first, session(api, context) as second:
        both = [first.begin(), second.begin()]
        begun = time.monotonic()
        for number in range(3):
            for client in both:
                given = client.picture(client.inputs[number], client.outputs[number])
                client.do("nvEncEncodePicture", given)
                client.pending.append(client.outputs[number])
        assert first.lock(first.outputs[2], doNotWait=1)[0] == LOCK_BUSY
        emulator.misuses()  # in another order
        first.drain()
        assert time.monotonic() - begun >= 0.1
        second.drain()
        assert time.monotonic() - begun >= 0.12


# How it holds pictures back ------------------------------------------------------------------


def coded(client: Client, count: int) -> list[int]:
    for number in range(count):
        client.encode(nv12(number))
    packets = client.end()
    frames = decoded("h264", b"".join(packet.data for packet in packets))
    assert worst(frames, range(count)) > 40
    return client.statuses


def test_success_may_come_later_than_it_could(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.streams("seed:4")
    emulator.encoding(NVENC_DEFERS=1)
    with session(Api(encode_folder), context) as client:
        changes = {"gopLength": 3, "frameIntervalP": 2, "codec__idrPeriod": 3}
        statuses = coded(client.begin(tuning=HIGH_QUALITY, **changes), 18)
    usual = [SUCCESS, NEED_MORE_INPUT, SUCCESS] * 6
    later = [number for number in range(18) if statuses[number] != usual[number]]
    assert later
    assert {statuses[number] for number in later} == {NEED_MORE_INPUT}


def test_a_lookahead_that_lags(context: int, emulator: Emulator, encode_folder: Path) -> None:
    """Success says that a packet is there, not that all are: a lock waits for more input."""
    emulator.encoding(NVENC_LOOKAHEAD="lag")
    ahead = {"rcParams__enableLookahead": 1, "rcParams__lookaheadDepth": 3}
    with session(Api(encode_folder), context) as client:
        client.begin(**ahead)
        client.drain = lambda: None  # type: ignore[method-assign]
        for number in range(4):
            client.encode(nv12(number))
        assert client.statuses == [NEED_MORE_INPUT] * 3 + [SUCCESS]
        assert client.reap().timestamp == 1000
        assert client.lock(client.pending[0])[0] == INVALID_PARAM
        assert "its own thread" in emulator.misuses()[0]
        locked: list[int] = []
        waiting = threading.Thread(target=lambda: locked.append(client.reap().timestamp))
        waiting.start()
        client.encode(nv12(4))
        waiting.join()
        assert locked == [1001]
        del client.drain
