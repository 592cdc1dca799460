"""A terminal for tests: a pty of a given width, in this process or around a command."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_TERMINALS = "this system has no pseudo-terminals"
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Terminal:
    """The other end of a pty: what was written to it. ``stream`` is the terminal's own end."""

    def __init__(self, columns: int) -> None:
        pty = pytest.importorskip("pty", reason=NO_TERMINALS, exc_type=ImportError)
        fcntl = pytest.importorskip("fcntl", reason=NO_TERMINALS)
        termios = pytest.importorskip("termios", reason=NO_TERMINALS)
        self._master, slave = pty.openpty()
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        self.slave = slave
        self.stream: TextIO = os.fdopen(slave, "w", closefd=False)
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError:  # EIO: no one holds the terminal any more
                return
            if not part:
                return
            self._parts.append(part)

    def text(self) -> str:
        """All that was written until now."""
        return b"".join(self._parts).decode()

    def finish(self) -> str:
        """Close it; all that was written. May be repeated."""
        if self.stream.closed:
            return self.text()
        self.stream.close()
        os.close(self.slave)
        self._reader.join()
        os.close(self._master)
        return self.text()


def without_escapes(text: str) -> str:
    """``text`` as it reads, without colours and cursor movement."""
    return _ESCAPE.sub("", text)


def lines_of(text: str) -> list[str]:
    """Every line that stood on the terminal at some time, overwritten ones too."""
    return [line for line in re.split(r"[\r\n]+", without_escapes(text)) if line.strip()]


@contextmanager
def command(*arguments: str, columns: int = 80, **env: str) -> Iterator[tuple]:
    """``videohw`` with both output streams on a terminal: (process, terminal)."""
    terminal = Terminal(columns)
    process = subprocess.Popen(
        [sys.executable, "-m", "videohw", *arguments],
        stdin=subprocess.DEVNULL, stdout=terminal.slave, stderr=terminal.slave, cwd=ROOT,
        env={**clean_environment(), "TERM": "xterm", **env},
    )  # fmt: skip
    try:
        yield process, terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        terminal.finish()


def clean_environment() -> dict[str, str]:
    """The environment without what changes how the command shows things."""
    dropped = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "VIDEOHW_DEBUG", "TERM")
    return {name: value for name, value in os.environ.items() if name not in dropped}
