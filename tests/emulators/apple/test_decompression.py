"""VTDecompressionSession of the emulator: what comes, when, where, and what is answered."""

from __future__ import annotations

import ctypes as c
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.backends.waiting import wait_for
from tests.corpus import stream
from tests.emulators.apple.client import VALUES, Apple, Decompression
from tests.emulators.apple.streams import Coded, coded, nal_units, with_lengths
from tests.emulators.control import AppleEmulator

SMALL = "generated/small144x144.h264"
BAD_DATA, INVALID = VALUES["kVTVideoDecoderBadDataErr"], VALUES["kVTInvalidSessionErr"]
DROPPED = VALUES["kVTDecodeInfo_FrameDropped"]
ASYNCHRONOUS = VALUES["kVTDecodeInfo_Asynchronous"]


@contextmanager
def opened(apple: Apple, each: Coded, **arguments: Any) -> Iterator[Decompression]:
    with (
        apple.kept(apple.description(each.codec, each.sets)) as description,
        Decompression(apple, description, **arguments) as session,
    ):
        yield session


def decode(session: Decompression, data: bytes, number: int, flags: int = 1) -> int:
    """Frames are numbered from 1: 0 is NULL."""
    with session.apple.kept(session.apple.sample(session.description, data, number)) as sample:
        return session.decode(sample, number + 1, flags)


def decode_all(session: Decompression, each: Coded) -> None:
    for number, data in enumerate(each.samples):
        assert decode(session, data, number) == 0
    assert session.wait() == 0


@cache
def expected(name: str) -> Counter[str]:
    """md5 of each picture by PyAV, as two planes with values in the upper bits."""
    av = pytest.importorskip("av")
    each = stream(name)
    context = av.CodecContext.create(each.codec, "r")
    context.thread_count = 1
    context.options = {"strict": "1", "flags": "unaligned"}
    found: list[str] = []
    for packet in [*context.parse(each.read()), *context.parse(b""), None]:
        for frame in context.decode(packet):
            found.append(picture_md5(planes_of(frame)))
    assert len(found) == each.frames
    return Counter(found)


def planes_of(frame: Any) -> list[bytes]:
    wide = "10" in frame.format.name
    parts = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        row = plane.width * (2 if wide else 1)
        cut = np.ascontiguousarray(rows[:, :row])
        parts.append(cut.view("<u2") << 6 if wide else cut)
    chroma = np.stack(parts[1:], axis=-1)
    return [parts[0].tobytes(), chroma.tobytes()]


def picture_md5(planes: list[bytes]) -> str:
    return hashlib.md5(b"".join(planes), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("name", "how"),
    [(SMALL, "caller"), (SMALL, "shuffled:5"), (SMALL, "other"),
     ("generated/main_cabac_b2.h264", "other"), ("generated/small144x144.h265", "other"),
     ("generated/crop_130x98.h264", "other"), ("generated/crop_322x182.h265", "other"),
     ("generated/main10_320x240.h265", "other"), ("generated/fullrange_bt709.h265", "other"),
     ("generated/mbaff_tff.h264", "other")],
)  # fmt: skip
def test_pictures(frameworks: AppleEmulator, apple: Apple, name: str, how: str) -> None:
    each = coded(name)
    with frameworks.having(CALLBACKS=how), opened(apple, each) as session:
        decode_all(session, each)
        numbers = [output.frame for output in session.outputs]
        assert sorted(numbers) == list(range(1, len(each.samples) + 1))
        # In decoding order, which is not that of presentation; or in none.
        assert (numbers == sorted(numbers)) == (not how.startswith("shuffled"))
        assert all(output.time == output.frame - 1 for output in session.outputs)
        here = {output.thread for output in session.outputs} == {threading.get_ident()}
        assert here == (how == "caller")
        wanted = 0 if here else ASYNCHRONOUS
        assert {(output.status, output.flags) for output in session.outputs} == {(0, wanted)}
        images = [output.image for output in session.outputs]
        found = Counter(picture_md5(apple.planes(image)) for image in images if image)
    assert found == expected(name)


def test_without_the_flag_the_callback_comes_before_the_call_returns(apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        for number, data in enumerate(each.samples[:3]):
            assert decode(session, data, number, flags=0) == 0
            assert len(session.outputs) == number + 1
        assert {output.thread for output in session.outputs} == {threading.get_ident()}


def test_frames_queue_up_without_a_bound(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        frameworks.fault("decode", "stall", 0)
        for number, data in enumerate(each.samples):
            assert decode(session, data, number) == 0
        assert session.outputs == []
        count = number_property(apple, session, "NumberOfFramesBeingDecoded")
        assert count == len(each.samples)
        frameworks.clear_faults()
        assert session.wait() == 0
        assert number_property(apple, session, "NumberOfFramesBeingDecoded") == 0
    assert frameworks.report()["peak"]["frames being decoded"] == len(each.samples)


def number_property(apple: Apple, session: Decompression, name: str) -> int:
    key = getattr(apple, f"kVTDecompressionPropertyKey_{name}")
    with apple.kept(apple.made("VTSessionCopyProperty", session.session, key, None)) as number:
        return apple.whole(number)


# What is asked for


def test_another_format_is_converted_without_a_word(apple: Apple) -> None:
    each = coded("generated/fullrange_bt709.h265")
    images = []
    names = ("FullRange", "VideoRange")
    for name in names:
        wanted = VALUES[f"kCVPixelFormatType_420YpCbCr8BiPlanar{name}"]
        with opened(apple, each, attributes={"kCVPixelBufferPixelFormatTypeKey": wanted}) as one:
            assert decode(one, each.samples[0], 0) == 0
            one.wait()
            (output,) = one.outputs
            assert output.image is not None
            assert apple.CVPixelBufferGetPixelFormatType(output.image) == wanted
            images.append(np.frombuffer(apple.planes(output.image)[0], np.uint8).astype(float))
    full, video = images
    assert np.abs(full * 219 / 255 + 16 - video).max() <= 0.5


def test_what_is_not_decoded(frameworks: AppleEmulator, apple: Apple) -> None:
    def status(name: str, attributes: dict[str, Any], specification: dict[str, Any]) -> int:
        each = coded(name)
        record = (c.c_void_p * 2)(1, 0)
        with (
            apple.kept(apple.description(each.codec, each.sets)) as description,
            apple.kept(apple.dictionary(attributes)) as wanted,
            apple.kept(apple.dictionary(specification)) as decoder,
        ):
            code: int = apple.VTDecompressionSessionCreate(
                None, description, decoder, wanted, record, c.byref(c.c_void_p())
            )
            return code

    twelve_bits = "generated/main12_420.h265"
    assert status(twelve_bits, {}, {}) == VALUES["kVTVideoDecoderUnsupportedDataFormatErr"]
    wanted = {"kCVPixelBufferPixelFormatTypeKey": 0x79757673}
    assert status(SMALL, wanted, {}) == VALUES["kVTPixelTransferNotSupportedErr"]
    required = "kVTVideoDecoderSpecification_RequireHardwareAcceleratedVideoDecoder"
    h264 = VALUES["kCMVideoCodecType_H264"]
    assert apple.VTIsHardwareDecodeSupported(h264) == 1
    with frameworks.having(HARDWARE="0"):
        assert apple.VTIsHardwareDecodeSupported(h264) == 0
        missing = VALUES["kVTCouldNotFindVideoDecoderErr"]
        assert status(SMALL, {}, {required: True}) == missing
    with frameworks.having(DECODERS="hvc1"):
        assert status(SMALL, {}, {}) == missing


def test_properties(frameworks: AppleEmulator, apple: Apple) -> None:
    using = "UsingHardwareAcceleratedVideoDecoder"
    for hardware in (True, False):
        with (
            frameworks.having(HARDWARE=str(int(hardware))),
            opened(apple, coded(SMALL)) as session,
        ):
            key = getattr(apple, f"kVTDecompressionPropertyKey_{using}")
            value = apple.made("VTSessionCopyProperty", session.session, key, None)
            assert apple.CFBooleanGetValue(value) == hardware
            set_property = apple.VTSessionSetProperty
            true = apple.kCFBooleanTrue
            read_only = VALUES["kVTPropertyReadOnlyErr"]
            assert set_property(session.session, key, true) == read_only
            real_time = apple.kVTDecompressionPropertyKey_RealTime
            assert set_property(session.session, real_time, true) == 0
            unknown = apple.kVTCompressionPropertyKey_AverageBitRate
            missing = VALUES["kVTPropertyNotSupportedErr"]
            assert set_property(session.session, unknown, true) == missing
            supported = apple.made("VTSessionCopySupportedPropertyDictionary", session.session)
            assert apple.CFDictionaryGetCount(supported) == 3
            attributes = apple.CFDictionaryGetValue(supported, key)
            status = apple.CFDictionaryGetValue(attributes, apple.kVTPropertyReadWriteStatusKey)
            assert status == apple.kVTPropertyReadWriteStatus_ReadOnly
            apple.CFRelease(supported)


def test_the_coded_size_with_a_clean_rectangle(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded("generated/crop_322x182.h265")
    with frameworks.having(CROPPING="coded"), opened(apple, each) as session:
        decode(session, each.samples[0], 0)
        session.wait()
        image = session.outputs[0].image
        height = apple.CVPixelBufferGetHeight(image)
        assert (apple.CVPixelBufferGetWidth(image), height) == (328, 184)
        rect = apple.CVImageBufferGetCleanRect(image)
        assert (rect.size.width, rect.size.height) == (322, 182)
        # The origin is the lower left corner, and what is cut off is below.
        assert (rect.origin.x, rect.origin.y) == (0, height - 182)


def test_colours_and_surfaces_are_attached(apple: Apple) -> None:
    each = coded("generated/hdr10.h265")
    attributes = {"kCVPixelBufferIOSurfacePropertiesKey": {}}
    with opened(apple, each, attributes=attributes) as session:
        decode(session, each.samples[0], 0)
        session.wait()
        image = session.outputs[0].image
        key = apple.kCVImageBufferTransferFunctionKey
        transfer = apple.CVBufferGetAttachment(image, key, None)
        assert apple.CVTransferFunctionGetIntegerCodePointForString(transfer) == 16
        assert apple.CVPixelBufferGetIOSurface(image)


# Changes


def test_another_size_is_not_accepted(frameworks: AppleEmulator, apple: Apple) -> None:
    small, large = coded(SMALL), coded("generated/main_cabac_b2.h264")
    with (
        opened(apple, small) as session,
        apple.kept(apple.description(large.codec, large.sets)) as other,
        apple.kept(apple.description(small.codec, small.sets)) as same,
    ):
        accepts = apple.VTDecompressionSessionCanAcceptFormatDescription
        assert not accepts(session.session, other)
        assert accepts(session.session, same)
        refused = VALUES["kVTFormatDescriptionChangeNotSupportedErr"]
        with apple.kept(apple.sample(other, large.samples[0])) as sample:
            assert session.decode(sample) == refused
        assert session.outputs == []  # an error means that no callback comes
        # Other sets for pictures of the same form are accepted, unless a test wants it otherwise.
        changed = [*small.sets[:-1], small.sets[-1] + b"\x80"]
        with apple.kept(apple.description(small.codec, changed)) as sets:
            assert accepts(session.session, sets)
            with frameworks.having(ACCEPTS="identical"):
                assert not accepts(session.session, sets)


# Errors


def test_bad_data_is_answered_in_its_callback(apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        broken = (10**6).to_bytes(4, "big") + each.samples[0][4:]
        assert decode(session, broken, 0) == 0
        session.wait()
        (output,) = session.outputs
        assert (output.status, output.image) == (BAD_DATA, None)


def test_what_does_not_belong_into_a_sample(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        units = nal_units(stream(SMALL).read())
        assert decode(session, with_lengths(units[:4]), 0) == 0
        session.wait()
    assert "a parameter set in a sample" in frameworks.misuses()[0]


def test_faults_of_single_frames(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    missing = VALUES["kVTVideoDecoderReferenceMissingErr"]
    frameworks.fault("decode", "fail", missing, first=3)
    frameworks.fault("decode", "drop", 0, first=5)
    frameworks.fault("VTDecompressionSessionDecodeFrame", "fail", BAD_DATA, first=7)
    with opened(apple, each) as session:
        codes = [decode(session, data, number) for number, data in enumerate(each.samples[:8])]
        session.wait()
        assert codes == [0, 0, 0, 0, 0, 0, BAD_DATA, 0]
        by_frame = {output.frame: output for output in session.outputs}
        assert set(by_frame) == {1, 2, 3, 4, 5, 6, 8}
        assert (by_frame[3].status, by_frame[3].image) == (missing, None)
        dropped = by_frame[5]
        assert (dropped.status, dropped.image) == (0, None)
        assert dropped.flags & DROPPED


def test_a_lost_session_answers_nothing_else(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        frameworks.fault("decode", "lost", INVALID, first=3)
        for number, data in enumerate(each.samples[:3]):
            assert decode(session, data, number) == 0
        assert session.wait() == INVALID  # which does not wait for the callbacks
        wait_for(lambda: len(session.outputs) == 3)
        assert [output.status for output in session.outputs] == [0, 0, INVALID]
        assert decode(session, each.samples[3], 3) == INVALID
        assert apple.VTDecompressionSessionFinishDelayedFrames(session.session) == INVALID
        assert len(session.outputs) == 3
        # Another one works.
        with opened(apple, each) as other:
            decode_all(other, each)


def test_an_invalidated_session(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        frameworks.fault("decode", "stall", 50)
        for number, data in enumerate(each.samples):
            assert decode(session, data, number) == 0
        apple.VTDecompressionSessionInvalidate(session.session)
        came = len(session.outputs)
        assert came < len(each.samples)
        assert decode(session, each.samples[0], 0) == INVALID
        assert len(session.outputs) == came


def test_waiting_in_a_callback_is_a_misuse(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        session.inside = session.wait  # type: ignore[assignment]
        decode(session, each.samples[0], 0)
        session.wait()
    assert any("waits in a callback" in text for text in frameworks.misuses())


def test_temporal_processing_is_a_misuse(frameworks: AppleEmulator, apple: Apple) -> None:
    each = coded(SMALL)
    with opened(apple, each) as session:
        decode(session, each.samples[0], 0, flags=9)
        session.wait()
    assert len(frameworks.misuses()) == 1
