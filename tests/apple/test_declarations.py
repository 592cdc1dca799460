"""What apple.h declares is what the frameworks have, by facts taken from the SDK (facts.json).

Only what is called is declared, so what is checked is read out of the header: a declaration
without a fact fails too. tools/cross_macos.py checks the same for macOS by its compiler.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import videohw
from tests.apple.facts import FACTS, OBJC, claims, header, library_of, version

NATIVE = Path(videohw.__file__).parent / "_native"
TEXT = (NATIVE / "apple.h").read_text(encoding="utf-8")
CODE = re.sub(r"/\*.*?\*/", "", TEXT, flags=re.DOTALL)
COMPILER = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")
STRINGS = re.findall(r"STRING\((k\w+)\)", CODE)
NEWER = {name: int(since) for since, name in re.findall(r"STRING\((\d+), (k\w+)\)", CODE)}


def declared() -> set[str]:
    """Names of the functions."""
    kinds = "CF|CM|CV|VT|MTL|objc_|object_|class_|sel_"
    return set(re.findall(rf"\b((?:{kinds})\w+)\((?!\*)", CODE))


def compiled(tmp_path: Path, text: str, *, before: str = "", lines: Sequence[str] = ()) -> str:
    """What the compiler says of ``text`` as the header, behind ``before``."""
    assert COMPILER is not None
    (tmp_path / "apple.h").write_text(text, encoding="utf-8")
    (tmp_path / "facts.h").write_text(before, encoding="utf-8")
    program = "\n".join(['#include "facts.h"', '#include "apple.h"', *lines, ""])
    (tmp_path / "program.c").write_text(program, encoding="utf-8")
    defines = ["-DVIDEOHW_OWN_APPLE_DECLARATIONS"]
    if before:
        defines.append("-DVIDEOHW_HAVE_APPLE_STRUCTS")
    command = [COMPILER, "-std=c11", "-fsyntax-only", *defines, str(tmp_path / "program.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr


@needs_compiler
def test_prototypes(tmp_path: Path) -> None:
    assert compiled(tmp_path, TEXT, before=header()) == ""


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("CMTime CMTimeMake(int64_t value, int32_t", "CMTime CMTimeMake(int64_t value, int64_t",
         "CMTimeMake"),
        ("CVPixelBufferGetWidth(CVPixelBufferRef", "CVPixelBufferGetWidth(CVPixelBufferPoolRef",
         "CVPixelBufferGetWidth"),
        ("VTEncodeInfoFlags *info", "uint64_t *info", "VTCompressionSessionEncodeFrame"),
        ("extern const CMTime kCMTimeInvalid", "extern const CMTime *kCMTimeInvalid",
         "kCMTimeInvalid"),
    ],
)  # fmt: skip
def test_a_wrong_prototype_is_found(tmp_path: Path, right: str, wrong: str, named: str) -> None:
    assert TEXT.count(right) == 1
    said = compiled(tmp_path, TEXT.replace(right, wrong), before=header())
    assert re.search(rf"conflicting type\w*( qualifiers)? for .{named}", said)


@needs_compiler
def test_layouts_and_constants(tmp_path: Path) -> None:
    assert compiled(tmp_path, TEXT, lines=claims()) == ""


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("#pragma pack(push, 4)", "", "CMTime alignment"),
        ("kVTInvalidSessionErr = -12903", "kVTInvalidSessionErr = -12904", "kVTInvalidSessionErr"),
        ("    int32_t width, height;", "    int32_t height, width;", "CMVideoDimensions.width"),
    ],
)
def test_a_wrong_layout_is_found(tmp_path: Path, right: str, wrong: str, named: str) -> None:
    assert right in TEXT
    said = compiled(tmp_path, TEXT.replace(right, wrong), lines=claims())
    assert named in said


def test_everything_has_facts() -> None:
    assert declared() == {*FACTS["functions"], *OBJC}
    variables = set(re.findall(r"extern const \w+ (k\w+);", CODE)) | set(STRINGS) | set(NEWER)
    assert variables == set(FACTS["variables"])
    assert set(re.findall(r"^ +((?:k|MTL)\w+) = ", CODE, re.MULTILINE)) == set(FACTS["constants"])
    used = set(re.findall(r"^} (\w+);|^struct (\w+) {", CODE, re.MULTILINE))
    assert {one or other for one, other in used} == set(FACTS["structs"])
    assert len(declared()) > 80


def test_all_but_what_is_looked_up_is_in_the_oldest_macos() -> None:
    linked = declared() | (set(FACTS["variables"]) - set(NEWER))
    assert [name for name in linked if library_of(name) is None] == []
    for name, since in NEWER.items():
        assert library_of(name) is None
        assert version(FACTS["variables"][name]["macos"]) == (since // 100, since % 100)
