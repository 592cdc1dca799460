"""An encoding session on the emulated drivers, from its opening to its end, as the fault tests
run it again and again."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests.backends.encode_runs import Outcome, run_encoder
from tests.backends.nvidia import emulated_drivers
from tests.emulators import build
from tests.emulators.control import Emulator
from videohw import Encoder
from videohw.types import ConstantBitrate, ConstantQp, Packet

PATIENCE_SECONDS = 60.0
SETTLE_SECONDS = 10.0
ENCODE = "libnvidia-encode.so.1"
WIDTH, HEIGHT = 192, 128


@contextmanager
def emulated_encoders(**settings: object) -> Iterator[Emulator]:
    """Have this process load the emulated drivers with an encoder; skips where they cannot be
    built. ``settings``: of ``Emulator.encoding``."""
    reason = build.missing(ENCODE)
    if reason:
        pytest.skip(reason)
    emulator = Emulator(build.built(ENCODE))
    known = {
        "NVENC": "consumer", "NVENC_VERSION": "13.0", "NVENC_SESSIONS": 64, "NVENC_RAW": 0,
        "NVENC_LIMIT_CODE": 10, "NVENC_CAPS": "WIDTH_MIN=16,HEIGHT_MIN=16", "NVENC_PICTURES": "",
        "NVENC_LOOKAHEAD": "burst", "NVENC_DEFERS": 0, "NVENC_END_IS_IDR": 1,
    }  # fmt: skip
    name = {"VIDEOHW_LIBNVIDIA_ENCODE": str(emulator.folder / ENCODE)}
    with emulated_drivers(), patch.dict(os.environ, name):
        emulator.encoding(**{**known, **settings})
        forget_answers()
        try:
            yield emulator
        finally:
            emulator.encoding(**known)
            forget_answers()


def forget_answers() -> None:
    """Have devices be asked again for what they encode."""
    from videohw.nvidia.encoder_capabilities import forget

    forget()


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> npt.NDArray[np.uint8]:
    """An NV12 picture: a gradient that moves, and in the first rows a level that tells which."""
    made = np.full((height * 3 // 2, width), 128, np.uint8)
    made[:height] = (np.arange(width)[None, :] + 3 * number) % 160 + 40
    made[: height // 4] = level(number)
    return made


def level(number: int) -> int:
    """The luma of the first rows of a picture."""
    return 30 + (number * 24) % 192


def decoded(packets: list[Packet], codec: str) -> list[tuple[int, npt.NDArray[np.uint8]]]:
    """(pts, luma) of every picture, by libavcodec, in the order of presentation."""
    context = av.CodecContext.create(codec, "r")
    found = []
    for each in packets:
        coded = av.Packet(each.data)
        coded.pts, coded.dts = each.pts, each.dts
        found += context.decode(coded)
    found += context.decode(None)
    return [(int(frame.pts), _luma(frame)) for frame in found]


def _luma(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def check_pictures(packets: list[Packet], codec: str, numbers: dict[int, int]) -> None:
    """Every packet's picture is the one that was submitted at its pts: ``numbers`` by pts."""
    found = decoded(packets, codec)
    assert [pts for pts, _ in found] == sorted(each.pts for each in packets)
    for pts, luma in found:
        mean = float(luma[: luma.shape[0] // 4 - 2].mean())
        assert abs(mean - level(numbers[pts])) < 6, (pts, mean, level(numbers[pts]))


def check_times(packets: list[Packet]) -> None:
    """Decoding times increase and are never late."""
    times = [each.dts for each in packets]
    assert times == sorted(set(times))
    assert all(each.dts <= each.pts for each in packets)


@dataclass(frozen=True)
class Scenario:
    """What is encoded, and how."""

    name: str
    codec: str = "h264"
    pictures: int = 8
    arguments: tuple[tuple[str, Any], ...] = ()
    switches: tuple[tuple[int, dict[str, Any]], ...] = ()  # before a picture, what changes
    on_device: bool = False

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def encoder(self) -> Encoder:
        """An encoder for it on the emulated driver."""
        return Encoder(
            self.codec, WIDTH, HEIGHT, fps=30, backend="nvidia", max_in_flight=6,
            **{"rate_control": ConstantQp(20, 20, 20), **dict(self.arguments)},
        )  # fmt: skip


PLAIN = Scenario("plain")
RATED = (("rate_control", ConstantBitrate(600_000)),)
RATES = {"rate_control": ConstantBitrate(300_000)}
SCENARIOS = (
    PLAIN,
    Scenario("reordered", "hevc", 9, (("b_frames", 2),)),
    Scenario("on-device", on_device=True),
    Scenario("switched", "h264", 8, RATED, ((2, RATES), (6, {"preset": "fastest"}))),
)


def run(scenario: Scenario) -> Outcome:
    """Open, encode, flush, encode again, flush, close."""

    def given(number: int) -> Any:
        pixels = picture(number)
        if not scenario.on_device:
            return pixels
        from videohw import _cuda

        return _cuda.device(0).upload(pixels)

    return run_encoder(scenario.encoder, given, scenario.pictures, scenario.switches)


# What tests that lose a context leave in this process: nobody can give it back.
LEFT_BY_LOSSES = frozenset({"decoder", "pinned memory"})


@contextmanager
def nothing_left(emulator: Emulator) -> Iterator[None]:
    """What runs within leaves no handle and no misuse behind, and neither faults."""
    release(emulator, LEFT_BY_LOSSES)
    before = frozenset(emulator.open())
    with emulator.clean():
        yield
        emulator.clear_faults()
        assert release(emulator, before) == set()


def release(emulator: Emulator, left_before: frozenset[str] = frozenset()) -> set[str]:
    """Let go of every device; the kinds of handles still open when the last encoder had ended.

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
