"""Pictures for the emulated encoder, and what an independent decoder makes of its packets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def luma(number: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """Waves that move, and a bar whose length is the number."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    waves = 128 + 80 * np.sin((across + 3 * number) * 0.05) * np.cos((down + number) * 0.04)
    made = waves.astype(np.uint8)
    made[:16, : number * 4 % width] = 235
    return made


def chroma(number: int, width: int = 160, height: int = 120) -> list[NDArray[np.uint8]]:
    """Two planes, one that grows brighter to the right, one downwards."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    first = 64 + (across + number) * 128 // (width + 64)
    second = 64 + (down + number) * 128 // (height + 64)
    return [first.astype(np.uint8), second.astype(np.uint8)]


def nv12(number: int, width: int = 320, height: int = 240) -> list[bytes]:
    """Its rows."""
    first, second = chroma(number, width // 2, height // 2)
    pairs = np.stack([first, second], axis=-1).reshape(height // 2, width)
    return [row.tobytes() for row in np.vstack([luma(number, width, height), pairs])]


def rows(*planes: NDArray[Any]) -> list[bytes]:
    return [row.tobytes() for part in planes for row in part]


def units(data: bytes, codec: str = "H264") -> list[int]:
    """Types of the units of a packet."""
    starts = [at + 3 for at in range(len(data) - 3) if data[at : at + 3] == b"\0\0\1"]
    return [data[at] & 31 if codec == "H264" else data[at] >> 1 & 63 for at in starts]


def decoded(codec: str, data: bytes) -> list[Any]:
    """The frames that libavcodec, as PyAV has it, gives in order of display."""
    import av

    # The decoder that is called av1 only drives hardware.
    name = "libdav1d" if codec.lower() == "av1" else codec.lower()
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, av.VideoCodecContext)
    packets = [*context.parse(data), *context.parse(b"")]
    return [frame for packet in (*packets, None) for frame in context.decode(packet)]


def plane(frame: Any, index: int = 0) -> NDArray[Any]:
    """The samples of a plane, without what pads its rows."""
    wide = "10" in frame.format.name
    part = frame.planes[index]
    rows = np.frombuffer(part, "<u2" if wide else "u1").reshape(part.height, -1)
    return rows[:, : part.width]


def psnr(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    error = float(np.mean((found.astype(float) - wanted.astype(float)) ** 2))
    return float(10 * np.log10(255 * 255 / max(error, 1e-9)))


def worst(frames: Iterable[Any], numbers: Iterable[int]) -> float:
    """PSNR of the worst luma, where the frames are the pictures of these numbers."""
    found = []
    for frame, number in zip(frames, numbers, strict=True):
        scale = 4 if "10" in frame.format.name else 1
        found.append(psnr(plane(frame) / scale, luma(number, frame.width, frame.height)))
    return min(found)
