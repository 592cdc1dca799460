"""Hypothesis strategies for coded byte streams, with the access units that they must give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.coded_streams import (
    B_SLICE,
    H264_AUD,
    H264_END_OF_SEQUENCE,
    H264_END_OF_STREAM,
    H264_FILLER,
    H264_PREFIX,
    HEVC_AUD,
    HEVC_B,
    HEVC_END_OF_BITSTREAM,
    HEVC_END_OF_SEQUENCE,
    HEVC_FILLER,
    HEVC_I,
    HEVC_P,
    HEVC_SUFFIX_SEI,
    I_SLICE,
    P_SLICE,
    H264Sets,
    HevcSets,
    h264_nal,
    h264_recovery_point,
    h264_sei,
    hevc_nal,
    hevc_recovery_point,
    hevc_sei,
)

RESTS = st.binary(min_size=1, max_size=90).map(lambda data: data + b"\x80")


@dataclass(frozen=True)
class Unit:
    """One access unit: its NAL units in order and what the assembler must say of it."""

    nals: tuple[bytes, ...]
    keyframe: bool
    picture_type: str
    field: str = "frame"
    second_field: bool = False

    def without(self, *nals: bytes) -> Unit:
        """The unit without those NAL units."""
        kept = tuple(nal for nal in self.nals if nal not in nals)
        return Unit(kept, self.keyframe, self.picture_type, self.field, self.second_field)


@dataclass(frozen=True)
class CodedStream:
    """A valid stream: its access units, and how many zeros stand before each start code's 01."""

    codec: str
    units: tuple[Unit, ...]
    zeros: tuple[int, ...]

    @property
    def nals(self) -> list[bytes]:
        return [nal for unit in self.units for nal in unit.nals]

    @property
    def data(self) -> bytes:
        """The byte stream."""
        return b"".join(self._pieces())

    @property
    def unit_data(self) -> list[bytes]:
        """The bytes of each access unit: the zero_byte is the next unit's, more zeros are not."""
        found, pieces = [], self._pieces()
        position = 0
        for unit in self.units:
            found.append(b"".join(pieces[position : position + len(unit.nals)]))
            position += len(unit.nals)
        for index, data in enumerate(found):
            spare = len(data) - len(data.lstrip(b"\0")) - 3
            if spare > 0:
                found[index] = data[spare:]
                if index:
                    found[index - 1] += bytes(spare)
        return found

    def _pieces(self) -> list[bytes]:
        zeros = [self.zeros[i % len(self.zeros)] for i in range(len(self.nals))]
        return [bytes(z) + b"\1" + nal for z, nal in zip(zeros, self.nals, strict=True)]


ZEROS = st.lists(st.sampled_from((2, 3, 3, 4, 7)), min_size=1, max_size=9).map(tuple)
CUTS = st.lists(st.integers(0, 1 << 16), max_size=30)


@st.composite
def h264_sets(draw: DrawFn) -> H264Sets:
    """One SPS and PPS, of every picture order count type, with and without fields."""
    return H264Sets(
        sps_id=draw(st.integers(0, 31)),
        pps_id=draw(st.integers(0, 255)),
        frame_num_bits=draw(st.integers(4, 16)),
        poc_type=draw(st.integers(0, 2)),
        poc_lsb_bits=draw(st.integers(5, 16)),
        delta_always_zero=draw(st.booleans()),
        frame_mbs_only=draw(st.booleans()),
        bottom_field_poc=draw(st.booleans()),
        redundant_count=draw(st.booleans()),
    )


@st.composite
def h264_streams(draw: DrawFn, max_pictures: int = 5) -> CodedStream:
    """A valid H.264 stream with all that may come between and inside of pictures."""
    sets = draw(h264_sets())
    units: list[Unit] = []
    frame_num = poc = idr_pic_id = 0
    ended = True
    for index in range(draw(st.integers(1, max_pictures))):
        idr = ended or draw(st.integers(0, 4)) == 0
        frame_num = 0 if idr else frame_num + 1
        poc = 0 if idr else poc + 2
        idr_pic_id = 1 - idr_pic_id
        fields = ("frame",)
        if not sets.frame_mbs_only and draw(st.booleans()):
            fields = draw(st.sampled_from((("top", "bottom"), ("bottom", "top"))))
        ref_idc = 1 if idr else draw(st.integers(0, 3))
        ended = draw(st.integers(0, 5)) == 0
        for second, field in enumerate(fields):
            nal_type = 5 if idr and not second else 1
            common: dict[str, Any] = {
                "nal_type": nal_type, "ref_idc": ref_idc, "frame_num": frame_num, "field": field,
                "idr_pic_id": idr_pic_id, "poc_lsb": poc, "delta_poc": (index, 0),
            }  # fmt: skip
            types = (I_SLICE,) if nal_type == 5 else (P_SLICE, B_SLICE, I_SLICE)
            slices, letter = _h264_slices(draw, sets, common, types)
            front = _h264_front(draw, sets, first=not units)
            back = _h264_back(draw, ended and second == len(fields) - 1)
            units.append(
                Unit(
                    (*front, *slices, *back),
                    keyframe=nal_type == 5 or any(nal[:2] == b"\x06\x06" for nal in front),
                    picture_type=letter,
                    field=field,
                    second_field=bool(second),
                )
            )
    return CodedStream("h264", tuple(units), draw(ZEROS))


def _h264_front(draw: DrawFn, sets: H264Sets, first: bool) -> list[bytes]:
    nals = [H264_AUD] if draw(st.booleans()) else []
    if first or draw(st.integers(0, 2)) == 0:
        nals += [sets.sps, sets.pps]
    if draw(st.integers(0, 4)) == 0:
        nals.append(h264_recovery_point(draw(st.integers(0, 40))))
    if draw(st.booleans()):
        nals.append(h264_sei((5, draw(st.binary(min_size=16, max_size=300)))))
    return nals


def _h264_slices(
    draw: DrawFn, sets: H264Sets, common: dict[str, Any], types: tuple[int, ...]
) -> tuple[list[bytes], str]:
    """Slices in any order, with prefixes and partitions; redundant ones behind; their type."""
    starts = draw(st.lists(st.integers(0, 98), min_size=1, max_size=4, unique=True))
    nals, used = [], set()
    for first_mb in starts:
        slice_type = draw(st.sampled_from(types))
        used.add(slice_type)
        made = sets.slice(**common, first_mb=first_mb, slice_type=slice_type, rest=draw(RESTS))
        if draw(st.integers(0, 4)) == 0:
            nals.append(H264_PREFIX)
        if common["nal_type"] == 1 and draw(st.integers(0, 4)) == 0:
            made = bytes((made[0] & 0x60 | 2,)) + made[1:]
            nals += [made, h264_nal(3, b"\x95\x80", 1), h264_nal(4, b"\x96\x80", 1)]
        else:
            nals.append(made)
    if sets.redundant_count and draw(st.booleans()):
        nals.append(sets.slice(**common, first_mb=starts[0], slice_type=types[0], redundant=1))
        used.add(types[0])
    return nals, "B" if B_SLICE in used else "P" if P_SLICE in used else "I"


def _h264_back(draw: DrawFn, ended: bool) -> list[bytes]:
    extension = h264_nal(20, b"\x40\x80\x07\x88\x80")
    auxiliary = h264_nal(19, b"\x99\x80")
    nals = draw(st.lists(st.sampled_from((H264_FILLER, auxiliary, extension)), max_size=2))
    if ended:
        nals += draw(
            st.sampled_from(([H264_END_OF_SEQUENCE], [H264_END_OF_SEQUENCE, H264_END_OF_STREAM]))
        )
    return nals


@st.composite
def hevc_streams(draw: DrawFn, max_pictures: int = 5) -> CodedStream:
    """A valid H.265 stream with all that may come between and inside of pictures."""
    sets = HevcSets(
        sps_id=draw(st.integers(0, 15)),
        pps_id=draw(st.integers(0, 63)),
        width=draw(st.sampled_from((16, 416, 1920, 4096))),
        dependent_slices=draw(st.booleans()),
        extra_header_bits=draw(st.integers(0, 7)),
    )
    units: list[Unit] = []
    for _ in range(draw(st.integers(1, max_pictures))):
        irap = not units or draw(st.integers(0, 3)) == 0
        nal_type = draw(st.sampled_from((16, 17, 18, 19, 20, 21) if irap else (0, 1, 2, 5, 6, 9)))
        front = _hevc_front(draw, sets, first=not units)
        slices, letter = _hevc_slices(draw, sets, nal_type)
        back = draw(
            st.lists(
                st.sampled_from((HEVC_SUFFIX_SEI, HEVC_FILLER, hevc_nal(62, b"\x19\x80"))),
                max_size=2,
            )
        )
        if draw(st.integers(0, 5)) == 0:
            back += draw(
                st.sampled_from(
                    ([HEVC_END_OF_SEQUENCE], [HEVC_END_OF_SEQUENCE, HEVC_END_OF_BITSTREAM])
                )
            )
        recovers = any(nal[:3] == b"\x4e\x01\x06" for nal in front)
        units.append(Unit((*front, *slices, *back), irap or recovers, letter))
    return CodedStream("hevc", tuple(units), draw(ZEROS))


def _hevc_front(draw: DrawFn, sets: HevcSets, first: bool) -> list[bytes]:
    nals = [HEVC_AUD] if draw(st.booleans()) else []
    if first or draw(st.integers(0, 2)) == 0:
        nals += [sets.vps, sets.sps, sets.pps]
    if draw(st.integers(0, 4)) == 0:
        nals.append(hevc_recovery_point(draw(st.integers(-8, 8))))
    if draw(st.booleans()):
        nals.append(hevc_sei((5, draw(st.binary(min_size=16, max_size=300)))))
    return nals


def _hevc_slices(draw: DrawFn, sets: HevcSets, nal_type: int) -> tuple[list[bytes], str]:
    types = (HEVC_I,) if nal_type >= 16 else (HEVC_P, HEVC_B, HEVC_I)
    nals, used = [], set()
    for index in range(draw(st.integers(1, 4))):
        dependent = bool(index) and sets.dependent_slices and draw(st.booleans())
        slice_type = draw(st.sampled_from(types))
        if not dependent:
            used.add(slice_type)
        if index and draw(st.integers(0, 4)) == 0:
            nals.append(hevc_sei((5, bytes(16))))
        nals.append(
            sets.slice(
                nal_type=nal_type,
                first=not index,
                address=min(index, (1 << sets.address_bits) - 1),
                slice_type=slice_type,
                dependent=dependent,
                rest=draw(RESTS),
            )
        )
        if draw(st.integers(0, 5)) == 0:
            nals.append(sets.slice(nal_type=nal_type, layer_id=1, rest=draw(RESTS)))
    return nals, "B" if HEVC_B in used else "P" if HEVC_P in used else "I"


def coded_streams() -> SearchStrategy[CodedStream]:
    """A valid stream of either codec."""
    return st.one_of(h264_streams(), hevc_streams())


def wild_bytes() -> SearchStrategy[bytes]:
    """Any bytes, with start codes, NAL unit headers and long runs of zeros among them."""
    pieces: Sequence[SearchStrategy[bytes]] = (
        st.just(b"\0\0\1"),
        st.just(b"\0\0\0\1"),
        st.integers(1, 9).map(bytes),
        st.binary(max_size=12),
        st.sampled_from((b"\0\0\3", b"\0\0\2", b"\0\1", b"\1")),
        st.integers(0, 255).map(lambda header: b"\0\0\1" + bytes((header,))),
        st.integers(0, 127).map(lambda header: b"\0\0\1" + bytes((header, 1, 0x80))),
        st.binary(min_size=40, max_size=400),
    )
    return st.lists(st.one_of(*pieces), max_size=24).map(b"".join)
