"""Rules of the emulated drivers are found in their sources, each with where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulators import report

SOURCE = """
// Rule (header): this is told. Rule (assumed): and this
// is not.
int first = 1; // Rule (trace)
    // Rule (assumed): last.
    int second = 2;
"""


def test_rules_are_found_with_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "HERE", tmp_path)
    (tmp_path / "some.cpp").write_text(SOURCE)
    assert report.rules() == [
        ("header", "some.cpp", "this is told."),
        ("assumed", "some.cpp", "and this is not."),
        ("trace", "some.cpp", "int first = 1"),
        ("assumed", "some.cpp", "last."),
    ]
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    written = report.written(page)
    assert written == report.written(written)
    assert "| `some.cpp` | last. |" in written
    assert "old" not in written
