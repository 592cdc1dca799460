"""What may be given to ``Encoder.submit`` in the memory of a device, looked at without copying.

DLPack capsules and the CUDA array interface become addresses, shapes and strides. Whoever hands
memory over orders its work before that of a stream of ours: by ``__dlpack__(stream=...)``, or
``wait`` does for the stream that an array interface names. Must not know: any driver.
"""

from __future__ import annotations

import ctypes as c
import struct
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from ..color import ColorSpec
from ..errors import InvalidInput
from ..frame import Frame
from ..pixel_format import FORMATS, PixelFormat
from .encoder_input import PLANE_NAMES, check_shape, check_size, is_av_frame, wrong_dtype

_CUDA_TYPES: Final = (2, 13)  # kDLCUDA, kDLCUDAManaged of dlpack.h
_KINDS: Final = {0: "i", 1: "u", 2: "f", 6: "b"}  # DLDataTypeCode
_VERSION: Final = (1, 0)  # of DLPack, from which on memory may be read-only
_MOST_FORMS: Final = 64  # of arrays that are remembered: more than anybody has at once
_HOST_TYPES: Final = (np.ndarray, bytes, bytearray, memoryview)


# DLTensor: data, device type and number, dimensions, type code, bits, lanes, addresses of shape and
# strides, offset in bytes. All at once, since ctypes takes as long for each field.
_TENSOR: Final = struct.Struct("=QiiiBBHQQQ")

# Where the tensor lies in what a capsule points to (DLManagedTensor, DLManagedTensorVersioned).
_PLACES: Final = {b"dltensor": 0, b"dltensor_versioned": 32}
_get_pointer = c.pythonapi.PyCapsule_GetPointer
_get_pointer.argtypes, _get_pointer.restype = (c.py_object, c.c_char_p), c.c_void_p
_get_name = c.pythonapi.PyCapsule_GetName
_get_name.argtypes, _get_name.restype = (c.py_object,), c.c_char_p


class DevicePlane(NamedTuple):
    """An array in device memory: its address, shape, and strides in bytes."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def rows(self, first: int, count: int) -> DevicePlane:
        """``count`` rows from ``first`` on."""
        address = self.address + first * self.strides[0]
        return DevicePlane(address, (count, *self.shape[1:]), self.strides)


class DevicePicture(NamedTuple):
    """A picture in device memory: its format and one array for each plane, shaped as it says.

    ``color`` is what the picture itself states of its colour, None when it cannot. ``owners``
    have the memory as long as they live; ``kept`` is what must live until it was read.
    """

    format: PixelFormat
    planes: tuple[DevicePlane, ...]
    color: ColorSpec | None
    owners: tuple[object, ...]
    kept: tuple[object, ...]


class _Part(NamedTuple):
    """A plane of a picture: in which array it is, and where in that: its address is an offset."""

    array: int
    plane: DevicePlane


def is_on_device(frame: Any) -> bool:
    """Whether ``frame`` lies in the memory of a CUDA device, as far as it can say."""
    if isinstance(frame, Frame):
        return frame.memory != "host"
    if isinstance(frame, (tuple, list)):
        return bool(frame) and is_on_device(frame[0])
    if isinstance(frame, _HOST_TYPES) or is_av_frame(frame):
        return False
    ask = getattr(frame, "__dlpack_device__", None)
    if ask is None:
        return hasattr(frame, "__cuda_array_interface__")
    try:
        return int(ask()[0]) in _CUDA_TYPES
    except Exception:  # whatever the exporting library raises: reading it will say so
        return False


class DeviceReader:
    """Looks at pictures in the memory of the CUDA device ``ordinal``.

    ``stream``: address of the stream that is to read them. ``wait(stream)`` makes it wait for the
    work that another stream, by its address, has by now.
    """

    def __init__(self, ordinal: int, stream: int, wait: Callable[[int], None]) -> None:
        self._ordinal = ordinal
        self._stream = stream
        self._wait = wait
        self._parts: dict[object, tuple[_Part, ...]] = {}  # of arrays of a form

    def picture(self, frame: Any, input_format: str, width: int, height: int) -> DevicePicture:
        """``frame`` as a picture of ``width`` x ``height`` pixels.

        A :class:`Frame` has its own format; everything else is in ``input_format``: one array,
        or a tuple of one array per plane. What does not fit is :class:`InvalidInput` with
        ``argument`` "frame".
        """
        layout, color = FORMATS[input_format], None
        if isinstance(frame, Frame):
            check_size(frame, width, height)
            known = FORMATS.get(frame.format)
            if known is None or known.is_float or not frame.planes:
                raise InvalidInput(
                    f"frame has the format {frame.format!r}, which cannot be encoded",
                    argument="frame",
                    hint='decode with output="native" or an 8-bit RGB output',
                )
            layout, color, frame = known, frame.color, frame.planes
        given = frame if isinstance(frame, (tuple, list)) else (frame,)
        arrays = [self._array(each, layout) for each in given]
        owners = tuple(_owner(each) for each in given)
        kept = owners + tuple(each for _, each in arrays)
        planes = self._planes([plane for plane, _ in arrays], layout, width, height)
        return DevicePicture(layout, planes, color, owners, kept)

    def _planes(
        self, given: list[DevicePlane], layout: PixelFormat, width: int, height: int
    ) -> tuple[DevicePlane, ...]:
        """The planes of a picture in these arrays; those of a form are looked at once."""
        form = layout.name, width, height, *((each.shape, each.strides) for each in given)
        parts = self._parts.get(form)
        if parts is None:
            bare = [DevicePlane(0, each.shape, each.strides) for each in given]
            cut = len(given) == 1 < len(layout.planes)
            planes = _cut(bare[0], layout, width, height) if cut else tuple(bare)
            if len(planes) != len(layout.planes):
                names = PLANE_NAMES[len(layout.planes)]
                raise InvalidInput(
                    f"frame has {len(planes)} planes, {layout.name} has {len(names)} "
                    f"({', '.join(names)})",
                    argument="frame",
                )
            made = enumerate(_shaped(planes, layout, width, height))
            parts = tuple(_Part(0 if cut else index, plane) for index, plane in made)
            if len(self._parts) == _MOST_FORMS:
                self._parts.clear()
            self._parts[form] = parts
        return tuple(
            DevicePlane(given[index].address + plane.address, plane.shape, plane.strides)
            for index, plane in parts
        )

    def _array(self, data: Any, layout: PixelFormat) -> tuple[DevicePlane, object]:
        """The array, and what keeps its memory."""
        if not is_on_device(data):
            raise InvalidInput(
                f"frame has planes in device memory and one that is {type(data).__name__}",
                argument="frame",
                hint="all planes in the memory of one device",
            )
        try:
            if hasattr(data, "__dlpack__"):
                return self._of_dlpack(data, layout)
            return self._of_interface(data, layout), data
        except InvalidInput:
            raise
        except Exception as error:  # whatever the exporting library says
            if getattr(error, "name", None) == "ETIMEDOUT":  # DeviceLost, which says the call
                raise
            raise InvalidInput(
                f"frame ({type(data).__name__}) cannot be read in device memory: {error}",
                argument="frame",
                hint="give a plain tensor, such as tensor.detach().contiguous()",
            ) from error

    def _of_dlpack(self, data: Any, layout: PixelFormat) -> tuple[DevicePlane, object]:
        try:
            capsule = data.__dlpack__(stream=self._stream, max_version=_VERSION)
        except TypeError:  # an exporter older than DLPack 1.0
            capsule = data.__dlpack__(stream=self._stream)
        name = _get_name(capsule)
        place = _get_pointer(capsule, name) + _PLACES[name]
        address, device_type, device_id, count, code, bits, lanes, sides, steps, offset = (
            _TENSOR.unpack(c.string_at(place, _TENSOR.size))
        )
        if device_type not in _CUDA_TYPES or device_id != self._ordinal:
            raise InvalidInput(
                f"frame lies on DLPack device ({device_type}, {device_id}), the "
                f"encoder on CUDA device {self._ordinal}",
                argument="frame",
                hint="copy it there, or open an encoder with that device",
            )
        item = bits // 8
        _check_dtype(f"{_KINDS.get(code, 'V')}{item}", lanes == 1, layout)
        shape = _numbers(sides, count)
        strides = _packed(shape, item)
        if steps:
            strides = tuple([item * step for step in _numbers(steps, count)])
        return DevicePlane(address + offset, shape, strides), capsule

    def _of_interface(self, data: Any, layout: PixelFormat) -> DevicePlane:
        told = data.__cuda_array_interface__
        dtype = np.dtype(told["typestr"])
        _check_dtype(f"{dtype.kind}{dtype.itemsize}", dtype.isnative, layout)
        shape = tuple(int(side) for side in told["shape"])
        strides = told.get("strides") or _packed(shape, dtype.itemsize)
        stream = told.get("stream")
        if stream is not None:
            self._wait(int(stream))
        return DevicePlane(int(told["data"][0]), shape, tuple(int(step) for step in strides))


def _numbers(address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"{count}q", c.string_at(address, 8 * count))


def _owner(data: Any) -> object:
    """Who has the memory of ``data``: what it is a view of, as PyTorch and CuPy tell, or itself."""
    for name in ("_base", "base"):
        base = getattr(data, name, None)
        if base is not None and is_on_device(base):
            return base
    return data


def _check_dtype(kind: str, plain: bool, layout: PixelFormat) -> None:
    wanted = layout.dtype
    if kind != f"u{wanted.itemsize}" or not plain:
        raise wrong_dtype(kind, "frame", layout)


def _packed(shape: Sequence[int], item: int) -> tuple[int, ...]:
    strides: list[int] = []
    for side in reversed(shape):
        strides.insert(0, item)
        item *= side
    return tuple(strides)


def _cut(
    whole: DevicePlane, layout: PixelFormat, width: int, height: int
) -> tuple[DevicePlane, ...]:
    """The planes of 4:2:0 in one array of rows."""
    check_shape(whole.shape, ((height * 3 // 2, width),), "frame", layout)
    item, pitch = whole.strides[1], whole.strides[0]
    chroma = layout.plane_shape(1, width, height)
    planes = [whole.rows(0, height)]
    address = whole.address + height * pitch
    if len(layout.planes) == 2:
        return (*planes, DevicePlane(address, chroma, (pitch, 2 * item, item)))
    for index in (0, 1):
        # Two rows of chroma lie in one of the array, where these have no gap between them.
        if pitch != width * item:
            raise InvalidInput(
                f"frame has padded rows, in which {layout.name} cannot be one array",
                argument="frame",
                hint="give its planes as a tuple",
            )
        planes.append(
            DevicePlane(address + index * chroma[0] * chroma[1] * item, chroma,
                        (chroma[1] * item, item))
        )  # fmt: skip
    return tuple(planes)


def _shaped(
    planes: tuple[DevicePlane, ...], layout: PixelFormat, width: int, height: int
) -> tuple[DevicePlane, ...]:
    """Each plane in the shape that the format says, with values packed within a row."""
    names = PLANE_NAMES[len(layout.planes)]
    item = layout.item_bytes
    made = []
    for index, plane in enumerate(planes):
        name = "frame" if len(planes) == 1 else f"frame plane {names[index]}"
        shape = layout.plane_shape(index, width, height)
        interleaved = (shape[0], prod(shape[1:]))
        pairs = len(shape) == 3 and not layout.channels_first
        check_shape(plane.shape, (shape, interleaved) if pairs else (shape,), name, layout)
        inner = _packed(shape[1:], item) if not layout.channels_first else (plane.strides[1], item)
        if layout.channels_first:
            fits = plane.strides[2] == item
        else:
            fits = plane.strides[-1] == item and plane.strides[1:] in (inner, (item,))
        if not fits or plane.strides[0] < 0:
            raise InvalidInput(
                f"{name} has the strides {plane.strides}: a row must have its values side by side",
                argument="frame",
                hint="tensor.contiguous()",
            )
        made.append(DevicePlane(plane.address, shape, (plane.strides[0], *inner)))
    return tuple(made)
