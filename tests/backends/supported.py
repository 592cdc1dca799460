"""Which streams a backend must refuse, told by the manifest and by what it says it can do.

The rule is the tests' own: it reads no stream, and asks the backend for nothing but
``capabilities()``, which every user can ask for.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.corpus import Stream
from videohw.machine import capabilities

# Coding tools of H.264 that no hardware decoder has: in the Extended and Baseline profiles only.
RARE_TOOLS = frozenset({"fmo", "aso", "data_partitioning", "sp_slice", "si_slice"})
# libavcodec's name of a sample format: what hardware backends call it in ``Capability.formats``.
_FORMATS = {
    "yuv420p": ("nv12",), "yuv420p10le": ("p010",), "yuv420p12le": ("p012",), "gray": ("gray",),
    "gray10le": ("gray10msb",), "gray12le": ("gray12msb",), "yuv422p": ("nv16",),
    "yuv422p10le": ("p210",), "yuv422p12le": ("p212",), "yuv444p": ("yuv444p", "nv24"),
    "yuv444p10le": ("yuv444p10msb", "p410"), "yuv444p12le": ("yuv444p12msb",),
    "gbrp": ("yuv444p",), "gbrp10le": ("yuv444p10msb",), "gbrp12le": ("yuv444p12msb",),
}  # fmt: skip
# Pictures of 4:0:0, which libavcodec gives gray chroma.
_MONOCHROME = ("generated/gray400.h264",)
_MACROBLOCK = 16


def why_refused(backend: str, each: Stream) -> str | None:
    """Why ``backend`` must answer every picture with UnsupportedConfig; None: it decodes them."""
    details = details_of(backend, each.codec)
    if details is None:
        return None
    if rare := sorted(each.features & RARE_TOOLS):
        return ", ".join(rare)
    reasons = [_why_refused(each.codec, details, *form) for form in forms(each)]
    return next(filter(None, reasons), None)


@functools.cache
def details_of(backend: str, codec: str) -> Mapping[str, Any] | None:
    """The limits of each format; None where the backend has none, as software."""
    (answer,) = (c for c in capabilities(codec, backend) if c.direction == "decode")
    return answer.details if answer.hardware else None


def forms(each: Stream) -> Iterator[tuple[str, int, int]]:
    """(libavcodec's name of the format, coded width, coded height) of what is in a stream."""
    entry = each.entry
    if each.name in _MONOCHROME:
        yield "gray", entry["coded_width"], entry["coded_height"]
        return
    sequence = entry.get("format_sequence") or ()
    if len(sequence) < 2 and entry.get("coded_width"):
        yield entry["pix_fmt"], entry["coded_width"], entry["coded_height"]
        return
    for text in sequence:
        found = re.fullmatch(r"(\d+)x(\d+) (\w+)", text)
        assert found is not None, text
        yield found[3], int(found[1]), int(found[2])


def _why_refused(
    codec: str, details: Mapping[str, Any], pixel_format: str, width: int, height: int
) -> str | None:
    names = _FORMATS.get(pixel_format.replace("yuvj", "yuv"), ())
    limits = next((details[name] for name in names if name in details), None)
    if limits is None:
        return pixel_format
    if not limits:  # the backend cannot tell them beforehand
        return None
    columns, rows = math.ceil(width / _MACROBLOCK), math.ceil(height / _MACROBLOCK)
    if codec == "h264":  # it codes whole macroblocks; the manifest has the size that is shown
        width, height = columns * _MACROBLOCK, rows * _MACROBLOCK
    fits = (
        limits["min_width"] <= width <= limits["max_width"]
        and limits["min_height"] <= height <= limits["max_height"]
        and columns * rows <= limits["max_macroblocks"]
    )
    return None if fits else f"{width}x{height}"
