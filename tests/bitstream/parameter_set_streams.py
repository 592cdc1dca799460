"""Parameter sets of real streams, and what the oracle says of the same streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from tests.corpus import Stream
from videohw.bitstream import h264, hevc

# Names that libavcodec gives to code points of H.273.
PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020"}
TRANSFERS = {1: "bt709", 6: "smpte170m", 16: "smpte2084", 18: "arib-std-b67"}
MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc"}
SITINGS = ("left", "center", "topleft", "top", "bottomleft", "bottom")
UNSPECIFIED = 2


def nal_type(codec: str, nal: bytes) -> int:
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def nals(stream: Stream, *types: int) -> Iterator[bytes]:
    """Distinct NAL units of these types, in order; units too short for a header left out."""
    seen = set()
    for unit in stream.read().split(b"\0\0\1")[1:]:
        nal = unit.rstrip(b"\0")
        if len(nal) > 1 and nal_type(stream.codec, nal) in types and nal not in seen:
            seen.add(nal)
            yield nal


def layer_id(nal: bytes) -> int:
    """nuh_layer_id of an HEVC NAL unit."""
    return (nal[0] & 1) << 5 | nal[1] >> 3


def expected(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of a stream, as far as the sequence parameter set decides it."""
    names = (
        "width", "height", "level", "pix_fmt", "color_range", "color_primaries",
        "color_transfer", "color_space", "chroma_location",
    )  # fmt: skip
    return {name: entry[name] for name in names if name in entry}


def described(sps: h264.Sps | hevc.Sps, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an SPS, in the oracle's words; what is unspecified is left out as there."""
    level = sps.level_idc if isinstance(sps, h264.Sps) else sps.profile_tier_level.general_level_idc
    found: dict[str, Any] = {
        "width": sps.width,
        "height": sps.height,
        "level": level,
        "pix_fmt": pixel_format(sps),
        # libavcodec assumes the two defaults of the standards when nothing is stated.
        "color_range": "pc" if sps.full_range else "tv",
        "chroma_location": SITINGS[sps.chroma_sample_loc_type or 0],
    }
    found = {name: value for name, value in found.items() if name in entry}
    for name, code, names in (
        ("color_primaries", sps.colour_primaries, PRIMARIES),
        ("color_transfer", sps.transfer_characteristics, TRANSFERS),
        ("color_space", sps.matrix_coefficients, MATRICES),
    ):
        if code != UNSPECIFIED:
            found[name] = names[code]
    return found


def pixel_format(sps: h264.Sps | hevc.Sps) -> str:
    """libavcodec's name of the decoder's output; full range 8 bit has names of its own."""
    depth = sps.bit_depth_luma
    name = ("gray", "yuv420p", "yuv422p", "yuv444p")[sps.chroma_format_idc]
    if depth > 8:
        return f"{name}{depth}le"
    return f"yuvj{name[3:]}" if sps.full_range and name != "gray" else name


def ratio(text: str) -> Fraction:
    return Fraction(text.replace(":", "/"))
