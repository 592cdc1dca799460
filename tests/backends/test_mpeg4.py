"""What MPEG-4 part 2 has and the other codecs have not, by the rules that hold for all."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.backends.coded_clips import decoded_packets, packets
from tests.backends.conftest import BACKENDS, OPTIONS, BackendCase, assert_pictures, on_nvidia
from tests.backends.decoding import PATIENCE_SECONDS, Decoded, assert_account, decode, pieces
from tests.backends.oracle import canonical_bytes
from tests.mpeg4_headers import (
    USER_DATA,
    VISUAL_OBJECTS,
    coded_part,
    headers,
    layer,
    not_coded,
    packed,
)
from videohw.bitstream import open_assembler
from videohw.errors import InvalidBitstream, UnsupportedConfig, VideoHwError

DATA = Path(__file__).parents[1] / "data" / "mpeg4"
STREAMS = json.loads((DATA / "streams.json").read_text(encoding="utf-8"))
INTERLACED = (("flags", "+ildct+ilme"),)
NAMES_DIVX = USER_DATA + b"DivX503b1393p"  # the p says that B pictures are packed
TOOLS = [
    ({"sprite": 1, "version": 2}, "static sprites"),
    ({"obmc": True}, "overlapped block motion compensation"),
    ({"partitioned": True}, "data partitioning"),
    ({"scalable": True}, "scalability"),
    ({"estimates": True}, "complexity estimation"),
    ({"newpred": True, "version": 2}, "NEWPRED"),
    ({"reduced": True, "version": 2}, "reduced resolution"),
    ({"shape": 1}, "binary shapes"),
]


def with_headers(units: tuple[bytes, ...], *parts: bytes) -> tuple[bytes, ...]:
    """The units with other headers wherever there are some."""
    return tuple(b"".join(parts) + coded_part(unit) if headers(unit) else unit for unit in units)


def types(units: tuple[bytes, ...]) -> str:
    assembler = open_assembler("mpeg4")
    assembler.feed(b"".join(units))
    assembler.finish()
    return "".join(unit.picture_type for unit in assembler)


def decoded(
    backend: BackendCase, units: tuple[bytes, ...] | list[bytes], *, layout: str = "frame"
) -> Decoded:
    calls = ({"data": data, "pts": n, "layout": layout} for n, data in enumerate(units))
    got = decode(backend.decoder("mpeg4"), calls)
    assert_account(got.summary)
    return got


def assert_same(backend: BackendCase, got: Decoded, units: tuple[bytes, ...]) -> None:
    """The frames are what libavcodec makes of the units."""
    shown = [canonical_bytes(frame) for frame in got.frames]
    expected = [data for _, data in decoded_packets("mpeg4", units)]
    assert_pictures(backend, "mpeg4", shown, expected)


# Stored streams


@pytest.mark.parametrize("entry", STREAMS["streams"], ids=lambda entry: entry["name"])
@pytest.mark.parametrize("seed", range(2))
def test_streams_in_any_pieces(backend: BackendCase, entry: dict[str, Any], seed: int) -> None:
    data = (DATA / entry["name"]).read_bytes()
    assert types((data,)) == entry["types"].replace("-", "")
    got = decode(backend.decoder("mpeg4"), ({"data": piece} for piece in pieces(data, seed)))
    assert got.errors == []
    not_shown = entry["types"].count("-")
    assert got.summary["reasons"] == ({"not_shown": not_shown} if not_shown else {})
    assert_account(got.summary)
    pictures = [canonical_bytes(frame) for frame in got.frames]
    assert len(pictures) == entry["pictures"]
    if backend.exact_idct:
        digest = hashlib.md5(b"".join(pictures), usedforsecurity=False).hexdigest()
        assert digest == entry["yuv_md5"]


# Headers


def test_headers_beside_the_stream(backend: BackendCase) -> None:
    """As MP4 has them; also where the first pictures cannot be decoded, and after a flush."""
    units = packets("mpeg4")
    bare = [coded_part(unit) for unit in units]
    decoder = backend.decoder("mpeg4", extradata=headers(units[0]), max_in_flight=50)
    with decoder:
        for start in (0, 1):
            for number, unit in enumerate(bare[start:]):
                decoder.submit(unit, start + number, layout="frame")
            frames = decoder.flush(PATIENCE_SECONDS)
            assert frames[0].keyframe
        assert decoder.summary()["reasons"] == {"no_reference": 6 + 2}
        assert_account(decoder.summary())
    whole = decode(
        backend.decoder("mpeg4", extradata=headers(units[0])),
        ({"data": data, "layout": "frame"} for data in bare),
    )
    assert_same(backend, whole, units)


def test_headers_that_come_once_are_kept(backend: BackendCase) -> None:
    """Of a stream that is flushed, and begins again with a keyframe without any."""
    first, *rest = packets("mpeg4")
    with backend.decoder("mpeg4", max_in_flight=50) as decoder:
        for number, unit in enumerate((first, *map(coded_part, rest))):
            decoder.submit(unit, number, layout="frame")
        once = decoder.flush(PATIENCE_SECONDS)
        for number, unit in enumerate(map(coded_part, (first, *rest))):
            decoder.submit(unit, number, layout="frame")
        again = decoder.flush(PATIENCE_SECONDS)
        assert decoder.summary()["reasons"] == {}
    assert [frame.pts for frame in once] == [frame.pts for frame in again]
    pixels = [[canonical_bytes(frame) for frame in frames] for frames in (once, again)]
    assert pixels[0] == pixels[1]


def test_pictures_without_headers_say_so(backend: BackendCase) -> None:
    units = [coded_part(unit) for unit in packets("mpeg4")[:3]]
    got = decoded(backend, units)
    assert got.frames == []
    assert [type(error) for error in got.errors] == [InvalidBitstream]
    assert "video object layer header of mpeg4" in str(got.errors[0])


@pytest.mark.parametrize(("code", "shape"), [((2,), (12, 11)), ((15, 4, 3), (4, 3))])
def test_the_shape_of_a_pixel(
    backend: BackendCase, code: tuple[int, ...], shape: tuple[int, int]
) -> None:
    units = with_headers(packets("mpeg4")[:1], VISUAL_OBJECTS, layer(aspect=code))
    got = decoded(backend, units)
    assert [frame.sample_aspect_ratio for frame in got.frames] == [Fraction(*shape)]


# Order


@pytest.mark.parametrize("kind", [1, 17])
def test_order_where_the_headers_do_not_state_it(backend: BackendCase, kind: int) -> None:
    """libavcodec takes such a stream for one without B pictures until it meets one."""
    units = packets("mpeg4")
    silent = with_headers(units, VISUAL_OBJECTS, layer(kind=kind, control=None))
    got = decoded(backend, silent)
    assert got.errors == []
    assert got.pts == [number for number, _ in decoded_packets("mpeg4", units)]
    assert_same(backend, got, units)


def test_interlaced_pictures(backend: BackendCase) -> None:
    units = packets("mpeg4", options=INTERLACED)
    got = decoded(backend, units)
    assert_same(backend, got, units)
    orders = {frame.field_order for frame in got.frames}
    assert len(orders) == 1
    assert orders <= {"tff", "bff"}


@pytest.mark.parametrize(
    "options",
    [(("flags", "+qpel"),), (("flags", "+mv4+aic"),), (("mpeg_quant", "1"),), (("ps", "200"),)],
    ids=["quarter-pel", "four vectors", "matrices", "video packets"],
)  # fmt: skip
def test_tools_of_the_advanced_simple_profile(
    backend: BackendCase, options: tuple[tuple[str, str], ...]
) -> None:
    units = packets("mpeg4", options=options)
    got = decoded(backend, units)
    assert got.errors == []
    assert_same(backend, got, units)


# Pictures that are not coded


@pytest.mark.parametrize("layout", ["annexb", "frame"])
def test_a_picture_that_is_not_coded_is_not_shown(backend: BackendCase, layout: str) -> None:
    """The one before it lasts (6.3.5). It may bring headers, which hold all the same."""
    units = packets("mpeg4")
    first = (headers(units[0]) + not_coded(), not_coded(3, seconds=2, kind=0))
    mixed = (*first, coded_part(units[0]), *units[1:5], not_coded(), *units[5:], not_coded())
    got = decoded(backend, mixed, layout=layout)
    assert got.errors == []
    assert got.summary["submitted"] == len(mixed)
    assert got.summary["delivered"] == len(units)
    assert set(got.summary["reasons"]) == {"no_reference", "not_shown"}
    assert_same(backend, got, units)


@pytest.mark.parametrize("layout", ["annexb", "frame"])
def test_packed_pictures_are_taken_apart(backend: BackendCase, layout: str) -> None:
    """Two pictures in one call, as DivX packs them: the second has no pts of its own."""
    units = with_headers(packets("mpeg4"), VISUAL_OBJECTS, layer(control=None), NAMES_DIVX)
    bundles = packed(units, types(units))
    assert len(bundles) > len({len(bundle) for bundle in bundles})
    got = decoded(backend, bundles, layout=layout)
    assert got.errors == []
    assert got.summary["reasons"] == {"not_shown": sum(len(each) < 20 for each in bundles)}
    assert None in got.pts
    assert_same(backend, got, with_headers(packets("mpeg4"), VISUAL_OBJECTS, layer()))


# What hardware does not decode


@on_nvidia
@pytest.mark.parametrize(("fields", "name"), TOOLS, ids=[name for _, name in TOOLS])
def test_tools_that_the_driver_would_not_refuse(
    backend: BackendCase, fields: dict[str, object], name: str
) -> None:
    """They are read from the header of the layer, and end where a layer has none."""
    units = packets("mpeg4", frames=16)
    half = types(units).index("I", 1)
    odd = with_headers(units[:half], VISUAL_OBJECTS, layer(**fields))  # type: ignore[arg-type]
    got = decoded(backend, (*odd, *units[half:]))
    assert [type(error) for error in got.errors] == [UnsupportedConfig]
    assert f"uses {name}, which NVDEC does not decode" in str(got.errors[0])
    assert got.summary["reasons"]["undecodable"] >= half
    assert {frame.decode_index for frame in got.frames} <= set(range(half, len(units)))
    assert got.frames[0].keyframe


@on_nvidia
def test_global_motion_ends_at_the_next_keyframe(backend: BackendCase) -> None:
    units = list(packets("mpeg4", frames=16))
    at = len(units[4]) - len(coded_part(units[4])) + 4
    moving = bytearray(units[4])
    moving[at] |= 0xC0  # vop_coding_type S
    got = decoded(backend, [*units[:4], bytes(moving), *units[5:]])
    assert [type(error) for error in got.errors] == [UnsupportedConfig]
    assert "global motion compensation" in str(got.errors[0])
    shown = {frame.decode_index for frame in got.frames}
    assert shown >= {0, 1, 2, 3, 7}
    assert not shown & {4, 5, 6}


@pytest.mark.parametrize("backend", [BACKENDS[0]], indirect=True, ids=str)
def test_partitioned_data_in_software(backend: BackendCase) -> None:
    units = packets("mpeg4", options=(("data_partitioning", "1"),))
    assert_same(backend, decoded(backend, units), units)


# Changes and damage


@pytest.mark.parametrize("sizes", [((160, 128), (96, 80)), ((96, 80), (160, 128))])
def test_a_layer_of_another_size(backend: BackendCase, sizes: tuple[tuple[int, int], ...]) -> None:
    units = [packets("mpeg4", frames=8, size=size) for size in sizes]
    data = b"".join(each for clip in units for each in clip)
    calls = ({"data": piece} for piece in pieces(data, 1))
    got = decode(backend.decoder("mpeg4"), calls)
    assert got.errors == []
    assert [(frame.width, frame.height) for frame in got.frames] == [
        size for size in sizes for _ in range(8)
    ]
    shown = [canonical_bytes(frame) for frame in got.frames]
    expected = [data for clip in units for _, data in decoded_packets("mpeg4", clip)]
    assert_pictures(backend, "mpeg4", shown, expected)


@pytest.mark.parametrize("on_error", ["raise", "skip", "resync", "conceal"])
@pytest.mark.parametrize("keep", [4, 6, 9, 40, 2000])
def test_a_picture_that_ends_early(backend: BackendCase, on_error: str, keep: int) -> None:
    """Also inside of its header; the next keyframe and what follows it are right again."""
    units = list(packets("mpeg4"))
    units[4] = coded_part(units[4])[:keep]
    with backend.decoder("mpeg4", on_error=on_error) as decoder:
        calls = ({"data": data, "pts": n, "layout": "frame"} for n, data in enumerate(units))
        got = decode(decoder, calls)
    assert all(isinstance(error, VideoHwError) and not error.fatal for error in got.errors)
    assert_account(got.summary)
    key = types(tuple(units)).index("I", 10)
    expected = {n: data for n, data in decoded_packets("mpeg4", packets("mpeg4")) if n >= key}
    shown = {frame.pts: canonical_bytes(frame) for frame in got.frames}
    later = [number for number in expected if number in shown]
    assert len(later) >= len(expected) - 2  # B pictures before the keyframe may be left out
    assert_pictures(backend, "mpeg4", [shown[n] for n in later], [expected[n] for n in later])


@pytest.mark.parametrize("options", OPTIONS)
def test_a_picture_whose_time_has_no_end(backend: BackendCase, options: str) -> None:
    """Longer than is read here; libavcodec finds it not coded, and shows the last one again."""
    units = (*packets("mpeg4")[:7], not_coded(3, seconds=600))
    decoder = backend.decoder("mpeg4", options=backend.options(options))
    got = decode(decoder, ({"data": data, "pts": n} for n, data in enumerate(units)))
    assert all(isinstance(error, VideoHwError) and not error.fatal for error in got.errors)
    assert len(got.frames) >= 5
    assert_account(got.summary)


def test_a_damaged_stream_leaves_nothing_behind(backend: BackendCase) -> None:
    """libavcodec notes mistakes of encoders, and treats what follows by them."""
    units = packets("mpeg4")
    with backend.decoder("mpeg4", on_error="conceal", max_in_flight=50) as decoder:
        for data in (units[0], units[1] + b"\0\x7f" * 30):
            decoder.submit(data, layout="frame")
        decoder.flush(PATIENCE_SECONDS)
        before = decoder.summary()["reasons"]
        for data in units:
            decoder.submit(data, layout="frame")
        frames = decoder.flush(PATIENCE_SECONDS)
        assert decoder.summary()["reasons"] == before
    shown = [canonical_bytes(frame) for frame in frames]
    assert_pictures(backend, "mpeg4", shown, [data for _, data in decoded_packets("mpeg4", units)])
