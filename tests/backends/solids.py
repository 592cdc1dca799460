"""Pictures of one colour, and the colour that comes out of a stream of them."""

from __future__ import annotations

import numpy as np

from tests.backends.encoding import Array, Witnessed
from videohw.color import MATRICES

SIDE = 64
SOLIDS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (255, 255, 255), (0, 0, 0)]
# H.273 table 4: KR and KB of the matrices that are computed.
WEIGHTS = {
    "bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt470bg": (0.299, 0.114),
    "smpte240m": (0.212, 0.087), "bt2020nc": (0.2627, 0.0593), "fcc": (0.30, 0.11),
}  # fmt: skip


def ycbcr(rgb: tuple[int, int, int], matrix: str, full: bool, bits: int = 8) -> list[float]:
    """H.273 8.3: the code values of an 8-bit RGB colour."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    unit = 1 << bits - 8
    if full:
        peak = (1 << bits) - 1
        return [peak * y, 128 * unit + peak * cb, 128 * unit + peak * cr]
    return [unit * (16 + 219 * y), unit * (128 + 224 * cb), unit * (128 + 224 * cr)]


def to_rgb(shown: Witnessed) -> Array:
    """The colour in the middle of a picture, 0..255, by the matrix and range of the stream."""
    kr, kb = WEIGHTS[MATRICES[shown.matrix]]
    bits = 10 if "10" in shown.format else 8
    y, cb, cr = (float(plane[plane.shape[0] // 2, plane.shape[1] // 2]) for plane in shown.planes)
    unit, peak = 1 << bits - 8, (1 << bits) - 1
    if shown.range == 2:
        y, cb, cr = y / peak, (cb - 128 * unit) / peak, (cr - 128 * unit) / peak
    else:
        y = (y / unit - 16) / 219
        cb, cr = (cb / unit - 128) / 224, (cr / unit - 128) / 224
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(255 * np.array([r, g, b]), 0, 255)


def solid(rgb: tuple[int, int, int], input_format: str, side: int = SIDE) -> Array:
    """A picture of one colour; YCbCr inputs in BT.601 limited range, the default at this size."""
    r, g, b = rgb
    # By byte order in memory: the first letter of the name is the first byte.
    packed = {"rgb24": (r, g, b), "bgr24": (b, g, r), "rgba": (r, g, b, 9), "bgra": (b, g, r, 9)}
    if input_format in packed:
        return np.full((side, side, len(packed[input_format])), packed[input_format], np.uint8)
    bits = 10 if input_format == "p010" else 8
    y, cb, cr = (round(v) for v in ycbcr(rgb, "smpte170m", False, bits))
    picture = np.empty((side * 3 // 2, side), np.uint16 if bits == 10 else np.uint8)
    picture[:side] = y
    chroma = picture[side:]
    if input_format == "i420":
        chroma[: side // 4], chroma[side // 4 :] = cb, cr
    else:
        chroma[:, 0::2], chroma[:, 1::2] = cb, cr
    return picture << 6 if bits == 10 else picture
