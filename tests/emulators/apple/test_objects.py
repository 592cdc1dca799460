"""CoreFoundation, CoreMedia and CoreVideo of the emulator, by a client made of the facts."""

from __future__ import annotations

import ctypes as c
import subprocess
from pathlib import Path

import pytest

from tests.apple.facts import FACTS, OBJC
from tests.emulators.apple.client import LIBRARY, POISON, VALUES, Apple, Time
from tests.emulators.apple.streams import coded
from tests.emulators.control import AppleEmulator

READ_ONLY = VALUES["kCVPixelBufferLock_ReadOnly"]


def test_all_that_is_declared_is_exported_and_nothing_else(apple_folder: Path) -> None:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(apple_folder / LIBRARY)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {line.split()[-1].split("@")[0] for line in listed.stdout.splitlines()}
    names = {name for name in names if not name.startswith("videohw_emulator_")}
    assert names == {*FACTS["functions"], *FACTS["variables"], *OBJC, "_NSConcreteStackBlock"}


# The ledger


def test_what_is_not_released_is_open(frameworks: AppleEmulator, apple: Apple) -> None:
    string = apple.string("kept")
    assert frameworks.open() == {"CFString": 1}
    (handle,) = frameworks.report()["handles"]
    assert handle == {"kind": "CFString", "call": "CFStringCreateWithCString"}
    apple.CFRetain(string)
    apple.CFRelease(string)
    assert frameworks.open() == {"CFString": 1}
    apple.CFRelease(string)
    assert frameworks.open() == {}


def test_a_release_too_many_is_a_misuse(frameworks: AppleEmulator, apple: Apple) -> None:
    string = apple.string("gone")
    apple.CFRelease(string)
    apple.CFRelease(string)
    assert len(frameworks.misuses()) == 1
    apple.CFRelease(apple.kCFBooleanTrue)  # lives for ever
    apple.CFRelease(apple.kCFBooleanTrue)
    assert apple.CFBooleanGetValue(apple.kCFBooleanTrue) == 1
    assert frameworks.misuses() == []


def test_the_check_for_leaks_sees_them(frameworks: AppleEmulator, apple: Apple) -> None:
    with pytest.raises(AssertionError, match="CFString"), frameworks.clean():
        string = apple.string("leaked")
    apple.CFRelease(string)
    with pytest.raises(AssertionError, match="gone"), frameworks.clean():
        apple.CFRelease(string)
    frameworks.forget()


def test_an_object_of_another_type_is_a_misuse(frameworks: AppleEmulator, apple: Apple) -> None:
    with apple.kept(apple.string("no number")) as string:
        assert apple.CFNumberGetValue(string, VALUES["kCFNumberSInt64Type"], None) == 0
    assert len(frameworks.misuses()) == 1


# Values


def test_values(apple: Apple) -> None:
    values = {"kCVPixelBufferWidthKey": 640, "kVTCompressionPropertyKey_Quality": 0.5,
              "kVTCompressionPropertyKey_RealTime": True}  # fmt: skip
    with apple.kept(apple.dictionary(values)) as dictionary:
        assert apple.CFDictionaryGetCount(dictionary) == 3
        width = apple.CFDictionaryGetValue(dictionary, apple.kCVPixelBufferWidthKey)
        assert apple.whole(width) == 640
        assert apple.CFGetTypeID(width) == apple.CFNumberGetTypeID()
        quality = apple.CFDictionaryGetValue(dictionary, apple.kVTCompressionPropertyKey_Quality)
        real = c.c_double()
        apple.CFNumberGetValue(quality, VALUES["kCFNumberFloat64Type"], c.byref(real))
        assert real.value == 0.5
        real_time = apple.kVTCompressionPropertyKey_RealTime
        assert apple.CFDictionaryGetValue(dictionary, real_time) == apple.kCFBooleanTrue
        assert apple.CFDictionaryGetValue(dictionary, apple.kCVPixelBufferHeightKey) is None
    with apple.kept(apple.string("one")) as one, apple.kept(apple.string("one")) as other:
        assert apple.CFEqual(one, other)
        assert apple.text(one) == "one"
        assert not apple.CFStringGetCString(one, c.create_string_buffer(3), 3, 0x08000100)
    with apple.kept(apple.CFDataCreate(None, b"abc", 3)) as data:
        assert c.string_at(apple.CFDataGetBytePtr(data), apple.CFDataGetLength(data)) == b"abc"


def test_arrays_retain_what_they_hold(frameworks: AppleEmulator, apple: Apple) -> None:
    string = apple.string("held")
    values = (c.c_void_p * 1)(string)
    array = apple.CFArrayCreate(None, values, 1, apple.address("kCFTypeArrayCallBacks"))
    apple.CFRelease(string)
    assert apple.text(apple.CFArrayGetValueAtIndex(array, 0)) == "held"
    assert apple.CFArrayGetValueAtIndex(array, 1) is None
    assert len(frameworks.misuses()) == 1
    apple.CFRelease(array)


def test_times(apple: Apple) -> None:
    third, half = apple.CMTimeMake(1, 3), apple.CMTimeMake(1, 2)
    both = apple.CMTimeAdd(third, half)
    assert (both.value, both.timescale) == (5, 6)
    less = apple.CMTimeSubtract(third, half)
    assert (less.value, less.timescale) == (-1, 6)
    assert apple.CMTimeCompare(third, half) == -1
    assert apple.CMTimeCompare(apple.CMTimeMake(2, 4), half) == 0
    assert apple.CMTimeGetSeconds(half) == 0.5
    rounded = apple.CMTimeConvertScale(third, 90000, 1)
    assert (rounded.value, rounded.flags) == (30000, 1)
    rounded = apple.CMTimeConvertScale(apple.CMTimeMake(1, 7), 2, 1)
    assert (rounded.value, rounded.flags) == (0, 3)
    assert apple.CMTimeAdd(half, Time()).flags == 0
    largest = apple.CMTimeMake((1 << 62), 2**31 - 1)
    assert apple.CMTimeCompare(largest, half) == 1


# Coded data


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("generated/small144x144.h264", (144, 144)),
        ("generated/crop_130x98.h264", (130, 98)),
        ("generated/crop_322x182.h265", (322, 182)),
        ("generated/main422_10.h265", (176, 144)),
        ("generated/main444_8_odd.h265", (175, 143)),
    ],
)
def test_descriptions_of_parameter_sets(apple: Apple, name: str, size: tuple[int, int]) -> None:
    sets = coded(name).sets
    codec = coded(name).codec
    kind = {"h264": "H264", "hevc": "HEVC"}[codec]
    with apple.kept(apple.description(codec, sets)) as description:
        found = apple.CMVideoFormatDescriptionGetDimensions(description)
        assert (found.width, found.height) == size
        subtype = apple.CMFormatDescriptionGetMediaSubType(description)
        assert subtype == VALUES[f"kCMVideoCodecType_{kind}"]
        get = getattr(apple, f"CMVideoFormatDescriptionGet{kind}ParameterSetAtIndex")
        pointer, bytes_, count, length = c.c_void_p(), c.c_size_t(), c.c_size_t(), c.c_int()
        for index, each in enumerate(sets):
            out = (c.byref(pointer), c.byref(bytes_), c.byref(count), c.byref(length))
            assert get(description, index, *out) == 0
            assert c.string_at(pointer.value or 0, bytes_.value) == each
            assert (count.value, length.value) == (len(sets), 4)
        wrong = VALUES["kCMFormatDescriptionError_InvalidParameter"]
        assert get(description, len(sets), None, None, None, None) == wrong


def test_descriptions_say_what_the_stream_states(apple: Apple) -> None:
    each = coded("generated/hdr10.h265")
    with apple.kept(apple.description(each.codec, each.sets)) as description:
        key = apple.kCMFormatDescriptionExtension_YCbCrMatrix
        matrix = apple.CMFormatDescriptionGetExtension(description, key)
        assert apple.CVYCbCrMatrixGetIntegerCodePointForString(matrix) == 9
        key = apple.kCMFormatDescriptionExtension_TransferFunction
        transfer = apple.CMFormatDescriptionGetExtension(description, key)
        assert apple.CVTransferFunctionGetIntegerCodePointForString(transfer) == 16


def test_descriptions_refuse_what_cannot_be_read(apple: Apple) -> None:
    sets = coded("generated/small144x144.h264").sets
    out = c.c_void_p()

    def status(given: list[bytes], lengths: int = 4) -> int:
        pointers = (c.c_char_p * len(given))(*given)
        sizes = (c.c_size_t * len(given))(*map(len, given))
        code: int = apple.CMVideoFormatDescriptionCreateFromH264ParameterSets(
            None, len(given), pointers, sizes, lengths, c.byref(out)
        )
        return code

    wrong = VALUES["kCMFormatDescriptionError_InvalidParameter"]
    assert status(list(sets[:1])) == wrong
    assert status(list(sets), lengths=3) == wrong
    assert status([sets[0][:3], sets[1]]) == -12712
    assert out.value is None


def test_samples(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded("generated/small144x144.h264")
    description = apple.description(each.codec, each.sets)
    sample = apple.sample(description, each.samples[0], number=5)
    apple.CFRelease(description)
    assert apple.CMSampleBufferGetPresentationTimeStamp(sample).value == 5
    assert apple.CMSampleBufferGetDecodeTimeStamp(sample).flags == 0
    block = apple.CMSampleBufferGetDataBuffer(sample)
    length = apple.CMBlockBufferGetDataLength(block)
    buffer = c.create_string_buffer(length)
    assert apple.CMBlockBufferCopyDataBytes(block, 0, length, buffer) == 0
    assert buffer.raw == each.samples[0]
    assert apple.CMBlockBufferCopyDataBytes(block, 1, length, buffer) == -12704
    assert apple.CMSampleBufferGetSampleAttachmentsArray(sample, 0) is None
    array = apple.CMSampleBufferGetSampleAttachmentsArray(sample, 1)
    first = apple.CFArrayGetValueAtIndex(array, 0)
    key = apple.kCMSampleAttachmentKey_NotSync
    apple.CFDictionarySetValue(first, key, apple.kCFBooleanTrue)
    assert apple.CFDictionaryGetValue(first, key) == apple.kCFBooleanTrue
    assert apple.CMSampleBufferGetFormatDescription(sample) == description
    apple.CFRelease(sample)
    assert frameworks.open() == {}


# Pixel buffers


def pixel_buffer(apple: Apple, name: str, size: tuple[int, int] = (130, 98)) -> int:
    return apple.made("CVPixelBufferCreate", None, *size, VALUES[name], None)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange", [130, 130]),
        ("kCVPixelFormatType_420YpCbCr10BiPlanarFullRange", [260, 260]),
        ("kCVPixelFormatType_422YpCbCr10BiPlanarVideoRange", [260, 260]),
        ("kCVPixelFormatType_444YpCbCr8BiPlanarVideoRange", [130, 260]),
        ("kCVPixelFormatType_32BGRA", [520]),
    ],
)
def test_pixel_buffers(apple: Apple, name: str, rows: list[int]) -> None:
    with apple.kept(pixel_buffer(apple, name)) as buffer:
        assert apple.CVPixelBufferGetPixelFormatType(buffer) == VALUES[name]
        size = (apple.CVPixelBufferGetWidth(buffer), apple.CVPixelBufferGetHeight(buffer))
        assert size == (130, 98)
        assert apple.CVPixelBufferGetPlaneCount(buffer) == (len(rows) if len(rows) > 1 else 0)
        assert apple.CVPixelBufferLockBaseAddress(buffer, 0) == 0
        for plane, row in enumerate(rows):
            pitch = apple.CVPixelBufferGetBytesPerRowOfPlane(buffer, plane)
            assert pitch > row
            address = apple.CVPixelBufferGetBaseAddressOfPlane(buffer, plane)
            c.memset(address, 1, row)
        assert apple.CVPixelBufferUnlockBaseAddress(buffer, 0) == 0
        assert apple.CVPixelBufferGetIOSurface(buffer) is None


def test_memory_is_looked_at_while_it_is_locked(frameworks: AppleEmulator, apple: Apple) -> None:
    buffer = pixel_buffer(apple, "kCVPixelFormatType_32BGRA")
    assert apple.CVPixelBufferGetBaseAddress(buffer) is None
    assert len(frameworks.misuses()) == 1
    apple.CVPixelBufferLockBaseAddress(buffer, READ_ONLY)
    assert apple.CVPixelBufferGetBaseAddress(buffer)
    wrong = VALUES["kCVReturnInvalidArgument"]
    assert apple.CVPixelBufferUnlockBaseAddress(buffer, 0) == wrong
    assert len(frameworks.misuses()) == 1
    apple.CFRelease(buffer)  # still locked
    assert len(frameworks.misuses()) == 1


def test_pools_poison_what_comes_back(frameworks: AppleEmulator, apple: Apple) -> None:
    wanted = {"kCVPixelBufferWidthKey": 64, "kCVPixelBufferHeightKey": 32,
              "kCVPixelBufferPixelFormatTypeKey": VALUES["kCVPixelFormatType_32BGRA"],
              "kCVPixelBufferIOSurfacePropertiesKey": {}}  # fmt: skip
    make = "CVPixelBufferPoolCreatePixelBufferWithAuxAttributes"
    threshold = apple.dictionary({"kCVPixelBufferPoolAllocationThresholdKey": 2})
    with apple.kept(apple.dictionary(wanted)) as attributes:
        pool = apple.made("CVPixelBufferPoolCreate", None, None, attributes)
    one, two = (apple.made(make, None, pool, threshold) for _ in range(2))
    out = c.c_void_p()
    full = VALUES["kCVReturnWouldExceedAllocationThreshold"]
    assert getattr(apple, make)(None, pool, threshold, c.byref(out)) == full
    assert apple.CVPixelBufferGetIOSurface(one)
    apple.CVPixelBufferLockBaseAddress(one, 0)
    c.memset(apple.CVPixelBufferGetBaseAddress(one), 7, 64)
    apple.CVPixelBufferUnlockBaseAddress(one, 0)
    apple.CFRelease(one)
    again = apple.made(make, None, pool, threshold)
    apple.CVPixelBufferLockBaseAddress(again, READ_ONLY)
    first = c.string_at(apple.CVPixelBufferGetBaseAddress(again), 64)
    assert first == bytes([POISON]) * 64
    apple.CVPixelBufferUnlockBaseAddress(again, READ_ONLY)
    apple.CFRelease(pool)  # buffers outlive it
    for buffer in (two, again, threshold):
        apple.CFRelease(buffer)
    assert frameworks.report()["peak"]["pixel buffers in use"] == 2


def test_sizes_and_formats_are_checked(apple: Apple) -> None:
    out = c.c_void_p()
    bgra = VALUES["kCVPixelFormatType_32BGRA"]
    create = apple.CVPixelBufferCreate
    unknown = VALUES["kCVReturnInvalidPixelFormat"]
    assert create(None, 4, 4, 0x12345678, None, c.byref(out)) == unknown
    assert create(None, 0, 4, bgra, None, c.byref(out)) == VALUES["kCVReturnInvalidSize"]


def test_names_of_colours(apple: Apple) -> None:
    for code in (1, 6, 7, 9):
        name = apple.CVYCbCrMatrixGetStringForIntegerCodePoint(code)
        assert apple.CVYCbCrMatrixGetIntegerCodePointForString(name) == code
    for code in (1, 5, 6, 9, 11, 12):
        name = apple.CVColorPrimariesGetStringForIntegerCodePoint(code)
        assert apple.CVColorPrimariesGetIntegerCodePointForString(name) == code
    for code in (1, 7, 13, 16, 18, 4):
        name = apple.CVTransferFunctionGetStringForIntegerCodePoint(code)
        assert apple.CVTransferFunctionGetIntegerCodePointForString(name) == code
    with apple.kept(apple.string("nothing known")) as name:
        assert apple.CVYCbCrMatrixGetIntegerCodePointForString(name) == 2


# Faults


def test_a_call_fails_when_it_is_told_to(frameworks: AppleEmulator, apple: Apple) -> None:
    frameworks.fault("CVPixelBufferCreate", "fail", -6662, first=2)
    frameworks.fault("CFStringCreateWithCString", "fail", 1)
    out = c.c_void_p()
    bgra = VALUES["kCVPixelFormatType_32BGRA"]
    codes = []
    for _ in range(3):
        codes.append(apple.CVPixelBufferCreate(None, 4, 4, bgra, None, c.byref(out)))
        if not codes[-1]:
            apple.CFRelease(out)
    assert codes == [0, -6662, 0]
    assert apple.CFStringCreateWithCString(None, b"x", VALUES["kCFStringEncodingUTF8"]) is None
    assert frameworks.hits() == [1, 1]
    assert "CVPixelBufferCreate" in frameworks.log()
    with pytest.raises(ValueError, match="nothing"):
        frameworks.fault("CFRetain", "nothing", 0)
