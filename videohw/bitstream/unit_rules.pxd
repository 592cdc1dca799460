"""What each NAL unit does for the boundaries of access units, and the unit as it gathers.

Owns the roles of NAL unit types (H.264 7.4.1.2.3 with Annexes F to I, H.265 7.4.2.4.4) and the
record of a unit that is not complete yet. Must not know: buffers, slice headers, Python objects.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from .slice_header cimport NO_PPS


cdef enum Role:
    STAYS  # belongs to the unit that is open
    STARTS  # begins a unit, if it is behind the last slice of a picture: the next slice tells
    DELIMITS  # begins a unit at once
    SLICE  # of a primary or redundant coded picture
    CONTINUES  # belongs to the picture before it, whatever came between
    ENDS  # the unit ends with it
    MALFORMED  # no header, or one that the standard forbids


cdef inline Role h264_role(int nal_type) noexcept nogil:
    """Table 7-1 of H.264. The types left to STAYS may not come before the first slice."""
    if nal_type == 1 or nal_type == 2 or nal_type == 5:
        return SLICE
    if 6 <= nal_type <= 8 or 14 <= nal_type <= 18:
        return STARTS
    if nal_type == 9:
        return DELIMITS
    if nal_type == 10 or nal_type == 11:
        return ENDS
    # Data partitions B and C, auxiliary slices, slices of other layers, views and depth maps.
    if nal_type == 3 or nal_type == 4 or 19 <= nal_type <= 21:
        return CONTINUES
    return STAYS


cdef inline Role hevc_role(int nal_type, bint other_layer) noexcept nogil:
    """Table 7-1 of H.265. Reserved types of slices are to be ignored, so they stay."""
    if other_layer:
        # Never begins a unit; a slice ends what may be held (F.7.4.2.4.4).
        return CONTINUES if nal_type < 32 else STAYS
    if nal_type < 10 or 16 <= nal_type <= 21:
        return SLICE
    if 32 <= nal_type <= 34 or nal_type == 39 or 41 <= nal_type <= 44 or 48 <= nal_type <= 55:
        return STARTS
    if nal_type == 35:
        return DELIMITS
    if nal_type == 36 or nal_type == 37:
        return ENDS
    return STAYS


cdef struct Unit:
    # An access unit as its NAL units come in.
    uint64_t start
    uint32_t nals
    uint32_t layer_nals
    int32_t recovery_count
    uint32_t pps_id  # NO_PPS: no slice said
    bint has_slice
    bint after_end  # an end of sequence came before its picture, or nothing did
    bint ended  # by an end of sequence or stream
    bint recovery
    bint second_field
    bint reference
    uint8_t access
    uint8_t leading
    uint8_t slice_types
    uint8_t field  # 0 frame, 1 top, 2 bottom
    uint8_t temporal_id
    uint8_t sets  # 1 VPS, 2 SPS, 4 PPS


cdef inline void clear(Unit *unit) noexcept nogil:
    memset(unit, 0, sizeof(Unit))
    unit.pps_id = NO_PPS


cdef inline void merge(Unit *into, const Unit *held) noexcept nogil:
    """Add NAL units without a slice to the unit before them."""
    into.nals += held.nals
    into.layer_nals += held.layer_nals
    into.sets |= held.sets
    if held.recovery:
        into.recovery = True
        into.recovery_count = held.recovery_count
    if held.after_end:
        into.ended = True
