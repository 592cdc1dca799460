"""The Metal source that is shipped: that it is the one, and that it is Metal as far as is known."""

from __future__ import annotations

import ctypes as c
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest

from tests.kernels.metal_host import MetalRunner
from tests.kernels.metal_source import SHIM, SOURCE, without_attributes
from videohw.kernels import metal as shipped
from videohw.kernels import metal_libraries
from videohw.kernels.settings import RGB_SOURCES, TARGET_FORMS

ROOT = SOURCE.parents[1]
TEXT = SOURCE.read_text(encoding="utf-8")
# Without comments and directives.
CODE = re.sub(r"//.*|^\s*#.*(?:\\\n.*)*", "", TEXT, flags=re.MULTILINE)
SPACES = ("device", "constant", "thread", "threadgroup")


def builder() -> ModuleType:
    """kernels/build_metal.py."""
    spec = importlib.util.spec_from_file_location("build_metal", SOURCE.parent / "build_metal.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_shipped_is_the_source() -> None:
    for name, data in builder().products().items():
        installed = resources.files("videohw.kernels").joinpath(name).read_bytes()
        assert installed == data, f"{name}: run python kernels/build_metal.py"


def test_the_manifest_is_of_the_source() -> None:
    manifest = shipped.manifest()
    assert manifest["source"]["sha256"] == hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    version = ".".join(map(str, shipped.LANGUAGE_VERSION))
    assert manifest["language"] == f"macos-metal{version}"
    assert ("-fno-fast-math" in manifest["options"]) is not shipped.FAST_MATH


def test_setuptools_is_told_of_every_product() -> None:
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r'^"videohw\.kernels" = \[(.*?)\]', config, re.MULTILINE | re.DOTALL)
    assert listed is not None
    patterns = re.findall(r'"([^"]+)"', listed[1])
    for name in builder().products():
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name


def test_the_kernels_are_those_that_a_plan_may_name(metal: MetalRunner) -> None:
    sources = {*shipped._SOURCES.values(), "textures"}
    images = {TARGET_FORMS[name] for name in RGB_SOURCES} | {"texture"}
    targets = (*TARGET_FORMS.values(), "texture", "any", "any_texture")
    assert set(metal.signatures) == {
        *(f"{source}_{target}" for source in sources for target in targets),
        *(f"{source}_{target}" for source in images for target in ("nv12", "p016", "textures")),
    }


def test_the_struct_is_the_one_that_the_kernels_read(metal: MetalRunner) -> None:
    offsets = [getattr(shipped.Conversion, name).offset for name, *_ in shipped.Conversion._fields_]
    assert [*offsets, c.sizeof(shipped.Conversion), shipped.AXIS_BYTES] == metal.layout()
    assert c.sizeof(shipped.Conversion) <= 4096, "setBytes takes no more"


def test_every_parameter_says_what_is_bound_to_it(metal: MetalRunner) -> None:
    inside = re.findall(r"\bkernel\s+void\s+\w+\s*\((.*?)\)\s*\{", metal.text, re.DOTALL)
    assert len(inside) == len(metal.signatures) == len(set(metal.signatures))
    for (name, parameters), text in zip(metal.signatures.items(), inside, strict=True):
        # The comma of texture2d<float, access::read> is no end of a parameter.
        assert len(parameters) == re.sub(r"<[^>]*>", "", text).count(",") + 1, name
        places = [(each.attribute, each.index) for each in parameters]
        assert len(set(places)) == len(places), name


# A compiler of Metal is on a Mac only; what can be told without one is told here.


def test_pointers_and_references_say_what_memory_they_are_of() -> None:
    """In the style of the source no space follows the * or & of one, as it does an operator."""
    types = re.findall(r"([\w<>: ]*[\w>]) [*&](?=[\w),])", CODE)
    assert len(types) > 100
    for each in types:
        assert set(re.findall(r"\w+", each)) & set(SPACES), each
    assert not re.search(r"\w[*&] ?\w+[,)]", CODE), "another style"


def test_a_clang_with_address_spaces_takes_it(tmp_path: Path) -> None:
    """Pointers into different memories as different types."""
    compiler = clang()
    assert not refused(compiler, TEXT, tmp_path)
    # It can fail: a pointer that leaves its memory out, and ones that name another.
    for true, false in (
        ("const device uchar *const line = from", "const uchar *const line = from"),
        ("inline void keep(threadgroup Axis", "inline void keep(device Axis"),
        ("inline float tint(constant Conv", "inline float tint(const device Conv"),
    ):
        assert TEXT.count(true) == 1
        assert refused(compiler, TEXT.replace(true, false), tmp_path), false


def clang() -> list[str]:
    if found := shutil.which("clang++"):
        return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "c++"]
    pytest.skip("clang is not here")


def refused(compiler: list[str], text: str, directory: Path) -> str:
    """What the compiler says against it."""
    source = directory / "kernels.cpp"
    source.write_text(without_attributes(text))
    options = ["-std=c++14", "-DMETAL_ADDRESS_SPACES", f"-I{SHIM}", "-Wall", "-Wextra"]
    options += ["-Wconversion", "-Wno-sign-conversion", "-Werror"]
    # zig's compiler wants something to make.
    return subprocess.run(
        [*compiler, *options, "-c", source, "-o", directory / "kernels.o"],
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip


def test_nothing_that_is_not_in_metal() -> None:
    """Words of C++14 that Metal leaves out, or that this source has no need of; numbers without
    the f that makes a float of them."""
    for word in (
        "double", "virtual", "throw", "try", "catch", "new", "delete", "goto", "dynamic_cast",
        "typeid", "thread_local", "std", "asm", "noexcept", "friend", "operator", "auto",
    ):  # fmt: skip
        assert not re.search(rf"\b{word}\b", CODE), word
    assert not re.search(r"\[[&=]?\]\s*[({]", CODE), "a lambda"
    assert not re.search(r"\b\d+\.\d*(?![\df])", CODE), "a double"
    includes = re.findall(r"#include (\S+)", TEXT)
    assert includes == ["<metal_stdlib>"]


def test_apples_compiler_takes_it(tmp_path: Path) -> None:
    build = builder()
    if not build.has_compiler():
        pytest.skip("Apple's Metal compiler is not here")
    assert build.compiled(tmp_path)
    facts = json.loads((tmp_path / "nv12_rgb.metallib.json").read_text())
    assert facts["source_sha256"] == shipped.manifest()["source"]["sha256"]


def test_the_source_comes_after_a_metallib_that_was_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCE.read_bytes()
    assert metal_libraries()[-1] == shipped.MetalLibrary("source", source)
    (tmp_path / "nv12_rgb.metal").write_bytes(source)
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    assert [each.kind for each in metal_libraries()] == ["source"]
    (tmp_path / "nv12_rgb.metallib").write_bytes(b"MTLB")
    facts = {"source_sha256": hashlib.sha256(source).hexdigest()}
    facts["sha256"] = hashlib.sha256(b"MTLB").hexdigest()
    (tmp_path / "nv12_rgb.metallib.json").write_text(json.dumps(facts))
    assert [each.kind for each in metal_libraries()] == ["metallib", "source"]
    # One that was left behind by another source, or is not whole, is passed over.
    for name in facts:
        other = {**facts, name: "0"}
        (tmp_path / "nv12_rgb.metallib.json").write_text(json.dumps(other))
        assert [each.kind for each in metal_libraries()] == ["source"]
