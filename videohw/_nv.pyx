# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=False
# distutils: language = c++
"""NVDEC as Python sees it: a session's queues, the decoders kept between sessions, the caps.

Owns: the step between Python's objects and the C++ of ``_native/nvdec_session.hpp``. Must not
know: what becomes of pictures, arguments of the API.
"""

from time import monotonic

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.vector cimport vector

from ._cuda cimport (
    Block,
    Context,
    Conversion,
    ConversionPlan,
    Device,
    HostBuffer,
    Pool,
    device_array,
    driver,
    failure,
    host_buffer,
    let_go_of_block,
    let_go_of_context,
    numpy,
)
from ._native.nvidia cimport CUresult, CUstream, nvidia_cuvid

import weakref


cdef extern from "_native/nvdec_session.hpp" nogil:
    ctypedef struct CUVIDAREA:
        int left, top, right, bottom

    ctypedef struct CUVIDEOFORMAT:
        int codec
        unsigned char progressive_sequence
        unsigned char bit_depth_luma_minus8
        unsigned char bit_depth_chroma_minus8
        unsigned char min_num_decode_surfaces
        unsigned int coded_width, coded_height
        CUVIDAREA display_area
        int chroma_format

    ctypedef struct CUVIDDECODECAPS:
        int eCodecType, eChromaFormat
        unsigned int nBitDepthMinus8
        unsigned char bIsSupported, nNumNVDECs
        unsigned short nOutputFormatMask
        unsigned int nMaxWidth, nMaxHeight, nMaxMBCount
        unsigned short nMinWidth, nMinHeight

    CUresult stream_is_of_context "videohw::stream_is_of"(
        Context &context, CUstream stream, cbool *is_of
    )
    void signal_of "videohw::signal_of"(const CUVIDEOFORMAT &format, int *values)

    cppclass DecoderPoolCounters "videohw::DecoderPoolCounters":
        uint64_t hits, misses, destroyed, abandoned
        size_t idle, idle_bytes

    cppclass DecoderPool "videohw::DecoderPool":
        DecoderPool(Context &context, const nvidia_cuvid &api, Pool &pinned)
        void set_limits(size_t most_idle_bytes, double idle_seconds)
        DecoderPoolCounters counters()
        void forget_caps()
        void retire()
        void close(double seconds)

    void end_decoders "videohw::end_decoders"(
        const shared_ptr[DecoderPool] &decoders, double seconds
    )
    CUresult call_caps "videohw::decoder_caps"(
        Context &context, const shared_ptr[DecoderPool] &decoders, CUVIDDECODECAPS *caps
    )
    void give_up_decoders "videohw::give_up_decoders"(
        Pool &memory, const shared_ptr[DecoderPool] &decoders
    )

    cppclass Failure "videohw::Failure":
        const char *call
        CUresult code

    enum InputKind "videohw::Input::Kind":
        a_picture "videohw::Input::picture"
        a_mark "videohw::Input::mark"
        a_drain "videohw::Input::drain"

    cppclass Input "videohw::Input":
        InputKind kind
        const unsigned char *data
        size_t bytes
        const unsigned char *sets
        size_t sets_bytes
        long long serial
        cbool random_access, in_order
        unsigned info
        int width, height

    cppclass NativeEvent "videohw::Event":
        int kind
        long long serial
        Failure failure
        unsigned sequence
        int status
        cbool progressive, top_field_first, left_out
        Block *block
        int64_t decoded_ns, converted_ns

    cppclass Standing "videohw::Standing":
        uint64_t version, resets_done
        double busy_seconds

    cppclass DecoderKind "videohw::DecoderKind":
        int codec, chroma_format, bit_depth, surface_format

    cppclass NativeSequence "videohw::Sequence":
        unsigned number, info
        CUVIDEOFORMAT format
        DecoderKind kind
        CUVIDAREA area
        unsigned surfaces
        CUVIDDECODECAPS caps

    cppclass PlaneCopy "videohw::PlaneCopy":
        unsigned surface_row
        size_t x_bytes, row_bytes, rows, offset, pitch

    enum PlanKind "videohw::Plan::Kind":
        nothing "videohw::Plan::nothing"
        by_copy "videohw::Plan::copy"
        by_kernel "videohw::Plan::kernel"

    cppclass NativePlan "videohw::Plan":
        PlanKind kind
        unsigned sequence
        cbool to_host
        size_t bytes
        unsigned planes
        PlaneCopy copies[3]
        ConversionPlan conversion
        unsigned surface_planes, block_planes
        unsigned surface_rows[3]
        size_t block_offsets[3]

    cppclass NvdecSettings "videohw::NvdecSettings":
        int codec
        unsigned lag, mapped
        size_t max_ready
        cbool maps
        double decoding_seconds

    cppclass NvdecCounters "videohw::NvdecCounters":
        uint64_t created, reconfigured, adopted, parsers, early_maps

    cppclass NvdecSession "videohw::NvdecSession":
        NvdecSession(
            Context &context, const nvidia_cuvid &api, DecoderPool &decoders, Pool &device_pool,
            Pool &host_pool, CUstream stream, const NvdecSettings &settings,
        ) except +
        uint64_t version()
        void wait(uint64_t seen, double seconds)
        void notify()
        void push(const Input &input) except +
        Standing collect(vector[NativeEvent] *events) except +
        size_t queued()
        void set_ready(size_t count)
        void reset(uint64_t number)
        void close()
        double busy_seconds()
        const char *calling()
        NvdecCounters counters()
        int run_int "run_for_plan"()
        const NativeSequence &sequence()
        const NativeSequence &refused()
        void set_plan(const NativePlan &plan)


BEGUN, ENDED, SHOWN, MARK, DRAINED, LOST = range(6)
NOTHING_DECODED = -2  # as a status
REFUSED_BY_CAPS, NO_PICTURE, NO_MEMORY, NO_PLAN, NEVER_DECODED = -1, -2, -3, -4, -5
# How long a wait lasts before signals are looked at.
cdef double _SLICE_SECONDS = 0.1
# A decoder takes up to 0.3 s to be destroyed; the caller's context waits for so long for all.
cdef double _END_SECONDS = 5.0


cdef const nvidia_cuvid *_cuvid() except NULL:
    cdef const nvidia_cuvid *api = driver().cuvid()
    if api == NULL:
        raise failure(-1, "dlopen", "cuvid")
    return api


def forked():
    """Whether this is a forked child of a process that used the driver, which works only there."""
    return bool(driver().forked())


def decoder_caps(Device device not None, int codec, int chroma_format, int bit_depth):
    """What ``cuvidGetDecoderCaps`` answers for a codec, chroma format and depth of ``device``.

    A dict of its fields; ``supported`` False where there is nothing more to say. Asked once, of
    which the sessions have it too.
    """
    cdef CUVIDDECODECAPS caps
    cdef CUresult code
    cdef Decoders decoders = decoders_of(device)
    memset(&caps, 0, sizeof(caps))
    caps.eCodecType, caps.eChromaFormat = codec, chroma_format
    caps.nBitDepthMinus8 = bit_depth - 8
    with nogil:
        code = call_caps(device.native.context, decoders.pool, &caps)
    if code:
        raise failure(code, "cuvidGetDecoderCaps", "cuvid")
    return _caps(caps)


def stream_is_of(Device device not None, size_t stream):
    """Whether ``stream``, the address of a CUstream, is one of the context of ``device``."""
    cdef cbool found = False
    cdef CUresult code
    with nogil:
        code = stream_is_of_context(device.native.context, <CUstream><void *>stream, &found)
    if code:
        raise failure(code, "cuStreamGetCtx")
    return bool(found)


cdef dict _caps(const CUVIDDECODECAPS &caps):
    return {
        "supported": bool(caps.bIsSupported),
        "decoders": caps.nNumNVDECs,
        "output_formats": caps.nOutputFormatMask,
        "max_width": caps.nMaxWidth,
        "max_height": caps.nMaxHeight,
        "max_macroblocks": caps.nMaxMBCount,
        "min_width": caps.nMinWidth,
        "min_height": caps.nMinHeight,
    }


_pools = weakref.WeakKeyDictionary()


@cython.final
cdef class Decoders:
    """The decoders of a device that are kept between sessions."""

    cdef shared_ptr[DecoderPool] pool  # its thread has it too, while it destroys
    cdef bint in_callers_context

    def __cinit__(self, Device device not None):
        self.pool = make_shared[DecoderPool](
            device.native.context, _cuvid()[0], device.native.pinned
        )
        self.in_callers_context = device.native.adopted()
        give_up_decoders(device.native.memory, self.pool)

    def __dealloc__(self):
        if self.pool.get() != NULL and not driver().forked():
            with nogil:
                if self.in_callers_context:
                    end_decoders(self.pool, _END_SECONDS)
                else:
                    self.pool.get().retire()
                self.pool.reset()

    def set_limits(self, size_t most_idle_bytes, double idle_seconds):
        """Keep at most so many bytes of surfaces, and no decoder for longer than that."""
        with nogil:
            self.pool.get().set_limits(most_idle_bytes, idle_seconds)

    def counters(self):
        """Hits, misses, destroyed and abandoned decoders, and those that are kept."""
        cdef DecoderPoolCounters now = self.pool.get().counters()
        return {
            "hits": now.hits, "misses": now.misses, "destroyed": now.destroyed,
            "abandoned": now.abandoned, "idle": now.idle, "idle_bytes": now.idle_bytes,
        }

    def forget_caps(self):
        """Ask the device again what it can decode."""
        self.pool.get().forget_caps()

    def close(self, double seconds):
        """Destroy everything that is kept; used at the end of the process."""
        if driver().forked():
            return
        with nogil:
            self.pool.get().close(seconds)


def decoders_of(Device device not None):
    """The :class:`Decoders` of ``device``, the same as long as it lives."""
    found = _pools.get(device)
    if found is None:
        found = _pools.setdefault(device, Decoders(device))
    return found


def forget_caps():
    """Ask every device again what it can decode."""
    for pool in list(_pools.values()):
        pool.forget_caps()


def close_pools(double seconds):
    """Destroy the decoders that are kept, waiting ``seconds`` for it at the most."""
    for pool in list(_pools.values()):
        pool.close(seconds)


@cython.final
cdef class Pixels:
    """The block of one picture; gives it back when nobody looks any more."""

    cdef Block *block
    cdef Device device
    cdef cbool on_host

    def __dealloc__(self):
        if self.block != NULL:
            let_go_of_block(self.block)

    def planes(self, layout):
        """Arrays of ``layout``: (offset in bytes, shape, strides in bytes, typestr) each.

        NumPy arrays of host memory, which are read-only, or :class:`~videohw._cuda.DeviceArray`.
        """
        cdef HostBuffer buffer
        if not self.on_host:
            return tuple([
                device_array(self.device, self.block, offset, shape, strides, typestr, True)
                for offset, shape, strides, typestr in layout
            ])
        buffer, ndarray = host_buffer(self.block), numpy().ndarray
        return tuple([
            ndarray(shape, typestr, buffer, offset, strides)
            for offset, shape, strides, typestr in layout
        ])


@cython.final
cdef class Core:
    """The C++ session: what is queued for it and what comes out; see ``nvdec_session.hpp``.

    ``stream`` is a CUstream of the caller's to work on, 0 for one of its own. The thread that
    calls :meth:`run` is the worker; everything else is for any thread.
    """

    cdef NvdecSession *session
    cdef Context *context  # in __dealloc__ the garbage collector may have taken `device` away
    cdef Device device
    cdef Decoders decoders
    cdef bint running, to_host

    def __cinit__(
        self, Device device not None, Decoders decoders not None, int codec, *, unsigned lag,
        unsigned mapped, size_t max_ready, bint maps, bint to_host, double decoding_seconds,
        size_t stream=0,
    ):
        cdef NvdecSettings settings
        settings.codec, settings.lag, settings.mapped = codec, lag, mapped
        settings.max_ready, settings.maps = max_ready, maps
        settings.decoding_seconds = decoding_seconds
        self.device = device
        self.decoders = decoders
        self.to_host = to_host
        self.session = new NvdecSession(
            device.native.context, _cuvid()[0], decoders.pool.get()[0], device.native.memory,
            device.native.pinned, <CUstream><void *>stream, settings,
        )
        self.context = &device.native.context
        self.context.retain()

    def __dealloc__(self):
        # One whose worker never came back, or is of the parent of this process, is left behind.
        if self.session == NULL or self.running or driver().forked():
            return
        with nogil:
            del self.session
            let_go_of_context(self.context[0])

    # Waiting

    def version(self):
        """A number that changes with everything that happens."""
        return self.session.version()

    def wait(self, uint64_t seen, timeout):
        """Return when the version is not ``seen`` any more, or after ``timeout`` seconds."""
        cdef double left
        deadline = None if timeout is None else monotonic() + timeout
        while self.session.version() == seen:
            left = _SLICE_SECONDS
            if deadline is not None:
                left = min(left, deadline - monotonic())
                if left <= 0:
                    return
            with nogil:
                self.session.wait(seen, left)
            PyErr_CheckSignals()

    def notify(self):
        """Change the version."""
        self.session.notify()

    # Queues

    def push_picture(
        self, bytes data not None, bytes sets not None, long long serial, bint random_access,
        bint in_order, unsigned info, int width=0, int height=0,
    ):
        """Queue an access unit; ``data`` and ``sets`` are to be kept alive until it ended.

        ``sets``: the parameter sets in force, for a parser that begins here, where ``data``
        brings none. ``info``: another number where something else is known of the sequence than
        before. ``width``, ``height``: of the pictures, where the parser's word is another's.
        """
        cdef Input item
        item.kind = a_picture
        item.data = <const unsigned char *>PyBytes_AS_STRING(data)
        item.bytes = PyBytes_GET_SIZE(data)
        item.sets = <const unsigned char *>PyBytes_AS_STRING(sets)
        item.sets_bytes = PyBytes_GET_SIZE(sets)
        item.serial = serial
        item.random_access, item.in_order, item.info = random_access, in_order, info
        item.width, item.height = width, height
        self.session.push(item)

    def push_mark(self):
        """Queue a mark, which comes out when all before it is parsed."""
        cdef Input item
        item.kind = a_mark
        self.session.push(item)

    def push_drain(self, long long number):
        """Queue the end of the stream."""
        cdef Input item
        item.kind = a_drain
        item.serial = number
        self.session.push(item)

    def collect(self):
        """(version, number of the last reset that is done, seconds that the worker has been at
        one input or picture, every event since the last time).

        An event is (kind, serial, call, code, sequence, status, progressive, top_field_first,
        left_out, Pixels or None, nanoseconds in the parser or mapping, nanoseconds converting).
        """
        cdef vector[NativeEvent] events
        cdef Standing now = self.session.collect(&events)
        cdef list made = []
        cdef size_t index, rest
        try:
            for index in range(events.size()):
                made.append(self._made(events[index]))
        except MemoryError:  # what has no owner yet would never be given back
            for rest in range(len(made) + 1, events.size()):
                if events[rest].block != NULL:
                    let_go_of_block(<Block *>events[rest].block)
            raise
        return now.version, now.resets_done, now.busy_seconds, made

    cdef tuple _made(self, const NativeEvent &event):
        cdef Pixels pixels = None
        if event.block != NULL:
            pixels = Pixels.__new__(Pixels)
            pixels.block, pixels.device = <Block *>event.block, self.device
            pixels.on_host = self.to_host
        call = event.failure.call.decode() if event.failure.call != NULL else None
        return (
            event.kind, event.serial, call, event.failure.code, event.sequence, event.status,
            event.progressive, event.top_field_first, event.left_out, pixels, event.decoded_ns,
            event.converted_ns,
        )

    def queued(self):
        """How many inputs the worker has not begun."""
        return self.session.queued()

    def set_ready(self, size_t count):
        """So many outputs wait to be reaped."""
        self.session.set_ready(count)

    def reset(self, uint64_t number):
        """Drop everything queued and under way; :meth:`collect` gives ``number`` then."""
        with nogil:
            self.session.reset(number)

    def close(self):
        """Have the worker give everything back and :meth:`run` return False."""
        with nogil:
            self.session.close()

    def busy_seconds(self):
        """How long the worker has been inside one call of the driver; 0.0 when it is not."""
        return self.session.busy_seconds()

    def calling(self):
        """The driver's function that the worker is in, None when it is in none."""
        cdef const char *call = self.session.calling()
        return call.decode() if call != NULL else None

    def counters(self):
        """What the session did with decoders and parsers so far."""
        cdef NvdecCounters now = self.session.counters()
        return {
            "decoders_created": now.created, "decoders_reconfigured": now.reconfigured,
            "decoders_adopted": now.adopted, "parsers": now.parsers,
            "mapped_early": now.early_maps,
        }

    # The worker

    def run(self):
        """Work, without the GIL, until a sequence needs a plan (True) or the end (False)."""
        cdef int wants_plan
        self.running = True
        with nogil:
            wants_plan = self.session.run_int()
        if not wants_plan:
            self.running = False
        return bool(wants_plan)

    def sequence(self):
        """What the driver's parser says of the newest sequence, as a dict."""
        return _sequence(self.session.sequence())

    def refused(self):
        """The same of the last sequence that the device cannot decode."""
        return _sequence(self.session.refused())

    def plan_nothing(self):
        """Nothing is mapped of the newest sequence."""
        cdef NativePlan plan
        plan.sequence = self.session.sequence().number
        self.session.set_plan(plan)

    def plan_copies(self, size_t total_bytes, copies):
        """Planes are copied: (first row of the surface, bytes across, bytes of a row, rows,
        offset in the block, its pitch) each."""
        cdef NativePlan plan
        plan.kind = by_copy
        plan.sequence = self.session.sequence().number
        plan.to_host = self.to_host
        plan.bytes = total_bytes
        plan.planes = len(copies)
        for index, copied in enumerate(copies[:3]):
            (
                plan.copies[index].surface_row, plan.copies[index].x_bytes,
                plan.copies[index].row_bytes, plan.copies[index].rows,
                plan.copies[index].offset, plan.copies[index].pitch,
            ) = copied
        self.session.set_plan(plan)

    def plan_kernel(
        self, size_t total_bytes, Conversion conversion not None, surface_rows, block_offsets
    ):
        """A kernel converts; where the planes of the surface begin, in rows, and those of the
        block, in bytes."""
        cdef NativePlan plan
        plan.kind = by_kernel
        plan.sequence = self.session.sequence().number
        plan.to_host = self.to_host
        plan.bytes = total_bytes
        plan.conversion = conversion.plan
        plan.surface_planes, plan.block_planes = len(surface_rows), len(block_offsets)
        for index, row in enumerate(surface_rows[:3]):
            plan.surface_rows[index] = row
        for index, offset in enumerate(block_offsets[:3]):
            plan.block_offsets[index] = offset
        self.session.set_plan(plan)


cdef dict _sequence(const NativeSequence &sequence):
    cdef int[4] signal
    signal_of(sequence.format, signal)
    shown, area = sequence.format.display_area, sequence.area
    return {
        "number": sequence.number,
        "info": sequence.info,
        "chroma_format": sequence.format.chroma_format,
        "bit_depth": sequence.format.bit_depth_luma_minus8 + 8,
        "chroma_bit_depth": sequence.format.bit_depth_chroma_minus8 + 8,
        "surface_format": sequence.kind.surface_format,
        "coded_size": (sequence.format.coded_width, sequence.format.coded_height),
        "size": (shown.right - shown.left, shown.bottom - shown.top),
        # From the decoder's own cut to what is shown.
        "left": shown.left - area.left,
        "top": shown.top - area.top,
        "target_size": (area.right - area.left, area.bottom - area.top),
        "surfaces": sequence.surfaces,
        "progressive": bool(sequence.format.progressive_sequence),
        "full_range": bool(signal[0]),
        "primaries": signal[1],
        "transfer": signal[2],
        "matrix": signal[3],
        "caps": _caps(sequence.caps),
    }
