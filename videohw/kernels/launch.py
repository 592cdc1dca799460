"""Arguments and grids of the CUDA kernels, for conversions that are stated in the API's terms.

Owns: the layout of the struct that every kernel takes (kernels/nv12_rgb.cu), and which kernel is
taken. Must not know: the driver; memory is addresses.
"""

from __future__ import annotations

import ctypes as c
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from ..color import ColorSpec, from_rgb, to_rgb
from ..color.reference import CHROMA_METHODS, RESIZE_METHODS, chroma_phase
from ..errors import InvalidInput, UnsupportedConfig
from ..pixel_format import PixelFormat, pixel_format

Addresses: TypeAlias = Sequence[int]
Triple: TypeAlias = tuple[float, float, float]

MAX_PICTURES: Final = 16  # of one launch
BLOCK: Final = (32, 8, 1)
ROWS_OF_ANY: Final = 4  # that a thread of SOURCE_any takes
# Products of two of these, doubled, are counted in 32 bits on the device.
MAX_SIDE: Final = 1 << 15
MAX_PITCH_BYTES: Final = 1 << 31
# Kernels by their part of the name, and the pixels that a thread takes of a row.
_SOURCES: Final = {
    "nv12": "nv12", "nv21": "nv12", "nv16": "nv12",
    "p010": "p016", "p012": "p016", "p016": "p016", "p210": "p016",
    "yuv444p": "yuv444", "yuvj444p": "yuv444",
    **{f"yuv444p{bits}": "yuv444p16" for bits in (9, 10, 12, 14, 16)},
}  # fmt: skip
_TARGETS: Final = {
    "rgb24": "rgb24", "bgr24": "rgb24", "rgba": "rgba", "bgra": "rgba",
    "rgb_planar": "rgb_planar", "rgb_float16": "rgb_float16", "rgb_float32": "rgb_float32",
}  # fmt: skip
_PIXELS: Final = {"rgb24": 16, "rgba": 4, "rgb_planar": 16, "rgb_float16": 8, "rgb_float32": 4}
_RGB_SOURCES: Final = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar")
_YCBCR_TARGETS: Final = ("nv12", "nv21", "p010", "p012", "p016")


class Picture(c.Structure):
    """The addresses of one picture: up to three planes of the source and of the target."""

    _fields_ = (("source", c.c_uint64 * 3), ("target", c.c_uint64 * 3))


class Conversion(c.Structure):
    """The one argument of every kernel, by value; the fields are explained in nv12_rgb.cu."""

    _fields_ = (
        ("matrix", c.c_float * 3 * 3), ("offset", c.c_float * 3), ("scale", c.c_float * 3),
        ("bias", c.c_float * 3), ("across", c.c_float * 4), ("down", c.c_float * 4),
        ("peak", c.c_float), ("shift", c.c_int32), ("width", c.c_int32), ("height", c.c_int32),
        ("from_width", c.c_int32), ("from_height", c.c_int32), ("left", c.c_int32),
        ("top", c.c_int32), ("crop_width", c.c_int32), ("crop_height", c.c_int32),
        ("from_pitch", c.c_uint32 * 2), ("to_pitch", c.c_uint32 * 2), ("sample_bits", c.c_uint32),
        ("phase_x", c.c_int32), ("phase_y", c.c_int32), ("chroma_rows", c.c_int32),
        ("nearest", c.c_int32), ("area", c.c_int32), ("target", c.c_int32),
        ("pictures", Picture * MAX_PICTURES),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surface:
    """Pictures in device memory: a format of :mod:`videohw.pixel_format`, and where rows lie.

    ``width`` and ``height`` in pixels, 1 to 32768. ``pitches``: bytes from a row to the next, of
    the first plane and of the planes of chroma; one number for both, None for rows without
    padding. ``bit_depth``: of "p016" and "yuv444p16", the bits at the top of each word that
    carry the value, where these are fewer than 16 (cuvid: those of the stream).
    """

    format: str
    width: int
    height: int
    pitches: tuple[int, ...] | None = None
    bit_depth: int | None = None

    @property
    def layout(self) -> PixelFormat:
        """The format's entry in the table."""
        return pixel_format(self.format)

    def row_bytes(self) -> tuple[int, ...]:
        """Bytes of a row that carry pixels: of the first plane, and of one of chroma."""
        layout = self.layout
        item = np.dtype(layout.dtype).itemsize
        if layout.channels_first:
            return (item * self.width,)
        return tuple(
            item * plane.channels * -(-self.width >> plane.shift_x) for plane in layout.planes[:2]
        )


class Launch(NamedTuple):
    """One call of ``cuLaunchKernel``, with blocks of :data:`BLOCK`."""

    kernel: str
    grid: tuple[int, int, int]
    arguments: Conversion


@dataclass(frozen=True)
class Plan:
    """A conversion of pictures of one size and layout, whatever their addresses.

    ``kernel`` is the quick one, ``any_alignment`` the one for addresses and pitches that are not
    multiples of 4 bytes (it may be the same); ``pixels`` and ``rows`` are what a thread of the
    quick one takes.
    """

    kernel: str
    any_alignment: str
    pixels: int
    rows: int
    aligned: bool
    offsets: tuple[int, ...]
    settings: Conversion

    def launches(self, pictures: Sequence[tuple[Addresses, Addresses]]) -> Iterator[Launch]:
        """One launch for each :data:`MAX_PICTURES` pictures: (source planes, target planes)."""
        for start in range(0, len(pictures), MAX_PICTURES):
            some = pictures[start : start + MAX_PICTURES]
            arguments = Conversion.from_buffer_copy(self.settings)
            places = 0
            for picture, (source, target) in zip(arguments.pictures, some, strict=False):
                picture.source[: len(source)] = source
                picture.target[: len(target)] = target
                for place, offset in zip(source, self.offsets, strict=False):
                    places |= place + offset
                for place in target:
                    places |= place
            quick = self.kernel == self.any_alignment or (self.aligned and places % 4 == 0)
            columns, rows = (self.pixels, self.rows) if quick else (1, ROWS_OF_ANY)
            grid = (
                -(-arguments.width // (BLOCK[0] * columns)),
                -(-arguments.height // (BLOCK[1] * rows)),
                len(some),
            )
            yield Launch(self.kernel if quick else self.any_alignment, grid, arguments)


def plan_to_rgb(
    source: Surface,
    target: Surface,
    color: ColorSpec,
    *,
    crop: tuple[int, int, int, int] | None = None,
    chroma: str = "bilinear",
    resize: str = "bilinear",
    mean: Triple = (0.0, 0.0, 0.0),
    std: Triple = (1.0, 1.0, 1.0),
) -> Plan:
    """From pictures of YCbCr, or their ``crop`` (left, top, width, height), to RGB of another size.

    Methods are those of :func:`videohw.color.reference.rgb_from_ycbcr`. ``mean`` and ``std`` are
    for red, green, blue where 1 is white, and of float targets only. :class:`InvalidInput` names
    the argument that cannot be; :class:`UnsupportedConfig` is for formats without a kernel.
    """
    kernel = _name(source.format, _SOURCES, "source")
    form = _name(target.format, _TARGETS, "target")
    from_pitch, to_pitch = _pitches("source", source), _pitches("target", target)
    _one_of("chroma", chroma, CHROMA_METHODS)
    _one_of("resize", resize, RESIZE_METHODS)
    left, top, columns, rows = crop = _crop(crop, source)
    scale, bias = _normalisation(target, mean, std)
    bits, shift = _depth(source)
    unit = 2.0**-shift  # a code, of what stands in the word
    affine = to_rgb(color, bits)
    luma = source.layout.planes[0]
    subsampling = _subsampling(source)
    phases = chroma_phase(color.siting, subsampling)
    settings = Conversion(
        scale=scale, bias=bias, width=target.width, height=target.height,
        from_width=source.width, from_height=source.height,
        left=left, top=top, crop_width=columns, crop_height=rows,
        from_pitch=from_pitch, to_pitch=to_pitch,
        sample_bits=(0xFFFF << shift & 0xFFFF) * 0x10001,
        phase_x=int(2 * phases[0]), phase_y=int(2 * phases[1]), chroma_rows=subsampling[1],
        nearest=chroma == "nearest", area=resize == "area", target=list(_PIXELS).index(form),
    )  # fmt: skip
    order = (2, 1, 0) if target.format.startswith("bgr") else (0, 1, 2)
    components = (0, 2, 1) if source.format == "nv21" else (0, 1, 2)
    for row, component in enumerate(order):
        settings.matrix[row][:] = [affine.matrix[component][k] * unit for k in components]
        settings.offset[row] = affine.offset[component]
    item = np.dtype(source.layout.dtype).itemsize
    pairs = source.layout.planes[1].channels
    offsets = (left * item * luma.channels, *[left // subsampling[0] * item * pairs] * 2)
    same_size = (columns, rows) == (target.width, target.height)
    return Plan(
        kernel=f"{kernel}_{form}" if same_size else f"{kernel}_any",
        any_alignment=f"{kernel}_any",
        pixels=_PIXELS[form] if same_size else 1,
        rows=1 if same_size else ROWS_OF_ANY,
        aligned=left % subsampling[0] == 0
        and all(pitch % 4 == 0 for pitch in (*from_pitch, *to_pitch)),
        offsets=offsets,
        settings=settings,
    )


def plan_to_ycbcr(source: Surface, target: Surface, color: ColorSpec) -> Plan:
    """From pictures of 8-bit RGB to YCbCr of the same size, with 4:2:0 pairs of Cb and Cr.

    A crop of the source is another address and size of it. Errors are those of
    :func:`plan_to_rgb`.
    """
    if source.format not in _RGB_SOURCES:
        raise _no_kernel("source", source.format, _RGB_SOURCES)
    if target.format not in _YCBCR_TARGETS:
        raise _no_kernel("target", target.format, _YCBCR_TARGETS)
    from_pitch, to_pitch = _pitches("source", source), _pitches("target", target)
    if (source.width, source.height) != (target.width, target.height):
        raise InvalidInput(
            f"target is {target.width}x{target.height} and source {source.width}x{source.height}",
            argument="target",
            hint="the same size: nothing is scaled on the way to YCbCr",
        )
    bits, shift = _depth(target)
    affine = from_rgb(color, bits)
    peak = (1 << bits) - 1
    phases = chroma_phase(color.siting, (2, 2))
    settings = Conversion(
        across=_weights(phases[0]), down=_weights(phases[1]), peak=peak, shift=shift,
        width=target.width, height=target.height,
        from_width=source.width, from_height=source.height,
        from_pitch=from_pitch, to_pitch=to_pitch,
    )  # fmt: skip
    order = (0, 2, 1) if target.format == "nv21" else (0, 1, 2)
    components = (2, 1, 0) if source.format.startswith("bgr") else (0, 1, 2)
    for row, component in enumerate(order):
        settings.matrix[row][:] = [affine.matrix[component][k] / (255 * peak) for k in components]
        settings.offset[row] = affine.offset[component] / peak
    item = np.dtype(target.layout.dtype).itemsize
    kernel = f"{_TARGETS[source.format]}_{'nv12' if item == 1 else 'p016'}"
    return Plan(
        kernel=kernel, any_alignment=kernel, pixels=16 // item, rows=2, aligned=True,
        offsets=(0, 0, 0), settings=settings,
    )  # fmt: skip


def _weights(phase: float) -> tuple[float, float, float, float]:
    """Of the luma samples -1, 0, 1, 2 from twice the number of a chroma sample at ``phase``."""
    if phase == 0.5:
        return 0.0, 0.5, 0.5, 0.0
    return (0.25, 0.5, 0.25, 0.0) if phase == 0.0 else (0.0, 0.25, 0.5, 0.25)


def _subsampling(surface: Surface) -> tuple[int, int]:
    chroma = surface.layout.planes[1]
    return 1 << chroma.shift_x, 1 << chroma.shift_y


def _depth(surface: Surface) -> tuple[int, int]:
    """(bits of a code, how far it is shifted left in its word)."""
    layout = surface.layout
    if surface.bit_depth is None or surface.bit_depth == layout.bit_depth:
        return layout.bit_depth, layout.shift
    if layout.bit_depth != 16 or not 8 <= surface.bit_depth <= 16:
        raise InvalidInput(
            f"bit_depth is {surface.bit_depth!r} for {layout.name}",
            argument="bit_depth",
            hint="8 to 16, and only for formats of 16 bits",
        )
    return surface.bit_depth, 16 - surface.bit_depth


def _pitches(argument: str, surface: Surface) -> tuple[int, int]:
    """Two pitches that hold the rows, of samples at multiples of their size."""
    for name in ("width", "height"):
        value = getattr(surface, name)
        if not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
            raise InvalidInput(
                f"{argument}.{name} is {value!r}",
                argument=f"{argument}.{name}",
                hint=f"1 to {MAX_SIDE} pixels",
            )
    rows = surface.row_bytes()
    pitches = surface.pitches if surface.pitches is not None else rows
    if len(pitches) == 1:
        pitches *= len(rows)
    item = np.dtype(surface.layout.dtype).itemsize
    fits = len(pitches) == len(rows) and all(
        isinstance(pitch, int) and row <= pitch < MAX_PITCH_BYTES and pitch % item == 0
        for pitch, row in zip(pitches, rows, strict=False)
    )
    if not fits:
        raise InvalidInput(
            f"{argument}.pitches is {surface.pitches!r}",
            argument=f"{argument}.pitches",
            hint=f"{' and '.join(map(str, rows))} bytes or more, in multiples of {item}",
        )
    return pitches[0], pitches[-1]


def _crop(crop: tuple[int, int, int, int] | None, source: Surface) -> tuple[int, int, int, int]:
    if crop is None:
        return 0, 0, source.width, source.height
    left, top, columns, rows = crop
    inside = left + columns <= source.width and top + rows <= source.height
    if min(left, top) < 0 or min(columns, rows) < 1 or not inside:
        raise InvalidInput(
            f"crop is {crop!r}",
            argument="crop",
            hint=f"(left, top, width, height) inside {source.width}x{source.height}",
        )
    return crop


def _normalisation(target: Surface, mean: Triple, std: Triple) -> tuple[Triple, Triple]:
    """(scale, bias) of the components in the order of the target."""
    plain = tuple(mean) == (0.0, 0.0, 0.0) and tuple(std) == (1.0, 1.0, 1.0)
    if not plain and np.dtype(target.layout.dtype).kind != "f":
        raise InvalidInput(
            f"mean and std are given for {target.format}",
            argument="mean",
            hint="only for rgb_float16 and rgb_float32",
        )
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != 3 or not all(map(math.isfinite, values)):
            raise InvalidInput(f"{name} is {values!r}", argument=name, hint="three numbers")
    if min(std) <= 0:
        raise InvalidInput(f"std is {std!r}", argument="std", hint="three numbers above 0")
    scale = (1 / std[0], 1 / std[1], 1 / std[2])
    return scale, (-mean[0] * scale[0], -mean[1] * scale[1], -mean[2] * scale[2])


def _name(name: str, known: dict[str, str], argument: str) -> str:
    if name not in known:
        raise _no_kernel(argument, name, tuple(known))
    return known[name]


def _no_kernel(argument: str, name: str, known: Sequence[str]) -> UnsupportedConfig:
    return UnsupportedConfig(
        f"{argument} is {name}, for which there is no CUDA kernel",
        argument=argument,
        hint=f"one of {', '.join(known)}",
    )


def _one_of(argument: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInput(
            f"{argument} is {value!r}", argument=argument, hint=f"one of {', '.join(known)}"
        )
