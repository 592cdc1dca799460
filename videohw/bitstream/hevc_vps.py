"""H.265 video parameter set (ITU-T H.265 7.3.2.1)."""

from typing import TYPE_CHECKING, NamedTuple

from .hevc_nal import open_nal
from .hevc_ptl import ProfileTierLevel, walk_profile_tier_level
from .hevc_vui import Hrd, walk_hrd, walk_timing
from .syntax import Syntax, SyntaxReader

if TYPE_CHECKING:
    from fractions import Fraction

NAL_VPS = 32
MAX_VPS_ID = 15
_MAX_DPB = 16


class VpsSubLayerOrdering(NamedTuple):
    """Decoded picture buffer that sub-layers up to this one need (7.4.3.1)."""

    vps_max_dec_pic_buffering_minus1: int = 0
    vps_max_num_reorder_pics: int = 0
    vps_max_latency_increase_plus1: int = 0


class Vps(NamedTuple):
    """video_parameter_set_rbsp() (7.3.2.1) up to its extension (layers), which is not read.

    ``layer_id_included``: one number for each layer set but the first, bit i for layer i.
    """

    vps_video_parameter_set_id: int
    vps_base_layer_internal_flag: bool = True
    vps_base_layer_available_flag: bool = True
    vps_max_layers_minus1: int = 0
    vps_max_sub_layers_minus1: int = 0
    vps_temporal_id_nesting_flag: bool = False
    profile_tier_level: ProfileTierLevel = ProfileTierLevel()
    vps_sub_layer_ordering_info_present_flag: bool = False
    sub_layer_ordering: tuple[VpsSubLayerOrdering, ...] = ()
    vps_max_layer_id: int = 0
    vps_num_layer_sets_minus1: int = 0
    layer_id_included: tuple[int, ...] = ()
    vps_timing_info_present_flag: bool = False
    num_units_in_tick: int = 0
    time_scale: int = 0
    poc_proportional_to_timing_flag: bool = False
    num_ticks_poc_diff_one_minus1: int = 0
    vps_num_hrd_parameters: int = 0
    hrd_layer_set_idx: tuple[int, ...] = ()
    cprms_present_flag: tuple[bool, ...] = ()
    hrd: tuple[Hrd, ...] = ()
    vps_extension_flag: bool = False

    @property
    def fps(self) -> "Fraction | None":
        """Pictures per second, one tick each; None when the VPS does not say."""
        if not self.num_units_in_tick or not self.time_scale:
            return None
        from fractions import Fraction  # pictures are decoded without

        return Fraction(self.time_scale, self.num_units_in_tick)


def parse_vps(nal: bytes) -> Vps:
    """The VPS of a NAL unit of type 32: with header, escaped, no start code.

    :class:`InvalidBitstream` for anything else.
    """
    reader = SyntaxReader(open_nal(nal, "H.265 VPS", NAL_VPS)[0])
    walk_vps(reader)
    return reader.build(Vps)


def walk_vps(s: Syntax) -> None:
    """video_parameter_set_rbsp(), 7.3.2.1."""
    s.u("vps_video_parameter_set_id", 4)
    s.flag("vps_base_layer_internal_flag")
    s.flag("vps_base_layer_available_flag")
    s.u("vps_max_layers_minus1", 6)
    sub_layers_minus1 = s.u("vps_max_sub_layers_minus1", 3)
    if sub_layers_minus1 > 6:
        s.fail("vps_max_sub_layers_minus1 is 7, not in 0 to 6")
    s.flag("vps_temporal_id_nesting_flag")
    s.reserved(16, 0xFFFF)
    s.struct("profile_tier_level", ProfileTierLevel, walk_profile_tier_level, sub_layers_minus1)
    all_sub_layers = s.flag("vps_sub_layer_ordering_info_present_flag")
    for i in range(sub_layers_minus1 + 1 if all_sub_layers else 1):
        s.struct("sub_layer_ordering", VpsSubLayerOrdering, _walk_ordering, index=i)
    layers = s.u("vps_max_layer_id", 6) + 1
    for i in range(s.ue("vps_num_layer_sets_minus1", 1023)):
        s.u("layer_id_included", layers, index=i)
    if s.flag("vps_timing_info_present_flag"):
        walk_timing(s)
        _walk_hrds(s, sub_layers_minus1)
    s.flag("vps_extension_flag")


def _walk_ordering(s: Syntax) -> None:
    s.ue("vps_max_dec_pic_buffering_minus1", _MAX_DPB - 1)
    s.ue("vps_max_num_reorder_pics", _MAX_DPB - 1)
    s.ue("vps_max_latency_increase_plus1")


def _walk_hrds(s: Syntax, sub_layers_minus1: int) -> None:
    inherited: Hrd | None = None
    coded_flags = 0
    for i in range(s.ue("vps_num_hrd_parameters", 1024)):
        s.ue("hrd_layer_set_idx", 1023, index=i)
        common = True
        if i > 0:
            common = s.flag("cprms_present_flag", index=coded_flags)
            coded_flags += 1
        inherited = s.struct("hrd", Hrd, walk_hrd, common, sub_layers_minus1, inherited, index=i)
