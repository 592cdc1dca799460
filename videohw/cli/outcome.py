"""What a command says when it is done: what came out, how fast, and who did the work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .console import Console
from .targets import STANDARD, is_special


def size_text(size: int) -> str:
    """``1.23 MB``: bytes in powers of 1000."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{size} bytes" if unit == "bytes" else f"{value:.2f} {unit}"


def file_bytes(path: str) -> int | None:
    """Size of a finished file; None for standard output and devices."""
    if path == STANDARD or is_special(path):
        return None
    return os.stat(path).st_size


def speed(frames: int, seconds: float) -> float:
    """Frames per second, 0 when no time passed."""
    return round(frames / seconds, 2) if seconds > 0 else 0.0


def speed_text(frames: int, seconds: float) -> str:
    """``303 frames in 4.20 s, 72.1 fps``."""
    return f"{frames} frames in {seconds:.2f} s, {speed(frames, seconds):.1f} fps"


def backend_text(summary: Mapping[str, Any]) -> str:
    """Who did the work and why not another: ``software (libx265); not nvidia: no driver``."""
    library = summary.get("library")
    taken = f"{summary['backend']} ({library})" if library else str(summary["backend"])
    if summary.get("requested_backend") == summary["backend"]:
        return f"{taken}, as asked"
    refused: Mapping[str, str] = summary.get("refused") or {}
    reasons = "; ".join(f"not {name}: {why}" for name, why in refused.items())
    return f"{taken}; {reasons}" if reasons else f"{taken}, the only backend of this version"


def backend_data(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a session's summary that ``--json`` shows."""
    names = ("codec", "backend", "requested_backend", "hardware", "refused", "library", "reasons")
    return {name: summary[name] for name in names if name in summary}


def where_text(path: str, frames: int, seconds_of_video: float | None) -> str:
    """``out.mp4: 303 frames, 10.10 s, 1.23 MB (975 kb/s)``."""
    parts = [f"{frames} frames"]
    if seconds_of_video:
        parts.append(f"{seconds_of_video:.2f} s")
    size = file_bytes(path)
    if size is not None:
        rate = f" ({8 * size / seconds_of_video / 1000:.0f} kb/s)" if seconds_of_video else ""
        parts.append(size_text(size) + rate)
    name = "standard output" if path == STANDARD else path
    return f"{name}: {', '.join(parts)}"


def show(console: Console, first: str, lines: Mapping[str, str]) -> None:
    """Print the summary: what came out, then the labelled lines; nothing when quiet."""
    if console.quiet:
        return
    console.line(first)
    console.labels(lines.items())
