"""The process in which cases run: one after the other, until its time is over or it dies of one.

    python -m fuzz.worker --job 0 --seed 1 --first 0 --seconds 10 --directory build/fuzz

It says what it does on stdout, a JSON object a line: ``{"cases": ...}`` now and then,
``{"found": ...}`` for a finding that it survived. The input under way is always in
``current-JOB.bin``, so that one which kills the process is there to be taken. A case that takes
longer than ``--timeout`` seconds writes the stacks of all threads and ends the process.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

from .case import Case
from .finding import Violation, signature
from .mutate import fresh_case, mutated
from .seeds import Seed, load

Target = Callable[[bytes], frozenset[str]]

REPORT_SECONDS: Final = 0.5
_MOST_KEPT: Final = 400  # inputs that showed something new, to be changed further
_FRESH_SHARE: Final = 0.6
# Growth beyond this, after the first cases have filled all caches, is a leak and not a spread:
# the allocator keeps what the largest picture so far needed.
_WARM_CASES: Final = 300
_MEMORY_GROWTH_BYTES: Final = 384 << 20
_CHECK_MEMORY_EVERY: Final = 100
# Threads and sessions that are still there this long after a case will not go.
_GRACE_SECONDS: Final = 10.0


class Worker:
    """Makes cases, runs them and reports."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._target = load_target(options.target)
        self._seeds: tuple[Seed, ...] = load(whole_corpus=not options.data_only)
        self._current = Path(options.directory) / f"current-{options.job}.bin"
        self._kept: list[Case] = []
        self._features: set[str] = set()
        self._slowest = (0.0, -1)
        self._warm_bytes = 0

    def run(self) -> None:
        """Cases until the time is over."""
        options = self._options
        number, reported = options.first, time.monotonic()
        deadline = reported + options.seconds
        while time.monotonic() < deadline:
            self._run_case(number, self._next_case(number))
            number += 1
            if time.monotonic() - reported > REPORT_SECONDS:
                self._report(number)
                reported = time.monotonic()
        self._report(number)

    def _next_case(self, number: int) -> Case:
        rng = Random(f"{self._options.seed}/{self._options.job}/{number}")
        if not self._kept or rng.random() < _FRESH_SHARE:
            return fresh_case(rng, self._seeds)
        return mutated(rng, rng.choice(self._kept), self._seeds)

    def _run_case(self, number: int, case: Case) -> None:
        data = case.to_bytes()
        self._current.write_bytes(data)
        began = time.monotonic()
        faulthandler.dump_traceback_later(self._options.timeout, exit=True)
        try:
            seen = self._target(data)
            check_nothing_left()
            if number % _CHECK_MEMORY_EVERY == 0:
                self._check_memory(number)
        except Exception as error:
            say({"found": signature(error), "text": described(error), "data": data.hex()})
            # What the finding left behind is not held against the cases that follow.
            _grown_up_threads.update(threading.enumerate())
            seen = frozenset()
        finally:
            faulthandler.cancel_dump_traceback_later()
        self._slowest = max(self._slowest, (time.monotonic() - began, number))
        if not seen <= self._features and len(self._kept) < _MOST_KEPT:
            self._kept.append(case)
        self._features |= seen

    def _check_memory(self, number: int) -> None:
        now = resident_bytes()
        if number - self._options.first < _WARM_CASES:
            self._warm_bytes = max(self._warm_bytes, now)
            return
        gc.collect()
        grown = resident_bytes() - self._warm_bytes
        if grown > _MEMORY_GROWTH_BYTES:
            self._warm_bytes += grown
            raise Violation(f"memory grows: {grown >> 20} MiB more than after the first cases")

    def _report(self, number: int) -> None:
        say(
            {
                "cases": number - self._options.first,
                "features": sorted(self._features),
                "kept": len(self._kept),
                "seeds": len(self._seeds),
                "resident_bytes": resident_bytes(),
                "slowest_seconds": round(self._slowest[0], 3),
                "slowest_case": self._slowest[1],
            }
        )


_grown_up_threads: set[threading.Thread] = set(threading.enumerate())


def check_nothing_left() -> None:
    """:class:`Violation` when a session is open or a thread alive that a case began."""
    module = sys.modules.get("videohw.sessions.open_sessions")
    deadline = time.monotonic() + _GRACE_SECONDS
    while left := set(threading.enumerate()) - _grown_up_threads:
        left = {thread for thread in left if not thread.name.endswith("(abandoned)")}
        if not left:
            break
        for thread in left:
            thread.join(max(deadline - time.monotonic(), 0.01))
        if time.monotonic() > deadline:
            names = sorted(thread.name for thread in left)
            raise Violation(f"threads are left: {names}")
    sessions: Any = getattr(module, "open_sessions", ())
    if any(not session.closed for session in list(sessions)):
        raise Violation("a session is left open")


def resident_bytes() -> int:
    """Memory of this process that is in use; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def load_target(name: str) -> Target:
    """``module:function`` as a target."""
    module, _, function = name.partition(":")
    target: Target = getattr(importlib.import_module(module), function)
    return target


def described(error: BaseException) -> str:
    """The error with the innermost part of its traceback."""
    return "".join(traceback.format_exception(error, limit=-6))


def say(what: dict[str, Any]) -> None:
    """One line to the engine."""
    print(json.dumps(what), flush=True)


def limit_memory(byte_count: int) -> None:
    """Address space of this process; beyond it the codec library is refused memory."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (byte_count, byte_count))


def arguments() -> argparse.ArgumentParser:
    """The options of this command."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.worker", description=__doc__)
    parser.add_argument("--job", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--memory-mib", type=int, default=6144)
    parser.add_argument("--directory", default="build/fuzz")
    parser.add_argument("--target", default="fuzz.target:run")
    parser.add_argument("--data-only", action="store_true")
    parser.add_argument("--replay", metavar="FILE", help="run this one input")
    return parser


def main() -> None:
    """Run cases, or the one of ``--replay``."""
    options = arguments().parse_args()
    faulthandler.enable()
    limit_memory(options.memory_mib << 20)
    os.environ.setdefault("SVT_LOG", "1")
    if options.replay is None:
        Worker(options).run()
        return
    faulthandler.dump_traceback_later(options.timeout, exit=True)
    try:
        seen = load_target(options.target)(Path(options.replay).read_bytes())
        check_nothing_left()
    except Exception as error:
        say({"found": signature(error), "text": described(error)})
    else:
        say({"features": sorted(seen)})


if __name__ == "__main__":
    main()
