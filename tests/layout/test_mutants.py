"""Each mutant of tools/mutants.txt finds its line, once: else ``make mutants`` ends there."""

from __future__ import annotations

from tests.layout.sources import ROOT


def test_every_mutant_finds_its_line() -> None:
    lost = []
    table = (ROOT / "tools" / "mutants.txt").read_text(encoding="utf-8")
    for block in table.strip().split("\n\n"):
        lines = [line.strip() for line in block.splitlines() if not line.startswith("#")]
        if lines:
            name, path, old, new, _ = (line.replace(r"\n", "\n") for line in lines)
            text = (ROOT / path).read_text(encoding="utf-8")
            if text.count(old) != 1 or old == new:
                lost.append(name)
    assert lost == []
