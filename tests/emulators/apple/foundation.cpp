#include "foundation.hpp"

#include <cstring>

namespace apple {
namespace {

enum : CFTypeID { string_id = 7, null_id = 16, dictionary_id = 18, array_id, data_id, boolean_id,
                  number_id, other_id };

struct Anchor {
    char nothing;
};
const Anchor null_allocator{};

String *constant(const char *name) { return new String(name, true); }

bool text_of(const void *reference, std::string *text)
{
    auto *string = as<String>(reference);
    if (string)
        *text = string->text;
    return string != nullptr;
}

} // namespace

bool equal(const Object *one, const Object *other)
{
    if (one == other)
        return true;
    if (std::strcmp(one->kind, other->kind) != 0)
        return false;
    if (auto *string = dynamic_cast<const String *>(one))
        return string->text == dynamic_cast<const String *>(other)->text;
    if (auto *number = dynamic_cast<const Number *>(one))
        return number->real == dynamic_cast<const Number *>(other)->real;
    if (auto *data = dynamic_cast<const Data *>(one))
        return data->bytes == dynamic_cast<const Data *>(other)->bytes;
    return false;
}

Object *Dictionary::find(const Object *key) const
{
    for (auto &[known, value] : pairs)
        if (equal(known.get(), key))
            return value.get();
    return nullptr;
}

void Dictionary::set(Object *key, Object *value)
{
    for (auto &[known, old] : pairs)
        if (equal(known.get(), key)) {
            old = Kept<Object>(value);
            return;
        }
    pairs.emplace_back(Kept<Object>(key), Kept<Object>(value));
}

bool flag_of(const Dictionary *dictionary, CFStringRef key, bool otherwise)
{
    auto *found = dictionary ? dynamic_cast<Boolean_ *>(dictionary->find(key)) : nullptr;
    return found ? found->value : otherwise;
}

int64_t number_of(const Dictionary *dictionary, CFStringRef key, int64_t otherwise)
{
    auto *found = dictionary ? dynamic_cast<Number *>(dictionary->find(key)) : nullptr;
    return found ? found->whole : otherwise;
}

} // namespace apple

using namespace apple;

// Variables -----------------------------------------------------------------------------------

extern "C" {
// Rule (header): NULL is the default allocator.
const CFAllocatorRef kCFAllocatorDefault = nullptr;
const CFAllocatorRef kCFAllocatorNull = reinterpret_cast<CFAllocatorRef>(&null_allocator);
const CFBooleanRef kCFBooleanTrue = reference<CFBooleanRef>(new Boolean_(true));
const CFBooleanRef kCFBooleanFalse = reference<CFBooleanRef>(new Boolean_(false));
const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks{};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks{};
const CFArrayCallBacks kCFTypeArrayCallBacks{};
// Rule (assumed): the text of a key is its name: the real texts are in no header.
#define STRING(name) const CFStringRef name = reference<CFStringRef>(constant(#name));
APPLE_STRINGS(STRING)
#undef STRING
#define STRING(name) CFStringRef name = reference<CFStringRef>(constant(#name));
APPLE_COREVIDEO_STRINGS(STRING)
#undef STRING
// What newer systems have, which a client looks up.
#define STRING(since, name)                                                                        \
    extern __attribute__((visibility("default"))) const CFStringRef name;                          \
    const CFStringRef name = reference<CFStringRef>(constant(#name));
APPLE_NEWER_STRINGS(STRING)
#undef STRING
}

// Any object ----------------------------------------------------------------------------------

EMULATED CFTypeRef CFRetain(CFTypeRef value)
{
    retain(value);
    return value;
}

EMULATED void CFRelease(CFTypeRef value) { release(value); }

EMULATED CFTypeID CFGetTypeID(CFTypeRef value)
{
    Object *object = live(value);
    static const std::pair<const char *, CFTypeID> ids[] = {
        {"CFString", string_id}, {"CFDictionary", dictionary_id}, {"CFArray", array_id},
        {"CFData", data_id},     {"CFBoolean", boolean_id},       {"CFNumber", number_id}};
    for (auto [kind, id] : ids)
        if (object && std::strcmp(object->kind, kind) == 0)
            return id;
    return other_id;
}

EMULATED Boolean CFEqual(CFTypeRef one, CFTypeRef other)
{
    Object *first = live(one), *second = live(other);
    return first && second && equal(first, second);
}

EMULATED CFTypeID CFStringGetTypeID() { return string_id; }
EMULATED CFTypeID CFNumberGetTypeID() { return number_id; }
EMULATED CFTypeID CFBooleanGetTypeID() { return boolean_id; }
EMULATED CFTypeID CFDataGetTypeID() { return data_id; }
EMULATED CFTypeID CFArrayGetTypeID() { return array_id; }
EMULATED CFTypeID CFDictionaryGetTypeID() { return dictionary_id; }

// Strings, numbers, booleans, data ----------------------------------------------------------------

EMULATED CFStringRef CFStringCreateWithCString(CFAllocatorRef, const char *text,
                                               CFStringEncoding encoding)
{
    ENTER_OR_NULL(CFStringRef);
    if (encoding != kCFStringEncodingUTF8 || !text)
        return nullptr;
    return reference<CFStringRef>(new String(text));
}

EMULATED Boolean CFStringGetCString(CFStringRef string, char *buffer, CFIndex bytes,
                                    CFStringEncoding encoding)
{
    std::string text;
    // Rule (header): false where the buffer does not hold the text with its NUL.
    if (encoding != kCFStringEncodingUTF8 || !text_of(string, &text) ||
        static_cast<CFIndex>(text.size()) >= bytes)
        return 0;
    std::memcpy(buffer, text.c_str(), text.size() + 1);
    return 1;
}

EMULATED CFNumberRef CFNumberCreate(CFAllocatorRef, CFNumberType type, const void *value)
{
    ENTER_OR_NULL(CFNumberRef);
    switch (type) {
    case kCFNumberSInt32Type:
        return reference<CFNumberRef>(
            new Number(static_cast<int64_t>(*static_cast<const int32_t *>(value))));
    case kCFNumberSInt64Type:
        return reference<CFNumberRef>(new Number(*static_cast<const int64_t *>(value)));
    case kCFNumberFloat64Type:
        return reference<CFNumberRef>(new Number(*static_cast<const double *>(value)));
    }
    misuse("a type of number that is not emulated");
    return nullptr;
}

EMULATED Boolean CFNumberGetValue(CFNumberRef reference, CFNumberType type, void *value)
{
    auto *number = as<Number>(reference);
    if (!number)
        return 0;
    switch (type) {
    case kCFNumberSInt32Type:
        *static_cast<int32_t *>(value) = static_cast<int32_t>(number->whole);
        return number->whole == static_cast<int32_t>(number->whole);
    case kCFNumberSInt64Type: *static_cast<int64_t *>(value) = number->whole; return 1;
    case kCFNumberFloat64Type: *static_cast<double *>(value) = number->real; return 1;
    }
    misuse("a type of number that is not emulated");
    return 0;
}

EMULATED Boolean CFBooleanGetValue(CFBooleanRef boolean)
{
    auto *found = as<Boolean_>(boolean);
    return found && found->value;
}

EMULATED CFDataRef CFDataCreate(CFAllocatorRef, const uint8_t *bytes, CFIndex length)
{
    ENTER_OR_NULL(CFDataRef);
    return reference<CFDataRef>(new Data(bytes, static_cast<std::size_t>(length)));
}

EMULATED const uint8_t *CFDataGetBytePtr(CFDataRef data)
{
    auto *found = as<Data>(data);
    return found ? found->bytes.data() : nullptr;
}

EMULATED CFIndex CFDataGetLength(CFDataRef data)
{
    auto *found = as<Data>(data);
    return found ? static_cast<CFIndex>(found->bytes.size()) : 0;
}

// Arrays and dictionaries -----------------------------------------------------------------------

EMULATED CFArrayRef CFArrayCreate(CFAllocatorRef, const void **values, CFIndex count,
                                  const CFArrayCallBacks *callbacks)
{
    ENTER_OR_NULL(CFArrayRef);
    if (callbacks != &kCFTypeArrayCallBacks)
        misuse("only arrays of objects are emulated");
    auto *made = new Array;
    for (CFIndex i = 0; i < count; ++i)
        if (Object *object = live(values[i]))
            made->values.emplace_back(object);
    return reference<CFArrayRef>(made);
}

EMULATED CFIndex CFArrayGetCount(CFArrayRef array)
{
    auto *found = as<Array>(array);
    return found ? static_cast<CFIndex>(found->values.size()) : 0;
}

EMULATED const void *CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index)
{
    auto *found = as<Array>(array);
    // Rule (header): the behaviour beyond the end is undefined.
    if (!found || index < 0 || index >= static_cast<CFIndex>(found->values.size())) {
        misuse("index %ld of an array", index);
        return nullptr;
    }
    return found->values[static_cast<std::size_t>(index)].get();
}

EMULATED CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef, CFIndex,
                                                          const CFDictionaryKeyCallBacks *keys,
                                                          const CFDictionaryValueCallBacks *values)
{
    ENTER_OR_NULL(CFMutableDictionaryRef);
    if (keys != &kCFTypeDictionaryKeyCallBacks || values != &kCFTypeDictionaryValueCallBacks)
        misuse("only dictionaries of objects are emulated");
    return reference<CFMutableDictionaryRef>(new Dictionary);
}

EMULATED void CFDictionarySetValue(CFMutableDictionaryRef dictionary, const void *key,
                                   const void *value)
{
    auto *found = as<Dictionary>(dictionary);
    Object *name = live(key), *kept = live(value);
    if (found && name && kept)
        found->set(name, kept);
}

EMULATED const void *CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key)
{
    auto *found = as<Dictionary>(dictionary);
    Object *name = live(key);
    return found && name ? found->find(name) : nullptr;
}

EMULATED CFIndex CFDictionaryGetCount(CFDictionaryRef dictionary)
{
    auto *found = as<Dictionary>(dictionary);
    return found ? static_cast<CFIndex>(found->pairs.size()) : 0;
}
