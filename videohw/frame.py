"""A decoded picture: pixels that belong to the caller, and everything known about them.

Owns: how planes become one array. Must not know: any codec library. The backend that made a frame
elsewhere than in host memory brings the converter along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from .color import ColorSpec
from .conversion_request import Conversion, checked_color, checked_conversion
from .errors import InvalidInput
from .frame_pixels import converted
from .pixel_format import FORMATS, PixelFormat
from .pixels.requests import Crop, Size, checked_crop, checked_size
from .types import SideData

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

__all__ = [
    "Conversion", "Converter", "Crop", "Frame", "Size", "checked_color", "checked_conversion",
    "checked_crop", "checked_size",
]  # fmt: skip

_UNSTATED: Final = ColorSpec()
_NO_SIDE_DATA: Final = SideData()
_CPU: Final = (1, 0)  # (kDLCPU, 0) of dlpack.h

Converter: TypeAlias = "Callable[[Frame, Conversion], Frame]"


class _DeviceArray(Protocol):
    """What a plane in device memory brings: of CUDA, ``videohw._cuda.DeviceArray``."""

    def to_host(self) -> npt.NDArray[Any]: ...
    def joined(self, planes: Sequence[Any]) -> _DeviceArray | None: ...
    def __dlpack__(self, **request: Any) -> object: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frame:
    """One picture, owned by whoever holds it: its pixels never change and outlive the session.

    - ``planes``: read-only NumPy views, one per plane, shaped as ``format`` says: (rows,
      columns) or (rows, columns, channels), or (3, rows, columns) for the planar RGB outputs;
      uint8, little-endian uint16 for more than 8 bits, float16 or float32. Rows may be padded
      (see the strides). Empty with ``output="metadata"``. Chroma sizes round up. With
      ``memory="device"`` they are arrays of the same shapes in device memory, for consumers of
      DLPack or ``__cuda_array_interface__``; on a Mac for Metal (docs/apple.md).
    - ``format``: a name of :data:`videohw.pixel_format.FORMATS`. ``width``, ``height``: pixels,
      cropped as the stream says.
    - ``pts``: what was submitted with the picture, or None; ``duration`` in the same
      ``time_base``, None when unknown.
    - ``color``: what the stream states, overridden by what the caller stated; see
      :meth:`~videohw.color.ColorSpec.resolved` for the rest.
    - ``keyframe``: decoding could start here. ``corrupt``: True when the codec noticed damage;
      False when it looks for damage and noticed none; None when neither is known: the codec does
      not look (in software all but H.264 and MPEG), or the picture may refer to one that was bad
      or is missing. What breaks no rule of the syntax goes unnoticed: no codec has a checksum.
    - ``field_order``: "progressive", "tff" or "bff"; None for an interlaced picture whose order
      the stream does not tell. HEVC codes fields as pictures: "tff" is a top field there. Other
      interlaced pictures are woven. ``repeat``: field durations that the picture is to be shown
      longer than its own two (H.264 D.2.3, H.262 repeat_first_field).
    - ``sample_aspect_ratio``: width : height of a pixel, None when the stream does not say.
    - Film grain that a stream describes (AV1; H.274 in H.264 and HEVC) is not put in: the pixels
      are those before it. Of AV1 on videotoolbox the system decides, which has no setting for it.
    - ``decode_index``: the picture's number in decoding order, from 0 for the session's first.
    - ``backend_info``: what only the backend that decoded it tells, None of most: of videotoolbox
      a :class:`~videohw.AppleImageInfo`, with the flags of decoding and what is attached.
    - ``generation``: counts session switches. ``memory``: "host" or "device". ``converter``:
      what :meth:`convert` calls where a backend brought one, for pixels outside of host memory.

    ``numpy.asarray(frame)`` and DLPack give one array: (rows, columns, channels) for packed RGB,
    (3, rows, columns) for planar RGB and 4:4:4 (RGB in the order R, G, B), (rows, columns) for
    gray, and (rows * 3 / 2, columns) for 4:2:0 with even sides: all of luma, then all of chroma
    as it lies in ``format``. Other pictures are :class:`InvalidInput`: take the planes. A frame
    in device memory is that array without a copy, for DLPack and ``__cuda_array_interface__``;
    NumPy gets it by :meth:`to_host`.
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
    backend_info: object = None
    generation: int = 0
    memory: str = "host"
    converter: Converter | None = None

    def to_host(self) -> Frame:
        """The same picture in host memory: this very frame when it is there already."""
        if self.memory == "host":
            return self
        planes = cast("tuple[_DeviceArray, ...]", self.planes)
        return replace(
            self, planes=tuple(plane.to_host() for plane in planes), memory="host", converter=None
        )

    def convert(
        self,
        output: str,
        *,
        size: Size | None = None,
        crop: Crop | None = None,
        color: ColorSpec | None = None,
        chroma: str = "bilinear",
        resize: str = "bilinear",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> Frame:
        """A frame in another form, with the same time and description.

        ``output`` is any output of a decoder but "metadata"; "native" keeps the format. ``crop``
        (left, top, width, height) is cut out before it is scaled to ``size`` (width, height) by
        ``resize``, "bilinear" or "area". ``color`` overrides what the frame says of itself, field
        by field. ``chroma``: how colour differences come to every pixel, "bilinear" by their
        siting or "nearest". RGB is full range; "rgb_float16" and "rgb_float32" run from 0 to 1,
        and are (value - ``mean``) / ``std`` where these are given, for R, G and B. YCbCr made of
        RGB is as :meth:`~videohw.color.ColorSpec.resolved` says. What is exact, and how close to
        it this comes: :func:`videohw.pixels.convert`. :class:`InvalidInput` names a wrong
        argument, :class:`UnsupportedConfig` what cannot be converted.
        """
        request = checked_conversion(
            output, size=size, crop=crop, color=color, chroma=chroma, resize=resize, mean=mean,
            std=std,
        )  # fmt: skip
        if output == "metadata":
            raise InvalidInput('output is "metadata"', argument="output", hint="a pixel format")
        if not self.planes:
            raise InvalidInput(
                "this frame has no pixels to convert",
                argument="output",
                hint='decode with another output than "metadata"',
            )
        if self.memory != "host" and self.converter is None:
            raise InvalidInput("nothing converts this frame in device memory", hint="to_host()")
        return (self.converter or converted)(self, request)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if self.memory != "host":
            raise InvalidInput("the frame is in device memory", hint="frame.to_host()")
        array, is_copy = self._as_array(copy)
        if dtype is not None:
            import numpy as np  # pictures in device memory go without

            wanted = np.dtype(dtype)
            if wanted != array.dtype and copy is False:
                raise InvalidInput(
                    f"{array.dtype} pixels cannot be seen as {wanted} without a copy",
                    argument="copy",
                )
            if wanted != array.dtype:
                return array.astype(wanted)
        return array.copy() if copy and not is_copy else array

    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        if self.memory != "host":
            return self._on_device().__dlpack__(
                stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )
        if stream is not None:
            raise InvalidInput("stream must be None for a frame in host memory", argument="stream")
        if dl_device not in (None, _CPU):
            raise BufferError(f"the frame is in host memory, not on device {dl_device}")
        array = self.__array__(copy=copy)
        if array.flags.writeable:
            return array.__dlpack__()
        if _tells_read_only() and max_version is not None and max_version >= (1, 0):
            return array.__dlpack__(max_version=max_version)
        # An older capsule cannot say that the memory is read-only, so its reader gets a copy.
        if copy is False:
            raise BufferError("the pixels are read-only and the reader cannot be told so")
        return array.copy().__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU if self.memory == "host" else self._on_device().__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.memory == "host":
            raise AttributeError("__cuda_array_interface__: the frame is in host memory")
        return self._on_device().__cuda_array_interface__

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
            raise self._not_one_array()
        if copy is False:
            raise InvalidInput(
                f"the planes of {self.format} cannot be seen as one array without a copy",
                argument="copy",
            )
        import numpy as np

        planes = self._joinable()
        flat = np.concatenate([plane.reshape(-1) for plane in planes])
        if all(plane.shape == planes[0].shape for plane in planes):
            return flat.reshape(3, self.height, self.width), True
        return flat.reshape(-1, self.width), True

    def _on_device(self) -> _DeviceArray:
        """The picture in device memory as one array."""
        planes = cast("tuple[_DeviceArray, ...]", self._joinable())
        array = planes[0].joined(planes[1:]) if planes else None
        if array is None:
            raise self._not_one_array()
        return array

    def _joinable(self) -> tuple[npt.NDArray[Any], ...]:
        """The planes in the order in which they make one array."""
        layout = FORMATS.get(self.format)
        if layout is None or not layout.rgb or len(self.planes) != 3:
            return self.planes
        green, blue, red = self.planes
        return red, green, blue

    def _not_one_array(self) -> InvalidInput:
        return InvalidInput(
            f"a {self.width}x{self.height} {self.format} picture of {len(self.planes)} planes "
            "is not one array",
            hint='use frame.planes, or frame.convert("rgb24")',
        )


@cache
def _tells_read_only() -> bool:
    """Whether NumPy can say in a DLPack capsule that the memory is read-only."""
    import numpy as np

    return bool(np.lib.NumpyVersion(np.__version__) >= "2.1.0")


def _packs(layout: PixelFormat, width: int, height: int) -> bool:
    """Whether planes one after the other fill an array: 4:4:4, or 4:2:0 with even sides."""
    chroma = layout.planes[1]
    if (chroma.shift_x, chroma.shift_y) == (1, 1):
        return width % 2 == 0 and height % 2 == 0
    return len(layout.planes) == 3 and (chroma.shift_x, chroma.shift_y) == (0, 0)
