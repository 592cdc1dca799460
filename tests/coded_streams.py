"""H.264 and H.265 NAL units written by hand, field by field, for streams that no file has.

Field pictures, arbitrary slice order, redundant and partitioned slices, BLA pictures: what the
corpus lacks is made here. The slices hold no picture, only headers and filling bytes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

P_SLICE, B_SLICE, I_SLICE, SP_SLICE, SI_SLICE = range(5)  # slice_type of H.264 (table 7-6)
HEVC_B, HEVC_P, HEVC_I = range(3)  # slice_type of H.265 (table 7-7)
FILLING = bytes(range(0x81, 0xA0))


class Bits:
    """Writes u(n), ue(v) and se(v), most significant bit first."""

    def __init__(self) -> None:
        self._text = ""

    def u(self, count: int, value: int) -> Bits:
        assert 0 <= value < 1 << count
        self._text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, value: int) -> Bits:
        code = f"{value + 1:b}"
        self._text += "0" * (len(code) - 1) + code
        return self

    def se(self, value: int) -> Bits:
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def trailing(self) -> bytes:
        """The bytes so far, ended by rbsp_trailing_bits()."""
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")

    def before(self, rest: bytes) -> bytes:
        """The bits so far, ones up to a byte, then ``rest``."""
        text = self._text + "1" * (-len(self._text) % 8)
        return (int(text, 2).to_bytes(len(text) // 8, "big") if text else b"") + rest


def escaped(rbsp: bytes) -> bytes:
    """``rbsp`` with emulation prevention (7.4.1)."""
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", rbsp)


# H.264


def h264_nal(nal_type: int, rbsp: bytes = b"\x80", ref_idc: int = 0) -> bytes:
    """A NAL unit with this RBSP."""
    return bytes((ref_idc << 5 | nal_type,)) + escaped(rbsp)


def h264_sei(*messages: tuple[int, bytes]) -> bytes:
    """An SEI NAL unit of (payloadType, payload)."""
    return h264_nal(6, _messages(messages))


def hevc_sei(*messages: tuple[int, bytes], nal_type: int = 39, layer_id: int = 0) -> bytes:
    """A prefix (39) or suffix (40) SEI NAL unit of (payloadType, payload)."""
    return hevc_nal(nal_type, _messages(messages), layer_id=layer_id)


def _messages(messages: Iterable[tuple[int, bytes]]) -> bytes:
    body = b""
    for kind, payload in messages:
        for number in (kind, len(payload)):
            body += b"\xff" * (number // 255) + bytes((number % 255,))
        body += payload
    return body + b"\x80"


def h264_recovery_point(frame_count: int = 0) -> bytes:
    """SEI with a recovery point (D.1.8)."""
    return h264_sei((6, Bits().ue(frame_count).u(1, 1).u(1, 0).u(2, 0).trailing()))


def hevc_recovery_point(poc_count: int = 0) -> bytes:
    """SEI with a recovery point (H.265 D.2.8)."""
    return hevc_sei((6, Bits().se(poc_count).u(1, 1).u(1, 0).trailing()))


H264_AUD = h264_nal(9, b"\xf0")
H264_FILLER = h264_nal(12, b"\xff\xff\xff\x80")
H264_PREFIX = h264_nal(14, b"\x40\x80\x07\x20", ref_idc=2)
H264_END_OF_SEQUENCE = bytes((10,))
H264_END_OF_STREAM = bytes((11,))


@dataclass(frozen=True)
class H264Sets:
    """An SPS and a PPS that refers to it, and slices that refer to them."""

    sps_id: int = 0
    pps_id: int = 0
    frame_num_bits: int = 4
    poc_type: int = 0
    poc_lsb_bits: int = 4
    delta_always_zero: bool = False
    frame_mbs_only: bool = True
    bottom_field_poc: bool = False
    redundant_count: bool = False
    separate_planes: bool = False

    @property
    def sps(self) -> bytes:
        bits = Bits().u(8, 244 if self.separate_planes else 77).u(8, 0).u(8, 30).ue(self.sps_id)
        if self.separate_planes:
            bits.ue(3).u(1, 1).ue(0).ue(0).u(1, 0).u(1, 0)
        bits.ue(self.frame_num_bits - 4).ue(self.poc_type)
        if self.poc_type == 0:
            bits.ue(self.poc_lsb_bits - 4)
        elif self.poc_type == 1:
            bits.u(1, self.delta_always_zero).se(0).se(0).ue(0)
        bits.ue(4).u(1, 0).ue(10).ue(8).u(1, self.frame_mbs_only)
        if not self.frame_mbs_only:
            bits.u(1, 0)
        return h264_nal(7, bits.u(1, 1).u(1, 0).u(1, 0).trailing(), ref_idc=3)

    @property
    def pps(self) -> bytes:
        bits = Bits().ue(self.pps_id).ue(self.sps_id).u(1, 0).u(1, self.bottom_field_poc).ue(0)
        bits.ue(0).ue(0).u(1, 0).u(2, 0).se(0).se(0).se(0).u(1, 0).u(1, 0)
        return h264_nal(8, bits.u(1, self.redundant_count).trailing(), ref_idc=3)

    def slice(
        self, *, nal_type: int = 1, ref_idc: int = 1, first_mb: int = 0, slice_type: int = P_SLICE,
        frame_num: int = 0, field: str = "frame", idr_pic_id: int = 0, poc_lsb: int = 0,
        delta_bottom: int = 0, delta_poc: tuple[int, int] = (0, 0), redundant: int = 0,
        colour_plane: int = 0, rest: bytes = FILLING,
    ) -> bytes:  # fmt: skip
        """slice_header() up to redundant_pic_cnt (7.3.3), then ``rest`` in place of the data."""
        bits = Bits().ue(first_mb).ue(slice_type).ue(self.pps_id)
        if self.separate_planes:
            bits.u(2, colour_plane)
        bits.u(self.frame_num_bits, frame_num % (1 << self.frame_num_bits))
        if not self.frame_mbs_only:
            bits.u(1, field != "frame")
            if field != "frame":
                bits.u(1, field == "bottom")
        if nal_type == 5:
            bits.ue(idr_pic_id)
        if self.poc_type == 0:
            bits.u(self.poc_lsb_bits, poc_lsb % (1 << self.poc_lsb_bits))
            if self.bottom_field_poc and field == "frame":
                bits.se(delta_bottom)
        elif self.poc_type == 1 and not self.delta_always_zero:
            bits.se(delta_poc[0])
            if self.bottom_field_poc and field == "frame":
                bits.se(delta_poc[1])
        if self.redundant_count:
            bits.ue(redundant)
        return h264_nal(nal_type, bits.before(rest), ref_idc)

    def idr(self, **fields: int | str) -> bytes:
        """An IDR slice."""
        return self.slice(**{"nal_type": 5, "slice_type": I_SLICE, **fields})  # type: ignore[arg-type]


# H.265


def hevc_nal(
    nal_type: int, rbsp: bytes = b"\x80", *, layer_id: int = 0, temporal_id: int = 0
) -> bytes:
    """A NAL unit with this RBSP."""
    header = nal_type << 9 | layer_id << 3 | temporal_id + 1
    return header.to_bytes(2, "big") + escaped(rbsp)


HEVC_AUD = hevc_nal(35, b"\x50")
HEVC_END_OF_SEQUENCE = hevc_nal(36, b"")
HEVC_END_OF_BITSTREAM = hevc_nal(37, b"")
HEVC_FILLER = hevc_nal(38, b"\xff\xff\x80")
HEVC_SUFFIX_SEI = hevc_sei((132, bytes(range(17))), nal_type=40)


@dataclass(frozen=True)
class HevcSets:
    """A VPS, an SPS and a PPS, and slices that refer to them."""

    sps_id: int = 0
    pps_id: int = 0
    width: int = 416
    height: int = 240
    dependent_slices: bool = False
    extra_header_bits: int = 0
    output_flags: bool = False

    @property
    def vps(self) -> bytes:
        bits = Bits().u(4, 0).u(2, 3).u(6, 0).u(3, 0).u(1, 1).u(16, 0xFFFF)
        _profile_tier_level(bits).u(1, 1).ue(4).ue(2).ue(0).u(6, 0).ue(0).u(1, 0).u(1, 0)
        return hevc_nal(32, bits.trailing())

    @property
    def sps(self) -> bytes:
        bits = _profile_tier_level(Bits().u(4, 0).u(3, 0).u(1, 1)).ue(self.sps_id).ue(1)
        bits.ue(self.width).ue(self.height).u(1, 0).ue(0).ue(0).ue(4).u(1, 1).ue(4).ue(2).ue(0)
        # Coding tree blocks of 16 x 16 samples.
        bits.ue(0).ue(1).ue(0).ue(2).ue(0).ue(0).u(4, 0).ue(0).u(5, 0)
        return hevc_nal(33, bits.trailing())

    @property
    def pps(self) -> bytes:
        bits = Bits().ue(self.pps_id).ue(self.sps_id).u(1, self.dependent_slices)
        bits.u(1, self.output_flags)
        bits.u(3, self.extra_header_bits).u(2, 0).ue(0).ue(0).se(0).u(3, 0).se(0).se(0)
        return hevc_nal(34, bits.u(10, 0).ue(0).u(2, 0).trailing())

    @property
    def address_bits(self) -> int:
        blocks = -(-self.width // 16) * -(-self.height // 16)
        return (blocks - 1).bit_length()

    def slice(
        self, *, nal_type: int = 1, first: bool = True, address: int = 0, slice_type: int = HEVC_P,
        dependent: bool = False, temporal_id: int = 0, layer_id: int = 0, shown: bool = True,
        rest: bytes = FILLING,
    ) -> bytes:  # fmt: skip
        """slice_segment_header() up to slice_type or pic_output_flag (7.3.6.1), then ``rest``."""
        bits = Bits().u(1, first)
        if nal_type >= 16:
            bits.u(1, 0)
        bits.ue(self.pps_id)
        if not first:
            if self.dependent_slices:
                bits.u(1, dependent)
            bits.u(self.address_bits, address)
        if not dependent:
            bits.u(self.extra_header_bits, 0).ue(slice_type)
            if self.output_flags:
                bits.u(1, shown)
        return hevc_nal(nal_type, bits.before(rest), layer_id=layer_id, temporal_id=temporal_id)


def _profile_tier_level(bits: Bits) -> Bits:
    return bits.u(3, 0).u(5, 1).u(32, 0x60000000).u(4, 9).u(32, 0).u(12, 0).u(8, 93)


# Byte streams


def annexb(*nals: bytes, zeros: int = 3) -> bytes:
    """The NAL units, each behind a start code with ``zeros`` zero bytes."""
    return b"".join(b"\0" * zeros + b"\1" + nal for nal in nals)


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``data`` in pieces that end at the positions in ``cuts``."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def every(data: bytes, size: int) -> list[bytes]:
    """``data`` in pieces of ``size`` bytes."""
    return [data[i : i + size] for i in range(0, len(data), size)]


def joined(units: Sequence[Sequence[bytes]]) -> bytes:
    """The NAL units of access units, behind 4-byte start codes."""
    return annexb(*(nal for unit in units for nal in unit))
