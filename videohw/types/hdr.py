"""What high dynamic range was made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class MasteringDisplay:
    """Colour volume of the mastering display (SMPTE ST 2086; H.264 D.2.29, H.265 D.3.28).

    ``red``, ``green``, ``blue`` and ``white_point`` are CIE 1931 (x, y); luminances in candelas
    per square metre.
    """

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white_point: tuple[Fraction, Fraction]
    max_luminance: Fraction
    min_luminance: Fraction


@dataclass(frozen=True, slots=True)
class ContentLight:
    """Light level of the content in candelas per square metre (CTA-861.3; H.265 D.3.35)."""

    max_content: int
    max_frame_average: int
