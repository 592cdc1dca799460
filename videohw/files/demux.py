"""Coded pictures out of a file: which stream, in what layout, when each is shown.

Owns: opening a container with PyAV, choosing the video stream, what a decoder must be told of it,
seeking to a keyframe. Must not know: pixels, sessions. Raw Annex-B files are in
:mod:`videohw.files.raw_stream`, behind the same :class:`Source`.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from typing import Any, Final

from ..bitstream import config_record
from ..bitstream.convert import nals_to_length_prefixed
from ..color import ColorSpec
from ..errors import InvalidInput, UnsupportedCodec, UnsupportedConfig, VideoHwError
from ..known_names import CODEC_ALIASES, DECODER_CODECS
from .headers import av1_color, first_sps, nals_in, sps_color
from .media import Sample, StreamInfo, VideoTrack
from .packed import Unpacker
from .pyav import (
    av_errors,
    detail,
    fraction,
    lenient_tags,
    load_av,
    open_container,
    packets_of,
    writes_time_codes,
)
from .vc1_packets import Vc1Packets

AV_TIME_BASE: Final = 1_000_000  # units of AVFormatContext.duration in a second
IDENTITY: Final = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)  # display matrix, 16.16 and 2.30
# Codecs whose decoders are told the headers that the container keeps apart.
_WITH_EXTRADATA: Final = frozenset({"h264", "hevc", "av1", "mpeg1", "mpeg2", "mpeg4", "vc1"})
# When a seek lands after the wanted picture, the next try starts this much earlier, then doubles.
SEEK_STEP_SECONDS: Final = 1
_BEFORE_START_SECONDS: Final = 10
_LAST_PTS: Final = (1 << 63) - 1
_PLAUSIBLE_FPS: Final = 1000
_SEEKABLE: Final = "give a path or a seekable file object"


class ContainerSource:
    """The video stream of a container, read with PyAV."""

    timed: bool = True

    def __init__(self, source: Any, name: str, *, stream: int, format: str | None) -> None:
        av = load_av(f"reading {name}")
        self.name = name
        self._files = () if isinstance(source, str) else (source,)
        self._can_seek = all(file.seekable() for file in self._files)
        self.container = open_container(av, source, name, format=format, **lenient_tags(av))
        try:
            self.stream = self._choose(stream)
            self.streams: tuple[StreamInfo, ...] = tuple(
                _stream_info(av, each) for each in self.container.streams
            )
            self.metadata: Mapping[str, str] = dict(self.container.metadata)
            self.track = _track(av, self.container, self.stream)
        except BaseException:
            self.container.close()
            raise
        self.chapters: list[dict[str, Any]] = self.container.chapters()
        # Tracks that only carry the chapters are marked so by the demuxer.
        hidden = av.stream.Discard.all
        self._hidden = {s.index for s in self.container.streams if s.discard == hidden}
        self._copied: frozenset[int] = frozenset()
        self._on_other: Callable[[Any], None] | None = None
        self._discard(av, keep=frozenset({self.stream.index}))
        self._av = av
        self._unpacker = _unpacker(av, self.container, self.stream, self.track.codec)
        self._packets = self._demux()
        self._held: deque[Any] = deque()  # the packets that a seek looked at
        self._packets_read, self._from_start = 0, True

    def other_streams(self) -> list[Any]:
        """PyAV's streams beside the video that is read.

        The tracks of chapters and of a time code are none: both are made anew, of the chapters
        and of the tag ``timecode`` that the video has too.
        """
        made = self._hidden | {self.stream.index}
        code = ""
        if writes_time_codes(self._av):
            code = self.stream.metadata.get("timecode", "")
        return [
            stream
            for stream in self.container.streams
            if stream.index not in made
            and not (stream.type == "data" and code and stream.metadata.get("timecode") == code)
        ]

    def copy_others(self, indices: Collection[int], sink: Callable[[Any], None]) -> None:
        """Give the packets of the streams ``indices`` to ``sink``, in the order of the file."""
        self._discard(self._av, keep=frozenset({self.stream.index, *indices}))
        self._copied = frozenset(indices)
        self._on_other = sink

    def read(self) -> Sample | None:
        """The next coded picture, or None at the end of the file."""
        while True:
            packet = self._next_packet()
            if packet is None:
                return None
            if packet.stream_index == self.stream.index:
                self._packets_read += 1
                sample = _sample(self.track, packet)
                if sample.data:
                    return sample
                continue
            # What was read while the file was opened comes too, whatever is discarded since.
            if self._on_other is not None and packet.stream_index in self._copied:
                self._on_other(packet)

    def seek(self, pts: int) -> None:
        """Go to the last keyframe shown at or before ``pts``, or to the first picture."""
        if not self._can_seek:
            raise UnsupportedConfig(f"{self.name} cannot seek", hint=_SEEKABLE)
        first = self.stream.start_time or 0
        time_base = self.track.time_base
        step = 0
        while True:
            if pts - step <= first:
                self._rewind(first)
                break
            self._seek_container(pts - step)
            key = self._find_keyframe()
            if key is not None and key.pts is not None and key.pts <= pts:
                break
            step = max(2 * step, math.ceil(SEEK_STEP_SECONDS / time_base))
        self._from_start = False

    def close(self) -> None:
        """Close the container. A file object that the caller gave stays open."""
        for each in (self._packets, self.container, *self._files):
            each.close()

    @property
    def cut_short(self) -> str | None:
        """At the end of the file: how many of the stated pictures were missing, or None."""
        entries = len(self.stream.index_entries)
        if not (self._from_start and "mp4" in self.container.format.name):
            return None  # only the index of MP4 and MOV lists every picture
        if entries <= self._packets_read:
            return None
        return f"the file ends after {self._packets_read} of the {entries} pictures it lists"

    def _choose(self, number: int) -> Any:
        av = load_av(f"reading {self.name}")
        attached = av.stream.Disposition.attached_pic
        videos = [s for s in self.container.streams.video if not s.disposition & attached]
        if not videos:
            raise InvalidInput(f"{self.name} holds no video stream", argument="source")
        if not 0 <= number < len(videos):
            raise InvalidInput(
                f"{self.name} has no video stream {number}",
                argument="stream",
                hint=f"0 to {len(videos) - 1}",
            )
        return videos[number]

    def _discard(self, av: Any, keep: frozenset[int]) -> None:
        discard = av.stream.Discard
        for stream in self.container.streams:
            stream.discard = discard.default if stream.index in keep else discard.all

    def _demux(self) -> Generator[Any, None, None]:
        packets = packets_of(self._av, self.container)
        return packets if self._unpacker is None else self._unpacker.apart(packets)

    def _next_packet(self) -> Any:
        if self._held:
            return self._held.popleft()
        with av_errors("reading", self.name):
            for packet in self._packets:
                if packet.size:  # PyAV ends every stream with an empty packet
                    return packet
        return None

    def _seek_container(self, *places: int) -> None:
        """Go to the first of ``places`` that can be reached."""
        self._held.clear()
        self._packets.close()
        for pts in places:
            with suppress(self._av.error.FFmpegError):
                self.container.seek(max(min(pts, _LAST_PTS), -_LAST_PTS), stream=self.stream)
                break
        else:
            # No index yet, as in FLV: the beginning can be reached all the same.
            self._rewind_bytes()
        self._packets = self._demux()

    def _rewind(self, first: int) -> None:
        """Go to the first packet; its dts may be well before the first picture is shown."""
        before = first - math.ceil(_BEFORE_START_SECONDS / self.track.time_base)
        self._seek_container(before, first)  # AVI goes nowhere before its first packet

    def _rewind_bytes(self) -> None:
        try:
            self.container.seek(0, unsupported_byte_offset=True)
        except self._av.error.FFmpegError as error:
            raise UnsupportedConfig(
                f"{self.name} cannot seek: {detail(error)}", hint=_SEEKABLE
            ) from error

    def _find_keyframe(self) -> Any:
        """Drop pictures up to the first keyframe, which is held; MPEG-TS seeks to any picture."""
        held: deque[Any] = deque()
        while (packet := self._next_packet()) is not None:
            video = packet.stream_index == self.stream.index
            if not video or packet.is_keyframe:
                held.append(packet)
            if video and packet.is_keyframe:
                self._held = held
                return packet
        return None


def _unpacker(av: Any, container: Any, stream: Any, codec: str) -> Unpacker | Vc1Packets | None:
    """What puts right the packets of a codec of which the demuxer does not know enough."""
    if codec == "mpeg4":
        return Unpacker(av, stream)
    if codec == "vc1":
        return Vc1Packets(stream, untimed=container.format.name in ("avi", "asf"))
    return None


def _sample(track: VideoTrack, packet: Any) -> Sample:
    """PyAV's packet in the track's layout."""
    data = bytes(packet)
    if track.layout == "annexb":
        # libavcodec's parsers leave the zero_byte of the next start code here, where it would
        # be the beginning of the next access unit and take this packet's pts.
        data = data.rstrip(b"\0")
    elif track.layout == "length_prefixed" and packet.has_sidedata("new_extradata"):
        data = _sets_in_band(track, bytes(packet.get_sidedata("new_extradata"))) + data
    return Sample(data, packet.pts, packet.duration or None, packet.is_discard)


def _sets_in_band(track: VideoTrack, extradata: bytes) -> bytes:
    """The parameter sets of a new avcC or hvcC as length-prefixed NAL units of the track."""
    record = config_record.AvcConfig if track.codec == "h264" else config_record.HevcConfig
    now = record.parse(track.extradata or extradata)
    return nals_to_length_prefixed(record.parse(extradata).nals(), now.length_size)


def _track(av: Any, container: Any, stream: Any) -> VideoTrack:
    context = stream.codec_context
    name = context.codec.canonical_name if context is not None else "unknown"
    codec = CODEC_ALIASES.get(name, name)
    if codec not in DECODER_CODECS:
        hint = f"videohw decodes {', '.join(DECODER_CODECS)}"
        if name == "wmv3":
            hint += "; of VC-1 the Advanced profile, not Simple and Main as this is"
        raise UnsupportedCodec(f"the video is {name}", hint=hint)
    extradata = bytes(context.extradata or b"")
    time_base = fraction(stream.time_base) or Fraction(1, 90000)
    color = _stated_color(context)
    sps = _coded_sps(codec, extradata)
    duration = _seconds(stream.duration, time_base)
    if duration is None:
        duration = _seconds(container.duration, Fraction(1, AV_TIME_BASE))
    counted = stream.metadata.get("NUMBER_OF_FRAMES", "")  # as mkvmerge writes it
    stated_frames = stream.frames or (int(counted) if counted.isdecimal() else 0)
    return VideoTrack(
        codec=codec,
        layout=_layout(codec, extradata),
        extradata=extradata or None if codec in _WITH_EXTRADATA else None,
        time_base=time_base,
        width=context.width,
        height=context.height,
        fps=_rate(stream, sps),
        duration=duration,
        start_time=_seconds(stream.start_time, time_base),
        frame_count=stated_frames or None,
        display_matrix=_display_matrix(av, stream),
        sample_aspect_ratio=fraction(stream.sample_aspect_ratio),
        color=color,
        container_color=_container_only(codec, sps, extradata, color),
        metadata=dict(stream.metadata),
    )


def _layout(codec: str, extradata: bytes) -> str:
    if codec in ("h264", "hevc"):
        # avcC and hvcC begin with configurationVersion 1, Annex-B with a zero byte.
        return "length_prefixed" if extradata[:1] == b"\1" else "annexb"
    return "frame"


def _seconds(ticks: int | None, time_base: Fraction) -> Fraction | None:
    return None if ticks is None else ticks * time_base


def _rate(stream: Any, sps: Any) -> Fraction | None:
    """Frames per second: the average, what the coded stream states, or FFmpeg's guess."""
    guess = fraction(stream.guessed_rate)
    if guess is not None and guess > _PLAUSIBLE_FPS:
        guess = None  # a time base that was mistaken for a rate
    coded: Fraction | None = sps.fps if sps is not None else None
    return fraction(stream.average_rate) or coded or guess


def _stream_info(av: Any, stream: Any) -> StreamInfo:
    time_base = fraction(stream.time_base)
    context = stream.codec_context
    codec = context.codec.canonical_name if context is not None else getattr(stream, "name", None)
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=codec,
        time_base=time_base,
        duration=_seconds(stream.duration, time_base) if time_base else None,
        language=stream.metadata.get("language"),
        disposition=tuple(
            name
            for name, flag in av.stream.Disposition.__members__.items()
            if stream.disposition & flag
        ),
        metadata=dict(stream.metadata),
    )


def _stated_color(context: Any) -> ColorSpec:
    """Colour as FFmpeg found it: the stream's where it states one, else the container's."""
    components = context.format.components if context.format is not None else ()
    depth = components[0].bits if components else None
    return ColorSpec.from_code_points(
        matrix=context.colorspace,
        primaries=context.color_primaries,
        transfer=context.color_trc,
        full_range={1: False, 2: True}.get(context.color_range),
        bit_depth=depth if depth and depth >= 8 else None,
    )


def _container_only(codec: str, sps: Any, extradata: bytes, found: ColorSpec) -> ColorSpec | None:
    """The fields of ``found`` that the coded stream does not state itself, or None."""
    if codec in ("vp8", "vp9"):
        # VP9 7.2.2 codes the matrix and the range; primaries and transfer are WebM's.
        return ColorSpec(primaries=found.primaries, transfer=found.transfer)
    stated = av1_color(extradata) if codec == "av1" else sps and sps_color(sps)
    if stated is None:
        return None
    return ColorSpec(
        matrix=None if stated.matrix else found.matrix,
        range=None if stated.range else found.range,
        primaries=None if stated.primaries else found.primaries,
        transfer=None if stated.transfer else found.transfer,
    )


def _coded_sps(codec: str, extradata: bytes) -> Any:
    """The first SPS among the headers that the container keeps apart, or None."""
    if codec not in ("h264", "hevc"):
        return None
    if extradata[:1] != b"\1":
        return first_sps(codec, nals_in(extradata))
    record = config_record.AvcConfig if codec == "h264" else config_record.HevcConfig
    try:
        return first_sps(codec, record.parse(extradata).nals())
    except VideoHwError:
        return None


def _display_matrix(av: Any, stream: Any) -> tuple[int, ...] | None:
    """The stream's display matrix, None when there is none.

    PyAV shows it on decoded frames only. A fragmented MP4 writes it with its header, so the
    stream is described to a muxer and the matrix read from the ``tkhd`` box that comes out.
    MP4 cannot hold VP8, whose matrix therefore stays unknown.
    """
    header = BytesIO()
    try:
        with av.open(
            header, "w", format="mp4", container_options={"movflags": "empty_moov"}
        ) as muxer:
            muxer.add_stream_from_template(stream, opaque=True)
            muxer.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return None
    # ISO/IEC 14496-12, 8.3.2: in version 0 the matrix is 40 bytes into the box's payload.
    box = header.getvalue().partition(b"tkhd")[2]
    if len(box) < 76:
        return None
    matrix = struct.unpack(">9i", box[40:76])
    return None if matrix == IDENTITY else matrix
