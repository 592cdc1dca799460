"""The caller's pixels into libavcodec's frames: copied at submit, converted on a worker.

Owns: which frame format a picture is copied into, and what it is converted from and to. Must not
know: packets, time.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final

from ..color import RANGES, ColorSpec
from ..encoding.coded_color import CodedColor
from ..encoding.encoder_input import (
    av_color,
    av_format,
    check_size,
    host_picture,
    is_av_frame,
)
from ..errors import InvalidInput
from ..pixel_format import FORMATS
from ..pixels import convert
from ..types import EncoderConfig
from .capabilities import load_av
from .frames import av_frame_of, format_name, planes_of, writable_planes
from .pixel_workers import PixelWorkers

# swscale's own threads would keep a forked child from exiting, and the worker is one already.
_THREADS: Final = 1
# A picture of which chroma is a whole part in every format.
_WHOLE_SAMPLES: Final = (16, 16)
# Chroma's size as parts of luma's -> how planar formats are called.
_SUBSAMPLINGS: Final = {
    (1, 1): "yuv444p", (2, 1): "yuv422p", (2, 2): "yuv420p", (4, 1): "yuv411p", (4, 4): "yuv410p",
    (1, 2): "yuv440p",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StagedPicture:
    """A copy of the caller's pixels as an ``av.VideoFrame``, with the colour they are in.

    ``ahead``: what a worker converts it to meanwhile, and the stage that it is for.
    """

    frame: Any
    color: ColorSpec
    ahead: tuple[PixelStage, Future[Any]] | None = None

    @property
    def memory_bytes(self) -> int:
        """Bytes that the copy holds."""
        return sum(plane.buffer_size for plane in self.frame.planes)


class PixelStage:
    """Copies pictures in, and converts them to ``pixel_format`` in the colour ``color``.

    ``color`` has matrix and range resolved. RGB is taken as full range. A picture that states
    another matrix, range or siting than the encoder's is converted, one that states none is taken
    as being the encoder's. Its methods may run on any thread; ``workers`` convert ahead.
    """

    def __init__(
        self,
        config: EncoderConfig,
        pixel_format: str,
        color: ColorSpec,
        workers: PixelWorkers | None = None,
    ) -> None:
        self._config = config
        self._pixel_format = pixel_format
        self._coded = CodedColor(format_name(pixel_format), color)
        self._coded.check_input(config.input)
        self._color = self._coded.color
        self.workers = workers

    def copy(self, frame: Any) -> StagedPicture:
        """``frame``, anything that ``Encoder.submit`` takes, as a copy; else InvalidInput."""
        config = self._config
        if is_av_frame(frame) and av_format(frame.format.name) is None:
            check_size(frame, config.width, config.height)
            listed = _in_listed_format(frame)
            layout = FORMATS[format_name(listed.format.name)]
            return self._staged(listed, layout.rgb, av_color(frame))
        picture = host_picture(frame, config.input, config.width, config.height)
        layout = picture.format
        copied = av_frame_of(layout.name, config.width, config.height, picture.planes)
        return self._staged(copied, layout.rgb, picture.color)

    def begin(self, staged: StagedPicture) -> StagedPicture:
        """``staged``, which a worker begins to convert if there is one and need for it."""
        if self.workers is None or self._is_coded_form(staged):
            return staged
        future = self.workers.begin(self._convert, staged)
        return staged if future is None else replace(staged, ahead=(self, future))

    def convert(self, staged: StagedPicture) -> Any:
        """The picture in the coded format and colour: a frame of its own, or the copy itself."""
        if staged.ahead is not None:
            stage, future = staged.ahead
            assert stage.workers is not None
            converted = stage.workers.result(future, stage._convert, staged)
            if stage is self:  # else it was staged for a session switch that failed
                return converted
        return staged.frame if self._is_coded_form(staged) else self._convert(staged)

    def _is_coded_form(self, staged: StagedPicture) -> bool:
        return bool(staged.frame.format.name == self._pixel_format and staged.color == self._color)

    def _convert(self, staged: StagedPicture) -> Any:
        frame = staged.frame
        source, target = format_name(frame.format.name), format_name(self._pixel_format)
        made = load_av().VideoFrame(frame.width, frame.height, self._pixel_format)
        convert(
            planes_of(frame, FORMATS[source]),
            source,
            target,
            color=staged.color,
            output_color=self._color,
            out=writable_planes(made, FORMATS[target]),
        )
        return made

    def _staged(self, frame: Any, rgb: bool, stated: ColorSpec | None) -> StagedPicture:
        return StagedPicture(frame, self._coded.source(rgb, stated))


def _in_listed_format(frame: Any) -> Any:
    """A frame in a format that only libavutil knows, as swscale puts it into one of ours.

    Its samples are only put elsewhere: neither colour nor size change.
    """
    av = load_av()
    as_it_is = RANGES.index(av_color(frame).range or "limited") + 1
    try:
        return frame.reformat(
            format=_listed_format(frame.format.name),
            src_color_range=as_it_is,
            dst_color_range=as_it_is,
            threads=_THREADS,
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidInput(
            f"frame has the pixel format {frame.format.name}, which swscale cannot read: {error}",
            argument="frame",
            hint="frame.reformat(format='yuv420p')",
        ) from error


def _listed_format(name: str) -> str:
    """A format of ours that holds what a picture in libavutil's ``name`` does but for alpha."""
    described = load_av().VideoFormat(name, *_WHOLE_SAMPLES)
    components = described.components
    bits = max(component.bits for component in components)
    if described.has_palette:
        return "rgb24"
    if described.is_rgb or name.startswith("xyz"):
        family, widest = "gbrp", "gbrp16le"
    elif len(components) < 3:
        family, widest = "gray", "gray16le"
    else:
        luma, chroma = components[:2]
        steps = luma.width // chroma.width, luma.height // chroma.height
        family, widest = _SUBSAMPLINGS[steps], "yuv444p16le"
    if bits <= 8:
        return family
    return f"{family}{bits}le" if f"{family}{bits}" in FORMATS else widest
