"""The caller's pictures on their way into VideoToolbox: copied once, into its own buffers, or not
at all where they lie in a CVPixelBuffer that fits.

Owns: what a picture is converted from and to. Must not know: sessions, packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _vt, _vt_encode
from ..encoding.coded_color import CodedColor
from ..encoding.encoder_input import host_picture
from ..frame import Frame
from ..pixel_format import FORMATS
from ..pixels import convert
from .encoder_failures import no_buffer
from .encoder_messages import message_unit, picture_options_of
from .encoder_settings import EncoderSettings
from .image_info import attached_color, differing


@dataclass(slots=True, eq=False)
class StagedPicture:
    """A pixel buffer with the caller's picture, and the bytes that it holds. It was ``copied``,
    perhaps ``converted``, or is that of a decoder."""

    buffer: _vt_encode.PixelBuffer
    memory_bytes: int
    messages: bytes
    copied: bool
    converted: bool


class PictureStage:
    """Takes the pictures of one generation of settings. Its methods may run on any thread.

    RGB is converted here, by the encoder's own colour: VideoToolbox would choose a matrix itself.
    """

    def __init__(self, settings: EncoderSettings, compression: _vt_encode.Compression) -> None:
        self._settings = settings
        self._compression = compression
        self._coded = CodedColor(settings.picture_format, settings.color)
        self._coded.check_input(settings.config.input)
        width, height = settings.config.width, settings.config.height
        target = FORMATS[settings.picture_format]
        item, kind = target.item_bytes, target.typestr
        luma, chroma = (target.plane_shape(index, width, height) for index in range(2))
        self._layout = ((luma, (item,), kind), (chroma, (2 * item, item), kind))
        self._bytes = target.frame_bytes(width, height)

    def stage(self, frame: Any, options: object = None) -> StagedPicture:
        """``frame``, anything that ``Encoder.submit`` takes, in a buffer of the session's pool, or
        in its own, unchanged, where it is one of a VideoToolbox decoder that fits.

        :class:`InvalidInput` names what cannot be.
        """
        config, target = self._settings.config, FORMATS[self._settings.picture_format]
        if isinstance(frame, Frame) and _is_ours(frame):
            frame = frame.to_host()  # the same memory
        picture = host_picture(frame, config.input, config.width, config.height)
        color = self._coded.source(picture.format.rgb, picture.color)
        brought = frame.side_data if isinstance(frame, Frame) else None
        messages = message_unit(config.codec, picture_options_of(options), brought)
        plain = picture.format.name == target.name and color == self._coded.color
        own = self._fitting(frame) if plain else None
        if own is not None:
            return StagedPicture(own, self._bytes, messages, copied=False, converted=False)
        buffer, failure = self._compression.buffer()
        if buffer is None:
            assert failure is not None
            raise no_buffer(failure)
        views, failure = buffer.planes(self._layout)
        if views is None:
            assert failure is not None
            raise no_buffer(failure)
        try:
            if plain:
                for view, plane in zip(views, picture.planes, strict=True):
                    np.copyto(view, plane)
            else:
                planes = [_readable(plane) for plane in picture.planes]
                convert(
                    planes, picture.format.name, target.name, color=color,
                    output_color=self._coded.color, out=list(views),
                )  # fmt: skip
        finally:
            buffer.seal()
        return StagedPicture(buffer, self._bytes, messages, copied=True, converted=not plain)

    def _fitting(self, frame: Any) -> _vt_encode.PixelBuffer | None:
        """The CVPixelBuffer that ``frame`` is all of, if VideoToolbox takes it as it is: in the
        pixel format of the session, and with nothing attached that it would convert from."""
        image = _vt.whole_image(frame.planes) if isinstance(frame, Frame) else None
        if image is None or image.pixel_format != self._settings.pixel_format:
            return None
        config = self._settings.config
        if image.size != (config.width, config.height):
            return None
        if differing(self._settings.color, attached_color(image)):
            return None
        return _vt_encode.borrowed_buffer(image.capsule())


def _is_ours(frame: Frame) -> bool:
    """Whether it is in device memory, of a VideoToolbox decoder."""
    planes: tuple[Any, ...] = frame.planes
    return frame.memory != "host" and all(isinstance(each, _vt.DeviceArray) for each in planes)


def _readable(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The plane, or a copy where its values do not lie side by side in a row."""
    item = plane.itemsize
    inner = (plane.shape[2] * item, item) if plane.ndim == 3 else (item,)
    plain = plane.strides[1:] == inner and plane.strides[0] > 0 and plane.dtype.isnative
    return plane if plain else np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))
