// libcuda: modules, which are the shipped images of the CUDA kernels and no others, and launches.

#include "contexts.hpp"
#include "nvidia.h"
#include "sha256.hpp"
#include "state.hpp"
#include "streams.hpp"

#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <map>
#include <set>

using namespace emulator;

namespace {

constexpr CUresult error_invalid_image = 200, error_no_binary_for_gpu = 209,
                   error_invalid_ptx = 218, error_unsupported_ptx_version = 222,
                   error_invalid_handle = 400, error_not_found = 500, error_illegal_address = 700;

struct Image {
    const char *name;
    bool is_ptx;
    int major, minor;
    const char *sha256;
};

const Image images[] = {
#include "images.inc"
};

const std::set<std::string> kernel_names = {
#include "kernels.inc"
};

struct Function {
    std::string name;
    void *kernel = nullptr;
    Context *context = nullptr;
};

struct Module {
    Context *context = nullptr;
    std::map<std::string, std::unique_ptr<Function>> functions;
};

struct Modules {
    std::set<Module *> all;
    std::set<Function *> functions;
    bool watching = false;
};

Modules &modules()
{
    static Modules *kept = new Modules;
    return *kept;
}

struct HostKernels {
    void *library = nullptr;
    std::size_t (*argument_bytes)() = nullptr;
    unsigned (*block_columns)() = nullptr, (*block_rows)() = nullptr;
    bool (*run)(const char *, void *, const void *, const unsigned *,
                void *(*)(Address, std::size_t)) = nullptr;
};

// They lie beside this library.
const HostKernels &host_kernels()
{
    static HostKernels found;
    if (found.library)
        return found;
    Dl_info here;
    dladdr(reinterpret_cast<void *>(&host_kernels), &here);
    std::string path = here.dli_fname;
    path = path.substr(0, path.rfind('/') + 1) + "kernels_host.so";
    found.library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (found.library) {
        *reinterpret_cast<void **>(&found.argument_bytes) =
            dlsym(found.library, "videohw_argument_bytes");
        *reinterpret_cast<void **>(&found.block_columns) =
            dlsym(found.library, "videohw_block_columns");
        *reinterpret_cast<void **>(&found.block_rows) = dlsym(found.library, "videohw_block_rows");
        *reinterpret_cast<void **>(&found.run) = dlsym(found.library, "videohw_run_kernel");
    }
    return found;
}

// Bytes of a program in ELF, from its own tables.
std::size_t elf_bytes(const unsigned char *start)
{
    Elf64_Ehdr head;
    std::memcpy(&head, start, sizeof head);
    std::size_t end = head.e_shoff + std::size_t(head.e_shnum) * head.e_shentsize;
    end = std::max<std::size_t>(end, head.e_phoff + std::size_t(head.e_phnum) * head.e_phentsize);
    for (int index = 0; index < head.e_shnum; ++index) {
        Elf64_Shdr section;
        std::memcpy(&section, start + head.e_shoff + index * head.e_shentsize, sizeof section);
        if (section.sh_type != SHT_NOBITS)
            end = std::max<std::size_t>(end, section.sh_offset + section.sh_size);
    }
    return end;
}

CUresult answer_to_image(const unsigned char *start)
{
    bool is_elf = std::memcmp(start, ELFMAG, SELFMAG) == 0;
    auto *text = reinterpret_cast<const char *>(start);
    if (!is_elf && !std::strstr(text, ".version"))
        return error_invalid_image; // Rule (header)
    std::string sum = sha256(start, is_elf ? elf_bytes(start) : std::strlen(text));
    for (const Image &image : images) {
        if (sum != image.sha256)
            continue;
        // Rule (header): machine code is for later chips of the same generation.
        if (!image.is_ptx)
            return image.major == capability_major() && image.minor <= capability_minor()
                       ? CUDA_SUCCESS
                       : error_no_binary_for_gpu;
        // Rule (header): PTX 7.8 came with CUDA 11.8.
        if (driver_version() < 11080)
            return error_unsupported_ptx_version;
        bool fits = image.major < capability_major() ||
                    (image.major == capability_major() && image.minor <= capability_minor());
        return fits ? CUDA_SUCCESS : error_invalid_ptx;
    }
    misuse("a module that is none of the shipped kernels");
    // Rule (trace): PTX of a later language than the driver's is told apart.
    const char *version = is_elf ? nullptr : std::strstr(text, ".version");
    if (version && atof(version + std::strlen(".version")) > 9.0)
        return error_unsupported_ptx_version;
    return is_elf ? error_invalid_image : error_invalid_ptx;
}

void forget(Module *module)
{
    for (auto &[name, function] : module->functions)
        modules().functions.erase(function.get());
    modules().all.erase(module);
}

void end(Context *context)
{
    for (auto each = modules().all.begin(); each != modules().all.end();) {
        Module *module = *each++;
        if (module->context != context)
            continue;
        lost_with_context("module", module);
        forget(module);
    }
}

} // namespace

EMULATED CUresult cuModuleLoadData(CUmodule *target, const void *image)
{
    IN_CONTEXT();
    NEEDS(target && image);
    finish_context(current_context()); // Rule (trace): loading and unloading wait
    if (CUresult answer = answer_to_image(static_cast<const unsigned char *>(image)))
        return answer;
    if (!std::exchange(modules().watching, true))
        when_context_ends(end);
    auto *made = new Module;
    made->context = current_context();
    modules().all.insert(made);
    opened("module", made);
    *target = reinterpret_cast<CUmodule>(made);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuModuleLoadDataEx(CUmodule *target, const void *image, unsigned int, int *,
                                     void **)
{
    ENTER();
    return cuModuleLoadData(target, image);
}

EMULATED CUresult cuModuleLoadFatBinary(CUmodule *, const void *)
{
    IN_CONTEXT();
    return error_no_binary_for_gpu; // Rule (assumed): none of ours is one
}

EMULATED CUresult cuModuleUnload(CUmodule handle)
{
    ENTER_GIVING_BACK();
    if (Result answer = context_answer())
        return LEAVE(answer);
    auto *module = reinterpret_cast<Module *>(handle);
    if (!modules().all.count(module)) {
        misuse("cuModuleUnload of a module that is not open");
        return LEAVE(error_invalid_handle); // Rule (trace)
    }
    finish_context(current_context());
    forget(module);
    given_back("module", module);
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuModuleGetFunction(CUfunction *target, CUmodule handle, const char *name)
{
    IN_CONTEXT();
    NEEDS(target && name);
    auto *module = reinterpret_cast<Module *>(handle);
    if (!modules().all.count(module)) {
        misuse("cuModuleGetFunction of a module that is not open");
        return error_invalid_handle;
    }
    void *library = kernel_names.count(name) ? host_kernels().library : nullptr;
    void *kernel = library ? dlsym(library, name) : nullptr;
    if (!kernel)
        return error_not_found; // Rule (header)
    auto &function = module->functions[name];
    if (!function) {
        function = std::make_unique<Function>(Function{name, kernel, module->context});
        modules().functions.insert(function.get());
    }
    *target = reinterpret_cast<CUfunction>(function.get());
    return CUDA_SUCCESS;
}

EMULATED CUresult cuModuleGetGlobal_v2(CUdeviceptr *, std::size_t *, CUmodule, const char *)
{
    IN_CONTEXT();
    return error_not_found;
}

EMULATED CUresult cuModuleGetGlobal(unsigned int *, unsigned int *, CUmodule, const char *)
{
    IN_CONTEXT();
    return error_not_found;
}

EMULATED CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction handle)
{
    IN_CONTEXT();
    NEEDS(value);
    if (!modules().functions.count(reinterpret_cast<Function *>(handle)))
        return error_invalid_handle;
    const HostKernels &kernels = host_kernels();
    int bound = static_cast<int>(kernels.block_columns() * kernels.block_rows());
    *value = attribute == 0 ? bound : 0; // of the launch, as it is compiled
    return CUDA_SUCCESS;
}

EMULATED CUresult cuFuncSetAttribute(CUfunction handle, int, int)
{
    IN_CONTEXT();
    bool known = modules().functions.count(reinterpret_cast<Function *>(handle));
    return known ? CUDA_SUCCESS : error_invalid_handle;
}

EMULATED CUresult cuLaunchKernel(CUfunction handle, unsigned int grid_x, unsigned int grid_y,
                                 unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                                 unsigned int block_z, unsigned int, CUstream on, void **arguments,
                                 void **extra)
{
    IN_CONTEXT();
    auto *function = reinterpret_cast<Function *>(handle);
    if (!modules().functions.count(function)) {
        misuse("cuLaunchKernel of a function whose module is not open");
        return error_invalid_handle; // Rule (trace)
    }
    StreamPointer stream = stream_by_handle(on);
    if (!stream || function->context != stream->context)
        return error_invalid_handle; // Rule (trace): the current context does not matter
    unsigned long long threads = 1ull * block_x * block_y * block_z;
    // Rule (header): limits of a grid and of a block.
    if (!grid_x || !grid_y || !grid_z || !threads || threads > 1024 || grid_x > 2147483647u ||
        grid_y > 65535 || grid_z > 65535 || block_z > 64)
        return CUDA_ERROR_INVALID_VALUE;
    const HostKernels &kernels = host_kernels();
    if (threads > kernels.block_columns() * kernels.block_rows())
        return CUDA_ERROR_INVALID_VALUE; // Rule (trace): the kernels' launch bound
    if (!arguments || extra)
        return CUDA_ERROR_INVALID_VALUE;
    if (block_x != kernels.block_columns() || block_y != kernels.block_rows() || block_z != 1) {
        misuse("a launch with blocks of %u x %u x %u threads", block_x, block_y, block_z);
        return CUDA_ERROR_INVALID_VALUE;
    }
    // Rule (header): the arguments are copied before the call returns.
    auto *first = static_cast<unsigned char *>(arguments[0]);
    auto kept = std::make_shared<std::vector<unsigned char>>(first,
                                                             first + kernels.argument_bytes());
    std::string name = function->name;
    void *kernel = function->kernel;
    enqueue(stream, [=, &kernels] {
        const unsigned grid[3] = {grid_x, grid_y, grid_z};
        if (kernels.run(name.c_str(), kernel, kept->data(), grid, reachable))
            return;
        misuse("kernel %s touched memory that it must not", name.c_str());
        stick(error_illegal_address); // Rule (header)
    });
    return CUDA_SUCCESS;
}
