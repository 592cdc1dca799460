"""Encoders on VideoToolbox: what the contract suite cannot ask of every backend."""

from __future__ import annotations

import gc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.encoding import (
    Witnessed,
    check_times,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    unit_types,
    witness,
)
from tests.emulators.control import AppleEmulator
from videohw.apple.encoder_options import AppleEncoderOptions
from videohw.encoder import Encoder
from videohw.encoding.session_switch import SwitchRequest
from videohw.errors import BackendError, DeviceLost, InvalidInput, UnsupportedConfig
from videohw.types import (
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    ContentLight,
    MasteringDisplay,
    Packet,
    VariableBitrate,
)

WIDTH, HEIGHT = 96, 64
RATE = VariableBitrate(400_000)
PATIENCE_SECONDS = 30.0
LOW_LATENCY = AppleEncoderOptions(low_latency_rate_control=True)
KEY = "kVTCompressionPropertyKey_"


def opened(codec: str = "h264", **arguments: Any) -> Encoder:
    arguments = {"fps": 30, "rate_control": RATE, "max_in_flight": 40, **arguments}
    return Encoder(codec, WIDTH, HEIGHT, backend="videotoolbox", **arguments)


def coded(codec: str = "h264", count: int = 12, **arguments: Any) -> list[Packet]:
    with opened(codec, **arguments) as encoder:
        return encode(encoder, nv12_pictures(count, WIDTH, HEIGHT))


def shown(codec: str, packets: list[Packet], count: int) -> list[Witnessed]:
    """All pictures, as libavcodec decodes them, as good as they were given."""
    seen = witness(codec, packets)
    given = nv12_pictures(count, WIDTH, HEIGHT)
    assert [each.pts for each in seen] == sorted(packet.pts for packet in packets)
    for each in seen:
        if each.format == "yuv420p":
            assert psnr(nv12_planes(given[each.pts]), each.planes) > 26
    return seen


def everything(encoder: Encoder) -> list[Packet | BackendError]:
    found: list[Packet | BackendError] = []
    while True:
        try:
            return found + encoder.flush(PATIENCE_SECONDS)
        except BackendError as error:
            found.append(error)


# Callbacks, delay


@pytest.mark.parametrize("how", ["other", "caller"])
@pytest.mark.parametrize(("codec", "b_frames"), [("h264", 0), ("h264", 2), ("hevc", 3)])
def test_packets_do_not_depend_on_how_callbacks_come(
    frameworks: AppleEmulator, codec: str, b_frames: int, how: str
) -> None:
    with frameworks.having(CALLBACKS=how):
        packets = coded(codec, b_frames=b_frames)
    check_times(packets, list(range(12)))
    assert ([p.pts for p in packets] == list(range(12))) == (b_frames == 0)
    shown(codec, packets, 12)


def test_parameter_sets_may_say_more_reordering_than_is_known(frameworks: AppleEmulator) -> None:
    with frameworks.having(B_PICTURES="3"):
        check_times(coded("h264", b_frames=4), list(range(12)))


def test_with_low_latency_nothing_is_under_way_beside_one(frameworks: AppleEmulator) -> None:
    with opened(low_latency=True) as encoder:
        for number, picture in enumerate(nv12_pictures(5, WIDTH, HEIGHT)):
            encoder.submit(picture)
            packet = encoder.reap_timeout(PATIENCE_SECONDS)
            assert packet is not None
            assert packet.pts == number
    assert frameworks.report()["peak"]["frames being encoded"] == 1


def test_an_encoder_that_holds_more_than_it_says_is_found_out(frameworks: AppleEmulator) -> None:
    """It has no word on the delay, and holds three pictures; one may be under way."""
    with frameworks.having(NO_PROPERTIES="MaxFrameDelayCount", B_PICTURES="3"):
        packets = coded(b_frames=1, max_in_flight=2)
        assert len(packets) == 12
        shown("h264", packets, 12)


# Drops, errors


def test_dropped_pictures_are_told_or_counted(frameworks: AppleEmulator) -> None:
    for on_drop in ("raise", "count"):
        options = AppleEncoderOptions(low_latency_rate_control=True, on_drop=on_drop)
        with frameworks.having(DROPS="4"), opened(options=options) as encoder:
            for picture in nv12_pictures(10, WIDTH, HEIGHT):
                encoder.submit(picture)
            found = everything(encoder)
            summary = encoder.summary()
        packets = [each for each in found if isinstance(each, Packet)]
        errors = [each for each in found if not isinstance(each, Packet)]
        assert summary["reasons"] == {"dropped": 2}
        assert summary["dropped_pts"] == (3, 7)
        assert summary["submitted"] == summary["delivered"] + 2
        check_times(packets, [0, 1, 2, 4, 5, 6, 8, 9])
        shown("h264", packets, 10)
        assert [error.fatal for error in errors] == ([False] * 2 if on_drop == "raise" else [])
        assert all("pts" in str(error) for error in errors)


@pytest.mark.parametrize("by_itself", ["1", "0"])
def test_a_keyframe_that_is_dropped_is_made_up_for(
    frameworks: AppleEmulator, by_itself: str
) -> None:
    frameworks.fault("encode", "drop", 0, first=5)
    options = AppleEncoderOptions(on_drop="count")
    with (
        frameworks.having(MAKES_UP=by_itself),
        opened(gop=0, options=options, low_latency=True) as encoder,
    ):
        packets = encode(encoder, nv12_pictures(10, WIDTH, HEIGHT), forced=(4,))
    assert [packet.pts for packet in packets if packet.keyframe] == [0, 5]
    shown("h264", packets, 10)


def test_attachments_that_lie_are_an_error(frameworks: AppleEmulator) -> None:
    with frameworks.having(ATTACHMENTS="wrong"), opened(gop=0) as encoder:
        for picture in nv12_pictures(3, WIDTH, HEIGHT):
            encoder.submit(picture)
        found = everything(encoder)
    first, *others = sorted(found, key=lambda each: not isinstance(each, Packet))
    assert isinstance(first, Packet)
    assert all("do not agree" in str(each) for each in others)
    assert len(others) == 2


@pytest.mark.parametrize("code", [-12903, -12912, -17691])
def test_a_lost_session_is_fatal_and_a_new_one_works(frameworks: AppleEmulator, code: int) -> None:
    frameworks.fault("encode", "lost", code, first=3)
    with opened(low_latency=True) as encoder:
        for number, picture in enumerate(nv12_pictures(3, WIDTH, HEIGHT)):
            encoder.submit(picture)
            if number < 2:
                assert encoder.reap_timeout(PATIENCE_SECONDS) is not None
        with pytest.raises(DeviceLost) as lost:
            encoder.reap_timeout(PATIENCE_SECONDS)
        assert (lost.value.code, lost.value.domain) == (code, "videotoolbox")
    frameworks.clear_faults()
    assert len(coded(count=3)) == 3


def test_a_buffer_that_the_pool_has_not_is_told(frameworks: AppleEmulator) -> None:
    with opened() as encoder:
        frameworks.fault("CVPixelBufferPoolCreatePixelBufferWithAuxAttributes", "fail", -6662)
        with pytest.raises(BackendError, match="no buffer"):
            encoder.submit(nv12_pictures(1, WIDTH, HEIGHT)[0])
        assert encoder.summary()["submitted"] == 0


# What is asked for


def test_low_latency_rate_control_refuses_by_name(frameworks: AppleEmulator) -> None:
    for argument, value in (
        ("gop", 30), ("b_frames", 1), ("profile", "main"), ("rate_control", ConstantQuality(20)),
        ("rate_control", ConstantQp(20)),
    ):  # fmt: skip
        with pytest.raises(UnsupportedConfig) as refused:
            opened(options=LOW_LATENCY, **{argument: value})
        assert refused.value.argument == argument
    with pytest.raises(UnsupportedConfig) as refused:
        opened("hevc", options=LOW_LATENCY)
    assert refused.value.argument == "options.low_latency_rate_control"
    packets = coded(options=LOW_LATENCY, gop=0)
    assert [packet.pts for packet in packets if packet.keyframe] == [0]


def test_a_constant_bitrate_is_its_own_where_it_is_there(frameworks: AppleEmulator) -> None:
    rate = ConstantBitrate(300_000)
    by_average = {"AverageBitRate", "DataRateLimits"}
    for absent, expected in (("", {"ConstantBitRate"}), ("ConstantBitRate", by_average)):
        with frameworks.having(NO_PROPERTIES=absent), opened(rate_control=rate) as encoder:
            assert expected <= set(encoder.summary()["properties"])
            encoder.request_session_switch(
                SwitchRequest({"rate_control": ConstantBitrate(200_000)})
            )
            assert encoder.summary()["switch"]["reconfigures"]
    with frameworks.having(NO_PROPERTIES="ConstantBitRate"), pytest.raises(UnsupportedConfig) as no:
        opened(rate_control=rate, options=AppleEncoderOptions(constant_bit_rate=True))
    assert no.value.argument == "options.constant_bit_rate"


def test_a_live_change_that_is_refused_is_undone(frameworks: AppleEmulator) -> None:
    with opened(gop=0) as encoder:
        pictures = nv12_pictures(6, WIDTH, HEIGHT)
        packets = encode(encoder, pictures[:3], flush=False)
        before = frameworks.report()["calls"]["VTSessionSetProperty"]
        frameworks.fault("VTSessionSetProperty", "fail", -12902, first=2)
        encoder.request_session_switch(SwitchRequest({"rate_control": VariableBitrate(100_000)}))
        for picture in pictures[3:]:
            encoder.submit(picture)
        found = everything(encoder)
        packets += [each for each in found if isinstance(each, Packet)]
        (error,) = [each for each in found if not isinstance(each, Packet)]
        assert error.name == "kVTParameterErr"
        assert encoder.summary()["switch"]["state"] == "failed"
    # The average and its limit, of which the second failed, and both as they were.
    assert frameworks.report()["calls"]["VTSessionSetProperty"] == before + 4
    assert [packet.generation for packet in packets] == [0] * 6
    shown("h264", packets, 6)


@pytest.mark.parametrize("both", [False, True], ids=["one fails", "both fail"])
def test_a_live_change_behind_one_that_fails_brings_both(
    frameworks: AppleEmulator, both: bool
) -> None:
    """It was asked for on top of the other, before anybody knew that that one fails."""
    noise = np.random.default_rng(7).integers(0, 256, (30, HEIGHT * 3 // 2, WIDTH), np.uint8)
    with opened(gop=0, rate_control=VariableBitrate(2_000_000)) as encoder:
        frameworks.fault("VTCompressionSessionEncodeFrame", "stall", 400)
        # The first value of the one; the two that put it right; of the other, all but the last.
        frameworks.fault("VTSessionSetProperty", "fail", -12902)
        if both:
            frameworks.fault("VTSessionSetProperty", "fail", -12902, first=4)
        for index, picture in enumerate(noise):
            if index == 8:
                change = SwitchRequest({"rate_control": VariableBitrate(60_000)})
                assert encoder.request_session_switch(change) == 1
            if index == 9:
                assert encoder.request_session_switch(SwitchRequest({"fps": 15})) == 2
            encoder.submit(picture, timeout=PATIENCE_SECONDS)
        found = everything(encoder)
        summary = encoder.summary()
        state, rate = summary["switch"]["state"], encoder.summary()["rate_control"]
    packets = [each for each in found if isinstance(each, Packet)]
    errors = [each for each in found if not isinstance(each, Packet)]
    assert [each.name for each in errors] == ["kVTParameterErr"] * (1 + both)
    assert [packet.pts for packet in packets if packet.keyframe] == [0]
    assert summary["sessions_created"] == 1
    # Those of the one that failed are of the settings before, whatever they were.
    assert [each.generation for each in packets] == [0] * 9 + [0 if both else 2] * 21
    assert (state, rate.bps) == (("failed", 2_000_000) if both else ("active", 60_000))
    before, after = (sum(len(each.data) for each in part) for part in (packets[1:8], packets[-7:]))
    assert (after * 2 < before) is not both


def test_times_are_whole_numbers_of_a_timescale(frameworks: AppleEmulator) -> None:
    """A CMTime of pts * numerator and the denominator, which has 31 bits; never of seconds."""
    from videohw.apple.encoder_cores import scaled

    with pytest.raises(InvalidInput, match="2147483648") as refused:
        opened(time_base=Fraction(1, 1 << 31))
    assert refused.value.argument == "time_base"
    rate = Fraction(30000, 1001)
    assert scaled((1 << 53) + 1, rate.denominator) == 1001 * ((1 << 53) + 1)
    pictures = nv12_pictures(3, WIDTH, HEIGHT)
    with opened(fps=rate, time_base=1 / rate, low_latency=True) as encoder:
        for pts, picture in zip((0, 1 << 53, 1 << 62), pictures, strict=True):
            encoder.submit(picture, pts)
        packets = [encoder.reap_timeout(PATIENCE_SECONDS) for _ in range(2)]
        with pytest.raises(InvalidInput, match="too large for VideoToolbox"):
            encoder.reap_timeout(PATIENCE_SECONDS)
        assert encoder.flush(PATIENCE_SECONDS) == []
        assert encoder.summary()["reasons"] == {"error": 1}
    assert [packet.pts for packet in packets if packet] == [0, 1 << 53]
    with opened(time_base=Fraction(1, (1 << 31) - 1)) as encoder:
        assert len(encode(encoder, pictures)) == 3


def test_hardware_is_required_when_asked(frameworks: AppleEmulator) -> None:
    options = AppleEncoderOptions(require_hardware=True)
    with opened(options=options) as encoder:
        assert encoder.summary()["using_hardware"] is True
    with frameworks.having(HARDWARE="0"):
        with opened() as encoder:
            assert encoder.summary()["using_hardware"] is False
        with pytest.raises(UnsupportedConfig):
            opened(options=options)


def test_what_the_stream_says(frameworks: AppleEmulator) -> None:
    half = Fraction(1, 2)
    display = MasteringDisplay(
        (half, half), (half, half), (half, half), (half, half), Fraction(1000), Fraction(1, 100)
    )
    options = AppleEncoderOptions(
        mastering_display=display, content_light=ContentLight(900, 300),
        sample_aspect=Fraction(4, 3),
    )  # fmt: skip
    deep = [picture.astype(np.uint16) << 8 for picture in nv12_pictures(3, WIDTH, HEIGHT)]
    with opened("hevc", input="p010", options=options) as encoder:
        packets = encode(encoder, deep)
        assert encoder.summary()["coded_format"] == "p010"
    assert {each.format for each in witness("hevc", packets)} == {"yuv420p10le"}
    assert 39 in unit_types("hevc", packets[0].data)
    with pytest.raises(UnsupportedConfig) as refused:
        opened(options=options)
    assert refused.value.argument == "options.mastering_display"
    options = AppleEncoderOptions(level="4.1", entropy="cavlc")
    (packet,) = coded(count=1, profile="main", options=options)
    assert packet.data[5:8:2] == bytes((77, 41))


@pytest.mark.parametrize(("name", "value"), [
    ("quality", 1.5), ("min_qp", 0), ("level", "9"), ("on_drop", None), ("real_time", 1),
    ("data_rate_limits", ((0, 1),)), ("data_rate_limits", ()), ("max_frame_delay", -1),
    ("keyframe_seconds", 0), ("sample_aspect", 1.5), ("content_light", 5),
])  # fmt: skip
def test_wrong_options(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        AppleEncoderOptions(**{name: value})
    assert refused.value.argument == f"options.{name}"


# Objects


def test_three_hundred_sessions_leave_nothing(frameworks: AppleEmulator) -> None:
    picture = nv12_pictures(1, WIDTH, HEIGHT)[0]
    for number in range(300):
        encoder = opened(max_in_flight=2)
        encoder.submit(picture)
        if number % 3 == 0:
            assert len(encoder.flush(PATIENCE_SECONDS)) == 1
        encoder.close()
    del encoder
    gc.collect()
    assert frameworks.open() == {}
