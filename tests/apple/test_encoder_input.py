"""Frames of VideoToolbox's decoders as pictures of its encoders: not copied where they fit."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videohw
from tests.backends.encoding import encode, psnr, witness
from tests.corpus import stream
from tests.emulators.control import AppleEmulator
from videohw.color import ColorSpec
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.errors import UnsupportedConfig
from videohw.frame import Frame
from videohw.types import ConstantQuality, Packet

H264, HEVC = "generated/small144x144.h264", "generated/small144x144.h265"
DEEP, FULL = "generated/main10_320x240.h265", "generated/fullrange_bt709.h265"
CROPPED = "generated/crop_322x182.h265"
GOOD = ConstantQuality(12)


def frames_of(name: str) -> list[Frame]:
    """All pictures, of a decoder that is closed, by number."""
    each = stream(name)
    with Decoder(each.codec, backend="videotoolbox") as decoder:
        found = [replace(f, pts=n) for n, f in enumerate(decoder.decode([each.read()]))]
    assert len(found) == each.frames
    return found


def encoder_for(frame: Frame, codec: str = "h264", **arguments: Any) -> Encoder:
    arguments = {
        "fps": 30, "rate_control": GOOD, "max_in_flight": 100, "color": frame.color, **arguments
    }  # fmt: skip
    return Encoder(codec, frame.width, frame.height, backend="videotoolbox", **arguments)


def planes_of(frame: Frame) -> list[np.ndarray[Any, Any]]:
    """A copy, planes apart, with values in the low bits."""
    luma, chroma = (np.array(plane) for plane in frame.planes)
    shift = 6 if luma.dtype.itemsize == 2 else 0
    return [luma >> shift, chroma[..., 0] >> shift, chroma[..., 1] >> shift]


def check_pictures(codec: str, packets: list[Packet], wanted: list[Any]) -> None:
    """Every picture is there in its place, as good as it was given."""
    seen = witness(codec, packets)
    assert [each.pts for each in seen] == list(range(len(wanted)))
    peak = 1023 if wanted[0][0].dtype.itemsize == 2 else 255
    for each, planes in zip(seen, wanted, strict=True):
        assert psnr(planes, each.planes, peak) > 32


@pytest.mark.parametrize(
    ("name", "codec", "arguments"),
    [(H264, "h264", {"b_frames": 2}), (HEVC, "h264", {}), (DEEP, "hevc", {"profile": "main10"}),
     (FULL, "hevc", {})],
)  # fmt: skip
def test_a_decoded_picture_is_coded_where_it_lies(
    frameworks: AppleEmulator, name: str, codec: str, arguments: dict[str, Any]
) -> None:
    if name == DEEP:
        arguments = {**arguments, "input": "p010"}
    frames = frames_of(name)
    wanted = [planes_of(frame) for frame in frames]
    with encoder_for(frames[0], codec, **arguments) as encoder:
        packets = encode(encoder, frames)
        summary = encoder.summary()
    assert (summary["uncopied"], summary["host_bytes"]) == (len(frames), 0)
    # No buffer beside those that were decoded into.
    assert frameworks.report()["ever"]["CVPixelBuffer"] == len(frames)
    check_pictures(codec, packets, wanted)


def test_the_encoder_keeps_what_nobody_else_keeps(frameworks: AppleEmulator) -> None:
    """The decoder is closed and the frames are gone before the first is coded."""
    frames = frames_of(H264)
    wanted = [planes_of(frame) for frame in frames]
    with encoder_for(frames[0]) as encoder:
        frameworks.fault("encode", "stall", 0)
        for frame in frames:
            encoder.submit(frame)
        del frame, frames
        gc.collect()
        assert frameworks.open()["CVPixelBuffer"] == len(wanted)
        frameworks.clear_faults()
        packets = encoder.flush(30)
        check_pictures("h264", packets, wanted)
    gc.collect()
    assert frameworks.open() == {}


def test_what_does_not_fit_is_copied_once(frameworks: AppleEmulator) -> None:
    frames = frames_of(H264)[:4]
    first = frames[0]
    luma, chroma = first.planes
    given = {
        "other memory": replace(first, planes=(luma.copy(), chroma.copy())),
        "planes of two pictures": replace(first, planes=(luma, frames[1].planes[1])),
        "rows from below": replace(first, planes=(luma[::-1], chroma)),
        "arrays": (luma, chroma),
        "another matrix": replace(first, color=ColorSpec(matrix="bt2020nc")),
    }
    for number, (what, frame) in enumerate(given.items()):
        if isinstance(frame, Frame):
            frame = replace(frame, pts=number)
        with encoder_for(first, color=ColorSpec(matrix="smpte170m")) as encoder:
            assert len(encode(encoder, [frame])) == 1
            summary = encoder.summary()
        size = 144 * 144 * 3 // 2
        assert (summary["uncopied"], summary["host_bytes"]) == (0, size), what


@pytest.mark.parametrize(
    ("name", "setting", "color"),
    [(CROPPED, {"CROPPING": "coded"}, None), (H264, {"COLOURS": "bt709"}, "smpte170m")],
)
def test_an_image_that_would_be_cut_or_converted_is_copied(
    frameworks: AppleEmulator, name: str, setting: dict[str, str], color: str | None
) -> None:
    with frameworks.having(**setting):
        frames = frames_of(name)
    wanted = [planes_of(frame) for frame in frames]
    with encoder_for(frames[0], color=color and ColorSpec(matrix=color)) as encoder:
        packets = encode(encoder, frames)
        assert encoder.summary()["uncopied"] == 0
    check_pictures("h264", packets, wanted)


def test_a_transcode_copies_no_picture(frameworks: AppleEmulator, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    source, target = tmp_path / "in.h264", tmp_path / "out.mp4"
    source.write_bytes(stream(H264).read())
    done = videohw.transcode(source, target, codec="hevc", backend="videotoolbox")
    assert done.frames_out == stream(H264).frames
    assert frameworks.report()["ever"]["CVPixelBuffer"] == done.frames_out
    assert (done.encoder["uncopied"], done.encoder["host_bytes"]) == (done.frames_out, 0)
    with videohw.open(target, backend="software") as reader:
        assert sum(1 for _ in reader) == done.frames_out


# 4:2:2


def test_the_profile_of_422_and_ten_bits(frameworks: AppleEmulator) -> None:
    """p010 is converted to it; what was decoded from it goes back in without a copy."""
    luma = (64 + np.add.outer(np.arange(64), np.arange(96)) * 4).astype("<u2") << 6
    chroma = np.full((32, 48, 2), 512 << 6, "<u2")
    arguments: dict[str, Any] = {
        "fps": 30, "input": "p010", "profile": "main422-10", "rate_control": GOOD,
        "backend": "videotoolbox",
    }  # fmt: skip
    with Encoder("hevc", 96, 64, **arguments) as encoder:
        packets = encode(encoder, [(luma, chroma)] * 3)
        assert encoder.summary()["coded_format"] == "p210"
    wanted = [luma >> 6, np.full((64, 48), 512), np.full((64, 48), 512)]
    check_pictures("hevc", packets, [wanted] * 3)
    with Decoder("hevc", backend="videotoolbox") as decoder:
        frames = list(decoder.decode(packet.data for packet in packets))
    frames = [replace(frame, pts=number) for number, frame in enumerate(frames)]
    assert [frame.format for frame in frames] == ["p210"] * 3
    with Encoder("hevc", 96, 64, **arguments) as encoder:
        again = encode(encoder, frames)
        assert encoder.summary()["uncopied"] == 3
    check_pictures("hevc", again, [wanted] * 3)


def test_what_the_profile_of_422_does_not_take(frameworks: AppleEmulator) -> None:
    (known,) = [c for c in videohw.capabilities("hevc", "videotoolbox") if c.direction == "encode"]
    assert known.details["profiles"] == ("main", "main10", "main422-10")
    arguments: dict[str, Any] = {
        "fps": 30, "profile": "main422-10", "rate_control": GOOD, "backend": "videotoolbox"
    }  # fmt: skip
    with pytest.raises(UnsupportedConfig, match="4:2:2") as refused:
        Encoder("hevc", 97, 64, **arguments)
    assert refused.value.argument == "width"
    with pytest.raises(UnsupportedConfig, match="profile") as refused:
        Encoder("h264", 96, 64, **arguments)
    assert refused.value.argument == "profile"
    with (
        frameworks.having(NO_PROFILE="Main42210"),
        pytest.raises(UnsupportedConfig, match="ProfileLevel") as refused,
    ):
        Encoder("hevc", 96, 64, **arguments)
    assert refused.value.argument == "profile"
