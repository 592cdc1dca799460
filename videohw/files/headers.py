"""What the first parameter sets of a stream say: its codec, size, colour.

For files, before any decoder is open. Must not know: PyAV, sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..bitstream import h264, hevc
from ..bitstream.av1_sequence import find_sequence_header
from ..bitstream.config_record import Av1Config
from ..color import ColorSpec
from ..errors import VideoHwError

_H264_SPS = 7  # H.264 table 7-1, in the low five bits
_HEVC_SPS = 33  # H.265 table 7-1, in bits 1 to 6


def nals_in(head: bytes) -> list[bytes]:
    """The NAL units in the first bytes of an Annex-B stream; the last one may be cut."""
    return [nal.rstrip(b"\0") for nal in head.split(b"\0\0\1")[1:]]


def raw_codec(head: bytes) -> str | None:
    """ "h264" or "hevc" when ``head`` begins an Annex-B stream that has an SPS, else None.

    The first byte of an H.264 SPS is odd and that of an HEVC SPS in layer 0 is even, so no NAL
    unit is both. The first start code must be one of a NAL unit: those of MPEG program streams
    and MPEG-2 video have the forbidden bit set.
    """
    start = head.lstrip(b"\0")
    if not head.startswith(b"\0\0") or start[:1] != b"\1" or start[1:2] >= b"\x80":
        return None
    nals = nals_in(head)
    return next((codec for codec in ("h264", "hevc") if first_sps(codec, nals)), None)


def first_sps(codec: str, nals: Iterable[bytes]) -> Any:
    """The first sequence parameter set of ``codec`` among ``nals``, parsed, or None."""
    parse = h264.parse_sps if codec == "h264" else hevc.parse_sps
    for nal in nals:
        if is_sps(codec, nal):
            try:
                return parse(nal)
            except VideoHwError:
                continue
    return None


def sps_color(sps: Any) -> ColorSpec:
    """The colour that an SPS states; what its VUI leaves out is None."""
    return ColorSpec.from_code_points(
        matrix=sps.matrix_coefficients,
        primaries=sps.colour_primaries,
        transfer=sps.transfer_characteristics,
        full_range=sps.full_range,
        siting=sps.chroma_sample_loc_type,
        bit_depth=sps.bit_depth_luma,
    )


def av1_color(record: bytes) -> ColorSpec | None:
    """The colour that the sequence header in an av1C states; None when it holds none."""
    try:
        header = find_sequence_header(Av1Config.parse(record).config_obus)
    except VideoHwError:
        return None
    if header is None:
        return None
    return ColorSpec.from_code_points(
        matrix=header.matrix_coefficients,
        primaries=header.color_primaries,
        transfer=header.transfer_characteristics,
        full_range=header.full_range,
        bit_depth=header.bit_depth,
    )


def is_sps(codec: str, nal: bytes) -> bool:
    """True when ``nal`` is a sequence parameter set of the base layer."""
    if codec == "h264":
        return nal[:1] != b"" and nal[0] & 0x9F == _H264_SPS
    return len(nal) > 1 and nal[0] == _HEVC_SPS << 1 and nal[1] >> 3 == 0
