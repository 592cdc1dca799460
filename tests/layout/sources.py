"""The files of the project, and what each module of videohw imports, read without importing it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "videohw"
# What a checkout holds beside the project's own files, for when git cannot be asked.
_MADE = {
    ".git", ".venv", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache", "__pycache__",
    "build", "dist", "output",
}  # fmt: skip
_MADE_SUFFIXES = {".so", ".pyd", ".pyc", ".c", ".o"}
_CYTHON_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>[\w.]+)[ \t]+c?import[ \t]+(?P<names>\([^)]*\)|[^\n#]+)"
    r"|c?import[ \t]+(?P<modules>[\w., \t]+))",
    re.MULTILINE,
)


@cache
def project_files() -> tuple[Path, ...]:
    """Every file that git tracks or would add; without git, every file that make did not make."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    try:
        listed = subprocess.run(
            [*command, "--exclude-standard"], capture_output=True, check=True, text=True
        )
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [
            path
            for path in ROOT.rglob("*")
            if not _MADE.intersection(path.relative_to(ROOT).parts)
            and not any(part.endswith(".egg-info") for part in path.relative_to(ROOT).parts)
            and path.suffix not in _MADE_SUFFIXES
            and not (path.suffix == ".cpp" and path.with_suffix(".pyx").exists())
        ]
    return tuple(sorted(path for path in found if path.is_file()))


@dataclass(frozen=True)
class Import:
    """One import: the module that imports, what it names, and whether only a type checker runs
    it."""

    importer: str
    imported: str
    typing_only: bool
    line: int


def module_name(path: Path) -> str:
    """``videohw/cli/info.py`` -> ``videohw.cli.info``; a package's ``__init__`` is its package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Module name -> source file, of everything in the package (.py, .pyx, .pxd)."""
    return {
        module_name(path): path
        for path in project_files()
        if path.relative_to(ROOT).parts[0] == PACKAGE and path.suffix in (".py", ".pyx", ".pxd")
    }


@cache
def imports() -> tuple[Import, ...]:
    """Every import of the package, at any depth of a file, lazy ones included."""
    found: list[Import] = []
    for path in project_files():
        if path.relative_to(ROOT).parts[0] != PACKAGE:
            continue
        if path.suffix == ".py":
            found += _python_imports(path)
        elif path.suffix in (".pyx", ".pxd"):
            found += _cython_imports(path)
    return tuple(found)


def _python_imports(path: Path) -> Iterator[Import]:
    importer = module_name(path)
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, "." * node.level + (node.module or ""))
            targets = [_submodule(base, alias.name) for alias in node.names]
        elif is_import_by_name(node) and isinstance(node.args[0], ast.Constant):
            targets = [str(node.args[0].value)]
        else:
            continue
        for target in targets:
            yield Import(importer, target, id(node) in typing_only, node.lineno)


def is_import_by_name(node: ast.AST) -> TypeGuard[ast.Call]:
    """True for a call of ``importlib.import_module`` or ``__import__``."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in (
        "importlib.import_module", "import_module", "__import__",
    )  # fmt: skip


def _cython_imports(path: Path) -> Iterator[Import]:
    text = path.read_text(encoding="utf-8")
    for match in _CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["modules"]:
            targets = [name.split()[0] for name in match["modules"].split(",")]
        else:
            base = _absolute(path, match["base"])
            names = match["names"].strip("()\n\t ").split(",")
            targets = [_submodule(base, name.split()[0]) for name in names if name.strip()]
        for target in targets:
            yield Import(module_name(path), target, False, line)


def _absolute(path: Path, dotted: str) -> str:
    """The full name of what a relative import in ``path`` starts from."""
    level = len(dotted) - len(dotted.lstrip("."))
    if level == 0:
        return dotted
    package = path.relative_to(ROOT).parts[:-1]
    base = package[: len(package) - level + 1]
    rest = dotted.lstrip(".")
    return ".".join([*base, *([rest] if rest else [])])


def _submodule(base: str, name: str) -> str:
    """``base.name`` where that is a module of ours, else ``base``: the rest is a name in it."""
    full = f"{base}.{name}"
    return full if full in modules() else base
