"""``transcode``: a video file into another codec or container, everything else kept.

Owns: the arguments, and which streams and tags go along. Must not know: codec libraries. The loop
is in :mod:`videohw.transcode_job`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from . import reader
from .backend_table import AUTO
from .color import ColorSpec
from .encoding.encoder_config import FrameRate
from .errors import InvalidInput, UnsupportedConfig, VideoHwError
from .feed import READ_AHEAD_BYTES, Feed
from .files.containers import Container, container_for, kept_tags, places_missing
from .files.demux import ContainerSource
from .files.media import Source, StreamInfo, VideoTrack
from .files.mux import VideoTags, open_muxer, refusal
from .selection import Selection, canonical_codec, select
from .transcode_job import Job, Window
from .transcode_job import TranscodeProgress as TranscodeProgress
from .types import RateControl
from .writer import display_tags, refuse_tags

STREAMS: Final = ("all", "video")
# A size that rounds an odd side is not a change of shape.
_SHAPE_TOLERANCE: Final = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class DroppedStream:
    """A stream that the target cannot hold, and why."""

    stream: StreamInfo
    reason: str


@dataclass(frozen=True, slots=True)
class TranscodeResult:
    """What a transcode did.

    ``frames_in``: pictures decoded, ``frames_out``: pictures in the target; ``seconds`` it took
    and ``fps``, frames out per second of that. ``bytes``: size of the target. ``duration``:
    seconds from the first picture to the end of the last. ``copied``: packets of each stream that
    was copied, by its index in the source; ``dropped_streams``: those the target cannot hold;
    ``dropped_tags``: why the rotation, the chapters, the tags or the shape of a pixel are not in
    the target, one text each.
    ``retimed``: pictures without a time or not later than the one before, which were given one.
    ``decoder`` and ``encoder`` are the summaries of both sessions.
    """

    target: str
    container: str
    codec: str
    width: int
    height: int
    frames_in: int
    frames_out: int
    seconds: float
    fps: float
    bytes: int
    duration: Fraction
    copied: Mapping[int, int]
    dropped_streams: tuple[DroppedStream, ...]
    dropped_tags: tuple[str, ...]
    retimed: int
    decoder: Any
    encoder: Any


def transcode(
    source: Any,
    target: Any,
    *,
    codec: str = "hevc",
    container: str | None = None,
    stream: int = 0,
    format: str | None = None,
    fps: FrameRate | None = None,
    streams: str = "all",
    strict: bool = False,
    start: float | Fraction | None = None,
    end: float | Fraction | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    rotation: int | None = None,
    metadata: Mapping[str, str] | None = None,
    color: ColorSpec | None = None,
    backend: str = AUTO,
    device: int | str = 0,
    require_hardware: bool = False,
    encoder_backend: str | None = None,
    on_error: str = "raise",
    rate_control: RateControl | None = None,
    gop: int | None = None,
    b_frames: int = 0,
    profile: str | None = None,
    preset: str = "balanced",
    decoder_options: object | None = None,
    encoder_options: object | None = None,
    progress: Callable[[TranscodeProgress], object] | None = None,
) -> TranscodeResult:
    """Decode the video of ``source`` and encode it into ``target``; keep everything else.

    ``source``, ``stream``, ``format``, ``fps``: as for :func:`videohw.open`. ``target``,
    ``container``: as for :class:`VideoWriter`; a path appears only once it is complete, and an
    exception, Ctrl-C included, leaves nothing of it. Pictures keep their times exactly (rounded
    once, to the time base of the target), their colour, the rotation (``rotation`` sets another)
    and the shape of a pixel. ``streams``: "all" copies the other streams, tags, languages,
    dispositions and chapters, "video" leaves the other streams out. What the target's container
    cannot hold is told in ``dropped_streams`` and ``dropped_tags``, or with ``strict`` is
    :class:`UnsupportedConfig` before anything is written. ``metadata`` adds tags; an empty text
    removes one.

    ``start`` and ``end``: seconds from the beginning of the video, to the exact picture; the
    target then starts at 0. ``size``, ``crop``: of the pictures, in pixels, crop first. ``color``:
    overrides what the source states of its colour. 4:2:2 and 4:4:4 pictures become 4:2:0 unless
    ``profile`` is one of theirs (prores: all become 4:2:2, or 4:4:4); more than 8 bits stay 10.
    ``on_error``: as for :class:`Decoder`.
    ``backend`` and its ``device`` decode and encode; an ``encoder_backend`` encodes in its place,
    on its own first device. Where one device does both, pictures stay in its memory, whatever
    ``size``, ``crop`` and their format.
    ``rate_control`` ... ``preset``: as for :class:`Encoder`; ``decoder_options`` and
    ``encoder_options`` are their ``options``. ``progress`` is called about ten times a second.

    Raises what :func:`videohw.open` and :class:`VideoWriter` raise.
    """
    codec = canonical_codec(codec, "encode")
    encode_on, coder = _encoder_place(codec, backend, device, require_hardware, encoder_backend)
    if streams not in STREAMS:
        raise InvalidInput(f"streams is {streams!r}", argument="streams", hint="all or video")
    kind = container_for(target, container, codec)
    window = Window.checked(start, end)
    matrix, _ = display_tags(rotation, None, metadata)
    refuse_tags(kind, codec, matrix, None, metadata)
    found = reader.open_source(source, stream=stream, format=format, fps=fps)
    stays = encode_on["device"] == device and _on_one_device(
        found, coder, backend, require_hardware, device
    )
    video = reader.reader_of(
        found, backend=backend, device=device, memory="device" if stays else "host",
        require_hardware=require_hardware, size=size, crop=crop, color=color, on_error=on_error,
        max_pending_bytes=READ_AHEAD_BYTES, options=decoder_options,
    )  # fmt: skip
    with video:
        tags = replace(_video_tags(video.feed, codec, size, crop), profile=profile)
        if rotation is not None:
            tags = replace(tags, display_matrix=matrix)
        kept, dropped = _plan_copies(video.feed, kind, streams)
        lost = _tags_lost(video.feed, kind, tags)
        if strict and (dropped or lost):
            raise UnsupportedConfig(
                "; ".join((*(each.reason for each in dropped), *lost)),
                hint="use another container, or strict=False",
            )
        muxer = open_muxer(target, kind, tags, metadata=_file_tags(video.metadata, metadata))
        settings = {
            **encode_on, "rate_control": rate_control, "gop": gop, "b_frames": b_frames,
            "profile": profile, "preset": preset, "options": encoder_options,
        }  # fmt: skip
        job = Job(video.feed, muxer, codec, settings, window, progress)
        try:
            job.copy(kept)
            done = job.run()
        except BaseException:
            job.abort()
            raise
        finally:
            job.close()
    return TranscodeResult(
        target=muxer.name, container=kind.name, codec=codec, width=done.width, height=done.height,
        frames_in=done.frames_in, frames_out=done.frames_out, seconds=done.seconds,
        fps=done.frames_out / done.seconds if done.seconds else 0.0, bytes=done.size_bytes,
        duration=done.duration, copied=done.copied, dropped_streams=dropped, dropped_tags=lost,
        retimed=done.retimed, decoder=done.decoder, encoder=done.encoder,
    )  # fmt: skip


def _encoder_place(
    codec: str, backend: str, device: int | str, require_hardware: bool, other: str | None
) -> tuple[dict[str, Any], Selection]:
    """Who encodes, as arguments of an encoder; the errors of :func:`select` before any work."""
    if other is not None:
        backend, device = other, 0
    try:
        coder = select(codec, "encode", backend, require_hardware, device)
    except VideoHwError as error:
        if other is None and backend != AUTO and error.hint is None:
            error.hint = 'encoder_backend="auto" takes the first that encodes'
        raise
    return {"backend": backend, "device": device, "require_hardware": require_hardware}, coder


def _on_one_device(
    found: Source, coder: Selection, backend: str, require_hardware: bool, device: int | str
) -> bool:
    """Whether the encoder takes frames in the memory that the decoder leaves them in."""
    if not coder.capability.details.get("device_input"):
        return False
    try:
        decoder = select(found.track.codec, "decode", backend, require_hardware, device)
    except VideoHwError:
        return False  # which opening it says better
    return decoder.name == coder.name


def _plan_copies(
    feed: Feed, kind: Container, streams: str
) -> tuple[list[Any], tuple[DroppedStream, ...]]:
    """The streams to copy, and those that the container cannot hold."""
    source = feed.source
    if streams == "video" or not isinstance(source, ContainerSource):
        return [], ()
    kept, dropped = [], []
    for stream in source.other_streams():
        reason = refusal(kind, stream)
        if reason is None:
            kept.append(stream)
        else:
            dropped.append(DroppedStream(source.streams[stream.index], reason))
    return kept, tuple(dropped)


def _pixel_shape(
    track: VideoTrack, size: tuple[int, int] | None, crop: tuple[int, int, int, int] | None
) -> Fraction | None:
    """The shape of a pixel after scaling, so that the picture as a whole keeps its shape."""
    ratio = track.sample_aspect_ratio
    width, height = crop[2:] if crop is not None else (track.width, track.height)
    if size is None or not (width and height):
        return ratio
    change = Fraction(width, height) / Fraction(*size)
    return ratio if abs(change - 1) < _SHAPE_TOLERANCE else (ratio or 1) * change


def _video_tags(
    feed: Feed,
    codec: str,
    size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
) -> VideoTags:
    """The tags of the source's video stream, for a stream of ``codec``."""
    source, track = feed.source, feed.source.track
    disposition = None
    if isinstance(source, ContainerSource):
        disposition = int(source.stream.disposition)
    return VideoTags(
        codec=codec,
        time_base=track.time_base,
        fps=track.fps,
        display_matrix=track.display_matrix,
        sample_aspect_ratio=_pixel_shape(track, size, crop),
        disposition=disposition,
        metadata={key: text for key, text in track.metadata.items() if key.lower() != "rotate"},
    )


def _tags_lost(feed: Feed, kind: Container, tags: VideoTags) -> tuple[str, ...]:
    """What of the source's tags the container has no place for."""
    source = feed.source
    return places_missing(
        kind,
        tags.codec,
        rotation=tags.display_matrix is not None,
        chapters=isinstance(source, ContainerSource) and bool(source.chapters),
        tags=bool(kept_tags(source.metadata)),
        shape=tags.sample_aspect_ratio not in (None, 1),
    )


def _file_tags(found: Mapping[str, str], wanted: Mapping[str, str] | None) -> dict[str, str]:
    merged = {**found, **(wanted or {})}
    return {key: text for key, text in merged.items() if text}
