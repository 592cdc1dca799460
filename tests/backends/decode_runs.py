"""A decoding session from its opening to the last frame dropped, as the fault tests run it again
and again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tests.backends.decoding import PATIENCE_SECONDS
from tests.backends.told import Told
from tests.corpus import stream
from videohw.decoder import Decoder
from videohw.errors import SessionClosed, VideoHwError
from videohw.frame import Frame


@dataclass(frozen=True)
class Scenario:
    """Which access units of a stream are decoded, by which backend, and into what."""

    name: str
    stream: str
    numbers: tuple[int, ...]
    output: str = "native"
    memory: str = "host"
    backend: str = "nvidia"

    def __str__(self) -> str:
        return self.name

    def units(self) -> list[bytes]:
        """The bytes of each access unit."""
        return _units(self.stream, self.numbers)

    @property
    def codec(self) -> str:
        return stream(self.stream).codec

    def decoder(self, **arguments: Any) -> Decoder:
        """A decoder for it."""
        return Decoder(
            self.codec, backend=self.backend, output=self.output, memory=self.memory,
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
