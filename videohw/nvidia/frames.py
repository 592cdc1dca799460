"""Frames made of the pictures of NVDEC.

Must not know: which pictures are delivered, sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..backend import CodedPicture, SequenceInfo
from ..color import ColorSpec
from ..decoder_config import DecoderConfig
from ..frame import Converter, Frame
from ..frame_pixels import converted
from ..pixel_format import FORMATS
from .conversions import DeviceConverter
from .sequences import PictureForm, aspect, native_format, plan

_FIELD_ORDERS: Final = {True: "tff", False: "bff", None: None}
_BT601: Final = 5  # matrix_coefficients of H.273
_PARSED: Final = ("h264", "hevc")  # codecs whose sequences our parser describes


def load(config: DecoderConfig) -> Iterator[None]:
    """Import what most frames of ``config`` are planned and made with, step by step."""
    import fractions  # noqa: F401

    if config.output == "metadata":
        return
    yield
    if config.size or config.output not in ("native", "nv12", "p010"):  # which NVDEC makes itself
        from ..kernels import launch, products  # noqa: F401

        if config.output not in FORMATS or not FORMATS[config.output].rgb:
            from ..kernels import ycbcr  # noqa: F401
        yield
    if config.memory == "host":
        import numpy  # noqa: F401


def planned(core: Any, device: Any, config: DecoderConfig, info: SequenceInfo) -> PictureForm:
    """What ``core`` makes of the pictures of its sequence, of which our parser says ``info``."""
    sequence = core.sequence()
    stated = stated_color(sequence, info, config.codec, native_format(sequence))
    return plan(core, device, config, sequence, stated)


def stated_color(sequence: dict[str, Any], info: SequenceInfo, codec: str, name: str) -> ColorSpec:
    """What the stream states of its colour, of pictures in the format ``name``."""
    layout = FORMATS[name]
    full_range: bool | None = sequence["full_range"]
    if codec in _PARSED:
        full_range = info.full_range
    matrix = sequence["matrix"]
    if codec == "jpeg":  # whatever the size (ITU-T T.871)
        full_range, matrix = True, _BT601
    subsampled = any(plane.shift_x or plane.shift_y for plane in layout.planes)
    spec = ColorSpec.from_code_points(
        matrix=matrix if matrix or layout.rgb else None,
        full_range=full_range,
        primaries=sequence["primaries"],
        transfer=sequence["transfer"],
        bit_depth=layout.bit_depth,
    )
    if not subsampled:
        return spec
    return spec.overridden_by(ColorSpec(siting=info.siting))


class FrameMaker:
    """Makes frames in the form that the decoder was asked for."""

    def __init__(self, config: DecoderConfig, device: Any) -> None:
        self._config = config
        self._converter: Converter | None = None
        if config.memory == "device":
            self._converter = DeviceConverter(device)
        for _ in load(config):  # or callers would wait for it with the first frame
            pass

    def make(
        self,
        form: PictureForm,
        item: CodedPicture,
        corrupt: bool | None,
        pixels: Any,
        *,
        progressive: bool,
        top_field_first: bool,
    ) -> Frame:
        """The frame of ``item``; ``pixels`` is its block, None without."""
        top_first: bool | None = item.info.fields.top_first
        if self._config.codec not in _PARSED:
            top_first = top_field_first
        frame = Frame(
            planes=() if pixels is None else pixels.planes(form.layout),
            format=form.format,
            width=form.width,
            height=form.height,
            pts=item.pts,
            time_base=self._config.time_base,
            color=form.color,
            keyframe=item.keyframe,
            corrupt=corrupt,
            field_order="progressive" if progressive else _FIELD_ORDERS[top_first],
            repeat=item.info.fields.repeat,
            sample_aspect_ratio=aspect(form, item.info.sequence.sample_aspect_ratio),
            decode_index=item.serial,
            side_data=item.info.side_data,
            memory=self._config.memory,
            converter=self._converter,
        )
        return frame if form.later is None else converted(frame, form.later)
