"""H.264 sequence and picture parameter sets (ITU-T H.264 7.3.2.1, 7.3.2.2).

Field names are those of the standard. What a stream leaves out has the value that the standard
infers.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidBitstream
from .bits import BitReader, BitWriter
from .convert import as_bytes, escape, unescape
from .h264_levels import (
    HIGH_PROFILES,
    INTRA_PROFILES,
    level_name,
    max_dpb_frames,
    profile_name,
)
from .h264_vui import Hrd, Vui, walk_vui
from .syntax import Syntax, SyntaxReader, SyntaxWriter
from .vui import CHROMA_SUBSAMPLING, Crop, PictureProperties

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["Hrd", "Pps", "ScalingList", "Sps", "Vui", "parse_pps", "parse_sps", "write_sps"]

NAL_SPS = 7
NAL_PPS = 8
NAL_SUBSET_SPS = 15

MAX_SPS_ID = 31
MAX_PPS_ID = 255
# Room for every level: level 6.2 allows 1055 macroblocks a side (A.3.1 e, f).
_MAX_SIDE_MBS = 4096
# MaxFS of level 6.2 (table A-1), for slice groups of type 6.
_MAX_MAP_UNITS = 139264
_INT32 = (1 << 31) - 1


class ScalingList(NamedTuple):
    """scaling_list() (7.3.2.1.1.1) as coded: the differences, up to the one that ends it."""

    delta_scale: tuple[int, ...] = ()


class _SpsFields(NamedTuple):
    profile_idc: int
    constraint_set_flags: int
    level_idc: int
    seq_parameter_set_id: int = 0
    chroma_format_idc: int = 1
    separate_colour_plane_flag: bool = False
    bit_depth_luma_minus8: int = 0
    bit_depth_chroma_minus8: int = 0
    qpprime_y_zero_transform_bypass_flag: bool = False
    seq_scaling_matrix_present_flag: bool = False
    seq_scaling_list_present_flag: tuple[bool, ...] = ()
    scaling_lists: tuple[ScalingList, ...] = ()
    log2_max_frame_num_minus4: int = 0
    pic_order_cnt_type: int = 0
    log2_max_pic_order_cnt_lsb_minus4: int = 0
    delta_pic_order_always_zero_flag: bool = False
    offset_for_non_ref_pic: int = 0
    offset_for_top_to_bottom_field: int = 0
    num_ref_frames_in_pic_order_cnt_cycle: int = 0
    offset_for_ref_frame: tuple[int, ...] = ()
    max_num_ref_frames: int = 0
    gaps_in_frame_num_value_allowed_flag: bool = False
    pic_width_in_mbs_minus1: int = 0
    pic_height_in_map_units_minus1: int = 0
    frame_mbs_only_flag: bool = True
    mb_adaptive_frame_field_flag: bool = False
    direct_8x8_inference_flag: bool = False
    frame_cropping_flag: bool = False
    frame_crop_left_offset: int = 0
    frame_crop_right_offset: int = 0
    frame_crop_top_offset: int = 0
    frame_crop_bottom_offset: int = 0
    vui_parameters_present_flag: bool = False
    vui: Vui | None = None


class Sps(_SpsFields, PictureProperties):
    """seq_parameter_set_data() (7.3.2.1.1).

    ``constraint_set_flags`` are the eight bits between profile_idc and level_idc,
    constraint_set0_flag in the highest. ``scaling_lists`` has one element for each that is
    present.
    """

    __slots__ = ()

    @property
    def log2_max_frame_num(self) -> int:
        """Bits of frame_num."""
        return self.log2_max_frame_num_minus4 + 4

    @property
    def log2_max_pic_order_cnt_lsb(self) -> int:
        """Bits of pic_order_cnt_lsb (pic_order_cnt_type 0)."""
        return self.log2_max_pic_order_cnt_lsb_minus4 + 4

    @property
    def coded_width(self) -> int:
        """Width before cropping, a multiple of 16."""
        return 16 * (self.pic_width_in_mbs_minus1 + 1)

    @property
    def coded_height(self) -> int:
        """Height of a whole frame before cropping, a multiple of 16 (7-18)."""
        map_units = self.pic_height_in_map_units_minus1 + 1
        return 16 * map_units * (1 if self.frame_mbs_only_flag else 2)

    @property
    def crop(self) -> Crop:
        """The cropping rectangle (7-19 to 7-22)."""
        x, y = _crop_units(
            self.chroma_format_idc, self.separate_colour_plane_flag, self.frame_mbs_only_flag
        )
        return Crop(
            x * self.frame_crop_left_offset,
            x * self.frame_crop_right_offset,
            y * self.frame_crop_top_offset,
            y * self.frame_crop_bottom_offset,
        )

    @property
    def fps(self) -> "Fraction | None":
        """Frames per second, two ticks each (E.2.1); None when the stream does not say."""
        vui = self.vui
        if vui is None or not vui.num_units_in_tick or not vui.time_scale:
            return None
        from fractions import Fraction  # pictures are decoded without

        return Fraction(vui.time_scale, 2 * vui.num_units_in_tick)

    @property
    def profile(self) -> str:
        """Name of the profile: "High", "Constrained Baseline" ..."""
        return profile_name(self.profile_idc, self.constraint_set_flags)

    @property
    def level(self) -> str:
        """Name of the level: "4.1", "1b" ..."""
        return level_name(self.profile_idc, self.constraint_set_flags, self.level_idc)

    @property
    def stated_num_reorder(self) -> int | None:
        """max_num_reorder_frames of the VUI; None when it is not there."""
        vui = self.vui
        return vui.max_num_reorder_frames if vui and vui.bitstream_restriction_flag else None

    @property
    def max_num_reorder(self) -> int:
        """Frames that may precede a frame in decoding order and follow it in output order.

        Stated by the VUI; 0 with pic_order_cnt_type 2, whose output order is the decoding order
        (8.2.1.3); else what E.2.1 infers: 0 for the intra profiles, else MaxDpbFrames.
        """
        if self.pic_order_cnt_type == 2:
            return 0
        stated = self.stated_num_reorder
        return self._inferred_dpb_frames() if stated is None else stated

    @property
    def reorders(self) -> bool:
        """False when the output order is certainly the decoding order."""
        return self.max_num_reorder > 0

    @property
    def max_dec_frame_buffering(self) -> int:
        """Size of the decoded picture buffer in frames: stated by the VUI or inferred (E.2.1)."""
        vui = self.vui
        if vui and vui.bitstream_restriction_flag:
            return vui.max_dec_frame_buffering
        return self._inferred_dpb_frames()

    def _inferred_dpb_frames(self) -> int:
        flags = self.constraint_set_flags
        if self.profile_idc in INTRA_PROFILES and flags & 0x10:
            return 0
        frame_mbs = (self.coded_width // 16) * (self.coded_height // 16)
        return max_dpb_frames(self.profile_idc, flags, self.level_idc, frame_mbs)


class Pps(NamedTuple):
    """pic_parameter_set_rbsp() (7.3.2.2).

    ``transform_8x8_present`` says whether the part from transform_8x8_mode_flag on was coded;
    without it second_chroma_qp_index_offset is that of the first component (7.4.2.2).
    """

    pic_parameter_set_id: int
    seq_parameter_set_id: int
    entropy_coding_mode_flag: bool = False
    bottom_field_pic_order_in_frame_present_flag: bool = False
    num_slice_groups_minus1: int = 0
    slice_group_map_type: int = 0
    run_length_minus1: tuple[int, ...] = ()
    top_left: tuple[int, ...] = ()
    bottom_right: tuple[int, ...] = ()
    slice_group_change_direction_flag: bool = False
    slice_group_change_rate_minus1: int = 0
    pic_size_in_map_units_minus1: int = 0
    slice_group_id: tuple[int, ...] = ()
    num_ref_idx_l0_default_active_minus1: int = 0
    num_ref_idx_l1_default_active_minus1: int = 0
    weighted_pred_flag: bool = False
    weighted_bipred_idc: int = 0
    pic_init_qp_minus26: int = 0
    pic_init_qs_minus26: int = 0
    chroma_qp_index_offset: int = 0
    deblocking_filter_control_present_flag: bool = False
    constrained_intra_pred_flag: bool = False
    redundant_pic_cnt_present_flag: bool = False
    transform_8x8_present: bool = False
    transform_8x8_mode_flag: bool = False
    pic_scaling_matrix_present_flag: bool = False
    pic_scaling_list_present_flag: tuple[bool, ...] = ()
    scaling_lists: tuple[ScalingList, ...] = ()
    second_chroma_qp_index_offset: int = 0


def parse_sps(nal: bytes) -> Sps:
    """The SPS of a NAL unit of type 7, or the base part of a subset SPS (type 15).

    ``nal``: with header byte, escaped, no start code. :class:`InvalidBitstream` for anything else.
    """
    reader = SyntaxReader(_open(nal, "H.264 SPS", (NAL_SPS, NAL_SUBSET_SPS)))
    walk_sps(reader)
    return reader.build(Sps)


def parse_pps(nal: bytes, sps_by_id: Mapping[int, Sps]) -> Pps:
    """The PPS of a NAL unit of type 8, framed as for :func:`parse_sps`.

    ``sps_by_id`` gives the SPS it refers to, whose chroma format decides how many scaling lists
    there are; 4:2:0 is assumed while that SPS is missing. :class:`InvalidBitstream`.
    """
    reader = SyntaxReader(_open(nal, "H.264 PPS", (NAL_PPS,)))
    walk_pps(reader, sps_by_id)
    return reader.build(Pps)


def write_sps(sps: Sps) -> bytes:
    """The NAL unit (type 7, nal_ref_idc 3, escaped) that :func:`parse_sps` reads as ``sps``.

    :class:`InvalidInput`, naming the field, for a value out of its range.
    """
    writer = SyntaxWriter(BitWriter("H.264 SPS"), sps)
    walk_sps(writer)
    return bytes((0x60 | NAL_SPS,)) + escape(writer.bits.rbsp_bytes())


def _open(nal: bytes, what: str, types: tuple[int, ...]) -> BitReader:
    nal = as_bytes(nal, "nal")
    if not nal:
        raise InvalidBitstream(f"{what}: empty NAL unit")
    if nal[0] & 0x1F not in types:
        raise InvalidBitstream(f"{what}: nal_unit_type is {nal[0] & 0x1F}, not {types[0]}")
    return BitReader(unescape(nal)[1:], what)


def _crop_units(chroma_format_idc: int, separate: bool, frame_mbs_only: bool) -> tuple[int, int]:
    x, y = CHROMA_SUBSAMPLING[0 if separate else chroma_format_idc]
    return x, y * (1 if frame_mbs_only else 2)


def walk_sps(s: Syntax) -> None:
    """seq_parameter_set_data(), 7.3.2.1.1."""
    profile_idc = s.u("profile_idc", 8)
    s.u("constraint_set_flags", 8)
    s.u("level_idc", 8)
    s.ue("seq_parameter_set_id", MAX_SPS_ID)
    chroma_format_idc, separate = 1, False
    if profile_idc in HIGH_PROFILES:
        chroma_format_idc = s.ue("chroma_format_idc", 3)
        if chroma_format_idc == 3:
            separate = s.flag("separate_colour_plane_flag")
        s.ue("bit_depth_luma_minus8", 6)
        s.ue("bit_depth_chroma_minus8", 6)
        s.flag("qpprime_y_zero_transform_bypass_flag")
        if s.flag("seq_scaling_matrix_present_flag"):
            lists = 8 if chroma_format_idc != 3 else 12
            _walk_scaling_lists(s, "seq_scaling_list_present_flag", lists)
    s.ue("log2_max_frame_num_minus4", 12)
    _walk_pic_order_cnt(s)
    s.ue("max_num_ref_frames", 16)
    s.flag("gaps_in_frame_num_value_allowed_flag")
    width = 16 * (s.ue("pic_width_in_mbs_minus1", _MAX_SIDE_MBS - 1) + 1)
    map_units = s.ue("pic_height_in_map_units_minus1", _MAX_SIDE_MBS - 1) + 1
    frame_mbs_only = s.flag("frame_mbs_only_flag")
    if not frame_mbs_only:
        s.flag("mb_adaptive_frame_field_flag")
    s.flag("direct_8x8_inference_flag")
    if s.flag("frame_cropping_flag"):
        # One sample must stay (7.4.2.1.1).
        x, y = _crop_units(chroma_format_idc, separate, frame_mbs_only)
        columns, rows = width // x - 1, 16 * map_units * (1 if frame_mbs_only else 2) // y - 1
        columns -= s.ue("frame_crop_left_offset", columns)
        s.ue("frame_crop_right_offset", columns)
        rows -= s.ue("frame_crop_top_offset", rows)
        s.ue("frame_crop_bottom_offset", rows)
    if s.flag("vui_parameters_present_flag"):
        s.struct("vui", Vui, walk_vui)


def _walk_pic_order_cnt(s: Syntax) -> None:
    poc_type = s.ue("pic_order_cnt_type", 2)
    if poc_type == 0:
        s.ue("log2_max_pic_order_cnt_lsb_minus4", 12)
    elif poc_type == 1:
        s.flag("delta_pic_order_always_zero_flag")
        s.se("offset_for_non_ref_pic", -_INT32, _INT32)
        s.se("offset_for_top_to_bottom_field", -_INT32, _INT32)
        for i in range(s.ue("num_ref_frames_in_pic_order_cnt_cycle", 255)):
            s.se("offset_for_ref_frame", -_INT32, _INT32, index=i)


def _walk_scaling_lists(s: Syntax, present_name: str, count: int) -> None:
    coded = 0
    for i in range(count):
        if s.flag(present_name, index=i):
            s.struct("scaling_lists", ScalingList, _walk_scaling_list, 16 if i < 6 else 64,
                     index=coded)  # fmt: skip
            coded += 1


def _walk_scaling_list(s: Syntax, size: int) -> None:
    scale = 8
    for i in range(size):
        scale = (scale + s.se("delta_scale", -128, 127, index=i)) % 256
        if scale == 0:
            return


def walk_pps(s: Syntax, sps_by_id: Mapping[int, Sps]) -> None:
    """pic_parameter_set_rbsp(), 7.3.2.2."""
    s.ue("pic_parameter_set_id", MAX_PPS_ID)
    sps = sps_by_id.get(s.ue("seq_parameter_set_id", MAX_SPS_ID))
    s.flag("entropy_coding_mode_flag")
    s.flag("bottom_field_pic_order_in_frame_present_flag")
    groups = s.ue("num_slice_groups_minus1", 7) + 1
    if groups > 1:
        _walk_slice_groups(s, groups)
    s.ue("num_ref_idx_l0_default_active_minus1", 31)
    s.ue("num_ref_idx_l1_default_active_minus1", 31)
    s.flag("weighted_pred_flag")
    s.u("weighted_bipred_idc", 2)
    # Down to -(26 + QpBdOffsetY) for 14 bits.
    s.se("pic_init_qp_minus26", -62, 25)
    s.se("pic_init_qs_minus26", -26, 25)
    s.se("chroma_qp_index_offset", -12, 12)
    s.flag("deblocking_filter_control_present_flag")
    s.flag("constrained_intra_pred_flag")
    s.flag("redundant_pic_cnt_present_flag")
    if s.more_data("transform_8x8_present"):
        transform_8x8 = s.flag("transform_8x8_mode_flag")
        if s.flag("pic_scaling_matrix_present_flag"):
            lists_8x8 = 6 if sps is not None and sps.chroma_format_idc == 3 else 2
            count = 6 + (lists_8x8 if transform_8x8 else 0)
            _walk_scaling_lists(s, "pic_scaling_list_present_flag", count)
        s.se("second_chroma_qp_index_offset", -12, 12)


def _walk_slice_groups(s: Syntax, groups: int) -> None:
    map_type = s.ue("slice_group_map_type", 6)
    if map_type == 0:
        for i in range(groups):
            s.ue("run_length_minus1", _MAX_MAP_UNITS - 1, index=i)
    elif map_type == 2:
        for i in range(groups - 1):
            s.ue("top_left", _MAX_MAP_UNITS - 1, index=i)
            s.ue("bottom_right", _MAX_MAP_UNITS - 1, index=i)
    elif map_type in (3, 4, 5):
        s.flag("slice_group_change_direction_flag")
        s.ue("slice_group_change_rate_minus1", _MAX_MAP_UNITS - 1)
    elif map_type == 6:
        bits = (groups - 1).bit_length()
        for i in range(s.ue("pic_size_in_map_units_minus1", _MAX_MAP_UNITS - 1) + 1):
            s.u("slice_group_id", bits, index=i)
