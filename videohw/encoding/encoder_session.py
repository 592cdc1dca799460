"""What every encoder session does alike: pictures queued with switches between them.

Owns: the limit of queued bytes, which picture is the first after a flush. Must not know: how
pictures are coded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..backend import Account, EncoderItem, InputPicture, SessionSwitch
from ..errors import VideoHwError
from ..pixel_format import FORMATS
from ..sessions.session import Session
from ..types import EncoderConfig, Packet


def queue_bytes(config: EncoderConfig, staged: str | None = None) -> int:
    """Bytes of pictures that may wait to be coded: ``max_in_flight`` of them, as they come or in
    the format that they are ``staged`` in, whichever is larger."""
    formats = (FORMATS[each] for each in (config.input, staged) if each is not None)
    return config.max_in_flight * max(
        each.frame_bytes(config.width, config.height) for each in formats
    )


class QueueOfPictures(Session[EncoderItem, Packet]):
    """The input side of an encoder session (``videohw.backend.EncoderSession``).

    Queued input is limited to the bytes of ``max_in_flight`` pictures of the size last pushed.
    """

    account: Account

    def push(self, items: Sequence[EncoderItem]) -> None:
        """Queue pictures, and switches between them; see :meth:`Session.push`."""
        with self._changed:
            super().push(items)
            for item in items:
                if isinstance(item, SessionSwitch):
                    self._max_queued_bytes = self._limit_after(item)
                elif isinstance(item, InputPicture):
                    self.account.submitted += 1

    def _limit_after(self, switch: SessionSwitch) -> int:
        """Bytes that may be queued from ``switch`` on."""
        return queue_bytes(switch.config)

    @property
    def stream(self) -> int:
        """How many ends of stream were asked for so far."""
        return self._drains_requested

    def push_into(self, stream: int, items: Sequence[EncoderItem]) -> bool:
        """Queue ``items`` and answer True while the stream is ``stream``; else answer False."""
        with self._changed:
            if stream != self._drains_requested:
                return False
            self.push(items)
            return True

    def _append_due(self, errors: Iterator[VideoHwError], *, all_of_them: bool = False) -> None:
        """Append the errors whose place has come; what the limit has no room for is not asked for.

        Called with the lock held.
        """
        while all_of_them or self._ready.count < self._max_ready:
            error = next(errors, None)
            if error is None:
                return
            self._append(error)
