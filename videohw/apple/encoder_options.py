"""Options of VideoToolbox's encoders that the arguments of ``Encoder`` do not cover.

Each is checked here by itself; what the system has of it is checked before a session opens
(``encoder_settings``). Must not know: the frameworks, how options become properties.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from ..errors import InvalidInput
from ..types import ContentLight, MasteringDisplay

ENTROPY: Final = ("cabac", "cavlc")
ON_DROP: Final = ("raise", "count")
LEVELS: Final = ("3.0", "3.1", "3.2", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2")
_CHOICES: Final = {"entropy": ENTROPY, "on_drop": ON_DROP, "level": LEVELS}
_BOOLEANS: Final = (
    "real_time", "constant_bit_rate", "speed_over_quality", "power_efficient",
)  # fmt: skip
_SWITCHES: Final = ("require_hardware", "low_latency_rate_control")
# Whole numbers and their limits, whatever the system.
_NUMBERS: Final = {
    "max_frame_delay": (0, 64), "slice_bytes": (1, (1 << 31) - 1), "min_qp": (1, 51),
    "max_qp": (1, 51),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleEncoderOptions:
    """How an encoder of the ``videotoolbox`` backend works. None leaves a thing to the system.

    Encoder: ``require_hardware``: a session that would encode in software is refused;
    ``summary()["using_hardware"]`` says what is used. ``low_latency_rate_control``: the encoder
    of macOS 11.3 and later for calls and screens: keyframes only where they are forced, no
    B-pictures, the High profile; it drops pictures to hold the bitrate, and takes no ``gop``, no
    ``b_frames`` and no constant quality. ``on_drop``: what becomes of a picture that it drops,
    "raise" (``BackendError`` in its place, not fatal) or "count"; ``summary()`` has the number
    and the last of their pts either way.

    Speed: ``real_time`` paces the encoder for live input, None as ``low_latency`` says.
    ``speed_over_quality``, None as ``preset`` says. ``power_efficient``. ``max_frame_delay``:
    most pictures that it may hold before it gives the first of them, 0 to 64; None is ``b_frames``
    with B-pictures, 0 with ``low_latency``.

    Rates: ``data_rate_limits``: (bytes, seconds) that no such time may exceed, in place of those
    that ``rate_control`` stands for. ``constant_bit_rate``: True asks for the encoder's own
    constant bitrate (macOS 13), False never does; None takes it where it is there, and else the
    average with a limit for every second. ``quality``: 0.0 to 1.0 as VideoToolbox has it, in
    place of the mapping of ``ConstantQuality``. ``min_qp``, ``max_qp``: 1 to 51, with
    ``low_latency_rate_control`` only. ``keyframe_seconds``: a keyframe at least so often.

    Stream: ``level`` such as "4.1" and ``entropy`` "cabac" or "cavlc", ``slice_bytes`` at most of
    each slice: of H.264. ``sample_aspect``: width : height of a pixel. ``mastering_display`` and
    ``content_light``: HDR metadata of all pictures, of HEVC.

    :class:`InvalidInput` names the option that is wrong by itself. Opening the encoder raises
    :class:`UnsupportedConfig` with the name of what the system lacks.
    """

    require_hardware: bool = False
    low_latency_rate_control: bool = False
    on_drop: str = "raise"
    real_time: bool | None = None
    speed_over_quality: bool | None = None
    power_efficient: bool | None = None
    max_frame_delay: int | None = None
    data_rate_limits: tuple[tuple[int, float], ...] | None = None
    constant_bit_rate: bool | None = None
    quality: float | None = None
    min_qp: int | None = None
    max_qp: int | None = None
    keyframe_seconds: float | None = None
    level: str | None = None
    entropy: str | None = None
    slice_bytes: int | None = None
    sample_aspect: Fraction | None = None
    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            value = getattr(self, name)
            _check(name, value, isinstance(value, bool), "True or False")
        for name in _BOOLEANS:
            value = getattr(self, name)
            _check(name, value, value is None or isinstance(value, bool), "True, False or None")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            fits = value in choices or (value is None and name != "on_drop")
            _check(name, value, fits, f"one of {', '.join(choices)}")
        for name, (low, high) in _NUMBERS.items():
            value = getattr(self, name)
            fits = value is None or (_is_int(value) and low <= value <= high)
            _check(name, value, fits, f"{low} to {high}")
        self._check_others()

    def _check_others(self) -> None:
        quality, seconds, aspect = self.quality, self.keyframe_seconds, self.sample_aspect
        fits = quality is None or (_is_number(quality) and 0 <= quality <= 1)
        _check("quality", quality, fits, "0.0 to 1.0")
        fits = seconds is None or (_is_number(seconds) and 0 < seconds < 1e6)
        _check("keyframe_seconds", seconds, fits, "above 0")
        fits = aspect is None or (isinstance(aspect, Fraction) and aspect > 0)
        _check("sample_aspect", aspect, fits, "a Fraction above 0, such as Fraction(4, 3)")
        limits = self.data_rate_limits
        fits = limits is None or (isinstance(limits, tuple) and bool(limits))
        fits = fits and all(_is_limit(each) for each in limits or ())
        _check("data_rate_limits", limits, fits, "pairs of bytes and seconds, both above 0")
        for name, kind in (
            ("mastering_display", MasteringDisplay), ("content_light", ContentLight)
        ):  # fmt: skip
            value = getattr(self, name)
            _check(name, value, value is None or isinstance(value, kind), f"a {kind.__name__}")
        if self.min_qp is not None and self.max_qp is not None and self.min_qp > self.max_qp:
            raise _wrong("min_qp", self.min_qp, f"not above max_qp, {self.max_qp}")


def options_of(options: object) -> AppleEncoderOptions:
    """``options``, or the defaults for None; :class:`InvalidInput` for another type."""
    if options is None:
        return AppleEncoderOptions()
    if not isinstance(options, AppleEncoderOptions):
        raise InvalidInput(
            f"options is {type(options).__name__}, the videotoolbox backend takes "
            "AppleEncoderOptions",
            argument="options",
            hint="videohw.AppleEncoderOptions(...), or None",
        )
    return options


def _is_limit(each: Any) -> bool:
    if not isinstance(each, tuple) or len(each) != 2:
        return False
    return _is_int(each[0]) and each[0] > 0 and _is_number(each[1]) and each[1] > 0


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or isinstance(value, float)


def _check(name: str, value: object, fits: bool, hint: str) -> None:
    if not fits:
        raise _wrong(name, value, hint)


def _wrong(name: str, value: object, hint: str) -> InvalidInput:
    return InvalidInput(f"options.{name} is {value!r}", argument=f"options.{name}", hint=hint)
