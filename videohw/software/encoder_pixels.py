"""The caller's pixels into libavcodec's frames: copied at submit, converted on the worker.

Owns: which frame format a picture is copied into, and the conversion by swscale to the coded
format and colour. Must not know: packets, time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..color import MATRICES, RANGES, ColorSpec
from ..encoder_input import (
    av_color,
    av_format,
    check_size,
    host_picture,
    is_av_frame,
)
from ..errors import InvalidInput, UnsupportedConfig
from ..pixel_format import FORMATS
from ..types import EncoderConfig
from .capabilities import load_av
from .frames import av_frame_of

# The matrices that swscale computes, as SWS_CS_* of libswscale/swscale.h.
_SWS_MATRICES: Final = {
    "bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 5, "smpte240m": 7, "bt2020nc": 9,
}  # fmt: skip
# SWS_BILINEAR | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND | SWS_BITEXACT of
# swscale.h: within 1.02 code values of the exact result for 8 bits (measured, all inputs).
_SCALING: Final = 1 << 1 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 19
# swscale's own threads would keep a forked child from exiting, and the worker is one already.
_THREADS: Final = 1


@dataclass(frozen=True, slots=True)
class StagedPicture:
    """A copy of the caller's pixels as an ``av.VideoFrame``, with the colour they are in.

    ``matrix`` of RGB pixels is the one that they are to be coded with.
    """

    frame: Any
    matrix: str
    range: str

    @property
    def memory_bytes(self) -> int:
        """Bytes that the copy holds."""
        return sum(plane.buffer_size for plane in self.frame.planes)


class PixelStage:
    """Copies pictures in, and converts them to ``pixel_format`` in the colour ``color``.

    ``color`` has matrix and range resolved. RGB is taken as full range. A picture that states
    another matrix or range than the encoder's is converted, one that states none is taken as
    being the encoder's. :meth:`copy` may run on any thread, :meth:`convert` on one only.
    """

    def __init__(self, config: EncoderConfig, pixel_format: str, color: ColorSpec) -> None:
        av = load_av()
        self._config = config
        self._pixel_format = pixel_format
        self._matrix = str(color.matrix)
        self._range = str(color.range)
        self._reformatter = av.video.reformatter.VideoReformatter()
        if FORMATS[config.input].rgb and self._matrix not in _SWS_MATRICES:
            raise UnsupportedConfig(
                f"color.matrix is {self._matrix!r}, which cannot be computed from {config.input}",
                hint=f"one of {', '.join(_SWS_MATRICES)}, or give YCbCr input",
            )

    def copy(self, frame: Any) -> StagedPicture:
        """``frame``, anything that ``Encoder.submit`` takes, as a copy; else InvalidInput."""
        config = self._config
        if is_av_frame(frame) and av_format(frame.format.name) is None:
            return self._copy_unlisted(frame)
        picture = host_picture(frame, config.input, config.width, config.height)
        layout = picture.format
        copied = av_frame_of(layout.name, config.width, config.height, picture.planes)
        return self._staged(copied, layout.rgb, picture.color)

    def convert(self, staged: StagedPicture) -> Any:
        """The picture in the coded format and colour: a frame of its own, or the copy itself."""
        same_color = (staged.matrix, staged.range) == (self._matrix, self._range)
        if staged.frame.format.name == self._pixel_format and same_color:
            return staged.frame
        return self._converted(staged, self._reformatter)

    def _converted(self, staged: StagedPicture, reformatter: Any) -> Any:
        frame = staged.frame
        before = frame.colorspace
        if staged.matrix in _SWS_MATRICES:
            # PyAV 17 has no name for BT.2020 and then takes what the frame says. A matrix that
            # swscale does not know would be refused even where only planes are rearranged.
            frame.colorspace = _code_point(staged.matrix)
        try:
            return reformatter.reformat(
                frame,
                format=self._pixel_format,
                src_colorspace=_SWS_MATRICES.get(staged.matrix),
                dst_colorspace=_SWS_MATRICES.get(self._matrix),
                src_color_range=RANGES.index(staged.range) + 1,
                dst_color_range=RANGES.index(self._range) + 1,
                interpolation=_SCALING,
                threads=_THREADS,
            )
        finally:
            frame.colorspace = before

    def _copy_unlisted(self, frame: Any) -> StagedPicture:
        """A frame in a format that only libavutil knows, converted at once."""
        av = load_av()
        check_size(frame, self._config.width, self._config.height)
        staged = self._staged(frame, bool(frame.format.is_rgb), av_color(frame))
        try:
            copied = self._converted(staged, av.video.reformatter.VideoReformatter())
        except (av.error.FFmpegError, ValueError) as error:
            raise InvalidInput(
                f"frame has the pixel format {frame.format.name}, which swscale cannot read: "
                f"{error}",
                argument="frame",
                hint="frame.reformat(format='yuv420p')",
            ) from error
        return StagedPicture(copied, self._matrix, self._range)

    def _staged(self, frame: Any, rgb: bool, color: ColorSpec | None) -> StagedPicture:
        matrix = color.matrix if color and color.matrix and not rgb else self._matrix
        full_or_own = "full" if rgb else self._range
        stated = color.range if color and not rgb else None
        if matrix != self._matrix and not self._can_convert(matrix):
            raise InvalidInput(
                f"frame has the matrix {matrix}, the encoder {self._matrix}, and swscale cannot "
                "convert one into the other",
                argument="frame",
                hint="open the encoder with color=frame.color",
            )
        if rgb and self._matrix not in _SWS_MATRICES:
            raise InvalidInput(
                f"frame is RGB, from which swscale cannot compute {self._matrix}",
                argument="frame",
                hint=f"open the encoder with color.matrix one of {', '.join(_SWS_MATRICES)}",
            )
        return StagedPicture(frame, matrix, stated or full_or_own)

    def _can_convert(self, matrix: str) -> bool:
        named = hasattr(load_av().video.reformatter.Colorspace, "BT2020")
        return (
            matrix in _SWS_MATRICES
            and self._matrix in _SWS_MATRICES
            and (named or self._matrix != "bt2020nc")
        )


def _code_point(matrix: str) -> int:
    return next(code for code, name in MATRICES.items() if name == matrix)
