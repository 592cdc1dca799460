"""Read the frames of a video file: all of it, or from a time on.

usage: python examples/read_frames.py FILE [SECONDS]
"""

from __future__ import annotations

import sys

import numpy as np

import videohw


def main(path: str, start: float = 0.0) -> None:
    with videohw.open(path) as video:
        print(f"{path}: {video.codec} {video.width}x{video.height}, {video.fps} frames per second")
        print(f"decoded by {video.summary()['backend']}")
        if start:
            video.seek(start)
        for count, frame in enumerate(video, 1):
            brightness = float(np.mean(frame.planes[0]))
            seconds = float(frame.pts * video.time_base) if frame.pts is not None else 0.0
            mark = " keyframe" if frame.keyframe else ""
            print(f"{count:5} {seconds:9.3f} s  brightness {brightness:6.1f}{mark}")


if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], *(float(text) for text in sys.argv[2:3]))
