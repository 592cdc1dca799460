"""How many bits an encoder spends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ConstantBitrate:
    """Hold ``bps`` (bits per second) over a buffer of one second, for SVT-AV1 a goal only."""

    bps: int

    def __post_init__(self) -> None:
        _check_positive("rate_control.bps", self.bps)


@dataclass(frozen=True, slots=True)
class VariableBitrate:
    """Average ``bps`` and never more than ``max_bps`` (bits per second; None: 1.5 x ``bps``).

    SVT-AV1 codes it in its constant mode with a larger buffer, as its variable one keeps no
    maximum; ``rate_mode`` of :meth:`Encoder.summary` says so."""

    bps: int
    max_bps: int | None = None

    def __post_init__(self) -> None:
        _check_positive("rate_control.bps", self.bps)
        if self.max_bps is not None:
            _check_positive("rate_control.max_bps", self.max_bps)
            if self.max_bps < self.bps:
                raise InvalidInput(
                    f"rate_control.max_bps {self.max_bps} is below bps {self.bps}",
                    argument="rate_control.max_bps",
                )


@dataclass(frozen=True, slots=True)
class ConstantQuality:
    """Hold the quality: ``q`` on the codec's own scale, 0 is best.

    0 to 51 for H.264 and HEVC (x264 and x265: CRF), 0 to 63 for AV1.
    """

    q: float

    def __post_init__(self) -> None:
        if (
            not isinstance(self.q, (int, float))
            or isinstance(self.q, bool)
            or not math.isfinite(self.q)
            or self.q < 0
        ):
            raise InvalidInput(
                f"rate_control.q is {self.q!r}", argument="rate_control.q", hint="0 or more"
            )


@dataclass(frozen=True, slots=True)
class ConstantQp:
    """Fixed quantiser per picture type, on the codec's own scale.

    0 to 51 for H.264 and HEVC (and below for high bit depths), 0 to 63 for AV1. ``p`` None is
    ``i``, ``b`` None is ``p``.
    """

    i: int
    p: int | None = None
    b: int | None = None

    def __post_init__(self) -> None:
        for name in ("i", "p", "b"):
            value = getattr(self, name)
            if value is None and name != "i":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise InvalidInput(
                    f"rate_control.{name} is {value!r}",
                    argument=f"rate_control.{name}",
                    hint="an integer of 0 or more",
                )


RateControl: TypeAlias = ConstantBitrate | VariableBitrate | ConstantQuality | ConstantQp


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise InvalidInput(
            f"{name} is {value!r}", argument=name, hint="an integer above 0, in bits per second"
        )
