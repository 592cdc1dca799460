"""Progress on a terminal: how far, frames per second, time left. Nothing at all in a pipe.

Drawn by rich where it is installed, else as one line that overwrites itself. Both go to standard
error and are gone when the work is done, so that what stays is the summary.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TextIO

from .console import has_rich, is_terminal, terminal_width

REDRAW_SECONDS = 0.1
# The rate shown covers this much of the recent past, so that it follows a slow scene.
RATE_WINDOW_SECONDS = 3.0
# What stands beside the bar: "transcode 100% 12345/12345 frames  1234 fps  1:23:45 left".
TEXT_WIDTH = 62
MIN_BAR_WIDTH, MAX_BAR_WIDTH = 8, 40


class Progress:
    """A bar while the ``with`` block runs. ``total`` may be unknown: then it only counts.

    ``total`` is in frames. ``enabled`` False, or a standard error that is no terminal, shows
    nothing. ``clock`` gives monotonic seconds.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = label
        self._total = total if total and total > 0 else None
        self._clock = clock
        self._started = clock()
        self._drawn = -REDRAW_SECONDS
        self._samples: list[tuple[float, int]] = [(self._started, 0)]
        self._painter: _Painter | None = None
        self._shown = enabled and is_terminal(sys.stderr)
        self.frames = 0

    def __enter__(self) -> Progress:
        if self._shown:
            self._painter = _painter(self._label, sys.stderr)
            self._paint(self._clock())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._painter is not None:
            self._painter.clear()
            self._painter = None

    def advance(self, frames: int = 1) -> None:
        """Count ``frames`` more frames done."""
        self.update(self.frames + frames)

    def update(self, frames: int, total: int | None = None) -> None:
        """Say that ``frames`` frames are done, of ``total`` if that became known."""
        self.frames = frames
        if total:
            self._total = total
        if self._total is not None and frames > self._total:
            self._total = None  # what the file states was wrong
        if self._painter is None:
            return
        now = self._clock()
        if now - self._drawn >= REDRAW_SECONDS:
            self._paint(now)

    @property
    def seconds(self) -> float:
        """Seconds since the progress was made."""
        return self._clock() - self._started

    def _paint(self, now: float) -> None:
        self._drawn = now
        self._samples.append((now, self.frames))
        while len(self._samples) > 2 and self._samples[1][0] < now - RATE_WINDOW_SECONDS:
            self._samples.pop(0)
        assert self._painter is not None
        self._painter.paint(self._label, self.frames, self._total, self._status(now))

    def _status(self, now: float) -> str:
        (then, frames_then), frames = self._samples[0], self.frames
        rate = (frames - frames_then) / (now - then) if now > then else 0.0
        of = f"{frames}/{self._total}" if self._total else f"{frames}"
        parts = [f"{of} frames", f"{rate:.0f} fps" if rate >= 10 else f"{rate:.1f} fps"]
        if self._total and frames and now > self._started:
            average = frames / (now - self._started)
            parts.append(f"{clock_text(max(self._total - frames, 0) / average)} left")
        return "  ".join(parts)


def clock_text(seconds: float) -> str:
    """``seconds`` as 0:07, 12:34 or 1:02:03, rounded up to whole seconds."""
    whole = int(-(-seconds // 1))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _painter(label: str, stream: TextIO) -> _Painter:
    return _RichPainter(label, stream) if has_rich() else _LinePainter(stream)


class _Painter(Protocol):
    def paint(self, label: str, frames: int, total: int | None, status: str) -> None: ...
    def clear(self) -> None: ...


def _bar_width(stream: TextIO) -> int:
    """What the other columns leave of a line, within bounds."""
    return min(max(terminal_width(stream) - TEXT_WIDTH, MIN_BAR_WIDTH), MAX_BAR_WIDTH)


class _LinePainter:
    """One line of text, overwritten in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def paint(self, label: str, frames: int, total: int | None, status: str) -> None:
        text = f"{label}  {status}"
        if total:
            width = _bar_width(self._stream)
            done = frames / total
            full = int(done * width)
            text = f"{label} [{'#' * full}{'-' * (width - full)}] {done:4.0%}  {status}"
        # The last column stays free: a character there makes some terminals wrap.
        width = terminal_width(self._stream) - 1
        self._write(f"\r{text[:width]:<{width}}")

    def clear(self) -> None:
        self._write("\r" + " " * (terminal_width(self._stream) - 1) + "\r")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _RichPainter:
    """rich's bar, which rich redraws in its own thread and takes away at the end."""

    def __init__(self, label: str, stream: TextIO) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column as RichColumn

        columns: list[Any] = [
            TextColumn("{task.description}", table_column=RichColumn(no_wrap=True)),
            BarColumn(bar_width=_bar_width(stream)),
            TaskProgressColumn(table_column=RichColumn(no_wrap=True)),
            TextColumn(
                "{task.fields[status]}", markup=False, table_column=RichColumn(no_wrap=True)
            ),
        ]
        self._progress = RichProgress(
            *columns,
            console=RichConsole(file=stream, width=terminal_width(stream)),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(label, total=None, status="")
        self._progress.start()

    def paint(self, label: str, frames: int, total: int | None, status: str) -> None:
        self._progress.update(self._task, completed=frames, total=total, status=status)

    def clear(self) -> None:
        self._progress.stop()
