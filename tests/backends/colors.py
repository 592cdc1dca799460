"""What RGB a YCbCr sample stands for, computed in float64 from the definitions.

ITU-T H.273 (2021) 8.3, equations 40 to 44 with the constants of table 4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# K_R, K_B
CONSTANTS = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}
# (Y, Cb, Cr) of 8 bits: black, white, grays, and every corner of colour that is not clipped much.
SAMPLES = (
    (16, 128, 128), (235, 128, 128), (126, 128, 128), (81, 90, 240), (145, 54, 34),
    (41, 240, 110), (180, 100, 150), (100, 160, 90), (60, 120, 136),
)  # fmt: skip


def rgb_of(
    sample: tuple[int, int, int], matrix: str, range_: str, bits: int = 8
) -> npt.NDArray[np.float64]:
    """R, G and B from 0 to 1, clipped, of a sample of ``bits`` bits."""
    red, blue = CONSTANTS[matrix]
    green = 1 - red - blue
    scale = float(1 << (bits - 8))
    y, cb, cr = (float(value) for value in sample)
    if range_ == "full":
        peak, middle = float((1 << bits) - 1), 128.0 * scale
        luma, blueness, redness = y / peak, (cb - middle) / peak, (cr - middle) / peak
    else:
        luma = (y - 16 * scale) / (219 * scale)
        blueness = (cb - 128 * scale) / (224 * scale)
        redness = (cr - 128 * scale) / (224 * scale)
    r = luma + 2 * (1 - red) * redness
    b = luma + 2 * (1 - blue) * blueness
    g = (luma - red * r - blue * b) / green
    return np.clip(np.array([r, g, b]), 0, 1)
