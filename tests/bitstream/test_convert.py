"""Framings and emulation prevention: exact both ways, against the text of the standards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import DATA
from videohw.bitstream.convert import (
    LENGTH_SIZES,
    annexb_to_length_prefixed,
    annexb_to_nals,
    escape,
    length_prefixed_to_annexb,
    length_prefixed_to_nals,
    nals_to_annexb,
    nals_to_length_prefixed,
    unescape,
)
from videohw.errors import InvalidBitstream, InvalidInput

CASES = json.loads((DATA / "au_cases.json").read_text(encoding="utf-8"))["cases"]

# Bytes in which the patterns of the framings are frequent.
DENSE = st.lists(st.sampled_from((0, 0, 0, 1, 2, 3, 4, 255)), max_size=60).map(bytes)
NAL = st.one_of(DENSE, st.binary(max_size=40)).map(lambda rbsp: escape(rbsp).rstrip(b"\0"))
NALS = st.lists(NAL.filter(bool), max_size=8)


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


def slow_escape(rbsp: bytes) -> bytes:
    """7.4.1, byte by byte: a 03 before a byte of 0 to 3 behind two zeros, and at the end."""
    out, zeros = bytearray(), 0
    for byte in rbsp:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    if zeros == 2:
        out.append(3)
    return bytes(out)


def slow_unescape(nal: bytes) -> bytes:
    """7.3.1: where the next 24 bits are 0x000003, two bytes are kept and the third dropped."""
    out, position = bytearray(), 0
    while position < len(nal):
        if nal[position : position + 3] == b"\0\0\3":
            out += nal[position : position + 2]
            position += 3
        else:
            out.append(nal[position])
            position += 1
    return bytes(out)


@given(DENSE)
def test_escape_is_the_standards(rbsp: bytes) -> None:
    assert escape(rbsp) == slow_escape(rbsp)


@given(DENSE)
def test_unescape_is_the_standards(nal: bytes) -> None:
    assert unescape(nal) == slow_unescape(nal)


@given(st.one_of(DENSE, st.binary()))
def test_unescape_undoes_escape(rbsp: bytes) -> None:
    nal = escape(rbsp)
    assert unescape(nal) == rbsp
    assert not any(bytes((0, 0, last)) in nal for last in range(3))


@pytest.mark.parametrize("case", cases("emulation_prevention"))
def test_emulation_prevention_cases(case: dict[str, str]) -> None:
    rbsp, nal = bytes.fromhex(case["rbsp"]), bytes.fromhex(case["nal"])
    assert escape(rbsp) == nal
    assert unescape(nal) == rbsp


@given(NALS)
def test_joining_then_splitting_changes_nothing(nals: list[bytes]) -> None:
    assert annexb_to_nals(nals_to_annexb(nals)) == nals


@given(NALS, st.data())
def test_start_codes_of_any_length(nals: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(bytes(data.draw(st.integers(2, 6))) + b"\1" + nal for nal in nals)
    assert annexb_to_nals(stream + bytes(data.draw(st.integers(0, 4)))) == nals


@pytest.mark.parametrize("case", cases("annexb_split"))
def test_annexb_split_cases(case: dict[str, Any]) -> None:
    # The Go library that the cases come from keeps trailing_zero_8bits in the NAL unit (its own
    # "2 or 3 zeros" case): B.1.1 puts them outside.
    expected = [bytes.fromhex(nal).rstrip(b"\0") for nal in case["nalus"]]
    assert annexb_to_nals(bytes.fromhex(case["annexb"])) == expected


def test_a_stream_that_does_not_begin_with_a_start_code_is_refused() -> None:
    with pytest.raises(InvalidBitstream, match="3 bytes before the first start code"):
        annexb_to_nals(b"abc\0\0\1d")
    with pytest.raises(InvalidBitstream, match="no start code"):
        annexb_to_nals(b"abc")
    assert annexb_to_nals(b"") == annexb_to_nals(bytes(5)) == annexb_to_nals(b"\0\0\1\0\0\1") == []


def test_a_nal_unit_with_a_start_code_inside_is_refused() -> None:
    with pytest.raises(InvalidBitstream, match="NAL unit 1 holds 00 00 01 at byte 1"):
        nals_to_annexb([b"ab", b"a\0\0\1b"])
    with pytest.raises(InvalidBitstream, match="NAL unit 0 holds 00 00 00 at byte 2"):
        nals_to_annexb([b"ab\0\0\0b"])
    assert nals_to_annexb([b"ab\0\0\0"]) == b"\0\0\0\1ab\0\0\0"


@given(st.lists(st.binary(min_size=1, max_size=255), max_size=8), st.sampled_from(LENGTH_SIZES))
def test_length_prefixed_and_back(nals: list[bytes], length_size: int) -> None:
    sample = nals_to_length_prefixed(nals, length_size)
    assert len(sample) == sum(map(len, nals)) + length_size * len(nals)
    assert length_prefixed_to_nals(sample, length_size) == nals


@given(NALS, st.sampled_from(LENGTH_SIZES))
def test_annexb_and_length_prefixed_agree(nals: list[bytes], length_size: int) -> None:
    stream = nals_to_annexb(nals)
    sample = annexb_to_length_prefixed(stream, length_size)
    assert sample == nals_to_length_prefixed(nals, length_size)
    assert length_prefixed_to_annexb(sample, length_size) == stream


@pytest.mark.parametrize(("length_size", "fits"), [(1, 255), (2, 65535)])
def test_a_nal_unit_that_does_not_fit_its_length(length_size: int, fits: int) -> None:
    assert nals_to_length_prefixed([bytes(fits)], length_size)[-1:] == b"\0"
    with pytest.raises(InvalidBitstream, match=f"NAL unit 1 of {fits + 1} bytes does not fit"):
        nals_to_length_prefixed([b"a", bytes(fits + 1)], length_size)


@pytest.mark.parametrize(
    ("sample", "length_size", "offset"),
    [("0000", 4, 0), ("00000003aabb", 4, 0), ("0001aa0002bb", 2, 3), ("01aa05bbbb", 1, 2)],
)
def test_a_length_past_the_end_says_where(sample: str, length_size: int, offset: int) -> None:
    with pytest.raises(InvalidBitstream, match="goes past the end") as caught:
        length_prefixed_to_nals(bytes.fromhex(sample), length_size)
    assert caught.value.offset == offset


def test_empty_nal_units_are_left_out() -> None:
    assert length_prefixed_to_nals(bytes.fromhex("000000000000000161"), 4) == [b"a"]


@given(st.one_of(DENSE, st.binary()), st.sampled_from(LENGTH_SIZES))
def test_any_bytes_raise_only_invalid_bitstream(data: bytes, length_size: int) -> None:
    for convert in (annexb_to_length_prefixed, length_prefixed_to_annexb, length_prefixed_to_nals):
        try:
            convert(data, length_size)
        except InvalidBitstream:
            continue


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer(wrap: Callable[[bytes], Any]) -> None:
    assert annexb_to_nals(wrap(b"\0\0\1ab")) == [b"ab"]
    assert nals_to_annexb([wrap(b"ab")]) == b"\0\0\0\1ab"
    assert length_prefixed_to_nals(wrap(b"\1a"), 1) == [b"a"]
    assert unescape(wrap(b"\0\0\3\1")) == b"\0\0\1"


@pytest.mark.parametrize("wrong", ["text", None, 3, [1, 2]])
@pytest.mark.parametrize("convert", [annexb_to_nals, length_prefixed_to_nals, escape, unescape])
def test_what_is_not_bytes_is_refused(convert: Callable[[Any], Any], wrong: Any) -> None:
    with pytest.raises(InvalidInput, match="not bytes-like"):
        convert(wrong)


@pytest.mark.parametrize("wrong", ["text", b"bytes", None, 3, [None], ["a"]])
@pytest.mark.parametrize("convert", [nals_to_annexb, nals_to_length_prefixed])
def test_what_is_not_a_list_of_nals_is_refused(convert: Callable[[Any], Any], wrong: Any) -> None:
    with pytest.raises(InvalidInput, match="nals"):
        convert(wrong)


@pytest.mark.parametrize("length_size", [0, 3, 5, None, "4"])
def test_other_length_sizes_are_refused(length_size: Any) -> None:
    with pytest.raises(InvalidInput, match="length_size"):
        length_prefixed_to_nals(b"", length_size)


@pytest.mark.parametrize("case", cases("au_nalus_rtp"))
def test_rtp_payloads_give_the_nal_units(case: dict[str, Any]) -> None:
    """RFC 6184: a STAP-A is a header and 2-byte length-prefixed NAL units, an FU-A a fragment."""
    nals: list[bytes] = []
    for payload in (bytes.fromhex(each["hex"]) for each in case["rtp_payloads"]):
        kind = payload[0] & 0x1F
        if kind == 24:
            nals += length_prefixed_to_nals(payload[1:], 2)
        elif kind == 28 and payload[1] & 0x80:
            nals.append(bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)) + payload[2:])
        elif kind == 28:
            nals[-1] += payload[2:]
        else:
            nals.append(payload)
    assert nals == [bytes.fromhex(nal) for nal in case["nalus"]]
    assert annexb_to_nals(nals_to_annexb(nals)) == nals
