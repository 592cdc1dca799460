"""kernels/nv12_rgb.metal compiled for the host, and run there.

A kernel is given what a device would give it: by the indices that its signature names
(metal_source.py).
"""

from __future__ import annotations

import ctypes as c
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.kernels.host import FLAGS, HERE, SANITIZED, SANITIZERS, HostRunner, compiler
from tests.kernels.memory import Plane, Planes
from tests.kernels.metal_source import SHIM, preprocessed, whole
from videohw.kernels import metal

WARNINGS = ("-Wdouble-promotion", "-Wfloat-conversion")


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


class MetalRunner(HostRunner):
    """Runs kernels of the library, thread by thread."""

    def __init__(self, directory: Path) -> None:
        program = compiler()
        assert program is not None, "a C++ compiler is not here"
        self.text = preprocessed(directory)
        text, self.signatures = whole(directory)
        (directory / "kernels.cpp").write_text(text)
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
