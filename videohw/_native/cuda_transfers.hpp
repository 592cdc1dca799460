// Whole arrays on their way between device and host, and through a kernel, for callers that have
// no stream of their own. What comes back is a block that was `written`, or null with a code.
#ifndef VIDEOHW_CUDA_TRANSFERS_HPP
#define VIDEOHW_CUDA_TRANSFERS_HPP

#include <cstring>

#include "cuda_device.hpp"

namespace videohw {

// Rows in a block, of one or more planes, in bytes. Packed again they follow each other.
struct Region {
    std::size_t offset = 0, row_bytes = 0, rows = 0, pitch = 0, planes = 0, plane_pitch = 0;

    std::size_t packed() const { return row_bytes * rows * planes; }
};

// A stream for as long as this lives, and the context of it current.
class Worker {
public:
    explicit Worker(Device &device)
        : scope(device.context), code(scope.code), context_(device.context)
    {
        if (code == CUDA_SUCCESS)
            stream = context_.take_stream(&code);
    }
    ~Worker() { context_.give_stream(stream); }

    Scope scope;
    CUresult code;
    CUstream stream = nullptr;

private:
    Context &context_;
};

// Queue the copy of a region of `source` to packed rows at `host` or, without it, at `device`.
inline CUresult copy_region(Context &context, const Block &source, const Region &region, void *host,
                            CUdeviceptr device, CUstream stream)
{
    CUresult code = CUDA_SUCCESS;
    for (std::size_t plane = 0; plane < region.planes && code == CUDA_SUCCESS; ++plane) {
        const std::size_t packed = plane * region.rows * region.row_bytes;
        CUDA_MEMCPY2D copy{};
        copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
        copy.srcDevice = source.device + region.offset + plane * region.plane_pitch;
        copy.srcPitch = region.pitch;
        copy.dstMemoryType = host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
        copy.dstHost = host ? static_cast<char *>(host) + packed : nullptr;
        copy.dstDevice = host ? 0 : device + packed;
        copy.dstPitch = region.row_bytes;
        copy.WidthInBytes = region.row_bytes;
        copy.Height = region.rows;
        code = context.noted(context.api.cuMemcpy2DAsync(&copy, stream), "cuMemcpy2DAsync");
    }
    return code;
}

// A packed copy in pinned host memory or in device memory. Waits for it where it goes to the host.
inline Block *copied(Device &device, Block &source, const Region &region, bool to_host,
                     CUresult *code)
{
    Worker worker(device);
    Pool &pool = to_host ? device.pinned : device.memory;
    *code = worker.code;
    if (*code != CUDA_SUCCESS)
        return nullptr;
    Block *target = pool.take(region.packed(), worker.stream, code);
    if (!target)
        return nullptr;
    *code = source.wait_on(worker.stream);
    if (*code == CUDA_SUCCESS)
        *code = copy_region(device.context, source, region, target->host, target->device,
                            worker.stream);
    if (*code == CUDA_SUCCESS)
        *code = target->written(worker.stream);
    if (*code == CUDA_SUCCESS && to_host)
        *code = target->settle();
    if (*code != CUDA_SUCCESS || !to_host)
        source.was_read(worker.stream);
    if (*code == CUDA_SUCCESS)
        return target;
    target->release();
    return nullptr;
}

// A copy to the device on its way: where the bytes are put first, where they go, and the stream.
struct Upload {
    CUstream stream = nullptr;
    Block *staged = nullptr, *target = nullptr;
};

// Give back what an upload has; where all was queued only what is not wanted any more.
inline void end_upload(Device &device, Upload &upload)
{
    for (Block *block : {upload.staged, upload.target})
        if (block)
            block->release(); // behind what was queued on the stream that took it
    device.context.give_stream(upload.stream);
    upload = {};
}

// Have memory for `bytes`: when this returns `staged` may be written to.
inline CUresult begin_upload(Device &device, std::size_t bytes, Upload *upload)
{
    Context &context = device.context;
    Scope scope(context);
    CUresult code = scope.code;
    if (code == CUDA_SUCCESS)
        upload->stream = context.take_stream(&code);
    if (code == CUDA_SUCCESS)
        upload->staged = device.pinned.take(bytes, upload->stream, &code);
    // A thread is the writer, so it waits for who had the block before.
    if (code == CUDA_SUCCESS)
        code = context.noted(context.api.cuStreamSynchronize(upload->stream),
                             "cuStreamSynchronize");
    if (code == CUDA_SUCCESS)
        upload->target = device.memory.take(bytes, upload->stream, &code);
    if (code != CUDA_SUCCESS)
        end_upload(device, *upload);
    return code;
}

// The block with what was written to `staged`.
inline Block *finish_upload(Device &device, Upload &upload, CUresult *code)
{
    Context &context = device.context;
    Scope scope(context);
    Block *target = upload.target;
    *code = scope.code;
    if (*code == CUDA_SUCCESS)
        *code = context.noted(context.api.cuMemcpyHtoDAsync(target->device, upload.staged->host,
                                                            target->bytes, upload.stream),
                              "cuMemcpyHtoDAsync");
    if (*code == CUDA_SUCCESS)
        *code = target->written(upload.stream);
    if (*code == CUDA_SUCCESS)
        upload.target = nullptr;
    end_upload(device, upload);
    return *code == CUDA_SUCCESS ? target : nullptr;
}

// One plane of a conversion: an offset in a block; no block where there is no such plane.
struct Place {
    Block *block = nullptr;
    std::size_t offset = 0;
};

// What a kernel makes of planes, in a new block of `bytes` with its planes at `targets`.
inline Block *converted(Device &device, const ConversionPlan &plan, const Place *sources,
                        std::size_t bytes, const std::size_t *targets, unsigned target_planes,
                        CUresult *code)
{
    Worker worker(device);
    *code = worker.code;
    if (*code != CUDA_SUCCESS)
        return nullptr;
    Block *target = device.memory.take(bytes, worker.stream, code);
    if (!target)
        return nullptr;
    CUdeviceptr from[3] = {0, 0, 0}, to[3] = {0, 0, 0};
    for (unsigned i = 0; i < 3; ++i) {
        if (sources[i].block && *code == CUDA_SUCCESS) {
            from[i] = sources[i].block->device + sources[i].offset;
            *code = sources[i].block->wait_on(worker.stream);
        }
        if (i < target_planes)
            to[i] = target->device + targets[i];
    }
    Context &context = device.context;
    if (*code == CUDA_SUCCESS)
        *code = context.noted(convert(context.api, plan, from, to, worker.stream),
                              "cuLaunchKernel");
    for (unsigned i = 0; i < 3; ++i)
        if (sources[i].block && (i == 0 || sources[i].block != sources[i - 1].block))
            sources[i].block->was_read(worker.stream);
    if (*code == CUDA_SUCCESS)
        *code = target->written(worker.stream);
    if (*code == CUDA_SUCCESS)
        return target;
    target->release();
    return nullptr;
}

} // namespace videohw

#endif
