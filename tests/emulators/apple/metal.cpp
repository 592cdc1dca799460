// Metal: a device that runs the kernels of kernels/nv12_rgb.metal as host code, later, elsewhere.

#include "metal.hpp"
#include "runtime.hpp"
#include "video.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

namespace apple {
namespace {

constexpr uint8_t fence = 0x5E, poison = 0xDB;
constexpr std::size_t fence_bytes = 64, longest_bytes = 4096;
constexpr unsigned long most_threads = 1024;
constexpr long failed = 5;

#define METHOD(name, otherwise)                                                                    \
    Call entered(name);                                                                            \
    if (entered.answer.code)                                                                       \
    return otherwise

extern const Kind device_kind, options_kind, library_kind, function_kind, pipeline_kind, queue_kind,
    commands_kind, encoder_kind, buffer_kind, texture_kind;

class Device : public Messaged {
  public:
    Device() : Messaged(device_kind) {}
};

class Options : public Messaged {
  public:
    Options() : Messaged(options_kind) {}
    unsigned long version = 0;
    bool fast_math = true;
};

class Library : public Messaged {
  public:
    Library() : Messaged(library_kind) {}
};

class Function : public Messaged {
  public:
    explicit Function(const HostKernel &kernel) : Messaged(function_kind), kernel(kernel) {}
    const HostKernel &kernel;
};

class Pipeline : public Messaged {
  public:
    explicit Pipeline(const HostKernel &kernel) : Messaged(pipeline_kind), kernel(kernel) {}
    const HostKernel &kernel;
};

class Queue : public Messaged {
  public:
    Queue() : Messaged(queue_kind) {}
};

class Buffer : public Messaged {
  public:
    explicit Buffer(std::size_t length)
        : Messaged(buffer_kind), length(length), memory(length + 2 * fence_bytes, poison)
    {
        std::fill_n(memory.begin(), fence_bytes, fence);
        std::fill_n(memory.end() - fence_bytes, fence_bytes, fence);
    }
    void clear() override { std::fill(memory.begin(), memory.end(), poison); }
    uint8_t *contents() { return memory.data() + fence_bytes; }
    bool is_whole() const
    {
        auto is_fence = [](uint8_t each) { return each == fence; };
        return std::all_of(memory.begin(), memory.begin() + fence_bytes, is_fence) &&
               std::all_of(memory.end() - fence_bytes, memory.end(), is_fence);
    }
    const std::size_t length;
    std::vector<uint8_t> memory;
};

// What CoreVideo makes of a plane of an image. It keeps nothing: the image and this itself are to
// be kept by the client until the device has read them.
// Rule (header): the texture is to be kept until the device is done with it.
// Rule (assumed): and so is the image, whose memory goes back to its pool otherwise.
class ImageTexture : public Object {
  public:
    ImageTexture() : Object("CVMetalTexture") {}
    void clear() override { texture = {}; }
    Kept<Messaged> texture;
};

class Texture : public Messaged {
  public:
    Texture(const ImageTexture *holder, PixelBuffer *image, int plane)
        : Messaged(texture_kind), holder(holder), image(image), plane(plane)
    {
    }
    const ImageTexture *const holder;
    PixelBuffer *const image;
    const int plane;
};

class TextureCache : public Object {
  public:
    TextureCache() : Object("CVMetalTextureCache") {}
};

// One dispatch.
struct Dispatch {
    Kept<Pipeline> pipeline;
    std::map<unsigned long, std::pair<Kept<Buffer>, unsigned long>> buffers;
    std::map<unsigned long, Kept<Texture>> textures;
    std::map<unsigned long, std::vector<uint8_t>> bytes;
    std::map<unsigned long, unsigned long> threadgroup_bytes;
    MTLSize groups{}, threads{};

    std::string bindings() const;
    void run();
};

// As clang lays blocks out.
struct Block {
    void *of;
    int flags, reserved;
    void (*invoke)(Block *, id);
    const struct {
        unsigned long reserved, size;
    } * descriptor;
};

class Commands : public Messaged {
  public:
    Commands() : Messaged(commands_kind) {}
    void clear() override
    {
        dispatches.clear();
        error = {};
    }
    std::vector<Dispatch> dispatches;
    std::vector<std::vector<uint8_t>> handlers; // copies of blocks
    bool encoding = false, committed = false;
    long status = 0, code = 0;
    Kept<Object> error;
};

class Encoder : public Messaged {
  public:
    explicit Encoder(Commands *commands) : Messaged(encoder_kind), commands(commands) {}
    void clear() override
    {
        if (!ended)
            misuse("an encoder is gone that was not ended");
        commands = {};
        next = {};
    }
    Kept<Commands> commands;
    Dispatch next;
    bool ended = false;
};

// Running -----------------------------------------------------------------------------------------

std::string Dispatch::bindings() const
{
    std::set<std::string> found;
    for (auto &each : buffers)
        found.insert("buffer " + std::to_string(each.first));
    for (auto &each : bytes)
        found.insert("buffer " + std::to_string(each.first));
    for (auto &each : textures)
        found.insert("texture " + std::to_string(each.first));
    for (auto &each : threadgroup_bytes)
        found.insert("threadgroup " + std::to_string(each.first));
    std::string text;
    for (auto &each : found)
        text += each + ";";
    return text;
}

void Dispatch::run()
{
    HostBindings bound{};
    for (auto &[index, each] : buffers)
        bound.buffers[index] = each.first->contents() + each.second;
    for (auto &[index, each] : bytes)
        bound.buffers[index] = each.data();
    for (auto &[index, each] : threadgroup_bytes)
        bound.threadgroup_bytes[index] = each;
    for (auto &[index, texture] : textures) {
        if (!live(texture->holder) || !live(texture->image))
            return;
        PixelBuffer &image = *texture->image;
        const Plane &plane = image.planes[static_cast<std::size_t>(texture->plane)];
        bound.textures[index] = {image.row(texture->plane, 0),
                                 plane.pitch,
                                 static_cast<unsigned>(plane.width),
                                 static_cast<unsigned>(plane.height),
                                 texture->plane ? 2u : 1u,
                                 static_cast<unsigned>(image.format.sample_bytes),
                                 0};
    }
    unsigned groups_[3] = {static_cast<unsigned>(groups.width),
                           static_cast<unsigned>(groups.height), 1};
    unsigned threads_[3] = {static_cast<unsigned>(threads.width),
                            static_cast<unsigned>(threads.height), 1};
    pipeline->kernel.run(bound, groups_, threads_);
    for (auto &each : buffers)
        if (!each.second.first->is_whole())
            misuse("%s wrote outside of a buffer", pipeline->kernel.name);
}

void run(Commands *commands)
{
    void *pool = objc_autoreleasePoolPush();
    {
        Call entered("convert");
        if (entered.answer.code) {
            commands->status = failed;
            commands->code = entered.answer.code;
        } else {
            for (Dispatch &each : commands->dispatches)
                each.run();
            commands->status = MTLCommandBufferStatusCompleted;
        }
    }
    // Rule (assumed): what was bound is let go before those who wait are told.
    commands->dispatches.clear();
    for (auto &each : commands->handlers) {
        auto *block = reinterpret_cast<Block *>(each.data());
        block->invoke(block, id_of(commands));
    }
    objc_autoreleasePoolPop(pool);
}

// Methods -----------------------------------------------------------------------------------------

id new_queue(id self, SEL)
{
    METHOD("newCommandQueue", nullptr);
    return as<Device>(self) ? id_of(new Queue) : nullptr;
}

id new_buffer(id self, SEL, unsigned long length, unsigned long options)
{
    METHOD("newBufferWithLength:options:", nullptr);
    if (!as<Device>(self))
        return nullptr;
    // Rule (header): the length is above zero. Ours are looked at by the host.
    if (!length || options != MTLResourceStorageModeShared)
        misuse("a buffer of %lu bytes with the options %lu", length, options);
    auto *made = new Buffer(length);
    peak("Metal buffers", 1);
    return id_of(made);
}

id new_library_of_file(id self, SEL, id path, id *error)
{
    METHOD("newLibraryWithFile:error:", (*error = error_of("the file is damaged", 1), nullptr));
    // Rule (assumed): what is compiled beforehand is not for this device.
    if (as<Device>(self) && as<String>(path))
        *error = error_of("libraries in files are not emulated", 1);
    return nullptr;
}

id new_library_of_source(id self, SEL, id source, id options, id *error)
{
    METHOD("newLibraryWithSource:options:error:",
           (*error = error_of("program_source:1:1: error: a planted error", 3), nullptr));
    auto *text = as<String>(source);
    auto *how = as<Options>(options);
    if (!as<Device>(self) || !text || !how)
        return nullptr;
    if (how->version != MTLLanguageVersion2_3 || how->fast_math)
        misuse("the source is of version 2.3, without fast math");
    if (!is_kernel_source(text->text)) {
        *error = error_of("this is not the source that the emulator is made of", 3);
        return nullptr;
    }
    return id_of(new Library);
}

id new_pipeline(id self, SEL, id function, id *error)
{
    METHOD("newComputePipelineStateWithFunction:error:",
           (*error = error_of("a planted error", 2), nullptr));
    auto *found = as<Function>(function);
    return as<Device>(self) && found ? id_of(new Pipeline(found->kernel)) : nullptr;
}

id new_options(id, SEL)
{
    METHOD("new", nullptr);
    return id_of(new Options);
}

void set_version(id self, SEL, unsigned long version)
{
    if (auto *found = as<Options>(self))
        found->version = version;
}

void set_fast_math(id self, SEL, signed char fast)
{
    if (auto *found = as<Options>(self))
        found->fast_math = fast != 0;
}

id new_function(id self, SEL, id name)
{
    METHOD("newFunctionWithName:", nullptr);
    auto *text = as<String>(name);
    const HostKernel *found = as<Library>(self) && text ? host_kernel(text->text) : nullptr;
    // Rule (header): nil where the library has no such function.
    return found ? id_of(new Function(*found)) : nullptr;
}

unsigned long pipeline_threads(id self, SEL)
{
    METHOD("maxTotalThreadsPerThreadgroup", 1);
    return as<Pipeline>(self) ? std::stoul(setting("METAL_THREADS", "1024")) : 0;
}

id command_buffer(id self, SEL)
{
    METHOD("commandBuffer", nullptr);
    if (!as<Queue>(self))
        return nullptr;
    auto *made = new Commands;
    autorelease(made);
    return id_of(made);
}

id compute_encoder(id self, SEL)
{
    METHOD("computeCommandEncoder", nullptr);
    auto *found = as<Commands>(self);
    if (!found)
        return nullptr;
    // Rule (header): one encoder at a time, and none after the commit.
    if (found->encoding || found->committed)
        misuse("an encoder beside another one, or after the commit");
    found->encoding = true;
    auto *made = new Encoder(found);
    autorelease(made);
    return id_of(made);
}

void add_handler(id self, SEL, Block *block)
{
    auto *found = as<Commands>(self);
    if (!found)
        return;
    // Rule (header): handlers are added before the commit.
    if (found->committed)
        misuse("a handler after the commit");
    if (block->of != _NSConcreteStackBlock || block->flags || block->reserved)
        misuse("a block that is not emulated");
    auto *bytes = reinterpret_cast<const uint8_t *>(block);
    found->handlers.emplace_back(bytes, bytes + block->descriptor->size);
}

void commit(id self, SEL)
{
    Call entered("commit");
    auto *found = as<Commands>(self);
    if (!found)
        return;
    if (found->committed || found->encoding)
        misuse("committed twice, or with an encoder that has not ended");
    found->committed = true;
    // Rule (header): the command buffer lives until it is done.
    give_to_device([kept = Kept<Commands>(found)] { run(kept.get()); });
}

unsigned long commands_status(id self, SEL)
{
    auto *found = as<Commands>(self);
    return found ? static_cast<unsigned long>(found->status) : 0;
}

id commands_error(id self, SEL)
{
    auto *found = as<Commands>(self);
    return found && found->code ? error_of("a planted error", found->code) : nullptr;
}

Dispatch *dispatch_of(id self)
{
    auto *found = as<Encoder>(self);
    if (found && found->ended)
        misuse("an encoder that has ended");
    return found ? &found->next : nullptr;
}

void set_pipeline(id self, SEL, id pipeline)
{
    if (Dispatch *next = dispatch_of(self))
        next->pipeline = Kept<Pipeline>(as<Pipeline>(pipeline));
}

void set_bytes(id self, SEL, const void *bytes, unsigned long length, unsigned long index)
{
    Dispatch *next = dispatch_of(self);
    // Rule (header): for data of less than 4 KB. All of what a kernel declares is to be there.
    if (length > longest_bytes || length < conversion_bytes())
        misuse("%lu bytes of arguments", length);
    else if (next)
        next->bytes[index].assign(static_cast<const uint8_t *>(bytes),
                                  static_cast<const uint8_t *>(bytes) + length);
}

void set_buffer(id self, SEL, id buffer, unsigned long offset, unsigned long index)
{
    Dispatch *next = dispatch_of(self);
    auto *found = as<Buffer>(buffer);
    if (found && offset >= found->length)
        misuse("an offset of %lu in a buffer of %zu bytes", offset, found->length);
    else if (next && found)
        next->buffers[index] = {Kept<Buffer>(found), offset};
}

void set_texture(id self, SEL, id texture, unsigned long index)
{
    Dispatch *next = dispatch_of(self);
    auto *found = as<Texture>(texture);
    if (next && found)
        next->textures[index] = Kept<Texture>(found);
}

void set_threadgroup_bytes(id self, SEL, unsigned long length, unsigned long index)
{
    // Rule (header): a multiple of 16.
    if (length % 16)
        misuse("%lu bytes of threadgroup memory", length);
    if (Dispatch *next = dispatch_of(self))
        next->threadgroup_bytes[index] = length;
}

void dispatch(id self, SEL, MTLSize groups, MTLSize threads)
{
    Dispatch *next = dispatch_of(self);
    if (!next || !next->pipeline) {
        misuse("a dispatch without a pipeline");
        return;
    }
    const HostKernel &kernel = next->pipeline->kernel;
    unsigned long all = threads.width * threads.height * threads.depth;
    // Rule (header): a threadgroup has at most as many threads as the pipeline says.
    if (!all || all > most_threads || threads.depth != 1 || groups.depth != 1 || !groups.width ||
        !groups.height)
        misuse("a dispatch of threadgroups of %lu threads", all);
    else if (next->bindings() != kernel.bindings)
        misuse("%s is given %s and declares %s", kernel.name, next->bindings().c_str(),
               kernel.bindings);
    else {
        Dispatch made = *next;
        made.groups = groups;
        made.threads = threads;
        as<Encoder>(self)->commands->dispatches.push_back(std::move(made));
    }
}

void end_encoding(id self, SEL)
{
    auto *found = as<Encoder>(self);
    if (!found)
        return;
    if (found->ended)
        misuse("ended twice");
    found->ended = true;
    found->commands->encoding = false;
}

void *buffer_contents(id self, SEL)
{
    auto *found = as<Buffer>(self);
    return found ? found->contents() : nullptr;
}

const Kind device_kind(
    "MTLDevice", {{"newCommandQueue", method(new_queue)},
                  {"newBufferWithLength:options:", method(new_buffer)},
                  {"newLibraryWithFile:error:", method(new_library_of_file)},
                  {"newLibraryWithSource:options:error:", method(new_library_of_source)},
                  {"newComputePipelineStateWithFunction:error:", method(new_pipeline)}});
const Kind options_kind("MTLCompileOptions",
                        {{"setLanguageVersion:", method(set_version)},
                         {"setFastMathEnabled:", method(set_fast_math)}},
                        method(new_options));
const Kind library_kind("MTLLibrary", {{"newFunctionWithName:", method(new_function)}});
const Kind function_kind("MTLFunction", {});
const Kind pipeline_kind("MTLComputePipelineState",
                         {{"maxTotalThreadsPerThreadgroup", method(pipeline_threads)}});
const Kind queue_kind("MTLCommandQueue", {{"commandBuffer", method(command_buffer)}});
const Kind commands_kind("MTLCommandBuffer", {{"computeCommandEncoder", method(compute_encoder)},
                                              {"addCompletedHandler:", method(add_handler)},
                                              {"commit", method(commit)},
                                              {"status", method(commands_status)},
                                              {"error", method(commands_error)}});
const Kind encoder_kind(
    "MTLComputeCommandEncoder",
    {{"setComputePipelineState:", method(set_pipeline)},
     {"setBytes:length:atIndex:", method(set_bytes)},
     {"setBuffer:offset:atIndex:", method(set_buffer)},
     {"setTexture:atIndex:", method(set_texture)},
     {"setThreadgroupMemoryLength:atIndex:", method(set_threadgroup_bytes)},
     {"dispatchThreadgroups:threadsPerThreadgroup:", method(dispatch)},
     {"endEncoding", method(end_encoding)}});
const Kind buffer_kind("MTLBuffer", {{"contents", method(buffer_contents)}});
const Kind texture_kind("MTLTexture", {});

} // namespace
} // namespace apple

using namespace apple;

EMULATED id MTLCreateSystemDefaultDevice()
{
    ENTER_OR_NULL(id);
    // Rule (header): a reference for the caller; nil where there is no device.
    return id_of(new Device);
}

EMULATED CVReturn CVMetalTextureCacheCreate(CFAllocatorRef, CFDictionaryRef, id device,
                                            CFDictionaryRef, CVMetalTextureCacheRef *made)
{
    ENTER_STATUS();
    if (!as<Device>(device))
        return kCVReturnInvalidArgument;
    *made = reference<CVMetalTextureCacheRef>(new TextureCache);
    return kCVReturnSuccess;
}

EMULATED CVReturn CVMetalTextureCacheCreateTextureFromImage(
    CFAllocatorRef, CVMetalTextureCacheRef cache, CVImageBufferRef image, CFDictionaryRef,
    unsigned long format, size_t width, size_t height, size_t index, CVMetalTextureRef *made)
{
    ENTER_STATUS();
    auto *found = as<PixelBuffer>(image);
    if (!as<TextureCache>(cache) || !found || index >= found->planes.size())
        return kCVReturnInvalidArgument;
    // Rule (header): the image's memory is an IOSurface, or there is no texture of it.
    if (!found->has_surface)
        return kCVReturnError;
    const Plane &plane = found->planes[index];
    bool is_wide = found->format.sample_bytes == 2;
    unsigned long fits = index ? (is_wide ? MTLPixelFormatRG16Unorm : MTLPixelFormatRG8Unorm)
                               : (is_wide ? MTLPixelFormatR16Unorm : MTLPixelFormatR8Unorm);
    // Rule (header): the pixel format is the caller's to know.
    if (format != fits || width != plane.width || height != plane.height) {
        misuse("a texture of format %lu, %zux%zu, of plane %zu", format, width, height, index);
        return kCVReturnInvalidPixelFormat;
    }
    auto *holder = new ImageTexture;
    holder->texture =
        Kept<Messaged>::adopted(new Texture(holder, found, static_cast<int>(index)));
    *made = reference<CVMetalTextureRef>(holder);
    return kCVReturnSuccess;
}

EMULATED void CVMetalTextureCacheFlush(CVMetalTextureCacheRef cache, CVOptionFlags options)
{
    ENTER();
    if (as<TextureCache>(cache) && options)
        misuse("the options are to be 0");
}

EMULATED id CVMetalTextureGetTexture(CVMetalTextureRef texture)
{
    ENTER_OR_NULL(id);
    auto *found = as<ImageTexture>(texture);
    return found ? id_of(found->texture.get()) : nullptr;
}
