"""Fixtures of the CLI's tests."""

from __future__ import annotations

import pytest

from tests.cli.running import Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""
    return Run(capsys)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the caller changes how things are shown."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "VIDEOHW_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
