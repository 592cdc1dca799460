"""What the header of an AV1 or VP9 sequence says of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHROMA_IDC: Final = {"4:0:0": 0, "4:2:0": 1, "4:2:2": 2, "4:4:4": 3}
UNSTATED: Final = 2  # of H.273


@dataclass(frozen=True, slots=True)
class PictureForm:
    """The form of pictures, under the names that a parameter set of H.264 or HEVC has."""

    width: int
    height: int
    chroma_format: str
    bit_depth_luma: int
    full_range: bool
    matrix_coefficients: int = UNSTATED
    colour_primaries: int = UNSTATED
    transfer_characteristics: int = UNSTATED

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """Nothing is left out at any side."""
        return 0, 0, 0, 0

    @property
    def bit_depth_chroma(self) -> int:
        """The same as of luma."""
        return self.bit_depth_luma

    @property
    def chroma_format_idc(self) -> int:
        """As H.264 and HEVC number it."""
        return CHROMA_IDC[self.chroma_format]
