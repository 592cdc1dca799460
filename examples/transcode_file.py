"""Turn a video file into HEVC (or another codec), keeping sound, subtitles and tags.

usage: python examples/transcode_file.py SOURCE TARGET [CODEC]
"""

from __future__ import annotations

import sys

import videohw
from videohw import TranscodeProgress


def show(progress: TranscodeProgress) -> None:
    of = f" of {progress.total}" if progress.total else ""
    print(f"{progress.frames}{of} frames in {progress.seconds:.1f} s", file=sys.stderr)


def main(source: str, target: str, codec: str = "hevc") -> None:
    result = videohw.transcode(source, target, codec=codec, progress=show)
    print(f"{result.frames_in} frames in, {result.frames_out} out, {result.bytes} bytes")
    print(f"{result.fps:.0f} frames per second by {result.encoder['backend']}")
    for index, packets in result.copied.items():
        print(f"stream {index}: {packets} packets copied")
    for dropped in result.dropped_streams:
        print(f"stream {dropped.stream.index} left out: {dropped.reason}")


if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:4])
