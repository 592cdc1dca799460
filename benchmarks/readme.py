"""Run the benchmarks that a page shows and write their tables into it, between their markers.

A page asks for the table of ``benchmarks/NAME.py`` with ``<!-- bench:NAME -->`` and
``<!-- /bench:NAME -->``; that module has ``rows()``, which measures, and ``table(rows)``, which
gives Markdown. Below the table stands the machine that it was taken on.

usage: python -m benchmarks.readme [PAGE ...]
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

import av
import numpy

import videohw

BLOCK = re.compile(
    r"(?P<open><!-- bench:(?P<name>\w+) -->\n).*?(?P<close><!-- /bench:(?P=name) -->)", re.DOTALL
)


def machine() -> str:
    """One sentence: processor, system, versions of what was measured, day."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}; "
        f"videohw {videohw.__version__}, Python {platform.python_version()}, "
        f"PyAV {av.__version__} (libavcodec {codec}), NumPy {numpy.__version__}; "
        f"{datetime.now(timezone.utc):%Y-%m-%d}."
    )


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        listed = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        listed = ""
    named = re.search(r"^model name\s*: (.+)$", listed, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def fill(block: re.Match[str]) -> str:
    """The block with a table measured now."""
    module = importlib.import_module(f"benchmarks.{block['name']}")
    print(f"measuring {block['name']} ...", flush=True)
    table = module.table(module.rows())
    print(table)
    return f"{block['open']}{table}\n\n{machine()}\n{block['close']}"


def main(pages: list[str]) -> None:
    for name in pages:
        page = Path(name)
        text = page.read_text(encoding="utf-8")
        if not BLOCK.search(text):
            sys.exit(f"{page} has no <!-- bench:NAME --> markers")
        page.write_text(BLOCK.sub(fill, text), encoding="utf-8")
        print(f"written into {page}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["README.md"])
