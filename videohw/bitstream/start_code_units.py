"""Units of MPEG video streams: a picture with the headers before it, found by start codes.

Owns the search, the limit and the end of a stream. Must not know: what the headers of one codec
say; that is the business of ``mpeg2``, ``mpeg4`` and ``vc1``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container

from .access_unit import AccessUnit
from .assembler import DEFAULT_MAX_UNIT_BYTES
from .unit_queue import UnitQueue

PREFIX = b"\0\0\1"


class StartCodeUnits(UnitQueue):
    """Base of the assemblers of MPEG video.

    A unit begins with one of ``_unit_starters`` once the open one has a picture, whose start
    code value is ``_picture_code``; everything else stays in it.
    """

    _unit_starters: Container[int]
    _picture_code: int
    _scan: int  # the search goes on here
    _started: bool  # the pending bytes begin with a header that begins a unit
    _picture_at: int  # the picture header of the open unit, -1 before it
    _ended: bool  # by a code that ends the sequence
    _after_end: bool

    def __init__(self, codec: str, *, max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES) -> None:
        super().__init__(max_unit_bytes=max_unit_bytes)
        self.codec = codec
        self._end_stream()

    @abstractmethod
    def _note(self, position: int, code: int) -> None:
        """The start code ``code`` is at pending byte ``position`` of the open unit."""

    @abstractmethod
    def _unit(self, data: bytes) -> AccessUnit:
        """The open unit, which is all of ``data``."""

    def _search(self) -> None:
        pending = self._pending
        while True:
            found = pending.find(PREFIX, self._scan)
            code_at = found + len(PREFIX)
            if found < 0 or code_at >= len(pending):
                # The bytes may end inside of a start code.
                last = found if found >= 0 else len(pending) - len(PREFIX) + 1
                self._scan = max(self._scan, last)
                break
            code = pending[code_at]
            if code in self._unit_starters:
                if not self._started:
                    self._drop(found, garbage=True)
                    self._started = True
                    found, code_at = 0, len(PREFIX)
                elif self._picture_at >= 0 or found > self._max_unit_bytes:
                    self._close(found)
                    continue
            if self._started:
                if code == self._picture_code:
                    self._picture_at = found
                self._note(found, code)
            self._scan = code_at + 1
        if not self._started:
            self._drop(self._scan, garbage=True)
            self._scan = 0
        elif self._scan > self._max_unit_bytes:
            self._close(self._scan)

    def _close(self, size: int) -> None:
        """The first ``size`` pending bytes are a unit, or too long for one."""
        if size > self._max_unit_bytes:
            self._fail_too_long()
            self._drop(size, garbage=True)
        else:
            self._ready.append(self._unit(bytes(self._pending[:size])))
            self._after_end = self._ended
            self._drop(size, garbage=False)
        self._open_unit()

    def _open_unit(self) -> None:
        self._scan = 0
        self._started = False
        self._picture_at = -1
        self._ended = False

    def _end_unit(self) -> None:
        if self._started and self._picture_at >= 0:
            self._close(len(self._pending))

    def _end_stream(self) -> None:
        self._drop(len(self._pending), garbage=True)
        self._open_unit()
        self._after_end = True
        self._sequence_known = False
