"""Another library that makes pictures in memory of the emulated device, in ctypes: on a stream of
its own, which is late, and gives the memory back when the object dies that had it."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.emulators.control import Emulator
from tests.nvidia.consumer import _DELETER, Cuda, _Managed

_CUDA_DEVICE = 2  # kDLCUDA
_BYTES = (1, 8, 1)  # uint8 as DLPack has it
_new_capsule = c.PYFUNCTYPE(c.py_object, c.c_void_p, c.c_char_p, c.c_void_p)(
    ("PyCapsule_New", c.pythonapi)
)
_pointer_of = c.PYFUNCTYPE(c.c_void_p, c.c_void_p, c.c_char_p)(
    ("PyCapsule_GetPointer", c.pythonapi)
)
# Pictures that pinned memory has room for, before the stream is waited for.
_PLACES = 20
# What capsules hold that nobody has taken over.
_exported: dict[int, Any] = {}


@c.PYFUNCTYPE(None, c.c_void_p)
def _drop(capsule: int) -> None:
    _exported.pop(_pointer_of(capsule, b"dltensor"), None)


class Producer:
    """The library: a context, a stream, pinned memory that pictures come from."""

    def __init__(self, emulator: Emulator) -> None:
        self.cuda = Cuda(emulator)
        self.made = self.freed = 0

    def call(self, name: str, *arguments: Any) -> None:
        self.cuda.call(name, *arguments)

    @contextmanager
    def begun(self, picture_bytes: int) -> Iterator[Producer]:
        """With its stream and pinned memory, and the device's context current on this thread."""
        context = c.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDevicePrimaryCtxRetain", c.byref(context), 0)
        assert context.value is not None
        self.context = context.value
        try:
            with (
                self.cuda.using(context.value),
                self.cuda.stream() as self.stream,
                self.cuda.pinned(_PLACES * picture_bytes) as self.pixels,
            ):
                self.place = 0
                yield self
                self.cuda.finish(self.stream)
        finally:
            self.call("cuDevicePrimaryCtxRelease_v2", 0)

    def tensor(self, pixels: npt.NDArray[np.uint8], kind: type[Tensor] | None = None) -> Tensor:
        """``pixels`` in memory of its own, grey until the stream comes to them."""
        memory = Memory(self, pixels.nbytes)
        self.call("cuMemsetD8_v2", c.c_uint64(memory.address), 128, c.c_size_t(pixels.nbytes))
        made = (kind or Tensor)(memory, pixels.shape)
        made.fill(pixels)
        return made


class Memory:
    """Of the device; given back when nobody has it any more."""

    def __init__(self, library: Producer, count: int) -> None:
        found = c.c_uint64()
        library.call("cuMemAlloc_v2", c.byref(found), c.c_size_t(count))
        library.made += 1
        self.library, self.address = library, found.value

    def __del__(self) -> None:
        self.library.freed += 1
        with self.library.cuda.using(self.library.context):  # on whatever thread this is
            self.library.call("cuMemFree_v2", c.c_uint64(self.address))


class Tensor:
    """An array that says where it lies by the CUDA array interface; a part of ``base``."""

    def __init__(
        self, memory: Memory, shape: tuple[int, ...], *, base: Tensor | None = None,
        pitch: int | None = None, offset: int = 0,
    ) -> None:  # fmt: skip
        self.memory, self.shape, self.base, self.offset = memory, shape, base, offset
        self.strides = pitch or shape[1], 1
        self.asked_for: list[int | None] = []

    def fill(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Queue that it becomes ``pixels``."""
        library = self.memory.library
        if library.place + pixels.nbytes > len(library.pixels):
            library.cuda.finish(library.stream)  # the pinned memory was read
            library.place = 0
        source = c.addressof(library.pixels) + library.place
        c.memmove(source, pixels.ctypes.data, pixels.nbytes)
        library.place += pixels.nbytes
        library.call(
            "cuMemcpyHtoDAsync_v2", c.c_uint64(self.memory.address), c.c_void_p(source),
            c.c_size_t(pixels.nbytes), c.c_void_p(library.stream),
        )  # fmt: skip

    def view(self, **other: Any) -> Tensor:
        """Another array in the same memory."""
        return type(self)(self.memory, self.shape, base=self.base or self, **other)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3, "typestr": "|u1", "shape": self.shape, "strides": self.strides,
            "data": (self.memory.address + self.offset, False),
            "stream": self.memory.library.stream,
        }  # fmt: skip


class DlpackTensor(Tensor):
    """One that gives DLPack capsules, which keep the memory."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:  # as no attribute at all
        raise AttributeError

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CUDA_DEVICE, 0

    def __dlpack__(
        self, *, stream: int | None = None, max_version: tuple[int, int] | None = None
    ) -> object:
        """A capsule; ``stream`` waits for the work of the library's own one."""
        self.asked_for.append(stream)
        library = self.memory.library
        if stream is not None and stream != -1:
            mark = c.c_void_p()
            library.call("cuEventCreate", c.byref(mark), 2)
            library.call("cuEventRecord", mark, c.c_void_p(library.stream))
            library.call("cuStreamWaitEvent", c.c_void_p(stream), mark, 0)
            library.call("cuEventDestroy_v2", mark)
        managed, sides = _Managed(), c.c_int64 * len(self.shape)
        shape, strides = sides(*self.shape), sides(*self.strides)
        tensor = managed.tensor
        tensor.data, tensor.byte_offset = self.memory.address, self.offset
        tensor.device_type, tensor.device_id = _CUDA_DEVICE, 0
        tensor.code, tensor.bits, tensor.lanes = _BYTES
        tensor.ndim, tensor.shape, tensor.strides = len(self.shape), shape, strides
        managed.deleter = _DELETER(0)
        _exported[c.addressof(managed)] = managed, shape, strides, self.memory
        return _new_capsule(c.addressof(managed), b"dltensor", c.cast(_drop, c.c_void_p))


class OldDlpackTensor(DlpackTensor):
    """One that does so as before DLPack 1.0."""

    def __dlpack__(self, *, stream: int | None = None) -> object:  # type: ignore[override]
        return super().__dlpack__(stream=stream)


class Unwatchable:
    """An array that takes no weak references."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self._tensor.__cuda_array_interface__
