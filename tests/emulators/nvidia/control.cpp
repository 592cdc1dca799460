// What tests call to steer the emulated drivers and to look into them, and the report of a process.

#include "emulator.hpp"
#include "state.hpp"

#include <cstdio>
#include <cstring>

namespace emulator {
namespace {

std::string quoted(const std::string &text)
{
    std::string made = "\"";
    for (unsigned char each : text) {
        char escaped[8];
        if (each == '"' || each == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", each);
        else
            snprintf(escaped, sizeof escaped, each < 0x20 ? "\\u%04x" : "%c", each);
        made += escaped;
    }
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

// For callers of one thread: valid until that thread asks again.
const char *handed_out(std::string text)
{
    static thread_local std::string kept;
    kept = std::move(text);
    return kept.c_str();
}

} // namespace

std::string report_as_json()
{
    State &s = state();
    check_fences();
    std::string handles, misuses;
    for (auto &[key, handle] : s.handles) {
        char line[200];
        snprintf(line, sizeof line, "\"handle\": \"%p\", \"bytes\": %zu, \"thread\": %d", key.second,
                 handle.bytes, handle.thread);
        handles += (handles.empty() ? "\n  {" : ",\n  {") + std::string("\"kind\": ") +
                   quoted(key.first) + ", \"call\": " + quoted(handle.call) + ", " + line + "}";
    }
    std::string hits;
    for (const Fault &fault : s.faults)
        hits += (hits.empty() ? "" : ", ") + std::to_string(fault.hits);
    for (auto &text : s.misuses)
        misuses += (misuses.empty() ? "\n  " : ",\n  ") + quoted(text);
    return "{\n \"open\": " + counts(s.open) + ",\n \"handles\": [" + handles + "],\n \"lost\": " +
           counts(s.lost) + ",\n \"ever\": " + counts(s.ever) + ",\n \"peak\": " + counts(s.peak) +
           ",\n \"misuses\": [" + misuses + "],\n \"calls\": " + counts(s.calls) +
           ",\n \"fault_hits\": [" + hits + "],\n \"sticky\": " + std::to_string(s.sticky) + ",\n \"device_bytes\": " +
           std::to_string(device_bytes_in_use()) + ",\n \"peak_device_bytes\": " +
           std::to_string(peak_device_bytes()) + "\n}\n";
}

void write_report()
{
    std::string path = setting("REPORT", "");
    FILE *file = path.empty() ? nullptr : fopen(path.c_str(), "w");
    if (!file)
        return;
    std::string text = report_as_json();
    fwrite(text.data(), 1, text.size(), file);
    fclose(file);
}

} // namespace emulator

using namespace emulator;

// Adds to the plan of faults ("CALL@FIRSTxCOUNT=KIND:VALUE", see emulator.cpp); calls count from
// now on. False where that is no fault.
EMULATED bool videohw_emulator_fault(const char *text)
{
    Locked locked;
    return add_fault(text);
}

// Ends the plan, stalled calls, and an error that stuck. How often a fault came is the answer.
EMULATED long videohw_emulator_clear_faults()
{
    Locked locked;
    long hits = 0;
    for (const Fault &fault : state().faults)
        hits += fault.hits;
    state().faults.clear();
    state().sticky = 0;
    ++state().plan_number;
    state().changed.notify_all();
    return hits;
}

// Calls that are stalled at this moment.
EMULATED int videohw_emulator_stalled()
{
    Locked locked;
    return state().stalled;
}

// "early", "late" or "seed:NUMBER"; false for anything else.
EMULATED bool videohw_emulator_streams(const char *how)
{
    Locked locked;
    return set_laziness(how);
}

// Whether the process ends where the real driver crashes.
EMULATED void videohw_emulator_crashes(int crashes)
{
    Locked locked;
    state().crashes = crashes != 0;
}

// The ledger, the misuses and the counts as JSON.
EMULATED const char *videohw_emulator_report()
{
    Locked locked;
    return handed_out(report_as_json());
}

// Forgets misuses, counts of calls, the log and what was lost; handles stay in the ledger.
EMULATED void videohw_emulator_forget()
{
    Locked locked;
    State &s = state();
    s.misuses.clear();
    s.calls.clear();
    s.log.clear();
    s.lost.clear();
    s.ever.clear();
    s.peak = s.open;
}

// The misuses since the last time, one a line.
EMULATED const char *videohw_emulator_misuses()
{
    Locked locked;
    check_fences();
    std::string lines;
    for (auto &text : std::exchange(state().misuses, {}))
        lines += text + "\n";
    return handed_out(lines);
}

// The calls since the log was forgotten, in order: "THREAD NAME" a line.
EMULATED const char *videohw_emulator_log()
{
    Locked locked;
    std::string lines;
    for (const Logged &each : state().log)
        lines += std::to_string(each.thread) + " " + each.name + "\n";
    return handed_out(lines);
}
