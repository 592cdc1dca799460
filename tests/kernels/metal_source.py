"""kernels/nv12_rgb.metal as C++ of the host: its kernels' signatures, and functions that run them.

What a kernel is given is read from the indices that its signature names, and not known here. Must
not know: how pictures are bound. Nothing but the standard library is imported: the emulated
frameworks are built with it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "kernels" / "nv12_rgb.metal"
SHIM = HERE / "metal_shim"
_POSITIONS = {
    "thread_position_in_grid": "in_grid", "threadgroup_position_in_grid": "group",
    "thread_position_in_threadgroup": "at", "threads_per_threadgroup": "size",
}  # fmt: skip


def compiler() -> str | None:
    """A C++ compiler that takes GCC's options."""
    return next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)


class Parameter(NamedTuple):
    """Of a kernel: its type, and the attribute that says what is bound to it: (name, index)."""

    type: str
    attribute: str
    index: int | None


def preprocessed(directory: Path) -> str:
    """The source with its own macros expanded, and without Metal's header."""
    (directory / "metal_stdlib").write_text("")
    program = compiler()
    assert program is not None, "a C++ compiler is not here"
    command = [program, "-E", "-P", "-x", "c++", "-nostdinc", "-nostdinc++", f"-I{directory}"]
    done = subprocess.run([*command, SOURCE], check=True, capture_output=True, text=True)
    return done.stdout


def signatures(text: str) -> dict[str, list[Parameter]]:
    """The parameters of every kernel of a preprocessed source."""
    found = {}
    for name, inside in re.findall(r"\bkernel\s+void\s+(\w+)\s*\((.*?)\)\s*\{", text, re.DOTALL):
        parameters = []
        # A comma inside of <> has no attribute before it.
        for part in re.findall(r"(.+?)\[\[\s*(.+?)\s*\]\]\s*,?", inside, re.DOTALL):
            match = re.fullmatch(r"(\w+)(?:\s*\(\s*(\d+)\s*\))?", part[1])
            assert match is not None, part
            kind = re.sub(r"\s*\w+\s*$", "", part[0].strip())
            index = None if match[2] is None else int(match[2])
            parameters.append(Parameter(kind, match[1], index))
        found[name] = parameters
    return found


def without_attributes(text: str) -> str:
    """The source for a compiler to which ``threadgroup`` cannot be a word and an attribute."""
    return re.sub(r" *\[\[[^\]]*\]\]", "", text)


def argument(parameter: Parameter) -> str:
    """What the host passes for a parameter."""
    if parameter.attribute in _POSITIONS:
        return _POSITIONS[parameter.attribute]
    bound = f"bound.{parameter.attribute}s[{parameter.index}]"
    if parameter.attribute == "texture":
        return f"{parameter.type}{{&{bound}}}"
    if parameter.attribute == "threadgroup":
        return f"({parameter.type})memory[{parameter.index}]"
    if parameter.type.endswith("&"):
        return f"*({parameter.type[:-1]}*){bound}"
    return f"({parameter.type}){bound}"


def driver(kernels: dict[str, list[Parameter]]) -> str:
    """A function for each kernel that runs all of its threads."""
    lines = ['#include "metal_host.h"']
    for name, parameters in kernels.items():
        passed = ", ".join(map(argument, parameters))
        lines += [
            f'extern "C" void run_{name}(const Bindings &bound, const uint *groups,',
            "                            const uint *threads) {",
            "    run_threads(bound, groups, threads, [&](uint2 in_grid, uint2 group, uint2 at,",
            "                                            uint2 size, uchar *const *memory) {",
            "        (void)in_grid, (void)group, (void)at, (void)size, (void)memory;",
            f"        {name}({passed});",
            "    });",
            "}",
        ]
    return "\n".join(lines) + "\n"


def bindings(parameters: list[Parameter]) -> str:
    """What a kernel declares, in order, such as "buffer 3;texture 0;"."""
    declared = {f"{each.attribute} {each.index};" for each in parameters if each.index is not None}
    return "".join(sorted(declared))


def whole(directory: Path) -> tuple[str, dict[str, list[Parameter]]]:
    """A C++ file of all kernels with the functions that run them, and their signatures."""
    found = signatures(preprocessed(directory))
    source = without_attributes(SOURCE.read_text(encoding="utf-8"))
    return f'#line 1 "{SOURCE.as_posix()}"\n{source}\n{driver(found)}', found


def with_table(directory: Path) -> str:
    """The same for a program that finds the kernels by name, and knows what they were made of:
    ``HostKernel`` of tests/emulators/apple/metal.hpp."""
    text, found = whole(directory)
    data = SOURCE.read_bytes()
    rows = [
        f'    {{"{name}", run_{name}, "{bindings(parameters)}"}},'
        for name, parameters in found.items()
    ]
    return "\n".join(
        [
            text,
            "struct HostKernel {",
            "    const char *name;",
            "    void (*run)(const Bindings &, const uint *, const uint *);",
            "    const char *bindings;",
            "};",
            'extern "C" const HostKernel videohw_metal_kernels[] = {',
            *rows,
            "};",
            f'extern "C" const size_t videohw_metal_kernel_count = {len(found)};',
            'extern "C" const size_t videohw_metal_argument_bytes = sizeof(Conversion);',
            f'extern "C" const char videohw_metal_source[] = {{{",".join(map(str, data))},0}};',
            "",
        ]
    )
