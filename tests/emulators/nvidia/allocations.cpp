// libcuda: device memory, pinned memory, what a pointer is.

#include "contexts.hpp"
#include "memory.hpp"
#include "nvidia.h"
#include "state.hpp"
#include "streams.hpp"

#include <cstring>
#include <set>

using namespace emulator;

namespace {

constexpr CUresult error_invalid_handle = 400, error_already_registered = 712,
                   error_not_registered = 713;
constexpr const char *kind = "device memory";
constexpr std::size_t pitch_step = 512;

// Given back in stream order, and still there for work that was queued before.
std::set<Address> &ending()
{
    static auto *kept = new std::set<Address>;
    return *kept;
}

CUresult allocated(CUdeviceptr *target, std::size_t bytes)
{
    NEEDS(target && bytes); // Rule (header): no bytes is an invalid value
    *target = allocate(bytes, kind, current_context());
    return *target ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult pinned(void **target, std::size_t bytes)
{
    NEEDS(target);
    *target = bytes ? pin(bytes) : nullptr; // Rule (trace): no bytes is no error
    return *target || !bytes ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

} // namespace

// Device memory -------------------------------------------------------------------------------

EMULATED CUresult cuMemAlloc_v2(CUdeviceptr *address, std::size_t bytes)
{
    IN_CONTEXT();
    return allocated(address, bytes);
}

EMULATED CUresult cuMemAllocPitch_v2(CUdeviceptr *address, std::size_t *pitch, std::size_t width,
                                     std::size_t rows, unsigned int element)
{
    IN_CONTEXT();
    NEEDS(pitch);
    if (element != 4 && element != 8 && element != 16)
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    *pitch = (width + pitch_step - 1) / pitch_step * pitch_step;
    return allocated(address, *pitch * rows);
}

// Rule (trace): waits for all work of the context, and so does giving pinned memory back.
EMULATED CUresult cuMemFree_v2(CUdeviceptr address)
{
    ENTER_GIVING_BACK();
    if (Result answer = context_answer())
        return LEAVE(answer);
    if (!address)
        return LEAVE(CUDA_SUCCESS); // Rule (trace)
    finish_context(current_context());
    if (ending().count(address) || !release(address, kind)) {
        misuse("cuMemFree of an address that is no allocation");
        return LEAVE(CUDA_ERROR_INVALID_VALUE); // Rule (trace)
    }
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuMemAllocAsync(CUdeviceptr *address, std::size_t bytes, CUstream stream)
{
    IN_CONTEXT();
    if (!stream_by_handle(stream))
        return error_invalid_handle;
    if (!setting("MEMORY_POOLS", 1LL))
        return CUDA_ERROR_NOT_SUPPORTED; // Rule (header)
    return allocated(address, bytes);
}

EMULATED CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, std::size_t bytes, void *,
                                          CUstream stream)
{
    ENTER();
    return cuMemAllocAsync(address, bytes, stream);
}

// Rule (header): the memory goes when the stream comes to it; nothing that is queued later, or in
// another stream without a wait, may touch it.
EMULATED CUresult cuMemFreeAsync(CUdeviceptr address, CUstream handle)
{
    ENTER_GIVING_BACK();
    if (Result answer = context_answer())
        return LEAVE(answer);
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return LEAVE(error_invalid_handle);
    if (!allocated_bytes(address) || !ending().insert(address).second) {
        misuse("cuMemFreeAsync of an address that is no allocation");
        return LEAVE(CUDA_ERROR_INVALID_VALUE);
    }
    given_back(kind, handle_of(address));
    enqueue(stream, [address] {
        ending().erase(address);
        release(address, kind);
    });
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuMemGetInfo_v2(std::size_t *free_bytes, std::size_t *total_bytes)
{
    IN_CONTEXT();
    NEEDS(free_bytes && total_bytes);
    *total_bytes = device_bytes();
    *free_bytes = device_bytes() - device_bytes_in_use();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceTotalMem_v2(std::size_t *bytes, CUdevice device)
{
    INITIALISED();
    NEEDS(bytes);
    NEEDS_DEVICE(device);
    *bytes = device_bytes();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemGetAddressRange_v2(CUdeviceptr *start, std::size_t *bytes,
                                          CUdeviceptr address)
{
    IN_CONTEXT();
    Address found = 0;
    std::size_t size = 0;
    Context *context = nullptr;
    if (!allocation_around(address, &found, &size, &context))
        return 500; // Rule (header): CUDA_ERROR_NOT_FOUND
    if (start)
        *start = found;
    if (bytes)
        *bytes = size;
    return CUDA_SUCCESS;
}

// Pools: one a device, which gives all memory back at once ------------------------------------------

EMULATED CUresult cuDeviceGetDefaultMemPool(void **pool, CUdevice device)
{
    INITIALISED();
    NEEDS(pool);
    NEEDS_DEVICE(device);
    static int pools[64];
    *pool = &pools[device % 64];
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetMemPool(void **pool, CUdevice device)
{
    ENTER();
    return cuDeviceGetDefaultMemPool(pool, device);
}

EMULATED CUresult cuMemPoolTrimTo(void *, std::size_t)
{
    INITIALISED();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemPoolSetAttribute(void *, int, void *)
{
    INITIALISED();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemPoolGetAttribute(void *, int, void *value)
{
    INITIALISED();
    NEEDS(value);
    *static_cast<unsigned long long *>(value) = 0;
    return CUDA_SUCCESS;
}

// Pinned memory -------------------------------------------------------------------------------

EMULATED CUresult cuMemHostAlloc(void **address, std::size_t bytes, unsigned int flags)
{
    IN_CONTEXT();
    if (flags & ~7u)
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    return pinned(address, bytes);
}

EMULATED CUresult cuMemAllocHost_v2(void **address, std::size_t bytes)
{
    IN_CONTEXT();
    return pinned(address, bytes);
}

EMULATED CUresult cuMemFreeHost(void *address)
{
    ENTER_GIVING_BACK();
    if (Result answer = context_answer())
        return LEAVE(answer);
    if (!address)
        return LEAVE(CUDA_SUCCESS);
    finish_context(current_context());
    if (!unpin(address)) {
        misuse("cuMemFreeHost of an address that is no allocation");
        return LEAVE(CUDA_ERROR_INVALID_VALUE); // Rule (header)
    }
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuMemHostRegister_v2(void *address, std::size_t bytes, unsigned int flags)
{
    IN_CONTEXT();
    if (!address || !bytes || flags & ~15u)
        return CUDA_ERROR_INVALID_VALUE;
    return register_host(address, bytes) ? CUDA_SUCCESS : error_already_registered;
}

EMULATED CUresult cuMemHostUnregister(void *address)
{
    ENTER_GIVING_BACK();
    if (Result answer = context_answer())
        return LEAVE(answer);
    finish_context(current_context()); // Rule (trace)
    if (!unregister_host(address)) {
        misuse("cuMemHostUnregister of memory that is not registered");
        return LEAVE(error_not_registered); // Rule (header)
    }
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *address, unsigned int flags)
{
    IN_CONTEXT();
    NEEDS(device && !flags);
    auto start = reinterpret_cast<Address>(address);
    if (!is_pinned(start, 1))
        return CUDA_ERROR_INVALID_VALUE;
    *device = start; // Rule (trace): unified addressing, which this device has
    return CUDA_SUCCESS;
}

EMULATED CUresult cuMemHostGetFlags(unsigned int *flags, void *address)
{
    IN_CONTEXT();
    NEEDS(flags && is_pinned(reinterpret_cast<Address>(address), 1));
    *flags = 0;
    return CUDA_SUCCESS;
}

// What a pointer is -----------------------------------------------------------------------------

namespace {

enum {
    pointer_context = 1,
    pointer_memory_type = 2,
    pointer_device = 3,
    pointer_host = 4,
    pointer_buffer_id = 7,
    pointer_is_managed = 8,
    pointer_ordinal = 9,
    pointer_start = 11,
    pointer_bytes = 12,
    pointer_mapped = 13,
};

template <class Value> CUresult put(void *target, Value value)
{
    std::memcpy(target, &value, sizeof value);
    return CUDA_SUCCESS;
}

// Of memory that CUDA knows; `zero` says that of other memory the attributes are 0.
CUresult attribute(void *target, int asked, CUdeviceptr address, bool zero)
{
    Address start = 0;
    std::size_t bytes = 0;
    Context *context = nullptr;
    bool on_device = allocation_around(address, &start, &bytes, &context);
    bool on_host = !on_device && is_pinned(address, 1);
    if (!on_device && !on_host && !zero)
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    switch (asked) {
    case pointer_context:
        return put(target, on_device ? static_cast<void *>(context) : nullptr);
    case pointer_memory_type:
        return put(target, on_device ? 2u : on_host ? 1u : 0u);
    case pointer_device:
        return put(target, on_device || on_host ? address : 0ull);
    case pointer_host:
        if (on_device && !zero)
            return CUDA_ERROR_INVALID_VALUE; // Rule (header)
        return put(target, on_host ? address : 0ull);
    case pointer_buffer_id:
        return put(target, static_cast<unsigned long long>(start));
    case pointer_is_managed:
        return put(target, false);
    case pointer_ordinal:
        if (!on_device && !on_host)
            return put(target, -2); // Rule (header): of no device
        return put(target, on_device && context ? context->device : current_context()->device);
    case pointer_start:
        return put(target, start);
    case pointer_bytes:
        return put(target, bytes);
    case pointer_mapped:
        return put(target, on_device || on_host);
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

} // namespace

EMULATED CUresult cuPointerGetAttribute(void *value, int asked, CUdeviceptr address)
{
    IN_CONTEXT();
    NEEDS(value);
    return attribute(value, asked, address, false);
}

EMULATED CUresult cuPointerGetAttributes(unsigned int count, int *asked, void **values,
                                         CUdeviceptr address)
{
    IN_CONTEXT();
    NEEDS(asked && values);
    for (unsigned int index = 0; index < count; ++index)
        if (CUresult answer = attribute(values[index], asked[index], address, true))
            return answer;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuPointerSetAttribute(const void *, int, CUdeviceptr)
{
    IN_CONTEXT();
    return CUDA_SUCCESS; // synchronous copies are what they are
}
