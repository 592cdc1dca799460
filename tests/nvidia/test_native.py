"""The memory of videohw/_native from C++, without Python: memory_check.cpp, case by case."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import videohw
from tests.emulators import build
from tests.emulators.control import Emulator, environment

HERE = Path(__file__).resolve().parent
NATIVE = Path(videohw.__file__).parent / "_native"
CASES = (
    "two_writers",
    "two_writers_untold",
    "host_writers",
    "readers",
    "relief",
    "outliving",
    "threads",
)


@pytest.fixture(scope="session")
def program(driver: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = build.compiler()
    assert compiler is not None
    made = tmp_path_factory.mktemp("native") / "memory_check"
    flags = ["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
    command = [compiler, *flags, f"-I{NATIVE}", HERE / "memory_check.cpp", "-o", made, "-ldl"]
    subprocess.run(command, check=True)
    return made


@pytest.mark.parametrize("streams", ["late", "early", "seed:3"])
@pytest.mark.parametrize("case", CASES)
def test_memory(driver: Emulator, program: Path, tmp_path: Path, case: str, streams: str) -> None:
    report = tmp_path / "report.json"
    settings = {"STREAMS": streams, "REPORT": report}
    ran = subprocess.run(
        [program, case],
        env=environment(driver.folder, **settings), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    found = json.loads(report.read_text())
    assert (found["open"], found["misuses"], found["lost"]) == ({}, [], {})
