"""MPEG-1 and MPEG-2 sequence headers: those of libavcodec's encoder, cases, any bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.mpeg2_sequence import Sequence, parse_sequence
from videohw.errors import InvalidBitstream

GOP = "000001b800080040"
# Written by FFmpeg 8.1 (mpeg2video, mpeg1video).
CIF = "000001b316012013ffffe000000001b5148a00010000"
PAL_422 = "000001b32d024023ffffe000000001b5185c00010000"
HD_709 = "000001b378043834ffffe000000001b5144a00010000000001b52b0101011e0221c0"
FIFTEEN = "000001b31400f023ffffe000000001b5148a00010044"
MPEG1 = "000001b31600f0c4ffffe000"


def parse(data: str) -> Sequence:
    sequence = parse_sequence(bytes.fromhex(data + GOP))
    assert sequence is not None
    return sequence


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (CIF, (352, 288, Fraction(25), Fraction(1), "4:2:0", "Main", "Main")),
        (PAL_422, (720, 576, Fraction(25), Fraction(16, 15), "4:2:2", "4:2:2", "Main")),
        (HD_709, (1920, 1080, Fraction(30000, 1001), Fraction(1), "4:2:0", "Main", "High")),
        (FIFTEEN, (320, 240, Fraction(15), Fraction(1), "4:2:0", "Main", "Main")),
        (MPEG1, (352, 240, Fraction(30000, 1001), Fraction(200, 219), "4:2:0", None, None)),
    ],
)
def test_headers_of_ffmpeg(data: str, values: tuple[Any, ...]) -> None:
    found = parse(data)
    assert (
        found.width, found.height, found.fps, found.sample_aspect_ratio, found.chroma_format,
        found.profile, found.level,
    ) == values  # fmt: skip
    assert found.mpeg1 is (data == MPEG1)


def test_colour_comes_from_the_display_extension() -> None:
    found = parse(HD_709)
    assert found.colour_description
    assert (found.colour_primaries, found.transfer_characteristics, found.matrix_coefficients) == (
        1, 1, 1,
    )  # fmt: skip
    assert (found.display_horizontal_size, found.display_vertical_size) == (1920, 1080)
    assert parse(CIF).matrix_coefficients == 2


def header(
    width: int = 720, height: int = 576, aspect: int = 2, rate: int = 3, bit_rate: int = 100
) -> bytes:
    bits = BitWriter("header")
    for value, size in (
        (width, 12), (height, 12), (aspect, 4), (rate, 4), (bit_rate, 18), (1, 1), (20, 10),
        (0, 3),
    ):  # fmt: skip
        bits.u("field", value, size)
    return b"\0\0\1\xb3" + bits.aligned_bytes()


def extension(
    width: int = 0, height: int = 0, chroma: int = 1, bit_rate: int = 0, n: int = 0, d: int = 0
) -> bytes:
    bits = BitWriter("extension")
    for value, size in (
        (1, 4), (0x48, 8), (0, 1), (chroma, 2), (width, 2), (height, 2), (bit_rate, 12), (1, 1),
        (2, 8), (1, 1), (n, 2), (d, 5),
    ):  # fmt: skip
        bits.u("field", value, size)
    return b"\0\0\1\xb5" + bits.aligned_bytes()


def display(width: int, height: int) -> bytes:
    bits = BitWriter("display")
    for value, size in ((2, 4), (5, 3), (0, 1), (width, 14), (1, 1), (height, 14)):
        bits.u("field", value, size)
    return b"\0\0\1\xb5" + bits.aligned_bytes()


def test_values_spread_over_header_and_extension() -> None:
    found = parse_sequence(header(8, 16) + extension(1, 2, 1, 1, 1, 4))
    assert found is not None
    assert (found.width, found.height) == (4096 + 8, 8192 + 16)
    assert found.bit_rate == 400 * ((1 << 18) + 100)
    assert found.vbv_buffer_size == (2 << 10) + 20
    assert found.fps == 25 * Fraction(2, 5)
    assert (found.progressive_sequence, found.low_delay) == (False, True)


@pytest.mark.parametrize(
    ("aspect", "ratio"),
    [(1, Fraction(1)), (2, Fraction(16, 15)), (3, Fraction(64, 45)), (4, Fraction(221, 125)),
     (0, None), (5, None), (15, None)],
)  # fmt: skip
def test_aspect_ratios_of_mpeg2(aspect: int, ratio: Fraction | None) -> None:
    found = parse_sequence(header(aspect=aspect) + extension())
    assert found is not None
    assert found.sample_aspect_ratio == ratio


def test_the_aspect_ratio_is_that_of_the_display_area() -> None:
    found = parse_sequence(header(aspect=3) + extension() + display(540, 576))
    assert found is not None
    assert found.sample_aspect_ratio == Fraction(16, 9) * 576 / 540


@pytest.mark.parametrize(
    ("aspect", "ratio"), [(1, Fraction(1)), (8, Fraction(10000, 9157)), (0, None), (15, None)]
)
def test_aspect_ratios_of_mpeg1(aspect: int, ratio: Fraction | None) -> None:
    found = parse_sequence(header(aspect=aspect))
    assert found is not None
    assert found.sample_aspect_ratio == ratio


def test_variable_bit_rate_and_reserved_rates() -> None:
    found = parse_sequence(header(bit_rate=0x3FFFF, rate=9))
    assert found is not None
    assert found.bit_rate is None
    assert found.fps is None
    zero = parse_sequence(header(rate=0))
    assert zero is not None
    assert zero.fps is None


def test_extensions_end_at_the_next_unit() -> None:
    first = header(width=352) + b"\0\0\1\xb2user data" + extension()
    found = parse_sequence(b"lead" + first + bytes.fromhex(GOP) + header(width=720))
    assert found is not None
    assert (found.width, found.mpeg1) == (352, False)
    assert parse_sequence(bytes.fromhex(GOP)) is None
    assert parse_sequence(b"") is None
    # Extensions before any header, and those of pictures, say nothing of the sequence.
    assert parse_sequence(extension()) is None
    quant = parse_sequence(header() + b"\0\0\1\xb5\x30")
    assert quant is not None
    assert quant.mpeg1 is True


@pytest.mark.parametrize(
    ("data", "message", "offset"),
    [
        (b"ab" + header()[:8], "data ended in bit_rate_value", 2),
        (header() + extension()[:7], "data ended in horizontal_size_extension|data ended", 12),
        (header() + extension(chroma=0), "chroma_format is 0", 12),
        (header(width=0), "size is 0x576", 0),
    ],
)
def test_what_is_cut_or_wrong_says_where(data: bytes, message: str, offset: int) -> None:
    with pytest.raises(InvalidBitstream, match=message) as caught:
        parse_sequence(data)
    assert caught.value.offset == offset


@given(st.binary(max_size=60))
def test_any_bytes_raise_only_invalid_bitstream(data: bytes) -> None:
    for head in (b"", b"\0\0\1\xb3", header() + b"\0\0\1\xb5"):
        found = outcome(parse_sequence, head + data)
        if isinstance(found, InvalidBitstream):
            assert found.offset is not None
        elif found is not None:
            assert found.fps is None or found.fps > 0
            assert found.sample_aspect_ratio != 0
