"""What the session switch tests share: a run with switches in it, and its checks.

Every run is checked as one joined stream by libavcodec, which knows nothing of switches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from tests.backends.encoding import (
    PATIENCE_SECONDS,
    Array,
    accepted,
    check_times,
    nv12_pictures,
    nv12_planes,
    psnr,
    reaped,
    witness,
)
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.types import Packet

# libx265 codes pictures of a single coding tree unit, 64x64, badly with some presets.
SIDE = 96


@dataclass
class Submitted:
    """A picture as it was given, with the generation that it should have."""

    pts: int
    generation: int
    picture: Array


@dataclass
class Run:
    """Pictures through ``encoder``, of the size that it asks for, with what came out."""

    encoder: Encoder
    step: int = 1
    submitted: list[Submitted] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)

    def submit(self, count: int = 1, *, force: bool = False, pts: int | None = None) -> None:
        """``count`` pictures, each ``step`` after the one before, or one at ``pts``."""
        for _ in range(count):
            if pts is None:
                pts = self.submitted[-1].pts + self.step if self.submitted else 0
            picture = _picture(len(self.submitted), *self._size(force))
            while not accepted(self.encoder, picture, pts, force_keyframe=force):
                self.packets += reaped(self.encoder)
            generation = self.encoder.summary()["generation"]
            self.submitted.append(Submitted(pts, generation, picture))
            pts = None

    def _size(self, forced: bool) -> tuple[int, int]:
        width, height = self.encoder.width, self.encoder.height
        switch = self.encoder.summary()["switch"]
        if forced and switch and switch["state"] == "pending":
            # What a switch on the next keyframe waits for.
            changes = switch["changes"]
            return changes.get("width", width), changes.get("height", height)
        return width, height

    def switch(self, mode: SwitchMode = SwitchMode.IMMEDIATE, **changes: Any) -> int:
        return self.encoder.request_session_switch(SwitchRequest(changes, mode))

    def flush(self) -> None:
        # One by one: what was reaped before an error is raised is not lost with it.
        for packet in iter(self.encoder.try_reap, None):
            self.packets.append(packet)
        self.packets += self.encoder.flush(PATIENCE_SECONDS)

    def pts_of(self, generation: int) -> list[int]:
        return [each.pts for each in self.submitted if each.generation == generation]

    @property
    def keys(self) -> list[int]:
        """The pts of the keyframes."""
        return sorted(packet.pts for packet in self.packets if packet.keyframe)

    def check(self, *, least_psnr: float = 24.0, reconfigured: bool = False) -> None:
        """Nothing lost, times and generations right, every picture decodes to what went in.

        ``reconfigured``: a generation may begin between pictures that are reordered.
        """
        encoder, packets = self.encoder, self.packets
        check_times(packets, [each.pts for each in self.submitted])
        generations = {each.pts: each.generation for each in self.submitted}
        assert [p.generation for p in packets] == [generations[p.pts] for p in packets]
        if not reconfigured:
            assert all(a.generation <= b.generation for a, b in pairwise(packets))
        if not encoder.closed:
            account = encoder.summary()
            assert account["submitted"] == account["delivered"] == len(packets)
            assert account["reasons"] == {}
        seen = witness(encoder.codec, packets)
        assert [each.pts for each in seen] == [each.pts for each in self.submitted]
        for decoded, given in zip(seen, self.submitted, strict=True):
            if decoded.format == "yuv420p":
                assert psnr(nv12_planes(given.picture), decoded.planes) > least_psnr
            else:
                height, width = given.picture.shape[0] * 2 // 3, given.picture.shape[1]
                assert decoded.planes[0].shape == (height, width)


@cache
def _pictures(width: int, height: int) -> tuple[Array, ...]:
    return tuple(nv12_pictures(60, width, height))


def _picture(index: int, width: int, height: int) -> Array:
    made = _pictures(width, height)
    return made[index % len(made)]


def due(first: int, count: int, gop: int) -> list[int]:
    """The pictures that are keyframes by a ``gop``, of ``count`` from a keyframe at ``first``."""
    return list(range(first, first + count, gop)) if gop else [first]
