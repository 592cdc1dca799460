"""Take pictures from a live H.264 stream that comes over a TCP connection.

The bytes may arrive in pieces of any size. Damage and a start in the middle of a stream are
skipped up to the next random access point. The best backend present decodes; ``--backend`` picks.

Try it: ``ffmpeg -re -i FILE -c:v libx264 -f h264 tcp://127.0.0.1:5000?listen`` and, beside it,
this program.

usage: python examples/socket_to_frames.py [--backend NAME] HOST PORT
"""

from __future__ import annotations

import argparse
import socket
import time

import videohw

RECEIVE_BYTES = 65536


def main(host: str, port: int, backend: str) -> None:
    with (
        socket.create_connection((host, port)) as connection,
        videohw.Decoder("h264", backend=backend, on_error="resync", low_latency=True) as decoder,
    ):
        count, began = 0, time.monotonic()
        pieces = iter(lambda: connection.recv(RECEIVE_BYTES), b"")
        for frame in decoder.decode(pieces):
            if not count:
                print(f"{frame.width}x{frame.height} {frame.format} on {decoder.backend}")
            count += 1
        seconds = time.monotonic() - began
        left_out = sum(decoder.summary()["reasons"].values())
    print(f"{count} pictures in {seconds:.1f} s, {left_out} left out")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--backend", default="auto")
    given = parser.parse_args()
    main(given.host, given.port, given.backend)
