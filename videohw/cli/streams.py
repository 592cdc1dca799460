"""The coded pictures of a file with their times, for `inspect`: a raw stream or a container.

Reads forward and holds one picture. What is damaged becomes a :class:`Problem` and reading goes
on. Decodes no pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO, Protocol

from ..bitstream import AccessUnit, open_assembler
from ..bitstream.config_record import AvcConfig, HevcConfig
from ..bitstream.convert import length_prefixed_to_annexb, nals_to_annexb
from ..bitstream.mpeg4_layer import parse_layer
from ..errors import InvalidBitstream, VideoHwError
from ..files.headers import raw_codec
from ..files.pyav import (
    av_errors,
    fraction,
    lenient_tags,
    load_av,
    open_container,
    packets_of,
)
from ..files.raw_stream import RAW_EXTENSIONS
from .errors import CommandFailed
from .targets import STANDARD, standard_input

CHUNK_BYTES = 64 << 10
# A raw stream is told by a parameter set in its first bytes.
HEAD_BYTES = 256 << 10
# A visual object sequence, or a video object (ISO/IEC 14496-2 table 6-3).
_MPEG4_BEGINS = frozenset(bytes((code,)) for code in (*range(0x20), 0xB0))
# A damaged file can give one problem for each picture; the count stays exact beyond this.
MAX_PROBLEMS = 50
# FFmpeg's names of the codecs whose pictures our parser reads.
PARSED_CODECS = {"h264": "h264", "hevc": "hevc"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded picture. ``unit`` is None for codecs that are not parsed. ``offset`` is its
    position in the file where known; times are in the time base of the stream."""

    unit: AccessUnit | None
    size: int
    keyframe: bool
    offset: int | None = None
    pts: int | None = None
    dts: int | None = None
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something damaged: where (byte offset in the file, None when unknown), and what."""

    message: str
    offset: int | None = None

    def __str__(self) -> str:
        return self.message if self.offset is None else f"at byte {self.offset}: {self.message}"


@dataclass(slots=True)
class StreamInfo:
    """What the file itself says of the stream, before any picture was read.

    ``container`` is None for a raw stream. ``others`` are the file's other streams, one text
    each. ``header_nals``: parameter sets, and SEI messages perhaps, of the container's header.
    """

    codec: str
    container: str | None = None
    time_base: Fraction | None = None
    fps: Fraction | None = None
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    extradata: str | None = None
    header_nals: list[bytes] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


class Problems:
    """The problems of a file: all are counted, the first ones kept."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0

    def add(self, error: Exception, base: int | None = None) -> None:
        """Note ``error``; its own offset counts from ``base``, bytes from the file's start."""
        self.count += 1
        if len(self.kept) < MAX_PROBLEMS:
            own = getattr(error, "offset", None)
            message = str(error.args[0]) if error.args else str(error)
            parts = [part for part in (base, own) if part is not None]
            self.kept.append(Problem(message, sum(parts) if parts else None))


def raw_stream_codec(head: bytes, name: str) -> str | None:
    """The codec of a raw stream that begins with ``head``, None when it is none of ours.

    By its first bytes, else by the ending of its file name.
    """
    if (codec := raw_codec(head)) is not None:
        return codec
    if head.startswith(b"\0\0\1\xb3"):  # a sequence header; MPEG-2 adds an extension (B5)
        return "mpeg2" if b"\0\0\1\xb5" in head else "mpeg1"
    if _begins_mpeg4(head):
        return "mpeg4"
    if head.startswith(b"\0\0\1\x0f"):  # a sequence header
        return "vc1"
    if head.startswith((b"\x12\x00\x0a", b"\x12\x00\x08")):  # delimiter, sequence header
        return "av1"
    return RAW_EXTENSIONS.get(os.path.splitext(name)[1].lower())


def _begins_mpeg4(head: bytes) -> bool:
    """Whether headers of MPEG-4 part 2 come first, a layer that can be read among them."""
    if head[:3] != b"\0\0\1" or head[3:4] not in _MPEG4_BEGINS:
        return False
    try:
        return parse_layer(head) is not None
    except InvalidBitstream:
        return False


class VideoStream(Protocol):
    """The coded pictures of one stream in decoding order."""

    info: StreamInfo

    def __iter__(self) -> Iterator[Sample]: ...


@contextmanager
def open_stream(
    name: str, codec: str | None, index: int, problems: Problems
) -> Iterator[VideoStream]:
    """The video stream of the file ``name``, "-" being standard input.

    ``codec`` says that it is a raw stream of that codec; None lets the first bytes decide.
    ``index`` counts the video streams of a container.
    """
    with ExitStack() as stack:
        stream = standard_input() if name == STANDARD else stack.enter_context(open(name, "rb"))
        head = stream.read(HEAD_BYTES)
        if not head:
            raise CommandFailed(f"{name} is empty")
        codec = codec or raw_stream_codec(head, name)
        if codec is not None:
            yield RawStream(stream, codec, problems, head)
            return
        if not stream.seekable():
            raise CommandFailed(
                f"{name} is a pipe and no raw stream that is known",
                hint="--codec names its codec; give a container by its file name",
            )
        stream.seek(0)
        container = ContainerStream(stream if name == STANDARD else name, name, problems, index)
        stack.callback(container.close)
        yield container


class RawStream:
    """An elementary stream: Annex-B, MPEG start codes, or low-overhead OBUs."""

    def __init__(self, stream: BinaryIO, codec: str, problems: Problems, head: bytes = b"") -> None:
        self._stream = stream
        self._head = head
        self._problems = problems
        self.info = StreamInfo(codec)

    def __iter__(self) -> Iterator[Sample]:
        assembler = open_assembler(self.info.codec)
        data = self._head or self._stream.read(CHUNK_BYTES)
        while data:
            self._attempt(assembler.feed, data)
            yield from self._ready(assembler)
            data = self._stream.read(CHUNK_BYTES)
        self._attempt(assembler.finish)
        yield from self._ready(assembler)
        if assembler.garbage_bytes:
            self._problems.add(
                InvalidBitstream(f"{assembler.garbage_bytes} bytes belong to no NAL unit")
            )

    def _attempt(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except VideoHwError as error:
            self._problems.add(error)

    def _ready(self, assembler: Any) -> Iterator[Sample]:
        while True:
            try:
                unit = assembler.take()
            except InvalidBitstream as error:
                self._problems.add(error)
                continue
            if unit is None:
                return
            yield Sample(unit, len(unit.data), unit.keyframe, unit.offset)


class ContainerStream:
    """One video stream of a container, read through PyAV."""

    def __init__(
        self, source: str | BinaryIO, name: str, problems: Problems, index: int = 0
    ) -> None:
        av = load_av(f"reading {name}")
        self._av = av
        self._name = name
        self._problems = problems
        try:
            # Tags are printed, so what is not UTF-8 in them is replaced.
            tags = dict.fromkeys(lenient_tags(av), "replace")
            self._container = open_container(av, source, name, **tags)
        except InvalidBitstream:
            raise CommandFailed(
                f"{name} is no video file that is known",
                hint="--codec names the codec of a raw stream",
            ) from None
        videos = self._container.streams.video
        if index >= len(videos):
            self._container.close()
            raise InvalidBitstream(
                f"{name} has {len(videos)} video streams",
                hint="--stream counts from 0" if videos else "check that it is a video file",
            )
        self._stream = videos[index]
        self.info = self._describe()
        self._length_size = self._read_extradata()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Sample]:
        assembler = open_assembler(self.info.codec) if self._parsed else None
        if assembler is not None and self.info.header_nals:
            assembler.feed(nals_to_annexb(self.info.header_nals))
            assembler.finish()  # they belong to no access unit
        for packet in self._packets():
            if assembler is None:
                yield self._sample(packet, None)
            else:
                yield from self._units(packet, assembler)

    @property
    def _parsed(self) -> bool:
        return self.info.codec in PARSED_CODECS.values()

    def _packets(self) -> Iterator[Any]:
        try:
            with av_errors("demux", self._name):
                for packet in packets_of(self._av, self._container, self._stream):
                    if packet.size:
                        yield packet
        except InvalidBitstream as error:
            self._problems.add(error)

    def _units(self, packet: Any, assembler: Any) -> Iterator[Sample]:
        data, offset = bytes(packet), packet.pos
        try:
            if self._length_size:
                data = length_prefixed_to_annexb(data, self._length_size)
            assembler.feed(data, end_of_unit=True)
        except VideoHwError as error:
            self._problems.add(error, offset)
            yield self._sample(packet, None)
            return
        first = True
        while True:
            try:
                unit = assembler.take()
            except InvalidBitstream as error:
                self._problems.add(InvalidBitstream(str(error.args[0])), offset)
                continue
            if unit is None:
                break
            yield self._sample(packet, unit, timed=first)
            first = False
        if first:
            self._problems.add(InvalidBitstream("a packet holds no picture"), offset)

    def _sample(self, packet: Any, unit: AccessUnit | None, *, timed: bool = True) -> Sample:
        size = packet.size if unit is None else len(unit.data)
        key = bool(packet.is_keyframe) if unit is None else unit.keyframe
        if not timed:  # the second field of a packet shares the time of the first
            return Sample(unit, size, key, packet.pos)
        duration = packet.duration or None
        return Sample(unit, size, key, packet.pos, packet.pts, packet.dts, duration)

    def _describe(self) -> StreamInfo:
        stream, container = self._stream, self._container
        context = stream.codec_context
        seconds = None if container.duration is None else container.duration / 1_000_000
        return StreamInfo(
            codec=PARSED_CODECS.get(context.name, context.name),
            container=f"{container.format.name} ({container.format.long_name})",
            time_base=fraction(stream.time_base),
            fps=fraction(stream.average_rate),
            width=context.width or None,
            height=context.height or None,
            duration_seconds=seconds,
            others=[_other(each) for each in container.streams if each is not stream],
            metadata={**container.metadata, **stream.metadata},
        )

    def _read_extradata(self) -> int | None:
        """The length size of the samples, None when they are Annex-B; notes the sets."""
        extradata = self._stream.codec_context.extradata
        if not extradata or not self._parsed or extradata[0] != 1:
            return None
        record = AvcConfig if self.info.codec == "h264" else HevcConfig
        self.info.extradata = "avcC" if self.info.codec == "h264" else "hvcC"
        try:
            config = record.parse(bytes(extradata))
        except InvalidBitstream as error:
            self._problems.add(error)
            return 4
        self.info.header_nals = list(config.nals())
        return config.length_size


def _other(stream: Any) -> str:
    context = stream.codec_context
    parts = [stream.type, context.name if context is not None else "unknown"]
    if stream.type == "audio" and context is not None:
        parts += [f"{context.sample_rate} Hz", str(context.layout.name)]
    if stream.type == "video" and context is not None:
        parts.append(f"{context.width}x{context.height}")
    language = stream.metadata.get("language", "und")
    if language != "und":  # ISO 639-2: undetermined
        parts.append(language)
    return f"#{stream.index} " + " ".join(parts)
