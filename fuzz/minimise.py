"""Cuts an input down while it still shows the same finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from .case import HEADER_BYTES
from .engine import Plan, reproduce

_MOST_RUNS: Final = 400


def minimise(plan: Plan, path: Path) -> Path:
    """The file of the smallest input found; ``ValueError`` when ``path`` shows nothing."""
    finding = reproduce(plan, path)
    if finding is None:
        raise ValueError(f"{path} shows nothing")
    small = path.with_name(f"{path.stem}-small.bin")

    def shows(data: bytes) -> bool:
        small.write_bytes(data)
        found = reproduce(plan, small)
        return found is not None and found.signature == finding.signature

    data = path.read_bytes()
    small.write_bytes(
        data[:HEADER_BYTES]
        + shortest(data[HEADER_BYTES:], lambda rest: shows(data[:HEADER_BYTES] + rest))
    )
    return small


def shortest(data: bytes, shows: Callable[[bytes], bool], most_runs: int = _MOST_RUNS) -> bytes:
    """``data`` without the pieces that are not needed, from large to small ones."""
    size = max(len(data) // 2, 1)
    runs = 0
    while runs < most_runs:
        position = 0
        before = len(data)
        while position < len(data) and runs < most_runs:
            shorter = data[:position] + data[position + size :]
            runs += 1
            if shows(shorter):
                data = shorter
            else:
                position += size
        if size == 1 and len(data) == before:
            break
        size = max(size // 2, 1)
    return data
