// The NVIDIA driver's libraries in this process: loaded on first use, and whether they may be used.
//
// One object of this for the whole process, made by _cuda.pyx; other modules get a pointer to it.
// No exception leaves anything here, and nothing needs the GIL.
#ifndef VIDEOHW_NVIDIA_DRIVER_HPP
#define VIDEOHW_NVIDIA_DRIVER_HPP

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "nvidia.h"
#include "nvidia_errands.hpp"

namespace videohw {

class Driver {
public:
    // CUDA versions of the drivers that have what we use: 470 and 520.
    static constexpr int oldest_for_decoding = 11040;
    static constexpr int oldest_for_kernels = 11080;

    Driver() : noted_calls_(&noted_calls), late_call_(&late_call_here) {}
    Driver(const Driver &) = delete;
    Driver &operator=(const Driver &) = delete;

    // The calls of libcuda and of libnvcuvid; null when they cannot be had, and then
    // `why_no_cuda` or `why_no_cuvid` says why. cuInit is not called.
    const nvidia_cuda *cuda()
    {
        if (!cuda_.there.load(std::memory_order_acquire))
            load_cuda();
        return cuda_.there.load(std::memory_order_acquire) ? &cuda_.calls : nullptr;
    }
    const nvidia_cuvid *cuvid()
    {
        if (!cuvid_.there.load(std::memory_order_acquire))
            load_cuvid();
        return cuvid_.there.load(std::memory_order_acquire) ? &cuvid_.calls : nullptr;
    }
    const char *why_no_cuda() const { return cuda_.why; }
    const char *why_no_cuvid() const { return cuvid_.why; }

    // The version of CUDA that the driver speaks, such as 13000 for 13.0; 0 without a driver, and
    // in a forked child.
    int version()
    {
        int version = 0;
        const nvidia_cuda *api = cuda();
        if (!api || forked() || api->cuDriverGetVersion(&version) != CUDA_SUCCESS)
            return 0;
        return version;
    }

    // cuInit, once. A failure is asked for again by the next caller: a device may come back.
    CUresult start()
    {
        const nvidia_cuda *api = cuda();
        if (!api || forked())
            return CUDA_ERROR_NOT_INITIALIZED;
        std::lock_guard<std::mutex> held(starting_);
        if (started_.load())
            return CUDA_SUCCESS;
        begun_.store(true);
        calls("cuInit");
        CUresult code = api->cuInit(0);
        calls(nullptr);
        started_.store(code == CUDA_SUCCESS);
        begun_.store(code == CUDA_SUCCESS);
        return code;
    }

    // CUDA does not live on in a forked child when its parent had started it: there nothing is
    // called, and whatever is dropped is only forgotten. Called in the child, on its only thread:
    // another one of the parent may have held a lock, so there are new ones.
    void after_fork_in_child()
    {
        if (begun_.load())
            forked_.store(true);
        new (&starting_) std::mutex;
        new (&loading_) std::mutex;
        begin_again(cuda_);
        begin_again(cuvid_);
        errands.after_fork_in_child();
    }
    // The call that a thread is in to start the driver, open a device or ask what it can: of
    // several threads that of the last, null when it is done.
    void calls(const char *name) { calling_.store(name); }
    const char *calling() const { return calling_.load(); }
    // Note the calls that this thread makes, by the module that calls this and by the one that made
    // the driver; null: nowhere.
    void note_calls(NotedCall *place)
    {
        noted_calls() = place;
        noted_calls_() = place;
    }
    // Note this thread's calls nowhere, if it is at `place`: that is about to end.
    void forget_calls(const NotedCall *place)
    {
        if (noted_calls() == place)
            note_calls(nullptr);
    }

    // The call that this thread did not get an answer of in time.
    const char *&late_call() { return late_call_(); }

    bool forked() const { return forked_.load(std::memory_order_relaxed); }
    bool started() const { return started_.load(std::memory_order_relaxed); }

    Errands errands; // of threads of the caller's; see cuda_errands.hpp

private:
    template <class Calls> struct Library {
        Calls calls{};
        std::atomic<bool> there{false};
        char why[1024] = "";
        char tried[512] = ""; // the name that could not be loaded; another one may be
    };

    // What was not there yet may have been in the middle of being loaded.
    template <class Calls> static void begin_again(Library<Calls> &library)
    {
        if (!library.there.load()) {
            library.calls = Calls{};
            library.why[0] = library.tried[0] = 0;
        }
    }

    // Open the library that the environment names, else the standard one. False when it was tried.
    template <class Calls>
    static bool open(Library<Calls> &library, const char *override_by, const char *standard)
    {
        const char *name = std::getenv(override_by);
        if (!name || !*name)
            name = standard;
        if (library.there.load() || std::strcmp(name, library.tried) == 0)
            return false;
        std::snprintf(library.tried, sizeof library.tried, "%s", name);
        library.calls.library = dynlib_open(name, library.why, sizeof library.why);
        return library.calls.library != nullptr;
    }
    // A library that lacks what is needed is closed again.
    template <class Calls> static void finish(Library<Calls> &library, const char *missing)
    {
        if (!missing) {
            library.there.store(true, std::memory_order_release);
            return;
        }
        std::snprintf(library.why, sizeof library.why, "%s has no %s", library.tried, missing);
        dynlib_close(library.calls.library);
        library.calls = Calls{};
    }

#define VIDEOHW_LOOK_UP(since, name, symbol, parameters)                                           \
    api.name = decltype(api.name)(dynlib_symbol(api.library, symbol), symbol);                     \
    if (!api.name && (since) == 0 && !missing)                                                     \
        missing = symbol;

    void load_cuda()
    {
        std::lock_guard<std::mutex> held(loading_);
        nvidia_cuda &api = cuda_.calls;
        const char *missing = nullptr;
        if (!open(cuda_, "VIDEOHW_LIBCUDA", NVIDIA_CUDA_LIBRARY))
            return;
        NVIDIA_CUDA_CALLS(VIDEOHW_LOOK_UP)
        finish(cuda_, missing);
    }
    void load_cuvid()
    {
        const bool has_cuda = cuda() != nullptr;
        std::lock_guard<std::mutex> held(loading_);
        nvidia_cuvid &api = cuvid_.calls;
        const char *missing = nullptr;
        if (!has_cuda) { // which it needs itself
            std::snprintf(cuvid_.why, sizeof cuvid_.why, "%s", cuda_.why);
            return;
        }
        if (!open(cuvid_, "VIDEOHW_LIBNVCUVID", NVIDIA_CUVID_LIBRARY))
            return;
        NVIDIA_CUVID_CALLS(VIDEOHW_LOOK_UP)
        finish(cuvid_, missing);
    }
#undef VIDEOHW_LOOK_UP

    std::mutex loading_;
    Library<nvidia_cuda> cuda_;
    Library<nvidia_cuvid> cuvid_;
    std::mutex starting_;
    std::atomic<bool> begun_{false}, started_{false}, forked_{false};
    std::atomic<const char *> calling_{nullptr};
    NotedCall *&(*const noted_calls_)();
    const char *&(*const late_call_)();
};

} // namespace videohw

#endif
