"""H.264 profiles and levels: names for people, and the size of the decoded picture buffer."""

from __future__ import annotations

# Profiles whose SPS has the chroma format, bit depth and scaling lists (7.3.2.1.1). 144 is the
# High 4:4:4 profile of the 2005 edition, since withdrawn.
HIGH_PROFILES = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244))
# Profiles in which constraint_set3_flag means "all pictures are intra" (E.2.1).
INTRA_PROFILES = frozenset((44, 86, 100, 110, 122, 244))

_PROFILES = {
    44: "CAVLC 4:4:4 Intra", 66: "Baseline", 77: "Main", 83: "Scalable Baseline",
    86: "Scalable High", 88: "Extended", 100: "High", 110: "High 10", 118: "Multiview High",
    122: "High 4:2:2", 128: "Stereo High", 134: "MFC High", 135: "MFC Depth High",
    138: "Multiview Depth High", 139: "Enhanced Multiview Depth High", 144: "High 4:4:4",
    244: "High 4:4:4 Predictive",
}  # fmt: skip

# MaxDpbMbs by level_idc (table A-1); 9 is level 1b.
_MAX_DPB_MBS = {
    9: 396, 10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100,
    31: 18000, 32: 20480, 40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320,
    60: 696320, 61: 696320, 62: 696320,
}  # fmt: skip
# More frames no level allows (A.3.1 h).
MAX_DPB_FRAMES = 16


def _is_level_1b(profile_idc: int, flags: int, level_idc: int) -> bool:
    # A.3.1: in the older profiles level 1b is level_idc 11 with constraint_set3_flag, in the
    # newer ones level_idc 9.
    return level_idc == 9 or (level_idc == 11 and profile_idc in (66, 77, 88) and _set(flags, 3))


def _set(flags: int, number: int) -> bool:
    return bool(flags >> (7 - number) & 1)


def profile_name(profile_idc: int, flags: int) -> str:
    """Name of a profile (Annex A): "High", "Constrained Baseline", "High 10 Intra" ...

    ``flags`` are the eight bits behind profile_idc, constraint_set0_flag in the highest.
    """
    name = _PROFILES.get(profile_idc)
    if name is None:
        return f"profile {profile_idc}"
    if profile_idc == 66 and _set(flags, 1):
        return "Constrained Baseline"
    if profile_idc == 100 and _set(flags, 4):
        return "Constrained High" if _set(flags, 5) else "Progressive High"
    if profile_idc in (110, 122) and _set(flags, 3):
        return f"{name} Intra"
    if profile_idc == 244 and _set(flags, 3):
        return "High 4:4:4 Intra"
    return name


def level_name(profile_idc: int, flags: int, level_idc: int) -> str:
    """Name of a level (A.3): "4.1", "3", "1b"."""
    if _is_level_1b(profile_idc, flags, level_idc):
        return "1b"
    major, minor = divmod(level_idc, 10)
    return f"{major}.{minor}" if minor else str(major)


def max_dpb_frames(profile_idc: int, flags: int, level_idc: int, frame_mbs: int) -> int:
    """MaxDpbFrames (A.3.1 h) of a frame of ``frame_mbs`` macroblocks; 16 for unknown levels."""
    key = 9 if _is_level_1b(profile_idc, flags, level_idc) else level_idc
    max_mbs = _MAX_DPB_MBS.get(key)
    if max_mbs is None:
        return MAX_DPB_FRAMES
    return min(max_mbs // frame_mbs, MAX_DPB_FRAMES)
