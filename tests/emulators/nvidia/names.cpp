// libcuda: names of result codes, calls by name, and the calls that are there and refused.

#include "contexts.hpp"
#include "nvidia.h"

#include <algorithm>
#include <cctype>
#include <dlfcn.h>
#include <map>

using namespace emulator;

namespace {

constexpr CUresult error_not_found = 500;

struct Named {
    std::string name, text;
};

// Rule (trace): the codes that the real driver has names for.
const std::map<int, Named> &error_names()
{
    static const std::map<int, const char *> recorded = {
#include "errors.inc"
    };
    static const auto made = [] {
        std::map<int, Named> all;
        for (auto &[code, name] : recorded) {
            std::string text = code ? std::string(name).substr(11) : "no error";
            std::transform(text.begin(), text.end(), text.begin(),
                           [](unsigned char c) { return c == '_' ? ' ' : std::tolower(c); });
            all[code] = {name, text};
        }
        return all;
    }();
    return made;
}

} // namespace

EMULATED CUresult cuGetErrorName(CUresult code, const char **name)
{
    ENTER();
    NEEDS(name);
    auto found = error_names().find(code);
    *name = found == error_names().end() ? nullptr : found->second.name.c_str();
    return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EMULATED CUresult cuGetErrorString(CUresult code, const char **text)
{
    ENTER();
    NEEDS(text);
    auto found = error_names().find(code);
    *text = found == error_names().end() ? nullptr : found->second.text.c_str();
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Rule (header): the name without a version gives the newest form that the asker's CUDA has.
EMULATED CUresult cuGetProcAddress_v2(const char *name, void **target, int version,
                                      unsigned long long, int *status)
{
    ENTER();
    NEEDS(name && target);
    *target = nullptr;
    static void *library = [] {
        Dl_info here;
        dladdr(reinterpret_cast<void *>(&cuGetErrorName), &here);
        return dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    }();
    if (version > driver_version())
        return CUDA_ERROR_INVALID_VALUE; // Rule (trace)
    for (const char *suffix : {"_v2", ""})
        if (!*target)
            *target = dlsym(library, (std::string(name) + suffix).c_str());
    // Rule (trace): who asks for the status gets it there.
    if (status)
        *status = *target ? 0 : 1;
    return *target || status ? CUDA_SUCCESS : error_not_found;
}

EMULATED CUresult cuGetProcAddress(const char *name, void **target, int version,
                                   unsigned long long flags)
{
    ENTER();
    return cuGetProcAddress_v2(name, target, version, flags, nullptr);
}

// Rule (assumed): no client of ours needs the tables that are not documented.
EMULATED CUresult cuGetExportTable(const void **table, const void *)
{
    ENTER();
    NEEDS(table);
    *table = nullptr;
    return error_not_found;
}

// Rule (assumed): FFmpeg's loader wants these to be there; this device has no arrays, textures,
// linker, graphics, or memory of other APIs.
#define REFUSED(name)                                                                              \
    EMULATED CUresult name()                                                                       \
    {                                                                                              \
        ENTER();                                                                                   \
        return CUDA_ERROR_NOT_SUPPORTED;                                                           \
    }

REFUSED(cuMemAllocManaged)
REFUSED(cuLinkCreate)
REFUSED(cuLinkCreate_v2)
REFUSED(cuLinkAddData)
REFUSED(cuLinkAddData_v2)
REFUSED(cuLinkComplete)
REFUSED(cuLinkDestroy)
REFUSED(cuTexObjectCreate)
REFUSED(cuTexObjectDestroy)
REFUSED(cuArrayCreate_v2)
REFUSED(cuArray3DCreate_v2)
REFUSED(cuArrayDestroy)
REFUSED(cuMipmappedArrayGetLevel)
REFUSED(cuMipmappedArrayDestroy)
REFUSED(cuGLGetDevices_v2)
REFUSED(cuGraphicsGLRegisterImage)
REFUSED(cuGraphicsUnregisterResource)
REFUSED(cuGraphicsMapResources)
REFUSED(cuGraphicsUnmapResources)
REFUSED(cuGraphicsSubResourceGetMappedArray)
REFUSED(cuGraphicsResourceGetMappedPointer_v2)
REFUSED(cuDeviceGetLuid)
REFUSED(cuImportExternalMemory)
REFUSED(cuDestroyExternalMemory)
REFUSED(cuExternalMemoryGetMappedBuffer)
REFUSED(cuExternalMemoryGetMappedMipmappedArray)
REFUSED(cuImportExternalSemaphore)
REFUSED(cuDestroyExternalSemaphore)
REFUSED(cuSignalExternalSemaphoresAsync)
REFUSED(cuWaitExternalSemaphoresAsync)
REFUSED(cuEGLStreamProducerConnect)
REFUSED(cuEGLStreamProducerDisconnect)
REFUSED(cuEGLStreamConsumerDisconnect)
REFUSED(cuEGLStreamProducerPresentFrame)
REFUSED(cuEGLStreamProducerReturnFrame)
REFUSED(cuCtxEnablePeerAccess)
REFUSED(cuIpcGetMemHandle)
