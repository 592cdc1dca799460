"""The VideoToolbox backend under test: on the emulated frameworks, with faults."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import videohw
from tests.backends.faults import Faults, Kind, PlantedBug
from tests.emulators import build
from tests.emulators.control import AppleEmulator

_WORK = "work"  # on one frame, whether it is decoded or encoded
_BAD_DATA, _REMOVED = -12909, -17690


@contextmanager
def emulated_frameworks() -> Iterator[None]:
    """Have this process load ``videohw._vt`` on the emulated frameworks; skips where they cannot
    be built."""
    reason = build.module_missing()
    if reason:
        pytest.skip(reason)
    folder = _module()
    if str(folder) not in videohw.__path__:
        videohw.__path__.append(str(folder))
    # Other processes find it by what Python runs as it starts.
    paths = [str(folder / "site"), os.environ.get("PYTHONPATH", "")]
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths))):
        yield


@cache
def _module() -> Path:
    return build.built_module()


@cache
def emulator() -> AppleEmulator:
    """The controls of the emulated frameworks."""
    return AppleEmulator(build.OUT)


class EmulatedFaults(Faults):
    """Faults in the emulated decoder or encoder, picture by picture."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: list[tuple[Kind, int]] = []
        self._bugs: list[int] = []
        self._before: list[tuple[Kind, int]] = []
        self._made = 0

    @property
    def hits(self) -> list[tuple[Kind, int]]:  # type: ignore[override]
        now = [
            planned for planned, times in zip(self._kinds, emulator().hits(), strict=True) if times
        ]
        return [*self._before, *now]

    @hits.setter
    def hits(self, value: list[tuple[Kind, int]]) -> None:
        self._before = list(value)

    def arm(self, kind: Kind, after: int = 0) -> None:
        if kind == "bug":
            self._bugs.append(self._made + after)
            return
        how = {"refuse": ("fail", _BAD_DATA), "lost": ("gone", _REMOVED)}
        self._kinds.append((kind, after))
        emulator().fault(_WORK, *how.get(kind, ("stall", 0)), first=after + 1)

    def disarm(self) -> None:
        self._before = self.hits
        self._kinds.clear()
        self._bugs.clear()
        emulator().clear_faults()

    def release(self) -> None:
        self.disarm()

    def wait_until_stalled(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not emulator().stalled():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def picture_made(self) -> None:
        """A frame is made of what was decoded, or a picture goes to the encoder: a planted bug
        hits here."""
        number = self._made
        self._made += 1
        if number in self._bugs:
            self._before.append(("bug", number))
            raise PlantedBug("a planted bug")


def lookahead(pictures: int) -> dict[str, Any]:
    """Arguments of an encoder that holds so many pictures before it codes the first."""
    from videohw.apple.encoder_options import AppleEncoderOptions

    return {"options": AppleEncoderOptions(max_frame_delay=pictures)}


@contextmanager
def apple_faults() -> Iterator[Faults]:
    """Faults in the sessions on the emulated frameworks, while the context lasts."""
    from videohw.apple.encoder_order import PacketOrder
    from videohw.apple.frames import FrameMaker

    faults = EmulatedFaults()
    make_frame, push = FrameMaker.make, PacketOrder.pushed

    def made(maker: FrameMaker, *arguments: Any, **named: Any) -> Any:
        faults.picture_made()
        return make_frame(maker, *arguments, **named)

    def pushed(order: PacketOrder, *arguments: Any) -> Any:
        faults.picture_made()
        return push(order, *arguments)

    with (
        patch.object(FrameMaker, "make", made),
        patch.object(PacketOrder, "pushed", pushed),
    ):
        try:
            yield faults
        finally:
            faults.disarm()
