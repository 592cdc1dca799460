// CoreFoundation's strings, numbers, data, arrays and dictionaries.
#pragma once

#include "emulator.hpp"

#include <utility>
#include <vector>

namespace apple {

class String : public Object {
  public:
    explicit String(std::string text, bool immortal = false)
        : Object("CFString", immortal), text(std::move(text))
    {
    }
    const std::string text;
};

class Number : public Object {
  public:
    explicit Number(double real) : Object("CFNumber"), whole(static_cast<int64_t>(real)), real(real)
    {
    }
    explicit Number(int64_t whole)
        : Object("CFNumber"), whole(whole), real(static_cast<double>(whole))
    {
    }
    const int64_t whole;
    const double real;
};

class Boolean_ : public Object {
  public:
    explicit Boolean_(bool value) : Object("CFBoolean", true), value(value) {}
    const bool value;
};

class Data : public Object {
  public:
    Data(const uint8_t *bytes, std::size_t length) : Object("CFData"), bytes(bytes, bytes + length)
    {
    }
    const std::vector<uint8_t> bytes;
};

class Array : public Object {
  public:
    Array() : Object("CFArray") {}
    void clear() override { values.clear(); }
    std::vector<Kept<Object>> values;
};

class Dictionary : public Object {
  public:
    Dictionary() : Object("CFDictionary") {}
    void clear() override { pairs.clear(); }
    // nullptr where it is not there.
    Object *find(const Object *key) const;
    Object *find(CFStringRef key) const { return find(reinterpret_cast<const Object *>(key)); }
    void set(Object *key, Object *value);
    void set(CFStringRef key, Object *value)
    {
        set(const_cast<Object *>(reinterpret_cast<const Object *>(key)), value);
    }
    std::vector<std::pair<Kept<Object>, Kept<Object>>> pairs;
};

bool equal(const Object *one, const Object *other);
// Of a dictionary that may be NULL; `otherwise` where the key or the type is not there.
bool flag_of(const Dictionary *dictionary, CFStringRef key, bool otherwise);
int64_t number_of(const Dictionary *dictionary, CFStringRef key, int64_t otherwise);

// References of the client's types. Every object of ours begins with its Object.
template <class Reference>
Reference reference(const Object *object)
{
    return reinterpret_cast<Reference>(const_cast<Object *>(object));
}

} // namespace apple
