"""Bits, ue(v) and se(v): the tables of the standards, and readers against slow references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videohw.bitstream.bits import (
    UE_MAX,
    BitReader,
    BitWriter,
    code_number_of_se,
    se_of_code_number,
)
from videohw.errors import InvalidBitstream, InvalidInput

# H.264 table 9-2, first rows; and the longest code.
UE_CODES = {
    "1": 0, "010": 1, "011": 2, "00100": 3, "00101": 4, "00110": 5, "00111": 6, "0001000": 7,
    "0001001": 8, "0001010": 9, "0" * 31 + "1" + "1" * 31: UE_MAX,
}  # fmt: skip
# H.264 table 9-3.
SE_VALUES = {0: 0, 1: 1, 2: -1, 3: 2, 4: -2, 5: 3, 6: -3}


def from_text(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:]


def as_text(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


@pytest.mark.parametrize(("code", "value"), UE_CODES.items())
@pytest.mark.parametrize("lead", range(9))
def test_ue_at_every_bit_of_a_byte(code: str, value: int, lead: int) -> None:
    reader = BitReader(from_text("1" * lead + code), "test")
    reader.u("lead", lead)
    assert reader.ue("value") == value
    assert reader.position == lead + len(code)


@pytest.mark.parametrize(("code", "value"), SE_VALUES.items())
def test_se_follows_the_table(code: int, value: int) -> None:
    assert se_of_code_number(code) == value
    assert code_number_of_se(value) == code


@given(st.integers(-(1 << 31) + 1, (1 << 31) - 1))
def test_se_and_code_number_are_inverse(value: int) -> None:
    assert se_of_code_number(code_number_of_se(value)) == value


@given(st.binary(max_size=40), st.lists(st.integers(0, 40)))
def test_u_reads_what_a_string_of_bits_gives(data: bytes, widths: list[int]) -> None:
    text, reader, position = as_text(data), BitReader(data, "test"), 0
    for width in widths:
        if position + width > len(text):
            with pytest.raises(InvalidBitstream, match="test: data ended in field"):
                reader.u("field", width)
            break
        assert reader.u("field", width) == int(text[position : position + width] or "0", 2)
        position += width
        assert (reader.position, reader.bits_left) == (position, len(text) - position)


@given(st.binary(max_size=24), st.integers(0, 60))
def test_ue_reads_what_a_string_of_bits_gives(data: bytes, skip: int) -> None:
    text, reader = as_text(data), BitReader(data, "test")
    if skip > len(text):
        return
    reader.u("skip", skip)
    rest = text[skip:]
    zeros = len(rest) - len(rest.lstrip("0"))
    code = rest[: 2 * zeros + 1]
    if zeros > 31 or len(code) < 2 * zeros + 1:
        with pytest.raises(InvalidBitstream, match=r"test: .*field"):
            reader.ue("field")
    else:
        assert reader.ue("field") == int(code, 2) - 1


FIELDS = st.one_of(
    st.integers(1, 40).flatmap(
        lambda bits: st.tuples(st.just("u"), st.integers(0, (1 << bits) - 1), st.just(bits))
    ),
    st.tuples(st.just("ue"), st.integers(0, UE_MAX), st.just(0)),
    st.tuples(st.just("se"), st.integers(-(1 << 31) + 1, (1 << 31) - 1), st.just(0)),
    st.tuples(st.just("flag"), st.booleans(), st.just(0)),
)


@given(st.lists(FIELDS, max_size=30))
def test_what_is_written_reads_back(fields: list[tuple[str, int, int]]) -> None:
    low, high = -(1 << 31), 1 << 31
    writer = BitWriter("test")
    for kind, value, bits in fields:
        match kind:
            case "u":
                writer.u("field", value, bits)
            case "ue":
                writer.ue("field", value)
            case "se":
                writer.se("field", value, low, high)
            case _:
                writer.flag("field", bool(value))
    reader = BitReader(writer.rbsp_bytes(), "test")
    for kind, value, bits in fields:
        assert reader.more_rbsp_data()
        match kind:
            case "u":
                assert reader.u("field", bits) == value
            case "ue":
                assert reader.ue("field") == value
            case "se":
                assert reader.se("field", low, high) == value
            case _:
                assert reader.flag("field") == value
    assert reader.position == writer.position
    assert not reader.more_rbsp_data()


def test_more_rbsp_data_ends_at_the_last_one_bit() -> None:
    reader = BitReader(bytes.fromhex("b0c0000000"), "test")  # 1011 0000 1|1 stop
    reader.u("field", 9)
    assert not reader.more_rbsp_data()
    assert not BitReader(bytes(4), "test").more_rbsp_data()
    assert not BitReader(b"", "test").more_rbsp_data()


def test_values_out_of_range_are_named() -> None:
    with pytest.raises(InvalidBitstream, match="SPS: id is 6, not in 0 to 5"):
        BitReader(from_text("00111"), "SPS").ue("id", 5)
    with pytest.raises(InvalidBitstream, match="SPS: width is 0, not in 1 to 9"):
        BitReader(from_text("1"), "SPS").ue("width", 9, 1)
    with pytest.raises(InvalidBitstream, match="SPS: qp is -3, not in -2 to 2"):
        BitReader(from_text("00111"), "SPS").se("qp", -2, 2)
    with pytest.raises(InvalidBitstream, match="SPS: id has more than 32 leading zero bits"):
        BitReader(bytes(9) + b"\xff", "SPS").ue("id")
    with pytest.raises(InvalidBitstream, match="SPS: data ended in nal"):
        BitReader(b"abc", "SPS").data("nal", 4)


@pytest.mark.parametrize("value", [-1, 16, None, "1", 1.5])
def test_values_that_do_not_fit_are_refused(value: int) -> None:
    with pytest.raises(InvalidInput, match=r"SPS: field is .*, not in 0 to 15") as caught:
        BitWriter("SPS").u("field", value, 4)
    assert caught.value.argument == "field"


def test_bytes_are_written_and_read_in_place() -> None:
    writer = BitWriter("test")
    writer.u("size", 3, 8)
    writer.data(b"\0ab")
    writer.flag("last", True)
    assert writer.aligned_bytes() == b"\3\0ab\x80"
    reader = BitReader(writer.aligned_bytes(), "test")
    assert reader.data("unit", reader.u("size", 8)) == b"\0ab"
    assert reader.flag("last") is True
