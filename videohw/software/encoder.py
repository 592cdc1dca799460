"""Encoding with x264, x265 and SVT-AV1 through PyAV, behind a worker thread.

Owns: what the backend's encoder session answers, and what is checked before the library is asked.
Must not know: arguments of the public classes; they arrive checked.
"""

from __future__ import annotations

from typing import Any

from ..backend import Account, EncoderItem, PreparedSwitch, SessionSwitch
from ..encoding.decode_clock import DecodeClock
from ..encoding.encoder_session import QueueOfPictures, queue_bytes
from ..encoding.packet_layout import PacketLayout
from ..errors import InvalidInput, UnsupportedCodec, UnsupportedConfig
from ..sessions.worker_session import WorkerSession
from ..types import Capability, EncoderConfig, Packet
from .capabilities import capabilities, live_rates
from .encoder_context import EncodingContext, Prepared, live_change, rate_mode
from .encoder_engine import EncoderEngine
from .encoder_pixels import PixelStage, StagedPicture
from .encoder_settings import CodecSettings, codec_settings, options_of
from .pixel_workers import PixelWorkers, describe, pixel_workers


def open_session(config: EncoderConfig) -> SoftwareEncoderSession:
    """A running encoder for ``config``; UnsupportedCodec or UnsupportedConfig when it cannot."""
    settings = _checked_settings(config)
    context = EncodingContext(config, settings)
    workers = pixel_workers(options_of(config), config.max_in_flight)
    return SoftwareEncoderSession(_prepared(config, settings, context, workers))


def _checked_settings(config: EncoderConfig) -> CodecSettings:
    capability = capabilities(config.codec, "encode", config.device)
    if not capability.supported:
        raise UnsupportedCodec(f"software cannot encode {config.codec}: {capability.reason}")
    _check_limits(config, capability)
    return codec_settings(config)


def _check_limits(config: EncoderConfig, capability: Capability) -> None:
    library = capability.details["library"]
    for side in ("width", "height"):
        value = getattr(config, side)
        low, high = getattr(capability, f"min_{side}"), getattr(capability, f"max_{side}")
        if (low and value < low) or (high and value > high):
            raise UnsupportedConfig(
                f"{side} is {value}, {library} takes {low} to {high}",
                argument=side,
                hint="scale or pad the pictures",
            )
    if config.b_frames > (capability.max_b_frames or 0):
        raise UnsupportedConfig(
            f"b_frames is {config.b_frames}, {library} takes up to {capability.max_b_frames}",
            argument="b_frames",
            hint="AV1 reorders inside its temporal units without being asked"
            if config.codec == "av1"
            else None,
        )
    if config.input not in capability.formats:
        raise UnsupportedConfig(
            f"input {config.input} is not possible: this {library} codes 8 bits only",
            argument="input",
            hint=f"one of {', '.join(capability.formats)}",
        )


def _prepared(
    config: EncoderConfig,
    settings: CodecSettings,
    context: EncodingContext | None,
    workers: PixelWorkers | None,
    **reconfiguring: Any,
) -> Prepared:
    stage = PixelStage(config, settings.pixel_format, settings.color, workers)
    return Prepared(config, settings, stage, context, **reconfiguring)


class SoftwareEncoderSession(QueueOfPictures, WorkerSession[EncoderItem, Packet]):
    """An encoder session of the software backend (``videohw.backend.EncoderSession``)."""

    def __init__(self, opened: Prepared) -> None:
        config = opened.config
        self.account = Account()
        self._opened = opened
        self._layout = PacketLayout(config.codec, config.layout)
        self._clock = DecodeClock(opened.settings.reorder_delay)
        self._coder = EncoderEngine(opened, self._layout, self.account, self._clock)
        super().__init__(
            self._coder,
            max_ready=config.max_in_flight,
            max_queued_bytes=queue_bytes(config),
            name=f"videohw-encode-{config.codec}",
        )

    def stage(
        self, frame: object, switch: SessionSwitch, options: object | None = None
    ) -> tuple[StagedPicture, int]:
        """A copy of ``frame``'s pixels and the bytes it holds; InvalidInput for a wrong one."""
        if options is not None:
            raise InvalidInput(
                f"options of the picture is {type(options).__name__}, the software backend takes "
                "none",
                argument="options",
                hint="None",
            )
        stage = self._made_for(switch).stage
        staged = stage.copy(frame)
        return stage.begin(staged), staged.memory_bytes

    def prepare(self, config: EncoderConfig, base: SessionSwitch, *, rebuild: bool) -> Prepared:
        """A switch from the settings of ``base`` to ``config``, opened unless it reconfigures."""
        with self._changed:
            self._check_usable()
        settings = _checked_settings(config)
        old = self._made_for(base)
        if self.account.submitted:
            distance = old.config.fps, old.config.time_base
            self._clock.check_distance(settings.reorder_delay, *distance)
        live = None if rebuild else live_change(old.config, old.settings, config, settings)
        context = EncodingContext(config, settings) if live is None else None
        workers = old.stage.workers
        prepared = _prepared(config, settings, context, workers, live=live, base=base.generation)
        with self._changed:
            self._check_usable()
            self._coder.waiting.append(prepared)
        return prepared

    def discard(self, prepared: PreparedSwitch) -> None:
        """Free what a switch that does not come to be has opened."""
        assert isinstance(prepared, Prepared)
        unused = prepared.context
        with self._changed:
            prepared.context = None
            if prepared in self._coder.waiting:
                self._coder.waiting.remove(prepared)
        del unused  # closing takes its time, so not while others wait for the lock

    @property
    def extradata(self) -> bytes | None:
        """The avcC, hvcC or av1C record; None until the first keyframe is coded."""
        return self._layout.extradata

    @property
    def parameter_sets(self) -> bytes | None:
        """Parameter sets as Annex-B, or AV1's sequence header OBU; None until a keyframe."""
        return self._layout.parameter_sets

    def describe(self) -> dict[str, Any]:
        """What is coded with now: library, its mode of spending bits, coded format, colour, every
        option given to it, and the kinds of rate control whose numbers change without a keyframe.
        """
        settings = self._coder.active.settings
        return {
            "library": settings.library,
            "rate_mode": rate_mode(self._coder.active.config),
            "coded_format": settings.pixel_format,
            "color": settings.color,
            "options": dict(settings.options),
            "switch_reconfigures": live_rates(settings.library),
            **describe(self._opened.stage.workers),
        }

    def _made_for(self, switch: SessionSwitch) -> Prepared:
        made = switch.prepared
        return made if isinstance(made, Prepared) else self._opened
