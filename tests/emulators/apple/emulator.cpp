#include "emulator.hpp"
#include "metal.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace apple {
namespace {

struct Fault {
    enum Kind { fail, drop, lost, gone, stall } kind = fail;
    std::string call;
    long first = 1, count = 1, value = 0, seen = 0, hits = 0;
};

struct Handle {
    const char *kind, *call;
};

struct State {
    std::mutex lock;
    std::condition_variable changed;
    std::vector<Fault> faults;
    unsigned long long plan = 0; // counts the plans, so that a stalled call sees its own end
    int stalled = 0;
    OSStatus gone = 0; // what making a session answers, 0 where that works
    std::map<std::string, long> calls, open, ever, peaks;
    std::map<std::string, std::string> settings;
    std::vector<const char *> log;
    std::vector<std::string> misuses;
    std::map<const Object *, Handle> live;
    std::deque<Object *> dead; // kept for a while, so that no new object has their address
    unsigned long long random = 1;
};

constexpr std::size_t longest_log = 100000, most_dead = 4096;

State &state()
{
    static State *made = new State; // threads may outlive the end of the process
    return *made;
}

thread_local const char *current_call = "";

Fault *due(const char *name)
{
    Fault *found = nullptr;
    bool is_work = std::strcmp(name, "decode") == 0 || std::strcmp(name, "encode") == 0;
    for (Fault &fault : state().faults) {
        if (fault.call != name && !(is_work && fault.call == "work"))
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

void stall(std::unique_lock<std::mutex> &held, long milliseconds)
{
    State &s = state();
    auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    unsigned long long plan = s.plan;
    ++s.stalled;
    s.changed.notify_all();
    auto given_up = [&] { return s.plan != plan; };
    if (milliseconds)
        s.changed.wait_until(held, until, given_up);
    else
        s.changed.wait(held, given_up);
    --s.stalled;
}

// "CALL@FIRST=KIND:VALUE", "CALL@FIRSTxCOUNT=KIND:VALUE"; COUNT 0 is for ever.
bool add_fault(const char *text)
{
    char call[128], kind[16];
    Fault made;
    int used = 0;
    if (sscanf(text, "%127[^@]@%ldx%ld=%15[a-z]:%ld%n", call, &made.first, &made.count, kind,
               &made.value, &used) != 5) {
        made.count = 1;
        if (sscanf(text, "%127[^@]@%ld=%15[a-z]:%ld%n", call, &made.first, kind, &made.value,
                   &used) != 4)
            return false;
    }
    static const std::map<std::string, Fault::Kind> kinds = {{"fail", Fault::fail},
                                                             {"drop", Fault::drop},
                                                             {"lost", Fault::lost},
                                                             {"gone", Fault::gone},
                                                             {"stall", Fault::stall}};
    auto found = kinds.find(kind);
    if (found == kinds.end() || made.first < 1 || made.count < 0 || text[used])
        return false;
    made.kind = found->second;
    made.call = call;
    state().faults.push_back(made);
    return true;
}

std::string quoted(const std::string &text)
{
    std::string made = "\"";
    for (char each : text)
        made += each == '"' || each == '\\' ? std::string("\\") + each : std::string(1, each);
    return made + "\"";
}

std::string counts(const std::map<std::string, long> &of)
{
    std::string made;
    for (auto &[name, count] : of)
        if (count)
            made += (made.empty() ? "" : ", ") + quoted(name) + ": " + std::to_string(count);
    return "{" + made + "}";
}

std::string report()
{
    State &s = state();
    std::string handles, misuses, hits;
    for (auto &[object, handle] : s.live)
        handles += (handles.empty() ? "" : ",\n  ") + std::string("{\"kind\": ") +
                   quoted(handle.kind) + ", \"call\": " + quoted(handle.call) + "}";
    for (auto &text : s.misuses)
        misuses += (misuses.empty() ? "" : ", ") + quoted(text);
    for (const Fault &fault : s.faults)
        hits += (hits.empty() ? "" : ", ") + std::to_string(fault.hits);
    return "{\"open\": " + counts(s.open) + ", \"handles\": [" + handles +
           "], \"lost\": {}, \"ever\": " + counts(s.ever) + ", \"peak\": " + counts(s.peaks) +
           ", \"misuses\": [" + misuses + "], \"calls\": " + counts(s.calls) +
           ", \"fault_hits\": [" + hits + "]}";
}

// For callers of one thread: valid until that thread asks again.
const char *handed_out(std::string text)
{
    static thread_local std::string kept;
    kept = std::move(text);
    return kept.c_str();
}

using Held = std::unique_lock<std::mutex>;

} // namespace

Call::Call(const char *name) : outer(current_call)
{
    State &s = state();
    current_call = name;
    Held held(s.lock);
    ++s.calls[name];
    if (s.log.size() < longest_log)
        s.log.push_back(name);
    Fault *fault = due(name);
    if (!fault)
        return;
    OSStatus value = static_cast<OSStatus>(fault->value);
    switch (fault->kind) {
    case Fault::fail: answer.code = value; break;
    case Fault::drop: answer.drop = true; break;
    case Fault::gone: s.gone = value; [[fallthrough]];
    case Fault::lost: answer.lost = value; break;
    case Fault::stall: stall(held, fault->value); break;
    }
}

Call::~Call() { current_call = outer; }

void misuse(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    Held held(state().lock);
    if (state().misuses.size() < 1000)
        state().misuses.push_back(std::string(current_call) + ": " + text);
}

std::string setting(const char *name, const char *otherwise)
{
    Held held(state().lock);
    auto found = state().settings.find(name);
    if (found != state().settings.end())
        return found->second;
    const char *value = getenv((std::string("VIDEOHW_EMULATOR_") + name).c_str());
    return value && *value ? value : otherwise;
}

Callbacks callbacks()
{
    std::string how = setting("CALLBACKS", "other");
    if (how == "caller")
        return Callbacks::caller;
    return how.rfind("shuffled", 0) == 0 ? Callbacks::shuffled : Callbacks::other_thread;
}

OSStatus gone()
{
    Held held(state().lock);
    return state().gone;
}

unsigned chance(unsigned below)
{
    Held held(state().lock);
    auto &x = state().random; // xorshift64
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return static_cast<unsigned>(x % below);
}

bool stalled()
{
    Held held(state().lock);
    return state().stalled > 0;
}

void peak(const char *name, long value)
{
    Held held(state().lock);
    long &largest = state().peaks[name];
    largest = std::max(largest, value);
}

// The ledger ----------------------------------------------------------------------------------

class Ledger {
  public:
    static void add(Object *object)
    {
        State &s = state();
        Held held(s.lock);
        s.live[object] = {object->kind, current_call};
        ++s.open[object->kind];
        ++s.ever[object->kind];
    }
    static Object *find(const void *reference)
    {
        auto *object = static_cast<Object *>(const_cast<void *>(reference));
        Held held(state().lock);
        if (state().live.count(object))
            return object;
        for (Object *gone : state().dead)
            if (gone == object)
                return nullptr;
        return constants().count(object) ? object : nullptr;
    }
    static void count(Object *object, int change)
    {
        State &s = state();
        Object *oldest = nullptr;
        {
            Held held(s.lock);
            if (object->immortal || (object->references += change) > 0)
                return;
            s.live.erase(object);
            --s.open[object->kind];
        }
        object->clear();
        {
            Held held(s.lock);
            s.dead.push_back(object);
            if (s.dead.size() > most_dead) {
                oldest = s.dead.front();
                s.dead.pop_front();
            }
        }
        delete oldest;
    }
    static std::map<const Object *, bool> &constants()
    {
        static auto *made = new std::map<const Object *, bool>;
        return *made;
    }
};

Object::Object(const char *kind, bool immortal) : kind(kind), immortal(immortal)
{
    if (!immortal) {
        Ledger::add(this);
        return;
    }
    Held held(state().lock);
    Ledger::constants()[this] = true;
}

Object *live(const void *reference)
{
    Object *found = reference ? Ledger::find(reference) : nullptr;
    if (!found)
        misuse(reference ? "an object that is gone, or never was" : "NULL in place of an object");
    return found;
}

void retain(const void *reference)
{
    if (Object *object = live(reference))
        Ledger::count(object, 1);
}

void release(const void *reference)
{
    if (Object *object = live(reference))
        Ledger::count(object, -1);
}

} // namespace apple

using namespace apple;

// Controls, as tests/emulators/control.py calls them ----------------------------------------------

EMULATED bool videohw_emulator_fault(const char *text)
{
    Held held(state().lock);
    return add_fault(text);
}

EMULATED long videohw_emulator_clear_faults()
{
    Held held(state().lock);
    long hits = 0;
    for (const Fault &fault : state().faults)
        hits += fault.hits;
    state().faults.clear();
    state().gone = 0;
    ++state().plan;
    state().changed.notify_all();
    return hits;
}

EMULATED int videohw_emulator_stalled()
{
    Held held(state().lock);
    return state().stalled;
}

// NULL: as it is from the start. Settings: CALLBACKS (other, caller, shuffled:SEED), ACCEPTS
// (same, identical, never), DECODERS and ENCODERS (four-character codes with commas between),
// HARDWARE (0, 1), METAL_THREADS (of a threadgroup), CROPPING (cropped, coded, misplaced), PADDING
// (bytes behind each row), COLOURS (what is attached: stated, bt709), MODIFIABLE (0, 1); of
// encoding LOW_LATENCY (codecs that have it), B_PICTURES (how many between two others), DROPS
// (every so many under low latency), ATTACHMENTS (right, wrong), MAKES_UP (0, 1), NO_PROPERTIES
// (names that are not supported), NO_PROFILE (what stands between underscores in a name).
EMULATED void videohw_emulator_set(const char *name, const char *value)
{
    Held held(state().lock);
    if (!value) {
        state().settings.erase(name);
        return;
    }
    state().settings[name] = value;
    if (const char *seed = strchr(value, ':'))
        state().random = strtoull(seed + 1, nullptr, 0) * 0x9E3779B97F4A7C15ull | 1;
}

EMULATED const char *videohw_emulator_report()
{
    settle(); // what was done may still have to be let go
    Held held(state().lock);
    return handed_out(report());
}

EMULATED void videohw_emulator_forget()
{
    Held held(state().lock);
    State &s = state();
    s.misuses.clear();
    s.calls.clear();
    s.log.clear();
    s.ever.clear();
    s.peaks.clear();
}

EMULATED const char *videohw_emulator_misuses()
{
    Held held(state().lock);
    std::string lines;
    for (auto &text : std::exchange(state().misuses, {}))
        lines += text + "\n";
    return handed_out(lines);
}

EMULATED const char *videohw_emulator_log()
{
    Held held(state().lock);
    std::string lines;
    for (const char *each : state().log)
        lines += std::string("0 ") + each + "\n";
    return handed_out(lines);
}
