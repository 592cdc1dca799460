"""The settings of a decoder, once they are checked.

A tuple, since modules of the standard library that make anything else take longer to import, and
the driver starts after them.
"""

from typing import TYPE_CHECKING, NamedTuple

from .known_names import DEFAULT_MAX_IN_FLIGHT_FRAMES, DEFAULT_MAX_PENDING_BYTES

if TYPE_CHECKING:
    from fractions import Fraction

    from .color import ColorSpec


class DecoderConfig(NamedTuple):
    """Checked settings, as a backend gets them. ``size`` (width, height) and ``crop`` (left, top,
    width, height) are in pixels of the displayed picture; ``mean`` and ``std`` in R, G, B."""

    codec: str
    output: str = "native"
    memory: str = "host"
    device: int | str = 0
    size: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    color: "ColorSpec | None" = None
    chroma: str = "bilinear"
    resize: str = "bilinear"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    low_latency: bool = False
    on_error: str = "raise"
    time_base: "Fraction | None" = None
    max_in_flight: int = DEFAULT_MAX_IN_FLIGHT_FRAMES
    max_pending_bytes: int = DEFAULT_MAX_PENDING_BYTES
    extradata: bytes | None = None
    options: object | None = None
    require_hardware: bool = False
