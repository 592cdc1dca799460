"""Decoded pictures in other formats and sizes, by libswscale through PyAV.

Owns: what swscale is asked for so that colours come out right. Must not know: sessions, coded
bytes. One thread each: swscale's own threads would keep a forked child from exiting, and every
session converts on its worker.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec
from ..errors import InvalidInput, UnsupportedConfig
from ..frame import Conversion, Crop, Frame, Size
from ..pixel_format import FORMATS
from .capabilities import load_av
from .frames import av_format_name, av_frame_of, planes_of

# libswscale/swscale.h, SWS_CS_*: the matrices it can be told of.
_MATRICES: Final = {
    "bt709": 1, "fcc": 4, "smpte170m": 5, "bt470bg": 5, "smpte240m": 7, "bt2020nc": 9,
}  # fmt: skip
# SWS_BILINEAR | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND | SWS_BITEXACT: with
# these RGB is within half a code value of the exact matrix for 8 bits, without them up to 3 off.
_FLAGS: Final = 0x2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
_RANGES: Final = {"limited": 1, "full": 2}  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
_FULL_RANGE_TWINS: Final = "yuvj"
_PACKED_RGB: Final = ("rgb24", "bgr24", "rgba", "bgra")
_FLOATS: Final = ("rgb_float16", "rgb_float32")
_MARGIN: Final = 2  # chroma samples around a part that its interpolation may look at

_of_thread = threading.local()


class Swscale:
    """Converts the frame whose pixels are those of one ``av.VideoFrame``."""

    def __init__(self, av_frame: Any) -> None:
        self._av_frame = av_frame
        # A conversion writes the colour it is told into the av.VideoFrame for a moment.
        self._lock = threading.Lock()

    def __call__(self, frame: Frame, request: Conversion) -> Frame:
        """``frame`` as ``request`` says; see :meth:`videohw.frame.Frame.convert`."""
        target = frame.format if request.output == "native" else request.output
        source = _planar(replace(frame, color=_resolved(frame, request.color)))
        crop = _inside(source, request.crop)
        size = request.size or (crop[2:] if crop else _size(source))
        whole = crop is None and size == _size(source)
        if whole and _same_layout(target, frame.format):
            return replace(frame, color=source.color, format=target)
        if FORMATS[target].rgb and not _is_plain(source, crop, size):
            return _rgb_part(source, crop or (0, 0, *size), target, size)
        if crop is not None:
            return copying(_cropped(source, crop), Conversion(target, size))
        return self._made(source, target, size)

    def _made(self, frame: Frame, target: str, size: Size) -> Frame:
        with self._lock:
            planes, av_frame = _pixels(self._readable(frame), frame, target, size)
        return replace(
            frame,
            planes=planes,
            format=target,
            width=size[0],
            height=size[1],
            color=_color_in(target, frame.color),
            sample_aspect_ratio=_scaled_aspect(frame, size),
            converter=Swscale(av_frame),
        )

    def _readable(self, frame: Frame) -> Any:
        """The av.VideoFrame, in a form that does not fix another range than ``frame.color``."""
        fixed = self._av_frame.format.name.startswith(_FULL_RANGE_TWINS)
        if fixed and frame.color.range == "limited":
            return av_frame_of(frame.format, frame.width, frame.height, frame.planes)
        return self._av_frame


def copying(frame: Frame, request: Conversion) -> Frame:
    """Convert a frame whose pixels lie anywhere: swscale gets a copy of them."""
    target = frame.format if request.output == "native" else request.output
    if request.crop is None and request.size in (None, _size(frame)) and target == frame.format:
        return replace(frame, color=_resolved(frame, request.color))
    source = _planar(frame)
    av_frame = av_frame_of(source.format, source.width, source.height, source.planes)
    return Swscale(av_frame)(frame, request)


def _is_plain(frame: Frame, crop: Crop | None, size: Size) -> bool:
    """Whether swscale alone makes RGB of the part ``crop`` with its chroma in the right place.

    It stretches chroma over the width and height that it is given, so that a picture with odd
    sides gets it up to a pixel off, and at the rim of a part it lacks the chroma outside. When
    it scales anyway neither shows, but a part must begin on a chroma sample.
    """
    planes = FORMATS[frame.format].planes
    if not any(plane.shift_x or plane.shift_y for plane in planes):
        return True
    region = crop or (0, 0, frame.width, frame.height)
    if size != region[2:]:
        return _aligned(frame, region)
    steps = _chroma_steps(frame)
    return crop is None and not (frame.width % steps[0] or frame.height % steps[1])


def _rgb_part(frame: Frame, crop: Crop, target: str, size: Size) -> Frame:
    """The part ``crop`` in RGB, of a larger part that begins and ends on chroma samples."""
    deep = FORMATS[frame.format].bit_depth > 8
    scaled = size != crop[2:]
    through = ("gbrp16" if deep else "gbrp") if scaled else target
    around, left, top = _grown(frame, crop)
    made = copying(around, Conversion(through))
    part = _cropped(made, (left, top, crop[2], crop[3]))
    return copying(part, Conversion(target, size)) if scaled else part


def _grown(frame: Frame, crop: Crop) -> tuple[Frame, int, int]:
    """(a part of ``frame`` around ``crop``, left, top of ``crop`` in it).

    Two chroma samples more on each side where there are so many; where the picture ends inside
    of a chroma sample, its last row and column are repeated.
    """
    begin, end = [0, 0], [0, 0]
    for axis, step in enumerate(_chroma_steps(frame)):
        limit = -(-_size(frame)[axis] // step) * step
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
    grown = replace(frame, planes=tuple(planes), width=width, height=height)
    return grown, crop[0] - begin[0], crop[1] - begin[1]


def _chroma_steps(frame: Frame) -> Size:
    """Pixels from one chroma sample to the next, across and down."""
    planes = FORMATS[frame.format].planes
    return 1 << max(p.shift_x for p in planes), 1 << max(p.shift_y for p in planes)


def _planar(frame: Frame) -> Frame:
    """``frame`` in a form that swscale reads: channels-first RGB as three planes."""
    if not FORMATS[frame.format].channels_first:
        return frame
    if frame.format in _FLOATS:
        raise UnsupportedConfig(
            f"a {frame.format} frame cannot be converted",
            hint="convert the frame that it was made from",
        )
    red, green, blue = frame.planes[0]
    return replace(frame, format="gbrp", planes=(green, blue, red))


def _pixels(
    av_frame: Any, frame: Frame, target: str, size: Size
) -> tuple[tuple[npt.NDArray[Any], ...], Any]:
    """The planes in ``target``, and the av.VideoFrame that holds them or what they are made of."""
    layout = FORMATS[target]
    if target not in _PACKED_RGB and not layout.channels_first:
        made = _scaled(av_frame, frame, av_format_name(target), size)
        return planes_of(made, layout), made
    deep = FORMATS[frame.format].bit_depth > 8 and target in _FLOATS
    # By way of planar RGB: swscale has fast exact code for this, and slow code for packed forms.
    made = _scaled(av_frame, frame, "gbrpf32le" if deep else "gbrp", size)
    if target in _PACKED_RGB:
        made = _reformatter().reformat(made, format=target, src_color_range=2, dst_color_range=2,
                                       interpolation=_FLAGS, threads=1)  # fmt: skip
        return planes_of(made, layout), made
    return (_channels_first(made, target, deep),), made


def _scaled(av_frame: Any, frame: Frame, av_format: str, size: Size) -> Any:
    """``av_frame`` in another size and format, by the colour that ``frame`` states."""
    color, is_rgb = frame.color, FORMATS[frame.format].rgb
    matrix = None if is_rgb else _MATRICES.get(color.matrix or "")
    to_rgb = av_format.startswith("gbrp")
    if matrix is None and not is_rgb and to_rgb:
        raise UnsupportedConfig(
            f"swscale cannot convert the matrix {color.matrix} to RGB",
            hint="take the native planes, or state another matrix with color=",
        )
    source_range = _RANGES[color.range or "limited"]
    return _reformatter().reformat(
        av_frame, *size, av_format,
        src_colorspace=matrix, dst_colorspace=matrix, src_color_range=source_range,
        dst_color_range=_RANGES["full"] if to_rgb else source_range,
        interpolation=_FLAGS, threads=1,
    )  # fmt: skip


def _channels_first(made: Any, target: str, deep: bool) -> npt.NDArray[Any]:
    """(3, rows, columns) in the order R, G, B of the planes G, B, R of ``made``."""
    dtype = np.dtype(FORMATS[target].dtype)
    array = np.empty((3, made.height, made.width), dtype)
    table = (np.arange(256) / 255).astype(dtype) if target in _FLOATS else None
    for channel, index in enumerate((2, 0, 1)):
        plane = made.planes[index]
        sample = np.dtype("<f4" if deep else np.uint8)
        pixels: npt.NDArray[Any] = np.ndarray(
            array.shape[1:], sample, memoryview(plane), strides=(plane.line_size, sample.itemsize)
        )
        if table is None or deep:
            array[channel] = pixels
        else:
            np.take(table, pixels, out=array[channel])
    array.setflags(write=False)
    return array.view()  # of which the flag cannot be taken back


def _reformatter() -> Any:
    """One of each thread: it keeps its tables from call to call."""
    if not hasattr(_of_thread, "reformatter"):
        _of_thread.reformatter = load_av().video.reformatter.VideoReformatter()
    return _of_thread.reformatter


def _resolved(frame: Frame, override: ColorSpec | None) -> ColorSpec:
    color = frame.color.overridden_by(override)
    if FORMATS[frame.format].rgb:
        return replace(color, matrix="identity", range=color.range or "full")
    return color.resolved(frame.height)


def _color_in(target: str, color: ColorSpec) -> ColorSpec:
    layout = FORMATS[target]
    depth = None if target in _FLOATS else layout.bit_depth
    if layout.rgb:
        return replace(color, matrix="identity", range="full", siting=None, bit_depth=depth)
    return replace(color, bit_depth=depth)


def _size(frame: Frame) -> Size:
    return frame.width, frame.height


def _scaled_aspect(frame: Frame, size: Size) -> Fraction | None:
    """The shape of a pixel after scaling: the picture's shape stays."""
    if frame.sample_aspect_ratio is None:
        return None
    return frame.sample_aspect_ratio * frame.width * size[1] / (frame.height * size[0])


def _same_layout(one: str, other: str) -> bool:
    return {one, other} <= {"i420", "yuv420p"} or one == other


def _inside(frame: Frame, crop: Crop | None) -> Crop | None:
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


def _aligned(frame: Frame, crop: Crop) -> bool:
    """Whether the crop begins on a chroma sample."""
    across, down = _chroma_steps(frame)
    return crop[0] % across == 0 and crop[1] % down == 0


def _cropped(frame: Frame, crop: Crop) -> Frame:
    """The part of ``frame``, whose planes are views of those of ``frame``."""
    left, top, width, height = crop
    layout = FORMATS[frame.format]
    if not _aligned(frame, crop):
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
    return replace(frame, planes=tuple(planes), width=width, height=height, converter=copying)
