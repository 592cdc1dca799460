"""Frames in host memory in other forms: what a frame's conversion means, around ``pixels``.

Owns: which colour, crop and shape of a pixel a converted frame has. Must not know: any backend.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import pixels
from .color import ColorSpec
from .errors import InvalidInput
from .pixel_format import FORMATS, PixelFormat, pixel_format
from .pixels.requests import Crop, Size, checked_crop

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

    from .frame import Conversion, Frame

# One layout under two names.
_SAME_LAYOUT: Final = {"i420": "yuv420p"}


def converted(frame: Frame, request: Conversion) -> Frame:
    """``frame``, which is in host memory, as ``request`` says; see :meth:`Frame.convert`.

    Where nothing is to be computed the new frame has views of the old one's planes. A frame that
    a caller made is looked at too: :class:`InvalidInput` names "planes" that are not its picture.
    """
    _check_planes(frame)
    task = Task.of(frame, request)
    views = task.views()
    if views is not None:
        return views
    planes = pixels.convert(
        frame.planes, frame.format, task.target,
        color=task.frame.color, size=task.size, crop=task.crop, chroma=request.chroma,
        resize=request.resize, mean=request.mean, std=request.std,
    )  # fmt: skip
    return task.result(tuple(_for_good(plane) for plane in planes))


class Task(NamedTuple):
    """A conversion with nothing left open, wherever the pixels of ``frame`` are.

    ``frame`` has its colour resolved; ``target`` is the format to be made of ``crop``, in
    ``size``.
    """

    frame: Frame
    target: str
    crop: Crop
    size: Size

    @classmethod
    def of(cls, frame: Frame, request: Conversion) -> Task:
        """What ``request`` asks of ``frame``; :class:`InvalidInput` for a crop outside of it."""
        whole = frame.width, frame.height
        crop = checked_crop(request.crop, whole) or (0, 0, *whole)
        target = frame.format if request.output == "native" else request.output
        frame = replace(frame, color=resolved(frame, request.color))
        return cls(frame, target, crop, request.size or crop[2:])

    @property
    def scales(self) -> bool:
        """Whether the size changes."""
        return self.size != self.crop[2:]

    def views(self) -> Frame | None:
        """The result as views of the frame's planes; None where something is to be computed.

        :class:`InvalidInput` for a crop that would begin between two samples of chroma.
        """
        if self.scales:
            return None
        if not FORMATS[self.target].rgb:
            check_begins_on_chroma(self.frame, self.crop)
        formats = self.target, self.frame.format
        one, other = (_SAME_LAYOUT.get(name, name) for name in formats)
        return replace(self.cut(), format=self.target) if one == other else None

    def cut(self) -> Frame:
        """The part of the frame, as views of its planes."""
        return _cut(self.frame, self.crop)

    def result(self, planes: tuple[Any, ...]) -> Frame:
        """The frame of ``planes`` that were computed."""
        frame = self.frame
        return replace(
            frame,
            planes=planes,
            format=self.target,
            width=self.size[0],
            height=self.size[1],
            color=color_in(FORMATS[self.target], frame),
            sample_aspect_ratio=_scaled_aspect(frame, self.crop, self.size),
        )


def _check_planes(frame: Frame) -> None:
    from .pixels.checks import arrays, picture_size  # NumPy, which device memory goes without

    layout = pixel_format(frame.format)
    size = picture_size(arrays("planes", frame.planes), layout)
    if size != (frame.width, frame.height):
        raise InvalidInput(
            f"the planes are a picture of {size[0]}x{size[1]}, the frame of "
            f"{frame.width}x{frame.height}",
            argument="planes",
        )


def resolved(frame: Frame, override: ColorSpec | None) -> ColorSpec:
    """The colour by which the frame is converted: nothing in it is left open."""
    color = frame.color.overridden_by(override)
    if FORMATS[frame.format].rgb:
        return replace(color, matrix="identity", range=color.range or "full")
    return color.resolved(frame.height)


def color_in(layout: PixelFormat, frame: Frame) -> ColorSpec:
    """The colour of the frame once it is in ``layout``; its own is :func:`resolved`."""
    depth = None if layout.is_float else layout.bit_depth
    color = replace(frame.color, bit_depth=depth)
    if layout.rgb:
        return replace(color, matrix="identity", range="full", siting=None)
    if FORMATS[frame.format].rgb:
        return replace(color, matrix=None, range=None).resolved(frame.height)
    return color


def _for_good(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``plane``, read-only, with no flag that could be taken back."""
    plane.setflags(write=False)
    return plane.view()


def _scaled_aspect(frame: Frame, crop: Crop, size: Size) -> Fraction | None:
    """The shape of a pixel after scaling: the shape of what the crop shows stays."""
    if frame.sample_aspect_ratio is None:
        return None
    return frame.sample_aspect_ratio * crop[2] * size[1] / (crop[3] * size[0])


def check_begins_on_chroma(frame: Frame, crop: Crop) -> None:
    """:class:`InvalidInput` for a crop that would begin between two samples of chroma."""
    planes = FORMATS[frame.format].planes
    if any(crop[0] % (1 << p.shift_x) or crop[1] % (1 << p.shift_y) for p in planes):
        raise InvalidInput(
            f"crop {crop} does not begin on a chroma sample of {frame.format}",
            argument="crop",
            hint="even left and top for 4:2:0, or an RGB output, which begins anywhere",
        )


def _cut(frame: Frame, crop: Crop) -> Frame:
    """The part of ``frame``, as views of its planes."""
    left, top, width, height = crop
    layout = FORMATS[frame.format]
    planes = []
    for index, (plane, array) in enumerate(zip(layout.planes, frame.planes, strict=True)):
        shape = layout.plane_shape(index, width, height)
        rows, columns = shape[1:] if layout.channels_first else shape[:2]
        x, y = left >> plane.shift_x, top >> plane.shift_y
        part = slice(y, y + rows), slice(x, x + columns)
        planes.append(array[(slice(None), *part)] if layout.channels_first else array[part])
    return replace(frame, planes=tuple(planes), width=width, height=height)
