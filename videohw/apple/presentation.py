"""The order in which decoded pictures are shown, though they come in another.

Owns: bumping (H.264 C.4.5.3, H.265 C.5.2): a picture waits until as many wait as its stream may
reorder. Must not know: pixels, sessions. Which picture is next follows from what is submitted
alone, so it never depends on what is decoded first.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Generic, TypeVar

ResultT = TypeVar("ResultT")


class OutputOrder(Generic[ResultT]):
    """Takes pictures in decoding order and results in any; yields results in order of output."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, int]] = []  # (sequence, count, serial)
        self._next: deque[int] = deque()  # serials, in order of output
        self._results: dict[int, ResultT] = {}

    def add(self, serial: int, sequence: int, count: int, reorder: int) -> None:
        """The next picture in decoding order; see ``bitstream.picture_order.PicturePlace``."""
        while self._waiting and self._waiting[0][0] < sequence:
            self._bump()
        heappush(self._waiting, (sequence, count, serial))
        while len(self._waiting) > reorder:
            self._bump()

    def end(self) -> None:
        """End of stream: nothing waits for pictures that are to come."""
        while self._waiting:
            self._bump()

    def put(self, serial: int, result: ResultT) -> None:
        """What became of a picture that was added."""
        self._results[serial] = result

    @property
    def is_ready(self) -> bool:
        """Whether there is a picture whose turn it is, with its result."""
        return bool(self._next) and self._next[0] in self._results

    def pop(self) -> tuple[int, ResultT]:
        """(serial, result) of the picture whose turn it is; see :attr:`is_ready`."""
        serial = self._next.popleft()
        return serial, self._results.pop(serial)

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._next.clear()
        self._results.clear()

    def _bump(self) -> None:
        self._next.append(heappop(self._waiting)[2])
