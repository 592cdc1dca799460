// Streams as queues of work that runs late, and the marks and waits between them.

#include "streams.hpp"
#include "state.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace emulator {
namespace {

constexpr int polls_in_vain = 2;
thread_local bool within_host_function = false;

struct Streams {
    std::vector<std::weak_ptr<Stream>> all;
    std::map<Context *, StreamPointer> legacy;
    std::vector<StreamPointer> with_host_functions;
    std::vector<StreamPointer> retired;
    bool thread_runs = false;
};

Streams &streams()
{
    static Streams *kept = new Streams;
    return *kept;
}

std::vector<StreamPointer> alive_streams()
{
    auto &all = streams().all;
    std::vector<StreamPointer> found;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&found](const std::weak_ptr<Stream> &each) {
                                 StreamPointer stream = each.lock();
                                 if (stream)
                                     found.push_back(stream);
                                 return !stream;
                             }),
              all.end());
    return found;
}

void wait_for_change()
{
    Unlocked open;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
}

// Runs a stream's work up to `count`; another thread that is at it is waited for.
void progress(Stream &stream, unsigned long long count)
{
    while (stream.done < count) {
        if (stream.busy) {
            if (within_host_function)
                return;
            wait_for_change();
            continue;
        }
        if (stream.work.empty())
            return;
        Operation now = std::move(stream.work.front());
        stream.work.pop_front();
        stream.busy = true;
        if (now.waits_for.stream)
            progress(*now.waits_for.stream, now.waits_for.count);
        // Rule (header): after an error of a kernel nothing runs in the context any more.
        if (now.run && !state().sticky)
            now.run();
        stream.busy = false;
        ++stream.done;
    }
}

void push(Stream &stream, Operation operation)
{
    stream.work.push_back(std::move(operation));
    ++stream.queued;
    stream.polled = 0;
}

void schedule(const StreamPointer &stream)
{
    switch (state().laziness) {
    case Laziness::early:
        progress(*stream, stream->queued);
        break;
    case Laziness::seeded:
        for (const StreamPointer &each : alive_streams())
            if (each->done < each->queued && chance(4))
                progress(*each, each->done + 1 + (chance(2) ? each->queued - each->done - 1 : 0));
        break;
    case Laziness::late:
        break;
    }
}

void device_thread()
{
    for (;;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        Locked locked;
        if (state().ended)
            return;
        for (const StreamPointer &each : std::exchange(streams().with_host_functions, {}))
            progress(*each, each->queued);
        if (streams().with_host_functions.empty()) {
            streams().thread_runs = false;
            return;
        }
    }
}

} // namespace

bool in_host_function() { return within_host_function; }

StreamPointer make_stream(Context *context, unsigned flags, int priority)
{
    auto made = std::make_shared<Stream>();
    made->context = context;
    made->context_id = context->id;
    made->flags = flags;
    made->priority = priority;
    made->blocking = !(flags & 1);
    streams().all.push_back(made);
    return made;
}

StreamPointer internal_stream(Context *context)
{
    StreamPointer made = make_stream(context, 1, 0);
    made->blocking = false;
    return made;
}

StreamPointer legacy_stream(Context *context)
{
    StreamPointer &legacy = streams().legacy[context];
    if (!legacy || legacy->context_id != context->id) {
        legacy = make_stream(context, 0, 0);
        legacy->legacy = true;
    }
    return legacy;
}

Mark mark_of(const StreamPointer &stream) { return {stream, stream->queued}; }

bool reached(const Mark &mark) { return !mark.stream || mark.stream->done >= mark.count; }

void enqueue_wait(const StreamPointer &stream, const Mark &mark)
{
    if (!reached(mark) && mark.stream != stream)
        push(*stream, {nullptr, mark});
}

void enqueue(const StreamPointer &stream, std::function<void()> work)
{
    // Rule (header): the legacy default stream waits for all that was queued in blocking streams of
    // its context, and these for it; non-blocking streams do neither.
    if (stream->legacy) {
        for (const StreamPointer &each : alive_streams())
            if (each->context == stream->context && each->blocking && each != stream)
                enqueue_wait(stream, mark_of(each));
    } else if (stream->blocking)
        enqueue_wait(stream, mark_of(legacy_stream(stream->context)));
    push(*stream, {std::move(work), {}});
    schedule(stream);
}

void enqueue_host_function(const StreamPointer &stream, std::function<void()> function)
{
    enqueue(stream, [function] {
        within_host_function = true;
        {
            Unlocked open;
            function();
        }
        within_host_function = false;
    });
    if (state().laziness == Laziness::early)
        return;
    streams().with_host_functions.push_back(stream);
    if (!std::exchange(streams().thread_runs, true))
        std::thread(device_thread).detach();
}

void wait_until(const Mark &mark)
{
    if (mark.stream)
        progress(*mark.stream, mark.count);
}

void finish(const StreamPointer &stream) { progress(*stream, stream->queued); }

void finish_context(Context *context)
{
    for (const StreamPointer &each : alive_streams())
        if (!context || each->context == context)
            finish(each);
}

Mark mark_of_context(Context *context)
{
    std::vector<StreamPointer> before = alive_streams();
    StreamPointer gathering = internal_stream(context);
    for (const StreamPointer &each : before)
        if (each->context == context)
            enqueue_wait(gathering, mark_of(each));
    return mark_of(gathering);
}

void drop_streams_of(Context *context)
{
    for (const StreamPointer &each : alive_streams())
        if (each->context == context) {
            each->work.clear();
            each->done = each->queued;
        }
    streams().legacy.erase(context);
}

void retire(const StreamPointer &stream)
{
    auto &retired = streams().retired;
    retired.erase(std::remove_if(retired.begin(), retired.end(),
                                 [](const StreamPointer &each) {
                                     return each->done == each->queued;
                                 }),
                  retired.end());
    retired.push_back(stream);
}

bool polled(const Mark &mark, int &times)
{
    bool goes_on = state().laziness == Laziness::seeded ? chance(3) : times >= polls_in_vain;
    ++times;
    if (goes_on)
        wait_until(mark);
    return reached(mark);
}

} // namespace emulator
