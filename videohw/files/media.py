"""What a file holds: streams, the video track, its packets. Plain values and one protocol.

Must not know: PyAV, pixels, sessions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from ..color import ColorSpec


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a container.

    ``kind`` is "video", "audio", "subtitle", "data", "attachment" or "unknown"; ``codec`` is
    FFmpeg's name or None; ``duration`` in seconds, None when not stated; ``disposition`` holds
    FFmpeg's names of the flags that are set ("default", "forced", "attached_pic" ...).
    """

    index: int
    kind: str
    codec: str | None
    time_base: Fraction | None
    duration: Fraction | None
    language: str | None
    disposition: tuple[str, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """What a file states of its video stream. See the properties of ``VideoReader``.

    ``layout`` and ``extradata`` are what a decoder must be given; ``container_color`` holds the
    fields of ``color`` that only the container states.
    """

    codec: str
    layout: str
    time_base: Fraction
    width: int
    height: int
    fps: Fraction | None
    extradata: bytes | None = None
    duration: Fraction | None = None
    start_time: Fraction | None = None
    frame_count: int | None = None
    display_matrix: tuple[int, ...] | None = None
    sample_aspect_ratio: Fraction | None = None
    color: ColorSpec = field(default_factory=ColorSpec)
    container_color: ColorSpec | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def rotation(self) -> int:
        """Degrees clockwise, 0 to 359, by which the picture is turned to be shown upright."""
        if self.display_matrix is None:
            return 0
        return rotation_of(self.display_matrix)


@dataclass(frozen=True, slots=True)
class Sample:
    """One packet of the video stream, in decode order, in the layout of its track.

    ``pts`` and ``duration`` are in the track's time base, None when the file does not say.
    ``discard`` marks pictures that are needed for decoding and lie outside the edit list.
    """

    data: bytes
    pts: int | None
    duration: int | None = None
    discard: bool = False


class Source(Protocol):
    """A file with a video stream. Raw streams state no times: their ``timed`` is False."""

    name: str
    track: VideoTrack
    streams: tuple[StreamInfo, ...]
    metadata: Mapping[str, str]
    timed: bool

    def read(self) -> Sample | None:
        """The next packet (or bytes, of a raw stream), or None at the end of the file."""
        ...

    def seek(self, pts: int) -> None:
        """Go to the last keyframe shown at or before ``pts``, or to the first picture."""
        ...

    def close(self) -> None:
        """Close the file; a file object that the caller gave stays open."""
        ...

    @property
    def cut_short(self) -> str | None:
        """After the end of the file: what it states and does not hold, or None."""
        ...


def rotation_of(matrix: tuple[int, ...]) -> int:
    """The clockwise angle of a display matrix (ISO/IEC 14496-12, 8.3.2), in whole degrees."""
    return round(math.degrees(math.atan2(matrix[1], matrix[0]))) % 360


def rotation_matrix(degrees: int) -> tuple[int, ...]:
    """The display matrix that turns a picture clockwise by a multiple of 90 degrees."""
    sine, cosine = ((0, 1), (1, 0), (0, -1), (-1, 0))[degrees // 90 % 4]
    one = 1 << 16
    return (cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
