// The conversion kernels of one context, and the launch of a conversion that Python planned.
//
// The structures are those of kernels/*.cu and videohw/kernels/settings.py; _cuda.pyx checks what is
// read here against the latter. Nothing needs the GIL.
#ifndef VIDEOHW_CUDA_KERNELS_HPP
#define VIDEOHW_CUDA_KERNELS_HPP

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cuda_memory.hpp"

namespace videohw {

struct KernelPicture {
    std::uint64_t source[3], target[3];
};

// How the argument of every kernel begins; the pictures are its end.
struct KernelSettings {
    float matrix[3][3], offset[3], scale[3], bias[3];
    float across[4], down[4];
    float peak;
    std::int32_t shift, width, height;
    std::int32_t from_width, from_height;
    std::int32_t left, top, crop_width, crop_height;
    std::uint32_t from_pitch[2], to_pitch[2], sample_bits;
    std::int32_t phase_x, phase_y, chroma_rows, nearest, area, target;
};

// The one argument of every kernel, by value: at most what a launch takes.
union KernelArgument {
    KernelSettings settings;
    unsigned char bytes[4096];
};

struct Kernel {
    CUfunction function = nullptr;
    std::string name;
};

// The module of the kernels in a context: loaded once, then looked up by name.
class Kernels {
public:
    explicit Kernels(Context &context) : context_(context) {}

    // Without the lock, which is held while the driver loads them.
    bool loaded() const { return module_.load() != nullptr; }
    // Load an image for cuModuleLoadData; nothing happens when one is loaded.
    CUresult load(const void *image)
    {
        Scope scope(context_);
        if (scope.code != CUDA_SUCCESS)
            return scope.code;
        std::lock_guard<std::mutex> held(loading_);
        if (module_)
            return CUDA_SUCCESS;
        CUmodule module = nullptr;
        CUresult code =
            context_.noted(context_.api.cuModuleLoadData(&module, image), "cuModuleLoadData");
        if (code == CUDA_SUCCESS)
            module_.store(module);
        return code;
    }
    // The kernel called `name`, which lives as long as the context; null with a code.
    const Kernel *find(const char *name, CUresult *code)
    {
        Scope scope(context_);
        *code = scope.code;
        if (scope.code != CUDA_SUCCESS)
            return nullptr;
        std::lock_guard<std::mutex> held(loading_);
        for (const auto &kernel : kernels_)
            if (kernel->name == name)
                return kernel.get();
        CUfunction function = nullptr;
        *code = CUDA_ERROR_NOT_FOUND;
        if (module_)
            *code = context_.noted(context_.api.cuModuleGetFunction(&function, module_, name),
                                   "cuModuleGetFunction");
        if (*code != CUDA_SUCCESS)
            return nullptr;
        kernels_.push_back(std::unique_ptr<Kernel>(new Kernel{function, name}));
        return kernels_.back().get();
    }
    // Inside a Scope, when nothing uses them any more.
    void unload()
    {
        if (CUmodule module = module_.exchange(nullptr))
            context_.noted(context_.api.cuModuleUnload(module), "cuModuleUnload");
        kernels_.clear();
    }

private:
    Context &context_;
    std::mutex loading_;
    std::atomic<CUmodule> module_{nullptr};
    std::vector<std::unique_ptr<Kernel>> kernels_;
};

// A conversion of pictures of one size and layout (videohw.kernels.Plan) in one context.
struct ConversionPlan {
    const Kernel *kernel = nullptr;
    unsigned grid[2] = {1, 1}, block[3] = {1, 1, 1}; // of one picture
    KernelArgument argument{};
    std::size_t argument_bytes = 0, pictures_at = 0; // its size, and where the pictures begin
};

// Convert one picture: three planes from and to, 0 for those that it has not. The argument is
// copied before this returns. The context is current.
inline CUresult convert(const nvidia_cuda &api, const ConversionPlan &plan,
                        const CUdeviceptr *source, const CUdeviceptr *target, CUstream stream)
{
    KernelArgument argument;
    KernelPicture picture;
    std::memcpy(argument.bytes, plan.argument.bytes, plan.argument_bytes);
    for (int i = 0; i < 3; ++i) {
        picture.source[i] = source[i];
        picture.target[i] = target[i];
    }
    std::memcpy(argument.bytes + plan.pictures_at, &picture, sizeof picture);
    void *parameters[] = {&argument};
    return api.cuLaunchKernel(plan.kernel->function, plan.grid[0], plan.grid[1], 1, plan.block[0],
                              plan.block[1], plan.block[2], 0, stream, parameters, nullptr);
}

} // namespace videohw

#endif
