"""A decoded picture: pixels that belong to the caller, and everything known about them.

Owns: how planes become one array, and the check of what may be asked of a conversion. Must not
know: any codec library. The backend that made a frame brings the converter along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .color import ColorSpec
from .errors import InvalidInput
from .pixel_format import FORMATS, PixelFormat
from .types import DECODER_OUTPUTS, SideData

Size: TypeAlias = tuple[int, int]
Crop: TypeAlias = tuple[int, int, int, int]

_UNSTATED: Final = ColorSpec()
_NO_SIDE_DATA: Final = SideData()
_CPU: Final = (1, 0)  # (kDLCPU, 0) of dlpack.h
# NumPy that can say in a DLPack capsule that the memory is read-only.
_READ_ONLY_DLPACK: Final = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A checked request to a converter; None in a field leaves that as it is.

    ``output`` is a name of :data:`~videohw.types.DECODER_OUTPUTS`; ``crop`` (left, top, width,
    height) applies before ``size`` (width, height), both in pixels.
    """

    output: str
    size: Size | None = None
    crop: Crop | None = None
    color: ColorSpec | None = None


Converter: TypeAlias = "Callable[[Frame, Conversion], Frame]"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frame:
    """One picture, owned by whoever holds it: its pixels never change and outlive the session.

    - ``planes``: read-only NumPy views, one per plane, shaped as ``format`` says: (rows,
      columns) or (rows, columns, channels), or (3, rows, columns) for the planar RGB outputs;
      uint8, little-endian uint16 for more than 8 bits, float16 or float32. Rows may be padded
      (see the strides). Empty with ``output="metadata"``. Chroma sizes round up.
    - ``format``: a name of :data:`videohw.pixel_format.FORMATS`. ``width``, ``height``: pixels,
      cropped as the stream says.
    - ``pts``: what was submitted with the picture, or None; ``duration`` in the same
      ``time_base``, None when unknown.
    - ``color``: what the stream states, overridden by what the caller stated; see
      :meth:`~videohw.color.ColorSpec.resolved` for the rest.
    - ``keyframe``: decoding could start here. ``corrupt``: True, False, or None for unknown.
    - ``field_order``: "progressive", "tff" or "bff"; None for an interlaced picture whose order
      the stream does not tell. HEVC codes fields as pictures: "tff" is a top field there. Other
      interlaced pictures are woven. ``repeat``: field durations that the picture is to be shown
      longer than its own two (H.264 D.2.3, H.262 repeat_first_field).
    - ``sample_aspect_ratio``: width : height of a pixel, None when the stream does not say.
    - ``decode_index``: the picture's number in decoding order, from 0 for the session's first.
    - ``generation``: counts session switches. ``memory``: "host" or "device". ``converter``:
      what :meth:`convert` calls, brought by the backend.

    ``numpy.asarray(frame)`` and DLPack give one array: (rows, columns, channels) for packed RGB,
    (3, rows, columns) for planar RGB and 4:4:4 (RGB in the order R, G, B), (rows, columns) for
    gray, and (rows * 3 / 2, columns) for 4:2:0 with even sides: all of luma, then all of chroma
    as it lies in ``format``. Other pictures are :class:`InvalidInput`: take the planes.
    """

    planes: tuple[npt.NDArray[Any], ...]
    format: str
    width: int
    height: int
    pts: int | None = None
    duration: int | None = None
    time_base: Fraction | None = None
    color: ColorSpec = _UNSTATED
    keyframe: bool = False
    corrupt: bool | None = None
    field_order: str | None = "progressive"
    repeat: int = 0
    sample_aspect_ratio: Fraction | None = None
    decode_index: int = 0
    side_data: SideData = _NO_SIDE_DATA
    generation: int = 0
    memory: str = "host"
    converter: Converter | None = None

    def to_host(self) -> Frame:
        """The same picture in host memory: this very frame when it is there already."""
        return self

    def convert(
        self,
        output: str,
        *,
        size: Size | None = None,
        crop: Crop | None = None,
        color: ColorSpec | None = None,
    ) -> Frame:
        """A frame in another form, with the same time and description.

        ``output`` is any output of a decoder but "metadata"; "native" keeps the format. ``crop``
        (left, top, width, height) is cut out before it is scaled to ``size`` (width, height).
        ``color`` overrides what the frame says of itself, field by field. RGB is full range;
        "rgb_float16" and "rgb_float32" run from 0 to 1. :class:`InvalidInput` names a wrong
        argument, :class:`UnsupportedConfig` what the converter cannot do.
        """
        if output == "metadata" or output not in DECODER_OUTPUTS:
            known = ", ".join(name for name in DECODER_OUTPUTS if name != "metadata")
            raise InvalidInput(f"output is {output!r}", argument="output", hint=f"one of {known}")
        request = Conversion(output, checked_size(size), checked_crop(crop), checked_color(color))
        if not self.planes or self.converter is None:
            raise InvalidInput(
                "this frame has no pixels to convert",
                argument="output",
                hint='decode with another output than "metadata"',
            )
        return self.converter(self, request)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        array, is_copy = self._as_array(copy)
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise InvalidInput(
                    f"{array.dtype} pixels cannot be seen as {np.dtype(dtype)} without a copy",
                    argument="copy",
                )
            return array.astype(dtype)
        return array.copy() if copy and not is_copy else array

    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        if stream is not None:
            raise InvalidInput("stream must be None for a frame in host memory", argument="stream")
        if dl_device not in (None, _CPU):
            raise BufferError(f"the frame is in host memory, not on device {dl_device}")
        array = self.__array__(copy=copy)
        if array.flags.writeable:
            return array.__dlpack__()
        if _READ_ONLY_DLPACK and max_version is not None and max_version >= (1, 0):
            return array.__dlpack__(max_version=max_version)
        # An older capsule cannot say that the memory is read-only, so its reader gets a copy.
        if copy is False:
            raise BufferError("the pixels are read-only and the reader cannot be told so")
        return array.copy().__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU

    def __repr__(self) -> str:
        words = [f"{self.width}x{self.height}", self.format, f"pts={self.pts}"]
        words.extend(["key"] if self.keyframe else [])
        words.extend(["corrupt"] if self.corrupt else [])
        words.extend([self.field_order] if self.field_order in ("tff", "bff") else [])
        return f"<Frame {' '.join(words)}>"

    def _as_array(self, copy: bool | None) -> tuple[npt.NDArray[Any], bool]:
        """(the picture as one array, whether that is a fresh copy)."""
        if len(self.planes) == 1:
            return self.planes[0], False
        layout = FORMATS.get(self.format)
        if layout is None or not self.planes or not _packs(layout, self.width, self.height):
            raise InvalidInput(
                f"a {self.width}x{self.height} {self.format} picture of {len(self.planes)} planes "
                "is not one array",
                hint='use frame.planes, or frame.convert("rgb24")',
            )
        if copy is False:
            raise InvalidInput(
                f"the planes of {self.format} cannot be seen as one array without a copy",
                argument="copy",
            )
        planes = self.planes
        if layout.rgb:  # planes lie in the order G, B, R
            planes = (planes[2], planes[0], planes[1])
        flat = np.concatenate([plane.reshape(-1) for plane in planes])
        if all(plane.shape == planes[0].shape for plane in planes):
            return flat.reshape(3, self.height, self.width), True
        return flat.reshape(-1, self.width), True


def _packs(layout: PixelFormat, width: int, height: int) -> bool:
    """Whether planes one after the other fill an array: 4:4:4, or 4:2:0 with even sides."""
    chroma = layout.planes[1]
    if (chroma.shift_x, chroma.shift_y) == (1, 1):
        return width % 2 == 0 and height % 2 == 0
    return len(layout.planes) == 3 and (chroma.shift_x, chroma.shift_y) == (0, 0)


def checked_size(size: object) -> Size | None:
    """``size`` as two positive integers or None; :class:`InvalidInput` for anything else."""
    if size is None:
        return None
    numbers = _integers(size, 2)
    if numbers is None or min(numbers) < 1:
        raise InvalidInput(
            f"size is {size!r}", argument="size", hint="(width, height) in pixels, both above 0"
        )
    return numbers[0], numbers[1]


def checked_crop(crop: object) -> Crop | None:
    """``crop`` as four integers or None; :class:`InvalidInput` for anything else."""
    if crop is None:
        return None
    numbers = _integers(crop, 4)
    if numbers is None or min(numbers[:2]) < 0 or min(numbers[2:]) < 1:
        raise InvalidInput(
            f"crop is {crop!r}",
            argument="crop",
            hint="(left, top, width, height) in pixels, inside the picture",
        )
    return numbers[0], numbers[1], numbers[2], numbers[3]


def checked_color(color: object) -> ColorSpec | None:
    """``color`` when it is a ColorSpec or None; :class:`InvalidInput` for anything else."""
    if color is None or isinstance(color, ColorSpec):
        return color
    raise InvalidInput(
        f"color is {type(color).__name__}", argument="color", hint="a ColorSpec or None"
    )


def _integers(value: object, count: int) -> tuple[int, ...] | None:
    if not isinstance(value, (tuple, list)) or len(value) != count:
        return None
    if any(isinstance(item, bool) or not isinstance(item, (int, np.integer)) for item in value):
        return None
    return tuple(int(item) for item in value)
