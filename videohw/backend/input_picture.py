"""What goes into an encoder session."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

    from ..errors import VideoHwError
    from ..types import EncoderConfig
    from .protocols import PreparedSwitch


@dataclass(slots=True)
class InputPicture:
    """One picture on its way into an encoder: pixels that the encoder owns, its pts and flags.

    ``pixels`` is of the backend's own type, made by :meth:`EncoderSession.stage`. ``generation``
    is that of the switch in force when it was submitted.
    """

    serial: int
    pixels: Any
    pts: int
    duration: int
    force_keyframe: bool
    queued_bytes: int
    generation: int = 0


@dataclass(eq=False)
class SessionSwitch:
    """New settings on their way into an encoder, queued right before their first picture.

    ``prepared`` comes from :meth:`EncoderSession.prepare`; None stands for the settings that the
    session was opened with. ``first_pts`` is the pts of the first picture, known when the switch
    is queued. The worker sets ``state``: "active", or "failed" with ``error``, which it also
    yields at this place; the settings before then stay, and pictures of this generation are
    coded with them as far as their size fits.
    """

    generation: int
    config: EncoderConfig
    prepared: PreparedSwitch | None = None
    first_pts: int | None = None
    state: Literal["queued", "active", "failed"] = "queued"
    error: VideoHwError | None = None

    @cached_property
    def frame_duration(self) -> Fraction | int:
        """How long a picture lasts, in units of the time base, 1 or more; an int where it is
        whole, with which to count is faster."""
        exact = 1 / (self.config.fps * self.config.time_base)
        return exact.numerator if exact.denominator == 1 else exact

    @property
    def queued_bytes(self) -> int:
        """None: it holds no pictures."""
        return 0


class EndOfGeneration:
    """Queued to have every packet of the pictures before it; the next picture starts anew."""

    @property
    def queued_bytes(self) -> int:
        """None: it holds no pictures."""
        return 0


EncoderItem: TypeAlias = InputPicture | SessionSwitch | EndOfGeneration
