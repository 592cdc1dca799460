# cython: auto_pickle=False, autotestdict=False
"""Access units of H.264 and H.265 byte streams, in any pieces.

Owns the rules by which NAL units become access units (H.264 7.4.1.2.3 and 7.4.1.2.4, H.265
7.4.2.4.4), what a unit says of its picture, and the limits. Must not know: the syntax of
parameter sets (``parameter_sets`` reads them), files, decoders. Each unit holds one primary
coded picture, so the two fields of a frame are two units.
"""

from collections import deque

cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from .access_unit cimport (
    BLA,
    CRA,
    IDR,
    NO_ACCESS,
    RADL,
    RASL,
    RECOVERY_POINT,
    AccessUnit,
)
from .byte_stream cimport (
    IN_ZEROS,
    NOGIL_BYTES,
    ByteStream,
    all_garbage,
    append,
    at,
    end_here,
    find_end,
    find_start,
    first_possible_code,
    forget_outside,
    give_up,
    release,
    restart,
    settled,
)
from .slice_header cimport (
    HEADER_ASK,
    HEADER_BYTES,
    HEADER_CUT,
    HEADER_SHORT,
    NO_PPS,
    SET_ASK,
    SET_KNOWN,
    SET_UNKNOWN,
    HeaderResult,
    SliceHeader,
    SliceSyntax,
    begins_at_one_place,
    find_recovery_point,
    is_new_picture,
    read_h264_slice,
    read_hevc_slice,
)
from .splitter cimport checked_limit, open_view
from .unit_rules cimport (
    CONTINUES,
    DELIMITS,
    ENDS,
    MALFORMED,
    SLICE,
    STARTS,
    Role,
    Unit,
    clear,
    h264_role,
    hevc_role,
    merge,
)

from ..errors import InvalidBitstream, InvalidInput
from .parameter_sets import ParameterSets
from .splitter import DEFAULT_MAX_NAL_BYTES

# Twice the largest NAL unit: a picture of many slices with everything that precedes it.
DEFAULT_MAX_UNIT_BYTES = 2 * DEFAULT_MAX_NAL_BYTES


cdef int slice_address_bits(object sps) except -1:
    """Ceil(Log2(PicSizeInCtbsY)), the size of slice_segment_address (H.265 7.4.7.1)."""
    cdef int log2_ctb = 3 + (
        sps.log2_min_luma_coding_block_size_minus3 + sps.log2_diff_max_min_luma_coding_block_size
    )
    columns = (sps.pic_width_in_luma_samples - 1 >> log2_ctb) + 1
    rows = (sps.pic_height_in_luma_samples - 1 >> log2_ctb) + 1
    return (columns * rows - 1).bit_length()


cdef enum:
    # Bytes of a unit that began in an earlier call are copied in steps of this size, so that
    # few are copied in vain once the unit ends and the rest is looked at where it is.
    STEP_BYTES = 4096
    # What one stretch without the GIL may find; one step finds up to three.
    FOUND_UNITS = 32
    FOUND_RESERVE = 4
    # Ids of SPS, SPS extensions and PPS of H.264, which has more than H.265.
    MAX_SETS = 32 + 32 + 256
    # Parameter sets in use have some hundred bytes; the largest that the standards allow, a map
    # of slice groups, has 52 KB. A longer one would only be held in vain.
    MAX_SET_BYTES = 64 * 1024


cdef enum Outcome:
    COMPLETE
    NAL_TOO_LONG
    UNIT_TOO_LONG


cdef struct Found:
    Outcome outcome
    Unit unit
    uint64_t end  # of the unit, or where the error was noticed


cdef enum Event:
    NEED_DATA
    FULL  # hand over what was found, then go on
    NEW_SET  # the NAL unit just ended is a parameter set that differs from those known
    ASK_SETS  # the slice header needs parameter sets that were not looked up yet


cdef enum Verdict:
    SAME_PICTURE
    NEW_PICTURE
    UNDECIDED  # more of the NAL unit is needed


cdef struct Range:
    uint64_t start
    uint64_t end


cdef struct KnownSet:
    const uint8_t *data
    size_t size


@cython.final
cdef class AccessUnitAssembler:
    """Makes access units of an H.264 or H.265 Annex-B byte stream.

    ``codec`` is "h264" or "hevc". ``feed`` takes any piece of the stream, ``take`` gives the
    units in order, ``finish`` says that the stream ends. How the stream was cut never changes
    the units. One is ready as soon as the first bytes of the next one tell so; with
    ``feed(..., end_of_unit=True)`` at once.

    A NAL unit of more than ``max_nal_bytes`` (default 32 MiB) or an access unit of more than
    ``max_unit_bytes`` (default 64 MiB) is dropped: ``take`` raises :class:`InvalidBitstream` in
    its place, once, and the stream goes on at the next start code; of its unit, what came before
    the NAL unit that broke the limit is kept if it holds a slice. At most ``max_unit_bytes`` and
    the first bytes of a NAL unit wait inside, in a buffer of at most twice that size, beside the
    units that are ready.

    One thread at a time may feed; others get :class:`InvalidInput`.
    """

    cdef str _codec
    cdef object _parameter_sets
    cdef uint64_t _discarded_nals
    cdef ByteStream _stream
    cdef uint64_t _max_nal_bytes
    cdef uint64_t _max_unit_bytes
    cdef bint _hevc
    cdef bint _busy
    cdef uint64_t _taken_to  # while a call takes bytes in, the position of its last
    cdef object _ready
    # The NAL unit that is being read
    cdef bint _in_nal
    cdef bint _nal_ended
    cdef bint _nal_decided
    cdef bint _slice_before
    cdef Role _nal_role
    cdef int _nal_type
    cdef SliceHeader _header
    # The unit that is open, and the NAL units behind its last slice that may begin the next
    cdef Unit _open
    cdef Unit _held
    cdef bint _holding
    # Slices of the newest picture: the first and the last; and was it a second field?
    cdef SliceHeader _first
    cdef SliceHeader _last
    cdef bint _last_second
    cdef Range _first_nal
    cdef Range _last_nal
    cdef SliceSyntax[256] _syntax
    cdef list _known
    cdef KnownSet[MAX_SETS] _known_sets
    cdef size_t _known_count
    cdef uint32_t _active_pps_id
    cdef Found[FOUND_UNITS] _found
    cdef size_t _found_count

    def __cinit__(
        self, codec, *, max_nal_bytes=DEFAULT_MAX_NAL_BYTES, max_unit_bytes=DEFAULT_MAX_UNIT_BYTES
    ):
        if codec not in ("h264", "hevc"):
            raise InvalidInput(f"codec is {codec!r}", argument="codec", hint='"h264" or "hevc"')
        self._parameter_sets = ParameterSets(codec)
        self._codec = codec
        self._hevc = codec == "hevc"
        self._max_nal_bytes = checked_limit(max_nal_bytes, "max_nal_bytes")
        self._max_unit_bytes = checked_limit(max_unit_bytes, "max_unit_bytes")
        self._ready = deque()
        self._known = []
        self._active_pps_id = NO_PPS
        self._open_unit(True)

    def __dealloc__(self):
        release(&self._stream)

    def feed(self, data, *, bint end_of_unit=False):
        """Take the next bytes of the stream; returns how many units are ready to take.

        ``data`` is bytes, bytearray, memoryview or any contiguous buffer of bytes, of any length;
        it is copied. ``end_of_unit`` says that an access unit ends with it: the open unit is
        closed at once if it has a slice. Raises :class:`InvalidInput` for anything but bytes.
        """
        cdef Py_buffer view
        self._enter()
        try:
            if PyBytes_CheckExact(data):
                self._take_in(
                    <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), end_of_unit
                )
            else:
                open_view(data, &view)
                try:
                    self._take_in(<const uint8_t *>view.buf, view.len, end_of_unit)
                finally:
                    PyBuffer_Release(&view)
        finally:
            if self._taken_to:
                self._drop_all()
            self._busy = False
        return len(self._ready)

    def take(self):
        """The next :class:`AccessUnit`, or None when more bytes are needed.

        Raises :class:`InvalidBitstream` in the place of what broke a limit.
        """
        if not self._ready:
            return None
        item = self._ready.popleft()
        if isinstance(item, InvalidBitstream):
            raise item
        return item

    def finish(self):
        """End of stream: the open unit is complete. Returns how many units are ready.

        NAL units behind the last picture that begin a unit without a picture of its own, by the
        standards no access unit, are dropped and counted in ``discarded_nals``. Feeding more
        afterwards begins a new stream: offsets go on, parameter sets are kept.
        """
        self._enter()
        try:
            self._end_nal()
            if self._open.has_slice:
                self._put(COMPLETE, self._held.start if self._holding else self._stream.tail)
                self._discarded_nals += self._held.nals if self._holding else 0
            else:
                self._discarded_nals += self._open.nals
            self._start_anew(True)
        finally:
            self._busy = False
        return len(self._ready)

    def reset(self):
        """Forget pending bytes, ready units and counters. Parameter sets are kept."""
        self._enter()
        release(&self._stream)
        self._ready.clear()
        self._discarded_nals = 0
        self._found_count = 0
        self._in_nal = False
        self._last.known = False
        self._open_unit(True)
        self._busy = False

    def __iter__(self):
        return self

    def __next__(self):
        unit = self.take()
        if unit is None:
            raise StopIteration
        return unit

    @property
    def codec(self):
        """"h264" or "hevc"."""
        return self._codec

    @property
    def parameter_sets(self):
        """The :class:`ParameterSets` of the stream so far; kept by ``finish`` and ``reset``."""
        return self._parameter_sets

    @property
    def discarded_nals(self):
        """NAL units behind the last picture of a stream, in no access unit."""
        return self._discarded_nals

    @property
    def offset(self):
        """Bytes fed so far: the position in the stream of the next byte."""
        return self._stream.tail

    @property
    def pending_bytes(self):
        """Bytes held inside that are in no ready unit yet."""
        return self._stream.tail - self._stream.head

    @property
    def pending_start(self):
        """Where in the stream units to come begin at the earliest.

        That is the first start code of the open unit, else the bytes fed last that may be part
        of a start code, else :attr:`offset`.
        """
        if self._open.nals:
            return self._open.start
        return self._stream.code if self._in_nal else first_possible_code(&self._stream)

    @property
    def garbage_bytes(self):
        """Bytes that are in no NAL unit, start code or zero padding, or were dropped as too long.

        Garbage between the NAL units of one access unit stays in its ``data``.
        """
        return all_garbage(&self._stream)

    cdef int _enter(self) except -1:
        if self._busy:
            raise InvalidInput("another thread is feeding this assembler", hint="use a lock")
        self._busy = True
        return 0

    # Bytes in

    cdef int _take_in(self, const uint8_t *data, size_t size, bint end_of_unit) except -1:
        """Take the bytes in by steps, until what is wanted lies in them alone."""
        cdef bint without_gil = size >= NOGIL_BYTES
        cdef uint64_t start = self._stream.tail
        cdef size_t done = 0
        cdef size_t step
        self._taken_to = start + size
        while done < size:
            if self._stream.head >= start:
                self._look_in_place(data, start, size, without_gil, end_of_unit)
                break
            step = size - done if size - done < STEP_BYTES else STEP_BYTES
            if append(&self._stream, data + done, step) < 0:
                raise MemoryError
            done += step
            self._go_on(without_gil)
        else:
            if end_of_unit:
                self._end_unit()
        self._taken_to = 0
        return 0

    cdef int _look_in_place(
        self, const uint8_t *data, uint64_t start, size_t size, bint without_gil, bint end_of_unit
    ) except -1:
        """Look at the caller's bytes where they are, then keep those that are wanted still."""
        cdef ByteStream *s = &self._stream
        cdef uint8_t *own = s.data
        cdef const uint8_t *wanted
        cdef size_t count
        s.data = <uint8_t *>data  # only append() writes there
        s.origin = start
        s.tail = start + size
        try:
            self._go_on(without_gil)
            if end_of_unit:
                self._end_unit()
        finally:
            wanted = at(s, s.head)
            count = <size_t>(s.tail - s.head)
            s.data = own
            s.origin = s.tail = s.head
        if append(s, wanted, count) < 0:
            raise MemoryError
        return 0

    cdef void _drop_all(self) noexcept:
        """Memory is out, or a parser of parameter sets is broken: stay usable without the rest."""
        self._found_count = 0
        self._in_nal = False
        self._stream.tail = self._taken_to
        self._taken_to = 0
        self._stream.place = IN_ZEROS
        restart(&self._stream)
        self._open_unit(False)

    cdef int _go_on(self, bint without_gil) except -1:
        """Look through all bytes that are there."""
        cdef Event event
        while True:
            if without_gil:
                with nogil:
                    event = self._advance()
            else:
                event = self._advance()
            self._hand_over()
            if event == NEED_DATA:
                break
            if event == NEW_SET:
                self._learn()
            elif event == ASK_SETS:
                self._look_up()
        if self._open.nals:
            self._stream.head = self._open.start
        elif self._in_nal:
            self._stream.head = self._stream.code
        else:
            forget_outside(&self._stream)
        return 0

    cdef int _end_nal(self) except -1:
        """The bytes at hand are all of the NAL unit."""
        if self._in_nal:
            end_here(&self._stream)
            self._nal_ended = True
        return self._go_on(False)

    cdef int _end_unit(self) except -1:
        self._end_nal()
        if self._open.has_slice:
            if self._holding:
                merge(&self._open, &self._held)
            self._put(COMPLETE, self._stream.tail)
            self._start_anew(self._open.ended)
        return 0

    cdef int _start_anew(self, bint after_end) except -1:
        self._hand_over()
        restart(&self._stream)
        self._open_unit(after_end)
        return 0

    # Units out

    cdef int _hand_over(self) except -1:
        """Make Python objects of what was found."""
        cdef size_t i
        cdef size_t count = self._found_count
        self._found_count = 0
        for i in range(count):
            if self._found[i].outcome == COMPLETE:
                self._ready.append(self._make_unit(&self._found[i]))
            else:
                self._ready.append(self._make_error(&self._found[i]))
        return 0

    cdef AccessUnit _make_unit(self, const Found *found):
        cdef const Unit *u = &found.unit
        cdef AccessUnit unit = AccessUnit.__new__(AccessUnit)
        unit._codec = self._codec
        unit._data = PyBytes_FromStringAndSize(
            <const char *>at(&self._stream, u.start), <Py_ssize_t>(found.end - u.start)
        )
        unit._offset = u.start
        unit._access = RECOVERY_POINT if u.recovery and u.access == NO_ACCESS else u.access
        unit._leading = u.leading
        unit._slice_types = u.slice_types
        unit._field = u.field
        unit._recovery = u.recovery
        unit._recovery_count = u.recovery_count
        unit._keyframe = unit._access != NO_ACCESS
        unit._second_field = u.second_field
        unit._reference = u.reference
        unit._after_end_of_sequence = u.after_end
        unit._has_parameter_sets = u.sets == (7 if self._hevc else 6)
        unit._temporal_id = u.temporal_id
        unit._layer_nals = u.layer_nals
        if u.pps_id != self._active_pps_id and u.pps_id != NO_PPS:
            self._active_pps_id = u.pps_id
            self._parameter_sets.activate(u.pps_id)
        return unit

    cdef object _make_error(self, const Found *found):
        what, name, limit = "access unit", "max_unit_bytes", self._max_unit_bytes
        if found.outcome == NAL_TOO_LONG:
            what, name, limit = "NAL unit", "max_nal_bytes", self._max_nal_bytes
        return InvalidBitstream(
            f"{what} at byte {found.end} is longer than {name}={limit}",
            offset=found.end,
            hint="it is dropped; raise the limit if the stream is right",
        )

    # Parameter sets

    cdef int _learn(self) except -1:
        """A parameter set came that differs from those known."""
        cdef size_t i
        cdef bytes known
        cdef bytes nal = PyBytes_FromStringAndSize(
            <const char *>at(&self._stream, self._stream.payload),
            <Py_ssize_t>(self._stream.end - self._stream.payload),
        )
        try:
            self._parameter_sets.add(nal)
        except InvalidBitstream:
            return 0
        self._known = self._parameter_sets.raw()
        self._known_count = 0
        for known in self._known[:MAX_SETS]:
            self._known_sets[self._known_count].data = <const uint8_t *>PyBytes_AS_STRING(known)
            self._known_sets[self._known_count].size = PyBytes_GET_SIZE(known)
            self._known_count += 1
        for i in range(256):
            self._syntax[i].state = SET_ASK
        return 0

    cdef int _look_up(self) except -1:
        """Copy what slice headers need of the PPS that one names, and of its SPS."""
        cdef SliceSyntax *s = &self._syntax[self._header.pps_id]
        s.state = SET_UNKNOWN
        try:
            pps = self._parameter_sets.pps(self._header.pps_id)
            if pps is None:
                return 0
            sps = self._parameter_sets.sps(
                pps.pps_seq_parameter_set_id if self._hevc else pps.seq_parameter_set_id
            )
        except InvalidBitstream:
            return 0
        if sps is None:
            return 0
        if self._hevc:
            s.dependent_slices = pps.dependent_slice_segments_enabled_flag
            s.extra_header_bits = pps.num_extra_slice_header_bits
            s.address_bits = slice_address_bits(sps)
        else:
            s.separate_colour_planes = sps.separate_colour_plane_flag
            s.frame_num_bits = sps.log2_max_frame_num
            s.frame_mbs_only = sps.frame_mbs_only_flag
            s.poc_type = sps.pic_order_cnt_type
            s.poc_lsb_bits = sps.log2_max_pic_order_cnt_lsb
            s.delta_poc_always_zero = sps.delta_pic_order_always_zero_flag
            s.bottom_field_poc_present = pps.bottom_field_pic_order_in_frame_present_flag
            s.redundant_count_present = pps.redundant_pic_cnt_present_flag
        s.state = SET_KNOWN
        return 0

    # The rules; from here on nothing needs the GIL

    cdef Event _advance(self) noexcept nogil:
        """Read on until the bytes end or something needs the GIL."""
        cdef ByteStream *s = &self._stream
        cdef Event event
        cdef uint64_t known_end
        while self._found_count <= FOUND_UNITS - FOUND_RESERVE:
            if not self._in_nal:
                if not find_start(s):
                    self._limit_padding(first_possible_code(s))
                    return NEED_DATA
                self._limit_padding(s.code)
                self._in_nal = True
                self._nal_ended = self._nal_decided = False
            if not self._nal_ended:
                self._nal_ended = find_end(s)
            known_end = s.end if self._nal_ended else settled(s, s.payload)
            if not self._nal_decided:
                if self._nal_ended and known_end == s.payload:
                    self._in_nal = False  # two start codes with nothing between them
                    continue
                event = self._decide(known_end)
                if event != FULL:
                    return event
                self._nal_decided = True
            if self._limit_nal(known_end):
                continue
            if not self._nal_ended:
                return NEED_DATA
            self._in_nal = False
            if self._complete_nal():
                return NEW_SET
        return FULL

    cdef Event _decide(self, uint64_t known_end) noexcept nogil:
        """Find the unit of the NAL unit being read; FULL when that is done."""
        cdef const uint8_t *nal = at(&self._stream, self._stream.payload)
        cdef size_t size = <size_t>(known_end - self._stream.payload)
        cdef bint first_segment = False
        cdef HeaderResult result
        cdef Verdict verdict
        cdef Role role = self._classify(nal, size)
        if role == MALFORMED and size < 2 and not self._nal_ended:
            return NEED_DATA
        if role == SLICE:
            if self._hevc:
                result = read_hevc_slice(
                    &self._header, nal, nal + size, self._syntax, &first_segment)
            else:
                result = read_h264_slice(&self._header, nal, nal + size, self._syntax)
            if result == HEADER_ASK:
                return ASK_SETS
            if result == HEADER_CUT or result == HEADER_SHORT:
                if not self._nal_ended and size < HEADER_BYTES:
                    return NEED_DATA
                if result == HEADER_SHORT:
                    role = MALFORMED
        self._nal_role = role
        if role == SLICE:
            verdict = self._judge_slice(first_segment, nal, size)
            if verdict == UNDECIDED:
                return NEED_DATA
            if verdict == NEW_PICTURE:
                self._cut()
            elif self._holding:
                merge(&self._open, &self._held)
                self._holding = False
            self._slice_before = self._open.has_slice
            self._add(&self._open, nal)
            self._add_slice(nal)
            return FULL
        if role == DELIMITS or role == STARTS:
            if self._open.has_slice and (role == DELIMITS or self._open.ended):
                self._cut()
            elif self._open.has_slice and not self._holding:
                clear(&self._held)
                self._holding = True
        elif role == CONTINUES and self._holding:
            merge(&self._open, &self._held)
            self._holding = False
        self._slice_before = self._open.has_slice
        self._add(&self._held if self._holding else &self._open, nal)
        if role == ENDS:
            self._end_sequence(&self._held if self._holding else &self._open)
        return FULL

    cdef Role _classify(self, const uint8_t *nal, size_t size) noexcept nogil:
        """Role and type by the NAL unit header (7.3.1)."""
        self._nal_type = -1
        if size < (2 if self._hevc else 1) or nal[0] & 0x80:
            return MALFORMED
        if not self._hevc:
            self._nal_type = nal[0] & 31
            return h264_role(self._nal_type)
        if nal[1] & 7 == 0:
            return MALFORMED
        self._nal_type = nal[0] >> 1 & 63
        return hevc_role(self._nal_type, nal[0] & 1 or nal[1] >> 3)

    cdef Verdict _judge_slice(
        self, bint first_segment, const uint8_t *nal, size_t size
    ) noexcept nogil:
        """Is the slice of the picture before it, or the first of a new one?"""
        if not self._open.has_slice:
            return SAME_PICTURE
        if self._open.ended:
            return NEW_PICTURE
        if self._hevc:
            return NEW_PICTURE if first_segment else SAME_PICTURE
        if self._header.known and self._header.redundant_count:
            return SAME_PICTURE
        if (
            is_new_picture(&self._last, &self._header)
            or is_new_picture(&self._first, &self._header)
        ):
            return NEW_PICTURE
        if begins_at_one_place(&self._last, &self._header):
            return self._judge_repeated(&self._last_nal, nal, size)
        if begins_at_one_place(&self._first, &self._header):
            return self._judge_repeated(&self._first_nal, nal, size)
        return SAME_PICTURE

    cdef Verdict _judge_repeated(
        self, const Range *before, const uint8_t *nal, size_t size
    ) noexcept nogil:
        """Was the slice ``before`` sent twice, or does another picture begin at its place?

        Beyond H.264 7.4.1.2.4, which does not compare first_mb_in_slice: pictures with equal
        headers may not follow each other, and do where one between them was lost, or where all
        are IDR pictures with one idr_pic_id. The bytes tell the two apart, except for the first
        slice of an IDR picture, since a still scene may be coded in equal bytes, and for one
        behind a NAL unit that may begin a picture. No more bytes are waited for than the slice
        before has, so that each is compared once.
        """
        cdef uint64_t length = before.end - before.start
        if self._holding or (self._header.idr and self._header.first_mb == 0):
            return NEW_PICTURE
        if self._stream.payload + length > self._open.start + self._max_unit_bytes:
            return NEW_PICTURE  # the unit has no place for it
        if size <= length and not self._nal_ended:
            return UNDECIDED
        if size == length and memcmp(at(&self._stream, before.start), nal, size) == 0:
            return SAME_PICTURE
        return NEW_PICTURE

    cdef void _add(self, Unit *unit, const uint8_t *nal) noexcept nogil:
        """Note the NAL unit as part of ``unit``."""
        if unit.nals == 0:
            unit.start = self._stream.code
        unit.nals += 1
        if self._hevc:
            if self._nal_role == STARTS and self._nal_type <= 34:
                unit.sets |= 1 << (self._nal_type - 32)
            elif self._nal_type >= 0 and (nal[0] & 1 or nal[1] >> 3):
                unit.layer_nals += 1
        elif self._nal_type == 7 or self._nal_type == 8:
            unit.sets |= 1 << (self._nal_type - 6)

    cdef void _add_slice(self, const uint8_t *nal) noexcept nogil:
        """Note what the slice says of its picture."""
        cdef Unit *unit = &self._open
        cdef const SliceHeader *h = &self._header
        cdef const SliceHeader *last = &self._last
        unit.slice_types |= h.slice_type
        if h.pps_id != NO_PPS:
            unit.pps_id = h.pps_id
        if not unit.has_slice:
            unit.has_slice = True
            if self._hevc:
                self._describe_hevc(unit, nal)
            else:
                unit.access = IDR if h.idr else NO_ACCESS
                unit.reference = h.reference
                unit.field = (2 if h.bottom else 1) if h.field else 0
                # The second field of a complementary field pair (H.264 3.30, 3.31).
                unit.second_field = (
                    h.field and last.field and h.bottom != last.bottom and not h.idr
                    and h.frame_num == last.frame_num and h.reference == last.reference
                    and not self._last_second and not unit.after_end
                )
        if not self._slice_before:
            self._first = self._header
            self._first_nal.start = self._first_nal.end = self._stream.payload
        if not self._slice_before or h.redundant_count == 0:
            self._last = self._header
            self._last_nal.start = self._last_nal.end = self._stream.payload

    cdef void _describe_hevc(self, Unit *unit, const uint8_t *nal) noexcept nogil:
        """Table 7-1 of H.265."""
        cdef int nal_type = self._nal_type
        unit.temporal_id = (nal[1] & 7) - 1
        unit.reference = nal_type >= 16 or nal_type & 1
        if nal_type >= 16:
            unit.access = BLA if nal_type < 19 else IDR if nal_type < 21 else CRA
        elif nal_type >= 6:
            unit.leading = RADL if nal_type < 8 else RASL

    cdef void _end_sequence(self, Unit *unit) noexcept nogil:
        if unit.has_slice:
            unit.ended = True
        else:
            unit.after_end = True

    cdef bint _complete_nal(self) noexcept nogil:
        """Read what only a whole NAL unit tells; True for a parameter set that is not known."""
        cdef const uint8_t *nal = at(&self._stream, self._stream.payload)
        cdef size_t size = <size_t>(self._stream.end - self._stream.payload)
        cdef Unit *unit = &self._held if self._holding else &self._open
        cdef size_t i
        if self._nal_role == SLICE:
            if self._first_nal.start == self._stream.payload:
                self._first_nal.end = self._stream.end
            if self._last_nal.start == self._stream.payload:
                self._last_nal.end = self._stream.end
            return False
        if self._nal_role != STARTS and self._nal_type != 13:
            return False
        if self._nal_type == (39 if self._hevc else 6):
            if find_recovery_point(nal, nal + size, self._hevc, &unit.recovery_count):
                unit.recovery = True
            return False
        if self._hevc:
            if self._nal_type > 34:
                return False
        elif self._nal_type > 8 and self._nal_type != 13:
            return False
        if size > MAX_SET_BYTES:
            return False
        for i in range(self._known_count):
            if (
                self._known_sets[i].size == size
                and memcmp(self._known_sets[i].data, nal, size) == 0
            ):
                return False
        return True

    # Boundaries and limits

    cdef void _open_unit(self, bint after_end) noexcept nogil:
        clear(&self._open)
        self._open.after_end = after_end
        self._holding = False

    cdef void _put(self, Outcome outcome, uint64_t end) noexcept nogil:
        cdef Found *found = &self._found[self._found_count]
        found.outcome = outcome
        found.unit = self._open
        found.end = end
        self._found_count += 1
        if outcome == COMPLETE:
            self._last_second = self._open.second_field

    cdef void _cut(self) noexcept nogil:
        """The open unit is complete; the next begins with what is held, or here."""
        if self._holding:
            self._put(COMPLETE, self._held.start)
            self._open = self._held
            self._holding = False
        else:
            self._put(COMPLETE, self._stream.code)
            self._open_unit(self._open.ended)

    cdef void _limit_padding(self, uint64_t position) noexcept nogil:
        """Keep the open unit and the zeros or garbage behind it below the limit."""
        while self._open.nals and position - self._open.start > self._max_unit_bytes:
            if self._holding:
                self._cut()
                continue
            if self._open.has_slice:
                self._put(COMPLETE, self._stream.end)
            else:
                self._stream.garbage_bytes += self._stream.end - self._open.start
            self._put(UNIT_TOO_LONG, self._open.start)
            self._open_unit(False)

    cdef bint _limit_nal(self, uint64_t known_end) noexcept nogil:
        """Drop the NAL unit if it, or its unit, is too long; True when that was so.

        Which limit a byte breaks first must not depend on how many bytes are at hand.
        """
        cdef uint64_t nal_limit = self._stream.payload + self._max_nal_bytes
        cdef uint64_t lost_from
        cdef bint unit_first = False
        while True:
            unit_first = self._open.start + self._max_unit_bytes < nal_limit
            if unit_first:
                if known_end <= self._open.start + self._max_unit_bytes:
                    return False
                if self._holding:
                    self._cut()  # neither part is too long by itself yet
                    self._slice_before = False
                    continue
            elif known_end <= nal_limit:
                return False
            break
        lost_from = self._open.start
        if self._holding:
            lost_from = self._held.start
            self._put(COMPLETE, lost_from)
        elif self._slice_before:
            lost_from = self._stream.code
            self._put(COMPLETE, lost_from)
        give_up(&self._stream, lost_from)
        self._put(UNIT_TOO_LONG if unit_first else NAL_TOO_LONG, self._stream.code)
        self._open_unit(False)
        self._last.known = False
        self._in_nal = False
        return True
