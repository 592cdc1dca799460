"""VTCompressionSession of the emulator: what comes, when, where, and what is answered."""

from __future__ import annotations

import ctypes as c
import threading
from typing import Any

import pytest

from tests.backends.waiting import wait_for
from tests.emulators.apple.client import VALUES, Apple
from tests.emulators.apple.encoding_client import HEIGHT, NV12, WIDTH, Compression, Sample
from tests.emulators.control import AppleEmulator
from tests.emulators.nvidia.nvenc_pictures import decoded, worst

INVALID, PARAMETER = VALUES["kVTInvalidSessionErr"], VALUES["kVTParameterErr"]
DROPPED = VALUES["kVTEncodeInfo_FrameDropped"]
ASYNCHRONOUS = VALUES["kVTEncodeInfo_Asynchronous"]
NO_ENCODER = VALUES["kVTCouldNotFindVideoEncoderErr"]
LOW_LATENCY = {"kVTVideoEncoderSpecification_EnableLowLatencyRateControl": True}
ORDERED = {"AllowFrameReordering": False, "AllowOpenGOP": False, "AverageBitRate": 2000000}
MAIN10 = VALUES["kCVPixelFormatType_420YpCbCr10BiPlanarVideoRange"]


def shown(codec: str, outputs: list[Sample]) -> list[Any]:
    """What PyAV makes of the samples."""
    pytest.importorskip("av")
    name = {"H264": "h264", "HEVC": "hevc"}[codec]
    return decoded(name, b"".join(each.annexb for each in outputs))


@pytest.mark.parametrize("how", ["other", "caller", "shuffled:3"])
@pytest.mark.parametrize("codec", ["H264", "HEVC"])
def test_samples_without_reordering(
    frameworks: AppleEmulator, apple: Apple, codec: str, how: str
) -> None:
    with (
        frameworks.having(CALLBACKS=how),
        Compression(apple, codec, properties={**ORDERED, "MaxKeyFrameInterval": 5}) as session,
    ):
        session.encode_all(range(12))
        outputs = session.outputs
    assert [each.frame for each in outputs] == [each.pts for each in outputs] == list(range(12))
    assert {each.dts for each in outputs} == {None}
    assert {each.duration for each in outputs} == {1}
    keys = [each.frame for each in outputs if each.is_sync]
    assert keys == [each.frame for each in outputs if not each.depends] == [0, 5, 10]
    here = how == "caller"
    assert {each.flags for each in outputs} == {0 if here else ASYNCHRONOUS}
    assert ({each.thread for each in outputs} == {threading.get_ident()}) == here
    kinds = {each.sets[0][0] & 31 if codec == "H264" else each.sets[0][0] >> 1 for each in outputs}
    assert kinds == {7 if codec == "H264" else 32}
    assert worst(shown(codec, outputs), range(12)) > 30


@pytest.mark.parametrize(("codec", "order"), [
    ("H264", [0, 2, 1, 4, 3, 6, 5, 7]), ("HEVC", [0, 4, 2, 1, 3, 7, 5, 6]),
])  # fmt: skip
def test_reordering_is_on_unless_it_is_switched_off(
    apple: Apple, codec: str, order: list[int]
) -> None:
    properties = {"AverageBitRate": 3000000, "MaxKeyFrameInterval": 100}
    with Compression(apple, codec, properties=properties) as session:
        session.encode_all(range(8))
        assert [each.frame for each in session.outputs] == order
        # Times of decoding are not shifted: the first B picture is shown before it is decoded.
        assert [each.dts for each in session.outputs] == list(range(8))
        assert worst(shown(codec, session.outputs), range(8)) > 28


def test_a_keyframe_that_is_asked_for(apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        for number in range(6):
            assert session.encode(number, force=number == 3) == 0
        session.complete()
        assert [each.frame for each in session.outputs if each.is_sync] == [0, 3]


def test_frames_are_completed_up_to_a_time(frameworks: AppleEmulator, apple: Apple) -> None:
    with frameworks.having(B_PICTURES="3"), Compression(apple) as session:
        for number in range(7):
            assert session.encode(number) == 0
        assert session.complete(4) == 0
        assert sorted(each.frame for each in session.outputs)[:5] == [0, 1, 2, 3, 4]
        assert len(session.outputs) == 5
        assert session.complete() == 0
        assert len(session.outputs) == 7
        assert session.encode(7) == 0
        session.complete()
        # It goes on from the pictures before.
        assert not session.outputs[-1].is_sync


def test_the_delay_may_be_limited(apple: Apple) -> None:
    properties = {**ORDERED, "MaxFrameDelayCount": 0}
    with Compression(apple, properties=properties) as session:
        for number in range(5):
            assert session.encode(number) == 0
            assert len(session.outputs) == number + 1
    with Compression(apple, "HEVC", properties={"MaxFrameDelayCount": 1}) as session:
        session.encode_all(range(5))
        assert [each.frame for each in session.outputs] == [0, 2, 1, 4, 3]


def test_frames_queue_up_without_a_bound(frameworks: AppleEmulator, apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        frameworks.fault("encode", "stall", 0)
        for number in range(20):
            assert session.encode(number) == 0
        assert session.outputs == []
        frameworks.clear_faults()
        assert session.complete() == 0
        assert len(session.outputs) == 20
    assert frameworks.report()["peak"]["frames being encoded"] == 20


# Rates, structure, colour


def bits(outputs: list[Sample]) -> int:
    return sum(len(each.annexb) for each in outputs) * 8


def test_rates_change_while_frames_are_encoded(apple: Apple) -> None:
    limits = [250000, 1.0]
    with Compression(apple, properties={**ORDERED, "DataRateLimits": limits}) as session:
        session.encode_all(range(20))
        before = bits(session.outputs)
        session.outputs.clear()
        assert session.set("AverageBitRate", 40000) == 0
        assert session.set("DataRateLimits", [5000, 1.0]) == 0
        session.encode_all(range(20, 40))
        assert not any(each.is_sync for each in session.outputs)
        assert bits(session.outputs) < before / 2
        read_only = VALUES["kVTPropertyReadOnlyErr"]
        assert session.set("AllowFrameReordering", True) == read_only
        assert session.set("ProfileLevel", "kVTProfileLevel_H264_Main_AutoLevel") == read_only


def test_quality_decides_without_a_rate(apple: Apple) -> None:
    sizes = []
    for quality in (0.2, 0.8):
        properties = {"AllowFrameReordering": False, "Quality": quality}
        with Compression(apple, properties=properties) as session:
            session.encode_all(range(5))
            sizes.append(bits(session.outputs))
    assert sizes[0] < sizes[1] / 2


def test_what_parameter_sets_say(apple: Apple) -> None:
    properties = {
        **ORDERED, "ProfileLevel": "kVTProfileLevel_H264_Main_4_1",
        "ColorPrimaries": "kVTCompressionPropertyKey_RealTime",
    }  # fmt: skip
    with Compression(apple, properties=properties) as session:
        session.encode_all(range(1))
        assert session.outputs[0].sets[0][1:4:2] == bytes((77, 41))
    with Compression(apple, "HEVC", properties={
        "ProfileLevel": "kVTProfileLevel_HEVC_Main10_AutoLevel",
        "MasteringDisplayColorVolume": bytes(range(24)), "ContentLightLevelInfo": bytes(4),
    }, pixel_format=MAIN10) as session:  # fmt: skip
        session.encode_all(range(3))
        (message, *_), second = session.outputs[0].units, session.outputs[1].units
        assert message[:4] == bytes((39 << 1, 1, 137, 24))
        assert second[0][0] >> 1 != 39
        frames = shown("HEVC", session.outputs)
        assert {frame.format.name for frame in frames} == {"yuv420p10le"}
        assert worst(frames, range(3)) > 28


@pytest.mark.parametrize(("name", "value"), [
    ("AverageBitRate", True), ("AverageBitRate", -1), ("Quality", 1.5), ("RealTime", 1),
    ("ProfileLevel", "kVTProfileLevel_HEVC_Main_AutoLevel"), ("ProfileLevel", 3),
    ("DataRateLimits", [1]), ("DataRateLimits", 5), ("PixelAspectRatio", 2),
    ("H264EntropyMode", "kVTCompressionPropertyKey_RealTime"), ("MaxFrameDelayCount", -2),
])  # fmt: skip
def test_values_of_another_type_or_range(apple: Apple, name: str, value: Any) -> None:
    with Compression(apple) as session:
        assert session.set(name, value) == PARAMETER


def test_properties(frameworks: AppleEmulator, apple: Apple) -> None:
    using = apple.kVTCompressionPropertyKey_UsingHardwareAcceleratedVideoEncoder
    pending = apple.kVTCompressionPropertyKey_NumberOfPendingFrames
    h264_only = apple.kVTCompressionPropertyKey_H264EntropyMode
    unsupported = VALUES["kVTPropertyNotSupportedErr"]
    with frameworks.having(NO_PROPERTIES="ConstantBitRate"), Compression(apple, "HEVC") as session:
        made = apple.made("VTSessionCopySupportedPropertyDictionary", session.session)
        with apple.kept(made) as supported:
            has = [bool(apple.CFDictionaryGetValue(supported, key)) for key in (using, h264_only)]
            assert has == [True, False]
        assert session.set("UsingHardwareAcceleratedVideoEncoder", True) == -12901
        assert session.set("H264EntropyMode", "kVTH264EntropyMode_CAVLC") == unsupported
        assert session.set("ConstantBitRate", 1000000) == unsupported
        value = apple.made("VTSessionCopyProperty", session.session, using, None)
        assert apple.CFBooleanGetValue(value) == 1
        frameworks.fault("encode", "stall", 0)
        assert session.encode(0) == 0
        with apple.kept(
            apple.made("VTSessionCopyProperty", session.session, pending, None)
        ) as number:
            assert apple.whole(number) == 1
        frameworks.clear_faults()
        session.complete()


def supported_names(apple: Apple, encoder: dict[str, Any], names: list[str]) -> list[bool]:
    name, found = c.c_void_p(), c.c_void_p()
    with apple.kept(apple.dictionary(encoder)) as specification:
        assert apple.VTCopySupportedPropertyDictionaryForEncoder(
            WIDTH, HEIGHT, VALUES["kCMVideoCodecType_H264"], specification, c.byref(name),
            c.byref(found),
        ) == 0  # fmt: skip
    keys = [getattr(apple, f"kVTCompressionPropertyKey_{each}") for each in names]
    has = [bool(apple.CFDictionaryGetValue(found, key)) for key in keys]
    apple.CFRelease(name)
    apple.CFRelease(found)
    return has


def test_what_an_encoder_would_take_is_known_before(apple: Apple) -> None:
    names = ["AverageBitRate", "MaxKeyFrameInterval", "AllowFrameReordering", "MaxAllowedFrameQP"]
    assert supported_names(apple, {}, names) == [True, True, True, False]
    assert supported_names(apple, LOW_LATENCY, names) == [True, False, False, True]


def test_low_latency_rate_control(frameworks: AppleEmulator, apple: Apple) -> None:
    properties = {"AverageBitRate": 1000000}
    with (
        frameworks.having(DROPS="4"),
        Compression(apple, specification=LOW_LATENCY, properties=properties) as session,
    ):
        main = "kVTProfileLevel_H264_Main_AutoLevel"
        assert session.set("ProfileLevel", main) == PARAMETER
        assert session.set("ProfileLevel", "kVTProfileLevel_H264_High_AutoLevel") == 0
        session.encode_all(range(10))
        outputs = session.outputs
    assert [each.frame for each in outputs] == list(range(10))
    dropped = [each.frame for each in outputs if each.flags & DROPPED]
    assert dropped == [3, 7]
    assert all(not each.units and each.status == 0 for each in outputs if each.frame in dropped)
    left = [number for number in range(10) if number not in dropped]
    assert worst(shown("H264", outputs), left) > 30


# Rules and refusals


def test_what_is_not_encoded(frameworks: AppleEmulator, apple: Apple) -> None:
    def status(codec: str = "H264", **arguments: Any) -> int:
        code, made = Compression(apple, codec, **arguments).create()
        if made:
            apple.CFRelease(made)
        return code

    required = {"kVTVideoEncoderSpecification_RequireHardwareAcceleratedVideoEncoder": True}
    with frameworks.having(HARDWARE="0"):
        assert status() == 0
        assert status(specification=required) == NO_ENCODER
        assert status(specification=LOW_LATENCY) == NO_ENCODER
    with frameworks.having(ENCODERS="avc1"):
        assert status("HEVC") == NO_ENCODER
    assert status("HEVC", specification=LOW_LATENCY) == NO_ENCODER
    assert status(size=(0, 16)) == PARAMETER
    assert status(size=(8192, 16)) == NO_ENCODER
    assert status(pixel_format=0x79757673) == VALUES["kVTPixelTransferNotSupportedErr"]
    frameworks.fault("VTCompressionSessionCreate", "fail", -12915)
    assert status() == VALUES["kVTVideoEncoderNotAvailableNowErr"]


def test_times_must_grow(frameworks: AppleEmulator, apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        session.encode_all([4])
        assert session.encode(4) == PARAMETER
        assert session.encode(3) == PARAMETER
        assert session.encode(5) == 0
        session.complete()
        assert [each.frame for each in session.outputs] == [4, 5]
    assert len(frameworks.misuses()) == 2


def test_pictures_of_another_form(frameworks: AppleEmulator, apple: Apple) -> None:
    not_supported = VALUES["kVTPixelTransferNotSupportedErr"]
    with Compression(apple, properties=ORDERED) as session:
        for size, form in (
            ((64, 64), NV12),
            ((WIDTH, HEIGHT), VALUES["kCVPixelFormatType_32BGRA"]),
        ):
            with apple.kept(apple.made("CVPixelBufferCreate", None, *size, form, None)) as image:
                assert apple.VTCompressionSessionEncodeFrame(
                    session.session, image, apple.CMTimeMake(0, 30), apple.CMTimeMake(1, 30), None,
                    None, None,
                ) == not_supported  # fmt: skip
    assert len(frameworks.misuses()) == 2


def test_calls_in_a_callback(frameworks: AppleEmulator, apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        codes: list[int] = []
        session.inside = lambda: codes.append(session.complete())
        session.encode_all([0])
        session.inside = lambda: apple.VTCompressionSessionInvalidate(session.session)
        session.encode_all([1])
        session.inside = None
        session.encode_all([2])
        assert codes == [PARAMETER]
        assert [each.frame for each in session.outputs] == [0, 1, 2]
    assert len(frameworks.misuses()) == 2


def test_an_invalidated_session_answers_so(apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        with apple.kept(session.picture(0)) as image:
            apple.VTCompressionSessionInvalidate(session.session)
            assert apple.VTCompressionSessionEncodeFrame(
                session.session, image, apple.CMTimeMake(0, 30), apple.CMTimeMake(1, 30), None,
                None, None,
            ) == INVALID  # fmt: skip
        assert session.complete() == INVALID
        assert session.set("AverageBitRate", 5) == INVALID
        assert apple.VTCompressionSessionPrepareToEncodeFrames(session.session) == INVALID
        assert apple.VTCompressionSessionGetPixelBufferPool(session.session) is None


# Faults


def test_a_frame_may_fail_or_be_dropped(frameworks: AppleEmulator, apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        frameworks.fault("encode", "fail", VALUES["kVTVideoEncoderMalfunctionErr"], first=1)
        frameworks.fault("encode", "drop", 0, first=4)
        session.encode_all(range(6))
        assert [each.status for each in session.outputs] == [-12912, 0, 0, 0, 0, 0]
        assert [each.frame for each in session.outputs if each.flags & DROPPED] == [3]
        # The keyframe that failed is made of the next.
        assert [each.frame for each in session.outputs if each.is_sync and each.units] == [1]
        assert len(shown("H264", session.outputs)) == 4


def test_a_session_may_be_lost(frameworks: AppleEmulator, apple: Apple) -> None:
    with Compression(apple, properties=ORDERED) as session:
        frameworks.fault("encode", "lost", INVALID, first=2)
        assert session.encode(0) == 0
        assert session.complete() == 0
        assert session.encode(1) == 0
        assert session.complete() == INVALID  # which does not wait for the callback
        wait_for(lambda: len(session.outputs) == 2)
        assert session.outputs[-1].status == INVALID
        with apple.kept(
            apple.made("CVPixelBufferCreate", None, WIDTH, HEIGHT, NV12, None)
        ) as image:
            assert apple.VTCompressionSessionEncodeFrame(
                session.session, image, apple.CMTimeMake(9, 30), apple.CMTimeMake(1, 30), None,
                None, None,
            ) == INVALID  # fmt: skip


def test_attachments_may_lie(frameworks: AppleEmulator, apple: Apple) -> None:
    """As those of no known system do; a client is to notice."""
    with (
        frameworks.having(ATTACHMENTS="wrong"),
        Compression(apple, properties=ORDERED) as session,
    ):
        session.encode_all(range(2))
        assert [each.is_sync for each in session.outputs] == [True, True]
        assert [each.units[0][0] & 31 for each in session.outputs] == [5, 1]


@pytest.mark.parametrize("codec", ["AppleProRes422Proxy", "AppleProRes4444"])
def test_prores_has_no_properties_of_rates_and_groups(
    frameworks: AppleEmulator, apple: Apple, codec: str
) -> None:
    unsupported = VALUES["kVTPropertyNotSupportedErr"]
    with Compression(apple, codec, pixel_format=None) as session:
        for name, value in {**ORDERED, "Quality": 0.5, "MaxKeyFrameInterval": 5}.items():
            assert session.set(name, value) == unsupported, name
        assert session.set("RealTime", True) == 0
        assert session.set("ExpectedFrameRate", 25) == 0
