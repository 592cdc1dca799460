"""A request to convert a picture, as arguments of :meth:`Frame.convert` and ``Decoder`` make it.

Without NumPy, so that a decoder knows what it is asked before it imports the rest. Must not know:
pictures, converters.
"""

from typing import TYPE_CHECKING, NamedTuple

from .errors import InvalidInput
from .known_names import DECODER_OUTPUTS
from .pixels.requests import (
    Crop,
    Size,
    Triple,
    checked_crop,
    checked_method,
    checked_size,
    checked_triple,
)

if TYPE_CHECKING:
    from .color import ColorSpec


class Conversion(NamedTuple):
    """A checked request to a converter; None in a field leaves that as it is.

    ``output`` is a name of :data:`~videohw.known_names.DECODER_OUTPUTS`; ``crop`` (left, top,
    width, height) applies before ``size`` (width, height), both in pixels; ``mean`` and ``std``
    are in the order R, G, B, None without.
    """

    output: str
    size: Size | None = None
    crop: Crop | None = None
    color: "ColorSpec | None" = None
    chroma: str = "bilinear"
    resize: str = "bilinear"
    mean: Triple | None = None
    std: Triple | None = None


def checked_conversion(
    output: object,
    *,
    size: object = None,
    crop: object = None,
    color: object = None,
    chroma: object = "bilinear",
    resize: object = "bilinear",
    mean: object = None,
    std: object = None,
) -> Conversion:
    """A request made of the arguments of :meth:`Frame.convert`; InvalidInput names a wrong one."""
    if not isinstance(output, str) or output not in DECODER_OUTPUTS:
        raise InvalidInput(
            f"output is {output!r}",
            argument="output",
            hint=f"one of {', '.join(DECODER_OUTPUTS)}",
        )
    return Conversion(
        output=output,
        size=checked_size(size),
        crop=checked_crop(crop),
        color=checked_color(color),
        chroma=checked_method("chroma", chroma),
        resize=checked_method("resize", resize),
        mean=checked_triple("mean", mean, output),
        std=checked_triple("std", std, output),
    )


def checked_color(color: object) -> "ColorSpec | None":
    """``color`` when it is a ColorSpec or None; :class:`InvalidInput` for anything else."""
    if color is None:
        return None
    from .color import ColorSpec  # a decoder as a rule needs none

    if isinstance(color, ColorSpec):
        return color
    raise InvalidInput(
        f"color is {type(color).__name__}", argument="color", hint="a ColorSpec or None"
    )
