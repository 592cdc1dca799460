"""Our declarations of the driver's types and calls against facts of the vendor's headers.

The facts (abi_facts.json, which says where they are from) are of three versions, for Linux and for
Windows, where ``unsigned long`` has four bytes.
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
HEADER = Path(videohw.__file__).parent / "_native" / "nvidia.h"
TEXT = HEADER.read_text(encoding="utf-8")
FACTS: dict[str, Any] = json.loads((HERE / "abi_facts.json").read_text(encoding="utf-8"))
COMPILER = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
# Ours -> theirs, where a word of ours stands for bit-fields or for what we do not use.
RENAMED = {
    "CUVIDEOFORMAT.video_signal_description.format_and_range":
        "video_signal_description.video_format",
    "CUVIDPARSERPARAMS.flags": "bAnnexb",
    "CUVIDAV1PICPARAMS.grain_flags": "apply_grain",
    "CUVIDAV1PICPARAMS.headers": None,
    "CUVIDAV1PICPARAMS.headers_of_grain": None,
    "CUVIDAV1PICPARAMS.grain": None,
    "CUVIDDECODECAPS.reserved3": None,
    "CUVIDOPERATINGPOINTINFO.reserved": None,
}  # fmt: skip
SIZES = {
    "int": 4, "unsigned int": 4, "CUresult": 4, "CUdevice": 4, "size_t": 8, "CUdeviceptr": 8,
    "CUcontext": 8, "CUstream": 8, "CUevent": 8, "CUmodule": 8, "CUfunction": 8,
    "CUvideodecoder": 8, "CUvideoparser": 8,
}  # fmt: skip
CALL = re.compile(r'CALL\((\d+), (\w+), "(\w+)",\s*\(([^()]*)\)\)')


def structures() -> dict[str, str]:
    """Name -> body of every structure of the header."""
    code = re.sub(r"/\*.*?\*/", "", TEXT, flags=re.DOTALL)
    found = re.findall(r"typedef struct (\{(?:[^{}]|\{[^{}]*\})*\}) (CU\w+);", code)
    return {name: body for body, name in found}


def members(body: str, prefix: str = "") -> Iterator[str]:
    """The fields that a body declares, those of structures in it too."""
    for nested, name in re.findall(r"struct (\{[^{}]*\}) (\w+);", body):
        yield prefix + name
        yield from members(nested, f"{prefix}{name}.")
    plain = re.sub(r"struct \{[^{}]*\} \w+;", "", body.strip("{} \n") + "\n")
    for declaration in plain.split(";"):
        words = re.sub(r"\[\w+\]", "", declaration).strip()
        if words:
            first, *others = words.split(",")
            yield prefix + re.split(r"[\s*]+", first.strip())[-1]
            yield from (prefix + other.strip(" *\n") for other in others)


def calls() -> list[tuple[int, str, list[str]]]:
    """(since, symbol, parameters) of every call."""
    text = TEXT.replace("\\\n", "")
    return [
        (int(since), symbol, [] if listed == "void" else listed.split(","))
        for since, _, symbol, listed in CALL.findall(text)
    ]


def claims(version: str) -> Iterator[str]:
    """What must be true of the header by the facts of one version, as C."""
    known = FACTS["structs"][version]
    ours = structures()
    for name, facts in known.items():
        yield f'_Static_assert(sizeof({name}) == {facts["size"]}, "{name}");'
        for member in members(ours[name]):
            theirs = RENAMED.get(f"{name}.{member}", member)
            if theirs is None or not known_in(name, theirs, facts):
                continue
            if "reserved" in theirs.lower():  # newer versions put fields there
                continue
            offset, size = facts["fields"][theirs]
            full = f"{name}.{member}"
            yield f'_Static_assert(offsetof({name}, {member}) == {offset}, "{full}");'
            if size and theirs == member:
                yield f'_Static_assert(sizeof((({name} *)0)->{member}) == {size}, "{full} size");'


def known_in(name: str, member: str, facts: dict[str, Any]) -> bool:
    """Whether this version has the field; where it has not, a later one must."""
    later = (version.get(name, facts) for version in FACTS["structs"].values())
    assert any(member in each["fields"] for each in later), f"{name}.{member}"
    return member in facts["fields"]


def compiled(tmp_path: Path, header: str, lines: list[str]) -> str:
    """What the compiler says of the claims."""
    assert COMPILER is not None
    (tmp_path / "nvidia.h").write_text(header, encoding="utf-8")
    (tmp_path / "dynlib.h").write_text("", encoding="utf-8")  # needs headers of the system
    program = "\n".join(['#include "nvidia.h"', *lines, ""])
    (tmp_path / "claims.c").write_text(program, encoding="utf-8")
    command = [COMPILER, "-std=c11", "-fsyntax-only", str(tmp_path / "claims.c")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return done.stderr


needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler here")


@needs_compiler
@pytest.mark.parametrize("version", FACTS["structs"])
def test_layouts(tmp_path: Path, version: str) -> None:
    header = TEXT
    if version.endswith("win64"):
        header = re.sub(r"\bunsigned long\b(?! long)", "unsigned int", header)
    assert compiled(tmp_path, header, list(claims(version))) == ""


@needs_compiler
def test_a_wrong_layout_is_found(tmp_path: Path) -> None:
    lines = list(claims("cuvid 12.1 linux"))
    wrong = TEXT.replace("unsigned short nMinWidth", "unsigned int nMinWidth")
    assert "CUVIDDECODECAPS.nMinHeight" in compiled(tmp_path, wrong, lines)
    assert "CUVIDDECODECREATEINFO" in compiled(tmp_path, TEXT, list(claims("cuvid 12.1 win64")))


def test_every_structure_has_facts() -> None:
    known = {name for version in FACTS["structs"].values() for name in version}
    # Rectangles are nameless parts of other structures there.
    assert set(structures()) - {"CUVIDAREA", "CUVIDSHORTAREA"} == known
    assert len(known) == 14


@needs_compiler
@pytest.mark.parametrize("version", FACTS["constants"])
def test_constants(tmp_path: Path, version: str) -> None:
    values = FACTS["constants"][version]
    lines = [f'_Static_assert({name} == {value}, "{name}");' for name, value in values.items()]
    assert compiled(tmp_path, TEXT, lines) == ""


def test_every_constant_has_facts() -> None:
    declared = set(re.findall(r"^ +((?:CU|cuda|cuvid)\w+) = ", TEXT, re.MULTILINE))
    known = {name for version in FACTS["constants"].values() for name in version}
    assert declared == known


@pytest.mark.parametrize("version", FACTS["functions"])
def test_parameters_of_calls(version: str) -> None:
    known = FACTS["functions"][version]
    seen = 0
    for _, symbol, parameters in calls():
        if symbol in known:
            sizes = [size_of(parameter) for parameter in parameters]
            assert sizes == known[symbol], symbol
            seen += 1
    assert seen == len(known)


def size_of(parameter: str) -> int:
    if "*" in parameter:
        return 8
    return SIZES[parameter.strip().rpartition(" ")[0]]


def test_what_is_needed_is_in_every_driver() -> None:
    """And what is not comes with the version that the list says, as far as the facts tell."""
    for since, symbol, _ in calls():
        family = "cuvid" if symbol.startswith("cuvid") else "cuda"
        lacking = [
            name.split()[1]
            for name, known in FACTS["functions"].items()
            if name.startswith(family) and symbol not in known
        ]
        if since == 0:
            assert lacking == [], symbol
        else:
            major, minor = since // 1000, since % 1000 // 10
            assert all(tuple(map(int, v.split("."))) < (major, minor) for v in lacking), symbol
            assert lacking, symbol
