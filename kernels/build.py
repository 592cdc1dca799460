"""Compile kernels/*.cu as one unit into videohw/kernels: PTX for any device, machine code for some.

The tools are parts of PyPI packages (dependency group "kernels"; Linux on x86-64): NVRTC 11.8,
whose PTX a driver of CUDA 11.8 takes, and ptxas 12.9, which knows today's chips and takes that
PTX. No toolkit, no device and no host compiler are needed. The same source and tools give the
same bytes, which tests/kernels/test_products.py holds this to.

usage: python kernels/build.py [DIRECTORY]
"""

from __future__ import annotations

import ctypes as c
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (ROOT / "kernels" / "nv12_rgb.cu", ROOT / "kernels" / "ycbcr.cu")
PRODUCTS = ROOT / "videohw" / "kernels"
TOOLS = {"nvidia-cuda-nvrtc-cu11": "11.8.89", "nvidia-cuda-nvcc-cu12": "12.9.86"}
NVRTC = ("nvidia.cuda_nvrtc", "lib/libnvrtc.so.11.2")
PTXAS = ("nvidia.cuda_nvcc", "bin/ptxas")
PTX_CAPABILITY = (5, 0)
CUBIN_CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0))
NVRTC_OPTIONS = ("--gpu-architecture=compute_50", "--std=c++14")


class BuildError(Exception):
    """The tools are not there, or refuse the source."""


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]) if arguments else PRODUCTS
    try:
        products = build()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    for old in (*target.glob("nv12_rgb.*.cubin"), *target.glob("nv12_rgb.ptx")):
        old.unlink()
    for name, data in products.items():
        (target / name).write_bytes(data)
        print(f"{len(data):9}  {name}")
    return 0


def build() -> dict[str, bytes]:
    """Every product by its file name, the manifest among them."""
    check_versions()
    source = b"".join(each.read_bytes() for each in SOURCES)
    ptx = compiled(source)
    products = {"nv12_rgb.ptx": ptx}
    facts: dict[str, dict[str, Any]] = {
        "nv12_rgb.ptx": {"kind": "ptx", "compute_capability": PTX_CAPABILITY}
    }
    for capability in CUBIN_CAPABILITIES:
        name = f"nv12_rgb.sm_{capability[0]}{capability[1]}.cubin"
        products[name] = assembled(ptx, capability)
        facts[name] = {"kind": "cubin", "compute_capability": capability}
    for name, data in products.items():
        facts[name] |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "source": {
            "files": [each.relative_to(ROOT).as_posix() for each in SOURCES],
            "sha256": hashlib.sha256(source).hexdigest(),
        },
        "tools": TOOLS,
        "options": NVRTC_OPTIONS,
        "kernels": sorted(re.findall(r"\.visible \.entry (\w+)", ptx.decode())),
        "products": facts,
    }
    text = json.dumps(manifest, indent=2)
    # Short lists on one line.
    text = re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", text)
    return {**products, "manifest.json": (text + "\n").encode()}


def check_versions() -> None:
    """:class:`BuildError` unless the tools are those that the products were made with."""
    for package, wanted in TOOLS.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            found = None
        if found != wanted:
            raise BuildError(
                f"{package} {wanted} is not installed (found: {found}); pip install --group kernels"
            )


def tool(package: str, path: str) -> Path:
    """A file of an installed package."""
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / path).is_file():
            return Path(place) / path
    raise BuildError(f"{package} has no {path} here; the tools are for Linux on x86-64")


def compiled(source: bytes) -> bytes:
    """PTX, by NVRTC."""
    nvrtc = c.CDLL(str(tool(*NVRTC)))
    program, size = c.c_void_p(), c.c_size_t()
    nvrtc.nvrtcCreateProgram(c.byref(program), source, b"kernels.cu", 0, None, None)
    options = [option.encode() for option in NVRTC_OPTIONS]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (c.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, c.byref(size))
    log = c.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    if failed:
        raise BuildError(log.value.decode())
    if log.value:
        print(log.value.decode(), file=sys.stderr)
    nvrtc.nvrtcGetPTXSize(program, c.byref(size))
    ptx = c.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    nvrtc.nvrtcDestroyProgram(c.byref(program))
    # Comments and indentation are an eighth of it.
    lines = (line.strip() for line in ptx.value.splitlines())
    return b"\n".join(line for line in lines if line and not line.startswith(b"//")) + b"\n"


def assembled(ptx: bytes, capability: tuple[int, int]) -> bytes:
    """A cubin, by ptxas."""
    ptxas = tool(*PTXAS)
    with tempfile.TemporaryDirectory(prefix="videohw-kernels-") as name:
        # The names of these files are in no product.
        source, cubin = Path(name) / "kernels.ptx", Path(name) / "kernels.cubin"
        source.write_bytes(ptx)
        done = subprocess.run(
            [ptxas, "-O3", f"-arch=sm_{capability[0]}{capability[1]}", source, "-o", cubin],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BuildError(done.stdout + done.stderr)
        return cubin.read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
