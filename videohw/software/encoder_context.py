"""One libavcodec encoding context: opened, fed, drained, given another rate while it runs.

Owns: which changes a library takes without a new context. Must not know: queues, the order of
packets in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..errors import UnsupportedConfig
from ..status import from_ffmpeg
from ..types import (
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    EncoderConfig,
    VariableBitrate,
)
from . import live_options
from .capabilities import live_rates, load_av
from .encoder_pixels import PixelStage
from .encoder_settings import CodecSettings
from .thread_scheduling import unchanged_scheduling

_LOSSLESS: Final = 0  # a quality that x264 enters and leaves at opening only

_RATE_MODES: Final[dict[type, str]] = {
    ConstantBitrate: "constant bitrate",
    VariableBitrate: "variable bitrate",
    ConstantQuality: "constant quality",
    ConstantQp: "constant quantiser",
}


class EncodingContext:
    """An encoder of libavcodec, open. :class:`UnsupportedConfig` for what the library refuses."""

    def __init__(self, config: EncoderConfig, settings: CodecSettings) -> None:
        av = load_av()
        context, self._address = live_options.create_context(settings.library)
        self._context = context
        context.width, context.height = config.width, config.height
        context.pix_fmt = settings.pixel_format
        context.time_base = config.time_base
        context.framerate = config.fps
        context.thread_count = settings.thread_count
        context.thread_type = settings.thread_type
        context.options = dict(settings.options)
        try:
            with unchanged_scheduling():
                context.open()
        except av.error.FFmpegError as error:
            call = f"avcodec_open2({settings.library})"
            raise from_ffmpeg(error, call, doing="open") from error
        if context.options:
            raise UnsupportedConfig(
                f"{settings.library} has no option {', '.join(context.options)}",
                argument="options",
                hint=f"see ffmpeg -h encoder={settings.library}",
            )

    def encode(self, frame: Any) -> Iterator[Any]:
        """The packets that became ready by ``frame``, an ``av.VideoFrame``; None drains."""
        packets: Iterator[Any] = self._context.encode_lazy(frame)
        return packets

    def reconfigure(self, options: Mapping[str, str]) -> bool:
        """Take ``options`` from the next picture on; False when the library refused one."""
        return self._address is not None and live_options.set_options(self._address, options)


@dataclass(slots=True, eq=False)
class Prepared:
    """Everything that the pictures of one generation need.

    ``context`` is open and unused, None once it was taken, or where the context of generation
    ``base`` goes on with ``live`` options (:class:`~videohw.backend.PreparedSwitch`).
    """

    config: EncoderConfig
    settings: CodecSettings
    stage: PixelStage
    context: EncodingContext | None
    live: Mapping[str, str] | None = None
    base: int = 0

    @property
    def reconfigures(self) -> bool:
        """Whether the running encoder takes the settings."""
        return self.live is not None

    @property
    def makes_keyframe(self) -> bool:
        """Whether the first picture is a keyframe: of a new encoder."""
        return not self.reconfigures


def rate_mode(config: EncoderConfig) -> str:
    """The mode in which the library spends its bits; SVT-AV1 has one for both kinds of bitrate."""
    rate = config.rate_control
    if isinstance(rate, VariableBitrate) and config.codec == "av1":
        return "constant bitrate"
    return _RATE_MODES[type(rate)]


def live_change(
    old: EncoderConfig, old_settings: CodecSettings, new: EncoderConfig, new_settings: CodecSettings
) -> Mapping[str, str] | None:
    """The options to set on a running encoder; None when it takes a new one."""
    before, after = old.rate_control, new.rate_control
    kinds = live_rates(old_settings.library)
    if type(before) is not type(after) or type(after).__name__ not in kinds:
        return None
    if replace(new, rate_control=before) != old:
        return None
    qualities = {rate.q for rate in (before, after) if isinstance(rate, ConstantQuality)}
    if len(qualities) == 2 and _LOSSLESS in qualities:
        return None
    return {
        name: value
        for name, value in new_settings.options.items()
        if old_settings.options.get(name) != value
    }
