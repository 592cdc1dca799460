// A device as the sessions of this process share it: its context, pools and kernels.
#ifndef VIDEOHW_CUDA_DEVICE_HPP
#define VIDEOHW_CUDA_DEVICE_HPP

#include "cuda_kernels.hpp"
#include "cuda_memory.hpp"

namespace videohw {

struct DeviceFacts {
    char name[256] = "";
    CUuuid uuid{};
    std::size_t memory_bytes = 0;
    int major = 0, minor = 0;
};

// What the driver says of a device; with a code `last_call` is the call that failed.
inline CUresult facts_of(const nvidia_cuda &api, CUdevice device, DeviceFacts &facts)
{
    CUresult code;
    Context::last_call() = "cuDeviceGetName";
    if ((code = api.cuDeviceGetName(facts.name, sizeof facts.name, device)) != CUDA_SUCCESS)
        return code;
    Context::last_call() = "cuDeviceGetUuid_v2";
    if ((code = api.cuDeviceGetUuid(&facts.uuid, device)) != CUDA_SUCCESS)
        return code;
    Context::last_call() = "cuDeviceTotalMem_v2";
    if ((code = api.cuDeviceTotalMem(&facts.memory_bytes, device)) != CUDA_SUCCESS)
        return code;
    Context::last_call() = "cuDeviceGetAttribute";
    code = api.cuDeviceGetAttribute(&facts.major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                                    device);
    return code != CUDA_SUCCESS
               ? code
               : api.cuDeviceGetAttribute(&facts.minor,
                                          CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
}

// Counted by its context (`context.retain()`, `context.release()`): by Python's object, by each
// session, by each block that somebody holds. With the last of them everything in it is given
// back.
class Device {
public:
    static constexpr std::size_t most_idle_device_bytes = std::size_t{512} << 20;
    static constexpr std::size_t most_idle_host_bytes = std::size_t{256} << 20;

    // The device with its primary context, retained until the end; null with a code.
    static Device *open(Driver &driver, int ordinal, CUresult *code)
    {
        CUdevice device = 0;
        CUcontext handle = nullptr;
        Context::last_call() = "cuInit";
        *code = driver.start();
        if (*code == CUDA_SUCCESS) {
            Context::last_call() = "cuDeviceGet";
            *code = driver.cuda()->cuDeviceGet(&device, ordinal);
        }
        if (*code == CUDA_SUCCESS) {
            Context::last_call() = "cuDevicePrimaryCtxRetain";
            driver.calls(Context::last_call());
            *code = driver.cuda()->cuDevicePrimaryCtxRetain(&handle, device);
            driver.calls(nullptr);
        }
        if (*code != CUDA_SUCCESS)
            return nullptr;
        return new Device(driver, device, handle, true);
    }
    // The device of a context that the caller keeps for as long as this lives; null with a code.
    static Device *adopt(Driver &driver, CUcontext handle, CUresult *code)
    {
        CUdevice device = 0;
        CUcontext popped = nullptr;
        *code = driver.start();
        if (*code == CUDA_SUCCESS)
            *code = driver.cuda()->cuCtxPushCurrent(handle);
        if (*code != CUDA_SUCCESS)
            return nullptr;
        *code = driver.cuda()->cuCtxGetDevice(&device);
        driver.cuda()->cuCtxPopCurrent(&popped);
        return *code == CUDA_SUCCESS ? new Device(driver, device, handle, false) : nullptr;
    }

    // Whether the context is there, and is the one that everything here was made in: a reset puts
    // another one at the same address. A code when it cannot be found out.
    CUresult check(bool *alive)
    {
        *alive = context.usable();
        if (!*alive)
            return CUDA_SUCCESS;
        if (!primary_)
            return context.compare(context.handle, alive);
        CUcontext now = nullptr;
        CUresult code = context.noted(context.api.cuDevicePrimaryCtxRetain(&now, context.device),
                                      "cuDevicePrimaryCtxRetain");
        *alive = context.usable();
        if (code != CUDA_SUCCESS)
            return *alive ? code : CUDA_SUCCESS;
        code = context.compare(now, alive);
        context.api.cuDevicePrimaryCtxRelease(context.device);
        return code;
    }

    // The context is gone: nothing in it is touched again. Our hold on it ends now, so that a
    // context that errors made unusable can be made anew.
    void abandon()
    {
        context.give_up();
        let_go();
    }

    // Give back what nobody uses.
    void trim()
    {
        memory.trim();
        pinned.trim();
        Scope scope(context);
        if (scope.code == CUDA_SUCCESS)
            context.drop_spares();
    }

    // Whether the context is the caller's, who may destroy it when the last of ours in it is gone.
    bool adopted() const { return !primary_; }

    Context context;
    Pool memory, pinned;
    Kernels kernels;

private:
    Device(Driver &driver, CUdevice device, CUcontext handle, bool primary)
        : context(driver, device, handle, this, end),
          memory(context, Pool::Kind::device, most_idle_device_bytes),
          pinned(context, Pool::Kind::host, most_idle_host_bytes), kernels(context),
          primary_(primary)
    {
    }
    ~Device() = default;

    static void end(void *device) { static_cast<Device *>(device)->end(); }
    void end()
    {
        if (context.driver.forked())
            return;
        memory.trim();
        pinned.trim();
        {
            Scope scope(context, 2);
            if (scope.code == CUDA_SUCCESS) {
                kernels.unload();
                context.drop_spares();
            }
        }
        let_go();
        delete this;
    }
    void let_go()
    {
        if (primary_.exchange(false) && !context.driver.forked())
            context.api.cuDevicePrimaryCtxRelease(context.device);
    }

    std::atomic<bool> primary_; // and retained
};

// What starting the driver came to: the call that failed with `code`, null where the driver was not
// started; which CUDA it speaks, how many devices it has, and the one that was asked for, null where
// it does not open.
struct Start {
    const char *call = nullptr;
    CUresult code = CUDA_SUCCESS;
    int version = 0, count = 0;
    Device *device = nullptr;
};

// Load the driver, start it if it is one that decodes, and open the device `ordinal` if that is
// not negative: one call, so that a thread that does it need not wait for the GIL in between.
inline Start start_with(Driver &driver, int ordinal)
{
    Start start;
    const bool decodes = driver.cuvid() != nullptr;
    start.version = driver.version();
    if (!decodes || start.version < Driver::oldest_for_decoding)
        return start;
    start.call = "cuInit";
    start.code = driver.start();
    if (start.code != CUDA_SUCCESS)
        return start;
    start.call = "cuDeviceGetCount";
    start.code = driver.cuda()->cuDeviceGetCount(&start.count);
    CUresult ignored; // whoever needs the device opens it again, and says why it does not open
    if (start.code == CUDA_SUCCESS && ordinal >= 0 && ordinal < start.count)
        start.device = Device::open(driver, ordinal, &ignored);
    return start;
}

} // namespace videohw

#endif
