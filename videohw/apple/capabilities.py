"""What VideoToolbox on this system decodes, asked of it as far as it answers.

Owns: the codes of codecs and pixel formats, which form each stream is decoded to. Must not know:
sessions. Nothing here raises because something is missing; the answer says so. The system tells
neither formats nor sizes beforehand: a session is refused when it is made.
"""

from __future__ import annotations

import platform
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from ..types import BackendStatus, Capability

NAME: Final = "videotoolbox"
_NO_MODULE: Final = "this build of videohw has no VideoToolbox support: it is for macOS"


def four_characters(text: str) -> int:
    """The code that Apple's interfaces write as four characters."""
    return int.from_bytes(text.encode("ascii"), "big")


# CMVideoCodecType.
CODECS: Final = {
    "h264": four_characters("avc1"), "hevc": four_characters("hvc1"),
    "av1": four_characters("av01"), "vp9": four_characters("vp09"),
}  # fmt: skip
# Their decoders are there on some systems only, and once they are asked for.
SUPPLEMENTAL: Final = ("av1", "vp9")


class PixelForm(NamedTuple):
    """A pixel format of CoreVideo (its characters) and the name of frames of it."""

    code: str
    name: str


# By chroma_format_idc, whether samples have more than 8 bits, and full range.
_FORMS: Final = {
    (1, False, False): PixelForm("420v", "nv12"), (1, False, True): PixelForm("420f", "nv12"),
    (1, True, False): PixelForm("x420", "p010"), (1, True, True): PixelForm("xf20", "p010"),
    (2, False, False): PixelForm("422v", "nv16"), (2, False, True): PixelForm("422f", "nv16"),
    (2, True, False): PixelForm("x422", "p210"), (2, True, True): PixelForm("xf22", "p210"),
    (3, False, False): PixelForm("444v", "nv24"), (3, False, True): PixelForm("444f", "nv24"),
    (3, True, False): PixelForm("x444", "p410"), (3, True, True): PixelForm("xf44", "p410"),
}  # fmt: skip
_MAX_DEPTH: Final = 10
_IDENTITY: Final = 0  # matrix_coefficients of H.273
FRAME_FORMATS: Final = MappingProxyType(
    {four_characters(form.code): form.name for form in _FORMS.values()}
)


def pixel_form(chroma: int, depth: int, matrix: int, *, full_range: bool) -> PixelForm | None:
    """What the pictures of a stream are decoded to, in its own range and depth, so that nothing
    is converted; None where VideoToolbox has no form for them."""
    if depth > _MAX_DEPTH or (chroma == 3 and matrix == _IDENTITY):
        return None
    return _FORMS.get((chroma, depth > 8, full_range))


def missing(device: int | str | None = None) -> tuple[str, str | None] | None:
    """(reason, hint) why VideoToolbox cannot be used here, or None when it can."""
    try:
        from .. import _vt
    except ImportError:
        return _NO_MODULE, None
    if _vt.forked():
        return (
            "Apple's frameworks do not work in a forked process",
            'start processes by spawn: multiprocessing.set_start_method("spawn")',
        )
    return None


def probe() -> BackendStatus:
    """Whether the backend can be used, with the versions of what it stands on."""
    reason = missing()
    if reason is not None:
        return BackendStatus(NAME, available=False, hardware=True, reason=reason[0], hint=reason[1])
    version = platform.mac_ver()[0] or platform.release()
    versions = {"system": f"{platform.system()} {version} on {platform.machine()}"}
    return BackendStatus(NAME, available=True, hardware=True, versions=MappingProxyType(versions))


def capabilities(
    codec: str, direction: Literal["decode", "encode"], device: int | str = 0
) -> Capability:
    """What the system does with ``codec``. ``hardware`` is its own answer; ``details`` has the
    formats of the frames that may come, without limits."""
    reason = missing()
    if reason is not None:
        return _refusal(codec, direction, reason[0])
    if codec not in CODECS:
        return _refusal(codec, direction, f"the videotoolbox backend does not decode {codec}")
    if device != 0:
        return _refusal(codec, direction, f"there is no device {device!r}, only 0")
    from .. import _vt

    if codec in SUPPLEMENTAL:
        _vt.register_decoder(CODECS[codec])
    hardware = _vt.hardware_decodes(CODECS[codec])
    if codec in SUPPLEMENTAL and not hardware:
        return _refusal(
            codec, direction, f"this system has no hardware that VideoToolbox decodes {codec} with"
        )
    names = tuple(dict.fromkeys(form.name for form in _FORMS.values()))
    return Capability(
        NAME, codec, "decode", supported=True, hardware=hardware, formats=names,
        details=MappingProxyType({name: {} for name in names}),
    )  # fmt: skip


def _refusal(codec: str, direction: Literal["decode", "encode"], reason: str) -> Capability:
    return Capability(NAME, codec, direction, supported=False, hardware=True, reason=reason)
