"""``open`` and ``VideoReader``: the frames of a video file.

Owns: which kind of file a source is. Must not know: pixels, codec libraries.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Any, Final

from .arguments import integer
from .backend_table import AUTO
from .color import ColorSpec
from .decoder import Decoder
from .encoding.encoder_config import FrameRate, frame_rate
from .errors import InvalidBitstream, InvalidInput, SessionClosed
from .feed import READ_AHEAD_BYTES, Feed
from .files.demux import ContainerSource
from .files.headers import raw_codec
from .files.media import Source, StreamInfo, VideoTrack
from .files.raw_stream import RAW_EXTENSIONS, RawSource, raw_format
from .files.source_file import source_file
from .frame import Frame
from .known_names import DEFAULT_MAX_IN_FLIGHT_FRAMES

# A float that is a picture's time through rounding only must not miss it.
TICK_TOLERANCE: Final = Fraction(1, 1000)


def open(
    source: Any,
    *,
    stream: int = 0,
    format: str | None = None,
    fps: FrameRate | None = None,
    output: str = "native",
    backend: str = AUTO,
    memory: str = "host",
    device: int | str = 0,
    require_hardware: bool = False,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    color: ColorSpec | None = None,
    chroma: str = "bilinear",
    resize: str = "bilinear",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    low_latency: bool = False,
    on_error: str = "raise",
    max_in_flight: int = DEFAULT_MAX_IN_FLIGHT_FRAMES,
    max_pending_bytes: int = READ_AHEAD_BYTES,
    options: object | None = None,
) -> VideoReader:
    """Open a video file for reading its frames.

    ``source``: a path, bytes, or a binary file object with ``read`` (one that can seek is read
    from its beginning; it stays open). MP4, MOV, MKV, WebM, MPEG-TS and whatever else PyAV
    demuxes, and raw H.264 and HEVC (Annex-B), which need no PyAV. ``stream``: which of the video
    streams, cover pictures not counted. ``format``: names the format where it cannot be found
    out: h264 and hevc for raw streams, else FFmpeg's name. ``fps``: frames per second of a raw
    stream, which is else taken from its VUI, else 25. The rest are arguments of
    :class:`Decoder`.

    Raises :class:`InvalidBitstream` for what is no video file or a damaged one,
    :class:`InvalidInput` for a wrong argument or a file without video, :class:`UnsupportedCodec`,
    and :class:`UnsupportedConfig` when PyAV is missing. A file that is not there or may not be
    read is the system's own :class:`OSError` (:class:`FileNotFoundError` and so on).
    """
    found = open_source(source, stream=stream, format=format, fps=fps)
    return reader_of(
        found, output=output, backend=backend, memory=memory, device=device,
        require_hardware=require_hardware, size=size, crop=crop, color=color, chroma=chroma,
        resize=resize, mean=mean, std=std, low_latency=low_latency, on_error=on_error,
        max_in_flight=max_in_flight, max_pending_bytes=max_pending_bytes, options=options,
    )  # fmt: skip


def reader_of(
    found: Source, *, color: ColorSpec | None, on_error: str, **arguments: Any
) -> VideoReader:
    """A reader of ``found``, which it closes; the rest are arguments of :class:`Decoder`."""
    try:
        decoder = Decoder(
            found.track.codec, color=color_for(found.track, color), on_error=on_error,
            time_base=found.track.time_base, extradata=found.track.extradata, **arguments,
        )  # fmt: skip
    except BaseException as error:
        found.close()
        if isinstance(error, InvalidInput) and error.argument == "extradata":
            raise InvalidBitstream(f"{found.name}: {error.args[0]}", hint=error.hint) from error
        raise
    return VideoReader(Feed(found, decoder, strict=on_error == "raise"))


class VideoReader:
    """Frames of a file, in presentation order; made by :func:`open`.

    Iterate it, or call ``next``. ``Frame.pts`` is the file's own, in :attr:`time_base`: pictures
    of variable timing keep it, and nothing is moved to start at 0. Pictures that the container
    marks as outside its edit list are left out. A raw stream has no times: its pictures get 0,
    1, 2 ... in units of one frame. An error in the stream is raised in its place among the
    frames, and the next call goes on (``on_error`` chooses otherwise). A file that ends before
    the last picture it lists, or in which there is none at all, raises :class:`InvalidBitstream`
    after the last frame. One thread at a time. It has no ``len``: containers state a number of
    pictures, but not always the right one (:attr:`frame_count`).
    """

    def __init__(self, feed: Feed) -> None:
        self._feed: Feed | None = feed
        self._source = feed.source

    def __iter__(self) -> VideoReader:
        return self

    def __next__(self) -> Frame:
        feed = self.feed
        while not feed.ended:
            frame = feed.poll()
            if frame is not None:
                return frame
        raise StopIteration

    def seek(self, seconds: float | Fraction) -> None:
        """Go on with the first frame shown at ``seconds`` or later.

        ``seconds`` is a time as in ``frame.pts * reader.time_base``: see :attr:`start_time` for
        files that do not start at 0. Decoding restarts at the keyframe at or before it, and what
        comes before ``seconds`` is dropped. A raw stream has no index and is decoded from its
        beginning. :class:`UnsupportedConfig` when the source cannot seek.
        """
        feed = self.feed
        exact = exact_seconds("seconds", seconds)
        feed.seek(math.ceil(exact / self.time_base - TICK_TOLERANCE))

    def close(self) -> None:
        """Close the decoder and the file. Frames stay valid. May be repeated."""
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.decoder.close()
            feed.source.close()

    def summary(self) -> Any:
        """The decoder's summary: backend taken and why, what became of each picture."""
        return self.feed.decoder.summary()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # ``for frame in videohw.open(path)`` is the usual way, and has nothing to close by.
        self.close()

    def __repr__(self) -> str:
        track = self._source.track
        return f"<VideoReader {self.name} {track.codec} {track.width}x{track.height}>"

    @property
    def closed(self) -> bool:
        """True once the reader was closed."""
        return self._feed is None

    @property
    def name(self) -> str:
        """The path, or what the file object calls itself."""
        return self._source.name

    @property
    def codec(self) -> str:
        """The codec of the video by its canonical name."""
        return self._source.track.codec

    @property
    def width(self) -> int:
        """Width in pixels as the file states it, before ``size`` and ``crop``; 0 if unknown."""
        return self._source.track.width

    @property
    def height(self) -> int:
        """Height in pixels as the file states it, before ``size`` and ``crop``; 0 if unknown."""
        return self._source.track.height

    @property
    def fps(self) -> Fraction | None:
        """Frames per second on average; of a raw stream that states none, the assumed 25."""
        return self._source.track.fps

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of ``Frame.pts`` and ``Frame.duration``."""
        return self._source.track.time_base

    @property
    def duration(self) -> Fraction | None:
        """Seconds that the file states for the video, else for the whole, else None."""
        return self._source.track.duration

    @property
    def start_time(self) -> Fraction | None:
        """Seconds at which the first picture is shown, None when the file does not say."""
        return self._source.track.start_time

    @property
    def frame_count(self) -> int | None:
        """Pictures that the container states, which may be wrong; None when it does not."""
        return self._source.track.frame_count

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which a player turns the picture; frames come unturned."""
        return self._source.track.rotation

    @property
    def display_matrix(self) -> tuple[int, ...] | None:
        """The container's matrix of nine fixed-point numbers (ISO/IEC 14496-12, 8.3.2)."""
        return self._source.track.display_matrix

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Width through height of a pixel, None when the file does not say."""
        return self._source.track.sample_aspect_ratio

    @property
    def color(self) -> ColorSpec:
        """Colour as stream and container state it."""
        return self._source.track.color

    @property
    def metadata(self) -> Mapping[str, str]:
        """Tags of the file, such as title."""
        return self._source.metadata

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """All streams of the file, this video among them."""
        return self._source.streams

    @property
    def feed(self) -> Feed:
        """The decoder and what feeds it; for this package's own use."""
        if self._feed is None:
            raise SessionClosed("the reader is closed", hint="open the file again")
        return self._feed


def open_source(
    source: Any, *, stream: int = 0, format: str | None = None, fps: FrameRate | None = None
) -> Source:
    """The file behind ``source``, told apart by content, by ``format`` or by its name."""
    stream = integer("stream", stream, 0)
    rate = None if fps is None else frame_rate(fps)
    named = raw_format(format)
    name, file = source_file(source)
    try:
        head = file.look()
        if not head:
            raise InvalidBitstream(f"{name} is empty", offset=0)
        codec = named or (None if format else raw_codec(head))
        if codec is None and format is None and b"\0\0\1" in head:
            codec = RAW_EXTENSIONS.get(os.path.splitext(name)[1].lower())
        if codec is not None:
            return RawSource(file, name, codec, head, fps=rate)
        if rate is not None:
            raise InvalidInput(
                f"fps is given, and {name} is a container, which has its own times",
                argument="fps",
                hint="leave it out",
            )
        # A named pipe, or a shell's <(command), would have lost what was looked at.
        if isinstance(source, (str, os.PathLike)) and file.seekable():
            file.close()
            path = os.path.abspath(os.fsdecode(source))
            return ContainerSource(path, name, stream=stream, format=format)
        return ContainerSource(file, name, stream=stream, format=format)
    except BaseException:
        file.close()
        raise


def color_for(track: VideoTrack, color: ColorSpec | None) -> ColorSpec | None:
    """What a decoder is told of colour: what only the container states, then the caller."""
    if track.container_color is None:
        return color
    return track.container_color.overridden_by(color)


def exact_seconds(argument: str, seconds: object) -> Fraction:
    """``seconds`` as a fraction; :class:`InvalidInput` unless it is a finite number."""
    if isinstance(seconds, (int, float, Fraction)) and not isinstance(seconds, bool):
        try:
            return Fraction(seconds)
        except (ValueError, OverflowError):
            pass
    raise InvalidInput(f"{argument} is {seconds!r}", argument=argument, hint="a time in seconds")
