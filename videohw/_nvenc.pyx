# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=False
# distutils: language = c++
"""NVENC as Python sees it: the encoder library, what a device encodes, a session's queues.

Owns: the step between Python's objects and the C++ of ``_native/nvenc_session.hpp``. Must not
know: options, what becomes of packets, arguments of the API.
"""

from time import monotonic

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector

from ._cuda cimport (
    Context,
    Conversion,
    ConversionPlan,
    Device,
    Pool,
    driver,
    failure,
)
from ._native.nvidia cimport CUdeviceptr, CUresult, CUstream

from .errors import BackendError, InvalidInput, UnsupportedConfig
from .status import NVENC as _NVENC, backend_error


cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **text, Py_ssize_t newsize) except -1


cdef extern from "_native/nvenc_session.hpp" nogil:
    cppclass GUID "nvenc::GUID":
        pass

    cppclass NvencLibrary "videohw::NvencLibrary":
        cbool load()
        const char *why()
        unsigned max_version(uint32_t *code)

    unsigned spoken "videohw::NvencLibrary::spoken"(unsigned most)

    cppclass NamedGuid "videohw::NamedGuid":
        unsigned since
        const char *name
        GUID guid

    const vector[NamedGuid] &named_guids "videohw::named_guids"()

    cppclass NamedNumber "videohw::NamedNumber":
        unsigned since
        const char *name
        uint32_t number

    const vector[NamedNumber] &named_formats "videohw::named_formats"()
    size_t buffer_rows "videohw::buffer_rows"(uint32_t format, size_t height)

    cppclass FieldValue "videohw::FieldValue":
        string name
        long long value

    enum Coded "videohw::EncoderForm::Codec":
        pass

    cppclass EncoderForm "videohw::EncoderForm":
        Coded coded
        GUID codec, preset, profile
        vector[FieldValue] fields

    enum FieldProblem "videohw::FieldProblem":
        no_problem "videohw::FieldProblem::none"
        needs_13_0 "videohw::FieldProblem::needs_13_0"
        only_12_1 "videohw::FieldProblem::only_12_1"
        out_of_range "videohw::FieldProblem::out_of_range"

    FieldProblem filled_12_1 "videohw::filled_bytes<videohw::Api_12_1>"(
        const EncoderForm &form, vector[unsigned char] *init, vector[unsigned char] *config,
        string *which,
    ) except +
    FieldProblem filled_13_0 "videohw::filled_bytes<videohw::Api_13_0>"(
        const EncoderForm &form, vector[unsigned char] *init, vector[unsigned char] *config,
        string *which,
    ) except +

    cppclass NamedValue "std::pair<const char *, int>":
        const char *first
        int second

    cppclass CodecAnswers "videohw::CodecAnswers":
        const char *codec
        vector[const char *] profiles, presets, formats
        vector[NamedValue] caps

    cppclass Encoder "videohw::Encoder":
        uint32_t open(void *context)
        uint32_t ask(vector[CodecAnswers] *answers, const char **call) except +
        const char *last_error()
        const char *inside()
        uint32_t destroy()

    unique_ptr[Encoder] make_encoder "videohw::make_encoder"(
        NvencLibrary &library, unsigned api, uint32_t *code
    ) except +
    uint32_t ask_device "videohw::ask_device"(
        Context &context, Encoder &encoder, vector[CodecAnswers] *answers, const char **call,
        string *detail, int *cuda_code,
    ) except +

    cppclass SeiPayload "videohw::SeiPayload":
        uint32_t type
        vector[unsigned char] data

    cppclass PictureExtras "videohw::PictureExtras":
        cbool force_idr
        vector[SeiPayload] sei
        vector[signed char] qp_map
        int mark_reference
        uint32_t use_references, intra_refresh_frames

    cppclass NvencFailure "videohw::NvencFailure":
        const char *call
        int code
        cbool cuda

    cppclass PacketBytes "videohw::PacketBytes":
        void *object
        unsigned char *data
        size_t capacity

    cppclass NvencEvent "videohw::NvencEvent":
        int kind
        long long serial
        NvencFailure failure
        string detail
        PacketBytes into
        unsigned char *heap
        size_t bytes
        uint32_t picture_type, average_qp
        int64_t coded_ns

    cppclass NativeInput "videohw::HostInput":
        uint32_t pitch
        size_t rows
        unsigned char *memory()

    enum DeviceKind "videohw::DeviceInput::Kind":
        no_device "videohw::DeviceInput::none"
        as_it_lies "videohw::DeviceInput::direct"
        by_copy "videohw::DeviceInput::copy"
        by_kernel "videohw::DeviceInput::kernel"

    cppclass DeviceInput "videohw::DeviceInput":
        DeviceKind kind
        CUdeviceptr planes[3]
        size_t pitches[3]
        unsigned count
        size_t bytes, pitch
        size_t offsets[3]
        size_t row_bytes[3]
        size_t rows[3]
        size_t target_pitches[3]
        ConversionPlan conversion
        cbool watched

    cppclass SharedStream "videohw::SharedStream":
        pass

    enum ItemKind "videohw::NvencItem::Kind":
        a_picture "videohw::NvencItem::picture"
        a_change "videohw::NvencItem::change"
        a_drain "videohw::NvencItem::drain"

    cppclass NvencItem "videohw::NvencItem":
        ItemKind kind
        long long serial
        uint32_t width, height
        NativeInput host
        DeviceInput device
        PictureExtras extras
        SharedStream after
        EncoderForm form
        cbool reset

    cppclass NvencSettings "videohw::NvencSettings":
        EncoderForm form
        uint32_t format, width, height
        unsigned outputs, host_inputs, held
        size_t max_ready
        double busy_seconds

    cppclass NvencCounters "videohw::NvencCounters":
        uint64_t pictures, packets, reconfigured, registered, mapped, busy, plain_inputs
        uint64_t plain_packets, copied_in, copied_out, converted

    cppclass NativeChanges "videohw::Changes":
        uint64_t version()
        void wait(uint64_t seen, double seconds)
        void tell()

    cppclass NvencSession "videohw::NvencSession":
        void start() except +
        cbool opened()
        NvencFailure opening_failure(string *detail) except +
        void take_input(NativeInput *input) except +
        void seal(NativeInput *input)
        void give_input(NativeInput *input) except +
        void push(NvencItem item) except +
        size_t queued()
        cbool news(size_t sent, size_t ready, double stuck_seconds)
        CUstream stream()
        SharedStream shared_stream()
        void before_free(CUdeviceptr address, size_t bytes)
        cbool pop(NvencEvent *event)
        void set_ready(size_t count)
        cbool wants_bytes(size_t *capacity)
        void give_bytes(const PacketBytes &bytes) except +
        cbool take_bytes(PacketBytes *bytes)
        vector[unsigned char] parameter_sets() except +
        void close()
        cbool ended()
        double busy_seconds(const char **call)
        NvencCounters counters()

    shared_ptr[NvencSession] make_session "std::make_shared<videohw::NvencSession>"(
        shared_ptr[NativeChanges] changes, Context &context, Pool &device_pool,
        unique_ptr[Encoder] encoder, CUstream stream,
        const NvencSettings &settings,
    ) except +
    CUresult wait_for_stream_of "videohw::wait_for_stream_within"(
        Context &context, const shared_ptr[NvencSession] &session, CUstream other
    )


PACKET, FAILED, INPUT_DONE, RECONFIGURED, DRAINED, LOST = range(6)
# Codes of failures that are not the driver's.
NO_MEMORY, NO_THREAD, NO_BUFFER, WRONG_SIZE = -1, -2, -3, -4
KEYFRAME_TYPES = (3,)  # NV_ENC_PIC_TYPE_IDR
DRIVER_HINT = (
    "encoding needs the NVIDIA driver 530.41.03 or newer (on Windows 531.61); in a container set "
    "NVIDIA_DRIVER_CAPABILITIES=video,compute,utility"
)
# How long a wait lasts before signals are looked at.
cdef double _SLICE_SECONDS = 0.1
_CODECS = {"h264": 0, "hevc": 1, "av1": 2}

cdef NvencLibrary _library


# ---------------------------------------------------------------------------- the library

def max_version():
    """(major, minor) of the newest API that the driver's encoder library speaks, None without."""
    cdef uint32_t code = 0
    cdef unsigned version
    if not _library.load():
        return None
    with nogil:
        version = _library.max_version(&code)
    return (version // 100, version % 100) if version else None


def problem():
    """(reason, hint) why nothing can be encoded here, None when a device can be asked.

    Loads the library, nothing else; never raises.
    """
    cdef unsigned number = 0
    found = _refusal(&number)
    return None if found is None else (found.args[0], found.hint)


def api_version():
    """The version of the API that sessions are opened with, (12, 1) or (13, 0): the newest that
    the driver and this build speak. :class:`BackendError` when there is none."""
    cdef unsigned number = _negotiated()
    return number // 100, number % 100


cdef unsigned _negotiated() except 0:
    cdef unsigned number = 0
    found = _refusal(&number)
    if found is not None:
        raise found
    return number


cdef object _refusal(unsigned *number):
    """The error why nothing can be encoded here, or None with the version that is spoken."""
    cdef uint32_t code = 0
    cdef unsigned most
    # With the GIL: a fork never finds the lock of loading held by another thread.
    if not _library.load():
        why = _library.why().decode(errors="replace")
        return BackendError(why, domain=_NVENC, call="dlopen", hint=DRIVER_HINT)
    with nogil:
        most = _library.max_version(&code)
    if code:
        found = backend_error(_NVENC, "NvEncodeAPIGetMaxSupportedVersion", code)
        found.hint = DRIVER_HINT
        return found
    number[0] = spoken(most)
    if number[0]:
        return None
    return BackendError(
        f"the driver's NVENC speaks API {most // 100}.{most % 100}, 12.1 is the oldest that is "
        "spoken here",
        domain=_NVENC, call="NvEncodeAPIGetMaxSupportedVersion", hint=DRIVER_HINT,
    )


cdef unsigned _api_number(api) except 0:
    cdef unsigned number = api[0] * 100 + api[1]
    if spoken(number) != number:
        raise InvalidInput(f"api is {api}", argument="api", hint="(12, 1) or (13, 0)")
    return number


# ---------------------------------------------------------------------------- forms

cdef int _write_form(EncoderForm *form, str codec, guids, fields) except -1:
    """Fill in what the driver is given by name; checked against a version by `_check_form`."""
    cdef FieldValue value
    form.coded = <Coded><int>_CODECS[codec]
    form.codec = _guid(guids["codec"])
    form.preset = _guid(guids["preset"])
    if guids.get("profile"):
        form.profile = _guid(guids["profile"])
    form.fields.clear()
    for name, number in fields.items():
        value.name = name.encode()
        value.value = number
        form.fields.push_back(value)
    return 0


cdef GUID _guid(str name) except *:
    cdef bytes wanted = name.encode()
    for i in range(named_guids().size()):
        if named_guids()[i].name == wanted:
            return named_guids()[i].guid
    raise InvalidInput(f"NVENC has no GUID {name}", argument="guids")


cdef tuple _checked_bytes(unsigned api, const EncoderForm &form):
    cdef vector[unsigned char] init
    cdef vector[unsigned char] config
    cdef string which
    cdef FieldProblem found
    if api == 1300:
        found = filled_13_0(form, &init, &config, &which)
    else:
        found = filled_12_1(form, &init, &config, &which)
    if found != no_problem:
        raise _field_error(<int>found, (<bytes>which).decode(), api)
    return (<char *>init.data())[:init.size()], (<char *>config.data())[:config.size()]


cdef object _field_error(int found, str name, unsigned api):
    spoken_here = f"{api // 100}.{api % 100}"
    if found == <int>needs_13_0:
        return UnsupportedConfig(
            f"{name} needs NVENC API 13.0, this driver speaks {spoken_here}",
            argument=name,
            hint="install driver 570 or newer",
        )
    if found == <int>only_12_1:
        return UnsupportedConfig(f"{name} is not of NVENC API {spoken_here}", argument=name)
    if found == <int>out_of_range:
        return InvalidInput(f"{name} cannot hold the value given", argument=name)
    return InvalidInput(f"NVENC has no field {name}", argument=name)


def struct_bytes(api, str codec not None, fields, guids):
    """(NV_ENC_INITIALIZE_PARAMS, NV_ENC_CONFIG) as bytes, made of zeros, ``fields`` and ``guids``.

    ``api``: (12, 1) or (13, 0). ``fields``: values by dotted name; ``guids``: vendor's names for
    "codec", "preset" and, if any, "profile". Pointers are null. :class:`InvalidInput` for a name
    or value that does not fit, :class:`UnsupportedConfig` for one of another version.
    """
    cdef EncoderForm form
    _write_form(&form, codec, guids, fields)
    return _checked_bytes(_api_number(api), form)


cdef uint32_t _format_number(str name, unsigned api) except 0:
    cdef bytes wanted = name.removeprefix("NV_ENC_BUFFER_FORMAT_").encode()
    for i in range(named_formats().size()):
        if named_formats()[i].name == wanted and named_formats()[i].since <= api:
            return named_formats()[i].number
    raise UnsupportedConfig(
        f"NVENC API {api // 100}.{api % 100} has no buffer format {name}", argument="input_format"
    )


# ---------------------------------------------------------------------------- capabilities

@cython.final
cdef class Asking:
    """Where a thread is that asks what a device encodes, for another one that waits for it."""

    cdef unique_ptr[Encoder] encoder
    cdef str before

    def __cinit__(self):
        self.before = "NvEncodeAPIGetMaxSupportedVersion"

    @property
    def call(self):
        """The call of NVENC that it is inside of; None for one of CUDA."""
        if self.encoder.get() == NULL:
            return self.before
        cdef const char *inside = self.encoder.get().inside()
        return inside.decode() if inside != NULL else None


def encoder_caps(Device device not None, Asking asking=None):
    """What the device encodes: codec -> {"profiles", "presets", "formats": names, "caps": values}.

    Names are the vendor's: of GUIDs in full, formats without NV_ENC_BUFFER_FORMAT_, caps without
    NV_ENC_CAPS_. A session is opened for it and closed. :class:`BackendError` with the code of
    what failed, such as 2 (NV_ENC_ERR_UNSUPPORTED_DEVICE) for a device that does not encode.
    ``asking`` tells another thread where this one is.
    """
    cdef uint32_t code = 0
    cdef int cuda_code = 0
    cdef unsigned api = _negotiated()
    cdef vector[CodecAnswers] answers
    cdef const char *call = "NvEncodeAPICreateInstance"
    cdef string detail
    cdef unique_ptr[Encoder] made
    cdef Encoder *encoder
    asking = Asking() if asking is None else asking
    asking.before = call.decode()
    with nogil:
        made = make_encoder(_library, api, &code)
    if not code:
        asking.encoder = move(made)
        encoder = asking.encoder.get()
        with nogil:
            code = ask_device(
                device.native.context, encoder[0], &answers, &call, &detail, &cuda_code
            )
    if cuda_code:
        raise failure(cuda_code)
    if code:
        text = (<bytes>detail).decode(errors="replace") or None
        raise backend_error(_NVENC, call.decode(), code, text)
    found = {}
    for i in range(answers.size()):
        codec = answers[i].codec.decode().removeprefix("NV_ENC_CODEC_").removesuffix("_GUID")
        found[codec.lower()] = {
            "profiles": _names(answers[i].profiles),
            "presets": _names(answers[i].presets),
            "formats": _names(answers[i].formats),
            "caps": {
                answers[i].caps[j].first.decode(): answers[i].caps[j].second
                for j in range(answers[i].caps.size())
            },
        }
    return found


cdef tuple _names(const vector[const char *] &names):
    return tuple([names[i].decode() for i in range(names.size())])


# ---------------------------------------------------------------------------- sessions

@cython.final
cdef class Changes:
    """Whether anything happened to a session: a number that changes, and waiting for that."""

    cdef shared_ptr[NativeChanges] native

    def __cinit__(self):
        self.native = make_shared[NativeChanges]()

    def version(self):
        """A number that changes with everything that happens."""
        return self.native.get().version()

    def wait(self, uint64_t seen, timeout):
        """Return when the version is not ``seen`` any more, or after ``timeout`` seconds."""
        cdef double left
        deadline = None if timeout is None else monotonic() + timeout
        while self.native.get().version() == seen:
            left = _SLICE_SECONDS
            if deadline is not None:
                left = min(left, deadline - monotonic())
                if left <= 0:
                    return
            with nogil:
                self.native.get().wait(seen, left)
            PyErr_CheckSignals()

    def notify(self):
        """Change the version."""
        self.native.get().tell()


@cython.final
cdef class HostBuffer:
    """Memory for the pixels of one host picture: an input buffer of the encoder's, or plain
    memory of the same form where none was free. Bytes, writable until :meth:`seal`.

    ``pitch`` bytes a row, ``rows`` rows of luma: the next plane begins at pitch * rows.
    """

    cdef shared_ptr[NvencSession] session
    cdef NativeInput input
    cdef bint here
    cdef readonly size_t rows

    def __dealloc__(self):
        if self.here and not driver().forked():
            self.session.get().give_input(&self.input)
        with nogil:  # the last that has it may have the driver called
            self.session.reset()

    @property
    def pitch(self):
        return self.input.pitch

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if not self.here:
            raise BufferError("the picture was pushed")
        PyBuffer_FillInfo(
            buffer, self, self.input.memory(), self.input.rows * self.input.pitch, 0, flags
        )

    def __len__(self):
        return self.input.rows * self.input.pitch

    def seal(self):
        """Nobody writes to it any more."""
        if self.here:
            self.session.get().seal(&self.input)


@cython.final
cdef class DevicePicture:
    """Pixels in device memory, ready to be pushed; see :meth:`Core.push_picture`.

    ``planes``: (address, bytes of a row) each. As they lie they are one picture of the encoder's
    input format. Else ``copies`` (bytes of a row, rows, offset in the block, pitch there), or
    ``conversion`` and ``offsets``, make one of ``total_bytes`` with ``pitch`` bytes a row.
    ``watched``: somebody calls :meth:`Core.forget_memory` before the memory is freed.
    """

    cdef DeviceInput input

    def __cinit__(
        self, planes, *, size_t total_bytes=0, size_t pitch=0, copies=None,
        Conversion conversion=None, offsets=(), bint watched=False,
    ):
        self.input.watched = watched
        if not 1 <= len(planes) <= 3 or len(offsets) > 3:
            raise InvalidInput("a picture has one to three planes", argument="planes")
        self.input.kind = as_it_lies
        self.input.count = len(planes)
        for index, (address, row) in enumerate(planes):
            self.input.planes[index], self.input.pitches[index] = address, row
        self.input.bytes, self.input.pitch = total_bytes, pitch
        if copies is not None:
            self.input.kind = by_copy
            for index, (row, rows, offset, target_pitch) in enumerate(copies):
                self.input.row_bytes[index], self.input.rows[index] = row, rows
                self.input.offsets[index] = offset
                self.input.target_pitches[index] = target_pitch
        elif conversion is not None:
            self.input.kind = by_kernel
            self.input.conversion = conversion.plan
            for index, offset in enumerate(offsets):
                self.input.offsets[index] = offset


@cython.final
cdef class Core:
    """The C++ session of one encoder: what is queued for it and what comes out.

    ``api``: see :func:`api_version`. ``guids``, ``fields``: see :func:`struct_bytes`; they go over
    the preset's configuration. ``input_format``: vendor's name of what pictures are; ``width``,
    ``height`` of its input buffers, of which there are ``host_inputs``. ``buffers``: most pictures
    in the encoder, ``held``: those that it may keep until more come; ``max_in_flight``: most
    packets that wait to be reaped. ``stream``: a CUstream that the input waits on, 0 for one of
    its own. ``busy_seconds``: how long a driver that says that it is busy is asked again.

    It opens by itself: :meth:`opening` tells.
    """

    cdef shared_ptr[NvencSession] session
    cdef Device device
    cdef readonly unsigned api
    cdef readonly size_t height
    cdef str codec

    def __cinit__(
        self, Changes changes not None, Device device not None, api, *, str codec not None,
        guids, fields,
        str input_format not None, uint32_t width, uint32_t height, unsigned buffers,
        unsigned host_inputs, size_t max_in_flight, unsigned held=0, size_t stream=0,
        double busy_seconds=10,
    ):
        cdef NvencSettings settings
        cdef uint32_t code = 0
        cdef unique_ptr[Encoder] encoder
        self.api = _api_number(api)
        _write_form(&settings.form, codec, guids, fields)
        _checked_bytes(self.api, settings.form)
        settings.format = _format_number(input_format, self.api)
        settings.width, settings.height, settings.outputs = width, height, buffers
        settings.host_inputs, settings.max_ready = host_inputs, max_in_flight
        settings.held, settings.busy_seconds = held, busy_seconds
        self.device, self.height, self.codec = device, height, codec
        with nogil:
            encoder = make_encoder(_library, self.api, &code)
        if code:
            raise backend_error(_NVENC, "NvEncodeAPICreateInstance", code)
        self.session = make_session(
            changes.native, device.native.context, device.native.memory, move(encoder),
            <CUstream><void *>stream, settings,
        )
        try:
            self.session.get().start()
        except RuntimeError as error:  # std::system_error
            raise BackendError(
                f"no thread could be started: {error}", domain="videohw", hint="close sessions"
            ) from None

    def __dealloc__(self):
        cdef PacketBytes bytes_
        cdef NvencEvent event
        if self.session.get() == NULL:
            return
        if driver().forked():
            # It is of the parent's: nothing of it may be touched, nor freed.
            new_reference(self.session)
            return
        with nogil:
            self.session.get().close()
        while self.session.get().take_bytes(&bytes_):
            Py_XDECREF(<PyObject *>bytes_.object)
        while self.session.get().pop(&event):
            free(event.heap)
            Py_XDECREF(<PyObject *>event.into.object)
        with nogil:  # the last that has it may have the driver called
            self.session.reset()

    # Opening

    def opening(self):
        """None while it opens; then (call, code, of CUDA, the driver's words): call is None when
        it did."""
        cdef string detail
        cdef NvencFailure found
        if not self.session.get().opened():
            return None
        found = self.session.get().opening_failure(&detail)
        call = found.call.decode() if found.call != NULL else None
        return call, found.code, bool(found.cuda), (<bytes>detail).decode(errors="replace")

    # Input

    @property
    def stream(self):
        """The CUstream, as an address, that the encoder's input waits on."""
        return <uintptr_t><void *>self.session.get().stream()

    def wait_for_stream(self, uintptr_t stream):
        """Have the input wait for what was queued on another stream so far."""
        cdef CUresult code
        with nogil:
            code = wait_for_stream_of(
                self.device.native.context, self.session, <CUstream><void *>stream
            )
        if code:
            raise failure(code)

    def forget_memory(self, CUdeviceptr address):
        """The device memory there goes away; returns when the driver has let go of it."""
        if driver().forked():
            return
        with nogil:
            self.session.get().before_free(address, 1)

    def host_buffer(self):
        """A :class:`HostBuffer` for one picture."""
        cdef HostBuffer made = HostBuffer.__new__(HostBuffer)
        made.session = self.session
        self.session.get().take_input(&made.input)
        made.rows = self.height
        made.here = True
        return made

    def push_picture(
        self, long long serial, picture not None, uint32_t width, uint32_t height, *,
        bint force_idr=False, sei=(), bytes qp_map=None, int mark_reference=-1,
        uint32_t use_references=0, uint32_t intra_refresh=0, Core after=None,
    ):
        """Queue a picture: a :class:`HostBuffer` or a :class:`DevicePicture`.

        ``sei``: (type, payload) each; for AV1 metadata OBUs. ``qp_map``: an int8 for each block, in
        raster order. A picture of another size than the encoder's then fails. What a
        :class:`DevicePicture` points to stays until INPUT_DONE. The picture is ready when the
        input stream of ``after`` is.
        """
        cdef NvencItem item
        cdef HostBuffer buffer
        cdef SeiPayload payload
        item.kind = a_picture
        item.serial = serial
        item.width, item.height = width, height
        item.extras.force_idr = force_idr
        item.extras.mark_reference = mark_reference
        item.extras.use_references = use_references
        item.extras.intra_refresh_frames = intra_refresh
        for kind, data in sei:
            payload.type = kind
            payload.data.resize(len(data))
            memcpy(payload.data.data(), PyBytes_AS_STRING(data), len(data))
            item.extras.sei.push_back(payload)
        if qp_map is not None:
            item.extras.qp_map.resize(len(qp_map))
            memcpy(item.extras.qp_map.data(), PyBytes_AS_STRING(qp_map), len(qp_map))
        self._stock()
        if isinstance(picture, HostBuffer):
            buffer = picture
            if not buffer.here or buffer.session.get() != self.session.get():
                raise InvalidInput("the buffer was pushed, or is another encoder's")
            buffer.seal()
            buffer.here = False
            item.host = move(buffer.input)
        else:
            item.device = (<DevicePicture?>picture).input
            if after is not None:
                item.after = after.session.get().shared_stream()
        self.session.get().push(move(item))

    def push_change(self, long long number, guids, fields, *, bint reset, bint force_idr):
        """Queue other settings, for the pictures after this; RECONFIGURED tells of them."""
        cdef NvencItem item
        item.kind = a_change
        item.serial = number
        item.reset, item.extras.force_idr = reset, force_idr
        _write_form(&item.form, self.codec, guids, fields)
        _checked_bytes(self.api, item.form)
        self.session.get().push(move(item))

    def push_drain(self, long long number):
        """Queue the end of the stream."""
        cdef NvencItem item
        item.kind = a_drain
        item.serial = number
        self.session.get().push(move(item))

    cdef int _stock(self) except -1:
        """Have bytes for a packet, which are written without the GIL."""
        cdef size_t capacity = 0
        cdef PacketBytes made
        if not self.session.get().wants_bytes(&capacity):
            return 0
        text = PyBytes_FromStringAndSize(NULL, capacity)
        Py_INCREF(text)
        made.object = <PyObject *>text
        made.data = <unsigned char *>PyBytes_AS_STRING(text)
        made.capacity = capacity
        self.session.get().give_bytes(made)
        return 0

    def queued(self):
        """How many pictures the submit thread has not begun."""
        return self.session.get().queued()

    # Output

    def news(self, size_t sent, size_t ready, double stuck_seconds):
        """Whether something is to be done: an event is there, fewer than ``sent`` pictures are
        queued, or a call takes longer than that. ``ready`` as for :meth:`set_ready`."""
        return self.session.get().news(sent, ready, stuck_seconds)

    def pop(self):
        """The next event as a tuple, or None.

        (kind, serial, call, code, of CUDA, packet or None, picture type, average QP, nanoseconds
        in the encoder, the driver's words on a change that it refused or None).
        """
        cdef NvencEvent event
        if not self.session.get().pop(&event):
            return None
        call = event.failure.call.decode() if event.failure.call != NULL else None
        return (
            event.kind, event.serial, call, event.failure.code, bool(event.failure.cuda),
            _packet(event), event.picture_type, event.average_qp, event.coded_ns,
            None if event.detail.empty() else (<bytes>event.detail).decode(errors="replace"),
        )

    def set_ready(self, size_t count):
        """So many outputs wait to be reaped."""
        self.session.get().set_ready(count)

    def parameter_sets(self):
        """What the driver says that the stream begins with; empty before it is open."""
        cdef vector[unsigned char] sets = self.session.get().parameter_sets()
        return (<char *>sets.data())[:sets.size()] if sets.size() else b""

    # Life

    def close(self):
        """Have the threads give everything back and end; :meth:`ended` tells."""
        with nogil:
            self.session.get().close()

    def ended(self):
        """Whether everything is given back."""
        return bool(self.session.get().ended())

    def busy_seconds(self):
        """How long a thread has been inside one call of the driver; 0.0 when none is."""
        cdef const char *call = NULL
        return self.session.get().busy_seconds(&call)

    def stuck_call(self):
        """The call of NVENC that it is inside of; None for one of CUDA."""
        cdef const char *call = NULL
        self.session.get().busy_seconds(&call)
        return call.decode() if call != NULL else None

    def counters(self):
        """What the session did so far."""
        cdef NvencCounters now = self.session.get().counters()
        return {
            "pictures": now.pictures, "packets": now.packets, "reconfigured": now.reconfigured,
            "registered": now.registered, "mapped": now.mapped, "busy": now.busy,
            "plain_inputs": now.plain_inputs, "plain_packets": now.plain_packets,
            "copied_in": now.copied_in, "copied_out": now.copied_out,
            "converted": now.converted,
        }


cdef object _packet(NvencEvent &event):
    """The packet's bytes: those that the reaper wrote to, cut to their length."""
    cdef PyObject *text = <PyObject *>event.into.object
    if text != NULL:
        _PyBytes_Resize(&text, event.bytes)
        found = <object>text
        Py_XDECREF(text)
        return found
    if event.heap == NULL:
        return None
    try:
        return PyBytes_FromStringAndSize(<char *>event.heap, event.bytes)
    finally:
        free(event.heap)


cdef void new_reference(shared_ptr[NvencSession] &session) noexcept:
    """One more owner, who never gives it back."""
    cdef shared_ptr[NvencSession] *kept = new shared_ptr[NvencSession](session)
    (<void>kept)
