"""Pictures in device memory, made by the kernels of the package, and what they must be."""

from __future__ import annotations

from typing import Any

import numpy as np

from videohw.color import ColorSpec
from videohw.kernels import Surface, plan_to_rgb, plan_to_ycbcr
from videohw.pixels import convert

PITCH = 64
COLOR = ColorSpec(matrix="bt709", range="limited", siting="left")


def rgb(width: int, height: int) -> Any:
    """(height, width, 3) uint8, smooth."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([40 + columns * 3, 60 + rows * 4, 200 - columns - rows], -1).astype(np.uint8)


def nv12_of(device: Any, width: int, height: int) -> tuple[tuple[Any, Any], list[Any]]:
    """(planes in one block with padded rows, the same by the CPU) of :func:`rgb`."""
    picture = rgb(width, height)
    source = Surface("rgb24", width, height)
    target = Surface("nv12", width, height, (PITCH,))
    chroma = (-(-height // 2), -(-width // 2), 2)
    plan = device.plan(plan_to_ycbcr(source, target, COLOR))
    planes = device.convert(
        plan, [device.upload(picture)], PITCH * (height + chroma[0]),
        [0, PITCH * height],
        [(0, (height, width), (PITCH, 1), "|u1"), (PITCH * height, chroma, (PITCH, 2, 1), "|u1")],
    )  # fmt: skip
    wanted = [plane.to_host() for plane in planes]
    by_cpu = convert((picture,), "rgb24", "nv12", output_color=COLOR)
    for one, other in zip(wanted, by_cpu, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    return planes, wanted


def planar_of(device: Any, width: int, height: int) -> tuple[tuple[Any], list[Any]]:
    """The same as (3, rows, columns) of RGB, made of NV12 on the device."""
    planes, on_host = nv12_of(device, width, height)
    source = Surface("nv12", width, height, (PITCH,))
    target = Surface("rgb_planar", width, height, (PITCH,))
    plan = device.plan(plan_to_rgb(source, target, COLOR))
    made = device.convert(
        plan, planes, 3 * PITCH * height, [0, PITCH * height, 2 * PITCH * height],
        [(0, (3, height, width), (PITCH * height, PITCH, 1), "|u1")],
    )  # fmt: skip
    (by_cpu,) = convert(on_host, "nv12", "rgb_planar", color=COLOR)
    values = made[0].to_host()
    assert np.abs(values.astype(int) - by_cpu).max() <= 1
    return made, [values]
