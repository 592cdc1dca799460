// What all emulated calls share: the lock, the log, the plan of faults, the ledger of handles, the
// list of misuses.

#include "state.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <pthread.h>
#include <set>
#include <unistd.h>

namespace emulator {

State &state()
{
    static State *kept = new State; // never destroyed: calls come until the process ends
    return *kept;
}

namespace {

thread_local bool holding = false;
thread_local int thread_number = 0;
constexpr std::size_t longest_log = 200000;

int this_thread()
{
    static std::atomic<int> threads{0};
    if (!thread_number)
        thread_number = ++threads;
    return thread_number;
}

// Rule (header): these answer whatever the state of the driver is.
bool answers_always(const char *name)
{
    static const std::set<std::string> names = {"cuGetErrorName", "cuGetErrorString",
                                                "cuDriverGetVersion"};
    return names.count(name) != 0;
}

// Rule (trace): these do not reach the device, and go on after a sticky error.
bool is_of_the_host(const char *name)
{
    static const std::set<std::string> names = {
        "cuInit", "cuCtxGetCurrent", "cuCtxSetCurrent", "cuCtxPushCurrent_v2",
        "cuCtxPopCurrent_v2", "cuCtxGetDevice", "cuDevicePrimaryCtxRetain",
        "cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxReset",
        "cuDevicePrimaryCtxReset_v2", "cuDevicePrimaryCtxGetState"};
    return names.count(name) != 0 || std::strncmp(name, "cuDeviceGet", 11) == 0;
}

// What a call answers in a context that an error stuck in.
Result sticky_answer(const char *name)
{
    constexpr Result context_is_destroyed = 709;
    if (!state().sticky || is_of_the_host(name))
        return 0;
    Context *context = current_context();
    return context && !context->alive ? context_is_destroyed : state().sticky;
}

// The fault that is due now, which `counted` calls have come to.
Fault *due(const char *name)
{
    Fault *found = nullptr;
    const std::string named = "|" + std::string(name) + "|";
    for (Fault &fault : state().faults) {
        if (fault.call != "*" && ("|" + fault.call + "|").find(named) == std::string::npos)
            continue;
        long number = ++fault.seen;
        bool is_due = number >= fault.first && (!fault.count || number < fault.first + fault.count);
        if (is_due && !found)
            found = &fault;
    }
    if (found)
        ++found->hits;
    return found;
}

void stall(long milliseconds)
{
    auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    unsigned long long plan = state().plan_number;
    std::unique_lock<std::mutex> lock(state().lock, std::adopt_lock);
    holding = false;
    ++state().stalled;
    state().changed.notify_all();
    auto given_up = [plan] { return state().plan_number != plan; };
    if (milliseconds)
        state().changed.wait_until(lock, until, given_up);
    else
        state().changed.wait(lock, given_up);
    --state().stalled;
    holding = true;
    lock.release();
}

} // namespace

Locked::Locked()
{
    state().lock.lock();
    holding = true;
}

Locked::~Locked()
{
    holding = false;
    state().lock.unlock();
}

Call::Call(const char *name) : outermost(!holding)
{
    if (!outermost)
        return;
    State &s = state();
    if (s.forked) {
        // Rule (header): a child of fork cannot use what its parent initialised.
        answer = 3;
        outermost = false;
        return;
    }
    s.lock.lock();
    holding = true;
    ++s.calls[name];
    if (s.log.size() < longest_log)
        s.log.push_back({name, this_thread()});
    if (answers_always(name))
        return;
    if (s.ended) {
        answer = 4; // Rule (header): the driver is shut down when the process ends
        return;
    }
    // Rule (header): it must not be made. Rule (trace): it is answered all the same.
    if (in_host_function())
        misuse("%s within a host function of a stream", name);
    planned = true;
    Fault *fault = due(name);
    answer = sticky_answer(name);
    if (!fault || answer)
        return;
    if (fault->kind == Fault::stall) {
        stall(fault->value);
        answer = sticky_answer(name);
        return;
    }
    answer = static_cast<Result>(fault->value);
    if (fault->kind == Fault::sticky)
        s.sticky = answer;
}

Call::~Call()
{
    if (!outermost)
        return;
    holding = false;
    state().lock.unlock();
}

bool Call::put_off()
{
    if (!planned)
        return false;
    afterwards = answer;
    answer = 0;
    return true;
}

Unlocked::Unlocked()
{
    holding = false;
    state().lock.unlock();
}

Unlocked::~Unlocked()
{
    state().lock.lock();
    holding = true;
}

void stick(Result code)
{
    if (!state().sticky)
        state().sticky = code;
}

Result work_answer() { return state().sticky; }

// Misuses -------------------------------------------------------------------------------------

namespace {

std::string formatted(const char *format, va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    return text;
}

void written_down(const std::string &text)
{
    if (state().misuses.size() < 1000)
        state().misuses.push_back(text);
    if (setting("VERBOSE", 0LL))
        fprintf(stderr, "emulated driver: misuse: %s\n", text.c_str());
}

} // namespace

void complain(const std::string &text)
{
    std::string line = "emulated driver: " + text + "\n";
    int files[2] = {STDERR_FILENO, -1};
    if (!state().crash_log.empty())
        files[1] = open(state().crash_log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    for (int file : files)
        if (file >= 0 && write(file, line.data(), line.size()) < 0)
            break;
}

void misuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    written_down(formatted(format, arguments));
    va_end(arguments);
}

Result crash(Result code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    std::string text = formatted(format, arguments);
    va_end(arguments);
    written_down(text);
    if (!state().crashes)
        return code;
    complain("the real one crashes here: " + text);
    write_report();
    // An access, not a raised signal: handlers expect that it happens again.
    volatile char *volatile nowhere = nullptr;
    *nowhere = 0;
    return code;
}

// The ledger ----------------------------------------------------------------------------------

void opened(const char *kind, const void *handle, std::size_t bytes)
{
    State &s = state();
    const char *call = s.log.empty() ? "" : s.log.back().name;
    s.handles[{kind, handle}] = {bytes, call, this_thread(), current_context()};
    long open = ++s.open[kind];
    s.peak[kind] = std::max(s.peak[kind], open);
    ++s.ever[kind];
}

bool given_back(const char *kind, const void *handle)
{
    State &s = state();
    if (!s.handles.erase({kind, handle}))
        return false;
    --s.open[kind];
    return true;
}

void lost_with_context(const char *kind, const void *handle)
{
    if (given_back(kind, handle))
        ++state().lost[kind];
}

// Settings and chance ---------------------------------------------------------------------------

std::string setting(const char *name, const char *otherwise)
{
    const char *value = getenv((std::string("VIDEOHW_EMULATOR_") + name).c_str());
    return value && *value ? value : otherwise;
}

long long setting(const char *name, long long otherwise)
{
    std::string value = setting(name, "");
    return value.empty() ? otherwise : strtoll(value.c_str(), nullptr, 0);
}

bool chance(unsigned of)
{
    auto &x = state().random; // xorshift64
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % of == 0;
}

Laziness laziness() { return state().laziness; }

// Start and end of the process --------------------------------------------------------------------

namespace {

void on_fork()
{
    State &s = state();
    s.forked = s.initialised;
    new (&s.lock) std::mutex; // whoever held it is not here
    holding = false;
}

void at_end()
{
    State &s = state();
    // A thread that is inside a call for ever must not keep the process.
    for (int tries = 0; !s.lock.try_lock(); ++tries) {
        if (tries == 2000)
            return;
        usleep(1000);
    }
    s.ended = true;
    holding = true;
    if (!s.forked)
        write_report();
    holding = false;
    s.lock.unlock();
}

__attribute__((constructor)) void at_start()
{
    State &s = state();
    s.crashes = setting("CRASHES", 1LL) != 0;
    s.crash_log = setting("CRASH_LOG", "");
    set_laziness(setting("STREAMS", "late"));
    std::string plan = setting("FAULTS", "");
    for (std::size_t at = 0; at < plan.size();) {
        std::size_t end = std::min(plan.find(';', at), plan.size());
        if (!add_fault(plan.substr(at, end - at)))
            fprintf(stderr, "emulated driver: not a fault: %s\n", plan.substr(at, end - at).c_str());
        at = end + 1;
    }
    pthread_atfork(nullptr, nullptr, on_fork);
    atexit(at_end);
}

} // namespace

// "early", "late" or "seed:NUMBER".
bool set_laziness(const std::string &how)
{
    State &s = state();
    if (how == "early")
        s.laziness = Laziness::early;
    else if (how == "late")
        s.laziness = Laziness::late;
    else if (how.rfind("seed:", 0) == 0) {
        s.laziness = Laziness::seeded;
        s.random = strtoull(how.c_str() + 5, nullptr, 0) * 0x9E3779B97F4A7C15ull | 1;
    } else
        return false;
    return true;
}

// "CALL@FIRST=KIND:VALUE", "CALL@FIRSTxCOUNT=KIND:VALUE"; COUNT 0 is for ever, CALL may be *, or
// several with | between.
// KIND: fail and sticky with a result code, stall with milliseconds, 0 until the plan changes.
bool add_fault(const std::string &text)
{
    char call[128], kind[16];
    Fault made;
    int used = 0;
    made.count = 1;
    bool counted = sscanf(text.c_str(), "%127[^@]@%ldx%ld=%15[a-z]:%ld%n", call, &made.first,
                          &made.count, kind, &made.value, &used) == 5;
    if (!counted) {
        made.count = 1;
        if (sscanf(text.c_str(), "%127[^@]@%ld=%15[a-z]:%ld%n", call, &made.first, kind,
                   &made.value, &used) != 4)
            return false;
    }
    static const std::map<std::string, Fault::Kind> kinds = {
        {"fail", Fault::fail}, {"sticky", Fault::sticky}, {"stall", Fault::stall}};
    auto found = kinds.find(kind);
    if (found == kinds.end() || made.first < 1 || made.count < 0 ||
        used != static_cast<int>(text.size()))
        return false;
    made.kind = found->second;
    made.call = call;
    state().faults.push_back(made);
    return true;
}

} // namespace emulator
