"""What VideoToolbox on this system encodes, asked of it for each size and kind of encoder.

Must not know: sessions, how settings become properties.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from ..encoding.prores import DEFAULT_FLAVOUR, FLAVOURS
from ..errors import BackendError, UnsupportedConfig, VideoHwError
from ..types import Capability
from .capabilities import CODECS, NAME, four_characters, missing

# Every property that settings may ask for, by its name behind kVTCompressionPropertyKey_.
PROPERTIES: Final = (
    "AllowFrameReordering", "AllowOpenGOP", "AverageBitRate", "ColorPrimaries",
    "ConstantBitRate", "ContentLightLevelInfo", "DataRateLimits", "ExpectedFrameRate",
    "H264EntropyMode", "MasteringDisplayColorVolume", "MaxAllowedFrameQP", "MaxFrameDelayCount",
    "MaxH264SliceBytes", "MaxKeyFrameInterval", "MaxKeyFrameIntervalDuration",
    "MaximizePowerEfficiency", "MinAllowedFrameQP", "PixelAspectRatio",
    "PrioritizeEncodingSpeedOverQuality", "ProfileLevel", "Quality", "RealTime",
    "TransferFunction", "YCbCrMatrix",
)  # fmt: skip
PROFILES: Final = {
    "h264": ("constrained-baseline", "baseline", "main", "constrained-high", "high"),
    "hevc": ("main", "main10", "main422-10"),
    "prores": tuple(FLAVOURS),
}
_PROFILE_NAMES: Final = {
    "constrained-baseline": "ConstrainedBaseline", "baseline": "Baseline", "main": "Main",
    "constrained-high": "ConstrainedHigh", "high": "High", "main10": "Main10",
    "main422-10": "Main42210",
}  # fmt: skip
# More B-pictures in a row than any encoder of VideoToolbox is known to make.
MAX_B_FRAMES: Final = 4
# Kinds of rate control whose numbers a running encoder takes without a keyframe.
LIVE_RATES: Final = ("ConstantBitrate", "VariableBitrate")
_FORMATS: Final = ("nv12", "i420", "rgb24", "bgr24", "rgba", "bgra")
# An encoder that has not opened by then is not waited for, nor is an answer about one.
OPENING_SECONDS = 10.0
# The system answers for a size; one that every encoder takes.
_WIDTH, _HEIGHT = 1280, 720


@dataclass(frozen=True, slots=True)
class Answers:
    """The ``properties`` that the encoder for a codec, a size and a wish takes."""

    codec: str
    properties: frozenset[str]

    def require(self, name: str, argument: str, what: str, hint: str | None = None) -> None:
        """:class:`UnsupportedConfig` where the encoder has no property ``name``."""
        if name not in self.properties:
            raise refused(argument, f"{what}, which this encoder of VideoToolbox lacks", hint)


def code_of(codec: str, profile: str | None) -> int:
    """CoreMedia's code of a codec; each flavour of ProRes has its own."""
    if codec == "prores":
        return four_characters(FLAVOURS[profile or DEFAULT_FLAVOUR].fourcc)
    return CODECS[codec]


def profile_symbol(codec: str, profile: str, level: str = "AutoLevel") -> str:
    """The name of the variable that VideoToolbox has for a profile, by its name here."""
    family = {"h264": "H264", "hevc": "HEVC"}[codec]
    return f"kVTProfileLevel_{family}_{_PROFILE_NAMES[profile]}_{level}"


def refused(argument: str | None, message: str, hint: str | None = None) -> UnsupportedConfig:
    """What the system does not do, with the argument that asks for it."""
    return UnsupportedConfig(message, argument=argument, hint=hint)


def answers(
    codec: str,
    width: int,
    height: int,
    *,
    requires_hardware: bool,
    low_latency: bool,
    profile: str | None = None,
) -> Answers:
    """What the encoder takes; :class:`UnsupportedConfig` where the system has none. ``profile``
    matters for ProRes."""
    from .. import _vt_encode
    from .encoder_failures import no_encoder

    code = code_of(codec, profile)
    found, failure = _vt_encode.supported(
        code, width, height, PROPERTIES, seconds=OPENING_SECONDS,
        requires_hardware=requires_hardware, low_latency_rate_control=low_latency,
    )  # fmt: skip
    if found is None:
        assert failure is not None
        ours = failure[1] > 0  # it did not answer at all
        raise no_encoder(
            failure, codec, width, height, low_latency=low_latency,
            argument=None
            if ours
            else _too_large(code, width, height, requires_hardware, low_latency),
        )  # fmt: skip
    return Answers(codec, found)


def _too_large(
    codec: int, width: int, height: int, requires_hardware: bool, low_latency: bool
) -> str | None:
    """Which side of the picture keeps the system from having an encoder, None if neither does."""
    from .. import _vt_encode

    def works(width: int, height: int) -> bool:
        found, _ = _vt_encode.supported(
            codec, width, height, (), seconds=OPENING_SECONDS,
            requires_hardware=requires_hardware, low_latency_rate_control=low_latency,
        )  # fmt: skip
        return found is not None

    if not works(_WIDTH, _HEIGHT):
        return None
    return "height" if works(width, _HEIGHT) else "width"


def capabilities(
    codec: str, direction: Literal["decode", "encode"] = "encode", device: int | str = 0
) -> Capability:
    """What the system encodes of ``codec``.

    ``formats`` are those that an encoder takes. ``details``: the ``profiles`` that this system
    has names for, by their names here,
    the ``properties`` of the encoder by theirs, whether there is one of hardware
    (``hardware_encoder``) and one for ``low_latency_rate_control``, and in
    ``switch_reconfigures`` the kinds of rate control whose numbers change without a keyframe.
    """
    absent = missing()
    if absent is not None:
        return _refusal(codec, *absent)
    if codec not in PROFILES:
        return _refusal(codec, f"the videotoolbox backend does not encode {codec}")
    if device != 0:
        return _refusal(codec, f"there is no device {device!r}, only 0")
    names = _named(codec)
    try:
        told = _asked(codec, profile=names[0] if names and codec == "prores" else None)
    except VideoHwError as error:
        refused = _refusal(codec, str(error.args[0]), error.hint)
        if not isinstance(error, BackendError):
            return refused
        return refused._replace(failed=True, error=error.with_traceback(None))
    hardware = _has(codec, requires_hardware=True)
    details = {
        "profiles": names,
        "properties": tuple(sorted(told.properties)),
        "hardware_encoder": hardware,
        "low_latency_rate_control": _has(codec, low_latency=True),
        "switch_reconfigures": LIVE_RATES if codec != "prores" else (),
    }
    deep = ("p010",) if codec != "h264" else ()
    return Capability(
        NAME, codec, "encode", supported=True, hardware=hardware,
        formats=(*_FORMATS[:1], *deep, *_FORMATS[1:]), details=MappingProxyType(details),
        max_b_frames=MAX_B_FRAMES if "AllowFrameReordering" in told.properties else 0,
    )  # fmt: skip


def _named(codec: str) -> tuple[str, ...]:
    """The profiles that the system has a name for: some came with macOS 12; or an encoder for."""
    from .. import _vt_encode

    if codec == "prores":
        return tuple(each for each in FLAVOURS if _has(codec, profile=each))
    return tuple(
        each for each in PROFILES[codec] if _vt_encode.is_named(profile_symbol(codec, each))
    )


def _refusal(codec: str, reason: str, hint: str | None = None) -> Capability:
    return Capability(
        NAME, codec, "encode", supported=False, hardware=True, reason=reason, hint=hint
    )


def _asked(
    codec: str,
    *,
    requires_hardware: bool = False,
    low_latency: bool = False,
    profile: str | None = None,
) -> Answers:
    return answers(
        codec, _WIDTH, _HEIGHT, requires_hardware=requires_hardware, low_latency=low_latency,
        profile=profile,
    )  # fmt: skip


def _has(codec: str, **wish: Any) -> bool:
    try:
        _asked(codec, **wish)
    except VideoHwError:
        return False
    return True
