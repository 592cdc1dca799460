"""Frames made of VideoToolbox's images, in the form that the decoder was asked for.

Must not know: which pictures are delivered, sessions.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..backend import CodedPicture
from ..bitstream import h264, hevc
from ..color import ColorSpec
from ..errors import UnsupportedConfig
from ..frame import Conversion, Frame
from ..frame_pixels import converted
from ..pixel_format import FORMATS
from ..types import DecoderConfig
from .capabilities import FRAME_FORMATS
from .image_info import image_info

_FIELD_ORDERS: Final = {True: "tff", False: "bff", None: None}


class FrameMaker:
    """Makes frames in the form that the decoder was asked for.

    In their own form their planes look at the memory that VideoToolbox decoded into.
    """

    def __init__(self, config: DecoderConfig) -> None:
        self._config = config
        self.disagreements = 0  # frames of whose buffers something differs from their streams
        self._metadata = config.output == "metadata"
        whole = config.size is None and config.crop is None
        self._native = config.output in ("native", "metadata") and whole
        self._request = Conversion(
            config.output, config.size, config.crop, None, config.chroma, config.resize,
            config.mean, config.std,
        )  # fmt: skip

    def make(
        self,
        item: CodedPicture,
        corrupt: bool | None,
        image: Any,
        sps: h264.Sps | hevc.Sps,
        native: str,
        flags: int,
    ) -> Frame:
        """The frame of ``item``; ``image`` is None without pixels, ``native`` its format then.
        ``flags`` are those of decoding."""
        size = sps.width, sps.height
        name, planes = native, ()
        if image is not None:
            name = self._format(image)
            left, top, *size = image.clean
            planes = image.planes(_layout(name, left, top, size[0], size[1]))
        color = _stated_color(item, sps, name)
        aspect = item.info.sequence.sample_aspect_ratio
        told = image_info(flags, image, color, aspect, (sps.width, sps.height))
        self.disagreements += bool(told.disagreements)
        fields = item.info.fields
        unit = item.unit
        frame = Frame(
            planes=planes,
            format=name,
            width=size[0],
            height=size[1],
            pts=item.pts,
            time_base=self._config.time_base,
            color=color.overridden_by(self._config.color) if self._config.color else color,
            keyframe=item.keyframe,
            corrupt=corrupt,
            field_order=_FIELD_ORDERS[fields.top_first]
            if _interlaced(unit, sps)
            else "progressive",
            repeat=fields.repeat,
            sample_aspect_ratio=aspect,
            decode_index=item.serial,
            side_data=item.info.side_data,
            backend_info=told,
        )
        return frame if self._native else converted(frame, self._request)

    def _format(self, image: Any) -> str:
        name = FRAME_FORMATS.get(image.pixel_format)
        if name is None:
            code = image.pixel_format.to_bytes(4, "big")
            raise UnsupportedConfig(
                f"VideoToolbox decoded to the pixel format {code!r}, which has no name here",
                hint='backend="software"',
            )
        return name


def _layout(name: str, left: int, top: int, width: int, height: int) -> list[Any]:
    """Where the planes of what is to be seen lie in an image, as ``_vt.Image.planes`` wants it."""
    layout, found = FORMATS[name], []
    dtype = np.dtype(layout.dtype)
    for index, plane in enumerate(layout.planes):
        shape = layout.plane_shape(index, width, height)
        sample = dtype.itemsize * plane.channels
        inner = (sample,) if len(shape) == 2 else (sample, dtype.itemsize)
        x_bytes = (left >> plane.shift_x) * sample
        found.append((x_bytes, top >> plane.shift_y, shape, inner, dtype.str))
    return found


def _stated_color(item: CodedPicture, sps: h264.Sps | hevc.Sps, name: str) -> ColorSpec:
    layout = FORMATS[name]
    spec = ColorSpec.from_code_points(
        matrix=sps.matrix_coefficients or None,
        full_range=sps.full_range,
        primaries=sps.colour_primaries,
        transfer=sps.transfer_characteristics,
        bit_depth=layout.bit_depth,
    )
    if not any(plane.shift_x or plane.shift_y for plane in layout.planes):
        return spec
    return spec.overridden_by(ColorSpec(siting=item.info.sequence.siting))


def _interlaced(unit: Any, sps: h264.Sps | hevc.Sps) -> bool:
    """Whether a frame may be two fields: coded so, or with pairs of macroblocks (H.264)."""
    if unit is not None and unit.field != "frame":
        return True
    return isinstance(sps, h264.Sps) and bool(sps.mb_adaptive_frame_field_flag)
