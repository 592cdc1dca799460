// libcuda: streams, events, functions of the host.

#include "contexts.hpp"
#include "nvidia.h"
#include "state.hpp"
#include "streams.hpp"

#include <map>
#include <set>

using namespace emulator;

namespace {

constexpr CUresult error_invalid_handle = 400, error_context_is_destroyed = 709;

// Rule (trace): the real driver crashes at a stream that is not open.
constexpr CUresult no_stream = error_invalid_handle;
// Rule (trace): and answers this to an event that is not open.
constexpr CUresult no_event = error_context_is_destroyed;

struct Work {
    std::map<const void *, StreamPointer> streams;
    std::set<Event *> events, events_of_dead_contexts;
    std::map<const void *, StreamPointer> streams_of_dead_contexts; // kept, for their addresses
    bool watching = false;
};

Work &work()
{
    static Work *kept = new Work;
    return *kept;
}

thread_local std::map<Context *, StreamPointer> of_this_thread;

double now_in_milliseconds()
{
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

void end(Context *context)
{
    for (auto each = work().streams.begin(); each != work().streams.end();) {
        auto now = each++;
        if (now->second->context != context)
            continue;
        lost_with_context("stream", now->first);
        work().streams_of_dead_contexts.insert(*now);
        work().streams.erase(now);
    }
    for (auto each = work().events.begin(); each != work().events.end();) {
        Event *event = *each++;
        if (event->context != context)
            continue;
        lost_with_context("event", event);
        work().events.erase(event);
        work().events_of_dead_contexts.insert(event);
    }
}

void watch_contexts()
{
    if (!std::exchange(work().watching, true))
        when_context_ends(end);
}

Event *known(CUevent handle, const char *call)
{
    auto *event = reinterpret_cast<Event *>(handle);
    if (work().events.count(event))
        return event;
    if (work().events_of_dead_contexts.count(event)) // Rule (trace)
        crash(no_event, "%s of an event whose context is gone", call);
    else
        misuse("%s of an event that is not open", call);
    return nullptr;
}

bool is_default(const void *handle)
{
    return reinterpret_cast<std::uintptr_t>(handle) <= 2;
}

} // namespace

namespace emulator {

StreamPointer stream_by_handle(const void *handle)
{
    Context *context = current_context();
    if (is_default(handle)) {
        if (reinterpret_cast<std::uintptr_t>(handle) < 2)
            return legacy_stream(context);
        StreamPointer &own = of_this_thread[context];
        if (!own || own->context_id != context->id)
            own = make_stream(context, 0, 0);
        return own;
    }
    auto found = work().streams.find(handle);
    // Rule (trace): a stream of a context that is not current is as good.
    if (found != work().streams.end())
        return found->second;
    // Rule (trace): nor does one of a context that is gone end the process.
    if (work().streams_of_dead_contexts.count(handle))
        misuse("a stream whose context is gone was used");
    else
        crash(no_stream, "a stream that is not open was used");
    return nullptr;
}

} // namespace emulator

// Streams -------------------------------------------------------------------------------------

EMULATED CUresult cuStreamCreateWithPriority(CUstream *target, unsigned int flags, int priority)
{
    IN_CONTEXT();
    NEEDS(target);
    if (flags > CU_STREAM_NON_BLOCKING)
        return CUDA_ERROR_INVALID_VALUE; // Rule (header)
    watch_contexts();
    StreamPointer made = make_stream(current_context(), flags, priority);
    work().streams[made.get()] = made;
    opened("stream", made.get());
    *target = reinterpret_cast<CUstream>(made.get());
    return CUDA_SUCCESS;
}

EMULATED CUresult cuStreamCreate(CUstream *target, unsigned int flags)
{
    ENTER();
    return cuStreamCreateWithPriority(target, flags, 0);
}

EMULATED CUresult cuStreamDestroy_v2(CUstream handle)
{
    ENTER_GIVING_BACK();
    if (!is_initialised())
        return LEAVE(CUDA_ERROR_NOT_INITIALIZED);
    if (is_default(handle))
        return LEAVE(error_invalid_handle); // Rule (trace)
    auto found = work().streams.find(handle);
    if (found == work().streams.end()) // Rule (trace)
        return LEAVE(crash(error_invalid_handle, "cuStreamDestroy of a stream that is not open"));
    StreamPointer ended = found->second;
    work().streams.erase(found);
    given_back("stream", handle);
    retire(ended); // Rule (header): what was queued still runs, and the call does not wait for it
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuStreamSynchronize(CUstream handle)
{
    IN_CONTEXT();
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    if (stream->legacy) // Rule (header): it stands for all blocking ones
        enqueue(stream, nullptr);
    finish(stream);
    return work_answer();
}

EMULATED CUresult cuStreamQuery(CUstream handle)
{
    IN_CONTEXT();
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    // Rule (trace): the legacy default stream stands for all blocking ones here too.
    if (stream->legacy && stream->done == stream->queued)
        enqueue(stream, nullptr);
    bool done = polled(mark_of(stream), stream->polled);
    if (work_answer())
        return work_answer();
    return done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EMULATED CUresult cuStreamWaitEvent(CUstream handle, CUevent waited, unsigned int)
{
    IN_CONTEXT();
    StreamPointer stream = stream_by_handle(handle);
    Event *event = known(waited, "cuStreamWaitEvent");
    if (!stream || !event)
        return stream ? no_event : no_stream;
    // Rule (header): what the event has captured now counts, not what it captures later.
    if (event->recorded)
        enqueue_wait(stream, event->mark);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuStreamGetFlags(CUstream handle, unsigned int *flags)
{
    IN_CONTEXT();
    NEEDS(flags);
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    *flags = stream->flags;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuStreamGetPriority(CUstream handle, int *priority)
{
    IN_CONTEXT();
    NEEDS(priority);
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    *priority = stream->priority;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuStreamGetCtx(CUstream handle, CUcontext *context)
{
    IN_CONTEXT();
    NEEDS(context);
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    *context = reinterpret_cast<CUcontext>(stream->context);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuStreamIsCapturing(CUstream handle, int *status)
{
    IN_CONTEXT();
    NEEDS(status);
    if (!stream_by_handle(handle))
        return error_invalid_handle;
    *status = 0; // Rule (assumed): nobody captures
    return CUDA_SUCCESS;
}

EMULATED CUresult cuLaunchHostFunc(CUstream handle, void (*function)(void *), void *user)
{
    IN_CONTEXT();
    NEEDS(function);
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    enqueue_host_function(stream, [=] { function(user); });
    return CUDA_SUCCESS;
}

EMULATED CUresult cuStreamAddCallback(CUstream handle, void (*function)(CUstream, CUresult, void *),
                                      void *user, unsigned int)
{
    IN_CONTEXT();
    NEEDS(function);
    StreamPointer stream = stream_by_handle(handle);
    if (!stream)
        return no_stream;
    enqueue_host_function(stream, [=] { function(handle, CUDA_SUCCESS, user); });
    return CUDA_SUCCESS;
}

// Events --------------------------------------------------------------------------------------

EMULATED CUresult cuEventCreate(CUevent *target, unsigned int flags)
{
    IN_CONTEXT();
    NEEDS(target);
    if (flags > 7)
        return CUDA_ERROR_INVALID_VALUE;
    watch_contexts();
    auto *made = new Event; // its address is never given to another one
    made->context = current_context();
    made->flags = flags;
    work().events.insert(made);
    opened("event", made);
    *target = reinterpret_cast<CUevent>(made);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuEventDestroy_v2(CUevent handle)
{
    ENTER_GIVING_BACK();
    if (!is_initialised())
        return LEAVE(CUDA_ERROR_NOT_INITIALIZED);
    Event *event = known(handle, "cuEventDestroy");
    if (!event)
        return LEAVE(no_event); // Rule (trace)
    work().events.erase(event);
    given_back("event", event);
    event->mark = {};
    return LEAVE(CUDA_SUCCESS);
}

EMULATED CUresult cuEventRecord(CUevent handle, CUstream on)
{
    IN_CONTEXT();
    StreamPointer stream = stream_by_handle(on);
    Event *event = known(handle, "cuEventRecord");
    if (!stream || !event)
        return stream ? no_event : no_stream;
    if (event->context != stream->context) {
        misuse("cuEventRecord of an event in a stream of another context");
        return error_invalid_handle; // Rule (trace)
    }
    auto when = std::make_shared<double>(0.0);
    enqueue(stream, [when] { *when = now_in_milliseconds(); });
    event->mark = mark_of(stream);
    event->recorded = true;
    event->polled = 0;
    event->milliseconds = when;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuEventRecordWithFlags(CUevent handle, CUstream on, unsigned int)
{
    ENTER();
    return cuEventRecord(handle, on);
}

EMULATED CUresult cuCtxRecordEvent(CUcontext asked, CUevent handle)
{
    IN_CONTEXT();
    Event *event = known(handle, "cuCtxRecordEvent");
    if (!event)
        return no_event;
    // Rule (header): the event is of that context.
    if (asked != reinterpret_cast<CUcontext>(event->context)) {
        misuse("cuCtxRecordEvent of an event of another context");
        return error_invalid_handle;
    }
    event->mark = mark_of_context(event->context);
    event->recorded = true;
    event->polled = 0;
    event->milliseconds = nullptr;
    return CUDA_SUCCESS;
}

EMULATED CUresult cuEventQuery(CUevent handle)
{
    IN_CONTEXT();
    Event *event = known(handle, "cuEventQuery");
    if (!event)
        return no_event;
    bool done = !event->recorded || polled(event->mark, event->polled);
    if (work_answer())
        return work_answer();
    return done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EMULATED CUresult cuEventSynchronize(CUevent handle)
{
    IN_CONTEXT();
    Event *event = known(handle, "cuEventSynchronize");
    if (!event)
        return no_event;
    Mark mark = event->mark; // the lock may be given up meanwhile
    if (event->recorded)
        wait_until(mark);
    return work_answer();
}

EMULATED CUresult cuEventElapsedTime(float *milliseconds, CUevent first, CUevent second)
{
    IN_CONTEXT();
    NEEDS(milliseconds);
    Event *start = known(first, "cuEventElapsedTime"), *end = known(second, "cuEventElapsedTime");
    if (!start || !end)
        return no_event;
    // Rule (trace): both recorded, both with timing.
    if (!start->recorded || !end->recorded ||
        (start->flags | end->flags) & CU_EVENT_DISABLE_TIMING)
        return error_invalid_handle;
    if (!reached(start->mark) || !reached(end->mark))
        return CUDA_ERROR_NOT_READY;
    *milliseconds = static_cast<float>(*end->milliseconds - *start->milliseconds);
    return CUDA_SUCCESS;
}

EMULATED CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent first, CUevent second)
{
    ENTER();
    return cuEventElapsedTime(milliseconds, first, second);
}
