// The Objective-C runtime: objects with a class, methods by name, pools of what goes later.
#pragma once

#include "emulator.hpp"

#include <map>

namespace apple {

// A class with its methods; it lives for ever. `maker` is the only one of the class itself: "new".
class Kind {
  public:
    Kind(const char *name, std::map<std::string, IMP> methods, IMP maker = nullptr);
    const char *const name;
    const std::map<std::string, IMP> methods, of_class;
    // What the client holds: the class, and the class of that.
    struct Reference {
        const Kind *kind;
        bool of_class;
    } const itself, meta;
};

template <class Function>
IMP method(Function *code)
{
    return reinterpret_cast<IMP>(code);
}

// An object that has methods.
class Messaged : public Object {
  public:
    explicit Messaged(const Kind &kind) : Object(kind.name), of(kind) {}
    const Kind &of;
};

// The reference is given to the pool of this thread, which must have one.
// Rule (header): what a method gives that is not called new, alloc or copy is autoreleased.
void autorelease(Object *object);

inline id id_of(const Object *object) { return reinterpret_cast<id>(const_cast<Object *>(object)); }

// An NSError, autoreleased.
id error_of(const std::string &text, long code);

} // namespace apple
