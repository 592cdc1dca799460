"""Names of SEI payload types for people (H.264 annex D.1, H.265 annex D.2.1)."""

from __future__ import annotations

# The same number means the same in both standards, except for those of _H264_ONLY.
_NAMES = {
    0: "buffering period", 1: "picture timing", 2: "pan-scan rectangle", 3: "filler payload",
    4: "user data (T.35)", 5: "user data (unregistered)", 6: "recovery point",
    9: "scene information", 15: "picture snapshot", 16: "progressive refinement start",
    17: "progressive refinement end", 19: "film grain", 22: "post-filter hint",
    23: "tone mapping", 45: "frame packing", 47: "display orientation",
    56: "green metadata", 128: "structure of pictures", 129: "active parameter sets",
    130: "decoding unit", 131: "temporal sub-layer index", 132: "decoded picture hash",
    133: "scalable nesting", 134: "region refresh", 135: "no display", 136: "time code",
    137: "mastering display", 138: "segmented rectangle frame packing",
    139: "temporal motion-constrained tile sets", 140: "chroma resampling filter",
    141: "knee function", 142: "colour remapping", 143: "deinterlaced fields",
    144: "content light level", 145: "dependent random access point",
    146: "coded region completion", 147: "alternative transfer",
    148: "ambient viewing environment", 149: "content colour volume",
    150: "equirectangular projection", 151: "cubemap projection", 154: "sphere rotation",
    155: "region-wise packing", 156: "omnidirectional viewport", 165: "alpha channel",
    176: "three-dimensional reference displays",
}  # fmt: skip
_H264_ONLY = {
    7: "reference picture marking repetition", 8: "spare picture", 10: "sub-sequence",
    11: "sub-sequence layer", 12: "sub-sequence characteristics", 13: "full-frame freeze",
    14: "full-frame freeze release", 18: "motion-constrained slice group set",
    20: "deblocking filter preference", 21: "stereo video", 24: "scalability",
    25: "sub-picture scalable layer", 30: "quality layer integrity", 37: "scalable nesting (MVC)",
    46: "multiview view position",
}  # fmt: skip


def sei_name(codec: str, payload_type: int) -> str:
    """Name of an SEI payload type: "recovery point", or "type 200" where there is none."""
    name = _NAMES.get(payload_type)
    if name is None and codec == "h264":
        name = _H264_ONLY.get(payload_type)
    return name or f"type {payload_type}"
