"""What the decoder tests share: feeding any cut of the bytes, reaping all the while."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from videohw.decoder import Decoder
from videohw.errors import Backpressure, VideoHwError
from videohw.frame import Frame

# A wait that no test should come near; a test that hangs fails by it.
PATIENCE_SECONDS = 30.0
_PIECE_BYTES = (1, 2, 3, 5, 64, 188, 1000, 4096, 65536, 1 << 20)


@dataclass
class Decoded:
    """What came out of a decoder: frames and errors, each in its order, and the last summary."""

    frames: list[Frame] = field(default_factory=list)
    errors: list[VideoHwError] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def pts(self) -> list[int | None]:
        return [frame.pts for frame in self.frames]


def pieces(data: bytes, seed: object) -> Iterator[bytes]:
    """``data`` cut anywhere, the same way for the same seed; short pieces come in runs."""
    rng = random.Random(str(seed))
    position = 0
    while position < len(data):
        size = rng.choice(_PIECE_BYTES)
        for _ in range(rng.randrange(1, 20) if size < 100 else 1):
            if position < len(data):
                yield data[position : position + size]
                position += size


def outputs(decoder: Decoder, calls: Iterable[dict[str, Any]]) -> Iterator[Frame | VideoHwError]:
    """Submit every call, reaping in between; then all that is left. Errors come as values."""
    for call in calls:
        while not _taken(decoder, call):
            yield from _reaped(decoder, PATIENCE_SECONDS)
        yield from _reaped(decoder, 0)
    yield from flushed(decoder)


def flushed(decoder: Decoder) -> Iterator[Frame | VideoHwError]:
    """End of stream, past every error."""
    while True:
        try:
            yield from decoder
        except VideoHwError as error:
            yield error
        else:
            return


def _taken(decoder: Decoder, call: dict[str, Any]) -> bool:
    try:
        decoder.submit(**call)
    except Backpressure:
        return False
    return True


def _reaped(decoder: Decoder, seconds: float) -> Iterator[Frame | VideoHwError]:
    try:
        frame = decoder.reap_timeout(seconds)
    except VideoHwError as error:
        yield error
        return
    if frame is not None:
        yield frame


def decode(decoder: Decoder, calls: Iterable[dict[str, Any]]) -> Decoded:
    """Everything that ``decoder`` makes of ``calls`` (arguments of submit), which it closes."""
    result = Decoded()
    with decoder:
        for item in outputs(decoder, calls):
            if isinstance(item, Frame):
                result.frames.append(item)
            else:
                result.errors.append(item)
        result.summary = decoder.summary()
    return result


def decode_bytes(decoder: Decoder, data: bytes, *, seed: object = 0) -> Decoded:
    """Everything that ``decoder`` makes of a byte stream in any pieces."""
    return decode(decoder, ({"data": piece} for piece in pieces(data, seed)))


def decode_units(decoder: Decoder, units: Iterable[list[bytes]]) -> Decoded:
    """One call for each access unit, a list of NAL units; the pts counts them in tens."""
    calls = (
        {"data": unit, "pts": 10 * number, "layout": "access_unit"}
        for number, unit in enumerate(units)
    )
    return decode(decoder, calls)


def assert_account(summary: dict[str, Any]) -> None:
    """Every picture submitted ended in exactly one way (after a flush)."""
    assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values()), summary
    assert summary["ready"] == summary["queued_bytes"] == summary["pending_bytes"] == 0
