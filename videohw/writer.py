"""``VideoWriter``: pictures in, a finished video file out.

Owns: feeding an encoder and its packets to a muxer. Must not know: codec libraries, PyAV.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import TracebackType
from typing import Any, Final

from .arguments import integer
from .backend_table import AUTO
from .color import ColorSpec
from .encoder import Encoder
from .encoding.encoder_config import FrameRate, frame_rate
from .errors import Backpressure, InvalidInput, SessionClosed, UnsupportedConfig
from .files.containers import Container, container_for, places_missing
from .files.media import rotation_matrix
from .files.mux import Muxer, VideoTags, open_muxer
from .known_names import DEFAULT_MAX_IN_FLIGHT_PACKETS
from .selection import canonical_codec
from .types import Packet, RateControl

# The longest wait inside one call of a session, so that an interrupt of the user and packets that
# became ready are seen to; nothing ends because of it.
WAIT_SECONDS: Final = 0.05
_CLOSED: Final = "the writer is closed"


class PacketSink:
    """An encoder whose packets go into a muxer, driven by one thread without blocking for long."""

    def __init__(self, encoder: Encoder, muxer: Muxer) -> None:
        self.encoder = encoder
        self.muxer = muxer
        self._durations: dict[int, int] = {}  # of pictures whose packet is still to come, by pts

    def offer(
        self,
        frame: Any,
        pts: int | None,
        duration: int | None,
        *,
        force_keyframe: bool = False,
        timeout: float,
    ) -> bool:
        """Give the encoder one picture; False when it did not take it within ``timeout``."""
        try:
            self.encoder.submit(frame, pts, force_keyframe=force_keyframe, timeout=timeout)
        except Backpressure:
            return False
        if pts is not None and duration is not None:
            self._durations[pts] = duration
        return True

    def write_ready(self) -> int:
        """Write the packets that are ready; how many."""
        count = 0
        while (packet := self.encoder.try_reap()) is not None:
            self._write(packet)
            count += 1
        return count

    def drain(self) -> int:
        """Write what is still to come, for a bounded time; -1 once that was all, else how many.

        Call it until it gives -1: the encoder finishes between the calls.
        """
        try:
            rest = self.encoder.flush(timeout=WAIT_SECONDS)
        except TimeoutError:
            return self.write_ready()
        for packet in rest:
            self._write(packet)
        return -1

    def _write(self, packet: Packet) -> None:
        self.muxer.write(packet, self._durations.pop(packet.pts, None))


class VideoWriter:
    """Writes pictures as a video file: MP4, MOV, MKV, WebM, MPEG-TS, or a raw stream.

    ``target``: a path, whose ending names the container, or a binary file object (give
    ``container``, unless it has a name). A path is written under a temporary name beside it and
    renamed by :meth:`close`, so that a failure leaves no half file and an existing file stays
    whole until then; as a context manager, an exception inside removes what was written. A file
    object is written in place and stays open.

    ``codec``: h264, hevc, av1, or prores (MOV alone). ``width``, ``height`` in pixels; ``fps``:
    frames per second, nominal when pictures come with their own times. ``time_base``: seconds per
    unit of pts, None is 1/fps. ``container``: mp4, mov, mkv, webm, ts, h264, hevc or obu; None
    follows the target.
    ``metadata``: tags of the file, such as title. ``rotation``: degrees clockwise, a multiple of
    90, by which players turn the picture (MP4, MOV, MKV, WebM). ``sample_aspect_ratio``: width
    through height of a pixel. MP4 and MOV have their index at the front; on a file object that
    can seek it is at the end, and one that cannot gets a fragmented file. The rest are arguments
    of :class:`Encoder`.

    Raises what :class:`Encoder` raises, :class:`UnsupportedConfig` for a codec that the container
    cannot hold and when PyAV is missing, and :class:`OSError` when the file cannot be written.
    """

    def __init__(
        self,
        target: Any,
        codec: str = "h264",
        *,
        width: int,
        height: int,
        fps: FrameRate,
        time_base: Fraction | tuple[int, int] | None = None,
        container: str | None = None,
        metadata: Mapping[str, str] | None = None,
        rotation: int | None = None,
        sample_aspect_ratio: Fraction | None = None,
        backend: str = AUTO,
        input: str = "nv12",
        device: int | str = 0,
        require_hardware: bool = False,
        rate_control: RateControl | None = None,
        gop: int | None = None,
        b_frames: int = 0,
        profile: str | None = None,
        preset: str = "balanced",
        low_latency: bool = False,
        color: ColorSpec | None = None,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT_PACKETS,
        options: object | None = None,
    ) -> None:
        self._sink: PacketSink | None = None
        codec = canonical_codec(codec, "encode")
        kind = container_for(target, container, codec)
        matrix, aspect = display_tags(rotation, sample_aspect_ratio, metadata)
        refuse_tags(kind, codec, matrix, aspect, metadata)
        encoder = Encoder(
            codec, width, height, fps=fps, backend=backend, input=input, device=device,
            require_hardware=require_hardware, rate_control=rate_control, gop=gop,
            b_frames=b_frames, profile=profile, preset=preset, low_latency=low_latency,
            color=color, layout=kind.layout, time_base=time_base, max_in_flight=max_in_flight,
            options=options,
        )  # fmt: skip
        try:
            video = VideoTags(
                codec=codec,
                time_base=encoder.time_base,
                profile=profile,
                fps=frame_rate(fps),
                display_matrix=matrix,
                sample_aspect_ratio=aspect,
            )
            self._sink = PacketSink(encoder, open_muxer(target, kind, video, metadata=metadata))
        except BaseException:
            encoder.close()
            raise
        self.frames_written = 0

    def write(
        self,
        frame: Any,
        pts: int | None = None,
        *,
        duration: int | None = None,
        force_keyframe: bool = False,
    ) -> None:
        """Encode one picture; its pixels are copied. Waits while the encoder is full.

        ``frame``, ``pts`` and ``force_keyframe`` as in :meth:`Encoder.submit`. ``duration``: how
        long it is shown, in units of ``time_base``; it matters for the last picture (those
        before last until the next) and None is one frame. Errors of coding are raised by a later
        call. :class:`SessionClosed` after :meth:`close`.
        """
        sink = self._open_sink()
        if duration is not None:
            duration = integer("duration", duration, 1)
            if pts is None:
                raise InvalidInput(
                    "duration is given without pts", argument="duration", hint="give both"
                )
        sink.write_ready()
        while not sink.offer(frame, pts, duration, force_keyframe=force_keyframe,
                             timeout=WAIT_SECONDS):  # fmt: skip
            sink.write_ready()
        self.frames_written += 1

    def close(self) -> None:
        """Finish: encode what is left, complete the file, and give it its name.

        When that fails, or no picture was written, nothing is left of the file and the error is
        raised. Closing again does nothing.
        """
        sink = self._sink
        if sink is None:
            return
        try:
            while sink.drain() >= 0:
                pass
            if not sink.muxer.packets_written:
                raise InvalidInput("no picture was written", argument="frame")
            sink.muxer.finish()
        except BaseException:
            self.abort()
            raise
        self._sink = None
        sink.encoder.close()

    def abort(self) -> None:
        """Give up: remove what was written. An existing target is as it was."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.encoder.close()
            sink.muxer.abort()

    def summary(self) -> dict[str, Any]:
        """The encoder's summary: backend taken and why, settings, what became of each picture."""
        return self._open_sink().encoder.summary()

    @property
    def closed(self) -> bool:
        """True once the writer was closed or aborted."""
        return self._sink is None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # A writer that was never closed has no whole file to give: leave no half one.
        if getattr(self, "_sink", None) is not None:
            self.abort()

    def _open_sink(self) -> PacketSink:
        if self._sink is None:
            raise SessionClosed(_CLOSED, hint="open a new writer")
        return self._sink


def refuse_tags(
    container: Container,
    codec: str,
    matrix: tuple[int, ...] | None,
    aspect: Fraction | None,
    metadata: Mapping[str, str] | None,
) -> None:
    """:class:`UnsupportedConfig` when the container has no place for what was asked for."""
    missing = places_missing(
        container, codec, rotation=matrix is not None, chapters=False,
        tags=any((metadata or {}).values()), shape=aspect not in (None, 1),
    )  # fmt: skip
    if missing:
        raise UnsupportedConfig("; ".join(missing), hint="use another container, such as mp4")


def display_tags(
    rotation: object, aspect: object, metadata: object
) -> tuple[tuple[int, ...] | None, Fraction | None]:
    """The display matrix and the pixel shape; :class:`InvalidInput` for what they cannot be."""
    matrix = None
    if rotation is not None:
        degrees = integer("rotation", rotation, -3600, 3600)
        if degrees % 90:
            raise InvalidInput(
                f"rotation is {degrees}", argument="rotation", hint="a multiple of 90 degrees"
            )
        matrix = rotation_matrix(degrees) if degrees % 360 else None
    if aspect is not None and not (isinstance(aspect, (int, Fraction)) and aspect > 0):
        raise InvalidInput(
            f"sample_aspect_ratio is {aspect!r}",
            argument="sample_aspect_ratio",
            hint="a Fraction above 0, such as Fraction(4, 3)",
        )
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InvalidInput(
            f"metadata is {type(metadata).__name__}", argument="metadata", hint="a mapping of text"
        )
    return matrix, None if aspect is None else Fraction(aspect)
