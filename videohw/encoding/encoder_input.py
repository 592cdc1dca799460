"""What may be given to ``Encoder.submit``, checked and looked at as planes, without copying.

Owns: the shapes and types that are accepted and the message of each refusal. Must not know: any
codec library. A backend copies the planes it gets from here, so strides never reach it.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec
from ..errors import InvalidInput
from ..frame import Frame
from ..pixel_format import FORMATS, PixelFormat

_DLPACK_CPU: Final = 1  # kDLCPU of dlpack.h
# How each plane of an input is called in messages.
PLANE_NAMES: Final = {1: ("picture",), 2: ("Y", "UV"), 3: ("Y", "U", "V")}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in host memory: its format and one array per plane, shaped as the format says.

    ``color`` is what the picture itself states of its colour, None when it cannot. The arrays
    are views of the caller's memory wherever NumPy can make one, of any stride.
    """

    format: PixelFormat
    planes: tuple[npt.NDArray[Any], ...]
    color: ColorSpec | None = None


def own_time(frame: Any) -> Fraction | None:
    """The presentation time in seconds that ``frame`` itself carries, or None.

    Only a :class:`Frame` and an ``av.VideoFrame`` with pts and time base carry one.
    """
    if not isinstance(frame, Frame) and not is_av_frame(frame):
        return None
    pts, time_base = frame.pts, frame.time_base
    if pts is None or not time_base:
        return None
    seconds: Fraction = Fraction(time_base.numerator, time_base.denominator) * pts
    return seconds


def is_av_frame(frame: Any) -> bool:
    """True for an ``av.VideoFrame``, without importing PyAV."""
    av = sys.modules.get("av")
    kind = getattr(av, "VideoFrame", None)
    return kind is not None and isinstance(frame, kind)


def host_picture(frame: Any, input_format: str, width: int, height: int) -> Picture:
    """``frame`` as a picture of ``width`` x ``height`` pixels in host memory.

    A :class:`Frame` or ``av.VideoFrame`` has its own format; everything else is in
    ``input_format``: one array, a tuple of one array per plane, or bytes of exactly one picture.
    Anything that does not fit is :class:`InvalidInput` with ``argument`` "frame".
    """
    if isinstance(frame, Frame):
        return _of_frame(frame, width, height)
    if is_av_frame(frame):
        return _of_av_frame(frame, width, height)
    layout = FORMATS[input_format]
    if isinstance(frame, (tuple, list)):
        return Picture(layout, _separate_planes(frame, layout, width, height))
    array = _as_array(frame, "frame", layout)
    _check_dtype(array, "frame", layout)
    if array.ndim == 1:
        return Picture(layout, _flat_planes(array, layout, width, height))
    if len(layout.planes) == 1:
        expected = layout.plane_shape(0, width, height)
        check_shape(array.shape, (expected,), "frame", layout)
        return Picture(layout, (array,))
    check_shape(array.shape, ((height * 3 // 2, width),), "frame", layout)
    chroma = array[height:].reshape(-1)
    return Picture(layout, (array[:height], *_cut(chroma, layout, width, height, first=1)))


def _av_planes(frame: Any, layout: PixelFormat) -> tuple[npt.NDArray[Any], ...]:
    """An ``av.VideoFrame``'s planes, without the padding behind their rows."""
    itemsize = layout.item_bytes
    views = []
    for index, plane in enumerate(frame.planes):
        shape = layout.plane_shape(index, frame.width, frame.height)
        rows, row_items = shape[0], int(np.prod(shape[1:]))
        if plane.line_size < 0:
            lines = _flipped(plane, rows, row_items * itemsize).view(layout.dtype)
        else:
            pitch_items = plane.line_size // itemsize
            flat = np.frombuffer(plane, dtype=layout.dtype, count=rows * pitch_items)
            lines = flat.reshape(rows, pitch_items)[:, :row_items]
        views.append(lines.reshape(shape))
    return tuple(views)


def _flipped(plane: Any, rows: int, row_bytes: int) -> npt.NDArray[np.uint8]:
    """A copy of the lines of a plane whose first line has the highest address (FFmpeg's vflip).

    PyAV's buffer of it begins at that line and ends far behind the memory that there is.
    """
    pitch_bytes = -plane.line_size
    before = (rows - 1) * pitch_bytes
    memory = (ctypes.c_char * (before + row_bytes)).from_address(plane.buffer_ptr - before)
    lines = np.ndarray((rows, row_bytes), np.uint8, memory, strides=(pitch_bytes, 1))
    return lines[::-1].copy()


def av_format(name: str) -> PixelFormat | None:
    """Our format for libavutil's pixel format ``name``; None where the table has none."""
    return FORMATS.get(name.removesuffix("le"))


def check_size(frame: Any, width: int, height: int) -> None:
    """Refuse a :class:`Frame` or ``av.VideoFrame`` of another size."""
    if (frame.width, frame.height) != (width, height):
        raise InvalidInput(
            f"frame is {frame.width}x{frame.height}, the encoder {width}x{height}",
            argument="frame",
            hint="scale it, or open an encoder of that size",
        )


def _of_frame(frame: Frame, width: int, height: int) -> Picture:
    check_size(frame, width, height)
    if frame.memory != "host":
        raise _wrong_device(f"memory {frame.memory!r}")
    layout = FORMATS.get(frame.format)
    if layout is None or layout.is_float or not frame.planes:
        raise InvalidInput(
            f"frame has the format {frame.format!r}, which cannot be encoded",
            argument="frame",
            hint="decode to native, or use Frame.convert('rgb24')",
        )
    planes = _separate_planes(frame.planes, layout, width, height)
    if layout.channels_first:
        # The planes of gbrp are in the order of its name.
        red, green, blue = planes[0]
        return Picture(FORMATS["gbrp"], (green, blue, red))
    return _without_j(Picture(layout, planes, frame.color))


def _of_av_frame(frame: Any, width: int, height: int) -> Picture:
    check_size(frame, width, height)
    layout = av_format(frame.format.name)
    if layout is None:
        raise InvalidInput(
            f"frame has the pixel format {frame.format.name}, which is not taken here",
            argument="frame",
            hint="frame.reformat(format='yuv420p')",
        )
    return _without_j(Picture(layout, _av_planes(frame, layout), av_color(frame)))


def _without_j(picture: Picture) -> Picture:
    """FFmpeg's full-range yuvj formats as what they are: another name for a range."""
    name = picture.format.name
    if not name.startswith("yuvj"):
        return picture
    color = (picture.color or ColorSpec()).overridden_by(ColorSpec(range="full"))
    return Picture(FORMATS[name.replace("yuvj", "yuv")], picture.planes, color)


def av_color(frame: Any) -> ColorSpec:
    """What an ``av.VideoFrame`` states of its matrix and range."""
    full = {1: False, 2: True}.get(int(frame.color_range))  # AVCOL_RANGE_MPEG, _JPEG
    return ColorSpec.from_code_points(matrix=int(frame.colorspace), full_range=full)


def _as_array(data: object, name: str, layout: PixelFormat) -> npt.NDArray[Any]:
    """``data`` as an array that shares its memory."""
    if isinstance(data, np.ndarray):
        return np.asarray(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return _of_buffer(data, name, layout)
    if hasattr(data, "__dlpack__") and hasattr(data, "__dlpack_device__"):
        return _of_dlpack(data, name)
    if hasattr(data, "__cuda_array_interface__"):
        raise _wrong_device("CUDA memory (__cuda_array_interface__)")
    raise InvalidInput(
        f"{name} is {type(data).__name__}",
        argument="frame",
        hint="give a NumPy array, a tuple of planes, bytes, anything with __dlpack__, a Frame or "
        "an av.VideoFrame",
    )


def _of_buffer(
    data: bytes | bytearray | memoryview, name: str, layout: PixelFormat
) -> npt.NDArray[Any]:
    try:
        return np.frombuffer(data, dtype=layout.dtype)
    except (ValueError, TypeError, BufferError) as error:
        # An odd count of bytes for 16-bit samples, an empty buffer, a strided memoryview.
        raise InvalidInput(
            f"{name} of {memoryview(data).nbytes} bytes cannot be read as {layout.name}: {error}",
            argument="frame",
        ) from None


def _of_dlpack(data: Any, name: str) -> npt.NDArray[Any]:
    try:
        device = data.__dlpack_device__()
        if device[0] != _DLPACK_CPU:
            raise _wrong_device(f"DLPack device {tuple(map(int, device))}")
        return np.from_dlpack(data)
    except InvalidInput:
        raise
    except Exception as error:  # whatever the exporting library says: grad, conj, sparse, dtype
        raise InvalidInput(
            f"{name} ({type(data).__name__}) cannot be read through __dlpack__: {error}",
            argument="frame",
            hint="give a plain tensor in host memory, such as tensor.detach().cpu()",
        ) from error


def _wrong_device(where: str) -> InvalidInput:
    return InvalidInput(
        f"frame lies in {where}, this backend takes host memory",
        argument="frame",
        hint="copy it to the host first: Frame.to_host(), tensor.cpu() or cupy.asnumpy()",
    )


def _separate_planes(
    planes: tuple[Any, ...] | list[Any], layout: PixelFormat, width: int, height: int
) -> tuple[npt.NDArray[Any], ...]:
    names = PLANE_NAMES[len(layout.planes)]
    if len(planes) != len(names):
        raise InvalidInput(
            f"frame has {len(planes)} planes, {layout.name} has {len(names)} ({', '.join(names)})",
            argument="frame",
        )
    views = []
    for index, (name, plane) in enumerate(zip(names, planes, strict=True)):
        name = f"frame plane {name}"
        array = _as_array(plane, name, layout)
        _check_dtype(array, name, layout)
        shape = layout.plane_shape(index, width, height)
        # The UV plane of nv12 is often kept as rows of interleaved samples.
        interleaved = (shape[0], prod(shape[1:]))
        check_shape(
            array.shape, (shape, interleaved) if len(shape) == 3 else (shape,), name, layout
        )
        views.append(array.reshape(shape))
    return tuple(views)


def _flat_planes(
    array: npt.NDArray[Any], layout: PixelFormat, width: int, height: int
) -> tuple[npt.NDArray[Any], ...]:
    expected = layout.frame_bytes(width, height)
    if array.nbytes != expected:
        raise InvalidInput(
            f"frame has {array.nbytes} bytes, one {layout.name} picture of {width}x{height} has "
            f"{expected}",
            argument="frame",
            hint="rows without padding, plane after plane",
        )
    return _cut(array, layout, width, height, first=0)


def _cut(
    flat: npt.NDArray[Any], layout: PixelFormat, width: int, height: int, *, first: int
) -> tuple[npt.NDArray[Any], ...]:
    """The planes from ``first`` on that lie one after the other in ``flat``."""
    views = []
    start = 0
    for index in range(first, len(layout.planes)):
        shape = layout.plane_shape(index, width, height)
        count = prod(shape)
        views.append(flat[start : start + count].reshape(shape))
        start += count
    return tuple(views)


def _check_dtype(array: npt.NDArray[Any], name: str, layout: PixelFormat) -> None:
    wanted = layout.dtype
    # Either byte order will do: copying turns it.
    if array.dtype.kind != "u" or array.dtype.itemsize != wanted.itemsize:
        raise wrong_dtype(array.dtype, name, layout)


def wrong_dtype(found: object, name: str, layout: PixelFormat) -> InvalidInput:
    """The error for samples of another type than those of the format."""
    return InvalidInput(
        f"{name} has dtype {found}, {layout.name} needs {layout.dtype.newbyteorder('=')}",
        argument="frame",
        hint="P010 has its ten bits at the top of each word"
        if layout.shift
        else "scale to 0..255 and convert with .astype(numpy.uint8)",
    )


def check_shape(
    shape: tuple[int, ...], expected: tuple[tuple[int, ...], ...], name: str, layout: PixelFormat
) -> None:
    """Refuse an array that has none of the shapes ``expected``."""
    if shape not in expected:
        raise InvalidInput(
            f"{name} has shape {shape}, {layout.name} needs {' or '.join(map(str, expected))}",
            argument="frame",
            hint="rows first: (height, width, channels)",
        )
