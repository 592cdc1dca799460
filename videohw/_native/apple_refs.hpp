// Owners of references to CoreFoundation's objects, and of a thread's autorelease pool; forks.
#ifndef VIDEOHW_APPLE_REFS_HPP
#define VIDEOHW_APPLE_REFS_HPP

#include "apple.h"

#include <pthread.h>

#include <atomic>
#include <utility>

namespace videohw {

// Whether this is a child of fork, where the frameworks and their threads are not.
inline std::atomic<bool> &vt_forked_flag()
{
    static std::atomic<bool> forked{false};
    return forked;
}
inline bool vt_forked() { return vt_forked_flag().load(); }
inline void vt_watch_forks()
{
    vt_forked_flag();
    pthread_atfork(nullptr, nullptr, [] { vt_forked_flag().store(true); });
}

// One reference, released at the end. It takes over what a Create or Copy call gave.
template <class Reference>
class CfOwner {
public:
    CfOwner() = default;
    explicit CfOwner(Reference made) : reference_(made) {}
    CfOwner(const CfOwner &) = delete;
    CfOwner &operator=(const CfOwner &) = delete;
    CfOwner(CfOwner &&other) noexcept : reference_(std::exchange(other.reference_, nullptr)) {}
    CfOwner &operator=(CfOwner &&other) noexcept
    {
        std::swap(reference_, other.reference_);
        return *this;
    }
    ~CfOwner()
    {
        if (reference_)
            CFRelease(reference_);
    }
    Reference get() const { return reference_; }
    explicit operator bool() const { return reference_ != nullptr; }
    // For a call that writes the reference; nothing is held before.
    Reference *out() { return &reference_; }

private:
    Reference reference_ = nullptr;
};

// What the frameworks give back later on this thread goes when this ends.
class AutoreleasePool {
public:
    AutoreleasePool() : pool_(objc_autoreleasePoolPush()) {}
    ~AutoreleasePool() { objc_autoreleasePoolPop(pool_); }
    AutoreleasePool(const AutoreleasePool &) = delete;
    AutoreleasePool &operator=(const AutoreleasePool &) = delete;

private:
    void *pool_;
};

inline CfOwner<CFMutableDictionaryRef> cf_dictionary()
{
    return CfOwner<CFMutableDictionaryRef>(CFDictionaryCreateMutable(
        kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks));
}

// False without memory.
inline bool cf_set(CFMutableDictionaryRef dictionary, CFStringRef key, int64_t value)
{
    CfOwner<CFNumberRef> number(CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt64Type, &value));
    if (!dictionary || !number)
        return false;
    CFDictionarySetValue(dictionary, key, number.get());
    return true;
}

} // namespace videohw

#endif
