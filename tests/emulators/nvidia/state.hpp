// The state behind emulator.hpp, for the parts of libcuda.so.1 only.
#pragma once

#include "emulator.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace emulator __attribute__((visibility("hidden"))) {

struct Fault {
    enum Kind { fail, sticky, stall };
    std::string call;
    long first = 1; // the call that it begins with
    long count = 0; // how many calls, 0 for all that follow
    Kind kind = fail;
    long value = 0; // a result code, or milliseconds
    long seen = 0, hits = 0;
};

struct Logged {
    const char *name;
    int thread;
};

struct Handle {
    std::size_t bytes;
    const char *call;
    int thread;
    Context *context;
};

struct State {
    std::mutex lock;
    std::condition_variable changed; // a plan of faults, work of a stream
    std::atomic<bool> forked{false};
    bool initialised = false;
    bool ended = false;
    bool crashes = true;
    std::string crash_log; // a file, for processes whose output is captured

    std::vector<Fault> faults;
    unsigned long long plan_number = 0; // another one for each change of the plan
    int stalled = 0;                    // calls that are stalled now
    Result sticky = 0;
    Laziness laziness = Laziness::late;
    std::uint64_t random = 1;

    std::map<std::string, long> calls;
    std::vector<Logged> log;
    std::vector<std::string> misuses;
    std::map<std::pair<std::string, const void *>, Handle> handles;
    std::map<std::string, long> open, peak, ever; // handles by kind
    std::map<std::string, long> lost;             // those that ended with their context
};

State &state();
// The lock for a scope, for what is no call of the client.
class Locked {
  public:
    Locked();
    ~Locked();
    Locked(const Locked &) = delete;
    Locked &operator=(const Locked &) = delete;
};

bool in_host_function();
bool add_fault(const std::string &text);
bool set_laziness(const std::string &how);
void lost_with_context(const char *kind, const void *handle);

// The last words of a process.
void complain(const std::string &text);
// Where VIDEOHW_EMULATOR_REPORT says, if it does.
void write_report();
std::string report_as_json();

// What may still be touched late, and bytes that were written around allocations.
void check_fences();
std::size_t device_bytes_in_use();
std::size_t peak_device_bytes();
std::size_t device_bytes();

} // namespace emulator
