"""Sizes, rates, times and numbers as people type them, read into typed values.

Every reader takes the text of one argument and raises :class:`InvalidInput` with a message that
fits on one line and a hint that shows what is right.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from ..errors import InvalidInput

MAX_DIMENSION = 65535
MAX_RATE = 10_000

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
# The decimal spellings of the NTSC rates mean the exact ratio, which is what files hold.
_NTSC_RATES = {
    "23.976": Fraction(24000, 1001),
    "23.98": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "47.952": Fraction(48000, 1001),
    "59.94": Fraction(60000, 1001),
    "119.88": Fraction(120000, 1001),
}


def size(text: str) -> tuple[int, int]:
    """``1920x1080`` as (width, height) in pixels."""
    match = re.fullmatch(r"(\d{1,6})\s*[xX\u00d7]\s*(\d{1,6})", text.strip())
    if not match:
        raise _wrong(text, "a size", "WIDTHxHEIGHT in pixels, like 1920x1080")
    width, height = int(match[1]), int(match[2])
    if not (0 < width <= MAX_DIMENSION and 0 < height <= MAX_DIMENSION):
        raise _wrong(text, "a size", f"each side is 1 to {MAX_DIMENSION} pixels")
    return width, height


def crop(text: str) -> tuple[int, int, int, int]:
    """``640x360+16+8`` as (left, top, width, height) in pixels; the offsets default to 0."""
    match = re.fullmatch(r"([^+]+)(?:\+(\d{1,5})\+(\d{1,5}))?", text.strip())
    if not match:
        raise _wrong(text, "a crop", "WIDTHxHEIGHT+LEFT+TOP in pixels, like 640x360+16+8")
    width, height = size(match[1])
    return int(match[2] or 0), int(match[3] or 0), width, height


def bitrate(text: str) -> int:
    """``4M``, ``2500k`` or ``800000`` as bits per second; suffixes are powers of 1000."""
    number, suffix, unit = r"(\d{1,15}(?:\.\d{1,9})?)", r"\s*([kKmMgG]?)", r"(?:b(?:it)?(?:/s|ps))?"
    match = re.fullmatch(number + suffix + unit, text.strip())
    hint = "bits per second with an optional k, M or G, like 4M or 2500k"
    if not match:
        raise _wrong(text, "a bitrate", hint)
    bps = int(Fraction(match[1]) * _SUFFIXES[match[2].lower()])
    if bps <= 0:
        raise _wrong(text, "a bitrate", hint)
    return bps


def frame_rate(text: str) -> Fraction:
    """``25``, ``30000/1001`` or ``29.97`` as frames per second.

    The usual decimal spellings of the NTSC rates give the exact ratio over 1001.
    """
    text = text.strip()
    if text in _NTSC_RATES:
        return _NTSC_RATES[text]
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(?:\s*[/:]\s*(\d{1,9}))?", text)
    divisor = int(match[2]) if match and match[2] else 1
    if not match or divisor == 0:
        raise _wrong(text, "a frame rate", "frames per second, like 25 or 30000/1001")
    rate = Fraction(match[1]) / divisor
    if not 0 < rate <= MAX_RATE:
        raise _wrong(text, "a frame rate", f"above 0 and at most {MAX_RATE} frames per second")
    return rate


def time(text: str) -> float:
    """``83.5``, ``1:23.5`` or ``0:01:23.5`` as seconds."""
    match = re.fullmatch(r"(?:(?:(\d{1,5}):)?(\d{1,5}):)?(\d{1,9}(?:\.\d{1,9})?)", text.strip())
    if not match:
        raise _wrong(text, "a time", "seconds or [HOURS:]MINUTES:SECONDS, like 83.5 or 1:23.5")
    hours, minutes, seconds = int(match[1] or 0), int(match[2] or 0), float(match[3])
    if (match[2] is not None and seconds >= 60) or (match[1] is not None and minutes >= 60):
        raise _wrong(text, "a time", "minutes and seconds after a colon are below 60")
    return hours * 3600 + minutes * 60 + seconds


def count(text: str) -> int:
    """An integer of 0 or more."""
    if not re.fullmatch(r"\d{1,15}", text.strip()):
        raise _wrong(text, "a number", "an integer of 0 or more")
    return int(text)


def device(text: str) -> int | str:
    """The number of a device, or its UUID as nvidia-smi writes it."""
    if re.fullmatch(r"(GPU-|MIG-)?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        return text
    return count(text)


def positive(text: str) -> int:
    """An integer of 1 or more."""
    if not re.fullmatch(r"\d{1,15}", text.strip()) or int(text) == 0:
        raise _wrong(text, "a number", "an integer of 1 or more")
    return int(text)


def quality(text: str) -> float:
    """A quality on the codec's own scale, 0 or more; 0 is best."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise _wrong(text, "a quality", "a number of 0 or more, 0 is best, like 28")
    return value


def quantisers(text: str) -> tuple[int, int | None, int | None]:
    """``28`` or ``26:28:30`` as the quantisers of I, P and B pictures; None follows the former."""
    parts = [part.strip() for part in text.split(":")]
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"\d{1,3}", part) for part in parts):
        raise _wrong(text, "a quantiser", "QP or I:P:B, each 0 or more, like 28 or 26:28:30")
    numbers: list[int | None] = [int(part) for part in parts]
    i, p, b = [*numbers, None, None][:3]
    assert i is not None
    return i, p, b


def _wrong(text: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{text!r} is not {what}", hint=hint)
