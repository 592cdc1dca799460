"""Clients of the emulated cuvid that keep its rules or break one, made of the recorder's parts."""

from __future__ import annotations

import ctypes as c
import hashlib
from collections.abc import Sequence
from typing import Any

from tests.hardware.cuvid import (
    END_OF_PICTURE,
    END_OF_STREAM,
    NOTIFY_END,
    TIMESTAMP,
    CreateInfo,
    Driver,
    Packet,
    PictureParameters,
    ProcessParameters,
)
from tests.hardware.traces import Feeding, Recorder

UNITS = Feeding("units", "unit", TIMESTAMP | END_OF_PICTURE)


class Client(Recorder):
    """Decodes, and keeps md5 and timestamp of each picture in the order of display."""

    def __init__(
        self, driver: Driver, codec: str, feeding: Feeding = UNITS, **changes: int
    ) -> None:
        super().__init__(driver, codec, feeding)
        self.changes = changes
        self.packets: Sequence[tuple[bytes, int | None]] | None = None

    def decoded(self, data: bytes) -> list[str]:
        """md5 of each picture."""
        return [event[2].get("md5", "") for event in self.run(data) if event[0] == "picture"]

    def decoded_packets(self, packets: Sequence[tuple[bytes, int | None]]) -> list[str]:
        """The same, of packets with timestamps."""
        self.packets = packets
        return self.decoded(b"")

    def run_packets(self, packets: Sequence[tuple[bytes, int | None]]) -> None:
        """All events, of packets with timestamps."""
        self.packets = packets
        self.run(b"")

    def times(self) -> list[int]:
        return [event[1]["timestamp"] for event in self.events if event[0] == "display"]

    def _feed(self, parser: c.c_void_p, data: bytes | Sequence[bytes]) -> None:
        if self.packets is None:
            super()._feed(parser, data)
            return
        for piece, time in self.packets:
            flags = self.feeding.flags if time is not None else self.feeding.flags & ~TIMESTAMP
            packet = Packet(flags, len(piece), piece, time or 0)
            assert self.driver.cuvidParseVideoData(parser, c.byref(packet)) == 0
        packet = Packet(END_OF_STREAM | NOTIFY_END, 0, None, 0)
        assert self.driver.cuvidParseVideoData(parser, c.byref(packet)) == 0


class Late(Client):
    """Maps a picture only when ``behind`` more were displayed, which the surfaces do not bear."""

    behind = 12

    def _display(self, pointer: Any) -> int:
        if pointer:
            self.queued = [*getattr(self, "queued", []), pointer.contents.picture_index]
            if len(self.queued) > self.behind:
                self._picture(self.queued.pop(0), ProcessParameters(progressive_frame=1))
        return 1


class Deferring(Client):
    """Decodes a picture when its callback has returned, from a copy of what it got."""

    def _decode(self, pointer: Any) -> int:
        self.kept = PictureParameters()
        c.memmove(c.byref(self.kept), pointer, c.sizeof(self.kept))
        return 1

    def _display(self, pointer: Any) -> int:
        return 1


class Downloading(Client):
    """Maps on a stream of its own, copies there, and waits as ``manners`` says."""

    manners = "wait"

    def _picture(self, index: int, processing: Any) -> None:
        driver, stream = self.driver, c.c_void_p()
        driver.cuStreamCreate(c.byref(stream), 1)
        processing.p_output_stream = stream
        address, pitch = c.c_ulonglong(), c.c_uint()
        code = driver.cuvidMapVideoFrame64(
            self.decoder, index, c.byref(address), c.byref(pitch), c.byref(processing)
        )
        rows = self.created["target_height"] * 3 // 2
        size, place = rows * pitch.value, c.c_void_p()
        driver.cuMemHostAlloc(c.byref(place), c.c_size_t(size), 0)
        copy = (place, address, c.c_size_t(size), stream)
        if self.manners == "another stream":
            other = c.c_void_p()
            driver.cuStreamCreate(c.byref(other), 1)
            driver.cuMemcpyDtoHAsync_v2(place, address, c.c_size_t(size), other)
            driver.cuStreamSynchronize(other)
            driver.cuStreamDestroy_v2(other)
        else:
            driver.cuMemcpyDtoHAsync_v2(*copy)
        if self.manners == "unmap before the copy":
            driver.cuvidUnmapVideoFrame64(self.decoder, address)
        driver.cuStreamSynchronize(stream)
        if self.manners != "unmap before the copy":
            driver.cuvidUnmapVideoFrame64(self.decoder, address)
        pixels = c.string_at(place, size)
        driver.cuMemFreeHost(place)
        driver.cuStreamDestroy_v2(stream)
        width = self.created["target_width"]
        lines = [pixels[at : at + width] for at in range(0, size, pitch.value)]
        facts = {"map": code, "md5": hashlib.md5(b"".join(lines)).hexdigest()}
        self.events.append(["picture", index, facts])


def create_info(**changes: int) -> Any:
    """For a decoder of 320x240 H.264."""
    facts = {
        "width": 320, "height": 240, "decode_surfaces": 8, "codec": 4, "chroma_format": 1,
        "creation_flags": 4, "max_width": 320, "max_height": 240, "target_width": 320,
        "target_height": 240, "output_surfaces": 2, **changes,
    }  # fmt: skip
    return CreateInfo(**facts)


def created(driver: Driver, **changes: int) -> c.c_void_p:
    decoder = c.c_void_p()
    assert driver.cuvidCreateDecoder(c.byref(decoder), c.byref(create_info(**changes))) == 0
    return decoder


def mapped(driver: Driver, decoder: c.c_void_p, index: int = 0) -> tuple[int, c.c_ulonglong]:
    address, pitch, how = c.c_ulonglong(), c.c_uint(), ProcessParameters(progressive_frame=1)
    code = driver.cuvidMapVideoFrame64(
        decoder, index, c.byref(address), c.byref(pitch), c.byref(how)
    )
    return code, address
