"""Streams of every codec for the tests of damage, and what is right of their pictures."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.backends.coded_clips import packets
from tests.backends.conftest import BackendCase
from tests.backends.decoding import PATIENCE_SECONDS, Decoded, decode
from tests.backends.oracle import frame_md5
from tests.corpus import stream
from videohw.bitstream import open_assembler
from videohw.decoder import Decoder
from videohw.errors import VideoHwError
from videohw.frame import Frame

ON_ERROR = ("raise", "skip", "resync", "conceal")
FRAMED = ("vp9", "vp8", "jpeg")  # one picture a call, since nothing cuts them
# What each name is: a stream of the repository, or a clip of libavcodec's encoder.
_STREAMS = {
    "h264": "generated/crop_130x98.h264", "hevc": "generated/main_320x240_b4.h265",
}  # fmt: skip
# Each access unit holds one picture, so that picture n of the stream is picture n of the codec.
_OPTIONS = {"av1": (("svtav1-params", "lookahead=0:rc=2:pred-struct=1"),)}
CODECS = ("h264", "hevc", "av1", "mpeg4", "vc1", "mpeg2", "vp9", "vp8", "jpeg")


@dataclass(frozen=True)
class Clip:
    """A stream in coded pictures, with the numbers of those where decoding may start."""

    codec: str
    units: tuple[bytes, ...]
    starts: tuple[int, ...]

    def calls(self, units: Iterable[bytes] | None = None) -> Iterator[dict[str, Any]]:
        """Arguments of submit, one picture a call, the pts counting them in hundreds."""
        layout = "frame" if self.codec in FRAMED else "annexb"
        for number, data in enumerate(self.units if units is None else units):
            yield {"data": data, "pts": 100 * number, "layout": layout}

    def next_start(self, number: int) -> int:
        """The first random access point behind picture ``number``; after the last: the end."""
        return next((start for start in self.starts if start > number), len(self.units))


@functools.cache
def clip(codec: str) -> Clip:
    """About two dozen pictures with several places where decoding may start."""
    if codec in ("vp9", "vp8", "jpeg"):
        # Without hidden pictures of VP9, so that the call's number is the picture's.
        units = packets(codec, options=(("lag-in-frames", "0"),) if codec == "vp9" else ())
        step = 1 if codec == "jpeg" else 8
        return Clip(codec, units, tuple(range(0, len(units), step)))
    if codec in _STREAMS:
        data = stream(_STREAMS[codec]).read()
    else:
        data = b"".join(packets(codec, options=_OPTIONS.get(codec, ())))
    assembler = open_assembler(codec)
    assembler.feed(data)
    assembler.finish()
    found = list(assembler)
    starts = tuple(n for n, unit in enumerate(found) if unit.keyframe)
    return Clip(codec, tuple(unit.data for unit in found), starts)


@functools.cache
def intact(backend: BackendCase, codec: str) -> tuple[tuple[int, str], ...]:
    """(decode_index, md5) of every picture of the clip, in output order."""
    each = clip(codec)
    got = decode(backend.decoder(codec), each.calls())
    assert got.errors == []
    assert got.summary["reasons"] == {}
    assert not any(frame.corrupt for frame in got.frames)
    return tuple((frame.decode_index, frame_md5(frame)) for frame in got.frames)


def exact(backend: BackendCase, codec: str, frames: Iterable[Frame]) -> bool:
    """Whether these frames are what the intact clip gives for their pictures."""
    right = dict(intact(backend, codec))
    return all(frame_md5(frame) == right[frame.decode_index] for frame in frames)


def assert_whole(got: Decoded) -> None:
    """No picture twice, no pts twice, every picture accounted for, nothing left inside."""
    indexes = [frame.decode_index for frame in got.frames]
    assert len(set(indexes)) == len(indexes)
    pts = [value for value in got.pts if value is not None]
    assert len(set(pts)) == len(pts)
    summary = got.summary
    assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values()), summary
    assert summary["delivered"] == len(got.frames)
    assert summary["ready"] == summary["queued_bytes"] == summary["pending_bytes"] == 0


def everything(decoder: Decoder) -> list[Frame | VideoHwError]:
    """All that a flush gives, past every error."""
    found: list[Frame | VideoHwError] = []
    while True:
        try:
            found += decoder.flush(PATIENCE_SECONDS)
        except VideoHwError as error:
            found.append(error)
            if error.fatal:
                return found
        else:
            return found
