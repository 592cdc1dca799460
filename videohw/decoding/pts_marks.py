"""Which pts belongs to which access unit: the first that starts in the call that brought it.

This is the rule of MPEG-2 Systems (ITU-T H.222.0, 2.4.3.7) for PES packets. Must not know: what
an access unit is; assemblers say where one begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

# How an access unit can begin: a start code (a zero_byte before it belongs to it), or in AV1 a
# temporal delimiter OBU, whose header has the type in these bits (AV1 5.3.2, 6.2.2).
_START_CODE: Final = b"\0\0\1"
_LONG_START_CODE: Final = b"\0\0\0\1"
_AV1_TYPE_MASK, _AV1_DELIMITER = 0x78, 0x10
# A call is settled when no start code that begins in it can still be cut off by its end.
_CUT_BYTES: Final = 3


class _Mark:
    """The bytes of one call, from ``begin`` to before ``end`` in the stream, and its pts."""

    __slots__ = ("begin", "end", "possible", "pts")

    def __init__(self, begin: int, end: int, pts: int, possible: bool = False) -> None:
        self.begin = begin
        self.end = end
        self.pts = pts
        self.possible = possible  # something that can begin an access unit begins in it


class PtsMarks:
    """The pts given with a stream of calls, until their access units are known.

    Memory is bounded by the number of start codes in the unit that is being assembled: calls in
    which none begins are forgotten at once, so that one byte per call costs nothing. ``unused``
    counts the pts that no access unit took.
    """

    def __init__(self, codec: str, offset: int = 0) -> None:
        """``offset``: position in the stream of the first byte to come."""
        self._av1 = codec == "av1"
        self._marks: deque[_Mark] = deque()  # of calls in which a unit can begin
        self._recent: deque[_Mark] = deque()  # of the last calls, which are not settled
        self._end = offset
        self._tail = b""
        self.unused = 0

    def __len__(self) -> int:
        return len(self._marks) + len(self._recent)

    def add(self, data: bytes, pts: int | None) -> None:
        """Note a call with ``data``, the next bytes of the stream."""
        begin, self._end = self._end, self._end + len(data)
        if pts is not None and not self._recent and self._starts_at_once(data):
            self._marks.append(_Mark(begin, self._end, pts, possible=True))
        elif pts is not None:
            self._recent.append(_Mark(begin, self._end, pts))
        if self._recent:
            self._find_starts(self._tail + data)
            self._settle()
        if len(data) >= _CUT_BYTES:
            self._tail = data[-_CUT_BYTES:]
        else:
            self._tail = (self._tail + data)[-_CUT_BYTES:]

    def take(self, offset: int) -> int | None:
        """The pts of the access unit that begins at ``offset``; units come in order."""
        self.pass_by(offset)
        for marks in (self._marks, self._recent):
            if marks and marks[0].begin <= offset:
                return marks.popleft().pts
        return None

    def pass_by(self, offset: int) -> None:
        """No access unit to come begins before ``offset``."""
        for marks in (self._marks, self._recent):
            while marks and marks[0].end <= offset:
                marks.popleft()
                self.unused += 1

    def restart(self, offset: int) -> None:
        """The stream goes on elsewhere: ``offset`` is the position of the next byte."""
        self.pass_by(self._end)
        self._end = offset
        self._tail = b""

    def _starts_at_once(self, data: bytes) -> bool:
        """Whether something that can begin an access unit begins with these bytes, as a rule."""
        if self._av1:
            return data[0] & _AV1_TYPE_MASK == _AV1_DELIMITER
        return data.startswith(_LONG_START_CODE) or (
            data.startswith(_START_CODE) and not self._tail.endswith(b"\0")
        )

    def _find_starts(self, window: bytes) -> None:
        """Note in which of the recent calls something begins; ``window`` ends where they end."""
        base = self._end - len(window)
        for position in self._starts(window):
            for mark in self._recent:
                if mark.begin <= base + position < mark.end:
                    mark.possible = True
            if self._recent[-1].possible:
                return

    def _starts(self, window: bytes) -> Iterator[int]:
        if self._av1:
            for position, byte in enumerate(window):
                if byte & _AV1_TYPE_MASK == _AV1_DELIMITER:
                    yield position
            return
        position = window.find(_START_CODE)
        while position >= 0:
            yield position - (position > 0 and window[position - 1] == 0)
            position = window.find(_START_CODE, position + len(_START_CODE))

    def _settle(self) -> None:
        settled = self._end - _CUT_BYTES
        while self._recent and (self._recent[0].possible or self._recent[0].end <= settled):
            mark = self._recent.popleft()
            if mark.possible:
                self._marks.append(mark)
            else:
                self.unused += 1
