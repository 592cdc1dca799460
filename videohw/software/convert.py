"""Decoded pictures in other formats and sizes, by libswscale through PyAV.

Owns: what swscale is asked for so that colours come out right. Must not know: sessions, coded
bytes. One thread each: swscale's own threads would keep a forked child from exiting, and every
session converts on its worker.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec
from ..errors import UnsupportedConfig
from ..frame import Conversion, Crop, Frame, Size
from ..pixel_format import FORMATS
from .capabilities import load_av
from .frames import av_format_name, av_frame_of, plane_view, planes_of
from .regions import aligned, chroma_steps, cut, grown, inside, size_of

# ITU-T H.273 table 4: the matrices that swscale has coefficients for.
_MATRICES: Final = {
    "bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "bt2020nc": 9,
}  # fmt: skip
_UNSPECIFIED: Final = 2  # in every table of H.273
# SWS_BILINEAR | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND | SWS_BITEXACT: with
# these RGB is within half a code value of the exact matrix for 8 bits, without them up to 3 off.
_FLAGS: Final = 0x2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
_NEAREST: Final = 0x10  # SWS_POINT
_RANGES: Final = {"limited": 1, "full": 2}  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
_FULL_RANGE_TWINS: Final = "yuvj"
_PACKED_RGB: Final = ("rgb24", "bgr24", "rgba", "bgra")
_FLOATS: Final = ("rgb_float16", "rgb_float32")

_of_thread = threading.local()


class Swscale:
    """Converts the frame that was made of one ``av.VideoFrame``, or a part of it.

    ``part``: the frame's planes are not those of ``av_frame``, which then only tells how they
    are meant.
    """

    def __init__(self, av_frame: Any, *, part: bool = False) -> None:
        self._av_frame = av_frame
        self._part = part
        # A conversion writes the colour it is told into the av.VideoFrame for a moment.
        self._lock = threading.Lock()

    def __call__(self, frame: Frame, request: Conversion) -> Frame:
        """``frame`` as ``request`` says; see :meth:`videohw.frame.Frame.convert`."""
        target = frame.format if request.output == "native" else request.output
        color = _resolved(frame, request.color)
        crop = inside(frame, request.crop)
        size = request.size or (crop[2:] if crop else size_of(frame))
        if crop is None and size == size_of(frame) and _same_layout(target, frame.format):
            return replace(frame, color=color, format=target)
        source = _planar(replace(frame, color=color))
        if FORMATS[target].rgb and not _is_plain(source, crop, size):
            return self._exact_rgb(source, crop or (0, 0, *size_of(frame)), target, size)
        if crop is not None:
            source = self._part_of(cut(source, crop))
        return _made(source, target, size)

    def readable(self, frame: Frame) -> Any:
        """An ``av.VideoFrame`` with the planes of ``frame``, that may be in ``frame.color``."""
        fixed = self._av_frame.format.name.startswith(_FULL_RANGE_TWINS)
        if self._part or (fixed and frame.color.range == "limited"):
            return _refilled(self._av_frame, frame)
        return self._av_frame

    def _part_of(self, frame: Frame) -> Frame:
        return replace(frame, converter=Swscale(self._av_frame, part=True))

    def _exact_rgb(self, frame: Frame, crop: Crop, target: str, size: Size) -> Frame:
        """A part in RGB, cut out of a larger one that has its chroma in the right place."""
        scaled = size != crop[2:]
        through = target
        if scaled:
            through = "gbrp16" if FORMATS[frame.format].bit_depth > 8 else "gbrp"
        around, place = grown(frame, crop)
        made = _made(self._part_of(around), through, size_of(around))
        converter = made.converter
        assert isinstance(converter, Swscale)
        part = converter._part_of(cut(made, place))
        return _made(part, target, size) if scaled else part


def _made(frame: Frame, target: str, size: Size) -> Frame:
    """The whole ``frame``, of any part of a picture, in another format and size."""
    converter = frame.converter
    assert isinstance(converter, Swscale)
    if size == size_of(frame) and _same_layout(target, frame.format):
        return replace(frame, format=target)
    with converter._lock:
        planes, av_frame = _pixels(converter.readable(frame), frame, target, size)
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
        made = _reformat(made, size, target, _FLAGS, _RANGES["full"], _RANGES["full"])
        return planes_of(made, layout), made
    return (_channels_first(made, target, deep),), made


def _scaled(av_frame: Any, frame: Frame, av_format: str, size: Size) -> Any:
    """``av_frame`` in another size and format, by the colour that ``frame`` states."""
    color = frame.color
    to_rgb = av_format.startswith("gbrp")
    matrix = None if FORMATS[frame.format].rgb else _MATRICES.get(color.matrix or "")
    if matrix is None and not FORMATS[frame.format].rgb and to_rgb:
        raise UnsupportedConfig(
            f"swscale cannot convert the matrix {color.matrix} to RGB",
            hint="take the native planes, or state another matrix with color=",
        )
    source_range = _RANGES[color.range or "limited"]
    with _described(av_frame, matrix):
        destination_range = _RANGES["full"] if to_rgb else source_range
        return _reformat(av_frame, size, av_format, _FLAGS, source_range, destination_range)


@contextmanager
def _described(av_frame: Any, matrix: int | None) -> Iterator[None]:
    """State the matrix of ``av_frame`` for a while, and neither primaries nor transfer.

    PyAV 17 has no name for the matrix of BT.2020 to tell swscale, and lets swscale refuse
    pictures whose primaries or transfer have reserved values.
    """
    before = av_frame.colorspace, av_frame.color_primaries, av_frame.color_trc
    av_frame.color_primaries = av_frame.color_trc = _UNSPECIFIED
    if matrix is not None:
        av_frame.colorspace = matrix
    try:
        yield
    finally:
        av_frame.colorspace, av_frame.color_primaries, av_frame.color_trc = before


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


def _reformat(
    av_frame: Any,
    size: Size,
    av_format: str,
    flags: int,
    source_range: int | None = None,
    destination_range: int | None = None,
) -> Any:
    """``av_frame`` through swscale; itself when there is nothing to do."""
    av = load_av()
    if not hasattr(_of_thread, "reformatter"):  # it keeps its tables from call to call
        _of_thread.reformatter = av.video.reformatter.VideoReformatter()
    try:
        return _of_thread.reformatter.reformat(
            av_frame,
            *size,
            av_format,
            interpolation=flags,
            src_color_range=source_range,
            dst_color_range=destination_range,
            threads=1,
        )
    except av.error.FFmpegError as error:
        raise UnsupportedConfig(
            f"swscale cannot make {size[0]}x{size[1]} {av_format} of a picture of "
            f"{av_frame.width}x{av_frame.height} {av_frame.format.name}: {error.strerror}",
            hint="another size",
        ) from error


def _refilled(template: Any, frame: Frame) -> Any:
    """A new ``av.VideoFrame`` with the planes of ``frame``, described like ``template``.

    Scaling is the one way of PyAV to a frame that keeps the place of the chroma samples.
    """
    name = av_format_name(frame.format)
    with _described(template, None):
        made = _reformat(template, size_of(frame), name, _NEAREST)
    if made is template:  # there was nothing to do for it
        return av_frame_of(frame.format, frame.width, frame.height, frame.planes)
    for plane, pixels in zip(made.planes, frame.planes, strict=True):
        view = plane_view(memoryview(plane), plane.line_size, pixels.shape, pixels.dtype)
        view[...] = pixels
    return made


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


def _scaled_aspect(frame: Frame, size: Size) -> Fraction | None:
    """The shape of a pixel after scaling: the picture's shape stays."""
    if frame.sample_aspect_ratio is None:
        return None
    return frame.sample_aspect_ratio * frame.width * size[1] / (frame.height * size[0])


def _same_layout(one: str, other: str) -> bool:
    return {one, other} <= {"i420", "yuv420p"} or one == other


def _is_plain(frame: Frame, crop: Crop | None, size: Size) -> bool:
    """Whether swscale alone makes RGB of the part ``crop`` with its chroma in the right place.

    It stretches chroma over the width and height that it is given, so that a picture with odd
    sides gets it up to a pixel off, and at the rim of a part it lacks the chroma outside. When
    it scales anyway neither shows, but a part must begin on a chroma sample.
    """
    across, down = chroma_steps(frame)
    if across == down == 1:
        return True
    region = crop or (0, 0, frame.width, frame.height)
    if size != region[2:]:
        return aligned(frame, region)
    return crop is None and frame.width % across == 0 and frame.height % down == 0
