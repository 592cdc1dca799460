"""Payloads of SEI messages and of AV1's metadata: bytes by hand, and read back by our parser."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest

from videohw.bitstream import sei
from videohw.errors import InvalidInput
from videohw.nvidia.encoder_messages import (
    av1_mastering_display,
    captions,
    content_light,
    mastering_display,
    payloads,
)
from videohw.nvidia.encoder_options import NvidiaEncoderOptions, NvidiaPictureOptions
from videohw.types import ContentLight, MasteringDisplay, SideData

# BT.2020 primaries, D65, 1000 and 0.0001 cd/m2, as x265 writes them.
DISPLAY = MasteringDisplay(
    red=(Fraction(35400, 50000), Fraction(14600, 50000)),
    green=(Fraction(8500, 50000), Fraction(39850, 50000)),
    blue=(Fraction(6550, 50000), Fraction(2300, 50000)),
    white_point=(Fraction(15635, 50000), Fraction(16450, 50000)),
    max_luminance=Fraction(1000),
    min_luminance=Fraction(1, 10000),
)
LIGHT = ContentLight(1000, 400)
CAPTIONS = bytes.fromhex("fc9420fd8080")
BRINGS = SideData(DISPLAY, LIGHT, CAPTIONS)
PLAIN = NvidiaEncoderOptions()
NOTHING = NvidiaPictureOptions()
USER_DATA = bytes(range(16)) + b"text"


def test_mastering_display_is_in_the_order_green_blue_red() -> None:
    expected = struct.pack(
        ">8H2I", 8500, 39850, 6550, 2300, 35400, 14600, 15635, 16450, 10_000_000, 1
    )
    assert mastering_display(DISPLAY) == expected


def test_av1_has_binary_fractions_and_red_first() -> None:
    found = struct.unpack(">8H2I", av1_mastering_display(DISPLAY))
    assert found[:2] == (round(0.708 * 65536), round(0.292 * 65536))
    assert found[2:4] == (round(0.17 * 65536), round(0.797 * 65536))
    assert found[8:] == (1000 * 256, round(0.0001 * 16384))


def test_content_light() -> None:
    assert content_light(LIGHT) == struct.pack(">2H", 1000, 400)
    assert content_light(ContentLight(1 << 20, 0)) == struct.pack(">2H", 65535, 0)


def test_captions_are_those_of_a_53() -> None:
    assert captions(CAPTIONS) == bytes.fromhex("b50031474139340342ff") + CAPTIONS + b"\xff"


@pytest.mark.parametrize("constructs", [b"1234", bytes(3 * 32)])
def test_captions_that_cannot_be(constructs: bytes) -> None:
    with pytest.raises(InvalidInput, match="captions"):
        captions(constructs)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_our_parser_reads_what_the_frame_brought(codec: str) -> None:
    made = payloads(codec, PLAIN, NOTHING, BRINGS)
    assert [kind for kind, _ in made] == [4, 137, 144]
    user_data, display, light = (sei.decode(sei.SeiMessage(*each), codec) for each in made)
    assert isinstance(user_data, sei.UserDataT35)
    assert isinstance(display, sei.MasteringDisplay)
    assert isinstance(light, sei.ContentLight)
    assert user_data.captions == CAPTIONS
    assert (display.red, display.max_luminance) == (DISPLAY.red, DISPLAY.max_luminance)
    assert (light.max_content, light.max_frame_average) == (1000, 400)


def test_av1_has_types_of_its_own() -> None:
    assert [kind for kind, _ in payloads("av1", PLAIN, NOTHING, BRINGS)] == [4, 2, 1]
    with pytest.raises(InvalidInput) as caught:
        payloads("av1", PLAIN, NvidiaPictureOptions(user_data=[USER_DATA]), SideData())
    assert caught.value.argument == "options.user_data"


def test_what_is_said_wins_over_what_the_frame_brings() -> None:
    other = ContentLight(1, 1)
    options = NvidiaEncoderOptions(content_light=other)
    picture = NvidiaPictureOptions(captions=b"\xfc\x80\x80", user_data=[USER_DATA], sei=[(6, b"x")])
    made = payloads("h264", options, picture, BRINGS)
    assert [kind for kind, _ in made] == [4, 137, 144, 5, 6]
    assert made[0][1] == captions(b"\xfc\x80\x80")
    assert made[2][1] == content_light(other)
    assert made[3][1] == USER_DATA


def test_what_the_frame_brings_can_be_left_out() -> None:
    quiet = NvidiaEncoderOptions(side_data=False)
    assert payloads("h264", quiet, NOTHING, BRINGS) == ()
    assert payloads("h264", PLAIN, NvidiaPictureOptions(captions=b""), SideData()) == ()
