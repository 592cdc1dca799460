"""The writer of VC-1 streams is held to libavcodec's decoder: the pixels that it means come out."""

from __future__ import annotations

import random

import pytest

from tests.vc1_clips import FORMATS, USUAL, clip, decoded, samples
from tests.vc1_headers import Bits, Format, unit
from tests.vc1_writer import Macroblock, Mode, Vc1Writer

pytest.importorskip("av", reason="PyAV is not installed")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(2))
def test_the_pixels_are_those_that_were_meant(name: str, seed: int) -> None:
    made = clip(USUAL, FORMATS[name], seed)
    found = decoded(made.units, made.headers)
    assert [number for number, _, _ in found] == list(made.order)
    for (number, data, _), expected in zip(found, made.frames(), strict=True):
        assert data == expected, number
    assert len(set(made.frames())) > 12


@pytest.mark.parametrize("mode", ["quarter", "half", "bilinear"])
def test_whole_samples_are_the_same_in_every_mode(mode: Mode) -> None:
    rng = random.Random(2)
    writer = Vc1Writer(Format(70, 58))
    units = [writer.headers() + writer.intra(lambda *place: [rng.randint(-90, 90)])]
    for _ in range(3):
        units.append(
            writer.predicted(
                lambda row, column: Macroblock("vector", (rng.choice((-8, 0, 8)), 8)), mode
            )
        )
    found = [data for _, data, _ in decoded(units, writer.headers())]
    assert found == [samples(each) for each in writer.pictures]


@pytest.mark.parametrize("types", ["IFIF", "FPIBFP", "FPFP"])
def test_two_fields_make_a_picture(types: str) -> None:
    made = clip(types, Format(64, 64, interlace=True))
    found = decoded(made.units, made.headers)
    assert [data for _, data, _ in found] == made.frames()
    assert {frame.interlaced_frame for _, _, frame in found} == {False, True}


def test_each_kind_of_picture_is_one() -> None:
    made = clip("IPBPbPS")
    types = {number: int(frame.pict_type) for number, _, frame in decoded(made.units, made.headers)}
    assert [types[number] for number in range(6)] == [1, 2, 3, 2, 3, 2]


def test_a_skipped_picture_is_the_one_before_it() -> None:
    made = clip("IPS")
    assert samples(made.pictures[1]) == samples(made.pictures[2])
    assert len(made.units[2]) < 8


def test_start_codes_are_prevented_inside_of_a_unit() -> None:
    bits = Bits()
    for byte in (0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 4):
        bits.put(byte, 8)
    data = unit(0x0D, bits)
    assert data == bytes.fromhex("0000010d 000003 000003 0001 000003 03 0000 04 80")
