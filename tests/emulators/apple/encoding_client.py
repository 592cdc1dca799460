"""A client of the emulated VTCompressionSession, made of the facts as client.py is."""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.apple.client import VALUES, Apple, Time
from tests.emulators.nvidia.nvenc_pictures import nv12

ENCODED = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int, c.c_uint, c.c_void_p)
WIDTH, HEIGHT = 160, 128
NV12 = VALUES["kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange"]
ALL = None


@dataclass
class Sample:
    """One callback; ``units`` are NAL units without lengths, ``sets`` the parameter sets."""

    frame: int
    status: int
    flags: int
    thread: int
    units: list[bytes] = field(default_factory=list)
    sets: list[bytes] = field(default_factory=list)
    pts: int = 0
    dts: int | None = None
    duration: int = 0
    is_sync: bool = False
    depends: bool | None = None

    @property
    def annexb(self) -> bytes:
        """With the parameter sets where it is a sync sample."""
        parts = [*(self.sets if self.is_sync else ()), *self.units]
        return b"".join(b"\0\0\0\1" + part for part in parts)


class Compression:
    """An encoding session of NV12 that keeps what its callbacks bring; times are thirtieths."""

    def __init__(
        self,
        apple: Apple,
        codec: str = "H264",
        *,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        specification: dict[str, Any] | None = None,
        pixel_format: int | None = NV12,
        properties: dict[str, Any] | None = None,
    ) -> None:
        self.apple = apple
        self.outputs: list[Sample] = []
        self.inside: Callable[[], None] | None = None
        self.codec, self.size, self.pixel_format = codec, size, pixel_format
        self.specification = specification or {}
        self.properties = properties or {}

    def create(self) -> tuple[int, int]:
        """The status, and the session."""
        apple = self.apple
        self._callback = ENCODED(self._encoded)
        attributes: dict[str, Any] = {"kCVPixelBufferIOSurfacePropertiesKey": {}}
        if self.pixel_format is not None:
            attributes["kCVPixelBufferPixelFormatTypeKey"] = self.pixel_format
        made = c.c_void_p()
        with (
            apple.kept(apple.dictionary(attributes)) as wanted,
            apple.kept(apple.dictionary(self.specification)) as encoder,
        ):
            status = apple.VTCompressionSessionCreate(
                None, *self.size, VALUES[f"kCMVideoCodecType_{self.codec}"], encoder, wanted, None,
                c.cast(self._callback, c.c_void_p), 77, c.byref(made),
            )  # fmt: skip
        return status, int(made.value or 0)

    def __enter__(self) -> Compression:
        status, self.session = self.create()
        assert status == 0, status
        for name, value in self.properties.items():
            assert self.set(name, value) == 0, name
        return self

    def __exit__(self, *_: object) -> None:
        self.apple.VTCompressionSessionInvalidate(self.session)
        self.apple.CFRelease(self.session)

    # Properties

    def value(self, value: Any) -> int:
        """A reference that is to be released."""
        apple = self.apple
        if isinstance(value, bool):
            return int(apple.CFRetain(apple.kCFBooleanTrue if value else apple.kCFBooleanFalse))
        if isinstance(value, bytes):
            return int(apple.CFDataCreate(None, value, len(value)))
        if isinstance(value, str):
            return int(apple.CFRetain(getattr(apple, value)))
        if isinstance(value, list):
            held = [self.value(each) for each in value]
            pointers = (c.c_void_p * len(held))(*held)
            callbacks = apple.address("kCFTypeArrayCallBacks")
            made = int(apple.CFArrayCreate(None, pointers, len(held), callbacks))
            for each in held:
                apple.CFRelease(each)
            return made
        return apple.dictionary(value) if isinstance(value, dict) else apple.number(value)

    def set(self, name: str, value: Any) -> int:
        """The status; a string is the name of a variable."""
        with self.apple.kept(self.value(value)) as held:
            key = getattr(self.apple, f"kVTCompressionPropertyKey_{name}")
            return int(self.apple.VTSessionSetProperty(self.session, key, held))

    # Frames

    def picture(self, number: int) -> int:
        """A pixel buffer of the session's pool with the picture of a number."""
        apple = self.apple
        pool = apple.VTCompressionSessionGetPixelBufferPool(self.session)
        image = apple.made("CVPixelBufferPoolCreatePixelBufferWithAuxAttributes", None, pool, None)
        assert apple.CVPixelBufferLockBaseAddress(image, 0) == 0
        wide = 2 if apple.CVPixelBufferGetPixelFormatType(image) >> 24 == ord("x") else 1
        width, height = self.size
        rows = nv12(number, width, height)
        for plane, part in enumerate((rows[:height], rows[height:])):
            address = apple.CVPixelBufferGetBaseAddressOfPlane(image, plane)
            pitch = apple.CVPixelBufferGetBytesPerRowOfPlane(image, plane)
            for y, row in enumerate(part):
                data = row if wide == 1 else b"".join(bytes((0, each)) for each in row)
                c.memmove(address + y * pitch, data, len(data))
        assert apple.CVPixelBufferUnlockBaseAddress(image, 0) == 0
        return image

    def encode(self, number: int, *, force: bool = False, time: int | None = None) -> int:
        """The status of the call; frames are numbered from 0."""
        apple, info = self.apple, c.c_uint()
        options: dict[str, Any] = {"kVTEncodeFrameOptionKey_ForceKeyFrame": True} if force else {}
        with apple.kept(self.picture(number)) as image, apple.kept(apple.dictionary(options)) as o:
            return int(
                apple.VTCompressionSessionEncodeFrame(
                    self.session, image, apple.CMTimeMake(number if time is None else time, 30),
                    apple.CMTimeMake(1, 30), o if force else None, number + 1, c.byref(info),
                )
            )  # fmt: skip

    def complete(self, until: int | None = ALL) -> int:
        """The status; all frames, or those up to a time."""
        invalid = Time.in_dll(self.apple._library, "kCMTimeInvalid")
        time = invalid if until is None else self.apple.CMTimeMake(until, 30)
        return int(self.apple.VTCompressionSessionCompleteFrames(self.session, time))

    def encode_all(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            assert self.encode(number) == 0
        assert self.complete() == 0

    # Callbacks

    def _encoded(
        self, own: int, frame: int | None, status: int, flags: int, sample: int | None
    ) -> None:
        assert own == 77
        made = Sample((frame or 0) - 1, status, flags, threading.get_ident())
        if sample:
            self._read(made, sample)
        if self.inside is not None:
            self.inside()
        self.outputs.append(made)

    def _read(self, made: Sample, sample: int) -> None:
        apple = self.apple
        block = apple.CMSampleBufferGetDataBuffer(sample)
        data = c.create_string_buffer(apple.CMBlockBufferGetDataLength(block))
        assert apple.CMBlockBufferCopyDataBytes(block, 0, len(data), data) == 0
        at = 0
        while at < len(data):
            size = int.from_bytes(data.raw[at : at + 4], "big")
            made.units.append(data.raw[at + 4 : at + 4 + size])
            at += 4 + size
        made.sets = self._sets(apple.CMSampleBufferGetFormatDescription(sample))
        made.pts = apple.CMSampleBufferGetPresentationTimeStamp(sample).value
        dts = apple.CMSampleBufferGetDecodeTimeStamp(sample)
        made.dts = dts.value if dts.flags & 1 else None
        made.duration = apple.CMSampleBufferGetDuration(sample).value
        array = apple.CMSampleBufferGetSampleAttachmentsArray(sample, 0)
        attachments = apple.CFArrayGetValueAtIndex(array, 0)
        not_sync = apple.CFDictionaryGetValue(attachments, apple.kCMSampleAttachmentKey_NotSync)
        made.is_sync = not (not_sync and apple.CFBooleanGetValue(not_sync))
        key = apple.kCMSampleAttachmentKey_DependsOnOthers
        made.depends = bool(apple.CFBooleanGetValue(apple.CFDictionaryGetValue(attachments, key)))

    def _sets(self, description: int) -> list[bytes]:
        call = getattr(
            self.apple, f"CMVideoFormatDescriptionGet{self.codec}ParameterSetAtIndex"
        )  # fmt: skip
        count, size, length, found = c.c_size_t(), c.c_size_t(), c.c_int(), c.c_void_p()
        sets: list[bytes] = []
        while not sets or len(sets) < count.value:
            assert call(
                description, len(sets), c.byref(found), c.byref(size), c.byref(count),
                c.byref(length),
            ) == 0  # fmt: skip
            assert length.value == 4
            sets.append(c.string_at(found.value or 0, size.value))
        return sets
