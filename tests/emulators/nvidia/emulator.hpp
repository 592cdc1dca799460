// What the emulated NVIDIA libraries share. libcuda.so.1 defines it; libnvcuvid.so.1 is linked to
// libcuda.so.1, as the real one loads it.
//
// One lock guards everything. An exported call begins with ENTER(), which takes it, counts and
// logs the call, and gives the answer that a fault plan wants. The lock is given up (Unlocked)
// around callbacks into the client and around long work that touches nothing shared. An exported
// call that is made by another one on the same thread is neither counted nor faulted.
//
// A rule that the client must keep, or a choice of the emulator, is marked with its source in a
// comment: "Rule (header): ...", "Rule (trace): ..." or "Rule (assumed): ...". report.py lists
// the assumed ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#define EMULATED extern "C" __attribute__((visibility("default")))

namespace emulator __attribute__((visibility("default"))) {

using Result = int;
using Address = unsigned long long; // of device memory

// Calls ---------------------------------------------------------------------------------------

class Call {
  public:
    explicit Call(const char *name);
    ~Call();
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    Result answer = 0;     // what the call must return before it does anything, 0 to go on
    Result afterwards = 0; // of ENTER_GIVING_BACK: what it must return after it did its work

    // Puts a planned failure off to the end of the call; false where the call cannot be made at all.
    bool put_off();

  private:
    bool outermost;
    bool planned = false;
};

#define ENTER()                                                                                    \
    emulator::Call entered_call(__func__);                                                         \
    if (entered_call.answer)                                                                       \
    return entered_call.answer

// Rule (assumed): a call that gives a handle back, and is made to fail, has given it back: it does
// its work and then returns LEAVE(code).
#define ENTER_GIVING_BACK()                                                                        \
    emulator::Call entered_call(__func__);                                                         \
    if (entered_call.answer && !entered_call.put_off())                                            \
    return entered_call.answer
#define LEAVE(code) (entered_call.afterwards ? entered_call.afterwards : (code))

// The lock given up for a scope, by a thread that holds it.
class Unlocked {
  public:
    Unlocked();
    ~Unlocked();
    Unlocked(const Unlocked &) = delete;
    Unlocked &operator=(const Unlocked &) = delete;
};

// A rule that the client broke: written down, and a test that leaves any fails.
void misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The real driver crashes here: so does this, with a report; or, when a test wants to go on
// (videohw_emulator_crashes(0)), the misuse is written down and `code` returned.
Result crash(Result code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Every call in every context answers `code` from now on, as CUDA does after an error of a kernel.
void stick(Result code);

// Handles that the client has to give back. `kind` is a text that lives for ever.
void opened(const char *kind, const void *handle, std::size_t bytes = 0);
bool given_back(const char *kind, const void *handle);
inline const void *handle_of(Address address) { return reinterpret_cast<const void *>(address); }

// Environment: VIDEOHW_EMULATOR_<name>, or `otherwise`.
std::string setting(const char *name, const char *otherwise);
long long setting(const char *name, long long otherwise);

// Chance by the seed of the run: true once in `of` times.
bool chance(unsigned of);

// Contexts ------------------------------------------------------------------------------------

struct Context {
    int device = 0;
    bool primary = false;
    unsigned flags = 0;
    int retained = 0;            // of a primary one
    unsigned long long id = 0;   // another one after cuDevicePrimaryCtxReset
    bool alive = false;
};

// What is current in this thread; nullptr for none. It may be one that was destroyed.
Context *current_context();
// 0; or the answer to a call that needs a context: 3, 201, 709.
Result context_answer();
// `ended` is called, with the lock held, before a context goes, so that what lives in it goes too.
void when_context_ends(std::function<void(Context *)> ended);

#define IN_CONTEXT()                                                                               \
    ENTER();                                                                                       \
    if (emulator::Result no_context = emulator::context_answer())                                  \
    return no_context

// Streams: queues of work -----------------------------------------------------------------------

// When work runs: as it is queued, when something waits for it, or as a seed decides.
enum class Laziness { early = 0, late = 1, seeded = 2 };
Laziness laziness();

class Stream;
using StreamPointer = std::shared_ptr<Stream>;

// A place in a stream: all that was queued before.
struct Mark {
    StreamPointer stream;
    unsigned long long count = 0;
};

// By a client's handle: NULL and 1 are the legacy default stream of the current context, 2 that of
// the thread. nullptr, with the misuse written down, where it is not open: the real driver crashes.
StreamPointer stream_by_handle(const void *handle);
// A stream that no client sees, such as the queue of an engine; blocks with none.
StreamPointer internal_stream(Context *context);
// `work` runs with the lock held, in order, on whatever thread. Dependencies of the default
// stream are kept by themselves.
void enqueue(const StreamPointer &stream, std::function<void()> work);
Mark mark_of(const StreamPointer &stream);
// Work queued behind this waits until `mark` is reached, which may be in another stream.
void enqueue_wait(const StreamPointer &stream, const Mark &mark);
bool reached(const Mark &mark);
// Runs what must run, in this thread.
void wait_until(const Mark &mark);
void finish(const StreamPointer &stream);
// What a call answers that has waited: 0, or the error that stuck meanwhile.
Result work_answer();

// Device memory -------------------------------------------------------------------------------

// The host cannot touch it by its address; it is full of poison until it is written, and fenced.
constexpr unsigned char poison = 0xdb;
// 0 where there is no room left on the device. `kind` is what the ledger calls it.
Address allocate(std::size_t bytes, const char *kind, Context *context);
bool release(Address address, const char *kind);
// As memory of this process, when all of the bytes lie in one allocation that may be used; else
// nullptr. Only for the emulator's own work, under the lock.
void *device_memory(Address address, std::size_t bytes);
// The same, or pinned host memory, which a device reaches by the same address.
void *reachable(Address address, std::size_t bytes);
// Bytes of the allocation that `address` begins, 0 where it begins none.
std::size_t allocated_bytes(Address address);
// Memory that is there but must not be used now, as of a picture that is not mapped. It is filled
// with poison when it is closed.
void set_usable(Address address, bool usable);

} // namespace emulator
