"""What the numbers of a picture mean, and the exact conversion between YCbCr and RGB.

``spec``: matrix, range, primaries, transfer and chroma siting of a stream. ``coefficients``: the
matrices that follow from them. ``reference``: the conversion in float64 that every kernel is held
to.
"""

from __future__ import annotations

from .coefficients import COMPUTED_MATRICES, Affine, between, from_rgb, to_rgb
from .spec import MATRICES, PRIMARIES, RANGES, SITINGS, TRANSFERS, ColorSpec

__all__ = [
    "COMPUTED_MATRICES",
    "MATRICES",
    "PRIMARIES",
    "RANGES",
    "SITINGS",
    "TRANSFERS",
    "Affine",
    "ColorSpec",
    "between",
    "from_rgb",
    "to_rgb",
]
