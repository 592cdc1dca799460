"""Credits that limit how much is under way at once.

Owns: how many are taken, waiting for one, closing. Must not know: what they are taken for.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType

from ..arguments import integer, seconds
from ..errors import Backpressure, InvalidInput, SessionClosed
from ..sessions.deadline import deadline_after, remaining


@dataclass(frozen=True, slots=True)
class CreditStats:
    """``in_flight``: credits taken now. ``peak``: most at once."""

    in_flight: int
    peak: int
    limit: int


class InFlightCredits:
    """``limit`` credits: one is taken when something begins and given back when it is settled.

    Any thread may give back what another took. As a context manager it holds one credit, waiting
    for it without limit of time. Waits release the GIL and end when another thread closes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = integer("limit", limit, 1)
        self._in_flight = 0
        self._peak = 0
        self._closed = False
        self._freed = threading.Condition()

    def acquire(self, timeout: float | None = None) -> None:
        """Take a credit, waiting for one up to ``timeout`` seconds (None: for ever).

        Then :class:`Backpressure` with depth and limit; :class:`SessionClosed` when the credits
        are or become closed. In both cases none was taken.
        """
        deadline = deadline_after(seconds("timeout", timeout))
        with self._freed:
            while not self.try_acquire():
                left = remaining(deadline)
                if left == 0:
                    raise Backpressure(
                        f"{self._in_flight} are in flight, the limit is {self._limit}",
                        depth=self._in_flight,
                        limit=self._limit,
                        hint="take results, then repeat the call: nothing of it was taken",
                    )
                self._freed.wait(left)

    def try_acquire(self) -> bool:
        """Take a credit if there is one, without waiting; :class:`SessionClosed` as above."""
        with self._freed:
            if self._closed:
                raise SessionClosed("nothing can begin any more, this was closed")
            if self._in_flight >= self._limit:
                return False
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            return True

    def release(self) -> None:
        """Give one back, also after closing; :class:`InvalidInput` when none was taken."""
        with self._freed:
            if not self._in_flight:
                raise InvalidInput(
                    "a credit is given back that nobody took", hint="one release for each acquire"
                )
            self._in_flight -= 1
            self._freed.notify_all()

    def close(self) -> None:
        """Give out no more, and wake everybody who waits. Closing again does nothing."""
        with self._freed:
            self._closed = True
            self._freed.notify_all()

    @property
    def limit(self) -> int:
        """Most credits that are taken at once."""
        return self._limit

    def snapshot(self) -> CreditStats:
        """Taken, peak and limit of one moment."""
        with self._freed:
            return CreditStats(self._in_flight, self._peak, self._limit)

    def __enter__(self) -> InFlightCredits:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
