"""Runs workers, keeps what they find, and starts those again that died of a case.

Must not know what a case is: that is the target's business.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]  # where ``python -m fuzz`` finds us
# A worker ends a case that hangs by itself; one that does not even do that is killed.
_KILL_AFTER_TIMEOUTS: Final = 3
_LOG_TAIL_CHARACTERS: Final = 6000


@dataclass(frozen=True)
class Finding:
    """One cause: ``signature`` names it, ``path`` is the first input that showed it."""

    signature: str
    path: Path
    text: str


@dataclass
class Totals:
    """What was done so far, over all workers."""

    cases: int = 0
    seeds: int = 0
    kept: int = 0
    features: set[str] = field(default_factory=set)
    resident_bytes: int = 0
    slowest_seconds: float = 0.0
    restarts: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a run is to do. ``target`` is ``module:function``; times in seconds."""

    seconds: float
    seed: int = 0
    jobs: int = 1
    timeout: float = 60.0
    memory_mib: int = 6144
    directory: Path = Path("build/fuzz")
    target: str = "fuzz.target:run"
    data_only: bool = False
    most_findings: int = 20

    def command(self, *extra: str) -> list[str]:
        """The command line of a worker."""
        return [
            sys.executable, "-m", "fuzz.worker", "--timeout", str(self.timeout),
            "--memory-mib", str(self.memory_mib), "--directory", str(self.directory.resolve()),
            "--target", self.target, "--seed", str(self.seed),
            *(["--data-only"] if self.data_only else []), *extra,
        ]  # fmt: skip


def environment() -> dict[str, str]:
    """Of processes that run cases: with one heap, so that memory that grows is memory that leaks.

    glibc gives threads heaps of their own. Each keeps what its fullest moment needed, and sessions
    that come and go with their frame threads fill one after the other: 100 MiB in 6000 cases,
    where a single heap stays flat.
    """
    return {**os.environ, "MALLOC_ARENA_MAX": "1"}


class _Job:
    """One worker process after the other."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self.number = number
        self.current = plan.directory / f"current-{number}.bin"
        self._log = plan.directory / f"log-{number}.txt"
        self._first = 0  # case that the process begins with
        self._cases_before = self._cases = 0
        self.heard = time.monotonic()
        self.process: subprocess.Popen[str] | None = None

    def start(self, seconds: float) -> subprocess.Popen[str]:
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                self._plan.command(
                    "--job", str(self.number), "--first", str(self._first),
                    "--seconds", f"{seconds:.1f}",
                ),
                stdout=subprocess.PIPE, stderr=log, text=True, env=environment(), cwd=ROOT,
            )  # fmt: skip
        self.heard = time.monotonic()
        return self.process

    def died(self) -> str:
        """What the process left in its log; the next one skips the case it died of."""
        self._cases_before += self._cases + 1
        # Far from the cases of this process, whose last numbers were not reported.
        self._first += self._cases + 1_000_000
        self._cases = 0
        return self._log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]

    def end(self) -> None:
        """Kill the process if it still runs."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def cases(self) -> int:
        return self._cases_before + self._cases

    def reported(self, said: dict[str, Any]) -> None:
        self._cases = said["cases"]


class Engine:
    """One run. ``progress`` is called with the totals about twice a second."""

    def __init__(self, plan: Plan, progress: Callable[[Totals, float], None]) -> None:
        plan.directory.mkdir(parents=True, exist_ok=True)
        self._plan = plan
        self._progress = progress
        self._totals = Totals()
        self._jobs = [_Job(plan, number) for number in range(plan.jobs)]
        self._selector = selectors.DefaultSelector()

    def run(self) -> Totals:
        """Until the time is over, or enough was found."""
        began = time.monotonic()
        self._end = began + self._plan.seconds
        for job in self._jobs:
            self._start(job)
        try:
            while self._selector.get_map():
                for key, _ in self._selector.select(0.5):
                    self._read(key)
                self._kill_silent()
                self._sum_up()
                self._progress(self._totals, time.monotonic() - began)
                if len(self._totals.findings) >= self._plan.most_findings:
                    break
        finally:
            for job in self._jobs:
                job.end()
            self._selector.close()
        return self._totals

    def _start(self, job: _Job) -> None:
        process = job.start(max(self._end - time.monotonic(), 1.0))
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, job)

    def _read(self, key: selectors.SelectorKey) -> None:
        job: _Job = key.data
        line = key.fileobj.readline()  # type: ignore[union-attr]
        if line:
            job.heard = time.monotonic()
            self._hear(job, json.loads(line))
            return
        self._selector.unregister(key.fileobj)
        assert job.process is not None
        code = job.process.wait()
        key.fileobj.close()  # type: ignore[union-attr]
        if code:
            self._lost(job, code)

    def _hear(self, job: _Job, said: dict[str, Any]) -> None:
        if "found" in said:
            # The worker has gone on: what lies in its file is another case by now.
            self._found(said["found"], bytes.fromhex(said["data"]), said["text"])
            return
        totals = self._totals
        job.reported(said)
        totals.features |= set(said["features"])
        totals.seeds, totals.kept = said["seeds"], max(totals.kept, said["kept"])
        totals.resident_bytes = max(totals.resident_bytes, said["resident_bytes"])
        totals.slowest_seconds = max(totals.slowest_seconds, said["slowest_seconds"])

    def _lost(self, job: _Job, code: int) -> None:
        """A worker ended by itself: the case under way did it."""
        log = job.died()
        if not job.current.exists():
            raise RuntimeError(f"a worker cannot start (exit code {code}):\n{log}")
        hung = "Timeout (" in log or code == -9
        self._found(end_signature(code, hung, log), job.current.read_bytes(), log)
        self._totals.restarts += 1
        if time.monotonic() < self._end:
            self._start(job)

    def _kill_silent(self) -> None:
        patience = _KILL_AFTER_TIMEOUTS * self._plan.timeout
        for job in self._jobs:
            if job.process is not None and time.monotonic() - job.heard > patience:
                job.process.kill()

    def _found(self, signature: str, data: bytes, text: str) -> None:
        if signature in self._totals.findings:
            return
        name = hashlib.sha256(data).hexdigest()[:12]
        path = self._plan.directory / f"crash-{name}.bin"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(f"{signature}\n\n{text}\n")
        self._totals.findings[signature] = Finding(signature, path, text)

    def _sum_up(self) -> None:
        self._totals.cases = sum(job.cases for job in self._jobs)


def end_signature(code: int, hung: bool, log: str) -> str:
    """What names the end of a process: the signal, or the hang, and where our code stood."""
    ours = [line.strip() for line in log.splitlines() if "videohw" in line and "File" in line]
    place = ours[0].rpartition("/")[2] if ours else "nowhere of ours"
    return f"hang in {place}" if hung else f"crash ({code}) in {place}"


def reproduce(plan: Plan, path: Path) -> Finding | None:
    """Run one input in a process of its own; what it shows, None for nothing."""
    try:
        ran = subprocess.run(
            plan.command("--replay", str(path.resolve())),
            capture_output=True, text=True, check=False, env=environment(), cwd=ROOT,
            timeout=_KILL_AFTER_TIMEOUTS * plan.timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return Finding("hang in nowhere of ours", path, str(error))
    if ran.returncode:
        log = ran.stderr[-_LOG_TAIL_CHARACTERS:]
        return Finding(end_signature(ran.returncode, "Timeout (" in log, log), path, log)
    said = json.loads(ran.stdout.splitlines()[-1])
    return Finding(said["found"], path, said["text"]) if "found" in said else None
