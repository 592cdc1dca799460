"""Packets of VC-1 told apart by their own headers, where demuxers only guess.

FFmpeg's parser finds no type in pictures without start codes, as AVI and ASF have them, and calls
all of them keyframes. In AVI a packet has no time of presentation, in ASF FFmpeg takes the one that
is there for that of decoding; what it guesses then does not know of B pictures. Must not know:
sessions, how a container is opened.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import Any, Final

from ..bitstream.vc1_sequence import FRAME, Sequence, parse_picture, parse_sequence
from ..errors import InvalidBitstream
from .packed import timed

_START_CODE: Final = b"\0\0\1"
_PICTURE: Final = _START_CODE + bytes((FRAME,))


class Vc1Packets:
    """The packets of one stream with keyframes, and times where ``untimed``, that are so."""

    def __init__(self, stream: Any, *, untimed: bool) -> None:
        self._index = stream.index
        self._untimed = untimed
        self._sequence: Sequence | None = None
        self._learn(bytes(stream.codec_context.extradata or b""))

    def apart(self, packets: Iterable[Any]) -> Generator[Any, None, None]:
        """The packets of a file from here on; what was held of those before is dropped."""
        group: list[Any] = []  # a picture that others refer to, and the B pictures behind it
        before: int | None = None
        for packet in packets:
            if packet.stream_index != self._index:
                yield packet
                continue
            kind = self._kind(bytes(packet)) if packet.size else None
            if kind is not None:
                packet.is_keyframe = kind == "I"
            if not self._untimed:
                yield packet
            elif not packet.size:  # the end
                yield from timed(group, None)
                group = []
                yield packet
            else:
                if before is not None and packet.dts is not None and not packet.duration:
                    packet.duration = packet.dts - before  # that of the last picture is needed
                before = packet.dts
                if kind not in ("B", "BI"):
                    yield from timed(group, packet)
                    group = []
                group.append(packet)
        yield from timed(group, None)

    def _kind(self, data: bytes) -> str | None:
        """Its type, None where it cannot be read."""
        position = data.find(_PICTURE)
        if data.startswith(_START_CODE):
            self._learn(data[: max(position, 0)])
        else:
            data, position = _PICTURE + data, 0
        header = None if position < 0 else parse_picture(data, position, self._sequence)
        return None if header is None else header.coding_type

    def _learn(self, headers: bytes) -> None:
        with suppress(InvalidBitstream):
            self._sequence = parse_sequence(headers) or self._sequence
