"""What VideoToolbox itself says of a decoded picture, beside what its stream says.

Must not know: sessions, pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from ..color import ColorSpec

# VTDecodeInfoFlags; this module is imported where no framework is.
_ASYNCHRONOUS: Final = 1
_MODIFIABLE: Final = 4
# CoreVideo has one name for what ITU-T H.273 lists several times.
_TWINS: Final = {
    "matrix": {"bt470bg": "smpte170m"},
    "transfer": {"smpte170m": "bt709", "bt2020-12": "bt2020-10"},
}
_UNSTATED: Final = ColorSpec()
_COMPARED: Final = ("matrix", "primaries", "transfer", "siting")


@dataclass(frozen=True, slots=True)
class AppleImageInfo:
    """What VideoToolbox says of a picture: ``Frame.backend_info`` of its decoders.

    ``decode_info_flags``: those of the callback (VTDecodeInfoFlags). ``color``: what is attached
    to the CVPixelBuffer; ``sample_aspect_ratio`` likewise, None where nothing is;
    ``clean``: (left, top, width, height) in pixels of what is to be seen of the buffer, from the
    upper left. The last three are empty with ``output="metadata"``, which keeps no buffer.

    ``disagreements``: the names of what the stream and the buffer both state and not alike, of
    "matrix", "primaries", "transfer", "siting", "sample_aspect_ratio", "size" and "origin".
    ``Frame`` goes by the stream, and where that says nothing by
    :meth:`~videohw.color.ColorSpec.resolved`, as on every backend: what the system attaches there
    is its guess. What is to be seen goes by ``clean``.
    """

    decode_info_flags: int
    color: ColorSpec = _UNSTATED
    sample_aspect_ratio: Fraction | None = None
    clean: tuple[int, int, int, int] | None = None
    disagreements: tuple[str, ...] = ()

    @property
    def asynchronous(self) -> bool:
        """Whether it was decoded after the call that gave it to VideoToolbox had returned."""
        return bool(self.decode_info_flags & _ASYNCHRONOUS)

    @property
    def modifiable(self) -> bool:
        """Whether nobody but the frame looks at the buffer, so that its owner might write to it.
        (Frames are read-only all the same.)"""
        return bool(self.decode_info_flags & _MODIFIABLE)


def image_info(
    flags: int,
    image: Any,
    stated: ColorSpec,
    aspect: Fraction | None,
    size: tuple[int, int],
    corner: tuple[int, int],
) -> AppleImageInfo:
    """Of ``image``, or None, whose stream states a colour, the shape of a pixel, a size, and that
    so many columns and rows are cut at the left and the top."""
    if image is None:
        return AppleImageInfo(flags)
    color = attached_color(image)
    shape = None if image.aspect is None else Fraction(*image.aspect)
    differ = differing(stated, color)
    if shape is not None and aspect is not None and shape != aspect:
        differ.append("sample_aspect_ratio")
    if image.clean[2:] != size:
        differ.append("size")
    elif image.clean[:2] != ((0, 0) if image.size == size else corner):
        differ.append("origin")
    return AppleImageInfo(flags, color, shape, image.clean, tuple(differ))


def attached_color(image: Any) -> ColorSpec:
    """What is attached to ``image`` (``_vt.Image``)."""
    matrix, primaries, transfer, siting = image.attached
    return ColorSpec.from_code_points(
        matrix=matrix, primaries=primaries, transfer=transfer, siting=siting
    )


def differing(one: ColorSpec, other: ColorSpec) -> list[str]:
    """The names of what both state, and not alike."""
    return [name for name in _COMPARED if _differ(name, getattr(one, name), getattr(other, name))]


def _differ(field: str, one: str | None, other: str | None) -> bool:
    twins = _TWINS.get(field, {})
    if one is None or other is None:
        return False
    return twins.get(one, one) != twins.get(other, other)
