"""The dts of each packet of an encoder, over flushes and session switches.

Must not know: packets, libraries.
"""

from __future__ import annotations

from collections import deque

from .errors import UnsupportedConfig


class DecodeClock:
    """The dts of each packet: the pts of all pictures in order, ``delay`` pictures late.

    The rule of x264, kept here for all, since libx265 and libx264 give wrong dts for streams
    shorter than their delay, and neither knows of the stream before a flush or a switch. Strictly
    increasing and never above pts for any reordering of at most ``delay`` pictures. The delay
    grows where a switch asks for more and never shrinks, so that no step of dts is out of line.
    """

    def __init__(self, delay: int) -> None:
        self.delay = delay
        self._times: deque[int] | None = None  # the dts of the packets to come
        self._last: int | None = None

    def submitted(self, pts: int, duration: int) -> None:
        """A picture at ``pts`` of ``duration`` goes into the encoder."""
        if self._times is None:
            self._times = deque(pts - duration * n for n in range(self.delay, 0, -1))
        self._times.append(pts)

    def next_dts(self) -> int:
        """The dts of the packet that came now."""
        assert self._times is not None, "a packet came before any picture"
        self._last = self._times.popleft()
        return self._last

    def drained(self) -> None:
        """No packet is owed any more: forget the times of pictures that gave none."""
        while self._times is not None and len(self._times) > self.delay:
            self._last = self._times.popleft()

    def check_room(self, delay: int, pts: int) -> None:
        """Whether :meth:`widen` to ``delay`` before the picture at ``pts`` is possible, once all
        packets owed are out; :class:`UnsupportedConfig` when it is not."""
        floor = self._floor()
        if delay <= self.delay or floor is None or pts - floor > delay:
            return
        raise UnsupportedConfig(
            f"the time base leaves no room for {delay} pictures of reordering at pts {pts}: the "
            f"dts before is {floor}, and {delay + 1} more must follow up to there",
            argument="b_frames",
            hint="open the encoder with a finer time_base, or with as many b_frames as will be "
            "needed",
        )

    def widen(self, delay: int, pts: int) -> None:
        """Let the packets from the picture at ``pts`` on run ``delay`` pictures late.

        All packets owed are out. The additional times lie evenly between the last dts and
        ``pts``.
        """
        if delay <= self.delay:
            return
        floor = self._floor()
        self.delay = delay
        if floor is None:
            self._times = None
            return
        span = pts - floor
        self._times = deque(floor + span * n // (delay + 1) for n in range(1, delay + 1))

    def _floor(self) -> int | None:
        """The dts of the last packet, the last one owed included."""
        if self._times is not None and len(self._times) > self.delay:
            return self._times[-self.delay - 1]
        return self._last
