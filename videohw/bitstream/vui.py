"""What H.264 and H.265 sequence parameter sets have in common for those who use the pictures.

Sample aspect ratios, the crop rectangle and the properties that are derived from the coded
fields in the same way in both standards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fractions import Fraction

# aspect_ratio_idc whose width and height are coded (H.264 table E-1, H.265 table E.1).
EXTENDED_SAR = 255

# Index is aspect_ratio_idc; 0 is unspecified (H.264 table E-1, H.265 table E.1).
SAMPLE_ASPECT_RATIOS: tuple[tuple[int, int] | None, ...] = (
    None, (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33),
    (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip

# SubWidthC and SubHeightC by chroma_format_idc (H.264 table 6-1, H.265 table 6-1).
CHROMA_SUBSAMPLING = ((1, 1), (2, 2), (2, 1), (1, 1))
CHROMA_FORMATS = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")


class Crop(NamedTuple):
    """Luma samples to leave out at each side of the coded picture."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


class PictureProperties(ABC):
    """Properties of an SPS that follow in the same way in both standards; sizes in luma samples.

    Colour values are the code points of ITU-T H.273; 2 is "unspecified".
    """

    __slots__ = ()

    @property
    @abstractmethod
    def chroma_format_idc(self) -> int:
        """The sampling: 0 without chroma, 1 of 4:2:0, 2 of 4:2:2, 3 of 4:4:4."""

    @property
    @abstractmethod
    def bit_depth_luma_minus8(self) -> int:
        """As coded."""

    @property
    @abstractmethod
    def bit_depth_chroma_minus8(self) -> int:
        """As coded."""

    @property
    @abstractmethod
    def vui(self) -> Any:
        """The VUI, None without."""

    @property
    @abstractmethod
    def crop(self) -> Crop:
        """What the stream cuts off the coded picture."""

    @property
    @abstractmethod
    def coded_width(self) -> int:
        """Width before cropping."""

    @property
    @abstractmethod
    def coded_height(self) -> int:
        """Height of a whole frame before cropping."""

    @property
    def width(self) -> int:
        """Width after cropping."""
        crop = self.crop
        return self.coded_width - crop.left - crop.right

    @property
    def height(self) -> int:
        """Height of a whole frame after cropping."""
        crop = self.crop
        return self.coded_height - crop.top - crop.bottom

    @property
    def bit_depth_luma(self) -> int:
        """Bits of a luma sample."""
        return self.bit_depth_luma_minus8 + 8

    @property
    def bit_depth_chroma(self) -> int:
        """Bits of a chroma sample; of a luma sample in a stream without chroma."""
        if self.chroma_format_idc == 0:
            return self.bit_depth_luma_minus8 + 8
        return self.bit_depth_chroma_minus8 + 8

    @property
    def chroma_format(self) -> str:
        """Name of the sampling: "4:0:0", "4:2:0", "4:2:2" or "4:4:4"."""
        return CHROMA_FORMATS[self.chroma_format_idc]

    @property
    def sample_aspect(self) -> tuple[int, int] | None:
        """Width and height of a sample in any unit; None when unspecified or reserved."""
        vui = self.vui
        if vui is None or not vui.aspect_ratio_info_present_flag:
            return None
        if vui.aspect_ratio_idc == EXTENDED_SAR:
            known = vui.sar_width and vui.sar_height
            return (vui.sar_width, vui.sar_height) if known else None
        known = vui.aspect_ratio_idc < len(SAMPLE_ASPECT_RATIOS)
        return SAMPLE_ASPECT_RATIOS[vui.aspect_ratio_idc] if known else None

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width of a sample through its height; None when unspecified or reserved."""
        from fractions import Fraction  # pictures are decoded without

        aspect = self.sample_aspect
        return None if aspect is None else Fraction(*aspect)

    @property
    def colour_primaries(self) -> int:
        """Code point of the primaries."""
        return self.vui.colour_primaries if self.vui is not None else 2

    @property
    def transfer_characteristics(self) -> int:
        """Code point of the transfer characteristics."""
        return self.vui.transfer_characteristics if self.vui is not None else 2

    @property
    def matrix_coefficients(self) -> int:
        """Code point of the matrix."""
        return self.vui.matrix_coefficients if self.vui is not None else 2

    @property
    def full_range(self) -> bool | None:
        """True: full range, False: limited ("video" range), None: not stated."""
        if self.vui is None or not self.vui.video_signal_type_present_flag:
            return None
        return bool(self.vui.video_full_range_flag)

    @property
    def chroma_sample_loc_type(self) -> int | None:
        """Where the chroma samples of a frame or top field lie (figure E-1); None: not stated."""
        if self.vui is None or not self.vui.chroma_loc_info_present_flag:
            return None
        return int(self.vui.chroma_sample_loc_type_top_field)
