"""swscale through PyAV as a witness: pictures of ours in, planes out, nothing left to its defaults.

swscale places chroma at the centre unless a frame says where it is; PyAV cannot say it, but the
filter ``setparams`` can.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from videohw.color import ColorSpec
from videohw.pixel_format import FORMATS, PixelFormat

Array = npt.NDArray[Any]

# SWS_* of swscale.h, not all of which PyAV 17 has names for.
BILINEAR, POINT, AREA = 0x2, 0x10, 0x20
# SWS_FULL_CHR_H_INT, without which chroma is repeated over the pixels of RGB; _FULL_CHR_H_INP,
# without which it is made of every other pixel of RGB; _ACCURATE_RND.
ACCURATE = 0x2000 | 0x4000 | 0x40000
# AVCOL_SPC_*, by which frames state their matrix; PyAV 17 has no argument for the last.
MATRICES = {"bt709": 1, "fcc": 4, "smpte170m": 6, "smpte240m": 7, "bt2020nc": 9}
_RANGES = {"limited": 1, "full": 2}  # AVCOL_RANGE_MPEG, _JPEG
_TIME_BASE = Fraction(1, 25)


def converted(
    planes: tuple[Array, ...],
    source: str,
    target: str,
    color: ColorSpec,
    flags: int | None = BILINEAR | ACCURATE,
) -> tuple[Array, ...]:
    """``planes`` of the format ``source`` as swscale makes ``target`` of them.

    ``color``: what the YCbCr side means, matrix and range stated; RGB is full range. ``flags``
    None: PyAV's default. ``target`` may also be a format of swscale that we lack: "gbrpf32".
    """
    height, width = planes[0].shape[:2]
    frame = _placed(_frame(planes, FORMATS[source], width, height), color.siting)
    frame.colorspace = MATRICES[str(color.matrix)]  # of what is made of it, too
    full, stated = _RANGES["full"], _RANGES[str(color.range)]
    made = frame.reformat(
        format=_av_name(target),
        src_color_range=full if FORMATS[source].rgb else stated,
        dst_color_range=full if _is_rgb(target) else stated,
        interpolation=flags,
        threads=1,
    )
    if target == "gbrpf32":
        return tuple(_rows(plane, np.float32, (height, width)) for plane in made.planes)
    layout = FORMATS[target]
    return tuple(
        _rows(plane, layout.dtype, layout.plane_shape(index, width, height))
        for index, plane in enumerate(made.planes)
    )


def _is_rgb(name: str) -> bool:
    return name not in FORMATS or FORMATS[name].rgb


def _av_name(name: str) -> str:
    deep = name not in FORMATS or np.dtype(FORMATS[name].dtype).itemsize > 1
    return name + "le" if deep else name


def _frame(planes: tuple[Array, ...], layout: PixelFormat, width: int, height: int) -> Any:
    frame = av.VideoFrame(width, height, _av_name(layout.name))
    for plane, pixels in zip(frame.planes, planes, strict=True):
        rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
        memory = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        memory[: len(rows), : rows.shape[1]] = rows
    return frame


def _placed(frame: Any, siting: str | None) -> Any:
    """``frame`` with its chroma location stated."""
    if siting is None:
        return frame
    graph = av.filter.Graph()
    frame.pts, frame.time_base = 0, _TIME_BASE
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format.name, time_base=_TIME_BASE
        ),
        graph.add("setparams", f"chroma_location={siting}"),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    return graph.pull()


def _rows(plane: Any, dtype: Any, shape: tuple[int, ...]) -> Array:
    row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    memory = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return memory[: shape[0], :row_bytes].copy().view(dtype).reshape(shape)
