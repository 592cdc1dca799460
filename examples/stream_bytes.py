"""Decode a live stream: push bytes as they come, take pictures as they are ready.

Reads a raw H.264 stream from a file or from standard input, in pieces of any size.

usage: python examples/stream_bytes.py [FILE]
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import videohw

CHUNK_BYTES = 4096


def main(stream: BinaryIO) -> None:
    count = 0
    with videohw.Decoder("h264", on_error="resync") as decoder:
        while chunk := stream.read(CHUNK_BYTES):
            while True:
                try:
                    decoder.submit(chunk)
                    break
                except videohw.Backpressure:
                    # Nothing of the chunk was taken: take a picture, then give it again.
                    count += decoder.reap_timeout(0.1) is not None
            while decoder.try_reap() is not None:
                count += 1
        count += len(decoder.flush())
    print(f"{count} pictures")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with open(sys.argv[1], "rb") as file:
            main(file)
    else:
        main(sys.stdin.buffer)
