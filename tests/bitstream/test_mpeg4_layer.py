"""Headers of layers and pictures of MPEG-4 part 2: of encoders, cases, any bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bitstream.outcomes import outcome
from tests.mpeg4_headers import USER_DATA, VISUAL_OBJECTS, VOP, layer, not_coded, picture
from videohw.bitstream.bits import BitWriter
from videohw.bitstream.mpeg4_layer import (
    Layer,
    parse_layer,
    parse_picture,
    with_reordering_stated,
)
from videohw.errors import InvalidBitstream

# Written by FFmpeg 8.1 (mpeg4): the second interlaced, with quarter pel and B pictures.
CIF = "000001b001000001b58913000001000000012000c48d8800cd0b04241463"
NTSC = "000001b0f1000001b5a913000001000000012008d4ad0ba98516843c1c383f"
PAL = "000001b001000001b58913000001000000012000c4fa016d8800cd1604481498"


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (CIF, (352, 288, 25, Fraction(1), False, True, "Simple", "1")),
        (NTSC, (720, 480, 30000, Fraction(40, 33), True, False, "Advanced Simple", "1")),
        (PAL, (704, 576, 25, Fraction(64, 45), False, True, "Simple", "1")),
    ],
)
def test_headers_of_libavcodec(data: str, values: tuple[Any, ...]) -> None:
    found = parse_layer(bytes.fromhex(data))
    assert found is not None
    assert (
        found.width, found.height, found.ticks, found.sample_aspect_ratio, found.interlaced,
        found.low_delay, found.profile, found.level,
    ) == values  # fmt: skip
    assert (found.fps, found.chroma_format, found.unusual) == (None, "4:2:0", None)


@given(
    st.integers(1, 8191), st.integers(1, 8191), st.integers(1, 65535), st.booleans(),
    st.sampled_from([None, 1, 2, 5]), st.sampled_from([None, (1, False), (1, True)]),
    st.sampled_from([None, (b"", b""), (b"\x08\x10\0", bytes(range(1, 65)))]),
)  # fmt: skip
def test_every_field_is_where_the_standard_has_it(
    width: int, height: int, ticks: int, interlaced: bool, version: int | None,
    control: tuple[int, bool] | None, matrices: tuple[bytes, bytes] | None,
) -> None:  # fmt: skip
    data = layer(
        width, height, ticks=ticks, interlaced=interlaced, version=version, control=control,
        matrices=matrices, fixed=1 if ticks > 1 else None,
    )  # fmt: skip
    found = parse_layer(data)
    assert found == Layer(
        width, height, Fraction(1), ticks, int(ticks > 1), interlaced, False,
        None if control is None else control[1],
    )  # fmt: skip
    assert found.fps == (ticks if ticks > 1 else None)


@pytest.mark.parametrize(
    ("fields", "tool"),
    [
        ({"shape": 1}, "binary shapes"),
        ({"shape": 2}, "binary only shapes"),
        ({"shape": 3, "version": 2}, None),
        ({"obmc": True}, "overlapped block motion compensation"),
        ({"sprite": 1}, "static sprites"),
        ({"sprite": 2, "version": 2}, None),
        ({"bits_each": 10}, "more or fewer than 8 bits"),
        ({"quarter": True, "version": 5}, None),
        ({"estimates": True}, "complexity estimation"),
        ({"partitioned": True}, "data partitioning"),
        ({"newpred": True, "version": 2}, "NEWPRED"),
        ({"reduced": True, "version": 2}, "reduced resolution"),
        ({"scalable": True}, "scalability"),
        ({}, None),
    ],
)
def test_tools_that_few_decoders_have(fields: dict[str, Any], tool: str | None) -> None:
    if fields.get("shape") == 3:
        # video_object_layer_shape_extension follows, which the writer leaves out
        with pytest.raises(InvalidBitstream):
            parse_layer(layer(**fields))
        return
    found = parse_layer(layer(**fields))
    assert found is not None
    assert found.unusual == tool
    assert found.global_motion is (fields.get("sprite") == 2)


@pytest.mark.parametrize(
    ("code", "ratio"),
    [((1,), Fraction(1)), ((2,), Fraction(12, 11)), ((5,), Fraction(40, 33)), ((0,), None),
     ((6,), None), ((15, 16, 9), Fraction(16, 9)), ((15, 0, 9), None), ((15, 9, 0), None)],
)  # fmt: skip
def test_shapes_of_a_pixel(code: tuple[int, ...], ratio: Fraction | None) -> None:
    found = parse_layer(layer(aspect=code))
    assert found is not None
    assert found.sample_aspect_ratio == ratio


@pytest.mark.parametrize(
    ("stated", "profile", "level"),
    [(0x01, "Simple", "1"), (0x08, "Simple", "0"), (0x03, "Simple", "3"),
     (0xF3, "Advanced Simple", "3"), (0xF7, "Advanced Simple", "3b"), (0x21, None, None),
     (0xFF, None, None)],
)  # fmt: skip
def test_profiles(stated: int, profile: str | None, level: str | None) -> None:
    found = parse_layer(b"\0\0\1\xb0" + bytes((stated,)) + layer())
    assert found is not None
    assert (found.profile, found.level) == (profile, level)
    bare = parse_layer(layer())
    assert bare is not None
    assert (bare.profile, bare.level) == (None, None)


def test_the_version_may_be_that_of_the_visual_object() -> None:
    """visual_object_verid, where the layer has none (6.3.3): sprite_enable has two bits then."""
    bare = layer(version=None, obmc=False, partitioned=True)
    for first, same in ((b"\x09", True), (b"\x89", True), (b"\x91", False)):
        found = outcome(parse_layer, b"\0\0\1\xb5" + first + bare)
        assert (found == parse_layer(bare)) is same


@pytest.mark.parametrize(
    "data",
    [layer(markers=False), layer(ticks=0), layer(0, 16), layer(16, 0), layer(kind=14),
     layer(sprite=3, version=2), layer()[:9], b"\0\0\1\x20"],
)  # fmt: skip
def test_layers_that_cannot_be(data: bytes) -> None:
    with pytest.raises(InvalidBitstream, match="MPEG-4 VOL"):
        parse_layer(data)
    found = parse_layer(data + layer())
    assert found is not None
    assert found.width == 160


def test_only_headers_before_the_picture_count() -> None:
    assert parse_layer(picture() + layer()) is None
    assert parse_layer(b"") is None
    assert parse_layer(VISUAL_OBJECTS + USER_DATA) is None


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    for head in (b"", b"\0\0\1\x20", b"\0\0\1\xb5"):
        outcome(lambda head=head: parse_layer(head + data))
    header = parse_picture(VOP + data, 0, parse_layer(layer(interlaced=True)))
    assert header is None or header.coding_type in "IPBS"
    assert with_reordering_stated(data).count(b"\0\0\1") == data.count(b"\0\0\1")


@pytest.mark.parametrize("top_first", [False, True])
@pytest.mark.parametrize("kind", range(4))
def test_which_field_is_first(kind: int, top_first: bool) -> None:
    """Behind vop_rounding_type of pictures that are predicted, and intra_dc_vlc_thr (6.2.5)."""
    bits = BitWriter("VOP")
    rounds = kind in (1, 3)
    for value, size in ((kind, 2), (0b01, 2), (0, 5), (0b11, 2), (0, rounds), (0, 3)):
        bits.u("field", value, size)
    bits.u("top_field_first", top_first, 1)
    data = b"before" + VOP + bits.aligned_bytes()
    moving = parse_layer(layer(interlaced=True, sprite=2, version=2))
    found = parse_picture(data, 6, moving)
    assert found is not None
    assert (found.coding_type, found.coded, found.top_field_first) == (
        "IPBS"[kind],
        True,
        top_first,
    )
    plain = parse_picture(data, 6, parse_layer(layer()))
    assert plain is not None
    assert plain.top_field_first is None


def test_a_picture_of_an_unknown_layer() -> None:
    found = parse_picture(not_coded(kind=2), 0, None)
    assert found is not None
    assert (found.coding_type, found.coded) == ("B", True)


@pytest.mark.parametrize("version", [None, 1, 5])
@pytest.mark.parametrize("aspect", [(1,), (15, 12, 11)])
def test_stating_that_pictures_are_reordered(version: int | None, aspect: tuple[int, ...]) -> None:
    """Nothing else changes, and what is stated already stays."""
    silent = layer(version=version, aspect=aspect, control=None)
    rest = USER_DATA + b"text" + picture()
    stated = with_reordering_stated(VISUAL_OBJECTS + silent + rest)
    before, after = parse_layer(silent), parse_layer(stated[len(VISUAL_OBJECTS) :])
    assert before is not None
    assert after is not None
    assert (before.low_delay, after.low_delay) == (None, False)
    assert (after.width, after.height, after.sample_aspect_ratio) == (
        before.width, before.height, before.sample_aspect_ratio,
    )  # fmt: skip
    assert stated.startswith(VISUAL_OBJECTS)
    assert stated.endswith(rest)
    assert with_reordering_stated(stated) == stated
