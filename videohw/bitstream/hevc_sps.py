"""H.265 sequence parameter set (ITU-T H.265 7.3.2.2)."""

from typing import TYPE_CHECKING, NamedTuple

from .bits import BitWriter
from .convert import escape
from .hevc_nal import nal_header, open_nal
from .hevc_ptl import ProfileTierLevel, walk_profile_tier_level
from .hevc_rps import ShortTermRefPicSet, walk_st_ref_pic_set
from .hevc_scaling import ScalingListData, walk_scaling_list_data
from .hevc_vui import Vui, walk_vui
from .syntax import Syntax, SyntaxReader, SyntaxWriter
from .vui import CHROMA_SUBSAMPLING, Crop, PictureProperties

if TYPE_CHECKING:
    from fractions import Fraction

NAL_SPS = 33
MAX_SPS_ID = 15
# Room for every level: level 7.2 allows 33776 samples a side (A.4.2).
_MAX_SIDE = 65536
# MaxDpbSize (A.4.2).
_MAX_DPB = 16


class SubLayerOrdering(NamedTuple):
    """Decoded picture buffer that sub-layers up to this one need (7.4.3.2)."""

    sps_max_dec_pic_buffering_minus1: int = 0
    sps_max_num_reorder_pics: int = 0
    sps_max_latency_increase_plus1: int = 0


class SpsRangeExtension(NamedTuple):
    """sps_range_extension() (7.3.2.2.2)."""

    transform_skip_rotation_enabled_flag: bool = False
    transform_skip_context_enabled_flag: bool = False
    implicit_rdpcm_enabled_flag: bool = False
    explicit_rdpcm_enabled_flag: bool = False
    extended_precision_processing_flag: bool = False
    intra_smoothing_disabled_flag: bool = False
    high_precision_offsets_enabled_flag: bool = False
    persistent_rice_adaptation_enabled_flag: bool = False
    cabac_bypass_alignment_enabled_flag: bool = False


class SpsSccExtension(NamedTuple):
    """sps_scc_extension() (7.3.2.2.3)."""

    sps_curr_pic_ref_enabled_flag: bool = False
    palette_mode_enabled_flag: bool = False
    palette_max_size: int = 0
    delta_palette_max_predictor_size: int = 0
    sps_palette_predictor_initializers_present_flag: bool = False
    sps_num_palette_predictor_initializers_minus1: int = 0
    sps_palette_predictor_initializer: tuple[int, ...] = ()
    motion_vector_resolution_control_idc: int = 0
    intra_boundary_filtering_disabled_flag: bool = False


class _SpsFields(NamedTuple):
    nuh_layer_id: int = 0
    sps_video_parameter_set_id: int = 0
    sps_max_sub_layers_minus1: int = 0
    sps_temporal_id_nesting_flag: bool = False
    profile_tier_level: ProfileTierLevel = ProfileTierLevel()
    sps_seq_parameter_set_id: int = 0
    chroma_format_idc: int = 1
    separate_colour_plane_flag: bool = False
    pic_width_in_luma_samples: int = 0
    pic_height_in_luma_samples: int = 0
    conformance_window_flag: bool = False
    conf_win_left_offset: int = 0
    conf_win_right_offset: int = 0
    conf_win_top_offset: int = 0
    conf_win_bottom_offset: int = 0
    bit_depth_luma_minus8: int = 0
    bit_depth_chroma_minus8: int = 0
    log2_max_pic_order_cnt_lsb_minus4: int = 0
    sps_sub_layer_ordering_info_present_flag: bool = False
    sub_layer_ordering: tuple[SubLayerOrdering, ...] = ()
    log2_min_luma_coding_block_size_minus3: int = 0
    log2_diff_max_min_luma_coding_block_size: int = 1
    log2_min_luma_transform_block_size_minus2: int = 0
    log2_diff_max_min_luma_transform_block_size: int = 0
    max_transform_hierarchy_depth_inter: int = 0
    max_transform_hierarchy_depth_intra: int = 0
    scaling_list_enabled_flag: bool = False
    sps_scaling_list_data_present_flag: bool = False
    scaling_list_data: ScalingListData | None = None
    amp_enabled_flag: bool = False
    sample_adaptive_offset_enabled_flag: bool = False
    pcm_enabled_flag: bool = False
    pcm_sample_bit_depth_luma_minus1: int = 0
    pcm_sample_bit_depth_chroma_minus1: int = 0
    log2_min_pcm_luma_coding_block_size_minus3: int = 0
    log2_diff_max_min_pcm_luma_coding_block_size: int = 0
    pcm_loop_filter_disabled_flag: bool = False
    num_short_term_ref_pic_sets: int = 0
    short_term_ref_pic_sets: tuple[ShortTermRefPicSet, ...] = ()
    long_term_ref_pics_present_flag: bool = False
    num_long_term_ref_pics_sps: int = 0
    lt_ref_pic_poc_lsb_sps: tuple[int, ...] = ()
    used_by_curr_pic_lt_sps_flag: tuple[bool, ...] = ()
    sps_temporal_mvp_enabled_flag: bool = False
    strong_intra_smoothing_enabled_flag: bool = False
    vui_parameters_present_flag: bool = False
    vui: Vui | None = None
    sps_extension_present_flag: bool = False
    sps_range_extension_flag: bool = False
    sps_multilayer_extension_flag: bool = False
    sps_3d_extension_flag: bool = False
    sps_scc_extension_flag: bool = False
    sps_extension_4bits: int = 0
    range_extension: SpsRangeExtension | None = None
    inter_view_mv_vert_constraint_flag: bool = False
    scc_extension: SpsSccExtension | None = None


class Sps(_SpsFields, PictureProperties):
    """seq_parameter_set_rbsp() (7.3.2.2).

    An SPS of an enhancement layer whose ``sps_max_sub_layers_minus1`` is 7 takes its picture
    size and most other fields from the VPS (F.7.3.2.2): only its ids are read, and its sizes
    are 0. What follows a 3D extension is not read.
    """

    __slots__ = ()

    @property
    def log2_max_pic_order_cnt_lsb(self) -> int:
        """Bits of slice_pic_order_cnt_lsb."""
        return self.log2_max_pic_order_cnt_lsb_minus4 + 4

    @property
    def log2_ctb_size(self) -> int:
        """CtbLog2SizeY (7-11)."""
        return (
            self.log2_min_luma_coding_block_size_minus3
            + 3
            + self.log2_diff_max_min_luma_coding_block_size
        )

    @property
    def pic_size_in_ctbs(self) -> int:
        """PicSizeInCtbsY (7-19)."""
        shift = self.log2_ctb_size
        return (-(-self.coded_width >> shift)) * (-(-self.coded_height >> shift))

    @property
    def coded_width(self) -> int:
        """Width before cropping."""
        return self.pic_width_in_luma_samples

    @property
    def coded_height(self) -> int:
        """Height before cropping; of a field when the VUI has field_seq_flag."""
        return self.pic_height_in_luma_samples

    @property
    def crop(self) -> Crop:
        """The conformance window (7.4.3.2.1); the default display window is not in it."""
        x, y = CHROMA_SUBSAMPLING[self.chroma_format_idc]
        return Crop(
            x * self.conf_win_left_offset,
            x * self.conf_win_right_offset,
            y * self.conf_win_top_offset,
            y * self.conf_win_bottom_offset,
        )

    @property
    def default_display_window(self) -> Crop | None:
        """What the VUI proposes to leave out of the cropped picture (E.3.1); None: nothing."""
        vui = self.vui
        if vui is None or not vui.default_display_window_flag:
            return None
        x, y = CHROMA_SUBSAMPLING[self.chroma_format_idc]
        return Crop(
            x * vui.def_disp_win_left_offset,
            x * vui.def_disp_win_right_offset,
            y * vui.def_disp_win_top_offset,
            y * vui.def_disp_win_bottom_offset,
        )

    @property
    def fps(self) -> "Fraction | None":
        """Pictures per second, one tick each (E.3.1); None when the SPS does not say."""
        vui = self.vui
        if vui is None or not vui.num_units_in_tick or not vui.time_scale:
            return None
        from fractions import Fraction  # pictures are decoded without

        return Fraction(vui.time_scale, vui.num_units_in_tick)

    @property
    def profile(self) -> str:
        """Name of the profile: "Main", "Main 10", "Main 4:4:4" ..."""
        return self.profile_tier_level.profile

    @property
    def tier(self) -> str:
        """Name of the tier: "Main" or "High"."""
        return self.profile_tier_level.tier

    @property
    def level(self) -> str:
        """Name of the level: "4.1" ..."""
        return self.profile_tier_level.level

    @property
    def max_num_reorder(self) -> int | None:
        """Pictures that may precede a picture in decoding order and follow it in output order.

        sps_max_num_reorder_pics of the highest sub-layer; None when the VPS states it.
        """
        ordering = self.sub_layer_ordering
        return ordering[-1].sps_max_num_reorder_pics if ordering else None

    @property
    def stated_num_reorder(self) -> int | None:
        """The same: an H.265 SPS always states it."""
        return self.max_num_reorder

    @property
    def reorders(self) -> bool:
        """False when the output order is certainly the decoding order."""
        return self.max_num_reorder != 0

    @property
    def max_dec_frame_buffering(self) -> int | None:
        """Size of the decoded picture buffer in pictures, of the highest sub-layer."""
        ordering = self.sub_layer_ordering
        return ordering[-1].sps_max_dec_pic_buffering_minus1 + 1 if ordering else None


def parse_sps(nal: bytes) -> Sps:
    """The SPS of a NAL unit of type 33: with header, escaped, no start code.

    :class:`InvalidBitstream` for anything else.
    """
    bits, layer_id = open_nal(nal, "H.265 SPS", NAL_SPS)
    reader = SyntaxReader(bits)
    walk_sps(reader, layer_id)
    return reader.build(Sps, nuh_layer_id=layer_id)


def write_sps(sps: Sps) -> bytes:
    """The NAL unit (type 33, escaped) that :func:`parse_sps` reads as ``sps``.

    :class:`InvalidInput`, naming the field, for a value out of its range and for an SPS whose
    fields are not all kept (3D extension, extensions of the future, enhancement layer).
    """
    writer = SyntaxWriter(BitWriter("H.265 SPS"), sps)
    for name in ("sps_3d_extension_flag", "sps_extension_4bits"):
        if getattr(sps, name):
            writer.fail(f"{name} is set, and that extension cannot be written")
    if _size_is_in_vps(sps.nuh_layer_id, sps.sps_max_sub_layers_minus1):
        writer.fail("an SPS whose picture size is in the VPS cannot be written")
    walk_sps(writer, sps.nuh_layer_id)
    return nal_header(NAL_SPS, sps.nuh_layer_id) + escape(writer.bits.rbsp_bytes())


def _size_is_in_vps(layer_id: int, max_sub_layers_minus1: int) -> bool:
    return layer_id > 0 and max_sub_layers_minus1 == 7


def walk_sps(s: Syntax, layer_id: int) -> None:
    """seq_parameter_set_rbsp(), 7.3.2.2."""
    s.u("sps_video_parameter_set_id", 4)
    sub_layers_minus1 = s.u("sps_max_sub_layers_minus1", 3)
    if _size_is_in_vps(layer_id, sub_layers_minus1):
        s.ue("sps_seq_parameter_set_id", MAX_SPS_ID)
        return
    if sub_layers_minus1 > 6:
        s.fail("sps_max_sub_layers_minus1 is 7, not in 0 to 6")
    s.flag("sps_temporal_id_nesting_flag")
    s.struct("profile_tier_level", ProfileTierLevel, walk_profile_tier_level, sub_layers_minus1)
    s.ue("sps_seq_parameter_set_id", MAX_SPS_ID)
    chroma_format_idc, columns, rows = _walk_picture_format(s)
    depths = (s.ue("bit_depth_luma_minus8", 8) + 8, s.ue("bit_depth_chroma_minus8", 8) + 8)
    poc_bits = s.ue("log2_max_pic_order_cnt_lsb_minus4", 12) + 4
    all_sub_layers = s.flag("sps_sub_layer_ordering_info_present_flag")
    for i in range(sub_layers_minus1 + 1 if all_sub_layers else 1):
        s.struct("sub_layer_ordering", SubLayerOrdering, _walk_ordering, index=i)
    _walk_block_sizes(s)
    if s.flag("scaling_list_enabled_flag") and s.flag("sps_scaling_list_data_present_flag"):
        s.struct("scaling_list_data", ScalingListData, walk_scaling_list_data)
    s.flag("amp_enabled_flag")
    s.flag("sample_adaptive_offset_enabled_flag")
    if s.flag("pcm_enabled_flag"):
        s.u("pcm_sample_bit_depth_luma_minus1", 4)
        s.u("pcm_sample_bit_depth_chroma_minus1", 4)
        s.ue("log2_min_pcm_luma_coding_block_size_minus3", 2)
        s.ue("log2_diff_max_min_pcm_luma_coding_block_size", 2)
        s.flag("pcm_loop_filter_disabled_flag")
    _walk_reference_pictures(s, poc_bits)
    s.flag("sps_temporal_mvp_enabled_flag")
    s.flag("strong_intra_smoothing_enabled_flag")
    if s.flag("vui_parameters_present_flag"):
        s.struct("vui", Vui, walk_vui, sub_layers_minus1, columns, rows)
    if s.flag("sps_extension_present_flag"):
        _walk_extensions(s, chroma_format_idc, depths)


def _walk_picture_format(s: Syntax) -> tuple[int, int, int]:
    """chroma_format_idc, and the picture's width and height in chroma units."""
    chroma_format_idc = s.ue("chroma_format_idc", 3)
    if chroma_format_idc == 3:
        s.flag("separate_colour_plane_flag")
    x, y = CHROMA_SUBSAMPLING[chroma_format_idc]
    columns = -(-s.ue("pic_width_in_luma_samples", _MAX_SIDE, 1) // x)
    rows = -(-s.ue("pic_height_in_luma_samples", _MAX_SIDE, 1) // y)
    if s.flag("conformance_window_flag"):
        # One sample must stay (7.4.3.2.1).
        left = s.ue("conf_win_left_offset", columns - 1)
        s.ue("conf_win_right_offset", columns - 1 - left)
        top = s.ue("conf_win_top_offset", rows - 1)
        s.ue("conf_win_bottom_offset", rows - 1 - top)
    return chroma_format_idc, columns, rows


def _walk_ordering(s: Syntax) -> None:
    s.ue("sps_max_dec_pic_buffering_minus1", _MAX_DPB - 1)
    s.ue("sps_max_num_reorder_pics", _MAX_DPB - 1)
    s.ue("sps_max_latency_increase_plus1")


def _walk_block_sizes(s: Syntax) -> None:
    # CtbLog2SizeY is at most 6 and the largest transform at most 5 (7.4.3.2.1).
    smallest = s.ue("log2_min_luma_coding_block_size_minus3", 3)
    s.ue("log2_diff_max_min_luma_coding_block_size", 3 - smallest)
    smallest = s.ue("log2_min_luma_transform_block_size_minus2", 3)
    s.ue("log2_diff_max_min_luma_transform_block_size", 3 - smallest)
    s.ue("max_transform_hierarchy_depth_inter", 4)
    s.ue("max_transform_hierarchy_depth_intra", 4)


def _walk_reference_pictures(s: Syntax, poc_bits: int) -> None:
    distances: list[tuple[int, ...]] = []
    for i in range(s.ue("num_short_term_ref_pic_sets", 64)):
        s.struct("short_term_ref_pic_sets", ShortTermRefPicSet, walk_st_ref_pic_set, distances,
                 index=i)  # fmt: skip
    if s.flag("long_term_ref_pics_present_flag"):
        for i in range(s.ue("num_long_term_ref_pics_sps", 32)):
            s.u("lt_ref_pic_poc_lsb_sps", poc_bits, index=i)
            s.flag("used_by_curr_pic_lt_sps_flag", index=i)


def _walk_extensions(s: Syntax, chroma_format_idc: int, depths: tuple[int, int]) -> None:
    range_extension = s.flag("sps_range_extension_flag")
    multilayer = s.flag("sps_multilayer_extension_flag")
    three_d = s.flag("sps_3d_extension_flag")
    scc = s.flag("sps_scc_extension_flag")
    s.u("sps_extension_4bits", 4)
    if range_extension:
        s.struct("range_extension", SpsRangeExtension, _walk_range_extension)
    if multilayer:
        s.flag("inter_view_mv_vert_constraint_flag")
    if scc and not three_d:
        s.struct("scc_extension", SpsSccExtension, _walk_scc, chroma_format_idc, depths)


def _walk_range_extension(s: Syntax) -> None:
    for name in SpsRangeExtension._fields:
        s.flag(name)


def _walk_scc(s: Syntax, chroma_format_idc: int, depths: tuple[int, int]) -> None:
    s.flag("sps_curr_pic_ref_enabled_flag")
    if s.flag("palette_mode_enabled_flag"):
        # PaletteMaxPredictorSize is at most 128 (A.3.7).
        size = s.ue("palette_max_size", 64)
        size += s.ue("delta_palette_max_predictor_size", 128 if size else 0)
        if s.flag("sps_palette_predictor_initializers_present_flag"):
            count = s.ue("sps_num_palette_predictor_initializers_minus1", max(size, 1) - 1) + 1
            for i in range(count * (1 if chroma_format_idc == 0 else 3)):
                s.u("sps_palette_predictor_initializer", depths[i >= count], index=i)
    s.u("motion_vector_resolution_control_idc", 2)
    s.flag("intra_boundary_filtering_disabled_flag")
