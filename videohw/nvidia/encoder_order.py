"""The order of what an encoder session gives: each packet with its times, errors in their place.

Owns: what is owed to each picture submitted, decoding times, the layout of packets, the count of
what became of pictures. Must not know: threads, queues, the driver's calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import _nvenc
from ..backend import Account, EncoderItem, InputPicture, SessionSwitch
from ..encoding.decode_clock import DecodeClock
from ..encoding.packet_layout import PacketLayout
from ..errors import VideoHwError
from ..sessions.ready_outputs import unexpected
from ..types import EncoderConfig, Packet
from .encoder_cores import EncoderCore, Prepared, Staged
from .encoder_failures import no_packets, no_picture


@dataclass(slots=True)
class Owed:
    """What is kept of a picture until its packet comes; ``asked`` is the generation that it was
    submitted for."""

    pts: int
    duration: int
    generation: int
    asked: int
    size: tuple[int, int]


class PacketOrder:
    """Who is owed what, over all encoders of a session; its lock guards this.

    ``clock`` makes the decoding times; ``generation`` is that of the pictures that come next.
    ``packet_lost``: what was coded could not be given, so that the next picture must not refer to
    it. An error has the place of its picture: it comes after the packets of all pictures before.
    """

    def __init__(self, made: Prepared, account: Account) -> None:
        config = made.config
        self._config: EncoderConfig = config  # what is taken of it never changes
        self._account = account
        self._layout = PacketLayout(config.codec, config.layout)
        self._beginning = PacketLayout(config.codec, config.layout)
        self.clock = DecodeClock(made.settings.reorder_delay)
        self.generation = 0
        self.packet_lost = False
        self.owed: dict[int, Owed] = {}  # by serial, in the order of submission
        self._held: deque[tuple[int, VideoHwError]] = deque()  # errors, by serial

    def begins_with(self, sets: bytes) -> None:
        """The parameter sets as the driver tells them, before a keyframe brings them."""
        if sets:
            self._beginning.lay_out(sets, keyframe=True)

    @property
    def extradata(self) -> bytes | None:
        """The avcC, hvcC or av1C record; None where the driver did not tell it yet."""
        return self._layout.extradata or self._beginning.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """Parameter sets as Annex-B, or AV1's sequence header OBU."""
        return self._layout.parameter_sets or self._beginning.parameter_sets

    def took(self, item: InputPicture, size: tuple[int, int]) -> None:
        """A picture was submitted."""
        self.owed[item.serial] = Owed(
            item.pts, item.duration, self.generation, item.generation, size
        )  # fmt: skip

    def refusal(self, made: Prepared, switch: SessionSwitch) -> VideoHwError | None:
        """Why no picture can be coded as ``made`` behind those of before; None where one can."""
        assert switch.first_pts is not None
        try:
            self.clock.check_room(made.settings.reorder_delay, switch.first_pts)
        except VideoHwError as error:
            return error
        return None

    def in_vain(self, items: Sequence[EncoderItem], active: Prepared) -> bool:
        """Whether ``items`` begin with a switch to an encoder that is refused, and the picture
        behind it was staged for that one so that ``active`` cannot take it."""
        switch, picture = items[0], items[-1]
        if not isinstance(switch, SessionSwitch) or not isinstance(picture, InputPicture):
            return False
        made, staged = switch.prepared, picture.pixels
        assert isinstance(made, Prepared)
        assert isinstance(staged, Staged)
        if made.change is not None or made.size != active.size:
            return False  # of another size it is an error in its place
        return self.refusal(made, switch) is not None and not staged.fits(active)

    def widen(self, made: Prepared, switch: SessionSwitch) -> None:
        """The pictures from here on are coded as ``made``."""
        assert switch.first_pts is not None
        self.clock.widen(made.settings.reorder_delay, switch.first_pts)

    def pushed(self, item: InputPicture, core: EncoderCore) -> None:
        """It went to ``core``, which gives one more packet for it."""
        self.clock.submitted(item.pts, item.duration)
        core.decode_times.append((item.serial, self.clock.next_dts()))

    def packet(
        self, core: EncoderCore, serial: int, data: bytes, picture_type: int
    ) -> Packet | VideoHwError:
        """What comes out for the picture ``serial`` of ``core``."""
        owed = self.owed.pop(serial, None)
        if owed is None or not core.decode_times:
            return no_picture(serial)
        _, dts = core.decode_times.popleft()
        config = self._config
        keyframe = picture_type in _nvenc.KEYFRAME_TYPES
        try:
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

    def drained(self, core: EncoderCore, before: int) -> VideoHwError | None:
        """Nothing more comes of the pictures before that serial; the error for those owed."""
        while core.decode_times and core.decode_times[0][0] < before:
            core.decode_times.popleft()
        lost = [serial for serial in self.owed if serial < before]
        times = [self.owed.pop(serial).pts for serial in lost]
        self._account.add("dropped", len(lost))
        return no_packets(times) if lost else None

    # Errors

    def fail(self, serial: int, error: VideoHwError) -> None:
        """The picture ends with ``error``."""
        if self.owed.pop(serial, None) is not None:
            self._account.add("error")
        self.hold(serial, error)

    def hold(self, before: int, error: VideoHwError) -> None:
        """``error`` comes before the picture of that serial."""
        self._held.append((before, error))

    @property
    def holds(self) -> bool:
        """Whether there are errors that wait for their place."""
        return bool(self._held)

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
