"""ProRes out of VideoToolbox: frames of every flavour, what it refuses, files.

libavcodec's decoder of ProRes is the witness; what coded them is prores_ks, in the emulated
frameworks.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.backends.encoding import (
    Array,
    Witnessed,
    check_times,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    witness,
)
from tests.emulators.control import AppleEmulator
from videohw.apple.encoder_messages import ApplePictureOptions
from videohw.apple.encoder_options import AppleEncoderOptions
from videohw.apple.encoder_prores import _WITHOUT_MEANING
from videohw.color import ColorSpec
from videohw.encoder import Encoder
from videohw.encoding.prores import FLAVOURS, frame_header
from videohw.encoding.session_switch import SwitchMode, SwitchRequest
from videohw.errors import (
    BackendError,
    InvalidBitstream,
    InvalidInput,
    UnsupportedCodec,
    UnsupportedConfig,
)
from videohw.frame import Frame
from videohw.machine import capabilities
from videohw.nvidia.encoder_capabilities import answers
from videohw.types import (
    Capability,
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    ContentLight,
    MasteringDisplay,
    Packet,
    SideData,
    VariableBitrate,
)

WIDTH, HEIGHT, COUNT = 96, 64, 6
PATIENCE_SECONDS = 30.0
PICTURES = nv12_pictures(COUNT, WIDTH, HEIGHT)
# The least that a flavour keeps of a noisy texture, in dB.
FLOORS = {"proxy": 26, "lt": 32, "422": 35, "hq": 38, "4444": 38}
HALF = Fraction(1, 2)


def opened(width: int = WIDTH, height: int = HEIGHT, **arguments: Any) -> Encoder:
    arguments = {"fps": 30, "max_in_flight": 40, **arguments}
    return Encoder("prores", width, height, backend="videotoolbox", **arguments)


def prores(backend: str = "videotoolbox") -> Capability:
    (found,) = capabilities("prores", backend)
    assert found.direction == "encode"  # nobody decodes it
    return found


def as_nv12(seen: Witnessed, depth: int = 10) -> list[Array]:
    """What was decoded in the form of the picture that went in: 8 bits and 4:2:0."""
    planes = []
    for plane in seen.planes:
        rows, columns = (HEIGHT, WIDTH) if plane is seen.planes[0] else (HEIGHT // 2, WIDTH // 2)
        blocks = plane.reshape(rows, plane.shape[0] // rows, columns, plane.shape[1] // columns)
        planes.append(blocks.mean(axis=(1, 3)) / (1 << (depth - 8)))
    return planes


def quality(packets: list[Packet]) -> float:
    seen = witness("prores", packets)
    assert [each.pts for each in seen] == list(range(COUNT))
    return min(
        psnr(as_nv12(each), nv12_planes(picture))
        for each, picture in zip(seen, PICTURES, strict=True)
    )


# Frames


@pytest.mark.parametrize("profile", FLAVOURS)
def test_every_flavour_is_coded(frameworks: AppleEmulator, profile: str) -> None:
    with opened(profile=profile, metrics=True) as encoder:
        packets = encode(encoder, PICTURES, forced=(2,))
        told = encoder.summary()
        assert encoder.extradata is None
        assert encoder.parameter_sets is None
        assert encoder.metrics() is not None
    check_times(packets, list(range(COUNT)))
    assert {(each.keyframe, each.layout, each.extradata) for each in packets} == {
        (True, "frame", None)
    }
    assert [each.dts for each in packets] == [each.pts for each in packets] == list(range(COUNT))
    assert {each.duration for each in packets} == {1}
    assert told["fourcc"] == FLAVOURS[profile].fourcc
    assert (told["coded_format"], told["layout"]) == (FLAVOURS[profile].form, "frame")
    assert (told["rate_control"], told["rate_mode"], told["switch_reconfigures"]) == (
        None, None, (),
    )  # fmt: skip
    assert told["submitted"] == told["delivered"] == COUNT
    (seen, *_) = witness("prores", packets)
    assert seen.format == ("yuv444p10le" if profile == "4444" else "yuv422p10le")
    assert seen.keyframe
    assert quality(packets) > FLOORS[profile]


def test_the_flavour_decides_the_rate(frameworks: AppleEmulator) -> None:
    sizes = []
    for profile in ("proxy", "lt", None, "hq"):
        with opened(profile=profile) as encoder:
            sizes.append(sum(len(each) for each in encode(encoder, PICTURES)))
    assert sizes == sorted(set(sizes))
    with opened(profile="422") as encoder:
        assert sum(len(each) for each in encode(encoder, PICTURES)) == sizes[2]


@pytest.mark.parametrize("layout", ["annexb", "length_prefixed", "frame"])
def test_packets_are_frames_whatever_the_layout(frameworks: AppleEmulator, layout: str) -> None:
    with opened(layout=layout) as encoder:
        (packet,) = encode(encoder, PICTURES[:1])
    assert packet.layout == "frame"
    assert int.from_bytes(packet.data[:4], "big") == len(packet.data)
    assert packet.data[4:8] == b"icpf"
    with pytest.raises(InvalidInput) as wrong:
        Encoder("hevc", WIDTH, HEIGHT, fps=30, backend="videotoolbox", layout="frame")
    assert wrong.value.argument == "layout"


def test_colours_are_in_the_frames(frameworks: AppleEmulator) -> None:
    color = ColorSpec(matrix="bt2020nc", primaries="bt2020", transfer="smpte2084")
    with opened(color=color, input="p010") as encoder:
        deep = [picture.astype(np.uint16) << 8 for picture in PICTURES]
        packets = encode(encoder, deep)
    header = frame_header(packets[0].data)
    assert header == (WIDTH, HEIGHT, False, 9, 16, 9)
    (seen, *_) = witness("prores", packets)
    assert (seen.matrix, seen.primaries, seen.transfer) == (9, 9, 16)
    assert quality(packets) > FLOORS["422"]
    with pytest.raises(InvalidBitstream):
        frame_header(packets[0].data[1:])


@pytest.mark.parametrize("profile", ["422", "4444"])
def test_rgb_is_converted_by_the_matrix_of_the_stream(
    frameworks: AppleEmulator, profile: str
) -> None:
    green = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    green[..., 1] = 255
    for matrix, luma in (("bt709", 0.7152), ("smpte170m", 0.587)):
        color = ColorSpec(matrix=matrix)
        with opened(profile=profile, input="bgra", color=color) as encoder:
            (seen,) = witness("prores", encode(encoder, [green]))
        assert abs(float(seen.planes[0].mean()) - (64 + 876 * luma)) < 3


def test_full_chroma_is_kept_by_4444(frameworks: AppleEmulator) -> None:
    """Stripes of one column, which 4:2:2 has no chroma for; and a size that nothing halves."""
    width, height = 97, 63
    stripes = np.zeros((height, width, 3), np.uint8)
    stripes[:, 0::2, 0] = stripes[:, 1::2, 2] = 255
    with opened(width, height, profile="4444", input="rgb24") as encoder:
        (packet,) = encode(encoder, [stripes])
    (seen,) = witness("prores", [packet])
    assert [each.shape for each in seen.planes] == [(height, width)] * 3
    red = seen.planes[2].astype(int)
    assert (red[:, 0::2] - red[:, 1:-1:2].mean() > 300).all()
    with pytest.raises(UnsupportedConfig) as refused:
        opened(width, height)
    assert refused.value.argument == "width"


def test_frames_go_in_in_their_own_format(frameworks: AppleEmulator) -> None:
    """p210 as it is; other frames are converted, and full range becomes limited."""
    planes = (np.full((HEIGHT, WIDTH), 500 << 6, np.uint16),
              np.full((HEIGHT, WIDTH // 2, 2), 600 << 6, np.uint16))  # fmt: skip
    frame = Frame(planes, "p210", WIDTH, HEIGHT, color=ColorSpec(range="limited"))
    white = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    white[:HEIGHT] = 255
    full = Frame((white[:HEIGHT], white[HEIGHT:].reshape(HEIGHT // 2, WIDTH // 2, 2)), "nv12",
                 WIDTH, HEIGHT, color=ColorSpec(range="full"))  # fmt: skip
    captioned = replace(frame, side_data=SideData(captions=b"\xfc\x94\x2c"))
    with opened() as encoder:
        first, second, third = witness("prores", encode(encoder, [frame, full, captioned]))
        with pytest.raises(InvalidInput) as wrong:
            encoder.submit(PICTURES[0], options=ApplePictureOptions(captions=b"\xfc\x94\x2c"))
    assert wrong.value.argument == "options"
    for plane, value in zip(first.planes, (500, 600, 600), strict=True):
        assert abs(float(plane.mean()) - value) < 2
    assert abs(float(second.planes[0].mean()) - 940) < 3
    assert abs(float(third.planes[0].mean()) - 500) < 2


# Refusals

HDR = MasteringDisplay(*([(HALF, HALF)] * 4), Fraction(1000), Fraction(1, 100))
REFUSED: list[tuple[str, Any]] = [
    ("rate_control", VariableBitrate(1_000_000)), ("rate_control", ConstantBitrate(1_000_000)),
    ("rate_control", ConstantQuality(90)), ("rate_control", ConstantQp(20)),
    ("gop", 0), ("gop", 30), ("b_frames", 1),
    ("options.data_rate_limits", ((1000, 1.0),)), ("options.constant_bit_rate", True),
    ("options.quality", 0.5), ("options.min_qp", 10), ("options.max_qp", 40),
    ("options.low_latency_rate_control", True), ("options.keyframe_seconds", 2),
    ("options.level", "4.1"), ("options.entropy", "cabac"), ("options.slice_bytes", 1000),
    ("options.mastering_display", HDR), ("options.content_light", ContentLight(100, 50)),
    ("color", ColorSpec(range="full")), ("profile", "main"),
]  # fmt: skip


def given(argument: str, value: Any) -> dict[str, Any]:
    if not argument.startswith("options."):
        return {argument: value}
    return {"options": AppleEncoderOptions(**{argument.removeprefix("options."): value})}


def test_what_has_no_meaning_is_refused_by_name_before_anything_opens(
    frameworks: AppleEmulator,
) -> None:
    assert {argument for argument, _ in REFUSED} >= set(_WITHOUT_MEANING)
    for argument, value in REFUSED:
        frameworks.forget()
        with pytest.raises(UnsupportedConfig) as refused:
            opened(**given(argument, value))
        assert refused.value.argument == argument
        assert argument.split(".")[-1] in str(refused.value)
        assert not [call for call in frameworks.log() if call == "VTCompressionSessionCreate"]


def test_what_has_a_meaning_is_taken(frameworks: AppleEmulator) -> None:
    options = AppleEncoderOptions(
        require_hardware=True, real_time=True, speed_over_quality=True, power_efficient=True,
        max_frame_delay=2, sample_aspect=Fraction(4, 3), on_drop="count",
    )  # fmt: skip
    with opened(options=options, low_latency=True, preset="fastest", fps=29.97) as encoder:
        assert len(encode(encoder, PICTURES)) == COUNT
        found = encoder.summary()["properties"]
    assert {"PixelAspectRatio", "MaxFrameDelayCount", "MaximizePowerEfficiency"} <= set(found)


def test_other_backends_say_who_encodes_it(frameworks: AppleEmulator) -> None:
    with pytest.raises(UnsupportedCodec, match="software") as refused:
        Encoder("prores", WIDTH, HEIGHT, fps=30, backend="software")
    assert "videotoolbox" in (refused.value.hint or "")
    assert "videotoolbox" in (prores("software").hint or "")
    with pytest.raises(UnsupportedCodec, match="NVENC has no prores") as by_nvidia:
        answers("prores", SimpleNamespace(ordinal=0, context=0))
    assert "videotoolbox" in (by_nvidia.value.hint or "")


def test_flavours_are_those_that_the_system_has(frameworks: AppleEmulator) -> None:
    found = prores()
    assert found.supported
    assert found.hardware
    assert found.details["profiles"] == tuple(FLAVOURS)
    assert found.formats == ("nv12", "p010", "i420", "rgb24", "bgr24", "rgba", "bgra")
    assert found.max_b_frames == 0
    with frameworks.having(ENCODERS="avc1,apcs"):
        found = prores()
        assert (found.supported, found.details["profiles"]) == (True, ("lt",))
        with pytest.raises((UnsupportedCodec, UnsupportedConfig)):
            opened(profile="hq")
        with opened(profile="lt") as encoder:
            assert len(encode(encoder, PICTURES[:1])) == 1
    with frameworks.having(ENCODERS="avc1,hvc1"):
        assert not prores().supported
        with pytest.raises((UnsupportedCodec, UnsupportedConfig)):
            opened()


# Sessions


def test_flush_and_go_on(frameworks: AppleEmulator) -> None:
    with opened(max_in_flight=2) as encoder:
        first = encode(encoder, PICTURES[:3])
        assert encoder.flush(PATIENCE_SECONDS) == []
        packets = first + encode(encoder, PICTURES[3:])
        assert encoder.summary()["most_under_way"] <= 2
    check_times(packets, list(range(COUNT)))
    assert quality(packets) > FLOORS["422"]


def test_switches(frameworks: AppleEmulator) -> None:
    """Of size and flavour to another session, of the frame rate to the same; no other."""
    with opened(fps=30, time_base=Fraction(1, 90000)) as encoder:
        encoder.submit(PICTURES[0])
        encoder.request_session_switch(SwitchRequest({"fps": 60}))
        encoder.submit(PICTURES[1])
        assert encoder.flush(PATIENCE_SECONDS)[-1].duration == 1500
        assert encoder.summary()["sessions_created"] == 1
        with pytest.raises(UnsupportedConfig) as refused:
            encoder.request_session_switch(SwitchRequest({"rate_control": ConstantBitrate(1000)}))
        assert refused.value.argument == "rate_control"
        encoder.request_session_switch(SwitchRequest({"profile": "hq"}))
        encoder.submit(PICTURES[2])
        (hq,) = encoder.flush(PATIENCE_SECONDS)
        assert (encoder.summary()["sessions_created"], encoder.summary()["fourcc"]) == (2, "apch")
        changes = {"width": 64, "height": 48, "profile": "4444"}
        for mode in SwitchMode:
            encoder.request_session_switch(SwitchRequest(changes, mode))
            encoder.submit(nv12_pictures(1, 64, 48)[0], force_keyframe=True)
        small = encoder.flush(PATIENCE_SECONDS)
    assert [frame_header(each.data)[:3] for each in small] == [(64, 48, True)] * len(SwitchMode)
    assert frame_header(hq.data)[:3] == (WIDTH, HEIGHT, False)
    assert [each.generation for each in (hq, *small)] == [2, 3, 4, 5]


@pytest.mark.parametrize(("name", "value"), [("PRORES_FRAMES", "cut"), ("ATTACHMENTS", "wrong")])
def test_samples_that_are_no_frames_are_errors(
    frameworks: AppleEmulator, name: str, value: str
) -> None:
    """Half a frame, and one that is said to be no keyframe."""
    with frameworks.having(**{name: value}), opened() as encoder:
        for picture in PICTURES:
            encoder.submit(picture)
        for _ in range(COUNT):
            with pytest.raises(BackendError) as wrong:
                encoder.flush(PATIENCE_SECONDS)
            assert wrong.value.domain == "videohw"
        assert encoder.flush(PATIENCE_SECONDS) == []
        assert encoder.summary()["reasons"] == {"error": COUNT}


def test_a_hundred_sessions_leave_nothing(frameworks: AppleEmulator) -> None:
    for number in range(100):
        encoder = opened(max_in_flight=2, profile=tuple(FLAVOURS)[number % 5])
        encoder.submit(PICTURES[0])
        if number % 3 == 0:
            assert len(encoder.flush(PATIENCE_SECONDS)) == 1
        encoder.close()
    del encoder
    gc.collect()
    assert frameworks.open() == {}
