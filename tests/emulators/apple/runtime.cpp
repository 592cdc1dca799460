// The Objective-C runtime: methods that are looked up, pools that are given back in order.

#include "runtime.hpp"
#include "foundation.hpp"

#include <mutex>
#include <set>

namespace apple {
namespace {

class ReleasePool : public Object {
  public:
    ReleasePool() : Object("autorelease pool") {}
    void clear() override { objects.clear(); }
    std::vector<Kept<Object>> objects;
};

thread_local std::vector<ReleasePool *> pools;

// The classes, and the names of methods.
struct Names {
    std::mutex lock;
    std::map<std::string, const Kind *> kinds;
    std::set<const void *> classes;
    std::set<std::string> selectors;
};

Names &names()
{
    static auto *made = new Names;
    return *made;
}

class Error : public Messaged {
  public:
    Error(const std::string &text, long code);
    void clear() override { text = {}; }
    Kept<String> text;
    const long code;
};

id error_text(id self, SEL)
{
    auto *found = as<Error>(self);
    return found ? id_of(found->text.get()) : nullptr;
}

long error_code(id self, SEL)
{
    auto *found = as<Error>(self);
    return found ? found->code : 0;
}

const Kind error_kind("NSError", {{"localizedDescription", method(error_text)},
                                  {"code", method(error_code)}});

Error::Error(const std::string &text, long code)
    : Messaged(error_kind), text(Kept<String>::adopted(new String(text))), code(code)
{
}

long no_method(id, SEL) { return 0; }

} // namespace

Kind::Kind(const char *name, std::map<std::string, IMP> methods, IMP maker)
    : name(name), methods(std::move(methods)),
      of_class(maker ? std::map<std::string, IMP>{{"new", maker}} : std::map<std::string, IMP>()),
      itself{this, false}, meta{this, true}
{
    std::lock_guard<std::mutex> held(names().lock);
    names().kinds[name] = this;
    names().classes.insert(&itself);
}

void autorelease(Object *object)
{
    if (pools.empty()) {
        misuse("%s is autoreleased without a pool: it never goes", object->kind);
        return;
    }
    pools.back()->objects.push_back(Kept<Object>::adopted(object));
}

id error_of(const std::string &text, long code)
{
    auto *made = new Error(text, code);
    autorelease(made);
    return id_of(made);
}

} // namespace apple

using namespace apple;

// Where blocks on the stack begin; its address is all that counts.
extern "C" {
void *_NSConcreteStackBlock[32];
}

EMULATED void *objc_autoreleasePoolPush()
{
    pools.push_back(new ReleasePool);
    return pools.back();
}

EMULATED void objc_autoreleasePoolPop(void *pool)
{
    // Rule (assumed): a pool is given back by the thread that made it, the newest first.
    if (pools.empty() || pools.back() != pool) {
        misuse("a pool of another thread, or not the newest");
        return;
    }
    pools.pop_back();
    release(pool);
}

EMULATED id objc_retain(id object)
{
    retain(object);
    return object;
}

EMULATED void objc_release(id object) { release(object); }

EMULATED id objc_getClass(const char *name)
{
    std::lock_guard<std::mutex> held(names().lock);
    auto found = names().kinds.find(name);
    // Rule (header): nil where there is no such class.
    if (found == names().kinds.end())
        return nullptr;
    return reinterpret_cast<id>(const_cast<Kind::Reference *>(&found->second->itself));
}

EMULATED Class object_getClass(id object)
{
    const Kind::Reference *found = nullptr;
    {
        std::lock_guard<std::mutex> held(names().lock);
        if (names().classes.count(object))
            found = &reinterpret_cast<const Kind::Reference *>(object)->kind->meta;
    }
    if (!found)
        if (auto *live = as<Messaged>(object))
            found = &live->of.itself;
    return reinterpret_cast<Class>(const_cast<Kind::Reference *>(found));
}

EMULATED SEL sel_registerName(const char *name)
{
    std::lock_guard<std::mutex> held(names().lock);
    return reinterpret_cast<SEL>(
        const_cast<char *>(names().selectors.insert(name).first->c_str()));
}

EMULATED IMP class_getMethodImplementation(Class of, SEL selector)
{
    auto *found = reinterpret_cast<const Kind::Reference *>(of);
    auto *name = reinterpret_cast<const char *>(selector);
    if (!found)
        return method(no_method); // of what is gone, which is written down
    auto &methods = found->of_class ? found->kind->of_class : found->kind->methods;
    auto at = methods.find(name);
    // Rule (header): an object that has no such method ends the program.
    if (at == methods.end()) {
        misuse("%s has no method %s", found->kind->name, name);
        return method(no_method);
    }
    return at->second;
}
