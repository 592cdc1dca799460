"""Calls of the emulated encoder that fail by plan, sessions on threads, pictures held back."""

from __future__ import annotations

import ctypes as c
import threading
import time
from pathlib import Path
from queue import Queue

import pytest

from tests.emulators.control import Emulator
from tests.emulators.nvidia.client import Cuda
from tests.emulators.nvidia.nvenc_client import (
    BUSY,
    DEVICE_GONE,
    END,
    GENERIC,
    HIGH_QUALITY,
    INVALID_PARAM,
    LOCK_BUSY,
    NEED_MORE_INPUT,
    OUT_OF_MEMORY,
    SUCCESS,
    Api,
    Client,
    session,
)
from tests.emulators.nvidia.nvenc_pictures import decoded, nv12, worst


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


def test_every_call_of_the_list_fails_by_plan(
    context: int, emulator: Emulator, encode_folder: Path
) -> None:
    api = Api(encode_folder)
    names = [
        name for name, where in api.facts["slots"].items()
        if isinstance(where[1], list) and name != "nvEncGetLastErrorString"
    ]  # fmt: skip
    assert len(names) == 41
    with session(api, context) as client:
        client.begin()
        nothing = [c.c_void_p()] * 4
        for name in names:
            emulator.clear_faults()
            emulator.fault(name, "fail", GENERIC)
            handle = c.c_void_p() if name == "nvEncDestroyEncoder" else client.session
            assert api.call(name, handle, *nothing) == GENERIC, name
            assert emulator.hits() == [1], name
        emulator.clear_faults()
        emulator.misuses()  # of what was given back and is nothing
        client.encode(nv12(0))


@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_sessions_on_threads(
    codec: str, context: int, emulator: Emulator, encode_folder: Path
) -> None:
    emulator.streams("seed:8")
    api, worse = Api(encode_folder), []

    def work() -> None:
        with session(api, context, codec) as client:
            for number in range(6):
                if not client.outputs:
                    client.begin(tuning=HIGH_QUALITY)
                client.encode(nv12(number))
            frames = decoded(codec, b"".join(packet.data for packet in client.end()))
        worse.append(worst(frames, range(6)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(worse) == 4
    assert min(worse) > 40


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


@pytest.mark.parametrize("how", ["burst", "lag"])
@pytest.mark.parametrize("streams", ["late", "early", "seed:3"])
def test_one_thread_submits_and_one_locks(
    how: str, streams: str, context: int, emulator: Emulator, encode_folder: Path
) -> None:
    """As clients do it: outputs are locked in order from the first success on."""
    emulator.streams(streams)
    emulator.encoding(NVENC_LOOKAHEAD=how)
    ahead = {"rcParams__enableLookahead": 1, "rcParams__lookaheadDepth": 3, "gopLength": 8}
    with session(Api(encode_folder), context) as client:
        client.begin(tuning=HIGH_QUALITY, **ahead, codec__idrPeriod=8)
        free, lockable = Queue[int](), Queue["int | None"]()
        for output in client.outputs:
            free.put(output)

        def reap() -> None:
            while (output := lockable.get()) is not None:
                client.pending.append(output)
                client.reap()
                free.put(output)

        reaper = threading.Thread(target=reap)
        reaper.start()
        waiting = []
        for number in range(24):
            output = free.get(timeout=60)
            buffer = client.inputs[client.outputs.index(output)]
            client.write(buffer, nv12(number))
            client.count = number
            status = client.call("nvEncEncodePicture", client.picture(buffer, output))
            waiting.append(output)
            if status == SUCCESS:
                for each in waiting:
                    lockable.put(each)
                waiting = []
        client.do("nvEncEncodePicture", client.api.struct("NV_ENC_PIC_PARAMS", encodePicFlags=END))
        for each in (*waiting, None):
            lockable.put(each)
        reaper.join()
        frames = decoded("h264", b"".join(packet.data for packet in client.taken))
    assert worst(frames, range(24)) > 40
