"""The one way that the tests take a checksum of pictures, whatever backend made them.

The canonical form is that of the corpus: planes one after the other, samples in little-endian
order with the value in the low bits, cropped, each frame at its own size. Interleaved chroma
(NV12) is taken apart and values in the upper bits (P010) are shifted down first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from videohw.frame import Frame
from videohw.pixel_format import FORMATS


def canonical_planes(frame: Frame) -> list[npt.NDArray[Any]]:
    """Y, Cb, Cr (or G, B, R; or Y alone) as (rows, columns), with the value in the low bits."""
    layout = FORMATS[frame.format]
    planes: list[npt.NDArray[Any]] = []
    for index, plane in enumerate(frame.planes):
        assert plane.shape == layout.plane_shape(index, frame.width, frame.height)
        assert plane.dtype == np.dtype(layout.dtype)
        parts = [plane] if plane.ndim == 2 else [plane[..., i] for i in range(plane.shape[2])]
        planes += [part >> layout.shift if layout.shift else part for part in parts]
    return planes


def canonical_bytes(frame: Frame) -> bytes:
    """The picture in the canonical form."""
    return b"".join(np.ascontiguousarray(plane).tobytes() for plane in canonical_planes(frame))


def frame_md5(frame: Frame) -> str:
    """md5 of one picture."""
    return hashlib.md5(canonical_bytes(frame), usedforsecurity=False).hexdigest()


def frames_md5(frames: Iterable[Frame]) -> str:
    """md5 of all pictures, one after the other."""
    digest = hashlib.md5(usedforsecurity=False)
    for frame in frames:
        digest.update(canonical_bytes(frame))
    return digest.hexdigest()
