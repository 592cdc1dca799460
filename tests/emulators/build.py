"""Builds the emulated drivers from source, what changed only, into build/emulators.

usage: python tests/emulators/build.py [libcuda.so.1 | libvideohw_apple.so] [--check]

Without a name all of them. ``libcuda.so.1`` alone needs a C++ compiler; ``libnvcuvid.so.1`` and
``libvideohw_apple.so`` need libavcodec's headers too, found by pkg-config. ``--check`` only says
what is missing. In a process that has AddressSanitizer loaded (tools/asan.py) they are built with
it, in a folder of their own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NVIDIA, CODEC, KERNELS = HERE / "nvidia", HERE / "codec", ROOT / "tests" / "kernels"
APPLE = HERE / "apple"
APPLE_LIBRARY = "libvideohw_apple.so"
NATIVE, DEVICE_SOURCE = ROOT / "videohw" / "_native", ROOT / "kernels" / "nv12_rgb.cu"
TRACES = HERE / "traces" / "h100-580" / "caps.json"
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
EXPORTS = NVIDIA / "exports.map"
KERNELS_ON_HOST = NVIDIA / "kernels_host.cpp"
OUT = ROOT / "build" / ("emulators-asan" if SANITIZED else "emulators")
CODEC_PACKAGES = ("libavcodec", "libavutil")
FLAGS = (
    "-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra",
    "-Werror", "-Wno-unused-function",
)  # fmt: skip
# As tests/kernels/host.py has it: no fused multiplications, a trap at a misaligned access.
KERNEL_FLAGS = (
    "-std=c++14", "-fno-strict-aliasing", "-ffp-contract=off", "-Wno-unknown-pragmas",
    "-fvisibility=default", "-fsanitize=alignment", "-fsanitize-undefined-trap-on-error",
)  # fmt: skip
SANITIZERS = ("-g", "-fsanitize=address")


def compiler() -> str | None:
    """A C++ compiler that takes GCC's options."""
    return next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)


def codec_flags(kind: str) -> list[str] | None:
    """What pkg-config says of libavcodec (``--cflags`` or ``--libs``), None without it."""
    command = ["pkg-config", kind, *CODEC_PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.split() if done.returncode == 0 else None


def manifest() -> Path:
    """That of the kernels, in the installed package or in the source tree."""
    package = importlib.util.find_spec("videohw")
    folder = Path(package.origin).parent if package and package.origin else ROOT / "videohw"
    return folder / "kernels" / "manifest.json"


def missing(library: str = "libnvcuvid.so.1") -> str | None:
    """Why a library cannot be built here, None if it can."""
    if not sys.platform.startswith("linux"):
        return "the emulated drivers are of Linux"
    if compiler() is None:
        return "there is no C++ compiler here"
    if library != "libcuda.so.1" and codec_flags("--libs") is None:
        return "libavcodec-dev is not here"
    return None


def sources_of_cuda() -> list[Path]:
    others = ("cuvid", KERNELS_ON_HOST.stem)
    return [path for path in sorted(NVIDIA.glob("*.cpp")) if not path.name.startswith(others)]


def sources_of_cuvid() -> list[Path]:
    return [*sorted(NVIDIA.glob("cuvid*.cpp")), *sorted(CODEC.glob("*.cpp"))]


def sources_of_apple() -> list[Path]:
    return [*sorted(APPLE.glob("*.cpp")), *sorted(CODEC.glob("*.cpp"))]


def headers(source: Path) -> list[Path]:
    """What a source may include."""
    codec = sorted(CODEC.glob("*.hpp"))
    if source.parent == CODEC:
        return codec
    if source.parent == APPLE:
        shared = [NATIVE / "apple.h", NVIDIA / "cuvid_bits.hpp"]
        return [*sorted(APPLE.glob("*.hpp")), *codec, *shared]
    of_cuvid = source.name.startswith("cuvid")
    own = [path for path in NVIDIA.glob("*.hpp") if of_cuvid or not path.name.startswith("cuvid")]
    native = [NATIVE / "nvidia.h", NATIVE / "dynlib.h", *sorted(OUT.glob("*.inc"))]
    return [*sorted(own), *native, *(codec if of_cuvid else ())]


def digest(*parts: bytes | str | Path) -> str:
    summed = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        summed.update(data.encode() if isinstance(data, str) else data)
        summed.update(b"\0")
    return summed.hexdigest()


@contextmanager
def alone() -> Iterator[None]:
    """One process builds at a time."""
    import fcntl  # Windows, where nothing is built, has none

    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str | Path]) -> None:
    # The compiler itself needs no sanitizer.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


class Builder:
    """The steps; each is left out when what went into it is what it was."""

    def __init__(self) -> None:
        found = compiler()
        assert found is not None, "a C++ compiler is not here"
        self.program = found
        self.common = [*FLAGS, *(SANITIZERS if SANITIZED else ())]

    def step(self, target: Path, command: Sequence[str | Path], inputs: Sequence[Path]) -> None:
        """Run ``command``, whose last word gets the target, unless it was run on these inputs."""
        stamp = target.with_name(target.name + ".stamp")
        key = digest(" ".join(map(str, command)), *inputs)
        if target.exists() and stamp.exists() and stamp.read_text() == key:
            return
        fresh = target.with_name(target.name + ".new")
        run([*command, "-o", fresh])
        fresh.replace(target)
        stamp.write_text(key)

    def compiled(self, source: Path, flags: Sequence[str]) -> Path:
        target = OUT / (source.parent.name + "-" + source.name + ".o")
        include = [f"-I{NATIVE}", f"-I{HERE}", f"-I{OUT}"]
        command = [self.program, *self.common, *flags, *include, "-c", source]
        self.step(target, command, [source, *headers(source)])
        return target

    def linked(
        self, name: str, objects: Sequence[Path], flags: Sequence[str], exports: Path = EXPORTS
    ) -> None:
        command = [
            self.program, *self.common, "-shared", f"-Wl,-soname,{name}", "-Wl,-z,defs",
            "-Wl,-rpath,$ORIGIN", f"-Wl,--version-script={exports}", *objects, *flags, "-ldl",
        ]  # fmt: skip
        self.step(OUT / name, command, [*objects, exports])

    def kernels(self) -> None:
        """The device's kernels as host code, beside the libraries."""
        command = [
            self.program, *self.common, *KERNEL_FLAGS, "-shared", f"-I{KERNELS}",
            f'-DKERNEL_SOURCE="{DEVICE_SOURCE.as_posix()}"', KERNELS_ON_HOST,
        ]  # fmt: skip
        inputs = [KERNELS_ON_HOST, *sorted(KERNELS.glob("cuda_*")), DEVICE_SOURCE]
        self.step(OUT / "kernels_host.so", command, inputs)

    def tables(self) -> None:
        """What the shipped kernels are known by, names of result codes: C++ initialisers."""
        kernels = json.loads(manifest().read_text(encoding="utf-8"))
        images = [
            f'{{"{name}", {str(each["kind"] == "ptx").lower()}, {each["compute_capability"][0]}, '
            f'{each["compute_capability"][1]}, "{each["sha256"]}"}},\n'
            for name, each in kernels["products"].items()
        ]
        names = json.loads(TRACES.read_text(encoding="utf-8"))["error_names"]
        tables = {
            "images": images,
            "kernels": [f'"{name}",\n' for name in kernels["kernels"]],
            "errors": [f'{{{code}, "{name}"}},\n' for code, name in names.items()],
        }
        for table, lines in tables.items():
            target, text = OUT / f"{table}.inc", "".join(lines)
            if not target.exists() or target.read_text() != text:
                target.write_text(text)

    def cuda(self, workers: ThreadPoolExecutor) -> None:
        self.tables()
        kernels = workers.submit(self.kernels)
        objects = list(workers.map(lambda each: self.compiled(each, ()), sources_of_cuda()))
        kernels.result()
        self.linked("libcuda.so.1", objects, ())

    def cuvid(self, workers: ThreadPoolExecutor) -> None:
        flags, libraries = codec_flags("--cflags"), codec_flags("--libs")
        assert flags is not None, "libavcodec-dev is not here"
        assert libraries is not None, "libavcodec-dev is not here"
        objects = list(workers.map(lambda each: self.compiled(each, flags), sources_of_cuvid()))
        self.linked("libnvcuvid.so.1", objects, [f"-L{OUT}", "-l:libcuda.so.1", *libraries])

    def apple(self, workers: ThreadPoolExecutor) -> None:
        flags, libraries = codec_flags("--cflags"), codec_flags("--libs")
        assert flags is not None, "libavcodec-dev is not here"
        assert libraries is not None, "libavcodec-dev is not here"
        compiled = workers.map(lambda each: self.compiled(each, flags), sources_of_apple())
        self.linked(APPLE_LIBRARY, list(compiled), libraries, APPLE / "exports.map")


def built(library: str = "libnvcuvid.so.1") -> Path:
    """The folder with the libraries, built as far as ``library`` needs; see :func:`missing`."""
    reason = missing(library)
    if reason:
        raise RuntimeError(reason)
    if OUT.is_symlink():  # of another tree, which builds them
        return OUT
    with alone(), ThreadPoolExecutor(2) as workers:
        builder = Builder()
        if library == APPLE_LIBRARY:
            builder.apple(workers)
            return OUT
        builder.cuda(workers)
        if library != "libcuda.so.1" and sources_of_cuvid():
            builder.cuvid(workers)
    return OUT


def main(arguments: list[str]) -> int:
    names = [each for each in arguments if not each.startswith("-")]
    for name in names or ["libnvcuvid.so.1", APPLE_LIBRARY]:
        reason = missing(name)
        if reason:
            print(reason, file=sys.stderr)
            return 1
        if "--check" not in arguments:
            print(built(name).relative_to(ROOT) / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
