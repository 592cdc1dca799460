// libcuda: copies and memory set to a value, in streams.

#include "contexts.hpp"
#include "memory.hpp"
#include "nvidia.h"
#include "state.hpp"
#include "streams.hpp"

#include <cstring>
#include <vector>

using namespace emulator;

namespace {

constexpr CUresult error_invalid_handle = 400, error_illegal_address = 700;
constexpr std::size_t staged_bytes = 64 << 10;
enum { memory_host = 1, memory_device = 2, memory_unified = 4 };

// One side of a copy: the first byte, and how rows and slices follow.
struct Side {
    int type = memory_device;
    Address address = 0;
    std::size_t pitch = 0, slice = 0; // bytes
};

struct Box {
    std::size_t width = 0, rows = 1, depth = 1;

    bool empty() const { return !width || !rows || !depth; }
    std::size_t bytes(const Side &side) const
    {
        return (depth - 1) * side.slice + (rows - 1) * side.pitch + width;
    }
};

Address of(const void *host) { return reinterpret_cast<Address>(host); }

// Where the bytes are for the emulator; nullptr for those of a device that must not be touched.
unsigned char *found(const Side &side, const Box &box)
{
    if (side.type == memory_device)
        return static_cast<unsigned char *>(reachable(side.address, box.bytes(side)));
    return reinterpret_cast<unsigned char *>(side.address);
}

Side settled(Side side, const Box &box)
{
    Address start;
    std::size_t bytes;
    Context *context;
    if (side.type == memory_unified)
        side.type = allocation_around(side.address, &start, &bytes, &context) ? memory_device
                                                                             : memory_host;
    if (box.rows == 1 && box.depth == 1)
        side.pitch = side.slice = box.width;
    return side;
}

bool pageable(const Side &side, const Box &box)
{
    return side.type == memory_host && !is_pinned(side.address, box.bytes(side));
}

void copy_rows(unsigned char *to, const Side &target, const unsigned char *from, const Side &source,
               const Box &box)
{
    for (std::size_t slice = 0; slice < box.depth; ++slice)
        for (std::size_t row = 0; row < box.rows; ++row)
            std::memmove(to + slice * target.slice + row * target.pitch,
                         from + slice * source.slice + row * source.pitch, box.width);
}

CUresult copy(Side target, Side source, const Box &box, const StreamPointer &stream, bool waits)
{
    if (!stream)
        return error_invalid_handle;
    if (box.empty())
        return CUDA_SUCCESS;
    target = settled(target, box);
    source = settled(source, box);
    if (target.pitch < box.width || source.pitch < box.width)
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    // Rule (trace): a range beyond its allocation is refused as the copy is asked for.
    if (!found(target, box) || !found(source, box))
        return CUDA_ERROR_INVALID_VALUE;
    // Rule (header): pageable memory is read before the call returns, and written before too.
    // Rule (trace): little of it is read at once, for much the call waits for the stream.
    std::shared_ptr<std::vector<unsigned char>> staged;
    if (pageable(source, box)) {
        auto *start = reinterpret_cast<unsigned char *>(source.address);
        staged = std::make_shared<std::vector<unsigned char>>(start, start + box.bytes(source));
    }
    bool source_pinned = source.type == memory_host && !staged;
    bool target_pinned = target.type == memory_host && !pageable(target, box);
    waits = waits || pageable(target, box) || (staged && box.bytes(source) > staged_bytes);
    enqueue(stream, [=] {
        bool gone = (source_pinned && !is_pinned(source.address, box.bytes(source))) ||
                    (target_pinned && !is_pinned(target.address, box.bytes(target)));
        auto *from = staged ? staged->data() : found(source, box);
        auto *to = found(target, box);
        if (gone || !from || !to) {
            misuse("memory of a queued copy was given back before the copy ran");
            stick(error_illegal_address); // Rule (assumed): as if a kernel had done it
            return;
        }
        copy_rows(to, target, from, source, box);
    });
    if (!waits)
        return CUDA_SUCCESS;
    finish(stream);
    return work_answer();
}

// Rule (header): a copy without a stream is made in the legacy default stream; the host waits for
// it, but for one from device to device.
CUresult copy_now(const Side &target, const Side &source, const Box &box)
{
    bool within_device = target.type == memory_device && source.type == memory_device;
    return copy(target, source, box, legacy_stream(current_context()), !within_device);
}

Side host(const void *address) { return {memory_host, of(address), 0, 0}; }
Side device(Address address) { return {memory_device, address, 0, 0}; }
Side any(Address address) { return {memory_unified, address, 0, 0}; }

// Rule (header): what a copy in two dimensions has in three.
struct Copy3D {
    std::size_t source_x, source_y, source_z, source_level;
    int source_type;
    const void *source_host;
    CUdeviceptr source_device;
    void *source_array, *source_reserved;
    std::size_t source_pitch, source_height;
    std::size_t target_x, target_y, target_z, target_level;
    int target_type;
    void *target_host;
    CUdeviceptr target_device;
    void *target_array, *target_reserved;
    std::size_t target_pitch, target_height;
    std::size_t width, rows, depth;
};
static_assert(sizeof(Copy3D) == 200, "as the driver has it");

bool is_memory(int type)
{
    return type == memory_host || type == memory_device || type == memory_unified;
}

CUresult copy_2d(const CUDA_MEMCPY2D *given, const StreamPointer &stream, bool waits)
{
    NEEDS(given);
    if (!is_memory(given->srcMemoryType) || !is_memory(given->dstMemoryType))
        return CUDA_ERROR_INVALID_VALUE; // Rule (assumed): there are no arrays here
    Box box{given->WidthInBytes, given->Height, 1};
    std::size_t source_end = given->srcXInBytes + given->WidthInBytes;
    std::size_t target_end = given->dstXInBytes + given->WidthInBytes;
    // Rule (trace): with a pitch of 0 rows follow one another.
    std::size_t source_pitch = given->srcPitch ? given->srcPitch : source_end;
    std::size_t target_pitch = given->dstPitch ? given->dstPitch : target_end;
    if (source_pitch < source_end || target_pitch < target_end)
        return CUDA_ERROR_INVALID_VALUE; // Rule (trace)
    Address source = given->srcMemoryType == memory_host ? of(given->srcHost) : given->srcDevice;
    Address target = given->dstMemoryType == memory_host ? of(given->dstHost) : given->dstDevice;
    source += given->srcY * source_pitch + given->srcXInBytes;
    target += given->dstY * target_pitch + given->dstXInBytes;
    Side from{given->srcMemoryType, source, source_pitch, 0};
    Side to{given->dstMemoryType, target, target_pitch, 0};
    return waits ? copy_now(to, from, box) : copy(to, from, box, stream, false);
}

CUresult copy_3d(const Copy3D *given, const StreamPointer &stream, bool waits)
{
    NEEDS(given);
    if (!is_memory(given->source_type) || !is_memory(given->target_type))
        return CUDA_ERROR_INVALID_VALUE;
    Box box{given->width, given->rows, given->depth};
    if (given->source_pitch < given->source_x + given->width ||
        given->target_pitch < given->target_x + given->width ||
        (given->depth > 1 && (given->source_height < given->source_y + given->rows ||
                              given->target_height < given->target_y + given->rows)))
        return CUDA_ERROR_INVALID_VALUE;
    Address source = given->source_type == memory_host ? of(given->source_host)
                                                       : given->source_device;
    Address target = given->target_type == memory_host ? of(given->target_host)
                                                       : given->target_device;
    Side from{given->source_type, source, given->source_pitch,
              given->source_pitch * given->source_height};
    Side to{given->target_type, target, given->target_pitch,
            given->target_pitch * given->target_height};
    from.address += given->source_z * from.slice + given->source_y * from.pitch + given->source_x;
    to.address += given->target_z * to.slice + given->target_y * to.pitch + given->target_x;
    return waits ? copy_now(to, from, box) : copy(to, from, box, stream, false);
}

// `value` of 1, 2 or 4 bytes, again and again.
CUresult set(Address address, std::size_t pitch, unsigned value, std::size_t item,
             std::size_t width, std::size_t rows, const StreamPointer &stream)
{
    if (!stream)
        return error_invalid_handle;
    Box box{width * item, rows, 1};
    if (box.empty())
        return CUDA_SUCCESS;
    Side side = settled({memory_device, address, pitch, 0}, box);
    if (side.pitch < box.width || address % item || !found(side, box))
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    enqueue(stream, [=] {
        unsigned char *to = found(side, box);
        if (!to) {
            misuse("memory of a queued memset was given back before it ran");
            stick(error_illegal_address);
            return;
        }
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t at = 0; at < width; ++at)
                std::memcpy(to + row * side.pitch + at * item, &value, item);
    });
    return CUDA_SUCCESS;
}

StreamPointer legacy() { return legacy_stream(current_context()); }

} // namespace

// Copies --------------------------------------------------------------------------------------

EMULATED CUresult cuMemcpy(CUdeviceptr target, CUdeviceptr source, std::size_t bytes)
{
    IN_CONTEXT();
    return copy(any(target), any(source), {bytes, 1, 1}, legacy(), true);
}

EMULATED CUresult cuMemcpyAsync(CUdeviceptr target, CUdeviceptr source, std::size_t bytes,
                                CUstream stream)
{
    IN_CONTEXT();
    return copy(any(target), any(source), {bytes, 1, 1}, stream_by_handle(stream), false);
}

EMULATED CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void *source, std::size_t bytes)
{
    IN_CONTEXT();
    return copy_now(device(target), host(source), {bytes, 1, 1});
}

EMULATED CUresult cuMemcpyDtoH_v2(void *target, CUdeviceptr source, std::size_t bytes)
{
    IN_CONTEXT();
    return copy_now(host(target), device(source), {bytes, 1, 1});
}

EMULATED CUresult cuMemcpyDtoD_v2(CUdeviceptr target, CUdeviceptr source, std::size_t bytes)
{
    IN_CONTEXT();
    return copy_now(device(target), device(source), {bytes, 1, 1});
}

EMULATED CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void *source, std::size_t bytes,
                                       CUstream stream)
{
    IN_CONTEXT();
    return copy(device(target), host(source), {bytes, 1, 1}, stream_by_handle(stream), false);
}

EMULATED CUresult cuMemcpyDtoHAsync_v2(void *target, CUdeviceptr source, std::size_t bytes,
                                       CUstream stream)
{
    IN_CONTEXT();
    return copy(host(target), device(source), {bytes, 1, 1}, stream_by_handle(stream), false);
}

EMULATED CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, std::size_t bytes,
                                       CUstream stream)
{
    IN_CONTEXT();
    return copy(device(target), device(source), {bytes, 1, 1}, stream_by_handle(stream), false);
}

EMULATED CUresult cuMemcpyPeerAsync(CUdeviceptr target, CUcontext, CUdeviceptr source, CUcontext,
                                    std::size_t bytes, CUstream stream)
{
    IN_CONTEXT();
    return copy(device(target), device(source), {bytes, 1, 1}, stream_by_handle(stream), false);
}

EMULATED CUresult cuMemcpyPeer(CUdeviceptr target, CUcontext, CUdeviceptr source, CUcontext,
                               std::size_t bytes)
{
    IN_CONTEXT();
    return copy_now(device(target), device(source), {bytes, 1, 1});
}

EMULATED CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *given)
{
    IN_CONTEXT();
    return copy_2d(given, nullptr, true);
}

EMULATED CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *given)
{
    IN_CONTEXT();
    return copy_2d(given, nullptr, true);
}

EMULATED CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *given, CUstream stream)
{
    IN_CONTEXT();
    return copy_2d(given, stream_by_handle(stream), false);
}

EMULATED CUresult cuMemcpy3D_v2(const Copy3D *given)
{
    IN_CONTEXT();
    return copy_3d(given, nullptr, true);
}

EMULATED CUresult cuMemcpy3DAsync_v2(const Copy3D *given, CUstream stream)
{
    IN_CONTEXT();
    return copy_3d(given, stream_by_handle(stream), false);
}

// Memory set to a value -------------------------------------------------------------------------

EMULATED CUresult cuMemsetD8_v2(CUdeviceptr address, unsigned char value, std::size_t count)
{
    IN_CONTEXT();
    return set(address, 0, value, 1, count, 1, legacy());
}

EMULATED CUresult cuMemsetD16_v2(CUdeviceptr address, unsigned short value, std::size_t count)
{
    IN_CONTEXT();
    return set(address, 0, value, 2, count, 1, legacy());
}

EMULATED CUresult cuMemsetD32_v2(CUdeviceptr address, unsigned int value, std::size_t count)
{
    IN_CONTEXT();
    return set(address, 0, value, 4, count, 1, legacy());
}

EMULATED CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, std::size_t count,
                                  CUstream stream)
{
    IN_CONTEXT();
    return set(address, 0, value, 1, count, 1, stream_by_handle(stream));
}

EMULATED CUresult cuMemsetD16Async(CUdeviceptr address, unsigned short value, std::size_t count,
                                   CUstream stream)
{
    IN_CONTEXT();
    return set(address, 0, value, 2, count, 1, stream_by_handle(stream));
}

EMULATED CUresult cuMemsetD32Async(CUdeviceptr address, unsigned int value, std::size_t count,
                                   CUstream stream)
{
    IN_CONTEXT();
    return set(address, 0, value, 4, count, 1, stream_by_handle(stream));
}

EMULATED CUresult cuMemsetD2D8_v2(CUdeviceptr address, std::size_t pitch, unsigned char value,
                                  std::size_t width, std::size_t rows)
{
    IN_CONTEXT();
    return set(address, pitch, value, 1, width, rows, legacy());
}

EMULATED CUresult cuMemsetD2D16_v2(CUdeviceptr address, std::size_t pitch, unsigned short value,
                                   std::size_t width, std::size_t rows)
{
    IN_CONTEXT();
    return set(address, pitch, value, 2, width, rows, legacy());
}

EMULATED CUresult cuMemsetD2D32_v2(CUdeviceptr address, std::size_t pitch, unsigned int value,
                                   std::size_t width, std::size_t rows)
{
    IN_CONTEXT();
    return set(address, pitch, value, 4, width, rows, legacy());
}

EMULATED CUresult cuMemsetD2D8Async(CUdeviceptr address, std::size_t pitch, unsigned char value,
                                    std::size_t width, std::size_t rows, CUstream stream)
{
    IN_CONTEXT();
    return set(address, pitch, value, 1, width, rows, stream_by_handle(stream));
}

EMULATED CUresult cuMemsetD2D16Async(CUdeviceptr address, std::size_t pitch, unsigned short value,
                                     std::size_t width, std::size_t rows, CUstream stream)
{
    IN_CONTEXT();
    return set(address, pitch, value, 2, width, rows, stream_by_handle(stream));
}

EMULATED CUresult cuMemsetD2D32Async(CUdeviceptr address, std::size_t pitch, unsigned int value,
                                     std::size_t width, std::size_t rows, CUstream stream)
{
    IN_CONTEXT();
    return set(address, pitch, value, 4, width, rows, stream_by_handle(stream));
}
