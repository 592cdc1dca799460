"""The examples that start processes: every start method, and a DataLoader's workers."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.test_examples import EXAMPLES
from tests.files.clips import Recipe, make
from tests.interop.libraries import library

# Three interpreters that import PyTorch or PyAV take long where other things run.
PATIENCE_SECONDS = 280


def run(name: str, *arguments: object) -> list[str]:
    """The lines that an example prints."""
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def clips(folder: Path) -> list[Path]:
    """Three files; the second is half as long."""
    counts = (24, 12, 24)
    return [
        make(folder / f"{number}.mp4", Recipe(pts=tuple(range(count))))
        for number, count in enumerate(counts)
    ]


@pytest.mark.timeout(PATIENCE_SECONDS + 20)
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_many_processes(method: str, tmp_path: Path) -> None:
    lines = run("many_processes.py", method, *clips(tmp_path))
    found = [re.search(r"(\d\.mp4): (\d+) frames, brightness [\d.]+, by process", s) for s in lines]
    assert [match and match.groups() for match in found] == [
        ("0.mp4", "24"), ("1.mp4", "12"), ("2.mp4", "24"),
    ]  # fmt: skip


@pytest.mark.timeout(PATIENCE_SECONDS + 20)
def test_dataloader(tmp_path: Path) -> None:
    library("torch", "PyTorch")
    lines = run("dataloader.py", *clips(tmp_path))
    batches = [line for line in lines if line.startswith("batch")]
    # Each worker fills batches of its own: files 0 and 2 are 48 frames, file 1 is 12.
    assert len(batches) == 6 + 2
    assert sum(line.startswith("batch (8, 3, 96, 160) torch.uint8") for line in batches) == 7
    counts = [re.search(r"(\d\.mp4): (\d+) frames$", line) for line in lines[len(batches) :]]
    assert [match and match.groups() for match in counts] == [
        ("0.mp4", "24"), ("1.mp4", "12"), ("2.mp4", "24"),
    ]  # fmt: skip
