"""The colour that an encoder codes in, and what a picture must be converted from to get there.

Must not know: any codec library, how pixels are converted.
"""

from __future__ import annotations

from typing import Final

from ..color import COMPUTED_MATRICES, ColorSpec
from ..errors import InvalidInput, UnsupportedConfig
from ..pixel_format import FORMATS

_FROM_RGB: Final = f"one of {', '.join(COMPUTED_MATRICES)} (identity with 4:4:4 only)"
RGB: Final = ColorSpec(matrix="identity", range="full")


def placed(color: ColorSpec) -> ColorSpec:
    """What of a colour decides on the values of samples."""
    return ColorSpec(matrix=color.matrix, range=color.range, siting=color.siting)


class CodedColor:
    """The colour ``color``, which has matrix and range, of pictures coded as ``format_name``.

    RGB is taken as full range. A picture that states another matrix, range or siting is to be
    converted, one that states none is taken as being in the coded colour.
    """

    def __init__(self, format_name: str, color: ColorSpec) -> None:
        self.format_name = format_name
        self.color = placed(color)
        # What the last picture stated, and what that meant: the pictures of a stream are alike.
        self._last: tuple[ColorSpec, ColorSpec] | None = None

    def check_input(self, input_format: str) -> None:
        """:class:`UnsupportedConfig` where pictures in that format cannot be converted."""
        if FORMATS[input_format].rgb and not self._can_be_made_of_rgb():
            raise UnsupportedConfig(
                f"color.matrix is {self.color.matrix!r}, which cannot be computed from "
                f"{input_format} for {self.format_name}",
                argument="color",
                hint=f"{_FROM_RGB}, or give YCbCr input",
            )

    def source(self, rgb: bool, stated: ColorSpec | None) -> ColorSpec:
        """What the samples of a picture mean; :class:`InvalidInput` when it cannot be converted.

        ``rgb`` or YCbCr, with the colour that it states of itself, if any.
        """
        if rgb:
            if not self._can_be_made_of_rgb():
                raise InvalidInput(
                    f"frame is RGB, from which {self.color.matrix} cannot be computed for "
                    f"{self.format_name}",
                    argument="frame",
                    hint=f"open the encoder with color.matrix {_FROM_RGB}",
                )
            return RGB
        if stated is None:
            return self.color
        last = self._last
        if last is not None and last[0] == stated:
            return last[1]
        color = self.color.overridden_by(placed(stated))
        matrices = {color.matrix, self.color.matrix}
        if len(matrices) > 1 and not matrices <= set(COMPUTED_MATRICES):
            raise InvalidInput(
                f"frame has the matrix {color.matrix}, the encoder {self.color.matrix}, and one "
                "cannot be computed from the other",
                argument="frame",
                hint="open the encoder with color=frame.color",
            )
        self._last = stated, color
        return color

    def _can_be_made_of_rgb(self) -> bool:
        planes = FORMATS[self.format_name].planes
        subsampled = any(plane.shift_x or plane.shift_y for plane in planes)
        return self.color.matrix in COMPUTED_MATRICES and not (
            self.color.matrix == "identity" and subsampled
        )
