"""The Metal kernels as they are shipped, and how one is called.

Owns: the layout of the struct that every kernel takes (kernels/nv12_rgb.metal), which kernel is
taken, where a caller binds what. Must not know: Metal's interface; memory is offsets.

A caller compiles the first of :func:`metal_libraries` that the system takes, makes a pipeline of
``MetalLaunch.kernel``, and encodes: the planes of the source and of the target as buffers from
:data:`SOURCE_BUFFER` and :data:`TARGET_BUFFER` on, or as textures from :data:`SOURCE_TEXTURE` and
:data:`TARGET_TEXTURE` on; ``MetalLaunch.arguments`` at :data:`ARGUMENTS_BUFFER`, as bytes; the
lengths of threadgroup memory; the threadgroups.
"""

from __future__ import annotations

import ctypes as c
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from ..color import ColorSpec
from .settings import (
    FIELDS,
    RGB_SOURCES,
    TARGET_FORMS,
    YCBCR_TARGETS,
    Surface,
    Triple,
    fields_to_rgb,
    fields_to_ycbcr,
    require_form,
)

SOURCE_BUFFER: Final = 0
TARGET_BUFFER: Final = 3
ARGUMENTS_BUFFER: Final = 6
SOURCE_TEXTURE: Final = 0
TARGET_TEXTURE: Final = 2
# The width of a threadgroup, and its rows where the pipeline allows as many threads.
LANES: Final = 32
THREADGROUP_ROWS: Final = 8
ROWS_OF_ANY: Final = 32  # that a threadgroup takes, whatever its own rows
AXIS_BYTES: Final = 56
PIXELS: Final = 4  # of a row that a thread takes
# Of a source compiled at run time: MTLLanguageVersion2_3, which macOS 11 has, and no fast math
# (MTLCompileOptions.mathMode = safe from macOS 15 on, before it fastMathEnabled = NO).
LANGUAGE_VERSION: Final = (2, 3)
FAST_MATH: Final = False

_SOURCES: Final = {
    "nv12": "nv12", "nv21": "nv12", "nv16": "nv12", "nv24": "nv12",
    "p010": "p016", "p012": "p016", "p016": "p016", "p210": "p016", "p410": "p016",
}  # fmt: skip
_IMAGES: Final = ("rgba", "bgra")
_TEXTURE_FORMATS: Final = {
    (1, 1): "R8Unorm", (1, 2): "RG8Unorm", (2, 1): "R16Unorm", (2, 2): "RG16Unorm",
}  # fmt: skip


class MetalLibrary(NamedTuple):
    """One form of the kernels: ``kind`` "metallib" for newLibraryWithFile or newLibraryWithData,
    which lies at ``path``, or "source"."""

    kind: str
    data: bytes
    path: str | None = None


class Conversion(c.Structure):
    """The struct of every kernel; the fields are explained in nv12_rgb.metal."""

    _fields_ = (
        *FIELDS, ("chroma_columns", c.c_int32), ("from_words", c.c_int32),
        ("to_words", c.c_int32), ("from_scale", c.c_float), ("to_scale", c.c_float),
    )  # fmt: skip


class MetalLaunch(NamedTuple):
    """One dispatchThreadgroups: how many, of how many threads, and what it is given.

    ``threadgroup_bytes``: the lengths of threadgroup memory, by index.
    """

    kernel: str
    threadgroups: tuple[int, int, int]
    threads: tuple[int, int, int]
    threadgroup_bytes: tuple[int, ...]
    arguments: Conversion


@dataclass(frozen=True)
class MetalPlan:
    """A conversion of pictures of one size and layout, wherever they lie.

    ``tile``: the pixels (across, down) that a thread takes, or a threadgroup where ``resizes``.
    ``source_textures`` and ``target_textures``: the names of Metal's pixel formats, one for each
    plane; empty for buffers, of which ``target_buffers`` are bound (where the target has fewer
    planes than that, its first one again).
    """

    kernel: str
    tile: tuple[int, int]
    resizes: bool
    source_textures: tuple[str, ...]
    target_textures: tuple[str, ...]
    target_buffers: int
    settings: Conversion

    def launch(
        self,
        source_offsets: Sequence[int] = (0,),
        target_offsets: Sequence[int] = (0,),
        max_threads: int = LANES * THREADGROUP_ROWS,
    ) -> MetalLaunch:
        """For one picture, whose planes begin at these offsets of their buffers, in bytes.

        ``max_threads``: maxTotalThreadsPerThreadgroup of the pipeline, at least :data:`LANES`.
        """
        arguments = Conversion.from_buffer_copy(self.settings)
        arguments.from_words = _in_words((*source_offsets, *arguments.from_pitch))
        arguments.to_words = _in_words((*target_offsets, *arguments.to_pitch))
        rows = max(1, min(THREADGROUP_ROWS, max_threads // LANES))
        across, down = self.tile
        if not self.resizes:
            across, down = across * LANES, down * rows
        groups = (-(-arguments.width // across), -(-arguments.height // down), 1)
        memory = (AXIS_BYTES * LANES, AXIS_BYTES * ROWS_OF_ANY) if self.resizes else ()
        return MetalLaunch(self.kernel, groups, (LANES, rows, 1), memory, arguments)


def plan_to_rgb(
    source: Surface,
    target: Surface,
    color: ColorSpec,
    *,
    from_textures: bool = False,
    to_texture: bool = False,
    crop: tuple[int, int, int, int] | None = None,
    chroma: str = "bilinear",
    resize: str = "bilinear",
    mean: Triple = (0.0, 0.0, 0.0),
    std: Triple = (1.0, 1.0, 1.0),
) -> MetalPlan:
    """From pictures of YCbCr, or their ``crop`` (left, top, width, height), to RGB of another size.

    Arguments and errors are those of :func:`videohw.kernels.plan_to_rgb`. A surface in textures
    has no pitches; one for the target is "rgba" or "bgra".
    """
    require_form("source", source.format, tuple(_SOURCES), "Metal")
    forms = _IMAGES if to_texture else tuple(TARGET_FORMS)
    require_form("target", target.format, forms, "Metal")
    given = replace(source, pitches=None) if from_textures else source
    wanted = _image(target) if to_texture else target
    settings = Conversion(
        chroma_columns=source.subsampling[0], from_scale=_scale(source),
        **fields_to_rgb(
            given, wanted, color, crop=crop, chroma=chroma, resize=resize, mean=mean, std=std
        ),
    )  # fmt: skip
    resizes = (settings.crop_width, settings.crop_height) != (target.width, target.height)
    form = "texture" if to_texture else TARGET_FORMS[target.format]
    if resizes:
        form = "any_texture" if to_texture else "any"
    planes = resizes or target.layout.channels_first
    return MetalPlan(
        kernel=f"{'textures' if from_textures else _SOURCES[source.format]}_{form}",
        tile=(LANES, ROWS_OF_ANY) if resizes else (PIXELS, 1),
        resizes=resizes,
        source_textures=_texture_formats(source) if from_textures else (),
        target_textures=_texture_formats(target) if to_texture else (),
        target_buffers=0 if to_texture else 3 if planes else 1,
        settings=settings,
    )


def plan_to_ycbcr(
    source: Surface,
    target: Surface,
    color: ColorSpec,
    *,
    from_texture: bool = False,
    to_textures: bool = False,
) -> MetalPlan:
    """From pictures of 8-bit RGB to YCbCr of the same size, with 4:2:0 pairs of Cb and Cr.

    Errors are those of :func:`plan_to_rgb`; a texture of the source is "rgba" or "bgra".
    """
    require_form("source", source.format, _IMAGES if from_texture else RGB_SOURCES, "Metal")
    require_form("target", target.format, YCBCR_TARGETS, "Metal")
    given = _image(source) if from_texture else source
    wanted = replace(target, pitches=None) if to_textures else target
    form = "textures" if to_textures else "nv12" if target.item_bytes == 1 else "p016"
    return MetalPlan(
        kernel=f"{'texture' if from_texture else TARGET_FORMS[source.format]}_{form}",
        tile=(PIXELS, 2),
        resizes=False,
        source_textures=_texture_formats(source) if from_texture else (),
        target_textures=_texture_formats(target) if to_textures else (),
        target_buffers=0 if to_textures else 2,
        settings=Conversion(to_scale=_scale(target), **fields_to_ycbcr(given, wanted, color)),
    )


def metal_libraries() -> list[MetalLibrary]:
    """The kernels for a Metal device, the first to be tried first.

    A metallib, if the build machine had Apple's compiler and made it of this very source; then
    the source, for newLibraryWithSource with :data:`LANGUAGE_VERSION` and :data:`FAST_MATH`. A
    system that takes neither converts on the host.
    """
    source = _read("nv12_rgb.metal")
    found = [MetalLibrary("source", source)]
    folder = resources.files(__package__)
    if folder.joinpath("nv12_rgb.metallib.json").is_file():
        facts = json.loads(_read("nv12_rgb.metallib.json"))
        data = _read("nv12_rgb.metallib")
        made = (facts["source_sha256"], facts["sha256"])
        if made == tuple(hashlib.sha256(each).hexdigest() for each in (source, data)):
            path = str(folder.joinpath("nv12_rgb.metallib"))
            found.insert(0, MetalLibrary("metallib", data, path))
    return found


@cache
def manifest() -> dict[str, Any]:
    """What ``kernels/build_metal.py`` wrote of the source: its file, SHA-256, language, options."""
    found: dict[str, Any] = json.loads(_read("metal.json"))
    return found


def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


def _in_words(places: Sequence[int]) -> bool:
    return all(place % 4 == 0 for place in places)


def _image(surface: Surface) -> Surface:
    """A texture's red comes first, however the bytes of its format lie.

    So the last bits before rounding are those of RGBA in a buffer, for BGRA as well.
    """
    return replace(surface, format="rgba", pitches=None)


def _scale(surface: Surface) -> float:
    return float((1 << 8 * surface.item_bytes) - 1)


def _texture_formats(surface: Surface) -> tuple[str, ...]:
    if surface.format in _IMAGES:
        return (f"{surface.format.upper()}8Unorm",)
    return tuple(
        _TEXTURE_FORMATS[surface.item_bytes, plane.channels] for plane in surface.layout.planes
    )
