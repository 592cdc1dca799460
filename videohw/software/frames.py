"""PyAV's video frames as ours: names of pixel formats, planes without a copy, colour.

Must not know: sessions, coded bytes, conversions. ``VideoFrame.side_data`` is never touched: it
makes a reference cycle, which keeps the picture's memory until the garbage collector runs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec
from ..errors import UnsupportedConfig
from ..pixel_format import FORMATS, PixelFormat
from .capabilities import load_av

# PyAV's names that differ from ours by more than the byte order. The full-range twins of JPEG
# have the same layout; their range stands in Frame.color.
_FROM_AV: Final = {
    **{f"yuvj{name}p": f"yuv{name}p" for name in ("420", "422", "444", "440", "411")},
    "gray8": "gray",
}
_TO_AV: Final = {"i420": "yuv420p"}
_LIMITED, _FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
_BIG_ENDIAN, _LITTLE_ENDIAN = "be", "le"


def format_name(av_name: str) -> str:
    """Our name of PyAV's pixel format; UnsupportedConfig when we have none for its layout."""
    name = _FROM_AV.get(av_name, av_name.removesuffix(_LITTLE_ENDIAN))
    if name not in FORMATS or av_name.endswith(_BIG_ENDIAN):
        raise UnsupportedConfig(
            f"libavcodec made pictures of the format {av_name}, which has no name here",
            hint="the stream must be coded in another format; videohw.capabilities() lists them",
        )
    return name


def av_format_name(name: str) -> str:
    """PyAV's name of our pixel format; the channels-first forms of RGB have none."""
    name = _TO_AV.get(name, name)
    return name + _LITTLE_ENDIAN if FORMATS[name].item_bytes > 1 else name


def planes_of(av_frame: Any, layout: PixelFormat) -> tuple[npt.NDArray[Any], ...]:
    """Read-only views of the planes of an ``av.VideoFrame``, which they keep alive.

    Behind an array that is read-only for good: NumPy looks through a memoryview, and would let a
    caller make views of the plane itself writable again.
    """
    return tuple(
        plane_view(
            np.frombuffer(memoryview(plane).toreadonly(), np.uint8),
            plane.line_size,
            shape,
            layout.dtype,
        )
        for plane, shape in zip(av_frame.planes, _shapes(av_frame, layout), strict=True)
    )


def writable_planes(av_frame: Any, layout: PixelFormat) -> tuple[npt.NDArray[Any], ...]:
    """Views of the planes of an ``av.VideoFrame`` to write into, valid as long as it lives."""
    shapes = _shapes(av_frame, layout)
    return tuple(
        plane_view(memoryview(plane), plane.line_size, shape, layout.dtype)
        for plane, shape in zip(av_frame.planes, shapes, strict=True)
    )


def av_frame_of(name: str, width: int, height: int, planes: Sequence[npt.NDArray[Any]]) -> Any:
    """A new ``av.VideoFrame`` with a copy of ``planes``, shaped as our format ``name`` says."""
    av_frame = load_av().VideoFrame(width, height, av_format_name(name))
    for own, pixels in zip(writable_planes(av_frame, FORMATS[name]), planes, strict=True):
        own[...] = pixels
    return av_frame


def _shapes(av_frame: Any, layout: PixelFormat) -> Iterator[tuple[int, ...]]:
    for index in range(len(layout.planes)):
        yield layout.plane_shape(index, av_frame.width, av_frame.height)


def plane_view(
    buffer: memoryview | npt.NDArray[np.uint8],
    pitch_bytes: int,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
) -> npt.NDArray[Any]:
    """``buffer`` as (rows, columns) or (rows, columns, channels), rows ``pitch_bytes`` apart."""
    sample = np.dtype(dtype).itemsize
    strides = (pitch_bytes, sample) if len(shape) == 2 else (pitch_bytes, sample * shape[2], sample)
    return np.ndarray(shape, dtype, buffer, strides=strides)


@functools.lru_cache(maxsize=256)
def color_of(
    matrix: int, av_range: int, primaries: int, transfer: int, siting: str | None, name: str
) -> ColorSpec:
    """The colour that libavcodec states by code points (ITU-T H.273) of a picture in ``name``."""
    layout = FORMATS[name]
    subsampled = any(plane.shift_x or plane.shift_y for plane in layout.planes)
    spec = ColorSpec.from_code_points(
        matrix=matrix if matrix or layout.rgb else None,
        full_range={_LIMITED: False, _FULL: True}.get(av_range),
        primaries=primaries,
        transfer=transfer,
        bit_depth=layout.bit_depth,
    )
    return replace(spec, siting=siting) if subsampled else spec
