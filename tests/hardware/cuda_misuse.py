"""Asks libcuda what it answers to calls that are wrong or unusual, each group in its own process.

usage: python -m tests.hardware.cuda_misuse OUT.json

Answers are result codes by what was asked; "waits" is whether a call came back only after work
that was queued in a stream before. A group that ends its process is recorded as such, with the
answers before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.hardware import cuda_handles_misuse, cuda_kernel_misuse, cuda_memory_misuse
from tests.hardware.cuda_asker import GROUPS, Asker
from tests.hardware.cuvid import Driver, primary_context

PATIENCE_SECONDS = 60
ABOUT = (cuda_handles_misuse, cuda_memory_misuse, cuda_kernel_misuse)  # what fills GROUPS


def one(name: str) -> None:
    """Ask one group; the answers are printed as JSON."""
    driver = Driver()
    with primary_context(driver):
        GROUPS[name](Asker(driver))


def ask(name: str) -> dict[str, Any]:
    """The answers of a process of its own."""
    command = [sys.executable, "-m", "tests.hardware.cuda_misuse", "--one", name]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"end": "hangs"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    found = dict(json.loads(line.removeprefix("ANSWER ")) for line in lines)
    if done.returncode:
        found["end"] = f"exit {done.returncode}"
        if done.returncode == 1:
            found["error"] = done.stderr.strip().splitlines()[-1:]
    return found


def main(out: Path) -> None:
    answers = {name: ask(name) for name in GROUPS}
    for name, found in answers.items():
        print(f"{name}: {json.dumps(found)}", flush=True)
    text = ",\n".join(
        f" {json.dumps(name)}: {{\n"
        + ",\n".join(f"  {json.dumps(what)}: {json.dumps(code)}" for what, code in found.items())
        + "\n }"
        for name, found in answers.items()
    )
    out.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(sys.argv[2])
    else:
        main(Path(sys.argv[1]))
