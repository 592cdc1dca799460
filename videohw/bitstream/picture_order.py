"""Places in the order of presentation: picture order count (H.264 8.2.1, H.265 8.3.1).

Owns: the slice header fields that say so, and what of earlier pictures they refer to. Must not
know: pictures' samples, buffers, who shows them when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ..errors import InvalidBitstream
from . import h264, hevc
from .access_unit import AccessUnit
from .bits import BitReader
from .convert import unescape
from .parameter_sets import ParameterSets

_H264_SLICES: Final = (1, 2, 5)
_H264_IDR: Final = 5
_HEVC_SLICES: Final = range(32)
_HEVC_IRAPS: Final = range(16, 24)
_HEVC_IDRS: Final = (19, 20)
# Sub-layer non-reference pictures have even types below RSV_VCL_N14 (table 7-1).
_HEVC_LAST_SUB_LAYER: Final = 14
_LEADING: Final = range(6, 10)  # RADL and RASL
# A slice header up to dec_ref_pic_marking() has tables of weights for up to 32 references.
_HEADER_BYTES: Final = 1024
_P, _B, _I, _SI = 0, 1, 2, 4
_RESET_ALL: Final = 5  # memory_management_control_operation
_MAX_OPERATIONS: Final = 64


class PicturePlace(NamedTuple):
    """The place of one picture.

    Pictures are presented in the order of ``(sequence, order)``; all of a sequence come before
    any of the next. ``reorder``: most pictures that precede a picture of the sequence in decoding
    order and follow it in presentation order.
    """

    sequence: int
    order: int
    reorder: int
    sps: h264.Sps | hevc.Sps


@dataclass(slots=True)
class _Marking:
    """What H.264 remembers of the picture before (8.2.1), or HEVC of the last of layer 0."""

    msb: int = 0
    lsb: int = 0
    frame_num: int = 0
    frame_num_offset: int = 0
    reset: bool = False  # by memory_management_control_operation 5


class PictureOrder:
    """Follows the access units of one stream, in decoding order, those that are decoded.

    ``sets`` are kept up to date by the caller, before each unit.
    """

    def __init__(self, codec: str, sets: ParameterSets) -> None:
        self._codec = codec
        self._sets = sets
        self._sequence = -1
        self._last = _Marking()
        self._begins = True

    def begin(self) -> None:
        """Nothing of what came before matters for the next unit."""
        self._begins = True

    def read(self, unit: AccessUnit) -> PicturePlace:
        """The place of ``unit``; :class:`InvalidBitstream` where its first slice cannot be read."""
        read = self._h264 if self._codec == "h264" else self._hevc
        for span in unit.nals:
            slices = _H264_SLICES if self._codec == "h264" else _HEVC_SLICES
            if span.type in slices and span.layer_id == 0:
                size = min(span.size, _HEADER_BYTES)
                escaped = unit.data[span.start : span.start + size]
                return read(unit, escaped, span.type, span.temporal_id)
        raise InvalidBitstream("the access unit has no slice", offset=unit.offset)

    # HEVC

    def _hevc(self, unit: AccessUnit, nal: bytes, kind: int, temporal_id: int) -> PicturePlace:
        bits = BitReader(unescape(nal)[2:], "hevc slice header")
        bits.flag("first_slice_segment_in_pic_flag")
        if kind in _HEVC_IRAPS:
            bits.flag("no_output_of_prior_pics_flag")
        pps = self._sets.pps(bits.ue("slice_pic_parameter_set_id"))
        sps = None if not isinstance(pps, hevc.Pps) else self._sps(pps.pps_seq_parameter_set_id)
        if not isinstance(pps, hevc.Pps) or not isinstance(sps, hevc.Sps):
            raise _no_sets(unit)
        bits.u("slice_reserved_flag", pps.num_extra_slice_header_bits)
        bits.ue("slice_type")
        if pps.output_flag_present_flag:
            bits.flag("pic_output_flag")
        if sps.separate_colour_plane_flag:
            bits.u("colour_plane_id", 2)
        width = sps.log2_max_pic_order_cnt_lsb
        lsb = 0 if kind in _HEVC_IDRS else bits.u("slice_pic_order_cnt_lsb", width)
        starts = kind in _HEVC_IRAPS and (
            self._begins or unit.random_access in ("idr", "bla") or unit.after_end_of_sequence
        )
        if starts or self._begins:
            self._sequence += 1
            self._begins = False
            msb = 0
        else:
            msb = _msb(self._last.msb, self._last.lsb, lsb, 1 << width)
        if temporal_id == 0 and kind not in _LEADING and not _is_sub_layer(kind):
            self._last = _Marking(msb=msb, lsb=lsb)
        return PicturePlace(self._sequence, msb + lsb, self._hevc_reorder(sps), sps)

    def _hevc_reorder(self, sps: hevc.Sps) -> int:
        if sps.max_num_reorder is not None:
            return sps.max_num_reorder
        vps = self._sets.vps(sps.sps_video_parameter_set_id)
        ordering = vps.sub_layer_ordering if vps is not None else ()
        return ordering[-1].vps_max_num_reorder_pics if ordering else 0

    # H.264

    def _h264(self, unit: AccessUnit, nal: bytes, kind: int, _: int) -> PicturePlace:
        header = _SliceHeader.read(unit, nal, kind, self._sets)
        sps, last = header.sps, self._last
        if header.idr or self._begins:
            self._sequence += 1
            self._begins = False
            last = _Marking()
        elif last.reset and not unit.second_field:
            last = _Marking(lsb=last.lsb)
        count, now = _h264_count(header, last)
        if header.resets:
            # Picture order begins anew with this picture, whose own count becomes 0 (8.2.1).
            self._sequence += 1
            lsb = 0 if header.bottom else max(0, header.top_of_frame)
            now = _Marking(lsb=lsb, reset=True)
            count = 0
        if header.reference or sps.pic_order_cnt_type != 0:
            self._last = now
        return PicturePlace(self._sequence, count, sps.max_num_reorder, sps)

    def _sps(self, sps_id: int) -> h264.Sps | hevc.Sps | None:
        return self._sets.sps(sps_id)


@dataclass(slots=True)
class _SliceHeader:
    """The fields of an H.264 slice header (7.3.3) that its place follows from."""

    sps: h264.Sps
    idr: bool
    reference: bool
    frame_num: int = 0
    field: bool = False
    bottom: bool = False
    lsb: int = 0
    delta_bottom: int = 0
    delta: tuple[int, int] = (0, 0)
    resets: bool = False  # memory_management_control_operation 5

    @property
    def top_of_frame(self) -> int:
        """Count of the top field after a reset: by how much the bottom one precedes it."""
        return -self.delta_bottom if not self.field and self.delta_bottom < 0 else 0

    @classmethod
    def read(cls, unit: AccessUnit, nal: bytes, kind: int, sets: ParameterSets) -> _SliceHeader:
        bits = BitReader(unescape(nal)[1:], "h264 slice header")
        bits.ue("first_mb_in_slice")
        slice_type = bits.ue("slice_type") % 5
        pps = sets.pps(bits.ue("pic_parameter_set_id"))
        sps = sets.sps(pps.seq_parameter_set_id) if isinstance(pps, h264.Pps) else None
        if not isinstance(pps, h264.Pps) or not isinstance(sps, h264.Sps):
            raise _no_sets(unit)
        made = cls(sps, kind == _H264_IDR, nal[0] & 0x60 != 0)
        if sps.separate_colour_plane_flag:
            bits.u("colour_plane_id", 2)
        made.frame_num = bits.u("frame_num", sps.log2_max_frame_num)
        if not sps.frame_mbs_only_flag:
            made.field = bits.flag("field_pic_flag")
            made.bottom = made.field and bits.flag("bottom_field_flag")
        if made.idr:
            bits.ue("idr_pic_id")
        made._read_counts(bits, pps)
        if made.reference and not made.idr and kind != 2:
            made.resets = _resets(bits, slice_type, pps, sps)
        return made

    def _read_counts(self, bits: BitReader, pps: h264.Pps) -> None:
        sps = self.sps
        both = pps.bottom_field_pic_order_in_frame_present_flag and not self.field
        least, most = -(1 << 31), (1 << 31) - 1
        if sps.pic_order_cnt_type == 0:
            self.lsb = bits.u("pic_order_cnt_lsb", sps.log2_max_pic_order_cnt_lsb)
            if both:
                self.delta_bottom = bits.se("delta_pic_order_cnt_bottom", least, most)
        elif sps.pic_order_cnt_type == 1 and not sps.delta_pic_order_always_zero_flag:
            first = bits.se("delta_pic_order_cnt[0]", least, most)
            second = bits.se("delta_pic_order_cnt[1]", least, most) if both else 0
            self.delta = first, second


def _resets(bits: BitReader, slice_type: int, pps: h264.Pps, sps: h264.Sps) -> bool:
    """Whether dec_ref_pic_marking() forgets all references (7.3.3.3)."""
    if pps.redundant_pic_cnt_present_flag:
        bits.ue("redundant_pic_cnt")
    if slice_type == _B:
        bits.flag("direct_spatial_mv_pred_flag")
    counts = [pps.num_ref_idx_l0_default_active_minus1 + 1]
    if slice_type == _B:
        counts.append(pps.num_ref_idx_l1_default_active_minus1 + 1)
    if slice_type in (_I, _SI):
        counts = []
    elif bits.flag("num_ref_idx_active_override_flag"):
        counts = [bits.ue("num_ref_idx_active_minus1", 31) + 1 for _ in counts]
    for _ in counts:
        if bits.flag("ref_pic_list_modification_flag"):
            while bits.ue("modification_of_pic_nums_idc", 3) != 3:
                bits.ue("abs_diff_pic_num_minus1")
    weighted = pps.weighted_bipred_idc == 1 if slice_type == _B else pps.weighted_pred_flag
    if counts and weighted:
        _skip_weights(bits, counts, chroma=sps.chroma_format_idc and not _separate(sps))
    if not bits.flag("adaptive_ref_pic_marking_mode_flag"):
        return False
    for _ in range(_MAX_OPERATIONS):
        operation = bits.ue("memory_management_control_operation", 6)
        if operation in (0, _RESET_ALL):
            return operation == _RESET_ALL
        bits.ue("memory_management_control_operand")
        if operation == 3:
            bits.ue("long_term_frame_idx")
    return False


def _separate(sps: h264.Sps) -> bool:
    return sps.separate_colour_plane_flag


def _skip_weights(bits: BitReader, counts: list[int], *, chroma: object) -> None:
    bits.ue("luma_log2_weight_denom", 7)
    if chroma:
        bits.ue("chroma_log2_weight_denom", 7)
    for count in counts:
        for _ in range(count):
            for values in (2, 4) if chroma else (2,):
                if bits.flag("weight_flag"):
                    for _ in range(values):
                        bits.se("weight_or_offset", -128, 127)


def _h264_count(header: _SliceHeader, last: _Marking) -> tuple[int, _Marking]:
    """The count of a frame or field (8.2.1.1 to 8.2.1.3), and what is remembered of it."""
    sps = header.sps
    if sps.pic_order_cnt_type == 0:
        msb = _msb(last.msb, last.lsb, header.lsb, 1 << sps.log2_max_pic_order_cnt_lsb)
        top = msb + header.lsb
        count = top if header.field else min(top, top + header.delta_bottom)
        return count, _Marking(msb=msb, lsb=header.lsb)
    offset = last.frame_num_offset
    if not header.idr and last.frame_num > header.frame_num:
        offset += 1 << sps.log2_max_frame_num
    if header.idr:
        offset = 0
    now = _Marking(frame_num=header.frame_num, frame_num_offset=offset)
    if sps.pic_order_cnt_type == 2:
        return 2 * (offset + header.frame_num) - (not header.reference), now
    return _cycle_count(header, offset), now


def _cycle_count(header: _SliceHeader, offset: int) -> int:
    """pic_order_cnt_type 1 (8.2.1.2)."""
    sps = header.sps
    cycle = sps.offset_for_ref_frame
    number = offset + header.frame_num if cycle else 0
    if not header.reference and number > 0:
        number -= 1
    expected = 0
    if number > 0:
        cycles, place = divmod(number - 1, len(cycle))
        expected = cycles * sum(cycle) + sum(cycle[: place + 1])
    if not header.reference:
        expected += sps.offset_for_non_ref_pic
    top = expected + header.delta[0]
    if header.field:
        return top + sps.offset_for_top_to_bottom_field if header.bottom else top
    return min(top, top + sps.offset_for_top_to_bottom_field + header.delta[1])


def _msb(last_msb: int, last_lsb: int, lsb: int, size: int) -> int:
    """The part of the count that is not coded (8-3, H.265 8-1)."""
    if lsb < last_lsb and last_lsb - lsb >= size // 2:
        return last_msb + size
    if lsb > last_lsb and lsb - last_lsb > size // 2:
        return last_msb - size
    return last_msb


def _is_sub_layer(kind: int) -> bool:
    return kind <= _HEVC_LAST_SUB_LAYER and kind % 2 == 0


def _no_sets(unit: AccessUnit) -> InvalidBitstream:
    return InvalidBitstream("a slice names parameter sets that are not there", offset=unit.offset)
