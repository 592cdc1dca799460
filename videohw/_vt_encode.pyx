# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=False
# distutils: language = c++
"""VideoToolbox's encoders as Python sees them: sessions with their properties, queues, packets.

Owns: the step between Python's objects and the C++ of ``_native/vt_encoder.hpp``. Must not know:
times of decoding, what becomes of packets, arguments of the API.
"""

from time import monotonic

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

from ._native.apple cimport (
    CFRelease,
    CFRetain,
    CVPixelBufferGetBaseAddressOfPlane,
    CVPixelBufferGetBytesPerRowOfPlane,
    CVPixelBufferLockBaseAddress,
    CVPixelBufferRef,
    CVPixelBufferUnlockBaseAddress,
    OSStatus,
)

from numpy import ndarray as _ndarray


cdef extern from "_native/vt_session.hpp" nogil:
    cbool vt_forked "videohw::vt_forked"()
    void watch_forks "videohw::vt_watch_forks"()


cdef extern from "_native/vt_encoder.hpp" nogil:
    enum ValueKind "videohw::VtValue::Kind":
        kind_boolean "videohw::VtValue::boolean"
        kind_integer "videohw::VtValue::integer"
        kind_real "videohw::VtValue::real"
        kind_name "videohw::VtValue::name"
        kind_data "videohw::VtValue::data"
        kind_numbers "videohw::VtValue::numbers"
        kind_ratio "videohw::VtValue::ratio"
        kind_matrix "videohw::VtValue::matrix"
        kind_primaries "videohw::VtValue::primaries"
        kind_transfer "videohw::VtValue::transfer"

    cppclass VtValue "videohw::VtValue":
        ValueKind kind
        long long integer_value
        double real_value
        string text
        vector[uint8_t] bytes
        vector[double] list

    cppclass VtProperty "videohw::VtProperty":
        string name
        VtValue value
        cbool optional

    cppclass VtSettings "videohw::VtEncoderSettings":
        uint32_t codec
        int width, height
        uint32_t pixel_format
        cbool requires_hardware, low_latency_rate_control
        unsigned held
        vector[VtProperty] properties

    cppclass VtFailure "videohw::VtEncoderFailure":
        const char *call
        OSStatus code
        string about

    enum:
        no_memory "videohw::vt_encoder_no_memory"
        no_such_name "videohw::vt_no_such_name"
        no_packet "videohw::vt_no_packet"
        keyframe_disputed "videohw::vt_keyframe_disputed"
        wrong_picture "videohw::vt_wrong_picture"
        bad_sample "videohw::vt_bad_sample"
        not_hardware "videohw::vt_not_hardware"
        no_return "videohw::vt_no_return"

    cppclass VtErrand "videohw::VtErrand":
        cbool wait(double seconds)
        void abandon()
        VtFailure failure()

    const void *vt_string "videohw::vt_string"(const char *name)

    shared_ptr[VtErrand] vt_supported "videohw::vt_supported"(
        uint32_t codec, int width, int height, cbool requires_hardware, cbool low_latency,
        shared_ptr[vector[string]] names,
    ) except +

    ctypedef void (*VtCallback "VTCompressionOutputCallback")()
    VtCallback vt_callback "videohw::VtEncoder::callback"

    cppclass VtCompression "videohw::VtCompression":
        @staticmethod
        shared_ptr[VtErrand] open(
            shared_ptr[VtCompression] made, VtSettings wanted, VtCallback callback
        ) except +
        VtFailure make_buffer(CVPixelBufferRef *buffer)
        void close()
        VtSettings settings
        int hardware
        unsigned retries

    enum InputKind "videohw::VtEncoderInput::Kind":
        a_picture "videohw::VtEncoderInput::picture"
        a_change "videohw::VtEncoderInput::change"
        a_swap "videohw::VtEncoderInput::swap"
        a_drain "videohw::VtEncoderInput::drain"

    cppclass VtInput "videohw::VtEncoderInput":
        InputKind kind
        long long serial
        CVPixelBufferRef image
        int64_t time, duration
        int32_t timescale
        cbool force_keyframe
        vector[VtProperty] properties
        shared_ptr[VtCompression] next

    cppclass VtEvent "videohw::VtEncoderEvent":
        int kind
        long long serial
        VtFailure failure
        cbool keyframe
        vector[uint8_t] data
        int64_t coded_ns

    cppclass VtCounters "videohw::VtEncoderCounters":
        uint64_t sessions, frames, dropped, most_under_way, found_held
        int hardware

    cppclass VtEncoder "videohw::VtEncoder":
        VtEncoder(shared_ptr[VtCompression] first, size_t max_ready) except +
        uint64_t version()
        void wait(uint64_t seen, double seconds)
        void notify()
        void push(VtInput input) except +
        cbool pop(VtEvent *event)
        size_t queued()
        void set_ready(size_t count)
        void close()
        double busy_seconds()
        VtCounters counters()
        void run()


PACKET, DROPPED, FAILED, CHANGED, DRAINED, LOST = range(6)
NO_MEMORY, NO_SUCH_NAME, NO_PACKET = no_memory, no_such_name, no_packet
KEYFRAME_DISPUTED, WRONG_PICTURE = keyframe_disputed, wrong_picture
BAD_SAMPLE, NOT_HARDWARE, NO_RETURN = bad_sample, not_hardware, no_return
# How long a wait lasts before signals are looked at.
cdef double _SLICE_SECONDS = 0.1
_KINDS = {
    "boolean": kind_boolean, "integer": kind_integer, "real": kind_real, "name": kind_name,
    "data": kind_data, "numbers": kind_numbers, "ratio": kind_ratio, "matrix": kind_matrix,
    "primaries": kind_primaries, "transfer": kind_transfer,
}

watch_forks()


cdef tuple _told(VtFailure &failure):
    """(call, code, what it is about), or None where nothing failed."""
    if failure.code == 0:
        return None
    call = failure.call.decode() if failure.call != NULL else None
    return call, failure.code, failure.about.decode()


cdef VtProperty _property(name, kind, value, optional) except *:
    cdef VtProperty made
    made.name = name.encode()
    made.optional = optional
    made.value.kind = _KINDS[kind]
    if kind == "real":
        made.value.real_value = value
    elif kind == "name":
        made.value.text = value.encode()
    elif kind == "data":
        made.value.bytes = value
    elif kind in ("numbers", "ratio"):
        made.value.list = value
    else:
        made.value.integer_value = value
    return made


cdef vector[VtProperty] _properties(given) except *:
    cdef vector[VtProperty] made
    for name, kind, value, optional in given:
        made.push_back(_property(name, kind, value, optional))
    return made


cdef tuple _ended(shared_ptr[VtErrand] errand, double seconds):
    """What came of the errand; after so many seconds it is left alone."""
    cdef VtErrand *work = errand.get()
    cdef cbool ended = False
    cdef double left = seconds
    cdef double deadline = monotonic() + seconds
    try:
        while not ended and left > 0:
            with nogil:
                ended = work.wait(min(left, _SLICE_SECONDS))
            PyErr_CheckSignals()
            left = deadline - monotonic()
    finally:
        if not ended:
            work.abandon()
    cdef VtFailure failure = work.failure()
    return _told(failure)


def supported(
    uint32_t codec, int width, int height, names, *, double seconds,
    bint requires_hardware=False, bint low_latency_rate_control=False,
):
    """Which of the properties an encoder takes: (names, None), or (None, failure).

    The system has ``seconds`` for the answer.
    """
    cdef shared_ptr[vector[string]] asked = make_shared[vector[string]]()
    for name in names:
        asked.get().push_back(name.encode())
    told = _ended(
        vt_supported(codec, width, height, requires_hardware, low_latency_rate_control, asked),
        seconds,
    )
    if told is not None:
        return None, told
    return frozenset(bytes(each).decode() for each in asked.get()[0]), None


def is_named(name):
    """Whether the system has the variable ``name``, of those that are declared."""
    return vt_string(name.encode()) != NULL


cdef object _OURS = object()


@cython.final
cdef class _Plane:
    """The bytes of one plane of a pixel buffer, writable until it is sealed."""

    cdef PixelBuffer buffer
    cdef void *address
    cdef Py_ssize_t length

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("planes come with a pixel buffer")

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.address, self.length, 0, flags)


@cython.final
cdef class PixelBuffer:
    """A CVPixelBuffer of an encoder's pool, or another one (:func:`borrowed_buffer`)."""

    cdef CVPixelBufferRef buffer
    cdef bint locked

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("pixel buffers come out of a session's pool")

    def __dealloc__(self):
        if self.buffer == NULL or vt_forked():
            return
        with nogil:
            if self.locked:
                CVPixelBufferUnlockBaseAddress(self.buffer, 0)
            CFRelease(self.buffer)

    def planes(self, layout):
        """(writable NumPy arrays of the planes, None), or (None, failure).

        ``layout``: (shape, strides without that of the rows, typestr) each. The arrays are of no
        use after :meth:`seal`, and must not outlive it.
        """
        cdef _Plane plane
        cdef size_t index, pitch
        cdef OSStatus code = 0
        if not self.locked:
            with nogil:
                code = CVPixelBufferLockBaseAddress(self.buffer, 0)
            if code:
                return None, ("CVPixelBufferLockBaseAddress", code, "")
            self.locked = True
        made = []
        for index, (shape, inner, typestr) in enumerate(layout):
            pitch = CVPixelBufferGetBytesPerRowOfPlane(self.buffer, index)
            plane = _Plane.__new__(_Plane, _OURS)
            plane.buffer = self
            plane.address = CVPixelBufferGetBaseAddressOfPlane(self.buffer, index)
            if plane.address == NULL:
                return None, ("CVPixelBufferGetBaseAddressOfPlane", no_memory, "")
            plane.length = pitch * shape[0]
            made.append(_ndarray(shape, typestr, plane, 0, (pitch, *inner)))
        return tuple(made), None

    def seal(self):
        """Nothing more is written."""
        if self.locked:
            self.locked = False
            with nogil:
                CVPixelBufferUnlockBaseAddress(self.buffer, 0)


def borrowed_buffer(capsule):
    """The :class:`PixelBuffer` in a capsule named CVPixelBuffer; nothing is written to it."""
    cdef PixelBuffer made = PixelBuffer.__new__(PixelBuffer, _OURS)
    cdef CVPixelBufferRef found = <CVPixelBufferRef>PyCapsule_GetPointer(capsule, "CVPixelBuffer")
    CFRetain(found)
    made.buffer = found
    return made


@cython.final
cdef class Compression:
    """A VTCompressionSession with its properties, ready for pictures.

    ``properties``: (name behind kVTCompressionPropertyKey_, kind, value, optional) each; kinds are
    boolean, integer, real, name (of a variable), data, numbers, ratio (width and height), and
    matrix, primaries, transfer (code points of H.273). ``held``: frames that it may hold until more
    come. ``seconds``: how long opening may take; one that comes later is given back then.
    :meth:`failure` says whether it could be opened.
    """

    cdef shared_ptr[VtCompression] session
    cdef object _failure

    def __cinit__(
        self, uint32_t codec, int width, int height, uint32_t pixel_format, properties, *,
        unsigned held, double seconds, bint requires_hardware=False,
        bint low_latency_rate_control=False,
    ):
        cdef VtSettings settings
        settings.codec, settings.width, settings.height = codec, width, height
        settings.pixel_format, settings.held = pixel_format, held
        settings.requires_hardware = requires_hardware
        settings.low_latency_rate_control = low_latency_rate_control
        settings.properties = _properties(properties)
        self.session = make_shared[VtCompression]()
        try:
            self._failure = _ended(VtCompression.open(self.session, settings, vt_callback), seconds)
        except BaseException:
            self._let_go()
            raise
        if self._failure is not None:  # the error that tells it may keep this one for long
            self._let_go()

    cdef void _let_go(self):
        cdef shared_ptr[VtCompression] nothing = make_shared[VtCompression]()
        with nogil:
            self.session.swap(nothing)
            nothing.reset()

    def __dealloc__(self):
        if vt_forked():  # its frameworks are not here: it is left behind
            new shared_ptr[VtCompression](self.session)
            return
        with nogil:
            self.session.reset()

    def failure(self):
        """(call, code, property) of what failed, or None."""
        return self._failure

    def hardware(self):
        """Whether the encoder says that it is of hardware; None where it does not say."""
        cdef int answer = self.session.get().hardware
        return None if answer < 0 else bool(answer)

    def retries(self):
        """How often an encoder was not available at the moment, and was asked for again."""
        return self.session.get().retries

    def buffer(self):
        """(:class:`PixelBuffer` of its pool, in its colour, None), or (None, failure)."""
        cdef CVPixelBufferRef made = NULL
        cdef VtFailure failure
        cdef VtCompression *session = self.session.get()
        with nogil:
            failure = session.make_buffer(&made)
        if failure.code:
            return None, _told(failure)
        cdef PixelBuffer buffer = PixelBuffer.__new__(PixelBuffer, _OURS)
        buffer.buffer = made
        return buffer, None

    def close(self):
        """Give it back. Only one that was never given to a :class:`Core` may be closed."""
        cdef VtCompression *session = self.session.get()
        with nogil:
            session.close()


@cython.final
cdef class Core:
    """The C++ session: what is queued for it and what comes out; see ``vt_encoder.hpp``.

    The thread that calls :meth:`run` is the worker; everything else is for any thread.
    """

    cdef VtEncoder *encoder
    cdef bint running

    def __cinit__(self, Compression first not None, *, size_t max_ready):
        self.encoder = new VtEncoder(first.session, max_ready)

    def __dealloc__(self):
        # One whose worker never came back, or is of the parent of this process, is left behind.
        if self.encoder == NULL or self.running or vt_forked():
            return
        with nogil:
            del self.encoder

    # Waiting

    def version(self):
        """A number that changes with everything that happens."""
        return self.encoder.version()

    def wait(self, uint64_t seen, timeout):
        """Return when the version is not ``seen`` any more, or after ``timeout`` seconds."""
        cdef double left
        deadline = None if timeout is None else monotonic() + timeout
        while self.encoder.version() == seen:
            left = _SLICE_SECONDS
            if deadline is not None:
                left = min(left, deadline - monotonic())
                if left <= 0:
                    return
            with nogil:
                self.encoder.wait(seen, left)
            PyErr_CheckSignals()

    def notify(self):
        """Change the version."""
        self.encoder.notify()

    # Queues

    def push_picture(
        self, long long serial, PixelBuffer buffer not None, int64_t time, int64_t duration,
        int32_t timescale, *, bint force_keyframe=False,
    ):
        """Queue a picture at ``time`` / ``timescale`` seconds; its buffer is sealed."""
        cdef VtInput item
        item.kind = a_picture
        item.serial, item.time, item.duration = serial, time, duration
        item.timescale, item.force_keyframe = timescale, force_keyframe
        buffer.seal()
        item.image = buffer.buffer
        buffer.buffer = NULL  # the reference goes along
        self.encoder.push(move(item))

    def push_change(self, long long number, properties):
        """Queue values of properties, of which those are set that differ then; all of them or
        none."""
        cdef VtInput item
        item.kind = a_change
        item.serial = number
        item.properties = _properties(properties)
        self.encoder.push(move(item))

    def push_swap(self, long long number, Compression next not None):
        """Queue another session, which takes the pictures that follow."""
        cdef VtInput item
        item.kind = a_swap
        item.serial = number
        item.next = next.session
        self.encoder.push(move(item))

    def push_drain(self, long long number):
        """Queue an end of the stream."""
        cdef VtInput item
        item.kind = a_drain
        item.serial = number
        self.encoder.push(move(item))

    def pop(self):
        """The next event as a tuple, or None.

        (kind, serial, failure, keyframe, bytes of a packet or None, nanoseconds of coding, or
        of the drain).
        """
        cdef VtEvent event
        if not self.encoder.pop(&event):
            return None
        data = None
        if event.data.size():
            data = PyBytes_FromStringAndSize(<const char *>event.data.data(), event.data.size())
        return (
            event.kind, event.serial, _told(event.failure), event.keyframe, data, event.coded_ns
        )

    def queued(self):
        """How many pictures the worker has not begun."""
        return self.encoder.queued()

    def set_ready(self, size_t count):
        """So many outputs wait to be reaped."""
        self.encoder.set_ready(count)

    def close(self):
        """Have the worker give everything back and :meth:`run` return."""
        with nogil:
            self.encoder.close()

    def busy_seconds(self):
        """For how long the worker is inside one call of VideoToolbox; 0.0 when it is not."""
        return self.encoder.busy_seconds()

    def counters(self):
        """What the session did so far."""
        cdef VtCounters now = self.encoder.counters()
        return {
            "sessions_created": now.sessions, "frames": now.frames, "dropped": now.dropped,
            "most_under_way": now.most_under_way, "found_held": now.found_held,
            "using_hardware": None if now.hardware < 0 else bool(now.hardware),
        }

    # The worker

    def run(self):
        """Work, without the GIL, until the session is closed."""
        self.running = True
        with nogil:
            self.encoder.run()
        self.running = False
