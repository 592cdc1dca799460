"""The engine finds what kills or stalls its workers, keeps the input, and goes on."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import pytest

from fuzz import decoder, worker
from fuzz.engine import Engine, Plan, Totals, reproduce
from fuzz.finding import Violation

SECONDS = 60.0  # the engine ends earlier, when it has found as many as there are


def plan(directory: Path, function: str, **arguments: object) -> Plan:
    settings: dict[str, object] = {
        "seconds": SECONDS, "timeout": 2.0, "directory": directory, "data_only": True,
        "target": f"tests.fuzz.planted:{function}", **arguments,
    }  # fmt: skip
    return Plan(**settings)  # type: ignore[arg-type]


def test_an_exception_a_hang_and_a_crash_are_found_and_repeat(tmp_path: Path) -> None:
    seen: list[Totals] = []
    planned = plan(tmp_path, "all_at_once", most_findings=3)
    totals = Engine(planned, lambda totals, elapsed: seen.append(totals)).run()
    kinds = sorted(signature.split()[0] for signature in totals.findings)
    assert kinds == ["KeyError", "crash", "hang"]
    assert seen
    assert totals.cases > 0
    for finding in totals.findings.values():
        assert finding.path.name.startswith("crash-")
        assert finding.path.with_suffix(".txt").read_text().startswith(finding.signature)
        if finding.signature.startswith("KeyError"):
            again = reproduce(planned, finding.path)
            assert again is not None
            assert again.signature == finding.signature
            assert "planted" in again.text


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--directory", str(tmp_path), "--data-only"]
    target = ["--target", "tests.fuzz.planted:does_nothing"]
    assert decoder.main([*common, *target, "--seconds", "1", "--seed", "5"]) == 0
    said = capsys.readouterr().out
    assert "seed 5" in said
    assert "0 findings" in said
    assert (tmp_path / "current-0.bin").is_file()
    assert decoder.main([*common, *target, "--reproduce", str(tmp_path / "current-0.bin")]) == 0
    assert "shows nothing" in capsys.readouterr().out


def test_a_thread_that_is_left_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_GRACE_SECONDS", 0.05)
    monkeypatch.setattr(worker, "_grown_up_threads", set(threading.enumerate()))
    worker.check_nothing_left()
    release = threading.Event()
    left = threading.Thread(target=release.wait, name="planted")
    left.start()
    try:
        with pytest.raises(Violation, match="planted"):
            worker.check_nothing_left()
    finally:
        release.set()
        left.join()


def test_coverage_guidance_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert decoder.main(["--engine", "atheris", "--directory", str(tmp_path)]) == 2
    assert "atheris is not installed" in capsys.readouterr().err
