"""Build the extensions with ASan and UBSan in a tree of its own, and run tests on them.

The tree is a copy in build/asan, so that the extensions of a checkout are never touched. First
it is proven that both sanitizers are live: a library compiled by the same options writes past
its memory and overflows an int, and each must end its process with a report. Needs GCC.

usage: python tools/asan.py [ARGUMENTS OF PYTEST]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "asan"
TREE = HOME / "tree"
COPIED = (
    "videohw", "tests", "kernels", "examples", "fuzz", ".ci", "pyproject.toml", "setup.py",
    "README.md", "LICENSE",
)  # fmt: skip
CFLAGS = (
    "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)  # fmt: skip
# Those of the compiled modules, of the kernels and emulated drivers, which are built with them too,
# and the contract.
TESTS = (
    "tests/bitstream", "tests/metrics", "tests/pixels", "tests/kernels", "tests/emulators",
    "tests/nvidia", "tests/apple", "tests/backends",
    # A child forked while other threads allocate may wait for ever for the sanitizer's own lock.
    "--ignore=tests/backends/test_fork.py",
)  # fmt: skip

BROKEN = r"""
#include <stdlib.h>
int past_the_end(int count) {
    volatile char *bytes = malloc(count);
    bytes[count] = 1;
    int first = bytes[0];
    free((void *)bytes);
    return first;
}
int overflow(int count) { return count + 2147483647; }
"""
PROBES = {"past_the_end": "heap-buffer-overflow", "overflow": "signed integer overflow"}


def main(arguments: list[str]) -> int:
    """Exit code of pytest; a sanitizer that finds something ends it with a report."""
    copy_tree()
    build()
    environment = sanitized()
    prove(environment)
    build_emulators(environment)
    # Captured by pytest, a report would be lost with the process.
    options = ["--capture=sys", "-p", "no:faulthandler", "-p", "tests.under_asan"]
    named = [argument for argument in arguments if argument.startswith("tests")]
    command = [sys.executable, "-m", "pytest", *options, *arguments, *(() if named else TESTS)]
    return subprocess.run(command, cwd=TREE, env=environment, check=False).returncode


def copy_tree() -> None:
    """The files of the checkout without anything compiled."""
    shutil.rmtree(HOME, ignore_errors=True)
    TREE.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            # What Cython made; the tests have C++ of their own.
            made = ("*.so", "*.c", "*.cpp") if name == "videohw" else ("*.so",)
            ignore = shutil.ignore_patterns("__pycache__", *made)
            shutil.copytree(ROOT / name, TREE / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, TREE / name)


def build() -> None:
    """Compile the extensions inside the tree, and see that both sanitizers are in each."""
    print(f"building in {TREE.relative_to(ROOT)} with {' '.join(CFLAGS)}", flush=True)
    flags = " ".join(CFLAGS)
    environment = {**os.environ, "CFLAGS": flags, "CXXFLAGS": flags}
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=TREE, env=environment, check=True)
    extensions = list((TREE / "videohw").rglob("*.so"))
    if not extensions:
        sys.exit("nothing was built")
    for extension in extensions:
        code = extension.read_bytes()
        if b"__asan_report_load" not in code or b"__ubsan_handle" not in code:
            sys.exit(f"{extension.name} was built without the sanitizers")


def sanitized() -> dict[str, str]:
    """The environment in which a Python that was built without sanitizers loads those libraries.

    libstdc++ is there because ASan must find its ``__cxa_throw`` at the start. Leaks are for
    tests/leaks: CPython itself would be reported here.
    """
    libraries = " ".join(library(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so"))
    environment = {
        **os.environ,
        "LD_PRELOAD": libraries,
        "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",  # each object its own allocation, so that its end is watched
        "PYTHONPATH": str(TREE),
    }
    corpus = ROOT.parent / "shared" / "corpus"
    if corpus.is_dir():
        environment.setdefault("VIDEOHW_CORPUS", str(corpus))
    return environment


def build_emulators(environment: dict[str, str]) -> None:
    """The emulated drivers, before the tests, which have a time limit each.

    Where something is missing for it, the tests that need them say so.
    """
    command = [sys.executable, "tests/emulators/build.py"]
    if subprocess.run([*command, "--check"], cwd=TREE, env=environment, check=False).returncode:
        return
    subprocess.run(command, cwd=TREE, env=environment, check=True)


def library(name: str) -> str:
    """Where GCC has one of its libraries."""
    found = subprocess.run(
        [compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        sys.exit(f"{compiler()} has no {name}: the sanitizers need GCC (Debian: g++), try CC=gcc")
    return found


def compiler() -> str:
    """The compiler that setuptools takes."""
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc").split()[0]


def prove(environment: dict[str, str]) -> None:
    """Each fault of BROKEN ends its process with a report of its sanitizer."""
    source, broken = HOME / "broken.c", HOME / "broken.so"
    source.write_text(BROKEN, encoding="utf-8")
    subprocess.run(
        [compiler(), *CFLAGS, "-shared", "-fPIC", "-o", str(broken), str(source)], check=True
    )
    for name, said in PROBES.items():
        program = f"import ctypes; ctypes.CDLL({str(broken)!r}).{name}(16)"
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ran.returncode == 0 or said not in ran.stderr:
            sys.exit(f"the sanitizers are not live: {name} gave {ran.returncode}\n{ran.stderr}")
    print(f"both sanitizers are live: {', '.join(PROBES.values())} are caught", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
