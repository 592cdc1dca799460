"""What NVENC on a device can encode, asked of the driver and never assumed.

Owns: the cache of answers, the thread that asks. Must not know: sessions, how options become
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Thread
from time import monotonic
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from ..encoding.prores import WHO_ENCODES
from ..errors import BackendError, UnsupportedCodec
from ..types import Capability
from .encoder_forms import PROFILES
from .encoder_limits import Answers

NAME: Final = "nvidia"
UNSUPPORTED_DEVICE: Final = 2  # NV_ENC_ERR_UNSUPPORTED_DEVICE
# No driver takes so long to say what a device encodes.
ASKING_SECONDS = 30.0
_LOOK_SECONDS: Final = 0.25
_EIGHT_BITS: Final = ("i420", "rgb24", "bgr24", "rgba", "bgra")
# NVENC's version, and the answers by codec; None for a device that encodes nothing.
_Found: TypeAlias = "tuple[tuple[int, int], Mapping[str, Mapping[str, object]] | None]"
# By device and context; what a device encodes does not change while it is there.
_known: dict[tuple[int, int], _Found] = {}


def capability(codec: str, device: Any) -> Capability:
    """What ``device``, a ``videohw._cuda.Device``, encodes of ``codec``.

    ``formats`` are those that an encoder takes, sizes those of the driver. ``details``: the
    ``profiles`` by their names here and the ``presets``, NVENC's ``api`` version and all ``caps``
    by the driver's names, the ``buffer_formats`` that it reads, and in ``switch_reconfigures``
    the kinds of rate control whose numbers change without a keyframe; ``device_input``: it reads
    pictures in device memory. Errors are those of :func:`answers`.
    """
    told = answers(codec, device)
    deep = bool(told.cap("SUPPORT_10BIT_ENCODE")) and "YUV420_10BIT" in told.formats
    profiles = [
        name
        for name, profile in PROFILES[codec].items()
        if profile.guid in told.profiles and profile.api <= told.api
    ]
    if codec == "h264":
        deep = deep and "high10" in profiles
    details = {
        "api": ".".join(map(str, told.api)),
        "profiles": tuple(profiles),
        "presets": tuple(
            f"p{n}" for n in range(1, 8) if f"NV_ENC_PRESET_P{n}_GUID" in told.presets
        ),
        "buffer_formats": tuple(sorted(told.formats)),
        "caps": MappingProxyType(dict(told.caps)),
        "switch_reconfigures": live_rates(told),
        "device_input": True,
    }
    return Capability(
        NAME, codec, "encode", supported=True, hardware=True,
        formats=("nv12", *(("p010",) if deep else ()), *_EIGHT_BITS),
        max_width=told.cap("WIDTH_MAX"), max_height=told.cap("HEIGHT_MAX"),
        min_width=told.cap("WIDTH_MIN") or None, min_height=told.cap("HEIGHT_MIN") or None,
        max_b_frames=told.cap("NUM_MAX_BFRAMES"), details=MappingProxyType(details),
    )  # fmt: skip


def live_rates(told: Answers) -> tuple[str, ...]:
    """The kinds of rate control whose numbers a running encoder takes without a keyframe."""
    if not told.cap("SUPPORT_DYN_BITRATE_CHANGE"):
        return ()
    return ("ConstantBitrate", "VariableBitrate", "ConstantQuality", "ConstantQp")


def answers(codec: str, device: Any) -> Answers:
    """The driver's answers for ``codec``, asked once for each device.

    :class:`UnsupportedCodec` where the device does not encode it or encodes nothing,
    :class:`BackendError` where the driver cannot be asked, of it :class:`DeviceLost` where it
    does not come back within ASKING_SECONDS; then it is asked again the next time.
    """
    ordinal = device.ordinal
    if codec not in PROFILES:
        raise UnsupportedCodec(f"NVENC has no {codec}", hint=WHO_ENCODES.get(codec))
    key = ordinal, device.context
    if key not in _known:
        _known[key] = _asked(device)
    api, found = _known[key]
    if found is None:
        raise UnsupportedCodec(f"device {ordinal} has no encoder, as its driver says")
    if codec not in found:
        raise UnsupportedCodec(f"device {ordinal} has no encoder for {codec}")
    return Answers.of(codec, api, found[codec])


def forget() -> None:
    """Ask the devices again from here on."""
    _known.clear()


def _asked(device: Any) -> _Found:
    """The driver's answers, got on a thread of its own: a driver may not come back from a call."""
    question = _Question(device)
    question.start()
    deadline = monotonic() + ASKING_SECONDS
    while question.is_alive():
        left = deadline - monotonic()
        if left <= 0:
            from .encoder_failures import stuck

            raise stuck(ASKING_SECONDS, question.asking.call)
        question.join(min(left, _LOOK_SECONDS))
    found = question.found
    if not isinstance(found, BaseException):
        return found
    try:
        raise found
    finally:
        del found, question  # they and the error's frames would keep each other


class _Question(Thread):
    """``found`` is what :func:`_answered` returned or raised, when the thread has ended."""

    def __init__(self, device: Any) -> None:
        from .. import _nvenc

        super().__init__(name="videohw-ask", daemon=True)
        self._device = device
        self.asking = _nvenc.Asking()
        self.found: _Found | BaseException

    def run(self) -> None:
        try:
            self.found = _answered(self._device, self.asking)
        except BaseException as error:
            self.found = error.with_traceback(None)
        finally:
            del self._device


def _answered(device: Any, asking: Any) -> _Found:
    from .. import _nvenc
    from .encoder_failures import in_other_words

    api = _nvenc.api_version()
    try:
        return api, _nvenc.encoder_caps(device, asking)
    except BackendError as error:
        if error.code == UNSUPPORTED_DEVICE:
            return api, None
        in_other_words(error)
        raise
