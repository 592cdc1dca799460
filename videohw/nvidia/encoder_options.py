"""Options of NVENC that the arguments of ``Encoder`` do not cover, of a session and of a picture.

Each is checked here by itself; what a device has of it is checked before a session opens
(``encoder_settings``). Must not know: the driver, how options become fields of its structs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Final, TypeAlias

from ..errors import InvalidInput
from ..types import ContentLight, MasteringDisplay

# A quantiser for every picture, or for I, P and B.
Quantisers: TypeAlias = "int | tuple[int, int, int]"

PRESETS: Final = ("p1", "p2", "p3", "p4", "p5", "p6", "p7")
TUNINGS: Final = (
    "high_quality", "low_latency", "ultra_low_latency", "lossless", "ultra_high_quality",
)  # fmt: skip
MULTIPASS: Final = ("off", "quarter", "full")
B_REFERENCES: Final = ("off", "each", "middle")
QP_MAPS: Final = ("delta", "emphasis", "absolute")
ENTROPY: Final = ("cabac", "cavlc")
TIERS: Final = ("main", "high")
SPLITS: Final = ("auto", "forced", "two", "three", "four", "off")
MAX_USER_QP: Final = 255
_MAX_UINT32: Final = (1 << 32) - 1
UUID_BYTES: Final = 16
_BITMAP_BITS: Final = 32

_BOOLEANS: Final = (
    "spatial_aq", "temporal_aq", "weighted_prediction", "non_reference_p", "strict_gop",
    "single_slice_intra_refresh", "safe_lifetime_mode", "enable_pipeline_scheduler",
    "report_metrics",
)  # fmt: skip
_SWITCHES: Final = (
    "repeat_headers", "aud", "buffering_period_sei", "picture_timing_sei", "recovery_point_sei",
    "filler_data", "side_data",
)  # fmt: skip
_CHOICES: Final = {
    "preset": PRESETS, "tuning": TUNINGS, "multipass": MULTIPASS, "b_references": B_REFERENCES,
    "qp_map": QP_MAPS, "entropy": ENTROPY, "tier": TIERS, "split_encode": SPLITS,
}  # fmt: skip
# Whole numbers and their limits, whatever the device.
_NUMBERS: Final = {
    "context": (1, None), "stream": (1, None), "aq_strength": (1, 15), "lookahead": (0, 31),
    "lookahead_level": (0, 3), "vbv_bits": (1, _MAX_UINT32), "vbv_initial_bits": (1, _MAX_UINT32),
    "keyframe_scale": (1, 255), "intra_refresh_period": (2, _MAX_UINT32),
    "intra_refresh_frames": (1, _MAX_UINT32), "long_term_references": (1, 16),
    "reference_frames": (1, 16), "slices": (1, 512), "slice_bytes": (1, _MAX_UINT32),
    "max_width": (1, 1 << 16), "max_height": (1, 1 << 16), "max_in_flight_outputs": (1, 64),
    "gop_length": (1, _MAX_UINT32), "frame_interval_p": (0, 32),
    "pipeline_queue_capacity": (1, 1024),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaEncoderOptions:
    """How an encoder of the ``nvidia`` backend works. None leaves a thing to its preset or driver.

    Quality: ``preset`` "p1" (fastest) to "p7" (best) in place of ``Encoder``'s. ``tuning``
    "high_quality", "low_latency", "ultra_low_latency", "lossless" or "ultra_high_quality".
    ``multipass`` "off", "quarter" or "full" resolution. ``spatial_aq``, ``temporal_aq``;
    ``aq_strength`` 1 to 15. ``lookahead``: pictures looked at before one is coded, 0 to 31;
    ``lookahead_level`` 0 to 3. ``temporal_filter``. ``weighted_prediction``.

    Rates: ``vbv_bits`` and ``vbv_initial_bits``: size and first filling of the rate buffer in
    bits, one second of the highest rate when None. ``min_qp``, ``max_qp``, ``initial_qp``: a
    quantiser, or one each for I, P and B, 0 to 51 (AV1: 0 to 255). ``strict_gop`` holds the rate
    over every GOP. These and ``multipass`` are refused with ``ConstantQp``, which leaves nothing to
    choose. Of a constant bitrate alone: ``keyframe_scale``, bits of a keyframe relative to others,
    1 to 255, where the buffer holds one picture; ``filler_data`` pads it.

    Pictures: ``b_references``: B-pictures that others refer to, "off", "each" or "middle".
    ``non_reference_p``. ``reference_frames``: 1 to 16. ``long_term_references``: how many
    :class:`NvidiaPictureOptions` may mark. ``intra_refresh_period`` and ``intra_refresh_frames``:
    every so many pictures a wave of intra blocks that lasts so many, in place of keyframes;
    ``single_slice_intra_refresh`` keeps it to one slice. ``qp_map``: what the ``qp_map`` of a
    picture means, "delta" (to the quantiser), "emphasis" (levels 0 to 5, H.264) or "absolute".

    Stream: ``level`` such as "4.1"; ``tier`` "main" or "high" (HEVC, AV1). ``entropy`` "cabac" or
    "cavlc" (H.264). ``slices`` of a picture, or ``slice_bytes`` at most of each. ``aud``: access
    unit delimiters. ``repeat_headers``: parameter sets at each keyframe by the driver (else they
    are put there here). ``buffering_period_sei``, ``picture_timing_sei``,
    ``recovery_point_sei``. ``sample_aspect``: width : height of a pixel. ``mastering_display``
    and ``content_light`` for all pictures. ``side_data``: write what a :class:`Frame` brings of
    these, and its captions. ``split_encode``: over several engines (HEVC, AV1) "auto",
    "forced", "two", "three", "four" or "off".

    Device: ``context`` and ``stream`` are those of :class:`NvidiaDecoderOptions`. ``max_width``
    and ``max_height``: the largest size that a session switch may ask for without a new encoder.

    Of the predecessor: ``max_in_flight_outputs`` (1 to 64): buffers at least, None as
    ``max_in_flight`` says. ``gop_length`` and ``frame_interval_p`` are NVENC's words for ``gop``
    and ``b_frames + 1`` (0: intra pictures only), and exclude these.
    ``report_metrics`` is ``metrics`` of the encoder. ``safe_lifetime_mode``,
    ``enable_pipeline_scheduler`` and ``pipeline_queue_capacity`` (1 to 1024) are accepted and
    change nothing: buffers always outlive their use, and conversion always overlaps.

    :class:`InvalidInput` names the option that is wrong by itself. Opening the encoder raises
    :class:`UnsupportedConfig` with the name and the limit for what the device lacks.
    """

    preset: str | None = None
    tuning: str | None = None
    multipass: str | None = None
    spatial_aq: bool | None = None
    temporal_aq: bool | None = None
    aq_strength: int | None = None
    lookahead: int | None = None
    lookahead_level: int | None = None
    temporal_filter: bool | None = None
    weighted_prediction: bool | None = None
    vbv_bits: int | None = None
    vbv_initial_bits: int | None = None
    min_qp: Quantisers | None = None
    max_qp: Quantisers | None = None
    initial_qp: Quantisers | None = None
    keyframe_scale: int | None = None
    filler_data: bool = False
    strict_gop: bool | None = None
    b_references: str | None = None
    non_reference_p: bool | None = None
    reference_frames: int | None = None
    long_term_references: int | None = None
    intra_refresh_period: int | None = None
    intra_refresh_frames: int | None = None
    single_slice_intra_refresh: bool | None = None
    qp_map: str | None = None
    level: str | None = None
    tier: str | None = None
    entropy: str | None = None
    slices: int | None = None
    slice_bytes: int | None = None
    aud: bool = False
    repeat_headers: bool = True
    buffering_period_sei: bool = False
    picture_timing_sei: bool = False
    recovery_point_sei: bool = False
    sample_aspect: Fraction | None = None
    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    side_data: bool = True
    split_encode: str | None = None
    context: int | None = None
    stream: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    max_in_flight_outputs: int | None = None
    gop_length: int | None = None
    frame_interval_p: int | None = None
    safe_lifetime_mode: bool | None = None
    enable_pipeline_scheduler: bool | None = None
    pipeline_queue_capacity: int | None = None
    report_metrics: bool | None = None

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            _check(name, getattr(self, name), isinstance(getattr(self, name), bool), "a bool")
        for name in (*_BOOLEANS, "temporal_filter"):
            value = getattr(self, name)
            _check(name, value, value is None or isinstance(value, bool), "True, False or None")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            _check(name, value, value is None or value in choices, f"one of {', '.join(choices)}")
        for name, (low, high) in _NUMBERS.items():
            value = getattr(self, name)
            hint = f"{low} or more" if high is None else f"{low} to {high}"
            fits = _is_int(value) and value >= low and (high is None or value <= high)
            _check(name, value, value is None or fits, hint)
        for name in ("min_qp", "max_qp", "initial_qp"):
            _check_quantisers(name, getattr(self, name))
        self._check_others()

    def _check_others(self) -> None:
        level: object = self.level
        if level is not None and not isinstance(level, str):
            raise _wrong("level", level, 'text such as "4.1"')
        aspect: object = self.sample_aspect
        if aspect is not None and not (isinstance(aspect, Fraction) and aspect > 0):
            raise _wrong("sample_aspect", aspect, "a Fraction above 0, such as Fraction(4, 3)")
        for name, kind in (
            ("mastering_display", MasteringDisplay), ("content_light", ContentLight)
        ):  # fmt: skip
            value = getattr(self, name)
            _check(name, value, value is None or isinstance(value, kind), f"a {kind.__name__}")
        if self.slices is not None and self.slice_bytes is not None:
            raise _wrong("slice_bytes", self.slice_bytes, "slices or slice_bytes, not both")
        if (self.intra_refresh_period is None) != (self.intra_refresh_frames is None):
            raise _wrong(
                "intra_refresh_frames", self.intra_refresh_frames, "both, or neither of them"
            )
        period, frames = self.intra_refresh_period, self.intra_refresh_frames
        if period is not None and frames is not None and frames >= period:
            raise _wrong("intra_refresh_frames", frames, f"less than the period, {period}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaPictureOptions:
    """What goes with one picture into an NVENC encoder: ``Encoder.submit(..., options=...)``.

    - ``captions``: caption constructs of three bytes each, as :class:`SideData` has them; None
      takes those of the :class:`Frame`.
    - ``user_data``: payloads of user data SEI (unregistered), each a UUID of 16 bytes and more.
    - ``sei``: other payloads, as (payload type, bytes without emulation prevention); AV1:
      (metadata type, bytes).
    - ``qp_map``: int8 array of (rows, columns) of blocks: 16x16 pixels for H.264, 32x32 for
      HEVC, 64x64 for AV1; what it means says ``NvidiaEncoderOptions.qp_map``.
    - ``mark_reference``: keep this picture as the long-term reference of that number;
      ``use_references``: numbers of the only ones that this picture may refer to.
    - ``intra_refresh``: begin a wave of intra blocks that takes so many pictures.
    """

    captions: bytes | None = None
    user_data: Sequence[bytes] = ()
    sei: Sequence[tuple[int, bytes]] = ()
    qp_map: Any = None
    mark_reference: int | None = None
    use_references: Sequence[int] | None = None
    intra_refresh: int | None = None

    def __post_init__(self) -> None:
        captions = self.captions
        fits = isinstance(captions, bytes) and len(captions) % 3 == 0
        _check("captions", captions, captions is None or fits, "bytes, three of each construct")
        for name in ("user_data", "sei", "use_references"):
            value = getattr(self, name)
            fits = isinstance(value, Collection) or (name == "use_references" and value is None)
            _check(name, value, fits, "a sequence")
        for payload in self.user_data:
            fits = isinstance(payload, bytes) and len(payload) >= UUID_BYTES
            _check("user_data", payload, fits, "bytes that begin with a UUID of 16 bytes")
        for each in self.sei:
            _check("sei", each, _is_payload(each), "(payload type, bytes)")
        for name in ("mark_reference", "intra_refresh"):
            value, low = getattr(self, name), int(name == "intra_refresh")
            fits = _is_int(value) and low <= value <= _MAX_UINT32
            _check(name, value, value is None or fits, f"{low} or more")
        for number in self.use_references or ():
            fits = _is_int(number) and 0 <= number < _BITMAP_BITS
            _check("use_references", number, fits, f"numbers from 0 to {_BITMAP_BITS - 1}")


def options_of(options: object) -> NvidiaEncoderOptions:
    """``options``, or the defaults for None; :class:`InvalidInput` for another type."""
    if options is None:
        return NvidiaEncoderOptions()
    if not isinstance(options, NvidiaEncoderOptions):
        raise InvalidInput(
            f"options is {type(options).__name__}, the nvidia backend takes NvidiaEncoderOptions",
            argument="options",
            hint="videohw.NvidiaEncoderOptions(...), or None",
        )
    return options


def picture_options_of(options: object) -> NvidiaPictureOptions:
    """The options of one picture, or none for None; :class:`InvalidInput` for another type."""
    if options is None:
        return NO_PICTURE_OPTIONS
    if not isinstance(options, NvidiaPictureOptions):
        raise InvalidInput(
            f"options of the picture is {type(options).__name__}, the nvidia backend takes "
            "NvidiaPictureOptions",
            argument="options",
            hint="videohw.NvidiaPictureOptions(...), or None",
        )
    return options


def named(options: NvidiaEncoderOptions) -> dict[str, Any]:
    """The options that are not as they are by default, for ``summary()``."""
    default = NvidiaEncoderOptions()
    return {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) != getattr(default, field.name)
    }


def _check_quantisers(name: str, value: object) -> None:
    each = value if isinstance(value, tuple) else (value,) * 3
    fits = len(each) == 3 and all(_is_int(qp) and 0 <= qp <= MAX_USER_QP for qp in each)
    _check(name, value, value is None or fits, "a quantiser from 0 on, or (i, p, b)")


def _is_payload(each: Any) -> bool:
    pair = isinstance(each, tuple) and len(each) == 2
    return pair and _is_int(each[0]) and each[0] in range(1 << 32) and isinstance(each[1], bytes)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(name: str, value: object, fits: bool, hint: str) -> None:
    if not fits:
        raise _wrong(name, value, hint)


def _wrong(name: str, value: object, hint: str) -> InvalidInput:
    return InvalidInput(f"options.{name} is {value!r}", argument=f"options.{name}", hint=hint)


NO_PICTURE_OPTIONS: Final = NvidiaPictureOptions()
