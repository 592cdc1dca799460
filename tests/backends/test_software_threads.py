"""The software backend decodes the same on any threads, and says how it was opened."""

from __future__ import annotations

import pytest

from tests.backends.coded_clips import needs_av
from tests.backends.decoding import decode_bytes
from tests.backends.oracle import frames_md5
from tests.corpus import data_streams
from videohw.decoder import Decoder
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.types import SoftwareDecoderOptions, SoftwareEncoderOptions

EXACT = {
    each.name: each
    for each in data_streams()
    if each.frames and not each.damaged and "truncated" not in each.name
}


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_threads_change_nothing(name: str, threads: int) -> None:
    needs_av()
    each = EXACT[name]
    options = SoftwareDecoderOptions(threads=threads)
    got = decode_bytes(Decoder(each.codec, backend="software", options=options), each.read())
    assert got.errors == []
    assert frames_md5(got.frames) == each.yuv_md5


def test_the_summary_says_what_was_opened() -> None:
    needs_av()
    each = EXACT["generated/main_cabac_b2.h264"]
    for options, delay in (
        (SoftwareDecoderOptions(threads=4), 3),
        (SoftwareDecoderOptions(threads=4, thread_type="frame"), 3),
        (SoftwareDecoderOptions(threads=4, thread_type="slice"), 0),
        (SoftwareDecoderOptions(threads=1), 0),
    ):
        summary = decode_bytes(Decoder(each.codec, options=options), each.read()).summary
        assert summary["library"].startswith("libavcodec ")
        assert (summary["decoder"], summary["threads"]) == ("h264", options.threads)
        assert summary["delay"] == delay
        assert (summary["backend"], summary["requested_backend"]) == ("software", "auto")
        assert summary["hardware"] is False


def test_low_latency_and_frame_threads_exclude_each_other() -> None:
    needs_av()
    with pytest.raises(UnsupportedConfig, match="thread_type"):
        Decoder("h264", low_latency=True, options=SoftwareDecoderOptions(thread_type="frame"))


def test_options_of_another_kind_are_refused() -> None:
    needs_av()
    for options in (SoftwareEncoderOptions(), {"threads": 1}, 3):
        with pytest.raises(InvalidInput, match="SoftwareDecoderOptions") as refused:
            Decoder("h264", options=options)
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
