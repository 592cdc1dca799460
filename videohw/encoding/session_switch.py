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

from ..backend import SessionSwitch
from ..errors import InvalidInput
from ..types import EncoderConfig

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

    def __reduce__(self) -> tuple[object, ...]:
        # A read-only view of a dict cannot be pickled.
        return SwitchRequest, (dict(self.changes), self.mode)


class _Taken(NamedTuple):
    """A picture that was queued: the switch in force for it, whether it ``starts`` that, whether it
    ``begins`` a stream, and whether a keyframe was asked for."""

    switch: SessionSwitch
    starts: bool
    begins: bool
    forced: bool


class _Counted(NamedTuple):
    """An encoder behind some pictures: the settings that it has, the pictures that it coded since
    its last keyframe, with that, and whether the next is one, whatever it counts."""

    config: EncoderConfig
    since: int = 0
    ended: bool = False

    def due(self) -> bool:
        """Whether it makes a keyframe of the next picture by itself."""
        return self.ended or (bool(self.config.gop) and self.since % (self.config.gop or 1) == 0)

    def after(self, taken: _Taken) -> _Counted:
        """Behind that picture, as far as is known by now what becomes of its switch."""
        now = self._switched(taken.switch) if taken.starts else self
        if taken.begins:
            now = now._replace(ended=True)
        if _size(taken.switch.config) != _size(now.config):
            return now  # of a size that the encoder does not have: it gives an error, no packet
        if taken.forced or now.due():
            return now._replace(since=1, ended=False)
        return now._replace(since=now.since + 1)

    def _switched(self, switch: SessionSwitch) -> _Counted:
        made = switch.prepared
        # It may have been asked for behind one that failed, so that only this is another size.
        resizes = _size(switch.config) != _size(self.config)
        if switch.state == "failed":
            # The running encoder ended its stream for another size, before it refused that.
            reconfigures = made is not None and made.reconfigures
            return self._replace(ended=self.ended or (resizes and reconfigures))
        # What is due by the GOP before the switch is made behind it, too.
        ended = self.due() or resizes or made is None or made.makes_keyframe
        return _Counted(switch.config, self.since, ended)


def _size(config: EncoderConfig) -> tuple[int, int]:
    return config.width, config.height


class _Keyframes:
    """Which pictures are keyframes without anybody asking for a switch.

    A switch may fail when pictures behind it were queued: what was counted is counted again then,
    from the last picture before the first switch of which that is not known.
    """

    def __init__(self, opened: EncoderConfig) -> None:
        self._stream: int | None = None
        self._known = _Counted(opened)
        self._taken: list[_Taken] = []  # since the first that starts a switch still queued

    def starts(self, stream: int) -> bool:
        """Whether the next picture is the first of ``stream``."""
        return stream != self._stream

    def at_next(self, stream: int, forced: bool) -> bool:
        """Whether the next picture is a keyframe."""
        return forced or self.starts(stream) or self._counted().due()

    def took(self, stream: int, forced: bool, switch: SessionSwitch, starts: bool) -> None:
        """A picture of ``switch`` was queued, the first of it where it ``starts`` that."""
        self._taken.append(_Taken(switch, starts, self.starts(stream), forced))
        self._stream = stream
        self._settle()

    def restart(self) -> None:
        """The next picture is the first of its stream."""
        self._stream = None

    def _settle(self) -> None:
        certain = 0
        for taken in self._taken:
            if taken.starts and taken.switch.state == "queued":
                break
            self._known = self._known.after(taken)
            certain += 1
        del self._taken[:certain]

    def _counted(self) -> _Counted:
        now = self._known
        for taken in self._taken:
            now = now.after(taken)
        return now


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
        self._keyframes = _Keyframes(opened)

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
        return pending.switch if not waits or self._keyframes.at_next(stream, forced) else None

    def took(
        self, stream: int, forced: bool, switch: SessionSwitch, started: SessionSwitch | None
    ) -> None:
        """A picture of ``switch`` was queued, behind ``started`` if that is not None."""
        self._keyframes.took(stream, forced, switch, started is not None)
        if started is not None:
            self._begin(started)

    def refused(self, switch: SessionSwitch) -> None:
        """``switch``, which was to start, failed before a picture of it was queued."""
        self._begin(switch)

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

    def _begin(self, switch: SessionSwitch) -> None:
        self._pending = None
        self._begun = (*self._since_last_active(), switch)

    def _since_last_active(self) -> tuple[SessionSwitch, ...]:
        begun = self._begun
        last = max(index for index, each in enumerate(begun) if each.state == "active")
        return begun[last:]
