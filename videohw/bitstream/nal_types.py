"""NAL unit types: names for people (H.264 table 7-1, H.265 table 7-1)."""

from __future__ import annotations

from ..errors import InvalidInput

H264_NAL_TYPES = {
    1: "slice", 2: "slice data partition A", 3: "slice data partition B",
    4: "slice data partition C", 5: "IDR slice", 6: "SEI", 7: "SPS", 8: "PPS",
    9: "access unit delimiter", 10: "end of sequence", 11: "end of stream", 12: "filler data",
    13: "SPS extension", 14: "prefix", 15: "subset SPS", 16: "depth parameter set",
    19: "auxiliary slice", 20: "slice extension", 21: "depth slice extension",
}  # fmt: skip

HEVC_NAL_TYPES = {
    0: "TRAIL_N", 1: "TRAIL_R", 2: "TSA_N", 3: "TSA_R", 4: "STSA_N", 5: "STSA_R", 6: "RADL_N",
    7: "RADL_R", 8: "RASL_N", 9: "RASL_R", 16: "BLA_W_LP", 17: "BLA_W_RADL", 18: "BLA_N_LP",
    19: "IDR_W_RADL", 20: "IDR_N_LP", 21: "CRA", 32: "VPS", 33: "SPS", 34: "PPS",
    35: "access unit delimiter", 36: "end of sequence", 37: "end of bitstream",
    38: "filler data", 39: "prefix SEI", 40: "suffix SEI",
}  # fmt: skip

_NAMES = {"h264": H264_NAL_TYPES, "hevc": HEVC_NAL_TYPES}
# nal_unit_type from here on has no meaning in the standard.
_FIRST_UNSPECIFIED = {"h264": 24, "hevc": 48}


def nal_type(codec: str, nal: bytes) -> int:
    """nal_unit_type of a NAL unit of "h264" or "hevc" (H.264 7.3.1, H.265 7.3.1.2)."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def nal_type_name(codec: str, nal_type: int) -> str:
    """Name of a nal_unit_type: "IDR slice", "CRA", "reserved 23", "unspecified 62".

    ``codec`` is "h264" or "hevc", else :class:`InvalidInput`.
    """
    check_codec(codec)
    name = _NAMES[codec].get(nal_type)
    if name is not None:
        return name
    unspecified = nal_type == 0 or nal_type >= _FIRST_UNSPECIFIED[codec]
    return f"{'unspecified' if unspecified else 'reserved'} {nal_type}"


def check_codec(codec: str) -> None:
    """Refuse a codec without NAL units, by :class:`InvalidInput`."""
    if codec not in _NAMES:
        raise InvalidInput(f"codec is {codec!r}", argument="codec", hint='"h264" or "hevc"')
