"""A simple model of a decoder: pictures of any order, and the frames that must come of them.

The model knows the pictures that were coded and the pts of the calls that brought their bytes,
and nothing of threads, limits or codecs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.backends.pcm import PcmStream, Vui, luma_of
from tests.coded_streams import annexb
from videohw.errors import VideoHwError
from videohw.frame import Frame

# A slice that names a PPS that does not exist.
_REFUSED = b"\x21\x88\x20" + bytes(40)


@dataclass
class Picture:
    """One coded picture: its NAL units, and what a frame of it must say."""

    nals: list[bytes]
    luma: int
    order: tuple[int, int]  # its place in presentation: (number of its IDR picture, order count)
    keyframe: bool
    refused: bool
    pts: int | None = None

    @property
    def data(self) -> bytes:
        return annexb(*self.nals)


class Coder:
    """Makes pictures of any order, each of its own luma."""

    def __init__(self, vui: Vui | None) -> None:
        self._stream = PcmStream(vui=vui)
        self._number = self._periods = self._next_order = 0

    def pictures(self, orders: list[int], idr: bool, refused: int) -> list[Picture]:
        """An IDR picture if asked, then one for each of ``orders``; the one at ``refused`` bad."""
        made = [self._picture(0, True)] if idr or not self._periods else []
        base = self._next_order
        for index, order in enumerate(orders):
            made.append(self._picture(base + order, False, refused=index == refused))
        self._next_order = base + len(orders)
        return made

    def _picture(self, order: int, idr: bool, refused: bool = False) -> Picture:
        if idr:
            self._periods += 1
            self._next_order = 1
        luma = luma_of(self._number)
        self._number += 1
        stream = self._stream
        if refused:
            return Picture([_REFUSED], luma, (self._periods, order), False, True)
        nals = [stream.picture(luma, idr=idr, poc=2 * order)]
        nals = [*stream.sets, *nals] if idr else nals
        return Picture(nals, luma, (self._periods, order), idr, False)


@dataclass
class Expected:
    """What must come of the pictures between two flushes, resets or the like."""

    pictures: list[Picture] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    errors: list[VideoHwError] = field(default_factory=list)

    @property
    def good(self) -> list[Picture]:
        """The pictures that a frame may come of, in presentation order."""
        first = next((n for n, p in enumerate(self.pictures) if p.keyframe), len(self.pictures))
        begun = [p for p in self.pictures[first:] if not p.refused]
        return sorted(begun, key=lambda picture: picture.order)

    @property
    def refused(self) -> int:
        first = next((n for n, p in enumerate(self.pictures) if p.keyframe), len(self.pictures))
        return sum(p.refused for p in self.pictures[first:])

    def missing(self) -> list[Picture]:
        """The good pictures that gave no frame; fails for a frame that is none of them."""
        missing = []
        rest = iter(self.good)
        for frame in self.frames:
            for picture in rest:
                if picture.luma == int(frame.planes[0][0, 0]):
                    break
                missing.append(picture)
            else:
                raise AssertionError(f"{frame!r} is none of those that may come now")
            assert (frame.pts, frame.keyframe) == (picture.pts, picture.keyframe)
        return [*missing, *rest]


def merged(
    expected: Expected, outputs: list[list[Frame | VideoHwError]]
) -> list[Frame | VideoHwError]:
    """What several threads got, each in order, in the order of the stream."""
    place = {picture.luma: n for n, picture in enumerate(expected.good)}

    def key(frame: Frame) -> int:
        return place[int(frame.planes[0][0, 0])]

    frames = [[o for o in got if isinstance(o, Frame)] for got in outputs]
    for got in frames:
        assert [key(frame) for frame in got] == sorted(key(frame) for frame in got)
    told: list[Frame | VideoHwError] = [
        o for got in outputs for o in got if not isinstance(o, Frame)
    ]
    return told + sorted((frame for got in frames for frame in got), key=key)
