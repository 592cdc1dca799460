# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=False
# distutils: language = c++
"""VideoToolbox as Python sees it: a session's queues, the images that come out, what it decodes.

Owns: the step between Python's objects and the C++ of ``_native/vt_session.hpp``. Must not know:
the order of presentation, what becomes of pictures, arguments of the API.
"""

from time import monotonic

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t, uintptr_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

from ._native.apple cimport (
    CFRelease,
    CFRetain,
    CGRect,
    CVImageBufferGetCleanRect,
    CVPixelBufferGetBaseAddressOfPlane,
    CVPixelBufferGetBytesPerRowOfPlane,
    CVPixelBufferGetHeight,
    CVPixelBufferGetIOSurface,
    CVPixelBufferGetPixelFormatType,
    CVPixelBufferGetPlaneCount,
    CVPixelBufferGetWidth,
    CVPixelBufferLockBaseAddress,
    CVPixelBufferRef,
    CVPixelBufferUnlockBaseAddress,
    OSStatus,
    MTLPixelFormatR16Unorm,
    MTLPixelFormatR8Unorm,
    MTLPixelFormatRG16Unorm,
    MTLPixelFormatRG8Unorm,
    VTIsHardwareDecodeSupported,
    VTRegisterSupplementalVideoDecoderIfAvailable,
    kCVPixelBufferLock_ReadOnly,
    kVTDecodeInfo_FrameDropped,
)

from numpy import ndarray as _ndarray

from .errors import BackendError
from .status import VIDEOTOOLBOX as _VIDEOTOOLBOX, backend_error


cdef extern from "_native/vt_session.hpp" nogil:
    cbool vt_forked "videohw::vt_forked"()
    void watch_forks "videohw::vt_watch_forks"()

    cppclass VtFailure "videohw::VtFailure":
        const char *call
        OSStatus code

    cppclass MetalKernels "videohw::MetalKernels":
        @staticmethod
        shared_ptr[MetalKernels] shared(const string &source, const string &path, string *why) \
            except +
        unsigned long max_threads(const string &kernel, string *why) except +

    cppclass MetalPixels "videohw::MetalPixels":
        void *contents()
        void *handed_out()
        size_t bytes

    cppclass MetalPlan "videohw::MetalPlan":
        uint32_t pixel_format
        size_t width, height
        unsigned long texture_formats[2]
        string kernel
        vector[uint8_t] arguments
        unsigned long threadgroups[3]
        unsigned long threads[3]
        vector[unsigned long] threadgroup_bytes, offsets
        size_t bytes
        unsigned long source_texture, target_buffer, arguments_buffer

    cppclass MetalFailure "videohw::MetalFailure":
        const char *call
        long code

    cppclass VtSequence "videohw::VtSequence":
        unsigned number
        uint32_t pixel_format
        vector[vector[uint8_t]] sets
        int width, height
        shared_ptr[const MetalPlan] conversion

    enum InputKind "videohw::VtInput::Kind":
        a_picture "videohw::VtInput::picture"
        a_mark "videohw::VtInput::mark"
        a_drain "videohw::VtInput::drain"

    cppclass VtInput "videohw::VtInput":
        InputKind kind
        const unsigned char *data
        size_t bytes
        long long serial, time
        cbool random_access
        unsigned sequence

    cppclass VtEvent "videohw::VtEvent":
        int kind
        long long serial
        VtFailure failure
        CVPixelBufferRef image
        shared_ptr[MetalPixels] pixels
        MetalFailure unconverted
        uint32_t flags
        int64_t decoded_ns, converted_ns

    cppclass VtSettings "videohw::VtSettings":
        uint32_t codec
        unsigned under_way
        size_t max_ready
        cbool keeps_images, requires_hardware
        double conversion_seconds

    cppclass VtCounters "videohw::VtCounters":
        uint64_t sessions, lost, retries
        int hardware

    cppclass VtSession "videohw::VtSession":
        VtSession(const VtSettings &settings, shared_ptr[MetalKernels] kernels) except +
        uint64_t version()
        void wait(uint64_t seen, double seconds)
        void notify()
        void push_sequence(VtSequence sequence) except +
        void push(const VtInput &input) except +
        cbool pop(VtEvent *event)
        size_t queued()
        void set_ready(size_t count)
        void reset(uint64_t number)
        uint64_t resets_done()
        void close()
        double busy_seconds()
        VtCounters counters()
        void run()


cdef extern from "_native/vt_image.hpp" nogil:
    cppclass VtAttachments "videohw::VtAttachments":
        int matrix, primaries, transfer, siting
        int64_t aspect_width, aspect_height

    VtAttachments vt_attachments "videohw::vt_attachments"(CVPixelBufferRef image)


cdef extern from "_native/metal_dlpack.hpp" nogil:
    struct DLManagedTensorVersioned:
        void (*deleter)(DLManagedTensorVersioned *) noexcept nogil

    DLManagedTensorVersioned *metal_exported "videohw::metal_exported"(
        const shared_ptr[MetalPixels] &pixels, int dimensions, const int64_t *shape, uint8_t kind,
        uint8_t bits)

    enum:
        dlpack_cpu "videohw::dlpack_cpu"
        dlpack_metal "videohw::dlpack_metal"
        dlpack_unsigned "videohw::dlpack_unsigned"
        dlpack_float "videohw::dlpack_float"


BEGUN, ENDED, MARK, DRAINED, LOST = range(5)
NEEDS_ACCESS_POINT, NO_IMAGE, NO_MEMORY, NO_SETS = 1, 2, 3, 4
FRAME_DROPPED = kVTDecodeInfo_FrameDropped
# How long a wait lasts before signals are looked at.
cdef double _SLICE_SECONDS = 0.1

watch_forks()


def forked():
    """Whether this is a forked child of the process that loaded the frameworks."""
    return bool(vt_forked())


def hardware_decodes(uint32_t codec):
    """Whether the system decodes a codec, by its four characters, in hardware."""
    cdef unsigned char answer
    with nogil:
        answer = VTIsHardwareDecodeSupported(codec)
    return bool(answer)


def register_decoder(uint32_t codec):
    """Have the system offer a decoder that it has beside the usual ones, by four characters."""
    with nogil:
        VTRegisterSupplementalVideoDecoderIfAvailable(codec)


cdef object _OURS = object()


@cython.final
cdef object _failed(str call, OSStatus code):
    """The error for an image whose pixels cannot be looked at; 0: there was no answer."""
    if code:
        error = backend_error(_VIDEOTOOLBOX, call, code)
    else:
        error = BackendError(f"{call} gave no memory", domain="videohw", call=call)
    error.hint = error.hint or "drop the frames that are no longer needed, or use fewer sessions"
    return error


cdef class _Plane:
    """The bytes of one plane of an image, read-only; keeps the image locked."""

    cdef Image image
    cdef void *address
    cdef Py_ssize_t length

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("planes come with an image")

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.address, self.length, 1, flags)


@cython.final
cdef class Image:
    """A CVPixelBuffer, kept as long as this or an array of its planes lives.

    ``pixel_format`` is its four-character code; ``clean`` what is to be seen of it: (left, top,
    width, height) in pixels, from the upper left; ``size`` all of it. ``attached`` is what the
    frameworks say of its colours: code points of H.273 (matrix, primaries, transfer), 2 where they
    say nothing, and chroma_sample_loc_type or -1. ``aspect``: (width, height) of a pixel, or None.
    """

    cdef CVPixelBufferRef buffer
    cdef bint locked
    cdef readonly unsigned int pixel_format
    cdef readonly tuple clean, size, attached, aspect

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("images come out of a session")

    def __dealloc__(self):
        if self.buffer == NULL or vt_forked():
            return
        with nogil:
            if self.locked:
                CVPixelBufferUnlockBaseAddress(self.buffer, kCVPixelBufferLock_ReadOnly)
            CFRelease(self.buffer)

    def device_planes(self, layout):
        """The planes as :class:`DeviceArray`; ``layout`` as of :meth:`planes`. Nothing is locked
        until one is looked at by the host."""
        cdef DeviceArray plane
        made = []
        for index, (_, _, shape, _, typestr) in enumerate(layout):
            plane = DeviceArray.__new__(DeviceArray, _OURS)
            plane.image, plane.layout, plane.index = self, layout, index
            plane.shape, plane.typestr = shape, typestr
            made.append(plane)
        return tuple(made)

    def planes(self, layout):
        """Read-only NumPy arrays of the planes: (x offset in bytes, first row, shape, strides
        without that of the rows, typestr) each. They look at the image itself, and keep it."""
        cdef _Plane plane
        cdef size_t index, pitch
        cdef OSStatus code = 0
        if not self.locked:
            with nogil:
                code = CVPixelBufferLockBaseAddress(self.buffer, kCVPixelBufferLock_ReadOnly)
            if code:
                raise _failed("CVPixelBufferLockBaseAddress", code)
            self.locked = True
        made = []
        for index, (x_bytes, row, shape, inner, typestr) in enumerate(layout):
            pitch = CVPixelBufferGetBytesPerRowOfPlane(self.buffer, index)
            plane = _Plane.__new__(_Plane, _OURS)
            plane.image = self
            plane.address = CVPixelBufferGetBaseAddressOfPlane(self.buffer, index)
            if plane.address == NULL:
                raise _failed("CVPixelBufferGetBaseAddressOfPlane", 0)
            plane.length = pitch * (row + shape[0])
            strides = (pitch, *inner)
            made.append(_ndarray(shape, typestr, plane, row * pitch + x_bytes, strides))
        return tuple(made)

    def capsule(self):
        """The CVPixelBuffer as a capsule of that name, which keeps it."""
        made = PyCapsule_New(self.buffer, _CAPSULE, _capsule_gone)
        CFRetain(self.buffer)
        return made


cdef const char *_CAPSULE = "CVPixelBuffer"


cdef void _capsule_gone(object capsule) noexcept:
    if not vt_forked():
        CFRelease(PyCapsule_GetPointer(capsule, _CAPSULE))


def whole_image(planes):
    """The :class:`Image` of which these arrays are all the planes, each from its first byte on and
    row by row as it lies, as :meth:`Image.planes` makes them; else None."""
    cdef Image image = None
    cdef size_t index
    for index, array in enumerate(planes):
        owner = array.base if type(array) is _ndarray else None
        if type(owner) is not _Plane:
            return None
        if image is None:
            image = (<_Plane>owner).image
        elif image is not (<_Plane>owner).image:
            return None
        address = array.__array_interface__["data"][0]
        if address != <uintptr_t>CVPixelBufferGetBaseAddressOfPlane(image.buffer, index):
            return None
        if array.strides[0] != CVPixelBufferGetBytesPerRowOfPlane(image.buffer, index):
            return None
    if image is None or len(planes) != CVPixelBufferGetPlaneCount(image.buffer):
        return None
    return image


cdef Image _image(CVPixelBufferRef buffer):
    """Takes over the reference."""
    cdef CGRect rect
    cdef Image made = Image.__new__(Image, _OURS)
    made.buffer = buffer
    made.pixel_format = CVPixelBufferGetPixelFormatType(buffer)
    rect = CVImageBufferGetCleanRect(buffer)
    # Its origin is the lower left corner.
    made.size = CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer)
    top = made.size[1] - rect.origin.y - rect.size.height
    cdef VtAttachments found = vt_attachments(buffer)
    made.attached = found.matrix, found.primaries, found.transfer, found.siting
    if found.aspect_width > 0 and found.aspect_height > 0:
        made.aspect = found.aspect_width, found.aspect_height
    made.clean = int(rect.origin.x), int(top), int(rect.size.width), int(rect.size.height)
    return made


@cython.final
cdef class Kernels:
    """The kernels of the system's Metal device, compiled, kept as long as somebody has them."""

    cdef shared_ptr[MetalKernels] kernels

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("kernels come from metal_kernels()")

    def max_threads(self, kernel):
        """The most threads of a threadgroup of a kernel; a text says why it cannot be used."""
        cdef string name = kernel.encode(), why
        cdef unsigned long found
        with nogil:
            found = self.kernels.get().max_threads(name, &why)
        return found if found else why.decode(errors="replace")


def metal_kernels(bytes source not None, path):
    """The kernels as :class:`Kernels`, or a text that says why there are none.

    ``path`` of a library that was compiled beforehand, or None; where that does not do, the
    ``source`` is compiled.
    """
    cdef string text = source, file = (path or "").encode(), why
    cdef Kernels made = Kernels.__new__(Kernels, _OURS)
    with nogil:
        made.kernels = MetalKernels.shared(text, file, &why)
    return why.decode(errors="replace") if made.kernels.get() == NULL else made


cdef dict _TEXTURE_FORMATS = {
    "R8Unorm": MTLPixelFormatR8Unorm, "RG8Unorm": MTLPixelFormatRG8Unorm,
    "R16Unorm": MTLPixelFormatR16Unorm, "RG16Unorm": MTLPixelFormatRG16Unorm,
}


@cython.final
cdef class Conversion:
    """One dispatch for images of one kind: a pixel format by its four characters, all that is to
    be seen in pixels, from the upper left corner, and the names of the textures' formats.

    ``launch``: (kernel, threadgroups, threads, lengths of threadgroup memory, bytes of the
    arguments); ``target``: (bytes of the buffer, offsets of what is bound of it); ``places``:
    the indices of (the first source texture, the first target buffer, the arguments).
    """

    cdef shared_ptr[const MetalPlan] plan

    def __cinit__(
        self, uint32_t pixel_format, size, texture_formats, launch, target, places,
    ):
        cdef shared_ptr[MetalPlan] made = make_shared[MetalPlan]()
        cdef MetalPlan *plan = made.get()
        cdef bytes arguments
        cdef const uint8_t *data
        cdef int index
        plan.pixel_format = pixel_format
        plan.width, plan.height = size
        kernel, threadgroups, threads, threadgroup_bytes, arguments = launch
        for index in range(2):
            plan.texture_formats[index] = _TEXTURE_FORMATS[texture_formats[index]]
        for index in range(3):
            plan.threadgroups[index] = threadgroups[index]
            plan.threads[index] = threads[index]
        plan.kernel = kernel.encode()
        data = <const uint8_t *>PyBytes_AS_STRING(arguments)
        plan.arguments.assign(data, data + PyBytes_GET_SIZE(arguments))
        plan.threadgroup_bytes = threadgroup_bytes
        plan.bytes, plan.offsets = target
        plan.source_texture, plan.target_buffer, plan.arguments_buffer = places
        self.plan = <shared_ptr[const MetalPlan]>made


@cython.final
cdef class Pixels:
    """What a conversion made, in memory of the host and the device, kept as long as this or an
    array of it lives."""

    cdef shared_ptr[MetalPixels] pixels

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("pixels come out of a session")

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        cdef MetalPixels *found = self.pixels.get()
        PyBuffer_FillInfo(buffer, self, found.contents(), found.bytes, 1, flags)

    def array(self, shape, typestr):
        """A read-only NumPy array of them, without padding; it keeps them."""
        return _ndarray(shape, typestr, self)

    def device_array(self, tuple shape not None, typestr):
        """The same for the device."""
        cdef DeviceArray made = DeviceArray.__new__(DeviceArray, _OURS)
        made.pixels, made.shape, made.typestr = self, shape, typestr
        return made


cdef dict _DTYPES = {
    "|u1": (dlpack_unsigned, 8), "<f2": (dlpack_float, 16), "<f4": (dlpack_float, 32),
}


@cython.final
cdef class DeviceArray:
    """A plane of a frame in device memory, which a Mac's processor shares; complete.

    Of what Metal converted: an MTLBuffer, rows without padding, at ``metal_buffer`` and for
    DLPack as kDLMetal. Of a frame of VideoToolbox's own: the plane ``index`` of the CVPixelBuffer
    at ``pixel_buffer``, on the IOSurface at ``io_surface``. The addresses hold as long as this
    lives; who uses one on the device keeps this, or a reference of its own, until that is done.
    """

    cdef Pixels pixels
    cdef Image image
    cdef object layout
    cdef readonly tuple shape
    cdef readonly str typestr
    cdef readonly int index

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("arrays come with a frame")

    @property
    def metal_buffer(self):
        """The address of the MTLBuffer, None of an image's plane."""
        if self.pixels is None:
            return None
        return <uintptr_t>self.pixels.pixels.get().handed_out()

    @property
    def pixel_buffer(self):
        """The CVPixelBufferRef, None of converted pixels."""
        return None if self.image is None else <uintptr_t>self.image.buffer

    @property
    def io_surface(self):
        """The IOSurfaceRef, None of converted pixels and where the image has none."""
        if self.image is None:
            return None
        return <uintptr_t>CVPixelBufferGetIOSurface(self.image.buffer) or None

    def to_host(self):
        """A read-only NumPy array of the same memory."""
        if self.pixels is not None:
            return self.pixels.array(self.shape, self.typestr)
        return self.image.planes(self.layout)[self.index]

    def joined(self, planes):
        """This, where there are no further planes."""
        return None if planes else self

    def __dlpack_device__(self):
        return dlpack_metal, 0

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """A capsule for ``from_dlpack`` of another library, which knows DLPack 1.0: the memory is
        read-only. ``dl_device`` (1, 0) gives the same memory to the processor. BufferError for
        what cannot be."""
        cdef DLManagedTensorVersioned *managed
        cdef int64_t shape[4]
        cdef Py_ssize_t place
        versioned = max_version is not None and tuple(max_version) >= (1, 0)
        if dl_device is not None and tuple(dl_device) == (dlpack_cpu, 0):
            array = self.to_host()
            if copy or not versioned:
                if copy is False:
                    raise BufferError("the memory is read-only and the consumer cannot be told so")
                return array.copy().__dlpack__()
            return array.__dlpack__(max_version=max_version)
        if dl_device is not None and tuple(dl_device) != (dlpack_metal, 0):
            raise BufferError(f"the array is on device {self.__dlpack_device__()}, not {dl_device}")
        if stream not in (None, -1):
            raise BufferError("stream must be None: the array is complete")
        if self.pixels is None:
            raise BufferError("an image is no buffer of Metal: make a texture of pixel_buffer")
        if copy or not versioned:
            raise BufferError(
                "the memory is read-only, and copied by the consumer, which is to know DLPack 1.0"
            )
        for place, length in enumerate(self.shape):
            shape[place] = length
        kind, bits = _DTYPES[self.typestr]
        managed = metal_exported(self.pixels.pixels, len(self.shape), shape, kind, bits)
        if managed == NULL:
            raise MemoryError("memory ran out")
        return PyCapsule_New(managed, "dltensor_versioned", _unused)


cdef void _unused(object capsule) noexcept:
    """A capsule that nobody took."""
    cdef DLManagedTensorVersioned *managed
    if PyCapsule_IsValid(capsule, "dltensor_versioned"):
        managed = <DLManagedTensorVersioned *>PyCapsule_GetPointer(capsule, "dltensor_versioned")
        with nogil:
            managed.deleter(managed)


@cython.final
cdef class Core:
    """The C++ session: what is queued for it and what comes out; see ``vt_session.hpp``.

    ``codec`` by its four characters; ``under_way``: frames that VideoToolbox is given at a time;
    ``kernels``: :class:`Kernels` that images are converted by, or None.
    The thread that calls :meth:`run` is the worker; everything else is for any thread.
    """

    cdef VtSession *session
    cdef bint running

    def __cinit__(
        self, uint32_t codec, *, unsigned under_way, size_t max_ready, bint keeps_images,
        bint requires_hardware, Kernels kernels=None, double conversion_seconds=5.0,
    ):
        cdef VtSettings settings
        cdef shared_ptr[MetalKernels] shared
        if kernels is not None:
            shared = kernels.kernels
        settings.conversion_seconds = conversion_seconds
        settings.codec, settings.under_way, settings.max_ready = codec, under_way, max_ready
        settings.keeps_images, settings.requires_hardware = keeps_images, requires_hardware
        self.session = new VtSession(settings, shared)

    def __dealloc__(self):
        # One whose worker never came back, or is of the parent of this process, is left behind.
        if self.session == NULL or self.running or vt_forked():
            return
        with nogil:
            del self.session

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

    def push_sequence(
        self, unsigned number, uint32_t pixel_format, sets, int width, int height,
        Conversion conversion=None,
    ):
        """Pictures of ``number`` have these parameter sets (bytes each), the one in force first of
        its kind, or of AV1 and VP9 this record, and this size; they are decoded to this pixel
        format, by its four characters, and converted."""
        cdef VtSequence made
        cdef const uint8_t *data
        cdef vector[uint8_t] copied
        made.number, made.pixel_format = number, pixel_format
        made.width, made.height = width, height
        for each in sets:
            data = <const uint8_t *>PyBytes_AS_STRING(each)
            copied.assign(data, data + PyBytes_GET_SIZE(each))
            made.sets.push_back(copied)
        if conversion is not None:
            made.conversion = conversion.plan
        self.session.push_sequence(move(made))

    def push_picture(
        self, bytes data not None, long long serial, long long time, bint random_access,
        unsigned sequence,
    ):
        """Queue NAL units behind 4-byte lengths; they are to be kept alive until it ended.

        ``time`` is its place in the order of presentation, ``sequence`` one that was pushed.
        """
        cdef VtInput item
        item.kind = a_picture
        item.data = <const unsigned char *>PyBytes_AS_STRING(data)
        item.bytes = PyBytes_GET_SIZE(data)
        item.serial, item.time = serial, time
        item.random_access, item.sequence = random_access, sequence
        self.session.push(item)

    def push_mark(self):
        """Queue a mark, which comes out when all before it is begun."""
        cdef VtInput item
        item.kind = a_mark
        self.session.push(item)

    def push_drain(self, long long number):
        """Queue the end of the stream."""
        cdef VtInput item
        item.kind = a_drain
        item.serial = number
        self.session.push(item)

    def pop(self):
        """The next event as a tuple, or None.

        (kind, serial, call, code, decode_info_flags, :class:`Image` or None, what Metal made,
        nanoseconds of decoding, and of converting). What Metal made of the image is
        :class:`Pixels`, or None; (call, code) where it was to and did not.
        """
        cdef VtEvent event
        cdef Image image = None
        cdef Pixels pixels
        made = None
        if not self.session.pop(&event):
            return None
        if event.image != NULL:
            image = _image(event.image)
        if event.unconverted.call != NULL:
            made = event.unconverted.call.decode(), event.unconverted.code
        elif event.pixels.get() != NULL:
            pixels = Pixels.__new__(Pixels, _OURS)
            pixels.pixels = event.pixels
            made = pixels
        call = event.failure.call.decode() if event.failure.call != NULL else None
        return (
            event.kind, event.serial, call, event.failure.code, event.flags, image, made,
            event.decoded_ns, event.converted_ns,
        )

    def queued(self):
        """How many inputs the worker has not begun."""
        return self.session.queued()

    def set_ready(self, size_t count):
        """So many outputs wait to be reaped."""
        self.session.set_ready(count)

    def reset(self, uint64_t number):
        """Drop everything queued and under way; :meth:`resets_done` gives ``number`` then."""
        with nogil:
            self.session.reset(number)

    def resets_done(self):
        """The number of the last reset that is done."""
        return self.session.resets_done()

    def close(self):
        """Have the worker give everything back and :meth:`run` return."""
        with nogil:
            self.session.close()

    def busy_seconds(self):
        """For how long nothing has come of what VideoToolbox works on; 0.0 when it does not."""
        return self.session.busy_seconds()

    def counters(self):
        """What the session did so far."""
        cdef VtCounters now = self.session.counters()
        return {
            "sessions_created": now.sessions, "sessions_lost": now.lost,
            "creations_retried": now.retries,
            "using_hardware": None if now.hardware < 0 else bool(now.hardware),
        }

    # The worker

    def run(self):
        """Work, without the GIL, until the session is closed."""
        self.running = True
        with nogil:
            self.session.run()
        self.running = False
