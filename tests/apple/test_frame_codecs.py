"""AV1 and VP9 on VideoToolbox: records, samples, and systems that have no decoder of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.backends.coded_clips import decoded_packets, needs_av, packets
from tests.backends.decoding import PATIENCE_SECONDS, assert_account, decode
from tests.backends.oracle import canonical_bytes
from tests.emulators.control import AppleEmulator
from videohw.apple.frame_samples import FrameSampleReader
from videohw.backend import CodedPicture
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.config_record import Av1Config
from videohw.decoder import Decoder
from videohw.errors import BackendError, UnsupportedCodec
from videohw.machine import capabilities

CODECS = ("av1", "vp9")
INVALID_SESSION = -12903


def opened(codec: str, **arguments: Any) -> Decoder:
    return Decoder(codec, backend="videotoolbox", **arguments)


def calls(coded: Any) -> list[dict[str, Any]]:
    return [{"data": data, "pts": n, "layout": "frame"} for n, data in enumerate(coded)]


def clip(codec: str, width: int, height: int, count: int = 3) -> tuple[bytes, ...]:
    """Gray pictures of another size than those of ``packets``."""
    av = needs_av()
    name = {"vp9": "libvpx-vp9", "av1": "libsvtav1"}[codec]
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.thread_count = 1
    context.options = {
        "vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
        "av1": {"preset": "12", "svtav1-params": "lookahead=0:pred-struct=1:rc=2"},
    }[codec]
    context.bit_rate = 200_000
    coded = []
    for number in range(count):
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            np.frombuffer(plane, np.uint8)[:] = 60 + 20 * number
        picture.pts = number
        coded += [bytes(packet) for packet in context.encode(picture)]
    return tuple(coded + [bytes(packet) for packet in context.encode(None)])


# Where there is none


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("setting", [{"DECODERS": "avc1,hvc1"}, {"HARDWARE": "0"}])
def test_a_system_without_a_decoder_says_so(
    frameworks: AppleEmulator, codec: str, setting: dict[str, str]
) -> None:
    with frameworks.having(**setting):
        (told,) = [c for c in capabilities(codec, "videotoolbox") if c.direction == "decode"]
        assert not told.supported
        assert told.reason is not None
        assert "no hardware" in told.reason
        with pytest.raises(UnsupportedCodec, match="no hardware"):
            opened(codec)
    (told,) = [c for c in capabilities(codec, "videotoolbox") if c.direction == "decode"]
    assert (told.supported, told.hardware) == (True, True)


# Pictures


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("how", ["caller", "shuffled:3"])
def test_output_does_not_depend_on_how_callbacks_come(
    frameworks: AppleEmulator, codec: str, how: str
) -> None:
    coded = packets(codec)
    with frameworks.having(CALLBACKS=how):
        got = decode(opened(codec), calls(coded))
    assert got.errors == []
    assert [canonical_bytes(f) for f in got.frames] == [d for _, d in decoded_packets(codec, coded)]
    color = got.frames[0].color
    assert (got.frames[0].format, color.range) == ("nv12", "limited")
    assert frameworks.report()["calls"]["CMVideoFormatDescriptionCreate"] == 1


@pytest.mark.parametrize("codec", CODECS)
def test_another_size_begins_with_a_keyframe(frameworks: AppleEmulator, codec: str) -> None:
    large, small = packets(codec)[:4], clip(codec, 96, 64)
    got = decode(opened(codec), calls([*large, *small]))
    assert got.errors == []
    wanted = [*decoded_packets(codec, large), *decoded_packets(codec, small)]
    assert [canonical_bytes(frame) for frame in got.frames] == [data for _, data in wanted]
    assert {(frame.width, frame.height) for frame in got.frames} == {(160, 128), (96, 64)}
    assert got.summary["sessions_created"] == 2
    assert_account(got.summary)


@pytest.mark.parametrize("codec", CODECS)
def test_a_lost_session_goes_on_at_the_next_keyframe(frameworks: AppleEmulator, codec: str) -> None:
    first, second = packets(codec)[:4], clip(codec, 160, 128)
    frameworks.fault("decode", "lost", INVALID_SESSION, first=2)
    got = decode(opened(codec, max_in_flight=1), calls([*first, *second]))
    assert [frame.decode_index for frame in got.frames] == [0, 4, 5, 6]
    assert isinstance(got.errors[0], BackendError)
    assert got.errors[0].code == INVALID_SESSION
    assert got.summary["sessions_lost"] == 1
    assert_account(got.summary)


def test_hidden_frames_that_nothing_follows(frameworks: AppleEmulator) -> None:
    """They are counted, and the stream after the end begins anew."""
    coded = packets("vp9")
    hidden = bytes((coded[0][0] & ~0b10,)) + coded[0][1:]
    with opened("vp9") as decoder:
        decoder.submit(hidden, 0)
        assert decoder.flush(PATIENCE_SECONDS) == []
        assert decoder.summary()["reasons"] == {"not_shown": 1}
        for number, data in enumerate([hidden, hidden, *coded[1:3]]):
            decoder.submit(data, number)
        frames = decoder.flush(PATIENCE_SECONDS)
        assert [frame.pts for frame in frames] == [2, 3]
        assert [canonical_bytes(frame) for frame in frames] == [
            data for _, data in decoded_packets("vp9", coded[:3])[1:]
        ]
        assert frames[0].decode_index == 3
        assert decoder.summary()["reasons"] == {"not_shown": 3}
        assert_account(decoder.summary())


# Records


@pytest.mark.parametrize(
    ("profile", "twelve", "space", "full", "chroma", "record", "format_name"),
    [
        (0, None, 2, 0, None, "00 0a 80 02 02 01", "nv12"),
        (0, None, 0, 1, None, "00 0a 81 02 02 02", "nv12"),
        (1, None, 5, 0, 0b10, "01 0a 84 02 02 09", "nv16"),
        (2, 0, 5, 0, None, "02 0a a0 02 02 09", "p010"),
        (3, 0, 3, 1, 0b00, "03 0a a7 02 02 06", "p410"),
    ],
)
def test_the_record_of_vp9(
    profile: int, twelve: int | None, space: int, full: int, chroma: int | None, record: str,
    format_name: str,
) -> None:  # fmt: skip
    """The fields of a keyframe's header (VP9 6.2) where VP Codec in ISO BMFF has them."""
    bits = BitWriter("VP9")
    fields = [(2, 2), (profile & 1, 1), (profile >> 1, 1), *([(0, 1)] if profile == 3 else [])]
    fields += [(0, 1), (0, 1), (1, 1), (0, 1), (0x498342, 24)]
    fields += [] if twelve is None else [(twelve, 1)]
    fields += [(space, 3), (full, 1), *([] if chroma is None else [(chroma, 2), (0, 1)])]
    fields += [(175, 16), (143, 16), (0, 16)]
    for value, count in fields:
        bits.u("field", value, count)
    reader = FrameSampleReader("vp9")
    data = bits.aligned_bytes()
    sample = reader.read(CodedPicture(0, data, None, keyframe=True))
    assert sample.new_sets is not None
    assert sample.new_sets[1] == [bytes.fromhex(f"01 00 00 00 {record} 00 00")]
    assert sample.format == format_name
    assert sample.sps is not None
    assert (sample.sps.width, sample.sps.height) == (176, 144)
    assert sample.data == data
    # The same header again is no news; after the end of the stream it is.
    assert reader.read(CodedPicture(1, data, None, keyframe=True)).new_sets is None
    reader.begin()
    assert reader.read(CodedPicture(2, data, None, keyframe=True)).new_sets == sample.new_sets


def test_what_vp9_has_no_form_for() -> None:
    twelve_bits = bytes.fromhex("92 49 83 42") + bytes(8)
    bits = BitWriter("VP9")
    for value, count in ((2, 2), (0, 1), (1, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0x498342, 24)):
        bits.u("field", value, count)
    for value, count in ((1, 1), (2, 3), (0, 1), (175, 16), (143, 16), (0, 16)):
        bits.u("field", value, count)
    reader = FrameSampleReader("vp9")
    assert reader.read(CodedPicture(0, bits.aligned_bytes(), None)).lacks == "4:2:0 with 12 bits"
    # One that cannot be read is for the decoder to refuse.
    assert reader.read(CodedPicture(1, twelve_bits[:3], None)).new_sets is None


def test_the_record_of_av1(frameworks: AppleEmulator) -> None:
    """A sample has no temporal delimiter; the record has the sequence header."""
    first = packets("av1")[0]
    assert first.startswith(b"\x12\0")  # the delimiter
    sample = FrameSampleReader("av1").read(CodedPicture(0, first, None, keyframe=True))
    assert sample.data == first[2:]
    assert sample.new_sets is not None
    (record,) = sample.new_sets[1]
    config = Av1Config.parse(record)
    assert config == Av1Config.from_obus(first)
    assert record[4:] == config.config_obus
