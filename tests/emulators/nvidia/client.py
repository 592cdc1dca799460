"""A client of libcuda for the emulator's tests: plain ctypes, as strict or as wrong as wanted."""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")
POISON = 0xDB
INVALID_VALUE, OUT_OF_MEMORY, NOT_INITIALIZED, INVALID_CONTEXT = 1, 2, 3, 201
INVALID_HANDLE, NOT_FOUND, NOT_READY, ILLEGAL_ADDRESS = 400, 500, 600, 700
CONTEXT_IS_DESTROYED, NOT_SUPPORTED = 709, 801
NON_BLOCKING, DISABLE_TIMING = 1, 2
HOST, DEVICE = 1, 2


class Copy2D(c.Structure):
    """One copy of rows; ``of`` makes it from the parts that are not 0."""

    _fields_ = [
        ("source_x", c.c_size_t), ("source_y", c.c_size_t), ("source_type", c.c_int),
        ("source_host", c.c_void_p), ("source_device", c.c_uint64), ("source_array", c.c_void_p),
        ("source_pitch", c.c_size_t), ("target_x", c.c_size_t), ("target_y", c.c_size_t),
        ("target_type", c.c_int), ("target_host", c.c_void_p), ("target_device", c.c_uint64),
        ("target_array", c.c_void_p), ("target_pitch", c.c_size_t), ("width", c.c_size_t),
        ("rows", c.c_size_t),
    ]  # fmt: skip


class Copy3D(c.Structure):
    """One copy of slices of rows."""

    _fields_ = [
        *[(f"source_{name}", c.c_size_t) for name in ("x", "y", "z", "level")],
        ("source_type", c.c_int), ("source_host", c.c_void_p), ("source_device", c.c_uint64),
        ("source_array", c.c_void_p), ("source_reserved", c.c_void_p),
        ("source_pitch", c.c_size_t), ("source_height", c.c_size_t),
        *[(f"target_{name}", c.c_size_t) for name in ("x", "y", "z", "level")],
        ("target_type", c.c_int), ("target_host", c.c_void_p), ("target_device", c.c_uint64),
        ("target_array", c.c_void_p), ("target_reserved", c.c_void_p),
        ("target_pitch", c.c_size_t), ("target_height", c.c_size_t),
        ("width", c.c_size_t), ("rows", c.c_size_t), ("depth", c.c_size_t),
    ]  # fmt: skip


class Cuda:
    """The calls by name, which return result codes; and helpers, which want success."""

    def __init__(self, folder: Path) -> None:
        self._library = c.CDLL(str(folder / "libcuda.so.1"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def made(self, name: str, *arguments: Any, kind: Any = c.c_void_p) -> int:
        """What a call writes into its first argument."""
        value = kind()
        self.do(name, c.byref(value), *arguments)
        return int(value.value or 0)

    def do(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        assert code == 0, f"{name}: {code}"

    @contextmanager
    def primary_context(self, device: int = 0) -> Iterator[int]:
        self.do("cuInit", 0)
        context = self.made("cuDevicePrimaryCtxRetain", device)
        self.do("cuCtxPushCurrent_v2", c.c_void_p(context))
        try:
            yield context
        finally:
            self._library.cuCtxPopCurrent_v2(None)
            self.do("cuDevicePrimaryCtxRelease_v2", device)

    @contextmanager
    def memory(self, size: int) -> Iterator[int]:
        """Device memory."""
        address = self.made("cuMemAlloc_v2", c.c_size_t(size), kind=c.c_uint64)
        try:
            yield address
        finally:
            self._library.cuMemFree_v2(c.c_uint64(address))

    @contextmanager
    def pinned(self, size: int) -> Iterator[c.Array[c.c_ubyte]]:
        address = self.made("cuMemHostAlloc", c.c_size_t(size), 0)
        try:
            yield (c.c_ubyte * size).from_address(address)
        finally:
            self._library.cuMemFreeHost(c.c_void_p(address))

    @contextmanager
    def stream(self, flags: int = NON_BLOCKING) -> Iterator[c.c_void_p]:
        handle = c.c_void_p(self.made("cuStreamCreate", flags))
        try:
            yield handle
        finally:
            self._library.cuStreamSynchronize(handle)
            self._library.cuStreamDestroy_v2(handle)

    @contextmanager
    def event(self, flags: int = DISABLE_TIMING) -> Iterator[c.c_void_p]:
        handle = c.c_void_p(self.made("cuEventCreate", flags))
        try:
            yield handle
        finally:
            self._library.cuEventDestroy_v2(handle)

    def download(self, address: int, size: int) -> bytes:
        """By a copy that waits for the default stream only."""
        buffer = c.create_string_buffer(size)
        self.do("cuMemcpyDtoH_v2", buffer, c.c_uint64(address), c.c_size_t(size))
        return buffer.raw

    def upload(self, address: int, data: bytes) -> None:
        self.do("cuMemcpyHtoD_v2", c.c_uint64(address), data, c.c_size_t(len(data)))

    def fill(self, address: int, value: int, size: int, stream: c.c_void_p) -> None:
        self.do("cuMemsetD8Async", c.c_uint64(address), value, c.c_size_t(size), stream)


def in_a_thread(work: Callable[[], Value]) -> Value:
    """What ``work`` returns in a thread of its own."""
    results: list[Value] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]
