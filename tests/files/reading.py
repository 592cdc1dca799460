"""Short ways to read a file with ``videohw.open``, for the tests."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import videohw
from videohw.frame import Frame


def read(source: Any, **options: Any) -> list[Frame]:
    with videohw.open(source, **options) as video:
        return list(video)


def times(frames: list[Frame], time_base: Fraction) -> list[Fraction]:
    return [frame.pts * time_base for frame in frames if frame.pts is not None]
