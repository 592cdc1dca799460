"""A file or a function that outgrows its guide is split by noun, or named here with the reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.layout.sources import ROOT, project_files

MAX_FILE_LINES = {".py": 400, ".pyx": 900, ".pxd": 900, ".h": 900, ".hpp": 900, ".c": 900}
MAX_FUNCTION_LINES = 50
# Path, or path:function -> why it is longer.
EXCEPTIONS: dict[str, str] = {}

_CYTHON_FUNCTION = re.compile(
    r"^(?P<indent>[ ]*)(?:async[ ]+)?(?:def|cpdef|cdef)[ ](?:[^=\n:]*[ *])?(?P<name>\w+)\("
)


def sources(*suffixes: str) -> list[Path]:
    return [path for path in project_files() if path.suffix in suffixes]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines of its body without the docstring) of every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = ast.get_docstring(node, clean=False) is not None
            body = node.body[1:] if documented else node.body
            if body:
                yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def cython_functions(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines of its body without the docstring) of every function of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for start, line in enumerate(lines):
        match = _CYTHON_FUNCTION.match(line)
        if match is None:
            continue
        first = start + 1
        while (signature := "".join(lines[start:first])).count("(") > signature.count(")"):
            first += 1
        if not lines[first - 1].split("#")[0].rstrip().endswith(":"):
            continue  # a declaration
        if lines[first].strip().startswith('"""'):
            while lines[first].count('"""') != 2 and not lines[first + 1].rstrip().endswith('"""'):
                first += 1
            first += 1 if lines[first].count('"""') == 2 else 2
        last = first
        for number in range(first, len(lines)):
            text = lines[number]
            if text.strip() and len(text) - len(text.lstrip()) <= len(match["indent"]):
                break
            last = number if text.strip() else last
        yield match["name"], last - first + 1


def test_files_keep_to_their_guide() -> None:
    long = {}
    for path in sources(*MAX_FILE_LINES):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES[path.suffix]:
            long[named(path)] = lines
    assert {name: lines for name, lines in long.items() if name not in EXCEPTIONS} == {}


def test_functions_keep_to_their_guide() -> None:
    long = {}
    for path in sources(".py", ".pyx", ".pxd"):
        functions = python_functions if path.suffix == ".py" else cython_functions
        for name, lines in functions(path):
            if lines > MAX_FUNCTION_LINES:
                long[f"{named(path)}:{name}"] = lines
    assert {name: lines for name, lines in long.items() if name not in EXCEPTIONS} == {}


def test_exceptions_name_files_that_exist() -> None:
    for name in EXCEPTIONS:
        assert (ROOT / name.split(":")[0]).is_file(), name
