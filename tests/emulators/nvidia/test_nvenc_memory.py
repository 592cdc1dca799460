"""Memory of the device as input: registered, mapped, and read when the stream has come to it."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import Cuda
from tests.emulators.nvidia.nvenc_client import (
    INVALID_PARAM,
    MAP_FAILED,
    NOT_MAPPED,
    NOT_REGISTERED,
    REGISTER_FAILED,
    SUCCESS,
    UNIMPLEMENTED,
    Api,
    Client,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import decoded, luma, nv12, plane, psnr, worst

PITCH, ROWS = 512, 360
PICTURE = PITCH * ROWS


@pytest.fixture
def cuda(context: int, encode_folder: Path) -> Cuda:
    return Cuda(encode_folder)


@pytest.fixture
def client(context: int, encode_folder: Path) -> Iterator[Client]:
    with session(Api(encode_folder), context) as made:
        yield made.begin()


def pitched(number: int) -> bytes:
    """A picture as it lies in device memory."""
    return b"".join(row.ljust(PITCH, b"\0") for row in nv12(number))


def register(client: Client, address: int, **changes: int) -> tuple[int, c.c_void_p]:
    given = client.api.struct(
        "NV_ENC_REGISTER_RESOURCE", resourceType=1, width=320, height=240, pitch=PITCH,
        resourceToRegister=address, bufferFormat=1,
    )  # fmt: skip
    for name, value in changes.items():
        given[name] = value
    status = client.call("nvEncRegisterResource", given)
    return status, c.c_void_p(given["registeredResource"])


def mapped(client: Client, resource: c.c_void_p) -> tuple[int, int]:
    given = client.api.struct("NV_ENC_MAP_INPUT_RESOURCE", registeredResource=resource.value)
    return client.call("nvEncMapInputResource", given), given["mappedResource"]


@pytest.mark.parametrize("streams", ["late", "early", "seed:2"])
def test_pictures_from_device_memory(
    client: Client, cuda: Cuda, emulator: Emulator, streams: str
) -> None:
    emulator.streams(streams)
    with cuda.memory(PICTURE) as address:
        status, resource = register(client, address)
        assert status == SUCCESS
        for number in range(4):
            cuda.upload(address, pitched(number))
            _, place = mapped(client, resource)
            assert client.submit(place) == SUCCESS
            client.do("nvEncUnmapInputResource", c.c_void_p(place))
        client.do("nvEncUnregisterResource", resource)
    frames = decoded("h264", b"".join(packet.data for packet in client.end()))
    assert worst(frames, range(4)) > 40


@pytest.mark.parametrize("manners", ["its stream", "default stream", "no wait"])
def test_a_picture_that_another_stream_makes(
    client: Client, cuda: Cuda, emulator: Emulator, manners: str
) -> None:
    """Work of a stream that the encoder was not told of comes too late for it."""
    emulator.streams("late")
    with cuda.memory(PICTURE) as address, cuda.pinned(PICTURE) as host, cuda.stream() as stream:
        cuda.upload(address, pitched(0))
        _, resource = register(client, address)
        host[:] = list(pitched(9))
        if manners == "its stream":
            client.do("nvEncSetIOCudaStreams", c.byref(stream), c.byref(stream))
        queue = c.c_void_p(0) if manners == "default stream" else stream
        size = c.c_size_t(PICTURE)
        cuda.do("cuMemcpyHtoDAsync_v2", c.c_uint64(address), host, size, queue)
        _, place = mapped(client, resource)
        assert client.submit(place) == SUCCESS
        client.do("nvEncUnmapInputResource", c.c_void_p(place))
        client.do("nvEncUnregisterResource", resource)
        cuda.do("cuStreamSynchronize", stream)
    (frame,) = decoded("h264", b"".join(packet.data for packet in client.end()))
    expected = 0 if manners == "no wait" else 9
    assert psnr(plane(frame), luma(expected)) > 40


def test_memory_that_is_written_again_too_early(
    client: Client, cuda: Cuda, emulator: Emulator
) -> None:
    emulator.streams("late")
    with cuda.memory(PICTURE) as address:
        cuda.upload(address, pitched(0))
        _, resource = register(client, address)
        _, place = mapped(client, resource)
        client.do("nvEncEncodePicture", client.picture(place, client.outputs[0]))
        cuda.upload(address, pitched(9))
        assert client.call("nvEncUnmapInputResource", c.c_void_p(place)) == SUCCESS
        assert "before the output" in emulator.misuses()[0]
        client.pending.append(client.outputs[0])
        client.drain()
        client.do("nvEncUnregisterResource", resource)
    (frame,) = decoded("h264", b"".join(packet.data for packet in client.end()))
    assert psnr(plane(frame), luma(9)) > 40


def test_what_cannot_be_registered(client: Client, cuda: Cuda, emulator: Emulator) -> None:
    with cuda.memory(PICTURE - PITCH) as address:
        assert register(client, address)[0] == REGISTER_FAILED
        assert "too little" in emulator.misuses()[0]
        assert register(client, address, pitch=300)[0] == INVALID_PARAM
        assert register(client, address, bufferFormat=3)[0] == INVALID_PARAM
        assert register(client, address, resourceType=2)[0] == UNIMPLEMENTED
        assert register(client, address, bufferUsage=2)[0] == UNIMPLEMENTED
    assert register(client, 0x1000)[0] == REGISTER_FAILED
    assert len(emulator.misuses()) == 1


def test_the_last_row_needs_no_padding(client: Client, cuda: Cuda) -> None:
    with cuda.memory(PITCH * (ROWS - 1) + 320) as address:
        status, resource = register(client, address)
        assert status == SUCCESS
        client.do("nvEncUnregisterResource", resource)


def test_states_of_a_resource(client: Client, cuda: Cuda, emulator: Emulator) -> None:
    nothing = c.c_void_p(0x99)
    assert mapped(client, nothing)[0] == NOT_REGISTERED
    assert client.call("nvEncUnregisterResource", nothing) == NOT_REGISTERED
    assert client.call("nvEncUnmapInputResource", nothing) == NOT_MAPPED
    assert len(emulator.misuses()) == 3
    with cuda.memory(PICTURE) as address:
        cuda.upload(address, pitched(0))
        _, resource = register(client, address)
        # Registered is not mapped.
        given = client.picture(resource.value or 0, client.outputs[0])
        assert client.call("nvEncEncodePicture", given) == INVALID_PARAM
        assert "neither a buffer nor mapped" in emulator.misuses()[0]
        _, place = mapped(client, resource)
        assert mapped(client, resource)[0] == MAP_FAILED
        assert "is mapped" in emulator.misuses()[0]
        assert client.call("nvEncUnregisterResource", resource) == SUCCESS
        assert "is mapped" in emulator.misuses()[0]
        client.do("nvEncUnmapInputResource", c.c_void_p(place))


def test_memory_that_is_freed_while_it_is_registered(
    client: Client, cuda: Cuda, emulator: Emulator
) -> None:
    with cuda.memory(PICTURE) as address:
        _, resource = register(client, address)
    client.do("nvEncUnregisterResource", resource)
    assert "after the memory was freed" in emulator.misuses()[0]


def test_the_ledger_has_every_handle(client: Client, cuda: Cuda, emulator: Emulator) -> None:
    with cuda.memory(PICTURE) as address:
        cuda.upload(address, pitched(0))
        _, resource = register(client, address)
        _, place = mapped(client, resource)
        lock = client.api.struct("NV_ENC_LOCK_INPUT_BUFFER", inputBuffer=client.inputs[1])
        client.do("nvEncLockInputBuffer", lock)
        client.do("nvEncEncodePicture", client.picture(place, client.outputs[0]))
        assert client.lock(client.outputs[0])[0] == SUCCESS
        assert {
            "encode session": 1, "encoder input buffer": 4, "bitstream buffer": 4,
            "registered resource": 1, "mapped resource": 1, "locked input buffer": 1,
            "locked bitstream": 1,
        }.items() <= emulator.open().items()  # fmt: skip
        client.do("nvEncUnlockBitstream", c.c_void_p(client.outputs[0]))
        client.do("nvEncUnlockInputBuffer", c.c_void_p(client.inputs[1]))
        client.do("nvEncUnmapInputResource", c.c_void_p(place))
        client.do("nvEncUnregisterResource", resource)
