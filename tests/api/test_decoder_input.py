"""What ``Decoder`` and ``submit`` refuse: by type, by name, and with nothing lost."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.coded_clips import needs_av
from tests.backends.pcm import PcmStream, gray_units, joined
from videohw.backend_table import BACKENDS
from videohw.bitstream import AvcConfig
from videohw.color import ColorSpec
from videohw.decoder import Decoder
from videohw.errors import InvalidInput, UnsupportedCodec, UnsupportedConfig, VideoHwError

PATIENCE_SECONDS = 30.0
WRONG: dict[str, list[Any]] = {
    "codec": [None, 5, b"h264"],
    "backend": [None, 3, "cuda", ["software"]],
    "output": ["yuv", None, "rgb", 1],
    "memory": ["gpu", None],
    "device": [-1, 1.5, None, True],
    "require_hardware": [1, "yes", None],
    "size": [0, (0, 10), (10, -1), (10,), (10, 10, 10), "10x10", (1.5, 2), (True, 4), [4, None]],
    "crop": [(0, 0, 0, 5), (-1, 0, 4, 4), (0, 0, 4), 7, "all", (0.0, 0, 4, 4)],
    "color": ["bt709", {"matrix": "bt709"}, 1],
    "low_latency": [1, None, "no"],
    "on_error": ["ignore", None, True],
    "time_base": [0, Fraction(0), Fraction(-1, 25), (1, 0), (1, 2, 3), 0.04, "1/25", (1, 1 << 40)],
    "max_in_flight": [0, -1, 2.0, None, True, "8"],
    "max_pending_bytes": [0, -5, 1.5, None],
    "extradata": ["avcC", 5, b"\1", b"junk", b"\1\x64\0\x1f\xff\xe1\xff\xff"],
}


@pytest.fixture(autouse=True)
def with_av() -> None:
    needs_av()


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_wrong_arguments_are_named(argument: str, value: Any) -> None:
    arguments = {"codec": "h264", argument: value}
    with pytest.raises(InvalidInput) as refused:
        Decoder(**arguments)
    assert refused.value.argument == argument
    assert argument in str(refused.value)
    assert isinstance(refused.value, (ValueError, TypeError))


def test_unknown_codecs_are_told_with_the_known_ones() -> None:
    for codec in ("theora", "", "h266"):
        with pytest.raises(
            UnsupportedCodec, match="h264, hevc, av1, vp9, vp8, mpeg4, vc1, mpeg2, mpeg1, jpeg"
        ):
            Decoder(codec)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("H264", "h264"), ("avc", "h264"), ("h.265", "hevc"), ("HEVC", "hevc"), ("mjpeg", "jpeg"),
     ("mpeg2video", "mpeg2"), ("av01", "av1")],
)  # fmt: skip
def test_other_spellings_are_understood(name: str, canonical: str) -> None:
    with Decoder(name) as decoder:
        assert decoder.codec == canonical


def test_sizes_have_no_meaning_without_pixels() -> None:
    for argument, value in (("size", (10, 10)), ("crop", (0, 0, 4, 4))):
        with pytest.raises(InvalidInput) as refused:
            Decoder("h264", output="metadata", **{argument: value})  # type: ignore[arg-type]
        assert refused.value.argument == argument


def test_software_is_refused_when_hardware_is_required() -> None:
    with pytest.raises(UnsupportedConfig, match="software: it is software") as refused:
        Decoder("h264", require_hardware=True)
    for name in BACKENDS:
        assert name in str(refused.value)


def test_without_pyav_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['av'] = None\n"
        "from videohw.decoder import Decoder\n"
        "from videohw.errors import UnsupportedConfig\n"
        "try: Decoder('h264')\n"
        "except UnsupportedConfig as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "software: PyAV" in ran.stdout
    assert 'pip install "videohw[av]"' in ran.stdout


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UnsupportedConfig, match="device"):
        Decoder("h264", backend="software", device=7)


def test_extradata_is_refused_where_there_is_none() -> None:
    with pytest.raises(InvalidInput) as refused:
        Decoder("vp9", extradata=b"\1\2\3")
    assert refused.value.argument == "extradata"


def test_other_kinds_of_numbers_and_sequences_are_fine() -> None:
    size: Any = [np.int64(32), np.int32(8)]
    arguments: dict[str, Any] = {"size": size, "max_in_flight": np.int16(3), "time_base": (1, 25)}
    with Decoder("h264", color=ColorSpec(), **arguments) as decoder:
        decoder.submit(joined(gray_units(1)))
        (frame,) = decoder.flush(PATIENCE_SECONDS)
        assert (frame.width, frame.height, frame.time_base) == (32, 8, Fraction(1, 25))


# submit


@pytest.mark.parametrize(
    ("data", "layout"),
    [
        (None, "annexb"), ("0001", "annexb"), (5, "annexb"), (b"", "annexb"), ([b"a"], "annexb"),
        (b"", "length_prefixed"), (None, "length_prefixed"),
        (b"\x65", "access_unit"), ([], "access_unit"), ([b""], "access_unit"),
        ([None], "access_unit"), (["x"], "access_unit"), (None, "access_unit"),
        ("text", "access_unit"), (7, "access_unit"),
    ],
)  # fmt: skip
def test_wrong_data_takes_nothing(data: Any, layout: str) -> None:
    with Decoder("h264") as decoder:
        decoder.submit(joined(gray_units(2)), 5)
        with pytest.raises(InvalidInput) as refused:
            decoder.submit(data, 6, layout=layout)
        assert refused.value.argument == "data"
        assert [frame.pts for frame in decoder.flush(PATIENCE_SECONDS)] == [5, None]
        assert decoder.summary()["pts_unused"] == 0


@pytest.mark.parametrize("pts", [1.0, "1", True, 1 << 63, -(1 << 63) - 1, b"1", [1]])
def test_wrong_pts_takes_nothing(pts: Any) -> None:
    with Decoder("h264") as decoder:
        with pytest.raises(InvalidInput) as refused:
            decoder.submit(joined(gray_units(1)), pts)
        assert refused.value.argument == "pts"
        assert decoder.flush(PATIENCE_SECONDS) == []


@pytest.mark.parametrize("layout", ["frame", "annex-b", None, 1, ""])
def test_wrong_layouts(layout: Any) -> None:
    with Decoder("hevc") as decoder:
        with pytest.raises(InvalidInput) as refused:
            decoder.submit(b"\0\0\1", layout=layout)
        assert refused.value.argument == "layout"


@pytest.mark.parametrize("seconds", [-1, "1", float("nan"), True, b"1"])
def test_wrong_times_to_wait(seconds: Any) -> None:
    with Decoder("h264") as decoder:
        for name, call in (
            ("timeout", lambda: decoder.submit(b"\0\0\1\x09", timeout=seconds)),
            ("timeout", lambda: decoder.flush(seconds)),
            ("seconds", lambda: decoder.reap_timeout(seconds)),
        ):
            with pytest.raises(InvalidInput) as refused:
                call()
            assert refused.value.argument == name


def test_times_to_wait_may_be_large() -> None:
    with Decoder("h264") as decoder:
        decoder.submit(joined(gray_units(1)), timeout=1e18)
        assert len(decoder.flush(float("inf"))) == 1


@pytest.mark.parametrize("kind", [bytearray, memoryview, np.frombuffer])
def test_anything_with_bytes_is_data(kind: Any) -> None:
    data = joined(gray_units(2))
    given = kind(data, np.uint8) if kind is np.frombuffer else kind(data)
    with Decoder("h264") as decoder:
        decoder.submit(given)
        assert len(decoder.flush(PATIENCE_SECONDS)) == 2


def test_bytes_are_copied() -> None:
    data = bytearray(joined(gray_units(3)))
    with Decoder("h264") as decoder:
        decoder.submit(data)
        data[:] = b"\xff" * len(data)
        assert [int(f.planes[0][0, 0]) for f in decoder.flush(PATIENCE_SECONDS)] == [16, 17, 18]


def test_nal_units_may_be_any_bytes() -> None:
    (unit,) = gray_units(1)
    with Decoder("h264") as decoder:
        decoder.submit([memoryview(nal) for nal in unit], layout="access_unit")
        assert len(decoder.flush(PATIENCE_SECONDS)) == 1


def test_garbage_of_every_kind_is_survived() -> None:
    rng = np.random.default_rng(3)
    for codec in ("h264", "hevc", "av1", "mpeg4", "vc1", "mpeg2", "vp9", "vp8", "jpeg"):
        with Decoder(codec, on_error="skip") as decoder:
            for size in (1, 2, 5, 100, 5000):
                decoder.submit(rng.bytes(size), timeout=PATIENCE_SECONDS)
            decoder.flush(PATIENCE_SECONDS)
            summary = decoder.summary()
            assert summary["submitted"] == summary["delivered"] + sum(summary["reasons"].values())


def test_avcc_of_another_codec_is_refused() -> None:
    stream = PcmStream()
    record = AvcConfig.from_parameter_sets([stream.sps], [stream.pps]).write()
    with Decoder("h264", extradata=record) as decoder:
        assert decoder.flush(PATIENCE_SECONDS) == []
    with pytest.raises(VideoHwError):
        Decoder("hevc", extradata=record)
