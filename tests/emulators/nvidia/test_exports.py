"""The emulated libraries have the calls that the vendor's loaders want, and no others.

``symbols.json``: the names that FFmpeg's loader of CUDA and cuvid looks up, from the headers of
Video Codec SDK 13.0.
"""

from __future__ import annotations

import ctypes as c
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulators import build

# A loader on Linux does not ask for those of Windows, but they are on its list.
SYMBOLS = json.loads(Path(__file__).with_name("symbols.json").read_text(encoding="utf-8"))
OF_WINDOWS = {"cuD3D11GetDevice", "cuD3D11GetDevices", "cuGraphicsD3D11RegisterResource"}


def exported(path: Path) -> set[str]:
    """Names that a library defines for others, those of C++ left out."""
    if shutil.which("nm") is None:
        pytest.skip("there is no C++ compiler here")
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True
    )
    names = {line.split()[-1] for line in listed.stdout.splitlines()}
    return {name for name in names if not name.startswith("_Z")}


def test_libcuda_has_what_loaders_want(cuda_folder: Path) -> None:
    names = exported(cuda_folder / "libcuda.so.1")
    assert set(SYMBOLS["cuda"]) - names == OF_WINDOWS
    assert {name for name in names if not name.startswith(("cu", "videohw_emulator_"))} == set()


def test_libnvcuvid_has_what_loaders_want() -> None:
    reason = build.missing()
    if reason:
        pytest.skip(reason)
    names = exported(build.built() / "libnvcuvid.so.1")
    assert set(SYMBOLS["cuvid"]) - names == set()
    assert {name for name in names if not name.startswith(("cuvid", "videohw_emulator_"))} == set()


def test_libnvidia_encode_has_what_loaders_want() -> None:
    reason = build.missing(build.ENCODE)
    if reason:
        pytest.skip(reason)
    names = exported(build.built(build.ENCODE) / build.ENCODE)
    assert {name for name in names if not name.startswith("videohw_emulator_")} == {
        "NvEncodeAPICreateInstance", "NvEncodeAPIGetMaxSupportedVersion",
    }  # fmt: skip


def test_calls_by_name_are_those_that_are_exported(cuda_folder: Path) -> None:
    library = c.CDLL(str(cuda_folder / "libcuda.so.1"))
    place, status = c.c_void_p(), c.c_int()
    for name in ("cuMemAlloc", "cuMemcpy2DAsync", "cuCtxPushCurrent", "cuLaunchKernel"):
        ask = (name.encode(), c.byref(place), 12000, c.c_uint64(0))
        assert library.cuGetProcAddress_v2(*ask, c.byref(status)) == 0
        newest = f"{name}_v2" if hasattr(library, f"{name}_v2") else name
        assert place.value == c.cast(getattr(library, newest), c.c_void_p).value
    code = library.cuGetProcAddress(b"cuNothing", c.byref(place), 12000, c.c_uint64(0))
    assert (code, place.value) == (500, None)
    code = library.cuGetProcAddress(b"cuMemAlloc", c.byref(place), 99000, c.c_uint64(0))
    assert (code, place.value) == (1, None)
