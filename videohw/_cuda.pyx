# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=False
# distutils: language = c++
"""The CUDA driver as Python sees it: devices, memory on them, kernels, and what went wrong.

Owns: the driver's one table of calls, which devices this process uses, arrays in device memory.
Must not know: codecs, frames. The driver is loaded when it is first asked for and started
(cuInit) when a device is; importing this does neither. The work itself is C++ beside this,
videohw/_native, which needs no GIL.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo
from cpython.buffer cimport PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy

from ._native.nvidia cimport CUDA_ERROR_NO_DEVICE, CUDA_ERROR_NOT_INITIALIZED
from ._native.nvidia cimport CUDA_ERROR_NOT_READY, CUcontext, CUresult, CUstream

import os
import threading
import weakref
from typing import NamedTuple

from .errors import BackendError, DeviceLost, InvalidInput, UnsupportedConfig
from . import kernels

DRIVER_HINT = "install the NVIDIA driver, 470 or newer; in a container, run it with its GPUs"
VIDEO_HINT = "in a container set NVIDIA_DRIVER_CAPABILITIES=video,compute,utility"
_DTYPES = {"|u1": (dlpack_unsigned, 8), "<u2": (dlpack_unsigned, 16), "<f2": (dlpack_float, 16),
           "<f4": (dlpack_float, 32)}
# CUDA_ERROR_NO_BINARY_FOR_GPU, _INVALID_PTX, _UNSUPPORTED_PTX_VERSION
_NOT_FOR_THIS_DRIVER = (209, 218, 222)
_OURS = object()  # whoever has it may make the objects below
CUDA = "cuda"  # as in `status`, which is imported when something failed: it takes 2 ms

cdef Driver _driver
cdef bint _decodes = False  # somebody asked, and it can
cdef object _numpy = None

cdef object numpy():
    """NumPy, imported when it is needed: the driver of a new process starts meanwhile."""
    global _numpy
    if _numpy is None:
        import numpy as module
        _numpy = module
    return _numpy


cdef Driver *driver() noexcept nogil:
    return &_driver


# ---------------------------------------------------------------------------- errors

cdef object failure(CUresult code, str call=None, str domain=CUDA):
    from .status import backend_error, did_not_come_back
    cdef const char *name
    if _driver.forked():
        return forked_error()
    if code == came_too_late:
        name = _driver.late_call()
        return did_not_come_back(name.decode() if name != NULL else None, _driver.errands.bound())
    if call is None:
        call = last_call().decode() or "a call"
    with nogil:
        name = error_name(_driver, code)
    return backend_error(domain, call, code, name=name.decode() if name != NULL else None)


def error(int code, str call, str domain=CUDA):
    """The error for what the driver answered: ``code`` of ``call``; see ``backend_error``."""
    return failure(code, call, domain)


def forked_error():
    """The error for whatever is asked in a forked child whose parent uses CUDA."""
    return DeviceLost(
        "CUDA was started in the parent of this forked process, and does not work in the child",
        domain=CUDA, code=CUDA_ERROR_NOT_INITIALIZED, name="CUDA_ERROR_NOT_INITIALIZED",
        hint='start processes by "spawn" or "forkserver", or fork before the first session',
    )


cdef int not_forked() except -1:
    """Where a lock may be held by a thread that a forked child does not have."""
    if _driver.forked():
        raise forked_error()
    return 0


cdef int check(CUresult code, str call=None) except -1:
    if code:
        raise failure(code, call)
    return 0


def _after_fork_in_child():
    _driver.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


# ---------------------------------------------------------------------------- the driver

def wait_at_most(double seconds=_driver.errands.usual_seconds):
    """How long a thread of the caller's waits for what it asks of the driver; DeviceLost then."""
    _driver.errands.set_bound(seconds)


def late():
    """How many things the driver did not come back from, which nobody waits for any more."""
    return _driver.errands.late()


cdef int _version() except -1:
    cdef int version = 0
    cdef CUresult code
    with nogil:
        code = version_of(_driver, &version)
    check(code)
    return version


def driver_version():
    """(major, minor) of the CUDA version that the driver speaks, None without a driver."""
    cdef int version = _version()
    return (version // 1000, version % 1000 // 10) if version else None


def too_old(str feature, int needed):
    """The error for ``feature``, for which the driver must speak CUDA ``needed`` (12050: 12.5);
    None where it does, and in a forked child that of whatever is asked there."""
    cdef int version = _version()
    if version >= needed or _driver.forked():
        return forked_error() if _driver.forked() else None
    from .status import needs_newer_driver
    return needs_newer_driver(feature, needed, version)


def calling():
    """The call that a thread is in to start the driver, open a device or ask what it can, or
    None: of several threads, that of the last."""
    cdef const char *call = _driver.calling()
    return call.decode() if call != NULL else None


def problem(opened=None):
    """(reason, hint) why nothing can be decoded here, None when a device can be asked.

    Starts the driver, unless it was found unusable before that, and opens the device of the
    ordinal ``opened``, for :func:`device`, all without the GIL. Never raises.
    """
    global _decodes
    cdef int ordinal = -1
    cdef Start start
    cdef CUresult code
    if type(opened) is int and 0 <= opened < 1 << 16 and opened not in _devices:
        ordinal = opened
    elif _decodes and not _driver.forked():
        return None  # behind a call other threads would have the GIL, for 5 ms each
    with nogil:
        code = start_with(_driver, ordinal, &start)
    if code:
        found = failure(code)
        return found.args[0], found.hint
    if _driver.cuda() == NULL:
        return _driver.why_no_cuda().decode(errors="replace"), DRIVER_HINT
    if _driver.forked() or start.version < _driver.oldest_for_decoding:
        from .status import needs_newer_driver
        found = forked_error() if _driver.forked() else needs_newer_driver(
            "decoding", _driver.oldest_for_decoding, start.version
        )
        return found.args[0], found.hint
    if _driver.cuvid() == NULL:
        return _driver.why_no_cuvid().decode(errors="replace"), VIDEO_HINT
    if not start.code and not start.count:
        start.code, start.call = CUDA_ERROR_NO_DEVICE, "cuInit"
    if start.code:
        found = failure(start.code, start.call.decode())
        return found.args[0], found.hint
    if start.device != NULL:
        made = _made(start.device)
        with _opening:
            _devices.setdefault(ordinal, made)
    _decodes = True
    return None


cdef int started() except -1:
    """cuInit, where that was not called."""
    cdef CUresult code
    if _driver.cuda() == NULL:
        why = _driver.why_no_cuda().decode(errors="replace")
        raise BackendError(
            f"there is no NVIDIA driver: {why}", domain=CUDA, call="dlopen", hint=DRIVER_HINT
        )
    with nogil:
        code = start(_driver)
    check(code, "cuInit")
    return 0


class DeviceInformation(NamedTuple):
    """What the driver says of a device. ``compute_capability`` is (major, minor), ``uuid`` in
    nvidia-smi's form (``GPU-...``), ``memory_bytes`` all that it has."""

    ordinal: int
    name: str
    uuid: str
    compute_capability: tuple
    memory_bytes: int


cdef object information(int ordinal):
    cdef DeviceFacts facts
    cdef CUresult code
    started()
    with nogil:
        code = facts_of(_driver, ordinal, &facts)
    check(code)
    digits = (<bytes>facts.uuid.bytes[:16]).hex()
    cuts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return DeviceInformation(
        ordinal, (<bytes>facts.name).decode(errors="replace"), "GPU-" + "-".join(cuts),
        (facts.major, facts.minor), facts.memory_bytes,
    )


def device_count():
    """How many devices the driver shows to this process."""
    cdef int count = 0
    cdef CUresult code
    started()
    with nogil:
        code = count_of(_driver, &count)
    check(code, "cuDeviceGetCount")
    return count


def devices():
    """:class:`DeviceInformation` of every device, in the driver's order."""
    return tuple(information(ordinal) for ordinal in range(device_count()))


def resolve(which):
    """The ordinal of the device that ``which`` names: an ordinal, or a UUID as nvidia-smi has it,
    with ``GPU-`` or without. :class:`InvalidInput` for one that is not there."""
    if isinstance(which, int) and not isinstance(which, bool):
        if which in _devices or 0 <= which < device_count():
            return which
    elif isinstance(which, str):
        wanted = which.lower().removeprefix("gpu-").removeprefix("mig-")
        for found in devices():
            if found.uuid.lower().removeprefix("gpu-") == wanted:
                return found.ordinal
    present = ", ".join(f"{found.ordinal} {found.uuid} ({found.name})" for found in devices())
    raise InvalidInput(
        f"device is {which!r}", argument="device",
        hint=f"an ordinal or a UUID of: {present}" if present else "there is no NVIDIA device",
    )


# ---------------------------------------------------------------------------- devices

_EXIT_SECONDS = 2.0
_opening = threading.Lock()
_devices = {}  # ordinal -> Device with the primary context, kept until the process ends
_adopted = weakref.WeakValueDictionary()  # address of a context -> Device


def device(which=0):
    """The :class:`Device` that ``which`` names (see :func:`resolve`), with its primary context.

    The same object each time, until its context is lost: then the next call makes another.
    """
    not_forked()
    ordinal = resolve(which)
    with _opening:
        found = _living(_devices.get(ordinal))
        if found is None:
            _devices.pop(ordinal, None)
            found = _devices[ordinal] = _opened(ordinal)
    return found


def adopt(context):
    """The :class:`Device` of a CUDA context of the caller's, an address (``CUcontext``).

    The caller keeps the context until every session and array in it is gone.
    """
    not_forked()
    if not isinstance(context, int) or isinstance(context, bool) or context <= 0:
        raise InvalidInput(
            f"context is {context!r}", argument="context", hint="the address of a CUcontext"
        )
    started()
    with _opening:
        found = _living(_adopted.get(context))
        if found is None:
            found = _adopted[context] = _taken_over(context)
    return found


def release_devices():
    """Let go of all devices: each ends when the last session and array in it does."""
    if _driver.forked():  # where the lock may be held for ever
        return
    if not _opening.acquire(timeout=_EXIT_SECONDS):
        return  # the driver does not come back from opening one
    try:
        _devices.clear()
    finally:
        _opening.release()


cdef Device _living(Device found):
    """``found``, or None when its context is gone."""
    cdef CUresult code
    cdef cbool alive = False
    if found is None:
        return None
    with nogil:
        code = check_device(found.native[0], &alive)
    check(code)
    if alive:
        return found
    with nogil:
        abandon(found.native[0])
    return None


cdef Device _opened(int ordinal):
    cdef CUresult code = 0
    cdef NativeDevice *native
    with nogil:
        native = open_device(_driver, ordinal, &code)
    check(code)
    return _made(native)


cdef Device _made(NativeDevice *native):
    cdef Device made = Device.__new__(Device, _OURS)
    made.native = native
    return made


cdef Device _taken_over(object context):
    cdef CUresult code = 0
    cdef uintptr_t address = context
    cdef NativeDevice *native
    with nogil:
        native = adopt_device(_driver, <CUcontext>address, &code)
    if code:
        raise InvalidInput(
            f"context is {context!r}, which the driver does not take ({failure(code)})",
            argument="context", hint="the address of a CUcontext that is not destroyed",
        )
    return _made(native)


@cython.final
cdef class Device:
    """One device with one context, as all sessions on it share it. See :func:`device`.

    ``ordinal``, ``information``, ``context`` (the address of the CUcontext), ``alive`` (False
    once its context was lost).
    """

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("devices come from device() and adopt()")

    def __dealloc__(self):
        if self.native != NULL:
            with nogil:
                let_go_of_context(self.native.context)

    @property
    def ordinal(self):
        return self.native.context.device

    @property
    def information(self):
        if self._information is None:
            self._information = information(self.native.context.device)
        return self._information

    @property
    def context(self):
        return <uintptr_t>self.native.context.handle

    @property
    def alive(self):
        return self.native.context.usable()

    def __repr__(self):
        return f"<Device {self.information.ordinal} {self.information.name}>"

    def counters(self):
        """{"device": ..., "pinned": ...} of the pools: blocks taken that were there (hits) or had
        to be allocated (misses), blocks that nobody could free (abandoned), and what is used or
        idle now, in blocks and bytes."""
        not_forked()
        return {
            "device": _counted(self.native.memory.counters()),
            "pinned": _counted(self.native.pinned.counters()),
        }

    def keep_at_most(self, device_bytes, pinned_bytes):
        """How much idle memory the pools keep, in bytes; what is above is freed."""
        cdef size_t device = device_bytes, pinned = pinned_bytes
        cdef CUresult code
        not_forked()
        with nogil:
            code = keep_at_most(self.native[0], device, pinned)
        check(code)

    def trim(self):
        """Free all idle memory."""
        cdef CUresult code
        not_forked()
        with nogil:
            code = trimmed(self.native[0])
        check(code)

    def upload(self, array):
        """A :class:`DeviceArray` with the values of a NumPy array, of a dtype that it has."""
        cdef CUresult code = 0
        cdef Py_buffer view
        cdef Block *block
        packed = numpy().ascontiguousarray(array)
        shape, steps, typestr = packed.shape, packed.strides, packed.dtype.str
        if not packed.size or typestr not in _DTYPES:
            raise InvalidInput(f"array is {shape} of {packed.dtype}", argument="array")
        PyObject_GetBuffer(packed.reshape(-1).view("u1"), &view, PyBUF_SIMPLE)
        try:
            with nogil:
                block = uploaded(self.native[0], view.buf, view.len, &code)
        finally:
            PyBuffer_Release(&view)
        return self._own(block, code, shape, steps, typestr)

    cdef DeviceArray _own(self, Block *block, CUresult code, shape, steps, str typestr):
        """An array of a block that is this call's own."""
        if block == NULL:
            raise failure(code)
        try:
            return device_array(self, block, 0, shape, steps, typestr, False)
        finally:
            let_go(block)

    def plan(self, plan):
        """A :class:`Conversion` on this device, of a ``videohw.kernels.Plan``.

        The kernels are loaded with the first. :class:`UnsupportedConfig` says that the driver or
        the device is too old for them.
        """
        not_forked()
        self._load_kernels()
        cdef Conversion made = Conversion.__new__(Conversion, _OURS)
        cdef const unsigned char[::1] argument = memoryview(plan.settings).cast("B")
        fields = type(plan.settings)
        made.plan.argument_bytes, made.plan.pictures_at = argument.shape[0], fields.pictures.offset
        if (
            made.plan.argument_bytes > sizeof(KernelArgument)
            or made.plan.pictures_at < sizeof(KernelSettings)
            or fields.from_pitch.offset != settings_offset_of_from_pitch()
        ):
            raise AssertionError("the layout of the kernels' argument is not that of the plan")
        memcpy(&made.plan.argument, &argument[0], made.plan.argument_bytes)
        made.device = self
        made.plan.kernel = self._kernel(plan.kernel.encode())
        made.plan.grid = plan.grid
        made.plan.block = plan.block
        return made

    cdef int _load_kernels(self) except -1:
        cdef CUresult code = 0
        cdef const char *image
        cdef size_t size
        if self.native.kernels.loaded():
            return 0
        refused = too_old("converting on the device", _driver.oldest_for_kernels)
        if refused is not None:
            raise refused
        for data in kernels.images_for(self.information.compute_capability):
            image, size = data, len(data)
            with nogil:
                code = load_kernels(self.native[0], image, size)
            if not code:
                return 0
            check(came_too_late if code == came_too_late else 0)  # the next would wait for it
        if code in _NOT_FOR_THIS_DRIVER:
            raise UnsupportedConfig(
                f"the driver does not take the kernels: {failure(code).args[0]}",
                hint="install a newer driver",
            )
        raise failure(code)

    cdef const Kernel *_kernel(self, bytes name) except NULL:
        cdef CUresult code = 0
        cdef const char *wanted = name
        cdef const Kernel *found
        with nogil:
            found = find_kernel(self.native[0], wanted, &code)
        check(code)
        return found

    def convert(self, Conversion conversion not None, sources, size_t bytes_, offsets, layout):
        """Arrays that ``conversion`` makes of the planes ``sources``, in one block of ``bytes_``.

        ``offsets``: where the kernel's planes of the result begin (three of planar RGB);
        ``layout``: (offset, shape, strides, typestr) of each array to be given out. All in bytes,
        as the conversion was planned. Nothing is waited for.
        """
        cdef CUresult code = 0
        cdef Place places[3]
        cdef size_t begins[3]
        cdef unsigned count = len(offsets)
        cdef Block *block
        cdef DeviceArray source
        if len(sources) > 3 or count > 3:
            raise InvalidInput("a picture has up to three planes", argument="sources")
        if conversion.device is not self or any(each.device is not self for each in sources):
            raise InvalidInput("sources are of another device or context", argument="sources")
        for index, source in enumerate(sources):
            places[index].block, places[index].offset = source.block, source.offset
        for index, offset in enumerate(offsets):
            begins[index] = offset
        with nogil:
            block = converted(
                self.native[0], conversion.plan, places, bytes_, begins, count, &code
            )
        if block == NULL:
            raise failure(code)
        try:
            return tuple([
                device_array(self, block, offset, shape, steps, typestr)
                for offset, shape, steps, typestr in layout
            ])
        finally:
            let_go(block)


cdef size_t settings_offset_of_from_pitch():
    cdef KernelArgument argument
    return <char *>&argument.settings.from_pitch - <char *>&argument


cdef dict _counted(PoolCounters counters):
    return {
        "hits": counters.hits, "misses": counters.misses, "abandoned": counters.abandoned,
        "used_blocks": counters.used_blocks, "used_bytes": counters.used_bytes,
        "idle_blocks": counters.idle_blocks, "idle_bytes": counters.idle_bytes,
    }


@cython.final
cdef class Conversion:
    """A conversion that is ready for launch; made by :meth:`Device.plan`."""

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("conversions come from Device.plan()")


# ---------------------------------------------------------------------------- pinned memory

cdef HostBuffer host_buffer(Block *block):
    cdef HostBuffer made = HostBuffer.__new__(HostBuffer, _OURS)
    block.retain()
    made.block = block
    made.length = block.bytes
    return made


@cython.final
cdef class HostBuffer:
    """Bytes in pinned host memory, read-only, that go back to their pool when nobody looks."""

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("buffers come with what is in them")

    def __dealloc__(self):
        if self.block != NULL:
            let_go_of_block(self.block)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.block.host, self.length, 1, flags)

    def __len__(self):
        return self.length


# ---------------------------------------------------------------------------- device memory

cdef DeviceArray device_array(
    Device device, Block *block, size_t offset, tuple shape, tuple steps, str typestr,
    bint read_only=True,
):
    cdef DeviceArray made = DeviceArray.__new__(DeviceArray, _OURS)
    if typestr not in _DTYPES or not 1 <= len(shape) <= 4 or len(steps) != len(shape):
        raise InvalidInput(f"no array of {typestr} with {len(shape)} dimensions", argument="array")
    made.device = device
    made.offset = offset
    made.dimensions = len(shape)
    for index in range(made.dimensions):
        made.lengths[index] = shape[index]
        made.steps[index] = steps[index]
    made.typestr = typestr
    made.read_only = read_only
    block.retain()
    made.block = block
    return made


@cython.final
cdef class DeviceArray:
    """An array in the memory of a CUDA device, for consumers of DLPack or of the CUDA array
    interface, which share it without a copy.

    ``shape``; ``strides`` in bytes; ``dtype``; ``nbytes`` of its values; ``pointer``, the device
    address; ``device``; ``read_only``. Its memory is written again only after all that a consumer
    queued on the stream it named; one that names no stream is taken to have used them all.
    """

    def __cinit__(self, key=None):
        if key is not _OURS:
            raise TypeError("arrays come from a device")

    def __dealloc__(self):
        if self.block != NULL:
            let_go_of_block(self.block)

    @property
    def shape(self):
        return tuple([self.lengths[i] for i in range(self.dimensions)])

    @property
    def strides(self):
        return tuple([self.steps[i] for i in range(self.dimensions)])

    @property
    def dtype(self):
        return numpy().dtype(self.typestr)

    @property
    def nbytes(self):
        cdef Py_ssize_t size = self._item()
        for i in range(self.dimensions):
            size *= self.lengths[i]
        return size

    @property
    def pointer(self):
        return self.block.device + self.offset

    @property
    def ready(self):
        """Whether the work that fills it is over."""
        cdef CUresult code
        with nogil:
            code = query(self.block[0])
        if code == CUDA_ERROR_NOT_READY:
            return False
        check(code)
        return True

    cdef Py_ssize_t _item(self):
        return _DTYPES[self.typestr][1] // 8

    def __repr__(self):
        return f"<DeviceArray {self.shape} {self.dtype} on {self.device!r}>"

    def __array__(self, dtype=None, copy=None):
        raise InvalidInput("the array is in device memory", hint="to_host() downloads it")

    def to_host(self):
        """The values as a NumPy array, read-only, in pinned memory that is used again later."""
        cdef Block *block = self._copied(True)
        try:
            return numpy().ndarray(self.shape, self.typestr, host_buffer(block))
        finally:
            let_go(block)

    def copy(self):
        """Another array with the same values, packed and writable."""
        cdef Block *block = self._copied(False)
        cdef list steps = []
        cdef Py_ssize_t step = self._item()
        for length in reversed(self.shape):
            steps.insert(0, step)
            step *= length
        return self.device._own(block, 0, self.shape, tuple(steps), self.typestr)

    cdef Block *_copied(self, bint to_host) except NULL:
        cdef CUresult code = 0
        cdef Region region
        cdef Block *block
        self._describe(&region)
        with nogil:
            block = copied(self.device.native[0], self.block[0], region, to_host, &code)
        if block == NULL:
            raise failure(code)
        return block

    cdef int _describe(self, Region *region) except -1:
        """Its rows as bytes: packed values within a row, rows in planes."""
        cdef Py_ssize_t run = self._item()
        cdef int last = self.dimensions - 1
        while last >= 0 and self.steps[last] == run:
            run *= self.lengths[last]
            last -= 1
        if last > 1:
            raise InvalidInput("the array is strided in more than two dimensions")
        region.offset = self.offset
        region.row_bytes = run
        region.rows = self.lengths[last] if last >= 0 else 1
        region.pitch = self.steps[last] if last >= 0 else run
        region.planes = self.lengths[0] if last > 0 else 1
        region.plane_pitch = self.steps[0] if last > 0 else 0
        return 0

    def __getitem__(self, parts):
        """The part that slices of the first dimensions cut out, without steps: the same memory."""
        cdef int index
        cut = parts if isinstance(parts, tuple) else (parts,)
        lengths, offset = list(self.shape), self.offset
        for index, each in enumerate(cut):
            if index >= self.dimensions or not isinstance(each, slice) or each.step is not None:
                raise InvalidInput(
                    f"part is {parts!r}", argument="part", hint="slices without steps"
                )
            begin, end, _ = each.indices(self.lengths[index])
            if begin >= end:
                raise InvalidInput(f"part {parts!r} of {self.shape} is empty", argument="part")
            lengths[index] = end - begin
            offset += begin * self.steps[index]
        return device_array(
            self.device, self.block, offset, tuple(lengths), self.strides, self.typestr,
            self.read_only,
        )

    def joined(self, planes):
        """This and the ``planes`` after it as one array, None where they do not lie like one.

        Planes of one shape at equal distances get one more dimension before; others that go on
        row by row, such as the chroma pairs of NV12, are further rows of (rows, columns).
        """
        cdef DeviceArray before = self, plane
        cdef Py_ssize_t rows = self.lengths[0], distance = -1
        cdef bint alike = True, rowwise = True
        for plane in planes:
            if plane.block != self.block or plane.typestr != self.typestr:
                return None
            gap = <Py_ssize_t>plane.offset - <Py_ssize_t>before.offset
            alike = alike and plane.shape == self.shape and plane.strides == self.strides
            alike = alike and gap > 0 and distance in (-1, gap)
            rowwise = rowwise and self._continues(before, plane, gap)
            distance = gap
            rows += plane.lengths[0]
            before = plane
        if distance == -1:
            return self
        if alike and self.dimensions < 4:
            shape, steps = (len(planes) + 1, *self.shape), (distance, *self.strides)
        elif rowwise and self.dimensions == 2:
            shape, steps = (rows, self.lengths[1]), self.strides
        else:
            return None
        return device_array(
            self.device, self.block, self.offset, shape, steps, self.typestr, self.read_only
        )

    cdef bint _continues(self, DeviceArray before, DeviceArray plane, Py_ssize_t gap):
        cdef Py_ssize_t values = 1
        for i in range(1, plane.dimensions):
            values *= plane.lengths[i]
        return (
            gap == before.lengths[0] * before.steps[0]
            and plane.steps[0] == self.steps[0]
            and values == self.lengths[1]
        )

    # ------------------------------------------------------------------------ other libraries

    def __dlpack_device__(self):
        return dlpack_cuda, self.device.ordinal

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        """A capsule for ``from_dlpack`` of another library.

        ``stream``: the consumer's, which waits for the work that fills the array: None and 1 are
        the default stream, 2 the consumer's thread's own, -1 asks for no waiting, else an address.
        Read-only memory needs a consumer of DLPack 1.0: BufferError for an older one, unless it
        takes a ``copy``. ``dl_device`` (1, 0) downloads.
        """
        if dl_device is not None and tuple(dl_device) == (dlpack_cpu, 0):
            if copy is False:
                raise BufferError("device memory cannot be seen from the host without a copy")
            # Nobody else has that memory, so its consumer may write to it.
            return numpy().array(self.to_host()).__dlpack__()
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"the array is on device {self.__dlpack_device__()}, not {dl_device}")
        versioned = max_version is not None and tuple(max_version) >= (1, 0)
        if self.read_only and not versioned and not copy:
            raise BufferError(
                "the memory is read-only and the consumer cannot be told so: take a copy, or a "
                "consumer that knows DLPack 1.0"
            )
        cdef uintptr_t address = _stream(stream)
        cdef DeviceArray array = self.copy() if copy else self
        cdef CUresult code = 0
        not_forked()
        if address:
            with nogil:
                code = wait_on(array.block[0], <CUstream>address)
            check(code)
        return array._capsule(address, versioned, bool(copy))

    cdef object _capsule(self, uintptr_t stream, bint versioned, bint is_copy):
        cdef DLTensor tensor
        cdef int64_t shape[4]
        cdef int64_t steps[4]
        cdef Py_ssize_t item = self._item()
        cdef DLManagedTensor *plain
        cdef DLManagedTensorVersioned *managed
        cdef unsigned flags = 0
        for i in range(self.dimensions):
            shape[i] = self.lengths[i]
            steps[i] = self.steps[i] // item
        tensor.data = <void *><uintptr_t>(self.block.device + self.offset)
        tensor.device.device_type = dlpack_cuda
        tensor.device.device_id = self.device.ordinal
        tensor.ndim = self.dimensions
        tensor.dtype.code, tensor.dtype.bits = _DTYPES[self.typestr]
        tensor.dtype.lanes = 1
        tensor.shape = shape
        tensor.strides = steps
        tensor.byte_offset = 0
        if self.read_only:
            flags |= dlpack_read_only
        if is_copy:
            flags |= dlpack_is_copied
        if versioned:
            managed = exported_versioned(self.block, tensor, <CUstream>stream, flags)
            if managed == NULL:
                raise MemoryError
            return PyCapsule_New(managed, "dltensor_versioned", _unused)
        plain = exported_unversioned(self.block, tensor, <CUstream>stream)
        if plain == NULL:
            raise MemoryError
        return PyCapsule_New(plain, "dltensor", _unused)

    @property
    def __cuda_array_interface__(self):
        cdef CUresult code
        cdef cbool waits = False
        not_forked()
        # Who asks may use any stream, and tells nobody which.
        self.block.hand_to_all()
        with nogil:
            code = wait_by_default(self.block[0], &waits)
        check(code)
        return {
            "version": 3, "shape": self.shape, "strides": self.strides, "typestr": self.typestr,
            "data": (self.pointer, bool(self.read_only)), "stream": 1 if waits else None,
        }


def _stream(stream):
    """The address of a stream as ``__dlpack__`` is given it; 0 for a consumer that synchronises
    by itself."""
    if stream is None:
        return 1
    if not isinstance(stream, int) or isinstance(stream, bool) or stream == 0 or stream < -1:
        raise InvalidInput(
            f"stream is {stream!r}", argument="stream",
            hint="None, 1, 2, -1 or the address of a CUstream; 0 would be ambiguous",
        )
    return 0 if stream == -1 else stream


cdef void _unused(object capsule) noexcept:
    """A capsule that nobody took."""
    cdef DLManagedTensor *plain
    cdef DLManagedTensorVersioned *versioned
    if PyCapsule_IsValid(capsule, "dltensor"):
        plain = <DLManagedTensor *>PyCapsule_GetPointer(capsule, "dltensor")
        with nogil:
            plain.deleter(plain)
    elif PyCapsule_IsValid(capsule, "dltensor_versioned"):
        versioned = <DLManagedTensorVersioned *>PyCapsule_GetPointer(capsule, "dltensor_versioned")
        with nogil:
            versioned.deleter(versioned)
