"""Parameter sets in the words of a person: profile, level, size, crop, rate, colour, reordering."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..bitstream import h264, hevc
from ..bitstream.nal_types import nal_type, nal_type_name
from ..errors import InvalidBitstream
from ..files.headers import sps_color

_SLICE_GROUPS = "flexible macroblock ordering (slice groups)"


@dataclass(frozen=True, slots=True)
class DescribedSet:
    """One parameter set: its NAL type by name, its id, what it says, and ``sps`` where it is one.

    ``error`` says why it cannot be read; then ``id`` is None and ``lines`` are empty.
    """

    name: str
    id: int | None
    lines: tuple[tuple[str, str], ...]
    sps: Any = None
    error: str | None = None


def describe_sets(codec: str, nals: Iterable[bytes]) -> list[DescribedSet]:
    """What each parameter set says, in the order given."""
    by_id: dict[int, Any] = {}
    described = []
    for nal in nals:
        kind = nal_type(codec, nal)
        name = nal_type_name(codec, kind)
        try:
            one = _describe(codec, kind, name, nal, by_id)
        except InvalidBitstream as error:
            one = DescribedSet(name, None, (), error=str(error))
        described.append(one)
    return described


def _describe(codec: str, kind: int, name: str, nal: bytes, by_id: dict[int, Any]) -> DescribedSet:
    if codec == "h264":
        if kind in (7, 15):
            sps = h264.parse_sps(nal)
            if kind == 7:
                by_id[sps.seq_parameter_set_id] = sps
            return DescribedSet(name, sps.seq_parameter_set_id, tuple(_sps_h264(sps)), sps)
        if kind == 8:
            pps = h264.parse_pps(nal, by_id)
            return DescribedSet(name, pps.pic_parameter_set_id, tuple(_pps_h264(pps)))
        return DescribedSet(name, None, ())
    if kind == 33:
        hevc_sps = hevc.parse_sps(nal)
        by_id[hevc_sps.sps_seq_parameter_set_id] = hevc_sps
        lines = tuple(_sps_hevc(hevc_sps))
        return DescribedSet(name, hevc_sps.sps_seq_parameter_set_id, lines, hevc_sps)
    if kind == 34:
        hevc_pps = hevc.parse_pps(nal)
        return DescribedSet(name, hevc_pps.pps_pic_parameter_set_id, tuple(_pps_hevc(hevc_pps)))
    vps = hevc.parse_vps(nal)
    return DescribedSet(name, vps.vps_video_parameter_set_id, tuple(_vps(vps)))


def _sps_h264(sps: h264.Sps) -> Iterable[tuple[str, str]]:
    yield "profile", f"{sps.profile}, level {sps.level}"
    yield from _picture(sps)
    scan = "frames only" if sps.frame_mbs_only_flag else "frames or fields"
    if sps.mb_adaptive_frame_field_flag:
        scan = "frames or fields, macroblock-adaptive (MBAFF)"
    yield "scan", scan
    yield "references", str(sps.max_num_ref_frames)
    yield "reorder", _reorder_h264(sps)
    yield "picture order", f"type {sps.pic_order_cnt_type}"


def _reorder_h264(sps: h264.Sps) -> str:
    frames = f"at most {sps.max_num_reorder}"
    if sps.pic_order_cnt_type == 2:
        return "none: the output order is the decoding order"
    stated = "stated" if sps.stated_num_reorder is not None else "not stated: the level's limit"
    return f"{frames} ({stated}), picture buffer {sps.max_dec_frame_buffering}"


def _pps_h264(pps: h264.Pps) -> Iterable[tuple[str, str]]:
    tools = ["CABAC" if pps.entropy_coding_mode_flag else "CAVLC"]
    tools += [
        name
        for name, used in (
            ("8x8 transform", pps.transform_8x8_mode_flag),
            ("weighted P", pps.weighted_pred_flag),
            ("weighted B", pps.weighted_bipred_idc == 1),
            ("implicit weighted B", pps.weighted_bipred_idc == 2),
            ("constrained intra", pps.constrained_intra_pred_flag),
            ("redundant pictures", pps.redundant_pic_cnt_present_flag),
            ("scaling lists", pps.pic_scaling_matrix_present_flag),
            (_SLICE_GROUPS, pps.num_slice_groups_minus1 > 0),
        )
        if used
    ]
    yield "of SPS", str(pps.seq_parameter_set_id)
    yield "tools", ", ".join(tools)
    yield "initial QP", str(26 + pps.pic_init_qp_minus26)


def _sps_hevc(sps: hevc.Sps) -> Iterable[tuple[str, str]]:
    yield "profile", f"{sps.profile}, {sps.tier} tier, level {sps.level}"
    yield from _picture(sps)
    level = sps.profile_tier_level
    if level.general_interlaced_source_flag and not level.general_progressive_source_flag:
        yield "scan", "fields"
    elif level.general_progressive_source_flag:
        yield "scan", "progressive"
    yield "reorder", f"at most {sps.max_num_reorder} (stated)"
    yield "sub-layers", str(sps.sps_max_sub_layers_minus1 + 1)


def _pps_hevc(pps: hevc.Pps) -> Iterable[tuple[str, str]]:
    yield "of SPS", str(pps.pps_seq_parameter_set_id)
    tools = [
        name
        for name, used in (
            ("tiles", pps.tiles_enabled_flag),
            ("wavefronts", pps.entropy_coding_sync_enabled_flag),
            ("dependent slices", pps.dependent_slice_segments_enabled_flag),
            ("weighted P", pps.weighted_pred_flag),
            ("weighted B", pps.weighted_bipred_flag),
            ("sign hiding", pps.sign_data_hiding_enabled_flag),
            ("transform skip", pps.transform_skip_enabled_flag),
        )
        if used
    ]
    yield "tools", ", ".join(tools)
    yield "initial QP", str(26 + pps.init_qp_minus26)


def _vps(vps: hevc.Vps) -> Iterable[tuple[str, str]]:
    yield "sub-layers", str(vps.vps_max_sub_layers_minus1 + 1)
    yield "layers", str(vps.vps_max_layers_minus1 + 1)


def _picture(sps: Any) -> Iterable[tuple[str, str]]:
    yield "size", size_text(sps)
    depth = f"{sps.bit_depth_luma} bit"
    if sps.bit_depth_chroma != sps.bit_depth_luma:
        depth = f"luma {sps.bit_depth_luma} bit, chroma {sps.bit_depth_chroma} bit"
    yield "samples", f"{sps.chroma_format}, {depth}"
    if sps.sample_aspect_ratio is not None:
        yield "pixel shape", ratio_text(sps.sample_aspect_ratio)
    yield "frame rate", f"{fps_text(sps.fps)} fps" if sps.fps else "not stated"
    yield "colour", color_text(sps)


def size_text(sps: Any) -> str:
    """``1920x1080 (coded 1920x1088, crop bottom 8)``."""
    text = f"{sps.width}x{sps.height}"
    cut = [f"{side} {n}" for side, n in zip(sps.crop._fields, sps.crop, strict=True) if n]
    if not cut:
        return text
    return f"{text} (coded {sps.coded_width}x{sps.coded_height}, crop {', '.join(cut)})"


def color_text(sps: Any) -> str:
    """``bt709, limited range``, naming matrix, primaries and transfer apart where they differ."""
    spec = sps_color(sps)
    names = {"matrix": spec.matrix, "primaries": spec.primaries, "transfer": spec.transfer}
    stated = {label: name for label, name in names.items() if name}
    if len(stated) == 3 and len(set(stated.values())) == 1:
        parts = [str(spec.matrix)]
    else:
        parts = [f"{label} {name}" for label, name in stated.items()]
    if spec.range:
        parts.append(f"{spec.range} range")
    if spec.siting:
        parts.append(f"chroma {spec.siting}")
    return ", ".join(parts) if parts else "not stated"


def fps_text(fps: Fraction | float) -> str:
    """``25`` or ``29.97 (30000/1001)``."""
    if isinstance(fps, Fraction) and fps.denominator != 1:
        return f"{float(fps):.3f}".rstrip("0").rstrip(".") + f" ({fps})"
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")


def ratio_text(ratio: Fraction) -> str:
    """``40:33``."""
    return f"{ratio.numerator}:{ratio.denominator}"
