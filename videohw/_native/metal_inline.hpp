// One conversion on Metal.
#ifndef VIDEOHW_METAL_INLINE_HPP
#define VIDEOHW_METAL_INLINE_HPP

#include "metal.hpp"

namespace videohw {

inline MetalFailure MetalConverter::start(CVImageBufferRef image, const MetalPlan &plan, Done done)
{
    if (const char *why = why_not(image, plan))
        return {why, 0};
    auto job = std::make_unique<Job>();
    if (MetalFailure failure = bind(image, plan, *job); failure.call)
        return failure;
    ObjcOwner buffer = pool_->take(kernels_->device(), plan.bytes);
    if (!buffer)
        return {"newBufferWithLength:options:", 0};
    job->pixels = std::make_shared<MetalPixels>(std::move(buffer), plan.bytes, pool_);
    job->done = std::move(done);
    // They keep what is bound to them, but not what textures of images look at.
    id commands = objc_send<id>(kernels_->queue(), "commandBuffer");
    id encoder = commands ? objc_send<id>(commands, "computeCommandEncoder") : nullptr;
    if (!encoder)
        return {commands ? "computeCommandEncoder" : "commandBuffer", 0};
    encode(encoder, plan, *job);
    static const Descriptor descriptor = {0, sizeof(Completion)};
    Completion block = {_NSConcreteStackBlock, 0, 0, completed, &descriptor, job.release()};
    objc_send<void>(commands, "addCompletedHandler:", &block);
    objc_send<void>(commands, "commit");
    return {};
}

// On a thread of Metal's.
inline void MetalConverter::completed(Completion *block, id commands)
{
    std::unique_ptr<Job> job(block->job);
    AutoreleasePool pool;
    MetalFailure failure;
    if (objc_send<unsigned long>(commands, "status") != MTLCommandBufferStatusCompleted) {
        id error = objc_send<id>(commands, "error");
        failure = {"commit", error ? objc_send<long>(error, "code") : 0};
        job->pixels.reset();
    }
    Done done = std::move(job->done);
    std::shared_ptr<MetalPixels> pixels = std::move(job->pixels);
    job.reset();
    try {
        done(std::move(pixels), failure);
    } catch (...) { // no memory: the picture is found to be overdue
    }
}

// Why the kernel cannot read the image, or nullptr. A texture begins at the image's corner.
inline const char *MetalConverter::why_not(CVImageBufferRef image, const MetalPlan &plan) const
{
    CGRect clean = CVImageBufferGetCleanRect(image);
    double top = static_cast<double>(CVPixelBufferGetHeight(image)) - clean.origin.y -
                 clean.size.height;
    if (CVPixelBufferGetPixelFormatType(image) != plan.pixel_format ||
        clean.size.width != static_cast<double>(plan.width) ||
        clean.size.height != static_cast<double>(plan.height))
        return "the image is not as its stream says";
    return clean.origin.x == 0 && top == 0 ? nullptr : "the image is cut at its left or its top";
}

inline MetalFailure MetalConverter::bind(CVImageBufferRef image, const MetalPlan &plan, Job &job)
{
    if (!cache_) {
        CVReturn code = CVMetalTextureCacheCreate(kCFAllocatorDefault, nullptr, kernels_->device(),
                                                  nullptr, cache_.out());
        if (code || !cache_)
            return {"CVMetalTextureCacheCreate", code};
    }
    std::array<std::size_t, 2> size = {CVPixelBufferGetWidth(image), CVPixelBufferGetHeight(image)};
    if (size != cached_size_)
        CVMetalTextureCacheFlush(cache_.get(), 0);
    cached_size_ = size;
    for (std::size_t plane = 0; plane < job.textures.size(); ++plane) {
        CVReturn code = CVMetalTextureCacheCreateTextureFromImage(
            kCFAllocatorDefault, cache_.get(), image, nullptr, plan.texture_formats[plane],
            CVPixelBufferGetWidthOfPlane(image, plane), CVPixelBufferGetHeightOfPlane(image, plane),
            plane, job.textures[plane].out());
        if (code || !job.textures[plane])
            return {"CVMetalTextureCacheCreateTextureFromImage", code};
        job.sources[plane] = CVMetalTextureGetTexture(job.textures[plane].get());
        if (!job.sources[plane])
            return {"CVMetalTextureGetTexture", 0};
    }
    job.image = CfOwner<CVImageBufferRef>(
        static_cast<CVImageBufferRef>(const_cast<void *>(CFRetain(image))));
    return {};
}

inline void MetalConverter::encode(id encoder, const MetalPlan &plan, const Job &job)
{
    objc_send<void>(encoder, "setComputePipelineState:", kernels_->pipeline(plan.kernel));
    for (std::size_t plane = 0; plane < job.sources.size(); ++plane)
        objc_send<void>(encoder, "setTexture:atIndex:", job.sources[plane],
                        plan.source_texture + plane);
    for (std::size_t plane = 0; plane < plan.offsets.size(); ++plane)
        objc_send<void>(encoder, "setBuffer:offset:atIndex:", job.pixels->buffer(),
                        plan.offsets[plane], plan.target_buffer + plane);
    objc_send<void>(encoder, "setBytes:length:atIndex:",
                    static_cast<const void *>(plan.arguments.data()),
                    static_cast<unsigned long>(plan.arguments.size()), plan.arguments_buffer);
    for (std::size_t i = 0; i < plan.threadgroup_bytes.size(); ++i)
        objc_send<void>(encoder, "setThreadgroupMemoryLength:atIndex:", plan.threadgroup_bytes[i],
                        static_cast<unsigned long>(i));
    MTLSize groups = {plan.threadgroups[0], plan.threadgroups[1], plan.threadgroups[2]};
    MTLSize threads = {plan.threads[0], plan.threads[1], plan.threads[2]};
    objc_send<void>(encoder, "dispatchThreadgroups:threadsPerThreadgroup:", groups, threads);
    objc_send<void>(encoder, "endEncoding");
}

} // namespace videohw

#endif
