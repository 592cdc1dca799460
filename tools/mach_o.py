"""What a Mach-O file of 64 bits demands: libraries, symbols and where they come from, macOS.

Only the load commands that say so are read (their layouts are public: mach-o/loader.h, nlist.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

_MAGIC = 0xFEEDFACF
_SYMTAB, _LOAD_DYLIB, _VERSION_MIN, _BUILD_VERSION = 0x2, 0xC, 0x24, 0x32
_LOAD_WEAK_DYLIB = 0x80000018
_CPUS = {0x0100000C: "arm64", 0x01000007: "x86_64"}
_STAB, _TYPE, _EXTERNAL = 0xE0, 0x0E, 0x01  # of n_type
_DYNAMIC_LOOKUP = 0xFE  # as the library of a symbol


@dataclass
class MachO:
    """``undefined``: symbol (without its underscore) -> the library that it is taken from, None
    where that is left to the moment of loading, or to a linker. ``macos`` is the oldest system
    that it is for."""

    cpu: str
    libraries: list[str] = field(default_factory=list)
    undefined: dict[str, str | None] = field(default_factory=dict)
    macos: tuple[int, int] | None = None


def read(path: Path) -> MachO:
    """The demands of an object or a library."""
    data = path.read_bytes()
    magic, cpu, _, _, commands, _, _, _ = struct.unpack_from("<8I", data)
    if magic != _MAGIC:
        raise ValueError(f"{path} is no Mach-O file of 64 bits")
    found = MachO(_CPUS[cpu])
    table: tuple[int, ...] | None = None
    at = 32
    for _ in range(commands):
        kind, size = struct.unpack_from("<2I", data, at)
        if kind in (_LOAD_DYLIB, _LOAD_WEAK_DYLIB):
            (offset,) = struct.unpack_from("<I", data, at + 8)
            found.libraries.append(data[at + offset : at + size].split(b"\0")[0].decode())
        elif kind == _SYMTAB:
            table = struct.unpack_from("<4I", data, at + 8)
        elif kind in (_VERSION_MIN, _BUILD_VERSION):
            (packed,) = struct.unpack_from("<I", data, at + (12 if kind == _BUILD_VERSION else 8))
            found.macos = packed >> 16, packed >> 8 & 0xFF
        at += size
    if table is not None:
        _read_symbols(data, table, found)
    return found


def _read_symbols(data: bytes, table: tuple[int, ...], found: MachO) -> None:
    symbols, count, strings, _ = table
    for index in range(count):
        name_at, kind, _, description, _ = struct.unpack_from("<IBBHQ", data, symbols + 16 * index)
        if kind & _STAB or kind & _TYPE or not kind & _EXTERNAL:
            continue
        start = strings + name_at
        name = data[start : data.index(b"\0", start)].decode().removeprefix("_")
        ordinal = description >> 8
        known = 0 < ordinal <= len(found.libraries) and ordinal != _DYNAMIC_LOOKUP
        found.undefined[name] = found.libraries[ordinal - 1] if known else None
