"""Drivers that decode and do not take the kernels: RGB is made by the processor, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import DATA
from tests.emulators import build
from tests.emulators.control import environment

pytest.importorskip("videohw._nv", reason="NVIDIA is of Linux and Windows")

DECODE = """
import hashlib, json, pathlib, sys
import numpy as np
import videohw

stream, backend, memory, output = sys.argv[1:]
summed, errors = hashlib.md5(), []
size = None if output == "native" else (64, 48)
with videohw.Decoder(
    "h264", backend=backend, memory=memory, output=output, size=size, max_in_flight=64
) as decoder:
    decoder.submit(pathlib.Path(stream).read_bytes())
    frames = []
    while not frames:
        try:
            frames = decoder.flush()
        except videohw.UnsupportedConfig as error:
            errors.append(str(error))
            if len(errors) == 25:
                break
    for frame in frames:
        for plane in frame.to_host().planes:
            summed.update(np.ascontiguousarray(plane))
    if memory == "device" and frames:
        try:
            frames[0].convert("rgb24")
        except videohw.UnsupportedConfig as error:
            errors.append(str(error))
        assert frames[0].to_host().convert("rgb24").format == "rgb24"
    print(json.dumps([decoder.summary(), summed.hexdigest(), errors]))
"""
STREAM = DATA / "generated" / "main_cabac_b2.h264"
PICTURES = 25
OLD = {"DRIVER_VERSION": 11040}
# (settings of the emulator, what is told)
WITHOUT_KERNELS: tuple[tuple[dict[str, Any], str], ...] = (
    (OLD, "needs an NVIDIA driver of CUDA 11.8; this one has 11.4"),
    ({"COMPUTE_CAPABILITY": "3.7"}, "the kernels are for compute capability 5.0 and later"),
    ({"FAULTS": "cuModuleLoadData@1x0=fail:222"}, "the driver does not take the kernels"),
)


@pytest.fixture(scope="module")
def folder() -> Path:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    return build.built()


def decoded(
    folder: Path, memory: str, output: str, backend: str = "nvidia", **settings: Any
) -> tuple[dict[str, Any], str, list[str]]:
    """The summary, the pixels' MD5, the errors."""
    ran = subprocess.run(
        [sys.executable, "-c", DECODE, str(STREAM), backend, memory, output],
        env=environment(folder, **settings), capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    summary, digest, errors = json.loads(ran.stdout)
    return summary, digest, errors


@pytest.mark.parametrize(("settings", "why"), WITHOUT_KERNELS)
def test_rgb_in_host_memory_is_made_by_the_processor(
    folder: Path, settings: dict[str, Any], why: str
) -> None:
    """It is what software makes, to the bit, and the summary says how many pictures and why."""
    summary, digest, errors = decoded(folder, "host", "rgb_planar", **settings)
    _, exact, _ = decoded(folder, "host", "rgb_planar", "software")
    assert (digest, errors) == (exact, [])
    assert summary["converted_on_host"] == summary["delivered"] == PICTURES
    assert why in summary["why_on_host"]


@pytest.mark.parametrize(("settings", "why"), WITHOUT_KERNELS)
def test_rgb_in_device_memory_is_refused(folder: Path, settings: dict[str, Any], why: str) -> None:
    summary, _, errors = decoded(folder, "device", "rgb_planar", **settings)
    assert len(errors) == PICTURES
    assert all(why in error for error in errors)
    if settings == OLD:
        assert "install driver 520 or newer" in errors[0]
    assert summary["delivered"] == summary["converted_on_host"] == 0


def test_native_pictures_need_no_kernels(folder: Path) -> None:
    """In device memory too; to convert them there is refused with the driver that is needed."""
    on_host, exact, _ = decoded(folder, "host", "native", **OLD)
    on_device, digest, errors = decoded(folder, "device", "native", **OLD)
    assert digest == exact
    assert [WITHOUT_KERNELS[0][1] in error for error in errors] == [True]
    for summary in (on_host, on_device):
        assert (summary["converted_on_host"], summary["why_on_host"]) == (0, None)


def test_a_driver_with_kernels_converts_all(folder: Path) -> None:
    summary, _, errors = decoded(folder, "host", "rgb_planar", DRIVER_VERSION=11080)
    assert (summary["converted_on_host"], summary["why_on_host"], errors) == (0, None, [])


def test_other_ycbcr_is_made_by_a_driver_with_kernels_alone(folder: Path) -> None:
    on_host, _, _ = decoded(folder, "host", "i420")
    on_device, _, errors = decoded(folder, "device", "i420")
    assert errors == []
    for summary in (on_host, on_device):
        assert (summary["converted_on_host"], summary["why_on_host"]) == (0, None)
    old, digest, _ = decoded(folder, "host", "i420", **OLD)
    _, exact, _ = decoded(folder, "host", "i420", "software")
    assert digest == exact
    assert old["converted_on_host"] == PICTURES
    assert WITHOUT_KERNELS[0][1] in old["why_on_host"]
    _, _, errors = decoded(folder, "device", "i420", **OLD)
    assert len(errors) == PICTURES
    assert all("install driver 520 or newer" in error for error in errors)
