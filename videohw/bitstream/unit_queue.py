"""What the assemblers written in Python share: bytes in, units and errors out in order.

Owns the pending bytes with their place in the stream, and the queue of what is ready. Must not
know where a unit ends: that is the business of
``start_code_units`` and ``av1``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Any

from ..errors import InvalidBitstream, InvalidInput
from .access_unit import AccessUnit
from .assembler import DEFAULT_MAX_UNIT_BYTES

MIN_LIMIT_BYTES = 256


class UnitQueue(ABC):
    """Base of assemblers: the verbs feed, take, finish and reset.

    ``feed`` takes any piece of the stream, ``take`` gives the units in order, ``finish`` says
    that the stream ends. How the stream was cut never changes the units. A unit of more than
    ``max_unit_bytes`` (default 64 MiB) is dropped: ``take`` raises :class:`InvalidBitstream` in
    its place, once. Not to be fed by two threads at a time.
    """

    codec: str
    _sequence_known: bool

    def __init__(self, *, max_unit_bytes: int = DEFAULT_MAX_UNIT_BYTES) -> None:
        if isinstance(max_unit_bytes, bool) or not isinstance(max_unit_bytes, int):
            raise InvalidInput(
                f"max_unit_bytes is {max_unit_bytes!r}, not an int", argument="max_unit_bytes"
            )
        if max_unit_bytes < MIN_LIMIT_BYTES:
            raise InvalidInput(
                f"max_unit_bytes is {max_unit_bytes}",
                argument="max_unit_bytes",
                hint=f"a number of bytes from {MIN_LIMIT_BYTES}",
            )
        self._max_unit_bytes = max_unit_bytes
        self._ready: deque[AccessUnit | InvalidBitstream] = deque()
        self._pending = bytearray()
        self._pending_offset = 0  # position in the stream of the first pending byte
        self._garbage_bytes = 0

    def feed(self, data: Any, *, end_of_unit: bool = False) -> int:
        """Take the next bytes of the stream; returns how many units are ready to take.

        ``data`` is any contiguous buffer of bytes, of any length; it is copied. ``end_of_unit``
        says that a unit ends with it. :class:`InvalidInput` for anything but bytes.
        """
        try:
            view = memoryview(data)
        except TypeError:
            raise InvalidInput(
                f"data is {type(data).__name__}, not bytes-like",
                argument="data",
                hint="pass bytes, bytearray, memoryview or a contiguous uint8 array",
            ) from None
        if view.itemsize != 1 or not view.c_contiguous:
            raise InvalidInput("data are not contiguous bytes", argument="data")
        self._pending += view
        self._search()
        if end_of_unit:
            self._end_unit()
        return len(self._ready)

    def take(self) -> AccessUnit | None:
        """The next unit, or None when more bytes are needed.

        Raises :class:`InvalidBitstream` in the place where the stream was wrong.
        """
        if not self._ready:
            return None
        item = self._ready.popleft()
        if isinstance(item, InvalidBitstream):
            raise item
        return item

    def finish(self) -> int:
        """End of stream: the open unit is complete, headers without a picture are dropped.

        Returns how many units are ready. Feeding more afterwards begins a new stream; offsets
        go on.
        """
        self._end_unit()
        self._end_stream()
        return len(self._ready)

    def reset(self) -> None:
        """Forget pending bytes, ready units and counters."""
        self._end_stream()
        self._ready.clear()
        self._pending_offset = 0
        self._garbage_bytes = 0

    def __iter__(self) -> Iterator[AccessUnit]:
        while (unit := self.take()) is not None:
            yield unit

    @property
    def offset(self) -> int:
        """Bytes fed so far: the position in the stream of the next byte."""
        return self._pending_offset + len(self._pending)

    @property
    def pending_bytes(self) -> int:
        """Bytes held inside that are in no ready unit yet."""
        return len(self._pending)

    @property
    def pending_start(self) -> int:
        """Where in the stream units to come begin at the earliest."""
        return self._pending_offset

    @property
    def garbage_bytes(self) -> int:
        """Bytes dropped: before the first unit, after damage, or in a unit too long."""
        return self._garbage_bytes

    @property
    def sequence_known(self) -> bool:
        """Whether a sequence header was seen since the stream began."""
        return self._sequence_known

    def _drop(self, size: int, *, garbage: bool) -> None:
        """Let go of the first ``size`` pending bytes."""
        del self._pending[:size]
        self._pending_offset += size
        if garbage:
            self._garbage_bytes += size

    def _fail(self, message: str, position: int, hint: str | None = None) -> None:
        """Queue an error noticed at pending byte ``position``."""
        offset = self._pending_offset + position
        self._ready.append(
            InvalidBitstream(f"{message} at byte {offset}", offset=offset, hint=hint)
        )

    def _fail_too_long(self) -> None:
        self._fail(
            f"{self.codec} unit longer than max_unit_bytes={self._max_unit_bytes}",
            0,
            "it is dropped; raise the limit if the stream is right",
        )

    @abstractmethod
    def _search(self) -> None:
        """Make units of the pending bytes as far as they go."""

    @abstractmethod
    def _end_unit(self) -> None:
        """The pending bytes end a unit: close it if it has a picture."""

    @abstractmethod
    def _end_stream(self) -> None:
        """Drop what is left, and forget what was known of the stream."""
