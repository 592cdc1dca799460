"""Our declarations of nvEncodeAPI in both versions against facts of the vendor's headers.

The facts (nvenc_facts.json, which says where they are from) are the same for Linux and Windows.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import videohw

HERE = Path(__file__).resolve().parent
NATIVE = Path(videohw.__file__).parent / "_native"
STRUCTURES = (NATIVE / "nvenc.h").read_text(encoding="utf-8")
VALUES = (NATIVE / "nvenc_versions.hpp").read_text(encoding="utf-8")
FACTS: dict[str, Any] = json.loads((HERE / "nvenc_facts.json").read_text(encoding="utf-8"))
VERSIONS = ("12.1", "13.0")
COMPILER = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here")

PROGRAM = """
#include "nvenc_versions.hpp"
#include <cstdio>
#include <cstring>
template <class Function> struct Call;
template <class Result, class... Parts> struct Call<Result(NVENC_CALL *)(Parts...)> {
    static constexpr size_t count = sizeof...(Parts);
    static constexpr size_t bytes[] = {sizeof(Parts)...};
};
using namespace API;
static int wrong = 0;
static void differ(const char *what) { std::printf("%s\\n", what); wrong = 1; }
template <class T, class Set> void bits(const char *what, unsigned first, unsigned width, Set set)
{
    T value;
    unsigned char expected[sizeof(T)] = {};
    std::memset(&value, 0, sizeof value);
    set(value);
    for (unsigned bit = first; bit < first + width; ++bit)
        expected[bit / 8] |= 1u << bit % 8;
    if (std::memcmp(&value, expected, sizeof value) != 0)
        differ(what);
}
static void guid(const char *what, const GUID &ours, const char *theirs)
{
    char text[40] = "";
    for (unsigned i = 0; i < sizeof ours; ++i)
        std::snprintf(text + 2 * i, 3, "%02x", reinterpret_cast<const unsigned char *>(&ours)[i]);
    if (std::strcmp(text, theirs) != 0)
        differ(what);
}
CLAIMS
int main()
{
CHECKS
    return wrong;
}
"""


def claims(facts: dict[str, Any]) -> Iterator[str]:
    """What the compiler is to find true."""
    for name, structure in facts["structs"].items():
        yield f'static_assert(sizeof({name}) == {structure["size"]}, "{name}");'
        for field, place in structure["fields"].items():
            if len(place) == 2:
                full = f"{name}.{field}"
                yield f'static_assert(offsetof({name}, {field}) == {place[0]}, "{full}");'
                yield f'static_assert(sizeof({name}::{field}) == {place[1]}, "{full} bytes");'
    for name, value in {**facts["values"], **facts["versions"]}.items():
        yield f'static_assert({name} == {value}u, "{name}");'
    for name, (offset, parameters) in facts["slots"].items():
        full = f"NV_ENCODE_API_FUNCTION_LIST, {name}"
        yield f'static_assert(offsetof({full}) == {offset}, "{name}");'
        if isinstance(parameters, list):
            call = f"Call<decltype(NV_ENCODE_API_FUNCTION_LIST::{name})>"
            yield f'static_assert({call}::count == {len(parameters)}, "{name}");'
            for index, size in enumerate(parameters):
                yield f'static_assert({call}::bytes[{index}] == {size}, "{name} {index}");'


def checks(facts: dict[str, Any]) -> Iterator[str]:
    """What only a running program sees: which bits a bit-field is, and the bytes of a GUID."""
    for name, structure in facts["structs"].items():
        for field, place in structure["fields"].items():
            if len(place) == 3:
                first, width, _ = place
                setter = f"[]({name} &value) {{ value.{field} = {2**width - 1}u; }}"
                yield f'    bits<{name}>("{name}.{field}", {first}, {width}, {setter});'
    for name, text in facts["guids"].items():
        yield f'    guid("{name}", {name}, "{text}");'


def complaints(tmp_path: Path, version: str, structures: str = STRUCTURES) -> str:
    """What compiler and program say of our declarations by the facts of a version."""
    assert COMPILER is not None
    (tmp_path / "nvenc.h").write_text(structures, encoding="utf-8")
    (tmp_path / "nvenc_versions.hpp").write_text(VALUES, encoding="utf-8")
    facts = FACTS[version]
    text = PROGRAM.replace("API;", f"nvenc_{version.replace('.', '_')};")
    text = text.replace("CLAIMS", "\n".join(claims(facts)))
    text = text.replace("CHECKS", "\n".join(checks(facts)))
    (tmp_path / "claims.cpp").write_text(text, encoding="utf-8")
    program = tmp_path / "claims"
    built = subprocess.run(
        [COMPILER, "-std=c++17", "-o", str(program), str(tmp_path / "claims.cpp")],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if built.returncode != 0:
        return built.stderr
    return subprocess.run([str(program)], capture_output=True, text=True, check=False).stdout


@needs_compiler
@pytest.mark.parametrize("version", VERSIONS)
def test_declarations(tmp_path: Path, version: str) -> None:
    assert complaints(tmp_path, version) == ""


@needs_compiler
def test_a_wrong_declaration_is_found(tmp_path: Path) -> None:
    wrong_size = STRUCTURES.replace("uint16_t lookaheadDepth;", "uint32_t lookaheadDepth;")
    assert "NV_ENC_RC_PARAMS.lookaheadDepth" in complaints(tmp_path, "12.1", wrong_size)
    assert "repeatSPSPPS : 1, enableVFR : 1" in STRUCTURES
    wrong_bit = STRUCTURES.replace(
        "repeatSPSPPS : 1, enableVFR : 1", "enableVFR : 1, repeatSPSPPS : 1"
    )
    assert complaints(tmp_path, "13.0", wrong_bit).splitlines() == [
        "NV_ENC_CONFIG_H264.repeatSPSPPS",
        "NV_ENC_CONFIG_H264.enableVFR",
    ]


def test_every_declaration_has_facts() -> None:
    declared = set(re.findall(r"^} (\w+);", STRUCTURES, re.MULTILINE))
    newest = FACTS["13.0"]
    assert declared - {"NV_ENCODE_API_FUNCTION_LIST"} <= set(newest["structs"])
    assert len(declared) == 36
    versions = set(re.findall(r"constexpr uint32_t (\w+_VER)\b", STRUCTURES))
    assert versions == set(newest["versions"])
    slots = set(re.findall(r"NVENC_CALL \*(\w+)\)", STRUCTURES))
    assert slots == {name for name in newest["slots"] if name.startswith("nvEnc")}


def test_every_value_has_facts() -> None:
    values = set(re.findall(r"\b(NV_ENC_\w+) = ", VALUES))
    values |= {f"NV_ENC_CAPS_{name}" for name in re.findall(r"CAP\(\d+, (\w+), ", VALUES)}
    known = set(FACTS["13.0"]["values"])
    assert values <= known
    assert known - values == {"NVENCAPI_VERSION", "NVENC_INFINITE_GOPLENGTH", "NV_MAX_SEQ_HDR_LEN"}


def test_what_only_the_newer_version_has_is_marked() -> None:
    older, newer = FACTS["12.1"], FACTS["13.0"]
    for mark, name in re.findall(r"CONSTANT\((\d+), (\w+),", VALUES):
        assert (mark == "1201") == (name in older["guids"]), name
        assert name in newer["guids"], name
    for mark, name in re.findall(r"CAP\((\d+), (\w+), ", VALUES):
        assert (mark == "1201") == (f"NV_ENC_CAPS_{name}" in older["values"]), name
