"""One libavcodec decoding context: opened so that it loses no picture, fed, drained.

Owns: the traps of libavcodec and PyAV. Must not know: what becomes of pictures and errors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

from ..backend import SequenceInfo
from ..errors import UnsupportedCodec
from ..status import from_ffmpeg
from ..types import DecoderConfig
from .capabilities import decoder_name, load_av

# libavcodec/avcodec.h. Without UNALIGNED the left crop is rounded to what suits its vector code;
# with OUTPUT_CORRUPT damaged pictures come out marked, and our callers decide about them.
_FLAG_UNALIGNED: Final = 1 << 0
_FLAG_OUTPUT_CORRUPT: Final = 1 << 3
_FLAG_LOW_DELAY: Final = 1 << 19
# libavcodec/codec.h
_CAP_DELAY: Final = 1 << 5
_CAP_FRAME_THREADS: Final = 1 << 12
_NO_PICTURE: Final = b"\0"  # for VP8 and VP9
_UNUSED_SIDE_DATA: Final = "webvtt_settings"  # of subtitles; no video decoder looks at it


class Outcome(NamedTuple):
    """What one step gave: frames in output order, then the error of picture ``serial``."""

    frames: list[Any]
    serial: int | None = None
    error: Exception | None = None


class Setup(NamedTuple):
    """What a context is opened with; it cannot be changed afterwards.

    ``options`` are for libavcodec. ``thread_type`` is AUTO, FRAME or SLICE.
    """

    options: tuple[tuple[str, str], ...]
    thread_type: str


def setup_for(config: DecoderConfig, thread_type: str, sequence: SequenceInfo) -> Setup:
    """The setup that pictures of ``sequence`` need."""
    options: tuple[tuple[str, str], ...] = ()
    if config.codec == "h264" and sequence.reorders:
        # libavcodec otherwise guesses the reordering depth of streams that do not state it, and
        # drops pictures until it has guessed right. Where nothing reorders it would only wait.
        options = (("strict", "1"),)
    # Frame threads of libavcodec 62 decode explicit RDPCM wrongly from the second picture on.
    if config.low_latency or sequence.range_extension:
        thread_type = "SLICE"
    return Setup(options, thread_type)


class DecodingContext:
    """A decoder of one codec, opened by a :class:`Setup`."""

    def __init__(self, config: DecoderConfig, threads: int | None, setup: Setup) -> None:
        self.setup = setup
        codec = config.codec
        self._av = load_av()
        name = decoder_name(codec)
        if name is None:
            raise UnsupportedCodec(f"this PyAV build has no decoder for {codec}")
        self._context = context = self._av.CodecContext.create(name, "r")
        context.flags |= _FLAG_UNALIGNED | _FLAG_OUTPUT_CORRUPT
        if config.low_latency and codec == "av1":
            context.flags |= _FLAG_LOW_DELAY  # of dav1d: one frame at a time
        context.options = dict(setup.options)
        context.thread_count = threads or 0
        context.thread_type = setup.thread_type
        try:
            context.open()
        except self._av.error.FFmpegError as error:
            raise from_ffmpeg(error, f"avcodec_open2({name})", doing="open") from error
        self.name = name
        self.threads = int(context.thread_count)
        can = context.codec.capabilities
        by_frame = bool(can & _CAP_FRAME_THREADS) and setup.thread_type != "SLICE"
        # With frame threads the result of a picture comes this many pictures later.
        self.delay = max(self.threads - 1, 0) if by_frame else 0
        self._holds = bool(can & _CAP_DELAY)
        self._fed: deque[int | None] = deque()  # pictures whose result has not come
        self.idle = True

    def decode(self, data: bytes, serial: int) -> Outcome:
        """Feed one picture; its frame carries ``serial`` as pts."""
        packet = self._packet(data)
        packet.pts = serial
        self.idle = False
        return self._step(packet, serial)

    def drain(self) -> Iterator[Outcome]:
        """Everything that is held; afterwards the context is as if it had decoded nothing.

        Draining is one call of PyAV, which keeps nothing of what came before or after an error
        in it. So the pictures still in frame threads are pushed out first, one a call, by
        packets that are no picture.
        """
        if self.idle:
            return
        try:
            for _ in range(self.delay):
                yield self._step(self._bubble(), None)
            if self._holds or not self.delay:
                self._fed.clear()
                yield self._step(None, None)
        finally:
            self.reset()

    def reset(self) -> None:
        """Forget all references and everything held; also due before the context is let go.

        This waits for the frame threads without the GIL, which freeing a context would hold.
        """
        self._fed.clear()
        self.idle = True
        self._context.flush_buffers()

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Shape of a pixel in the newest sequence, None when it is not stated."""
        value = self._context.sample_aspect_ratio  # Fraction, or PyAV's own rational from 19 on
        return Fraction(value.numerator, value.denominator) if value else None

    def _step(self, packet: Any, serial: int | None) -> Outcome:
        self._fed.append(serial)
        frames: list[Any] = []
        caught = None
        try:
            frames = self._context.decode(packet)
        except self._av.error.FFmpegError as error:
            caught = error
        done = None
        if len(self._fed) > self.delay:
            done = self._fed.popleft()
        elif caught is not None:  # refused before it reached a thread
            done = self._fed.pop()
        return Outcome(frames, done, caught)

    def _packet(self, data: bytes) -> Any:
        """A packet in libavcodec's own memory.

        Made of bytes, it would hold these: a frame thread then takes the GIL to let go of them,
        while PyAV holds it and waits for that thread (freeing a context) or while the process
        forks. And libavcodec may read some bytes past the end, which only its memory has.
        """
        packet = self._av.Packet(len(data))
        packet.update(data)
        return packet

    def _bubble(self) -> Any:
        """A packet that passes through the frame threads and changes no picture.

        For codecs that reorder it is empty but for side data: a step of draining, like those
        that libavcodec makes by itself. The others hold nothing back and may refuse it.
        """
        av = self._av
        if not self._holds:
            return self._packet(_NO_PICTURE)
        packet = av.Packet()
        kind = av.packet.packet_sidedata_type_from_literal(_UNUSED_SIDE_DATA)
        packet.set_sidedata(av.packet.PacketSideData(kind, 1))
        return packet
