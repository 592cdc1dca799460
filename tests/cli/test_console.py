"""Tables, labels and JSON: readable on a terminal, one line a row in a pipe."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from videohw.cli import console as console_module
from videohw.cli.console import Column, Console, plain_data, printable

COLUMNS = (Column("name"), Column("bytes", right=True), Column("what it is"))
ROWS = [("a", "1", "short"), ("longer name", "12345", "word " * 40)]


def terminal(monkeypatch, columns):
    monkeypatch.setattr(console_module, "is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "24")


def test_a_pipe_gets_one_aligned_line_for_each_row(capsys):
    Console().table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1] == "a                1  short"
    assert lines[2].startswith("longer name  12345  word word")
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_never_gets_a_longer_line_than_it_is_wide(monkeypatch, capsys, columns, rich):
    terminal(monkeypatch, columns)
    monkeypatch.setattr(console_module, "has_rich", lambda: rich)
    shown = Console()
    shown.heading("Heading [not markup]")
    shown.table(COLUMNS, ROWS)
    shown.labels([("label", "word " * 40), ("none", "")])
    text = capsys.readouterr().out
    assert "Heading [not markup]" in text
    assert "none" not in text
    assert text.count("word") == 80
    assert max(len(line) for line in text.splitlines()) <= columns


def test_a_listing_prints_row_by_row(capsys):
    def rows():
        yield ("a", "1", "x")
        assert "x" in capsys.readouterr().out
        yield ("b", "2", "y")

    assert Console().listing((Column("n", width=3), *COLUMNS[1:]), rows()) == 2
    assert "y" in capsys.readouterr().out


def test_json_silences_everything_else(capsys):
    shown = Console(json=True)
    shown.line("line")
    shown.heading("heading")
    shown.labels([("a", "b")])
    shown.table(COLUMNS, ROWS)
    assert shown.listing(COLUMNS, iter(ROWS)) == 0
    shown.object({"a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_notes_go_to_standard_error_unless_quiet(capsys):
    Console().note("told")
    Console(quiet=True).note("hidden")
    assert capsys.readouterr().err == "told\n"


def test_control_characters_cannot_reach_a_terminal(capsys):
    assert printable("a\x1b[2Jb\tc\x07") == "a\\x1b[2Jb\\x09c\\x07"
    Console().table((Column("n"), Column("m")), [("\x1b[31m", "a\nb")])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


@dataclass
class Pair:
    left: Fraction
    right: bytes


def test_values_become_json():
    value = {
        1: Pair(Fraction(30000, 1001), b"\x01\xff"),
        "numpy": np.int64(3),
        "real": [np.float32(0.5), math.nan, math.inf],
        "set": (None, True, "text"),
        "object": Ellipsis,
    }
    assert plain_data(value) == {
        "1": {"left": "30000/1001", "right": "01ff"},
        "numpy": 3,
        "real": [0.5, None, None],
        "set": [None, True, "text"],
        "object": "Ellipsis",
    }
