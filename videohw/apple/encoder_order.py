"""The order of what an encoder session gives: each packet with its times, errors in their place.

Owns: what is owed to each picture submitted, decoding times, the layout of packets, the count of
what became of pictures. Must not know: threads, queues, the frameworks' calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ..backend import Account, InputPicture
from ..bitstream.convert import annexb_to_nals
from ..bitstream.parameter_sets import ParameterSets
from ..encoding.decode_clock import DecodeClock
from ..encoding.packet_layout import PacketLayout
from ..errors import InvalidBitstream, VideoHwError
from ..sessions.ready_outputs import unexpected
from ..types import EncoderConfig, Packet
from .encoder_failures import dropped, lost_pictures
from .encoder_messages import before_the_picture

_LAST_DROPPED = 64


@dataclass(slots=True)
class Owed:
    """What is kept of a picture until its packet comes."""

    pts: int
    duration: int
    generation: int
    size: tuple[int, int]
    has_time: bool = False  # a decoding time is meant for it
    messages: bytes = b""  # a unit of SEI that goes with it


class PacketOrder:
    """Who is owed what, over all encoders of a session; its lock guards this.

    ``clock`` makes the decoding times; it begins with the delay ``expected`` of the encoder, and
    the first packet brings what its parameter sets say. ``generation`` is that of the pictures
    that come next. An error has the place of its picture: it comes after the packets of all
    pictures before. ``packet_lost``: what was coded could not be given, so that the next picture
    must not refer to it. ``dropped_pts``: the last that the encoder left out.
    """

    def __init__(self, config: EncoderConfig, expected: int, account: Account) -> None:
        self._config = config  # what is taken of it never changes
        self._account = account
        self._layout = PacketLayout(config.codec, config.layout)
        self.clock = DecodeClock(expected)
        self.generation = 0
        self.packet_lost = False
        self._begun = False
        self.owed: dict[int, Owed] = {}  # by serial, in the order of submission
        self.dropped_pts: deque[int] = deque(maxlen=_LAST_DROPPED)
        self._held: deque[tuple[int, VideoHwError]] = deque()  # errors, by serial

    @property
    def extradata(self) -> bytes | None:
        """The avcC or hvcC record; None before the first packet."""
        return self._layout.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """Parameter sets as Annex-B."""
        return self._layout.parameter_sets

    def took(self, item: InputPicture, size: tuple[int, int], messages: bytes) -> Owed:
        """A picture was submitted; ``messages`` go with its packet, a unit of SEI or nothing."""
        owed = Owed(item.pts, item.duration, self.generation, size, messages=messages)
        self.owed[item.serial] = owed
        return owed

    def pushed(self, item: InputPicture) -> None:
        """It went to the encoder."""
        self.clock.submitted(item.pts, item.duration)
        self.owed[item.serial].has_time = True

    def packet(self, serial: int, data: bytes, keyframe: bool) -> Packet | VideoHwError | None:
        """What comes out for a picture; None when nobody waits for it any more."""
        owed = self.owed.pop(serial, None)
        if owed is None:
            return None
        config = self._config
        try:
            if not self._begun:
                self._begin(data)
            # Where a later encoder reorders more than it was taken for, times are held back.
            dts = min(self.clock.next_dts(), owed.pts)
            if owed.messages:
                data = before_the_picture(owed.messages, data, config.codec)
            data, extradata = self._layout.lay_out(data, keyframe)
        except Exception as error:
            self.packet_lost = True
            self._account.add("error")
            return error if isinstance(error, VideoHwError) else unexpected(error)
        return Packet(
            data=data, pts=owed.pts, dts=dts, duration=owed.duration, keyframe=keyframe,
            layout=config.layout, time_base=config.time_base, generation=owed.generation,
            extradata=extradata,
        )  # fmt: skip

    def _begin(self, data: bytes) -> None:
        self._begun = True
        stated = _stated_reorder(self._config.codec, data) if self.clock.delay else None
        if stated is not None:
            self.clock.deepen(stated)

    def drop(self, serial: int, *, tell: bool) -> None:
        """The encoder left the picture out; ``tell`` by an error in its place."""
        owed = self.owed.pop(serial, None)
        if owed is None:
            return
        self._gone(owed)
        self._account.add("dropped")
        self.dropped_pts.append(owed.pts)
        if tell:
            self.hold(serial, dropped(owed.pts))

    def drained(self, before: int) -> VideoHwError | None:
        """Nothing more comes of the pictures before that serial; the error for those owed."""
        lost = [serial for serial in self.owed if serial < before]
        times = []
        for serial in lost:
            owed = self.owed.pop(serial)
            self._gone(owed)
            times.append(owed.pts)
        self._account.add("dropped", len(lost))
        return lost_pictures(times) if lost else None

    def _gone(self, owed: Owed) -> None:
        if owed.has_time:
            self.clock.dropped(owed.pts)

    # Errors

    def fail(self, serial: int, error: VideoHwError) -> None:
        """The picture ends with ``error``."""
        owed = self.owed.pop(serial, None)
        if owed is not None:
            self._gone(owed)
            self._account.add("error")
        self.hold(serial, error)

    def hold(self, before: int, error: VideoHwError) -> None:
        """``error`` comes before the picture of that serial."""
        self._held.append((before, error))

    def due(self) -> Iterator[VideoHwError]:
        """The errors before which no packet is owed any more."""
        while self._held and next(iter(self.owed), self._held[0][0]) >= self._held[0][0]:
            yield self._held.popleft()[1]

    def undone(self, generation: int, before: int) -> None:
        """The switch that began ``generation`` failed: its pictures are of the one ``before``."""
        if self.generation == generation:
            self.generation = before
        for owed in self.owed.values():
            if owed.generation == generation:
                owed.generation = before

    def forget(self) -> None:
        """Nobody is owed anything any more."""
        self.owed.clear()
        self._held.clear()


def _stated_reorder(codec: str, data: bytes) -> int | None:
    """Pictures that may precede one in decoding order and follow it when shown, by the parameter
    sets in ``data``; None where they do not say it."""
    sets = ParameterSets(codec)
    try:
        for nal in annexb_to_nals(data):
            sets.add(nal)
        sps = sets.active_sps
    except InvalidBitstream:
        return None
    found: int | None = sps.stated_num_reorder if sps is not None else None
    return found
