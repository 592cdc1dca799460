"""Sizes, rates, times and numbers as people type them."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.cli import values
from videohw.errors import InvalidInput

UUID = "GPU-656d756c-6174-6564-2d64-657669636530"
READ = [
    (values.size, "1920x1080", (1920, 1080)),
    (values.size, " 16X2 ", (16, 2)),
    (values.crop, "640x360+16+8", (16, 8, 640, 360)),
    (values.crop, "640x360", (0, 0, 640, 360)),
    (values.bitrate, "4M", 4_000_000),
    (values.bitrate, "2500k", 2_500_000),
    (values.bitrate, "2.5M", 2_500_000),
    (values.bitrate, "800000", 800_000),
    (values.bitrate, "1Gbps", 10**9),
    (values.frame_rate, "25", Fraction(25)),
    (values.frame_rate, "30000/1001", Fraction(30000, 1001)),
    (values.frame_rate, "29.97", Fraction(30000, 1001)),
    (values.frame_rate, "12.5", Fraction(25, 2)),
    (values.time, "83.5", 83.5),
    (values.time, "1:23.5", 83.5),
    (values.time, "1:00:01", 3601.0),
    (values.time, "0", 0.0),
    (values.count, "0", 0),
    (values.device, "1", 1),
    (values.device, UUID, UUID),
    (values.positive, "12", 12),
    (values.quality, "28", 28.0),
    (values.quality, "0", 0.0),
    (values.quantisers, "28", (28, None, None)),
    (values.quantisers, "26:28:30", (26, 28, 30)),
]

WRONG = [
    (values.size, ["", "1920", "0x1080", "1920x0", "-2x4", "1920x1080x3", "70000x2", "axb"]),
    (values.crop, ["", "640x360+1", "640x360+-1+2", "+1+2", "640x360+a+b"]),
    (values.bitrate, ["", "0", "-4M", "4T", "M", "0.4", "4 000", "nan", "inf"]),
    (values.frame_rate, ["", "0", "-25", "25/0", "1/0", "nan", "25 fps", "20000", "0/5"]),
    (values.time, ["", "-1", "1:60", "1:61:00", "1:2:3:4", "x", "nan", ":30"]),
    (values.count, ["", "-1", "1.5", "x"]),
    (values.device, ["", "-1", "x", "GPU-0", UUID[:-1], UUID + "0"]),
    (values.positive, ["", "0", "-1", "1.5"]),
    (values.quality, ["", "-1", "nan", "inf", "good"]),
    (values.quantisers, ["", "-1", "1:2:3:4", "1:", "1.5", "a:b"]),
]


@pytest.mark.parametrize(("read", "text", "value"), READ)
def test_reads_what_people_type(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(("read", "text"), [(r, t) for r, texts in WRONG for t in texts])
def test_refuses_with_one_line_and_a_hint(read, text):
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("read", [row[0] for row in WRONG])
@given(text=st.text(max_size=12))
def test_any_text_gives_a_value_or_the_typed_error(read, text):
    with suppress(InvalidInput):
        read(text)


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_size_reads_back(width, height):
    assert values.size(f"{width}x{height}") == (width, height)


@given(st.floats(0, 359_999, allow_nan=False).map(lambda s: round(s, 3)))
def test_a_clock_time_reads_back(seconds):
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    text = f"{int(hours)}:{int(minutes):02}:{min(left, 59.999):06.3f}"
    assert values.time(text) == pytest.approx(seconds, abs=0.002)
