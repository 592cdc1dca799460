"""Frames made of VideoToolbox's images, in the form that the decoder was asked for.

Must not know: which pictures are delivered, sessions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from .. import _vt
from ..backend import CodedPicture
from ..bitstream import h264, hevc
from ..color import ColorSpec
from ..decoder_config import DecoderConfig
from ..errors import BackendError, UnsupportedConfig
from ..frame import Conversion, Frame
from ..frame_pixels import Task, converted
from ..pixel_format import FORMATS
from .capabilities import FRAME_FORMATS
from .image_info import image_info
from .options import AppleDecoderOptions
from .picture_form import PictureForm
from .samples import Sample
from .transform import HINT, PlannedImage, Transform

_FIELD_ORDERS: Final = {True: "tff", False: "bff", None: None}


class FrameMaker:
    """Makes frames in the form that the decoder was asked for.

    In their own form their planes look at the memory that VideoToolbox decoded into.
    """

    def __init__(self, config: DecoderConfig, options: AppleDecoderOptions) -> None:
        self._config = config
        self.disagreements = 0  # frames of whose buffers something differs from their streams
        whole = config.size is None and config.crop is None
        self._native = config.output in ("native", "metadata") and whole
        self._request = Conversion(
            config.output, config.size, config.crop, None, config.chroma, config.resize,
            config.mean, config.std,
        )  # fmt: skip
        self._on_metal = config.memory == "device"
        self._transform = Transform(
            self._request, converts=not self._native, wanted=options.gpu_transform,
            required=self._on_metal,
        )  # fmt: skip
        self._on_device = self._on_host = 0
        self._why_on_host: str | None = self._transform.why

    def take_kernels(self) -> Any:
        """What Metal converts by, for the session to keep; None where it does not convert."""
        kernels, self._transform.kernels = self._transform.kernels, None
        return kernels

    def summary(self) -> dict[str, Any]:
        """How many pictures were converted where, and why the last of them not by Metal."""
        return {
            "converted_on_device": self._on_device,
            "converted_on_host": self._on_host,
            "why_on_host": self._why_on_host,
        }

    def plan(self, sample: Sample) -> PlannedImage | None:
        """How Metal converts the images of this sample and those after it that have the same
        parameter sets; None where it does not."""
        assert sample.sps is not None
        assert sample.new_sets is not None
        size = sample.sps.width, sample.sps.height
        frame = self._frame(sample.items[0], None, sample.sps, sample.format, size, ())
        return self._transform.plan(frame, sample.new_sets[0])

    def make(
        self,
        item: CodedPicture,
        corrupt: bool | None,
        sample: Sample,
        flags: int,
        image: Any,
        made: Any,
    ) -> Frame:
        """The frame of ``item``; the rest is what came of ``sample``, as ``_vt.Core.pop`` says."""
        sps, name, planes = sample.sps, sample.format, ()
        assert sps is not None
        size = sps.width, sps.height
        if image is not None and not isinstance(made, _vt.Pixels):
            name = self._format(image)
            left, top, *size = image.clean
            places = _layout(name, left, top, size[0], size[1])
            planes = image.device_planes(places) if self._on_metal else image.planes(places)
        frame = self._frame(item, corrupt, sps, name, (size[0], size[1]), planes)
        aspect = item.info.sequence.sample_aspect_ratio
        stated = _stated_color(item, sps, name)
        told = image_info(
            flags, image, stated, aspect, (sps.width, sps.height), (sps.crop[0], sps.crop[2])
        )
        self.disagreements += bool(told.disagreements)
        frame = replace(frame, backend_info=told)
        if self._native or image is None:
            return frame
        if isinstance(made, _vt.Pixels):
            planned = sample.planned
            assert planned is not None
            self._on_device += 1
            array = made.device_array if self._on_metal else made.array
            pixels = array(planned.shape, planned.typestr)
            return Task.of(frame, self._request).result((pixels,))
        return self._converted(frame, made)

    def _converted(self, frame: Frame, failure: tuple[str, int] | None) -> Frame:
        """``frame``, converted by the processor; ``failure`` says why Metal did not."""
        why, call, code = None, None, 0
        if failure is not None:
            call, code = failure
            why = f"{call} ({code})" if code else call
        elif self._transform.converts:
            why = f"no kernel takes {frame.format}"
        Task.of(frame, self._request)  # what nobody could do is refused first
        if why is not None:
            self._why_on_host = f"Metal did not convert: {why}"
            if self._transform.required:
                raise BackendError(
                    f"picture {frame.decode_index}: {self._why_on_host}",
                    domain="metal",
                    call=call,
                    code=code,
                    hint=HINT,
                )
        result = converted(frame, self._request)
        self._on_host += 1
        return result

    def _frame(
        self,
        item: CodedPicture,
        corrupt: bool | None,
        sps: h264.Sps | hevc.Sps | PictureForm,
        name: str,
        size: tuple[int, int],
        planes: tuple[Any, ...],
    ) -> Frame:
        color = _stated_color(item, sps, name)
        fields = item.info.fields
        return Frame(
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
            if _interlaced(item.unit, sps)
            else "progressive",
            repeat=fields.repeat,
            sample_aspect_ratio=item.info.sequence.sample_aspect_ratio,
            decode_index=item.serial,
            side_data=item.info.side_data,
            memory=self._config.memory,
        )

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
    item = layout.item_bytes
    for index, plane in enumerate(layout.planes):
        shape = layout.plane_shape(index, width, height)
        sample = item * plane.channels
        inner = (sample,) if len(shape) == 2 else (sample, item)
        x_bytes = (left >> plane.shift_x) * sample
        found.append((x_bytes, top >> plane.shift_y, shape, inner, layout.typestr))
    return found


def _stated_color(
    item: CodedPicture, sps: h264.Sps | hevc.Sps | PictureForm, name: str
) -> ColorSpec:
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


def _interlaced(unit: Any, sps: h264.Sps | hevc.Sps | PictureForm) -> bool:
    """Whether a frame may be two fields: coded so, or with pairs of macroblocks (H.264)."""
    if unit is not None and unit.field != "frame":
        return True
    return isinstance(sps, h264.Sps) and bool(sps.mb_adaptive_frame_field_flag)
