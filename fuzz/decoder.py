"""Fuzz the decoder and the parser.

    python -m fuzz.decoder --seconds 600 --jobs 2
    python -m fuzz.decoder --reproduce build/fuzz/crash-0123456789ab.bin
    python -m fuzz.decoder --minimise build/fuzz/crash-0123456789ab.bin

Exit code 0: nothing was found (or the input shows nothing any more); 1: something was; 2: wrong
use. The same ``--seed`` makes the same cases. ``--engine atheris`` lets coverage of the Python
code choose the inputs, where the package atheris is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .engine import Engine, Plan, Totals, reproduce
from .minimise import minimise


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    plan = Plan(
        seconds=options.seconds,
        seed=options.seed,
        jobs=options.jobs,
        timeout=options.timeout,
        memory_mib=options.memory_mib,
        directory=options.directory,
        target=options.target,
        data_only=options.data_only,
    )
    os.environ.setdefault("SVT_LOG", "1")  # its encoder, which makes one of the seeds, is chatty
    if options.reproduce is not None:
        return _reproduce(plan, options.reproduce)
    if options.minimise is not None:
        smaller = minimise(plan, options.minimise)
        print(f"{smaller} ({smaller.stat().st_size} bytes)")
        return 1
    if options.engine == "atheris":
        from .guided import run_guided

        return run_guided(plan)
    return _run(plan)


def _run(plan: Plan) -> int:
    print(f"seed {plan.seed}, {plan.jobs} job(s), {plan.seconds:g} s", flush=True)
    terminal = sys.stdout.isatty()
    shown = 0.0

    def progress(totals: Totals, elapsed: float) -> None:
        nonlocal shown
        if elapsed - shown < (0.5 if terminal else 30):
            return
        shown = elapsed
        line = (
            f"{elapsed:5.0f} s  {totals.cases} cases  {totals.cases / elapsed:.0f}/s  "
            f"{len(totals.features)} features  {len(totals.findings)} findings"
        )
        print(f"\r{line}" if terminal else line, end="" if terminal else "\n", flush=True)

    totals = Engine(plan, progress).run()
    print("\n" if terminal else "", end="")
    print(
        f"{totals.cases} cases, {totals.cases / plan.seconds:.0f} a second, from {totals.seeds} "
        f"seeds; {len(totals.features)} features, {totals.kept} inputs kept for more; slowest "
        f"{totals.slowest_seconds:.2f} s, at most {totals.resident_bytes >> 20} MiB resident, "
        f"{totals.restarts} restarts"
    )
    for finding in totals.findings.values():
        print(f"\nFOUND {finding.signature}\n{finding.text.strip()}")
        print(f"  {_command(plan, finding.path)}")
    print(f"{len(totals.findings)} findings")
    return 1 if totals.findings else 0


def _reproduce(plan: Plan, path: Path) -> int:
    finding = reproduce(plan, path)
    if finding is None:
        print("it shows nothing")
        return 0
    print(f"{finding.signature}\n{finding.text.strip()}")
    return 1


def _command(plan: Plan, path: Path) -> str:
    target = "" if plan.target == Plan.target else f" --target {plan.target}"
    return f"python -m fuzz.decoder{target} --reproduce {path}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz.decoder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes that run cases")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one case")
    parser.add_argument("--memory-mib", type=int, default=6144, help="address space of a process")
    parser.add_argument("--directory", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--target", default=Plan.target, help="module:function")
    parser.add_argument("--data-only", action="store_true", help="seeds of tests/data only")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--reproduce", type=Path, metavar="FILE", help="run one input")
    only.add_argument("--minimise", type=Path, metavar="FILE", help="cut an input down")
    return parser


if __name__ == "__main__":
    sys.exit(main())
