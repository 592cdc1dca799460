"""VC-1 streams by ``tests/vc1_writer.py``, each with the pictures that it means in output order."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pytest

from tests.vc1_headers import FRAME, Format
from tests.vc1_writer import Macroblock, Mode, Planes, Vc1Writer

# Types in decoding order: "S" is a skipped picture, "b" BI, "F" one of two I fields.
USUAL: Final = "IPBPBPSPIPBPbPBPIPSP"
PLAIN: Final = Format()
FORMATS: Final = {
    "plain": PLAIN,
    "no multiple of 16": Format(70, 60),
    "progressive in interlaced": Format(64, 64, interlace=True, pulldown=True),
    "repeated": Format(pulldown=True, repeat_frames=1, frame_counter=True),
    "described": Format(
        64, 48, level=2, display=(60, 40), aspect=(15, 4, 3), rate=(2, 2), color=(1, 1, 1),
        buckets=2,
    ),
    "smaller than the sequence": Format(64, 48, largest=(96, 80)),
}  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """``units`` in decoding order; ``pictures`` are those of ``order``, in output order."""

    units: tuple[bytes, ...]
    pictures: tuple[Planes, ...]
    order: tuple[int, ...]
    headers: bytes

    def frames(self) -> list[bytes]:
        """The samples of each picture, planar, in output order."""
        return [samples(self.pictures[number]) for number in self.order]


# What the writer does not compute: a format, and how its vectors point between samples.
TOOLS: Final[dict[str, tuple[Format, Mode | None]]] = {
    "quarter samples": (PLAIN, "quarter"),
    "half samples": (PLAIN, "half"),
    "bilinear": (PLAIN, "bilinear"),
    "fast chroma": (Format(fast_chroma=True), "quarter"),
    "overlapped transforms": (Format(overlap=True), None),
    "loop filter": (Format(loop_filter=True), None),
    "all": (Format(70, 60, loop_filter=True, overlap=True, fast_chroma=True), "quarter"),
}


def samples(planes: Planes) -> bytes:
    """Of one picture, planar with 8 bits."""
    return b"".join(plane.astype(np.uint8).tobytes() for plane in planes)


def bare(unit: bytes) -> bytes:
    """The picture of a unit without its headers and its start code, as ASF and AVI have it."""
    return picture(unit)[4:]


def picture(unit: bytes) -> bytes:
    """The picture of a unit, without headers."""
    return unit[unit.index(b"\0\0\1" + bytes((FRAME,))) :]


def headers(unit: bytes) -> bytes:
    """The headers of a unit, without its picture."""
    return unit[: -len(picture(unit))]


@functools.cache
def clip(
    types: str = USUAL, form: Format = PLAIN, seed: int = 0, *, fine: Mode | None = None,
    rows_end_at: int = 1,
) -> Clip:  # fmt: skip
    """A stream of pictures of ``types``; every I and F picture has headers before it.

    With ``fine`` vectors point between samples in that mode: then, as with filters, its pictures
    are not those of the clip, and libavcodec says what they are. ``rows_end_at``: 4 for what NVDEC
    makes of vectors that point below the picture.
    """
    rng = random.Random(seed)
    writer = Vc1Writer(form, rows_end_at)
    moved = False  # the picture that B pictures are before has vectors
    units: list[bytes] = []
    for kind in types:
        head = writer.headers(closed=not units) if kind in "IF" else b""
        if kind == "F":
            data = writer.intra_fields(_levels(rng))
        elif kind in "Ib":
            data = writer.intra(_levels(rng), "I" if kind == "I" else "BI")
        elif kind == "P":
            data = writer.predicted(
                lambda row, column: _macroblock(rng, fine=fine), fine or "quarter"
            )
        elif kind == "S":
            data = writer.skipped()
        else:
            # Vectors of the picture behind would take part in the prediction of those here.
            choice = ["forward", "backward", "both"]
            choice = [rng.choice(choice)] if moved else [*choice, "direct"]
            data = writer.bidirectional(_one_of(rng, choice), fraction=rng.randrange(7))
        moved = kind == "P" or (moved and kind in "Bb")
        units.append(head + data)
    return Clip(tuple(units), tuple(writer.pictures), output_order(types), writer.headers())


def types_of(frames: int, gop: int) -> str:
    """Of a stream with a B picture before each other one; the first I picture alone has none."""
    types = "I"
    while len(types) < frames:
        types += ("I" if (len(types) + 1) % gop == 0 else "P") + "B"
    return types[:frames]


def output_order(types: str) -> tuple[int, ...]:
    """B pictures come before the one that precedes them in decoding order."""
    order: list[int] = []
    held: list[int] = []
    for number, kind in enumerate(types):
        if kind in "Bb":
            order.append(number)
        else:
            order += held
            held = [number]
    return (*order, *held)


def decoded(units: Sequence[bytes], headers: bytes) -> list[tuple[int, bytes, Any]]:
    """(index of its unit, samples, frame) of each picture, by libavcodec through PyAV alone."""
    av: Any = pytest.importorskip("av", reason="PyAV is not installed")
    context = av.CodecContext.create("vc1", "r")
    context.thread_count = 1
    context.extradata = headers
    found = []
    for index, data in enumerate((*units, None)):
        packet = None
        if data is not None:
            packet = av.Packet(len(data))
            packet.update(data)
            packet.pts = index
        for frame in context.decode(packet):
            planes = [
                np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
                for plane in frame.planes
            ]
            found.append((frame.pts, b"".join(plane.tobytes() for plane in planes), frame))
    return found


def _levels(rng: random.Random) -> Callable[[int, int, int], list[int]]:
    """Coefficients of intra blocks; half of the blocks are flat."""

    def choose(plane: int, row: int, column: int) -> list[int]:
        found = [rng.randint(-90, 90)]
        if rng.random() < 0.5:
            found += [rng.randint(-9, 9), rng.randint(-9, 9)]
        return found

    return choose


def _one_of(rng: random.Random, kinds: Sequence[str]) -> Callable[[int, int], str]:
    return lambda row, column: rng.choice(kinds)


def _macroblock(rng: random.Random, *, fine: Mode | None) -> Macroblock:
    steps = {"quarter": 1, "half": 2, "bilinear": 2}
    components = range(-8, 9, steps[fine] if fine else 8)
    vector = (rng.choice(components), rng.choice(components))
    kind: Literal["skip", "vector", "intra", "residual"]
    kind = rng.choice(("skip", "vector", "vector", "intra", "residual"))
    if kind == "intra":
        return Macroblock(kind, blocks=[[rng.randint(-90, 90)] for _ in range(6)])
    if kind == "residual":
        blocks = [[rng.choice((-5, 4)), rng.randint(-3, 3), rng.randint(-3, 3)] for _ in range(6)]
        return Macroblock("vector", vector, blocks)
    return Macroblock(kind, vector)
