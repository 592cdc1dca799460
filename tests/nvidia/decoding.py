"""A decoding session on the emulated drivers, from its opening to the last frame dropped, as the
fault tests run it again and again."""

from __future__ import annotations

import gc
import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.told import Told
from tests.corpus import stream
from tests.emulators.control import Emulator
from videohw.decoder import Decoder
from videohw.errors import SessionClosed, VideoHwError
from videohw.frame import Frame

SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class Scenario:
    """Which access units of a stream are decoded, and into what."""

    name: str
    stream: str
    numbers: tuple[int, ...]
    output: str = "native"
    memory: str = "host"

    def __str__(self) -> str:
        return self.name

    def units(self) -> list[bytes]:
        """The bytes of each access unit."""
        return _units(self.stream, self.numbers)

    @property
    def codec(self) -> str:
        return stream(self.stream).codec

    def decoder(self, **arguments: Any) -> Decoder:
        """A decoder for it on the emulated driver."""
        return Decoder(
            self.codec, backend="nvidia", output=self.output, memory=self.memory,
            max_in_flight=64, **arguments,
        )  # fmt: skip


@cache
def _units(name: str, numbers: tuple[int, ...]) -> list[bytes]:
    found = stream(name)
    data, units = found.read(), []
    for size in found.packet_sizes:
        units.append(data[:size])
        data = data[size:]
    return [units[number] for number in numbers]


SMALL = "generated/small144x144.h264"
EIGHT = tuple(range(8))
NATIVE = Scenario("native", SMALL, EIGHT)
SCENARIOS = (
    NATIVE,
    Scenario("planar", SMALL, EIGHT[:4], "rgb_planar", "device"),
    Scenario("downloaded", SMALL, EIGHT[:3], "rgb_planar"),
    # 320x240, 322x182, 320x240 again.
    Scenario("resized", "generated/res_change_ABA.h265", (0, 1, 2, 25, 26, 40, 41)),
)


@dataclass(frozen=True)
class Picture:
    """What a frame was: its number in decoding order, and a digest of its pixels, None when they
    could not be read."""

    index: int
    corrupt: bool | None
    digest: str | None


@dataclass
class Outcome(Told):
    """What came of a scenario, in order."""

    pictures: list[Picture] = field(default_factory=list)


def run(scenario: Scenario) -> Outcome:
    """Open, decode, flush, look at every frame, drop them, close."""
    outcome = Outcome()
    try:
        with scenario.decoder() as decoder:
            frames = _frames(decoder, scenario, outcome)
            outcome.summary = decoder.summary()
            for frame in frames:
                outcome.pictures.append(_seen(frame, outcome))
    except VideoHwError as error:  # of opening
        outcome.add(error)
    return outcome


def _frames(decoder: Decoder, scenario: Scenario, outcome: Outcome) -> list[Frame]:
    with suppress(SessionClosed):  # after an error that ended the session
        for number, unit in enumerate(scenario.units()):
            decoder.submit(unit, number)
    while not outcome.fatal:
        try:
            return decoder.flush(PATIENCE_SECONDS)
        except VideoHwError as error:
            outcome.add(error)
    frames: list[Frame] = []
    while True:
        try:
            frame = decoder.try_reap()
        except SessionClosed:
            return frames
        except VideoHwError as error:
            outcome.add(error)
        else:
            assert frame is not None
            frames.append(frame)


def _seen(frame: Frame, outcome: Outcome) -> Picture:
    assert frame.decode_index is not None
    digest = None
    try:
        summed = hashlib.sha1(usedforsecurity=False)
        for plane in frame.to_host().planes:
            summed.update(np.ascontiguousarray(plane))
        digest = summed.hexdigest()
    except VideoHwError as error:
        outcome.add(error)
    return Picture(frame.decode_index, frame.corrupt, digest)


def release(emulator: Emulator, left_before: frozenset[str] = frozenset()) -> set[str]:
    """Let go of every device; the kinds of handles still open when the last decoder was destroyed.

    ``left_before``: kinds that earlier losses of a device left open.
    """
    from videohw import _cuda

    _cuda.release_devices()
    began = time.monotonic()
    collected = False
    while left := set(emulator.open()) - left_before:
        waited = time.monotonic() - began
        if waited > SETTLE_SECONDS:
            break
        if waited > 0.2 and not collected:
            gc.collect()
            collected = True
        time.sleep(0.001)
    return left
