"""The page about hardware lists what the emulated drivers assume."""

from __future__ import annotations

from tests.emulators.report import written
from tests.layout.sources import ROOT


def test_the_page_is_of_today() -> None:
    page = (ROOT / "docs" / "hardware-status.md").read_text(encoding="utf-8")
    assert page == written(page), "make emulator-report"
