"""NVENC: what the options say is what the stream is, by libavcodec and by our own parser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.conftest import BackendCase, needs_encoder, on_nvidia
from tests.backends.encoding import (
    HEIGHT,
    WIDTH,
    av_packet,
    encode,
    nv12_pictures,
    nv12_planes,
    psnr,
    unit_types,
    witness,
    witness_context,
)
from videohw.bitstream import h264, sei
from videohw.bitstream.convert import annexb_to_nals
from videohw.errors import UnsupportedConfig
from videohw.nvidia.encoder_options import NvidiaEncoderOptions, NvidiaPictureOptions
from videohw.types import (
    ConstantBitrate,
    ConstantQp,
    ConstantQuality,
    ContentLight,
    MasteringDisplay,
    Packet,
    VariableBitrate,
)

pytestmark = on_nvidia
CODECS = ("h264", "hevc")
FPS = 30
SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}}
SEI_TYPES = {"h264": (6,), "hevc": (39, 40)}
DISPLAY = MasteringDisplay(
    (Fraction(34000, 50000), Fraction(16000, 50000)),
    (Fraction(13250, 50000), Fraction(34500, 50000)),
    (Fraction(7500, 50000), Fraction(3000, 50000)),
    (Fraction(15635, 50000), Fraction(16450, 50000)),
    Fraction(1000),
    Fraction(1, 100),
)
LIGHT = ContentLight(900, 300)
CAPTIONS = bytes.fromhex("fc9420fc942cfd8080")
USER_DATA = bytes(range(16)) + b"videohw"


def coded(
    backend: BackendCase, codec: str, pictures: Iterable[Any], **arguments: Any
) -> list[Packet]:
    needs_encoder(backend, codec)
    options = arguments.pop("options", {})
    with backend.encoder(
        codec, WIDTH, HEIGHT, options=NvidiaEncoderOptions(**options), **arguments
    ) as encoder:
        return encode(encoder, pictures)


def messages(codec: str, packet: Packet) -> dict[int, Any]:
    """The SEI messages of a packet: values by type."""
    found = {}
    for nal in annexb_to_nals(packet.data):
        kind = nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63
        if kind in SEI_TYPES[codec]:
            for message in sei.parse(nal, codec):
                found[message.payload_type] = sei.decode(message, codec)
    return found


def busy(count: int) -> list[Any]:
    """Moving texture under noise, which costs bits all the time."""
    rng = np.random.default_rng(3)
    pictures = nv12_pictures(count)
    for picture in pictures:
        picture[:HEIGHT] = np.clip(picture[:HEIGHT] + rng.normal(0, 5, (HEIGHT, WIDTH)), 16, 235)
    return pictures


# Every picture comes back, whatever the option

TRIED: list[dict[str, Any]] = [
    *({"preset": f"p{number}"} for number in range(1, 8)),
    *({"tuning": name} for name in ("high_quality", "low_latency", "ultra_low_latency")),
    {"multipass": "quarter"}, {"multipass": "full"},
    {"spatial_aq": True, "aq_strength": 8}, {"temporal_aq": True},
    {"lookahead": 8}, {"weighted_prediction": True},
    {"min_qp": 10, "max_qp": (30, 32, 34)}, {"reference_frames": 2}, {"slices": 4},
    {"aud": True}, {"repeat_headers": False}, {"entropy": "cavlc"}, {"level": "4.1"},
    {"non_reference_p": True}, {"max_in_flight_outputs": 12}, {"gop_length": 5},
    {"frame_interval_p": 3}, {"long_term_references": 2},
    {"max_width": 256, "max_height": 192},
    {"safe_lifetime_mode": True, "enable_pipeline_scheduler": True, "pipeline_queue_capacity": 8},
]  # fmt: skip
LONELY = {"entropy": ("h264",)}


AV1_TRIED: list[dict[str, Any]] = [
    {"preset": "p1", "tuning": "ultra_low_latency"},
    {"preset": "p7", "multipass": "full", "temporal_aq": True},
    {"spatial_aq": True, "aq_strength": 8, "lookahead": 8, "min_qp": 10, "max_qp": 200},
    {"gop_length": 5, "repeat_headers": False, "reference_frames": 2},
]


@pytest.mark.parametrize("options", AV1_TRIED, ids=lambda each: "-".join(each))
def test_every_picture_of_av1_comes_back(backend: BackendCase, options: dict[str, Any]) -> None:
    pictures = nv12_pictures(10)
    packets = coded(backend, "av1", pictures, options=options, rate_control=ConstantQuality(20))
    seen = witness("av1", packets)
    assert [each.pts for each in seen] == list(range(10))
    for given, shown in zip(pictures, seen, strict=True):
        assert psnr(nv12_planes(given), shown.planes) > 28
    keyframes = [0, 5] if "gop_length" in options else [0]
    assert [each.pts for each in packets if each.keyframe] == keyframes


@pytest.mark.parametrize("options", TRIED, ids=lambda each: "-".join(map(str, each.items())))
def test_every_picture_comes_back(backend: BackendCase, options: dict[str, Any]) -> None:
    pictures = nv12_pictures(14)
    for codec in LONELY.get(next(iter(options)), CODECS):
        packets = coded(backend, codec, pictures, options=options, rate_control=ConstantQuality(20))
        seen = witness(codec, packets)
        assert [each.pts for each in seen] == list(range(14))
        worst = min(
            psnr(nv12_planes(given), shown.planes)
            for given, shown in zip(pictures, seen, strict=True)
        )
        assert worst > 30, (codec, worst)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("references", ["off", "middle"])
def test_b_pictures(backend: BackendCase, codec: str, references: str) -> None:
    pictures = nv12_pictures(24)
    packets = coded(
        backend, codec, pictures, b_frames=3, gop=12, options={"b_references": references}
    )
    assert [p.pts for p in packets] != sorted(p.pts for p in packets)
    assert sorted(p.pts for p in packets if p.keyframe) == [0, 12]
    assert all(p.dts <= p.pts for p in packets)
    assert [each.pts for each in witness(codec, packets)] == list(range(24))


# Rates


@pytest.mark.parametrize("codec", CODECS)
def test_bitrates_are_held(backend: BackendCase, codec: str) -> None:
    pictures = busy(3 * FPS)
    for rate, tolerance in (
        (ConstantBitrate(300_000), 0.2), (ConstantBitrate(600_000), 0.2),
        (VariableBitrate(300_000, 500_000), 0.3),
    ):  # fmt: skip
        packets = coded(backend, codec, pictures, rate_control=rate, fps=FPS, preset="fast")
        after = [len(packet) for packet in packets if packet.pts >= FPS]
        bps = 8 * sum(after) / len(after) * FPS
        assert bps == pytest.approx(rate.bps, rel=tolerance)


def drained(packets: list[Packet], bps: int, bits: int, filled: int) -> float:
    """The least that a decoder's buffer of ``bits`` has left once a picture was taken from it.

    It is ``filled`` when the first is taken, and ``bps`` flow into it until it is full.
    """
    level, least = float(filled), float(bits)
    for packet in packets:
        level -= 8 * len(packet)
        least = min(least, level)
        level = min(level + bps / FPS, bits)
    return least


@pytest.mark.parametrize("codec", CODECS)
def test_packets_fit_the_rate_buffer(backend: BackendCase, codec: str) -> None:
    """A quarter of a second, three quarters full: pictures that jump from plain to busy fit, as
    they do not where the buffer is as large as it is by default."""
    bps = 400_000
    bits, filled = bps // 4, bps * 3 // 16
    plain = np.full_like(nv12_pictures(1)[0], 90)
    pictures = [plain] * FPS + busy(2 * FPS)
    least = {}
    for name, options in (
        ("small", {"vbv_bits": bits, "vbv_initial_bits": filled}), ("default", {})
    ):  # fmt: skip
        packets = coded(
            backend, codec, pictures, rate_control=ConstantBitrate(bps), fps=FPS, gop=0,
            preset="fast", options=options,
        )  # fmt: skip
        assert len(witness(codec, packets)) == len(pictures)
        least[name] = drained(packets, bps, bits, filled)
    assert least["small"] >= 0
    assert least["default"] < 0


@pytest.mark.parametrize("codec", CODECS)
def test_the_first_packets_fit_what_the_rate_buffer_has_at_first(
    backend: BackendCase, codec: str
) -> None:
    """Busy from the first picture on, which is then as small as the first filling asks; in the same
    buffer without one it is larger."""
    bps = 800_000
    bits, filled = bps // 2, bps // 16
    pictures = busy(FPS)
    least = {}
    for initial in (filled, None):
        packets = coded(
            backend, codec, pictures, rate_control=ConstantBitrate(bps), fps=FPS, gop=0,
            preset="fast", options={"vbv_bits": bits, "vbv_initial_bits": initial},
        )  # fmt: skip
        assert len(witness(codec, packets)) == len(pictures)
        least[initial] = drained(packets, bps, bits, filled)
    assert least[filled] >= 0
    assert least[None] < 0


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", [ConstantQuality, ConstantQp])
def test_a_larger_number_is_fewer_bits_and_worse(
    backend: BackendCase, codec: str, kind: Any
) -> None:
    pictures = busy(10)
    given = [plane for picture in pictures for plane in nv12_planes(picture)]
    sizes, quality = [], []
    for number in (10, 24, 38):
        packets = coded(backend, codec, pictures, rate_control=kind(number))
        sizes.append(sum(map(len, packets)))
        seen = [plane for shown in witness(codec, packets) for plane in shown.planes]
        quality.append(psnr(given, seen))
    assert sizes == sorted(sizes, reverse=True)
    assert quality == sorted(quality, reverse=True)
    assert sizes[0] > 2 * sizes[2]


def test_lossless_is_lossless(backend: BackendCase) -> None:
    pictures = nv12_pictures(4)
    packets = coded(backend, "h264", pictures, options={"tuning": "lossless"})
    for given, shown in zip(pictures, witness("h264", packets), strict=True):
        assert psnr(nv12_planes(given), shown.planes) == float("inf")


@pytest.mark.parametrize("asked", [None, False, True])
def test_the_predecessors_word_for_metrics(backend: BackendCase, asked: bool | None) -> None:
    needs_encoder(backend, "h264")
    options = NvidiaEncoderOptions(report_metrics=asked)
    with backend.encoder("h264", WIDTH, HEIGHT, options=options) as encoder:
        encode(encoder, nv12_pictures(2))
        known = encoder.metrics()
    assert known.enabled == bool(asked)
    assert bool(known.stages) == bool(asked)
    with backend.encoder("h264", WIDTH, HEIGHT, options=options, metrics=not asked) as encoder:
        assert encoder.metrics().enabled == (not asked)  # the argument wins


# Headers


@pytest.mark.parametrize("codec", CODECS)
def test_keyframes_repeat_their_parameter_sets(backend: BackendCase, codec: str) -> None:
    packets = coded(backend, codec, nv12_pictures(10), gop=4, options={"aud": True})
    for packet in packets:
        types = unit_types(codec, packet.data)
        assert types[0] == {"h264": 9, "hevc": 35}[codec]  # an access unit delimiter
        assert (SETS[codec] <= set(types)) == packet.keyframe
    assert [p.pts for p in packets if p.keyframe] == [0, 4, 8]


@pytest.mark.parametrize(
    ("profile", "idc"), [("baseline", 66), ("main", 77), ("high", 100), ("high444", 244)]
)
def test_profiles(backend: BackendCase, profile: str, idc: int) -> None:
    packets = coded(backend, "h264", nv12_pictures(2), profile=profile)
    assert sps_of(packets[0]).profile_idc == idc


def test_level_and_reordering_are_stated(backend: BackendCase) -> None:
    packets = coded(backend, "h264", nv12_pictures(6), options={"level": "4.2"})
    sps = sps_of(packets[0])
    assert sps.level_idc == 42
    assert sps.vui is not None
    assert sps.vui.max_num_reorder_frames == 0


def sps_of(packet: Packet) -> Any:
    return next(h264.parse_sps(nal) for nal in annexb_to_nals(packet.data) if nal[0] & 31 == 7)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("aspect", "expected"), [(None, (1, 1)), (Fraction(4, 3), (4, 3)), (Fraction(12, 11), (12, 11))]
)
def test_the_shape_of_a_pixel(
    backend: BackendCase, codec: str, aspect: Fraction | None, expected: tuple[int, int]
) -> None:
    packets = coded(backend, codec, nv12_pictures(1), options={"sample_aspect": aspect})
    context = witness_context(codec)
    frames = [frame for packet in packets for frame in context.decode(av_packet(packet))]
    frames += context.decode(None)
    found = context.sample_aspect_ratio
    assert found is None or (found.numerator, found.denominator) == expected
    if aspect is not None:
        assert found is not None


def test_slices(backend: BackendCase) -> None:
    packets = coded(backend, "h264", nv12_pictures(3), options={"slices": 4})
    assert [sum(kind in (1, 5) for kind in unit_types("h264", p.data)) for p in packets] == [4] * 3


@pytest.mark.parametrize("codec", CODECS)
def test_intra_refresh_has_no_keyframe_but_the_first(backend: BackendCase, codec: str) -> None:
    options = {"intra_refresh_period": 10, "intra_refresh_frames": 5}
    pictures = nv12_pictures(40)
    packets = coded(backend, codec, pictures, options=options)
    assert [p.pts for p in packets if p.keyframe] == [0]
    assert [each.pts for each in witness(codec, packets)] == list(range(40))
    # Who joins in the middle has whole pictures after a period and a wave.
    joined = 7
    kinds = unit_types(codec, packets[0].data)
    sets = b"".join(
        b"\0\0\1" + nal
        for nal, kind in zip(annexb_to_nals(packets[0].data), kinds, strict=True)
        if kind in SETS[codec]
    )
    context = witness_context(codec)
    context.options = {"flags": "+output_corrupt"}
    packets[joined] = replace(packets[joined], data=sets + packets[joined].data)
    frames = [frame for packet in packets[joined:] for frame in context.decode(av_packet(packet))]
    seen = {frame.pts: frame for frame in frames + context.decode(None)}
    quality = {
        pts: psnr([pictures[pts][:HEIGHT]], [frame.to_ndarray()[:HEIGHT]])
        for pts, frame in seen.items()
    }
    assert min(quality[pts] for pts in range(joined + 10 + 5, 40)) > 30
    assert quality.get(joined, 0) < 30  # there is nothing yet to refer to


# Messages


@pytest.mark.parametrize("codec", CODECS)
def test_messages_are_in_the_stream(backend: BackendCase, codec: str) -> None:
    needs_encoder(backend, codec)
    options = NvidiaEncoderOptions(mastering_display=DISPLAY, content_light=LIGHT)
    given = NvidiaPictureOptions(captions=CAPTIONS, user_data=[USER_DATA])
    with backend.encoder(codec, WIDTH, HEIGHT, options=options, b_frames=2) as encoder:
        packets = []
        for index, picture in enumerate(nv12_pictures(6)):
            encoder.submit(picture, options=given if index == 4 else None, timeout=None)
            packets += list(iter(encoder.try_reap, None))
        packets += encoder.flush(30)
    for packet in packets:
        found = messages(codec, packet)
        assert found[sei.MASTERING_DISPLAY].red == DISPLAY.red
        assert found[sei.MASTERING_DISPLAY].min_luminance == DISPLAY.min_luminance
        assert found[sei.CONTENT_LIGHT].max_content == LIGHT.max_content
        assert (sei.USER_DATA_T35 in found) == (packet.pts == 4)
        if packet.pts == 4:
            assert found[sei.USER_DATA_T35].captions == CAPTIONS
            assert found[sei.USER_DATA_UNREGISTERED].data == USER_DATA[16:]


def test_what_a_device_lacks_is_refused_before_anything_opens(backend: BackendCase) -> None:
    from tests.backends.nvidia import calls_of

    needs_encoder(backend, "h264")
    before = calls_of("nvEncOpenEncodeSessionEx")
    for name, arguments in {
        "b_frames": {"b_frames": 30},
        "options.lookahead": {"options": NvidiaEncoderOptions(lookahead=31), "b_frames": 2},
        "options.long_term_references": {"options": NvidiaEncoderOptions(long_term_references=16)},
        "width": {"width": 1 << 15},
    }.items():
        size = {"width": WIDTH, "height": HEIGHT, **arguments}
        with pytest.raises(UnsupportedConfig) as caught:
            backend.encoder("h264", **size)  # type: ignore[arg-type]
        assert caught.value.argument == name
    assert calls_of("nvEncOpenEncodeSessionEx") == before
