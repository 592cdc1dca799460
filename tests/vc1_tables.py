"""Of VC-1 (SMPTE ST 421): the exact inverse transform, and the few codes that the writer uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

PQINDEX: Final = 4
DC_SCALE: Final = 8  # of this PQUANT
AC_SCALE: Final = 2 * PQINDEX  # the uniform quantizer, HALFQP 0
_TRANSFORM: Final = np.array(
    [
        [12, 12, 12, 12, 12, 12, 12, 12],
        [16, 15, 9, 4, -4, -9, -15, -16],
        [16, 6, -6, -16, -16, -6, 6, 16],
        [15, -4, -16, -9, 9, 16, 4, -15],
        [12, -12, -12, 12, 12, -12, -12, 12],
        [9, -16, 4, 15, -15, -4, 16, -9],
        [6, -16, 16, -6, -6, 16, -16, 6],
        [4, -9, 15, -16, 16, -15, 9, -4],
    ]
)
# Where the first coefficients in the order of coding are: (row, column).
_SCAN: Final = ((0, 0), (1, 0), (0, 1))
# Codes, (value, bits): CBPCY of I pictures by the pattern.
INTRA_PATTERNS: Final = (
    (0x1, 1), (0x17, 6), (0x9, 5), (0x5, 5), (0x6, 5), (0x47, 9), (0x20, 7), (0x10, 7),
    (0x2, 5), (0x7C, 9), (0x3A, 7), (0x1D, 7), (0x2, 6), (0xEC, 9), (0x77, 8), (0x0, 8),
    (0x3, 5), (0xB7, 9), (0x2C, 7), (0x13, 7), (0x1, 6), (0x168, 10), (0x46, 8), (0x3F, 8),
    (0x1E, 6), (0x712, 13), (0xB5, 9), (0x42, 8), (0x22, 7), (0x1C5, 11), (0x11E, 10), (0x87, 9),
    (0x6, 4), (0x3, 9), (0x1E, 7), (0x1C, 6), (0x12, 7), (0x388, 12), (0x44, 9), (0x70, 9),
    (0x1F, 6), (0x23E, 11), (0x39, 8), (0x8E, 9), (0x1, 7), (0x1C6, 11), (0xB6, 9), (0x45, 9),
    (0x14, 6), (0x23F, 11), (0x7D, 9), (0x18, 9), (0x7, 7), (0x1C7, 11), (0x86, 9), (0x19, 9),
    (0x15, 6), (0x1DB, 10), (0x2, 9), (0x46, 9), (0xD, 8), (0x713, 13), (0x1DA, 10), (0x169, 10),
)  # fmt: skip
ALL_BLOCKS: Final = (3, 2)  # CBPCY 63 of P pictures, table 0
DC_ZERO: Final = ((1, 1), (0, 2))  # table 0 of luma, of chroma
DC_ESCAPE: Final = ((0x6078F, 24), (0x60888F, 23))
AC_ESCAPE: Final = (3, 7)  # of both tables of index 2
# MVDATA, table 0: a vector (or none) without and with residuals; an intra macroblock.
VECTOR: Final = {False: (294, 13), True: (447, 9)}
SAME_VECTOR: Final = (2, 3)  # with residuals
INTRA: Final = (13, 6)


def inverse(block: Sequence[int], scale: int, dc_scale: int | None = None) -> NDArray[np.int64]:
    """The 8x8 inverse transform (annex A) of the first coefficients."""
    matrix = np.zeros((8, 8), int)
    for number, (place, level) in enumerate(zip(_SCAN, block, strict=False)):
        matrix[place] = level * (dc_scale if dc_scale and not number else scale)
    rows = (matrix @ _TRANSFORM + 4) >> 3
    late = np.array([0, 0, 0, 0, 1, 1, 1, 1])[:, None]
    return np.asarray((_TRANSFORM.T @ rows + late + 64) >> 7)
