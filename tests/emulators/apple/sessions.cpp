#include "sessions.hpp"

#include <utility>

namespace apple {

OSStatus Session::answer()
{
    std::lock_guard<std::mutex> held(lock);
    return state;
}

void Session::lose(OSStatus code)
{
    std::lock_guard<std::mutex> held(lock);
    if (!state)
        state = code;
}

Session::Property *Session::property(CFStringRef key)
{
    auto *name = reinterpret_cast<const Object *>(key);
    for (Property &each : properties)
        if (equal(reinterpret_cast<const Object *>(each.key), name))
            return &each;
    return nullptr;
}

void Session::offer(CFStringRef key, bool read_only, Object *value)
{
    properties.push_back({key, read_only, Kept<Object>(value)});
}

void Session::put(CFStringRef key, Object *value) { property(key)->value = Kept<Object>(value); }

Object *Session::value_of(CFStringRef key)
{
    Property *found = property(key);
    return found ? found->value.get() : nullptr;
}

OSStatus Session::set(CFStringRef key, Object *value)
{
    Kept<Object> old; // goes without the lock
    std::lock_guard<std::mutex> held(lock);
    if (state)
        return state;
    Property *found = property(key);
    // Rule (header): what is not supported, and what can only be read, is answered so.
    if (!found)
        return kVTPropertyNotSupportedErr;
    if (found->read_only)
        return kVTPropertyReadOnlyErr;
    if (OSStatus code = check(key, value))
        return code;
    old = std::exchange(found->value, Kept<Object>(value));
    return 0;
}

Kept<Object> Session::get(CFStringRef key)
{
    std::lock_guard<std::mutex> held(lock);
    refresh();
    Property *found = property(key);
    return found ? found->value : Kept<Object>();
}

Dictionary *Session::supported()
{
    auto *made = new Dictionary;
    std::lock_guard<std::mutex> held(lock);
    for (const Property &each : properties) {
        auto attributes = Kept<Dictionary>::adopted(new Dictionary);
        attributes->set(kVTPropertyReadWriteStatusKey,
                        live(each.read_only ? kVTPropertyReadWriteStatus_ReadOnly
                                            : kVTPropertyReadWriteStatus_ReadWrite));
        made->set(each.key, attributes.get());
    }
    return made;
}

bool listed(const char *setting_name, const char *otherwise, CMVideoCodecType codec)
{
    const char name[] = {static_cast<char>(codec >> 24), static_cast<char>(codec >> 16),
                         static_cast<char>(codec >> 8), static_cast<char>(codec), 0};
    return ("," + setting(setting_name, otherwise) + ",").find("," + std::string(name) + ",") !=
           std::string::npos;
}

Object *boolean(bool value) { return live(value ? kCFBooleanTrue : kCFBooleanFalse); }

} // namespace apple

using namespace apple;

EMULATED OSStatus VTSessionCopySupportedPropertyDictionary(VTSessionRef session,
                                                           CFDictionaryRef *properties)
{
    ENTER_STATUS();
    auto *found = as<Session>(session);
    if (!found || !properties)
        return kVTParameterErr;
    if (OSStatus code = found->answer())
        return code;
    *properties = reference<CFDictionaryRef>(found->supported());
    return 0;
}

EMULATED OSStatus VTSessionSetProperty(VTSessionRef session, CFStringRef key, CFTypeRef value)
{
    ENTER_STATUS();
    auto *found = as<Session>(session);
    if (!found || !live(key))
        return kVTParameterErr;
    // Rule (header): NULL restores the default. Rule (assumed): not emulated.
    Object *given = live(value);
    return given ? found->set(key, given) : kVTParameterErr;
}

EMULATED OSStatus VTSessionCopyProperty(VTSessionRef session, CFStringRef key, CFAllocatorRef,
                                        void *value)
{
    ENTER_STATUS();
    auto *found = as<Session>(session);
    if (!found || !live(key) || !value)
        return kVTParameterErr;
    if (OSStatus code = found->answer())
        return code;
    Kept<Object> kept = found->get(key);
    if (!kept)
        return kVTPropertyNotSupportedErr;
    *static_cast<CFTypeRef *>(value) = kept.given_away();
    return 0;
}
