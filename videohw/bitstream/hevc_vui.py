"""H.265 video usability information and HRD parameters (Annex E.2).

Read and written from inside the SPS and the VPS.
"""

from typing import NamedTuple

from .syntax import Syntax
from .vui import EXTENDED_SAR


class SubLayerHrd(NamedTuple):
    """sub_layer_hrd_parameters() (E.2.3), one element for each coded picture buffer."""

    bit_rate_value_minus1: tuple[int, ...] = ()
    cpb_size_value_minus1: tuple[int, ...] = ()
    cpb_size_du_value_minus1: tuple[int, ...] = ()
    bit_rate_du_value_minus1: tuple[int, ...] = ()
    cbr_flag: tuple[bool, ...] = ()


class HrdSubLayer(NamedTuple):
    """The part of hrd_parameters() that is repeated for each sub-layer."""

    fixed_pic_rate_general_flag: bool = False
    fixed_pic_rate_within_cvs_flag: bool = True
    elemental_duration_in_tc_minus1: int = 0
    low_delay_hrd_flag: bool = False
    cpb_cnt_minus1: int = 0
    nal_hrd: SubLayerHrd | None = None
    vcl_hrd: SubLayerHrd | None = None


class Hrd(NamedTuple):
    """hrd_parameters() (E.2.2): coded picture buffers, lengths of the timing SEI fields."""

    nal_hrd_parameters_present_flag: bool = False
    vcl_hrd_parameters_present_flag: bool = False
    sub_pic_hrd_params_present_flag: bool = False
    tick_divisor_minus2: int = 0
    du_cpb_removal_delay_increment_length_minus1: int = 23
    sub_pic_cpb_params_in_pic_timing_sei_flag: bool = False
    dpb_output_delay_du_length_minus1: int = 23
    bit_rate_scale: int = 0
    cpb_size_scale: int = 0
    cpb_size_du_scale: int = 0
    initial_cpb_removal_delay_length_minus1: int = 23
    au_cpb_removal_delay_length_minus1: int = 23
    dpb_output_delay_length_minus1: int = 23
    sub_layers: tuple[HrdSubLayer, ...] = ()

    @property
    def cpb_dpb_delays_present(self) -> bool:
        """CpbDpbDelaysPresentFlag (E.3.2): picture timing SEI messages hold delays."""
        return self.nal_hrd_parameters_present_flag or self.vcl_hrd_parameters_present_flag


class Vui(NamedTuple):
    """vui_parameters() (E.2.1); what is not coded has the value that E.3.1 infers."""

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
    neutral_chroma_indication_flag: bool = False
    field_seq_flag: bool = False
    frame_field_info_present_flag: bool = False
    default_display_window_flag: bool = False
    def_disp_win_left_offset: int = 0
    def_disp_win_right_offset: int = 0
    def_disp_win_top_offset: int = 0
    def_disp_win_bottom_offset: int = 0
    timing_info_present_flag: bool = False
    num_units_in_tick: int = 0
    time_scale: int = 0
    poc_proportional_to_timing_flag: bool = False
    num_ticks_poc_diff_one_minus1: int = 0
    hrd_parameters_present_flag: bool = False
    hrd: Hrd | None = None
    bitstream_restriction_flag: bool = False
    tiles_fixed_structure_flag: bool = False
    motion_vectors_over_pic_boundaries_flag: bool = True
    restricted_ref_pic_lists_flag: bool = False
    min_spatial_segmentation_idc: int = 0
    max_bytes_per_pic_denom: int = 2
    max_bits_per_min_cu_denom: int = 1
    log2_max_mv_length_horizontal: int = 15
    log2_max_mv_length_vertical: int = 15


def walk_sub_layer_hrd(s: Syntax, count: int, sub_pic: bool) -> None:
    """sub_layer_hrd_parameters(), E.2.3, of ``count`` buffers."""
    for i in range(count):
        s.ue("bit_rate_value_minus1", index=i)
        s.ue("cpb_size_value_minus1", index=i)
        if sub_pic:
            s.ue("cpb_size_du_value_minus1", index=i)
            s.ue("bit_rate_du_value_minus1", index=i)
        s.flag("cbr_flag", index=i)


def _walk_hrd_sub_layer(s: Syntax, nal: bool, vcl: bool, sub_pic: bool) -> None:
    # A fixed rate in general is one within the sequence too (E.3.2).
    fixed = s.flag("fixed_pic_rate_general_flag") or s.flag("fixed_pic_rate_within_cvs_flag")
    low_delay = False
    if fixed:
        s.ue("elemental_duration_in_tc_minus1", 2047)
    else:
        low_delay = s.flag("low_delay_hrd_flag")
    count = 1 if low_delay else s.ue("cpb_cnt_minus1", 31) + 1
    if nal:
        s.struct("nal_hrd", SubLayerHrd, walk_sub_layer_hrd, count, sub_pic)
    if vcl:
        s.struct("vcl_hrd", SubLayerHrd, walk_sub_layer_hrd, count, sub_pic)


def walk_hrd(s: Syntax, common: bool, max_sub_layers_minus1: int,
             inherited: Hrd | None = None) -> None:  # fmt: skip
    """hrd_parameters(), E.2.2.

    Without the ``common`` part the flags that steer the rest are those of ``inherited``, the
    structure before it in the VPS.
    """
    nal = vcl = sub_pic = False
    if common:
        nal = s.flag("nal_hrd_parameters_present_flag")
        vcl = s.flag("vcl_hrd_parameters_present_flag")
        if nal or vcl:
            sub_pic = s.flag("sub_pic_hrd_params_present_flag")
            if sub_pic:
                s.u("tick_divisor_minus2", 8)
                s.u("du_cpb_removal_delay_increment_length_minus1", 5)
                s.flag("sub_pic_cpb_params_in_pic_timing_sei_flag")
                s.u("dpb_output_delay_du_length_minus1", 5)
            s.u("bit_rate_scale", 4)
            s.u("cpb_size_scale", 4)
            if sub_pic:
                s.u("cpb_size_du_scale", 4)
            s.u("initial_cpb_removal_delay_length_minus1", 5)
            s.u("au_cpb_removal_delay_length_minus1", 5)
            s.u("dpb_output_delay_length_minus1", 5)
    elif inherited is not None:
        nal = inherited.nal_hrd_parameters_present_flag
        vcl = inherited.vcl_hrd_parameters_present_flag
        sub_pic = inherited.sub_pic_hrd_params_present_flag
        for name in ("nal_hrd_parameters_present_flag", "vcl_hrd_parameters_present_flag",
                     "sub_pic_hrd_params_present_flag"):  # fmt: skip
            s.derived(name, getattr(inherited, name))
    for i in range(max_sub_layers_minus1 + 1):
        s.struct("sub_layers", HrdSubLayer, _walk_hrd_sub_layer, nal, vcl, sub_pic, index=i)


def walk_vui(s: Syntax, max_sub_layers_minus1: int, columns: int, rows: int) -> None:
    """vui_parameters(), E.2.1; ``columns`` and ``rows``: chroma units of the coded picture."""
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
    s.flag("neutral_chroma_indication_flag")
    s.flag("field_seq_flag")
    s.flag("frame_field_info_present_flag")
    if s.flag("default_display_window_flag"):
        left = s.ue("def_disp_win_left_offset", columns - 1)
        s.ue("def_disp_win_right_offset", columns - 1 - left)
        top = s.ue("def_disp_win_top_offset", rows - 1)
        s.ue("def_disp_win_bottom_offset", rows - 1 - top)
    if s.flag("timing_info_present_flag"):
        walk_timing(s)
        if s.flag("hrd_parameters_present_flag"):
            s.struct("hrd", Hrd, walk_hrd, True, max_sub_layers_minus1)
    if s.flag("bitstream_restriction_flag"):
        s.flag("tiles_fixed_structure_flag")
        s.flag("motion_vectors_over_pic_boundaries_flag")
        s.flag("restricted_ref_pic_lists_flag")
        s.ue("min_spatial_segmentation_idc", 4095)
        s.ue("max_bytes_per_pic_denom", 16)
        s.ue("max_bits_per_min_cu_denom", 16)
        s.ue("log2_max_mv_length_horizontal", 16)
        s.ue("log2_max_mv_length_vertical", 15)


def walk_timing(s: Syntax) -> None:
    """The clock tick and its relation to the picture order count, the same in VUI and VPS."""
    s.u("num_units_in_tick", 32)
    s.u("time_scale", 32)
    if s.flag("poc_proportional_to_timing_flag"):
        s.ue("num_ticks_poc_diff_one_minus1")
