"""H.264 video usability information and HRD parameters (Annex E.1).

Read and written from inside the sequence parameter set of ``h264``.
"""

from typing import NamedTuple

from .syntax import Syntax
from .vui import EXTENDED_SAR


class Hrd(NamedTuple):
    """hrd_parameters() (E.1.2): coded picture buffers, lengths of the timing SEI fields."""

    cpb_cnt_minus1: int = 0
    bit_rate_scale: int = 0
    cpb_size_scale: int = 0
    bit_rate_value_minus1: tuple[int, ...] = ()
    cpb_size_value_minus1: tuple[int, ...] = ()
    cbr_flag: tuple[bool, ...] = ()
    initial_cpb_removal_delay_length_minus1: int = 23
    cpb_removal_delay_length_minus1: int = 23
    dpb_output_delay_length_minus1: int = 23
    time_offset_length: int = 24


class Vui(NamedTuple):
    """vui_parameters() (E.1.1); what is not coded has the value that E.2.1 infers.

    ``max_num_reorder_frames`` and ``max_dec_frame_buffering`` are meaningful only with
    ``bitstream_restriction_flag``.
    """

    aspect_ratio_info_present_flag: bool = False
    aspect_ratio_idc: int = 0
    sar_width: int = 0
    sar_height: int = 0
    overscan_info_present_flag: bool = False
    overscan_appropriate_flag: bool = False
    video_signal_type_present_flag: bool = False
    video_format: int = 5
    video_full_range_flag: bool = False
    colour_description_present_flag: bool = False
    colour_primaries: int = 2
    transfer_characteristics: int = 2
    matrix_coefficients: int = 2
    chroma_loc_info_present_flag: bool = False
    chroma_sample_loc_type_top_field: int = 0
    chroma_sample_loc_type_bottom_field: int = 0
    timing_info_present_flag: bool = False
    num_units_in_tick: int = 0
    time_scale: int = 0
    fixed_frame_rate_flag: bool = False
    nal_hrd_parameters_present_flag: bool = False
    nal_hrd: Hrd | None = None
    vcl_hrd_parameters_present_flag: bool = False
    vcl_hrd: Hrd | None = None
    low_delay_hrd_flag: bool = False
    pic_struct_present_flag: bool = False
    bitstream_restriction_flag: bool = False
    motion_vectors_over_pic_boundaries_flag: bool = True
    max_bytes_per_pic_denom: int = 2
    max_bits_per_mb_denom: int = 1
    log2_max_mv_length_horizontal: int = 15
    log2_max_mv_length_vertical: int = 15
    max_num_reorder_frames: int = 0
    max_dec_frame_buffering: int = 0

    @property
    def hrd(self) -> Hrd | None:
        """The HRD that gives the field lengths of SEI messages; both state the same (E.2.2)."""
        return self.nal_hrd or self.vcl_hrd


def walk_hrd(s: Syntax) -> None:
    """hrd_parameters(), E.1.2."""
    count = s.ue("cpb_cnt_minus1", 31) + 1
    s.u("bit_rate_scale", 4)
    s.u("cpb_size_scale", 4)
    for i in range(count):
        s.ue("bit_rate_value_minus1", index=i)
        s.ue("cpb_size_value_minus1", index=i)
        s.flag("cbr_flag", index=i)
    s.u("initial_cpb_removal_delay_length_minus1", 5)
    s.u("cpb_removal_delay_length_minus1", 5)
    s.u("dpb_output_delay_length_minus1", 5)
    s.u("time_offset_length", 5)


def walk_vui(s: Syntax) -> None:
    """vui_parameters(), E.1.1."""
    if s.flag("aspect_ratio_info_present_flag") and s.u("aspect_ratio_idc", 8) == EXTENDED_SAR:
        s.u("sar_width", 16)
        s.u("sar_height", 16)
    if s.flag("overscan_info_present_flag"):
        s.flag("overscan_appropriate_flag")
    if s.flag("video_signal_type_present_flag"):
        s.u("video_format", 3)
        s.flag("video_full_range_flag")
        if s.flag("colour_description_present_flag"):
            s.u("colour_primaries", 8)
            s.u("transfer_characteristics", 8)
            s.u("matrix_coefficients", 8)
    if s.flag("chroma_loc_info_present_flag"):
        s.ue("chroma_sample_loc_type_top_field", 5)
        s.ue("chroma_sample_loc_type_bottom_field", 5)
    if s.flag("timing_info_present_flag"):
        s.u("num_units_in_tick", 32)
        s.u("time_scale", 32)
        s.flag("fixed_frame_rate_flag")
    nal_hrd = s.flag("nal_hrd_parameters_present_flag")
    if nal_hrd:
        s.struct("nal_hrd", Hrd, walk_hrd)
    vcl_hrd = s.flag("vcl_hrd_parameters_present_flag")
    if vcl_hrd:
        s.struct("vcl_hrd", Hrd, walk_hrd)
    if nal_hrd or vcl_hrd:
        s.flag("low_delay_hrd_flag")
    s.flag("pic_struct_present_flag")
    if s.flag("bitstream_restriction_flag"):
        s.flag("motion_vectors_over_pic_boundaries_flag")
        s.ue("max_bytes_per_pic_denom", 16)
        s.ue("max_bits_per_mb_denom", 16)
        s.ue("log2_max_mv_length_horizontal", 16)
        s.ue("log2_max_mv_length_vertical", 16)
        s.ue("max_num_reorder_frames", 16)
        s.ue("max_dec_frame_buffering", 16)
