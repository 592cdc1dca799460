"""The settings of an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..known_names import DEFAULT_MAX_IN_FLIGHT_PACKETS
from .rate_control import ConstantQuality, RateControl

if TYPE_CHECKING:
    from fractions import Fraction

    from ..color import ColorSpec

_USUAL_RATE: Final = ConstantQuality(23)


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Checked settings of an encoder, as a backend gets them; ``gop`` in frames between keyframes
    (None: the backend's own, 0: only the first), ``rate_asked``: ``rate_control`` is no default."""

    codec: str
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    input: str = "nv12"
    device: int | str = 0
    rate_control: RateControl | None = _USUAL_RATE  # None: of ProRes
    gop: int | None = None
    b_frames: int = 0
    profile: str | None = None
    preset: str = "balanced"
    low_latency: bool = False
    color: ColorSpec | None = None
    layout: str = "annexb"
    max_in_flight: int = DEFAULT_MAX_IN_FLIGHT_PACKETS
    options: object | None = None
    rate_asked: bool = True
