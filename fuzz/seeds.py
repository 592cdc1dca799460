"""The streams that fuzzing starts from, cut into the units that mutation moves about."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.backends.coded_clips import ENCODERS, packets
from tests.corpus import Stream, all_streams, data_streams
from videohw.bitstream.obu import obus
from videohw.errors import InvalidBitstream

from .case import FRAME_CODECS, pack_frames

MAX_SEED_BYTES: Final = 48 << 10
# Larger pictures say nothing more, and cost most of the time.
MAX_PIXELS: Final = 1280 * 720
_START_CODE: Final = re.compile(rb"\x00?\x00\x00\x01")


@dataclass(frozen=True)
class Seed:
    """A stream, cut into NAL units with start codes, OBUs, or whole pictures."""

    name: str
    codec: str
    units: tuple[bytes, ...]


def load(*, whole_corpus: bool = True) -> tuple[Seed, ...]:
    """Every stream of the corpus that is small enough, and clips of codecs that it lacks."""
    streams = all_streams() if whole_corpus else data_streams()
    found = [_seed(stream) for stream in streams if _pixels(stream) <= MAX_PIXELS]
    return (*(seed for seed in found if seed.units), *clips())


@functools.cache
def clips() -> tuple[Seed, ...]:
    """Clips of MPEG, JPEG, VP8, VP9 and AV1 by libavcodec's encoders, of VC-1 by our own writer."""
    return tuple(
        Seed(
            f"clip.{codec}",
            codec,
            tuple(unit for packet in packets(codec)[:12] for unit in split(codec, packet)),
        )
        for codec in (*ENCODERS, "vc1")
    )


def split(codec: str, data: bytes) -> list[bytes]:
    """``data`` in units of its codec; joined they are ``data`` again."""
    if codec in FRAME_CODECS:
        return [data]
    if codec == "av1":
        return _split_obus(data)
    starts = [match.start() for match in _START_CODE.finditer(data)]
    bounds = [0, *(start for start in starts if start), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(bounds)]


def join(codec: str, units: Sequence[bytes]) -> bytes:
    """The payload of a case with these units."""
    return pack_frames(units) if codec in FRAME_CODECS else b"".join(units)


def _split_obus(data: bytes) -> list[bytes]:
    units: list[bytes] = []
    try:
        units.extend(obu.data for obu in obus(data))
    except InvalidBitstream:
        units.append(data[sum(map(len, units)) :])
    return units


def _seed(stream: Stream) -> Seed:
    units = split(stream.codec, stream.read()[:MAX_SEED_BYTES])
    # What was cut off in the middle says less than what is whole.
    whole = units[:-1] if stream.path.stat().st_size > MAX_SEED_BYTES and len(units) > 1 else units
    return Seed(stream.name, stream.codec, tuple(whole))


def _pixels(stream: Stream) -> int:
    sizes = [re.match(r"(\d+)x(\d+)", each) for each in stream.entry.get("format_sequence", ())]
    return max((int(size[1]) * int(size[2]) for size in sizes if size), default=0)
