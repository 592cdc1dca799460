"""Where chroma samples lie among luma samples (ITU-T H.264 figure E-1, H.265 figure E.1)."""

from __future__ import annotations

from typing import Final

# Where the first chroma sample lies between the luma samples that it belongs to, as a part of the
# way from the first to the last of them: (across, down). H.264 figure E-1.
_PLACES: Final = {
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}


def chroma_phase(siting: str | None, subsampling: tuple[int, int]) -> tuple[float, float]:
    """(x, y) of the first chroma sample, in luma samples from the first luma sample.

    ``subsampling``: luma samples for one chroma sample, across and down. What is not stated is
    "left" (H.264 E.2.1, H.265 E.3.1).
    """
    across, down = _PLACES[siting or "left"]
    return across * (subsampling[0] - 1), down * (subsampling[1] - 1)
