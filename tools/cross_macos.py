"""Compile a Cython module for macOS on this machine, and hold what it calls to facts of the SDK.

There is no SDK here, so: zig (from PyPI) compiles for both processors with our own declarations
(videohw/_native/apple.h) behind a header of prototypes made of the facts, which differs from them
in nothing or does not compile; every symbol of a framework must be one that macOS 11.0 exports;
and the module, linked to stubs of the frameworks, must demand system libraries only. Nothing is
run. At the end errors are planted, which must be found.

usage: python tools/cross_macos.py [MODULE.pyx ...]
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from mach_o import MachO, read  # noqa: E402

from tests.apple.facts import (  # noqa: E402
    DEPLOYMENT_TARGET,
    FACTS,
    OBJC,
    OBJC_LIBRARY,
    header,
    library_of,
)

NATIVE = ROOT / "videohw" / "_native"
PROBE = ROOT / "tests" / "apple" / "probe.pyx"
MODULES = [ROOT / "videohw" / name for name in ("_vt.pyx", "_vt_encode.pyx")]
CPUS = {"aarch64": "arm64", "x86_64": "x86_64"}
SYSTEM = "/usr/lib/libSystem.B.dylib"
# What is of a framework; everything else is the system's C library, C++'s or Python's.
FRAMEWORK_SYMBOL = re.compile(
    r"k?(CF|CG|CM|CV|VT|MTL|IOSurface)[A-Z]|k(CF|CM|CV|VT)|objc_|sel_|(object|class)_get"
)
FLAGS = ("-std=c++17", "-O1", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-w")
DEFINES = ("-DVIDEOHW_OWN_APPLE_DECLARATIONS", "-DVIDEOHW_HAVE_APPLE_STRUCTS")


class Refused(Exception):
    """The module would not do on a Mac."""


def run(*command: object) -> str:
    """What a command says; Refused with it when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(words[:6])} ...\n{done.stdout}{done.stderr}")
    return done.stdout


def write_stubs(folder: Path) -> None:
    """Text stubs of the frameworks with the symbols that the oldest macOS exports."""
    libraries: dict[str, list[str]] = {OBJC_LIBRARY: list(OBJC)}
    for name in [*FACTS["functions"], *FACTS["variables"]]:
        library = library_of(name)
        if library is not None:
            libraries.setdefault(library, []).append(name)
    for library, names in libraries.items():
        name = library.split("/")[-1]
        path = folder / f"{name}.framework" / f"{name}.tbd"
        if library == OBJC_LIBRARY:
            path = folder / "libobjc.tbd"
        path.parent.mkdir(exist_ok=True)
        targets = "[ x86_64-macos, arm64-macos ]"
        symbols = ", ".join(f"_{each}" for each in sorted(names))
        path.write_text(
            f"--- !tapi-tbd\ntbd-version: 4\ntargets: {targets}\ninstall-name: '{library}'\n"
            f"exports:\n  - targets: {targets}\n    symbols: [ {symbols} ]\n...\n",
            encoding="utf-8",
        )


class Check:
    """One module in a scratch folder."""

    def __init__(self, source: Path, scratch: Path) -> None:
        self._name = source.stem
        self._scratch = scratch
        self._code = scratch / f"{source.stem}.cpp"
        run(sys.executable, "-m", "cython", "--cplus", "-3", "-I", ROOT, source, "-o", self._code)
        (scratch / "facts.h").write_text(header(), encoding="utf-8")
        write_stubs(scratch)

    def compiled(self, cpu: str, *extra: str, facts: str = "facts.h") -> Path:
        """The object for a processor, with every prototype as in the facts."""
        made = self._scratch / f"{self._name}-{cpu}.o"
        run(
            *_zig(cpu), *FLAGS, *DEFINES, *extra, "-include", self._scratch / facts,
            f"-I{NATIVE}", f"-I{NATIVE.parent}", f"-I{ROOT}",
            f"-I{sysconfig.get_path('include')}", "-c", self._code, "-o", made,
        )  # fmt: skip
        return made

    def linked(self, cpu: str, made: Path) -> Path:
        """The module as it would be loaded, but for Python itself."""
        library = self._scratch / f"{self._name}-{cpu}.so"
        frameworks = [
            word
            for name in FACTS["install_names"]
            if (self._scratch / f"{name}.framework").is_dir()
            for word in ("-framework", name)
        ]
        run(
            *_zig(cpu), "-shared", "-undefined", "dynamic_lookup", f"-F{self._scratch}",
            *frameworks, f"-L{self._scratch}", "-lobjc", made, "-o", library,
        )  # fmt: skip
        return library

    def all(self, cpu: str, *extra: str) -> str:
        """Compile, link, look; a line that says what is demanded."""
        made = self.compiled(cpu, *extra)
        called = framework_symbols(read(made))
        hold_symbols(called)
        found = read(self.linked(cpu, made))
        hold_library(found, called, CPUS[cpu])
        names = sorted(library.split("/")[-1] for library in found.libraries)
        return f"{self._name} for {found.cpu}: {len(called)} symbols of {', '.join(names)}"


def _zig(cpu: str) -> list[str]:
    target = f"{cpu}-macos.{'.'.join(map(str, DEPLOYMENT_TARGET))}"
    return [sys.executable, "-m", "ziglang", "c++", "-target", target]


def framework_symbols(found: MachO) -> list[str]:
    """Those of the symbols that the frameworks must have."""
    return sorted(name for name in found.undefined if FRAMEWORK_SYMBOL.match(name))


def hold_symbols(names: Sequence[str]) -> None:
    """Every one is exported by the oldest macOS, as far as the facts tell."""
    missing = [name for name in names if library_of(name) is None]
    if missing:
        version = ".".join(map(str, DEPLOYMENT_TARGET))
        raise Refused(f"macOS {version} does not have {', '.join(missing)}: look them up")
    if not names:
        raise Refused("nothing of the frameworks is called")


def hold_library(found: MachO, called: Sequence[str], cpu: str) -> None:
    """It is for the processor and the oldest macOS, and takes each symbol from where it is."""
    if (found.cpu, found.macos) != (cpu, DEPLOYMENT_TARGET):
        raise Refused(f"it is for {found.cpu} and macOS {found.macos}")
    own = {library_of(name) for name in called} | {SYSTEM}
    foreign = set(found.libraries) - own - set(FACTS["install_names"].values()) - {OBJC_LIBRARY}
    if foreign:
        raise Refused(f"it demands {', '.join(sorted(foreign))}")
    for name in called:
        if found.undefined.get(name) != library_of(name):
            raise Refused(f"{name} comes from {found.undefined.get(name)}")
    loose = [
        name
        for name, library in found.undefined.items()
        if library is None and not hasattr(ctypes.pythonapi, name)
        and name != "dyld_stub_binder"
    ]  # fmt: skip
    if loose:
        raise Refused(f"nobody has {', '.join(sorted(loose))}")


def plant_errors(scratch: Path) -> None:
    """What is wrong on purpose is refused."""
    check = Check(PROBE, scratch)
    wrong = re.sub(
        r"CMTime CMTimeMake\(.*?\);", "CMTime CMTimeMake(int64_t a0, int64_t a1);", header()
    )
    (scratch / "wrong.h").write_text(wrong, encoding="utf-8")
    try:
        check.compiled("aarch64", facts="wrong.h")
    except Refused as error:
        if "CMTimeMake" not in str(error):
            raise
    else:
        raise SystemExit("a wrong prototype was not found")
    try:
        check.all("aarch64", "-DPROBE_NEWER")
    except Refused as error:
        if "kVTCompressionPropertyKey_ConstantBitRate" not in str(error):
            raise
    else:
        raise SystemExit("a symbol that is too new was not found")


def main(arguments: Sequence[str]) -> int:
    """Check the modules, the package's own by default; 1 when one would not do."""
    sources = [Path(each).resolve() for each in arguments] or [
        path for path in (PROBE, *MODULES) if path.is_file()
    ]
    for source in sources:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                check = Check(source, Path(scratch))
                for cpu in CPUS:
                    print(check.all(cpu), flush=True)
            except Refused as error:
                print(f"{source.name}: {error}", file=sys.stderr)
                return 1
    with tempfile.TemporaryDirectory() as scratch:
        plant_errors(Path(scratch))
    print("planted errors were found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
