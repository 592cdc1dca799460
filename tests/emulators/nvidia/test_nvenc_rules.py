"""The emulated encoder refuses what its documents forbid, and writes it down as a misuse."""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import in_a_thread
from tests.emulators.nvidia.nvenc_client import (
    FORCE_IDR,
    HIGH_QUALITY,
    INVALID_CALL,
    INVALID_ENCODER,
    INVALID_PARAM,
    INVALID_POINTER,
    INVALID_VERSION,
    NEED_MORE_INPUT,
    NOT_ENOUGH_BUFFER,
    NOT_INITIALISED,
    SUCCESS,
    Api,
    Client,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import nv12

VERSIONS = ["13.0", "12.1"]


@pytest.fixture(params=VERSIONS)
def api(request: pytest.FixtureRequest, encode_folder: Path, context: int) -> Api:
    return Api(encode_folder, request.param)


@pytest.fixture
def client(api: Api, context: int) -> Iterator[Client]:
    """One in, one out, with four buffers."""
    with session(api, context) as made:
        yield made.begin()


def broken(emulator: Emulator, *texts: str) -> None:
    """Exactly these rules were broken since the last time."""
    found = emulator.misuses()
    assert len(found) == len(texts), found
    for one, text in zip(found, texts, strict=True):
        assert text in one


STRUCTURES = {
    "nvEncInitializeEncoder": "NV_ENC_INITIALIZE_PARAMS",
    "nvEncReconfigureEncoder": "NV_ENC_RECONFIGURE_PARAMS",
    "nvEncCreateInputBuffer": "NV_ENC_CREATE_INPUT_BUFFER",
    "nvEncCreateBitstreamBuffer": "NV_ENC_CREATE_BITSTREAM_BUFFER",
    "nvEncEncodePicture": "NV_ENC_PIC_PARAMS",
    "nvEncLockBitstream": "NV_ENC_LOCK_BITSTREAM",
    "nvEncLockInputBuffer": "NV_ENC_LOCK_INPUT_BUFFER",
    "nvEncMapInputResource": "NV_ENC_MAP_INPUT_RESOURCE",
    "nvEncRegisterResource": "NV_ENC_REGISTER_RESOURCE",
    "nvEncGetSequenceParams": "NV_ENC_SEQUENCE_PARAM_PAYLOAD",
}


@pytest.mark.parametrize("call", STRUCTURES)
def test_a_structure_of_another_version(client: Client, call: str) -> None:
    given = client.api.struct(STRUCTURES[call])
    for change in (1 << 16, 1, 1 << 31):
        wrong = client.api.struct(STRUCTURES[call], version=given["version"] ^ change)
        assert client.call(call, wrong) == INVALID_VERSION
    assert client.call(call, None) == INVALID_POINTER


@pytest.mark.parametrize("part", ["presetCfg.version", "version"])
def test_a_preset_of_another_version(client: Client, part: str) -> None:
    api = client.api
    given = api.struct("NV_ENC_PRESET_CONFIG")
    given["presetCfg.version"] = api.facts["versions"]["NV_ENC_CONFIG_VER"]
    given[part] = given[part] + (1 << 16)
    codec, preset = api.guid("CODEC_H264"), api.guid("PRESET_P1")
    status = client.call("nvEncGetEncodePresetConfigEx", codec, preset, HIGH_QUALITY, given)
    assert status == INVALID_VERSION


def test_a_configuration_of_another_version(api: Api, context: int) -> None:
    with session(api, context) as client:
        for name in ("version", "rcParams__version"):
            given, config = client.parameters()
            config[name.replace("__", ".")] = config[name.replace("__", ".")] + (1 << 16)
            assert client.call("nvEncInitializeEncoder", given) == INVALID_VERSION


RESERVED = [
    ("nvEncCreateInputBuffer", "NV_ENC_CREATE_INPUT_BUFFER", "reserved1"),
    ("nvEncCreateBitstreamBuffer", "NV_ENC_CREATE_BITSTREAM_BUFFER", "reserved2"),
    ("nvEncEncodePicture", "NV_ENC_PIC_PARAMS", "reserved3"),
    ("nvEncLockBitstream", "NV_ENC_LOCK_BITSTREAM", "reserved2"),
    ("nvEncLockInputBuffer", "NV_ENC_LOCK_INPUT_BUFFER", "reserved1"),
    ("nvEncMapInputResource", "NV_ENC_MAP_INPUT_RESOURCE", "reserved2"),
    ("nvEncRegisterResource", "NV_ENC_REGISTER_RESOURCE", "reserved1"),
    ("nvEncGetSequenceParams", "NV_ENC_SEQUENCE_PARAM_PAYLOAD", "reserved"),
]


@pytest.mark.parametrize(("call", "structure", "field"), RESERVED)
def test_what_is_reserved_is_zero(
    client: Client, emulator: Emulator, call: str, structure: str, field: str
) -> None:
    given = client.api.struct(structure)
    given[field] = 1 << 40  # within, not at the beginning
    assert client.call(call, given) == INVALID_PARAM
    broken(emulator, "reserved")


def test_reserved_fields_of_a_configuration(api: Api, context: int, emulator: Emulator) -> None:
    with session(api, context) as client:
        for change in (
            {"reserved2": 1},
            {"codec__reserved2": 1},
            {"reservedBitFields": 1},
            {"rcParams__reservedBitFields": 1},
            {"codec__reservedBitFields": 1},
        ):
            assert client.initialise(**change) == INVALID_PARAM
            broken(emulator, "reserved")


def test_reserved_fields_of_a_picture(client: Client, emulator: Emulator) -> None:
    client.write(client.inputs[0], nv12(0))
    for part in ("reservedBitFields", "reserved2"):
        changes = {f"codecPicParams__h264PicParams__{part}": 1}
        given = client.picture(client.inputs[0], client.outputs[0], **changes)
        assert client.call("nvEncEncodePicture", given) == INVALID_PARAM
        broken(emulator, "reserved")


def test_nothing_before_it_is_initialised(api: Api, context: int) -> None:
    with session(api, context) as client:
        for call, structure in STRUCTURES.items():
            if call != "nvEncInitializeEncoder":
                assert client.call(call, api.struct(structure)) == NOT_INITIALISED
        client.begin()
        assert client.call("nvEncInitializeEncoder", client.given) == INVALID_CALL


def test_a_session_that_is_not_open(api: Api, context: int, emulator: Emulator) -> None:
    with session(api, context) as client:
        client.begin()
        handle = client.session
    assert api.call("nvEncDestroyEncoder", handle) == INVALID_ENCODER
    broken(emulator, "not open")
    assert api.call("nvEncEncodePicture", handle, None) == INVALID_ENCODER
    broken(emulator, "not open")


def test_input_buffers_are_written_while_they_are_locked(
    client: Client, emulator: Emulator
) -> None:
    buffer, output = client.inputs[0], client.outputs[0]
    lock = client.api.struct("NV_ENC_LOCK_INPUT_BUFFER", inputBuffer=buffer)
    client.do("nvEncLockInputBuffer", lock)
    assert client.call("nvEncLockInputBuffer", lock) == INVALID_PARAM
    broken(emulator, "is locked")
    assert client.call("nvEncEncodePicture", client.picture(buffer, output)) == INVALID_PARAM
    broken(emulator, "is locked")
    place, size = lock["bufferDataPtr"], lock["pitch"] * 360
    assert (touches(place), touches(place + size - 1)) == (True, True)
    assert (touches(place - 1), touches(place + (size + 4095) // 4096 * 4096)) == (False, False)
    client.do("nvEncUnlockInputBuffer", c.c_void_p(buffer))
    assert not touches(place)
    assert client.call("nvEncUnlockInputBuffer", c.c_void_p(buffer)) == INVALID_PARAM
    broken(emulator, "not locked")


def touches(address: int) -> bool:
    """Whether this process may read there."""
    reading, writing = os.pipe()
    try:
        return int(c.CDLL(None).write(writing, c.c_void_p(address), c.c_size_t(1))) == 1
    finally:
        os.close(reading)
        os.close(writing)


def test_a_locked_buffer_goes_to_no_picture(client: Client, emulator: Emulator) -> None:
    client.write(client.inputs[0], nv12(0))
    output = client.outputs[0]
    client.do("nvEncEncodePicture", client.picture(client.inputs[0], output))
    again = client.picture(client.inputs[1], output)
    assert client.call("nvEncEncodePicture", again) == INVALID_PARAM
    broken(emulator, "more pictures than buffers")
    status, lock = client.lock(output)
    assert (status, lock["outputTimeStamp"]) == (SUCCESS, 1000)
    assert client.call("nvEncEncodePicture", again) == INVALID_PARAM
    broken(emulator, "is locked")
    assert client.lock(output)[0] == INVALID_PARAM
    broken(emulator, "is locked")
    client.do("nvEncUnlockBitstream", c.c_void_p(output))
    assert client.call("nvEncUnlockBitstream", c.c_void_p(output)) == INVALID_PARAM
    broken(emulator, "not locked")
    assert client.lock(output)[0] == INVALID_PARAM
    broken(emulator, "was not given")
    assert client.lock(1234)[0] == INVALID_PARAM
    broken(emulator, "not open")


def test_outputs_are_locked_in_order(client: Client, emulator: Emulator) -> None:
    for number in range(2):
        client.write(client.inputs[number], nv12(number))
        picture = client.picture(client.inputs[number], client.outputs[number])
        client.do("nvEncEncodePicture", picture)
    for output in reversed(client.outputs[:2]):
        assert client.lock(output)[0] == SUCCESS
    broken(emulator, "in another order")
    for output in client.outputs[:2]:
        client.do("nvEncUnlockBitstream", c.c_void_p(output))


def test_no_lock_after_more_input_was_asked_for(api: Api, context: int, emulator: Emulator) -> None:
    with session(api, context) as client:
        client.begin(tuning=HIGH_QUALITY)
        client.encode(nv12(0))
        assert client.encode(nv12(1)) == NEED_MORE_INPUT
        assert client.lock(client.pending[0])[0] == INVALID_PARAM
        broken(emulator, "NEED_MORE_INPUT")


def test_four_buffers_more_than_b_pictures(api: Api, context: int, emulator: Emulator) -> None:
    with session(api, context, outputs=3) as client:
        client.begin()
        client.encode(nv12(0))
        broken(emulator, "3 bitstream buffers")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"bufferFmt": 0x10}, "another format"),
    ({"inputWidth": 160}, "160x240"),
    ({"inputBuffer": 99}, "neither a buffer nor mapped"),
    ({"outputBitstream": 99}, "not open"),
]


@pytest.mark.parametrize(("changes", "text"), WRONG)
def test_a_picture_that_does_not_fit(
    client: Client, emulator: Emulator, changes: dict[str, Any], text: str
) -> None:
    client.write(client.inputs[0], nv12(0))
    given = client.picture(client.inputs[0], client.outputs[0], **changes)
    assert client.call("nvEncEncodePicture", given) == INVALID_PARAM
    broken(emulator, text)


def test_a_session_is_flushed_and_emptied_first(api: Api, context: int, emulator: Emulator) -> None:
    client = Client(api, context).begin()
    client.encode(nv12(0))
    assert client.call("nvEncDestroyEncoder") == SUCCESS
    found = emulator.misuses()
    assert "not flushed" in found[0]
    assert sum("bitstream buffer that was not" in text for text in found) == 4
    assert sum("input buffer that was not" in text for text in found) == 4


def test_parameter_sets_are_of_the_thread_that_encodes(client: Client, emulator: Emulator) -> None:
    client.encode(nv12(0))
    sets = client.sets()
    assert sets in client.taken[0].data
    assert in_a_thread(client.sets) == sets
    broken(emulator, "another thread")
    size = c.c_uint32()
    small = client.api.struct(
        "NV_ENC_SEQUENCE_PARAM_PAYLOAD", inBufferSize=4, spsppsBuffer=c.addressof(size),
        outSPSPPSPayloadSize=c.addressof(size),
    )  # fmt: skip
    assert client.call("nvEncGetSequenceParams", small) == NOT_ENOUGH_BUFFER


REFUSED: list[dict[str, Any]] = [
    {"encodeWidth": 0},
    {"encodeWidth": 321},
    {"encodeWidth": 100},
    {"encodeWidth": 8192},
    {"maxEncodeWidth": 160, "maxEncodeHeight": 240},
    {"frameRateDen": 0},
    {"frameIntervalP": 6, "gopLength": 30},
    {"frameIntervalP": 3, "gopLength": 2},
    {"rcParams__rateControlMode": 7},
    {"rcParams__enableLookahead": 1, "rcParams__lookaheadDepth": 32},
    {"rcParams__rateControlMode": 0, "rcParams__constQP": (60).to_bytes(4, "little")},
    {"enableWeightedPrediction": 1, "frameIntervalP": 3, "gopLength": 30},
    {"codec__useBFramesAsRef": 2},
]


def test_configurations_that_nobody_could_code(api: Api, context: int, emulator: Emulator) -> None:
    with session(api, context) as client:
        for changes in REFUSED:
            assert client.initialise(**changes) == INVALID_PARAM, changes
            assert client.error(), changes


RECONFIGURED: list[tuple[dict[str, Any], dict[str, int], int]] = [
    ({"rcParams__averageBitRate": 400000}, {}, SUCCESS),
    ({"rcParams__averageBitRate": 400000, "frameRateNum": 15}, {}, SUCCESS),
    ({"rcParams__averageBitRate": 400000}, {"resetEncoder": 1, "forceIDR": 1}, SUCCESS),
    ({"gopLength": 12}, {"resetEncoder": 1, "forceIDR": 1}, INVALID_PARAM),
    ({"frameIntervalP": 2, "gopLength": 12}, {"forceIDR": 1}, INVALID_PARAM),
    ({"maxEncodeWidth": 1280}, {"forceIDR": 1}, INVALID_PARAM),
    ({"encodeWidth": 160, "encodeHeight": 120}, {"resetEncoder": 1, "forceIDR": 1}, SUCCESS),
    ({"encodeWidth": 1280}, {"resetEncoder": 1, "forceIDR": 1}, INVALID_PARAM),
    ({"codec__level": 40}, {}, INVALID_PARAM),
    ({"codec__level": 40}, {"forceIDR": 1}, SUCCESS),
]


@pytest.mark.parametrize(("changes", "flags", "status"), RECONFIGURED)
def test_what_can_be_reconfigured(
    api: Api, context: int, changes: dict[str, Any], flags: dict[str, int], status: int
) -> None:
    with session(api, context) as client:
        client.begin(maxEncodeWidth=640, maxEncodeHeight=480)
        client.encode(nv12(0))
        size = {"maxEncodeWidth": 640, "maxEncodeHeight": 480}
        assert reconfigure(client, flags, **{**size, **changes}) == status
        if status == SUCCESS and "encodeWidth" not in changes:
            client.encode(nv12(1))
            assert client.taken[-1].type == (3 if flags else 0)


def reconfigure(client: Client, flags: dict[str, int], **changes: Any) -> int:
    given, _ = client.parameters(**changes)
    asked = client.api.struct("NV_ENC_RECONFIGURE_PARAMS", **flags)
    at = asked.place("reInitEncodeParams")[1][0]
    asked.buffer[at : at + len(given.buffer)] = given.buffer.raw
    return client.call("nvEncReconfigureEncoder", asked)


def test_another_size_wants_a_maximum_given_at_first(client: Client) -> None:
    assert reconfigure(client, {}, encodeWidth=160, encodeHeight=120) == INVALID_PARAM
    assert client.error() == "another size, with no maximum given at first"


def test_another_size_wants_a_reset_and_an_idr(api: Api, context: int, emulator: Emulator) -> None:
    with session(api, context) as client:
        most = {"maxEncodeWidth": 640, "maxEncodeHeight": 480}
        client.begin(**most)
        for flags in ({}, {"forceIDR": 1}, {"resetEncoder": 1}):
            smaller = {"encodeWidth": 160, "encodeHeight": 120, **most}
            assert reconfigure(client, flags, **smaller) == INVALID_PARAM
            broken(emulator, "without a reset and an IDR")


def test_a_forced_idr_closes_a_group(api: Api, context: int) -> None:
    with session(api, context) as client:
        client.begin(tuning=HIGH_QUALITY)
        for number in range(6):
            client.encode(nv12(number), FORCE_IDR if number == 2 else 0)
        types = [(packet.timestamp - 1000, packet.type) for packet in client.taken]
        assert types == [(0, 3), (1, 0), (2, 3), (5, 0), (3, 1), (4, 1)]
