"""Memory: out of the host's reach, full of poison, fenced; copies that stay within it."""

from __future__ import annotations

import ctypes as c
import subprocess
import sys

import pytest

from tests.emulators import build
from tests.emulators.control import Emulator, environment
from tests.emulators.nvidia.client import (
    DEVICE,
    HOST,
    INVALID_VALUE,
    NON_BLOCKING,
    NOT_FOUND,
    OUT_OF_MEMORY,
    POISON,
    Copy2D,
    Copy3D,
    Cuda,
)

KIB = 1024
TOUCH = """
import ctypes as c
from pathlib import Path
from tests.emulators.nvidia.client import Cuda
cuda = Cuda(Path({folder!r}))
with cuda.primary_context():
    address = cuda.made("cuMemAlloc_v2", c.c_size_t(1000), kind=c.c_uint64)
    {before}
    c.memset(address + {offset}, 1, 1) if {writes} else c.string_at(address + {offset}, 1)
"""


def test_fresh_memory_is_poison(cuda: Cuda) -> None:
    with cuda.memory(1000) as address:
        assert address % 512 == 0
        assert set(cuda.download(address, 1000)) == {POISON}


@pytest.mark.parametrize(
    ("what", "before", "offset", "writes"),
    [
        ("1000 bytes of device memory", "pass", 0, False),
        ("1000 bytes of device memory", "pass", 999, True),
        ("1000 bytes of device memory", "pass", 4096, False),
        ("memory that was freed", "cuda.cuMemFree_v2(c.c_uint64(address))", 0, False),
    ],
)
def test_the_host_cannot_touch_it(
    emulator: Emulator, what: str, before: str, offset: int, writes: bool
) -> None:
    code = TOUCH.format(folder=str(emulator.folder), before=before, offset=offset, writes=writes)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(emulator.folder), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if build.SANITIZED else -11), done.stderr
    assert "the host touched 0x" in done.stderr
    assert what in done.stderr


def test_freed_twice_or_never_allocated(cuda: Cuda, emulator: Emulator) -> None:
    address = cuda.made("cuMemAlloc_v2", c.c_size_t(100), kind=c.c_uint64)
    assert cuda.cuMemFree_v2(c.c_uint64(address + 1)) == INVALID_VALUE
    assert cuda.cuMemFree_v2(c.c_uint64(address)) == 0
    assert cuda.cuMemFree_v2(c.c_uint64(address)) == INVALID_VALUE
    assert cuda.cuMemFree_v2(c.c_uint64(0)) == 0
    assert len(emulator.misuses()) == 2


def test_nothing_of_no_bytes(cuda: Cuda) -> None:
    out = c.c_uint64()
    assert cuda.cuMemAlloc_v2(c.byref(out), c.c_size_t(0)) == INVALID_VALUE
    assert cuda.cuMemAlloc_v2(None, c.c_size_t(4)) == INVALID_VALUE


def test_what_is_free_and_when_there_is_no_more(cuda: Cuda) -> None:
    free, total = c.c_size_t(), c.c_size_t()
    cuda.do("cuMemGetInfo_v2", c.byref(free), c.byref(total))
    assert free.value == total.value
    with cuda.memory(1 << 20):
        now = c.c_size_t()
        cuda.do("cuMemGetInfo_v2", c.byref(now), c.byref(total))
        assert free.value - now.value == 1 << 20
    out = c.c_uint64()
    assert cuda.cuMemAlloc_v2(c.byref(out), c.c_size_t(total.value + 1)) == OUT_OF_MEMORY


@pytest.mark.parametrize("beyond", [1, 500, 1 << 22])
def test_a_copy_beyond_the_end_is_refused(cuda: Cuda, beyond: int) -> None:
    buffer = c.create_string_buffer(1000 + beyond)
    with cuda.memory(1000) as address:
        place, size = c.c_uint64(address), c.c_size_t(1000 + beyond)
        assert cuda.cuMemcpyDtoH_v2(buffer, place, size) == INVALID_VALUE
        assert cuda.cuMemcpyHtoD_v2(place, buffer, size) == INVALID_VALUE
        assert cuda.cuMemsetD8_v2(place, 0, size) == INVALID_VALUE
        before = c.c_uint64(address - 1)
        assert cuda.cuMemcpyDtoH_v2(buffer, before, c.c_size_t(2)) == INVALID_VALUE


def test_rows_of_a_copy(cuda: Cuda) -> None:
    picture = bytes(range(200))
    with cuda.memory(512 * 20) as address:
        cuda.do("cuMemsetD8_v2", c.c_uint64(address), 0, c.c_size_t(512 * 20))
        copy = Copy2D(
            source_x=2, source_y=1, source_type=HOST, source_pitch=20,
            source_host=c.cast(picture, c.c_void_p), target_x=3, target_y=4, target_type=DEVICE,
            target_device=address, target_pitch=512, width=10, rows=5,
        )  # fmt: skip
        cuda.do("cuMemcpy2D_v2", c.byref(copy))
        found = cuda.download(address, 512 * 20)
        for row in range(5):
            start = (4 + row) * 512 + 3
            assert found[start : start + 10] == picture[(1 + row) * 20 + 2 :][:10]
            assert found[start - 1] == found[start + 10] == 0
        copy.target_y = 16  # the last row would be beyond the end
        assert cuda.cuMemcpy2D_v2(c.byref(copy)) == INVALID_VALUE
        copy.target_y, copy.target_pitch = 0, 0  # one row behind the other
        cuda.do("cuMemcpy2D_v2", c.byref(copy))
        assert cuda.download(address + 3 + 13, 10) == picture[2 * 20 + 2 :][:10]
        copy.target_pitch = 12
        assert cuda.cuMemcpy2D_v2(c.byref(copy)) == INVALID_VALUE
        copy.target_pitch, copy.target_type = 512, 3  # an array, of which there are none
        assert cuda.cuMemcpy2D_v2(c.byref(copy)) == INVALID_VALUE


def test_the_last_row_need_not_have_its_padding(cuda: Cuda) -> None:
    with cuda.memory(512 * 3 + 10) as address:
        buffer = c.create_string_buffer(40)
        copy = Copy2D(
            source_type=DEVICE, source_device=address, source_pitch=512, target_type=HOST,
            target_host=c.addressof(buffer), target_pitch=10, width=10, rows=4,
        )  # fmt: skip
        cuda.do("cuMemcpy2D_v2", c.byref(copy))
        copy.width = 11
        copy.target_pitch = 11
        assert cuda.cuMemcpy2D_v2(c.byref(copy)) == INVALID_VALUE


def test_slices_of_a_copy(cuda: Cuda) -> None:
    volume = bytes(range(2 * 3 * 4))
    with cuda.memory(2 * 3 * 16) as address:
        copy = Copy3D(
            source_type=HOST, source_host=c.cast(volume, c.c_void_p), source_pitch=4,
            source_height=3, target_type=DEVICE, target_device=address, target_pitch=16,
            target_height=3, width=4, rows=3, depth=2,
        )  # fmt: skip
        cuda.do("cuMemcpy3D_v2", c.byref(copy))
        found = cuda.download(address, 2 * 3 * 16)
        assert b"".join(found[at : at + 4] for at in range(0, 96, 16)) == volume


@pytest.mark.parametrize(("size", "value"), [(1, 0x12), (2, 0x1234), (4, 0x12345678)])
def test_memory_set_to_a_value(cuda: Cuda, size: int, value: int) -> None:
    with cuda.memory(64) as address:
        kind = {1: c.c_ubyte, 2: c.c_ushort, 4: c.c_uint}[size]
        cuda.do(f"cuMemsetD{8 * size}_v2", c.c_uint64(address), kind(value), c.c_size_t(3))
        wanted = value.to_bytes(size, "little") * 3
        assert cuda.download(address, 64) == wanted.ljust(64, bytes([POISON]))
        if size > 1:
            misplaced = c.c_uint64(address + 1)
            code = getattr(cuda, f"cuMemsetD{8 * size}_v2")(misplaced, kind(0), c.c_size_t(1))
            assert code == INVALID_VALUE


def test_pitched_memory(cuda: Cuda) -> None:
    address, pitch = c.c_uint64(), c.c_size_t()
    call, width, rows = cuda.cuMemAllocPitch_v2, c.c_size_t(1921), c.c_size_t(3)
    assert call(c.byref(address), c.byref(pitch), width, rows, 3) == INVALID_VALUE
    assert call(c.byref(address), c.byref(pitch), width, rows, 16) == 0
    assert pitch.value == 2048
    cuda.download(address.value, 2048 * 3)
    cuda.do("cuMemFree_v2", address)


def test_stream_ordered_memory(cuda: Cuda, emulator: Emulator) -> None:
    with cuda.stream() as stream:
        address = c.c_uint64()
        cuda.do("cuMemAllocAsync", c.byref(address), c.c_size_t(100), stream)
        cuda.fill(address.value, 7, 100, stream)
        cuda.do("cuMemFreeAsync", address, stream)  # behind the fill
        assert cuda.cuMemFreeAsync(address, stream) == INVALID_VALUE
        assert cuda.cuMemFree_v2(address) == INVALID_VALUE
        assert emulator.open().get("device memory") is None
        cuda.do("cuStreamSynchronize", stream)
        assert cuda.cuMemcpyDtoH_v2(bytes(1), address, c.c_size_t(1)) == INVALID_VALUE
    assert len(emulator.misuses()) == 2
    assert emulator.report()["device_bytes"] == 0


def test_pinned_memory(cuda: Cuda, emulator: Emulator) -> None:
    flags, place = c.c_uint(), c.c_uint64()
    with cuda.pinned(100) as host:
        address = c.addressof(host)
        assert set(host) == {POISON}
        cuda.do("cuMemHostGetDevicePointer_v2", c.byref(place), c.c_void_p(address), 0)
        cuda.do("cuMemHostGetFlags", c.byref(flags), c.c_void_p(address))
        assert place.value == address
        host[0] = 3
    assert cuda.cuMemFreeHost(c.c_void_p(address)) == INVALID_VALUE
    buffer = c.create_string_buffer(100)
    assert cuda.cuMemFreeHost(buffer) == INVALID_VALUE
    assert len(emulator.misuses()) == 2
    with cuda.pinned(100) as host:
        (c.c_ubyte * 101).from_address(c.addressof(host))[100] = 0
    assert emulator.misuses() == ["memory was written past the end of 100 bytes of pinned memory"]


def test_registered_memory(cuda: Cuda, emulator: Emulator) -> None:
    buffer = c.create_string_buffer(8 * KIB)
    size = c.c_size_t(len(buffer))
    cuda.do("cuMemHostRegister_v2", buffer, size, 0)
    assert cuda.cuMemHostRegister_v2(buffer, size, 0) == 712
    assert cuda.cuMemFreeHost(buffer) == INVALID_VALUE
    assert emulator.open()["registered memory"] == 1
    cuda.do("cuMemHostUnregister", buffer)
    assert cuda.cuMemHostUnregister(buffer) == 713
    assert len(emulator.misuses()) == 2


def test_what_a_pointer_is(cuda: Cuda) -> None:
    start, size, kind, device = c.c_uint64(), c.c_size_t(), c.c_uint(), c.c_int(5)
    ask = cuda.cuPointerGetAttribute
    with cuda.memory(1000) as address, cuda.pinned(16) as host:
        inside = c.c_uint64(address + 999)
        cuda.do("cuMemGetAddressRange_v2", c.byref(start), c.byref(size), inside)
        assert (start.value, size.value) == (address, 1000)
        end = c.c_uint64(address + 1000)
        assert cuda.cuMemGetAddressRange_v2(c.byref(start), c.byref(size), end) == NOT_FOUND
        assert (ask(c.byref(kind), 2, inside), kind.value) == (0, 2)
        assert (ask(c.byref(device), 9, inside), device.value) == (0, 0)
        assert ask(c.byref(start), 4, inside) == INVALID_VALUE
        assert (ask(c.byref(kind), 2, c.c_uint64(c.addressof(host))), kind.value) == (0, 1)
    buffer = c.create_string_buffer(4)
    plain = c.c_uint64(c.addressof(buffer))
    assert ask(c.byref(kind), 2, plain) == INVALID_VALUE
    asked, values = (c.c_int * 2)(2, 9), (c.c_void_p * 2)(c.addressof(kind), c.addressof(device))
    assert cuda.cuPointerGetAttributes(2, asked, values, plain) == 0
    assert (kind.value, device.value) == (0, -2)


def test_giving_memory_back_waits_for_the_work(cuda: Cuda) -> None:
    with cuda.pinned(64) as host, cuda.stream(NON_BLOCKING) as stream:
        address = cuda.made("cuMemAlloc_v2", c.c_size_t(64), kind=c.c_uint64)
        cuda.fill(address, 1, 64, stream)
        place, size = c.c_uint64(address), c.c_size_t(64)
        cuda.do("cuMemcpyDtoHAsync_v2", host, place, size, stream)
        cuda.do("cuMemFree_v2", place)
        assert set(host) == {1}


def test_memory_given_back_before_a_queued_copy(cuda: Cuda, emulator: Emulator) -> None:
    with (
        cuda.memory(64) as kept, cuda.pinned(64) as host,
        cuda.stream(NON_BLOCKING) as stream, cuda.stream(NON_BLOCKING) as other,
    ):  # fmt: skip
        gone = cuda.made("cuMemAlloc_v2", c.c_size_t(64), kind=c.c_uint64)
        size = c.c_size_t(64)
        cuda.do("cuMemcpyDtoHAsync_v2", host, c.c_uint64(gone), size, stream)
        cuda.do("cuMemFreeAsync", c.c_uint64(gone), other)
        cuda.do("cuStreamSynchronize", other)
        assert cuda.cuStreamSynchronize(stream) == 700
        assert set(host) == {POISON}
        assert cuda.cuMemcpyDtoH_v2(bytes(1), c.c_uint64(kept), c.c_size_t(1)) == 700  # for ever
        assert emulator.misuses() == ["memory of a queued copy was given back before the copy ran"]
        emulator.clear_faults()
