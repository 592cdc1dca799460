"""Code a video file anew without its pictures ever leaving the GPU.

The decoder's frames stay in device memory and the encoder reads them where they lie: one copy on
the device at decoding, or one kernel that scales them, none on the host. Writes the coded stream,
as H.264 or HEVC in Annex-B, and says how much went through the host. ``videohw transcode IN OUT
--backend nvidia`` does the same from container to container.

usage: python examples/gpu_transcode.py FILE OUT.h265 [WIDTHxHEIGHT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import videohw


def main(source: str, target: str, scaled: str = "") -> None:
    codec = "h264" if Path(target).suffix in (".h264", ".264") else "hevc"
    wanted = scaled.partition("x")
    size = (int(wanted[0]), int(wanted[2])) if scaled else None
    with videohw.open(source, backend="nvidia", memory="device", size=size) as video:
        width, height = size or (video.width, video.height)
        encoder = videohw.Encoder(
            codec, width, height, fps=video.fps or 25, time_base=video.time_base,
            backend="nvidia", color=video.color, rate_control=videohw.ConstantQuality(26), gop=60,
        )  # fmt: skip
        packets = pixels = 0
        with encoder, Path(target).open("wb") as out:
            for packet in encoder.encode(video):
                out.write(packet.data)
                packets += 1
                pixels += width * height
            told = encoder.summary()
    print(f"{packets} pictures of {width}x{height} as {codec} on {told['device_name']}")
    print(f"{pixels} pixels, of which {told['host_bytes']} bytes went through the host")


if __name__ == "__main__":
    if "--help" in sys.argv or len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:4])
