"""Every level of instructions, and every number of threads, gives the same bytes."""

from __future__ import annotations

import platform
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.pixels.pictures import FLOATS, SOURCES, Case, cases, picture
from videohw.color import ColorSpec
from videohw.errors import UnsupportedConfig
from videohw.pixel_format import FORMATS
from videohw.pixels import convert, kernels
from videohw.pixels.plan import RGB, Request, plan_of

LEVELS = kernels.levels()
CPUINFO = Path("/proc/cpuinfo")


@contextmanager
def level(name: str) -> Iterator[None]:
    before = kernels.use_level(name)
    try:
        yield
    finally:
        kernels.use_level(before)


def bits(planes: tuple[Any, ...]) -> list[bytes]:
    return [np.ascontiguousarray(plane).tobytes() for plane in planes]


def check(case: Case) -> None:
    planes = picture(case.source, case.width, case.height, case.seed)
    with level("plain"):
        expected = bits(convert(planes, case.source, case.target, **case.options))
    for name in LEVELS[1:]:
        with level(name):
            assert bits(convert(planes, case.source, case.target, **case.options)) == expected, (
                name, case,
            )  # fmt: skip


def test_the_levels_of_this_processor() -> None:
    assert LEVELS[0] == "plain"
    if CPUINFO.is_file() and platform.machine() == "x86_64":
        flags = set(re.findall(r"^flags\s*: (.*)$", CPUINFO.read_text(), re.MULTILINE)[0].split())
        assert ("sse4.1" in LEVELS) == ({"sse4_1", "ssse3"} <= flags)
        assert ("avx2" in LEVELS) == ({"avx2", "f16c"} <= flags)
    elif platform.machine() in ("aarch64", "arm64"):
        assert LEVELS == ("plain", "neon")
    assert kernels.use_level("plain") == LEVELS[-1]
    assert kernels.use_level(LEVELS[-1]) == "plain"
    with pytest.raises(ValueError, match="tuple"):
        kernels.use_level("mmx")


# Wide enough for whole vectors and a rest: AVX2 has 32 bytes of them.
WIDTHS = (1, 15, 31, 32, 33, 66, 97, 131)


@pytest.mark.parametrize("target", ["rgb24", "bgra", "rgb_planar", *FLOATS, "nv12", "p010"])
@pytest.mark.parametrize("source", SOURCES)
def test_all_levels_agree(source: str, target: str) -> None:
    for width in WIDTHS:
        check(Case(source, width, 3, target, seed=width))


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("chroma", ["bilinear", "nearest"])
def test_all_levels_agree_on_every_siting(siting: str, chroma: str) -> None:
    for width in WIDTHS:
        for source in ("nv12", "i420", "p010", "yuv422p10"):
            color = ColorSpec("bt2020nc", "full", siting=siting)
            check(Case(source, width, 5, "rgb24", color, chroma=chroma))
            check(Case("rgb24", width, 5, source, output_color=color))


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize("size", [(300, 5), (131, 4), (90, 4), (66, 2), (40, 2), (7, 1)])
def test_all_levels_agree_on_every_scale(size: tuple[int, int], resize: str) -> None:
    """From places close to each other to ones that must be gathered."""
    for source, target in (("nv12", "rgb24"), ("bgra", "i420"), ("yuv420p16", "rgb_float16")):
        check(Case(source, 132, 4, target, size=size, resize=resize))


@given(cases())
def test_all_levels_agree_on_any_conversion(case: Case) -> None:
    try:
        check(case)
    except UnsupportedConfig:  # a matrix that is not computed
        assert case.color or case.output_color


@given(cases(sources=("nv12", "i420", "yuv420p10", "rgb24", "gray")))
def test_threads_give_the_same_bytes(case: Case) -> None:
    planes = picture(case.source, case.width, case.height, case.seed)
    alone = bits(convert(planes, case.source, case.target, **case.options))
    for threads in (2, 3, 64):
        made = convert(planes, case.source, case.target, threads=threads, **case.options)
        assert bits(made) == alone


def test_other_threads_run_meanwhile() -> None:
    """While one converts: it never asks for the lock, which it would keep for 1000 seconds."""
    source, target = FORMATS["nv12"], FORMATS["rgb_planar"]
    color = ColorSpec("bt709", "limited")
    whole = (0, 0, 640, 360)
    plan = plan_of(Request(source, 640, 360, target, color, RGB, whole, (640, 360)))
    planes = picture("nv12", 640, 360, 0)
    out = tuple(np.empty((3, 360, 640), np.uint8))
    begun = threading.Event()

    def work() -> None:
        begun.set()
        for _ in range(200):
            plan.run(planes, out)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        turns = 0
        while thread.is_alive():
            turns += 1
            time.sleep(0)
    finally:
        sys.setswitchinterval(before)
        thread.join()
    assert turns > 1


def half_patterns() -> np.ndarray:
    """float32 around every float16 and around the middles between two of them."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    exact = np.sort(np.unique(halves)).astype(np.float64)
    middles = ((exact[1:] + exact[:-1]) / 2).astype(np.float32)
    beyond = np.float32([65519.99, 65520, 65520.01, 1e30, 2.0**-25, 2.0**-26, 1e-40])
    points = np.concatenate([halves, middles, beyond, -beyond])
    near = [np.nextafter(points, np.float32(side)) for side in (-np.inf, np.inf)]
    return np.concatenate([points, *near]).astype(np.float32)


@pytest.mark.parametrize("name", LEVELS)
def test_every_float16_is_the_nearest(name: str) -> None:
    values = half_patterns()
    got = np.empty(len(values), np.uint16)
    with level(name):
        kernels.halves(values, got)
    with np.errstate(over="ignore"):
        wanted = values.astype(np.float16)
    different = got != wanted.view(np.uint16)
    # A limit that is -inf or inf takes the sign of a zero.
    zeros = (got & 0x7FFF == 0) & (wanted == 0)
    assert not (different & ~zeros).any(), values[different & ~zeros][:5]
    # All finite ones but two zeros, and two infinities.
    assert len(np.unique(got[~zeros])) == 2 * 0x7C00
