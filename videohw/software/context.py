"""One libavcodec decoding context: opened so that it loses no picture, fed, drained.

Owns: the traps of libavcodec and PyAV. Must not know: what becomes of pictures and errors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

from ..decoder_config import DecoderConfig
from ..errors import UnsupportedCodec
from ..status import from_ffmpeg
from .capabilities import decoder_name, load_av
from .threads import Setup

# libavcodec/avcodec.h. Without UNALIGNED the left crop is rounded to what suits its vector code;
# with OUTPUT_CORRUPT damaged pictures come out marked, and our callers decide about them.
_FLAG_UNALIGNED: Final = 1 << 0
_FLAG_OUTPUT_CORRUPT: Final = 1 << 3
_FLAG_LOW_DELAY: Final = 1 << 19
# libavcodec/codec.h
_CAP_DELAY: Final = 1 << 5
_CAP_FRAME_THREADS: Final = 1 << 12
_NO_PICTURE: Final = b"\0"  # for VP8 and VP9
# A filler data NAL unit, behind the mark with which libavcodec's H.264 decoder takes it as no error
# that there is no picture.
_NO_H264_PICTURE: Final = b"Q264\0\0\1\x0c\xff\x80"
_ALL: Final = range(1 << 62)
_UNUSED_SIDE_DATA: Final = "webvtt_settings"  # of subtitles; no video decoder looks at it


class Outcome(NamedTuple):
    """What one step gave: frames in output order, then the error of picture ``serial``.

    The codec may not have noticed, or not noticed yet, that pictures in ``unsure`` are damaged.
    """

    frames: list[Any]
    serial: int | None = None
    error: Exception | None = None
    unsure: Container[int | None] = ()


class DecodingContext:
    """A decoder of one codec, opened by a :class:`Setup`."""

    def __init__(self, config: DecoderConfig, setup: Setup) -> None:
        self.setup = setup
        codec = config.codec
        self._av = load_av()
        name = decoder_name(codec)
        if name is None:
            raise UnsupportedCodec(
                f"this PyAV build has no decoder for {codec}",
                hint="a wheel of PyAV has one for every codec here",
            )
        self._context = context = self._av.CodecContext.create(name, "r")
        context.flags |= _FLAG_UNALIGNED | _FLAG_OUTPUT_CORRUPT
        if config.low_latency and codec == "av1":
            context.flags |= _FLAG_LOW_DELAY  # of dav1d: one frame at a time
        # Film grain is not put in, as on no backend.
        context.options = {**dict(setup.options), "export_side_data": "film_grain"}
        context.thread_count = setup.threads
        context.thread_type = setup.thread_type
        if setup.headers:
            context.extradata = setup.headers
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
        # The last whose result came, one for each thread: when the next result was made, they,
        # or their second fields, may still have been in work.
        self._recent: deque[int | None] = deque(maxlen=self.threads if self.delay else 0)
        self._is_h264 = codec == "h264"
        self.idle = True
        # dav1d may refuse all that comes after a picture that it refused, keyframes too.
        self._sticks = codec == "av1"
        self.stuck = False
        # Headers of MPEG-4 leave traces: what one said of order holds where the next is silent.
        self._remembers = codec == "mpeg4"

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
                if self._is_h264:
                    self._recent.clear()  # all threads are at rest
                yield self._step(None, None)
        finally:
            self.reset()

    def reset(self) -> None:
        """Forget all references and everything held; also due before the context is let go.

        This waits for the frame threads without the GIL, which freeing a context would hold.
        """
        self._fed.clear()
        self._recent.clear()
        self.idle = True
        self.stuck = False
        self._context.flush_buffers()

    @property
    def stale(self) -> bool:
        """Whether the next stream should get a decoder that knows nothing of the last one."""
        return self.idle and self._remembers

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
            self.stuck = self._sticks
        unsure = frozenset(self._recent) if self.setup.checked else _ALL
        done = None
        if len(self._fed) > self.delay:
            done = self._fed.popleft()
            self._recent.append(done)
        elif caught is not None:  # refused before it reached a thread
            done = self._fed.pop()
        return Outcome(frames, done, caught, unsure)

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
        that libavcodec makes by itself. The others hold nothing back and may refuse it. A step
        of draining shows pictures of H.264 that are still in work, so it gets another packet.
        """
        av = self._av
        if not self._holds or self._is_h264:
            return self._packet(_NO_H264_PICTURE if self._is_h264 else _NO_PICTURE)
        packet = av.Packet()
        kind = av.packet.packet_sidedata_type_from_literal(_UNUSED_SIDE_DATA)
        packet.set_sidedata(av.packet.PacketSideData(kind, 1))
        return packet
