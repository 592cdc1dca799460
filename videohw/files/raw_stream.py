"""Raw Annex-B files, read in chunks for our own parser.

Owns: the timing that a raw stream has (none but a rate). Needs no PyAV. Containers are in
:mod:`videohw.files.demux`, behind the same ``Source``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from ..color import ColorSpec
from ..errors import InvalidInput, UnsupportedConfig
from .headers import first_sps, nals_in, sps_color
from .media import Sample, StreamInfo, VideoTrack
from .source_file import SourceFile

# File name endings of raw streams, for files whose content does not tell.
RAW_EXTENSIONS: Final[Mapping[str, str]] = {
    ".h264": "h264", ".264": "h264", ".avc": "h264", ".26l": "h264", ".jsv": "h264",
    ".h265": "hevc", ".265": "hevc", ".hevc": "hevc", ".bit": "hevc",
}  # fmt: skip
CHUNK_BYTES: Final = 64 << 10
# What FFmpeg assumes for a raw stream that states no rate.
ASSUMED_FPS: Final = Fraction(25)


class RawSource:
    """A raw stream: chunks of bytes, without times. The reader counts the pictures that come out
    and gives them the times 0, 1, 2 ... in units of one frame. ``head`` are the first bytes of
    ``stream``, which is read from its beginning."""

    timed: bool = False

    def __init__(
        self, stream: SourceFile, name: str, codec: str, head: bytes, *, fps: Fraction | None
    ) -> None:
        self.name = name
        self.metadata: Mapping[str, str] = {}
        self._stream = stream
        sps = first_sps(codec, nals_in(head))
        rate = fps or (sps.fps if sps else None) or ASSUMED_FPS
        self.track = VideoTrack(
            codec=codec,
            layout="annexb",
            time_base=1 / rate,
            width=sps.width if sps else 0,
            height=sps.height if sps else 0,
            fps=rate,
            start_time=Fraction(0),
            sample_aspect_ratio=sps.sample_aspect_ratio if sps else None,
            color=sps_color(sps) if sps else ColorSpec(),
        )
        self.streams: tuple[StreamInfo, ...] = (
            StreamInfo(0, "video", codec, 1 / rate, None, None, ("default",), {}),
        )

    def read(self) -> Sample | None:
        """The next bytes of the stream, wherever they end, or None at the end."""
        chunk = self._stream.read(CHUNK_BYTES)
        return Sample(chunk, None) if chunk else None

    def seek(self, pts: int) -> None:
        """Go back to the start: a raw stream has no index, the reader drops what is before."""
        if not self._stream.seekable():
            raise UnsupportedConfig(
                f"{self.name} cannot seek", hint="give a path or a seekable file object"
            )
        self._stream.seek(0, os.SEEK_SET)

    def close(self) -> None:
        """Close the file; a file object that the caller gave was wrapped and stays open."""
        self._stream.close()

    @property
    def cut_short(self) -> str | None:
        """None: a raw stream does not say how much of it there is."""
        return None


def raw_format(format: object) -> str | None:
    """The codec of the raw format that a caller names, None for a container's name."""
    if format is None:
        return None
    if not isinstance(format, str) or not format:
        raise InvalidInput(
            f"format is {format!r}", argument="format", hint="a name such as h264, mp4, mpegts"
        )
    lower = format.lower()
    return lower if lower in ("h264", "hevc") else None
