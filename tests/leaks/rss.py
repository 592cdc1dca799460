"""Does the process grow when things are opened and closed a thousand times? (``make leaks``)

Each kind of ``cycles`` runs in a process of its own. What a process grows by until its heap has
settled is not a leak, so the memory after a quarter of the cycles is compared with that after
all of them, each as the least of several readings: a leak adds to every reading, a peak of the
allocator to one. Growth of more than LIMIT_BYTES_A_CYCLE fails when MORE times the cycles show it
again: a leak grows by as much each cycle, a heap that settled late does not. Linux only.

usage: python -m tests.leaks.rss [CYCLES [KIND ...]]
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

from tests.leaks.cycles import KINDS

CYCLES = 1000
READINGS = 25  # one a cycle, in each of the two groups
# A sixth of one 64x64 picture, and less than any context of libavcodec; the allocator's own noise
# was seen to reach 1119 of 1000 cycles.
LIMIT_BYTES_A_CYCLE = 1024
MORE = 4
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Memory of this process that is in use by its heap, stacks and mappings of its own."""
    _, resident, shared = map(int, Path("/proc/self/statm").read_text().split()[:3])
    return (resident - shared) * PAGE_BYTES


def growth(kind: str, cycles: int) -> tuple[int, int]:
    """(bytes after a quarter of the cycles, bytes after all) of this process."""
    run = KINDS[kind]
    settled = cycles // 4
    first: list[int] = []
    last: list[int] = []
    for number in range(cycles):
        run()
        group = first if settled <= number < settled + READINGS else last
        if group is first or number >= cycles - READINGS:
            gc.collect()
            group.append(resident_bytes())
    return min(first), min(last)


def measure(kind: str, cycles: int) -> bool:
    """Print the line of one kind; True when it stayed below the limit."""
    # One arena, and what is freed at the top goes back at once: less noise between readings.
    quiet = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536"}
    ran = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--one", kind, str(cycles)],
        env={**os.environ, **quiet}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    before, after = map(int, ran.stdout.split())
    each = (after - before) / (cycles - cycles // 4 - READINGS)
    flat = each <= LIMIT_BYTES_A_CYCLE
    print(
        f"{kind:<10}{cycles:>8}{before / 2**20:>12.1f} MiB{after / 2**20:>12.1f} MiB"
        f"{each:>12.0f} bytes a cycle  {'flat' if flat else 'GROWS'}",
        flush=True,
    )
    return flat


def main(arguments: list[str]) -> int:
    """0 when every kind is flat, 1 when one grows."""
    if arguments[:1] == ["--one"]:
        print(*growth(arguments[1], int(arguments[2])))
        return 0
    cycles = int(arguments[0]) if arguments else CYCLES
    if cycles < 8 * READINGS:
        sys.exit(f"{cycles} cycles are too few to tell: {8 * READINGS} or more")
    print(f"{'kind':<10}{'cycles':>8}{'after a quarter':>16}{'after all':>16}{'growth':>12}")
    flat = [
        measure(kind, cycles) or measure(kind, MORE * cycles) for kind in arguments[1:] or KINDS
    ]
    return 0 if all(flat) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
