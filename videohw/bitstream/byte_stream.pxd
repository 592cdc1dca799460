"""A byte stream with start codes, read piece by piece: what splitter and assembler share.

Owns the pending bytes, and where NAL units begin and end in them (Rec. ITU-T H.264 and H.265,
B.1.1). Must not know: codecs, access units, Python objects. Nothing here needs the GIL.

Every position counts bytes from the start of the stream, so moving the pending bytes changes
none of them. Each byte is searched once, whatever the cuts: the search resumes two bytes back
at most.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove, memset


cdef extern from "start_code.h" nogil:
    size_t find_zeros "videohw_find_zeros"(const uint8_t *data, size_t begin, size_t end)
    size_t find_zeros_scalar "videohw_find_zeros_scalar"(
        const uint8_t *data, size_t begin, size_t end)


cdef enum:
    # From this size on a call gives up the GIL. Below, a call takes less than 200 us; and where
    # another thread computes in Python, getting the GIL back takes up to 5 ms (the switch
    # interval): measured in chunks of 64 KiB, 26 MB took 6 ms with the GIL and 161 ms without.
    NOGIL_BYTES = 1024 * 1024
    # The first allocation: the pending bytes move to its front once for each this many.
    FIRST_CAPACITY = 256 * 1024


cdef enum Place:
    IN_GARBAGE  # before the first start code, or behind zeros that no start code followed
    IN_ZEROS  # zero bytes since a NAL unit ended or garbage paused
    IN_NAL


cdef struct ByteStream:
    uint8_t *data  # the bytes from origin on
    size_t capacity
    uint64_t origin
    uint64_t head  # the first byte still wanted
    uint64_t tail  # one past the last byte
    uint64_t scan  # the search goes on here
    uint64_t zeros  # IN_ZEROS: the first of them
    uint64_t garbage  # IN_GARBAGE: where it began
    uint64_t garbage_bytes  # in garbage that has ended
    uint64_t code  # start code of the newest NAL unit, its zero_byte included
    uint64_t payload  # first byte of that NAL unit
    uint64_t end  # one past its last byte, once it has ended
    Place place


cdef inline const uint8_t *at(const ByteStream *s, uint64_t position) noexcept nogil:
    return s.data + <size_t>(position - s.origin)


cdef inline void release(ByteStream *s) noexcept nogil:
    free(s.data)
    memset(s, 0, sizeof(ByteStream))


cdef inline int append(ByteStream *s, const uint8_t *data, size_t size) noexcept nogil:
    """Take ``size`` bytes in; -1 when there is no memory for them."""
    cdef size_t pending = <size_t>(s.tail - s.head)
    cdef size_t capacity
    cdef uint8_t *grown
    if size == 0:
        return 0
    if s.tail - s.origin + size > s.capacity:
        # Moving at most half of the capacity makes room for as much: each byte moves once on
        # average, and the capacity stays below twice what is pending.
        if pending:
            memmove(s.data, at(s, s.head), pending)
        s.origin = s.head
        capacity = s.capacity
        if pending + size > capacity >> 1:
            capacity = 2 * (pending + size)
            if capacity < FIRST_CAPACITY:
                capacity = FIRST_CAPACITY
        if capacity > s.capacity:
            grown = <uint8_t *>realloc(s.data, capacity)
            if grown == NULL:
                return -1
            s.data = grown
            s.capacity = capacity
    # Not memcpy: where GCC knows a bound of the size it puts `rep movs` here, which takes 30 ns
    # to start; memmove is always a call of the C library's own.
    memmove(s.data + <size_t>(s.tail - s.origin), data, size)
    s.tail += size
    return 0


cdef inline bint find(ByteStream *s) noexcept nogil:
    """Move ``scan`` to the next 00 00 00 or 00 00 01; False when the bytes end before one."""
    cdef size_t end = <size_t>(s.tail - s.origin)
    cdef size_t hit = find_zeros(s.data, <size_t>(s.scan - s.origin), end)
    if hit < end:
        s.scan = s.origin + hit
        return True
    if s.tail - s.scan > 2:
        s.scan = s.tail - 2
    return False


cdef inline uint64_t settled(const ByteStream *s, uint64_t begin) noexcept nogil:
    """One past the last pending byte that is no zero of a start code still to come."""
    cdef uint64_t position = s.tail
    while position > begin and position > s.scan and at(s, position - 1)[0] == 0:
        position -= 1
    return position


cdef inline bint find_start(ByteStream *s) noexcept nogil:
    """Go on to the next start code and set ``code`` and ``payload``; False when none is there."""
    while True:
        if s.place == IN_GARBAGE:
            if not find(s):
                return False
            s.garbage_bytes += s.scan - s.garbage
            s.zeros = s.scan
            s.place = IN_ZEROS
        while s.scan < s.tail and at(s, s.scan)[0] == 0:
            s.scan += 1
        if s.scan == s.tail:
            return False
        if at(s, s.scan)[0] == 1:
            s.code = s.scan - (3 if s.scan - s.zeros > 2 else 2)
            s.payload = s.scan + 1
            s.scan = s.payload
            s.place = IN_NAL
            return True
        s.garbage = s.scan
        s.place = IN_GARBAGE


cdef inline bint find_end(ByteStream *s) noexcept nogil:
    """Go on to the end of the NAL unit and set ``end``; False when it is not there yet."""
    if not find(s):
        return False
    s.end = s.zeros = s.scan
    s.place = IN_ZEROS
    return True


cdef inline void end_here(ByteStream *s) noexcept nogil:
    """The NAL unit ends with the pending bytes, before their last zeros."""
    s.end = settled(s, s.payload)
    s.scan = s.garbage = s.tail
    s.place = IN_GARBAGE


cdef inline void give_up(ByteStream *s, uint64_t position) noexcept nogil:
    """Count what lies from ``position`` to the end of the newest NAL unit as garbage."""
    if s.place == IN_NAL:
        s.garbage = position
        s.place = IN_GARBAGE
    else:
        s.garbage_bytes += s.end - position


cdef inline uint64_t first_possible_code(const ByteStream *s) noexcept nogil:
    """Outside of a NAL unit: where the next start code begins at the earliest."""
    if s.place == IN_ZEROS:
        return s.zeros if s.tail - s.zeros < 3 else s.tail - 3
    return settled(s, s.garbage)


cdef inline uint64_t all_garbage(const ByteStream *s) noexcept nogil:
    """Bytes of garbage so far; zeros that may belong to a start code are not counted."""
    if s.place == IN_GARBAGE:
        return s.garbage_bytes + settled(s, s.garbage) - s.garbage
    return s.garbage_bytes


cdef inline void forget_outside(ByteStream *s) noexcept nogil:
    """Outside of a NAL unit: let go of all bytes that no later start code needs."""
    s.head = first_possible_code(s)
    if s.head > s.scan:
        s.head = s.scan


cdef inline void restart(ByteStream *s) noexcept nogil:
    """Drop the pending bytes: what comes next is outside of any NAL unit."""
    s.garbage_bytes = all_garbage(s)
    s.origin = s.head = s.scan = s.garbage = s.tail
    s.place = IN_GARBAGE
