"""No byte outside of the planes is read or written, and a caller's buffer is all that is used."""

from __future__ import annotations

import ctypes
import mmap
import sys
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given

from tests.pixels.pictures import SOURCES, Case, cases, padded, picture
from tests.pixels.test_levels import LEVELS, level
from videohw.errors import UnsupportedConfig
from videohw.pixel_format import FORMATS
from videohw.pixels import convert

Array = npt.NDArray[Any]
SENTINEL = 0x5A
TARGETS = ("rgb24", "bgra", "rgb_planar", "rgb_float16", "nv12", "i420", "p010", "yuv444p")
# What a vector could reach past the end of a row: all widths up to three of the widest.
WIDTHS = (*range(1, 20), 31, 32, 33, 47, 63, 64, 65, 97)


class Walled:
    """Memory whose first or last byte lies next to a page that cannot be touched."""

    def __init__(self, size: int, at_end: bool) -> None:
        page = mmap.PAGESIZE
        inner = -(-size // page) * page
        self._map = mmap.mmap(-1, inner + 2 * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None, use_errno=True)
        for wall in (base, base + page + inner):
            if libc.mprotect(ctypes.c_void_p(wall), ctypes.c_size_t(page), 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        begin = page + (inner - size if at_end else 0)
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8, size, begin)


def walled_like(plane: Array, at_end: bool) -> Array:
    """A copy of ``plane``, rows without padding, between walls."""
    inside = Walled(plane.nbytes, at_end).bytes.view(plane.dtype).reshape(plane.shape)
    inside[...] = plane
    return inside


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect of glibc")
@pytest.mark.parametrize("at_end", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("source", ["nv12", "i420", "p010", "yuv422p10", "rgb24", "bgra", "gbrp"])
def test_nothing_beyond_the_planes_is_touched(source: str, at_end: bool) -> None:
    """A stray read or write ends the process here."""
    for width in WIDTHS:
        planes = tuple(walled_like(p, at_end) for p in picture(source, width, 3, width))
        for target in TARGETS:
            expected = convert(planes, source, target)
            out = tuple(walled_like(plane, at_end) for plane in expected)
            for name in LEVELS:
                for plane in out:
                    plane[...] = 0
                with level(name):
                    convert(planes, source, target, out=out)
                for got, wanted in zip(out, expected, strict=True):
                    np.testing.assert_array_equal(got, wanted)
                if width % 5 == 0:
                    crop = (1, 1, width - 1, 2)
                    with level(name):
                        convert(planes, source, target, crop=crop)
                        convert(planes, source, target, crop=crop, size=(40, 5), resize="area")


def pitched_out(case: Case, like: tuple[Array, ...], pad: int) -> list[tuple[Array, Array]]:
    layout = FORMATS[case.target]
    return [padded(plane.shape, layout.dtype, pad, SENTINEL) for plane in like]


@given(cases())
def test_padding_is_never_written(case: Case) -> None:
    """Into buffers with padded rows the same pixels come, and the padding stays as it was."""
    pad = case.seed % 5
    planes = picture(case.source, case.width, case.height, case.seed, pad=pad)
    try:
        expected = convert(planes, case.source, case.target, **case.options)
    except UnsupportedConfig:
        return
    before = [plane.copy() for plane in planes]
    for threads in (1, 2):
        buffers = pitched_out(case, expected, pad)
        out = tuple(plane for plane, _ in buffers)
        made = convert(planes, case.source, case.target, out=out, threads=threads, **case.options)
        assert all(got is given_ for got, given_ in zip(made, out, strict=True))
        for (plane, around), wanted in zip(buffers, expected, strict=True):
            np.testing.assert_array_equal(plane, wanted)
            plane.view(np.uint8 if plane.itemsize == 1 else f"u{plane.itemsize}")[...] = 0
            rest = np.ascontiguousarray(around).reshape(-1).view(np.uint8)
            assert set(np.unique(rest)) <= {0, SENTINEL}
            assert (rest == SENTINEL).sum() == around.nbytes - plane.nbytes
    for plane, unchanged in zip(planes, before, strict=True):
        np.testing.assert_array_equal(plane, unchanged)


@pytest.mark.parametrize("source", SOURCES)
def test_rows_may_be_far_apart(source: str) -> None:
    """A pitch of many rows, and planes of one row or column, whose strides mean nothing."""
    for width, height in ((9, 7), (1, 7), (9, 1), (1, 1)):
        planes = picture(source, width, height, 1)
        expected = convert(planes, source, "rgb24")
        apart = []
        for plane in planes:
            if plane.ndim == 3 and plane.shape[0] == 3 and plane.shape[-1] > 4:
                apart.append(plane)
                continue
            space = np.zeros((plane.shape[0] * 5, *plane.shape[1:]), plane.dtype)
            space[::5] = plane
            apart.append(space[::5])
        (got,) = convert(apart, source, "rgb24")
        np.testing.assert_array_equal(got, expected[0])


def test_no_picture_is_allocated_with_out() -> None:
    planes = picture("nv12", 640, 480, 0)
    out = np.empty((480, 640, 3), np.uint8)
    convert(planes, "nv12", "rgb24", out=out)  # the plan is made once
    tracemalloc.start()
    try:
        for _ in range(20):
            convert(planes, "nv12", "rgb24", out=out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 640 * 16


def test_read_only_and_shared_sources_are_fine() -> None:
    planes = picture("nv12", 32, 16, 0)
    for plane in planes:
        plane.setflags(write=False)
    (rgb,) = convert(planes, "nv12", "rgb24")
    assert rgb.flags.writeable
    assert rgb.flags.owndata
    luma = planes[0]
    (gray,) = convert((luma, luma, luma), "yuv444p", "gray")
    np.testing.assert_array_equal(gray, luma)
