"""What a session has ready to be reaped, in output order.

Must not know: threads, waiting; the session that owns it holds its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import BackendError, VideoHwError

ResultT = TypeVar("ResultT")


class _Drained(NamedTuple):
    """Here ends what was submitted before the drain of this number."""

    number: int


class ReadyOutputs(Generic[ResultT]):
    """Results and errors, with marks where a drain ends.

    ``count`` is how many outputs wait; ``drains_passed`` the number of the last mark that was
    reached.
    """

    def __init__(self) -> None:
        self._queue: deque[Any] = deque()
        self.count = 0
        self.drains_passed = 0

    def append(self, output: ResultT | VideoHwError) -> None:
        """The next output."""
        self._queue.append(output)
        self.count += 1

    def append_drained(self, number: int) -> None:
        """Mark the end of what came before the drain ``number``."""
        self._queue.append(_Drained(number))

    def pop(self, stop_at: int | None = None) -> ResultT | VideoHwError | None:
        """The next output; None when there is none, or the drain ``stop_at`` is passed."""
        while self._queue:
            head: ResultT | VideoHwError | _Drained = self._queue.popleft()
            if not isinstance(head, _Drained):
                self.count -= 1
                return head
            self.drains_passed = max(self.drains_passed, head.number)
            if head.number == stop_at:
                return None
        return None

    def put_back(self, results: Sequence[ResultT]) -> None:
        """Before everything else again, in the order in which they were popped."""
        self._queue.extendleft(reversed(results))
        self.count += len(results)

    def clear(self) -> None:
        """Forget all outputs and marks."""
        self._queue.clear()
        self.count = 0


def unexpected(error: BaseException) -> BackendError:
    """The error that stands for one that no code of ours means to raise."""
    wrapped = BackendError(
        f"the codec worker met an unexpected {type(error).__name__}: {error}",
        domain="videohw",
        hint="this is a bug of videohw, please report it; the session goes on",
    )
    wrapped.__cause__ = error
    return wrapped
