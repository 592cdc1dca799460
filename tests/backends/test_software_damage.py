"""Which pictures the software backend calls intact, by codec and threads: only what was checked."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from tests.backends.coded_clips import needs_av
from tests.backends.damaged import clip
from tests.backends.decoding import decode
from tests.backends.pcm import PcmStream, Vui
from tests.coded_streams import annexb
from tests.corpus import stream
from videohw.bitstream import open_assembler
from videohw.decoder import Decoder
from videohw.software_options import SoftwareDecoderOptions

PREFIXES = range(1, 16)
ROUNDS = 6
DAMAGED = 5
# Pictures of one slice with B-pictures that are references; of eight slices, in order; field
# pairs of a stream that reorders nothing.
STREAMS = ("pytorch__torchcodec/nasa_13013.mp4.h264", "generated/slices8_aud.h264", "fields")
OPTIONS = {
    "default": None,
    "auto": SoftwareDecoderOptions(threads=8),
    "frame": SoftwareDecoderOptions(threads=8, thread_type="frame"),
    "many": SoftwareDecoderOptions(threads=16, thread_type="frame"),
    "slice": SoftwareDecoderOptions(threads=8, thread_type="slice"),
}


@functools.cache
def units(name: str) -> tuple[bytes, ...]:
    """The first access units of a stream."""
    if name == "fields":
        return tuple(fields())
    assembler = open_assembler("h264")
    assembler.feed(stream(name).read())
    return tuple(assembler.take().data for _ in PREFIXES)


def fields() -> Iterator[bytes]:
    stream_of = PcmStream(columns=8, rows=16, interlaced=True, vui=Vui(num_reorder=0))
    for n in PREFIXES:
        second = n % 2 == 0
        nal = stream_of.picture(
            n, idr=n == 1, poc=2 * n, parity="bottom" if second else "top", second_field=second
        )
        yield annexb(*(stream_of.sets if n == 1 else ()), nal)


def states(pieces: list[bytes], options: SoftwareDecoderOptions | None) -> dict[int, bool | None]:
    """decode_index -> corrupt of every frame."""
    decoder = Decoder("h264", backend="software", on_error="conceal", options=options)
    got = decode(decoder, ({"data": piece} for piece in pieces))
    return {frame.decode_index: frame.corrupt for frame in got.frames}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", STREAMS)
def test_no_damaged_picture_of_h264_is_called_intact(name: str, options: str) -> None:
    """libavcodec shows pictures before their damage is known, or never notices it."""
    needs_av()
    noticed = 0
    for count in PREFIXES:
        pieces = list(units(name)[:count])
        pieces[-1] = pieces[-1][: len(pieces[-1]) * 2 // 3]
        truth = states(pieces, SoftwareDecoderOptions(threads=1))
        damaged = {index for index, corrupt in truth.items() if corrupt is not False}
        noticed += bool(damaged)
        for _ in range(ROUNDS):
            seen = states(pieces, OPTIONS[options])
            assert seen.keys() == truth.keys()
            intact = {index for index, corrupt in seen.items() if corrupt is False}
            assert not intact & damaged
            if options != "slice":
                assert {index for index, corrupt in seen.items() if corrupt} == damaged
    assert noticed >= 7  # the others lost what decodes to the same, or a lone field


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", STREAMS)
def test_h264_is_called_intact_where_damage_is_noticed(name: str, options: str) -> None:
    needs_av()
    found = set(states(list(units(name)), OPTIONS[options]).values())
    assert found == ({None} if options == "slice" else {False})


@pytest.mark.parametrize("codec", ["h264", "mpeg2", "mpeg1"])
@pytest.mark.parametrize("threads", [1, 8])
def test_codecs_whose_damage_is_noticed(codec: str, threads: int) -> None:
    """libavcodec follows which macroblocks came, so that its silence says something."""
    options = SoftwareDecoderOptions(threads=threads)
    assert corrupt_states(codec, options) == [False] * len(clip(codec).units)
    damaged = corrupt_states(codec, options, cut=True)
    assert damaged[DAMAGED] is True
    assert damaged == corrupt_states(codec, SoftwareDecoderOptions(threads=1), cut=True)


@pytest.mark.parametrize("threads", [1, 8])
def test_damage_of_mpeg4_is_noticed_where_no_thread_may_hide_it(threads: int) -> None:
    """Frame threads show pictures that others still decode: of these nothing is said."""
    alone, options = SoftwareDecoderOptions(threads=1), SoftwareDecoderOptions(threads=threads)
    assert corrupt_states("mpeg4", alone) == [False] * len(clip("mpeg4").units)
    truth = corrupt_states("mpeg4", alone, cut=True)
    assert truth[DAMAGED] is True
    seen = corrupt_states("mpeg4", options, cut=True)
    assert all(state in (None, right) for state, right in zip(seen, truth, strict=True))
    assert True not in corrupt_states("mpeg4", options)


@pytest.mark.parametrize("codec", ["hevc", "av1", "vp9", "vp8", "jpeg"])
def test_nothing_is_said_of_codecs_whose_damage_goes_unnoticed(codec: str) -> None:
    """Pictures that end in the middle come out of libavcodec as if they were whole."""
    assert set(corrupt_states(codec, None)) == {None}
    assert set(corrupt_states(codec, None, cut=True)) <= {None, True}


def corrupt_states(
    codec: str, options: SoftwareDecoderOptions | None, *, cut: bool = False
) -> list[bool | None]:
    """What is said of each frame of a clip in decoding order, whole or with one cut short."""
    needs_av()
    each = clip(codec)
    pieces = list(each.units)
    if cut:
        pieces[DAMAGED] = pieces[DAMAGED][: len(pieces[DAMAGED]) * 2 // 3]
    decoder = Decoder(codec, backend="software", on_error="conceal", options=options)
    frames = decode(decoder, each.calls(pieces)).frames
    assert frames
    return [frame.corrupt for frame in sorted(frames, key=lambda frame: frame.decode_index)]
