"""What a person or a program sees: tables, label lists, notes, one JSON object.

Results go to standard output, notes and progress to standard error, so that a pipe gets results
only. On a terminal with rich installed tables are drawn by rich; else they are aligned plain
text, one line a row in a pipe (for grep and cut), folded to the width of a terminal.
"""

from __future__ import annotations

import json
import math
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from typing import Any, TextIO

import numpy as np

MIN_WIDTH = 40
DEFAULT_WIDTH = 80
GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers are set right. ``width`` (in characters) is that of
    a list, which is printed row by row; a table is as wide as its cells."""

    title: str
    right: bool = False
    width: int = 0


class Console:
    """The two streams of a command and how much it may say on them.

    ``json`` prints one object at the end and nothing else on standard output; ``quiet`` drops
    notes and progress. ``results`` is where results for people go: standard error when the
    command's own output takes standard output.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, data_out: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.results: TextIO = sys.stderr if data_out else sys.stdout

    def line(self, text: str = "") -> None:
        """Print one line of the result, unless the result is JSON."""
        if not self.json:
            print(printable(text), file=self.results)

    def note(self, text: str) -> None:
        """Print one line for people on standard error, unless quiet."""
        if not self.quiet:
            print(printable(text), file=sys.stderr)

    def heading(self, text: str) -> None:
        """Print the heading of a section, after an empty line."""
        if self.json:
            return
        if self._rich():
            self._rich_print(f"\n[bold]{_escape(text)}[/bold]")
        else:
            self.line(f"\n{text}")

    def labels(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print ``label  value`` lines with the values below each other, folded on a terminal."""
        shown = [(label, value) for label, value in pairs if value]
        if self.json or not shown:
            return
        indent = max(len(label) for label, _ in shown) + 4
        width = self.width()
        for label, value in shown:
            head = f"  {label:<{indent - 4}}  "
            for part in _fold(value, width - indent if width else None):
                self.line(head + part)
                head = " " * indent

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Print a whole table. Cells are text; the last column is the one that is folded."""
        if self.json or not rows:
            return
        if self._rich():
            self._rich_table(columns, rows)
            return
        widths = [
            max(len(column.title), *(len(printable(row[i])) for row in rows))
            for i, column in enumerate(columns)
        ]
        for row in ([column.title for column in columns], *rows):
            for text in _plain_row(columns, widths, row, self.width()):
                self.line(text)

    def listing(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> int:
        """Print rows one at a time as they come, in plain text, and return how many there were.

        For long lists: nothing is held, and ``| head`` ends the work early. A cell that is
        longer than its column's width pushes the rest of its row.
        """
        widths = [max(column.width, len(column.title)) for column in columns]
        printed = 0
        for row in rows:
            if self.json:
                continue
            if printed == 0:
                self.line(_plain_row(columns, widths, [c.title for c in columns], None)[0])
            self.line(_plain_row(columns, widths, row, None)[0])
            printed += 1
        return printed

    def object(self, value: Mapping[str, Any]) -> None:
        """Print ``value`` as the one JSON object of a command, when JSON was asked for."""
        if self.json:
            print(json.dumps(plain_data(value), indent=2, allow_nan=False), file=self.results)

    def width(self) -> int | None:
        """Columns of the terminal that shows the results, None when it is not a terminal."""
        return terminal_width(self.results) if is_terminal(self.results) else None

    def _rich(self) -> bool:
        return is_terminal(self.results) and has_rich()

    def _rich_print(self, item: Any) -> None:
        from rich.console import Console as RichConsole

        RichConsole(file=self.results, highlight=False, width=self.width()).print(item)

    def _rich_table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
        for index, column in enumerate(columns):
            last = index == len(columns) - 1
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=not last,
            )
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._rich_print(table)


def is_terminal(stream: TextIO) -> bool:
    """True when ``stream`` is a terminal that can place the cursor."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # no stream, or a closed one
        return False


def terminal_width(stream: TextIO) -> int:
    """Columns of the terminal behind ``stream``; the variable COLUMNS wins."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return max(int(columns), MIN_WIDTH)
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        found = 0
    return max(found or DEFAULT_WIDTH, MIN_WIDTH)


def has_rich() -> bool:
    """True when rich (extra ``cli``) can be imported."""
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


def printable(text: str) -> str:
    """``text`` with control characters, which a stream or file name may hold, made visible."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def plain_data(value: Any) -> Any:
    """``value`` in the types of JSON: dataclasses as objects, fractions as text ``30000/1001``,
    bytes as hexadecimal text, NaN and infinity as null."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_data(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain_data(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain_data(item) for item in value]
    return str(value)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))


def _fold(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False) or [""]


def _plain_row(
    columns: Sequence[Column], widths: Sequence[int], row: Sequence[str], total: int | None
) -> list[str]:
    cells = [printable(cell).replace("\n", " ") for cell in row]
    head = GAP.join(
        cell.rjust(width) if column.right else cell.ljust(width)
        for column, width, cell in zip(columns[:-1], widths[:-1], cells[:-1], strict=True)
    )
    if len(cells) > 1:
        head += GAP
    parts = _fold(cells[-1], total - len(head) if total else None)
    if columns[-1].right:
        parts = [part.rjust(widths[-1]) for part in parts]
    lines = [head + parts[0], *(" " * len(head) + part for part in parts[1:])]
    return [line.rstrip() for line in lines]
