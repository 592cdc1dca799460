"""Parts of a picture: cut out of its planes, or grown so that chroma is right at the rim.

Planes in, views of planes out. Must not know: PyAV, colours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InvalidInput
from ..frame import Crop, Frame, Size
from ..pixel_format import FORMATS

# Chroma samples around a part that the interpolation of its chroma may look at.
_MARGIN = 2


def size_of(frame: Frame) -> Size:
    """(width, height) in pixels."""
    return frame.width, frame.height


def chroma_steps(frame: Frame) -> Size:
    """Pixels from one chroma sample to the next, across and down."""
    planes = FORMATS[frame.format].planes
    return 1 << max(p.shift_x for p in planes), 1 << max(p.shift_y for p in planes)


def aligned(frame: Frame, crop: Crop) -> bool:
    """Whether the part begins on a chroma sample."""
    across, down = chroma_steps(frame)
    return crop[0] % across == 0 and crop[1] % down == 0


def inside(frame: Frame, crop: Crop | None) -> Crop | None:
    """``crop`` unless it is the whole frame; :class:`InvalidInput` when it is not inside."""
    if crop is None or crop == (0, 0, frame.width, frame.height):
        return None
    left, top, width, height = crop
    if left + width > frame.width or top + height > frame.height:
        raise InvalidInput(
            f"crop {crop} is not inside the picture of {frame.width}x{frame.height}",
            argument="crop",
        )
    return crop


def cut(frame: Frame, crop: Crop) -> Frame:
    """The part of ``frame``; :class:`InvalidInput` unless it begins on a chroma sample."""
    left, top, width, height = crop
    layout = FORMATS[frame.format]
    if not aligned(frame, crop):
        raise InvalidInput(
            f"crop {crop} does not begin on a chroma sample of {frame.format}",
            argument="crop",
            hint="even left and top for 4:2:0, or an RGB output, which begins anywhere",
        )
    planes = []
    for index, plane in enumerate(layout.planes):
        shape = layout.plane_shape(index, width, height)
        x, y = left >> plane.shift_x, top >> plane.shift_y
        pixels = frame.planes[index]
        if layout.channels_first:
            planes.append(pixels[:, y : y + height, x : x + width])
        else:
            planes.append(pixels[y : y + shape[0], x : x + shape[1]])
    return replace(frame, planes=tuple(planes), width=width, height=height)


def grown(frame: Frame, crop: Crop) -> tuple[Frame, Crop]:
    """(a part of ``frame`` around ``crop``, where ``crop`` lies in it).

    It has two chroma samples more on each side where there are so many, and begins and ends on
    chroma samples: where the picture ends inside of one, its last row and column are repeated.
    """
    begin, end = [0, 0], [0, 0]
    for axis, step in enumerate(chroma_steps(frame)):
        limit = -(-size_of(frame)[axis] // step) * step
        begin[axis] = max(crop[axis] // step - _MARGIN, 0) * step
        last = crop[axis] + crop[axis + 2]
        end[axis] = min((-(-last // step) + _MARGIN) * step, limit)
    width, height = end[0] - begin[0], end[1] - begin[1]
    planes = []
    for plane, pixels in zip(FORMATS[frame.format].planes, frame.planes, strict=True):
        x, y = begin[0] >> plane.shift_x, begin[1] >> plane.shift_y
        columns, rows = width >> plane.shift_x, height >> plane.shift_y
        part = pixels[y : y + rows, x : x + columns]
        missing = ((0, rows - part.shape[0]), (0, columns - part.shape[1]))
        planes.append(np.pad(part, (*missing, *((0, 0),) * (part.ndim - 2)), mode="edge"))
    around = replace(frame, planes=tuple(planes), width=width, height=height)
    return around, (crop[0] - begin[0], crop[1] - begin[1], crop[2], crop[3])
