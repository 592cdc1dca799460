"""Asks the driver what it answers to calls that are wrong, each in a process of its own.

usage: python -m tests.hardware.misuse OUT.json STREAM.h264

Result codes are recorded by name. A call that ends the process is recorded as such, one that does
not come back within ten seconds as "hangs".
"""

from __future__ import annotations

import ctypes as c
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hardware.cuvid import (
    CODECS,
    CreateInfo,
    DecodeStatus,
    Driver,
    Packet,
    ParserParameters,
    PictureParameters,
    ProcessParameters,
    ReconfigureInfo,
    SequenceCallback,
    primary_context,
)
from tests.hardware.traces import Feeding, Recorder

PATIENCE_SECONDS = 10
Answer = Callable[[Driver, Path], "list[Any]"]
MISUSES: dict[str, Answer] = {}


def misuse(ask: Answer) -> Answer:
    MISUSES[ask.__name__] = ask
    return ask


def info(**changes: int) -> Any:
    """What a decoder of 320x240 H.264 is created with, but for ``changes``."""
    facts = {
        "width": 320, "height": 240, "decode_surfaces": 8, "codec": CODECS["h264"],
        "chroma_format": 1, "creation_flags": 4, "max_width": 320, "max_height": 240,
        "target_width": 320, "target_height": 240, "output_surfaces": 2, **changes,
    }  # fmt: skip
    made = CreateInfo(**facts)
    made.display_area.right, made.display_area.bottom = facts["width"], facts["height"]
    return made


def created(driver: Driver, **changes: int) -> tuple[c.c_void_p, int]:
    decoder = c.c_void_p()
    return decoder, driver.cuvidCreateDecoder(c.byref(decoder), c.byref(info(**changes)))


def mapped(driver: Driver, decoder: c.c_void_p, index: int) -> tuple[int, int, int]:
    """(result code, address, pitch) of mapping a picture."""
    address, pitch = c.c_ulonglong(), c.c_uint()
    processing = ProcessParameters(progressive_frame=1)
    code = driver.cuvidMapVideoFrame64(
        decoder, index, c.byref(address), c.byref(pitch), c.byref(processing)
    )
    return code, address.value, pitch.value


class Held(Recorder):
    """Decodes a stream and keeps the decoder; ``indices`` are those of its last pictures."""

    def run(self, data: bytes) -> list[list[Any]]:
        self.indices: list[int] = []
        self.destroyed, self._destroy = [], self.driver.cuvidDestroyDecoder
        self.driver.__dict__["cuvidDestroyDecoder"] = lambda decoder: 0
        try:
            return super().run(data)
        finally:
            del self.driver.__dict__["cuvidDestroyDecoder"]

    def _picture(self, index: int, processing: Any) -> None:
        self.indices.append(index)


def decoded(driver: Driver, stream: Path) -> Held:
    held = Held(driver, "h264", Feeding("units", "unit", 10))
    held.run(stream.read_bytes())
    return held


@misuse
def create_without_a_context(driver: Driver, stream: Path) -> list[Any]:
    driver.cuCtxPopCurrent_v2(c.byref(c.c_void_p()))
    return [created(driver)[1]]


@misuse
def caps_without_a_context(driver: Driver, stream: Path) -> list[Any]:
    from tests.hardware.cuvid import caps_of

    driver.cuCtxPopCurrent_v2(c.byref(c.c_void_p()))
    return [caps_of(driver, "h264", "420", 8)[0]]


@misuse
def create_of_odd_things(driver: Driver, stream: Path) -> list[Any]:
    return [
        ["av1", created(driver, codec=CODECS["av1"])[1]],
        ["codec 99", created(driver, codec=99)[1]],
        ["4:2:2", created(driver, chroma_format=2, output_format=4)[1]],
        ["10 bit h264", created(driver, bit_depth_minus8=2, output_format=1)[1]],
        ["16 wide", created(driver, width=16, height=16, max_width=16, max_height=16)[1]],
        ["8192 wide", created(driver, width=8192, height=8192, max_width=8192, max_height=8192)[1]],
        ["no surfaces", created(driver, decode_surfaces=0)[1]],
        ["33 surfaces", created(driver, decode_surfaces=33)[1]],
        ["no output surfaces", created(driver, output_surfaces=0)[1]],
        ["65 output surfaces", created(driver, output_surfaces=65)[1]],
        ["odd target", created(driver, target_width=319, target_height=239)[1]],
        ["no target", created(driver, target_width=0, target_height=0)[1]],
        ["larger than the maximum", created(driver, max_width=160, max_height=120)[1]],
        ["444 surface of 420", created(driver, output_format=2)[1]],
        ["p016 surface of 8 bit", created(driver, output_format=1)[1]],
    ]


@misuse
def null_arguments(driver: Driver, stream: Path) -> list[Any]:
    decoder, _ = created(driver)
    return [
        ["caps", driver.cuvidGetDecoderCaps(None)],
        ["parser", driver.cuvidCreateVideoParser(c.byref(c.c_void_p()), None)],
        ["destroy decoder", driver.cuvidDestroyDecoder(None)],
        ["destroy parser", driver.cuvidDestroyVideoParser(None)],
        ["parse", driver.cuvidParseVideoData(None, c.byref(Packet()))],
        ["map", mapped(driver, c.c_void_p(), 0)[0]],
        ["decode", driver.cuvidDecodePicture(decoder, None)],
    ]


@misuse
def parser_without_callbacks(driver: Driver, stream: Path) -> list[Any]:
    parser = c.c_void_p()
    parameters = ParserParameters(codec=CODECS["h264"], max_decode_surfaces=1)
    code = driver.cuvidCreateVideoParser(c.byref(parser), c.byref(parameters))
    data = stream.read_bytes()[:20000]
    packet = Packet(0, len(data), data, 0)
    return [code, driver.cuvidParseVideoData(parser, c.byref(packet)) if code == 0 else None]


@misuse
def parser_of_a_codec_that_is_not_there(driver: Driver, stream: Path) -> list[Any]:
    codes = []
    for codec in (CODECS["av1"], 6, 99):
        parameters = ParserParameters(codec=codec, max_decode_surfaces=1)
        parameters.pfn_sequence = SequenceCallback(lambda user, format: 0)
        codes.append(
            [codec, driver.cuvidCreateVideoParser(c.byref(c.c_void_p()), c.byref(parameters))]
        )
    return codes


@misuse
def sequence_refused(driver: Driver, stream: Path) -> list[Any]:
    class Refusing(Recorder):
        def _sequence(self, pointer: Any) -> int:
            self.events.append(["sequence"])
            return 0

    events = Refusing(driver, "h264", Feeding("units", "unit", 10)).run(stream.read_bytes())
    return [event for event in events if event[0] != "packet"][:12]


@misuse
def decode_refused(driver: Driver, stream: Path) -> list[Any]:
    class Refusing(Recorder):
        def _decode(self, pointer: Any) -> int:
            self.events.append(["decode", pointer.contents.picture_index])
            return 0

    events = Refusing(driver, "h264", Feeding("units", "unit", 10)).run(stream.read_bytes())
    return [event for event in events if event[0] != "packet"][:12]


@misuse
def map_of_indices_that_are_not_decoded(driver: Driver, stream: Path) -> list[Any]:
    decoder, _ = created(driver)
    return [[index, mapped(driver, decoder, index)[0]] for index in (-1, 0, 7, 8, 1000)]


@misuse
def status_of_indices_that_are_not_decoded(driver: Driver, stream: Path) -> list[Any]:
    decoder, _ = created(driver)
    answers = []
    for index in (-1, 0, 7, 8, 1000):
        status = DecodeStatus()
        code = driver.cuvidGetDecodeStatus(decoder, index, c.byref(status))
        answers.append([index, code, status.status])
    return answers


@misuse
def more_maps_than_output_surfaces(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    recent = list(dict.fromkeys(held.indices[::-1]))[:4]
    return [mapped(driver, held.decoder, index)[0] for index in recent]


@misuse
def the_same_picture_mapped_twice(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    first = mapped(driver, held.decoder, held.indices[-1])
    second = mapped(driver, held.decoder, held.indices[-1])
    return [first[0], second[0], first[1] == second[1]]


@misuse
def unmapped_twice(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    code, address, _ = mapped(driver, held.decoder, held.indices[-1])
    unmap = driver.cuvidUnmapVideoFrame64
    place = c.c_ulonglong(address)
    return [code, unmap(held.decoder, place), unmap(held.decoder, place)]


@misuse
def unmap_of_an_address_that_was_never_mapped(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    return [driver.cuvidUnmapVideoFrame64(held.decoder, c.c_ulonglong(4096))]


@misuse
def destroy_with_a_picture_mapped(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    code, address, _ = mapped(driver, held.decoder, held.indices[-1])
    destroyed = driver.cuvidDestroyDecoder(held.decoder)
    buffer = c.create_string_buffer(16)
    copied = driver.cuMemcpyDtoH_v2(buffer, c.c_ulonglong(address), c.c_size_t(16))
    return [code, destroyed, copied]


@misuse
def decoder_used_after_destroy(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    first = driver.cuvidDestroyDecoder(held.decoder)
    return [first, mapped(driver, held.decoder, held.indices[-1])[0]]


@misuse
def decoder_destroyed_twice(driver: Driver, stream: Path) -> list[Any]:
    decoder, _ = created(driver)
    return [driver.cuvidDestroyDecoder(decoder), driver.cuvidDestroyDecoder(decoder)]


@misuse
def decode_of_an_index_beyond_the_surfaces(driver: Driver, stream: Path) -> list[Any]:
    decoder, _ = created(driver)
    parameters = PictureParameters(width_in_mbs=20, height_in_mbs=15, picture_index=8)
    return [driver.cuvidDecodePicture(decoder, c.byref(parameters))]


@misuse
def decode_of_another_size(driver: Driver, stream: Path) -> list[Any]:
    decoder, _ = created(driver)
    parameters = PictureParameters(width_in_mbs=40, height_in_mbs=30, picture_index=0)
    return [driver.cuvidDecodePicture(decoder, c.byref(parameters))]


@misuse
def reconfigure_outside_of_a_callback(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    width, height = held.created["width"], held.created["height"]
    reconfigure = driver.cuvidReconfigureDecoder
    same = ReconfigureInfo(
        width=width, height=height, target_width=width, target_height=height, decode_surfaces=8
    )
    larger = ReconfigureInfo(
        width=width * 2, height=height * 2, target_width=width, target_height=height,
        decode_surfaces=8,
    )  # fmt: skip
    return [
        ["same", reconfigure(held.decoder, c.byref(same))],
        ["larger", reconfigure(held.decoder, c.byref(larger))],
    ]


@misuse
def decoder_of_another_context(driver: Driver, stream: Path) -> list[Any]:
    held = decoded(driver, stream)
    context = c.c_void_p()
    codes = [driver.cuCtxCreate_v2(c.byref(context), 0, 0)]
    codes.append(mapped(driver, held.decoder, held.indices[-1])[0])
    return codes


@misuse
def cuda_handles_freed_twice(driver: Driver, stream: Path) -> list[Any]:
    address, event, queue = c.c_ulonglong(), c.c_void_p(), c.c_void_p()
    codes: list[Any] = [driver.cuMemAlloc_v2(c.byref(address), c.c_size_t(1024))]
    codes += [driver.cuMemFree_v2(address), driver.cuMemFree_v2(address)]
    codes.append(driver.cuMemFree_v2(c.c_ulonglong(0)))
    codes += [driver.cuEventCreate(c.byref(event), 2), driver.cuEventDestroy_v2(event)]
    codes += [driver.cuStreamCreate(c.byref(queue), 1), driver.cuStreamDestroy_v2(queue)]
    return codes


@misuse
def event_destroyed_twice(driver: Driver, stream: Path) -> list[Any]:
    event = c.c_void_p()
    driver.cuEventCreate(c.byref(event), 2)
    return [driver.cuEventDestroy_v2(event), driver.cuEventDestroy_v2(event)]


@misuse
def stream_destroyed_twice(driver: Driver, stream: Path) -> list[Any]:
    queue = c.c_void_p()
    driver.cuStreamCreate(c.byref(queue), 1)
    return [driver.cuStreamDestroy_v2(queue), driver.cuStreamDestroy_v2(queue)]


@misuse
def context_popped_from_an_empty_stack(driver: Driver, stream: Path) -> list[Any]:
    context = c.c_void_p()
    return [driver.cuCtxPopCurrent_v2(c.byref(context)) for _ in range(3)]


@misuse
def copy_out_of_bounds(driver: Driver, stream: Path) -> list[Any]:
    address = c.c_ulonglong()
    driver.cuMemAlloc_v2(c.byref(address), c.c_size_t(1024))
    buffer = c.create_string_buffer(4 << 20)
    copied = driver.cuMemcpyDtoH_v2(buffer, address, c.c_size_t(4 << 20))
    return [copied, driver.cuMemcpyDtoH_v2(buffer, address, c.c_size_t(16))]


@misuse
def calls_before_cuinit(driver: Driver, stream: Path) -> list[Any]:
    code = (
        "from tests.hardware.cuvid import *; d = Driver(); n = c.c_int();"
        "print(d.cuDeviceGetCount(c.byref(n)), d.cuCtxGetCurrent(c.byref(c.c_void_p())),"
        "caps_of(d, 'h264', '420', 8)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def one(name: str, stream: Path) -> None:
    """Ask one, and print the answer as JSON."""
    driver = Driver()
    with primary_context(driver):
        print("ANSWER", json.dumps(MISUSES[name](driver, stream)), flush=True)


def ask(name: str, stream: Path) -> Any:
    """The answer of a process of its own."""
    command = [sys.executable, "-m", "tests.hardware.misuse", "--one", name, str(stream)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    for line in done.stdout.splitlines():
        if line.startswith("ANSWER "):
            answer = json.loads(line.removeprefix("ANSWER "))
            return answer if done.returncode == 0 else [answer, f"then exit {done.returncode}"]
    return f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"


def main(out: Path, stream: Path) -> None:
    answers = {}
    for name in MISUSES:
        answers[name] = ask(name, stream)
        print(f"{name}: {json.dumps(answers[name])}", flush=True)
    out.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
