# cython: auto_pickle=False, autotestdict=False
"""Annex-B byte streams cut into NAL units, in any pieces (Rec. ITU-T H.264 and H.265, Annex B).

Owns the splitter, and how both compiled modules take bytes and limits from a caller. Must not
know what is inside a NAL unit.
"""

from collections import deque

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport uint8_t, uint64_t

from .byte_stream cimport (
    IN_NAL,
    NOGIL_BYTES,
    ByteStream,
    all_garbage,
    append,
    at,
    end_here,
    find_end,
    find_start,
    find_zeros,
    find_zeros_scalar,
    forget_outside,
    give_up,
    release,
    restart,
    settled,
)

from ..errors import InvalidBitstream, InvalidInput

# Level 6.2 of both standards allows 800 Mb/s: one picture a second could have 100 MB. Coded
# pictures in use, 8K intra included, stay below 10 MB, and they are cut into slices; 32 MiB
# leaves room and still bounds what a broken stream can claim.
DEFAULT_MAX_NAL_BYTES = 32 * 1024 * 1024

# A smaller limit would refuse ordinary parameter sets.
MIN_LIMIT_BYTES = 256


cdef int open_view(object data, Py_buffer *view) except -1:
    """Get at the bytes of ``data``; the caller gives the view back with PyBuffer_Release."""
    try:
        PyObject_GetBuffer(data, view, PyBUF_SIMPLE)
    except (TypeError, BufferError, ValueError) as error:
        raise InvalidInput(
            f"data is {type(data).__name__}, not contiguous bytes: {error}",
            argument="data",
            hint="pass bytes, bytearray, memoryview or a contiguous uint8 array",
        ) from None
    if view.itemsize > 1:
        PyBuffer_Release(view)
        raise InvalidInput(
            f"data has items of {view.itemsize} bytes",
            argument="data",
            hint="pass bytes or a uint8 array",
        )
    return 0


cdef unsigned long long checked_limit(object value, str name) except 0:
    """A size limit given by the caller, as a C number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} is {value!r}, not an int", argument=name)
    if not MIN_LIMIT_BYTES <= value < 1 << 40:
        raise InvalidInput(
            f"{name} is {value}",
            argument=name,
            hint=f"a number of bytes from {MIN_LIMIT_BYTES} to 2**40",
        )
    return value


@cython.final
cdef class NalUnit:
    """One NAL unit: without start code and trailing zero bytes, still with emulation prevention.

    Its ``offset`` includes the zero_byte before the start code where there is one.
    """

    cdef bytes _data
    cdef uint64_t _offset

    def __init__(self, bytes data not None, uint64_t offset):
        self._data = data
        self._offset = offset

    @property
    def data(self):
        """The bytes of the NAL unit, header first."""
        return self._data

    @property
    def offset(self):
        """Position in the stream, in bytes, of its start code."""
        return self._offset

    def __eq__(self, other):
        if not isinstance(other, NalUnit):
            return NotImplemented
        return (self._data, self._offset) == ((<NalUnit>other)._data, (<NalUnit>other)._offset)

    def __hash__(self):
        return hash((self._data, self._offset))

    def __repr__(self):
        return f"NalUnit(offset={self._offset}, {len(self._data)} bytes)"


cdef enum:
    # A call's bytes are taken in by pieces of at most this size, so that they stay in the
    # processor's second cache and a call of any size needs no larger buffer.
    PIECE_BYTES = 1024 * 1024
    # NAL units that one stretch without the GIL may find.
    FOUND_UNITS = 128


cdef struct Found:
    uint64_t code
    uint64_t payload
    uint64_t end
    bint too_long


@cython.final
cdef class AnnexBSplitter:
    """Cuts an Annex-B byte stream into NAL units.

    ``feed`` takes any piece of the stream, ``take`` gives the units in order, ``finish`` says
    that the stream ends. How the stream was cut never changes what comes out. Bytes that belong
    to no NAL unit are skipped and counted. A unit of more than ``max_nal_bytes`` (default
    32 MiB) is dropped: ``take`` raises :class:`InvalidBitstream` in its place, once, and the
    stream goes on at the next start code. At most ``max_nal_bytes`` and one piece of 1 MiB wait
    inside, plus the units that are ready.

    One thread at a time may feed; others get :class:`InvalidInput`.
    """

    cdef ByteStream _stream
    cdef uint64_t _max_nal_bytes
    cdef object _ready
    cdef bint _in_nal
    cdef bint _busy
    cdef size_t _found_count
    cdef Found[FOUND_UNITS] _found

    def __cinit__(self, *, max_nal_bytes=DEFAULT_MAX_NAL_BYTES):
        self._max_nal_bytes = checked_limit(max_nal_bytes, "max_nal_bytes")
        self._ready = deque()

    def __dealloc__(self):
        release(&self._stream)

    def feed(self, data):
        """Take the next bytes of the stream; returns how many units are ready to take.

        ``data`` is bytes, bytearray, memoryview or any contiguous buffer of bytes, of any length;
        it is copied. Raises :class:`InvalidInput` for anything else.
        """
        cdef Py_buffer view
        if PyBytes_CheckExact(data):
            self._take_in(<const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        else:
            open_view(data, &view)
            try:
                self._take_in(<const uint8_t *>view.buf, view.len)
            finally:
                PyBuffer_Release(&view)
        return len(self._ready)

    def take(self):
        """The next :class:`NalUnit`, or None when more bytes are needed.

        Raises :class:`InvalidBitstream` in the place of a unit that broke the limit.
        """
        if not self._ready:
            return None
        item = self._ready.popleft()
        if isinstance(item, InvalidBitstream):
            raise item
        return item

    def finish(self):
        """End of stream: what is held becomes the last unit. Returns how many are ready.

        Feeding more afterwards begins a new stream; offsets go on.
        """
        self._enter()
        try:
            if self._in_nal:
                end_here(&self._stream)
                self._end_nal()
                self._hand_over()
            restart(&self._stream)
        finally:
            self._busy = False
        return len(self._ready)

    def reset(self):
        """Forget everything: pending bytes, ready units, counters."""
        self._enter()
        release(&self._stream)
        self._in_nal = False
        self._ready.clear()
        self._busy = False

    def __iter__(self):
        return self

    def __next__(self):
        unit = self.take()
        if unit is None:
            raise StopIteration
        return unit

    @property
    def offset(self):
        """Bytes fed so far: the position in the stream of the next byte."""
        return self._stream.tail

    @property
    def pending_bytes(self):
        """Bytes held inside that are in no ready unit yet."""
        return self._stream.tail - self._stream.head

    @property
    def garbage_bytes(self):
        """Bytes that are in no NAL unit, start code or zero padding, or in a unit too long."""
        return all_garbage(&self._stream)

    cdef int _enter(self) except -1:
        if self._busy:
            raise InvalidInput("another thread is feeding this splitter", hint="use a lock")
        self._busy = True
        return 0

    cdef int _take_in(self, const uint8_t *data, size_t size) except -1:
        cdef bint without_gil = size >= NOGIL_BYTES
        cdef size_t piece
        self._enter()
        try:
            while size:
                piece = size if size < PIECE_BYTES else PIECE_BYTES
                if append(&self._stream, data, piece) < 0:
                    raise MemoryError
                data += piece
                size -= piece
                while True:
                    if without_gil:
                        with nogil:
                            self._search()
                    else:
                        self._search()
                    if self._found_count == 0:
                        break
                    self._hand_over()
        finally:
            self._busy = False
        return 0

    cdef void _search(self) noexcept nogil:
        """Find NAL units until the bytes or the room for them end."""
        cdef ByteStream *s = &self._stream
        while self._found_count < FOUND_UNITS:
            if self._in_nal:
                if not find_end(s):
                    if settled(s, s.payload) - s.payload > self._max_nal_bytes:
                        self._end_nal()
                    break
                self._end_nal()
            else:
                if not find_start(s):
                    break
                self._in_nal = True
        if self._found_count == 0:
            if self._in_nal:
                s.head = s.code
            else:
                forget_outside(s)

    cdef void _end_nal(self) noexcept nogil:
        """Note the NAL unit that has ended, or is too long already."""
        cdef ByteStream *s = &self._stream
        cdef Found *found = &self._found[self._found_count]
        found.code = s.code
        found.payload = s.payload
        found.end = s.end
        found.too_long = s.place == IN_NAL or s.end - s.payload > self._max_nal_bytes
        if found.too_long:
            give_up(s, s.code)
        if found.too_long or s.end > s.payload:
            self._found_count += 1
        self._in_nal = False

    cdef int _hand_over(self) except -1:
        cdef size_t i
        cdef size_t count = self._found_count
        cdef Found *found
        cdef NalUnit unit
        self._found_count = 0
        for i in range(count):
            found = &self._found[i]
            if found.too_long:
                self._ready.append(InvalidBitstream(
                    f"NAL unit at byte {found.code} is longer than "
                    f"max_nal_bytes={self._max_nal_bytes}",
                    offset=found.code,
                    hint="it is dropped; raise the limit if the stream is right",
                ))
                continue
            unit = NalUnit.__new__(NalUnit)
            unit._data = PyBytes_FromStringAndSize(
                <const char *>at(&self._stream, found.payload),
                <Py_ssize_t>(found.end - found.payload),
            )
            unit._offset = found.code
            self._ready.append(unit)
        return 0


def find_zeros_in(const uint8_t[::1] data not None, size_t start=0, *, bint vectors=True):
    """The first i >= start with data[i:i+3] 00 00 00 or 00 00 01, or len(data): for the tests.

    ``vectors`` chooses between the search that is used and its plain twin.
    """
    cdef size_t size = <size_t>data.shape[0]
    if start >= size:
        return size
    if vectors:
        return find_zeros(&data[0], start, size)
    return find_zeros_scalar(&data[0], start, size)
