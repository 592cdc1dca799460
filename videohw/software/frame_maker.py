"""Frames of ours made of libavcodec's, in the form that the decoder was asked for.

Must not know: which pictures are delivered, sessions.
"""

from __future__ import annotations

from typing import Any, Final

from ..backend import CodedPicture
from ..decoder_config import DecoderConfig
from ..frame import Conversion, Frame
from ..frame_pixels import converted
from ..pixel_format import FORMATS
from .context import DecodingContext
from .frames import color_of, format_name, planes_of

_PARSED: Final = ("h264", "hevc", "vc1")  # codecs whose sequences our parser describes
_FIELD_ORDERS: Final = {True: "tff", False: "bff", None: None}


class FrameMaker:
    """Makes our frames of libavcodec's, in the form that the decoder was asked for.

    ``converts``: that is another form than libavcodec's, which :meth:`convert` makes.
    """

    def __init__(self, config: DecoderConfig) -> None:
        self._config = config
        self._metadata = config.output == "metadata"
        convert = config.output not in ("native", "metadata") or config.size or config.crop
        self._conversion = Conversion(
            config.output, config.size, config.crop, None, config.chroma, config.resize,
            config.mean, config.std,
        )  # fmt: skip
        self.converts = bool(convert)

    def make(
        self,
        av_frame: Any,
        item: CodedPicture,
        corrupt: bool | None,
        context: DecodingContext | None,
    ) -> Frame:
        """The frame of ``item``, in libavcodec's own form."""
        name = format_name(av_frame.format.name)
        color = color_of(
            int(av_frame.colorspace), int(av_frame.color_range), int(av_frame.color_primaries),
            int(av_frame.color_trc), item.info.sequence.siting, name,
        )  # fmt: skip
        aspect = item.info.sequence.sample_aspect_ratio
        if self._config.codec not in _PARSED and context is not None:
            aspect = context.sample_aspect_ratio
        top_first = item.info.fields.top_first if av_frame.interlaced_frame else True
        return Frame(
            planes=() if self._metadata else planes_of(av_frame, FORMATS[name]),
            format=name,
            width=av_frame.width,
            height=av_frame.height,
            pts=item.pts,
            time_base=self._config.time_base,
            color=color.overridden_by(self._config.color) if self._config.color else color,
            keyframe=item.keyframe,
            corrupt=corrupt,
            field_order=_FIELD_ORDERS[top_first] if av_frame.interlaced_frame else "progressive",
            repeat=item.info.fields.repeat,
            sample_aspect_ratio=aspect,
            decode_index=item.serial,
            side_data=item.info.side_data,
        )

    def convert(self, frame: Frame) -> Frame:
        """``frame`` as it was asked for; on any thread.

        :class:`UnsupportedConfig` for what cannot be converted.
        """
        return converted(frame, self._conversion)
