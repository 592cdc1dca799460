"""Builds the emulated drivers from source, what changed only, into build/emulators.

usage: python tests/emulators/build.py [libcuda.so.1 | libvideohw_apple.so ...] [--check]

Without a name all of them. ``libcuda.so.1`` alone needs a C++ compiler; ``libnvcuvid.so.1``
needs libavcodec's headers too, ``libnvidia-encode.so.1`` those of libx264 and libx265, and
``libvideohw_apple.so`` all of these, found by pkg-config. ``--check`` only says what is missing.
In a process that has AddressSanitizer loaded (tools/asan.py) they are built with it, in a folder
of their own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NVIDIA, CODEC, KERNELS = HERE / "nvidia", HERE / "codec", ROOT / "tests" / "kernels"
APPLE = HERE / "apple"
CUDA, CUVID, ENCODE = "libcuda.so.1", "libnvcuvid.so.1", "libnvidia-encode.so.1"
APPLE_LIBRARY = "libvideohw_apple.so"
NATIVE, DEVICE_SOURCES = ROOT / "videohw" / "_native", sorted((ROOT / "kernels").glob("*.cu"))
VT_MODULES = ("_vt", "_vt_encode")
TRACES = HERE / "traces" / "h100-580" / "caps.json"
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
EXPORTS = NVIDIA / "exports.map"
KERNELS_ON_HOST = NVIDIA / "kernels_host.cpp"
OUT = ROOT / "build" / ("emulators-asan" if SANITIZED else "emulators")
# What pkg-config finds, and what to say where it does not.
DECODING = ("libavcodec", "libavutil")
ENCODING = ("x264", "x265", *DECODING)
PACKAGES: dict[str, tuple[str, ...]] = {
    CUDA: (), CUVID: DECODING, ENCODE: ENCODING, APPLE_LIBRARY: ENCODING,
}  # fmt: skip
ABSENT = {
    DECODING: "libavcodec-dev is not here",
    ENCODING: "libavcodec-dev, libx264-dev or libx265-dev is not here",
}
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
METAL_KERNELS = "kernels_metal.so"


# Has a process that starts with it find these modules, whichever videohw it finds.
FINDER = """
import importlib.util, sys
PATHS = {paths!r}
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in PATHS:
            return importlib.util.spec_from_file_location(name, PATHS[name])
sys.meta_path.append(Finder)
"""


def compiler() -> str | None:
    """A C++ compiler that takes GCC's options."""
    return next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)


def codec_flags(packages: tuple[str, ...], kind: str) -> list[str] | None:
    """What pkg-config says of them (``--cflags`` or ``--libs``), None where one is missing."""
    if not packages:
        return []
    command = ["pkg-config", kind, *packages]
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


def missing(library: str = CUVID) -> str | None:
    """Why a library cannot be built here, None if it can."""
    if not sys.platform.startswith("linux"):
        return "the emulated drivers are of Linux"
    if compiler() is None:
        return "there is no C++ compiler here"
    packages = PACKAGES[library]
    return ABSENT[packages] if codec_flags(packages, "--libs") is None else None


def prefix_of(source: Path) -> str:
    """What a source of NVIDIA's libraries belongs to; nothing is libcuda."""
    return next((each for each in ("cuvid", "nvenc") if source.name.startswith(each)), "")


def sources(library: str) -> list[Path]:
    decodes = sorted(CODEC.glob("decoder*.cpp"))
    if library == APPLE_LIBRARY:
        return [*sorted(APPLE.glob("*.cpp")), *sorted(CODEC.glob("*.cpp"))]
    prefix = {CUDA: "", CUVID: "cuvid", ENCODE: "nvenc"}[library]
    own = [path for path in sorted(NVIDIA.glob("*.cpp")) if prefix_of(path) == prefix]
    codec = {"": [], "cuvid": decodes, "nvenc": sorted({*CODEC.glob("*.cpp")} - {*decodes})}
    return [*(path for path in own if path != KERNELS_ON_HOST), *codec[prefix]]


def headers(source: Path) -> list[Path]:
    """What a source may include."""
    codec = sorted(CODEC.glob("*.hpp"))
    if source.parent == CODEC:
        return codec
    if source.parent == APPLE:
        shared = [NATIVE / "apple.h", NVIDIA / "cuvid_bits.hpp"]
        return [*sorted(APPLE.glob("*.hpp")), *codec, *shared]
    prefix = prefix_of(source)
    own = [path for path in NVIDIA.glob("*.hpp") if prefix_of(path) in ("", prefix)]
    declared = ("nvidia.h", "dynlib.h", *(("nvenc.h", "nvenc_versions.hpp") if prefix else ()))
    native = [*(NATIVE / name for name in declared), *sorted(OUT.glob("*.inc"))]
    return [*sorted(own), *native, *(codec if prefix else ())]


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

    def compiled(self, source: Path, packages: tuple[str, ...]) -> Path:
        """What several libraries share is compiled in one way."""
        if source.parent == CODEC:
            packages = DECODING if source.name.startswith("decoder") else ENCODING
        flags = codec_flags(packages, "--cflags")
        assert flags is not None, ABSENT[packages]
        target = OUT / (source.parent.name + "-" + source.name + ".o")
        include = [f"-I{NATIVE}", f"-I{HERE}", f"-I{OUT}"]
        command = [self.program, *self.common, *flags, *include, "-c", source]
        self.step(target, command, [source, *headers(source)])
        return target

    def linked(
        self, name: str, objects: Sequence[Path], flags: Sequence[str], exports: Path = EXPORTS
    ) -> None:
        command = [
            # A client may close a library and load it again: what is in it must not begin anew.
            self.program, *self.common, "-shared", f"-Wl,-soname,{name}", "-Wl,-z,defs",
            "-Wl,-z,nodelete",
            "-Wl,-rpath,$ORIGIN", f"-Wl,--version-script={exports}", *objects, *flags, "-ldl",
        ]  # fmt: skip
        self.step(OUT / name, command, [*objects, exports])

    def kernels(self) -> None:
        """The device's kernels as host code, beside the libraries."""
        command = [
            self.program, *self.common, *KERNEL_FLAGS, "-shared", f"-I{KERNELS}",
            f"-I{ROOT / 'kernels'}", KERNELS_ON_HOST,
        ]  # fmt: skip
        inputs = [KERNELS_ON_HOST, *sorted(KERNELS.glob("cuda_*")), *DEVICE_SOURCES]
        self.step(OUT / "kernels_host.so", command, inputs)

    def metal_kernels(self) -> None:
        """Those of Metal, made of their own source, in the same way as tests/kernels has them."""
        sys.path.insert(0, str(ROOT))
        try:
            from tests.kernels import metal_source
        finally:
            sys.path.remove(str(ROOT))
        code = OUT / "kernels_metal.cpp"
        inputs = [Path(metal_source.__file__), metal_source.SOURCE]
        key, stamp = digest(*inputs), code.with_suffix(".made")
        if not code.exists() or not stamp.exists() or stamp.read_text() != key:
            code.write_text(metal_source.with_table(OUT), encoding="utf-8")
            stamp.write_text(key)
        command = [
            self.program, *self.common, *KERNEL_FLAGS, "-shared", f"-I{metal_source.SHIM}",
            f"-I{KERNELS}", code,
        ]  # fmt: skip
        shims = [*sorted(metal_source.SHIM.iterdir()), *sorted(KERNELS.glob("*.h"))]
        self.step(OUT / METAL_KERNELS, command, [code, *shims])

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

    def library(self, name: str, workers: ThreadPoolExecutor) -> None:
        """Compiled and linked; those of NVIDIA are linked to its libcuda."""
        packages = PACKAGES[name]
        libraries = codec_flags(packages, "--libs")
        assert libraries is not None, ABSENT[packages]
        objects = list(workers.map(lambda each: self.compiled(each, packages), sources(name)))
        if name in (CUVID, ENCODE):
            libraries = [f"-L{OUT}", f"-l:{CUDA}", *libraries]
        of_apple = name == APPLE_LIBRARY
        self.linked(name, objects, libraries, APPLE / "exports.map" if of_apple else EXPORTS)

    def module(self, name: str, target: Path) -> None:
        """A module of the package, compiled and linked to the emulated frameworks."""
        native = sorted(NATIVE.glob("*.h*")) + sorted((ROOT / "videohw").rglob("*.pxd"))
        source, code = pyx(name), target.with_name(f"{name}.cpp")
        cython = [sys.executable, "-m", "cython", "--cplus", "-3", f"-I{ROOT}", source]
        self.step(code, cython, [source, *native])
        include = [f"-I{NATIVE}", f"-I{NATIVE.parent}", f"-I{sysconfig.get_path('include')}"]
        flags = ["-std=c++17", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-pthread", "-w"]
        command = [
            self.program, *flags, *(SANITIZERS if SANITIZED else ()), "-shared", *include, code,
            f"-L{OUT}", f"-l:{APPLE_LIBRARY}", f"-Wl,-rpath,{OUT}", "-ldl",
        ]  # fmt: skip
        self.step(target, command, [code, *native])

    def cuda(self, workers: ThreadPoolExecutor) -> None:
        self.tables()
        kernels = workers.submit(self.kernels)
        self.library(CUDA, workers)
        kernels.result()


def module_missing() -> str | None:
    """Why the modules of VideoToolbox cannot be built for the emulated frameworks, None if they
    can."""
    if not all(pyx(name).is_file() for name in VT_MODULES):
        return "the sources of the modules are not here"
    if importlib.util.find_spec("Cython") is None:
        return "Cython is not here"
    return missing(APPLE_LIBRARY)


def pyx(name: str) -> Path:
    """The source of a module of the package."""
    return ROOT / "videohw" / f"{name}.pyx"


def built_module() -> Path:
    """A folder with ``videohw._vt`` and ``videohw._vt_encode``, linked to the emulated frameworks;
    to be looked for in ``videohw.__path__``, as ``site/sitecustomize.py`` in it does. Macs have
    them in the package."""
    folder = built(APPLE_LIBRARY) / "apple"
    folder.mkdir(exist_ok=True)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    targets = {name: folder / f"{name}{suffix}" for name in VT_MODULES}
    with alone(), ThreadPoolExecutor(2) as workers:
        builder = Builder()
        list(workers.map(builder.module, targets, targets.values()))
        (folder / "site").mkdir(exist_ok=True)
        start = FINDER.format(paths={f"videohw.{n}": str(path) for n, path in targets.items()})
        (folder / "site" / "sitecustomize.py").write_text(start, encoding="utf-8")
    return folder


def built(library: str = CUVID) -> Path:
    """The folder with the libraries, ``library`` and what it is linked to; see :func:`missing`."""
    reason = missing(library)
    if reason:
        raise RuntimeError(reason)
    if OUT.is_symlink():  # of another tree, which builds them
        return OUT
    with alone(), ThreadPoolExecutor(2) as workers:
        builder = Builder()
        if library != APPLE_LIBRARY:
            builder.cuda(workers)
        if library != CUDA:
            builder.library(library, workers)
        if library == APPLE_LIBRARY:
            builder.metal_kernels()
    return OUT


def main(arguments: list[str]) -> int:
    names = [each for each in arguments if not each.startswith("-")]
    for name in names or [CUVID, ENCODE, APPLE_LIBRARY]:
        reason = missing(name)
        if reason:
            print(reason, file=sys.stderr)
            return 1
        if "--check" not in arguments:
            print(built(name).relative_to(ROOT) / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
