"""Pictures in memory as the kernels see them: rows at a pitch, and bytes around that stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from videohw.kernels import Plan, Surface

Array = npt.NDArray[Any]
GUARD_BYTES = 64
BASE_ALIGNMENT = 256  # that of the memory of a device


class Plane:
    """Rows of bytes in memory of their own, filled with noise, the bytes between rows as well.

    ``start`` is the offset of the first row in ``memory``; ``misplaced`` is how far it is from an
    aligned place.
    """

    def __init__(
        self, rows: int, row_bytes: int, pitch: int, misplaced: int, noise: np.random.Generator
    ) -> None:
        self.rows, self.row_bytes, self.pitch = rows, row_bytes, pitch
        self.start = GUARD_BYTES + misplaced
        size = self.start + pitch * (rows - 1) + row_bytes + GUARD_BYTES
        raw = np.empty(size + BASE_ALIGNMENT, np.uint8)
        aligned = -raw.ctypes.data % BASE_ALIGNMENT
        self.memory = raw[aligned : aligned + size]
        self.memory[:] = noise.integers(0, 256, size, np.uint8)
        self.before = self.memory.copy()

    def samples(self, dtype: npt.DTypeLike) -> Array:
        """(rows, samples of a row), the memory itself."""
        item = np.dtype(dtype).itemsize
        whole = self.memory[self.start :]
        whole = whole[: len(whole) // item * item].view(dtype)
        return np.lib.stride_tricks.as_strided(
            whole, (self.rows, self.row_bytes // item), (self.pitch, item)
        )

    def gaps(self) -> Iterator[slice]:
        """Where nothing may be read or written: before the first row, between rows, behind."""
        end = 0
        for row in range(self.rows):
            begin = self.start + row * self.pitch
            yield slice(end, begin)
            end = begin + self.row_bytes
        yield slice(end, len(self.memory))

    def is_untouched_around(self) -> bool:
        return all(np.array_equal(self.memory[gap], self.before[gap]) for gap in self.gaps())

    def is_untouched(self) -> bool:
        return np.array_equal(self.memory, self.before)


@dataclass(frozen=True)
class Planes:
    """A surface and the memory of its planes."""

    surface: Surface
    planes: tuple[Plane, ...]

    @classmethod
    def make(
        cls, surface: Surface, noise: np.random.Generator, misplaced: Sequence[int] = (0,)
    ) -> Planes:
        """``misplaced``: of each plane in turn, the last also for those that follow."""
        layout = surface.layout
        row_bytes = surface.row_bytes()
        pitches = surface.pitches or row_bytes
        count = 3 if layout.channels_first else len(layout.planes)
        planes = []
        for i in range(count):
            kind = 0 if layout.channels_first else i
            rows = -(-surface.height >> layout.planes[kind].shift_y)
            planes.append(
                Plane(
                    rows, row_bytes[min(kind, len(row_bytes) - 1)],
                    pitches[min(kind, len(pitches) - 1)],
                    misplaced[min(i, len(misplaced) - 1)], noise,
                )
            )  # fmt: skip
        return cls(surface, tuple(planes))

    def arrays(self) -> list[Array]:
        """(rows, columns) of each plane, (rows, columns, channels) where it has several."""
        layout = self.surface.layout
        found = []
        for plane, kind in zip(self.planes, (*layout.planes, *layout.planes * 2), strict=False):
            samples = plane.samples(layout.dtype)
            channels = 1 if layout.channels_first else kind.channels
            if channels > 1:
                samples = np.lib.stride_tricks.as_strided(
                    samples,
                    (samples.shape[0], samples.shape[1] // channels, channels),
                    (samples.strides[0], samples.itemsize * channels, samples.itemsize),
                )
            found.append(samples)
        return found


class Runner(Protocol):
    """Something that runs kernels."""

    def run(self, plan: Plan, pictures: Sequence[tuple[Planes, Planes]]) -> None:
        """Convert every (source, target)."""
