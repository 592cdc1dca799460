"""Real streams: the access units, their sizes and key pictures, beside libavcodec's packets.

Whatever differs is explained by the standard, in ``EXCEPTIONS`` and in ``normalised``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from tests.bitstream.feeding import assemble, facts, run
from tests.coded_streams import every
from tests.corpus import Stream, all_streams, data_streams
from videohw.bitstream import AccessUnit, AccessUnitAssembler

# Reasons why libavcodec's packets are not the access units of the standard.
NO_PICTURE = "NAL units without a picture are no access unit (H.264 7.4.1.2.3, H.265 7.4.2.4.4)"
LAYERS = "pictures of nuh_layer_id > 0 belong to the access unit of the base layer (H.265 3.1)"
END = "an end of sequence NAL unit ends its access unit (H.265 7.4.2.4.4); what follows stays"
END_ALONE = f"{END}: libavcodec puts the last one in a packet without a picture"
PREFIX = "a prefix NAL unit precedes the slice that it describes (H.264 7.4.1.2.3, F.7.4.1.2.3)"
SLICE_ORDER = "first_mb_in_slice says nothing with slice groups (H.264 7.4.1.2.4): 2 pictures"
I_IS_NO_KEY = "an I picture is no random access point (H.264 3.69); libavcodec guesses"
NO_PACKETS = "libavformat does not recognise the file; the decoder gives 25 pictures"
DAMAGE = "damaged by a fuzzer: not to be gated on (README of the corpus)"


@dataclass(frozen=True)
class Expected:
    """What the standard makes of a stream where libavcodec differs; None: not compared."""

    reason: str
    count: int | None = None
    sizes: bool = False
    keys: tuple[int, ...] | None = None


EXCEPTIONS = {
    "Eyevinn__mp4ff/stereo_spatial.mp4.h265": Expected(LAYERS, 10, keys=(0,)),
    "androidx__media/water_180_mvhevc_5frames.mov.h265": Expected(LAYERS, 5, keys=(0,)),
    "aizvorski__h264bitstream/riverbed-II-360p-48961.264": Expected(PREFIX, 6, keys=(0,)),
    "cisco__openh264/BA1_Sony_D.jsv": Expected(I_IS_NO_KEY, 17, sizes=True, keys=(0,)),
    "cisco__openh264/BASQP1_Sony_C.jsv": Expected(I_IS_NO_KEY, 4, sizes=True, keys=(0,)),
    "cisco__openh264/NL1_Sony_D.jsv": Expected(I_IS_NO_KEY, 17, sizes=True, keys=(0,)),
    "jcodec__jcodec/seq_explicit/test.264": Expected(SLICE_ORDER, 2, keys=(0,)),
    "jcodec__jcodec/seq_interleaved/test.264": Expected(SLICE_ORDER, 2, keys=(0,)),
    "quietvoid__dovi_tool/no_aud_bl.hevc": Expected(END, 259, keys=(0, 250)),
    "quietvoid__dovi_tool/no_aud_muxed.hevc": Expected(END_ALONE, 259, keys=(0, 250)),
    "quietvoid__dovi_tool/regular.hevc": Expected(END_ALONE, 259, keys=(0, 250)),
    "quietvoid__dovi_tool/regular_bl_start_code_4.hevc": Expected(END, 259, keys=(0, 250)),
    "quietvoid__dovi_tool/regular_bl_start_code_4_shorter.hevc": Expected(END, 258, keys=(0, 250)),
    "quietvoid__dovi_tool/regular_demux_bl_annexb.hevc": Expected(END, 259, keys=(0, 250)),
    "quietvoid__dovi_tool/regular_start_code_4_muxed_el.hevc": Expected(
        END_ALONE, 259, keys=(0, 250)
    ),
    "quietvoid__hdr10plus_tool/sei-double-3byte-case.hevc": Expected(NO_PICTURE, 0, keys=()),
    "quietvoid__hdr10plus_tool/sei-double-3byte-start-code-4.hevc": Expected(
        NO_PICTURE, 0, keys=()
    ),
    "generated/garbage_before.h264": Expected(NO_PACKETS, 25, keys=(0, 12, 22)),
}


def expectation(stream: Stream) -> Expected:
    """How ``stream`` is compared with its manifest entry."""
    if stream.name in EXCEPTIONS:
        return EXCEPTIONS[stream.name]
    if "fuzz" in stream.features:
        return Expected(DAMAGE)
    return Expected("", len(stream.packet_sizes), sizes=True, keys=tuple(stream.key_indexes))


def leading_bytes(stream: Stream) -> int:
    """What precedes the first start code: garbage and zeros, by B.1.1 in no access unit."""
    data = stream.read()
    start = data.find(b"\0\0\1")
    return start - (data[start - 1 : start] == b"\0")


def normalised(stream: Stream) -> list[int]:
    """Sizes of libavcodec's packets, with two habits undone that B.1 of the standards forbids.

    Its first packet begins with whatever precedes the first start code. Its HEVC parser leaves
    the zero_byte of a packet's first start code in the packet before it.
    """
    sizes = stream.packet_sizes
    if sizes:
        sizes[0] -= leading_bytes(stream)
    if stream.codec == "hevc":
        data, position = stream.read(), leading_bytes(stream)
        for index in range(1, len(sizes)):
            position += sizes[index - 1]
            if data[position - 1 : position + 3] == b"\0\0\0\1":
                sizes[index - 1] -= 1
                sizes[index] += 1
                position -= 1
    return sizes


def name_of(stream: Stream) -> str:
    return stream.name


@pytest.mark.parametrize("stream", all_streams(), ids=name_of)
def test_units_are_those_of_the_manifest(stream: Stream) -> None:
    expected = expectation(stream)
    units = assemble(stream.codec, stream.read())
    assert all(isinstance(unit, AccessUnit) for unit in units)
    if expected.count is not None:
        assert len(units) == expected.count, expected.reason
    if expected.sizes:
        assert [len(unit.data) for unit in units] == normalised(stream), expected.reason
    if expected.keys is not None:
        keys = tuple(index for index, unit in enumerate(units) if unit.keyframe)
        assert keys == expected.keys, expected.reason


@pytest.mark.parametrize("stream", all_streams(), ids=name_of)
def test_units_joined_are_the_stream(stream: Stream) -> None:
    data = stream.read()
    assembler = AccessUnitAssembler(stream.codec)
    units = run(assembler, every(data, 65536))
    if not units:
        assert assembler.discarded_nals or assembler.garbage_bytes
        return
    end = units[0].offset
    for unit in units:
        assert unit.offset == end
        assert data[end : end + len(unit.data)] == unit.data
        end += len(unit.data)
    if not assembler.discarded_nals:
        assert end == len(data)


@pytest.mark.parametrize("size", [1, 188, 4096, 10_007, 65536])
@pytest.mark.parametrize("stream", data_streams(), ids=name_of)
def test_units_do_not_depend_on_the_pieces(stream: Stream, size: int) -> None:
    data = stream.read()
    whole = [facts(unit) for unit in assemble(stream.codec, data)]
    assert [facts(unit) for unit in assemble(stream.codec, *every(data, size))] == whole


@pytest.mark.parametrize(
    "stream", [s for s in all_streams() if "independent_au_sizes" in s.entry], ids=name_of
)
def test_units_are_the_samples_of_the_container_that_the_stream_came_from(stream: Stream) -> None:
    """An oracle that no parser made: one sample of MP4, MKV or FLV, or one file a picture."""
    units = assemble(stream.codec, stream.read())
    assert [len(unit.data) for unit in units] == stream.entry["independent_au_sizes"]["sizes"]


def all_pictures_are_shown(stream: Stream) -> bool:
    types = stream.entry.get("pict_types", "")
    return not stream.damaged and 0 < len(types) == stream.frames == len(stream.packet_sizes)


@pytest.mark.parametrize(
    "stream", [s for s in all_streams() if all_pictures_are_shown(s)], ids=name_of
)
def test_picture_types_are_those_that_the_decoder_met(stream: Stream) -> None:
    """The decoder's come in output order, so they are counted."""
    units = assemble(stream.codec, stream.read())
    found = Counter(unit.picture_type for unit in units)
    assert found == Counter(stream.entry["pict_types"])


def test_every_exception_is_a_stream_that_differs() -> None:
    """An exception that no longer is one must go."""
    for stream in all_streams():
        if stream.name in EXCEPTIONS:
            units = assemble(stream.codec, stream.read())
            keys = [index for index, unit in enumerate(units) if unit.keyframe]
            same = [len(unit.data) for unit in units] == normalised(stream)
            assert not (same and keys == stream.key_indexes), stream.name


MULTI_SLICE = {
    "generated/slices8_aud.h264": 25,
    "generated/slice_max_200B.h264": 25,
    "generated/slices4_aud_hrd.h265": 25,
    "jcodec__jcodec/seq_flat_10slices/test.264": 2,
}


@pytest.mark.parametrize("stream", [s for s in all_streams() if s.name in MULTI_SLICE], ids=name_of)
def test_multi_slice_streams_give_one_unit_a_picture(stream: Stream) -> None:
    units = assemble(stream.codec, stream.read())
    assert len(units) == MULTI_SLICE[stream.name] == stream.frames


def test_leading_pictures_and_random_access_points_of_an_open_gop() -> None:
    (stream,) = (s for s in data_streams() if s.name == "generated/eos_before_cra.h265")
    units = assemble(stream.codec, stream.read())
    after_end = [index for index, unit in enumerate(units) if unit.after_end_of_sequence]
    cra = after_end[1]
    assert after_end[0] == 0
    assert units[cra].random_access == "cra"
    following = units[cra + 1 :]
    skipped = [unit for unit in following[:4] if unit.leading == "rasl"]
    assert len(skipped) == 3
    assert len(units) - len(skipped) == stream.frames
