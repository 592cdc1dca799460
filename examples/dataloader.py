"""Feed a PyTorch DataLoader from video files, decoded in its workers.

The data set holds names of files, nothing open, so that it can be sent to any worker; a worker
opens its session when it is first asked for a frame, and takes every n-th file. A frame becomes
a tensor through DLPack, without a copy: it shows the decoder's own memory, is not to be written
to, and stays as long as the tensor. Batches leave their worker through shared memory.

Start method: "spawn", or "forkserver" where there is one. The "fork" that a DataLoader takes on
Linux before Python 3.14 copies locks which threads of the parent hold, and a session or a CUDA
context that the parent has opened does not work in the child (a session says so: SessionClosed).

usage: python examples/dataloader.py FILE [FILE ...]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import videohw

SIZE = (160, 96)
WORKERS = 2


class VideoFrames(IterableDataset):
    """(RGB uint8 tensor of shape (3, rows, columns), number of its file) of every frame."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        worker = get_worker_info()  # None in the main process: num_workers=0
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(first, len(self.paths), step):
            with videohw.open(self.paths[number], output="rgb_planar", size=SIZE) as video:
                for frame in video:
                    yield torch.from_dlpack(frame), number


def main(paths: list[str]) -> None:
    loader = DataLoader(
        VideoFrames(paths), batch_size=8, num_workers=WORKERS, multiprocessing_context="spawn"
    )
    frames = torch.zeros(len(paths), dtype=torch.int64)
    for pictures, numbers in loader:
        frames += torch.bincount(numbers, minlength=len(paths))
        print(f"batch {tuple(pictures.shape)} {pictures.dtype} of files {numbers.tolist()}")
    for path, count in zip(paths, frames.tolist(), strict=True):
        print(f"{path}: {count} frames")


if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
