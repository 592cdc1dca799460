"""What the numbers of a picture mean, and the exact conversion between YCbCr and RGB.

``spec``: matrix, range, primaries, transfer and chroma siting of a stream. ``coefficients`` and
``siting``: the matrices and the places of samples that follow from them. ``reference``: the
conversion in float64 that every kernel is held to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_names import lazy_names

if TYPE_CHECKING:
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

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "coefficients": ("COMPUTED_MATRICES", "Affine", "between", "from_rgb", "to_rgb"),
    "spec": ("MATRICES", "PRIMARIES", "RANGES", "SITINGS", "TRANSFERS", "ColorSpec"),
}

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
