"""Put one small bug at a time into the hardware backends and kernels; the tests notice each.

Each mutant of tools/mutants.txt is one replacement in one file. It is made in a copy of the tree
(build/mutants), the module that it is in is compiled again, without optimisation, and the tests
that are named for it run until one fails. A mutant under which all of them pass has survived, and
says which test is lacking. Needs GCC and what the emulated drivers need.

usage: python tools/mutants.py [NAME OF A MUTANT, or a part of it ...]
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "build" / "mutants"
TABLE = ROOT / "tools" / "mutants.txt"
COPIED = ("videohw", "tests", "kernels", "pyproject.toml", "setup.py", ".ci")
MODULES = ("_cuda", "_nv", "_nvenc")
# A mutant may hang; the slowest tests that are named take a fifth of this on a quiet machine.
LIMIT_SECONDS = 120
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
FLAGS = (
    "-O0", "-std=c++17", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden",
    "-fvisibility-inlines-hidden", "-Ivideohw/_native", f"-I{sysconfig.get_path('include')}",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """``old`` becomes ``new`` in ``path``; ``tests`` are arguments of pytest."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """Which modules are compiled of it."""
        by_tests = ("/vt_", "/_vt", "/metal", "kernels/")
        if self.path.endswith(".py") or any(each in self.path for each in by_tests):
            return ()  # tests of VideoToolbox and of kernels compile these by themselves
        if self.path.endswith("_cuda.pyx"):
            return ("_cuda",)
        if "/cuda_" in self.path or "/nvidia_" in self.path:
            return MODULES
        return ("_nvenc",) if "nvenc" in self.path else ("_nv",)


def read_table(text: str) -> Iterator[Mutant]:
    """The mutants of the table: blocks of five lines, separated by empty ones.

    The name, the file, what is replaced (once in the file), by what, and the tests.
    ``\\n`` is a new line.
    """
    for block in text.strip().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        name, path, old, new, tests = (line.strip().replace(r"\n", "\n") for line in lines)
        yield Mutant(name, path, old, new, tuple(shlex.split(tests)))


def copy_tree() -> None:
    """The files of the checkout, with what is compiled."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
            shutil.copytree(ROOT / name, TREE / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, TREE / name)
    subprocess.run([sys.executable, "tests/emulators/build.py"], cwd=ROOT, check=True)
    (TREE / "build").mkdir()
    (TREE / "build" / "emulators").symlink_to(ROOT / "build" / "emulators")


def build(modules: Sequence[str], *, translate: bool = True) -> bool:
    """Compile modules of the copy, ``translate``d by Cython before; False when that fails."""
    for module in modules:
        source = f"videohw/{module}.cpp"
        cython = [sys.executable, "-m", "cython", "-3", "--cplus", f"videohw/{module}.pyx"]
        compiler = ["g++", *FLAGS, source, "-o", f"videohw/{module}{SUFFIX}", "-ldl"]
        for step in (cython, compiler) if translate else (compiler,):
            done = subprocess.run(step, cwd=TREE, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr[-2000:])
                return False
    return True


def noticed(tests: Sequence[str]) -> str | None:
    """The first test that fails, or how the run ended otherwise; None when all pass."""
    environment = {**os.environ, "PYTHONPATH": str(TREE)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=TREE, env=environment, capture_output=True, text=True, check=False,
            timeout=LIMIT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "the tests hang"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if failed:
        return failed[0].split(" - ")[0].split("/")[-1]
    return f"pytest ended with {done.returncode}"


def attempt(mutant: Mutant) -> str | None:
    """What noticed the mutant; None when it survived."""
    path = TREE / mutant.path
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        sys.exit(f"{mutant.name}: found {text.count(mutant.old)} times: {mutant.old}")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        if not build(mutant.modules, translate=mutant.path.endswith(".pyx")):
            sys.exit(f"{mutant.name} does not compile")
        return noticed(mutant.tests)
    finally:
        path.write_text(text, encoding="utf-8")
        for module in mutant.modules:
            for made, kept in kept_of(module).items():
                shutil.copy2(kept, made)


def kept_of(module: str) -> dict[Path, Path]:
    """What is made of a module, and where that without a mutant is kept."""
    names = f"{module}.cpp", f"{module}{SUFFIX}"
    return {TREE / "videohw" / name: TREE / f"{name}.whole" for name in names}


def main(names: Sequence[str]) -> int:
    """1 when a mutant survived."""
    mutants = list(read_table(TABLE.read_text(encoding="utf-8")))
    chosen = [mutant for mutant in mutants if not names or any(n in mutant.name for n in names)]
    began = time.monotonic()
    copy_tree()
    if not build(MODULES):
        return 1
    for module in MODULES:
        for made, kept in kept_of(module).items():
            shutil.copy2(made, kept)
    for tests in sorted({mutant.tests for mutant in chosen}):
        if failed := noticed(tests):
            sys.exit(f"without a mutant: {' '.join(tests)}: {failed}")
    print(f"the tests pass without a mutant, {time.monotonic() - began:.0f} s", flush=True)
    survivors = []
    for mutant in chosen:
        since = time.monotonic()
        by = attempt(mutant)
        if by is None:
            survivors.append(mutant.name)
        seconds = time.monotonic() - since
        print(f"{mutant.name:50} {seconds:5.0f} s  {by or 'SURVIVED'}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(chosen)} mutants, {len(survivors)} survived, {seconds:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
