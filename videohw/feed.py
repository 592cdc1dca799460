"""A decoder fed from a file by one thread, which never waits for long.

Owns: what of a file goes into the decoder when, and the times that the file gives its pictures.
Must not know: PyAV, pixels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from .decoder import Decoder
from .errors import Backpressure, InvalidBitstream
from .files.media import Sample, Source
from .frame import Frame

# The longest wait inside one call of a session; nothing ends because of it.
WAIT_SECONDS: Final = 0.05
# Coded bytes that wait in the decoder: enough to keep it busy, little beside the pictures.
READ_AHEAD_BYTES: Final = 4 << 20
# Pictures that wait in it. A file of few bits has minutes of pictures in few bytes, and sound that
# is copied beside them would come to lie as far from them in the target.
_MOST_AHEAD: Final = 32
_AHEAD_WAIT_SECONDS: Final = 0.005
# Pictures that never come out leave their times behind; only so many are remembered.
_MAX_TIMES: Final = 4096


class Feed:
    """Reads ``source``, feeds ``decoder``, gives the frames in presentation order.

    ``strict``: at the end, raise where the file holds fewer pictures than it states, or none.
    """

    def __init__(self, source: Source, decoder: Decoder, *, strict: bool) -> None:
        self.source = source
        self.decoder = decoder
        self.ended = False
        self._strict = strict
        self._failed = False  # an error was raised, which tells enough
        self._begin()

    def poll(self, timeout: float = WAIT_SECONDS) -> Frame | None:
        """The next frame, or None when none came within ``timeout`` seconds or ``ended`` is set.

        Raises the error that stands next in presentation order, once; the next call goes on.
        """
        try:
            while not self.ended:
                frame = self._next(timeout)
                if frame is None:
                    return None
                timed = self._timed(frame)
                if timed is not None:
                    return timed
        except BaseException:
            self._failed = True
            raise
        return None

    def seek(self, pts: int) -> None:
        """Go on from the first picture shown at ``pts`` or later; what is under way is dropped."""
        self.source.seek(pts)
        self.decoder.reset()
        self._begin(first=pts)

    def _begin(self, first: int | None = None) -> None:
        self.ended = False
        self._source_ended = False
        self._first = first
        self._tail: Iterator[Frame] | None = None
        self._sample: Sample | None = None
        self._times: dict[int, Sample] = {}
        self._count = 0
        self._open = 0  # pictures submitted and neither delivered nor known to be lost, at most

    def _next(self, timeout: float) -> Frame | None:
        while (frame := self.decoder.try_reap()) is None:
            if self._source_ended:
                return self._next_of_tail()
            if self._far_ahead():
                frame = self.decoder.reap_timeout(min(timeout, _AHEAD_WAIT_SECONDS))
                break
            if not self._submit_next():
                frame = self.decoder.reap_timeout(timeout)
                break
        self._open -= frame is not None
        return frame

    def _far_ahead(self) -> bool:
        """True while the decoder has more pictures waiting than are good for the file.

        What it holds for reordering does not count: nothing is far while no bytes wait.
        """
        if self.source.timed and self._open < _MOST_AHEAD:
            return False
        state = self.decoder.summary()
        self._open = state["submitted"] - state["delivered"] - sum(state["reasons"].values())
        return self._open >= _MOST_AHEAD and state["queued_bytes"] > 0

    def _submit_next(self) -> bool:
        """Submit one sample, or note that there are no more; False when the decoder is full."""
        if self._sample is None:
            self._sample = self.source.read()
            if self._sample is None:
                self._source_ended = True
                return True
            self._remember(self._sample)
        try:
            self.decoder.submit(
                self._sample.data, self._sample.pts, layout=self.source.track.layout
            )
        except Backpressure:
            return False
        self._sample = None
        self._open += 1
        return True

    def _next_of_tail(self) -> Frame | None:
        # At the end of the stream a frame is never far: this waits for one picture at most.
        if self._tail is None:
            self._tail = iter(self.decoder)
        try:
            frame = next(self._tail, None)
        except BaseException as error:
            if isinstance(error, InvalidBitstream) and not (self._count or self._failed):
                error.args = (f"{self.source.name}: {error.args[0]}",)
            self._tail = None  # an iterator that raised is at its end, the stream is not
            raise
        if frame is not None:
            return frame
        self.ended = True
        missing = self.source.cut_short
        if missing is None and self._first is None and not (self._count or self._failed):
            missing = "no picture could be decoded"
        if missing is not None and self._strict:
            raise InvalidBitstream(
                f"{self.source.name}: {missing}",
                hint="fetch the file again, or read what there is with on_error='skip'",
            )
        return None

    def _of_this_file(self, error: InvalidBitstream) -> InvalidBitstream:
        """``error`` with the name of the file, of which nothing was seen yet."""
        message = f"{self.source.name}: {error.args[0]}"
        return InvalidBitstream(message, offset=error.offset, hint=error.hint)

    def _remember(self, sample: Sample) -> None:
        if sample.pts is None or not (sample.discard or sample.duration):
            return
        if len(self._times) >= _MAX_TIMES:
            del self._times[next(iter(self._times))]
        self._times[sample.pts] = sample

    def _timed(self, frame: Frame) -> Frame | None:
        """``frame`` with the time that the file gives it, or None when it is not to be seen."""
        duration: int | None = 1
        pts: int | None = self._count
        if self.source.timed:
            sample = None if frame.pts is None else self._times.pop(frame.pts, None)
            if sample is not None and sample.discard:
                return None
            pts, duration = frame.pts, frame.duration or (sample.duration if sample else None)
        self._count += 1
        if self._first is not None:
            if pts is None or pts < self._first:
                return None
            self._first = None
        if (pts, duration) == (frame.pts, frame.duration):
            return frame
        return dataclasses.replace(frame, pts=pts, duration=duration)
