"""Cases that other projects test: ``tests/data/au_cases.json`` names the source of each.

The cases of kind "sps" are for the tests of parameter sets.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bitstream.feeding import assemble, drained, nals_of, split
from tests.coded_streams import annexb, cut, every
from tests.corpus import DATA
from videohw.bitstream import AccessUnitAssembler, convert

CASES: list[dict[str, Any]] = json.loads((DATA / "au_cases.json").read_text())["cases"]
CODECS = {"h264": "h264", "h265": "hevc"}

# These two feed what one RTP timestamp brought, an IDR and a P picture, into a function that takes
# access units; by the standard they are two: IdrPicFlag differs (H.264 7.4.1.2.4). In the first,
# SEI alone is no unit either: it goes to the next picture, or, at the end, nowhere (7.4.1.2.3).
# The third has lost all but the headers of its slices, and the last two are equal.
BY_THE_STANDARD = {
    "604448f5cf": [[0, 1], [2], [3], [4, 5]],
    "475f1fcbc4": [[0, 1, 2, 3], [4, 5], [6, 7]],
    "fdc4c535c1": [[0, 1, 2, 3], [4, 5], [6, 7], [8, 9]],
}


def of_kind(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] == kind]


def trimmed(nals: list[str]) -> list[bytes]:
    """By B.1 zeros at the end of a NAL unit are trailing_zero_8bits; some sources keep them."""
    return [bytes.fromhex(nal).rstrip(b"\0") for nal in nals]


@pytest.mark.parametrize("case", of_kind("annexb_split"))
def test_nal_units(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["annexb"])
    for pieces in ([data], cut(data, case.get("chunk_at", [])), every(data, 1)):
        assert [unit.data for unit in split(*pieces)] == trimmed(case["nalus"])


@pytest.mark.parametrize("case", of_kind("au_split"))
def test_access_units(case: dict[str, Any]) -> None:
    expected = [trimmed(unit) for unit in case["access_units"]]
    if case["id"] in BY_THE_STANDARD:
        nals = [nal for unit in expected for nal in unit]
        expected = [[nals[index] for index in unit] for unit in BY_THE_STANDARD[case["id"]]]
    data = bytes.fromhex(case["annexb"])
    for pieces in ([data], every(data, 1)):
        units = assemble(CODECS[case["codec"]], *pieces)
        assert [nals_of(unit) for unit in units] == expected


@pytest.mark.parametrize("case", of_kind("emulation_prevention"))
def test_emulation_prevention(case: dict[str, Any]) -> None:
    assert convert.escape(bytes.fromhex(case["rbsp"])).hex() == case["nal"]
    assert convert.unescape(bytes.fromhex(case["nal"])).hex() == case["rbsp"]


@pytest.mark.parametrize("case", of_kind("au_nalus_rtp"))
def test_the_nal_units_of_one_rtp_access_unit_closed_by_its_marker(case: dict[str, Any]) -> None:
    nals = trimmed(case["nalus"])
    assembler = AccessUnitAssembler(CODECS[case["codec"]])
    for nal in nals:
        assembler.feed(annexb(nal), end_of_unit=nal is nals[-1])
    assert [nals_of(unit) for unit in drained(assembler)] == [nals]


def test_every_kind_of_case_is_tested() -> None:
    kinds = {case["kind"] for case in CASES}
    assert kinds == {"annexb_split", "au_split", "emulation_prevention", "au_nalus_rtp", "sps"}
    assert {case["id"] for case in CASES} >= set(BY_THE_STANDARD)
