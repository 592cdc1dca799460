"""Device memory of other libraries as NVENC reads it: behind its producer's stream, registered
once for all pictures that come in it, and let go of before it is given back."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from tests.backends.waiting import wait_for
from tests.emulators import build
from tests.emulators.control import Emulator, environment
from tests.nvidia.encoding import (
    HEIGHT,
    PATIENCE_SECONDS,
    WIDTH,
    check_pictures,
    emulated_encoders,
    nothing_left,
    picture,
)
from tests.nvidia.producer import DlpackTensor, OldDlpackTensor, Producer, Tensor, Unwatchable
from videohw import Encoder
from videohw.errors import DeviceLost
from videohw.nvidia import encoder_cores
from videohw.types import ConstantQp, Packet

COUNT = 8
PICTURES = 10_000
SHAPE = HEIGHT * 3 // 2, WIDTH
RESOURCE = "registered resource"
EACH = pytest.mark.parametrize(
    "kind", [Tensor, DlpackTensor, OldDlpackTensor], ids=["interface", "dlpack", "old_dlpack"]
)


@pytest.fixture
def producer(driver: Emulator) -> Iterator[Producer]:
    """Another library, whose work runs when somebody waits for it, beside emulated encoders."""
    with emulated_encoders() as emulator, nothing_left(emulator):
        emulator.streams("late")
        with Producer(emulator).begun(SHAPE[0] * SHAPE[1]) as library:
            yield library
            gc.collect()
            wait_for(lambda: library.freed == library.made)  # by a thread that comes to its end


@pytest.fixture
def uncoded(driver: Emulator, producer: Producer) -> Producer:
    """The same, where encoders give packets at once that have no picture in them."""
    driver.encoding(NVENC_RAW=1)
    return producer


def opened() -> Encoder:
    return Encoder(
        "h264", WIDTH, HEIGHT, fps=30, backend="nvidia", rate_control=ConstantQp(20, 20, 20),
        max_in_flight=COUNT,
    )  # fmt: skip


def coded(encoder: Encoder, tensor: object, count: int = 1) -> list[Packet]:
    """The packets of ``count`` pictures, which are not under way any more."""
    found = []
    for _ in range(count):
        encoder.submit(tensor, timeout=PATIENCE_SECONDS)
        packet = encoder.reap_timeout(PATIENCE_SECONDS)
        assert packet is not None
        found.append(packet)
    return found


def let_go(encoder: Encoder) -> None:
    """Wait until the encoder holds no tensor any more."""
    owners = encoder._session._opened.core.owners  # type: ignore[attr-defined]
    began = time.monotonic()
    while owners:
        assert encoder.try_reap() is None
        assert time.monotonic() - began < PATIENCE_SECONDS
        time.sleep(0.001)


def registered(encoder: Encoder) -> int:
    found: int = encoder.summary()["registered"]
    return found


@EACH
def test_the_input_waits_for_its_producer(producer: Producer, kind: type[Tensor]) -> None:
    tensors = [producer.tensor(picture(number), kind) for number in range(COUNT)]
    with opened() as encoder:
        for number, tensor in enumerate(tensors):
            encoder.submit(tensor, number, timeout=PATIENCE_SECONDS)
        packets = encoder.flush(PATIENCE_SECONDS)
        assert encoder.summary()["converted"] == 0
    check_pictures(packets, "h264", {pts: pts for pts in range(COUNT)})
    if kind is not Tensor:  # neither "no stream" nor "do not wait"
        assert all(stream not in (None, -1, 0) for each in tensors for stream in each.asked_for)


@EACH
def test_what_comes_again_is_registered_once(
    uncoded: Producer, driver: Emulator, kind: type[Tensor]
) -> None:
    tensor = uncoded.tensor(picture(0), kind)
    with opened() as encoder:
        coded(encoder, tensor, COUNT)
        for _ in range(COUNT):
            coded(encoder, tensor.view())  # gone with its picture, which its base is not
        assert registered(encoder) == 1
        freed = uncoded.freed
        assert driver.open()[RESOURCE] == 1
        let_go(encoder)
        del tensor
        # Let go of before the memory is given back, which the emulated driver looks at.
        assert RESOURCE not in driver.open()
        assert uncoded.freed == freed + 1
        coded(encoder, uncoded.tensor(picture(1), kind))
        assert registered(encoder) == 2


def test_memory_that_is_used_again_in_another_form(producer: Producer) -> None:
    pixels = picture(3)
    whole = producer.tensor(np.zeros((2 * SHAPE[0], WIDTH), np.uint8))
    memory = whole.memory
    del whole
    with opened() as encoder:
        packets = []
        for number, pitch in enumerate((WIDTH, 2 * WIDTH, WIDTH)):
            padded = np.zeros((SHAPE[0], pitch), np.uint8)
            padded[:, :WIDTH] = pixels
            tensor = Tensor(memory, SHAPE, pitch=pitch)
            Tensor(memory, padded.shape).fill(padded)
            packets += coded(encoder, tensor)
            assert registered(encoder) == number + 1
            let_go(encoder)
            del tensor
    check_pictures(packets, "h264", dict.fromkeys(range(3), 3))
    del memory


def test_ten_thousand_tensors_leave_nothing(uncoded: Producer, driver: Emulator) -> None:
    blocks = [uncoded.tensor(picture(number)).memory for number in range(4)]
    with opened() as encoder:
        made, before = 0, 0
        for _ in encoder.encode(Tensor(blocks[n % 4], SHAPE) for n in range(PICTURES)):
            made += 1
            if made == PICTURES // 2:
                before = sys.getallocatedblocks()
        assert made == PICTURES
        assert sys.getallocatedblocks() - before < 2000
        assert encoder.summary()["registered"] > PICTURES // 10
    assert driver.report()["peak"][RESOURCE] <= 4


def test_an_object_that_cannot_be_watched_is_registered_for_each_picture(
    uncoded: Producer, driver: Emulator
) -> None:
    tensor = Unwatchable(uncoded.tensor(picture(0)))
    with opened() as encoder:
        for number in range(3):
            coded(encoder, tensor)
            encoder.flush(PATIENCE_SECONDS)
            assert registered(encoder) == number + 1
            wait_for(lambda: RESOURCE not in driver.open())  # by the thread that submits


def test_an_end_by_the_garbage_collector_on_another_thread(
    uncoded: Producer, driver: Emulator
) -> None:
    tensor = uncoded.tensor(picture(0))
    tensor.base = tensor
    with opened() as encoder:
        coded(encoder, tensor)
        let_go(encoder)
        del tensor
        assert driver.open()[RESOURCE] == 1
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        assert RESOURCE not in driver.open()


def test_a_driver_that_does_not_answer_holds_nobody_up(uncoded: Producer, driver: Emulator) -> None:
    tensors = [uncoded.tensor(picture(number)) for number in range(6)]
    with opened() as encoder:
        for tensor in tensors:
            coded(encoder, tensor)
            let_go(encoder)
        driver.fault("nvEncEncodePicture", "stall", 0)
        encoder.submit(picture(0))
        while not driver.stalled():
            time.sleep(0.001)
        began = time.monotonic()
        # Their memory stays: its registration may outlive the objects.
        kept = [each.memory for each in tensors]
        del tensor
        tensors.clear()
        assert time.monotonic() - began < 3.5  # a second for all of them, not for each
        driver.clear_faults()
        encoder.flush(PATIENCE_SECONDS)
        coded(encoder, picture(0))
        assert RESOURCE not in driver.open()
    del kept


def test_memory_that_a_stuck_driver_had_is_given_back_when_the_call_returns(
    producer: Producer, driver: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By nobody's call: the session is closed, and no other one is opened."""
    monkeypatch.setattr(encoder_cores, "STUCK_SECONDS", 0.1)
    tensors = [producer.tensor(picture(number)) for number in range(3)]
    memory = [weakref.ref(tensor) for tensor in tensors]
    encoder = opened()
    coded(encoder, tensors[0])
    driver.fault("nvEncEncodePicture", "stall", 0)
    for tensor in tensors:
        encoder.submit(tensor, timeout=PATIENCE_SECONDS)
    with pytest.raises(DeviceLost, match="nvEncEncodePicture"):
        encoder.flush(PATIENCE_SECONDS)
    encoder.close()
    del tensor
    tensors.clear()
    gc.collect()
    assert [each() is None for each in memory] == [False] * 3
    driver.clear_faults()
    wait_for(lambda: all(each() is None for each in memory))
    wait_for(lambda: producer.freed == producer.made)


def test_the_memory_of_a_last_picture_is_let_go_of_without_another(uncoded: Producer) -> None:
    """The encoder gives back what it had of it when the next one comes, and else soon."""
    tensor = uncoded.tensor(picture(0))
    seen = weakref.ref(tensor)
    with opened() as encoder:
        coded(encoder, tensor)
        del tensor
        let_go(encoder)
        assert seen() is None


PROGRAM = """
import ctypes, sys
import numpy as np
import videohw
from tests.emulators.control import Emulator
from tests.nvidia.producer import Producer
from pathlib import Path

library = Producer(Emulator(Path(sys.argv[1])))
begun = library.begun(192 * 192)
begun.__enter__()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(begun))  # its context does not end before the tensor
tensor = library.tensor(np.zeros((192, 192), np.uint8))
encoder = videohw.Encoder("h264", 192, 128, fps=30, backend="nvidia")
for _ in range(3):
    encoder.submit(tensor, timeout=60)
    assert encoder.reap_timeout(60) is not None
print("ends")
"""


def test_the_end_of_a_process_that_has_a_tensor() -> None:
    needed = "libnvidia-encode.so.1"
    reason = build.missing(needed)
    if reason:
        pytest.skip(reason)
    folder = build.built(needed)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(folder)],
        env=environment(folder, NVENC_RAW="1"), capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ends\n", "")
