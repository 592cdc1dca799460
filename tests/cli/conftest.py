"""Fixtures of the CLI's tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

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


@pytest.fixture(autouse=True)
def signals_that_arrive() -> Iterator[None]:
    """Signals do what they do in a terminal, also where the tests run behind ``nohup``."""
    named = [number for number in map(_signal, ("SIGINT", "SIGTERM", "SIGHUP")) if number]
    ignored = [number for number in named if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _signal(name: str) -> signal.Signals | None:
    return getattr(signal, name, None)  # Windows has no SIGHUP
