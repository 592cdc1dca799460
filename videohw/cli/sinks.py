"""What becomes of decoded frames: raw bytes, YUV4MPEG2, .npy, PNG pictures, checksums.

A sink takes frames in presentation order with ``write`` and is ended by ``finish``; it writes to
a stream that it was given and knows nothing of names, decoders or terminals.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedConfig
from ..files.pyav import load_av
from ..pixel_format import PixelFormat, pixel_format
from .targets import writing

if TYPE_CHECKING:
    from ..frame import Frame

Array = npt.NDArray[Any]

PLANAR = "planar"
# Formats whose chroma is interleaved, whose samples are in the high bits, or that are another
# name, and their planar equals.
_PLANAR_NAMES = {
    "i420": "yuv420p", "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p",
    "nv24": "yuv444p", "p010": "yuv420p10", "p012": "yuv420p12", "p016": "yuv420p16",
    "p210": "yuv422p10", "p410": "yuv444p10", "yuvj420p": "yuv420p", "yuvj422p": "yuv422p",
    "yuvj444p": "yuv444p", "yuvj440p": "yuv440p", "yuvj411p": "yuv411p",
    **{f"{n}{bits}msb": f"{n}{bits}" for n in ("gray", "yuv444p", "gbrp") for bits in (10, 12)},
}  # fmt: skip
# Planar name -> the C parameter of a YUV4MPEG2 header. 8-bit 4:2:0 depends on the siting.
_Y4M_NAMES = {
    "gray": "mono", "yuv422p": "422", "yuv444p": "444", "yuv411p": "411",
    **{f"gray{bits}": f"mono{bits}" for bits in (9, 10, 12, 16)},
    **{
        f"yuv{form}p{bits}": f"{form}p{bits}"
        for form in ("420", "422", "444")
        for bits in (9, 10, 12, 14, 16)
    },
}  # fmt: skip
_Y4M_420 = {"left": "420mpeg2", "center": "420jpeg", "topleft": "420paldv"}


class Picture:
    """The planes of a frame in host memory, with the name of their format.

    With ``planar`` they are in the form that is the same on every backend: one plane a
    component, the value in the low bits of little-endian samples.
    """

    def __init__(self, frame: Frame, *, planar: bool) -> None:
        frame = frame.to_host()
        self.frame = frame
        self.format: PixelFormat = pixel_format(frame.format)
        self.planes: list[Array] = [np.asarray(plane) for plane in frame.planes]
        name = _PLANAR_NAMES.get(frame.format)
        if planar and name is not None:
            self._split(name)

    def _split(self, name: str) -> None:
        shift, swapped = self.format.shift, self.format.name == "nv21"
        planes: list[Array] = []
        for plane in self.planes:
            parts = [plane] if plane.ndim == 2 else [plane[..., 0], plane[..., 1]]
            planes.extend(reversed(parts) if swapped else parts)
        self.planes = [plane >> shift if shift else plane for plane in planes]
        self.format = pixel_format(name)

    def chunks(self) -> list[memoryview]:
        """The bytes of the picture without any padding, plane after plane."""
        return [_bytes_of(plane) for plane in self.planes]

    def array(self) -> Array:
        """The picture as one array; only formats of one plane have one."""
        if len(self.planes) != 1:
            raise UnsupportedConfig(
                f"{self.format.name} has {len(self.planes)} planes, which do not fit one array",
                hint="use --output-format rgb24 or another RGB format",
            )
        return self.planes[0]


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


class FrameSink(Protocol):
    """Takes pictures in presentation order."""

    def write(self, picture: Picture) -> None:
        """Take the next picture."""

    def finish(self) -> None:
        """Complete what was written; nothing comes after it."""


class _OneSize:
    """Refuses a change of size or format where the target has one header for all frames."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._first: tuple[int, int, str] | None = None

    def check(self, picture: Picture) -> bool:
        """True for the first picture; raises when a later one differs."""
        frame = picture.frame
        now = (frame.width, frame.height, picture.format.name)
        if self._first is None:
            self._first = now
            return True
        if now != self._first:
            raise UnsupportedConfig(
                "the pictures change from {}x{} {} to {}x{} {}, which {} cannot hold".format(
                    *self._first, *now, self._what
                ),
                hint="give --size and --output-format, or write raw .yuv",
            )
        return False


class RawSink:
    """The bytes of the frames, one after another, each at its own size."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, picture: Picture) -> None:
        """Append the picture."""
        for chunk in picture.chunks():
            self._stream.write(chunk)

    def finish(self) -> None:
        """Nothing is left to write."""


class Y4mSink:
    """YUV4MPEG2: a header with size, rate, shape and layout, then the frames.

    ``fps`` is the rate of the header; the format has one rate and no timestamps.
    """

    def __init__(self, stream: BinaryIO, fps: Fraction) -> None:
        self._stream = stream
        self._fps = fps
        self._one_size = _OneSize("YUV4MPEG2")

    def write(self, picture: Picture) -> None:
        """Append the picture, and before the first one the header."""
        if self._one_size.check(picture):
            self._stream.write(self._header(picture))
        self._stream.write(b"FRAME\n")
        for chunk in picture.chunks():
            self._stream.write(chunk)

    def finish(self) -> None:
        """Nothing is left to write."""

    def _header(self, picture: Picture) -> bytes:
        frame, name = picture.frame, picture.format.name
        siting = frame.color.siting
        layout = _Y4M_420.get(siting or "left", "420mpeg2") if name == "yuv420p" else None
        layout = layout or _Y4M_NAMES.get(name)
        if layout is None:
            raise UnsupportedConfig(
                f"YUV4MPEG2 has no layout for {name}",
                hint="use --output-format i420, or write .yuv or .rgb",
            )
        aspect = frame.sample_aspect_ratio or Fraction(0, 1)
        shape = (0, 0) if not aspect else (aspect.numerator, aspect.denominator)
        order = {"tff": "t", "top": "t", "bff": "b", "bottom": "b"}.get(str(frame.field_order), "p")
        words = [
            "YUV4MPEG2", f"W{frame.width}", f"H{frame.height}",
            f"F{self._fps.numerator}:{self._fps.denominator}", f"I{order}",
            f"A{shape[0]}:{shape[1]}", f"C{layout}",
        ]  # fmt: skip
        if frame.color.range:
            words.append(f"XCOLORRANGE={frame.color.range.upper()}")
        return " ".join(words).encode() + b"\n"


class NpySink:
    """One NumPy array of all frames: (frames, height, width, channels), or CHW for planar RGB.

    The number of frames is written into the header at the end, so the stream must be seekable.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._one_size = _OneSize("a .npy file")
        self._count = 0
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype(np.uint8)
        self._header_bytes = 0

    def write(self, picture: Picture) -> None:
        """Append the picture, and before the first one a header to be filled later."""
        array = picture.array()
        if self._one_size.check(picture):
            self._shape, self._dtype = array.shape, array.dtype
            self._write_header()
        self._stream.write(_bytes_of(array))
        self._count += 1

    def finish(self) -> None:
        """Write the number of frames into the header."""
        self._stream.seek(0)
        self._write_header()
        self._stream.seek(0, 2)

    def _write_header(self) -> None:
        # Version 1.0 pads its header to a multiple of 64 bytes and reserves room for a growing
        # first axis, so the header of any count has the same length.
        np.lib.format.write_array_header_1_0(
            self._stream,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self._count, *self._shape),
            },
        )
        if self._header_bytes not in (0, self._stream.tell()):
            raise UnsupportedConfig("too many frames for one .npy file", hint="use --frames")
        self._header_bytes = self._stream.tell()


class PngSink:
    """One PNG picture a frame, each written whole before it gets its name.

    ``pattern`` holds one ``%d`` or ``%05d`` for the number of the frame, from 0.
    """

    def __init__(self, pattern: str, *, overwrite: bool) -> None:
        self._av = load_av("writing PNG pictures")
        self._pattern = pattern
        self._overwrite = overwrite
        self._encoder: Any = None
        self._size: tuple[int, int] | None = None
        self._number = 0

    def write(self, picture: Picture) -> None:
        """Write one picture as a file."""
        pixels = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(picture.array()), format=picture.format.name
        )
        pixels.pts = self._number
        encoder = self._open_encoder(picture)
        with writing(self._pattern % self._number, overwrite=self._overwrite) as stream:
            for packet in encoder.encode(pixels):
                stream.write(bytes(packet))
        self._number += 1

    def finish(self) -> None:
        """Nothing is left to write."""

    def _open_encoder(self, picture: Picture) -> Any:
        size = (picture.frame.width, picture.frame.height)
        if self._encoder is None or size != self._size:
            # Without the codec's frame threads, which would hold back the first pictures.
            encoder = self._av.CodecContext.create("png", "w")
            encoder.width, encoder.height = size
            encoder.pix_fmt = picture.format.name
            encoder.time_base = Fraction(1, 1)
            encoder.thread_count = 1
            self._encoder, self._size = encoder, size
        return self._encoder


class Checksums:
    """MD5 of all frames, and of each when ``each`` is set, over their bytes without padding."""

    def __init__(self, *, each: bool) -> None:
        self._whole = hashlib.md5(usedforsecurity=False)
        self._each = each
        self.frames: list[str] = []

    def write(self, picture: Picture) -> str | None:
        """Add the picture; its own checksum when each frame's was asked for."""
        one = hashlib.md5(usedforsecurity=False) if self._each else None
        for chunk in picture.chunks():
            self._whole.update(chunk)
            if one is not None:
                one.update(chunk)
        if one is None:
            return None
        self.frames.append(one.hexdigest())
        return self.frames[-1]

    @property
    def whole(self) -> str:
        """The checksum of all pictures so far, in hexadecimal."""
        return self._whole.hexdigest()
