"""kernels/*.cu compiled for the host, and run there.

In a process that has AddressSanitizer loaded (tools/asan.py) the library is built with it, and
every byte outside of the pictures' rows is forbidden while a kernel runs.
"""

from __future__ import annotations

import ctypes as c
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.kernels.memory import Array, Plane, Planes
from videohw.kernels import Plan

HERE = Path(__file__).parent
SOURCES = tuple(HERE.parents[1] / "kernels" / name for name in ("nv12_rgb.cu", "ycbcr.cu"))
FLAGS = (
    "-std=c++14", "-O1", "-fPIC", "-shared", "-fno-strict-aliasing", "-ffp-contract=off", "-Wall",
    "-Wextra", "-Werror", "-Wno-unknown-pragmas",
    # As on a device, an access that is not at a multiple of its size ends the program.
    "-fsanitize=alignment", "-fsanitize-undefined-trap-on-error",
)  # fmt: skip
SANITIZERS = (
    "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
    "-fno-sanitize-undefined-trap-on-error",
)  # fmt: skip
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")


def compiler() -> str | None:
    """A C++ compiler that takes GCC's options."""
    return next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)


def compiled(directory: Path) -> c.CDLL:
    """The library of the kernels; :class:`subprocess.CalledProcessError` where it is not C++."""
    program = compiler()
    assert program is not None, "a C++ compiler is not here"
    library = directory / "kernels.so"
    flags = [*FLAGS, *(SANITIZERS if SANITIZED else ())]
    sources = f"-I{SOURCES[0].parent}", HERE / "cuda_host.cpp"
    subprocess.run([program, *flags, *sources, "-o", library], check=True)
    found = c.CDLL(str(library))
    found.layout_of_conversion.restype = c.c_size_t
    return found


class HostRunner:
    """Runs kernels of the library, thread by thread."""

    def __init__(self, library: c.CDLL) -> None:
        self.library = library

    def run(self, plan: Plan, pictures: Sequence[tuple[Planes, Planes]]) -> None:
        places = [
            (
                [plane.memory.ctypes.data + plane.start for plane in source.planes],
                [plane.memory.ctypes.data + plane.start for plane in target.planes],
            )
            for source, target in pictures
        ]
        planes = [plane for pair in pictures for side in pair for plane in side.planes]
        with self.forbidden_around(planes):
            for kernel, grid, _, arguments in plan.launches(places):
                self.library.run_kernel(self.library[kernel], c.byref(arguments), *grid)

    @contextmanager
    def forbidden_around(self, planes: Sequence[Plane]) -> Iterator[None]:
        places = [
            (c.c_void_p(plane.memory.ctypes.data + gap.start), c.c_size_t(gap.stop - gap.start))
            for plane in planes if SANITIZED
            for gap in plane.gaps()
        ]  # fmt: skip
        for place, size in places:
            self.library.forbid(place, size, 1)
        try:
            yield
        finally:
            for place, size in places:
                self.library.forbid(place, size, 0)

    def layout(self) -> list[int]:
        """Offsets of the fields of Conversion, the size of Picture, the size of Conversion."""
        offsets = (c.c_size_t * 64)()
        count = self.library.layout_of_conversion(offsets)
        return list(offsets[:count])

    def halves(self, floats: Array) -> Array:
        """float16 of float32, by the kernels' own arithmetic."""
        bits = np.ascontiguousarray(floats, np.float32)
        halves = np.empty(bits.shape, np.float16)
        self.library.halves_of(
            bits.ctypes.data_as(c.c_void_p), halves.ctypes.data_as(c.c_void_p),
            c.c_size_t(bits.size),
        )  # fmt: skip
        return halves
