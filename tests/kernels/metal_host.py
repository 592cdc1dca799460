"""kernels/nv12_rgb.metal compiled for the host, and run there.

A kernel is given what a device would give it: by the indices that its signature names, which are
read from the source and not known here.
"""

from __future__ import annotations

import ctypes as c
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.kernels.host import FLAGS, HERE, SANITIZED, SANITIZERS, HostRunner, compiler
from tests.kernels.memory import Plane, Planes
from videohw.kernels import metal

SOURCE = HERE.parents[1] / "kernels" / "nv12_rgb.metal"
SHIM = HERE / "metal_shim"
WARNINGS = ("-Wdouble-promotion", "-Wfloat-conversion")
_POSITIONS = {
    "thread_position_in_grid": "in_grid", "threadgroup_position_in_grid": "group",
    "thread_position_in_threadgroup": "at", "threads_per_threadgroup": "size",
}  # fmt: skip


class Parameter(NamedTuple):
    """Of a kernel: its type, and the attribute that says what is bound to it: (name, index)."""

    type: str
    attribute: str
    index: int | None


class Texture(c.Structure):
    """host::Texture of the shim."""

    _fields_ = (
        ("rows", c.c_void_p), ("pitch", c.c_size_t), ("width", c.c_uint), ("height", c.c_uint),
        ("channels", c.c_uint), ("bytes", c.c_uint), ("reversed", c.c_uint),
    )  # fmt: skip


class Bindings(c.Structure):
    """Bindings of metal_host.h."""

    _fields_ = (
        ("buffers", c.c_void_p * 7), ("textures", Texture * 4),
        ("threadgroup_bytes", c.c_size_t * 2),
    )  # fmt: skip


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


class MetalRunner(HostRunner):
    """Runs kernels of the library, thread by thread."""

    def __init__(self, directory: Path) -> None:
        program = compiler()
        assert program is not None, "a C++ compiler is not here"
        self.text = preprocessed(directory)
        self.signatures = signatures(self.text)
        source = SOURCE.read_text(encoding="utf-8")
        whole = f'#line 1 "{SOURCE.as_posix()}"\n{without_attributes(source)}\n'
        (directory / "kernels.cpp").write_text(whole + driver(self.signatures))
        flags = [*FLAGS, *WARNINGS, *(SANITIZERS if SANITIZED else ())]
        library = directory / "nv12_rgb_metal.so"
        command = [program, *flags, f"-I{SHIM}", f"-I{HERE}", directory / "kernels.cpp"]
        subprocess.run([*command, "-o", library], check=True)
        loaded = c.CDLL(str(library))
        loaded.layout_of_conversion.restype = c.c_size_t
        super().__init__(loaded)

    def convert(
        self, plan: metal.MetalPlan, source: Planes, target: Planes, max_threads: int = 256
    ) -> None:
        """As a caller on a device encodes it. What is bound is what the kernel declares."""
        launch = plan.launch(starts(source), starts(target), max_threads)
        bound, declared = Bindings(), set()
        sides = (
            (source, plan.source_textures, metal.SOURCE_BUFFER, metal.SOURCE_TEXTURE, None),
            (
                target, plan.target_textures, metal.TARGET_BUFFER, metal.TARGET_TEXTURE,
                plan.target_buffers,
            ),
        )  # fmt: skip
        for planes, textures, buffer, texture, count in sides:
            if textures:
                for i, made in enumerate(textures_of(planes, textures)):
                    bound.textures[texture + i] = made
                    declared.add(("texture", texture + i))
                continue
            addresses = [plane.memory.ctypes.data + plane.start for plane in planes.planes]
            addresses += [addresses[0]] * ((count or 0) - len(addresses))
            for i, address in enumerate(addresses):
                bound.buffers[buffer + i] = address
                declared.add(("buffer", buffer + i))
        bound.buffers[metal.ARGUMENTS_BUFFER] = c.addressof(launch.arguments)
        declared.add(("buffer", metal.ARGUMENTS_BUFFER))
        for i, length in enumerate(launch.threadgroup_bytes):
            assert length % 16 == 0, "Metal takes no other lengths"
            bound.threadgroup_bytes[i] = length
            declared.add(("threadgroup", i))
        wanted = {(p.attribute, p.index) for p in self.signatures[launch.kernel]}
        assert declared == {each for each in wanted if each[1] is not None}
        groups, threads = (c.c_uint * 3)(*launch.threadgroups), (c.c_uint * 3)(*launch.threads)
        with self.forbidden_around([*source.planes, *target.planes]):
            self.library[f"run_{launch.kernel}"](c.byref(bound), groups, threads)


def starts(planes: Planes) -> list[int]:
    """Offsets of the planes in buffers that begin at an aligned place."""
    return [plane.start for plane in planes.planes]


def textures_of(planes: Planes, formats: Sequence[str]) -> list[Texture]:
    """The planes as textures of Metal's formats of these names."""
    return [
        texture_of(plane, name) for plane, name in zip(planes.planes, formats, strict=True)
    ]  # fmt: skip


def texture_of(plane: Plane, name: str) -> Texture:
    match = re.fullmatch(r"(R|RG|RGBA|BGRA)(8|16)Unorm", name)
    assert match is not None, name
    channels, item = len(match[1]), int(match[2]) // 8
    return Texture(
        rows=plane.memory.ctypes.data + plane.start, pitch=plane.pitch,
        width=plane.row_bytes // (channels * item), height=plane.rows, channels=channels,
        bytes=item, reversed=match[1] == "BGRA",
    )  # fmt: skip


def float_bits(values: np.ndarray) -> np.ndarray:
    """Numbers as what they are in memory."""
    kinds = {1: np.uint8, 2: np.uint16, 4: np.uint32}
    return np.ascontiguousarray(values).view(kinds[values.dtype.itemsize])
