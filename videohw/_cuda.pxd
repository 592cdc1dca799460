# What _cuda.pyx and other compiled modules have of a device: the C++ below, and Python's objects.

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libcpp cimport bool as cbool

from ._native.nvidia cimport (
    CUcontext,
    CUdevice,
    CUdeviceptr,
    CUresult,
    CUstream,
    CUuuid,
    nvidia_cuda,
    nvidia_cuvid,
)


cdef extern from "cuda_device.hpp" namespace "videohw" nogil:
    cppclass Driver:
        int oldest_for_decoding
        int oldest_for_kernels
        const nvidia_cuda *cuda()
        const nvidia_cuvid *cuvid()
        const char *why_no_cuda()
        const char *why_no_cuvid()
        Errands errands
        void after_fork_in_child()
        cbool forked()
        cbool started()
        const char *calling()
        const char *late_call()

    cppclass DeviceFacts:
        char name[256]
        CUuuid uuid
        size_t memory_bytes
        int major, minor

    cppclass Context:
        const nvidia_cuda &api
        CUdevice device
        CUcontext handle
        void retain()
        cbool usable()

    cppclass PoolCounters:
        uint64_t hits, misses, abandoned
        size_t used_blocks, used_bytes, idle_blocks, idle_bytes

    cppclass Pool:
        Context &context
        PoolCounters counters()

    cppclass Block:
        CUdeviceptr device
        void *host
        size_t bytes
        void retain()
        void hand_to_all()

    cppclass Kernel:
        pass

    cppclass Kernels:
        cbool loaded()

    ctypedef struct KernelSettings:
        unsigned from_pitch[2]

    ctypedef union KernelArgument:
        KernelSettings settings
        unsigned char bytes[4096]

    cppclass ConversionPlan:
        const Kernel *kernel
        unsigned grid[2]
        unsigned block[3]
        KernelArgument argument
        size_t argument_bytes, pictures_at

    # The C++ object behind Python's Device.
    cppclass NativeDevice "videohw::Device":
        Context context
        Pool memory
        Pool pinned
        Kernels kernels
        cbool adopted()

    cppclass Start:
        const char *call
        CUresult code
        int version, count
        NativeDevice *device

    const char *last_call "videohw::Context::last_call"()


# All calls of the driver: what they answer within the bound, else `came_too_late`.
cdef extern from "cuda_errands.hpp" namespace "videohw" nogil:
    enum:
        came_too_late

    cppclass Errands:
        double usual_seconds
        void set_bound(double seconds)
        double bound()
        int late()

    cppclass Leftover:
        cbool any()

    Leftover drop_reference(Block *block)
    void finish(const Leftover &left)
    void let_go(Block *block)
    void let_go_of_context "videohw::let_go"(Context &context)
    CUresult start "videohw::start_within"(Driver &driver)
    CUresult start_with "videohw::start_with_within"(Driver &driver, int ordinal, Start *start)
    CUresult version_of "videohw::version_within"(Driver &driver, int *version)
    const char *error_name "videohw::error_name_within"(Driver &driver, CUresult code)
    CUresult count_of "videohw::count_within"(Driver &driver, int *count)
    CUresult facts_of "videohw::facts_within"(Driver &driver, int ordinal, DeviceFacts *facts)
    NativeDevice *open_device "videohw::open_within"(Driver &driver, int ordinal, CUresult *code)
    NativeDevice *adopt_device "videohw::adopt_within"(
        Driver &driver, CUcontext handle, CUresult *code
    )
    CUresult check_device "videohw::check_within"(NativeDevice &device, cbool *alive)
    void abandon "videohw::abandon_within"(NativeDevice &device)
    CUresult trimmed "videohw::trim_within"(NativeDevice &device)
    CUresult keep_at_most "videohw::keep_within"(
        NativeDevice &device, size_t device_bytes, size_t pinned_bytes
    )
    CUresult load_kernels "videohw::load_within"(
        NativeDevice &device, const char *image, size_t bytes
    )
    const Kernel *find_kernel "videohw::find_within"(
        NativeDevice &device, const char *name, CUresult *code
    )
    CUresult query "videohw::query_within"(Block &block)
    CUresult wait_on "videohw::wait_on_within"(Block &block, CUstream stream)
    CUresult wait_by_default "videohw::wait_by_default_within"(Block &block, cbool *waits)

    cppclass Region:
        size_t offset, row_bytes, rows, pitch, planes, plane_pitch
        size_t packed()

    cppclass Place:
        Block *block
        size_t offset

    Block *copied "videohw::copied_within"(
        NativeDevice &device, Block &source, const Region &region, cbool to_host, CUresult *code
    )
    Block *uploaded "videohw::uploaded_within"(
        NativeDevice &device, const void *data, size_t bytes, CUresult *code
    )
    Block *converted "videohw::converted_within"(
        NativeDevice &device, const ConversionPlan &plan, const Place *sources, size_t bytes,
        const size_t *targets, unsigned target_planes, CUresult *code,
    )


cdef extern from "dlpack.hpp" nogil:
    ctypedef struct DLDevice:
        int32_t device_type, device_id

    ctypedef struct DLDataType:
        uint8_t code, bits
        uint16_t lanes

    ctypedef struct DLTensor:
        void *data
        DLDevice device
        int32_t ndim
        DLDataType dtype
        int64_t *shape
        int64_t *strides
        uint64_t byte_offset

    struct DLManagedTensor:
        DLTensor dl_tensor
        void (*deleter)(DLManagedTensor *) noexcept nogil

    struct DLManagedTensorVersioned:
        uint64_t flags
        DLTensor dl_tensor
        void (*deleter)(DLManagedTensorVersioned *) noexcept nogil


cdef extern from "dlpack.hpp" namespace "videohw" nogil:
    enum:
        dlpack_cpu
        dlpack_cuda
        dlpack_unsigned
        dlpack_float
        dlpack_read_only
        dlpack_is_copied

    DLManagedTensor *exported_unversioned(Block *block, const DLTensor &tensor, CUstream stream)
    DLManagedTensorVersioned *exported_versioned(
        Block *block, const DLTensor &tensor, CUstream stream, uint64_t flags
    )


# `let_go` for whoever has the GIL, which is kept where nothing is left to be done: giving it away
# for each array of a picture has the threads of other sessions woken and waited for.
cdef inline void let_go_of_block(Block *block) noexcept:
    cdef Leftover left = drop_reference(block)
    if left.any():
        with nogil:
            finish(left)


# The driver of this process.
cdef Driver *driver() noexcept nogil


# One device with one context. What C++ makes in it counts on `native.context`.
@cython.final
cdef class Device:
    cdef NativeDevice *native
    cdef object _information
    cdef object __weakref__

    cdef DeviceArray _own(self, Block *block, CUresult code, shape, steps, str typestr)
    cdef int _load_kernels(self) except -1
    cdef const Kernel *_kernel(self, bytes name) except NULL


# A conversion that was planned, ready to be launched without the GIL.
@cython.final
cdef class Conversion:
    cdef Device device
    cdef ConversionPlan plan


# Memory of a block as read-only bytes for Python; gives the block back when nobody looks any more.
@cython.final
cdef class HostBuffer:
    cdef Block *block
    cdef Py_ssize_t length


# An array in device memory.
@cython.final
cdef class DeviceArray:
    cdef readonly Device device
    cdef Block *block
    cdef size_t offset
    cdef int dimensions
    cdef Py_ssize_t lengths[4]
    cdef Py_ssize_t steps[4]
    cdef str typestr
    cdef readonly bint read_only

    cdef Py_ssize_t _item(self)
    cdef Block *_copied(self, bint to_host) except NULL
    cdef int _describe(self, Region *region) except -1
    cdef bint _continues(self, DeviceArray before, DeviceArray plane, Py_ssize_t gap)
    cdef object _capsule(self, uintptr_t stream, bint versioned, bint is_copy)


# Each retains the block. `steps` are strides in bytes, `typestr` as in NumPy's array interface.
cdef HostBuffer host_buffer(Block *block)
cdef DeviceArray device_array(
    Device device, Block *block, size_t offset, tuple shape, tuple steps, str typestr,
    bint read_only=*,
)

# The error for a code: of `call`, or of the last call that failed on this thread where it is None.
cdef object numpy()
cdef object failure(CUresult code, str call=*, str domain=*)
