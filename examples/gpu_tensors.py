"""Turn a video file into PyTorch tensors on the GPU, with no copy through the host.

Pictures are decoded, converted to RGB, scaled and normalised on the device, and handed to PyTorch
through DLPack: the tensor is the decoder's own memory, which goes back to its pool when the last
tensor that shows it is gone. What PyTorch queued on its stream before that is waited for, on the
device.

usage: python examples/gpu_tensors.py FILE
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch

import videohw

SIZE = (224, 224)
BATCH = 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


def batches(path: str) -> Iterator[torch.Tensor]:
    """(pictures, 3, rows, columns) in float16, on the device."""
    with videohw.open(
        path, backend="nvidia", memory="device", output="rgb_float16", size=SIZE, mean=MEAN, std=STD
    ) as video:
        waiting: list[torch.Tensor] = []
        for frame in video:
            waiting.append(torch.from_dlpack(frame))
            if len(waiting) == BATCH:
                yield torch.stack(waiting)
                waiting.clear()
        if waiting:
            yield torch.stack(waiting)


def main(path: str) -> None:
    count = 0
    for batch in batches(path):
        count += len(batch)
        print(f"{tuple(batch.shape)} {batch.dtype} on {batch.device}, mean {batch.mean():.3f}")
    print(f"{count} pictures")


if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1])
