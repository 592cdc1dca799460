"""Outputs of which other threads still finish some, in output order.

Apart from :mod:`videohw.sessions.ready_outputs` for what ``concurrent.futures`` loads: sessions of
hardware, which have no such outputs, are opened without.
"""

from __future__ import annotations

from concurrent.futures import Future

from ..errors import VideoHwError
from .ready_outputs import ReadyOutputs, ResultT, unexpected


class OutputsInWork(ReadyOutputs[ResultT]):
    """An output in work has its place from the start, and nothing behind it comes out before it.

    ``count`` is of these too.
    """

    def append(self, output: ResultT | VideoHwError | Future[ResultT]) -> None:
        """The next output, which a future may still hold back."""
        self._queue.append(output)
        self.count += 1

    def pop(self, stop_at: int | None = None) -> ResultT | VideoHwError | None:
        """The next output; None also when it is in work."""
        head = super().pop(stop_at)
        if not isinstance(head, Future):
            return head
        if not head.done():
            self.put_back([head])
            return None
        error = head.exception()
        if error is None:
            result: ResultT = head.result()
            return result
        return error if isinstance(error, VideoHwError) else unexpected(error)
