"""What ``Decoder.submit`` is given, checked: times, and NAL units of a layout that has them.

Must not know: codecs, sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..arguments import integer
from ..bitstream.convert import as_bytes
from ..errors import InvalidInput

_PTS_LIMIT: Final = 1 << 63


def checked_pts(pts: object) -> int | None:
    """``pts``; :class:`InvalidInput` when it is no 64-bit integer and not None."""
    if pts is None or (type(pts) is int and -_PTS_LIMIT <= pts < _PTS_LIMIT):
        return pts
    return integer("pts", pts, -_PTS_LIMIT, _PTS_LIMIT - 1)


def checked_nals(data: Any) -> list[bytes]:
    """The NAL units of an access unit; :class:`InvalidInput` for anything but a list of some."""
    if not isinstance(data, Sequence) or isinstance(data, (str, bytes, bytearray, memoryview)):
        raise InvalidInput(
            f"data is {type(data).__name__} with layout access_unit",
            argument="data",
            hint="a list of NAL units without start codes",
        )
    nals = [as_bytes(nal, "data") for nal in data]
    if not nals or not all(nals):
        raise InvalidInput(
            "data holds no NAL unit, or an empty one",
            argument="data",
            hint="one access unit, a list of NAL units without start codes",
        )
    return nals
