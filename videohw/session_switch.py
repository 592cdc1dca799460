"""Changing an encoder's settings while it runs: what is asked for, and from which picture on.

Owns: the request, which pictures are keyframes by themselves, which settings are in force. Must
not know: any codec library or driver; how a switch is carried out is the backend's.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .backend import SessionSwitch
from .errors import InvalidInput
from .types import EncoderConfig

# The arguments of Encoder that may change while it runs.
SWITCHABLE: Final = (
    "rate_control", "fps", "gop", "b_frames", "width", "height", "profile", "preset",
    "low_latency", "color",
)  # fmt: skip


class SwitchMode(enum.Enum):
    """From which picture on a session switch acts.

    - ``IMMEDIATE``: the next picture submitted.
    - ``ON_NEXT_KEYFRAME``: the next picture that is a keyframe by itself: forced by the caller,
      the first of all or after a flush, or due by the ``gop`` that was set. None is forced for
      the switch. With ``gop=None`` the library places keyframes when it has looked at the
      pictures, which is too late to know here, so only the first two kinds count.
    - ``DRAIN_THEN_SWAP``: the next picture submitted, like IMMEDIATE, but the packets of all
      pictures before are made at once, without waiting for that picture, and a new encoder
      begins with a keyframe whatever was changed.
    """

    IMMEDIATE = "immediate"
    ON_NEXT_KEYFRAME = "on_next_keyframe"
    DRAIN_THEN_SWAP = "drain_then_swap"


@dataclass(frozen=True, slots=True)
class SwitchRequest:
    """What :meth:`Encoder.request_session_switch` is asked for.

    ``changes``: new values of arguments of ``Encoder`` by name: rate_control, fps, gop,
    b_frames, width, height, profile, preset, low_latency, color; everything else stays as it is.
    ``mode``: from which picture on. :class:`InvalidInput` for a name that cannot be switched.
    """

    changes: Mapping[str, Any]
    mode: SwitchMode = SwitchMode.IMMEDIATE

    def __post_init__(self) -> None:
        changes: object = self.changes
        if not isinstance(changes, Mapping) or not changes:
            raise InvalidInput(
                f"changes is {changes!r}",
                argument="changes",
                hint='a mapping such as {"rate_control": ConstantBitrate(1_000_000)}',
            )
        for name in changes:
            if name not in SWITCHABLE:
                raise InvalidInput(
                    f"{name!r} cannot be switched",
                    argument=name if isinstance(name, str) else "changes",
                    hint=f"one of {', '.join(SWITCHABLE)}; for all else open a new encoder",
                )
        if not isinstance(self.mode, SwitchMode):
            raise InvalidInput(
                f"mode is {self.mode!r}",
                argument="mode",
                hint=" or ".join(f"SwitchMode.{mode.name}" for mode in SwitchMode),
            )
        object.__setattr__(self, "changes", MappingProxyType(dict(changes)))


class _Mark(NamedTuple):
    """A picture that may be a keyframe: the first of ``switch``; else by the ``gop``, or for sure
    where that is None."""

    position: int
    switch: SessionSwitch | None = None
    gop: int | None = None


class _Keyframes:
    """Which pictures are keyframes without anybody asking for a switch.

    A switch that begins with one may fail later: then that was none, and what was counted from
    there is counted again from the one before.
    """

    def __init__(self) -> None:
        self._stream: int | None = None
        self._count = 0  # pictures so far
        self._marks: list[_Mark] = []  # all since the newest that is certain

    def starts(self, stream: int) -> bool:
        """Whether the next picture is the first of ``stream``."""
        return stream != self._stream

    def at_next(self, stream: int, forced: bool, gop: int | None) -> bool:
        return self._certain_at_next(stream, forced) or self._due(gop)

    def took(
        self, stream: int, forced: bool, gop: int | None, started: SessionSwitch | None
    ) -> None:
        """A picture was queued, behind ``started``; ``gop`` was in force before that."""
        if self._certain_at_next(stream, forced):
            self._mark(_Mark(self._count))
        elif self._due(gop):
            self._mark(_Mark(self._count, gop=gop))
        if started is not None:
            self._mark(_Mark(self._count, started))
        self._stream = stream
        self._count += 1

    def restart(self) -> None:
        self._stream = None

    def _mark(self, mark: _Mark) -> None:
        settled = all(each.switch is None or each.switch.state != "queued" for each in self._marks)
        last, ended = self._last()
        if settled and not ended:
            self._marks = [_Mark(last)]
        self._marks.append(mark)

    def _certain_at_next(self, stream: int, forced: bool) -> bool:
        return forced or self.starts(stream) or self._last()[1]

    def _due(self, gop: int | None) -> bool:
        return bool(gop) and (self._count - self._last()[0]) % (gop or 1) == 0

    def _last(self) -> tuple[int, bool]:
        """Where the last keyframe was, and whether the next picture is one, since an encoder ended
        its stream for a change that it then refused."""
        last, ended = 0, False
        for position, switch, gop in self._marks:
            if switch is not None:
                made = switch.prepared
                keyframe = made is None or made.makes_keyframe
                if switch.state == "failed":
                    ended = ended or (keyframe and made is not None and made.reconfigures)
                    continue
            else:
                keyframe = gop is None or (position - last) % gop == 0
            if keyframe or ended:
                last, ended = position, False
        return last, ended


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with the switch that it is to become."""

    request: SwitchRequest
    switch: SessionSwitch

    def describe(self) -> dict[str, Any]:
        switch = self.switch
        return {
            "state": switch.state,
            "generation": switch.generation,
            "mode": self.request.mode.value,
            "changes": dict(self.request.changes),
            "reconfigures": switch.prepared is not None and switch.prepared.reconfigures,
            "error": switch.error,
        }


class SwitchPlan:
    """The settings in force for the pictures of one encoder, and the switch that is to come.

    The encoder's lock guards it, except for reading :attr:`in_force`, :meth:`due` and
    :meth:`describe`. A picture goes through :meth:`due` and :meth:`took`.
    """

    def __init__(self, opened: EncoderConfig) -> None:
        # What was queued, the newest last; the first is known to have been carried out.
        self._begun: tuple[SessionSwitch, ...] = (SessionSwitch(0, opened, state="active"),)
        self._pending: _Asked | None = None
        self._newest: _Asked | None = None
        self._keyframes = _Keyframes()

    @property
    def in_force(self) -> SessionSwitch:
        """The newest switch that was queued and has not failed."""
        newest = self._begun[-1]
        if newest.state != "failed":
            return newest
        return next(each for each in reversed(self._begun) if each.state != "failed")

    @property
    def next_generation(self) -> int:
        """What the next request becomes: one more than the last that was queued."""
        return self._begun[-1].generation + 1

    def ask(self, request: SwitchRequest, switch: SessionSwitch) -> SessionSwitch | None:
        """Let ``switch`` be the one to come; the one that it replaces, or None."""
        replaced = self._pending
        self._pending = self._newest = _Asked(request, switch)
        return replaced.switch if replaced else None

    def starts(self, stream: int) -> bool:
        """Whether the next picture is the first of ``stream``, with nothing before to drain."""
        return self._keyframes.starts(stream)

    def drained(self) -> None:
        """What was submitted is drained, so the next picture is the first of its stream."""
        self._keyframes.restart()

    def due(self, stream: int, forced: bool = False) -> SessionSwitch | None:
        """The switch that acts from the next picture on, if one does."""
        pending = self._pending
        if pending is None:
            return None
        waits = pending.request.mode is SwitchMode.ON_NEXT_KEYFRAME
        return pending.switch if not waits or self._at_keyframe(stream, forced) else None

    def took(self, stream: int, forced: bool, started: SessionSwitch | None) -> None:
        """A picture was queued, behind ``started`` if that is not None."""
        self._keyframes.took(stream, forced, self.in_force.config.gop, started)
        if started is not None:
            self._pending = None
            self._begun = (*self._since_last_active(), started)

    def describe(self) -> dict[str, Any] | None:
        """The newest request and what became of it; None when there was none."""
        pending, newest = self._pending, self._newest
        if pending is not None:
            return {**pending.describe(), "state": "pending"}
        if newest is None:
            return None
        described = newest.describe()
        if described["state"] == "queued":
            described["state"] = "active"
        return described

    def _at_keyframe(self, stream: int, forced: bool) -> bool:
        return self._keyframes.at_next(stream, forced, self.in_force.config.gop)

    def _since_last_active(self) -> tuple[SessionSwitch, ...]:
        begun = self._begun
        last = max(index for index, each in enumerate(begun) if each.state == "active")
        return begun[last:]
