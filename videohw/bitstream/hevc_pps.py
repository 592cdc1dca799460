"""H.265 picture parameter set (ITU-T H.265 7.3.2.3)."""

from typing import NamedTuple

from .hevc_nal import open_nal
from .hevc_scaling import ScalingListData, walk_scaling_list_data
from .hevc_sps import MAX_SPS_ID
from .syntax import Syntax, SyntaxReader

NAL_PPS = 34
MAX_PPS_ID = 63
# Columns and rows of tiles: as many as blocks of 16 on the longest side (_MAX_SIDE of the SPS).
_MAX_TILES = 4096


class PpsRangeExtension(NamedTuple):
    """pps_range_extension() (7.3.2.3.2)."""

    log2_max_transform_skip_block_size_minus2: int = 0
    cross_component_prediction_enabled_flag: bool = False
    chroma_qp_offset_list_enabled_flag: bool = False
    diff_cu_chroma_qp_offset_depth: int = 0
    chroma_qp_offset_list_len_minus1: int = 0
    cb_qp_offset_list: tuple[int, ...] = ()
    cr_qp_offset_list: tuple[int, ...] = ()
    log2_sao_offset_scale_luma: int = 0
    log2_sao_offset_scale_chroma: int = 0


class PpsSccExtension(NamedTuple):
    """pps_scc_extension() (7.3.2.3.3)."""

    pps_curr_pic_ref_enabled_flag: bool = False
    residual_adaptive_colour_transform_enabled_flag: bool = False
    pps_slice_act_qp_offsets_present_flag: bool = False
    pps_act_y_qp_offset_plus5: int = 0
    pps_act_cb_qp_offset_plus5: int = 0
    pps_act_cr_qp_offset_plus3: int = 0
    pps_palette_predictor_initializers_present_flag: bool = False
    pps_num_palette_predictor_initializers: int = 0
    monochrome_palette_flag: bool = False
    luma_bit_depth_entry_minus8: int = 0
    chroma_bit_depth_entry_minus8: int = 0
    pps_palette_predictor_initializer: tuple[int, ...] = ()


class Pps(NamedTuple):
    """pic_parameter_set_rbsp() (7.3.2.3).

    What follows a multilayer or 3D extension is not read.
    """

    nuh_layer_id: int
    pps_pic_parameter_set_id: int
    pps_seq_parameter_set_id: int
    dependent_slice_segments_enabled_flag: bool = False
    output_flag_present_flag: bool = False
    num_extra_slice_header_bits: int = 0
    sign_data_hiding_enabled_flag: bool = False
    cabac_init_present_flag: bool = False
    num_ref_idx_l0_default_active_minus1: int = 0
    num_ref_idx_l1_default_active_minus1: int = 0
    init_qp_minus26: int = 0
    constrained_intra_pred_flag: bool = False
    transform_skip_enabled_flag: bool = False
    cu_qp_delta_enabled_flag: bool = False
    diff_cu_qp_delta_depth: int = 0
    pps_cb_qp_offset: int = 0
    pps_cr_qp_offset: int = 0
    pps_slice_chroma_qp_offsets_present_flag: bool = False
    weighted_pred_flag: bool = False
    weighted_bipred_flag: bool = False
    transquant_bypass_enabled_flag: bool = False
    tiles_enabled_flag: bool = False
    entropy_coding_sync_enabled_flag: bool = False
    num_tile_columns_minus1: int = 0
    num_tile_rows_minus1: int = 0
    uniform_spacing_flag: bool = True
    column_width_minus1: tuple[int, ...] = ()
    row_height_minus1: tuple[int, ...] = ()
    loop_filter_across_tiles_enabled_flag: bool = True
    pps_loop_filter_across_slices_enabled_flag: bool = False
    deblocking_filter_control_present_flag: bool = False
    deblocking_filter_override_enabled_flag: bool = False
    pps_deblocking_filter_disabled_flag: bool = False
    pps_beta_offset_div2: int = 0
    pps_tc_offset_div2: int = 0
    pps_scaling_list_data_present_flag: bool = False
    scaling_list_data: ScalingListData | None = None
    lists_modification_present_flag: bool = False
    log2_parallel_merge_level_minus2: int = 0
    slice_segment_header_extension_present_flag: bool = False
    pps_extension_present_flag: bool = False
    pps_range_extension_flag: bool = False
    pps_multilayer_extension_flag: bool = False
    pps_3d_extension_flag: bool = False
    pps_scc_extension_flag: bool = False
    pps_extension_4bits: int = 0
    range_extension: PpsRangeExtension | None = None
    scc_extension: PpsSccExtension | None = None


def parse_pps(nal: bytes) -> Pps:
    """The PPS of a NAL unit of type 34: with header, escaped, no start code.

    It can be read without its SPS. :class:`InvalidBitstream` for anything else.
    """
    bits, layer_id = open_nal(nal, "H.265 PPS", NAL_PPS)
    reader = SyntaxReader(bits)
    walk_pps(reader)
    return reader.build(Pps, nuh_layer_id=layer_id)


def walk_pps(s: Syntax) -> None:
    """pic_parameter_set_rbsp(), 7.3.2.3."""
    s.ue("pps_pic_parameter_set_id", MAX_PPS_ID)
    s.ue("pps_seq_parameter_set_id", MAX_SPS_ID)
    s.flag("dependent_slice_segments_enabled_flag")
    s.flag("output_flag_present_flag")
    s.u("num_extra_slice_header_bits", 3)
    s.flag("sign_data_hiding_enabled_flag")
    s.flag("cabac_init_present_flag")
    s.ue("num_ref_idx_l0_default_active_minus1", 14)
    s.ue("num_ref_idx_l1_default_active_minus1", 14)
    # Down to -(26 + QpBdOffsetY) for 16 bits.
    s.se("init_qp_minus26", -74, 25)
    s.flag("constrained_intra_pred_flag")
    transform_skip = s.flag("transform_skip_enabled_flag")
    if s.flag("cu_qp_delta_enabled_flag"):
        s.ue("diff_cu_qp_delta_depth", 3)
    s.se("pps_cb_qp_offset", -12, 12)
    s.se("pps_cr_qp_offset", -12, 12)
    s.flag("pps_slice_chroma_qp_offsets_present_flag")
    s.flag("weighted_pred_flag")
    s.flag("weighted_bipred_flag")
    s.flag("transquant_bypass_enabled_flag")
    tiles = s.flag("tiles_enabled_flag")
    s.flag("entropy_coding_sync_enabled_flag")
    if tiles:
        _walk_tiles(s)
    s.flag("pps_loop_filter_across_slices_enabled_flag")
    if s.flag("deblocking_filter_control_present_flag"):
        s.flag("deblocking_filter_override_enabled_flag")
        if not s.flag("pps_deblocking_filter_disabled_flag"):
            s.se("pps_beta_offset_div2", -6, 6)
            s.se("pps_tc_offset_div2", -6, 6)
    if s.flag("pps_scaling_list_data_present_flag"):
        s.struct("scaling_list_data", ScalingListData, walk_scaling_list_data)
    s.flag("lists_modification_present_flag")
    s.ue("log2_parallel_merge_level_minus2", 4)
    s.flag("slice_segment_header_extension_present_flag")
    if s.flag("pps_extension_present_flag"):
        _walk_extensions(s, transform_skip)


def _walk_tiles(s: Syntax) -> None:
    columns = s.ue("num_tile_columns_minus1", _MAX_TILES - 1)
    rows = s.ue("num_tile_rows_minus1", _MAX_TILES - 1)
    if not s.flag("uniform_spacing_flag"):
        for i in range(columns):
            s.ue("column_width_minus1", _MAX_TILES - 1, index=i)
        for i in range(rows):
            s.ue("row_height_minus1", _MAX_TILES - 1, index=i)
    s.flag("loop_filter_across_tiles_enabled_flag")


def _walk_extensions(s: Syntax, transform_skip: bool) -> None:
    range_extension = s.flag("pps_range_extension_flag")
    multilayer = s.flag("pps_multilayer_extension_flag")
    three_d = s.flag("pps_3d_extension_flag")
    scc = s.flag("pps_scc_extension_flag")
    s.u("pps_extension_4bits", 4)
    if range_extension:
        s.struct("range_extension", PpsRangeExtension, _walk_range_extension, transform_skip)
    if scc and not multilayer and not three_d:
        s.struct("scc_extension", PpsSccExtension, _walk_scc)


def _walk_range_extension(s: Syntax, transform_skip: bool) -> None:
    if transform_skip:
        s.ue("log2_max_transform_skip_block_size_minus2", 3)
    s.flag("cross_component_prediction_enabled_flag")
    if s.flag("chroma_qp_offset_list_enabled_flag"):
        s.ue("diff_cu_chroma_qp_offset_depth", 3)
        for i in range(s.ue("chroma_qp_offset_list_len_minus1", 5) + 1):
            s.se("cb_qp_offset_list", -12, 12, index=i)
            s.se("cr_qp_offset_list", -12, 12, index=i)
    # At most the bit depth less 10 (7.4.3.3.2).
    s.ue("log2_sao_offset_scale_luma", 6)
    s.ue("log2_sao_offset_scale_chroma", 6)


def _walk_scc(s: Syntax) -> None:
    s.flag("pps_curr_pic_ref_enabled_flag")
    if s.flag("residual_adaptive_colour_transform_enabled_flag"):
        s.flag("pps_slice_act_qp_offsets_present_flag")
        s.se("pps_act_y_qp_offset_plus5", -7, 17)
        s.se("pps_act_cb_qp_offset_plus5", -7, 17)
        s.se("pps_act_cr_qp_offset_plus3", -9, 15)
    if s.flag("pps_palette_predictor_initializers_present_flag"):
        # PaletteMaxPredictorSize is at most 128 (A.3.7).
        count = s.ue("pps_num_palette_predictor_initializers", 128)
        if count:
            monochrome = s.flag("monochrome_palette_flag")
            depths = [s.ue("luma_bit_depth_entry_minus8", 8) + 8]
            if not monochrome:
                depths += 2 * [s.ue("chroma_bit_depth_entry_minus8", 8) + 8]
            for i in range(count * len(depths)):
                s.u("pps_palette_predictor_initializer", depths[i // count], index=i)
