"""Code a video file anew without its pictures ever leaving the GPU.

The decoder's frames stay in device memory and the encoder reads them where they lie: one copy on
the device at decoding, none on the host. Writes the coded stream, as H.264 or HEVC in Annex-B, and
says how much went through the host. ``videohw transcode IN OUT --backend nvidia`` does the same
from container to container.

usage: python examples/gpu_transcode.py FILE OUT.h265
"""

from __future__ import annotations

import sys
from pathlib import Path

import videohw


def main(source: str, target: str) -> None:
    codec = "h264" if Path(target).suffix in (".h264", ".264") else "hevc"
    with videohw.open(source, backend="nvidia", memory="device") as video:
        encoder = videohw.Encoder(
            codec, video.width, video.height, fps=video.fps or 25, time_base=video.time_base,
            backend="nvidia", color=video.color, rate_control=videohw.ConstantQuality(26), gop=60,
        )  # fmt: skip
        packets = pixels = 0
        with encoder, Path(target).open("wb") as out:
            for packet in encoder.encode(video):
                out.write(packet.data)
                packets += 1
                pixels += video.width * video.height
            told = encoder.summary()
    print(f"{packets} pictures of {video.width}x{video.height} as {codec} on {told['device_name']}")
    print(f"{pixels} pixels, of which {told['host_bytes']} bytes went through the host")


if __name__ == "__main__":
    main(*sys.argv[1:3])
