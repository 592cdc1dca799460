"""Pictures in host memory from one pixel format, colour and size to another, in one pass.

Owns: the public function, what is meant where nothing is said, the split over threads. The
arithmetic is in the compiled ``kernels``; what is exact is ``videohw.color.reference``.
"""

from __future__ import annotations

import _thread
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..color import ColorSpec
from ..errors import BackendError, InvalidInput, UnsupportedConfig
from ..pixel_format import PixelFormat, pixel_format
from .checks import arrays, check_out, picture_size
from .kernels import Plan
from .layouts import split_channels
from .plan import RGB, Request, plan_of
from .requests import (
    checked_crop,
    checked_method,
    checked_size,
    checked_threads,
    checked_triple,
)

Array = npt.NDArray[Any]


def convert(
    planes: Array | Sequence[Array],
    format: str,
    output: str,
    *,
    color: ColorSpec | None = None,
    output_color: ColorSpec | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    chroma: str = "bilinear",
    resize: str = "bilinear",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    out: Array | Sequence[Array] | None = None,
    threads: int = 1,
) -> tuple[Array, ...]:
    """A picture in another pixel format, colour or size; returns its planes.

    - ``planes``: one array per plane of ``format`` (a name of
      :data:`videohw.pixel_format.FORMATS`, but not a float one), with the dtype and shape that
      the format says: (rows, columns), (rows, columns, channels) or (3, rows, columns). Rows may
      be padded: their pitch is the first stride. A single plane needs no tuple.
    - ``output``: the format to make, any name of that table.
    - ``color``: what the codes of the source mean. Unstated: for YCbCr what
      :meth:`~videohw.color.ColorSpec.resolved` says for the picture's height, chroma at the left
      (H.264 E.2.1); RGB is full range.
    - ``output_color``: what the codes of a YCbCr output shall mean. Unstated fields are those of
      a YCbCr source, else what ``resolved`` says. RGB outputs are full range; floats run from 0
      to 1, before ``mean`` and ``std``.
    - ``crop`` (left, top, width, height) in pixels is cut out, at any pixel, and scaled to
      ``size`` (width, height) by ``resize``: "bilinear" or "area", with half-pixel centres, as
      ``torch.nn.functional.interpolate(align_corners=False)`` does.
    - ``chroma``: how colour differences come to the places of luma: "bilinear" by their siting,
      also from outside of the crop, or "nearest". Where a YCbCr picture keeps its size and
      subsampling they are copied as they are.
    - ``mean`` and ``std``: for float outputs, R, G and B: the result is (value - mean) / std.
    - ``out``: arrays to write into, shaped like the result and with rows that may be padded;
      nothing is written into the padding. They are returned.
    - ``threads``: in how many parts the rows are converted at the same time.

    RGB is computed as ITU-T H.273 (2021) clause 8.3 gives it from the matrix, range and depth;
    a fourth channel is opaque. 8-bit results are within one code value of
    :mod:`videohw.color.reference` and float32 within 1e-5 (before ``std``). Interlaced pictures
    are treated like progressive ones. The same bytes come out on every processor.

    :class:`InvalidInput` names a wrong argument; :class:`UnsupportedConfig` is raised for a
    matrix that is not computed and for formats that are unknown.
    """
    source, target = pixel_format(format), pixel_format(output)
    if source.is_float:
        raise UnsupportedConfig(
            f"a {source.name} picture cannot be converted",
            argument="format",
            hint="convert the picture that it was made from",
        )
    given = arrays("planes", planes)
    width, height = picture_size(given, source)
    cut = checked_crop(crop, (width, height)) or (0, 0, width, height)
    request = Request(
        source=source,
        width=width,
        height=height,
        target=target,
        color=source_color(source, color, height),
        output_color=target_color(source, target, color, output_color, height),
        crop=cut,
        size=checked_size(size) or cut[2:],
        chroma=checked_method("chroma", chroma),
        resize=checked_method("resize", resize),
        mean=checked_triple("mean", mean, output) or (0.0, 0.0, 0.0),
        std=checked_triple("std", std, output) or (1.0, 1.0, 1.0),
    )
    parts = checked_threads(threads)
    made = None if out is None else arrays("out", out)
    if made is not None:
        check_out(made, target, request.size, given)
    plan = plan_of(request)
    if made is None:
        made = _allocated(target, request.size)
    run(plan, split_channels(source, given), split_channels(target, made), parts, request.size[1])
    return made


def source_color(source: PixelFormat, color: ColorSpec | None, height: int) -> ColorSpec:
    """What the codes of a picture mean, with matrix and range stated.

    ``height``: rows of the whole picture. InvalidInput for a matrix given to an RGB picture.
    """
    stated = _checked("color", color)
    if source.rgb:
        if stated.matrix not in (None, "identity"):
            raise InvalidInput(
                f"color.matrix is {stated.matrix!r} for {source.name}, which is RGB",
                argument="color",
                hint="the matrix of the output is output_color.matrix",
            )
        return ColorSpec(matrix="identity", range=stated.range or "full")
    if stated.range is None and source.name.startswith("yuvj"):
        stated = stated.overridden_by(ColorSpec(range="full"))
    return stated.resolved(height)


def target_color(
    source: PixelFormat,
    target: PixelFormat,
    color: ColorSpec | None,
    output_color: ColorSpec | None,
    height: int,
) -> ColorSpec:
    """What the codes of the output mean, with matrix and range stated."""
    wished = _checked("output_color", output_color)
    if target.rgb:
        if wished.matrix not in (None, "identity") or wished.range not in (None, "full"):
            raise InvalidInput(
                f"output_color is {output_color} for {target.name}",
                argument="output_color",
                hint="RGB outputs have the full range and no matrix",
            )
        return RGB
    if source.rgb:
        return wished.resolved(height)
    return source_color(source, color, height).overridden_by(wished)


def _checked(argument: str, color: object) -> ColorSpec:
    if color is None:
        return ColorSpec()
    if not isinstance(color, ColorSpec):
        raise InvalidInput(
            f"{argument} is {type(color).__name__}", argument=argument, hint="a ColorSpec or None"
        )
    return color


def run(
    plan: Plan, sources: tuple[Array, ...], targets: tuple[Array, ...], threads: int, rows: int
) -> None:
    """Run ``plan`` in as many parts at the same time as there are ``threads``, or ``rows``."""
    parts = min(threads, rows)
    errors: list[MemoryError] = []

    def work(part: int, done: _thread.LockType | None = None) -> None:
        try:
            plan.run(sources, targets, part, parts)
        except MemoryError as error:
            errors.append(error)
        finally:
            if done is not None:
                done.release()

    begun = []
    here = [0]
    for part in range(1, parts):
        done = _thread.allocate_lock()
        done.acquire()
        try:
            # threading.Thread waits for its thread to run before it goes on: longer than a part.
            _thread.start_new_thread(work, (part, done))
        except RuntimeError:  # no more threads to be had
            here.append(part)
        else:
            begun.append(done)
    for part in here:
        work(part)
    for done in begun:
        done.acquire()
    if errors:
        raise BackendError(str(errors[0]), domain="videohw") from errors[0]


def _allocated(layout: PixelFormat, size: tuple[int, int]) -> tuple[Array, ...]:
    try:
        return tuple(
            np.empty(layout.plane_shape(index, *size), layout.dtype)
            for index in range(len(layout.planes))
        )
    except MemoryError as error:
        raise BackendError(
            f"no memory for a {layout.name} picture of {size[0]}x{size[1]}",
            domain="videohw",
            hint="a smaller size, or memory of your own with out=",
        ) from error
