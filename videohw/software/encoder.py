"""Encoding with x264, x265 and SVT-AV1 through PyAV, behind a worker thread.

Owns: libavcodec's encoder context, the order of its packets in time, the count of what became of
each picture. Must not know: arguments of the public classes; they arrive checked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from ..backend import Account, InputPicture
from ..errors import BackendError, UnsupportedCodec, UnsupportedConfig
from ..packet_layout import PacketLayout
from ..pixel_format import FORMATS
from ..session import WorkerSession
from ..status import LIBAVCODEC, from_ffmpeg
from ..types import Capability, EncoderConfig, Packet
from .capabilities import capabilities, load_av
from .encoder_pixels import PixelStage, StagedPicture
from .encoder_settings import CodecSettings, codec_settings


def open_session(config: EncoderConfig) -> SoftwareEncoderSession:
    """A running encoder for ``config``; UnsupportedCodec or UnsupportedConfig when it cannot."""
    capability = capabilities(config.codec, "encode", config.device)
    if not capability.supported:
        raise UnsupportedCodec(f"software cannot encode {config.codec}: {capability.reason}")
    settings = codec_settings(config)
    _check_limits(config, capability)
    return SoftwareEncoderSession(config, settings)


def _check_limits(config: EncoderConfig, capability: Capability) -> None:
    library = capability.details["library"]
    for side in ("width", "height"):
        value = getattr(config, side)
        low, high = getattr(capability, f"min_{side}"), getattr(capability, f"max_{side}")
        if (low and value < low) or (high and value > high):
            raise UnsupportedConfig(
                f"{side} is {value}, {library} takes {low} to {high}",
                hint="scale or pad the pictures",
            )
    if config.b_frames > (capability.max_b_frames or 0):
        raise UnsupportedConfig(
            f"b_frames is {config.b_frames}, {library} takes up to {capability.max_b_frames}",
            hint="AV1 reorders inside its temporal units without being asked"
            if config.codec == "av1"
            else None,
        )
    if config.input not in capability.formats:
        raise UnsupportedConfig(
            f"input {config.input} is not possible: this {library} codes 8 bits only",
            hint=f"one of {', '.join(capability.formats)}",
        )


class SoftwareEncoderSession(WorkerSession[InputPicture, Packet]):
    """An encoder session of the software backend (``videohw.backend.EncoderSession``).

    Queued input is limited to the bytes of ``max_in_flight`` pictures.
    """

    def __init__(self, config: EncoderConfig, settings: CodecSettings) -> None:
        self.account = Account()
        self._settings = settings
        self._stage = PixelStage(config, settings.pixel_format, settings.color)
        self._layout = PacketLayout(config.codec, config.layout)
        picture_bytes = FORMATS[config.input].frame_bytes(config.width, config.height)
        super().__init__(
            _Engine(config, settings, self._stage, self._layout, self.account),
            max_ready=config.max_in_flight,
            max_queued_bytes=config.max_in_flight * picture_bytes,
            name=f"videohw-encode-{config.codec}",
        )

    def stage(self, frame: object) -> tuple[StagedPicture, int]:
        """A copy of ``frame``'s pixels and the bytes it holds; InvalidInput for a wrong one."""
        staged = self._stage.copy(frame)
        return staged, staged.memory_bytes

    def push(self, items: Sequence[InputPicture]) -> None:
        """Queue pictures; see :meth:`WorkerSession.push`."""
        super().push(items)
        self.account.submitted += len(items)

    @property
    def extradata(self) -> bytes | None:
        """The avcC, hvcC or av1C record; None until the first keyframe is coded."""
        return self._layout.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """Parameter sets as Annex-B, or AV1's sequence header OBU; None until a keyframe."""
        return self._layout.parameter_sets

    def describe(self) -> dict[str, Any]:
        """What was opened: library, coded format, colour, and every option given to it."""
        settings = self._settings
        return {
            "library": settings.library,
            "coded_format": settings.pixel_format,
            "color": settings.color,
            "options": dict(settings.options),
        }


class _DecodeClock:
    """The dts of each packet: the pts of all pictures in order, ``delay`` pictures late.

    The rule of x264, kept here for all, since libx265 and libx264 give wrong dts for streams
    shorter than their delay, and neither knows of the stream before a flush. Strictly increasing
    and never above pts for any reordering of at most ``delay`` pictures.
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._times: deque[int] | None = None

    def submitted(self, pts: int, duration: int) -> None:
        if self._times is None:
            self._times = deque(pts - duration * n for n in range(self._delay, 0, -1))
        self._times.append(pts)

    def next_dts(self) -> int:
        assert self._times is not None, "a packet came before any picture"
        return self._times.popleft()

    def drained(self) -> None:
        """No packet is owed any more: forget the times of pictures that gave none."""
        while self._times is not None and len(self._times) > self._delay:
            self._times.popleft()


class _Engine:
    """Drives one libavcodec context at a time; a drained context is replaced on next use."""

    def __init__(
        self,
        config: EncoderConfig,
        settings: CodecSettings,
        stage: PixelStage,
        layout: PacketLayout,
        account: Account,
    ) -> None:
        self._av = load_av()
        self._config = config
        self._settings = settings
        self._stage = stage
        self._layout = layout
        self._account = account
        self._clock = _DecodeClock(settings.reorder_delay)
        self._durations: dict[int, int] = {}  # of pictures whose packet is still owed, by pts
        # Opened now, so that a setting that the library refuses is an error of the constructor.
        self._context: Any = self._open()

    def process(self, item: InputPicture) -> Iterator[Packet]:
        """Encode one picture; yields the packets that became ready."""
        if self._context is None:
            self._context = self._open()
        picture_type = self._av.video.frame.PictureType
        self._durations[item.pts] = item.duration
        self._clock.submitted(item.pts, item.duration)
        call = "sws_scale_frame"
        try:
            frame = self._stage.convert(item.pixels)
            frame.pts = item.pts
            frame.time_base = self._config.time_base
            frame.pict_type = picture_type.I if item.force_keyframe else picture_type.NONE
            call = "avcodec_send_frame"
            yield from self._encode(frame)
        except self._av.error.FFmpegError as error:
            if self._durations.pop(item.pts, None) is not None:
                self._account.add("error")
            about = f"pts {item.pts}"
            raise from_ffmpeg(error, call, doing="encode", about=about) from error

    def drain(self) -> Iterator[Packet]:
        """End of stream: yields every packet still owed."""
        if self._context is None:
            return
        try:
            yield from self._encode(None)
        except self._av.error.FFmpegError as error:
            call = "avcodec_receive_packet"
            raise from_ffmpeg(error, call, doing="encode", about="at the end") from error
        finally:
            self._context = None
            self._clock.drained()
            lost = list(self._durations)
            self._durations.clear()
            self._account.add("dropped", len(lost))
        if lost:
            raise BackendError(
                f"{self._settings.library} gave no packet for pts {', '.join(map(str, lost))}",
                domain=LIBAVCODEC,
                call="avcodec_receive_packet",
            )

    def reset(self) -> None:
        """Forget everything held, without output."""
        self._context = None
        self._account.add("reset", len(self._durations))
        self._durations.clear()
        self._clock.drained()

    def close(self) -> None:
        """Free the context."""
        self._context = None

    def _open(self) -> Any:
        config, settings = self._config, self._settings
        av = self._av
        context = av.CodecContext.create(settings.library, "w")
        context.width, context.height = config.width, config.height
        context.pix_fmt = settings.pixel_format
        context.time_base = config.time_base
        context.framerate = config.fps
        context.thread_count = settings.thread_count
        context.thread_type = settings.thread_type
        context.options = dict(settings.options)
        try:
            context.open()
        except av.error.FFmpegError as error:
            call = f"avcodec_open2({settings.library})"
            raise from_ffmpeg(error, call, doing="open") from error
        if context.options:
            raise UnsupportedConfig(
                f"{settings.library} has no option {', '.join(context.options)}",
                hint=f"see ffmpeg -h encoder={settings.library}",
            )
        return context

    def _encode(self, frame: Any) -> Iterator[Packet]:
        for packet in self._context.encode_lazy(frame):
            yield self._packet(packet)

    def _packet(self, coded: Any) -> Packet:
        keyframe = bool(coded.is_keyframe)
        data, extradata = self._layout.lay_out(bytes(coded), keyframe)
        return Packet(
            data=data,
            pts=coded.pts,
            dts=self._clock.next_dts(),
            duration=self._durations.pop(coded.pts, None),
            keyframe=keyframe,
            layout=self._config.layout,
            time_base=self._config.time_base,
            extradata=extradata,
        )
