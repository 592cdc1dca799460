"""Frames, a sink with limits, and an account that must add up, for the scheduler's tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from tests.pipeline.threads import PATIENCE_SECONDS
from videohw.errors import Backpressure
from videohw.pipeline import PipelineStats


class Broken(Exception):
    """What a stage of these tests raises."""


@dataclass(frozen=True)
class Shot:
    """A frame of these tests."""

    number: int
    keyframe: bool = False


class Sink:
    """Takes at most ``room`` values until it is emptied, like an encoder that nobody reaps."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.got: list[Any] = []
        self._room = room
        self._changed = threading.Condition()

    def submit(self, value: Any, *, timeout: float | None = 0) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.got) < self._room, timeout):
                raise Backpressure("full", depth=self._room, limit=self._room)
            self.got.append(value)
            self._changed.notify_all()

    def make_room(self, room: int) -> None:
        with self._changed:
            self._room = room
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, PATIENCE_SECONDS)


def adds_up(stats: PipelineStats) -> bool:
    return stats.submitted == stats.delivered + stats.in_flight + sum(stats.reasons.values())
