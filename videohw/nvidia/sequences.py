"""What is made of the pictures of a sequence: copied, or converted by a kernel, into which layout.

Owns: the step from what cuvid says of a sequence and what the decoder was asked for to a plan of
the native session. Must not know: threads, what becomes of single pictures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import kernels
from ..color import ColorSpec
from ..decoder_config import DecoderConfig
from ..errors import UnsupportedConfig
from ..frame import Conversion, Crop, Frame
from ..frame_pixels import check_begins_on_chroma, color_in, resolved
from ..pixel_format import FORMATS
from ..pixels.requests import checked_crop
from .capabilities import sample_format
from .layouts import Layout, block_layout, kernel_source, plan_rgb, plan_ycbcr

if TYPE_CHECKING:
    from fractions import Fraction

# In place of the pitch of the surface, which is known when one is mapped.
_ANY_PITCH: Final = 1 << 17
_IDENTITY: Final = 0  # matrix_coefficients of H.273


class PictureForm(NamedTuple):
    """The form of the frames of one sequence.

    ``layout`` is where planes lie in a block, empty without pixels. ``later``: what is still to be
    done to a frame in host memory; None as a rule. ``why_later``: why no kernel does it.
    """

    format: str
    width: int
    height: int
    color: ColorSpec
    layout: Layout
    sample_aspect: Fraction | None  # by which scaling changes the shape of a pixel; None: it stays
    later: Conversion | None = None
    why_later: str | None = None


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
    whole = 0, 0, width, height
    crop = checked_crop(config.crop, (width, height)) or whole
    if config.output in ("native", name) and config.size in (None, crop[2:]):
        if config.output == name or crop != whole or config.size:  # as of every converted frame
            native = native._replace(color=resolved(_picture(native), None))
        check_begins_on_chroma(_picture(native), crop)
        return _copied(core, sequence, native, crop)
    try:
        return _converted(core, device, sequence, native, request, crop)
    except UnsupportedConfig as error:  # of the format, or the driver is too old for kernels
        if config.memory == "device":
            raise
        copied = _copied(core, sequence, native, whole)
        return copied._replace(later=request, why_later=str(error.args[0]))


def _picture(form: PictureForm) -> Frame:
    """A frame of that form, without pixels."""
    return Frame((), form.format, form.width, form.height, color=form.color)


def _copied(core: Any, sequence: dict[str, Any], native: PictureForm, crop: Crop) -> PictureForm:
    """``crop`` of the picture as it is; nothing else of it is read."""
    width, height = crop[2:]
    left, top = crop[0] + sequence["left"], crop[1] + sequence["top"]
    layout, total = block_layout(FORMATS[native.format], width, height)
    item = FORMATS[native.format].item_bytes
    copies = []
    for index, plane in enumerate(FORMATS[native.format].planes):
        offset, shape, strides, _ = layout[index]
        row = index * sequence["target_size"][1] + (top >> plane.shift_y)
        left_bytes = (left >> plane.shift_x) * item * plane.channels
        row_bytes = shape[1] * item * plane.channels
        copies.append((row, left_bytes, row_bytes, shape[0], offset, strides[0]))
    core.plan_copies(total, copies)
    return native._replace(layout=layout, width=width, height=height)


def _converted(
    core: Any, device: Any, sequence: dict[str, Any], native: PictureForm, request: Conversion,
    crop: Crop,
) -> PictureForm:  # fmt: skip
    """By a kernel; UnsupportedConfig when there is none for the formats, or none that runs."""
    if request.output == "native":
        request = request._replace(output=native.format)
    output = FORMATS[request.output]
    packed = output.rgb and (output.channels_first or len(output.planes) == 1)
    source_name, depth = kernel_source(native.format) if packed else (native.format, None)
    picture = _picture(native)
    color = resolved(picture, None)
    width, height = request.size or crop[2:]
    if not output.rgb and (width, height) == crop[2:]:
        check_begins_on_chroma(picture, crop)
    columns, lines = sequence["target_size"]
    source = kernels.Surface(source_name, columns, lines, (_ANY_PITCH,), depth)
    on_surface = (crop[0] + sequence["left"], crop[1] + sequence["top"], crop[2], crop[3])
    final = color_in(output, replace(picture, color=color))
    try:
        if packed:
            made = plan_rgb(source, request, color, on_surface, (width, height))
        else:
            made = plan_ycbcr(source, request, color, final, on_surface, (width, height))
    except UnsupportedConfig as error:
        if error.argument not in ("source", "target"):
            raise
        raise _no_kernel(native, request) from None
    rows = [index * lines for index in range(len(FORMATS[source_name].planes))]
    core.plan_kernel(made.bytes, device.plan(made.plan), rows, made.offsets)
    shape = None
    if request.size is not None:
        from fractions import Fraction  # who does not scale needs none

        shape = Fraction(crop[2] * height, crop[3] * width)
    return PictureForm(request.output, width, height, final, made.layout, shape)


def _no_kernel(native: PictureForm, request: Conversion) -> UnsupportedConfig:
    scaled = " in another size" if request.size or request.crop else ""
    return UnsupportedConfig(
        f"no kernel makes {request.output} of {native.format}{scaled}",
        argument="output",
        hint='output="native" or an RGB output, or memory="host"',
    )


def aspect(form: PictureForm, sample_aspect: Fraction | None) -> Fraction | None:
    """The shape of a pixel of the frame, where the stream says ``sample_aspect``."""
    if sample_aspect is None or form.sample_aspect is None:
        return sample_aspect
    return sample_aspect * form.sample_aspect
