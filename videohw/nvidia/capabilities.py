"""What NVDEC on a device can decode, asked of the driver and never assumed; and the backend's word.

Owns: the numbers of cuvid for codecs and formats, the cache of answers. Must not know: sessions.
Nothing here raises because something is missing; the answer says so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ..errors import BackendError, VideoHwError

if TYPE_CHECKING:  # what is made of answers is imported while the driver starts
    from ..types import BackendStatus, Capability

NAME: Final = "nvidia"
# cudaVideoCodec.
CODECS: Final = {
    "mpeg1": 0, "mpeg2": 1, "mpeg4": 2, "vc1": 3, "h264": 4, "jpeg": 5, "hevc": 8, "vp8": 9,
    "vp9": 10, "av1": 11,
}  # fmt: skip


class SampleFormat(NamedTuple):
    """What a decoder makes of a chroma format (cudaVideoChromaFormat) and depth."""

    chroma: int
    bit_depth: int
    name: str


# Names of the frames; values of more than 8 bits are in the high bits of each word.
SAMPLE_FORMATS: Final = (
    SampleFormat(1, 8, "nv12"), SampleFormat(1, 10, "p010"), SampleFormat(1, 12, "p012"),
    SampleFormat(0, 8, "gray"), SampleFormat(0, 10, "gray10msb"), SampleFormat(0, 12, "gray12msb"),
    SampleFormat(2, 8, "nv16"), SampleFormat(2, 10, "p210"),
    SampleFormat(3, 8, "yuv444p"), SampleFormat(3, 10, "yuv444p10msb"),
    SampleFormat(3, 12, "yuv444p12msb"),
)  # fmt: skip
_NO_MODULE: Final = "this build of videohw has no NVIDIA support: it is for Linux and Windows"


def missing(device: int | str | None = None) -> tuple[str, str | None] | None:
    """(reason, hint) why no NVIDIA device can be used here, or None when one can.

    ``device`` is opened on the way, without a word when it cannot be.
    """
    try:
        from .. import _cuda
    except ImportError as error:
        return f"{_NO_MODULE} ({error})", None
    found: tuple[str, str | None] | None = _cuda.problem(device)
    return found


def probe() -> BackendStatus:
    """Whether the backend can be used, with the versions of what it stands on."""
    reason = missing()
    from ..types import BackendStatus  # the driver started before this was imported

    if reason is not None:
        return BackendStatus(NAME, available=False, hardware=True, reason=reason[0], hint=reason[1])
    from .. import _cuda

    try:
        major, minor = _cuda.driver_version() or (0, 0)
        versions = {"CUDA driver": f"{major}.{minor}"}
        for found in _cuda.devices():
            capability = ".".join(map(str, found.compute_capability))
            versions[f"device {found.ordinal}"] = (
                f"{found.name}, compute capability {capability}, {found.uuid}"
            )
    except VideoHwError as error:
        return BackendStatus(
            NAME, available=False, hardware=True, reason=str(error.args[0]), hint=error.hint
        )
    return BackendStatus(NAME, available=True, hardware=True, versions=MappingProxyType(versions))


def capabilities(
    codec: str, direction: Literal["decode", "encode"], device: int | str = 0
) -> Capability:
    """What the device does with ``codec``; asked once for each device and codec.

    Decoding: ``formats`` are those of the frames as they come, sizes those of 4:2:0 with 8 bits;
    ``details`` has the driver's answer for each format. Encoding: see
    :func:`~videohw.nvidia.encoder_capabilities.capability`.
    """
    return _answer(codec, direction, device, _asked)


def supports(
    codec: str, direction: Literal["decode", "encode"], device: int | str = 0
) -> Capability:
    """As :func:`capabilities`, for decoding without formats, sizes and details.

    The driver takes milliseconds for each format, and the first that a device decodes says
    enough: a session asks for the format of its stream.
    """
    return _answer(codec, direction, device, _supported)


def _answer(
    codec: str,
    direction: Literal["decode", "encode"],
    device: int | str,
    asked: Callable[[str, int, int], Capability],
) -> Capability:
    reason = missing()
    if reason is not None:
        return _refusal(codec, direction, *reason)
    if direction == "decode" and codec not in CODECS:
        return _refusal(codec, direction, f"NVDEC has no {codec}")
    from .. import _cuda

    try:
        opened = _cuda.device(device)
        if direction == "encode":
            from . import encoder_capabilities  # most decoding processes encode nothing

            return encoder_capabilities.capability(codec, opened)
        return asked(codec, opened.ordinal, opened.context)
    except VideoHwError as error:
        refused = _refusal(codec, direction, str(error.args[0]), error.hint)
        if not isinstance(error, BackendError):
            return refused
        return refused._replace(failed=True, error=error.with_traceback(None))


def forget() -> None:
    """Ask the devices again from here on."""
    from . import encoder_capabilities

    with suppress(ImportError):  # a build without NVIDIA
        from .. import _nv

        _nv.forget_caps()
    _asked.cache_clear()
    _supported.cache_clear()
    encoder_capabilities.forget()


def _refusal(
    codec: str, direction: Literal["decode", "encode"], reason: str, hint: str | None = None
) -> Capability:
    from ..types import Capability

    return Capability(
        NAME, codec, direction, supported=False, hardware=True, reason=reason, hint=hint
    )


@functools.lru_cache(maxsize=128)
def _asked(codec: str, ordinal: int, context: int) -> Capability:
    from .. import _cuda
    from ..types import Capability

    answers = dict(_answers(codec, _cuda.device(ordinal)))
    if not answers:
        return _no_decoder(codec, ordinal)
    first = next(iter(answers.values()))
    return Capability(
        NAME, codec, "decode", supported=True, hardware=True, formats=tuple(answers),
        max_width=first["max_width"], max_height=first["max_height"],
        min_width=first["min_width"], min_height=first["min_height"],
        details=MappingProxyType(answers),
    )  # fmt: skip


@functools.lru_cache(maxsize=128)
def _supported(codec: str, ordinal: int, context: int) -> Capability:
    from .. import _cuda

    if next(_answers(codec, _cuda.device(ordinal)), None) is None:
        return _no_decoder(codec, ordinal)
    from ..types import Capability  # the driver was asked before this was imported

    return Capability(NAME, codec, "decode", supported=True, hardware=True)


def _no_decoder(codec: str, ordinal: int) -> Capability:
    return _refusal(codec, "decode", f"device {ordinal} has no decoder for {codec}")


def _answers(codec: str, device: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    from .. import _nv

    for chroma, depth, name in SAMPLE_FORMATS:
        caps = _nv.decoder_caps(device, CODECS[codec], chroma, depth)
        if caps.pop("supported"):
            yield name, caps


def sample_format(chroma: int, bit_depth: int) -> str | None:
    """The name of what comes out of a decoder, None for what has none."""
    for each in SAMPLE_FORMATS:
        if (each.chroma, each.bit_depth) == (chroma, bit_depth):
            return each.name
    return None
