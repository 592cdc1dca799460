"""Stream a screen: each picture coded at once, a few under way at most, Annex-B into a pipe.

Where VideoToolbox has an encoder for screens, it is taken: it drops pictures to hold the bitrate,
which is counted. What comes while too many are under way is left out: delay never grows.

usage: python examples/screen_stream.py [SECONDS] [BACKEND] > screen.h264
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

import videohw

WIDTH, HEIGHT, FPS, UNDER_WAY = 640, 360, 30, 2


def screen(frames: int) -> Iterator[npt.NDArray[np.uint8]]:
    """A still page, as BGRA, over which a window moves."""
    page = np.full((HEIGHT, WIDTH, 4), 245, np.uint8)
    page[::12, 20:-20] = (90, 60, 60, 255)
    for number in range(frames):
        picture = page.copy()
        left = 4 * number % (WIDTH - 120)
        picture[100:180, left : left + 120] = (200, 120, 40, 255)
        yield picture


def for_screens(backend: str) -> videohw.AppleEncoderOptions | None:
    for answer in videohw.capabilities("h264", backend) if backend == "videotoolbox" else ():
        if answer.details.get("low_latency_rate_control"):
            return videohw.AppleEncoderOptions(low_latency_rate_control=True, on_drop="count")
    return None


def main(seconds: int = 2, backend: str = "auto") -> None:
    out, late = sys.stdout.buffer, 0
    with videohw.Encoder(
        "h264", WIDTH, HEIGHT, fps=FPS, input="bgra", backend=backend, gop=0, low_latency=True,
        rate_control=videohw.VariableBitrate(1_000_000), max_in_flight=UNDER_WAY,
        options=for_screens(backend),
    ) as encoder:  # fmt: skip
        for number, picture in enumerate(screen(seconds * FPS)):
            try:  # a keyframe each second, for who joins
                encoder.submit(picture, number, force_keyframe=number % FPS == 0, timeout=1 / FPS)
            except videohw.Backpressure:
                late += 1
            out.writelines(packet.data for packet in iter(encoder.try_reap, None))
        out.writelines(packet.data for packet in encoder)
        print(f"{encoder.summary()['delivered']} pictures, {late} late", file=sys.stderr)


if __name__ == "__main__":
    given = [*sys.argv[1:], *("2", "auto")[len(sys.argv) - 1 :]]
    sys.exit(__doc__) if "--help" in given else main(int(given[0]), given[1])
