"""Write a video file from NumPy arrays: a bright bar that walks over a dark picture.

usage: python examples/write_video.py TARGET [FRAMES]
"""

from __future__ import annotations

import sys

import numpy as np

import videohw

WIDTH, HEIGHT, BAR = 320, 180, 20


def main(path: str, frames: int = 50) -> None:
    with videohw.VideoWriter(
        path, "h264", width=WIDTH, height=HEIGHT, fps=25, input="rgb24",
        metadata={"title": "A walking bar"},
    ) as video:  # fmt: skip
        for number in range(frames):
            picture = np.full((HEIGHT, WIDTH, 3), (20, 20, 60), np.uint8)
            left = number * 4 % (WIDTH - BAR)
            picture[:, left : left + BAR] = (250, 200, 40)
            video.write(picture)
    print(f"{path}: {frames} frames of {WIDTH}x{HEIGHT}")


if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], *(int(text) for text in sys.argv[2:3]))
