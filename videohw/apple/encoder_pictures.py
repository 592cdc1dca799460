"""The caller's pictures on their way into VideoToolbox: copied once, into its own buffers.

Owns: what a picture is converted from and to. Must not know: sessions, packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _vt_encode
from ..coded_color import CodedColor
from ..encoder_input import host_picture
from ..errors import InvalidInput
from ..pixel_format import FORMATS
from ..pixels import convert
from .encoder_failures import no_buffer
from .encoder_settings import EncoderSettings


@dataclass(slots=True, eq=False)
class StagedPicture:
    """A pixel buffer with a copy of the caller's picture, and the bytes that it holds."""

    buffer: _vt_encode.PixelBuffer
    memory_bytes: int
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
        item, kind = np.dtype(target.dtype).itemsize, np.dtype(target.dtype).str
        luma, chroma = (target.plane_shape(index, width, height) for index in range(2))
        self._layout = ((luma, (item,), kind), (chroma, (2 * item, item), kind))
        self._bytes = target.frame_bytes(width, height)

    def stage(self, frame: Any, options: object = None) -> StagedPicture:
        """``frame``, anything that ``Encoder.submit`` takes, in a buffer of the session's pool.

        :class:`InvalidInput` names what cannot be.
        """
        if options is not None:
            raise InvalidInput(
                f"options of the picture is {type(options).__name__}, the videotoolbox backend "
                "takes none",
                argument="options",
                hint="None",
            )
        config, target = self._settings.config, FORMATS[self._settings.picture_format]
        picture = host_picture(frame, config.input, config.width, config.height)
        color = self._coded.source(picture.format.rgb, picture.color)
        buffer, failure = self._compression.buffer()
        if buffer is None:
            assert failure is not None
            raise no_buffer(failure)
        views, failure = buffer.planes(self._layout)
        if views is None:
            assert failure is not None
            raise no_buffer(failure)
        plain = picture.format.name == target.name and color == self._coded.color
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
        return StagedPicture(buffer, self._bytes, not plain)


def _readable(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The plane, or a copy where its values do not lie side by side in a row."""
    item = plane.itemsize
    inner = (plane.shape[2] * item, item) if plane.ndim == 3 else (item,)
    plain = plane.strides[1:] == inner and plane.strides[0] > 0 and plane.dtype.isnative
    return plane if plain else np.ascontiguousarray(plane, plane.dtype.newbyteorder("="))
