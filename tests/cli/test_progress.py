"""The progress bar: on a terminal only, within its width, gone at the end."""

from __future__ import annotations

import io
import sys

import pytest

from tests.cli.terminals import Terminal, lines_of, without_escapes
from videohw.cli import progress as progress_module
from videohw.cli.progress import Progress, clock_text


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def drawn(monkeypatch, columns, rich, total):
    """What a bar for 200 frames at 50 frames per second writes."""
    terminal = Terminal(columns)
    clock = Clock()
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    monkeypatch.setattr(progress_module, "has_rich", lambda: rich)
    with Progress("transcode", total, clock=clock) as progress:
        for _ in range(8):
            clock.now += 0.5
            progress.advance(25)
    assert progress.frames == 200
    assert progress.seconds == pytest.approx(4.0)
    return terminal.finish()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("total", [200, None])
def test_a_bar_fits_and_disappears(monkeypatch, columns, rich, total):
    text = drawn(monkeypatch, columns, rich, total)
    lines = lines_of(text)
    assert all(len(line) <= columns for line in lines)
    assert without_escapes(text).rstrip(" ").endswith("\r") or without_escapes(text) == text
    assert any("frames" in line for line in lines)


@pytest.mark.parametrize("rich", [True, False])
def test_a_bar_says_how_far_how_fast_and_how_long(monkeypatch, rich):
    if rich:  # rich draws on its own clock; what it is told is what matters
        told = []
        monkeypatch.setattr(
            progress_module._RichPainter, "paint", lambda self, *args: told.append(args[-1])
        )
        drawn(monkeypatch, 80, True, 200)
    else:
        told = lines_of(drawn(monkeypatch, 80, False, 200))
    half = next(line for line in told if "100/200 frames" in line)
    assert "50 fps" in half
    assert "0:02 left" in half
    if not rich:
        assert "[#########---------]  50%" in half


def test_without_a_total_it_counts(monkeypatch):
    lines = lines_of(drawn(monkeypatch, 80, False, None))
    assert any("100 frames  50 fps" in line for line in lines)
    assert not any("left" in line or "%" in line for line in lines)


@pytest.mark.parametrize("rich", [True, False])
def test_nothing_in_a_pipe(monkeypatch, rich):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    monkeypatch.setattr(progress_module, "has_rich", lambda: rich)
    with Progress("transcode", 10) as progress:
        progress.advance(10)
    assert pipe.getvalue() == ""


@pytest.mark.parametrize("how", ["quiet", "dumb"])
def test_nothing_where_it_is_not_wanted(monkeypatch, how):
    terminal = Terminal(80)
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    if how == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    with Progress("transcode", 10, enabled=how != "quiet") as progress:
        progress.advance(10)
    assert terminal.finish() == ""


def test_a_total_that_was_too_small_is_dropped(monkeypatch):
    lines = lines_of(drawn(monkeypatch, 80, False, 150))
    assert any("150/150 frames" in line for line in lines)
    assert lines[-1].strip() == "transcode  200 frames  50 fps"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (0.2, "0:01"), (59.5, "1:00"), (754, "12:34"), (3723, "1:02:03")],
)
def test_time_left_reads_as_a_clock(seconds, text):
    assert clock_text(seconds) == text
