"""The first fields of slice headers and SEI messages, read in C from escaped bytes.

Owns the bit reader, the fields that tell pictures apart, and the comparison of H.264
7.4.1.2.4. Must not know: buffers, access units, Python objects. What a header needs of its
parameter sets is copied into ``SliceSyntax`` by the assembler.
"""

from libc.stdint cimport INT32_MAX, int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset


cdef enum:
    # The longest codes that the fields read here may have, with emulation prevention, fill 51
    # bytes: with so many at hand a header that cannot be read never will be.
    HEADER_BYTES = 64
    NO_PPS = 256
    MAX_LEADING_ZEROS = 32


cdef enum SetState:
    SET_ASK  # look it up: a parameter set came since, or it was not there
    SET_KNOWN
    SET_UNKNOWN  # missing or unreadable


cdef enum HeaderResult:
    HEADER_READ
    HEADER_CUT  # the bytes end behind the fields that need no parameter sets
    HEADER_SHORT  # the bytes end before that
    HEADER_ASK  # the parameter sets of h.pps_id must be looked up first


cdef struct SliceSyntax:
    # Of one PPS and the SPS that it names.
    SetState state
    # H.264
    uint8_t separate_colour_planes
    uint8_t frame_num_bits
    uint8_t frame_mbs_only
    uint8_t poc_type
    uint8_t poc_lsb_bits
    uint8_t delta_poc_always_zero
    uint8_t bottom_field_poc_present
    uint8_t redundant_count_present
    # HEVC
    uint8_t dependent_slices
    uint8_t extra_header_bits
    uint8_t address_bits


cdef struct SliceHeader:
    bint known  # all fields are read; else only those up to pps_id (pps_id may be NO_PPS)
    bint idr
    bint reference
    uint8_t slice_type  # 1 << (0 P, 1 B, 2 I), 0 when not read
    uint8_t poc_type
    uint8_t bottom
    uint8_t colour_plane
    bint field
    uint32_t first_mb
    uint32_t pps_id
    uint32_t frame_num
    uint32_t idr_pic_id
    uint32_t poc_lsb
    int32_t delta_bottom
    int32_t delta_poc[2]
    uint32_t redundant_count


cdef struct Bits:
    const uint8_t *next
    const uint8_t *end
    uint64_t cache
    int cached
    int zeros  # zero bytes just read, for emulation prevention
    bint short


cdef inline void open_bits(Bits *b, const uint8_t *data, const uint8_t *end) noexcept nogil:
    memset(b, 0, sizeof(Bits))
    b.next = data
    b.end = end


cdef inline uint32_t next_byte(Bits *b) noexcept nogil:
    """The next byte of the RBSP: emulation_prevention_three_byte is left out (7.3.1)."""
    cdef uint8_t value
    if b.zeros >= 2 and b.next < b.end and b.next[0] == 3:
        b.next += 1
        b.zeros = 0
    if b.next >= b.end:
        b.short = True
        return 0
    value = b.next[0]
    b.next += 1
    b.zeros = b.zeros + 1 if value == 0 else 0
    return value


cdef inline uint32_t read_bits(Bits *b, int count) noexcept nogil:
    """u(count), 0 to 32 bits; 0 past the end."""
    while b.cached < count:
        b.cache = b.cache << 8 | next_byte(b)
        b.cached += 8
    b.cached -= count
    return <uint32_t>(b.cache >> b.cached & ((<uint64_t>1 << count) - 1))


cdef inline uint32_t read_ue(Bits *b) noexcept nogil:
    """ue(v); a code of more than 65 bits reads as if the bytes ended in it."""
    cdef int zeros = 0
    while read_bits(b, 1) == 0:
        zeros += 1
        if b.short or zeros > MAX_LEADING_ZEROS:
            b.short = True
            return 0
    return <uint32_t>((<uint64_t>1 << zeros) - 1) + read_bits(b, zeros)


cdef inline int32_t read_se(Bits *b) noexcept nogil:
    """se(v)."""
    cdef uint32_t code = read_ue(b)
    cdef uint32_t half = code >> 1
    if half > <uint32_t>INT32_MAX - 1:
        half = <uint32_t>INT32_MAX - 1
    return <int32_t>half + 1 if code & 1 else -<int32_t>half


cdef inline HeaderResult read_h264_slice(
    SliceHeader *h, const uint8_t *nal, const uint8_t *end, const SliceSyntax *table
) noexcept nogil:
    """slice_header() (H.264 7.3.3) up to redundant_pic_cnt, of a NAL unit of type 1, 2 or 5."""
    cdef Bits b
    cdef const SliceSyntax *s
    cdef uint32_t slice_type
    memset(h, 0, sizeof(SliceHeader))
    h.idr = nal[0] & 31 == 5
    h.reference = nal[0] & 0x60 != 0
    open_bits(&b, nal + 1, end)
    h.first_mb = read_ue(&b)
    slice_type = read_ue(&b)
    h.pps_id = read_ue(&b)
    if b.short:
        return HEADER_SHORT
    if slice_type > 9 or h.pps_id > 255:
        h.pps_id = NO_PPS
        return HEADER_READ
    slice_type %= 5
    # 3 is SP and predicts as P does, 4 is SI and predicts as I does.
    h.slice_type = 1 << (2 if slice_type == 4 else slice_type % 3)
    s = &table[h.pps_id]
    if s.state == SET_ASK:
        return HEADER_ASK
    if s.state == SET_UNKNOWN:
        return HEADER_READ
    if s.separate_colour_planes:
        h.colour_plane = read_bits(&b, 2)
    h.frame_num = read_bits(&b, s.frame_num_bits)
    if not s.frame_mbs_only:
        h.field = read_bits(&b, 1)
        if h.field:
            h.bottom = read_bits(&b, 1)
    if h.idr:
        h.idr_pic_id = read_ue(&b)
    h.poc_type = s.poc_type
    if s.poc_type == 0:
        h.poc_lsb = read_bits(&b, s.poc_lsb_bits)
        if s.bottom_field_poc_present and not h.field:
            h.delta_bottom = read_se(&b)
    elif s.poc_type == 1 and not s.delta_poc_always_zero:
        h.delta_poc[0] = read_se(&b)
        if s.bottom_field_poc_present and not h.field:
            h.delta_poc[1] = read_se(&b)
    if s.redundant_count_present:
        h.redundant_count = read_ue(&b)
    if b.short:
        return HEADER_CUT
    h.known = True
    return HEADER_READ


cdef inline bint is_new_picture(const SliceHeader *a, const SliceHeader *b) noexcept nogil:
    """Is ``b`` of another primary coded picture than ``a``, one of its slices (H.264 7.4.1.2.4)?

    When a header could not be read whole (its parameter sets are missing or damaged), the
    fields at hand decide, and with them first_mb_in_slice: it grows inside of a picture, unless
    the stream uses arbitrary slice order, which nothing can tell then.
    """
    if (
        a.idr != b.idr
        or a.reference != b.reference
        or (a.pps_id != b.pps_id and a.pps_id != NO_PPS and b.pps_id != NO_PPS)
    ):
        return True
    if not (a.known and b.known):
        return b.first_mb < a.first_mb
    return (
        a.frame_num != b.frame_num
        or a.field != b.field
        or a.bottom != b.bottom
        or a.idr_pic_id != b.idr_pic_id
        or (
            a.poc_type == b.poc_type
            and (
                a.poc_lsb != b.poc_lsb
                or a.delta_bottom != b.delta_bottom
                or a.delta_poc[0] != b.delta_poc[0]
                or a.delta_poc[1] != b.delta_poc[1]
            )
        )
    )


cdef inline bint begins_at_one_place(const SliceHeader *a, const SliceHeader *b) noexcept nogil:
    """Do both slices begin with one macroblock, of one colour plane?"""
    return a.first_mb == b.first_mb and a.colour_plane == b.colour_plane


cdef inline HeaderResult read_hevc_slice(
    SliceHeader *h, const uint8_t *nal, const uint8_t *end, const SliceSyntax *table,
    bint *first_segment
) noexcept nogil:
    """slice_segment_header() (H.265 7.3.6.1) up to slice_type, of a NAL unit of types 0 to 21."""
    cdef Bits b
    cdef const SliceSyntax *s
    cdef uint32_t nal_type = nal[0] >> 1 & 63
    cdef uint32_t slice_type
    memset(h, 0, sizeof(SliceHeader))
    h.pps_id = NO_PPS
    open_bits(&b, nal + 2, end)
    first_segment[0] = read_bits(&b, 1)
    if b.short:
        return HEADER_SHORT
    if nal_type >= 16:
        read_bits(&b, 1)  # no_output_of_prior_pics_flag
    h.pps_id = read_ue(&b)
    if b.short or h.pps_id > 63:
        h.pps_id = NO_PPS
        return HEADER_CUT if b.short else HEADER_READ
    s = &table[h.pps_id]
    if s.state == SET_ASK:
        return HEADER_ASK
    if s.state == SET_UNKNOWN:
        return HEADER_READ
    if not first_segment[0]:
        if s.dependent_slices and read_bits(&b, 1):
            h.known = not b.short
            return HEADER_CUT if b.short else HEADER_READ
        read_bits(&b, s.address_bits)
    read_bits(&b, s.extra_header_bits)
    slice_type = read_ue(&b)
    if b.short:
        return HEADER_CUT
    if slice_type < 3:
        # H.265 numbers them B, P, I (table 7-7).
        h.slice_type = 2 if slice_type == 0 else 1 if slice_type == 1 else 4
    h.known = True
    return HEADER_READ


cdef inline bint find_recovery_point(
    const uint8_t *nal, const uint8_t *end, bint hevc, int32_t *count
) noexcept nogil:
    """Is there a recovery point message (payloadType 6) in this SEI NAL unit (7.3.2.3)?

    ``count`` gets its recovery_frame_cnt (H.264 D.2.8) or recovery_poc_cnt (H.265 D.3.8).
    """
    cdef Bits b
    cdef uint32_t payload_type, payload_size, value
    open_bits(&b, nal + (2 if hevc else 1), end)
    # Every message begins at a byte, so the bit cache is empty here. rbsp_trailing_bits ends
    # the list: 80 as the last byte.
    while b.next < b.end and not (b.next[0] == 0x80 and b.next + 1 == b.end):
        payload_type = payload_size = 0
        while True:
            value = next_byte(&b)
            payload_type += value
            if value != 255:
                break
        while True:
            value = next_byte(&b)
            payload_size += value
            if value != 255:
                break
        if b.short:
            return False
        if payload_type == 6:
            value = <uint32_t>read_se(&b) if hevc else read_ue(&b)
            if b.short:
                return False
            count[0] = <int32_t>value
            return True
        while payload_size > 0 and not b.short:
            next_byte(&b)
            payload_size -= 1
    return False
