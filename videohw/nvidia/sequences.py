"""What is made of the pictures of a sequence: copied, or converted by a kernel, into which layout.

Owns: the step from what cuvid says of a sequence and what the decoder was asked for to a plan of
the native session. Must not know: threads, what becomes of single pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np

from ..color import ColorSpec
from ..errors import UnsupportedConfig
from ..frame import Conversion, Frame
from ..frame_pixels import color_in, resolved
from ..kernels import Surface, plan_to_rgb
from ..pixel_format import FORMATS, PixelFormat
from ..pixels.checks import checked_crop
from ..types import DecoderConfig
from .capabilities import sample_format

# (offset in bytes, shape, strides in bytes, typestr) of a plane.
Layout: TypeAlias = "tuple[tuple[int, tuple[int, ...], tuple[int, ...], str], ...]"

# Rows of our blocks begin at multiples of this, where they do not fill a multiple of 4 bytes.
_ROW_ALIGNMENT: Final = 64
_WORD: Final = 4
_PLANE_ALIGNMENT: Final = 256
# In place of the pitch of the surface, which is known when one is mapped.
_ANY_PITCH: Final = 1 << 17
# What the kernels call a surface, and its depth: gray ones have neutral chroma, too.
_KERNEL_SOURCES: Final = {
    "gray": ("nv12", None), "gray10msb": ("p010", None), "gray12msb": ("p012", None),
    "yuv444p10msb": ("yuv444p16", 10), "yuv444p12msb": ("yuv444p16", 12),
    "gbrp": ("yuv444p", None), "gbrp10msb": ("yuv444p16", 10), "gbrp12msb": ("yuv444p16", 12),
}  # fmt: skip
_IDENTITY: Final = 0  # matrix_coefficients of H.273


@dataclass(frozen=True, slots=True)
class PictureForm:
    """The form of the frames of one sequence.

    ``layout`` is where planes lie in a block, empty without pixels. ``later``: what is still to be
    done to a frame in host memory; None as a rule.
    """

    format: str
    width: int
    height: int
    color: ColorSpec
    layout: Layout
    sample_aspect: Fraction | None  # by which scaling changes the shape of a pixel; None: it stays
    later: Conversion | None = None


def native_format(sequence: dict[str, Any]) -> str:
    """The format of what the decoder makes; UnsupportedConfig when we have none for it."""
    chroma, depth = sequence["chroma_format"], sequence["bit_depth"]
    name = sample_format(chroma, depth)
    if name is None:
        raise UnsupportedConfig(
            f"pictures of chroma format {chroma} with {depth} bits have no name here",
            hint='backend="software"',
        )
    if name.startswith("yuv444p") and sequence["matrix"] == _IDENTITY:
        return name.replace("yuv444p", "gbrp")
    return name


def plan(
    core: Any, device: Any, config: DecoderConfig, sequence: dict[str, Any], stated: ColorSpec
) -> PictureForm:
    """Plan the newest sequence of ``core``; the form of its frames.

    ``stated`` is the colour that the stream states. :class:`InvalidInput` for a crop outside of
    the picture, :class:`UnsupportedConfig` for what cannot be made on the device.
    """
    name = native_format(sequence)
    width, height = sequence["size"]
    color = stated.overridden_by(config.color) if config.color else stated
    native = PictureForm(name, width, height, color, (), None)
    request = Conversion(
        config.output, config.size, config.crop, None, config.chroma, config.resize, config.mean,
        config.std,
    )  # fmt: skip
    if config.output == "metadata":
        core.plan_nothing()
        return native
    whole = config.size is None and config.crop is None
    if whole and config.output in ("native", name):
        if config.output == name:  # as every output that was asked for by name
            native = replace(native, color=resolved(_picture(native), None))
        return _copied(core, sequence, native)
    if FORMATS.get(config.output) is not None and FORMATS[config.output].rgb:
        form = _converted(core, device, sequence, native, request)
        if form is not None:
            return form
    if config.memory == "device":
        raise UnsupportedConfig(
            f"no kernel makes {config.output} of {name}"
            + ("" if whole else " in another size")
            + " in device memory",
            argument="output",
            hint='output="native" or an RGB output, or memory="host"',
        )
    return replace(_copied(core, sequence, native), later=request)


def _picture(form: PictureForm) -> Frame:
    """A frame of that form, without pixels."""
    return Frame((), form.format, form.width, form.height, color=form.color)


def _copied(core: Any, sequence: dict[str, Any], native: PictureForm) -> PictureForm:
    layout, total = _layout(FORMATS[native.format], native.width, native.height)
    item = np.dtype(FORMATS[native.format].dtype).itemsize
    copies = []
    for index, plane in enumerate(FORMATS[native.format].planes):
        offset, shape, strides, _ = layout[index]
        top = index * sequence["target_size"][1] + (sequence["top"] >> plane.shift_y)
        left_bytes = (sequence["left"] >> plane.shift_x) * item * plane.channels
        row_bytes = shape[1] * item * plane.channels
        copies.append((top, left_bytes, row_bytes, shape[0], offset, strides[0]))
    core.plan_copies(total, copies)
    return replace(native, layout=layout)


def _converted(
    core: Any, device: Any, sequence: dict[str, Any], native: PictureForm, request: Conversion
) -> PictureForm | None:
    """By a kernel; None when there is none for the format."""
    source_name, depth = _KERNEL_SOURCES.get(native.format, (native.format, None))
    picture = _picture(native)
    color = resolved(picture, None)
    whole = native.width, native.height
    crop = checked_crop(request.crop, whole) or (0, 0, *whole)
    width, height = request.size or crop[2:]
    layout, total = _layout(FORMATS[request.output], width, height)
    target = Surface(request.output, width, height, _pitches(FORMATS[request.output], layout))
    columns, lines = sequence["target_size"]
    source = Surface(source_name, columns, lines, (_ANY_PITCH,), depth)
    try:
        made = plan_to_rgb(
            source, target, color, chroma=request.chroma, resize=request.resize,
            crop=(crop[0] + sequence["left"], crop[1] + sequence["top"], crop[2], crop[3]),
            mean=request.mean or (0.0, 0.0, 0.0), std=request.std or (1.0, 1.0, 1.0),
        )  # fmt: skip
    except UnsupportedConfig:
        return None
    rows = [index * lines for index in range(len(FORMATS[source_name].planes))]
    offset, _, strides, _ = layout[0]
    planes = 3 if FORMATS[request.output].channels_first else 1
    places = [offset + index * strides[0] for index in range(planes)]
    core.plan_kernel(total, device.plan(made), rows, places)
    shape = None if request.size is None else Fraction(crop[2] * height, crop[3] * width)
    final = color_in(FORMATS[request.output], replace(picture, color=color))
    return PictureForm(request.output, width, height, final, layout, shape)


def _layout(layout: PixelFormat, width: int, height: int) -> tuple[Layout, int]:
    """Where the planes of a picture lie in a block of ours, and the bytes of the block."""
    dtype = np.dtype(layout.dtype)
    planes, offset = [], 0
    for index in range(len(layout.planes)):
        shape = layout.plane_shape(index, width, height)
        inner = dtype.itemsize * (shape[2] if len(shape) == 3 and not layout.channels_first else 1)
        columns, rows = (shape[2], shape[1]) if layout.channels_first else (shape[1], shape[0])
        pitch = columns * inner
        if pitch % _WORD:
            pitch += -pitch % _ROW_ALIGNMENT
        strides: tuple[int, ...] = (pitch, inner)
        if layout.channels_first:
            strides = (pitch * rows, pitch, inner)
        elif len(shape) == 3:
            strides = (pitch, inner, dtype.itemsize)
        planes.append((offset, shape, strides, dtype.str))
        offset += pitch * rows * (shape[0] if layout.channels_first else 1)
        if index + 1 < len(layout.planes) and pitch % _ROW_ALIGNMENT:
            offset += -offset % _PLANE_ALIGNMENT
    return tuple(planes), offset


def _pitches(layout: PixelFormat, places: Layout) -> tuple[int, ...]:
    return (places[0][2][1] if layout.channels_first else places[0][2][0],)


def aspect(form: PictureForm, sample_aspect: Fraction | None) -> Fraction | None:
    """The shape of a pixel of the frame, where the stream says ``sample_aspect``."""
    if sample_aspect is None or form.sample_aspect is None:
        return sample_aspect
    return sample_aspect * form.sample_aspect
