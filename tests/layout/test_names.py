"""The names of packages: each is imported when it is first used, and is the same everywhere."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest

import videohw
from tests.layout.sources import ROOT, modules

LAZY = [
    "videohw", "videohw.bitstream", "videohw.kernels", "videohw.metrics", "videohw.pixels",
]  # fmt: skip
WHERE = {name: module for module, names in videohw._NAMES.items() for name in names}
MODULES = {name for name in videohw.__all__ if f"videohw.{name}" in modules()}


def imported(package: str) -> dict[str, str]:
    """Name -> module of every import for type checkers; a module is in itself."""
    tree = ast.parse(modules()[package].read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    found: dict[str, str] = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        assert statement.level == 1
        for alias in statement.names:
            assert alias.asname is None
            found[alias.name] = statement.module or alias.name
    return found


@pytest.mark.parametrize("package", LAZY)
def test_the_table_the_list_and_the_imports_for_type_checkers_agree(package: str) -> None:
    module = importlib.import_module(package)
    found = imported(package)
    parts = {name for name, part in found.items() if name == part}
    assert sorted(module.__all__) == sorted(found)
    where = {name: part for part, names in module._NAMES.items() for name in names}
    assert {name: part for name, part in found.items() if name not in parts} == where
    assert set(getattr(module, "_MODULES", ())) >= parts
    assert all(getattr(module, name) is not None for name in found)
    assert set(found) <= set(dir(module))


@pytest.mark.parametrize("package", LAZY)
def test_no_name_is_that_of_another_module(package: str) -> None:
    """Python puts a module that is imported into its package, in the place of such a name."""
    names = {name for names in importlib.import_module(package)._NAMES.values() for name in names}
    assert not {name for name in names if f"{package}.{name}" in modules()}


@pytest.mark.parametrize("name", videohw.__all__)
def test_every_name_is_what_its_module_has(name: str) -> None:
    value = getattr(videohw, name)
    if name in MODULES:
        assert value is sys.modules[f"videohw.{name}"]
    else:
        assert value is getattr(sys.modules[f"videohw.{WHERE[name]}"], name)
    assert name in dir(videohw)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="'videohw' has no attribute 'decode'"):
        _ = videohw.decode  # type: ignore[attr-defined]
    assert not hasattr(videohw, "_nothing")
    with pytest.raises(ImportError, match="cannot import name 'decode'"):
        from videohw import decode  # type: ignore[attr-defined] # noqa: F401


def test_a_star_import_brings_every_name() -> None:
    program = "from videohw import *; import videohw; print(set(videohw.__all__) - set(globals()))"
    assert run(program) == "set()"


@pytest.mark.parametrize("name", ["errors", "types", "color", "bitstream"])
def test_modules_of_users_are_attributes(name: str) -> None:
    assert run(f"import videohw; print(videohw.{name}.__name__)") == f"videohw.{name}"


def test_only_what_is_used_is_loaded() -> None:
    program = (
        "import sys, videohw; videohw.{}; print(*sorted({{'numpy', 'av'}} & set(sys.modules)))"
    )
    assert run(program.format("InvalidInput")) == ""
    assert run(program.format("Packet")) == ""
    assert run(program.format("Decoder")) == ""
    assert run(program.format("Frame")) == ""  # it may be in device memory
    assert run(program.format("pixels.convert")) == "numpy"


def test_little_is_imported_before_a_driver_may_start() -> None:
    """What these cost, everyone waits for before the first picture of a process."""
    program = """
import sys, threading, videohw
from videohw.selection import EarlyProbe

videohw.Decoder
imported = set(sys.modules)
late = {"numpy", "dataclasses", "fractions", "videohw.types", "videohw.backend", "videohw.frame"}
before = []
start = threading.Thread.start


def started(thread):
    before.append(set(sys.modules) - imported | late & imported)
    start(thread)


threading.Thread.start = started
EarlyProbe.__exit__ = lambda *found: None
try:
    videohw.Decoder("h264", backend="nvidia", size=(64, 64), output="rgb24")
except videohw.VideoHwError:
    pass
print(*before[0])
"""
    assert run(program) == ""


def run(program: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()
