// What sessions of decoding and of encoding share: properties, and being lost.
#pragma once

#include "foundation.hpp"

#include <mutex>

namespace apple {

class Session : public Object {
  public:
    using Object::Object;
    void clear() override { properties.clear(); }

    // 0; or what every call answers once the session is invalidated or lost.
    OSStatus answer();
    void lose(OSStatus code);

    OSStatus set(CFStringRef key, Object *value);
    Kept<Object> get(CFStringRef key);
    // Name -> a dictionary that says whether it can be set.
    Dictionary *supported();

  protected:
    void offer(CFStringRef key, bool read_only, Object *value);
    // 0 where the value will do. The lock is held.
    virtual OSStatus check(CFStringRef, const Object *) { return 0; }
    // Before a value is looked at; the lock is held.
    virtual void refresh() {}
    void put(CFStringRef key, Object *value);
    Object *value_of(CFStringRef key);

    std::mutex lock;
    OSStatus state = 0;

  private:
    struct Property {
        CFStringRef key;
        bool read_only;
        Kept<Object> value;
    };
    Property *property(CFStringRef key);
    std::vector<Property> properties;
};

// Whether the codec is on the list that the setting has.
bool listed(const char *setting_name, const char *otherwise, CMVideoCodecType codec);
Object *boolean(bool value);

} // namespace apple
