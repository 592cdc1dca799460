// Metal without Objective-C: kernels compiled for the system's device, memory that they write to.
//
// Owns messages to Metal's objects, the pool of output buffers, one conversion of one image. Must
// not know: sessions, what the kernels compute (kernels/nv12_rgb.metal), which of them is taken.
//
// Nothing here waits for the device: a conversion is committed, and its end is told on a thread of
// Metal's. `MetalKernels` and `MetalPool` are for any thread, `MetalConverter` for one.
#ifndef VIDEOHW_METAL_HPP
#define VIDEOHW_METAL_HPP

#include "apple_refs.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace videohw {

// What the method of an object's class returns. Found by name: classes of Metal are private.
template <class Result, class... Arguments>
Result objc_send(id object, const char *name, Arguments... arguments)
{
    SEL selector = sel_registerName(name);
    IMP method = class_getMethodImplementation(object_getClass(object), selector);
    return reinterpret_cast<Result (*)(id, SEL, Arguments...)>(method)(object, selector,
                                                                       arguments...);
}

// One reference to an object of Objective-C, as CfOwner is of CoreFoundation.
class ObjcOwner {
public:
    ObjcOwner() = default;
    // Takes over what a method called new... gave.
    explicit ObjcOwner(id made) : object_(made) {}
    // One reference more, of what some other method gave.
    static ObjcOwner kept(id given) { return ObjcOwner(given ? objc_retain(given) : nullptr); }
    ObjcOwner(const ObjcOwner &) = delete;
    ObjcOwner &operator=(const ObjcOwner &) = delete;
    ObjcOwner(ObjcOwner &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    ObjcOwner &operator=(ObjcOwner &&other) noexcept
    {
        std::swap(object_, other.object_);
        return *this;
    }
    ~ObjcOwner()
    {
        if (object_ && !vt_forked())
            objc_release(object_);
    }
    id get() const { return object_; }
    explicit operator bool() const { return object_ != nullptr; }

private:
    id object_ = nullptr;
};

// NSString is CFString.
inline id objc_string(CFStringRef string)
{
    return reinterpret_cast<id>(const_cast<struct __CFString *>(string));
}

inline CfOwner<CFStringRef> cf_string(const std::string &text)
{
    return CfOwner<CFStringRef>(
        CFStringCreateWithCString(kCFAllocatorDefault, text.c_str(), kCFStringEncodingUTF8));
}

// What an NSError says; no more than a line or two of it.
inline std::string objc_error(id error)
{
    if (!error)
        return "no reason was given";
    id text = objc_send<id>(error, "localizedDescription");
    std::array<char, 1024> buffer;
    if (!text || !CFStringGetCString(reinterpret_cast<CFStringRef>(text), buffer.data(),
                                     static_cast<CFIndex>(buffer.size()), kCFStringEncodingUTF8))
        return "error " + std::to_string(objc_send<long>(error, "code"));
    return buffer.data();
}

// The device with the library and the pipelines, kept as long as somebody uses them.
class MetalKernels {
public:
    // Those of the process: made when nobody has them. nullptr, and `why`. `path` of a library that
    // was compiled beforehand may be empty; where it cannot be used the source is compiled.
    static std::shared_ptr<MetalKernels> shared(const std::string &source, const std::string &path,
                                                std::string *why)
    {
        static std::mutex *lock = new std::mutex;
        static std::weak_ptr<MetalKernels> *last = new std::weak_ptr<MetalKernels>;
        std::lock_guard<std::mutex> held(*lock);
        if (auto found = last->lock())
            return found;
        AutoreleasePool pool;
        std::shared_ptr<MetalKernels> made(new MetalKernels);
        if (!made->open(source, path, why))
            return nullptr;
        *last = made;
        return made;
    }
    // The most threads of a threadgroup of a kernel; 0, and `why`, where it does not compile.
    unsigned long max_threads(const std::string &kernel, std::string *why)
    {
        AutoreleasePool pool;
        std::lock_guard<std::mutex> held(lock_);
        ObjcOwner &pipeline = pipelines_[kernel];
        if (!pipeline) {
            CfOwner<CFStringRef> name = cf_string(kernel);
            ObjcOwner function;
            if (name)
                function = ObjcOwner(
                    objc_send<id>(library_.get(), "newFunctionWithName:", objc_string(name.get())));
            id error = nullptr;
            if (function)
                pipeline = ObjcOwner(
                    objc_send<id>(device_.get(), "newComputePipelineStateWithFunction:error:",
                                  function.get(), &error));
            if (!pipeline) {
                *why = function ? "Metal makes no pipeline of " + kernel + ": " + objc_error(error)
                                : "the library has no kernel " + kernel;
                return 0;
            }
        }
        return objc_send<unsigned long>(pipeline.get(), "maxTotalThreadsPerThreadgroup");
    }
    // One that `max_threads` was asked of.
    id pipeline(const std::string &kernel)
    {
        std::lock_guard<std::mutex> held(lock_);
        return pipelines_[kernel].get();
    }
    id device() const { return device_.get(); }
    id queue() const { return queue_.get(); }

private:
    MetalKernels() = default;
    bool open(const std::string &source, const std::string &path, std::string *why)
    {
        device_ = ObjcOwner(MTLCreateSystemDefaultDevice());
        if (!device_) {
            *why = "this system has no Metal device";
            return false;
        }
        queue_ = ObjcOwner(objc_send<id>(device_.get(), "newCommandQueue"));
        if (!queue_) {
            *why = "Metal makes no command queue";
            return false;
        }
        id error = nullptr;
        if (CfOwner<CFStringRef> file = path.empty() ? CfOwner<CFStringRef>() : cf_string(path))
            library_ = ObjcOwner(objc_send<id>(device_.get(), "newLibraryWithFile:error:",
                                               objc_string(file.get()), &error));
        if (!library_)
            library_ = compiled(source, &error);
        if (!library_)
            *why = "Metal does not compile the kernels: " + objc_error(error);
        return static_cast<bool>(library_);
    }
    ObjcOwner compiled(const std::string &source, id *error)
    {
        CfOwner<CFStringRef> text = cf_string(source);
        ObjcOwner options(
            objc_send<id>(reinterpret_cast<id>(objc_getClass("MTLCompileOptions")), "new"));
        if (!text || !options)
            return {};
        // As kernels/build_metal.py has them: macOS 11's language; all devices give the same bits.
        objc_send<void>(options.get(), "setLanguageVersion:",
                        static_cast<unsigned long>(MTLLanguageVersion2_3));
        objc_send<void>(options.get(), "setFastMathEnabled:", static_cast<signed char>(0));
        return ObjcOwner(objc_send<id>(device_.get(), "newLibraryWithSource:options:error:",
                                       objc_string(text.get()), options.get(), error));
    }

    ObjcOwner device_, queue_, library_;
    std::mutex lock_;
    std::map<std::string, ObjcOwner> pipelines_;
};

// Buffers of one size that nobody uses at the moment.
class MetalPool {
public:
    explicit MetalPool(std::size_t most) : most_(most) {}
    // An empty owner where there is no memory.
    ObjcOwner take(id device, std::size_t bytes)
    {
        {
            std::lock_guard<std::mutex> held(lock_);
            if (bytes != bytes_)
                free_.clear();
            bytes_ = bytes;
            if (!free_.empty()) {
                ObjcOwner found = std::move(free_.back());
                free_.pop_back();
                return found;
            }
        }
        return ObjcOwner(objc_send<id>(device, "newBufferWithLength:options:",
                                       static_cast<unsigned long>(bytes),
                                       static_cast<unsigned long>(MTLResourceStorageModeShared)));
    }
    void give_back(ObjcOwner buffer, std::size_t bytes)
    {
        std::lock_guard<std::mutex> held(lock_);
        if (bytes == bytes_ && free_.size() < most_)
            free_.push_back(std::move(buffer));
    }

private:
    std::mutex lock_;
    const std::size_t most_;
    std::size_t bytes_ = 0;
    std::vector<ObjcOwner> free_;
};

// Converted pixels, in a buffer that goes back to its pool when nobody has it any more.
class MetalPixels {
public:
    MetalPixels(ObjcOwner buffer, std::size_t bytes, std::weak_ptr<MetalPool> pool)
        : bytes(bytes), buffer_(std::move(buffer)), pool_(std::move(pool))
    {
    }
    MetalPixels(const MetalPixels &) = delete;
    MetalPixels &operator=(const MetalPixels &) = delete;
    ~MetalPixels()
    {
        if (vt_forked())
            return;
        auto pool = pool_.lock();
        if (pool && !handed_out_)
            pool->give_back(std::move(buffer_), bytes);
    }
    void *contents() const { return objc_send<void *>(buffer_.get(), "contents"); }
    id buffer() const { return buffer_.get(); }
    // The buffer for somebody else, whose device may read it when it is dropped here. Metal keeps
    // it for those commands, but it is not written to again.
    void *handed_out()
    {
        handed_out_ = true;
        return buffer_.get();
    }
    const std::size_t bytes;

private:
    std::atomic<bool> handed_out_{false};
    ObjcOwner buffer_;
    std::weak_ptr<MetalPool> pool_;
};

// One way to convert images, as videohw/kernels/metal.py lays it out.
struct MetalPlan {
    // An image of these alone is converted: its form, and all that is to be seen, from the corner.
    OSType pixel_format = 0;
    std::size_t width = 0, height = 0;
    std::array<unsigned long, 2> texture_formats{};
    std::string kernel;
    std::vector<uint8_t> arguments;
    std::array<unsigned long, 3> threadgroups{}, threads{};
    std::vector<unsigned long> threadgroup_bytes;
    std::vector<unsigned long> offsets; // of the target's planes in its buffer
    std::size_t bytes = 0;              // of that buffer
    // Where the kernel wants what.
    unsigned long source_texture = 0, target_buffer = 0, arguments_buffer = 0;
};

// Why an image was not converted; `call` is nullptr where it was.
struct MetalFailure {
    const char *call = nullptr;
    long code = 0;
};

// Converts the images of one decoder.
class MetalConverter {
public:
    // Told once, on any thread: the pixels, or a failure.
    using Done = std::function<void(std::shared_ptr<MetalPixels>, MetalFailure)>;

    MetalConverter(std::shared_ptr<MetalKernels> kernels, std::size_t most_idle)
        : kernels_(std::move(kernels)), pool_(std::make_shared<MetalPool>(most_idle))
    {
    }
    // Commits the conversion; where it cannot, the failure, and `done` is never called.
    MetalFailure start(CVImageBufferRef image, const MetalPlan &plan, Done done);

private:
    // All that must live until the device is done with it.
    struct Job {
        CfOwner<CVImageBufferRef> image;
        std::array<CfOwner<CVMetalTextureRef>, 2> textures;
        std::array<id, 2> sources; // what those hold
        std::shared_ptr<MetalPixels> pixels;
        Done done;
    };
    // A block as the compiler lays one out; it is copied byte by byte, so it holds a plain pointer.
    struct Descriptor {
        unsigned long reserved, size;
    };
    struct Completion {
        void *of;
        int flags, reserved;
        void (*invoke)(Completion *, id);
        const Descriptor *descriptor;
        Job *job;
    };
    static void completed(Completion *block, id commands);

    const char *why_not(CVImageBufferRef image, const MetalPlan &plan) const;
    MetalFailure bind(CVImageBufferRef image, const MetalPlan &plan, Job &job);
    void encode(id encoder, const MetalPlan &plan, const Job &job);

    std::shared_ptr<MetalKernels> kernels_;
    std::shared_ptr<MetalPool> pool_;
    CfOwner<CVMetalTextureCacheRef> cache_;
    std::array<std::size_t, 2> cached_size_{};
};

} // namespace videohw

#include "metal_inline.hpp"

#endif
