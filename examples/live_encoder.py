"""Code live, with what a live stream needs on the way: less bits, and a keyframe for who joins.

Half way the bitrate is lowered, as when a network gets slow: no keyframe, no gap. Whenever a viewer
joins, here once a second, one picture is made a keyframe. Prints the bitrate of each second, and
the keyframes.

usage: python examples/live_encoder.py [SECONDS] [BACKEND]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

import videohw

WIDTH, HEIGHT, FPS = 320, 180, 30
FAST, SLOW = videohw.ConstantBitrate(2_000_000), videohw.ConstantBitrate(500_000)
JOINS_AT = 10  # of each second's pictures


def camera(frames: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Noise that drifts, which costs bits all the time."""
    noise = np.random.default_rng(0).integers(30, 220, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    for number in range(frames):
        yield np.roll(noise, 3 * number, axis=0) // 2 + 60


def main(seconds: int = 4, backend: str = "auto") -> None:
    bits: Counter[int] = Counter()
    keyframes = []
    with videohw.Encoder(
        "h264", WIDTH, HEIGHT, fps=FPS, backend=backend, rate_control=FAST, gop=0, low_latency=True
    ) as encoder:
        for number, picture in enumerate(camera(seconds * FPS)):
            if number == seconds * FPS // 2:
                encoder.request_session_switch(videohw.SwitchRequest({"rate_control": SLOW}))
            joins = number % FPS == JOINS_AT
            encoder.submit(picture, force_keyframe=joins, timeout=None)
            packet = encoder.reap_timeout(1.0)
            if packet is None:  # later then; here everything would go to the network
                continue
            bits[packet.pts // FPS] += 8 * len(packet)
            keyframes += [packet.pts] if packet.keyframe else []
        print(f"on {encoder.backend}")
    for second, count in bits.items():
        print(f"second {second}: {count / 1000:.0f} kb/s")
    print(f"keyframes at {keyframes}")


if __name__ == "__main__":
    if "--help" in sys.argv:
        sys.exit(__doc__)
    given = [*sys.argv[1:], *("4", "auto")[len(sys.argv) - 1 :]]
    main(int(given[0]), given[1])
