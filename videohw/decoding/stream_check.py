"""Whether what came can be a stream of its codec at all.

Bytes of another codec, or of none, make no error by themselves: what is outside of any unit is
garbage and counted, and pictures before the first random access point are counted too. This notices
when nothing else came. Must not know: how units are found.
"""

from __future__ import annotations

from typing import Final

from ..bitstream import AccessUnit
from ..errors import InvalidBitstream

# What every stream of a codec has before the first picture that can be decoded.
_HEADERS: Final = {
    **dict.fromkeys(("h264", "hevc"), "sequence parameter set"),
    **dict.fromkeys(("mpeg2", "mpeg1", "av1"), "sequence header"),
    "mpeg4": "video object layer header",
    "vc1": "sequence header with an entry point",
}


class StreamCheck:
    """Follows one session of a codec that has such headers.

    ``headers_seen``: they came, at any time or as extradata; then nothing is wrong any more.
    """

    def __init__(self, codec: str, *, headers_seen: bool) -> None:
        self.headers_seen = headers_seen
        self._codec = codec
        self.begin()

    def begin(self) -> None:
        """A stream begins."""
        self._bytes = self._units = self._errors = 0

    def submitted(self, size: int) -> None:
        """So many bytes came."""
        self._bytes += size

    def found(self, unit: AccessUnit) -> None:
        """A unit is in them."""
        self._units += 1
        if self._codec not in ("h264", "hevc"):  # of these, a PPS alone would count too
            self.headers_seen = self.headers_seen or unit.has_parameter_sets

    def refused(self) -> None:
        """The parser told an error about them."""
        self._errors += 1

    def ended(self, garbage_bytes: int) -> InvalidBitstream | None:
        """End of stream: the error to tell when none of it could ever be decoded."""
        if self.headers_seen or self._errors or not self._bytes:
            return None
        return InvalidBitstream(
            f"nothing can be decoded: {self._bytes} bytes ({garbage_bytes} of them garbage, "
            f"{self._units} pictures) hold no {_HEADERS[self._codec]} of {self._codec}",
            hint="is it a stream of this codec, not of another one or a container? `videohw "
            "inspect` shows what a file holds; headers that are kept apart go into extradata",
        )
