"""Headers of MPEG-4 part 2, written by ISO/IEC 14496-2 6.2, and streams with some changed."""

from __future__ import annotations

from collections.abc import Sequence

from videohw.bitstream.bits import BitWriter

START = b"\0\0\1"
VOP = START + b"\xb6"
GROUP = START + b"\xb3"
VISUAL_OBJECTS = START + b"\xb0\xf1" + START + b"\xb5\xa9\x13" + START + b"\0"
USER_DATA = START + b"\xb2"


def layer(
    width: int = 160,
    height: int = 128,
    *,
    kind: int = 1,
    version: int | None = 1,
    aspect: tuple[int, ...] = (1,),
    control: tuple[int, bool] | None = (1, False),
    shape: int = 0,
    ticks: int = 25,
    fixed: int | None = None,
    interlaced: bool = False,
    obmc: bool = False,
    sprite: int = 0,
    bits_each: int = 8,
    matrices: tuple[bytes, bytes] | None = None,
    quarter: bool = False,
    estimates: bool = False,
    partitioned: bool = False,
    newpred: bool = False,
    reduced: bool = False,
    scalable: bool = False,
    markers: bool = True,
) -> bytes:
    """video_object_layer_header(); ``version`` None leaves its identifier out.

    ``aspect`` has aspect_ratio_info, with par_width and par_height behind 15; ``control`` is
    chroma_format and low_delay, with VBV parameters.
    """
    bits = BitWriter("VOL")
    for value, size in ((0, 1), (kind, 8), (version is not None, 1)):
        bits.u("start", value, size)
    if version is not None:
        bits.u("version", version << 3 | 1, 7)
    bits.u("aspect", aspect[0], 4)
    for value in aspect[1:]:
        bits.u("par", value, 8)
    bits.u("control", control is not None, 1)
    if control is not None:
        bits.u("control", control[0] << 2 | control[1] << 1 | 1, 4)
        bits.u("vbv", (1 << 79) - 1, 79)
    bits.u("shape", shape, 2)
    bits.u("ticks", markers << 17 | ticks << 1 | markers, 18)
    bits.u("fixed", fixed is not None, 1)
    if fixed is not None:
        bits.u("step", fixed, max((ticks - 1).bit_length(), 1))
    if shape == 0:
        bits.u("size", markers << 28 | width << 15 | markers << 14 | height << 1 | markers, 29)
    bits.u("tools", interlaced << 1 | (not obmc), 2)
    newer = version not in (1, None)
    bits.u("sprite", sprite, 2 if newer else 1)
    if sprite == 2:
        bits.u("warp", 1 << 3, 9)
    bits.u("depth", bits_each != 8, 1)
    if bits_each != 8:
        bits.u("depth", 5 << 4 | bits_each, 8)
    bits.u("matrices", matrices is not None, 1)
    for matrix in matrices or ():
        bits.u("load", bool(matrix), 1)
        for value in matrix:
            bits.u("value", value, 8)
    if newer:
        bits.u("quarter", quarter, 1)
    bits.u("more", (not estimates) << 2 | 1 << 1 | partitioned, 3)
    if partitioned:
        bits.u("reversible", 0, 1)
    if newer:
        bits.u("newpred", newpred, 1)
        if newpred:
            bits.u("segments", 0, 3)
        bits.u("reduced", reduced, 1)
    bits.u("scalable", scalable, 1)
    return START + b"\x20" + closed(bits)


def closed(bits: BitWriter) -> bytes:
    """next_start_code(): a 0, and ones to the end of the byte."""
    bits.u("stuffing", 0, 1)
    padding = -bits.position % 8
    bits.u("stuffing", (1 << padding) - 1, padding)
    return bits.aligned_bytes()


def not_coded(time: int = 0, *, ticks: int = 25, seconds: int = 0, kind: int = 1) -> bytes:
    """A VOP with vop_coded 0 (6.2.5); ``time`` is vop_time_increment."""
    bits = BitWriter("VOP")
    bits.u("kind", kind, 2)
    bits.u("seconds", (1 << seconds + 1) - 2, seconds + 1)
    bits.u("marker", 1, 1)
    bits.u("time", time, max((ticks - 1).bit_length(), 1))
    bits.u("marker", 1, 1)
    bits.u("coded", 0, 1)
    return VOP + closed(bits)


def picture(kind: int = 0, *, ticks: int = 25, body: bytes = b"\x5a" * 5) -> bytes:
    """A VOP that can be told from others, and not be decoded."""
    bits = BitWriter("VOP")
    bits.u("kind", kind, 2)
    bits.u("time", 1, 2)
    bits.u("time", 0, max((ticks - 1).bit_length(), 1))
    bits.u("coded", 3, 2)
    return VOP + closed(bits) + body


def coded_part(unit: bytes) -> bytes:
    """``unit`` without the headers of its layer: from the group or the picture on."""
    at = unit.find(GROUP)
    return unit[at if at >= 0 else unit.index(VOP) :]


def headers(unit: bytes) -> bytes:
    """The headers of the layer in ``unit``."""
    return unit[: len(unit) - len(coded_part(unit))]


def packed(units: Sequence[bytes], kinds: str) -> list[bytes]:
    """``units``, of the picture types ``kinds``, as DivX packs them for AVI.

    A B picture goes behind the picture before it, and one that is not coded takes its place.
    Of several in a row the first is packed.
    """
    found: list[bytes] = []
    for number, (unit, kind) in enumerate(zip(units, kinds, strict=True)):
        if kind == "B" and kinds[number - 1] != "B":
            found[-1] += unit
            found.append(not_coded())
        else:
            found.append(unit)
    return found
