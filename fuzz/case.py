"""What the bytes of a fuzz input mean: how a decoder is opened and called, and what it is fed.

Any bytes are a case, so that an engine which knows nothing of this form can be used as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from videohw.known_names import DECODER_CODECS, ON_ERROR

HEADER_BYTES: Final = 10
_FRAME_LENGTH_BYTES: Final = 3
_PARSER_ONLY: Final = 0x80
OUTPUTS: Final = ("native", "metadata", "rgb24", "nv12")
LAYOUTS: Final = ("annexb", "annexb", "access_unit", "length_prefixed")
MAX_PAYLOAD_BYTES: Final = 96 << 10
# Their streams cannot be cut by their bytes: the payload holds pictures with lengths before them.
FRAME_CODECS: Final = ("vp9", "vp8", "jpeg")


@dataclass(frozen=True)
class Case:
    """One input. ``seed`` decides the cuts, pts and calls; ``payload`` is the coded data."""

    codec: str = "h264"
    parser_only: bool = False
    on_error: str = "raise"
    output: str = "native"
    threads: int | None = 1
    low_latency: bool = False
    layout: str = "annexb"
    max_in_flight: int = 8
    with_extradata: bool = False
    clean_after: bool = False
    seed: int = 0
    payload: bytes = b""

    def to_bytes(self) -> bytes:
        """The input file of this case."""
        flags = (
            (self.threads is None) | self.low_latency << 1 | self.with_extradata << 2
            | self.clean_after << 3
        )  # fmt: skip
        head = (
            DECODER_CODECS.index(self.codec) | (_PARSER_ONLY if self.parser_only else 0),
            ON_ERROR.index(self.on_error),
            OUTPUTS.index(self.output),
            LAYOUTS.index(self.layout),
            self.max_in_flight - 1,
            flags,
        )
        return bytes(head) + self.seed.to_bytes(4, "big") + self.payload

    @staticmethod
    def from_bytes(data: bytes) -> Case:
        """The case that any bytes mean."""
        head = data[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0")
        flags = head[5]
        return Case(
            codec=DECODER_CODECS[(head[0] & ~_PARSER_ONLY) % len(DECODER_CODECS)],
            parser_only=bool(head[0] & _PARSER_ONLY),
            on_error=ON_ERROR[head[1] % len(ON_ERROR)],
            output=OUTPUTS[head[2] % len(OUTPUTS)],
            layout=LAYOUTS[head[3] % len(LAYOUTS)],
            max_in_flight=1 + head[4] % 16,
            threads=None if flags & 1 else 1,
            low_latency=bool(flags & 2),
            with_extradata=bool(flags & 4),
            clean_after=bool(flags & 8),
            seed=int.from_bytes(head[6:10], "big"),
            payload=data[HEADER_BYTES : HEADER_BYTES + MAX_PAYLOAD_BYTES],
        )


def pack_frames(frames: Sequence[bytes]) -> bytes:
    """The payload of a codec without start codes."""
    return b"".join(len(frame).to_bytes(_FRAME_LENGTH_BYTES, "big") + frame for frame in frames)


def unpack_frames(payload: bytes) -> list[bytes]:
    """The pictures of such a payload; a length that is too long means the rest."""
    frames, position = [], 0
    while position + _FRAME_LENGTH_BYTES < len(payload):
        begin = position + _FRAME_LENGTH_BYTES
        position = begin + max(int.from_bytes(payload[position:begin], "big"), 1)
        frames.append(payload[begin:position])
    return frames
