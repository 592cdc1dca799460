"""Running commands in this process, and the small files that the tests of the CLI use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.cli.terminals import ROOT, clean_environment
from tests.corpus import DATA
from videohw.bitstream import AccessUnit, open_assembler
from videohw.cli import main

H264 = DATA / "generated" / "main_cabac_b2.h264"  # 25 frames, 320x240, B-frames
HEVC = DATA / "generated" / "main10_320x240.h265"
TINY = DATA / "generated" / "tiny16x16.h264"


class Ran(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object it must be."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def error(self) -> str:
        """The text of the one error line."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("videohw: error: ")
        return lines[0].removeprefix("videohw: error: ")


class Run:
    """``run("decode", path)`` in this process; pytest's capture takes what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)


def run_without(modules: Iterable[str], *arguments: object) -> Ran:
    """The command in a process of its own in which ``modules`` cannot be imported."""
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in modules)
    program = f"import sys; {blocked}; from videohw.cli import main; sys.exit(main(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=ROOT, env=clean_environment(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def write_y4m(path: Path, frames: int, width: int = 64, height: int = 48) -> Path:
    """A YUV4MPEG2 file of moving gradients, 25 frames per second."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420mpeg2\n".encode())
        for picture in gradients(frames, width, height):
            file.write(b"FRAME\n" + picture)
    return path


def gradients(frames: int, width: int, height: int) -> Iterable[bytes]:
    """Moving gradients in I420, with chroma that moves too."""
    luma = np.add.outer(np.arange(height), np.arange(width))
    chroma = np.add.outer(np.arange(height // 2), np.arange(width // 2))
    for index in range(frames):
        parts = (luma + 4 * index, chroma + 2 * index, 255 - chroma - index)
        yield b"".join((part % 256).astype(np.uint8).tobytes() for part in parts)


def leftovers(folder: Path) -> list[str]:
    """Names of temporary files that a command left in ``folder``."""
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def units_of(path: Path, codec: str) -> list[AccessUnit]:
    """The access units of a raw stream."""
    assembler = open_assembler(codec)
    assembler.feed(path.read_bytes())
    assembler.finish()
    return list(assembler)
