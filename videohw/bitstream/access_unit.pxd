"""The access unit as the assembler fills it in."""

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint64_t


cdef enum RandomAccess:
    NO_ACCESS
    IDR
    CRA
    BLA
    RECOVERY_POINT


cdef enum Leading:
    NOT_LEADING
    RASL
    RADL


@cython.final
@cython.freelist(16)
@cython.no_gc
cdef class AccessUnit:
    cdef str _codec
    cdef bytes _data
    cdef uint64_t _offset
    cdef bint _keyframe
    cdef bint _second_field
    cdef bint _reference
    cdef bint _after_end_of_sequence
    cdef bint _has_parameter_sets
    cdef int _temporal_id
    cdef unsigned int _layer_nals
    cdef uint8_t _access
    cdef uint8_t _leading
    cdef uint8_t _slice_types
    cdef uint8_t _field
    cdef bint _recovery
    cdef int32_t _recovery_count
    cdef tuple _nals
