#include "metal.hpp"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <mutex>
#include <thread>

namespace apple {
namespace {

struct Kernels {
    const HostKernel *table = nullptr;
    std::size_t count = 0, bytes = 0;
    const char *source = "";
};

const Kernels &kernels()
{
    static const Kernels found = [] {
        Kernels made;
        Dl_info here;
        if (!dladdr(reinterpret_cast<void *>(&settle), &here))
            return made;
        std::string path = here.dli_fname;
        path = path.substr(0, path.rfind('/') + 1) + "kernels_metal.so";
        void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return made;
        made.table = static_cast<const HostKernel *>(dlsym(library, "videohw_metal_kernels"));
        made.count = *static_cast<std::size_t *>(dlsym(library, "videohw_metal_kernel_count"));
        made.bytes = *static_cast<std::size_t *>(dlsym(library, "videohw_metal_argument_bytes"));
        made.source = static_cast<const char *>(dlsym(library, "videohw_metal_source"));
        return made;
    }();
    return found;
}

struct Device {
    std::mutex lock;
    std::condition_variable changed;
    std::deque<std::function<void()>> work;
    bool begun = false, busy = false;
};

Device &device()
{
    static auto *made = new Device; // its thread outlives the end of the process
    return *made;
}

void run_device()
{
    Device &d = device();
    std::unique_lock<std::mutex> held(d.lock);
    for (;;) {
        d.changed.wait(held, [&] { return !d.work.empty(); });
        std::function<void()> work = std::move(d.work.front());
        d.work.pop_front();
        d.busy = true;
        held.unlock();
        work();
        work = nullptr; // what it held goes before it counts as done
        held.lock();
        d.busy = false;
        d.changed.notify_all();
    }
}

} // namespace

const HostKernel *host_kernel(const std::string &name)
{
    const Kernels &found = kernels();
    for (std::size_t i = 0; i < found.count; ++i)
        if (name == found.table[i].name)
            return &found.table[i];
    return nullptr;
}

bool is_kernel_source(const std::string &text) { return text == kernels().source; }

std::size_t conversion_bytes() { return kernels().bytes; }

void give_to_device(std::function<void()> work)
{
    Device &d = device();
    std::lock_guard<std::mutex> held(d.lock);
    if (!d.begun)
        std::thread(run_device).detach();
    d.begun = true;
    d.work.push_back(std::move(work));
    d.changed.notify_all();
}

void settle()
{
    Device &d = device();
    std::unique_lock<std::mutex> held(d.lock);
    while ((d.busy || !d.work.empty()) && !stalled())
        d.changed.wait_for(held, std::chrono::milliseconds(1));
}

} // namespace apple
