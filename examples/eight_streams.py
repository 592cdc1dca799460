"""Decode eight streams at once, a thread and a session for each.

Sessions wait and work without the GIL, so that threads scale with the engines of the device.

usage: python examples/eight_streams.py [--backend NAME] FILE...    (files are taken in turn)
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import videohw

STREAMS = 8


def count(path: str, backend: str) -> tuple[int, str]:
    """(pictures, backend that decoded them)."""
    memory = "host" if backend in ("auto", "software") else "device"
    with videohw.open(path, backend=backend, memory=memory) as video:
        pictures = sum(1 for _ in video)
        return pictures, video.summary()["backend"]


def main(paths: list[str], backend: str) -> None:
    chosen = [paths[number % len(paths)] for number in range(STREAMS)]
    began = time.perf_counter()
    with ThreadPoolExecutor(STREAMS) as threads:
        done = list(threads.map(lambda path: count(path, backend), chosen))
    seconds = time.perf_counter() - began
    for path, (pictures, used) in zip(chosen, done, strict=True):
        print(f"{path}: {pictures} pictures on {used}")
    total = sum(pictures for pictures, _ in done)
    print(f"{total} pictures in {seconds:.1f} s: {total / seconds:.0f} a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--backend", default="auto")
    given = parser.parse_args()
    main(given.paths, given.backend)
