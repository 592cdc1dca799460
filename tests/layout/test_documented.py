"""Every name that a user can reach says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from contextlib import nullcontext
from types import ModuleType

import pytest

import videohw
from tests.backends.apple import emulated_frameworks

PACKAGES_OF_USERS = ("videohw", "videohw.bitstream", "videohw.color", "videohw.errors",
                     "videohw.metrics", "videohw.pipeline", "videohw.pixels", "videohw.types",
                     "videohw.cli")  # fmt: skip


def all_modules() -> list[str]:
    return ["videohw"] + [
        found.name
        for found in pkgutil.walk_packages(videohw.__path__, "videohw.")
        if not found.name.rpartition(".")[2].startswith("_")
    ]


def public_members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """(dotted name, object) of what ``module`` defines, classes with their own members."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            yield from class_members(name, value)
        elif callable(value):
            yield name, value


def class_members(prefix: str, cls: type) -> Iterator[tuple[str, object]]:
    protocol = getattr(cls, "_is_protocol", False)  # documents its contract as a whole
    fields = set(getattr(cls, "__dataclass_fields__", ()))
    if issubclass(cls, tuple):
        fields |= set(getattr(cls, "_fields", ()))
    for name, member in vars(cls).items():
        if name.startswith("_") or protocol or name in fields:
            continue
        if inspect.ismemberdescriptor(member):  # a slot: what it holds is for the class to say
            continue
        if inspect.isgetsetdescriptor(member) and re.search(rf"\b{name}\b", cls.__doc__ or ""):
            continue  # an attribute of a compiled class cannot have a docstring of its own
        if callable(member) or inspect.isdatadescriptor(member) or isinstance(member, classmethod):
            yield f"{prefix}.{name}", getattr(cls, name, member)


@pytest.mark.parametrize("name", all_modules())
def test_every_public_name_has_a_docstring(name: str) -> None:
    with emulated_frameworks() if name.startswith("videohw.apple.") else nullcontext():
        module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it owns"
    missing = [full for full, value in public_members(module) if not inspect.getdoc(value)]
    assert not missing


@pytest.mark.parametrize("name", PACKAGES_OF_USERS)
def test_public_packages_list_only_documented_names(name: str) -> None:
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")]):
        value = getattr(module, public)
        ours = (getattr(value, "__module__", None) or "").startswith("videohw")
        if ours and (inspect.isclass(value) or inspect.isroutine(value)):
            assert inspect.getdoc(value), f"{name}.{public}"
