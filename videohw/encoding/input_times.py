"""The pts of each picture that an encoder is given: strictly increasing, or refused.

Must not know: pixels, sessions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .. import arguments
from ..errors import InvalidInput
from .encoder_config import MAX_PTS
from .encoder_input import own_time


class InputTimes:
    """Times in ``time_base``, seconds per unit. A picture goes through :meth:`of` and
    :meth:`took`."""

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._last: int | None = None
        self._due: Fraction | int = 0  # exact pts of the next picture when none is given

    def of(self, frame: Any, given: int | None) -> tuple[Fraction | int, int]:
        """The time of ``frame``: exact, and as the pts. InvalidInput when it does not increase."""
        source = ""
        if given is not None:
            exact: Fraction | int = arguments.integer("pts", given, -MAX_PTS, MAX_PTS)
        else:
            own = own_time(frame)
            source = "" if own is None else " (the frame's own)"
            exact = self._due if own is None else own / self._time_base
        pts = round(exact)
        last = self._last
        if last is not None and pts <= last:
            raise InvalidInput(
                f"pts is {pts}{source}, the last one was {last}: it must increase",
                argument="pts",
                hint="pictures are given in presentation order; None takes the next time",
            )
        return exact, pts

    def took(self, exact: Fraction | int, pts: int, frame_duration: Fraction | int) -> None:
        """A picture was taken at that time; it lasts ``frame_duration`` in ``time_base``."""
        self._last = pts
        self._due = exact + frame_duration
