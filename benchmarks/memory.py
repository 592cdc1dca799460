"""Does memory stay flat? Peak of a process that codes 1,000 frames, beside one that codes 10,000.

The consumer is slower than the codec and the producer submits as fast as it is let, so that the
session is at its limits all the time. Each run is a process of its own; its peak is VmHWM of
Linux. What differs between the two runs is the number of frames alone, so a session that kept
anything per frame would show it: a kept frame or packet of this size is ``FRAME_BYTES`` or
hundreds of bytes, ten thousand times.

usage: python -m benchmarks.memory [FRAMES]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import videohw

WIDTH, HEIGHT = 320, 180
FRAME_BYTES = WIDTH * HEIGHT * 3 // 2
FRAMES = 10_000
CONSUMER_SECONDS = 0.002  # for each output, above what either codec takes here for one
CHUNK_BYTES = 16 << 10
PENDING_BYTES = 128 << 10  # the decoder's limit on input, else all of the file could be queued
# More than this between the two runs is not flat: two hundred frames, or a tenth of the packets.
FLAT_MIB = 8.0


@dataclass(frozen=True)
class Row:
    """Peak memory in MiB of two runs of one direction, ``frames`` and a tenth of them.

    ``waited``: share of the outputs that were ready before the consumer came for them.
    """

    direction: str
    frames: int
    short_mib: float
    long_mib: float
    seconds: float
    waited: float

    @property
    def flat(self) -> bool:
        """True when the long run took no more than ``FLAT_MIB`` above the short one."""
        return self.long_mib - self.short_mib <= FLAT_MIB


def rows(frames: int = FRAMES) -> list[Row]:
    """Measure both directions, each number of frames in a new process."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for direction in ("encode", "decode"):
            short, _, _ = run(direction, frames // 10, folder)
            long, seconds, waited = run(direction, frames, folder)
            found.append(Row(direction, frames, short, long, seconds, waited))
    return found


def run(direction: str, frames: int, folder: str) -> tuple[float, float, float]:
    """(peak in MiB, seconds, share of outputs that waited) of one process."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", direction, str(frames), folder],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    peak, seconds, waited = map(float, ran.stdout.split())
    return peak, seconds, waited


def table(found: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| direction, frames | peak, a tenth of them | peak, all | difference | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {row.direction} H.264 {WIDTH}x{HEIGHT}, {row.frames:,} | {row.short_mib:.1f} MiB "
        f"| {row.long_mib:.1f} MiB | {row.long_mib - row.short_mib:+.1f} MiB "
        f"| {'flat' if row.flat else 'GROWS'}; {row.waited:.0%} of the outputs waited |"
        for row in found
    ]
    return "\n".join(lines)


def encode(frames: int, folder: str) -> float:
    """Encode pictures made on the fly; the packets go to ``folder`` for :func:`decode`."""
    picture = np.random.default_rng(3).integers(60, 180, (HEIGHT * 3 // 2, WIDTH + 64), np.uint8)
    with videohw.Encoder(
        "h264", WIDTH, HEIGHT, fps=30, preset="fastest", backend="software",
        rate_control=videohw.ConstantBitrate(500_000),
    ) as encoder, coded_file(folder, frames).open("wb") as file:  # fmt: skip

        def produce() -> None:
            for number in range(frames):
                left = number % 64
                encoder.submit(picture[:, left : left + WIDTH], timeout=None)

        def take(packet: videohw.Packet) -> None:
            file.write(packet.data)

        return consume(encoder, produce, take, frames)


def decode(frames: int, folder: str) -> float:
    """Decode what :func:`encode` wrote, read in pieces."""
    with videohw.Decoder(
        "h264", backend="software", max_pending_bytes=PENDING_BYTES
    ) as decoder, coded_file(folder, frames).open("rb") as file:  # fmt: skip

        def produce() -> None:
            while chunk := file.read(CHUNK_BYTES):
                decoder.submit(chunk, timeout=None)

        def take(frame: videohw.Frame) -> None:
            assert frame.width == WIDTH

        return consume(decoder, produce, take, frames)


def coded_file(folder: str, frames: int) -> Path:
    return Path(folder) / f"{frames}.h264"


def consume(
    session: videohw.Decoder | videohw.Encoder,
    produce: Callable[[], None],
    take: Callable[..., None],
    frames: int,
) -> float:
    """Reap slowly what a second thread makes the session produce; the share that was waiting."""
    producer = threading.Thread(target=produce)
    producer.start()
    count = waited = 0
    while count < frames:
        output = session.try_reap()
        if output is not None:
            waited += 1
        elif producer.is_alive():
            output = session.reap_timeout(0.01)
        else:
            break
        if output is not None:
            take(output)
            count += 1
            time.sleep(CONSUMER_SECONDS)
    producer.join()
    for output in session:
        take(output)
        count += 1
    if count != frames:
        raise RuntimeError(f"{count} outputs of {frames} frames")
    return waited / count


def peak_mib() -> float:
    """The most memory that this process had resident so far."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError("this system does not say VmHWM")
    return int(found[1]) / 1024


def main(arguments: list[str]) -> int:
    """0 when both directions are flat, 1 otherwise."""
    if len(arguments) == 3:
        direction, frames, folder = arguments
        began = time.monotonic()
        waited = {"encode": encode, "decode": decode}[direction](int(frames), folder)
        print(peak_mib(), time.monotonic() - began, waited)
        return 0
    found = rows(*map(int, arguments))
    print(table(found))
    return 0 if all(row.flat for row in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
