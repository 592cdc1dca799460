"""Uncompressed pictures to encode: YUV4MPEG2 and raw frames, from a file or standard input.

Reads forward only, one frame at a time. Knows nothing of encoders or terminals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from ..color import ColorSpec
from ..errors import InvalidBitstream, InvalidInput, UnsupportedConfig
from ..frame import Frame
from ..pixel_format import pixel_format
from . import values

MAGIC = b"YUV4MPEG2"
# A header line is short text; a longer one is another kind of file.
MAX_HEADER_BYTES = 4096

# C parameter of the header -> format of the planes, chroma siting.
_LAYOUTS: dict[str, tuple[str, str | None]] = {
    "420": ("i420", "center"),
    "420jpeg": ("i420", "center"),
    "420mpeg2": ("i420", "left"),
    "420paldv": ("i420", "topleft"),
    "411": ("yuv411p", None),
    "422": ("yuv422p", None),
    "444": ("yuv444p", None),
    "mono": ("gray", None),
    **{
        f"{form}p{bits}": (f"yuv{form}p{bits}", None)
        for form in ("420", "422", "444")
        for bits in (9, 10, 12, 14, 16)
    },
    **{f"mono{bits}": (f"gray{bits}", None) for bits in (9, 10, 12, 16)},
}
_FIELD_ORDERS = {"t", "b", "m"}


@dataclass(frozen=True, slots=True)
class RawVideo:
    """What a stream of uncompressed frames is. ``format`` is that of the stream, ``input`` the
    encoder input that keeps its depth; where both are the same, frames are handed out as bytes,
    else as :class:`Frame`. ``frames`` is None where the length is unknown."""

    width: int
    height: int
    fps: Fraction
    format: str
    input: str
    color: ColorSpec | None
    frames: int | None
    interlaced: bool = False
    sample_aspect_ratio: Fraction | None = None


class RawReader:
    """Frames of fixed size, one after another, without headers.

    ``stream_bytes`` is the length of the stream where it is known. A last frame that is cut
    short is an error, after all whole frames.
    """

    def __init__(
        self, stream: BinaryIO, *, size: tuple[int, int], fps: Fraction, format: str,
        stream_bytes: int | None = None,
    ) -> None:  # fmt: skip
        self._stream = stream
        self._frame_bytes = pixel_format(format).frame_bytes(*size)
        frames = None if stream_bytes is None else stream_bytes // self._frame_bytes
        self.info = RawVideo(*size, fps, format, format, None, frames)

    def __iter__(self) -> Iterator[bytes | Frame]:
        """The frames as the encoder takes them."""
        index = 0
        while data := _read(self._stream, self._frame_bytes):
            if len(data) < self._frame_bytes:
                raise InvalidBitstream(
                    f"frame {index} has {len(data)} of {self._frame_bytes} bytes",
                    offset=index * self._frame_bytes,
                    hint="check --size and --format, or the file is cut short",
                )
            yield _picture(data, self.info)
            index += 1


class Y4mReader:
    """YUV4MPEG2 in any of its layouts but those with alpha."""

    def __init__(self, stream: BinaryIO, *, stream_bytes: int | None = None) -> None:
        self._stream = stream
        header = _line(stream, "the header")
        self.info = _parse_header(header)
        self._frame_bytes = pixel_format(self.info.format).frame_bytes(
            self.info.width, self.info.height
        )
        if stream_bytes is not None:
            body = stream_bytes - len(header) - 1
            count = body // (self._frame_bytes + len(b"FRAME\n"))
            self.info = replace(self.info, frames=count)

    def __iter__(self) -> Iterator[bytes | Frame]:
        """The frames as the encoder takes them."""
        index = 0
        while True:
            line = _line(self._stream, f"frame {index}", may_end=True)
            if not line:
                return
            if not line.startswith(b"FRAME"):
                raise InvalidBitstream(
                    f"frame {index} does not begin with FRAME", hint="the file is damaged"
                )
            data = _read(self._stream, self._frame_bytes)
            if len(data) < self._frame_bytes:
                raise InvalidBitstream(
                    f"frame {index} has {len(data)} of {self._frame_bytes} bytes",
                    hint="the file is cut short",
                )
            yield _picture(data, self.info)
            index += 1


def _read(stream: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer only at the end; a pipe gives them in pieces."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _line(stream: BinaryIO, what: str, *, may_end: bool = False) -> bytes:
    line = stream.readline(MAX_HEADER_BYTES)
    if not line and may_end:
        return b""
    if not line.endswith(b"\n"):
        raise InvalidBitstream(
            f"{what} of the YUV4MPEG2 file is not a line of text", hint="the file is damaged"
        )
    return line[:-1]


def _parse_header(line: bytes) -> RawVideo:
    words = line.decode("ascii", "replace").split(" ")
    if words[0] != MAGIC.decode():
        raise InvalidBitstream("the file does not begin with YUV4MPEG2")
    tags = {word[0]: word[1:] for word in words[1:] if word and word[0] != "X"}
    ranges = [word.partition("=")[2] for word in words if word.startswith("XCOLORRANGE=")]
    try:
        width, height = values.size(f"{tags.get('W', '')}x{tags.get('H', '')}")
        fps = values.frame_rate(tags.get("F", ""))
    except InvalidInput as error:
        raise InvalidBitstream(
            f"the YUV4MPEG2 header is wrong: {error.args[0]}", hint="the file is damaged"
        ) from None
    layout = tags.get("C", "420")
    if layout not in _LAYOUTS:
        raise UnsupportedConfig(
            f"the YUV4MPEG2 layout C{layout} cannot be encoded",
            hint=f"convert it to one of {', '.join('C' + name for name in _LAYOUTS)}",
        )
    name, siting = _LAYOUTS[layout]
    stated = ranges[-1].lower() if ranges else None
    color = ColorSpec(range=stated if stated in ("limited", "full") else None, siting=siting)
    return RawVideo(
        width=width,
        height=height,
        fps=fps,
        format=name,
        input="i420" if pixel_format(name).bit_depth == 8 else "p010",
        color=color,
        frames=None,
        interlaced=tags.get("I", "p")[:1] in _FIELD_ORDERS,
        sample_aspect_ratio=_ratio(tags.get("A", "0:0")),
    )


def _ratio(text: str) -> Fraction | None:
    """``4:3``; None for the 0:0 of "unknown" and for anything else."""
    try:
        width, height = (int(part) for part in text.split(":"))
        return Fraction(width, height) if width > 0 and height > 0 else None
    except ValueError:
        return None


def _picture(data: bytes, info: RawVideo) -> bytes | Frame:
    """One frame as the encoder takes it: the bytes, or a frame that says what they are."""
    if info.format == info.input:
        return data
    layout = pixel_format(info.format)
    samples = np.frombuffer(data, dtype=layout.dtype)
    planes = []
    for index in range(len(layout.planes)):
        shape = layout.plane_shape(index, info.width, info.height)
        planes.append(samples[: shape[0] * shape[1]].reshape(shape))
        samples = samples[shape[0] * shape[1] :]
    color = info.color or ColorSpec()
    return Frame(tuple(planes), info.format, info.width, info.height, color=color)
