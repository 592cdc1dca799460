// A call of the driver that says which one it is while a thread is inside, so that whoever waits
// for that thread can name what does not come back.
#ifndef VIDEOHW_NVIDIA_CALL_HPP
#define VIDEOHW_NVIDIA_CALL_HPP

#include <atomic>

namespace videohw {

using NotedCall = std::atomic<const char *>;

// Where this thread's calls are noted; null: nowhere. Each extension module has its own.
inline NotedCall *&noted_calls()
{
    static thread_local NotedCall *place = nullptr;
    return place;
}

// The call that did not come back for this thread within the bound of an errand, null: none is known.
// Of the module that made the driver, which tells of it (Driver::late_call).
inline const char *&late_call_here()
{
    static thread_local const char *call = nullptr;
    return call;
}

// Notes the call `name` for as long as it lives. Calls are within calls: of callbacks.
class Noted {
public:
    explicit Noted(const char *name) : place_(noted_calls())
    {
        if (place_)
            before_ = place_->exchange(name, std::memory_order_relaxed);
    }
    ~Noted()
    {
        if (place_)
            place_->store(before_, std::memory_order_relaxed);
    }
    Noted(const Noted &) = delete;
    Noted &operator=(const Noted &) = delete;

private:
    NotedCall *const place_;
    const char *before_ = nullptr;
};

template <class Pointer> class DriverCall;

template <class Result, class... Arguments> class DriverCall<Result (*)(Arguments...)> {
public:
    using Pointer = Result (*)(Arguments...);

    DriverCall() = default;
    DriverCall(void *address, const char *name)
        : pointer_(reinterpret_cast<Pointer>(address)), name_(name)
    {
    }
    explicit operator bool() const { return pointer_ != nullptr; }
    Result operator()(Arguments... arguments) const
    {
        Noted noted(name_);
        return pointer_(arguments...);
    }

private:
    Pointer pointer_ = nullptr;
    const char *name_ = "";
};

} // namespace videohw

#endif
