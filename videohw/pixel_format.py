"""Pixel formats: how the bytes of a picture lie in memory, one table for every backend.

Names follow FFmpeg without the endianness suffix; samples of more than 8 bits are 16-bit words
in little-endian order. ``i420`` is ``yuv420p`` under the name a caller asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, Final

from .errors import UnsupportedConfig

if TYPE_CHECKING:
    import numpy as np

# Of samples, as the array interface spells them.
_BYTE: Final = "|u1"
_WORD: Final = "<u2"


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane: subsampling as a shift of the picture's size, and samples per position."""

    shift_x: int = 0
    shift_y: int = 0
    channels: int = 1


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A memory layout of pictures.

    ``planes`` in memory order. ``typestr`` is the type of one sample in the words of the array
    interface: "|u1", "<u2", "<f2" or "<f4". ``bit_depth`` counts the bits of a sample that carry
    the value and ``shift`` how far the value is shifted left in its word (P010: 6). ``rgb`` tells
    RGB from YCbCr. ``channels_first`` marks CHW pictures, whose single plane has the shape (3,
    height, width).
    """

    name: str
    planes: tuple[Plane, ...]
    typestr: str = _BYTE
    bit_depth: int = 8
    shift: int = 0
    rgb: bool = False
    channels_first: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one sample for NumPy, which is imported when this is first asked."""
        return _dtype(self.typestr)

    @property
    def item_bytes(self) -> int:
        """Bytes of one sample."""
        return int(self.typestr[2:])

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point numbers; else they are unsigned integers."""
        return self.typestr[1] == "f"

    def plane_shape(self, index: int, width: int, height: int) -> tuple[int, ...]:
        """Shape of plane ``index`` of a picture of ``width`` x ``height`` pixels.

        Chroma sizes round up, so that odd pictures have a chroma sample for their last column
        and row. (rows, columns) for one channel, (rows, columns, channels) for more.
        """
        plane = self.planes[index]
        rows = -(-height >> plane.shift_y)
        columns = -(-width >> plane.shift_x)
        if self.channels_first:
            return (plane.channels, rows, columns)
        return (rows, columns) if plane.channels == 1 else (rows, columns, plane.channels)

    def frame_bytes(self, width: int, height: int) -> int:
        """Bytes of a tightly packed picture of ``width`` x ``height`` pixels."""
        samples = sum(prod(self.plane_shape(i, width, height)) for i in range(len(self.planes)))
        return self.item_bytes * samples


@cache
def _dtype(typestr: str) -> np.dtype[Any]:
    import numpy as np  # pictures in device memory go without

    return np.dtype(typestr)


_Y = Plane()


def _planar(name: str, x: int, y: int, bits: int = 8) -> PixelFormat:
    chroma = Plane(x, y)
    return PixelFormat(name, (_Y, chroma, chroma), _BYTE if bits == 8 else _WORD, bits)


def _planar_rgb(name: str, bits: int = 8, shift: int = 0) -> PixelFormat:
    """Planes in the order G, B, R."""
    typestr = _BYTE if bits == 8 else _WORD
    return PixelFormat(name, (_Y, _Y, _Y), typestr, bits, shift, rgb=True)


def _semi(name: str, x: int, y: int, bits: int = 8) -> PixelFormat:
    typestr, shift = (_BYTE, 0) if bits == 8 else (_WORD, 16 - bits)
    return PixelFormat(name, (_Y, Plane(x, y, 2)), typestr, bits, shift)


def _packed(name: str, channels: int) -> PixelFormat:
    return PixelFormat(name, (Plane(channels=channels),), rgb=True)


def _chw(name: str, typestr: str) -> PixelFormat:
    bits = 8 * int(typestr[2:])
    return PixelFormat(name, (Plane(channels=3),), typestr, bits, rgb=True, channels_first=True)


_SUBSAMPLINGS = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}

FORMATS: dict[str, PixelFormat] = {
    f.name: f
    for f in (
        *(
            _planar(f"yuv{name}p{'' if bits == 8 else bits}", x, y, bits)
            for name, (x, y) in _SUBSAMPLINGS.items()
            for bits in (8, 9, 10, 12, 14, 16)
        ),
        _planar("yuv411p", 2, 0),
        _planar("yuv410p", 2, 2),
        _planar("yuv440p", 0, 1),
        *(_planar(f"yuv440p{bits}", 0, 1, bits) for bits in (10, 12)),
        _planar("i420", 1, 1),
        # JPEG's full-range twins: the layout is the same, the range stands in Frame.color.
        *(_planar(f"yuvj{name}p", x, y) for name, (x, y) in _SUBSAMPLINGS.items()),
        _planar("yuvj440p", 0, 1),
        _planar("yuvj411p", 2, 0),
        _planar_rgb("gbrp"),
        *(_planar_rgb(f"gbrp{bits}", bits) for bits in (9, 10, 12, 14, 16)),
        # What NVDEC makes of more than 8 bits: values in the high bits of each word.
        *(PixelFormat(f"yuv444p{bits}msb", (_Y,) * 3, _WORD, bits, 16 - bits) for bits in (10, 12)),
        *(_planar_rgb(f"gbrp{bits}msb", bits, 16 - bits) for bits in (10, 12)),
        *(PixelFormat(f"gray{bits}msb", (_Y,), _WORD, bits, 16 - bits) for bits in (10, 12)),
        PixelFormat("gray", (_Y,)),
        *(PixelFormat(f"gray{bits}", (_Y,), _WORD, bits) for bits in (9, 10, 12, 14, 16)),
        _semi("nv12", 1, 1),
        _semi("nv21", 1, 1),
        _semi("nv16", 1, 0),
        _semi("nv24", 0, 0),
        _semi("p010", 1, 1, 10),
        _semi("p012", 1, 1, 12),
        _semi("p016", 1, 1, 16),
        _semi("p210", 1, 0, 10),
        _semi("p410", 0, 0, 10),
        _packed("rgb24", 3),
        _packed("bgr24", 3),
        _packed("rgba", 4),
        _packed("bgra", 4),
        _chw("rgb_planar", _BYTE),
        _chw("rgb_float16", "<f2"),
        _chw("rgb_float32", "<f4"),
    )
}


def pixel_format(name: str) -> PixelFormat:
    """The format called ``name``; :class:`UnsupportedConfig` for a name the table lacks."""
    try:
        return FORMATS[name]
    except (KeyError, TypeError):
        raise UnsupportedConfig(
            f"pixel format {name!r} is not known", hint=f"known formats: {', '.join(FORMATS)}"
        ) from None
