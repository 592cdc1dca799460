"""Lists the rules of the emulated drivers that nobody has seen a real driver keep.

usage: python -m tests.emulators.report [docs/hardware-status.md]

A rule carries its source in a comment of the emulators: ``Rule (header)``, ``Rule (trace)`` or
``Rule (assumed)``. With a page, the part of it between the two marks is written anew.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SOURCES = (".cpp", ".hpp")
RULE = re.compile(r"Rule \((header|trace|assumed)\)(?:: *|, *)?")
BEGIN, END = "<!-- assumed rules: begin -->", "<!-- assumed rules: end -->"


class Rule(NamedTuple):
    """One rule; ``what`` is the comment, or the code beside it where it says no more."""

    source: str
    file: str
    what: str


def rules_of(path: Path) -> Iterator[Rule]:
    """Every rule of a file, with the lines of its comment that follow."""
    lines = path.read_text(encoding="utf-8").splitlines()
    name = path.relative_to(HERE).as_posix()
    for number, line in enumerate(lines):
        parts = RULE.split(line) if '"Rule (' not in line else [line]
        code = parts[0].strip(" /*")
        for place in range(1, len(parts), 2):
            source, text = parts[place], parts[place + 1].strip(" */\\")
            ends_here = code or place + 2 < len(parts)
            for following in () if ends_here else lines[number + 1 :]:
                if not following.strip().startswith("//") or RULE.search(following):
                    break
                text += " " + following.strip(" /")
            yield Rule(source, name, text or code.rstrip("; "))


def rules() -> list[Rule]:
    paths = sorted(path for path in HERE.rglob("*") if path.suffix in SOURCES)
    return [rule for path in paths for rule in rules_of(path)]


def page_part() -> str:
    """The part of the page between the marks."""
    found = rules()
    counts = Counter(rule.source for rule in found)
    summary = (
        f"{counts['trace']} rules of the emulated drivers were seen on a device, "
        f"{counts['header']} are of the vendor's documents, {counts['assumed']} are assumed:"
    )
    lines = [
        summary,
        "",
        "| where | assumed |",
        "| --- | --- |",
    ]
    for rule in found:
        if rule.source == "assumed":
            text = rule.what.replace("|", "\\|")
            lines.append(f"| `{rule.file}` | {text} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """``page`` with that part as it is now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{page_part()}\n{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> None:
    if arguments:
        path = Path(arguments[0])
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(page_part())


if __name__ == "__main__":
    main(sys.argv[1:])
