"""Which component lies where in the planes of each pixel format.

Components are counted (Y, Cb, Cr), and (G, B, R) where a format is RGB, as with the matrix
"identity" (ITU-T H.273 8.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..pixel_format import PixelFormat

if TYPE_CHECKING:
    import numpy.typing as npt

NONE: Final = -1  # alpha
_G, _B, _R = range(3)
_PACKED: Final = {
    "rgb24": (_R, _G, _B), "bgr24": (_B, _G, _R),
    "rgba": (_R, _G, _B, NONE), "bgra": (_B, _G, _R, NONE),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlaneRoles:
    """One plane: the component of each channel, its subsampling, bytes and shift of a sample."""

    components: tuple[int, ...]
    steps: tuple[int, int]
    bytes: int
    shift: int


def roles(layout: PixelFormat) -> tuple[PlaneRoles, ...]:
    """The planes of a format; each channel of a channels-first format counts as one."""
    size = layout.item_bytes
    if layout.channels_first:
        components: tuple[tuple[int, ...], ...] = ((_R,), (_G,), (_B,))
    elif layout.name in _PACKED:
        components = (_PACKED[layout.name],)
    elif layout.name == "nv21":
        components = ((0,), (2, 1))
    else:
        counted = iter(range(3))
        components = tuple(
            tuple(next(counted) for _ in range(plane.channels)) for plane in layout.planes
        )
    planes = layout.planes * 3 if layout.channels_first else layout.planes
    return tuple(
        PlaneRoles(each, (1 << plane.shift_x, 1 << plane.shift_y), size, layout.shift)
        for each, plane in zip(components, planes, strict=True)
    )


def split_channels(
    layout: PixelFormat, planes: tuple[npt.NDArray[Any], ...]
) -> tuple[npt.NDArray[Any], ...]:
    """``planes`` as :func:`roles` counts them."""
    return tuple(planes[0]) if layout.channels_first else planes
