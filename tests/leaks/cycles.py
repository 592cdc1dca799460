"""One life of each thing that holds memory outside of Python: open, use, close.

Every kind does what a real use does, small: a few pictures go through, errors and all the ways
to end included, so that what an open or a close forgets is forgotten once per cycle.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import av
import numpy as np

import videohw
from videohw.bitstream import AccessUnitAssembler, AnnexBSplitter
from videohw.errors import VideoHwError

SIDE = 64
PICTURES = 3
PATIENCE_SECONDS = 30.0


@cache
def coded() -> bytes:
    """A few pictures of H.264 in Annex-B."""
    with videohw.Encoder("h264", SIDE, SIDE, fps=30, preset="fastest", backend="software") as made:
        return b"".join(packet.data for packet in _encoded(made))


@cache
def file_bytes() -> bytes:
    """The same in an MP4."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = SIDE
        for _ in range(PICTURES):
            picture = av.VideoFrame.from_ndarray(np.zeros((SIDE, SIDE, 3), np.uint8), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return memory.getvalue()


def _encoded(encoder: videohw.Encoder) -> list[videohw.Packet]:
    for number in range(PICTURES):
        encoder.submit(np.full((SIDE * 3 // 2, SIDE), 16 + number, np.uint8))
    return encoder.flush(PATIENCE_SECONDS)


def decoder() -> None:
    """Decoded to the end, then closed in the middle of a stream with frames not reaped."""
    with videohw.Decoder("h264", output="rgb24", backend="software") as session:
        session.submit(coded())
        frames = session.flush(PATIENCE_SECONDS)
        assert len(frames) == PICTURES
        np.asarray(frames[0]).sum()
        session.submit(coded())


def encoder() -> None:
    """Encoded to the end, then closed with pictures under way."""
    with videohw.Encoder(
        "h264", SIDE, SIDE, fps=30, preset="fastest", backend="software"
    ) as session:
        assert len(_encoded(session)) == PICTURES
        session.submit(np.zeros((SIDE * 3 // 2, SIDE), np.uint8))


def errors() -> None:
    """A decoder that meets damage: the error holds its traceback, which holds frames of calls."""
    with videohw.Decoder("h264", backend="software") as session:
        session.submit(coded()[:-10] + bytes(range(256)) + coded())
        while True:
            try:
                session.flush(PATIENCE_SECONDS)
                return
            except VideoHwError:
                continue


def parser() -> None:
    """Splitter and assembler over a stream in pieces, left with a unit unfinished."""
    splitter, assembler = AnnexBSplitter(), AccessUnitAssembler("h264")
    data = coded()
    units = 0
    for start in range(0, len(data), 100):
        splitter.feed(data[start : start + 100])
        while splitter.take() is not None:
            pass
        assembler.feed(data[start : start + 100])
        while assembler.take() is not None:
            units += 1
    assert units == PICTURES - 1


def reader() -> None:
    """A file read to its end, sought, and closed in the middle."""
    with videohw.open(io.BytesIO(file_bytes()), backend="software") as video:
        assert sum(1 for _ in video) == PICTURES
        video.seek(0.0)
        next(video)


KINDS: Final[dict[str, Callable[[], Any]]] = {
    "decoder": decoder, "encoder": encoder, "errors": errors, "parser": parser, "reader": reader,
}  # fmt: skip
