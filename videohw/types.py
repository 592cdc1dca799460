"""Values that cross the public API: packets, rate control, capabilities, session settings.

Plain data, immutable, no behaviour beyond checking itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import BackendError, InvalidInput
from .known_names import DEFAULT_MAX_IN_FLIGHT_PACKETS

if TYPE_CHECKING:
    from .color import ColorSpec


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


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded picture from an encoder, in decode order.

    ``data``: Annex-B bytes with the parameter sets on keyframes, or 4-byte length-prefixed NAL
    units, as ``layout`` says (AV1: a temporal unit of OBUs in both; ProRes: "frame"). ``pts``,
    ``dts`` and ``duration`` are in ``time_base``; ``dts <= pts``. ``keyframe`` comes from the
    picture. ``extradata`` is set (avcC, hvcC or av1C) where the parameter sets differ from the
    last given. ``generation`` counts session switches. ``bytes(packet)`` is ``data``, and from
    Python 3.12 on a packet is a read-only buffer itself, as in ``file.write(packet)`` (PEP 688).
    """

    data: bytes
    pts: int
    dts: int
    duration: int | None
    keyframe: bool
    layout: str
    time_base: Fraction
    generation: int = 0
    extradata: bytes | None = None

    def __bytes__(self) -> bytes:
        return self.data

    def __buffer__(self, flags: int, /) -> memoryview:
        return memoryview(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        key = " key" if self.keyframe else ""
        return f"<Packet {len(self.data)} bytes pts={self.pts} dts={self.dts}{key}>"


@dataclass(frozen=True, slots=True)
class MasteringDisplay:
    """Colour volume of the mastering display (SMPTE ST 2086; H.264 D.2.29, H.265 D.3.28).

    ``red``, ``green``, ``blue`` and ``white_point`` are CIE 1931 (x, y); luminances in candelas
    per square metre.
    """

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white_point: tuple[Fraction, Fraction]
    max_luminance: Fraction
    min_luminance: Fraction


@dataclass(frozen=True, slots=True)
class ContentLight:
    """Light level of the content in candelas per square metre (CTA-861.3; H.265 D.3.35)."""

    max_content: int
    max_frame_average: int


@dataclass(frozen=True, slots=True)
class SideData:
    """What came with a picture beside its pixels; None where the stream says nothing.

    ``captions`` are the caption constructs of the picture, three bytes each: flags with cc_type,
    then the two bytes of CTA-608 or CTA-708 data (ATSC A/53 part 4, 6.2.3).
    """

    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    captions: bytes | None = None


@dataclass(frozen=True, slots=True)
class Capability:
    """What one backend says of one codec in one direction.

    ``supported`` False comes with ``reason`` and perhaps ``hint``; ``failed``: to ask failed, by
    ``error``. Sizes in pixels, None without a limit. ``formats`` come out of a decoder as
    ``native``, or go into an encoder; ``hardware`` says who works; ``details`` is all else.
    """

    backend: str
    codec: str
    direction: Literal["decode", "encode"]
    supported: bool
    hardware: bool
    reason: str | None = None
    formats: tuple[str, ...] = ()
    max_width: int | None = None
    max_height: int | None = None
    min_width: int | None = None
    min_height: int | None = None
    max_b_frames: int | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    failed: bool = False
    hint: str | None = None
    error: BackendError | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """Whether a backend can be used on this machine, and if not, why and what to do."""

    name: str
    available: bool
    hardware: bool
    reason: str | None = None
    hint: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


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
    rate_control: RateControl | None = ConstantQuality(23)  # None: of ProRes
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
