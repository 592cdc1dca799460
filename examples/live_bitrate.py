"""Code live and lower the bitrate on the way, as when a network gets slow: no keyframe, no gap.

Prints the bitrate of each second, and the keyframes.

usage: python examples/live_bitrate.py [SECONDS]
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


def camera(frames: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Noise that drifts, which costs bits all the time."""
    noise = np.random.default_rng(0).integers(30, 220, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    for number in range(frames):
        yield np.roll(noise, 3 * number, axis=0) // 2 + 60


def main(seconds: int = 4) -> None:
    bits: Counter[int] = Counter()
    keyframes = []
    with videohw.Encoder(
        "h264", WIDTH, HEIGHT, fps=FPS, rate_control=FAST, gop=0, low_latency=True
    ) as encoder:
        for number, picture in enumerate(camera(seconds * FPS)):
            if number == seconds * FPS // 2:
                encoder.request_session_switch(videohw.SwitchRequest({"rate_control": SLOW}))
            encoder.submit(picture, timeout=None)
            packet = encoder.reap_timeout(1.0)
            if packet is None:  # later then; here everything would go to the network
                continue
            bits[packet.pts // FPS] += 8 * len(packet)
            keyframes += [packet.pts] if packet.keyframe else []
    for second, count in bits.items():
        print(f"second {second}: {count / 1000:.0f} kb/s")
    print(f"keyframes at {keyframes}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
