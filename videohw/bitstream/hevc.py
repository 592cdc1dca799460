"""H.265 parameter sets: the names of ``hevc_vps``, ``hevc_sps`` and ``hevc_pps`` in one place."""

from __future__ import annotations

from .hevc_pps import MAX_PPS_ID, Pps, PpsRangeExtension, PpsSccExtension, parse_pps
from .hevc_ptl import ProfileTierLevel
from .hevc_rps import ShortTermRefPicSet
from .hevc_scaling import ScalingList, ScalingListData
from .hevc_sps import (
    MAX_SPS_ID,
    Sps,
    SpsRangeExtension,
    SpsSccExtension,
    SubLayerOrdering,
    parse_sps,
    write_sps,
)
from .hevc_vps import Vps, VpsSubLayerOrdering, parse_vps
from .hevc_vui import Hrd, HrdSubLayer, SubLayerHrd, Vui

__all__ = [
    "MAX_PPS_ID",
    "MAX_SPS_ID",
    "Hrd",
    "HrdSubLayer",
    "Pps",
    "PpsRangeExtension",
    "PpsSccExtension",
    "ProfileTierLevel",
    "ScalingList",
    "ScalingListData",
    "ShortTermRefPicSet",
    "Sps",
    "SpsRangeExtension",
    "SpsSccExtension",
    "SubLayerHrd",
    "SubLayerOrdering",
    "Vps",
    "VpsSubLayerOrdering",
    "Vui",
    "parse_pps",
    "parse_sps",
    "parse_vps",
    "write_sps",
]
