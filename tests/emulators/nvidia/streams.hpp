// Streams and events from within libcuda.so.1.
#pragma once

#include "emulator.hpp"

#include <chrono>
#include <deque>
#include <vector>

namespace emulator __attribute__((visibility("hidden"))) {

struct Operation {
    std::function<void()> run; // may be empty
    Mark waits_for;            // of another stream, or of none
};

class Stream {
  public:
    Context *context = nullptr;
    unsigned long long context_id = 0;
    unsigned flags = 0;
    int priority = 0;
    bool legacy = false;   // waits for all blocking ones, and they for it
    bool blocking = false;
    std::deque<Operation> work;
    unsigned long long queued = 0, done = 0; // operations, counted
    bool busy = false;                       // a thread runs an operation of it
    int polled = 0;                          // how often it was asked since work was queued
};

struct Event {
    Context *context = nullptr;
    unsigned flags = 0;
    bool recorded = false;
    Mark mark;
    int polled = 0;
    std::shared_ptr<double> milliseconds; // when it was reached
};

StreamPointer make_stream(Context *context, unsigned flags, int priority);
StreamPointer legacy_stream(Context *context);
void finish_context(Context *context);
// Behind all that is queued in all streams of a context.
Mark mark_of_context(Context *context);
void drop_streams_of(Context *context);
// Its handle is gone; what was queued still runs.
void retire(const StreamPointer &stream);
// A function of the client, run with the lock given up. A thread of the emulator's sees to it that
// it comes, even if nothing waits.
void enqueue_host_function(const StreamPointer &stream, std::function<void()> function);
// Whether a place is reached, asked as the client asks; the third time in vain, work goes on.
bool polled(const Mark &mark, int &times);



} // namespace emulator
