// The parser's calls, locks of contexts, and the video source, which is not there.

#include "cuvid_parser.hpp"

#include <mutex>
#include <thread>

using namespace cuvid;
using emulator::misuse;

namespace {

enum { invalid_source = 300, not_supported = 801 };

std::map<const void *, std::unique_ptr<Parser>> &parsers()
{
    static auto *kept = new std::map<const void *, std::unique_ptr<Parser>>;
    return *kept;
}

struct Lock {
    std::recursive_mutex held;
};

std::map<const void *, std::shared_ptr<Lock>> &locks()
{
    static auto *kept = new std::map<const void *, std::shared_ptr<Lock>>;
    return *kept;
}

} // namespace

EMULATED CUresult cuvidCreateVideoParser(CUvideoparser *handle, CUVIDPARSERPARAMS *parameters)
{
    ENTER();
    if (!handle || !parameters)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE, "cuvidCreateVideoParser of NULL");
    std::unique_ptr<Parser> made(Parser::create(*parameters));
    if (!made)
        return invalid_source; // Rule (trace)
    *handle = made.get();
    emulator::opened("parser", made.get());
    parsers()[made.get()] = std::move(made);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuvidParseVideoData(CUvideoparser handle, CUVIDSOURCEDATAPACKET *packet)
{
    ENTER();
    auto found = parsers().find(handle);
    if (found == parsers().end() || !packet)
        return emulator::crash(CUDA_ERROR_INVALID_VALUE,
                               "cuvidParseVideoData of a parser that is not open");
    Parser &parser = *found->second;
    if (parser.busy) {
        misuse("cuvidParseVideoData of a parser that is at work");
        return CUDA_ERROR_INVALID_VALUE;
    }
    // A callback may throw through this call, as those of PyNvVideoCodec do.
    struct AtWork {
        Parser &parser;
        ~AtWork() { parser.busy = false; }
    } at_work{parser};
    parser.busy = true;
    parser.parse(*packet);
    return CUDA_SUCCESS; // Rule (trace): also after a callback refused
}

EMULATED CUresult cuvidDestroyVideoParser(CUvideoparser handle)
{
    ENTER_GIVING_BACK();
    auto found = parsers().find(handle);
    if (found == parsers().end())
        return emulator::crash(CUDA_ERROR_INVALID_VALUE,
                               "cuvidDestroyVideoParser of a parser that is not open");
    if (found->second->busy) {
        misuse("cuvidDestroyVideoParser from a callback, or while the parser is at work");
        return CUDA_ERROR_INVALID_VALUE;
    }
    parsers().erase(found);
    emulator::given_back("parser", handle);
    return LEAVE(CUDA_SUCCESS);
}

// Locks ---------------------------------------------------------------------------------------

EMULATED CUresult cuvidCtxLockCreate(CUvideoctxlock *handle, CUcontext)
{
    ENTER();
    auto made = std::make_shared<Lock>();
    locks()[made.get()] = made;
    emulator::opened("context lock", made.get());
    *handle = made.get();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuvidCtxLockDestroy(CUvideoctxlock handle)
{
    ENTER_GIVING_BACK();
    if (!locks().erase(handle)) {
        misuse("cuvidCtxLockDestroy of a lock that is not open");
        return CUDA_ERROR_INVALID_VALUE;
    }
    emulator::given_back("context lock", handle);
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuvidCtxLock(CUvideoctxlock handle, unsigned int)
{
    ENTER();
    auto found = locks().find(handle);
    if (found == locks().end()) {
        misuse("cuvidCtxLock of a lock that is not open");
        return CUDA_ERROR_INVALID_VALUE;
    }
    std::shared_ptr<Lock> lock = found->second;
    emulator::Unlocked unlocked;
    lock->held.lock();
    return CUDA_SUCCESS;
}

EMULATED CUresult cuvidCtxUnlock(CUvideoctxlock handle, unsigned int)
{
    ENTER();
    auto found = locks().find(handle);
    if (found == locks().end()) {
        misuse("cuvidCtxUnlock of a lock that is not open");
        return CUDA_ERROR_INVALID_VALUE;
    }
    found->second->held.unlock();
    return CUDA_SUCCESS;
}

// Rule (assumed): demuxing by the driver is not there, as on Linux since long.
#define NO_SOURCE(name, ...)                                                                       \
    EMULATED CUresult name(__VA_ARGS__)                                                            \
    {                                                                                              \
        ENTER();                                                                                   \
        return not_supported;                                                                      \
    }

NO_SOURCE(cuvidCreateVideoSource, void **, const char *, void *)
NO_SOURCE(cuvidCreateVideoSourceW, void **, const wchar_t *, void *)
NO_SOURCE(cuvidDestroyVideoSource, void *)
NO_SOURCE(cuvidGetSourceVideoFormat, void *, void *, unsigned int)
NO_SOURCE(cuvidGetSourceAudioFormat, void *, void *, unsigned int)
NO_SOURCE(cuvidSetVideoSourceState, void *, int)

EMULATED int cuvidGetVideoSourceState(void *)
{
    emulator::Call entered("cuvidGetVideoSourceState");
    return -1;
}
