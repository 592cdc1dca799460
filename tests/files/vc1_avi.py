"""AVI files of VC-1, written chunk by chunk: PyAV writes no stream that it has no encoder for."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_KEYFRAME = 0x10  # AVIIF_KEYFRAME


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


def _list(kind: bytes, *parts: bytes) -> bytes:
    return _chunk(b"LIST", kind + b"".join(parts))


def avi(
    pictures: Sequence[bytes],
    keyframes: Sequence[bool],
    extradata: bytes,
    *,
    code: bytes = b"WVC1",
    size: tuple[int, int] = (64, 48),
    fps: int = 25,
) -> bytes:
    """A file of these packets; ``extradata`` follow the header of the bitmap."""
    count, (width, height) = len(pictures), size
    main = struct.pack(
        "<14I", 1_000_000 // fps, 0, 0, 0x10, count, 0, 1, 0, width, height, 0, 0, 0, 0
    )
    stream = b"vids" + code + struct.pack(
        "<IHHIIIIIIII4H", 0, 0, 0, 0, 1, fps, 0, count, 0, 0xFFFFFFFF, 0, 0, 0, width, height
    )  # fmt: skip
    form = struct.pack(
        "<IiiHH4sIiiII", 40 + len(extradata), width, height, 1, 24, code, 0, 0, 0, 0, 0
    )
    headers = _list(
        b"hdrl",
        _chunk(b"avih", main),
        _list(b"strl", _chunk(b"strh", stream), _chunk(b"strf", form + extradata)),
    )
    index, place, chunks = b"", 4, []
    for data, key in zip(pictures, keyframes, strict=True):
        chunk = _chunk(b"00dc", data)
        index += b"00dc" + struct.pack("<III", _KEYFRAME * key, place, len(data))
        place += len(chunk)
        chunks.append(chunk)
    return _chunk(b"RIFF", b"AVI " + headers + _list(b"movi", *chunks) + _chunk(b"idx1", index))
