"""SEI that goes with single pictures into an encoder on VideoToolbox."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends.encoding import encode, nv12_pictures, unit_types, witness
from tests.emulators.control import AppleEmulator
from videohw.apple.encoder_messages import ApplePictureOptions, before_the_picture
from videohw.bitstream import sei
from videohw.bitstream.convert import annexb_to_nals
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.errors import InvalidInput
from videohw.types import Packet

SIDE, COUNT = 64, 6
PATIENCE_SECONDS = 30.0
CAPTIONS = b"\xfc\x80\x80\xfc\0\0\xfc\0\0"
USER_DATA = bytes(range(16)) + b"\0\0\0\1 text"
LONG = (5, bytes(16) + bytes(600))  # its size takes three bytes
SEI_TYPES = {"h264": 6, "hevc": 39}


def opened(codec: str, **arguments: Any) -> Encoder:
    return Encoder(codec, SIDE, SIDE, fps=30, backend="videotoolbox", max_in_flight=40, **arguments)


def coded(codec: str, given: dict[int, ApplePictureOptions], **arguments: Any) -> list[Packet]:
    with opened(codec, **arguments) as encoder:
        for number, picture in enumerate(nv12_pictures(COUNT, SIDE, SIDE)):
            encoder.submit(picture, number, options=given.get(number))
        return encoder.flush(PATIENCE_SECONDS)


def messages(codec: str, packet: Packet) -> list[tuple[int, bytes]]:
    units = annexb_to_nals(bytes(packet.data))
    kinds = unit_types(codec, packet.data)
    return [
        (each.payload_type, bytes(each.payload))
        for unit, kind in zip(units, kinds, strict=True)
        if kind == SEI_TYPES[codec]
        for each in sei.parse(unit, codec)
    ]


@pytest.mark.parametrize(("codec", "b_frames"), [("h264", 0), ("h264", 2), ("hevc", 2)])
def test_messages_go_with_their_picture(
    frameworks: AppleEmulator, codec: str, b_frames: int
) -> None:
    given = {
        0: ApplePictureOptions(captions=CAPTIONS),
        3: ApplePictureOptions(captions=b"", user_data=[USER_DATA], sei=[LONG]),
    }
    packets = coded(codec, given, b_frames=b_frames)
    plain = {each.pts: each for each in coded(codec, {}, b_frames=b_frames)}
    assert len(packets) == len(witness(codec, packets)) == COUNT
    for packet in packets:
        before = messages(codec, plain[packet.pts])
        added = [each for each in messages(codec, packet) if each not in before]
        if packet.pts == 0:
            ((kind, payload),) = added
            assert (kind, payload[10:-1]) == (4, CAPTIONS)
        elif packet.pts == 3:
            assert added == [(5, USER_DATA), LONG]
        else:
            assert bytes(packet.data) == bytes(plain[packet.pts].data)
    with Decoder(codec, backend="videotoolbox") as decoder:
        frames = list(decoder.decode([packet.data for packet in packets]))
    assert [frame.side_data.captions for frame in frames] == [CAPTIONS] + [None] * (COUNT - 1)
    with opened(codec) as encoder:  # the frame brings its own
        (first, *others) = encode(encoder, frames)
    assert [kind for kind, _ in messages(codec, first)].count(4) == 1
    assert not any(kind == 4 for packet in others for kind, _ in messages(codec, packet))


def test_they_are_in_length_prefixed_packets(frameworks: AppleEmulator) -> None:
    given = {1: ApplePictureOptions(user_data=[USER_DATA])}
    packets = coded("h264", given, layout="length_prefixed")
    assert [USER_DATA[:16] in bytes(packet.data) for packet in packets].count(True) == 1


def test_the_place_of_a_unit() -> None:
    sets, early, picture = b"\0\0\0\1\x67\1\0\0\1\x68\1", b"\0\0\1\x06\5\1\x80", b"\0\0\1\x65\2"
    assert before_the_picture(b"\x06!", sets + early + picture, "h264") == (
        sets + early + b"\0\0\0\1\x06!" + picture
    )
    assert before_the_picture(b"\x06!", b"\0\0\0\1\x41\2", "h264") == (
        b"\0\0\0\1\x06!\0\0\0\1\x41\2"
    )


@pytest.mark.parametrize(("name", "value"), [
    ("captions", b"12"), ("captions", "123"), ("user_data", [b"short"]), ("sei", [(-1, b"")]),
    ("sei", [b"x"]), ("sei", [(True, b"")]),
])  # fmt: skip
def test_wrong_options(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        ApplePictureOptions(**{name: value})
    assert refused.value.argument == f"options.{name}"


def test_options_of_another_backend(frameworks: AppleEmulator) -> None:
    with opened("h264") as encoder, pytest.raises(InvalidInput, match="ApplePictureOptions"):
        encoder.submit(nv12_pictures(1, SIDE, SIDE)[0], options=object())
    options = ApplePictureOptions(captions=CAPTIONS * 11)
    with opened("h264") as encoder, pytest.raises(InvalidInput, match="captions"):
        encoder.submit(nv12_pictures(1, SIDE, SIDE)[0], options=options)
