"""Decode several files at once, each in a process of its own.

A session belongs to the process that opened it: in a forked child every call of it raises
SessionClosed. So a process is given the name of its file, opens a session itself, and gives
numbers back. Which start method:

- spawn: works everywhere, whatever the parent has open. The default on macOS and Windows.
- forkserver: as safe, and faster from the second process on. The default on Linux from
  Python 3.14.
- fork: the default on Linux before. Only from a process that has one thread and has opened no
  session, as here: a fork copies what other threads hold locked (in the codec library, in the
  driver), and nobody unlocks it there. CUDA does not work at all in a child of a process that
  has used it.

usage: python examples/many_processes.py spawn|forkserver|fork FILE [FILE ...]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import videohw


def measure(path: str) -> tuple[int, float, int]:
    """(frames, mean luma, process) of one file; runs in a worker."""
    with videohw.open(path) as video:
        brightness = [float(np.mean(frame.planes[0])) for frame in video]
    return len(brightness), float(np.mean(brightness)), os.getpid()


def main(method: str, *paths: str) -> None:
    context = multiprocessing.get_context(method)
    workers = min(len(paths), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for path, (frames, brightness, worker) in zip(paths, pool.map(measure, paths), strict=True):
            print(f"{path}: {frames} frames, brightness {brightness:.1f}, by process {worker}")


# spawn and forkserver import this file in each worker: what starts them stands here.
if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
