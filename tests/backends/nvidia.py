"""The NVIDIA backend under test: on the emulated drivers, with faults, or on a real device."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest

from tests.backends.faults import Faults, Kind, PlantedBug
from tests.emulators import build
from tests.emulators.control import Emulator

# The call that gives a picture to the driver, and what it answers when it refuses one:
# CUDA_ERROR_INVALID_VALUE, NV_ENC_ERR_INVALID_PARAM.
_CALLS = {"cuvidDecodePicture": 1, "nvEncEncodePicture": 8}
_ILLEGAL_ADDRESS = 700  # an error of CUDA that sticks
_ENCODE = "libnvidia-encode.so.1"
# The suite's pictures are smaller than any chip takes, and its sessions more.
_ENCODING = {"NVENC_CAPS": "WIDTH_MIN=16,HEIGHT_MIN=16", "NVENC_SESSIONS": "64"}


@contextmanager
def emulated_drivers() -> Iterator[None]:
    """Have this process load the emulated drivers; skips where they cannot be built.

    The device is a newer one than that of the traces, so that every codec has its turn; JPEG has
    it too, and its decoder takes a while.
    """
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    folder = _folder()
    names = {
        "VIDEOHW_LIBCUDA": str(folder / "libcuda.so.1"),
        "VIDEOHW_LIBNVCUVID": str(folder / "libnvcuvid.so.1"),
        "VIDEOHW_LIBNVIDIA_ENCODE": str(folder / "libnvidia-encode.so.1"),
        "VIDEOHW_EMULATOR_NVDEC": "newer",
        **{f"VIDEOHW_EMULATOR_{name}": value for name, value in _ENCODING.items()},
        "VIDEOHW_EMULATOR_JPEG_POLLS": "3",
    }
    from videohw.nvidia.capabilities import forget

    with patch.dict(os.environ, names):
        if build.missing(_ENCODE) is None:  # another test may have loaded it with other settings
            Emulator(build.built(_ENCODE)).encoding(**_ENCODING)
        forget()
        yield
    forget()


_folder = cache(build.built)


def calls_of(name: str) -> int:
    """How often the emulated driver's function was called so far; 0 of a real driver."""
    if "VIDEOHW_EMULATOR_NVDEC" not in os.environ:
        return 0
    return int(Emulator(_folder()).report()["calls"].get(name, 0))


class EmulatedFaults(Faults):
    """Faults in the emulated decoder and encoder, picture by picture.

    Each is planned for both; a test has pictures for one of them.
    """

    def __init__(self, emulator: Emulator) -> None:
        super().__init__()
        self._emulator = emulator
        self._kinds: list[tuple[Kind, int]] = []
        self._bugs: list[int] = []
        self._before: list[tuple[Kind, int]] = []
        self._made = 0

    @property
    def hits(self) -> list[tuple[Kind, int]]:  # type: ignore[override]
        found = iter(self._emulator.hits())
        now = []
        for kind, after in self._kinds:
            # A stall is one fault of either call, the others are one of each.
            times = [next(found) for _ in range(1 if kind == "stall" else len(_CALLS))]
            now += [(kind, after)] if any(times) else []
        return [*self._before, *now]

    @hits.setter
    def hits(self, value: list[tuple[Kind, int]]) -> None:
        self._before = list(value)

    def arm(self, kind: Kind, after: int = 0) -> None:
        if kind == "bug":
            self._bugs.append(self._made + after)
            return
        self._kinds.append((kind, after))
        if kind == "stall":
            self._emulator.fault("|".join(_CALLS), kind, 0, first=after + 1)
            return
        for call, refusal in _CALLS.items():
            how = ("fail", refusal) if kind == "refuse" else ("sticky", _ILLEGAL_ADDRESS)
            self._emulator.fault(call, *how, first=after + 1)

    def disarm(self) -> None:
        self._before = self.hits
        self._kinds.clear()
        self._bugs.clear()
        self._emulator.clear_faults()

    def release(self) -> None:
        self.disarm()

    def wait_until_stalled(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._emulator.stalled():
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


@contextmanager
def nvidia_faults() -> Iterator[Faults]:
    """Faults in the sessions on the emulated drivers, while the context lasts."""
    from videohw.nvidia import encoder
    from videohw.nvidia.frames import FrameMaker

    faults = EmulatedFaults(Emulator(_folder()))
    real, real_push = FrameMaker.make, encoder.pushed

    def make(maker: FrameMaker, *arguments: Any, **named: Any) -> Any:
        faults.picture_made()
        return real(maker, *arguments, **named)

    def push(*arguments: Any, **named: Any) -> None:
        faults.picture_made()
        real_push(*arguments, **named)

    with ExitStack() as patches:
        patches.enter_context(patch.object(FrameMaker, "make", make))
        patches.enter_context(patch.object(encoder, "pushed", push))
        try:
            yield faults
        finally:
            faults.disarm()


@contextmanager
def no_faults() -> Iterator[Faults]:
    """None can be put into a real driver."""
    pytest.skip("faults are put into emulated drivers only")
    yield Faults()
