"""What an encoder's worker does: pictures through a libavcodec context, one context after another.

Owns: the order of packets and errors, their times and generations, the count of what became of
each picture. Must not know: threads, queues, arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..backend import Account, EncoderItem, EndOfGeneration, InputPicture, SessionSwitch
from ..encoding.decode_clock import DecodeClock
from ..encoding.packet_layout import PacketLayout
from ..errors import BackendError, InvalidInput, VideoHwError
from ..sessions.ready_outputs import unexpected
from ..status import LIBAVCODEC, from_ffmpeg
from ..types import Packet
from .capabilities import load_av
from .encoder_context import EncodingContext, Prepared
from .encoder_pixels import StagedPicture


class _Owed(NamedTuple):
    """What is kept of a picture until its packet comes."""

    duration: int
    generation: int


class EncoderEngine:
    """Drives one libavcodec context at a time (``videohw.sessions.engine.Engine``).

    A drained context is replaced on next use, by one of the settings then in force. ``active``
    is what is coded with; ``waiting`` what was prepared for switches that have not come yet. An
    error has the place of its picture: it comes after the packets of all pictures before.
    """

    def __init__(
        self, opened: Prepared, layout: PacketLayout, account: Account, clock: DecodeClock
    ) -> None:
        self._av = load_av()
        self._layout = layout
        self._account = account
        self._clock = clock
        self._owed: dict[int, _Owed] = {}  # by pts, in the order of submission
        self._held: deque[tuple[int, VideoHwError]] = deque()  # errors by pts
        self._generation = 0
        self._packet_lost = False  # since the last keyframe that was asked for
        self._context = opened.context
        opened.context = None
        self.active = opened
        # They are kept from here too, so that the child of a fork, which keeps the engine, does
        # not free contexts whose threads it does not have.
        self.waiting: list[Prepared] = []

    def process(self, item: EncoderItem) -> Iterator[Packet | VideoHwError]:
        """Encode one picture, or change what the next ones are encoded with."""
        if isinstance(item, SessionSwitch):
            yield from self._switch(item)
        elif isinstance(item, EndOfGeneration):
            yield from self.drain()
        else:
            yield from self._code(item)
        yield from self._due_errors()

    def drain(self) -> Iterator[Packet | VideoHwError]:
        """End of stream: yields every packet still owed."""
        if self._context is None:
            return
        try:
            yield from self._encode(None)
        except self._av.error.FFmpegError as error:
            call = "avcodec_receive_packet"
            yield from_ffmpeg(error, call, doing="encode", about="at the end")
        finally:
            self._context = None
            self._clock.drained()
            lost = list(self._owed)
            self._owed.clear()
            self._account.add("dropped", len(lost))
        yield from self._due_errors()
        if lost:
            yield BackendError(
                f"{self.active.settings.library} gave no packet for pts "
                f"{', '.join(map(str, lost))}",
                domain=LIBAVCODEC,
                call="avcodec_receive_packet",
            )

    def reset(self) -> None:
        """Forget everything held, without output."""
        self._context = None
        self._account.add("reset", len(self._owed))
        self._owed.clear()
        self._held.clear()
        self._clock.drained()

    def close(self) -> None:
        """Free the context and those that wait, and end the threads."""
        self._context = None
        if self.active.stage.workers is not None:
            self.active.stage.workers.close()
        for prepared in self.waiting:
            prepared.context = None
        self.waiting.clear()

    # Pictures

    def _code(self, item: InputPicture) -> Iterator[Packet | VideoHwError]:
        self._owed[item.pts] = _Owed(item.duration, self._generation)
        self._clock.submitted(item.pts, item.duration)
        call = "avcodec_open2"
        try:
            self._check_size(item)
            if self._context is None:
                self._context = self._open(self.active)
            frame = self.active.stage.convert(item.pixels)
            if frame is not item.pixels.frame:
                self._account.converted_bytes += sum(each.buffer_size for each in frame.planes)
            frame.pts = item.pts
            frame.time_base = self.active.config.time_base
            kinds = self._av.video.frame.PictureType
            forced = item.force_keyframe or self._packet_lost
            frame.pict_type = kinds.I if forced else kinds.NONE
            self._packet_lost = False
            call = "avcodec_send_frame"
            yield from self._encode(frame)
        except self._av.error.FFmpegError as error:
            about = f"pts {item.pts}"
            self._fail(item.pts, from_ffmpeg(error, call, doing="encode", about=about))
        except VideoHwError as error:
            self._fail(item.pts, error)
        except Exception:
            self._forget(item.pts)
            raise

    def _check_size(self, item: InputPicture) -> None:
        """Refuse a picture that was submitted for a switch which then failed."""
        staged: StagedPicture = item.pixels
        config = self.active.config
        size = staged.frame.width, staged.frame.height
        if size != (config.width, config.height):
            raise InvalidInput(
                f"the picture at pts {item.pts} is {size[0]}x{size[1]}, for session switch "
                f"{item.generation}, which failed; the encoder goes on with {config.width}x"
                f"{config.height}",
                argument="frame",
                hint="submit it again in the size of the encoder",
            )

    def _encode(self, frame: Any) -> Iterator[Packet | VideoHwError]:
        assert self._context is not None
        for coded in self._context.encode(frame):
            yield self._packet(coded)
            yield from self._due_errors()

    def _packet(self, coded: Any) -> Packet | VideoHwError:
        keyframe = bool(coded.is_keyframe)
        owed = self._owed.pop(coded.pts, None)
        dts = self._clock.next_dts()
        config = self.active.config
        try:
            data, extradata = self._layout.lay_out(bytes(coded), keyframe)
        except Exception as error:
            self._packet_lost = True  # later pictures refer to it: the next one must not
            self._account.add("error")
            return error if isinstance(error, VideoHwError) else unexpected(error)
        return Packet(
            data=data,
            pts=coded.pts,
            dts=dts,
            duration=owed.duration if owed else None,
            keyframe=keyframe,
            layout=config.layout,
            time_base=config.time_base,
            generation=owed.generation if owed else self._generation,
            extradata=extradata,
        )

    # Errors in their place

    def _fail(self, pts: int, error: VideoHwError) -> None:
        """The picture at ``pts`` ends with ``error``."""
        self._forget(pts)
        self._held.append((pts, error))

    def _forget(self, pts: int) -> None:
        if self._owed.pop(pts, None) is not None:
            self._account.add("error")

    def _due_errors(self) -> Iterator[VideoHwError]:
        """The errors before which no packet is owed any more."""
        while self._held and next(iter(self._owed), self._held[0][0]) >= self._held[0][0]:
            yield self._held.popleft()[1]

    # Switches

    def _switch(self, switch: SessionSwitch) -> Iterator[Packet | VideoHwError]:
        prepared, first_pts = switch.prepared, switch.first_pts
        assert isinstance(prepared, Prepared)
        assert first_pts is not None
        if prepared in self.waiting:
            self.waiting.remove(prepared)
        delay = prepared.settings.reorder_delay
        try:
            self._clock.check_room(delay, first_pts)
            going_on = self._reconfigured(prepared)
            context = self._context if going_on else self._opened(prepared)
        except VideoHwError as error:
            switch.error, switch.state = error, "failed"
            self._held.append((first_pts, error))
            return
        finally:
            prepared.context = None
        if not going_on:
            yield from self.drain()
            self._clock.widen(delay, first_pts)
        self._context = context
        self.active = prepared
        self._generation = switch.generation
        switch.state = "active"

    def _reconfigured(self, prepared: Prepared) -> bool:
        """Whether the running context took the settings; they may be made for another one, when
        a switch between them failed."""
        return (
            prepared.live is not None
            and prepared.base == self._generation
            and self._context is not None
            and self._context.reconfigure(prepared.live)
        )

    def _opened(self, prepared: Prepared) -> EncodingContext:
        return prepared.context or self._open(prepared)

    def _open(self, prepared: Prepared) -> EncodingContext:
        return EncodingContext(prepared.config, prepared.settings)
