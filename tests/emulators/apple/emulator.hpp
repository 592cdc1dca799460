// What the parts of the emulated frameworks share: calls, faults, the ledger of objects.
//
// All frameworks are one library, libvideohw_apple.so, with the declarations of
// videohw/_native/apple.h. An exported call begins with ENTER(), which counts and logs it and
// gives the answer that a fault plan wants. One lock guards the bookkeeping and is never held
// over anything else; sessions and pools have locks of their own.
//
// A rule that the client must keep, or a choice of the emulator, is marked with its source in a
// comment: "Rule (header): ..." or "Rule (assumed): ...": nobody here has seen the real ones run.
// report.py lists the assumed ones.
#pragma once

// What it declares is exported.
#pragma GCC visibility push(default)
#include "apple.h"
#pragma GCC visibility pop

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#define EMULATED extern "C" __attribute__((visibility("default")))

namespace apple {

// Calls ---------------------------------------------------------------------------------------

struct Answer {
    OSStatus code = 0; // what the call, or the work on a frame, must return; 0 to go on
    bool drop = false; // the frame is dropped
    OSStatus lost = 0; // the session is of no use any more, by this code
};

// Counts and logs a call, or a step of work such as "decode", and stalls where a plan says so.
class Call {
  public:
    explicit Call(const char *name);
    ~Call();
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    Answer answer;

  private:
    const char *outer;
};

#define ENTER() apple::Call entered(__func__)
// In a call that returns `type`: 0 or NULL where the plan wants a failure.
#define ENTER_OR_NULL(type)                                                                        \
    ENTER();                                                                                       \
    if (entered.answer.code)                                                                       \
    return static_cast<type>(0)
#define ENTER_STATUS()                                                                             \
    ENTER();                                                                                       \
    if (entered.answer.code)                                                                       \
    return entered.answer.code

// A rule that the client broke: written down, and a test that leaves any fails.
void misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

// How callbacks of decoding and encoding come.
enum class Callbacks {
    other_thread, // in the order of the calls
    caller,       // on the calling thread, before the call returns
    shuffled      // on another thread, a few of them in any order
};

// What a test set, or VIDEOHW_EMULATOR_<NAME> of the environment, or what is there from the start.
std::string setting(const char *name, const char *otherwise);
Callbacks callbacks();
// What making a session answers after a fault that took the codec away; 0 as a rule.
OSStatus gone();
// A number below `below`, by the seed of the shuffle.
unsigned chance(unsigned below);
// Whether a call is stalled by a fault.
bool stalled();
// The largest value of a name is kept for the report.
void peak(const char *name, long value);

// Objects -------------------------------------------------------------------------------------

// Everything that CFRetain and CFRelease take.
class Object {
  public:
    // `kind` lives for ever. An immortal one is in no ledger.
    explicit Object(const char *kind, bool immortal = false);
    Object(const Object &) = delete;
    Object &operator=(const Object &) = delete;
    // Gives back what it holds: the last reference is gone. Nothing is locked.
    virtual void clear() {}
    virtual ~Object() = default;

    const char *const kind;

  private:
    friend class Ledger;
    long references = 1;
    const bool immortal;
};

// nullptr, with the misuse written down, where it is no live object.
// Rule (header): a reference is valid only while somebody retains the object.
Object *live(const void *reference);

template <class Type>
Type *as(const void *reference)
{
    Object *object = live(reference);
    auto *found = dynamic_cast<Type *>(object);
    if (object && !found)
        misuse("%s was given as what it is not", object->kind);
    return found;
}

void retain(const void *reference);
void release(const void *reference);

// One reference, kept as long as this lives.
template <class Type>
class Kept {
  public:
    Kept() = default;
    explicit Kept(Type *object) : object(object)
    {
        if (object)
            retain(object);
    }
    Kept(const Kept &other) : Kept(other.object) {}
    Kept(Kept &&other) noexcept : object(other.object) { other.object = nullptr; }
    Kept &operator=(Kept other) noexcept
    {
        std::swap(object, other.object);
        return *this;
    }
    ~Kept()
    {
        if (object)
            release(object);
    }
    // Takes over a reference that somebody made.
    static Kept adopted(Type *object)
    {
        Kept made;
        made.object = object;
        return made;
    }
    Type *operator->() const { return object; }
    Type &operator*() const { return *object; }
    Type *get() const { return object; }
    Type *given_away()
    {
        Type *gone = object;
        object = nullptr;
        return gone;
    }
    explicit operator bool() const { return object != nullptr; }

  private:
    Type *object = nullptr;
};

} // namespace apple
