"""The errors that users see for what VideoToolbox refused of encoding.

Must not know: sessions.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .. import _vt_encode
from ..errors import BackendError, DeviceLost, InvalidInput, UnsupportedConfig, VideoHwError
from ..status import VIDEOTOOLBOX, backend_error

# (call, code, property or variable).
Failure: TypeAlias = "tuple[str | None, int, str]"

_NO_ENCODER: Final = -12908
_PARAMETER: Final = -12902
_LATENCY_KEY: Final = "kVTVideoEncoderSpecification_EnableLowLatencyRateControl"
_SOFTWARE: Final = 'backend="software" may encode it'
_LESS: Final = "a smaller size, a smaller max_in_flight, or fewer sessions"
_LOG: Final = "open a new session; when that fails too, see the system's log"
_AGAIN: Final = "submit the picture again; when that fails too, open a new session"
# Of our own codes: what happened, and what to try.
_OURS: Final = {
    _vt_encode.NO_MEMORY: ("memory ran out", _LESS),
    _vt_encode.NO_SUCH_NAME: ("this system has no name for the value", "a newer macOS may have it"),
    _vt_encode.NO_PACKET: ("no packet came", _AGAIN),
    _vt_encode.KEYFRAME_DISPUTED: (
        "its attachments and its units do not agree on whether it is a keyframe", _AGAIN,
    ),
    _vt_encode.BAD_SAMPLE: ("the coded sample cannot be read", _AGAIN),
    _vt_encode.NO_RETURN: (
        "it did not come back in time", "open it again; when that fails too, see the system's log",
    ),
}  # fmt: skip
# What is refused of an argument, by the property that it became.
_ARGUMENTS: Final = {
    "ProfileLevel": "profile", "AllowFrameReordering": "b_frames", "MaxKeyFrameInterval": "gop",
    "AverageBitRate": "rate_control", "ConstantBitRate": "rate_control",
    "DataRateLimits": "rate_control", "Quality": "rate_control", "YCbCrMatrix": "color",
    "ColorPrimaries": "color", "TransferFunction": "color", "ExpectedFrameRate": "fps",
    "MaxFrameDelayCount": "options.max_frame_delay", "H264EntropyMode": "options.entropy",
    "MaxH264SliceBytes": "options.slice_bytes", "PixelAspectRatio": "options.sample_aspect",
    "MasteringDisplayColorVolume": "options.mastering_display",
    "ContentLightLevelInfo": "options.content_light", "MinAllowedFrameQP": "options.min_qp",
    "MaxAllowedFrameQP": "options.max_qp", "RealTime": "options.real_time",
    "MaxKeyFrameIntervalDuration": "options.keyframe_seconds",
    "MaximizePowerEfficiency": "options.power_efficient",
}  # fmt: skip


def no_encoder(
    failure: Failure, codec: str, width: int, height: int, *, low_latency: bool,
    argument: str | None,
) -> VideoHwError:  # fmt: skip
    """Why the system has no encoder for such pictures; ``argument``: what would be too large."""
    call, code, about = failure
    what = f"{codec} of {width}x{height}"
    if about == _LATENCY_KEY:
        return UnsupportedConfig(
            "options.low_latency_rate_control is True, which macOS has from 11.3 on",
            argument="options.low_latency_rate_control",
        )
    if low_latency and argument is None and code in (_NO_ENCODER, _PARAMETER):
        return UnsupportedConfig(
            f"this system has no encoder with low-latency rate control for {what}",
            argument="options.low_latency_rate_control",
            hint="low_latency=True alone",
        )
    if code in (_NO_ENCODER, _PARAMETER):
        return UnsupportedConfig(
            f"VideoToolbox has no encoder for {what} ({call}: {code})",
            argument=argument,
            hint=_SOFTWARE,
        )
    return of_call(failure)


def of_opening(failure: Failure) -> VideoHwError:
    """Why no session could be opened for settings that fit what the system told."""
    call, code, about = failure
    if code == _vt_encode.NOT_HARDWARE:
        return UnsupportedConfig(
            "options.require_hardware is True, and the encoder says that it is of software",
            argument="options.require_hardware",
        )
    if about and code not in (_vt_encode.NO_MEMORY, _vt_encode.NO_RETURN):
        return UnsupportedConfig(
            f"VideoToolbox does not take the property {about}: {_of_code(call, code).args[0]}",
            argument=_ARGUMENTS.get(about),
        )
    if code == _NO_ENCODER:
        return UnsupportedConfig(
            f"VideoToolbox has no encoder for these settings ({call}: {code})", hint=_SOFTWARE
        )
    return of_call(failure)


def of_call(failure: Failure, about: str | None = None) -> BackendError:
    """A call that failed, or a picture of which no packet came."""
    call, code, name = failure
    return _of_code(call, code, about or name or None)


def _of_code(call: str | None, code: int, about: str | None = None) -> BackendError:
    call = call or "a call"
    ours = _OURS.get(code)
    if ours is None:
        error = backend_error(VIDEOTOOLBOX, call, code, about)
        error.hint = error.hint or _LOG
        return error
    what = f"{call}: {ours[0]}"
    return BackendError(
        f"{what}: {about}" if about else what,
        domain="videohw",
        call=call,
        code=code,
        hint=ours[1],
    )


def of_loss(failure: Failure) -> DeviceLost:
    """The session is of no use any more."""
    call, code, _ = failure
    error = backend_error(VIDEOTOOLBOX, call or "a call", code)
    return DeviceLost(
        str(error.args[0]), domain=VIDEOTOOLBOX, call=call, code=code,
        name=error.name or "OSStatus", hint="open a new session",
    )  # fmt: skip


def no_buffer(failure: Failure) -> BackendError:
    """No buffer of the session's pool could be had, or written, for a picture."""
    error = of_call(failure, "no buffer for the picture")
    error.hint = _LESS
    return error


def dropped(pts: int) -> BackendError:
    """A picture that the encoder left out."""
    return BackendError(
        f"VideoToolbox dropped the picture at pts {pts} to hold the bitrate",
        domain=VIDEOTOOLBOX,
        call="VTCompressionSessionEncodeFrame",
        hint='a higher bitrate, or AppleEncoderOptions(on_drop="count")',
    )


def lost_pictures(lost: list[int]) -> BackendError:
    """Pictures, by their pts, of which nothing came until the end of the stream."""
    return BackendError(
        f"no packet came for pts {', '.join(map(str, lost))}",
        domain=VIDEOTOOLBOX,
        call="VTCompressionSessionCompleteFrames",
    )


def wrong_size(
    pts: int, size: tuple[int, int], generation: int, now: tuple[int, int]
) -> InvalidInput:
    """A picture that was submitted for a switch which then failed."""
    return InvalidInput(
        f"the picture at pts {pts} is {size[0]}x{size[1]}, for session switch {generation}, which "
        f"failed; the encoder goes on with {now[0]}x{now[1]}",
        argument="frame",
        hint="submit it again in the size and depth of the encoder",
    )


def stuck(seconds: float) -> DeviceLost:
    """The worker is inside one call for so long."""
    return DeviceLost(
        f"VideoToolbox did not come back from a call within {seconds:.0f} seconds",
        domain=VIDEOTOOLBOX,
        hint=_LOG,
    )
