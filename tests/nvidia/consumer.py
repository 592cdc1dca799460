"""Another library that uses the emulated driver and takes DLPack capsules, in ctypes."""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.emulators.control import Emulator

READ_ONLY, COPIED = 1, 2  # flags of a versioned capsule


class _Tensor(c.Structure):
    _fields_ = (
        ("data", c.c_uint64), ("device_type", c.c_int32), ("device_id", c.c_int32),
        ("ndim", c.c_int32), ("code", c.c_uint8), ("bits", c.c_uint8), ("lanes", c.c_uint16),
        ("shape", c.POINTER(c.c_int64)), ("strides", c.POINTER(c.c_int64)),
        ("byte_offset", c.c_uint64),
    )  # fmt: skip


_DELETER = c.CFUNCTYPE(None, c.c_void_p)


class _Managed(c.Structure):
    _fields_ = (("tensor", _Tensor), ("context", c.c_void_p), ("deleter", _DELETER))


class _Versioned(c.Structure):
    _fields_ = (
        ("major", c.c_uint32), ("minor", c.c_uint32), ("context", c.c_void_p),
        ("deleter", _DELETER), ("flags", c.c_uint64), ("tensor", _Tensor),
    )  # fmt: skip


_api = c.pythonapi
_api.PyCapsule_GetName.argtypes = [c.py_object]
_api.PyCapsule_GetName.restype = c.c_char_p
_api.PyCapsule_GetPointer.argtypes = [c.py_object, c.c_char_p]
_api.PyCapsule_GetPointer.restype = c.c_void_p
_api.PyCapsule_SetName.argtypes = [c.py_object, c.c_char_p]
_USED = {b"dltensor": b"used_dltensor", b"dltensor_versioned": b"used_dltensor_versioned"}


class Taken:
    """What a capsule held, taken out of it: the consumer is the owner now, until ``drop``."""

    def __init__(self, capsule: object) -> None:
        self.name = _api.PyCapsule_GetName(capsule)
        self._address = _api.PyCapsule_GetPointer(capsule, self.name)
        kind = _Versioned if self.name == b"dltensor_versioned" else _Managed
        self._managed: Any = kind.from_address(self._address)
        tensor = self._managed.tensor
        self.pointer = tensor.data + tensor.byte_offset
        self.device = (tensor.device_type, tensor.device_id)
        self.dtype = (tensor.code, tensor.bits, tensor.lanes)
        self.shape = tuple(tensor.shape[: tensor.ndim])
        self.strides = tuple(tensor.strides[: tensor.ndim])
        self.flags = getattr(self._managed, "flags", None)
        self.version = (
            (self._managed.major, self._managed.minor) if self.flags is not None else None
        )
        # The capsule keeps the pointer to its new name.
        _api.PyCapsule_SetName(capsule, _USED[self.name])

    def drop(self) -> None:
        """Call the deleter, as C does: without the GIL."""
        self._managed.deleter(self._address)


class Cuda:
    """The driver as another library of this process calls it."""

    def __init__(self, emulator: Emulator) -> None:
        self.library = c.CDLL(str(emulator.folder / "libcuda.so.1"))

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self.library, name)(*arguments)
        assert code == 0, (name, code)

    def current(self) -> int | None:
        found = c.c_void_p()
        self.call("cuCtxGetCurrent", c.byref(found))
        return found.value

    @contextmanager
    def own_context(self) -> Iterator[int]:
        """A context of this library's, current on this thread."""
        made = c.c_void_p()
        self.call("cuCtxCreate_v2", c.byref(made), 0, 0)
        assert made.value is not None
        try:
            yield made.value
        finally:
            self.call("cuCtxDestroy_v2", made)

    @contextmanager
    def using(self, context: int) -> Iterator[None]:
        """``context`` current on this thread."""
        self.call("cuCtxPushCurrent_v2", c.c_void_p(context))
        try:
            yield
        finally:
            self.call("cuCtxPopCurrent_v2", c.byref(c.c_void_p()))

    @contextmanager
    def stream(self) -> Iterator[int]:
        """A stream of the current context, that does not wait for the default stream."""
        made = c.c_void_p()
        self.call("cuStreamCreate", c.byref(made), 1)
        assert made.value is not None
        try:
            yield made.value
        finally:
            self.call("cuStreamDestroy_v2", made)

    @contextmanager
    def pinned(self, count: int) -> Iterator[Any]:
        """Bytes that a copy may be queued to."""
        place = c.c_void_p()
        self.call("cuMemHostAlloc", c.byref(place), c.c_size_t(count), 0)
        assert place.value is not None
        try:
            yield (c.c_uint8 * count).from_address(place.value)
        finally:
            self.call("cuMemFreeHost", place)

    def read_later(self, target: Any, pointer: int, stream: int) -> None:
        """Queue a copy from the device to pinned bytes."""
        self.call(
            "cuMemcpyDtoHAsync_v2", target, c.c_uint64(pointer), c.c_size_t(len(target)),
            c.c_void_p(stream),
        )  # fmt: skip

    def finish(self, stream: int) -> None:
        """Wait for what is queued."""
        self.call("cuStreamSynchronize", c.c_void_p(stream))
