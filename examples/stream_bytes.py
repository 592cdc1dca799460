"""Decode a live stream: push bytes as they come, take pictures as they are ready.

Reads a raw H.264 stream from a file or from standard input, in pieces of any size.

usage: python examples/stream_bytes.py [FILE]
"""

from __future__ import annotations

import sys
from functools import partial
from typing import BinaryIO

import videohw

CHUNK_BYTES = 4096


def main(stream: BinaryIO) -> None:
    chunks = iter(partial(stream.read, CHUNK_BYTES), b"")
    with videohw.Decoder("h264", on_error="resync") as decoder:
        count = sum(1 for _ in decoder.decode(chunks))
    print(f"{count} pictures")


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.exit(__doc__)
    if len(sys.argv) > 1:
        with open(sys.argv[1], "rb") as file:
            main(file)
    else:
        main(sys.stdin.buffer)
