"""How far our pixels are from the exact ones, and from OpenCV's, swscale's and PyTorch's.

Each row compares one conversion of ours with the float64 reference or with a witness: the largest
and the mean difference in codes of the result (floats times 255), and which part of the pixels
has a component that differs by more than 1. Pictures are "waves", smooth in all colours and made
from RGB, and "noise", random codes, of which many mean no colour that there is.

Why they differ is computed by the tests: tests/pixels/test_swscale.py and
tests/interop/test_witness_*.py. `make test-interop` installs what this needs.

usage: python -m benchmarks.colour
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from tests.pixels import swscale
from tests.pixels.pictures import codes_of, picture, steps
from tests.pixels.swscale import ACCURATE, BILINEAR, MATRICES
from videohw.color import RANGES, SITINGS, ColorSpec
from videohw.color.reference import quantised, resized, rgb_from_ycbcr, ycbcr_from_rgb
from videohw.pixel_format import FORMATS
from videohw.pixels import convert

Array = npt.NDArray[Any]
WIDTH, HEIGHT = 320, 192
LEFT = ColorSpec("smpte170m", "limited", siting="left")
CENTER = ColorSpec("smpte170m", "limited", siting="center")
# 255 times a value from which on swscale makes black of white.
WRAPS = 511.0
AREA = swscale.AREA | ACCURATE
NOISE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def waves(width: int = WIDTH, height: int = HEIGHT) -> npt.NDArray[np.float64]:
    """(rows, columns, 3) of R, G, B, of 0..1."""
    y, x = np.mgrid[:height, :width]
    phases = (x / 17 + y / 31, x / 23 - y / 13 + 1, x / 41 + y / 19 + 1.6)
    return np.stack([0.5 + 0.43 * np.sin(phase) for phase in phases], axis=-1)


WAVES = quantised(255 * waves()).astype(np.uint8)


def coded(name: str, color: ColorSpec, width: int = WIDTH) -> tuple[Array, ...]:
    """The waves as planes of the format ``name``."""
    layout = FORMATS[name]
    codes = ycbcr_from_rgb(waves(width), color, layout.bit_depth, subsampling=steps(layout))
    y, cb, cr = (
        (quantised(plane, layout.bit_depth) << layout.shift).astype(layout.dtype) for plane in codes
    )
    return (y, np.stack([cb, cr], -1)) if len(layout.planes) == 2 else (y, cb, cr)


def exact(name: str, planes: tuple[Array, ...], color: ColorSpec, chroma: str) -> Array:
    """R, G, B by the reference, 255 for white, neither clamped nor rounded."""
    layout = FORMATS[name]
    return 255 * rgb_from_ycbcr(
        *codes_of(name, planes), color, layout.bit_depth, subsampling=steps(layout), chroma=chroma
    )


def row(
    what: str, beside: str, shown: str, ours: Any, theirs: Any, why: str = ""
) -> dict[str, Any]:
    """One row of two pictures, whose components, if there are several, are the last axis."""
    difference = np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))
    worst = difference.max(axis=-1) if difference.ndim == 3 else difference
    return {
        "what": what, "beside": beside, "picture": shown, "why": why,
        "max": difference.max(), "mean": difference.mean(), "over": (worst > 1).mean(),
    }  # fmt: skip


def pixels_last(planes: Any) -> Array:
    return np.stack(list(planes), axis=-1)


def cv_rgb(planes: tuple[Array, ...]) -> Array:
    """NV12 as cvtColor makes RGB of it."""
    whole = np.concatenate([plane.reshape(-1, WIDTH) for plane in planes])
    return cv2.cvtColor(whole, cv2.COLOR_YUV2RGB_NV12)


def sw_rgb(
    name: str, planes: tuple[Array, ...], color: ColorSpec, flags: Any = BILINEAR | ACCURATE
) -> Array:
    return swscale.converted(planes, name, "rgb24", color, flags)[0]


def sources(name: str, color: ColorSpec) -> dict[str, tuple[Array, ...]]:
    return {"waves": coded(name, color), "noise": picture(name, WIDTH, HEIGHT, 1)}


def to_rgb() -> Iterator[dict[str, Any]]:
    """NV12 to rgb24, with the nearest chroma and with bilinear."""
    for shown, planes in sources("nv12", LEFT).items():
        for chroma in ("nearest", "bilinear"):
            (ours,) = convert(planes, "nv12", "rgb24", color=LEFT, chroma=chroma)
            right = quantised(exact("nv12", planes, LEFT, chroma))
            yield row(f"NV12 to RGB, {chroma}", "reference", shown, ours, right)
    for shown, planes in sources("nv12", LEFT).items():
        (ours,) = convert(planes, "nv12", "rgb24", color=LEFT, chroma="nearest")
        why = "luma below 16 held at 16" if shown == "noise" else "factors of three digits"
        yield row("NV12 to RGB, nearest", "OpenCV", shown, ours, cv_rgb(planes), why)
    luma, chroma_plane = picture("nv12", WIDTH, HEIGHT, 1)
    planes = np.maximum(luma, 16), chroma_plane
    (ours,) = convert(planes, "nv12", "rgb24", color=LEFT, chroma="nearest")
    shown = "noise, luma from 16"
    yield row("NV12 to RGB, nearest", "OpenCV", shown, ours, cv_rgb(planes), "three digits")
    planes = coded("nv12", LEFT)
    (ours,) = convert(planes, "nv12", "rgb24", color=LEFT)
    yield row("NV12 to RGB, bilinear", "OpenCV", "waves", ours, cv_rgb(planes), "nearest chroma")
    yield from to_rgb_by_swscale()


def to_rgb_by_swscale() -> Iterator[dict[str, Any]]:
    for shown, planes in sources("nv12", CENTER).items():
        (ours,) = convert(planes, "nv12", "rgb24", color=CENTER)
        theirs = sw_rgb("nv12", planes, CENTER)
        why = "black for more than twice white" if shown == "noise" else ""
        yield row("NV12 to RGB, bilinear, center", "swscale", shown, ours, theirs, why)
    yield worst_by_swscale()
    planes = coded("nv12", LEFT)
    (ours,) = convert(planes, "nv12", "rgb24", color=LEFT)
    theirs = sw_rgb("nv12", planes, ColorSpec("smpte170m", "limited"))
    yield row("NV12 to RGB, bilinear", "swscale, no siting stated", "waves", ours, theirs,
              "center for left")  # fmt: skip
    for source in ("nv12", "yuv420p"):
        planes = coded(source, LEFT)
        theirs = sw_rgb(source, planes, LEFT, None)
        for chroma in ("nearest", "bilinear"):
            (ours,) = convert(planes, source, "rgb24", color=LEFT, chroma=chroma)
            what = f"{'NV12' if source == 'nv12' else 'I420'} to RGB, {chroma}"
            yield row(what, "swscale, default flags", "waves", ours, theirs,
                      "chroma repeated, rounded down")  # fmt: skip
    planes = coded("nv12", CENTER, WIDTH - 1)
    (ours,) = convert(planes, "nv12", "rgb24", color=CENTER)
    yield row("NV12 to RGB, bilinear, center, odd width", "swscale", "waves", ours,
              sw_rgb("nv12", planes, CENTER), "chroma stretched")  # fmt: skip


def worst_by_swscale() -> dict[str, Any]:
    """The row with the largest mean of all matrices, ranges and sitings."""
    planes = picture("nv12", WIDTH, HEIGHT, 1)
    found = []
    for matrix, range_, siting in itertools.product(MATRICES, RANGES, SITINGS.values()):
        color = ColorSpec(matrix, range_, siting=siting)
        (ours,) = convert(planes, "nv12", "rgb24", color=color)
        theirs = sw_rgb("nv12", planes, color)
        shown = (exact("nv12", planes, color, "bilinear") < WRAPS).all(axis=-1)
        found.append(
            row("NV12 to RGB, bilinear, worst of all matrices, ranges, sitings", "swscale",
                "noise, up to twice white", ours[shown][None], theirs[shown][None])
        )  # fmt: skip
    return max(found, key=lambda each: (each["max"], each["mean"]))


def deep() -> Iterator[dict[str, Any]]:
    """More bits in, and floats out."""
    for name, range_ in (("p010", "limited"), ("p010", "full"), ("p016", "limited")):
        color = ColorSpec("bt2020nc", range_, siting="left")
        planes = picture(name, WIDTH, HEIGHT, 1)
        right = exact(name, planes, color, "bilinear")
        (ours,) = convert(planes, name, "rgb24", color=color)
        what = f"{name.upper()} to RGB, BT.2020, {range_}"
        yield row(what, "reference", "noise", ours, quantised(right))
        theirs = sw_rgb(name, planes, color)
        shown = (right < WRAPS).all(axis=-1)
        why = "1023 of 1020" if range_ == "full" else ""
        yield row(what, "swscale", "noise, up to twice white", ours[shown][None],
                  theirs[shown][None], why)  # fmt: skip
    planes = coded("nv12", LEFT)
    right = np.clip(exact("nv12", planes, LEFT, "bilinear"), 0, 255)
    for output in ("rgb_float16", "rgb_float32"):
        (ours,) = convert(planes, "nv12", output, color=LEFT)
        yield row(f"NV12 to {output}", "reference", "waves",
                  255 * pixels_last(ours.astype(np.float64)), right)  # fmt: skip
    green, blue, red = swscale.converted(planes, "nv12", "gbrpf32", LEFT)
    yield row("NV12 to rgb_float32", "swscale", "waves", 255 * pixels_last(ours),
              255.0 * pixels_last((red, green, blue)), "65280 of 65535 is white")  # fmt: skip


def from_rgb() -> Iterator[dict[str, Any]]:
    """rgb24 to NV12 and P010: luma and chroma apart."""
    for shown, rgb in (("waves", WAVES), ("noise", NOISE)):
        ours = codes_of("nv12", convert(rgb, "rgb24", "nv12", output_color=CENTER))
        right = [quantised(plane) for plane in ycbcr_from_rgb(rgb / 255, CENTER)]
        yield from parts("RGB to NV12, center", "reference", shown, ours, right)
        by_opencv = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
        theirs = by_opencv[:HEIGHT], *by_opencv[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
        yield from parts("RGB to NV12, center", "OpenCV", shown, ours, theirs, "one pixel of four")
        for name, flags, why in (
            ("swscale, AREA", AREA, ""),
            ("swscale, BILINEAR", BILINEAR | ACCURATE, "(1 3 3 1) / 8"),
        ):
            theirs = codes_of("nv12", swscale.converted((rgb,), "rgb24", "nv12", CENTER, flags))
            yield from parts("RGB to NV12, center", name, shown, ours, theirs, why)
    full = ColorSpec("smpte170m", "full", siting="center")
    for target, color, why in (
        ("nv12", full, "chroma rounded down"), ("p010", CENTER, ""),
    ):  # fmt: skip
        ours = codes_of(target, convert(NOISE, "rgb24", target, output_color=color))
        depth = FORMATS[target].bit_depth
        right = [quantised(plane, depth) for plane in ycbcr_from_rgb(NOISE / 255, color, depth)]
        theirs = codes_of(target, swscale.converted((NOISE,), "rgb24", target, color, AREA))
        what = f"RGB to {target.upper()}, center, {color.range}"
        yield from parts(what, "reference", "noise", ours, right)
        yield from parts(what, "swscale, AREA", "noise", ours, theirs, why)


def parts(
    what: str, beside: str, shown: str, ours: Any, theirs: Any, why_chroma: str = ""
) -> Iterator[dict[str, Any]]:
    yield row(f"{what}, luma", beside, shown, ours[0], theirs[0])
    chroma = pixels_last(ours[1:]), pixels_last(theirs[1:])
    yield row(f"{what}, chroma", beside, shown, *chroma, why_chroma)


def scaling() -> Iterator[dict[str, Any]]:
    """rgb24 to float32 of another size."""
    double = NOISE.transpose(2, 0, 1) / 255.0

    def by_torch(size: tuple[int, int], dtype: Any, **options: Any) -> Array:
        tensor = torch.from_numpy(double.astype(dtype))[None]
        return 255 * interpolate(tensor, size=size[::-1], **options)[0].numpy()

    def by_opencv(size: tuple[int, int], method: int) -> Array:
        made = cv2.resize(NOISE.astype(np.float32), size, interpolation=method)
        return made.transpose(2, 0, 1)

    bilinear = {"mode": "bilinear", "align_corners": False}
    tent = bilinear | {"antialias": True}
    double64, float32 = np.float64, np.float32
    half, other, larger = (WIDTH // 2, HEIGHT // 2), (200, 100), (500, 300)
    for size, method, side, theirs, why in (
        (other, "bilinear", "PyTorch, float64", by_torch(other, double64, **bilinear), ""),
        (other, "bilinear", "PyTorch, float32", by_torch(other, float32, **bilinear),
         "places counted in float32"),
        (other, "bilinear", "OpenCV, INTER_LINEAR", by_opencv(other, cv2.INTER_LINEAR), ""),
        (half, "area", "PyTorch", by_torch(half, double64, mode="area"), ""),
        (other, "area", "PyTorch", by_torch(other, double64, mode="area"),
         "counts pixels it touches in full"),
        (other, "area", "OpenCV, INTER_AREA", by_opencv(other, cv2.INTER_AREA), ""),
        (larger, "bilinear", "PyTorch, antialias", by_torch(larger, double64, **tent), ""),
        (other, "bilinear", "PyTorch, antialias", by_torch(other, double64, **tent),
         "a tent of two new pixels"),
        (other, "area", "PyTorch, antialias", by_torch(other, double64, **tent),
         "a tent of two new pixels"),
    ):  # fmt: skip
        (ours,) = convert(NOISE, "rgb24", "rgb_float32", size=size, resize=method)
        what = f"{WIDTH}x{HEIGHT} to {size[0]}x{size[1]}, {method}"
        yield row(what, side, "noise", 255 * pixels_last(ours), pixels_last(theirs), why)
    for method in ("bilinear", "area"):
        (ours,) = convert(NOISE, "rgb24", "rgb24", size=other, resize=method)
        right = [quantised(resized(plane, other, method)) for plane in NOISE.transpose(2, 0, 1)]
        what = f"{WIDTH}x{HEIGHT} to {other[0]}x{other[1]}, {method}, rgb24"
        yield row(what, "reference", "noise", ours, pixels_last(right))


def rows() -> list[dict[str, Any]]:
    """Keys: ``what``, ``beside``, ``picture``, ``max``, ``mean``, ``over`` (of 1), ``why``."""
    return [*to_rgb(), *deep(), *from_rgb(), *scaling()]


def table(measured: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table, and the versions of the witnesses."""
    lines = [
        "| videohw | beside | picture | max | mean | over 1 | why |",
        "| --- | --- | --- | ---: | ---: | ---: | --- |",
    ]
    for each in measured:
        numbers = f"{figure(each['max'])} | {figure(each['mean'])} | {100 * each['over']:.3g} %"
        cells = f"{each['what']} | {each['beside']} | {each['picture']} | {numbers}"
        lines.append(f"| {cells} | {each['why']} |".replace("  |", " |"))
    version = ".".join(map(str, av.library_versions["libswscale"]))
    witnesses = f"OpenCV {cv2.__version__}, libswscale {version}, PyTorch {torch.__version__}."
    return "\n".join([*lines, "", witnesses])


def figure(value: float) -> str:
    """Whole codes as they are, else two digits."""
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.2g}"


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
