"""Imports point one way: the list of edges that the package may have, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.layout.sources import PACKAGE, ROOT, imports, is_import_by_name, modules

# Each part of the package (a module or a subpackage), lowest first, and what it may import. A
# part names only parts above its own line, so that no cycle can be written down here.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "lazy_names": set(),
    "known_names": set(),
    "backend_table": {"errors"},
    "pyav": set(),
    "environment": set(),
    "metrics": {"errors", "lazy_names"},
    "status": {"errors"},
    "arguments": {"errors"},
    "color": {"errors", "known_names", "lazy_names"},
    "decoder_config": {"color", "known_names"},
    "pixel_format": {"errors"},
    "kernels": {"color", "errors", "known_names", "lazy_names", "pixel_format"},
    "bitstream": {"errors", "lazy_names"},
    "sessions": {"errors", "metrics"},
    "pipeline": {"arguments", "errors", "sessions"},
    "software_options": {"errors"},
    "types": {"color", "errors", "known_names", "lazy_names"},
    "backend": {"decoder_config", "errors", "lazy_names", "metrics", "types"},
    "decoding": {"arguments", "backend", "bitstream", "color", "errors", "types"},
    "machine": {"arguments", "backend_table", "errors", "known_names", "types"},
    "selection": {
        "backend", "backend_table", "decoder_config", "environment", "errors", "known_names",
        "sessions", "types",
    },
    "session_owner": {
        "backend", "decoder_config", "environment", "errors", "metrics", "selection", "types",
    },
    "pixels": {"color", "errors", "known_names", "lazy_names", "pixel_format"},
    "frame_pixels": {"color", "errors", "pixel_format", "pixels"},
    "conversion_request": {"color", "errors", "known_names", "pixels"},
    "frame": {
        "color", "conversion_request", "errors", "frame_pixels", "pixel_format", "pixels", "types",
    },
    "encoding": {
        "arguments", "backend", "bitstream", "color", "errors", "frame", "known_names",
        "pixel_format", "sessions", "types",
    },
    "software": {
        "backend", "bitstream", "color", "decoder_config", "decoding", "encoding", "environment",
        "errors", "frame", "frame_pixels", "known_names", "pipeline", "pixel_format", "pixels",
        "pyav", "sessions", "software_options", "status", "types",
    },
    "_native": set(),
    "_cuda": {"_native", "errors", "kernels", "status"},
    "_nv": {"_cuda", "_native"},
    "_nvenc": {"_cuda", "_native", "errors", "status"},
    "nvidia": {
        "_cuda", "_nv", "_nvenc", "backend", "color", "decoder_config", "decoding", "encoding",
        "errors", "frame", "frame_pixels", "kernels", "known_names", "pixel_format", "pixels",
        "sessions", "status", "types",
    },
    "_vt": {"_native", "errors", "status"},
    "_vt_encode": {"_native"},
    "apple": {
        "_vt", "_vt_encode", "backend", "bitstream", "color", "decoder_config", "decoding",
        "encoding", "environment", "errors", "frame", "frame_pixels", "kernels", "pixel_format",
        "pixels", "sessions", "status", "types",
    },
    "decoder": {
        "arguments", "backend", "backend_table", "bitstream", "color", "conversion_request",
        "decoder_config", "decoding", "errors", "frame", "kernels", "known_names", "metrics",
        "selection", "session_owner", "sessions",
    },
    "encoder": {
        "arguments", "backend", "backend_table", "color", "encoding", "errors", "known_names",
        "metrics", "selection", "session_owner", "sessions", "types",
    },
    "files": {"bitstream", "color", "encoding", "errors", "known_names", "pyav", "status", "types"},
    "feed": {"decoder", "errors", "files", "frame"},
    "reader": {
        "arguments", "backend_table", "color", "decoder", "encoding", "errors", "feed", "files",
        "frame", "known_names",
    },
    "writer": {
        "arguments", "backend_table", "color", "encoder", "encoding", "errors", "files",
        "known_names", "selection", "types",
    },
    "transcode_job": {
        "color", "encoder", "errors", "feed", "files", "frame", "pixel_format", "reader", "writer",
    },
    "transcode_file": {
        "backend_table", "color", "encoding", "errors", "feed", "files", "reader", "selection",
        "transcode_job", "types", "writer",
    },
    "": {
        "apple", "bitstream", "color", "decoder", "encoder", "encoding", "errors", "frame",
        "lazy_names", "machine", "metrics", "nvidia", "pipeline", "pixels", "reader",
        "software_options", "transcode_file", "types", "writer",
    },
    "cli": {
        "", "_cuda", "backend_table", "bitstream", "color", "errors", "files", "frame", "kernels",
        "known_names", "machine", "pixel_format", "reader", "selection", "transcode_file", "types",
        "writer",
    },
    "__main__": {"cli"},
}  # fmt: skip
# Edges that only a type checker follows: a lower part names the values that it passes through.
TYPING_ONLY: dict[str, set[str]] = {
    "backend": {"bitstream", "frame"},
    "backend_table": {"backend"},
    "cli": {"transcode_job"},
    "frame_pixels": {"frame"},
}  # fmt: skip
# Who may name a library that is not a hard dependency.
EXTRAS: dict[str, set[str]] = {"av": {"pyav", "cli"}, "rich": {"cli"}}
# Who may load a module by a name that is not written where it is loaded: the table of backends,
# and the report on what is installed.
LOADERS = {"videohw.lazy_names", "videohw.backend_table", "videohw.cli.info"}


def part(module: str) -> str:
    """The part of the package that a module belongs to; "" is the package's own namespace."""
    return module.split(".")[1] if "." in module else ""


def inside(module: str) -> bool:
    return module.split(".")[0] == PACKAGE


def test_the_table_names_every_part_and_no_other() -> None:
    assert {part(module) for module in modules()} == set(ALLOWED)


def test_the_table_points_one_way() -> None:
    order = list(ALLOWED)
    upward = [
        f"{name} -> {target}"
        for position, (name, targets) in enumerate(ALLOWED.items())
        for target in targets
        if order.index(target) >= position
    ]
    assert not upward


def test_every_import_is_an_allowed_edge() -> None:
    refused = []
    for found in imports():
        if not inside(found.imported):
            continue
        importer, imported = part(found.importer), part(found.imported)
        allowed = ALLOWED.get(importer, set())
        if found.typing_only:
            allowed = allowed | TYPING_ONLY.get(importer, set())
        if importer != imported and imported not in allowed:
            refused.append(f"{found.importer}:{found.line} -> {found.imported}")
    assert not refused


def test_no_cycle_inside_a_part() -> None:
    graph: dict[str, set[str]] = {}
    for found in imports():
        same_part = inside(found.imported) and part(found.importer) == part(found.imported)
        if same_part and not found.typing_only and found.importer != found.imported:
            graph.setdefault(found.importer, set()).add(found.imported)
    # A package's __init__ names its modules; a module that takes a value from its own package
    # while that is being loaded is the cycle that this finds.
    TopologicalSorter(graph).prepare()


def test_optional_libraries_stay_in_their_parts() -> None:
    refused = [
        f"{found.importer}:{found.line} -> {found.imported}"
        for found in imports()
        if (library := found.imported.split(".")[0]) in EXTRAS
        and part(found.importer) not in EXTRAS[library]
    ]
    assert not refused


def test_only_the_loaders_load_modules_by_a_computed_name() -> None:
    """Such an import escapes the list of edges."""
    found = {
        module
        for module, path in modules().items()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if is_import_by_name(node) and not isinstance(node.args[0], ast.Constant)
    }
    assert found == LOADERS


def test_the_backend_table_names_modules_that_exist() -> None:
    from videohw.backend_table import BACKENDS

    assert set(BACKENDS.values()) <= set(modules())


@pytest.mark.parametrize("missing", [("av",), ("rich",), ("av", "rich")])
def test_import_needs_nothing_but_numpy(missing: tuple[str, ...]) -> None:
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in missing)
    program = f"import sys; {blocked}; import videohw, videohw.cli; print(videohw.backends())"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize("heavy", ["av", "numpy", "rich", "videohw.software", "videohw.cli"])
def test_import_loads_nothing_that_is_asked_for_later(heavy: str) -> None:
    program = f"import sys, videohw; print({heavy!r} in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "False"
