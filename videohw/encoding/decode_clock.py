"""The dts of each packet of an encoder, over flushes and session switches.

Must not know: packets, libraries.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from ..errors import UnsupportedConfig


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

    def deepen(self, delay: int) -> None:
        """Let all packets run ``delay`` pictures late, before the first of them."""
        assert self._last is None, "a packet came already"
        if self._times is not None and delay > self.delay:
            first = self._times[self.delay]
            step = first - self._times[self.delay - 1] if self.delay else 1
            earliest = self._times[0]
            more = delay - self.delay
            self._times.extendleft(earliest - step * n for n in range(1, more + 1))
        self.delay = max(self.delay, delay)

    def next_dts(self) -> int:
        """The dts of the packet that came now."""
        assert self._times is not None, "a packet came before any picture"
        self._last = self._times.popleft()
        return self._last

    def dropped(self, pts: int) -> None:
        """No packet comes of the picture at ``pts``: those after it do not run later for that."""
        if self._times is None:
            return
        if pts in self._times:
            self._times.remove(pts)
        elif len(self._times) > self.delay:
            self._last = self._times.popleft()

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

    def check_distance(self, delay: int, fps: Fraction, time_base: Fraction) -> None:
        """Refuse a ``delay`` that the usual distance of pictures leaves no decoding times for."""
        frame = int(1 / (fps * time_base))
        if delay > self.delay and (1 + self.delay) * frame <= delay:
            raise UnsupportedConfig(
                f"a frame lasts {frame} units of time_base {time_base}, which leaves no room for "
                f"the decoding times of {delay} reordered pictures",
                argument="b_frames",
                hint="open the encoder with a finer time_base, or with as many b_frames as will "
                "be needed",
            )

    def widen(self, delay: int, pts: int) -> None:
        """Let the packets from the picture at ``pts`` on run ``delay`` pictures late.

        The additional times lie evenly between the last dts of the pictures before and ``pts``.
        """
        if delay <= self.delay:
            return
        floor, owed = self._floor(), list(self._times or ())[: -self.delay or None]
        self.delay = delay
        if floor is None:
            self._times = None
            return
        span = pts - floor
        times = [floor + span * n // (delay + 1) for n in range(1, delay + 1)]
        self._times = deque([*owed, *times])

    def _floor(self) -> int | None:
        """The dts of the last packet, the last one owed included."""
        if self._times is not None and len(self._times) > self.delay:
            return self._times[-self.delay - 1]
        return self._last
