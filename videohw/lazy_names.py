"""Names of a package that are imported when they are first used (PEP 562).

What a program does not use it does not load: the first picture of a process waits for less.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, names: Mapping[str, tuple[str, ...]], modules: tuple[str, ...] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for ``package``.

    ``names``: module of the package -> what is taken from it; no name is that of a module, which
    importing that one would put in the name's place. ``modules`` are those that are names
    themselves.
    """
    where = {name: module for module, taken in names.items() for name in taken}

    def get(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{where[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names_of_all() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where, *modules})

    return get, names_of_all
