"""Coded pictures into a file: the container, its tags, the streams that are copied beside.

Owns: what each container can hold and how PyAV is brought to write it. Must not know: pixels,
sessions. Packets come in decode order; libavformat interleaves the streams.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from typing import Any, Final, Protocol

from ..bitstream import config_record
from ..bitstream.convert import (
    length_prefixed_to_nals,
    nals_to_annexb,
    nals_to_length_prefixed,
)
from ..types import Packet
from .aspect import CODECS as ASPECT_CODECS
from .aspect import AspectCoder
from .containers import ITUNES_TAGS, MAC_LANGUAGES, TS_COPIES, Container, kept_tags
from .output_file import OutputFile
from .prores_stream import add_prores
from .pyav import av_errors, detail, load_av

# FFmpeg's demuxers for a stream that begins with a coded picture.
_PROBES: Final = {"h264": "h264", "hevc": "hevc", "av1": "obu"}


@dataclass(frozen=True, slots=True)
class VideoTags:
    """What a container says of the video stream beside what its first picture says.

    ``profile``: of ProRes, whose pictures do not say it; None is the one by default.
    """

    codec: str
    time_base: Fraction
    profile: str | None = None
    fps: Fraction | None = None
    display_matrix: tuple[int, ...] | None = None
    sample_aspect_ratio: Fraction | None = None
    disposition: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Muxer(Protocol):
    """Takes packets in decode order; one of ``finish`` and ``abort`` is called once, last."""

    container: Container
    name: str
    packets_written: int

    def write(self, packet: Packet, duration: int | None = None) -> None:
        """Write one coded picture; ``duration`` in its time base wins over the packet's."""
        ...

    def finish(self) -> int:
        """Complete the file and give it its name; its size in bytes."""
        ...

    def abort(self) -> None:
        """Close, and remove what was written."""
        ...


def open_muxer(
    target: Any,
    container: Container,
    tags: VideoTags,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Muxer:
    """A muxer that writes to a temporary name beside ``target`` until it is finished."""
    if container.muxer is None:
        return RawMuxer(OutputFile(target), container, tags)
    load_av(f"writing {container.name} files")
    return ContainerMuxer(OutputFile(target), container, tags, dict(metadata or {}))


def _aspect_coder(tags: VideoTags) -> AspectCoder | None:
    ratio = tags.sample_aspect_ratio
    if ratio is None or ratio == 1 or tags.codec not in ASPECT_CODECS:
        return None
    return AspectCoder(tags.codec, ratio)


class RawMuxer:
    """The packets' bytes, one after another."""

    def __init__(self, output: OutputFile, container: Container, tags: VideoTags) -> None:
        self.container = container
        self.name = output.name
        self.packets_written = 0
        self._output = output
        self._bytes = 0
        self._aspect = _aspect_coder(tags)
        self._own = None if output.path is None else open(output.path, "wb")  # noqa: SIM115
        self._file = self._own or CarefulSink(output.stream, seekable=False)

    def write(self, packet: Packet, duration: int | None = None) -> None:
        """Append the packet's bytes."""
        if self._aspect is not None:
            packet = self._aspect.coded(packet)
        self._file.write(packet.data)
        self._bytes += len(packet.data)
        self.packets_written += 1

    def finish(self) -> int:
        """Complete the file; its size in bytes."""
        if self._own is not None:
            self._own.close()
        self._output.commit()
        return self._bytes

    def abort(self) -> None:
        """Remove what was written."""
        if self._own is not None:
            with suppress(OSError):
                self._own.close()
        self._output.discard()


class ContainerMuxer:
    """A container written with PyAV, whose header waits for the first coded picture.

    The first picture is shown to FFmpeg's own prober, so that the tags of the container (size,
    pixel format, colour, profile) are those of the stream. MP4 and MOV files get their index at
    the front ("faststart"); on a file object that can seek it is at the end, and on one that
    cannot the file is fragmented. Streams are added before the first packet.
    """

    def __init__(
        self,
        output: OutputFile,
        container: Container,
        tags: VideoTags,
        metadata: dict[str, str],
    ) -> None:
        self.container = container
        self.name = output.name
        self.packets_written = 0
        self._av = load_av(f"writing {output.name}")
        self._output = output
        self._tags = tags
        self._metadata = kept_tags(metadata)
        self._copied: dict[int, Any] = {}
        self._templates: list[Any] = []
        self._chapters: Sequence[Mapping[str, Any]] = ()
        self._early: list[tuple[Any, int]] = []
        self._stream: Any = None
        self._aspect = _aspect_coder(tags)
        self._sink: CarefulSink | None = None
        self._muxer: Any = None

    def add_copy(self, template: Any) -> None:
        """Copy packets of ``template``, a stream of an open input, with its tags."""
        self._templates.append(template)

    def set_chapters(self, chapters: Sequence[Mapping[str, Any]]) -> None:
        """Chapters as PyAV describes them; MPEG-TS has none."""
        self._chapters = chapters

    def write(self, packet: Packet, duration: int | None = None) -> None:
        """Write one coded picture; ``duration`` is used where the packet does not state it."""
        if self._aspect is not None:
            packet = self._aspect.coded(packet)
        if self._stream is None:
            self._start(packet)
        data = packet.data
        if packet.extradata is not None and self.packets_written:
            data = self._with_sets(packet)
        out = self._av.Packet(data)
        out.stream = self._stream
        out.time_base = packet.time_base
        out.pts, out.dts = packet.pts, packet.dts
        out.duration = (packet.duration if duration is None else duration) or 0
        out.is_keyframe = packet.keyframe
        self.packets_written += 1
        with av_errors("writing", self._output.name, writing=True):
            self._muxer.mux_one(out)

    def write_copy(self, packet: Any, template_index: int) -> None:
        """Write a packet of the copied stream that has ``template_index`` in its own file."""
        if self._stream is None:
            self._early.append((packet, template_index))
            return
        packet.stream = self._copied[template_index]
        with av_errors("writing", self._output.name, writing=True):
            self._muxer.mux_one(packet)

    def finish(self) -> int:
        """Write the index, close, and give the file its name; its size in bytes."""
        with av_errors("finishing", self._output.name, writing=True):
            self._muxer.close()
        # libavformat's MP4 muxer does not tell of a failure to write its last bytes.
        if self._sink is not None and self._sink.error is not None:
            raise self._sink.error
        size = self._sink.bytes_written if self._sink else os.stat(str(self._output.path)).st_size
        self._output.commit()
        return size

    def abort(self) -> None:
        """Close and remove what was written."""
        if self._muxer is not None:
            with suppress(Exception):
                self._muxer.close()
        self._output.discard()

    def _start(self, first: Packet) -> None:
        av, name = self._av, self._output.name
        with self._probe(first) as probe, av_errors("opening", name, writing=True):
            target = self._output.path
            if target is None:
                self._sink = CarefulSink(self._output.stream, seekable=self._output.seekable)
            self._muxer = av.open(
                target or self._sink,
                "w",
                format=self.container.muxer,
                container_options=self._options(),
            )
            self._stream = self._add_video(probe and probe.streams.video[0], first)
            for template in self._templates:
                self._copied[template.index] = _add_copy(self.container, self._muxer, template)
            self._muxer.metadata.update(self._metadata)
            if self._chapters:
                self._muxer.set_chapters(self._chapters)
            self._muxer.start_encoding()
        early, self._early = self._early, []
        for packet, index in early:
            self.write_copy(packet, index)

    def _probe(self, first: Packet) -> Any:
        """A context with the first picture as FFmpeg's prober sees it; None of ProRes, which has
        no stream of its own that could be probed."""
        codec = self._tags.codec
        if codec == "prores":
            return nullcontext()
        sets = _parameter_sets(codec, first)
        return self._av.open(BytesIO(_annexb(first, sets)), format=_PROBES[codec])

    def _options(self) -> dict[str, str]:
        if self.container.name not in ("mp4", "mov"):
            return {}
        if self._output.path is not None and self._output.seekable:
            flags = ["faststart"]
        elif self._output.seekable:
            flags = []
        else:
            flags = ["frag_keyframe", "delay_moov", "default_base_moof"]
        if not self._metadata.keys() <= ITUNES_TAGS:
            flags.append("use_metadata_tags")
        return {"movflags": "+".join(flags)} if flags else {}

    def _add_video(self, probed: Any, first: Packet) -> Any:
        tags = self._tags
        if probed is None:
            stream = add_prores(self._muxer, first.data, tags.profile)
        else:
            stream = self._muxer.add_stream_from_template(probed, opaque=True)
        context = stream.codec_context
        stream.time_base = tags.time_base
        if tags.fps is not None:
            context.framerate = tags.fps
        if first.extradata is not None and self.container.layout == "length_prefixed":
            context.extradata = first.extradata
        if tags.codec == "hevc" and self.container.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # parameter sets in the hvcC only, as Apple's players want
        if tags.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = tags.sample_aspect_ratio
        if tags.display_matrix is not None:
            stream.set_display_matrix(tags.display_matrix)
        if tags.disposition is not None:
            stream.disposition = tags.disposition
        stream.metadata.update(_stream_tags(self.container, tags.metadata))
        return stream

    def _with_sets(self, packet: Packet) -> bytes:
        """New parameter sets in the middle of a file go into the samples: it has one header."""
        if self.container.layout != "length_prefixed" or self._tags.codec == "av1":
            return packet.data
        sets = _parameter_sets(self._tags.codec, packet)
        return nals_to_length_prefixed(sets) + packet.data


class CarefulSink:
    """A file object as far as a muxer writes to it: short writes are completed, bytes counted,
    the first error kept. Never closes it."""

    def __init__(self, stream: Any, *, seekable: bool) -> None:
        self._stream = stream
        self._seekable = seekable
        self._position = 0
        self.bytes_written = 0
        self.error: Exception | None = None

    def write(self, data: bytes) -> int:
        """Write all of ``data``; how many bytes that was."""
        view = memoryview(data)
        try:
            while view:
                written = self._stream.write(view)
                if written is None:  # a file object that does not say takes all
                    written = len(view)
                self._position += written
                view = view[written:]
        except Exception as error:
            self.error = self.error or error
            raise
        self.bytes_written = max(self.bytes_written, self._position)
        return len(data)

    def seekable(self) -> bool:
        """Whether the muxer may go back."""
        return self._seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; the new position in bytes."""
        self._position = int(self._stream.seek(offset, whence))
        return self._position

    def tell(self) -> int:
        """The position in bytes."""
        return int(self._stream.tell())


def refusal(container: Container, template: Any) -> str | None:
    """Why ``container`` cannot hold a copy of the stream ``template``, None when it can."""
    codec = getattr(template, "name", None)
    if template.type != "attachment" and template.codec_context is not None:
        codec = template.codec_context.codec.canonical_name
    what = f"{template.type} in {codec or 'an unknown format'}"
    if container.muxer is None:
        return f"a raw {container.name} stream cannot hold {what}"
    if container.name == "ts" and codec not in TS_COPIES:
        return f"ts has no stream type for {what}"
    if template.type == "data" and "timecode" in template.metadata:
        return "a time code cannot be written with this version of PyAV"
    # Data has its own marks in QuickTime files, which another container does not give it.
    foreign = template.type == "data" and "mp4" not in template.container.format.name
    if container.name in ("mp4", "mov") and foreign:
        return f"{container.name} cannot hold {what}"
    av = load_av("copying streams")
    try:
        with av.open(BytesIO(), "w", format=container.muxer) as trial:
            _add_copy(container, trial, template)
            trial.start_encoding()
    except av.error.FFmpegError as error:
        return f"{container.name} cannot hold {what}: {detail(error)}"
    except ValueError:
        return f"{container.name} cannot hold {what}"
    return None


def _add_copy(container: Container, muxer: Any, template: Any) -> Any:
    """A stream of ``muxer`` for packets of ``template``, with its tags."""
    if template.codec_context is None:
        stream = muxer.add_stream_from_template(template)
    else:
        stream = muxer.add_stream_from_template(template, opaque=True)
    stream.disposition = template.disposition
    stream.metadata.clear()
    stream.metadata.update(_stream_tags(container, template.metadata))
    return stream


def _stream_tags(container: Container, metadata: Mapping[str, str]) -> dict[str, str]:
    tags = kept_tags(metadata)
    language = tags.get("language")
    if language and container.name == "mov":
        tags["language"] = MAC_LANGUAGES.get(language, language)
    return tags


def _parameter_sets(codec: str, packet: Packet) -> list[bytes]:
    if packet.extradata is None or codec == "av1":
        return []
    record = config_record.AvcConfig if codec == "h264" else config_record.HevcConfig
    return record.parse(packet.extradata).nals()


def _annexb(packet: Packet, sets: list[bytes]) -> bytes:
    """The packet as a stream that begins with it and can be probed alone."""
    if packet.layout != "length_prefixed" or not sets:
        return packet.data
    return nals_to_annexb([*sets, *length_prefixed_to_nals(packet.data)])
