"""The package's own names: each is imported when it is first used, and is the same everywhere."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import videohw
from tests.layout.sources import ROOT, modules

TREE = ast.parse((ROOT / "videohw" / "__init__.py").read_text(encoding="utf-8"))
MODULES = {name for name in videohw.__all__ if f"videohw.{name}" in modules()}


def imported() -> dict[str, str]:
    """Name -> module of every import for type checkers; a module is in itself."""
    block = next(node for node in TREE.body if isinstance(node, ast.If))
    found: dict[str, str] = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        assert statement.level == 1
        for alias in statement.names:
            assert alias.asname is None
            found[alias.name] = statement.module or alias.name
    return found


def test_the_table_the_list_and_the_imports_for_type_checkers_agree() -> None:
    assert sorted(videohw.__all__) == videohw.__all__
    assert set(imported()) == set(videohw.__all__)
    assert {name: module for name, module in imported().items() if name != module} == dict(
        videohw._WHERE
    )
    assert {name for name, module in imported().items() if name == module} == MODULES
    assert set(videohw._MODULES) >= MODULES


def test_no_name_is_that_of_another_module() -> None:
    """Python puts a module that is imported into its package, in the place of such a name."""
    top = {name.split(".")[1] for name in modules() if name.count(".") == 1}
    assert set(videohw._WHERE) & top == set()


@pytest.mark.parametrize("name", videohw.__all__)
def test_every_name_is_what_its_module_has(name: str) -> None:
    value = getattr(videohw, name)
    if name in MODULES:
        assert value is sys.modules[f"videohw.{name}"]
    else:
        assert value is getattr(sys.modules[f"videohw.{videohw._WHERE[name]}"], name)
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
    assert run(program.format("Decoder")) == "numpy"


def run(program: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()
