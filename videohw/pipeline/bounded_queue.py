"""A queue between threads that holds so much and no more, and knows how full it was.

Owns: depth, peak, waiting, closing. Must not know: what is queued.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..arguments import integer, seconds
from ..errors import Backpressure, InvalidInput, SessionClosed
from ..sessions.deadline import deadline_after, remaining

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class QueueStats:
    """``depth``: items inside now. ``peak``: most at once since the last ``reset_peak``."""

    depth: int
    peak: int
    capacity: int


class BoundedQueue(Generic[ItemT]):
    """First in, first out, at most ``capacity`` items, for any number of threads on both sides.

    Depth and peak are counted under the lock that moves the items, so both are exact at any
    moment. An item is anything but None, which stands for "nothing came in time". Waits release
    the GIL, take seconds (None: for ever), and end when another thread closes. A queue must not
    be shared with a forked child: the lock may be held by a thread that the child lacks.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = integer("capacity", capacity, 1)
        self._items: deque[ItemT] = deque()
        self._peak = 0
        self._closed = False
        self._lock = threading.RLock()
        self._not_empty = threading.Condition(self._lock)
        self._not_full = threading.Condition(self._lock)

    def put(self, item: ItemT, timeout: float | None = None) -> None:
        """Append ``item``, waiting for room up to ``timeout`` seconds.

        Then :class:`Backpressure` with depth and limit; :class:`SessionClosed` when the queue is
        or becomes closed. In both cases the item was not taken.
        """
        deadline = deadline_after(seconds("timeout", timeout))
        with self._lock:
            while not self.try_put(item):
                left = remaining(deadline)
                if left == 0:
                    raise Backpressure(
                        f"the queue holds {self._capacity} items, which is its capacity",
                        depth=len(self._items),
                        limit=self._capacity,
                        hint="take some, then repeat the call: the item was not taken",
                    )
                self._not_full.wait(left)

    def try_put(self, item: ItemT) -> bool:
        """Append ``item`` if there is room, without waiting; :class:`SessionClosed` as above."""
        if item is None:
            raise InvalidInput("item is None", argument="item", hint="anything else")
        with self._lock:
            if self._closed:
                raise SessionClosed("the queue is closed")
            if len(self._items) >= self._capacity:
                return False
            self._items.append(item)
            self._peak = max(self._peak, len(self._items))
            self._not_empty.notify_all()
            return True

    def get(self, timeout: float | None = None) -> ItemT | None:
        """The oldest item, or None when ``timeout`` seconds pass without one.

        What is inside a closed queue may still be taken; then :class:`SessionClosed`.
        """
        deadline = deadline_after(seconds("timeout", timeout))
        with self._lock:
            while (item := self.try_get()) is None:
                left = remaining(deadline)
                if left == 0:
                    return None
                self._not_empty.wait(left)
            return item

    def try_get(self) -> ItemT | None:
        """The oldest item, or None when there is none; :class:`SessionClosed` as for get."""
        with self._lock:
            if self._items:
                item = self._items.popleft()
                self._not_full.notify_all()
                return item
            if self._closed:
                raise SessionClosed("the queue is closed and empty")
            return None

    def close(self) -> None:
        """Take no more items, and wake everybody who waits. Closing again does nothing."""
        with self._lock:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()

    @property
    def closed(self) -> bool:
        """True once it was closed; there may still be items inside."""
        return self._closed

    @property
    def capacity(self) -> int:
        """Most items that it holds."""
        return self._capacity

    @property
    def depth(self) -> int:
        """Items inside now."""
        with self._lock:
            return len(self._items)

    @property
    def peak(self) -> int:
        """Most items that were inside at once since the last :meth:`reset_peak`."""
        with self._lock:
            return self._peak

    def reset_peak(self) -> int:
        """The peak so far; from here on it is counted anew, from what is inside."""
        with self._lock:
            peak, self._peak = self._peak, len(self._items)
            return peak

    def snapshot(self) -> QueueStats:
        """Depth, peak and capacity of one moment."""
        with self._lock:
            return QueueStats(len(self._items), self._peak, self._capacity)
