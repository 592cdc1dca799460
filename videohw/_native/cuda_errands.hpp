// What threads of the caller's want of the driver, done within the bound of the driver's errands:
// the code `came_too_late` where it did not come back, with the call in `Driver::late_call`. What
// it was done with is held for as long as it goes on.
//
// Threads that somebody watches (nvidia_call.hpp) make their calls by themselves, workers of ours.
#ifndef VIDEOHW_CUDA_ERRANDS_HPP
#define VIDEOHW_CUDA_ERRANDS_HPP

#include <string>

#include "cuda_transfers.hpp"

namespace videohw {

// None of the driver's codes.
static constexpr CUresult came_too_late = -1000;

// A reference for as long as this lives.
template <class Counted> class Held {
public:
    explicit Held(Counted &counted) : counted_(&counted) { counted_->retain(); }
    Held(const Held &other) : counted_(other.counted_) { counted_->retain(); }
    Held &operator=(const Held &) = delete;
    ~Held() { counted_->release(); }

    Counted &operator*() const { return *counted_; }
    Counted *operator->() const { return counted_; }

private:
    Counted *const counted_;
};

// A device with a reference to its context.
class HeldDevice {
public:
    explicit HeldDevice(Device &device) : context_(device.context), device_(device) {}
    Device &operator*() const { return device_; }
    Device *operator->() const { return &device_; }

private:
    Held<Context> context_;
    Device &device_;
};

// Have `make(result)`, which answers with a code, done within the bound. `undo(result)` gives back
// what came of it too late.
template <class Result, class Make, class Undo>
inline CUresult within_bound(Driver &driver, Result *result, Make make, Undo undo)
{
    struct Answer {
        Result result{};
        CUresult code = came_too_late;
        const char *last_call = "";
    } answer;
    const char *call = nullptr;
    // Somebody watches this thread, or (in a forked child) nothing is called.
    if (noted_calls() || driver.forked())
        return make(*result);
    const bool came = driver.errands.run(
        &answer, &call,
        [&driver, make = std::move(make)](NotedCall &calling, Answer &given) mutable {
            driver.note_calls(&calling);
            Context::last_call() = "";
            given.code = make(given.result);
            given.last_call = Context::last_call();
            driver.note_calls(nullptr);
        },
        [undo](Answer &given) {
            if (given.code == CUDA_SUCCESS)
                undo(given.result);
        });
    if (!came) {
        driver.late_call() = call;
        return came_too_late;
    }
    Context::last_call() = answer.last_call;
    *result = std::move(answer.result);
    return answer.code;
}
template <class Result, class Make>
inline CUresult within_bound(Driver &driver, Result *result, Make make)
{
    return within_bound(driver, result, std::move(make), [](Result &) {});
}
// The same of what has no result.
template <class Make> inline CUresult within_bound(Driver &driver, Make make)
{
    bool nothing = false;
    return within_bound(driver, &nothing,
                        [make = std::move(make)](bool &) mutable { return make(); });
}
// Have `end()` done, which has nobody to tell.
template <class End> inline void leave_to_errand(Driver &driver, End end)
{
    if (noted_calls())
        return end();
    driver.errands.leave([&driver, end](NotedCall &calling) {
        driver.note_calls(&calling);
        end();
        driver.note_calls(nullptr);
    });
}

// References that a thread of the caller's lets go of.

// Of a context on which nobody counts any more.
inline void finish(Context &context)
{
    if (context.driver.forked())
        return context.end();
    leave_to_errand(context.driver, [&context] { context.end(); });
}
inline void let_go(Context &context)
{
    if (context.drop())
        finish(context);
}
// What is left to be done of a block that nobody has any more, which may call the driver.
struct Leftover {
    Block *block = nullptr;     // it does not go back to its pool without the driver
    Pool *surplus = nullptr;    // it went back, and there are more than are kept
    Context *context = nullptr; // it went back, and was the last that counted on this
    bool any() const { return block || surplus || context; }
};

// Let go of a block, which as a rule leaves nothing to be done; no call of the driver, no waiting.
inline Leftover drop_reference(Block *block)
{
    Leftover left;
    if (!block->drop())
        return left;
    Pool &pool = block->pool();
    Context &context = pool.context;
    if (context.driver.forked())
        return left;
    if (pool.takes_calls(*block))
        left.block = block;
    else if (pool.give_back(block))
        left.surplus = &pool;
    else if (context.drop())
        left.context = &context;
    return left;
}
inline void finish(const Leftover &left)
{
    if (Block *const block = left.block)
        leave_to_errand(block->pool().context.driver, [block] { block->end(); });
    if (Pool *const pool = left.surplus) {
        Context &context = pool->context;
        Held<Context> held(context);
        leave_to_errand(context.driver, [held, pool] { pool->trim_surplus(); });
        let_go(context);
    }
    if (left.context)
        finish(*left.context);
}
inline void let_go(Block *block) { finish(drop_reference(block)); }

// The driver and its devices

inline CUresult start_within(Driver &driver)
{
    return driver.started() ? CUDA_SUCCESS
                            : within_bound(driver, [&driver] { return driver.start(); });
}
// `start_with`, whose device is given back where it opens too late.
inline CUresult start_with_within(Driver &driver, int ordinal, Start *start)
{
    return within_bound(
        driver, start,
        [&driver, ordinal](Start &made) {
            made = start_with(driver, ordinal);
            return CUDA_SUCCESS;
        },
        [](Start &made) {
            if (made.device)
                made.device->context.release();
        });
}
inline CUresult version_within(Driver &driver, int *version)
{
    return within_bound(driver, version, [&driver](int &found) {
        found = driver.version();
        return CUDA_SUCCESS;
    });
}
inline const char *error_name_within(Driver &driver, CUresult code)
{
    const char *name = nullptr;
    if (!driver.forked() && driver.cuda())
        within_bound(driver, &name, [&driver, code](const char *&found) {
            return driver.cuda()->cuGetErrorName(code, &found);
        });
    return name;
}
inline CUresult count_within(Driver &driver, int *count)
{
    return within_bound(driver, count, [&driver](int &found) {
        return driver.cuda()->cuDeviceGetCount(&found);
    });
}
inline CUresult facts_within(Driver &driver, int ordinal, DeviceFacts *facts)
{
    return within_bound(driver, facts, [&driver, ordinal](DeviceFacts &found) {
        const nvidia_cuda &api = *driver.cuda();
        CUdevice device = 0;
        Context::last_call() = "cuDeviceGet";
        const CUresult code = api.cuDeviceGet(&device, ordinal);
        return code != CUDA_SUCCESS ? code : facts_of(api, device, found);
    });
}
// What opens a device, which is given back where it opens too late.
template <class Open> inline Device *device_within(Driver &driver, CUresult *code, Open open)
{
    Device *device = nullptr;
    *code = within_bound(
        driver, &device,
        [open](Device *&made) {
            CUresult code = CUDA_SUCCESS;
            made = open(&code);
            return code;
        },
        [](Device *&made) { made->context.release(); });
    return device;
}
inline Device *open_within(Driver &driver, int ordinal, CUresult *code)
{
    return device_within(driver, code, [&driver, ordinal](CUresult *answer) {
        return Device::open(driver, ordinal, answer);
    });
}
inline Device *adopt_within(Driver &driver, CUcontext handle, CUresult *code)
{
    return device_within(driver, code, [&driver, handle](CUresult *answer) {
        return Device::adopt(driver, handle, answer);
    });
}

// A device

inline CUresult check_within(Device &device, bool *alive)
{
    HeldDevice held(device);
    return within_bound(device.context.driver, alive,
                        [held](bool &found) { return held->check(&found); });
}
inline void abandon_within(Device &device)
{
    HeldDevice held(device);
    leave_to_errand(device.context.driver, [held] { held->abandon(); });
}
inline CUresult trim_within(Device &device)
{
    HeldDevice held(device);
    return within_bound(device.context.driver, [held] {
        held->trim();
        return CUDA_SUCCESS;
    });
}
inline CUresult keep_within(Device &device, std::size_t device_bytes, std::size_t pinned_bytes)
{
    HeldDevice held(device);
    return within_bound(device.context.driver, [held, device_bytes, pinned_bytes] {
        held->memory.keep_at_most(device_bytes);
        held->pinned.keep_at_most(pinned_bytes);
        return CUDA_SUCCESS;
    });
}
inline CUresult load_within(Device &device, const char *image, std::size_t bytes)
{
    HeldDevice held(device);
    std::string copied(image, bytes); // the driver may read it for longer than this waits
    return within_bound(device.context.driver, [held, copied = std::move(copied)] {
        return held->kernels.load(copied.c_str());
    });
}
inline const Kernel *find_within(Device &device, const char *name, CUresult *code)
{
    HeldDevice held(device);
    const Kernel *kernel = nullptr;
    *code = within_bound(device.context.driver, &kernel,
                         [held, wanted = std::string(name)](const Kernel *&found) {
                             CUresult code = CUDA_SUCCESS;
                             found = held->kernels.find(wanted.c_str(), &code);
                             return code;
                         });
    return kernel;
}

// Arrays

// What makes a block, whose own reference goes to the caller.
template <class Make> inline Block *block_within(Device &device, CUresult *code, Make make)
{
    HeldDevice held(device);
    Block *block = nullptr;
    *code = within_bound(
        device.context.driver, &block,
        [held, make = std::move(make)](Block *&made) mutable {
            CUresult code = CUDA_SUCCESS;
            made = make(*held, &code);
            return code;
        },
        [](Block *&made) { made->release(); });
    return block;
}
inline Block *copied_within(Device &device, Block &source, const Region &region, bool to_host,
                            CUresult *code)
{
    Held<Block> held(source);
    return block_within(device, code, [held, region, to_host](Device &on, CUresult *code) {
        return copied(on, *held, region, to_host, code);
    });
}
// The bytes are copied here, where they are sure to be there.
inline Block *uploaded_within(Device &device, const void *data, std::size_t bytes, CUresult *code)
{
    HeldDevice held(device);
    Upload upload;
    *code = within_bound(
        device.context.driver, &upload,
        [held, bytes](Upload &begun) { return begin_upload(*held, bytes, &begun); },
        [held](Upload &begun) { end_upload(*held, begun); });
    if (*code != CUDA_SUCCESS)
        return nullptr;
    std::memcpy(upload.staged->host, data, bytes);
    return block_within(device, code, [upload](Device &on, CUresult *code) mutable {
        return finish_upload(on, upload, code);
    });
}
inline Block *converted_within(Device &device, const ConversionPlan &plan, const Place *sources,
                               std::size_t bytes, const std::size_t *targets,
                               unsigned target_planes, CUresult *code)
{
    struct Placed {
        std::optional<Held<Block>> held[3];
        Place sources[3];
        std::size_t targets[3] = {0, 0, 0};
    } placed;
    for (unsigned i = 0; i < 3; ++i) {
        placed.sources[i] = sources[i];
        if (sources[i].block)
            placed.held[i].emplace(*sources[i].block);
        if (i < target_planes)
            placed.targets[i] = targets[i];
    }
    return block_within(device, code,
                        [placed, plan, bytes, target_planes](Device &on, CUresult *code) {
                            return converted(on, plan, placed.sources, bytes, placed.targets,
                                             target_planes, code);
                        });
}

// A block. Where it is known to be written no call is made.

inline CUresult query_within(Block &block)
{
    if (block.is_settled())
        return CUDA_SUCCESS;
    Held<Block> held(block);
    return within_bound(block.pool().context.driver, [held] { return held->query(); });
}
// Have a consumer's stream wait for it. That of a thread can be named by that thread alone: it makes
// the one call itself, when the driver has just answered another.
inline CUresult wait_on_within(Block &block, CUstream stream)
{
    if (block.is_settled())
        return CUDA_SUCCESS;
    if (stream == per_thread_stream()) {
        const CUresult code = query_within(block);
        return code == CUDA_ERROR_NOT_READY ? block.wait_on(stream) : code;
    }
    Held<Block> held(block);
    return within_bound(block.pool().context.driver,
                        [held, stream] { return held->wait_on(stream); });
}
// `waits` is whether a stream that waits for the default stream waits for it.
inline CUresult wait_by_default_within(Block &block, bool *waits)
{
    *waits = false;
    if (block.is_settled())
        return CUDA_SUCCESS;
    Held<Block> held(block);
    return within_bound(block.pool().context.driver, waits, [held](bool &queued) {
        CUresult code = held->query();
        queued = code == CUDA_ERROR_NOT_READY;
        return queued ? held->wait_on(legacy_stream()) : code;
    });
}

} // namespace videohw

#endif
