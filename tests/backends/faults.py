"""Faults put into a backend's codec, by one interface for all backends.

A contract test says what fails and when; how it gets there is the backend's business: for
``software`` in the step between our engine and libavcodec, for a driver in its emulator.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Literal, TypeAlias
from unittest.mock import patch

from videohw.errors import DeviceLost

# "refuse": the codec gives an error for the picture, does not decode or encode it, and goes on.
# "lost": the device is gone, the session cannot go on. "bug": an exception that is none of ours.
# "stall": the codec does not come back before `Faults.release`.
Kind: TypeAlias = Literal["refuse", "lost", "bug", "stall"]


class PlantedBug(Exception):
    """What a fault of kind "bug" raises inside the backend."""


class Faults:
    """Which of the pictures that reach the codec fail, and how.

    Pictures are counted from when a fault is armed, over all sessions and in the order in which
    their codecs get them; each fault happens once. ``hits`` says what happened: (kind,
    number of the picture among all that reached a codec).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: dict[int, Kind] = {}
        self._seen = 0
        self._released = threading.Event()
        self._stalled = threading.Event()
        self.hits: list[tuple[Kind, int]] = []

    def arm(self, kind: Kind, after: int = 0) -> None:
        """The picture after the next ``after`` ones fails."""
        with self._lock:
            self._armed[self._seen + after] = kind

    def disarm(self) -> None:
        """What is armed and has not happened does not happen; what stalls goes on."""
        with self._lock:
            self._armed.clear()
        self.release()

    def release(self) -> None:
        """Let the codec come back from every stall, those to come too."""
        self._released.set()

    def wait_until_stalled(self, seconds: float) -> bool:
        """Wait for a stall to begin; False when none did in that time."""
        return self._stalled.wait(seconds)

    def next(self) -> Kind | None:
        """For backends: a picture reaches the codec. What it must do with it; None: its work."""
        with self._lock:
            kind = self._armed.pop(self._seen, None)
            if kind is not None:
                self.hits.append((kind, self._seen))
            self._seen += 1
        if kind == "stall":
            self._stalled.set()
            self._released.wait()
            return None
        if kind == "lost":
            raise DeviceLost(
                "the device is gone", domain="faults", call="codec", code=999, name="LOST",
                hint="open a new session",
            )  # fmt: skip
        if kind == "bug":
            raise PlantedBug("a planted bug")
        return kind


FaultPlan: TypeAlias = Callable[[], AbstractContextManager[Faults]]


@contextmanager
def software_faults() -> Iterator[Faults]:
    """Faults in the sessions of the software backend, while the context lasts."""
    import av

    from videohw.software.context import DecodingContext, Outcome
    from videohw.software.encoder_pixels import PixelStage

    faults = Faults()
    real_decode, real_convert = DecodingContext.decode, PixelStage.convert

    def decode(context: DecodingContext, data: bytes, serial: int) -> Outcome:
        if faults.next() == "refuse":
            code = av.error.tag_to_code(b"INDA")
            error = av.error.InvalidDataError(code, "planted", "avcodec_send_packet()")
            return Outcome([], serial, error)
        return real_decode(context, data, serial)

    def convert(stage: PixelStage, pixels: Any) -> Any:
        if faults.next() == "refuse":
            code = av.error.tag_to_code(b"EXT ")
            raise av.error.ExternalError(code, "planted", "avcodec_send_frame()")
        return real_convert(stage, pixels)

    with ExitStack() as patches:
        patches.enter_context(patch.object(DecodingContext, "decode", decode))
        patches.enter_context(patch.object(PixelStage, "convert", convert))
        try:
            yield faults
        finally:
            faults.disarm()
