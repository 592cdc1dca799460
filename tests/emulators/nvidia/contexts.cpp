// libcuda: start, devices, contexts.

#include "contexts.hpp"
#include "memory.hpp"
#include "nvidia.h"
#include "state.hpp"
#include "streams.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <vector>

using namespace emulator;

namespace {

constexpr CUresult error_context_is_destroyed = 709, error_primary_context_active = 708;

struct Contexts {
    unsigned long long next_id = 1;
    std::map<int, Context *> primary; // never freed: a device keeps the address of its own
    std::set<Context *> all;
    std::map<int, unsigned> flags; // of primary contexts, set before they are
    std::vector<std::function<void(Context *)>> ended;
};

Contexts &contexts()
{
    static Contexts *kept = new Contexts;
    return *kept;
}

thread_local std::vector<Context *> stack;

Context *known(CUcontext handle)
{
    auto *found = reinterpret_cast<Context *>(handle);
    return contexts().all.count(found) ? found : nullptr;
}

CUcontext handle_of(Context *context) { return reinterpret_cast<CUcontext>(context); }

// Rule (assumed): what was not given back goes with its context, and is counted as lost.
void end(Context *context)
{
    for (auto &each : contexts().ended)
        each(context);
    drop_streams_of(context);
    release_of_context(context);
    context->alive = false;
}

Context *start(Context *context)
{
    context->alive = true;
    context->id = contexts().next_id++;
    return context;
}

Context *primary_of(int device)
{
    Context *&found = contexts().primary[device];
    if (!found) {
        found = new Context;
        found->device = device;
        found->primary = true;
        contexts().all.insert(found);
    }
    return found;
}

} // namespace

namespace emulator {

bool is_initialised() { return state().initialised; }

int device_count() { return static_cast<int>(setting("DEVICES", 1LL)); }

int driver_version() { return static_cast<int>(setting("DRIVER_VERSION", 13000LL)); }

int capability_major()
{
    return atoi(setting("COMPUTE_CAPABILITY", "9.0").c_str());
}

int capability_minor()
{
    std::string text = setting("COMPUTE_CAPABILITY", "9.0");
    std::size_t dot = text.find('.');
    return dot == std::string::npos ? 0 : atoi(text.c_str() + dot + 1);
}

Context *current_context() { return stack.empty() ? nullptr : stack.back(); }

Result context_answer()
{
    if (!state().initialised)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (stack.empty() || !stack.back())
        return CUDA_ERROR_INVALID_CONTEXT;
    // Rule (header): what is current may have been destroyed by another thread.
    return stack.back()->alive ? 0 : error_context_is_destroyed;
}

void when_context_ends(std::function<void(Context *)> ended)
{
    contexts().ended.push_back(std::move(ended));
}

} // namespace emulator

// Start ---------------------------------------------------------------------------------------

EMULATED CUresult cuInit(unsigned int flags)
{
    ENTER();
    if (flags)
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    if (device_count() == 0)
        return CUDA_ERROR_NO_DEVICE; // Rule (header)
    state().initialised = true;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDriverGetVersion(int *version)
{
    ENTER();
    NEEDS(version);
    *version = driver_version();
    return CUDA_SUCCESS;
}

// Devices -------------------------------------------------------------------------------------

EMULATED CUresult cuDeviceGetCount(int *count)
{
    INITIALISED();
    NEEDS(count);
    *count = device_count();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    INITIALISED();
    NEEDS(device);
    NEEDS_DEVICE(ordinal);
    *device = ordinal;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetName(char *name, int bytes, CUdevice device)
{
    INITIALISED();
    NEEDS(name && bytes > 0);
    NEEDS_DEVICE(device);
    snprintf(name, bytes, "%s", setting("DEVICE_NAME", "Emulated NVIDIA device").c_str());
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
    INITIALISED();
    NEEDS(uuid);
    NEEDS_DEVICE(device);
    std::memcpy(uuid->bytes, "emulated-device", 15);
    uuid->bytes[15] = static_cast<char>('0' + device);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
    ENTER();
    return cuDeviceGetUuid(uuid, device);
}

EMULATED CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    INITIALISED();
    NEEDS(value);
    NEEDS_DEVICE(device);
    // Rule (trace): an H100; those that were not recorded are as its data sheet has them.
    static const std::map<int, int> values = {
        {1, 1024},       // threads of a block
        {2, 1024},       {3, 1024}, {4, 64},
        {5, 2147483647}, {6, 65535}, {7, 65535}, // blocks of a grid
        {8, 49152},      // shared memory of a block
        {10, 32},        // threads of a warp
        {11, 2147483647}, // pitch of a copy
        {13, 1980000},   // clock rate
        {14, 512},       // alignment of textures
        {15, 1},         {16, 132}, // copies beside kernels, multiprocessors
        {18, 0},         {19, 1},   // integrated, host memory can be mapped
        {31, 1},         // kernels side by side
        {33, 27},        {34, 0}, {50, 0}, // PCI bus, device, domain
        {38, 52428800},  // second-level cache
        {40, 3},         {41, 1}, // copy engines, unified addressing
        {78, 1},         {83, 1}, // stream priorities, managed memory
        {115, 1},        // memory pools
    };
    auto found = values.find(attribute);
    if (attribute <= 0 || attribute > 150)
        return CUDA_ERROR_INVALID_VALUE; // Rule (trace)
    *value = found == values.end() ? 0 : found->second;
    if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
        *value = capability_major();
    if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
        *value = capability_minor();
    if (attribute == CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)
        *value = static_cast<int>(setting("MEMORY_POOLS", 1LL));
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device)
{
    INITIALISED();
    NEEDS(major && minor);
    NEEDS_DEVICE(device);
    *major = capability_major();
    *minor = capability_minor();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetPCIBusId(char *id, int bytes, CUdevice device)
{
    INITIALISED();
    NEEDS(id && bytes > 0);
    NEEDS_DEVICE(device);
    snprintf(id, bytes, "0000:%02X:00.0", 0x1B + device);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *id)
{
    INITIALISED();
    NEEDS(device && id);
    unsigned bus = 0;
    if (sscanf(id, "%*x:%x:%*x.%*x", &bus) != 1 && sscanf(id, "%x:%*x.%*x", &bus) != 1)
        return CUDA_ERROR_INVALID_VALUE;
    int found = static_cast<int>(bus) - 0x1B;
    NEEDS_DEVICE(found);
    *device = found;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)
{
    INITIALISED();
    NEEDS(can);
    NEEDS_DEVICE(device);
    NEEDS_DEVICE(peer);
    *can = device != peer;
    return CUDA_SUCCESS;
}

// Primary contexts ------------------------------------------------------------------------------

EMULATED CUresult cuDevicePrimaryCtxRetain(CUcontext *target, CUdevice device)
{
    INITIALISED();
    NEEDS(target);
    NEEDS_DEVICE(device);
    Context *primary = primary_of(device);
    // Rule (trace): a sticky error outlives the context that it was in.
    if (!primary->alive && work_answer())
        return work_answer();
    if (!primary->alive) {
        start(primary);
        primary->flags = contexts().flags[device];
    }
    ++primary->retained;
    opened("retained primary context", reinterpret_cast<char *>(primary) + primary->retained);
    *target = handle_of(primary);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    ENTER_GIVING_BACK();
    if (!is_initialised())
        return LEAVE(CUDA_ERROR_NOT_INITIALIZED);
    NEEDS_DEVICE(device);
    Context *primary = primary_of(device);
    if (primary->retained == 0)
        return LEAVE(CUDA_ERROR_INVALID_CONTEXT); // Rule (header)
    given_back("retained primary context", reinterpret_cast<char *>(primary) + primary->retained);
    if (--primary->retained == 0 && primary->alive)
        end(primary);
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuDevicePrimaryCtxRelease(CUdevice device)
{
    ENTER_GIVING_BACK();
    return LEAVE(cuDevicePrimaryCtxRelease_v2(device));
}

// Rule (trace): all that is in the context goes, whoever holds it. It starts again when it is
// retained, at the same address and with another id; until then it is a destroyed one.
EMULATED CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
    INITIALISED();
    NEEDS_DEVICE(device);
    Context *primary = primary_of(device);
    if (primary->alive)
        end(primary);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDevicePrimaryCtxReset(CUdevice device)
{
    ENTER();
    return cuDevicePrimaryCtxReset_v2(device);
}

EMULATED CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags)
{
    INITIALISED();
    NEEDS_DEVICE(device);
    if (flags & ~0x7fu)
        return CUDA_ERROR_INVALID_VALUE;
    contexts().flags[device] = flags;
    if (primary_of(device)->alive)
        primary_of(device)->flags = flags;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned int flags)
{
    INITIALISED();
    NEEDS_DEVICE(device);
    if (primary_of(device)->alive && primary_of(device)->flags != flags)
        return error_primary_context_active; // Rule (header), of the old entry point
    return cuDevicePrimaryCtxSetFlags_v2(device, flags);
}

EMULATED CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active)
{
    INITIALISED();
    NEEDS(flags && active);
    NEEDS_DEVICE(device);
    *flags = primary_of(device)->alive ? primary_of(device)->flags : contexts().flags[device];
    *active = primary_of(device)->alive;
    return CUDA_SUCCESS;
}

// Contexts ------------------------------------------------------------------------------------

EMULATED CUresult cuCtxCreate_v2(CUcontext *target, unsigned int flags, CUdevice device)
{
    INITIALISED();
    NEEDS(target);
    NEEDS_DEVICE(device);
    auto *made = start(new Context);
    made->device = device;
    made->flags = flags;
    contexts().all.insert(made);
    opened("context", made);
    stack.push_back(made);
    *target = handle_of(made);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxDestroy_v2(CUcontext handle)
{
    ENTER_GIVING_BACK();
    Context *ended = known(handle);
    if (!ended || !ended->alive || ended->primary) {
        misuse("cuCtxDestroy of a context that is not open, or is a primary one");
        return LEAVE(CUDA_ERROR_INVALID_CONTEXT);
    }
    finish_context(ended); // Rule (trace)
    if (current_context() == ended)
        stack.pop_back();
    end(ended);
    given_back("context", ended);
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuCtxPushCurrent_v2(CUcontext handle)
{
    INITIALISED();
    NEEDS(handle); // Rule (trace)
    Context *pushed = known(handle);
    if (!pushed)
        return CUDA_ERROR_INVALID_CONTEXT;
    // Rule (trace): the call succeeds, and the process crashes later. A primary context that was
    // released or reset keeps its address.
    if (!pushed->alive && !pushed->primary)
        return crash(error_context_is_destroyed, "cuCtxPushCurrent of a context that is gone");
    stack.push_back(pushed);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxPopCurrent_v2(CUcontext *target)
{
    INITIALISED();
    if (stack.empty())
        return CUDA_ERROR_INVALID_CONTEXT; // Rule (trace)
    if (target)
        *target = handle_of(stack.back());
    stack.pop_back();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxSetCurrent(CUcontext handle)
{
    INITIALISED();
    Context *set = handle ? known(handle) : nullptr;
    if (handle && !set)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (set && !set->alive)
        return error_context_is_destroyed;
    // Rule (header): replaces the top; NULL takes it away.
    if (!stack.empty())
        stack.pop_back();
    if (set)
        stack.push_back(set);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetCurrent(CUcontext *target)
{
    INITIALISED(); // Rule (trace): 3 before cuInit
    NEEDS(target);
    *target = handle_of(current_context());
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetDevice(CUdevice *device)
{
    IN_CONTEXT();
    NEEDS(device);
    *device = current_context()->device;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetFlags(unsigned int *flags)
{
    IN_CONTEXT();
    NEEDS(flags);
    *flags = current_context()->flags;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetId(CUcontext handle, unsigned long long *id)
{
    INITIALISED();
    NEEDS(id);
    Context *asked = handle ? known(handle) : current_context();
    if (!asked)
        return handle ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_CONTEXT;
    if (!asked->alive)
        return error_context_is_destroyed; // Rule (header)
    *id = asked->id;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetApiVersion(CUcontext handle, unsigned int *version)
{
    INITIALISED();
    NEEDS(version);
    Context *asked = handle ? known(handle) : current_context();
    if (!asked || !asked->alive)
        return CUDA_ERROR_INVALID_CONTEXT;
    *version = 3020; // Rule (trace)
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxSynchronize()
{
    IN_CONTEXT();
    finish_context(current_context());
    return work_answer();
}

EMULATED CUresult cuCtxSetLimit(int, std::size_t)
{
    IN_CONTEXT();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetLimit(std::size_t *value, int)
{
    IN_CONTEXT();
    NEEDS(value);
    *value = 1024;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    IN_CONTEXT();
    if (least)
        *least = 0;
    if (greatest)
        *greatest = -5;
    return CUDA_SUCCESS;
}
