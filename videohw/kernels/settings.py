"""What every kernel is told of a conversion, whatever the device: checked, and as numbers.

Owns: surfaces, the fields that the struct of the CUDA and of the Metal kernels have in common,
and the refusals. Must not know: names of kernels, grids, memory.
"""

from __future__ import annotations

import ctypes as c
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..color import ColorSpec, from_rgb, to_rgb
from ..color.siting import chroma_phase
from ..errors import InvalidInput, UnsupportedConfig
from ..known_names import CHROMA_METHODS, RESIZE_METHODS
from ..pixel_format import PixelFormat, pixel_format

Triple: TypeAlias = tuple[float, float, float]

# Products of two of these, doubled, are counted in 32 bits on the device.
MAX_SIDE: Final = 1 << 15
MAX_PITCH_BYTES: Final = 1 << 31
# Targets by the part of a kernel's name, in the order of the kernels' own numbers for them.
TARGET_FORMS: Final = {
    "rgb24": "rgb24", "bgr24": "rgb24", "rgba": "rgba", "bgra": "rgba",
    "rgb_planar": "rgb_planar", "rgb_float16": "rgb_float16", "rgb_float32": "rgb_float32",
}  # fmt: skip
_NUMBERS: Final = tuple(dict.fromkeys(TARGET_FORMS.values()))
RGB_SOURCES: Final = ("rgb24", "bgr24", "rgba", "bgra", "rgb_planar")
YCBCR_TARGETS: Final = ("nv12", "nv21", "p010", "p012", "p016")
# The fields are explained in kernels/nv12_rgb.cu.
FIELDS: Final = (
    ("matrix", c.c_float * 3 * 3), ("offset", c.c_float * 3), ("scale", c.c_float * 3),
    ("bias", c.c_float * 3), ("across", c.c_float * 4), ("down", c.c_float * 4),
    ("peak", c.c_float), ("shift", c.c_int32), ("width", c.c_int32), ("height", c.c_int32),
    ("from_width", c.c_int32), ("from_height", c.c_int32), ("left", c.c_int32),
    ("top", c.c_int32), ("crop_width", c.c_int32), ("crop_height", c.c_int32),
    ("from_pitch", c.c_uint32 * 2), ("to_pitch", c.c_uint32 * 2), ("sample_bits", c.c_uint32),
    ("phase_x", c.c_int32), ("phase_y", c.c_int32), ("chroma_rows", c.c_int32),
    ("nearest", c.c_int32), ("area", c.c_int32), ("target", c.c_int32),
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

    @property
    def item_bytes(self) -> int:
        """Bytes of one sample."""
        return self.layout.item_bytes

    @property
    def subsampling(self) -> tuple[int, int]:
        """Luma samples for one of chroma, across and down."""
        chroma = self.layout.planes[1]
        return 1 << chroma.shift_x, 1 << chroma.shift_y

    def row_bytes(self) -> tuple[int, ...]:
        """Bytes of a row that carry pixels: of the first plane, and of one of chroma."""
        layout, item = self.layout, self.item_bytes
        if layout.channels_first:
            return (item * self.width,)
        return tuple(
            item * plane.channels * -(-self.width >> plane.shift_x) for plane in layout.planes[:2]
        )


def fields_to_rgb(
    source: Surface,
    target: Surface,
    color: ColorSpec,
    *,
    crop: tuple[int, int, int, int] | None,
    chroma: str,
    resize: str,
    mean: Triple,
    std: Triple,
) -> dict[str, Any]:
    """Values of :data:`FIELDS` from YCbCr to RGB.

    :class:`InvalidInput` names the argument that cannot be.
    """
    from_pitch, to_pitch = pitches_of("source", source), pitches_of("target", target)
    one_of("chroma", chroma, CHROMA_METHODS)
    one_of("resize", resize, RESIZE_METHODS)
    left, top, columns, rows = crop_inside(crop, source)
    scale, bias = _normalisation(target, mean, std)
    bits, shift = depth_of(source)
    unit = 2.0**-shift  # a code, of what stands in the word
    affine = to_rgb(color, bits)
    phases = chroma_phase(color.siting, source.subsampling)
    order = (2, 1, 0) if target.format.startswith("bgr") else (0, 1, 2)
    components = (0, 2, 1) if source.format == "nv21" else (0, 1, 2)
    return {
        "matrix": tuple(
            tuple(affine.matrix[component][k] * unit for k in components) for component in order
        ),
        "offset": tuple(affine.offset[component] for component in order),
        "scale": scale, "bias": bias, "width": target.width, "height": target.height,
        "from_width": source.width, "from_height": source.height,
        "left": left, "top": top, "crop_width": columns, "crop_height": rows,
        "from_pitch": from_pitch, "to_pitch": to_pitch,
        "sample_bits": (0xFFFF << shift & 0xFFFF) * 0x10001,
        "phase_x": int(2 * phases[0]), "phase_y": int(2 * phases[1]),
        "chroma_rows": source.subsampling[1], "nearest": chroma == "nearest",
        "area": resize == "area", "target": _NUMBERS.index(TARGET_FORMS[target.format]),
    }  # fmt: skip


def fields_to_ycbcr(source: Surface, target: Surface, color: ColorSpec) -> dict[str, Any]:
    """Values of :data:`FIELDS` from 8-bit RGB to YCbCr of the same size, 4:2:0.

    Errors are those of :func:`fields_to_rgb`.
    """
    from_pitch, to_pitch = pitches_of("source", source), pitches_of("target", target)
    if (source.width, source.height) != (target.width, target.height):
        raise InvalidInput(
            f"target is {target.width}x{target.height} and source {source.width}x{source.height}",
            argument="target",
            hint="the same size: nothing is scaled on the way to YCbCr",
        )
    bits, shift = depth_of(target)
    affine = from_rgb(color, bits)
    peak = (1 << bits) - 1
    phases = chroma_phase(color.siting, (2, 2))
    order = (0, 2, 1) if target.format == "nv21" else (0, 1, 2)
    components = (2, 1, 0) if source.format.startswith("bgr") else (0, 1, 2)
    return {
        "matrix": tuple(
            tuple(affine.matrix[component][k] / (255 * peak) for k in components)
            for component in order
        ),
        "offset": tuple(affine.offset[component] / peak for component in order),
        "across": _weights(phases[0]), "down": _weights(phases[1]), "peak": peak, "shift": shift,
        "width": target.width, "height": target.height,
        "from_width": source.width, "from_height": source.height,
        "from_pitch": from_pitch, "to_pitch": to_pitch,
    }  # fmt: skip


def require_form(argument: str, name: str, known: Sequence[str], language: str) -> None:
    """:class:`UnsupportedConfig` for a format that no kernel in ``language`` is for."""
    if name not in known:
        raise UnsupportedConfig(
            f"{argument} is {name}, for which there is no {language} kernel",
            argument=argument,
            hint=f"one of {', '.join(known)}",
        )


def _weights(phase: float) -> tuple[float, float, float, float]:
    """Of the luma samples -1, 0, 1, 2 from twice the number of a chroma sample at ``phase``."""
    if phase == 0.5:
        return 0.0, 0.5, 0.5, 0.0
    return (0.25, 0.5, 0.25, 0.0) if phase == 0.0 else (0.0, 0.25, 0.5, 0.25)


def depth_of(surface: Surface) -> tuple[int, int]:
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


def pitches_of(argument: str, surface: Surface) -> tuple[int, int]:
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
    item = surface.item_bytes
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


def crop_inside(
    crop: tuple[int, int, int, int] | None, source: Surface
) -> tuple[int, int, int, int]:
    """``crop``, or all of the source; :class:`InvalidInput` for one that is not inside."""
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
    if not plain and not target.layout.is_float:
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


def one_of(argument: str, value: str, known: tuple[str, ...]) -> None:
    """:class:`InvalidInput` for a value that is not known."""
    if value not in known:
        raise InvalidInput(
            f"{argument} is {value!r}", argument=argument, hint=f"one of {', '.join(known)}"
        )
