"""The software backend codes on the threads asked, and says how it was opened."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.backends.coded_clips import needs_av
from tests.backends.decoding import decode_bytes
from tests.backends.encoding import HEIGHT, WIDTH, codec, encode, nv12_pictures, witness
from tests.backends.oracle import frames_md5
from tests.corpus import data_streams
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.software_options import SoftwareDecoderOptions, SoftwareEncoderOptions
from videohw.types import ConstantBitrate, ConstantQp, ConstantQuality, RateControl, VariableBitrate

__all__ = ["codec"]

EXACT = {
    each.name: each
    for each in data_streams()
    if each.frames and not each.damaged and "truncated" not in each.name
}
FALSY: tuple[object, ...] = ({}, 0, "", False, ())


@pytest.mark.parametrize(("threads", "thread_type"), [(2, "auto"), (5, "frame")])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_threads_change_nothing(
    name: str, threads: int, thread_type: Literal["auto", "frame"]
) -> None:
    needs_av()
    each = EXACT[name]
    options = SoftwareDecoderOptions(threads=threads, thread_type=thread_type)
    got = decode_bytes(Decoder(each.codec, backend="software", options=options), each.read())
    assert got.errors == []
    assert frames_md5(got.frames) == each.yuv_md5


def test_the_summary_says_what_was_opened() -> None:
    needs_av()
    h264, hevc = EXACT["generated/main_cabac_b2.h264"], EXACT["generated/tiny16x16.h265"]
    for each, options, delay in (
        (h264, SoftwareDecoderOptions(threads=4), 3),
        (h264, SoftwareDecoderOptions(threads=4, thread_type="frame"), 3),
        (h264, SoftwareDecoderOptions(threads=4, thread_type="slice"), 0),
        (h264, SoftwareDecoderOptions(threads=1), 0),
        (hevc, SoftwareDecoderOptions(threads=4), 3),
        (hevc, SoftwareDecoderOptions(threads=4, thread_type="slice"), 0),
    ):
        summary = decode_bytes(Decoder(each.codec, options=options), each.read()).summary
        assert summary["library"].startswith("libavcodec ")
        assert (summary["decoder"], summary["threads"]) == (each.codec, options.threads)
        assert summary["delay"] == delay
        assert (summary["backend"], summary["requested_backend"]) == ("software", "auto")
        assert summary["hardware"] is False


def test_threads_of_h264_are_those_that_notice_damage() -> None:
    """Slice threads do not, and frame threads where pictures can be held back for long enough."""
    needs_av()
    each = EXACT["generated/main_cabac_b2.h264"]
    many = SoftwareDecoderOptions(threads=40)
    for low_latency, options, threads in (
        (False, many, 13),  # of 15 pictures held back, one reorders and one is to spare
        (False, SoftwareDecoderOptions(threads=40, thread_type="frame"), 40),
        (True, many, 1),
        (True, None, 1),
        (True, SoftwareDecoderOptions(threads=3, thread_type="slice"), 3),
    ):
        decoder = Decoder(each.codec, low_latency=low_latency, options=options)
        assert decode_bytes(decoder, each.read()).summary["threads"] == threads


def test_low_latency_and_frame_threads_exclude_each_other() -> None:
    needs_av()
    with pytest.raises(UnsupportedConfig, match="thread_type"):
        Decoder("h264", low_latency=True, options=SoftwareDecoderOptions(thread_type="frame"))


def test_options_of_another_kind_are_refused() -> None:
    needs_av()
    for options in (SoftwareEncoderOptions(), {"threads": 1}, 3, *FALSY):
        with pytest.raises(InvalidInput, match="SoftwareDecoderOptions") as refused:
            Decoder("h264", options=options)
        assert refused.value.argument == "options"
    for options in (SoftwareDecoderOptions(), {"threads": 1}, 3, *FALSY):
        with pytest.raises(InvalidInput, match="SoftwareEncoderOptions") as refused:
            Encoder("h264", WIDTH, HEIGHT, fps=30, options=options)
        assert refused.value.argument == "options"


@pytest.mark.parametrize(
    ("argument", "value"),
    [("threads", 0), ("threads", 1.5), ("threads", True), ("thread_type", "both")],
)
def test_wrong_options_name_the_field(argument: str, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        SoftwareDecoderOptions(**{argument: value})  # type: ignore[arg-type]
    assert refused.value.argument == f"options.{argument}"


def test_memory_on_a_device_is_refused() -> None:
    needs_av()
    with pytest.raises(UnsupportedConfig, match="host memory"):
        Decoder("h264", memory="device")


def test_the_summary_of_an_encoder_says_what_it_was_told(codec: str) -> None:
    with Encoder(
        codec, WIDTH, HEIGHT, rate_control=ConstantQuality(30), fps=30, preset="fastest"
    ) as encoder:
        summary = encoder.summary()
    assert summary["backend"] == encoder.backend == "software"
    assert summary["requested_backend"] == "auto"
    assert summary["hardware"] is False
    assert summary["library"] == {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}[codec]
    assert summary["codec"] == codec
    assert (summary["width"], summary["height"]) == (WIDTH, HEIGHT)
    assert summary["color"].matrix == "smpte170m"
    assert "30" in str(summary["options"])


@pytest.mark.parametrize(
    ("rate", "mode"),
    [
        (None, "constant quality"),
        (ConstantQp(30), "constant quantiser"),
        (ConstantBitrate(200_000), "constant bitrate"),
        (VariableBitrate(200_000), "variable bitrate"),
    ],
)
def test_the_summary_says_how_bits_are_spent(
    codec: str, rate: RateControl | None, mode: str
) -> None:
    """SVT-AV1 is told the same for both bitrates, but for the buffer."""
    with Encoder(codec, WIDTH, HEIGHT, rate_control=rate, fps=30, preset="fastest") as encoder:
        summary = encoder.summary()
    same = codec == "av1" and mode == "variable bitrate"
    assert summary["rate_mode"] == ("constant bitrate" if same else mode)
    if same:
        assert summary["options"]["maxrate"] == summary["options"]["b"]
        assert "pred-struct=1" in summary["options"]["svtav1-params"]


def test_threads_of_an_encoder_are_the_ones_asked(codec: str) -> None:
    options = SoftwareEncoderOptions(threads=1)
    with Encoder(codec, WIDTH, HEIGHT, options=options, fps=30, preset="fastest") as encoder:
        packets = encode(encoder, nv12_pictures(8))
    assert len(witness(codec, packets)) == 8
