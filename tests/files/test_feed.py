"""How far ahead of its decoder a file is read: far enough to keep it busy, and no further."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any

from videohw.feed import Feed
from videohw.files.media import Sample, StreamInfo, VideoTrack
from videohw.frame import Frame

MOST_AHEAD = 32


class Film:
    """A file of ``count`` pictures."""

    name = "film"
    streams: tuple[StreamInfo, ...] = ()
    timed = True
    cut_short = None
    track = VideoTrack("h264", "annexb", Fraction(1, 25), 16, 16, Fraction(25))

    def __init__(self, count: int) -> None:
        self.left = deque(range(count))
        self.metadata: dict[str, str] = {}

    def read(self) -> Sample | None:
        return Sample(b"picture", self.left.popleft(), 1) if self.left else None

    def seek(self, pts: int) -> None:
        raise AssertionError("nobody seeks here")

    def close(self) -> None:
        pass


class FakeDecoder:
    """Takes everything, works only when told, and holds back its last ``held`` pictures."""

    def __init__(self, held: int = 0, lost: int = 0) -> None:
        self.held = held
        self.lost = lost  # every so manieth picture never comes out
        self.waiting: deque[int | None] = deque()
        self.inside: deque[int | None] = deque()
        self.submitted = self.delivered = self.dropped = 0

    def submit(self, data: bytes, pts: int | None, *, layout: str) -> None:
        self.submitted += 1
        self.waiting.append(pts)

    def work(self) -> None:
        while self.waiting:
            pts = self.waiting.popleft()
            if self.lost and pts is not None and pts % self.lost == 0:
                self.dropped += 1
            else:
                self.inside.append(pts)

    def try_reap(self) -> Frame | None:
        if len(self.inside) <= self.held:
            return None
        self.delivered += 1
        return Frame((), "gray", 16, 16, pts=self.inside.popleft())

    def reap_timeout(self, seconds: float) -> Frame | None:
        return self.try_reap()

    def __iter__(self) -> Any:
        self.work()
        self.held = 0
        while (frame := self.try_reap()) is not None:
            yield frame

    def summary(self) -> dict[str, Any]:
        return {
            "submitted": self.submitted,
            "delivered": self.delivered,
            "reasons": {"undecodable": self.dropped},
            "queued_bytes": len(self.waiting),
        }


def feed(count: int, decoder: FakeDecoder) -> Feed:
    return Feed(Film(count), decoder, strict=True)  # type: ignore[arg-type]


def test_a_slow_decoder_is_not_buried() -> None:
    decoder = FakeDecoder()
    reading = feed(10_000, decoder)
    for _ in range(5):
        assert reading.poll() is None
    assert decoder.submitted == MOST_AHEAD
    decoder.work()
    assert reading.poll() is not None


def test_a_decoder_that_holds_more_is_fed_on() -> None:
    decoder = FakeDecoder(held=3 * MOST_AHEAD)
    reading = feed(1000, decoder)
    seen = []
    while not reading.ended:
        decoder.work()
        frame = reading.poll()
        seen += [] if frame is None else [frame.pts]
    assert seen == list(range(1000))


def test_pictures_that_never_come_do_not_count() -> None:
    decoder = FakeDecoder(lost=2)
    reading = feed(1000, decoder)
    seen = []
    calls = 0
    while not reading.ended:
        decoder.work()
        frame = reading.poll()
        calls += 1
        seen += [] if frame is None else [frame.pts]
    assert seen == list(range(1, 1000, 2))
    assert calls < 1000
