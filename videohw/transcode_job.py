"""The loop of a transcode: a decoder and an encoder kept busy at once by one thread.

Owns: the times of the pictures in the target, which packets of other streams go along. Must not
know: arguments of the public function; they arrive checked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from .encoder import Encoder
from .errors import InvalidBitstream, InvalidInput
from .feed import WAIT_SECONDS, Feed
from .files.demux import ContainerSource
from .files.media import VideoTrack
from .files.mux import ContainerMuxer, Muxer
from .files.pyav import fraction
from .frame import Frame
from .pixel_format import pixel_format
from .reader import TICK_TOLERANCE, exact_seconds
from .writer import PacketSink

# What a container that states no rate is taken for; it steers the rate control only.
_UNKNOWN_FPS: Final = Fraction(25)
_PROGRESS_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class TranscodeProgress:
    """How far a transcode is: ``frames`` encoded of ``total`` (None: unknown), in ``seconds``."""

    frames: int
    total: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job did; the fields are those of ``TranscodeResult``."""

    width: int
    height: int
    frames_in: int
    frames_out: int
    seconds: float
    size_bytes: int
    duration: Fraction
    copied: Mapping[int, int]
    retimed: int
    decoder: Any
    encoder: Any


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a file that is wanted, in seconds from the beginning of its video."""

    start: Fraction | None
    end: Fraction | None

    @classmethod
    def checked(cls, start: object, end: object) -> Window:
        """From the arguments; :class:`InvalidInput` for what is no time or an empty window."""
        first = None if start is None else exact_seconds("start", start)
        last = None if end is None else exact_seconds("end", end)
        if first is not None and first < 0:
            raise InvalidInput(f"start is {start!r}", argument="start", hint="0 or more seconds")
        if last is not None and last <= (first or 0):
            raise InvalidInput(f"end is {end!r}", argument="end", hint="a time after start")
        return cls(first, last)

    def bounds(self, track: VideoTrack) -> tuple[Fraction | None, Fraction | None]:
        """Start and end as times of the file."""
        origin = track.start_time or Fraction(0)
        return (
            None if self.start is None else origin + self.start,
            None if self.end is None else origin + self.end,
        )

    def frames(self, track: VideoTrack) -> int | None:
        """How many pictures that is, as far as the file says, None when it does not."""
        if self.start is None and self.end is None and track.frame_count:
            return track.frame_count
        end = self.end if self.end is not None else track.duration
        if end is None or track.fps is None:
            return None
        if track.duration is not None:
            end = min(end, track.duration)
        return max(round((end - (self.start or 0)) * track.fps), 0)


def _ticks(seconds: Fraction, time_base: Fraction) -> int:
    """The first tick at or after ``seconds``, forgiving what a float's rounding adds."""
    return math.ceil(seconds / time_base - TICK_TOLERANCE)


class Job:
    """One transcode: the loop, and what it counts."""

    def __init__(
        self,
        feed: Feed,
        muxer: Muxer,
        codec: str,
        settings: Mapping[str, Any],
        window: Window,
        progress: Callable[[TranscodeProgress], object] | None,
    ) -> None:
        self._feed = feed
        self._track = feed.source.track
        self._muxer = muxer
        self._codec = codec
        self._settings = settings
        self._start, self._end = window.bounds(self._track)
        self._total = window.frames(self._track)
        self._progress = progress
        self._sink: PacketSink | None = None
        self._waiting: tuple[Frame, int] | None = None  # until the next picture says how long
        self._last_duration: int | None = None
        self._first_pts: int | None = None
        self._last_pts: int | None = None
        self._frames_in = 0
        self._retimed = 0
        self._copied: dict[int, int] = {}
        self._audio: set[int] = set()  # copied audio streams that have not passed the end yet
        self._began = time.monotonic()
        self._told = self._began

    def copy(self, kept: list[Any]) -> None:
        """Copy the streams ``kept`` and the chapters."""
        source, muxer = self._feed.source, self._muxer
        if not isinstance(source, ContainerSource) or not isinstance(muxer, ContainerMuxer):
            return
        for stream in kept:
            muxer.add_copy(stream)
            self._copied[stream.index] = 0
        self._audio = {stream.index for stream in kept if stream.type == "audio"}
        muxer.set_chapters(self._moved_chapters(source.chapters))
        source.copy_others(list(self._copied), self._copy_packet)

    def run(self) -> Outcome:
        """Do it all; the target has its name when this returns."""
        if self._start is not None:
            self._feed.seek(_ticks(self._start, self._track.time_base))
        self._encode_all()
        sink = self._sink
        if sink is None:
            raise self._nothing()
        while sink.drain() >= 0:
            self._tell()
        self._read_audio_to_the_end()
        decoder, encoder = self._feed.decoder.summary(), sink.encoder.summary()
        self._feed.source.close()  # the target may be the very file that was read
        size_bytes = self._muxer.finish()
        self._tell(last=True)
        return Outcome(
            width=sink.encoder.width,
            height=sink.encoder.height,
            frames_in=self._frames_in,
            frames_out=self._muxer.packets_written,
            seconds=time.monotonic() - self._began,
            size_bytes=size_bytes,
            duration=self._shown_ticks() * self._track.time_base,
            copied=self._copied,
            retimed=self._retimed,
            decoder=decoder,
            encoder=encoder,
        )

    def abort(self) -> None:
        """Remove what was written."""
        if self._sink is not None:
            self._sink.encoder.close()
        self._muxer.abort()

    def close(self) -> None:
        """Close the encoder."""
        if self._sink is not None:
            self._sink.encoder.close()

    def _encode_all(self) -> None:
        offered: tuple[Frame, int, int | None] | None = None
        while True:
            wrote = self._sink.write_ready() if self._sink is not None else 0
            if offered is None:
                frame = self._feed.poll(0 if wrote else WAIT_SECONDS)
                if frame is not None and self._beyond_end(frame):
                    frame = None
                elif frame is None and not self._feed.ended:
                    continue
                offered = self._next_offer(frame)
                if offered is None and frame is None:
                    return
            if offered is not None and self._offer(*offered):
                offered = None
            self._tell()

    def _next_offer(self, frame: Frame | None) -> tuple[Frame, int, int | None] | None:
        """The picture before ``frame``, whose duration is known now; the last one for None."""
        before = self._waiting
        if frame is None:
            self._waiting = None
            if before is None:
                return None
            duration = before[0].duration or self._last_duration
            self._last_duration = duration
            return (*before, duration)
        self._frames_in += 1
        pts = self._time_of(frame)
        self._waiting = (frame, pts)
        if before is None:
            return None
        self._last_duration = pts - before[1]
        return (*before, self._last_duration)

    def _time_of(self, frame: Frame) -> int:
        """The pts of ``frame`` in the target: its own, moved to the start of the window."""
        shift = 0 if self._start is None else round(self._start / self._track.time_base)
        pts = None if frame.pts is None else frame.pts - shift
        last = self._last_pts
        if pts is None or (last is not None and pts <= last):
            self._retimed += 1
            step = (self._last_duration or 1) if pts is None else 1
            pts = 0 if last is None else last + step
        if self._first_pts is None:
            self._first_pts = pts
        self._last_pts = pts
        return pts

    def _shown_ticks(self) -> int:
        """From the first picture to the end of the last, in units of the time base."""
        if self._first_pts is None or self._last_pts is None:
            return 0
        return self._last_pts - self._first_pts + (self._last_duration or 0)

    def _beyond_end(self, frame: Frame) -> bool:
        if self._end is None or frame.pts is None:
            return False
        return frame.pts >= _ticks(self._end, self._track.time_base)

    def _offer(self, frame: Frame, pts: int, duration: int | None) -> bool:
        sink = self._sink
        if sink is None:
            sink = self._sink = PacketSink(self._open_encoder(frame), self._muxer)
        size = (sink.encoder.width, sink.encoder.height)
        # Wherever it lies; what else it is, the encoder converts there too.
        if (frame.width, frame.height) != size:
            frame = frame.convert("native", size=size)
        return sink.offer(frame, pts, duration, timeout=WAIT_SECONDS)

    def _open_encoder(self, frame: Frame) -> Encoder:
        layout = pixel_format(frame.format)
        taken = "p010" if layout.bit_depth > 8 else "nv12" if layout.name == "nv12" else "i420"
        fps = self._track.fps or _UNKNOWN_FPS
        return Encoder(
            self._codec,
            frame.width,
            frame.height,
            fps=min(fps, 1 / self._track.time_base),
            input=taken,
            color=frame.color,
            layout=self._muxer.container.layout,
            time_base=self._track.time_base,
            **self._settings,
        )

    def _copy_packet(self, packet: Any) -> None:
        """A packet of a copied stream, in the order of the file."""
        index, time_base = packet.stream_index, packet.time_base
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and (self._start is not None or self._end is not None):
            seconds = stamp * (fraction(time_base) or Fraction(0))
            if self._end is not None and seconds >= self._end:
                self._audio.discard(index)
                return
            if self._start is not None and seconds < self._start:
                return
            _move(packet, self._start)
        assert isinstance(self._muxer, ContainerMuxer)
        self._muxer.write_copy(packet, index)
        self._copied[index] += 1

    def _read_audio_to_the_end(self) -> None:
        """Audio may lie behind the pictures it belongs to: read on until it has passed the end."""
        while self._end is not None and self._audio and self._feed.source.read() is not None:
            pass

    def _moved_chapters(self, chapters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The chapters inside the window, in its time."""
        moved = []
        for chapter in chapters:
            base = fraction(chapter["time_base"]) or Fraction(1)
            begin, end = chapter["start"] * base, chapter["end"] * base
            first = begin if self._start is None else max(begin, self._start)
            last = end if self._end is None else min(end, self._end)
            if first < last or (self._start is None and self._end is None):
                shift = self._start or 0
                edges = {
                    "start": round((first - shift) / base),
                    "end": round((last - shift) / base),
                }
                moved.append({**chapter, **edges})
        return moved

    def _nothing(self) -> Exception:
        name = self._feed.source.name
        if self._start is not None or self._end is not None:
            return InvalidInput(
                f"{name} has no picture between start and end", argument="start",
                hint=f"it lasts {float(self._track.duration or 0):.3f} seconds",
            )  # fmt: skip
        return InvalidBitstream(f"{name}: no picture could be decoded")

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if self._progress is None or (now - self._told < _PROGRESS_SECONDS and not last):
            return
        self._told = now
        frames = self._muxer.packets_written
        total = frames if last else self._total
        self._progress(TranscodeProgress(frames, total, now - self._began))


def _move(packet: Any, start: Fraction | None) -> None:
    if start is None:
        return
    shift = round(start / (fraction(packet.time_base) or Fraction(1)))
    if packet.pts is not None:
        packet.pts -= shift
    if packet.dts is not None:
        packet.dts -= shift
